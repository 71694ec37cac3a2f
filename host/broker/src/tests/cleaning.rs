//! Compaction as the broker carries it out.

use std::{io::ErrorKind, time::Duration};

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
use millstream_metrics::{Labels, LogCleaner};
use millstream_record::{Timestamp, TopicName};
use millstream_wire::batch::BatchHeader;
use tokio::time::timeout;

use super::*;
use crate::{
    partition::{Isolation, Patience},
    topics::NewTopic,
};

const LIMIT: Duration = Duration::from_secs(120);
const CHECKPOINT: &str = "cleaner-offset-checkpoint";

async fn busy(disk: Arc<dyn Disk>) -> Broker {
    try_start_with(disk, &[("log.cleaner.backoff.ms", "1")]).await.unwrap()
}

async fn create(node: &Node, topic: &str) {
    let overrides =
        [("cleanup.policy", "compact"), ("internal.segment.bytes", "200"), ("min.cleanable.dirty.ratio", "0.1")];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    node.topics.create(NewTopic { name: TopicName::parse(topic).unwrap(), partitions: 1, overrides }).await.unwrap();
}

/// Appends records with a key, whose values are their offsets.
async fn put(node: &Node, topic: &str, key: &'static str, records: usize) {
    for _ in 0..records {
        let appended = partition(node, topic).submit(move |partition| {
            let mut builder = RecordBatchBuilder::with_capacity(100);
            builder.append(Timestamp::now().as_millis(), Some(key.as_bytes()), Some(b"value"), []).unwrap();
            let mut batch = builder.finish(&BatchStamp::default()).unwrap();
            partition.append(&mut batch, Timestamp::now().as_millis()).map(drop)
        });
        appended.await.unwrap().unwrap();
    }
}

/// The offsets of the batches with records that a reader gets.
async fn offsets(node: &Node, topic: &str) -> Vec<i64> {
    let partition = partition(node, topic);
    let read = partition.look_up(|partition| {
        let mut found = Vec::new();
        let each =
            |header: &BatchHeader, _: &[u8]| found.extend((header.record_count != 0).then_some(header.base_offset));
        partition.for_each_batch(each).unwrap();
        found
    });
    read.await.unwrap()
}

/// Waits until a reader gets these. The waiting itself is a look every millisecond.
async fn wait_for(node: &Node, topic: &str, expected: &[i64]) {
    let mut last = Vec::new();
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        loop {
            last = offsets(node, topic).await;
            if last == expected {
                return;
            }
            ticks.tick().await;
        }
    };
    if timeout(LIMIT, wait).await.is_err() {
        panic!("{last:?} instead of {expected:?}");
    }
}

