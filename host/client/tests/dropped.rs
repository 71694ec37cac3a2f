//! Futures that are dropped at every await: time-outs, `select!`, stops and callers that go away do that.
//!
//! The pipe to the broker holds a few bytes only, so that requests and answers come in pieces and every piece is an
//! await.

mod common;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use common::{consumer, producer, scripted::Scripted, topic};
use millstream_client::{
    Admin, AdminConfig, Cluster, Consumer, Producer, RecordRef, TopicsWanted,
    admin::{OffsetAndMetadata, OffsetSpec},
    config::IsolationLevel,
};
use millstream_wire::batch::{Batches, RecordReader};

const ADDRESS: &str = "scripted.example:9092";

/// Awaits that no future here can have more of.
const MOST_AWAITS: usize = 10_000;

fn broker() -> Scripted {
    Scripted { pipe: Some(7), ..Scripted::default() }
}

/// Polls a future so many times, whenever it is woken, and drops it if it has not ended by then.
async fn dropped_at<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn admin(broker: &Scripted) -> (Cluster, Admin) {
    let config = AdminConfig::from_properties(&common::properties(ADDRESS, &[])).expect("valid");
    let cluster = Cluster::connect(Arc::new(broker.clone()), &config.bootstrap, config.connection.clone());
    let admin = Admin::new(&cluster, &config);
    (cluster, admin)
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_that_was_dropped_is_never_taken_for_another() {
    let mut ended = false;
    for polls in 0..MOST_AWAITS {
        let broker = broker();
        {
            let mut script = broker.script.lock().expect("unpoisoned");
            (0..5).for_each(|n| script.write(&n.to_string()));
            script.log_start = 2;
        }
        let (cluster, admin) = admin(&broker);
        let ask = |spec| [(topic("t"), 0, spec)];
        let (earliest, latest) = (ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
        let first = dropped_at(polls, admin.list_offsets(&earliest, IsolationLevel::ReadUncommitted)).await;
        ended = first.is_some();
        let found = admin.list_offsets(&latest, IsolationLevel::ReadUncommitted).await.expect("answered");
        assert_eq!(found[&(topic("t"), 0)].offset, Some(5), "after {polls} polls");
        let metadata = cluster.refresh(TopicsWanted::All, false).await.expect("answered");
        assert_eq!(metadata.partition_count(&topic("t")), Some(1));
        if ended {
            assert!(3 < polls, "it was never dropped");
            break;
        }
    }
    assert!(ended, "no call ends");
}

#[tokio::test(start_paused = true)]
async fn a_producer_whose_calls_are_dropped_sends_and_acknowledges_every_record_once() {
    for polls in 0..30 {
        let broker = broker();
        let settings =
            [("batch.size", "0"), ("linger.ms", "0"), ("buffer.memory", "2000"), ("max.request.size", "1500")];
        let mut producer = producer(Arc::new(broker.clone()), ADDRESS, &settings);
        let (mut taken, mut acknowledged) = (Vec::new(), 0);
        let partitions = producer.partitions(&topic("t"));
        dropped_at(polls, partitions).await;
        for n in 0..20 {
            let value = format!("{n}-{}", "x".repeat(200));
            let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
            if let Some(sequence) = dropped_at(polls, producer.append(&topic("t"), None, record)).await {
                assert_eq!(sequence.expect("taken"), taken.len() as u64, "a dropped append has appended nothing");
                taken.push(value);
            }
            dropped_at(polls, producer.ready()).await;
            dropped_at(polls, producer.flush()).await;
            if let Some(ack) = dropped_at(polls, producer.next_ack()).await {
                assert_eq!(ack.first, acknowledged);
                acknowledged = ack.last + 1;
                ack.result.expect("delivered");
            }
        }
        finish(&mut producer, acknowledged).await;
        assert_eq!(values(&broker), taken, "after {polls} polls");
        assert!(polls < 2 || !taken.is_empty());
    }
}

/// Takes the acknowledgements that are left.
async fn finish(producer: &mut Producer, mut acknowledged: u64) {
    producer.flush().await;
    while 0 < producer.outstanding() {
        let ack = producer.next_ack().await;
        assert_eq!(ack.first, acknowledged);
        acknowledged = ack.last + 1;
        ack.result.expect("delivered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_whose_calls_are_dropped_hands_out_every_record_once_and_in_order() {
    for polls in 1..30 {
        let broker = broker();
        {
            let mut script = broker.script.lock().expect("unpoisoned");
            (0..10).for_each(|n| script.write(&n.to_string()));
            script.committed = Some((0, -1));
        }
        let settings = [("group.id", "g"), ("enable.auto.commit", "false"), ("max.poll.records", "1")];
        let mut consumer = consumer(Arc::new(broker.clone()), ADDRESS, &settings);
        consumer.assign([(topic("t"), 0)]);
        let mut next = 0;
        for round in 0..MOST_AWAITS {
            let at = dropped_at(polls, consumer.position(&topic("t"), 0)).await;
            if let Some(at) = at {
                assert_eq!(at.expect("found"), next, "in round {round} with {polls} polls");
            }
            let polled = dropped_at(polls, consumer.poll(Duration::from_secs(1))).await;
            for fetched in polled.map(|polled| polled.expect("polls").fetched).unwrap_or_default() {
                assert_eq!(fetched.first_offset, next, "in round {round} with {polls} polls");
                next = fetched.next_offset;
                commit(&mut consumer, polls, next).await;
            }
            if next == 10 {
                break;
            }
            // The broker's turn; the clock is a paused one.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(next, 10, "with {polls} polls");
        // Whatever became of the commits that were dropped, a later one counts.
        commit(&mut consumer, usize::MAX, next).await;
        assert_eq!(broker.script.lock().expect("unpoisoned").committed.map(|at| at.0), Some(10));
    }
}

async fn commit(consumer: &mut Consumer, polls: usize, at: i64) {
    if let Some(result) = dropped_at(polls, consumer.commit(&[(topic("t"), 0, OffsetAndMetadata::new(at))])).await {
        result.expect("committed");
    }
}

/// Values in the broker's log.
fn values(broker: &Scripted) -> Vec<String> {
    let script = broker.script.lock().expect("unpoisoned");
    let mut values = Vec::new();
    for batch in Batches::new(&script.log) {
        let (header, bytes) = batch.expect("a batch");
        for record in RecordReader::new(&header, &bytes[61..]) {
            let value = record.expect("a record").value.expect("set").to_vec();
            values.push(String::from_utf8(value).expect("text"));
        }
    }
    values
}
