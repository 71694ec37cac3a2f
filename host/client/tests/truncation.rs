//! Logs that lose records which were read, or delete records which were not, as a consumer finds out.

mod common;

use std::{
    sync::{Arc, MutexGuard},
    time::Duration,
};

use common::{
    consumer,
    log::Lines,
    scripted::{Script, Scripted},
    topic,
};
use millstream_client::{
    Consumer,
    admin::OffsetAndMetadata,
    consumer::{ConsumeError, FetchedRecordBatches},
};
use millstream_wire::batch::{Batches, RecordReader};

const ADDRESS: &str = "scripted.example:9092";

/// A broker with records `0` to `9`, the first five of epoch 3 and the others of epoch 4.
fn broker() -> Scripted {
    let broker = Scripted::default();
    let mut script = broker.script.lock().expect("unpoisoned");
    for n in 0..10 {
        script.leader_epoch = if n < 5 { 3 } else { 4 };
        script.write(&n.to_string());
    }
    drop(script);
    broker
}

fn script(broker: &Scripted) -> MutexGuard<'_, Script> {
    broker.script.lock().expect("unpoisoned")
}

fn member(broker: &Scripted, reset: &str) -> Consumer {
    let settings = [
        ("group.id", "g"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", reset),
        ("retry.backoff.ms", "1"),
        ("retry.backoff.max.ms", "5"),
        ("max.poll.records", "1"),
    ];
    let mut consumer = consumer(Arc::new(broker.clone()), ADDRESS, &settings);
    consumer.assign([(topic("t"), 0)]);
    consumer
}

/// Polls until a batch comes.
async fn next(consumer: &mut Consumer) -> Result<FetchedRecordBatches, ConsumeError> {
    for _ in 0..1000 {
        let mut polled = consumer.poll(Duration::from_secs(1)).await?;
        if !polled.fetched.is_empty() {
            return Ok(polled.fetched.remove(0));
        }
    }
    panic!("nothing comes");
}

fn values(batch: &FetchedRecordBatches) -> Vec<String> {
    let mut values = Vec::new();
    for part in Batches::new(&batch.records) {
        let (header, bytes) = part.expect("a batch");
        for (offset, record) in (header.base_offset..).zip(RecordReader::new(&header, &bytes[61..])) {
            if batch.first_offset <= offset {
                let value = record.expect("a record").value.expect("set").to_vec();
                values.push(String::from_utf8(value).expect("text"));
            }
        }
    }
    values
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_with_the_epoch_of_the_record_before() {
    let broker = broker();
    let mut consumer = member(&broker, "earliest");
    for expected in [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 4)] {
        let at = next(&mut consumer).await.expect("reads").next_offset;
        consumer.commit(&[(topic("t"), 0, OffsetAndMetadata::new(at))]).await.expect("commits");
        assert_eq!(script(&broker).committed, Some(expected));
    }
    // Also an offset that lies behind by now.
    consumer.commit(&[(topic("t"), 0, OffsetAndMetadata::new(4))]).await.expect("commits");
    assert_eq!(script(&broker).committed, Some((4, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_committed_position_that_still_stands_is_read_on_from() {
    let broker = broker();
    script(&broker).committed = Some((7, 4));
    let mut consumer = member(&broker, "none");
    assert_eq!(consumer.position(&topic("t"), 0).await.expect("found"), 7);
    assert_eq!(script(&broker).checked, [(4, 4)], "the leader was asked before anyone relies on the position");
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["7"]);
    assert_eq!(script(&broker).checked.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_committed_position_in_a_log_that_was_cut_off_goes_back_to_where_it_differs() {
    let (lines, _guard) = Lines::collect();
    let broker = broker();
    {
        let mut script = script(&broker);
        script.committed = Some((9, 4));
        // Without its epoch the position would do: offset 9 is there again, behind others than those that were read.
        script.cut(7);
        script.leader_epoch = 5;
        ["a", "b", "c", "d"].iter().for_each(|value| script.write(value));
    }
    let mut consumer = member(&broker, "latest");
    assert_eq!(consumer.position(&topic("t"), 0).await.expect("found"), 7);
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["a"]);
    let lines = lines.taken();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["WARN", "t partition=0", "read=9", "now=7", "lost=2"] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_reset_policy_a_log_that_was_cut_off_is_an_error_that_names_the_place() {
    let broker = broker();
    {
        let mut script = script(&broker);
        script.committed = Some((9, 4));
        script.cut(7);
        script.leader_epoch = 5;
    }
    let mut consumer = member(&broker, "none");
    let error = next(&mut consumer).await.expect_err("records are gone");
    assert_eq!(error.java_class(), "org.apache.kafka.clients.consumer.LogTruncationException");
    let message = error.to_string();
    for part in ["t-0", "before offset 9", "from 7 on", "auto.offset.reset is none"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(script(&broker).fetched, [0_i64; 0], "nothing else was read");
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_the_log_does_not_know_at_all_leads_to_the_reset_policy() {
    let (lines, _guard) = Lines::collect();
    let broker = broker();
    script(&broker).committed = Some((9, 8));
    let mut consumer = member(&broker, "earliest");
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["0"]);
    let lines = lines.taken();
    assert!(lines.len() == 1 && lines[0].contains("asked=9 now=0 again=9"), "{lines:?}");
    let mut strict = member(&broker, "none");
    let error = next(&mut strict).await.expect_err("unknown");
    assert!(matches!(error, ConsumeError::Truncated { offset: 9, end: None, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_asked_before_reading_goes_on() {
    let broker = broker();
    let mut consumer = member(&broker, "earliest");
    for _ in 0..10 {
        next(&mut consumer).await.expect("reads");
    }
    assert_eq!(script(&broker).checked, [], "the leader is the same");
    {
        let mut script = script(&broker);
        script.cut(8);
        script.leader_epoch = 6;
        // The new leader is not ready at first, and the old picture of the cluster lasts a while.
        script.checks = [6, 75, 78, 0].into();
        ["x", "y", "z"].iter().for_each(|value| script.write(value));
    }
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["x"]);
    assert_eq!(script(&broker).checked, [(6, 4); 4]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_tell_epochs_is_trusted() {
    let broker = broker();
    {
        let mut script = script(&broker);
        script.without = vec![23];
        script.committed = Some((7, 4));
    }
    let mut consumer = member(&broker, "none");
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["7"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_whose_records_were_deleted_moves_on_and_the_log_says_how_many_were_skipped() {
    let (lines, _guard) = Lines::collect();
    let broker = broker();
    {
        let mut script = script(&broker);
        script.committed = Some((2, -1));
        script.log_start = 6;
    }
    let mut consumer = member(&broker, "earliest");
    assert_eq!(values(&next(&mut consumer).await.expect("reads")), ["6"]);
    let lines = lines.taken();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["WARN", "group=\"g\"", "topic=t partition=0", "asked=2", "now=6", "skipped=4"] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_reset_policy_a_position_out_of_range_is_an_error_that_says_what_to_do() {
    for committed in [2, 20] {
        let broker = broker();
        {
            let mut script = script(&broker);
            script.committed = Some((committed, -1));
            script.log_start = 6;
        }
        let mut consumer = member(&broker, "none");
        let error = next(&mut consumer).await.expect_err("out of range");
        assert_eq!(error.java_class(), "org.apache.kafka.clients.consumer.OffsetOutOfRangeException");
        let message = error.to_string();
        for part in [&format!("offset {committed} of t-0"), "auto.offset.reset is none", "earliest"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert_eq!(consumer.position(&topic("t"), 0).await.expect("unchanged"), committed);
    }
}
