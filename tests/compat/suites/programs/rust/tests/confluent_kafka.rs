//! Scenarios with confluent-kafka 1.0, Java's client translated to Rust, whose own tests want Docker. `BROKER` is the
//! broker's address.

use std::{collections::HashMap, time::Duration};

use confluent_kafka::{
    admin::{Admin, AdminClient, AdminClientConfig, NewTopic},
    common::{
        TopicPartition,
        serialization::{StringDeserializer, StringSerializer},
    },
    consumer::{Consumer, ConsumerConfig, KafkaConsumer, OffsetAndMetadata, SubscriptionPattern},
    producer::{KafkaProducer, Producer, ProducerConfig, ProducerRecord},
};

type Strings = KafkaConsumer<String, String>;

const LIMIT: Duration = Duration::from_secs(60);

fn settings(more: &[(&str, &str)]) -> HashMap<String, String> {
    let broker = std::env::var("BROKER").expect("BROKER is set");
    let all = [("bootstrap.servers", broker.as_str())];
    all.iter().chain(more).map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn fresh(kind: &str) -> String {
    format!("{kind}-{}", uuid::Uuid::new_v4())
}

fn admin() -> Box<dyn Admin> {
    AdminClient::create(AdminClientConfig::new(&settings(&[])).unwrap()).unwrap()
}

async fn topic(partitions: i32) -> String {
    let name = fresh("topic");
    let wanted = NewTopic::with_num_partitions_replication_factor(&name, Some(partitions), Some(1));
    admin().create_topics(&[wanted]).all().get().await.unwrap();
    name
}

fn producer(more: &[(&str, &str)]) -> KafkaProducer<String, String> {
    let config = ProducerConfig::new(&settings(more)).unwrap();
    KafkaProducer::new(config, StringSerializer::default(), StringSerializer::default()).unwrap()
}

fn consumer(group: &str, more: &[(&str, &str)]) -> Strings {
    let mut all = vec![
        ("group.id", group),
        ("group.protocol", "consumer"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
    ];
    all.extend(more);
    let config = ConsumerConfig::new(&settings(&all)).unwrap();
    KafkaConsumer::new(config, StringDeserializer::default(), StringDeserializer::default()).unwrap()
}

async fn send(producer: &KafkaProducer<String, String>, topic: &str, values: &[String]) {
    let mut waiting = Vec::new();
    for value in values {
        let record = ProducerRecord::new(topic.to_owned(), Some(value.clone()));
        waiting.push(producer.send(record).await.unwrap());
    }
    for sent in waiting {
        sent.get().await.unwrap();
    }
}

async fn poll(consumer: &mut Strings, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    tokio::time::timeout(LIMIT, async {
        while values.len() < count {
            let records = consumer.poll(Duration::from_millis(200)).await.unwrap();
            values.extend(records.into_iter().map(|record| record.value().unwrap().clone()));
        }
    })
    .await
    .unwrap_or_else(|_| panic!("not {count} records in time"));
    values
}

async fn read(topic: &str, count: usize, more: &[(&str, &str)]) -> Vec<String> {
    let mut consumer = consumer(&fresh("group"), more);
    consumer.subscribe_with_topics(vec![topic.to_owned()]).await.unwrap();
    let values = poll(&mut consumer, count).await;
    consumer.close().await.unwrap();
    values
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn every_record_is_read(codec: &str) {
    let topic = topic(1).await;
    let producer = producer(&[("compression.type", codec)]);
    send(&producer, &topic, &numbers(0..500)).await;
    assert_eq!(read(&topic, 500, &[]).await, numbers(0..500));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_codec() {
    every_record_is_read("none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_gzip() {
    every_record_is_read("gzip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_snappy() {
    every_record_is_read("snappy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_lz4() {
    every_record_is_read("lz4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_zstd() {
    every_record_is_read("zstd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_behind_its_commit() {
    let (topic, group, producer) = (topic(1).await, fresh("group"), producer(&[]));
    for expected in [numbers(0..3), numbers(3..5)] {
        send(&producer, &topic, &expected).await;
        let mut consumer = consumer(&group, &[]);
        consumer.subscribe_with_topics(vec![topic.clone()]).await.unwrap();
        assert_eq!(poll(&mut consumer, expected.len()).await, expected);
        consumer.commit_sync().await.unwrap();
        consumer.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_partitions_and_take_over() {
    let (topic, group) = (topic(4).await, fresh("group"));
    let (mut first, mut second) = (consumer(&group, &[]), consumer(&group, &[]));
    first.subscribe_with_topics(vec![topic.clone()]).await.unwrap();
    second.subscribe_with_topics(vec![topic.clone()]).await.unwrap();
    let step = Duration::from_millis(100);
    tokio::time::timeout(LIMIT, async {
        while first.assignment().len() != 2 || second.assignment().len() != 2 {
            first.poll(step).await.unwrap();
            second.poll(step).await.unwrap();
        }
        first.close().await.unwrap();
        while second.assignment().len() != 4 {
            second.poll(step).await.unwrap();
        }
    })
    .await
    .expect("the partitions are shared in time");
    second.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_by_pattern_is_resolved_by_the_broker() {
    let (prefix, producer) = (fresh("pattern"), producer(&[]));
    for end in ["a", "b"] {
        let name = format!("{prefix}-{end}");
        let wanted = NewTopic::with_num_partitions_replication_factor(&name, Some(1), Some(1));
        admin().create_topics(&[wanted]).all().get().await.unwrap();
        send(&producer, &name, &[end.to_owned()]).await;
    }
    let mut consumer = consumer(&fresh("group"), &[]);
    consumer.subscribe_with_pattern(SubscriptionPattern::new(format!("{prefix}-.*"))).await.unwrap();
    let mut values = poll(&mut consumer, 2).await;
    values.sort();
    assert_eq!(values, ["a", "b"]);
    consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn seek_positions_and_ends() {
    let topic = topic(1).await;
    send(&producer(&[]), &topic, &numbers(0..10)).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let mut consumer = consumer(&fresh("group"), &[]);
    consumer.assign(vec![partition.clone()]).await.unwrap();
    consumer.seek_with_offset(partition.clone(), 7).await.unwrap();
    assert_eq!(poll(&mut consumer, 3).await, numbers(7..10));
    assert_eq!(consumer.position(&partition).await.unwrap(), 10);
    assert_eq!(consumer.end_offsets(&[partition.clone()]).await.unwrap()[&partition], 10);
    consumer.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_seen_when_committed_only() {
    let (topic, transactional_id) = (topic(1).await, fresh("txn"));
    let producer = producer(&[("transactional.id", &transactional_id)]);
    producer.init_transactions().await.unwrap();
    for number in 0..6 {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, &[number.to_string()]).await;
        if number % 2 == 0 {
            producer.commit_transaction().await.unwrap();
        } else {
            producer.abort_transaction().await.unwrap();
        }
    }
    assert_eq!(read(&topic, 3, &[("isolation.level", "read_committed")]).await, ["0", "2", "4"]);
    assert_eq!(read(&topic, 6, &[("isolation.level", "read_uncommitted")]).await, numbers(0..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn consume_transform_produce() {
    let (source, target) = (topic(1).await, topic(1).await);
    let (group, transactional_id) = (fresh("group"), fresh("txn"));
    send(&producer(&[]), &source, &numbers(0..20)).await;
    let producer = producer(&[("transactional.id", &transactional_id)]);
    producer.init_transactions().await.unwrap();
    let mut consumer = consumer(&group, &[("isolation.level", "read_committed"), ("max.poll.records", "5")]);
    consumer.subscribe_with_topics(vec![source.clone()]).await.unwrap();
    let partition = TopicPartition::new(source.as_str(), 0);
    let mut seen = 0;
    while seen < 20 {
        let values = poll(&mut consumer, 1).await;
        seen += values.len();
        producer.begin_transaction().unwrap();
        send(&producer, &target, &values.iter().map(|value| format!("{value}!")).collect::<Vec<_>>()).await;
        let offset = OffsetAndMetadata::new(seen as i64).unwrap();
        let (offsets, member) = (HashMap::from([(partition.clone(), offset)]), consumer.group_metadata());
        producer.send_offsets_to_transaction(offsets, &*member).await.unwrap();
        producer.commit_transaction().await.unwrap();
    }
    let committed = consumer.committed(&[partition.clone()]).await.unwrap();
    assert_eq!(committed[&partition].as_ref().unwrap().offset(), 20);
    consumer.close().await.unwrap();
    let expected: Vec<String> = (0..20).map(|number| format!("{number}!")).collect();
    assert_eq!(read(&target, 20, &[("isolation.level", "read_committed")]).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_producer_fences_the_first() {
    let (topic, transactional_id) = (topic(1).await, fresh("txn"));
    let settings = [("transactional.id", transactional_id.as_str())];
    let (first, second) = (producer(&settings), producer(&settings));
    first.init_transactions().await.unwrap();
    first.begin_transaction().unwrap();
    send(&first, &topic, &["first".to_owned()]).await;
    second.init_transactions().await.unwrap();
    first.commit_transaction().await.unwrap_err();
    second.begin_transaction().unwrap();
    send(&second, &topic, &["second".to_owned()]).await;
    second.commit_transaction().await.unwrap();
    assert_eq!(read(&topic, 1, &[("isolation.level", "read_committed")]).await, ["second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_the_cluster_are_described() {
    let (topic, admin) = (topic(3).await, admin());
    assert!(admin.list_topics().names().get().await.unwrap().contains(&topic));
    let cluster = admin.describe_cluster();
    assert_eq!(cluster.nodes().get().await.unwrap().len(), 1);
    assert!(!cluster.cluster_id().get().await.unwrap().is_empty());
    admin.delete_topics_with_string_slice(std::slice::from_ref(&topic)).all().get().await.unwrap();
    assert!(!admin.list_topics().names().get().await.unwrap().contains(&topic));
}
