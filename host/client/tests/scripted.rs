//! What the clients do when brokers misbehave, and that they do the same over every kind of stream.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    consumer, producer,
    scripted::{Fault, Recording, Script, Scripted, Trace},
    topic,
};
use millstream_client::{Ack, Dial, Producer, RecordRef, SendError, TcpDial, TryAppendError};
use millstream_record::ErrorChain;
use millstream_wire::batch::{Batches, RecordReader};
use tokio::{net::TcpListener, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const ADDRESS: &str = "scripted.example:9092";

#[tokio::test]
async fn a_pipe_in_memory_carries_the_same_bytes_as_tcp() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(Scripted::default().listen(listener));
    let over_tcp = exercise(Arc::new(Mutex::default()), TcpDial, Some(port)).await;
    let in_memory = exercise(Arc::new(Mutex::default()), Scripted::default(), None).await;
    assert_eq!(over_tcp.connections.len(), in_memory.connections.len());
    assert!(3 <= over_tcp.connections.len(), "metadata, produce and fetch");
    for (at, (tcp, memory)) in over_tcp.connections.iter().zip(&in_memory.connections).enumerate() {
        assert!(!tcp.0.is_empty() && !tcp.1.is_empty());
        assert_eq!(tcp, memory, "connection {at}");
    }
}

/// Produces and consumes in a fixed order and returns every byte that went either way.
async fn exercise<D: Dial + 'static>(trace: Arc<Mutex<Trace>>, inner: D, to: Option<u16>) -> Trace {
    let dial = Arc::new(Recording { inner, to, trace: Arc::clone(&trace) });
    let mut producer = producer(Arc::clone(&dial) as Arc<dyn Dial>, ADDRESS, &[("compression.type", "lz4")]);
    for n in 0..100 {
        let value = format!("value {n}");
        append(&mut producer, n, &value).await;
        if n % 25 == 24 {
            producer.flush().await;
        }
    }
    acknowledged(&mut producer, 100).await;
    let mut consumer = consumer(dial, ADDRESS, &[]);
    consumer.assign([(topic("t"), 0)]);
    consumer.seek(&topic("t"), 0, 0).expect("assigned");
    // One fetch has it all; dropped before the next is answered would be a matter of chance, so paused.
    let polled = timeout(PATIENCE, async {
        loop {
            let polled = consumer.poll(PATIENCE).await.expect("polls");
            if !polled.fetched.is_empty() {
                return polled;
            }
        }
    });
    assert_eq!(polled.await.expect("in time").fetched[0].record_count, 100);
    drop(consumer);
    drop(producer);
    let mut trace = std::mem::take(&mut *trace.lock().expect("unpoisoned"));
    // Whether the fetch after the last one got onto the wire is a matter of chance.
    if let Some(fetches) = trace.connections.last_mut() {
        let whole = first_frames(&fetches.0, 2);
        fetches.0.truncate(whole);
        let whole = first_frames(&fetches.1, 2);
        fetches.1.truncate(whole);
    }
    trace
}

/// How many bytes the first `frames` take, size prefixes included.
fn first_frames(bytes: &[u8], frames: usize) -> usize {
    let mut at = 0;
    for _ in 0..frames {
        let size = bytes[at..at + 4].try_into().expect("four bytes");
        at += 4 + i32::from_be_bytes(size).unsigned_abs() as usize;
    }
    at
}

#[tokio::test]
async fn every_record_is_written_once_and_in_order_whatever_happens_to_requests() {
    let faults = [
        Fault::DropAnswer,
        Fault::Refuse(6),
        Fault::None,
        Fault::Drop,
        Fault::DropAnswer,
        Fault::None,
        Fault::Refuse(7),
        Fault::None,
        Fault::None,
        Fault::Refuse(2),
        Fault::Drop,
        Fault::DropAnswer,
        Fault::Refuse(19),
    ];
    for start in 0..faults.len() {
        let broker = Scripted::default();
        broker.script.lock().expect("unpoisoned").produce =
            faults.iter().copied().cycle().skip(start).take(26).collect();
        let mut producer = small_batches(&broker, &[]);
        for n in 0..60 {
            append(&mut producer, n, &n.to_string()).await;
            producer_turn(&mut producer);
        }
        acknowledged(&mut producer, 60).await;
        let expected: Vec<String> = (0..60).map(|n| n.to_string()).collect();
        assert_eq!(values(&broker.script.lock().expect("unpoisoned")), expected, "beginning with fault {start}");
    }
}

