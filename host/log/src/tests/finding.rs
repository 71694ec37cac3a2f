use std::ops::ControlFlow;

use millstream_wire::{
    batch::{ControlMarker, write_control_batch},
    compression::Codec,
};

use super::*;

/// Batches with timestamps that rise by and large, in several segments, and all records as (offset, timestamp).
fn scattered() -> (Bed, PartitionLog, Vec<(i64, i64)>) {
    let bed = Bed::new(LogConfig { segment_bytes: 2000, index_interval_bytes: 200, ..LogConfig::default() });
    let mut log = bed.start();
    let mut records = Vec::new();
    let mut seed = 7_i64;
    for n in 0..60 {
        let codec = if n % 3 == 0 { Codec::Lz4 } else { Codec::None };
        let timestamps: Vec<i64> = (0..4)
            .map(|_| {
                seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
                NOW + 10 * n + seed % 50
            })
            .collect();
        let appended = append(&mut log, batch_of(&timestamps, 5, &BatchStamp { codec, ..BatchStamp::default() }));
        records.extend(timestamps.iter().zip(appended.base_offset.get()..).map(|(&t, offset)| (offset, t)));
    }
    (bed, log, records)
}

#[test]
fn the_first_record_at_or_after_a_time_is_found() {
    let (bed, log, records) = scattered();
    assert!(3 < names(&bed.path(), ".log").len());
    let check = |log: &PartitionLog| {
        let reader = log.reader();
        for target in NOW - 2..NOW + 700 {
            for up_to in [0, 30, 117, 240] {
                let whole_batches = up_to / 4 * 4;
                let expected = records.iter().find(|(offset, t)| *offset < whole_batches && target <= *t).copied();
                let found = reader.offset_for_timestamp(Timestamp::from_millis(target), at(up_to)).unwrap();
                let found = found.map(|found| (found.offset.get(), found.timestamp.as_millis()));
                assert_eq!(found, expected, "{target} below {up_to}");
            }
        }
    };
    check(&log);
    let end = log.close_clean().unwrap();
    check(&bed.open(clean(end)).0);
    check(&bed.start());
}

#[test]
fn the_newest_record_is_found() {
    let (_bed, mut log, records) = scattered();
    for (start, up_to) in [(0, 240), (0, 100), (0, 0), (50, 52), (50, 200), (101, 240), (237, 240)] {
        log.delete_records(at(start), now()).unwrap();
        let within = records.iter().filter(|(offset, _)| start <= *offset && *offset < up_to);
        let newest = within.clone().map(|(_, t)| *t).max();
        let expected = within.clone().find(|(_, t)| Some(*t) == newest).copied();
        let found = log.reader().offset_of_max_timestamp(at(up_to)).unwrap();
        let found = found.map(|found| (found.offset.get(), found.timestamp.as_millis()));
        assert_eq!(found, expected, "{start} to {up_to}");
    }
}

#[test]
fn every_offset_is_found_through_the_index() {
    let (_bed, log, _) = scattered();
    let reader = log.reader();
    for offset in 0..240 {
        let slice = reader.read(at(offset), 1, true, at(240)).unwrap();
        let header = BatchHeader::parse(&slice.bytes).unwrap();
        assert!(header.base_offset <= offset && offset <= header.last_offset());
    }
}

#[test]
fn the_newest_record_is_found_where_a_marker_or_an_emptied_batch_is_newer() {
    let bed = Bed::new(LogConfig { compact: true, ..LogConfig::default() });
    let mut log = bed.start();
    let stamp = |producer_id| BatchStamp { producer_id, producer_epoch: 0, base_sequence: 0, ..BatchStamp::default() };
    let keyed = |key: &[u8], at: i64, stamp: &BatchStamp| {
        let mut builder = RecordBatchBuilder::with_capacity(100);
        builder.append(at, Some(key), Some(b"v"), []).unwrap();
        builder.finish(stamp).unwrap().to_vec()
    };
    append(&mut log, keyed(b"a", NOW + 5, &BatchStamp::default()));
    append(&mut log, keyed(b"b", NOW + 9, &stamp(1)));
    append(&mut log, keyed(b"b", NOW, &BatchStamp::default()));
    let newest = |log: &PartitionLog| {
        log.reader().offset_of_max_timestamp(log.end_offset()).unwrap().map(|found| (found.offset, found.timestamp))
    };
    assert_eq!(newest(&log), Some((at(1), Timestamp::from_millis(NOW + 9))));
    log.roll(now()).unwrap();
    let marker = ControlMarker { committed: true, coordinator_epoch: 0 };
    append(&mut log, write_control_batch(NOW + 99, 2, 0, marker).to_vec());
    assert_eq!(newest(&log), Some((at(1), Timestamp::from_millis(NOW + 9))));
    let cleaning = log.begin_cleaning(&log.cleanable(None, now()).unwrap(), now());
    let done = cleaning.run(1000, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now()));
    assert_eq!(done.unwrap().records_after, 2);
    assert_eq!(newest(&log), Some((at(0), Timestamp::from_millis(NOW + 5))));
    let after = log.reader().offset_for_timestamp(Timestamp::from_millis(NOW + 6), log.end_offset()).unwrap();
    assert_eq!(after, None, "an emptied batch has no record");
}
