//! Static members (KIP-345): who comes under the name of one takes its place, without a rebalance.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use common::{Kafka, kafka, ours};
use millstream_client::{
    Consumer, RecordRef,
    consumer::{CommitError, ConsumeError, OffsetAndMetadata, RebalanceEvent},
};
use millstream_record::TopicName;

const PATIENCE: Duration = Duration::from_secs(120);

/// A session so long that nothing here waits for its end.
const FOR_EVER: &str = "1800000";

fn member(kafka: &Kafka, group: &str, name: &str, assignor: &str) -> Consumer {
    kafka.consumer(&[
        ("group.id", group),
        ("group.instance.id", name),
        ("session.timeout.ms", FOR_EVER),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("metadata.max.age.ms", "200"),
        ("heartbeat.interval.ms", "100"),
        ("partition.assignment.strategy", assignor),
    ])
}

/// A member, and how often it had to give something up.
struct Seen {
    consumer: Consumer,
    revocations: u32,
}

impl Seen {
    fn of(kafka: &Kafka, topic: &TopicName, name: &str, assignor: &str) -> Self {
        let mut consumer = member(kafka, topic.as_str(), name, assignor);
        consumer.subscribe([topic.clone()]).expect("a group");
        Self { consumer, revocations: 0 }
    }

    async fn poll(&mut self) -> Result<(), ConsumeError> {
        for event in self.consumer.poll(Duration::from_millis(20)).await?.events {
            self.revocations += u32::from(!matches!(event, RebalanceEvent::Assigned(_)));
        }
        Ok(())
    }

    fn numbers(&self) -> BTreeSet<i32> {
        self.consumer.assignment().into_iter().map(|(_, number)| number).collect()
    }
}

async fn poll_until(what: &str, members: &mut [&mut Seen], is_so: impl Fn(&[&mut Seen]) -> bool) {
    let began = Instant::now();
    while !is_so(members) {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        for member in members.iter_mut() {
            member.poll().await.expect("polls");
        }
    }
}

async fn two_with_two_each(kafka: &Kafka, topic: &TopicName, assignor: &str) -> (Seen, Seen) {
    let mut one = Seen::of(kafka, topic, "one", assignor);
    poll_until("one has all", &mut [&mut one], |members| members[0].numbers().len() == 4).await;
    let mut two = Seen::of(kafka, topic, "two", assignor);
    let even = |members: &[&mut Seen]| members.iter().all(|member| member.numbers().len() == 2);
    poll_until("both have two", &mut [&mut one, &mut two], even).await;
    (one, two)
}

async fn widen(kafka: &Kafka, topic: &TopicName, partitions: u32) {
    let answer = kafka.admin().create_partitions(&BTreeMap::from([(topic.clone(), partitions)])).await;
    answer.expect("answered")[topic].as_ref().expect("made");
}

