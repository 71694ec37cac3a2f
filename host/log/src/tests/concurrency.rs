use std::{io, ops::ControlFlow, thread, time::Duration};

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
use millstream_wire::batch::{ControlMarker, write_control_batch};

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
fn what_was_aborted_is_known_to_readers_at_every_step_of_a_swap() {
    for step in 0.. {
        let disk = FaultyDisk::new(1);
        let mut log = log_on(&disk, LogConfig { segment_bytes: 400, compact: true, ..LogConfig::default() });
        let stamp = BatchStamp { producer_id: 1, producer_epoch: 0, transactional: true, ..BatchStamp::default() };
        let begun = append(&mut log, batch_of(&[NOW], 10, &BatchStamp { base_sequence: 0, ..stamp })).base_offset;
        let marker = ControlMarker { committed: false, coordinator_epoch: 0 };
        append(&mut log, write_control_batch(NOW, 1, 0, marker).to_vec());
        for _ in 0..8 {
            append(&mut log, batch(2));
        }
        log.sync_handle().sync().unwrap();
        let reader = log.reader();
        let is_consistent = || {
            let is_there = |header: &BatchHeader| header.base_offset == begun.get() && header.record_count != 0;
            let is_read = read_all(&reader, 0).iter().any(is_there);
            !is_read || reader.aborted_transactions(at(0), reader.end_offset()).unwrap().len() == 1
        };
        assert!(is_consistent());
        let stall = disk.stall(Trigger::on(Operation::Rename).skip(step));
        let cleaning = thread::spawn(move || {
            let cleanable = log.cleanable(None, now()).unwrap();
            let pass = log.begin_cleaning(&cleanable, now());
            pass.run(1 << 16, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now())).unwrap();
        });
        let mut is_reached = false;
        while !is_reached && !cleaning.is_finished() {
            is_reached = stall.is_reached_within(Duration::from_millis(1));
        }
        if is_reached {
            assert!(is_consistent(), "rename {step} of a pass");
        }
        stall.release();
        cleaning.join().unwrap();
        if !is_reached {
            assert!(3 < step, "a swap takes more renames than {step}");
            break;
        }
    }
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
