//! The cleaner on real files; histories with crashes are in `tests/compaction.rs`.

use std::{fs, ops::ControlFlow, path::Path};

use millstream_record::Timestamp;
use millstream_wire::{
    batch::{
        BatchHeader, BatchStamp, Batches, ControlMarker, RecordBatchBuilder, RecordReader, decompress_records,
        write_control_batch,
    },
    compression::Codec,
};

use super::*;
use crate::{
    LogConfig, OpenLogError, OpenMode,
    files::{self, CLEANED, Kind, SWAP},
    tests::{Bed, NOW, append, at, clean as cleanly, content, names, now},
};

const DAY: i64 = 86_400_000;

/// Offset, key and value.
type Found = (i64, String, Option<String>);

fn config() -> LogConfig {
    // Closed by the tests, so that all of it fits into one segment afterwards.
    LogConfig { compact: true, delete: false, segment_bytes: 10_000, index_interval_bytes: 1, ..LogConfig::default() }
}

fn keyed(records: &[(&str, Option<&str>)], stamp: &BatchStamp) -> Vec<u8> {
    let mut builder = RecordBatchBuilder::with_capacity(100);
    for (n, (key, value)) in records.iter().enumerate() {
        builder.append(NOW + n as i64, Some(key.as_bytes()), value.map(str::as_bytes), []).unwrap();
    }
    builder.finish(stamp).unwrap().to_vec()
}

fn put(log: &mut PartitionLog, key: &str, value: Option<&str>) {
    append(log, keyed(&[(key, value)], &BatchStamp::default()));
}

/// Puts so many records with these keys in turn, whose values are their offsets, and closes a segment after each four.
fn fill(log: &mut PartitionLog, keys: &[&str], records: usize) {
    for n in 0..records {
        put(log, keys[n % keys.len()], Some(&n.to_string()));
        if n % 4 == 3 {
            roll(log);
        }
    }
}

/// Closes the segment that is written to.
fn roll(log: &mut PartitionLog) {
    log.roll(now()).unwrap();
}

fn headers(log: &PartitionLog) -> Vec<(BatchHeader, Vec<u8>)> {
    let reader = log.reader();
    let (mut next, mut found) = (reader.start_offset(), Vec::new());
    loop {
        let slice = reader.read(next, 1 << 20, true, reader.end_offset()).unwrap();
        if slice.bytes.is_empty() {
            return found;
        }
        found.extend(
            Batches::new(&slice.bytes).map(|batch| batch.map(|(header, bytes)| (header, bytes.to_vec())).unwrap()),
        );
        next = slice.next_offset;
    }
}

/// The records of producers, markers left out.
fn records(log: &PartitionLog) -> Vec<Found> {
    let mut found = Vec::new();
    for (header, batch) in headers(log).iter().filter(|(header, _)| !header.is_control()) {
        let mut scratch = Vec::new();
        let bytes = decompress_records(header, batch, 1 << 20, &mut scratch).unwrap();
        for record in RecordReader::new(header, bytes) {
            let record = record.unwrap();
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            let offset = header.base_offset + i64::from(record.offset_delta);
            found.push((offset, text(record.key).unwrap(), text(record.value)));
        }
    }
    found
}

fn value(offset: i64, key: &str, value: &str) -> Found {
    (offset, key.to_owned(), Some(value.to_owned()))
}

fn later(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW + ms)
}

fn pass(log: &mut PartitionLog, cleaned_to: i64, map_bytes: usize, when: Timestamp) -> CleaningReport {
    let cleanable = log.cleanable(Some(at(cleaned_to)), when).unwrap();
    let cleaning = log.begin_cleaning(&cleanable, when);
    cleaning.run(map_bytes, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, when)).unwrap()
}

fn clean(log: &mut PartitionLog, when: Timestamp) -> CleaningReport {
    pass(log, 0, 1 << 20, when)
}

