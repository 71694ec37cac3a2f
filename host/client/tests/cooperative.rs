//! Groups whose members give up only what others are to have.

mod common;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Kafka, kafka, ours};
use millstream_client::{
    Consumer, RecordRef,
    consumer::{OffsetAndMetadata, RebalanceEvent},
};
use millstream_record::TopicName;

const PATIENCE: Duration = Duration::from_secs(180);

fn member(kafka: &Kafka, group: &str) -> Consumer {
    kafka.consumer(&[
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("metadata.max.age.ms", "100"),
        ("heartbeat.interval.ms", "100"),
        ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"),
    ])
}

async fn write(kafka: &Kafka, topic: &TopicName, partitions: i32) {
    let mut producer = kafka.producer(&[]);
    for partition in 0..partitions {
        let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
        producer.append(topic, Some(partition), record).await.expect("taken");
    }
    producer.flush().await;
}

/// A member, and what has happened to it.
struct Seen {
    consumer: Consumer,
    /// Where it commits what it gives up.
    done: i64,
    revoked: BTreeSet<(TopicName, i32)>,
    read: Vec<(TopicName, i32)>,
}

impl Seen {
    fn of(consumer: Consumer, done: i64) -> Self {
        Self { consumer, done, revoked: BTreeSet::new(), read: Vec::new() }
    }

    /// Polls once, and commits what is given up.
    async fn poll(&mut self) {
        let polled = self.consumer.poll(Duration::from_millis(20)).await.expect("polls");
        self.read.extend(polled.fetched.into_iter().map(|fetched| (fetched.topic, fetched.partition)));
        for event in polled.events {
            match event {
                RebalanceEvent::Revoked(partitions) => {
                    let done = OffsetAndMetadata::new(self.done);
                    let all = partitions.iter().map(|(topic, at)| (topic.clone(), *at, done.clone()));
                    self.consumer.commit(&all.collect::<Vec<_>>()).await.expect("still a member");
                    self.revoked.extend(partitions);
                }
                RebalanceEvent::Assigned(_) => {}
                RebalanceEvent::Lost(_, reason) => panic!("lost: {reason}"),
            }
        }
    }

    fn has(&self) -> usize {
        self.consumer.assignment().len()
    }
}

async fn poll_until(what: &str, members: &mut [&mut Seen], is_so: impl Fn(&[&mut Seen]) -> bool) {
    let began = Instant::now();
    while !is_so(members) {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        for member in members.iter_mut() {
            member.poll().await;
        }
    }
}

async fn only_what_moves_is_given_up(kafka: &Kafka) {
    let topic = kafka.topic("cooperative-1", 4, &[]).await;
    write(kafka, &topic, 4).await;
    let begins = |topic: &TopicName| Ok(topic.as_str().starts_with("cooperative-"));
    let (mut one, mut two) = (Seen::of(member(kafka, "cooperative"), 1), Seen::of(member(kafka, "cooperative"), 1));
    one.consumer.subscribe_matching(Arc::new(begins)).expect("a group");
    poll_until("one has read everything", &mut [&mut one], |members| members[0].read.len() == 4).await;

    two.consumer.subscribe_matching(Arc::new(begins)).expect("a group");
    poll_until("both have two", &mut [&mut one, &mut two], |members| members.iter().all(|member| member.has() == 2))
        .await;
    assert_eq!((one.revoked.len(), two.revoked.len()), (2, 0));
    assert_eq!(two.consumer.assignment(), one.revoked);
    for (topic, partition) in &one.revoked {
        let position = two.consumer.position(topic, *partition).await.expect("known");
        assert_eq!(position, 1, "as committed by who gave it up");
    }
    assert!(two.read.is_empty());
    // What stayed is read on from where it was, and not again.
    for (topic, partition) in one.consumer.assignment() {
        assert_eq!(one.consumer.position(&topic, partition).await.expect("known"), 1);
    }

    // A new topic moves nothing at all.
    let before = (one.consumer.assignment(), two.consumer.assignment());
    (one.revoked, two.revoked) = Default::default();
    let new = kafka.topic("cooperative-2", 2, &[]).await;
    write(kafka, &new, 2).await;
    let all_read = |members: &[&mut Seen]| {
        members.iter().flat_map(|member| &member.read).filter(|(topic, _)| topic.as_str() == "cooperative-2").count()
            == 2
    };
    poll_until("the new topic is read", &mut [&mut one, &mut two], all_read).await;
    assert!(before.0.is_subset(&one.consumer.assignment()) && before.1.is_subset(&two.consumer.assignment()));
    assert_eq!((one.has(), two.has()), (3, 3));
    assert!(one.revoked.is_empty() && two.revoked.is_empty());

    let described = kafka.admin().describe_group("cooperative").await.expect("answered");
    assert_eq!((described.state.as_str(), described.protocol.as_str()), ("Stable", "cooperative-sticky"));

    // Who goes leaves everything to the other one.
    two.consumer.close(PATIENCE).await;
    poll_until("one has everything", &mut [&mut one], |members| members[0].has() == 6).await;
    assert!(one.revoked.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_others_are_to_have_is_given_up() {
    only_what_moves_is_given_up(ours()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_others_are_to_have_is_given_up_on_apache_kafka_alike() {
    let Some(kafka) = kafka() else { return };
    only_what_moves_is_given_up(kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cooperative_group_is_shared_with_a_java_consumer() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("shared-cooperatively", 2, &[]).await;
    let mut ours = Seen::of(member(kafka, "shared-cooperatively"), 0);
    ours.consumer.subscribe([topic.clone()]).expect("a group");
    poll_until("ours has both", &mut [&mut ours], |members| members[0].has() == 2).await;
    let strategy = ["partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"];
    let java = kafka.consume_one_in_java(&topic, "shared-cooperatively", &strategy);
    tokio::pin!(java);
    let deadline = Instant::now() + PATIENCE;
    while ours.has() != 1 {
        assert!(Instant::now() < deadline, "the partitions are shared in time");
        tokio::select! {
            () = ours.poll() => {}
            ended = &mut java => panic!("ended too soon: {}", String::from_utf8_lossy(&ended.stderr)),
        }
    }
    assert_eq!(ours.revoked.len(), 1);
    let moved = ours.revoked.first().expect("one").1;
    let mut producer = kafka.producer(&[]);
    let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
    producer.append(&topic, Some(moved), record).await.expect("taken");
    producer.flush().await;
    loop {
        assert!(Instant::now() < deadline, "Java's consumer ends in time");
        tokio::select! {
            () = ours.poll() => {}
            ended = &mut java => {
                assert_eq!(String::from_utf8_lossy(&ended.stdout), "x\n");
                break;
            }
        }
    }
    poll_until("ours has both again", &mut [&mut ours], |members| members[0].has() == 2).await;
    assert_eq!(ours.revoked.len(), 1, "what stayed was never given up");
}
