//! What a start after a stop in order reads: snapshots, indexes and the ends of logs, and of the broker's own topics what
//! compaction leaves.

use std::time::Duration;

use millstream_disk::faulty::FaultyDisk;
use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

/// Bytes of a segment of the offsets topic.
const SEGMENT: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_start_after_a_stop_in_order_reads_the_end_of_a_log_and_no_more_of_it_however_long_it_is() {
    let disk = FaultyDisk::new(1);
    let settings = [("internal.segment.bytes", "500"), ("log.cleaner.enable", "false")];
    let mut offset = 0;
    for records in [5, 50, 200] {
        let broker = try_start_with(disk.process(), &settings).await.unwrap();
        if offset == 0 {
            assert_eq!(create(&broker.node, "t").await, 0);
        }
        for _ in 0..records {
            assert_eq!(append(&broker.node, "t", "a value of some length").await, 0);
        }
        offset += records;
        broker.shutdown().await.unwrap();
        disk.take_bytes_read("");
        let broker = try_start_with(disk.process(), &settings).await.unwrap();
        // The first header of the segment that is written to, and those behind its last index entry.
        let read = disk.take_bytes_read(".log");
        assert!(read <= 2 * 500, "{read} bytes of {offset} records");
        assert_eq!(partition(&broker.node, "t").high_watermark(), offset);
        let (code, _, values) = super::records(&broker.node, "t").await;
        assert_eq!((code, values.len() as i64), (0, offset));
        broker.shutdown().await.unwrap();
    }
}

/// Bytes of all segments of the offsets topic.
fn offsets_topic(disk: &FaultyDisk) -> usize {
    let files = disk.files();
    let own = files.iter().filter(|(path, _)| {
        let path = path.to_string_lossy();
        path.contains("/__consumer_offsets-") && path.ends_with(".log")
    });
    own.map(|(_, content)| content.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offsets_topic_stays_small_and_its_reading_short_however_often_offsets_are_committed() {
    let disk = FaultyDisk::new(1);
    let segment = SEGMENT.to_string();
    let settings = [
        ("internal.segment.bytes", segment.as_str()),
        ("log.cleaner.backoff.ms", "1"),
        ("log.segment.delete.delay.ms", "0"),
    ];
    // What is written to, and what is not much more than that again: each is one record of each group.
    let most = 4 * SEGMENT;
    let mut commits = 0;
    for round in 0..4 {
        let broker = try_start_with(disk.process(), &settings).await.unwrap();
        let read = disk.take_bytes_read(".log");
        // The cleaner reads as well, from the first moment on.
        assert!(read <= 6 * most as u64, "{read} bytes were read after {commits} commits");
        if round == 0 {
            assert_eq!(create(&broker.node, "b").await, 0);
        } else {
            for group in ["g", "h"] {
                assert_eq!(committed(&broker.node, group).await, (0, Some(commits)));
            }
        }
        for _ in 0..300 {
            commits += 1;
            for group in ["g", "h"] {
                assert_eq!(commit_offset(&broker.node, group, "b", commits).await, 0);
            }
        }
        let small = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            while most < offsets_topic(&disk) {
                ticks.tick().await;
            }
        };
        let bytes = || offsets_topic(&disk);
        assert!(timeout(LIMIT, small).await.is_ok(), "{} bytes after {commits} commits", bytes());
        broker.shutdown().await.unwrap();
        disk.take_bytes_read("");
    }
}