#[test]
fn of_each_key_the_newest_record_stays_where_it_was() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a", "b", "c"], 20);
    put(&mut log, "a", Some("active"));
    assert_eq!(names(&bed.path(), ".log").len(), 6);
    let report = clean(&mut log, now());
    let expected = [value(17, "c", "17"), value(18, "a", "18"), value(19, "b", "19"), value(20, "a", "active")];
    assert_eq!(records(&log), expected);
    assert_eq!((report.cleaned_to, report.records_before, report.records_after), (at(20), 20, 3));
    assert_eq!((report.keys, report.map_was_full, report.keyless), (3, false, 0));
    assert!(report.bytes_after < report.bytes_before);
    assert_eq!(names(&bed.path(), ".log").len(), 2, "neighbours are merged");
    assert_eq!(names(&bed.path(), ".snapshot").len(), 1, "one for the active segment; at the first nothing is known");
    assert_eq!((log.start_offset(), log.end_offset()), (at(0), at(21)));
    // The next pass has nothing to do, and all is found again, whatever is known.
    assert_eq!(log.cleanable(Some(report.cleaned_to), now()).unwrap().dirty_bytes, 0);
    drop(log);
    let (log, report) = bed.open(OpenMode::UNKNOWN);
    assert_eq!(records(&log), expected);
    assert_eq!(report.truncated_bytes, 0);
    let end = log.close_clean().unwrap();
    assert_eq!(records(&bed.open(cleanly(end)).0), expected);
}

#[test]
fn a_reader_is_not_disturbed_and_finds_the_next_record_where_one_has_gone() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a", "b"], 12);
    let reader = log.reader();
    clean(&mut log, now());
    let slice = reader.read(at(3), 1 << 20, true, at(12)).unwrap();
    let first = Batches::new(&slice.bytes).next().unwrap().unwrap().0;
    assert_eq!((first.base_offset, slice.next_offset), (10, at(12)));
    assert_eq!(log.purge_deleted(later(59_999)).unwrap(), 0);
    assert!(0 < log.purge_deleted(later(60_000)).unwrap());
    assert_eq!(names(&bed.path(), ".deleted"), Vec::<String>::new());
}

#[test]
fn a_tombstone_stays_for_its_time_after_the_first_pass() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    put(&mut log, "a", Some("1"));
    put(&mut log, "a", None);
    put(&mut log, "b", Some("2"));
    roll(&mut log);
    clean(&mut log, later(5));
    let with = [(1, "a".to_owned(), None), value(2, "b", "2")];
    assert_eq!(records(&log), with);
    assert_eq!(headers(&log)[0].0.delete_horizon(), Some(NOW + 5 + DAY));
    clean(&mut log, later(4 + DAY));
    assert_eq!(records(&log), with);
    clean(&mut log, later(5 + DAY));
    assert_eq!(records(&log), with[1..]);
}

#[test]
fn batches_keep_codec_producer_and_sequence_and_the_newest_of_a_producer_is_never_lost() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    for (n, codec) in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].into_iter().enumerate() {
        let (producer_id, base_sequence) = (7, 3 * n as i32);
        let stamp = BatchStamp { codec, producer_id, producer_epoch: 1, base_sequence, ..BatchStamp::default() };
        let own = format!("own{n}");
        append(&mut log, keyed(&[("a", Some("1")), (&own, Some("2")), ("b", Some("3"))], &stamp));
    }
    let stamp = BatchStamp { producer_id: 8, producer_epoch: 0, base_sequence: 0, ..BatchStamp::default() };
    append(&mut log, keyed(&[("a", Some("x"))], &stamp));
    put(&mut log, "a", Some("last"));
    put(&mut log, "b", Some("last"));
    roll(&mut log);
    clean(&mut log, now());
    let left: Vec<_> = headers(&log)
        .iter()
        .map(|(h, _)| (h.base_offset, h.last_offset(), h.record_count, h.codec(), h.producer_id, h.base_sequence))
        .collect();
    assert_eq!(
        left,
        [
            (0, 2, 1, Codec::Gzip, 7, 0),
            (3, 5, 1, Codec::Snappy, 7, 3),
            (6, 8, 1, Codec::Lz4, 7, 6),
            (9, 11, 1, Codec::Zstd, 7, 9),
            (12, 12, 0, Codec::None, 8, 0),
            (13, 13, 1, Codec::None, -1, -1),
            (14, 14, 1, Codec::None, -1, -1),
        ]
    );
    // Nothing but the log tells of the producers now.
    drop(log);
    for name in names(&bed.path(), ".snapshot").into_iter().chain(names(&bed.path(), ".window")) {
        fs::remove_file(bed.file(&name)).unwrap();
    }
    let mut log = bed.start();
    let next = BatchStamp { base_sequence: 1, ..stamp };
    append(&mut log, keyed(&[("c", None)], &next));
    let again = append(&mut log, keyed(&[("a", Some("x"))], &stamp));
    assert!(again.duplicate && again.base_offset == at(12));
}