/// Waits for the line in which health says what is wrong with a compaction. That the partition is offline, if it is, stands
/// in a line of its own, which may be there sooner or later.
async fn fault(broker: &Broker) -> String {
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        loop {
            if let Some(fault) = broker.health().into_iter().find(|line| line.starts_with("the compaction of ")) {
                return fault;
            }
            ticks.tick().await;
        }
    };
    timeout(LIMIT, wait).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_topic_keeps_the_newest_record_of_each_key_over_restarts() {
    let disk = FaultyDisk::new(1);
    let broker = busy(disk.process()).await;
    let counts: Arc<LogCleaner> = broker.node.config.metrics.group(Labels::none());
    create(&broker.node, "t").await;
    put(&broker.node, "t", "a", 1).await;
    put(&broker.node, "t", "b", 9).await;
    // Two to a segment; the last one is written to.
    wait_for(&broker.node, "t", &[0, 7, 8, 9]).await;
    broker.shutdown().await.unwrap();
    let checkpoint = || String::from_utf8(disk.content(&in_data(CHECKPOINT)).unwrap()).unwrap();
    assert_eq!(checkpoint(), "0\n1\nt 0 8\n");
    assert_eq!((counts.records_removed.total(), counts.failures.total(), counts.cleaning.value()), (6, 0, 0));
    assert!(0 < counts.passes.total() && counts.bytes_kept.total() < counts.bytes_before.total(), "{counts:?}");
    assert!(counts.bytes_before.total() <= counts.bytes_read.total(), "{counts:?}");

    let broker = busy(disk.process()).await;
    assert_eq!(offsets(&broker.node, "t").await, [0, 7, 8, 9]);
    // A topic of the same name begins at nothing.
    let deleted: DeleteTopicsResponse = call(&broker.node, ApiKey::DeleteTopics, 6, &delete_topics(&["t"])).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    create(&broker.node, "t").await;
    assert_eq!(checkpoint(), "0\n0\n");
    put(&broker.node, "t", "a", 6).await;
    wait_for(&broker.node, "t", &[3, 4, 5]).await;
    assert_eq!(broker.health(), Vec::<String>::new());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_cannot_be_compacted_is_said_and_the_others_are() {
    let disk = FaultyDisk::new(1);
    let broker = busy(disk.process()).await;
    disk.fail(Trigger::on(Operation::Write).path("/bad-0/00000000000000000000.log.cleaned").always(), ErrorKind::Other);
    for topic in ["bad", "good"] {
        create(&broker.node, topic).await;
        put(&broker.node, topic, "a", 6).await;
    }
    wait_for(&broker.node, "good", &[3, 4, 5]).await;
    let counts: Arc<LogCleaner> = broker.node.config.metrics.group(Labels::none());
    let fault = fault(&broker).await;
    assert!(0 < counts.failures.total(), "{counts:?}");
    assert!(fault.starts_with("the compaction of partition bad-0: write the compacted segment 0"), "{fault}");
    assert_eq!(offsets(&broker.node, "bad").await, [0, 1, 2, 3, 4, 5], "it is served");
    put(&broker.node, "bad", "a", 1).await;
    let deleted: DeleteTopicsResponse = call(&broker.node, ApiKey::DeleteTopics, 6, &delete_topics(&["bad"])).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(broker.health(), Vec::<String>::new());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_does_not_end_compaction() {
    let disk = FaultyDisk::new(1);
    let broker = busy(disk.process()).await;
    disk.fail(Trigger::on(Operation::Write).path(".log.cleaned").always(), ErrorKind::StorageFull);
    create(&broker.node, "t").await;
    put(&broker.node, "t", "a", 6).await;
    let fault = fault(&broker).await;
    assert!(fault.starts_with("the compaction of partition t-0: write the compacted segment 0"), "{fault}");
    assert!(fault.ends_with("it is tried again"), "{fault}");
    disk.heal();
    wait_for(&broker.node, "t", &[3, 4, 5]).await;
    let is_good = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while !broker.health().is_empty() {
            ticks.tick().await;
        }
    };
    timeout(LIMIT, is_good).await.unwrap();
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_stays_half_done_is_said_and_the_next_start_finishes_it() {
    let disk = FaultyDisk::new(1);
    let broker = busy(disk.process()).await;
    disk.fail(Trigger::on(Operation::Rename).path("log.swap").always(), ErrorKind::Other);
    create(&broker.node, "t").await;
    let first = partition(&broker.node, "t");
    put(&broker.node, "t", "a", 2).await;
    put(&broker.node, "t", "a", 1).await;
    let fault = fault(&broker).await;
    assert!(fault.starts_with("the compaction of partition t-0: put the compacted segment 0 in place"), "{fault}");
    assert_eq!(
        first.read(0, 1 << 20, Some(0), Isolation::Uncommitted, Patience::Disk).unwrap().unwrap().high_watermark,
        3,
        "what is there is read"
    );
    drop(first);
    assert!(broker.shutdown().await.is_err(), "it was not left in order");
    disk.heal();
    let broker = busy(disk.process()).await;
    assert_eq!(offsets(&broker.node, "t").await, [1, 2]);
    assert_eq!(broker.health(), Vec::<String>::new());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_pass_that_is_held_back() {
    let disk = FaultyDisk::new(1);
    let own = [("log.cleaner.backoff.ms", "1"), ("log.cleaner.io.max.bytes.per.second", "1")];
    let broker = try_start_with(disk.process(), &own).await.unwrap();
    create(&broker.node, "t").await;
    put(&broker.node, "t", "a", 6).await;
    timeout(LIMIT, broker.shutdown()).await.unwrap().unwrap();
    let broker = busy(disk.process()).await;
    wait_for(&broker.node, "t", &[3, 4, 5]).await;
    broker.shutdown().await.unwrap();
}