#[tokio::test]
async fn the_first_producer_id_may_take_a_while() {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").identity = [14, 15, 16].into();
    let mut producer = small_batches(&broker, &[]);
    append(&mut producer, 0, "x").await;
    acknowledged(&mut producer, 1).await;
    assert_eq!(broker.script.lock().expect("unpoisoned").identities, 4);
}

#[tokio::test]
async fn a_refused_batch_fails_alone_and_those_behind_it_are_delivered() {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").produce = [Fault::None, Fault::Refuse(87)].into();
    let mut producer = small_batches(&broker, &[]);
    for n in 0..10 {
        append(&mut producer, n, &n.to_string()).await;
        producer_turn(&mut producer);
    }
    producer.flush().await;
    let (mut failed, mut delivered) = (Vec::new(), Vec::new());
    while 0 < producer.outstanding() {
        let ack = next(&mut producer).await;
        match ack.result {
            Ok(delivery) => delivered.push((ack.first, delivery.base_offset)),
            Err(error) => {
                assert_eq!(error.java_class(), "org.apache.kafka.common.InvalidRecordException");
                assert!(!error.is_retriable());
                failed.push(ack.first);
            }
        }
    }
    assert_eq!(failed, [1]);
    let expected: Vec<(u64, i64)> = [(0, 0)].into_iter().chain((2..10).map(|n| (n, n as i64 - 1))).collect();
    assert_eq!(delivered, expected);
}