#[test]
fn aborted_records_go_and_markers_follow_them_after_their_time() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    let transactional = |producer_id, base_sequence| BatchStamp {
        producer_id,
        producer_epoch: 0,
        base_sequence,
        transactional: true,
        ..BatchStamp::default()
    };
    let marker = |producer_id, committed| {
        write_control_batch(NOW, producer_id, 0, ControlMarker { committed, coordinator_epoch: 0 }).to_vec()
    };
    put(&mut log, "a", Some("before"));
    append(&mut log, keyed(&[("a", Some("aborted"))], &transactional(1, 0)));
    append(&mut log, keyed(&[("b", Some("committed"))], &transactional(2, 0)));
    append(&mut log, marker(1, false));
    append(&mut log, marker(2, true));
    append(&mut log, keyed(&[("c", Some("open"))], &transactional(1, 1)));
    roll(&mut log);
    put(&mut log, "d", Some("1"));
    roll(&mut log);
    assert_eq!(log.cleanable(None, now()).unwrap().first_uncleanable, at(0), "a transaction is open");
    append(&mut log, marker(1, true));
    append(&mut log, keyed(&[("c", Some("2"))], &transactional(1, 2)));
    append(&mut log, marker(1, true));
    roll(&mut log);
    clean(&mut log, now());
    let kept = [value(0, "a", "before"), value(2, "b", "committed"), value(6, "d", "1"), value(8, "c", "2")];
    assert_eq!(records(&log), kept, "what was aborted supersedes nothing");
    let bases = |log: &PartitionLog| headers(log).iter().map(|(h, _)| h.base_offset).collect::<Vec<_>>();
    assert_eq!(bases(&log), [0, 2, 3, 4, 6, 7, 8, 9]);
    let aborted = log.reader().aborted_transactions(at(0), at(10)).unwrap();
    assert_eq!(aborted.iter().map(|t| (t.first_offset, t.last_offset)).collect::<Vec<_>>(), [(1, 3)]);
    // The second pass finds the markers of 3 and 7 with nothing before them, the one of 4 with a record.
    clean(&mut log, later(1));
    assert_eq!(bases(&log), [0, 2, 3, 4, 6, 7, 8, 9]);
    let aborted = log.reader().aborted_transactions(at(0), at(10)).unwrap();
    assert_eq!(aborted, [], "there is nothing left of it to leave out");
    clean(&mut log, later(DAY));
    assert_eq!(bases(&log), [0, 2, 3, 4, 6, 7, 8, 9], "a reader may still be at it");
    clean(&mut log, later(1 + DAY));
    assert_eq!(bases(&log), [0, 2, 4, 6, 8, 9]);
    assert_eq!(records(&log), kept);
}

#[test]
fn a_small_map_takes_several_passes() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    for n in 0..100 {
        put(&mut log, &format!("k{}", n % 20), Some(&n.to_string()));
    }
    roll(&mut log);
    let (mut cleaned_to, mut passes) = (0, 0);
    while cleaned_to < 100 {
        // Room for nine keys.
        let report = pass(&mut log, cleaned_to, 240, now());
        assert!(cleaned_to < report.cleaned_to.get() && report.keys <= 9);
        assert_eq!(report.map_was_full, report.cleaned_to < at(100));
        cleaned_to = report.cleaned_to.get();
        passes += 1;
    }
    assert!(5 < passes);
    let expected: Vec<Found> = (80..100).map(|n| value(n, &format!("k{}", n % 20), &n.to_string())).collect();
    assert_eq!(records(&log), expected);
}

#[test]
fn a_pass_ends_when_its_caller_wants_and_leaves_nothing_behind() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a"], 20);
    let before = content(&bed.path());
    let mut calls = 0;
    loop {
        let cleaning = log.begin_cleaning(&log.cleanable(None, now()).unwrap(), now());
        let mut left = calls;
        let mut pace = |_| {
            left -= 1;
            if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match cleaning.run(1000, &mut pace, &mut |done| log.swap_in(done, now())) {
            Err(CleanError::Stopped) => assert!(content(&bed.path()) == before),
            Err(error) => panic!("{error:?}"),
            Ok(_) => break,
        }
        calls += 1;
    }
    assert!(10 < calls, "once for each read and each write at least");
    assert_eq!(records(&log), [value(19, "a", "19")]);
}

#[test]
fn segments_that_were_deleted_meanwhile_are_not_brought_back() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a", "b"], 40);
    let cleaning = log.begin_cleaning(&log.cleanable(None, now()).unwrap(), now());
    let mut swap = |done| {
        log.delete_records(at(30), now()).unwrap();
        log.swap_in(done, now())
    };
    let error = cleaning.run(1 << 16, &mut |_| ControlFlow::Continue(()), &mut swap).unwrap_err();
    assert!(matches!(error, CleanError::Overtaken { base_offset: 0 }), "{error:?}");
    assert_eq!((names(&bed.path(), CLEANED), names(&bed.path(), SWAP)), (Vec::new(), Vec::new()));
    assert_eq!(log.start_offset(), at(30));
    clean(&mut log, now());
    assert_eq!(records(&log).last(), Some(&value(39, "b", "39")));
}

