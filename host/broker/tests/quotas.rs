//! Quotas: set by request, told to clients, and held against them.

mod support;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use millstream_broker::{Broker, BrokerConfig};
use millstream_wire::protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ApiKey, CreateTopicsRequest, CreateTopicsResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, FetchResponse, MetadataRequest, MetadataResponse,
    ProduceResponse,
    alter_client_quotas_request::{EntityData, EntryData, OpData},
    create_topics_request::CreatableTopic,
    metadata_request::MetadataRequestTopic,
};
use support::{Client, batch, fetch_request, name, produce_request, text, with};
use tokio::net::TcpStream;

fn config(dir: &Path) -> BrokerConfig {
    with(dir, &[("listeners", "PLAINTEXT://127.0.0.1:0")])
}

const LISTENING: (&str, &str) = ("listeners", "PLAINTEXT://127.0.0.1:0");

async fn dial(broker: &Broker) -> Client<TcpStream> {
    Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap())
}

/// The test client's id is `test`, and its user ANONYMOUS.
async fn set(broker: &Broker, kind: &str, name: Option<&str>, key: &str, value: Option<f64>) -> i16 {
    let entity = EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text));
    let op = OpData::default().with_key(text(key)).with_value(value.unwrap_or(0.0)).with_remove(value.is_none());
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let answer: AlterClientQuotasResponse = Client::new(broker).call(ApiKey::AlterClientQuotas, 1, &request).await;
    answer.entries[0].error_code
}

async fn described(broker: &Broker) -> Vec<String> {
    let request = DescribeClientQuotasRequest::default();
    let answer: DescribeClientQuotasResponse =
        Client::new(broker).call(ApiKey::DescribeClientQuotas, 1, &request).await;
    let mut lines = Vec::new();
    for entry in answer.entries.unwrap() {
        let names: Vec<String> = entry
            .entity
            .iter()
            .map(|part| format!("{}={}", part.entity_type, part.entity_name.as_deref().unwrap_or("<default>")))
            .collect();
        let values: Vec<String> = entry.values.iter().map(|value| format!("{}={}", value.key, value.value)).collect();
        lines.push(format!("{} {}", names.join(","), values.join(",")));
    }
    lines
}

