use millstream_wire::batch::{ControlMarker, TimestampType, write_control_batch};

use super::*;
use crate::{AppendError, ProducerRefusal, ReadError};

#[test]
fn room_that_is_taken_ahead_is_given_back_when_a_segment_or_the_log_is_closed() {
    let config = LogConfig { segment_bytes: 4 << 20, max_message_bytes: 4 << 20, ..LogConfig::default() };
    let bed = Bed::new(config);
    let mut log = bed.start();
    let room = |base_offset: i64| {
        let found = fs::metadata(bed.file(&format!("{base_offset:020}.log"))).unwrap();
        (std::os::unix::fs::MetadataExt::blocks(&found) * 512).saturating_sub(found.len())
    };
    let large = |value_len| batch_of(&[NOW], value_len, &BatchStamp::default());
    for _ in 0..3 {
        append(&mut log, large(900_000));
    }
    if room(0) < 1 << 19 {
        println!("the file system of temporary files gives no room ahead");
        return;
    }
    let size = fs::metadata(bed.file("00000000000000000000.log")).unwrap().len();
    assert_eq!(log.size_bytes(), size, "the file is no longer than its batches");
    append(&mut log, large(2_000_000));
    assert!(room(0) < 1 << 19, "the first segment is closed: {}", room(0));
    append(&mut log, large(100_000));
    assert!(1 << 19 < room(3), "and the second is not: {}", room(3));
    log.sync_handle().sync().unwrap();
    log.close_clean().unwrap();
    assert!(room(3) < 1 << 19, "{}", room(3));
    let log = bed.start();
    assert_eq!(log.end_offset(), at(5));
}

#[test]
fn a_batch_is_stored_as_it_came_but_for_its_offset_and_leader_epoch() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    append(&mut log, batch(3));
    let sent = batch(2);
    let mut stored = sent.clone();
    let appended = log.append(&mut stored, 4, now()).unwrap();
    assert_eq!(appended, Appended { base_offset: at(3), last_offset: at(4), log_append_time: None, duplicate: false });
    assert_eq!(log.end_offset(), at(5));
    let slice = log.reader().read(at(3), 1 << 20, false, at(5)).unwrap();
    assert_eq!(slice.bytes, stored);
    assert_eq!((&stored[..8], &stored[12..16]), (&3_i64.to_be_bytes()[..], &4_i32.to_be_bytes()[..]));
    assert_eq!((&stored[8..12], &stored[16..]), (&sent[8..12], &sent[16..]));
    let text = fs::read_to_string(bed.file("leader-epoch-checkpoint")).unwrap();
    assert_eq!(text, "0\n2\n0 0\n4 3\n");
    let end = log.reader().epoch_end_offset(0).unwrap();
    assert_eq!((end.epoch, end.end_offset), (0, at(3)));
}

#[test]
fn log_append_time_stamps_the_batch() {
    let bed = Bed::new(LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() });
    let mut log = bed.start();
    let mut sent = batch(2);
    let later = Timestamp::from_millis(NOW + 9);
    let appended = log.append(&mut sent, 0, later).unwrap();
    assert_eq!(appended.log_append_time, Some(later));
    let header = read_all(&log.reader(), 0)[0];
    assert_eq!((header.timestamp_type(), header.max_timestamp), (TimestampType::LogAppendTime, NOW + 9));
}

#[test]
fn reads_return_whole_batches_within_their_bounds() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    for _ in 0..4 {
        append(&mut log, batch(3));
    }
    let len = batch(3).len();
    let reader = log.reader();
    let read = |from, max_bytes, at_least_one, up_to| {
        let slice = reader.read(at(from), max_bytes, at_least_one, at(up_to)).unwrap();
        (slice.bytes.len() / len, slice.next_offset.get())
    };
    assert_eq!(read(0, 1 << 20, false, 12), (4, 12));
    assert_eq!(read(0, 2 * len, false, 12), (2, 6));
    assert_eq!(read(0, 3 * len - 1, false, 12), (2, 6));
    assert_eq!(read(4, 1 << 20, false, 12), (3, 12), "the batch that has the offset comes whole");
    assert_eq!(read(6, len - 1, false, 12), (0, 6));
    assert_eq!(read(6, 0, true, 12), (1, 9), "at least one");
    assert_eq!(read(0, 1 << 20, true, 8), (2, 6), "nothing that ends beyond the bound");
    assert_eq!(read(6, 1 << 20, true, 8), (0, 6), "not even as the first");
    assert_eq!(read(12, 1 << 20, true, 99), (0, 12), "the end");
    let error = reader.read(at(13), 1, true, at(99)).unwrap_err();
    assert!(matches!(error, ReadError::OutOfRange { .. }), "{error:?}");
}

