//! What clients count.

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    ours, properties,
    scripted::{Fault, Scripted},
    topic,
};
use millstream_client::{
    Admin, AdminConfig, Cluster, Consumer, ConsumerConfig, Producer, ProducerConfig, RecordRef, TcpDial,
    admin::OffsetAndMetadata,
};
use millstream_metrics::{Labels, Metrics, Value};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(120);
const ADDRESS: &str = "scripted.example:9092";

/// What an instrument of a client's group says.
fn counted(metrics: &Metrics, group: &str, client: &str, instrument: &str) -> Value {
    let readings = metrics.read();
    let of_client =
        readings.iter().filter(|reading| reading.definition.name == group && reading.labels == Labels::client(client));
    let mut values = of_client.flat_map(|reading| &reading.values).filter(|(name, _)| *name == instrument);
    values.next().unwrap_or_else(|| panic!("{group} of {client} has no {instrument}")).1.clone()
}

#[track_caller]
fn total(metrics: &Metrics, group: &str, client: &str, instrument: &str) -> u64 {
    match counted(metrics, group, client, instrument) {
        Value::Total(total) => total,
        Value::Distribution { count, .. } => count,
        other => panic!("{instrument} is {other:?}"),
    }
}

fn small_batches(broker: &Scripted, metrics: &Metrics) -> Producer {
    let settings = [("client.id", "p"), ("batch.size", "0"), ("linger.ms", "0"), ("retry.backoff.ms", "1")];
    let mut config = ProducerConfig::from_properties(&properties(ADDRESS, &settings)).expect("valid");
    config.connection.metrics = metrics.clone();
    let cluster = Cluster::connect(Arc::new(broker.clone()), &config.bootstrap, config.connection.clone());
    Producer::new(&cluster, config)
}

#[tokio::test]
async fn a_producer_counts_what_it_sent_sent_again_and_could_not_send() {
    let (broker, metrics) = (Scripted::default(), Metrics::default());
    let (not_leader, invalid_record) = (6, 87);
    broker.script.lock().expect("unpoisoned").produce =
        [Fault::Refuse(not_leader), Fault::None, Fault::Refuse(invalid_record)].into();
    let mut producer = small_batches(&broker, &metrics);
    let mut delivered = Vec::new();
    for value in ["a", "b"] {
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        producer.append(&topic("t"), None, record).await.expect("taken");
        delivered.push(timeout(PATIENCE, producer.next_ack()).await.expect("in time").result.is_ok());
    }
    assert_eq!(delivered, [true, false]);
    let of_producer = |instrument| total(&metrics, "producer-metrics", "p", instrument);
    assert_eq!((of_producer("sent"), of_producer("repeated"), of_producer("failed")), (3, 1, 1));
    assert_eq!((of_producer("batch_bytes"), of_producer("records_of_request"), of_producer("queue_time")), (3, 3, 2));
    let (made, requests) = (of_producer("made"), of_producer("requests"));
    assert!(0 < made && 3 * made < requests, "{made} connections, {requests} requests");
    assert_eq!((of_producer("responses"), of_producer("response_time")), (requests, requests));
    assert_eq!((of_producer("logins"), of_producer("failed_logins")), (0, 0));
    drop(producer);
}

#[tokio::test]
async fn a_consumer_counts_what_it_fetched_and_what_its_group_did() {
    let (kafka, metrics) = (ours(), Metrics::default());
    let topic = kafka.topic("counted", 2, &[]).await;
    let mut producer = kafka.producer(&[]);
    for value in ["a", "b", "c"] {
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        producer.append(&topic, Some(0), record).await.expect("taken");
    }
    producer.close(PATIENCE).await;

    let settings = [("client.id", "c"), ("group.id", "counted"), ("auto.offset.reset", "earliest")];
    let mut config = ConsumerConfig::from_properties(&kafka.properties(&settings)).expect("valid");
    config.auto_commit = None;
    config.connection.metrics = metrics.clone();
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let mut consumer = Consumer::new(&cluster, config);
    consumer.subscribe([topic.clone()]).expect("it has a group");
    let mut bytes = 0;
    let read = async {
        let mut records = 0;
        while records < 3 {
            for fetched in consumer.poll(Duration::from_secs(1)).await.expect("polled").fetched {
                records += fetched.record_count;
                bytes += fetched.records.len() as u64;
            }
        }
    };
    timeout(PATIENCE, read).await.expect("in time");
    consumer.commit(&[(topic, 0, OffsetAndMetadata::new(3))]).await.expect("committed");

    let of_fetches = |instrument| total(&metrics, "consumer-fetch-manager-metrics", "c", instrument);
    assert_eq!((of_fetches("records"), of_fetches("bytes")), (3, bytes));
    assert!(0 < of_fetches("fetches"));
    assert_eq!(of_fetches("fetches"), of_fetches("fetch_time"));
    let of_group = |instrument| total(&metrics, "consumer-coordinator-metrics", "c", instrument);
    assert_eq!((of_group("commits"), of_group("commit_time"), of_group("failed_rebalances")), (1, 1, 0));
    assert!(of_group("rebalances") <= of_group("syncs") && of_group("syncs") <= of_group("joins"));
    assert!(0 < of_group("rebalances"));
    assert_eq!(counted(&metrics, "consumer-coordinator-metrics", "c", "assigned"), Value::Current(2));
    assert!(0 < total(&metrics, "consumer-metrics", "c", "made"));
    consumer.close(PATIENCE).await;
}

#[tokio::test]
async fn an_admin_client_counts_its_connections_until_they_end() {
    let (kafka, metrics) = (ours(), Metrics::default());
    let mut config = AdminConfig::from_properties(&kafka.properties(&[("client.id", "a")])).expect("valid");
    config.connection.metrics = metrics.clone();
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let admin = Admin::new(&cluster, &config);
    let held: Arc<millstream_metrics::ClientConnections> =
        metrics.group_of(millstream_metrics::ClientConnections::OF_ADMINS, Labels::client("a"));
    admin.describe_cluster().await.expect("answered");
    let (made, open) = (held.made.total(), held.open.value());
    assert!(0 < open && made == open as u64, "{made} made, {open} open");
    drop((admin, cluster));
    let ended = async {
        while held.open.value() != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("they end with the client");
    assert_eq!(held.closed.total(), made);
}