#[tokio::test]
async fn who_produces_too_much_is_told_to_wait_and_made_to() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = dial(&broker).await;
    client.create("t").await;
    let large = "x".repeat(5200);
    let request = produce_request("t", -1, batch(&[&large], None));
    let answer: ProduceResponse = client.call(ApiKey::Produce, 9, &request).await;
    assert_eq!(answer.throttle_time_ms, 0);
    // Ten samples of a second: 5,000 bytes at once are too many by some hundred.
    assert_eq!(set(&broker, "client-id", Some("test"), "producer_byte_rate", Some(500.0)).await, 0);
    let begin = Instant::now();
    let answer: ProduceResponse = client.call(ApiKey::Produce, 9, &request).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "what was sent counts");
    let wait = Duration::from_millis(u64::try_from(answer.throttle_time_ms).unwrap());
    assert!(Duration::from_millis(200) < wait && wait < Duration::from_secs(3), "{wait:?}");
    let _: MetadataResponse = client.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    assert!(wait <= begin.elapsed(), "the next request was answered before its time");
    // Others do not wait, and the worker never does.
    assert_eq!(Client::new(&broker).produce("t", -1, batch(&[&large], None)).await.0, 0);
    assert_eq!(set(&broker, "client-id", Some("test"), "producer_byte_rate", None).await, 0);
    let answer: ProduceResponse = client.call(ApiKey::Produce, 9, &request).await;
    assert_eq!(answer.throttle_time_ms, 0);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_has_to_wait_keeps_no_memory_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let least = [("listeners", "PLAINTEXT://127.0.0.1:0"), ("request.memory.max.bytes", "1048576")];
    let broker = Broker::start(with(dir.path(), &least)).await.unwrap();
    let mut client = dial(&broker).await;
    client.create("t").await;
    assert_eq!(set(&broker, "client-id", Some("test"), "producer_byte_rate", Some(10.0)).await, 0);
    let large = "x".repeat(900_000);
    let request = produce_request("t", -1, batch(&[&large], None));
    let answer: ProduceResponse = client.call(ApiKey::Produce, 9, &request).await;
    assert!(3_600_000 < answer.throttle_time_ms, "{}", answer.throttle_time_ms);
    // Its beginning arrives at least. What the broker does not read yet stays with the client.
    let correlation = client.send(ApiKey::Produce, 9, &request);
    let _more = tokio::time::timeout(Duration::from_millis(300), correlation).await;
    for _ in 0..3 {
        let mut other = Client::new(&broker);
        let produced = tokio::time::timeout(Duration::from_secs(20), other.produce("t", -1, batch(&[&large], None)));
        assert_eq!(produced.await.expect("others have the memory").0, 0);
    }
    drop(client);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_fetches_too_much_gets_nothing_and_a_time_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = dial(&broker).await;
    client.create("t").await;
    let large = "x".repeat(5200);
    assert_eq!(client.produce("t", -1, batch(&[&large], None)).await.0, 0);
    assert_eq!(set(&broker, "user", None, "consumer_byte_rate", Some(500.0)).await, 0);
    let answer: FetchResponse = client.call(ApiKey::Fetch, 12, &fetch_request("t", 0, 0)).await;
    assert!(200 < answer.throttle_time_ms && answer.responses.is_empty(), "{}", answer.throttle_time_ms);
    // What was not sent was not used, so that a smaller answer comes through.
    let answer: FetchResponse = client.call(ApiKey::Fetch, 12, &fetch_request("t", 1, 0)).await;
    assert_eq!((answer.throttle_time_ms, answer.responses.len()), (0, 1));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn time_of_threads_is_a_quota_and_is_told_in_every_answer_that_has_a_place_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(set(&broker, "user", Some("ANONYMOUS"), "request_percentage", Some(0.000_001)).await, 0);
    for version in 3..=13 {
        let mut client = dial(&broker).await;
        let answer: MetadataResponse = client.call(ApiKey::Metadata, version, &MetadataRequest::default()).await;
        assert!(0 < answer.throttle_time_ms && answer.throttle_time_ms <= 1000, "{}", answer.throttle_time_ms);
        assert_eq!(answer.brokers.len(), 1, "the rest of the answer is as it was");
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn quotas_outlive_a_crash_and_nonsense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(set(&broker, "user", None, "consumer_byte_rate", Some(1e6)).await, 0);
    assert_eq!(set(&broker, "client-id", Some("c"), "request_percentage", Some(12.5)).await, 0);
    assert_eq!(set(&broker, "user", Some("u"), "controller_mutation_rate", Some(3.0)).await, 0);
    assert_eq!(set(&broker, "user", Some("u"), "producer_byte_rate", Some(-1.0)).await, 42);
    assert_eq!(set(&broker, "ip", Some("127.0.0.9"), "connection_creation_rate", Some(1.0)).await, 0);
    assert_eq!(set(&broker, "ip", Some("127.0.0.9"), "producer_byte_rate", Some(1.0)).await, 42);
    broker.abandon().await;
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let expected = [
        "ip=127.0.0.9 connection_creation_rate=1",
        "client-id=c request_percentage=12.5",
        "user=<default> consumer_byte_rate=1000000",
        "user=u controller_mutation_rate=3",
    ];
    let (mut found, mut expected) = (described(&broker).await, expected.map(str::to_owned));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    broker.shutdown().await.unwrap();
}

/// Makes a topic of so many partitions: code, and the time to wait.
async fn make(client: &mut Client<TcpStream>, topic: &str, partitions: i32, version: i16) -> (i16, i32) {
    let topic =
        CreatableTopic::default().with_name(name(topic)).with_num_partitions(partitions).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let answer: CreateTopicsResponse = client.call(ApiKey::CreateTopics, version, &request).await;
    (answer.topics[0].error_code, answer.throttle_time_ms)
}

