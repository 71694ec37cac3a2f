use std::fs::OpenOptions;

use millstream_wire::batch::{ControlMarker, write_control_batch};

use super::*;

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
fn a_tail_of_zeros_and_a_damaged_batch_are_cut_off_with_all_that_follows() {
    let (bed, log) = two_segments();
    drop(log);
    let len = batch(2).len() as u64;
    let dir = bed.dir.path().join("copy");
    copy_dir(&bed.path(), &dir);
    set_len(&dir.join(ACTIVE), 2 * len + 5000);
    let (log, report) = open(&dir, &bed.config, OpenMode::UNKNOWN);
    assert_eq!((log.end_offset(), report.truncated_bytes), (at(10), 5000));
    drop(log);

    // A page that was never written, with later ones that were, in the first segment.
    let first = dir.join("00000000000000000000.log");
    let mut bytes = fs::read(&first).unwrap();
    bytes[len as usize + 70] ^= 1;
    fs::write(&first, bytes).unwrap();
    let (log, report) = open(&dir, &bed.config, OpenMode::UNKNOWN);
    assert_eq!(bases(&log), [0]);
    assert_eq!((report.dropped_segments, report.truncated_bytes), (1, 4 * len));
    assert_eq!(names(&dir, ".log"), ["00000000000000000000.log"]);
    assert_eq!(names(&dir, ".index"), ["00000000000000000000.index"]);
}

#[test]
fn damage_before_the_recovery_point_is_for_the_operator() {
    let (bed, log) = two_segments();
    let recovery_point = log.sync_handle().sync().unwrap();
    drop(log);
    let first = bed.file("00000000000000000000.log");
    let mut bytes = fs::read(&first).unwrap();
    bytes[batch(2).len() + 16] = 9;
    fs::write(&first, bytes).unwrap();
    fs::remove_file(bed.file("00000000000000000000.timeindex")).unwrap();
    let mode = OpenMode { recovery_point, ..OpenMode::UNKNOWN };
    let error = PartitionLog::open(&millstream_disk::real(), &bed.path(), bed.config.clone(), mode, now()).unwrap_err();
    assert!(matches!(error, crate::OpenLogError::Damaged { base_offset: 0, .. }), "{error}");
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
fn leftovers_of_deletion_and_compaction_are_cleared_up() {
    let (bed, log) = two_segments();
    drop(log);
    let len = batch(2).len() as u64;
    let put = |name: &str, bytes: &[u8]| fs::write(bed.file(name), bytes).unwrap();
    put("00000000000000000000.log.deleted", b"x");
    put("00000000000000000000.log.cleaned", b"x");
    put("leader-epoch-checkpoint.tmp", b"x");
    put("00000000000000000099.index", b"orphan");
    put("00000000000000000099.txnindex", b"orphan");
    // A compaction that kept the first and the third batch and was about to take the segment's place.
    let bytes = fs::read(bed.file("00000000000000000000.log")).unwrap();
    let (first, third) = (&bytes[..len as usize], &bytes[2 * len as usize..]);
    put("00000000000000000000.log.swap", &[first, third].concat());
    put("00000000000000000000.index.swap", b"made anew");
    let (log, _) = bed.open(OpenMode { recovery_point: at(10), ..OpenMode::UNKNOWN });
    assert_eq!(bases(&log), [0, 4, 6, 8]);
    let reader = log.reader();
    let slice = reader.read(at(2), 1, true, at(10)).unwrap();
    assert_eq!(slice.next_offset, at(6), "a vanished offset continues at the next batch");
    for suffix in [".deleted", ".cleaned", ".swap", ".tmp"] {
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
fn a_log_that_ends_before_its_start_begins_there() {
    let (bed, log) = two_segments();
    drop(log);
    let (mut log, report) = bed.open(OpenMode { log_start: at(50), ..OpenMode::UNKNOWN });
    assert_eq!((log.start_offset(), log.end_offset(), report.dropped_segments), (at(50), at(50), 2));
    append(&mut log, batch(1));
    assert_eq!(bases(&log), [50]);
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

/// Power failures: of each file only what was on stable storage is sure to be there, and anything between that
/// and what was written may be.
#[test]
fn nothing_durable_is_lost_with_the_power() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..60 {
        let bed = Bed::new(LogConfig { segment_bytes: 500, index_interval_bytes: 100, ..LogConfig::default() });
        let mut log = bed.start();
        let handle = log.sync_handle();
        // Sizes of the files at the last sync: what is sure.
        let mut sure: Vec<(PathBuf, u64)> = Vec::new();
        let appends = 1 + random(30);
        for _ in 0..appends {
            append(&mut log, batch(1 + random(4) as usize));
            if random(4) == 0 {
                handle.sync().unwrap();
                sure = names(&bed.path(), ".log")
                    .iter()
                    .map(|name| (bed.file(name), fs::metadata(bed.file(name)).unwrap().len()))
                    .collect();
            }
        }
        let (durable, recovery_point) = (handle.durable_end(), handle.recovery_point());
        let written = read_all(&log.reader(), 0);
        drop(log);
        for name in names(&bed.path(), ".log") {
            let path = bed.file(&name);
            let len = fs::metadata(&path).unwrap().len();
            let sure = sure.iter().find(|(known, _)| *known == path).map_or(0, |(_, len)| *len);
            let mut bytes = fs::read(&path).unwrap();
            let last = names(&bed.path(), ".log").last() == Some(&name);
            if sure == len && !last {
                continue;
            }
            let kept = sure + random(len - sure + 1);
            match random(3) {
                0 => bytes.truncate(kept as usize),
                1 => bytes[kept as usize..].fill(0),
                _ => bytes.extend([0; 300]),
            }
            fs::write(&path, bytes).unwrap();
        }
        for suffix in [".snapshot", ".window", ".index", ".timeindex"] {
            for name in names(&bed.path(), suffix) {
                let (base, _) = crate::files::parse_name(&name).unwrap();
                // Indexes of segments that lie before the recovery point were synced with them.
                if recovery_point.get() <= base && random(2) == 0 {
                    fs::write(bed.file(&name), [0; 48]).unwrap();
                }
            }
        }
        let (log, _) = bed.open(OpenMode { recovery_point, ..OpenMode::UNKNOWN });
        assert!(durable <= log.end_offset(), "round {round}: {durable} was durable, {} is left", log.end_offset());
        let left = read_all(&log.reader(), 0);
        assert_eq!(left, written[..left.len()], "round {round}");
        assert_eq!(left.last().map_or(0, |header| header.last_offset() + 1), log.end_offset().get());
    }
}
