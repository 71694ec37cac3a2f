//! Topics that a consumer finds by matching, on our broker and on Kafka.

mod common;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Kafka, kafka, ours};
use millstream_client::{
    Consumer, RecordRef,
    consumer::{ConsumeError, Polled, RebalanceEvent, TopicFilter},
};
use millstream_record::TopicName;

const PATIENCE: Duration = Duration::from_secs(120);

fn beginning_with(prefix: &str) -> TopicFilter {
    let prefix = prefix.to_owned();
    Arc::new(move |topic: &TopicName| Ok(topic.as_str().starts_with(&prefix)))
}

fn member(kafka: &Kafka, group: &str, more: &[(&str, &str)]) -> Consumer {
    let own = [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("metadata.max.age.ms", "100"),
        ("heartbeat.interval.ms", "100"),
    ];
    kafka.consumer(&[&own[..], more].concat())
}

async fn write(kafka: &Kafka, topic: &TopicName) {
    let mut producer = kafka.producer(&[]);
    producer.append(topic, Some(0), RecordRef { value: Some(b"x"), ..RecordRef::default() }).await.expect("taken");
    producer.flush().await;
    assert!(producer.next_ack().await.result.is_ok());
}

fn names(topics: &[&TopicName]) -> BTreeSet<String> {
    topics.iter().map(|topic| topic.as_str().to_owned()).collect()
}

/// Polls in turn until it is so, and returns the topics of what was read meanwhile.
async fn poll_until(
    members: &mut [&mut Consumer],
    what: &str,
    is_so: impl Fn(&[&mut Consumer]) -> bool,
) -> Vec<String> {
    let (began, mut read) = (Instant::now(), Vec::new());
    while !is_so(members) {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        for member in members.iter_mut() {
            let Polled { fetched, events } = member.poll(Duration::from_millis(20)).await.expect("polls");
            read.extend(fetched.iter().map(|fetched| fetched.topic.as_str().to_owned()));
            assert!(!events.iter().any(|event| matches!(event, RebalanceEvent::Lost(..))), "{events:?}");
        }
    }
    read
}

fn assigned(members: &[&mut Consumer]) -> BTreeSet<String> {
    members.iter().flat_map(|member| member.assignment()).map(|(topic, _)| topic.as_str().to_owned()).collect()
}

async fn topics_come_and_go(kafka: &Kafka) {
    let prefix = "come-and-go";
    let first = kafka.topic("come-and-go-1", 2, &[]).await;
    let other = kafka.topic("other-come-and-go", 1, &[]).await;
    for topic in [&first, &other] {
        write(kafka, topic).await;
    }
    let (mut one, mut two) = (member(kafka, prefix, &[]), member(kafka, prefix, &[]));
    for member in [&mut one, &mut two] {
        member.subscribe_matching(beginning_with(prefix)).expect("a group");
    }
    let mut members = [&mut one, &mut two];
    let shared = |members: &[&mut Consumer]| members.iter().all(|member| !member.assignment().is_empty());
    let mut read = poll_until(&mut members, "both have a part", shared).await;
    assert_eq!(assigned(&members), names(&[&first]));

    let second = kafka.topic("come-and-go-2", 1, &[]).await;
    write(kafka, &second).await;
    let both = names(&[&first, &second]);
    read.extend(poll_until(&mut members, "the new topic is assigned", |members| assigned(members) == both).await);
    let began = Instant::now();
    while !(read.contains(&"come-and-go-1".to_owned()) && read.contains(&"come-and-go-2".to_owned())) {
        assert!(began.elapsed() < PATIENCE, "waited for the records in vain: {read:?}");
        for member in &mut members {
            let polled = member.poll(Duration::from_millis(20)).await.expect("polls");
            read.extend(polled.fetched.iter().map(|fetched| fetched.topic.as_str().to_owned()));
        }
    }
    assert!(!read.contains(&"other-come-and-go".to_owned()));

    let admin = kafka.admin();
    assert!(admin.delete_topics(&[second]).await.expect("answered").values().all(Result::is_ok));
    let left = names(&[&first]);
    poll_until(&mut members, "the deleted topic is given up", |members| assigned(members) == left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_topics_are_read_from_their_beginning_and_deleted_ones_given_up() {
    topics_come_and_go(ours()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_come_and_go_on_apache_kafka_alike() {
    let Some(kafka) = kafka() else { return };
    topics_come_and_go(kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_joined_though_no_topic_matches_yet() {
    let kafka = ours();
    let mut member = member(kafka, "early", &[]);
    member.subscribe_matching(beginning_with("early-")).expect("a group");
    let polled = member.poll(PATIENCE).await.expect("polls");
    assert!(matches!(&polled.events[..], [RebalanceEvent::Assigned(none)] if none.is_empty()), "{polled:?}");
    let topic = kafka.topic("early-1", 1, &[]).await;
    let wanted = names(&[&topic]);
    poll_until(&mut [&mut member], "the topic is assigned", |members| assigned(members) == wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_topics_are_found_only_where_they_are_asked_for() {
    let kafka = ours();
    // The offsets topic is there as soon as somebody has a group.
    let topic = kafka.topic("own-1", 1, &[]).await;
    let everything = || -> TopicFilter {
        Arc::new(|topic: &TopicName| Ok(topic.as_str().starts_with("own-") || topic.as_str() == "__consumer_offsets"))
    };
    let mut plain = member(kafka, "own-plain", &[]);
    plain.subscribe_matching(everything()).expect("a group");
    let wanted = names(&[&topic]);
    poll_until(&mut [&mut plain], "the topic is assigned", |members| assigned(members) == wanted).await;
    let mut all = member(kafka, "own-all", &[("exclude.internal.topics", "false")]);
    all.subscribe_matching(everything()).expect("a group");
    let has_own = |members: &[&mut Consumer]| assigned(members).contains("__consumer_offsets");
    poll_until(&mut [&mut all], "the offsets topic is assigned", has_own).await;
    assert_eq!(assigned(&[&mut plain]), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_be_judged_ends_the_reading() {
    let kafka = ours();
    kafka.topic("unclear-1", 1, &[]).await;
    let mut member = member(kafka, "unclear", &[]);
    let unclear = |topic: &TopicName| match topic.as_str() {
        "unclear-1" => Err("too many steps".to_owned()),
        _ => Ok(false),
    };
    member.subscribe_matching(Arc::new(unclear)).expect("a group");
    let began = Instant::now();
    let error = loop {
        assert!(began.elapsed() < PATIENCE, "waited for the error in vain");
        if let Err(error) = member.poll(Duration::from_millis(20)).await {
            break error;
        }
    };
    assert!(matches!(error, ConsumeError::Unmatchable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "tell whether topic unclear-1 is to be read: too many steps");
}