#[tokio::test]
async fn who_changes_topics_too_fast_is_refused_for_a_while_or_waits_as_old_clients_do() {
    const EXCEEDED: i16 = 89;
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = dial(&broker).await;
    assert_eq!(set(&broker, "user", None, "controller_mutation_rate", Some(10.0)).await, 0);
    assert_eq!(make(&mut client, "a", 115, 6).await, (0, 0), "a burst, overdrawn");
    let (code, wait_ms) = make(&mut client, "b", 1, 6).await;
    assert_eq!(code, EXCEEDED);
    assert!(0 < wait_ms && wait_ms <= 500, "{wait_ms}");
    // The next request waits, and then there is room.
    assert_eq!(make(&mut client, "b", 1, 6).await.0, 0);
    let (code, wait_ms) = make(&mut client, "c", 50, 5).await;
    assert_eq!(code, 0, "old clients do not know the code");
    assert!(1000 < wait_ms, "{wait_ms}");
    // Nobody else has to wait, and the worker never does.
    assert_eq!(set(&broker, "client-id", Some("other"), "controller_mutation_rate", Some(1.0)).await, 0);
    Client::new(&broker).create("d").await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_topic_that_is_made_by_asking_for_it_counts_as_a_change_of_topics() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[("num.partitions", "40"), LISTENING])).await.unwrap();
    assert_eq!(set(&broker, "client-id", Some("test"), "controller_mutation_rate", Some(1.0)).await, 0);
    let mut client = dial(&broker).await;
    let wanted = |topic| {
        let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
        MetadataRequest::default().with_topics(Some(vec![wanted])).with_allow_auto_topic_creation(true)
    };
    let answer: MetadataResponse = client.call(ApiKey::Metadata, 9, &wanted("a")).await;
    assert_eq!((answer.topics[0].error_code, answer.topics[0].partitions.len()), (0, 40), "a burst, overdrawn");
    assert_eq!(answer.throttle_time_ms, 0);
    // The next one is refused, as by Kafka: it is not there, and nothing says why.
    let answer: MetadataResponse = client.call(ApiKey::Metadata, 9, &wanted("b")).await;
    assert_eq!((answer.topics[0].error_code, answer.topics[0].partitions.len(), answer.throttle_time_ms), (3, 0, 0));
    let (code, _) = make(&mut dial(&broker).await, "b", 1, 6).await;
    assert_eq!(code, 89, "THROTTLING_QUOTA_EXCEEDED");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_address_that_connects_too_fast_is_held_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(set(&broker, "ip", Some("127.0.0.1"), "connection_creation_rate", Some(1.0)).await, 0);
    let mut served = 0;
    loop {
        let mut client = dial(&broker).await;
        client.send(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
        if client.receive_raw().await.is_none() {
            break;
        }
        served += 1;
        assert!(served < 100, "there is a limit");
    }
    assert!(9 <= served, "{served} within the window");
    assert_eq!(set(&broker, "ip", Some("127.0.0.1"), "connection_creation_rate", None).await, 0);
    let mut client = dial(&broker).await;
    let _: MetadataResponse = client.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn connections_that_are_held_for_coming_too_fast_keep_no_others_out() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("listeners", "PLAINTEXT://127.0.0.1:0"), ("max.connections", "14")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    assert_eq!(set(&broker, "ip", Some("127.0.0.1"), "connection_creation_rate", Some(1.0)).await, 0);
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap());
    }
    assert_eq!(set(&broker, "ip", Some("127.0.0.1"), "connection_creation_rate", None).await, 0);
    let mut client = dial(&broker).await;
    let _: MetadataResponse = client.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn connections_from_everywhere_come_no_faster_than_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        [("listeners", "PLAINTEXT://127.0.0.1:0"), ("max.connection.creation.rate", "2"), ("quota.window.num", "2")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let begin = Instant::now();
    for _ in 0..6 {
        let mut client = dial(&broker).await;
        let _: MetadataResponse = client.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    }
    assert!(Duration::from_secs(1) < begin.elapsed(), "six take two seconds and more");
    broker.shutdown().await.unwrap();
}
