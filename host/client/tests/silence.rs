//! Brokers that accept and say nothing, say nonsense, or stop reading.

mod common;

use std::{io, sync::Arc, time::Duration};

use common::{
    consumer,
    log::Lines,
    producer,
    scripted::{Fault, Scripted},
    topic,
};
use millstream_client::{Cluster, ConnectionSettings, Dial, RecordRef, Stream, TopicsWanted};
use millstream_record::ErrorChain;
use tokio::io::AsyncWriteExt;

/// Accepts, answers the first request with these bytes, or with nothing, and keeps the connection.
struct Odd(Option<&'static [u8]>);

#[async_trait::async_trait]
impl Dial for Odd {
    async fn dial(&self, _: &str, _: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let answer = self.0;
        tokio::spawn(async move {
            if let Some(answer) = answer {
                theirs.write_all(answer).await.expect("taken");
            }
            std::future::pending::<()>().await;
        });
        Ok(Box::new(ours))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_broker_is_told_with_its_address_and_a_likely_cause_and_not_at_every_attempt() {
    for (host, answer, cause) in [
        ("mute.example", None, "a TLS or SASL port"),
        ("tls.example", Some(&[0x15, 3, 3, 0, 2, 2, 70][..]), "a TLS port"),
        ("http.example", Some(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]), "an HTTP server"),
        ("odd.example", Some(&[0, 0, 0, 4, 9, 9, 9, 9][..]), "no Kafka broker"),
    ] {
        let (lines, _guard) = Lines::collect();
        let address = common::host_port(&format!("{host}:9092"));
        let cluster =
            Cluster::connect(Arc::new(Odd(answer)), std::slice::from_ref(&address), ConnectionSettings::default());
        let began = tokio::time::Instant::now();
        let mut attempts = 0;
        while began.elapsed() < Duration::from_secs(20) {
            let error = cluster.refresh(TopicsWanted::All, false).await.expect_err("no broker");
            assert!(error.is_retriable() && ErrorChain(&error).to_string().contains(&format!("{host}:9092")));
            attempts += 1;
        }
        let lines = lines.taken();
        assert!((2..=5).contains(&lines.len()), "{} lines for {attempts} attempts: {lines:?}", lines.len());
        for line in &lines {
            assert!(line.starts_with("WARN") && line.contains(&format!("{host}:9092")), "{line}");
            assert!(line.contains(cause), "{cause} is not in {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stops_reading_holds_nobody_up_for_longer_than_the_request_timeout() {
    for acks in ["all", "0"] {
        let (lines, _guard) = Lines::collect();
        let broker = Scripted { pipe: Some(1000), ..Scripted::default() };
        let settings =
            [("acks", acks), ("request.timeout.ms", "2000"), ("delivery.timeout.ms", "5000"), ("retries", "0")];
        let address = format!("deaf-{acks}.example:9092");
        let mut producer = producer(Arc::new(broker.clone()), &address, &settings);
        let small = RecordRef { value: Some(b"heard"), ..RecordRef::default() };
        producer.append(&topic("t"), None, small).await.expect("taken");
        producer.next_ack().await.result.expect("delivered");
        broker.script.lock().expect("unpoisoned").deaf = true;
        let large = vec![b'x'; 100_000];
        let began = tokio::time::Instant::now();
        // The first one may be what the broker was waiting for when it was still reading.
        for _ in 0..2 {
            let record = RecordRef { value: Some(&large), ..RecordRef::default() };
            producer.append(&topic("t"), None, record).await.expect("taken");
        }
        let mut failed = Vec::new();
        while 0 < producer.outstanding() {
            failed.extend(producer.next_ack().await.result.err());
        }
        assert!(!failed.is_empty());
        assert!(
            ErrorChain(&failed[0]).to_string().contains("within 2000 ms"),
            "acks={acks}: {}; {:?}",
            ErrorChain(&failed[0]),
            lines.taken()
        );
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert!(lines.taken().iter().any(|line| line.contains("given up")), "the log says so");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_nothing_is_asked_is_closed_and_made_anew_when_needed() {
    let broker = Scripted::default();
    let settings = ConnectionSettings { max_idle: Duration::from_secs(30), ..ConnectionSettings::default() };
    let dials = Arc::new(Counting { inner: broker, count: Default::default() });
    let address = common::host_port("idle.example:9092");
    let cluster = Cluster::connect(Arc::clone(&dials) as Arc<dyn Dial>, &[address], settings);
    let (lines, _guard) = Lines::collect();
    for (wait, expected) in [(0, 1), (29, 1), (31, 2), (5, 2)] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        cluster.refresh(TopicsWanted::All, false).await.expect("answered");
        assert_eq!(dials.count.load(std::sync::atomic::Ordering::Relaxed), expected, "after {wait} s");
    }
    assert_eq!(lines.taken(), [""; 0], "that is nothing to worry about");
}

struct Counting {
    inner: Scripted,
    count: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl Dial for Counting {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.inner.dial(host, port).await
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_no_broker_takes_are_told_with_the_reason() {
    let (lines, _guard) = Lines::collect();
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").produce = [Fault::Refuse(19); 1000].into();
    let mut producer = producer(Arc::new(broker), "stalled.example:9092", &[]);
    let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
    producer.append(&topic("t"), None, record).await.expect("taken");
    let early = tokio::time::timeout(Duration::from_secs(4), producer.next_ack()).await;
    assert!(early.is_err() && lines.taken().is_empty(), "a moment is nobody's business");
    let late = tokio::time::timeout(Duration::from_secs(40), producer.next_ack()).await;
    let lines = lines.taken();
    assert!(late.is_err() && lines.len() == 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("t-0") && line.contains("NOT_ENOUGH_REPLICAS")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_read_and_does_not_exist_is_told() {
    let (lines, _guard) = Lines::collect();
    let mut consumer = consumer(Arc::new(Scripted::default()), "missing.example:9092", &[]);
    consumer.assign([(topic("nowhere"), 0)]);
    for _ in 0..20 {
        assert!(consumer.poll(Duration::from_secs(1)).await.expect("waits").fetched.is_empty());
    }
    let lines = lines.taken();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("waiting for the topics that are read") && lines[0].contains("nowhere"), "{lines:?}");
}
