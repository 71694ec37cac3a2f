//! Fetches that a broker holds for want of records must not hold up anything else. The clock is the test's.

mod common;

use std::{sync::Arc, time::Duration};

use common::{consumer, producer, scripted::Scripted, topic};
use millstream_client::{Consumer, RecordRef};
use tokio::time::{Instant, timeout};

const ADDRESS: &str = "scripted.example:9092";

/// Much longer than anything may take.
const WAIT: &str = "3600000";

/// A broker with one record in the first partition, which holds fetches for more.
async fn broker(empty_partitions: i32) -> Scripted {
    let broker = Scripted::default();
    let mut producer = producer(Arc::new(broker.clone()), ADDRESS, &[]);
    let record = RecordRef { value: Some(b"first"), ..RecordRef::default() };
    producer.append(&topic("t"), Some(0), record).await.expect("taken");
    producer.flush().await;
    let mut script = broker.script.lock().expect("unpoisoned");
    (script.holds, script.empty_partitions) = (true, empty_partitions);
    drop(script);
    broker
}

fn waiting(broker: &Scripted) -> Consumer {
    consumer(Arc::new(broker.clone()), ADDRESS, &[("fetch.max.wait.ms", WAIT)])
}

/// How long it took until the first record came.
async fn first_record(consumer: &mut Consumer) -> Duration {
    let began = Instant::now();
    let polled = async {
        loop {
            let polled = consumer.poll(Duration::from_secs(600)).await.expect("polls");
            if let Some(fetched) = polled.fetched.first() {
                assert_eq!((fetched.partition, fetched.first_offset, fetched.record_count), (0, 0, 1));
                return began.elapsed();
            }
        }
    };
    timeout(Duration::from_secs(1800), polled).await.expect("long before the broker answers")
}

async fn nothing_comes(consumer: &mut Consumer) {
    let polled = consumer.poll(Duration::from_secs(60)).await.expect("polls");
    assert!(polled.fetched.is_empty(), "{polled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seek_does_not_wait_for_the_fetch_from_where_the_consumer_was() {
    let broker = broker(0).await;
    let mut consumer = waiting(&broker);
    consumer.assign([(topic("t"), 0)]);
    consumer.seek(&topic("t"), 0, 0).expect("assigned");
    first_record(&mut consumer).await;
    for _ in 0..3 {
        nothing_comes(&mut consumer).await;
        consumer.seek(&topic("t"), 0, 0).expect("assigned");
        assert_eq!(first_record(&mut consumer).await, Duration::ZERO);
    }
    let fetched = broker.script.lock().expect("unpoisoned").fetched.clone();
    assert_eq!(fetched, [0, 1, 0, 1, 0, 1, 0], "each was asked once");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_comes_anew_waits_at_most_half_a_second_for_others_that_have_nothing() {
    let broker = broker(1).await;
    // It came long after the others were asked for, or at once.
    for (before, longest) in [(60_000, 0), (100, 400)] {
        let mut consumer = waiting(&broker);
        consumer.assign([(topic("t"), 1)]);
        consumer.seek(&topic("t"), 1, 0).expect("assigned");
        let polled = consumer.poll(Duration::from_millis(before)).await.expect("polls");
        assert!(polled.fetched.is_empty(), "{polled:?}");
        consumer.assign([(topic("t"), 0), (topic("t"), 1)]);
        consumer.seek(&topic("t"), 0, 0).expect("assigned");
        let took = first_record(&mut consumer).await;
        assert!(took <= Duration::from_millis(longest), "{took:?} after {before} ms");
        // Both are asked for together from then on.
        nothing_comes(&mut consumer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_resumed_does_not_wait_either() {
    let broker = broker(1).await;
    let mut consumer = waiting(&broker);
    consumer.assign([(topic("t"), 0), (topic("t"), 1)]);
    for partition in [0, 1] {
        consumer.seek(&topic("t"), partition, 0).expect("assigned");
    }
    consumer.pause(&topic("t"), 0).expect("assigned");
    nothing_comes(&mut consumer).await;
    consumer.resume(&topic("t"), 0).expect("assigned");
    assert_eq!(first_record(&mut consumer).await, Duration::ZERO);
}