#[tokio::test]
async fn records_behind_one_whose_answer_was_lost_are_never_taken_for_its_repetition() {
    // Written, but the answer is lost; then the last retry ends in a way that leaves the log as it is.
    for last in
        [Fault::Refuse(6), Fault::Refuse(19), Fault::Refuse(7), Fault::Refuse(3), Fault::Refuse(87), Fault::Drop]
    {
        let broker = Scripted::default();
        broker.script.lock().expect("unpoisoned").produce = [Fault::None, Fault::DropAnswer, last].into();
        let mut producer = small_batches(&broker, &[("retries", "1"), ("linger.ms", "0")]);
        append(&mut producer, 0, "first").await;
        acknowledged(&mut producer, 1).await;
        append(&mut producer, 1, "lost").await;
        next(&mut producer).await.result.expect_err("no attempt is left");
        append(&mut producer, 2, "next").await;
        acknowledged(&mut producer, 1).await;
        let stored = values(&broker.script.lock().expect("unpoisoned"));
        assert_eq!(stored, ["first", "lost", "next"], "after {last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn delivery_ends_with_its_timeout_and_later_records_still_arrive() {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").produce = [Fault::Refuse(6); 40].into();
    let settings = [("delivery.timeout.ms", "3000"), ("request.timeout.ms", "1000"), ("retry.backoff.max.ms", "100")];
    let mut producer = small_batches(&broker, &settings);
    append(&mut producer, 0, "late").await;
    let ack = next(&mut producer).await;
    let error = ack.result.expect_err("given up");
    assert!(matches!(error, SendError::Expired { records: 1, .. }), "{error}");
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.TimeoutException");
    assert!(ErrorChain(&error).to_string().contains("NOT_LEADER_OR_FOLLOWER"), "{}", ErrorChain(&error));
    broker.script.lock().expect("unpoisoned").produce.clear();
    append(&mut producer, 1, "on time").await;
    acknowledged(&mut producer, 1).await;
    assert_eq!(values(&broker.script.lock().expect("unpoisoned")), ["on time"]);
}

#[tokio::test(start_paused = true)]
async fn when_nothing_answers_the_error_names_the_address() {
    struct Refusing;
    #[async_trait::async_trait]
    impl Dial for Refusing {
        async fn dial(&self, _: &str, _: u16) -> std::io::Result<Box<dyn millstream_client::Stream>> {
            Err(std::io::ErrorKind::ConnectionRefused.into())
        }
    }
    let producer = producer(Arc::new(Refusing), "nobody.example:9092", &[("max.block.ms", "2000")]);
    let error = producer.partitions(&topic("t")).await.expect_err("nobody is there");
    let message = ErrorChain(&error).to_string();
    assert!(message.contains("no broker answers at nobody.example:9092"), "{message}");
    assert!(message.contains("connection refused"), "{message}");
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.TimeoutException");
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_takes_nothing_until_acknowledgements_make_room() {
    let broker = Scripted::default();
    let settings = [("buffer.memory", "4000"), ("max.block.ms", "1000"), ("linger.ms", "0")];
    let mut producer = producer(Arc::new(broker.clone()), ADDRESS, &settings);
    producer.partitions(&topic("t")).await.expect("known");
    let value = [0; 1000];
    let mut taken = 0;
    let full = loop {
        match producer.try_append(&topic("t"), None, RecordRef { value: Some(&value), ..RecordRef::default() }) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, TryAppendError::Full));
    assert_eq!(taken, 3);
    timeout(PATIENCE, producer.ready()).await.expect("ready in time");
    append(&mut producer, 3, "there is room again").await;
    acknowledged(&mut producer, 4).await;
    let giant = [0; 5000];
    let refused = producer.append(&topic("t"), None, RecordRef { value: Some(&giant), ..RecordRef::default() }).await;
    assert!(matches!(refused, Err(SendError::RecordTooLarge { setting: "buffer.memory", limit: 4000, .. })));
}

#[tokio::test(start_paused = true)]
async fn closing_gives_every_record_its_acknowledgement() {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").produce =
        [Fault::None].into_iter().chain([Fault::Refuse(6); 1000]).collect();
    let mut producer = small_batches(&broker, &[]);
    for n in 0..3 {
        append(&mut producer, n, "x").await;
        producer_turn(&mut producer);
    }
    let acks = producer.close(Duration::from_secs(2)).await;
    let results: Vec<(u64, bool)> = acks.iter().map(|ack| (ack.first, ack.result.is_ok())).collect();
    assert_eq!(results, [(0, true), (1, false), (2, false)]);
    assert!(matches!(acks[1].result, Err(SendError::Closed)));
}

/// A producer that sends every record by itself.
fn small_batches(broker: &Scripted, more: &[(&str, &str)]) -> Producer {
    let mut settings =
        vec![("batch.size", "0"), ("linger.ms", "0"), ("retry.backoff.ms", "1"), ("reconnect.backoff.ms", "1")];
    settings.extend_from_slice(more);
    producer(Arc::new(broker.clone()), ADDRESS, &settings)
}

/// Ends the group of records, so that the sender looks.
fn producer_turn(producer: &mut Producer) {
    drop(producer.appender());
}

async fn append(producer: &mut Producer, n: u64, value: &str) {
    let record = RecordRef {
        timestamp_ms: Some(1_700_000_000_000 + n as i64),
        value: Some(value.as_bytes()),
        ..RecordRef::default()
    };
    producer.append(&topic("t"), None, record).await.expect("taken");
}

async fn next(producer: &mut Producer) -> Ack {
    timeout(PATIENCE, producer.next_ack()).await.expect("acknowledged in time")
}

async fn acknowledged(producer: &mut Producer, records: u64) {
    let mut left = records;
    while 0 < left {
        let ack = next(producer).await;
        if let Err(error) = &ack.result {
            panic!("not delivered: {}", ErrorChain(error));
        }
        left -= ack.last - ack.first + 1;
    }
}

/// Values in the broker's log.
fn values(script: &Script) -> Vec<String> {
    let mut values = Vec::new();
    for batch in Batches::new(&script.log) {
        let (header, bytes) = batch.expect("a batch");
        for record in RecordReader::new(&header, &bytes[61..]) {
            let value = record.expect("a record").value.expect("set");
            values.push(String::from_utf8(value.to_vec()).expect("text"));
        }
    }
    values
}