#[test]
fn damage_is_reported_and_left_alone() {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a"], 20);
    let first = bed.file("00000000000000000000.log");
    let sound = fs::read(&first).unwrap();
    // A byte of a record; an offset that is too large; one that was there before. No checksum covers those.
    for (at, flip) in [(100, 1), (6, 1), (78, 1)] {
        let mut bytes = sound.clone();
        bytes[at] ^= flip;
        fs::write(&first, bytes).unwrap();
        let before = content(&bed.path());
        let cleaning = log.begin_cleaning(&log.cleanable(None, now()).unwrap(), now());
        let done = cleaning.run(1 << 16, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now()));
        let error = done.unwrap_err();
        assert!(matches!(error, CleanError::Batch { base_offset: 0, .. }), "byte {at}: {error:?}");
        assert!(content(&bed.path()) == before && !log.is_offline());
    }
}

/// A log that was compacted, closed, and its files from before.
fn compacted() -> (Bed, Vec<(String, Vec<u8>)>, millstream_record::LogOffset) {
    let bed = Bed::new(config());
    let mut log = bed.start();
    fill(&mut log, &["a", "b", "c"], 20);
    log.sync_handle().sync().unwrap();
    let before = content(&bed.path());
    clean(&mut log, now());
    log.purge_deleted(later(DAY)).unwrap();
    let end = log.close_clean().unwrap();
    (bed, before, end)
}

fn swapped(dir: &Path, suffix: &str) {
    for kind in Kind::OF_SEGMENT {
        let path = files::path(dir, 0, kind);
        if path.exists() {
            fs::rename(&path, files::path_with(dir, 0, kind, suffix)).unwrap();
        }
    }
}

#[test]
fn a_swap_that_kafka_or_we_began_is_finished() {
    let (bed, before, end) = compacted();
    let after = records(&bed.open(cleanly(end)).0);
    swapped(&bed.path(), SWAP);
    // Some of the old files are still there.
    for (name, bytes) in before.iter().filter(|(name, _)| !name.starts_with("00000000000000000000.")) {
        if name.ends_with("log") || name.ends_with("index") {
            fs::write(bed.file(name), bytes).unwrap();
        }
    }
    let (log, _) = bed.open(cleanly(end));
    assert_eq!(records(&log), after);
    assert_eq!(names(&bed.path(), SWAP), Vec::<String>::new());
    // The log has its name already, its indexes do not.
    drop(log);
    for kind in [Kind::Index, Kind::TimeIndex] {
        fs::rename(files::path(&bed.path(), 0, kind), files::path_with(&bed.path(), 0, kind, SWAP)).unwrap();
    }
    let (log, report) = bed.open(cleanly(end));
    assert_eq!((records(&log), report.rebuilt_indexes), (after, 0));
}

#[test]
fn a_swap_that_was_not_begun_is_taken_back() {
    let (bed, before, end) = compacted();
    swapped(&bed.path(), CLEANED);
    let cleaned = files::path_with(&bed.path(), 0, Kind::Index, CLEANED);
    fs::rename(&cleaned, files::path_with(&bed.path(), 0, Kind::Index, SWAP)).unwrap();
    for (name, bytes) in &before {
        fs::write(bed.file(name), bytes).unwrap();
    }
    let (log, _) = bed.open(cleanly(end));
    assert_eq!(records(&log).len(), 20);
    assert_eq!((names(&bed.path(), CLEANED), names(&bed.path(), SWAP)), (Vec::new(), Vec::new()));
}

#[test]
fn a_damaged_swap_is_left_as_it_is() {
    let (bed, _, end) = compacted();
    swapped(&bed.path(), SWAP);
    let path = files::path_with(&bed.path(), 0, Kind::Log, SWAP);
    let mut bytes = fs::read(&path).unwrap();
    bytes[65] ^= 1;
    fs::write(&path, bytes).unwrap();
    let before = content(&bed.path());
    let disk = millstream_disk::real();
    let opened = PartitionLog::open(&disk, &bed.path(), bed.config.clone(), cleanly(end), now());
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenLogError::DamagedSwap { position: 0, .. }) && error.is_lasting(), "{error:?}");
    assert!(error.to_string().contains("00000000000000000000.log.swap"), "{error}");
    assert!(content(&bed.path()) == before);
}