#[test]
fn segments_are_rolled_by_size_and_by_the_age_of_their_first_record() {
    let len = batch(1).len() as u64;
    let bed = Bed::new(LogConfig { segment_bytes: 3 * len, segment_ms: 1000, ..LogConfig::default() });
    let mut log = bed.start();
    for _ in 0..4 {
        append(&mut log, batch(1));
    }
    assert_eq!(names(&bed.path(), ".log"), ["00000000000000000000.log", "00000000000000000003.log"]);
    append(&mut log, batch_of(&[NOW + 1000], 10, &BatchStamp::default()));
    assert_eq!(names(&bed.path(), ".log").len(), 2, "not older than segment.ms");
    append(&mut log, batch_of(&[NOW + 1001], 10, &BatchStamp::default()));
    assert_eq!(names(&bed.path(), ".log")[2], "00000000000000000005.log");
    assert_eq!(bases(&log), [0, 1, 2, 3, 4, 5]);
    // One that is larger than a segment gets one of its own.
    append(&mut log, batch_of(&[NOW; 1], 1000, &BatchStamp::default()));
    append(&mut log, batch(1));
    assert_eq!(names(&bed.path(), ".log").len(), 5);
    assert_eq!(bases(&log), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn indexes_have_kafkas_entries() {
    let len = batch(2).len() as u32;
    let config = LogConfig {
        index_interval_bytes: u64::from(2 * len - 1),
        segment_bytes: 6 * u64::from(len),
        ..LogConfig::default()
    };
    let bed = Bed::new(config);
    let mut log = bed.start();
    for n in 0..7 {
        append(&mut log, batch_of(&[NOW + n, NOW], 10, &BatchStamp::default()));
    }
    // Two batches of bytes lie before the third (last offset 5) and again before the fifth (last offset 9).
    let index = fs::read(bed.file("00000000000000000000.index")).unwrap();
    assert_eq!(index, [5_u32, 2 * len, 9, 4 * len].map(u32::to_be_bytes).concat());
    let mut times = Vec::new();
    for (timestamp, offset) in [(NOW + 2, 5_i32), (NOW + 4, 9), (NOW + 5, 11)] {
        times.extend(timestamp.to_be_bytes());
        times.extend(offset.to_be_bytes());
    }
    assert_eq!(fs::read(bed.file("00000000000000000000.timeindex")).unwrap(), times);
    assert_eq!(names(&bed.path(), ".snapshot"), ["00000000000000000012.snapshot"]);
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offsets() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    append(&mut log, batch(1));
    append(&mut log, sequenced(3, 0));
    append(&mut log, sequenced(2, 3));
    let again = append(&mut log, sequenced(3, 0));
    assert_eq!(again, Appended { base_offset: at(1), last_offset: at(3), log_append_time: None, duplicate: true });
    assert_eq!(log.end_offset(), at(6));
    let mut gap = sequenced(1, 6);
    let error = log.append(&mut gap, 0, now()).unwrap_err();
    let source = ProducerRefusal::OutOfOrder { producer_id: 7, first: 6, last: 4 };
    assert!(matches!(error, AppendError::Producer { source: found } if found == source), "{error:?}");
    assert_eq!(log.end_offset(), at(6));
}

#[test]
fn bytes_that_are_not_one_batch_and_batches_that_are_too_large_are_refused() {
    let bed = Bed::new(LogConfig { max_message_bytes: 200, ..LogConfig::default() });
    let mut log = bed.start();
    let mut refused = |mut bytes: Vec<u8>| log.append(&mut bytes, 0, now()).unwrap_err();
    for no_batch in [Vec::new(), [batch(1), batch(1)].concat(), batch(1)[..70].to_vec()] {
        assert!(matches!(refused(no_batch), AppendError::Invalid { .. }));
    }
    assert!(matches!(refused(batch(40)), AppendError::TooLarge { max_bytes: 200, .. }));
    assert_eq!(log.end_offset(), at(0));
}

#[test]
fn a_disk_that_refuses_takes_the_log_offline_when_it_cannot_be_put_right() {
    let bed = Bed::new(LogConfig::default());
    fs::create_dir_all(bed.path()).unwrap();
    // Every write to this device fails as on a full disk, and it cannot be cut to a length either.
    std::os::unix::fs::symlink("/dev/full", bed.file("00000000000000000000.log")).unwrap();
    let mode = clean(at(0));
    crate::snapshot::write(&*millstream_disk::real(), &bed.path(), 0, &crate::ProducerStates::default(), false)
        .unwrap();
    let (mut log, _) = bed.open(mode);
    let error = log.append(&mut batch(1), 0, now()).unwrap_err();
    assert!(matches!(error, AppendError::Write { .. }));
    assert!(log.is_offline());
    assert_eq!(log.end_offset(), at(0));
    let error = log.append(&mut batch(1), 0, now()).unwrap_err();
    assert!(matches!(error, AppendError::Offline { .. }));
    assert!(log.sync_handle().sync().is_err());
}

#[test]
fn open_transactions_hold_the_last_stable_offset_back() {
    let bed = Bed::new(LogConfig { segment_bytes: 250, ..LogConfig::default() });
    let mut log = bed.start();
    let transactional = |producer_id, base_sequence| {
        let stamp =
            BatchStamp { producer_id, producer_epoch: 0, base_sequence, transactional: true, ..BatchStamp::default() };
        batch_of(&[NOW], 10, &stamp)
    };
    let marker = |producer_id, committed| {
        write_control_batch(NOW, producer_id, 0, ControlMarker { committed, coordinator_epoch: 0 }).to_vec()
    };
    append(&mut log, batch(1));
    append(&mut log, transactional(1, 0));
    append(&mut log, transactional(2, 0));
    assert_eq!(log.last_stable_offset(), at(1));
    append(&mut log, marker(1, false));
    assert_eq!(log.last_stable_offset(), at(2));
    append(&mut log, transactional(1, 1));
    append(&mut log, marker(2, true));
    assert_eq!(log.last_stable_offset(), at(4));
    append(&mut log, marker(1, false));
    assert_eq!(log.last_stable_offset(), at(7));
    // A second marker is harmless.
    append(&mut log, marker(1, false));

    let check = |log: &PartitionLog| {
        let aborted = |from, to| {
            let found = log.reader().aborted_transactions(at(from), at(to)).unwrap();
            found
                .iter()
                .map(|t| (t.producer_id, t.first_offset, t.last_offset, t.last_stable_offset))
                .collect::<Vec<_>>()
        };
        assert_eq!(aborted(0, 8), [(1, 1, 3, 2), (1, 4, 6, 7)]);
        assert_eq!(aborted(0, 4), [(1, 1, 3, 2)]);
        assert_eq!(aborted(4, 8), [(1, 4, 6, 7)]);
        assert_eq!(aborted(7, 8), []);
        assert_eq!(log.last_stable_offset(), log.end_offset());
    };
    check(&log);
    drop(log);
    // The transaction indexes are made anew after a crash.
    check(&bed.start());
    // An old coordinator and an old epoch are fenced.
    let mut log = bed.start();
    let mut newer = write_control_batch(NOW, 1, 1, ControlMarker { committed: false, coordinator_epoch: 2 });
    log.append(&mut newer, 0, now()).unwrap();
    let mut old = write_control_batch(NOW, 1, 1, ControlMarker { committed: false, coordinator_epoch: 1 });
    let error = log.append(&mut old, 0, now()).unwrap_err();
    let source = ProducerRefusal::OldCoordinator { producer_id: 1, epoch: 1, known: 2 };
    assert!(matches!(error, AppendError::Producer { source: found } if found == source), "{error:?}");
    let error = log.append(&mut transactional(1, 2), 0, now()).unwrap_err();
    let source = ProducerRefusal::OldEpoch { producer_id: 1, epoch: 0, known: 1 };
    assert!(matches!(error, AppendError::Producer { source: found } if found == source), "{error:?}");
}
