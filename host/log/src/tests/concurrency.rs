use std::{io, thread, time::Duration};

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};

use super::*;

/// Far beyond what any step takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A log on a disk that does as it is told, with two records that are not synced.
fn log_on(disk: &FaultyDisk, config: LogConfig) -> PartitionLog {
    let (mut log, _) =
        PartitionLog::open(&disk.process(), Path::new("/data/t-0"), config, OpenMode::UNKNOWN, now()).unwrap();
    append(&mut log, batch(2));
    log
}

#[test]
fn what_is_appended_while_a_sync_waits_for_the_disk_is_not_called_durable_by_it() {
    let disk = FaultyDisk::new(1);
    let mut log = log_on(&disk, LogConfig::default());
    let stall = disk.stall(Trigger::on(Operation::Sync));
    let syncs = log.sync_handle();
    let syncing = thread::spawn(move || syncs.sync());
    assert!(stall.is_reached_within(LIMIT));
    append(&mut log, batch(2));
    assert_eq!(log.durable_end(), at(0));
    stall.release();
    assert_eq!(syncing.join().unwrap().unwrap(), at(2));
    assert_eq!(log.durable_end(), at(2));
    assert!(log.sync_handle().is_dirty());
}

#[test]
fn a_sync_that_fails_is_heard_by_everybody_who_needed_it() {
    let disk = FaultyDisk::new(1);
    let mut log = log_on(&disk, LogConfig { segment_bytes: 100, ..LogConfig::default() });
    let stall = disk.stall(Trigger::on(Operation::Sync));
    let syncs = log.sync_handle();
    let syncing = thread::spawn(move || syncs.sync());
    assert!(stall.is_reached_within(LIMIT));
    // The operating system tells of the failure once.
    disk.fail(Trigger::on(Operation::Sync), io::ErrorKind::Other);
    let before = disk.operations();
    // The next batch closes the segment, which needs its bytes on stable storage, too.
    let appending =
        thread::spawn(move || log.append(&mut batch(2), 0, now()).map(|_| ()).map_err(|_| log.is_offline()));
    while disk.operations() == before && !appending.is_finished() {
        thread::yield_now();
    }
    stall.release();
    assert!(syncing.join().unwrap().is_err());
    assert_eq!(appending.join().unwrap(), Err(true), "the log is offline");
}

#[test]
fn readers_and_syncs_meet_whole_batches_only_while_others_append() {
    let bed = Bed::new(LogConfig { segment_bytes: 4000, index_interval_bytes: 500, ..LogConfig::default() });
    let mut log = bed.start();
    let total = 600;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = log.reader();
            thread::spawn(move || {
                let mut next = 0;
                while next < total {
                    let slice = reader.read(at(next), 700, true, reader.end_offset()).unwrap();
                    for batch in Batches::new(&slice.bytes) {
                        let header = verify_crc(batch.unwrap().1).unwrap();
                        assert_eq!(header.base_offset, next);
                        next = header.last_offset() + 1;
                    }
                    assert_eq!(slice.next_offset, at(next));
                    thread::yield_now();
                }
            })
        })
        .collect();
    let syncs = log.sync_handle();
    let syncing = thread::spawn(move || {
        let mut durable = 0;
        while durable < total {
            let end = syncs.sync().unwrap().get();
            assert!(durable <= end && end <= syncs.end_offset().get());
            durable = end;
            thread::yield_now();
        }
    });
    for n in 0..total / 3 {
        assert_eq!(append(&mut log, batch(3)).base_offset, at(3 * n));
    }
    for reader in readers {
        reader.join().unwrap();
    }
    syncing.join().unwrap();
    assert_eq!(log.durable_end(), at(total));
}
