use super::*;
use crate::{DeletionReason, ReadError, RetentionError};

/// Segments of one batch with one record each, a second apart.
fn seconds(config: LogConfig, records: i64) -> (Bed, PartitionLog) {
    let bed = Bed::new(LogConfig { segment_bytes: 100, ..config });
    let mut log = bed.start();
    for n in 0..records {
        append(&mut log, batch_of(&[NOW + 1000 * n], 20, &BatchStamp::default()));
    }
    (bed, log)
}

fn later(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW + ms)
}

#[test]
fn expired_segments_go_and_the_start_moves() {
    let (bed, mut log) = seconds(LogConfig { retention_ms: 2000, ..LogConfig::default() }, 5);
    assert!(log.apply_retention(later(2000)).unwrap().is_empty());
    let deleted = log.apply_retention(later(3500)).unwrap();
    let reasons: Vec<_> = deleted.iter().map(|segment| (segment.base_offset.get(), segment.reason)).collect();
    assert_eq!(reasons, [(0, DeletionReason::Age), (1, DeletionReason::Age)]);
    assert_eq!(log.start_offset(), at(2));
    assert_eq!(bases(&log), [2, 3, 4]);
    let error = log.reader().read(at(1), 100, true, at(5)).unwrap_err();
    assert!(matches!(error, ReadError::OutOfRange { .. }), "{error:?}");
    // The files stay for a minute.
    assert_eq!(names(&bed.path(), ".log").len(), 3);
    assert_eq!(names(&bed.path(), ".log.deleted").len(), 2);
    assert_eq!(log.purge_deleted(later(3500 + 59_999)).unwrap(), 0);
    assert!(0 < log.purge_deleted(later(3500 + 60_000)).unwrap());
    assert_eq!(names(&bed.path(), ".deleted"), Vec::<String>::new());
    drop(log);
    let log = bed.start();
    assert_eq!((log.start_offset(), log.end_offset()), (at(2), at(5)));
}

#[test]
fn a_quiet_partition_empties() {
    let (bed, mut log) = seconds(LogConfig { retention_ms: 2000, ..LogConfig::default() }, 3);
    log.apply_retention(later(1_000_000)).unwrap();
    assert_eq!((log.start_offset(), log.end_offset(), log.size_bytes()), (at(3), at(3), 0));
    assert!(log.apply_retention(later(2_000_000)).unwrap().is_empty());
    append(&mut log, batch(1));
    assert_eq!(bases(&log), [3]);
    drop(log);
    assert_eq!(bases(&bed.start()), [3]);
}

#[test]
fn size_takes_the_oldest_and_keeps_what_is_asked_for() {
    let len = batch_of(&[NOW], 20, &BatchStamp::default()).len() as i64;
    let config = LogConfig { retention_bytes: 2 * len, retention_ms: -1, ..LogConfig::default() };
    let (_bed, mut log) = seconds(config, 5);
    let deleted = log.apply_retention(now()).unwrap();
    assert_eq!(deleted.len(), 3);
    assert!(deleted.iter().all(|segment| segment.reason == DeletionReason::Size && segment.bytes == len as u64));
    assert_eq!(bases(&log), [3, 4]);
}

#[test]
fn a_reader_finishes_on_a_segment_that_is_deleted_under_it() {
    let (_bed, mut log) = seconds(LogConfig { retention_ms: 2000, file_delete_delay_ms: 0, ..LogConfig::default() }, 5);
    let held = log.reader().shared.segments();
    log.apply_retention(later(1_000_000)).unwrap();
    log.purge_deleted(later(1_000_000)).unwrap();
    for segment in held.iter() {
        assert!(segment.find(segment.base_offset()).unwrap().is_some());
    }
}

#[test]
fn deleted_records_cannot_be_read_again() {
    let (bed, mut log) = seconds(LogConfig::default(), 4);
    for _ in 0..2 {
        // The active segment has three batches of two records now: offsets 3 to 8.
        log.set_config(LogConfig::default());
        append(&mut log, batch(2));
    }
    assert_eq!(log.delete_records(at(5), now()).unwrap(), at(5));
    assert_eq!(log.delete_records(at(2), now()).unwrap(), at(5), "never back");
    assert_eq!(log.start_offset(), at(5));
    assert_eq!(names(&bed.path(), ".log"), ["00000000000000000003.log"]);
    assert!(log.reader().read(at(4), 100, true, at(8)).is_err());
    assert_eq!(log.reader().read(at(5), 1, true, at(8)).unwrap().next_offset, at(6));
    let text = fs::read_to_string(bed.file("leader-epoch-checkpoint")).unwrap();
    assert_eq!(text, "0\n1\n0 5\n");
    let beyond = log.delete_records(at(9), now()).unwrap_err();
    assert!(matches!(beyond, RetentionError::BeyondEnd { .. }));
    let end = log.close_clean().unwrap();
    let (mut log, _) = bed.open(OpenMode { log_start: at(5), ..clean(end) });
    assert_eq!((log.start_offset(), log.end_offset()), (at(5), at(8)));
    assert_eq!(log.delete_records(at(8), now()).unwrap(), at(8));
    log.apply_retention(now()).unwrap();
    assert_eq!(names(&bed.path(), ".log"), ["00000000000000000008.log"], "the active one goes with retention");
}

#[test]
fn idle_producers_are_forgotten_after_a_day() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    append(&mut log, sequenced(2, 0));
    log.expire_producers(later(86_400_000));
    assert_eq!(log.producers().len(), 1);
    log.expire_producers(later(86_400_001));
    assert!(log.producers().is_empty());
    assert!(!append(&mut log, sequenced(2, 77)).duplicate, "any sequence is accepted then");
}

#[test]
fn the_last_stable_offset_is_not_below_the_start() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    let stamp = BatchStamp {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchStamp::default()
    };
    append(&mut log, batch_of(&[NOW; 2], 10, &stamp));
    append(&mut log, batch(1));
    assert_eq!(log.last_stable_offset(), at(0));
    log.delete_records(at(1), now()).unwrap();
    assert_eq!(log.last_stable_offset(), at(1));
    assert_eq!(log.reader().read(at(1), 1000, true, log.last_stable_offset()).unwrap().next_offset, at(1));
}