async fn successors_take_the_place_of_the_dead(kafka: &Kafka, name: &str, assignor: &str) {
    let topic = kafka.topic(&format!("places-{name}"), 4, &[]).await;
    let (one, mut two) = two_with_two_each(kafka, &topic, assignor).await;
    let (before, others) = (one.numbers(), two.numbers());
    two.revocations = 0;

    // The one that leads goes without a word.
    drop(one);
    let mut successor = Seen::of(kafka, &topic, "one", assignor);
    poll_until("it has its predecessor's part", &mut [&mut successor, &mut two], |members| {
        members[0].numbers() == before
    })
    .await;
    assert_eq!((two.numbers(), two.revocations), (others.clone(), 0), "nobody else was touched");

    // And the one that does not.
    drop(two);
    let mut second = Seen::of(kafka, &topic, "two", assignor);
    successor.revocations = 0;
    poll_until("it has its predecessor's part, too", &mut [&mut second, &mut successor], |members| {
        members[0].numbers() == others
    })
    .await;
    assert_eq!((successor.numbers(), successor.revocations), (before, 0));

    // Whoever took the leader's place leads on: it notices new partitions.
    widen(kafka, &topic, 6).await;
    let six = |members: &[&mut Seen]| members.iter().map(|member| member.numbers().len()).sum::<usize>() == 6;
    poll_until("all six are read", &mut [&mut successor, &mut second], six).await;

    // Those, too, that came while nobody led.
    drop(successor);
    widen(kafka, &topic, 8).await;
    let mut third = Seen::of(kafka, &topic, "one", assignor);
    let eight = |members: &[&mut Seen]| members.iter().map(|member| member.numbers().len()).sum::<usize>() == 8;
    poll_until("all eight are read", &mut [&mut third, &mut second], eight).await;

    // Who closes is waited for, who leaves is not.
    third.consumer.close(PATIENCE).await;
    let described = kafka.admin().describe_group(topic.as_str()).await.expect("answered");
    assert_eq!(described.members.len(), 2);
    second.consumer.leave(PATIENCE).await;
    let names = |description: millstream_client::admin::GroupDescription| {
        description.members.into_iter().filter_map(|member| member.group_instance_id).collect::<Vec<_>>()
    };
    assert_eq!(names(kafka.admin().describe_group(topic.as_str()).await.expect("answered")), ["one"]);
    let gone = ["one".to_owned(), "never".to_owned()];
    kafka.admin().remove_static_members(topic.as_str(), &gone).await.expect("answered");
    let described = kafka.admin().describe_group(topic.as_str()).await.expect("answered");
    assert_eq!(described.state, "Empty");
}

async fn whoever_was_taken_the_place_of_commits_nothing_more(kafka: &Kafka) {
    let topic = kafka.topic("fenced-members", 4, &[]).await;
    let mut producer = kafka.producer(&[]);
    for partition in 0..4 {
        let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
        producer.append(&topic, Some(partition), record).await.expect("taken");
    }
    producer.flush().await;
    let (mut one, mut two) = two_with_two_each(kafka, &topic, "range").await;
    let mut successor = Seen::of(kafka, &topic, "one", "range");
    let before = one.numbers();
    poll_until("it has the other one's part", &mut [&mut successor, &mut two], |members| {
        members[0].numbers() == before
    })
    .await;
    let mine = (topic.clone(), *before.first().expect("two"), OffsetAndMetadata::new(1));
    let refused = one.consumer.commit(std::slice::from_ref(&mine)).await.expect_err("it is another one's by now");
    assert!(matches!(refused, CommitError::Superseded { .. }), "{refused}");
    let began = Instant::now();
    let fenced = loop {
        assert!(began.elapsed() < PATIENCE);
        if let Err(error) = one.poll().await {
            break error;
        }
    };
    assert!(fenced.is_fenced(), "{fenced}");
    assert_eq!(fenced.java_class(), "org.apache.kafka.common.errors.FencedInstanceIdException");
    // It cannot take its successor out, either.
    one.consumer.leave(PATIENCE).await;
    successor.consumer.commit(&[mine]).await.expect("a member");
    successor.poll().await.expect("still a member");
    assert_eq!(successor.numbers(), before);
}

const COOPERATIVE: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_a_static_members_place_and_leads_on() {
    successors_take_the_place_of_the_dead(ours(), "eager", "range").await;
    successors_take_the_place_of_the_dead(ours(), "cooperative", COOPERATIVE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_a_static_members_place_on_apache_kafka_alike() {
    let Some(kafka) = kafka() else { return };
    successors_take_the_place_of_the_dead(kafka, "eager", "range").await;
    successors_take_the_place_of_the_dead(kafka, "cooperative", COOPERATIVE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_with_a_successor_is_fenced() {
    whoever_was_taken_the_place_of_commits_nothing_more(ours()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_with_a_successor_is_fenced_on_apache_kafka_alike() {
    let Some(kafka) = kafka() else { return };
    whoever_was_taken_the_place_of_commits_nothing_more(kafka).await;
}
