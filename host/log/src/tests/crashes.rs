use std::{fs::OpenOptions, io, time::Duration};

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
use millstream_wire::batch::{ControlMarker, write_control_batch};

use super::*;
use crate::{Damage, DamageKind, OpenLogError, SyncError};

/// Two segments: three batches of two records, and two such in the active one.
fn two_segments() -> (Bed, PartitionLog) {
    let bed = Bed::new(LogConfig {
        segment_bytes: 3 * batch(2).len() as u64,
        index_interval_bytes: 1,
        ..LogConfig::default()
    });
    let mut log = bed.start();
    for _ in 0..5 {
        append(&mut log, batch(2));
    }
    (bed, log)
}

fn set_len(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

const ACTIVE: &str = "00000000000000000006.log";

#[test]
fn a_tail_torn_at_any_byte_is_cut_off_at_a_batch() {
    let (bed, log) = two_segments();
    drop(log);
    let len = batch(2).len() as u64;
    for cut in 0..=2 * len {
        let dir = bed.dir.path().join("copy");
        copy_dir(&bed.path(), &dir);
        set_len(&dir.join(ACTIVE), cut);
        let (mut log, report) = open(&dir, &bed.config, OpenMode::UNKNOWN);
        let whole = (cut / len) as i64;
        assert_eq!(log.end_offset(), at(6 + 2 * whole), "cut to {cut} bytes");
        assert_eq!(log.durable_end(), log.end_offset());
        assert_eq!(report.truncated_bytes, cut % len);
        assert_eq!(fs::metadata(dir.join(ACTIVE)).unwrap().len(), whole as u64 * len);
        append(&mut log, batch(2));
        let expected: Vec<i64> = (0..4 + whole).map(|n| 2 * n).collect();
        assert_eq!(bases(&log), expected, "cut to {cut} bytes");
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_tail_of_zeros_is_cut_off() {
    let (bed, log) = two_segments();
    drop(log);
    let len = batch(2).len() as u64;
    set_len(&bed.file(ACTIVE), 2 * len + 5000);
    let (log, report) = bed.open(OpenMode::UNKNOWN);
    assert_eq!((log.end_offset(), report.truncated_bytes), (at(10), 5000));
}

/// Opens a damaged log, and makes sure that this changes nothing.
#[track_caller]
fn damage(bed: &Bed, mode: OpenMode) -> Damage {
    let before = content(&bed.path());
    let error = PartitionLog::open(&millstream_disk::real(), &bed.path(), bed.config.clone(), mode, now()).unwrap_err();
    assert!(content(&bed.path()) == before, "nothing is changed");
    assert!(error.is_lasting());
    match error {
        OpenLogError::Damaged { source } => *source,
        other => panic!("{other}"),
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

const FIRST: &str = "00000000000000000000.log";

#[test]
fn a_bit_that_flips_where_sound_records_follow_is_damage_and_nothing_is_changed() {
    let len = batch(2).len();
    // The second of three batches: its offset, its length, what its checksum covers, its last byte.
    for byte in [7, 11, 40, 70, len - 1] {
        let (bed, log) = two_segments();
        drop(log);
        flip(&bed.file(FIRST), len + byte);
        // What would be cleared up at any other time.
        fs::write(bed.file("00000000000000000000.log.deleted"), b"x").unwrap();
        fs::remove_file(bed.file("00000000000000000006.index")).unwrap();
        let found = damage(&bed, OpenMode::UNKNOWN);
        assert_eq!((found.file, found.position, found.offset), (bed.file(FIRST), len as u64, 2), "byte {byte}");
        let expected = if byte == 7 {
            found.kind == DamageKind::Misplaced
        } else {
            matches!(found.kind, DamageKind::RecordsFollow { .. })
        };
        assert!(expected, "byte {byte}: {:?}", found.kind);
    }
}

#[test]
fn a_batch_whose_offset_changed_is_damage_even_if_it_is_the_last() {
    for byte in [1, 3, 7] {
        let (bed, log) = two_segments();
        drop(log);
        flip(&bed.file(ACTIVE), batch(2).len() + byte);
        assert_eq!(damage(&bed, OpenMode::UNKNOWN).kind, DamageKind::Misplaced, "byte {byte}");
    }
}

#[test]
fn damage_at_the_end_of_a_segment_is_seen_by_the_segment_that_follows() {
    let (bed, log) = two_segments();
    drop(log);
    let len = batch(2).len();
    flip(&bed.file(FIRST), 3 * len - 1);
    let found = damage(&bed, OpenMode::UNKNOWN);
    assert_eq!((found.position, found.offset), (2 * len as u64, 4));
    let follows = DamageKind::RecordsFollow { file: bed.file(ACTIVE), position: 0, offset: 6 };
    assert_eq!(found.kind, follows);
    // Cut at a batch, there is a hole and no unsound byte.
    set_len(&bed.file(FIRST), 2 * len as u64);
    let found = damage(&bed, OpenMode::UNKNOWN);
    assert_eq!((found.position, found.offset, found.kind), (2 * len as u64, 4, follows));
}

#[test]
fn nothing_below_the_recovery_point_is_ever_cut() {
    let len = batch(2).len();
    let (bed, log) = two_segments();
    let recovery_point = log.sync_handle().sync().unwrap();
    drop(log);
    let mode = OpenMode { recovery_point, ..OpenMode::UNKNOWN };
    // The last batch of all: nothing follows it.
    flip(&bed.file(ACTIVE), 2 * len - 1);
    let found = damage(&bed, mode);
    assert_eq!((found.file, found.position, found.offset), (bed.file(ACTIVE), len as u64, 8));
    assert_eq!(found.kind, DamageKind::Unreadable { recovery_point: 10 });
    assert!(matches!(damage(&bed, clean(recovery_point)).kind, DamageKind::Unreadable { .. }));
    // Nor does it go unseen that it is gone.
    set_len(&bed.file(ACTIVE), len as u64);
    assert_eq!(damage(&bed, mode).kind, DamageKind::Missing { recovery_point: 10 });
    assert_eq!(damage(&bed, clean(recovery_point)).kind, DamageKind::Missing { recovery_point: 10 });
    // In a segment that need not be read but for its indexes.
    let (bed, log) = two_segments();
    log.sync_handle().sync().unwrap();
    drop(log);
    flip(&bed.file(FIRST), len + 16);
    fs::remove_file(bed.file("00000000000000000000.timeindex")).unwrap();
    let found = damage(&bed, mode);
    assert_eq!((found.file, found.position, found.offset), (bed.file(FIRST), len as u64, 2));
}

#[test]
fn a_missing_folder_and_overlapping_segments_are_damage() {
    let (bed, log) = two_segments();
    drop(log);
    fs::copy(bed.file(ACTIVE), bed.file("00000000000000000004.log")).unwrap();
    assert_eq!(damage(&bed, OpenMode::UNKNOWN).kind, DamageKind::Overlap { previous_end: 6 });
    let empty = Bed::new(LogConfig::default());
    fs::create_dir_all(empty.path()).unwrap();
    let found = damage(&empty, OpenMode { recovery_point: at(7), ..OpenMode::UNKNOWN });
    assert_eq!((found.file, found.kind), (empty.path(), DamageKind::Missing { recovery_point: 7 }));
}

#[test]
fn what_a_failed_roll_left_behind_is_cleared_up() {
    let (bed, log) = two_segments();
    drop(log);
    // The roll failed after it had made the file, and the segment before it went on.
    fs::write(bed.file("00000000000000000004.log"), b"").unwrap();
    let log = bed.start();
    assert_eq!(bases(&log), [0, 2, 4, 6, 8]);
    assert!(!bed.file("00000000000000000004.log").exists());
}

#[test]
fn damage_tells_the_operator_file_position_and_remedy() {
    let (bed, log) = two_segments();
    drop(log);
    flip(&bed.file(FIRST), batch(2).len() + 70);
    let text = damage(&bed, OpenMode::UNKNOWN).to_string();
    let (first, len) = (bed.file(FIRST), batch(2).len());
    let expected =
        format!("{} is damaged at byte {len}, where offset 2 belongs: there is no sound batch", first.display());
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("millstream broker repair") && text.contains("nothing was changed"), "{text}");
}

#[test]
fn only_the_segments_from_the_recovery_point_on_are_read() {
    let (bed, log) = two_segments();
    let recovery_point = log.sync_handle().sync().unwrap();
    assert_eq!(log.sync_handle().recovery_point(), recovery_point);
    drop(log);
    let len = batch(2).len() as u64;
    let (log, report) = bed.open(OpenMode { recovery_point, ..OpenMode::UNKNOWN });
    assert_eq!((report.scanned_bytes, report.rebuilt_indexes), (2 * len, 0));
    assert_eq!(bases(&log), [0, 2, 4, 6, 8]);
    drop(log);
    for damaged in ["index", "timeindex"] {
        fs::write(bed.file(&format!("00000000000000000000.{damaged}")), [0; 7]).unwrap();
        let (log, report) = bed.open(OpenMode { recovery_point, ..OpenMode::UNKNOWN });
        assert_eq!(report.rebuilt_indexes, 1, "{damaged}");
        assert_eq!(bases(&log), [0, 2, 4, 6, 8]);
    }
}

#[test]
fn recovery_makes_the_same_indexes_as_appending_did() {
    let (bed, log) = two_segments();
    let read = |name: &str| fs::read(bed.file(name)).unwrap();
    let indexes = ["00000000000000000000.index", "00000000000000000000.timeindex", "00000000000000000006.index"];
    let before = indexes.map(read);
    drop(log);
    for name in indexes {
        fs::write(bed.file(name), b"nonsense, as after a power failure").unwrap();
    }
    drop(bed.start());
    assert_eq!(indexes.map(read), before);
}

#[test]
fn after_a_clean_stop_nothing_is_read() {
    let (bed, mut log) = two_segments();
    append(&mut log, sequenced(2, 0));
    append(&mut log, sequenced(2, 2));
    let producers = log.producers().clone();
    let recovery_point = log.close_clean().unwrap();
    assert_eq!(recovery_point, at(14));
    let (mut log, report) = bed.open(clean(recovery_point));
    assert_eq!(report, RecoveryReport { segments: 3, ..RecoveryReport::default() });
    assert_eq!(log.producers(), &producers);
    assert_eq!((log.end_offset(), log.durable_end()), (at(14), at(14)));
    assert!(append(&mut log, sequenced(2, 0)).duplicate);
    assert_eq!(append(&mut log, sequenced(2, 4)).base_offset, at(14));
    drop(log);
    // The marker of the stop before does not count for what came after it.
    let (log, report) = bed.open(clean(recovery_point));
    assert!(0 < report.scanned_bytes);
    assert_eq!(log.end_offset(), at(16));
}

#[test]
fn a_killed_broker_still_knows_the_last_five_batches_of_a_producer() {
    for segment_bytes in [1 << 20, 250] {
        let bed = Bed::new(LogConfig { segment_bytes, ..LogConfig::default() });
        let mut log = bed.start();
        for n in 0..8 {
            append(&mut log, sequenced(2, 2 * n));
        }
        let synced = log.sync_handle().sync().unwrap();
        drop(log);
        for recovery_point in [at(0), synced] {
            let (mut log, _) = bed.open(OpenMode { recovery_point, ..OpenMode::UNKNOWN });
            for n in 3..8 {
                let again = append(&mut log, sequenced(2, 2 * n));
                assert!(again.duplicate, "batch {n}, segments of {segment_bytes}");
                assert_eq!(again.base_offset, at(2 * i64::from(n)));
            }
            assert!(log.append(&mut sequenced(2, 4), 0, now()).is_err(), "out of the window");
            assert!(log.append(&mut sequenced(2, 18), 0, now()).is_err(), "a gap");
        }
        let mut log = bed.start();
        assert!(!append(&mut log, sequenced(2, 16)).duplicate);
    }
}

#[test]
fn an_open_transaction_survives_a_crash() {
    let bed = Bed::new(LogConfig { segment_bytes: 150, ..LogConfig::default() });
    let mut log = bed.start();
    let stamp = BatchStamp {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchStamp::default()
    };
    append(&mut log, batch(1));
    append(&mut log, batch_of(&[NOW], 10, &stamp));
    append(&mut log, batch(1));
    append(&mut log, batch(1));
    drop(log);
    let mut log = bed.start();
    assert_eq!(log.last_stable_offset(), at(1));
    let marker = ControlMarker { committed: true, coordinator_epoch: 0 };
    append(&mut log, write_control_batch(NOW, 1, 0, marker).to_vec());
    assert_eq!(log.last_stable_offset(), at(5));
}

#[test]
fn aborted_transactions_are_found_again_when_a_segment_has_lost_all_its_indexes() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    let stamp = BatchStamp {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..BatchStamp::default()
    };
    append(&mut log, batch_of(&[NOW], 10, &stamp));
    let marker = ControlMarker { committed: false, coordinator_epoch: 0 };
    append(&mut log, write_control_batch(NOW, 1, 0, marker).to_vec());
    log.roll(now()).unwrap();
    append(&mut log, batch(1));
    let recovery_point = log.sync_handle().sync().unwrap();
    let aborted = log.reader().aborted_transactions(at(0), at(3)).unwrap();
    assert_eq!(aborted.len(), 1);
    drop(log);
    for kind in ["index", "timeindex", "txnindex"] {
        fs::remove_file(bed.file(&format!("00000000000000000000.{kind}"))).unwrap();
    }
    // As a repair leaves them.
    let (log, _) = bed.open(OpenMode { recovery_point, ..OpenMode::UNKNOWN });
    assert_eq!(log.reader().aborted_transactions(at(0), at(3)).unwrap(), aborted);
}

#[test]
fn leftovers_of_deletion_and_of_a_cleaner_are_cleared_up() {
    let (bed, log) = two_segments();
    drop(log);
    let put = |name: &str, bytes: &[u8]| fs::write(bed.file(name), bytes).unwrap();
    put("00000000000000000000.log.deleted", b"x");
    put("leader-epoch-checkpoint.tmp", b"x");
    put("00000000000000000099.index", b"orphan");
    put("00000000000000000099.txnindex", b"orphan");
    // Not complete when the broker or Apache Kafka stopped: what it was made from is all there.
    put("00000000000000000000.log.cleaned", b"x");
    drop(bed.start());
    for suffix in [".deleted", ".tmp", ".cleaned"] {
        assert_eq!(names(&bed.path(), suffix), Vec::<String>::new());
    }
    assert!(!bed.file("00000000000000000099.index").exists());
}

#[test]
fn leader_epochs_that_lost_their_records_are_forgotten() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    append(&mut log, batch(2));
    log.append(&mut batch(2), 1, now()).unwrap();
    drop(log);
    set_len(&bed.file("00000000000000000000.log"), batch(2).len() as u64 + 5);
    let log = bed.start();
    assert_eq!(log.leader_epoch(), Some(0));
    assert_eq!(log.reader().epoch_end_offset(0).unwrap().end_offset, at(2));
    assert_eq!(log.reader().epoch_end_offset(1), None, "the epoch is gone, and its reader learns of it");
}

#[test]
fn a_log_that_ends_before_its_start_is_damaged() {
    let (bed, log) = two_segments();
    drop(log);
    let found = damage(&bed, OpenMode { log_start: at(50), ..OpenMode::UNKNOWN });
    assert_eq!((found.file, found.offset), (bed.file(ACTIVE), 10));
    assert_eq!(found.kind, DamageKind::EndsBeforeStart { log_start: 50 });
}

#[test]
fn deleted_records_do_not_let_a_log_end_before_its_start() {
    let bed = Bed::new(LogConfig::default());
    let mut log = bed.start();
    append(&mut log, batch(2));
    assert_eq!(log.durable_end(), at(0));
    log.delete_records(at(2), now()).unwrap();
    assert_eq!(log.durable_end(), at(2), "a power failure leaves the log as long as its start says");
}

#[test]
fn after_an_unclean_stop_what_was_not_known_to_be_durable_is_written_again() {
    let disk = FaultyDisk::new(3);
    let dir = Path::new("/data/t-0");
    let open = |recovery_point| {
        let mode = OpenMode { recovery_point, ..OpenMode::UNKNOWN };
        PartitionLog::open(&disk.process(), dir, LogConfig::default(), mode, now()).unwrap()
    };
    let (mut log, _) = open(at(0));
    append(&mut log, batch(2));
    let recovery_point = log.sync_handle().sync().unwrap();
    append(&mut log, batch(20));
    disk.fail(Trigger::on(Operation::Sync), io::ErrorKind::Other);
    assert!(log.sync_handle().sync().is_err());
    // The system still shows what it failed to write, and the next sync would succeed and write nothing.
    disk.kill();
    let (log, report) = open(recovery_point);
    assert_eq!(report.rewritten_bytes, batch(20).len() as u64);
    assert_eq!(log.durable_end(), at(22));
    disk.lose_power();
    assert_eq!(open(at(22)).0.end_offset(), at(22));
}

#[test]
fn a_panic_within_a_change_takes_the_log_offline() {
    let bed = Bed::new(LogConfig::default());
    let log = bed.start();
    let shared = std::sync::Arc::clone(&log.shared);
    let panicked = std::thread::spawn(move || {
        let _change = shared.change();
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert!(log.is_offline());
    assert!(matches!(log.sync_handle().sync(), Err(SyncError::Offline { reason }) if reason.contains("panic")));
}

#[test]
fn a_segment_is_on_stable_storage_before_the_next_one_begins() {
    for sync_closed in [true, false] {
        let segment_bytes = 3 * batch(2).len() as u64;
        let bed = Bed::new(LogConfig { segment_bytes, sync_closed, ..LogConfig::default() });
        let mut log = bed.start();
        for _ in 0..5 {
            append(&mut log, batch(2));
        }
        let segments = log.shared.segments();
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].is_dirty(false), !sync_closed);
        assert!(segments[1].is_dirty(true));
    }
}

#[test]
fn what_is_taken_back_while_a_sync_runs_is_synced_once_more() {
    let disk = FaultyDisk::new(1);
    let dir = Path::new("/t-0");
    let opened = PartitionLog::open(&disk.process(), dir, LogConfig::default(), OpenMode::UNKNOWN, now());
    let (mut log, _) = opened.unwrap();
    append(&mut log, batch(2));
    let stall = disk.stall(Trigger::on(Operation::Sync).path(".log"));
    let sync = log.sync_handle();
    let syncing = std::thread::spawn(move || sync.sync().unwrap());
    assert!(stall.is_reached_within(Duration::from_secs(20)));
    disk.fail(Trigger::on(Operation::Write).path(".log"), io::ErrorKind::StorageFull);
    assert!(log.append(&mut batch(2), 0, now()).is_err());
    stall.release();
    syncing.join().unwrap();
    let segment = log.segment();
    assert!(segment.is_dirty(true), "the sync may have begun before");
    segment.sync(true).unwrap();
    assert!(!segment.is_dirty(true));
}
