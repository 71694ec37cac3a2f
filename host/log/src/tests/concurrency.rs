use std::thread;

use super::*;

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
