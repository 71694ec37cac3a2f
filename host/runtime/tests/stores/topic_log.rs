//! The log that is kept in a topic.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_connector::{ErrorKind, Failure};
use millstream_record::TopicName;
use millstream_runtime::{
    kafka::{CreateTopicError, LogClients, LogTopic},
    topic_log::{EndId, NewRecord, OpenLogError, Step, TopicLog, WriteId},
};
use simulation::fakes::topic::{FakeTopics, TopicFaults};
use tokio::time::Instant;

fn wanted() -> LogTopic {
    LogTopic {
        name: TopicName::parse("log").expect("a name"),
        key: "config.storage.topic",
        purpose: "connector configurations",
        partitions: Some(1),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
        single_partition: true,
        may_create: true,
    }
}

fn spread() -> LogTopic {
    LogTopic { partitions: Some(3), single_partition: false, ..wanted() }
}

fn record(key: &str, value: &str) -> NewRecord {
    NewRecord { key: key.into(), value: Some(value.into()) }
}

async fn open(topics: &FakeTopics, wanted: &LogTopic) -> TopicLog {
    TopicLog::open(topics.clients(|| ()), wanted).await.expect("it opens")
}

/// Reads until everything has been handed out that was there when the end was asked for.
async fn read_to(log: &mut TopicLog, end: EndId) -> Vec<String> {
    let mut read = Vec::new();
    loop {
        match log.step().await {
            Step::Record(record) => read.push(String::from_utf8(record.key.expect("a key").to_vec()).expect("text")),
            Step::Reached(id, result) if id == end => {
                result.expect("the end is found");
                return read;
            }
            Step::Reached(..) | Step::Written(..) => {}
        }
    }
}

async fn await_written(log: &mut TopicLog, id: WriteId) -> Result<Option<i64>, String> {
    loop {
        if let Step::Written(written, result) = log.step().await
            && written == id
        {
            return result.map(|place| place.offset).map_err(|error| error.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_topic_is_made_compacted_and_read_from_its_beginning_by_everybody() {
    let topics = FakeTopics::default();
    let mut one = open(&topics, &spread()).await;
    assert_eq!(topics.made("log"), Some((3, "compact".to_owned())));
    let records: Vec<_> = (0..20).map(|n| record(&format!("k{n}"), "v")).collect();
    let id = one.write(&records).await.expect("taken");
    await_written(&mut one, id).await.expect("written");
    let mut other = open(&topics, &spread()).await;
    let end = other.ask_end();
    let mut read = read_to(&mut other, end).await;
    read.sort();
    let mut expected: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    expected.sort();
    assert_eq!(read, expected);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_would_lose_or_mix_up_records_is_refused_in_connects_words() {
    let topics = FakeTopics::default();
    let refused = async |wanted: &LogTopic| TopicLog::open(topics.clients(|| ()), wanted).await.map(drop).unwrap_err();
    topics.make("log", 1, "delete");
    let text = refused(&wanted()).await.to_string();
    assert_eq!(
        text,
        "Topic 'log' supplied via the 'config.storage.topic' property is required to have 'cleanup.policy=compact' to guarantee consistency and durability of connector configurations, but found the topic currently has 'cleanup.policy=delete'. Continuing would likely result in eventually losing connector configurations and problems restarting this Connect cluster in the future. Change the 'config.storage.topic' property in the Connect worker configurations to use a topic with 'cleanup.policy=compact'."
    );
    topics.make("log", 1, "compact,delete");
    assert!(matches!(refused(&wanted()).await, OpenLogError::CleanupPolicy { .. }));
    topics.make("log", 2, "compact");
    assert_eq!(
        refused(&wanted()).await.to_string(),
        "Topic 'log' supplied via the 'config.storage.topic' property is required to have a single partition in order to guarantee consistency of connector configurations, but found 2 partitions."
    );
    open(&topics, &spread()).await;
    let absent = LogTopic { name: TopicName::parse("absent").expect("a name"), may_create: false, ..wanted() };
    let text = refused(&absent).await.to_string();
    assert!(
        text.starts_with("Topic 'absent' supplied via the 'config.storage.topic' property does not exist"),
        "{text}"
    );
    assert!(text.contains("internal.topics.automatic.creation.enable"), "{text}");
    assert_eq!(topics.made("absent"), None);
}

#[tokio::test(start_paused = true)]
async fn brokers_that_are_still_starting_are_given_time_to_make_a_topic_and_a_refusal_is_told() {
    let failure = |text: &str| Failure::new(ErrorKind::Fatal, "", text);
    let topics = FakeTopics::default();
    topics.refuse([CreateTopicError::Later(failure("1 broker")), CreateTopicError::Later(failure("2 brokers"))]);
    open(&topics, &wanted()).await;
    let topics = FakeTopics::default();
    topics.refuse([CreateTopicError::Refused(failure("no such setting"))]);
    let error = TopicLog::open(topics.clients(|| ()), &wanted()).await.map(drop).unwrap_err();
    let text = millstream_record::ErrorChain(&error).to_string();
    assert_eq!(text, "make topic 'log', which the 'config.storage.topic' property names: no such setting");
    let topics = FakeTopics::default();
    topics.refuse((0..1000).map(|_| CreateTopicError::Later(failure("1 broker"))));
    let begun = Instant::now();
    assert!(TopicLog::open(topics.clients(|| ()), &wanted()).await.is_err());
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_reached_behind_what_is_not_handed_out() {
    let topics = FakeTopics::default();
    let mut log = open(&topics, &wanted()).await;
    topics.write("log", Some(b"a"), Some(b"1"));
    topics.write("log", None, None);
    let end = log.ask_end();
    // Whether it is reached must not depend on anything else being written.
    let read = tokio::time::timeout(Duration::from_secs(1), read_to(&mut log, end)).await.expect("soon");
    assert_eq!(read, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_while_no_broker_answers_is_written_when_one_does_and_nothing_is_lost_or_repeated() {
    let topics = FakeTopics::default();
    let mut log = open(&topics, &wanted()).await;
    topics.away(true);
    let id = log.write(&[record("a", "1"), record("b", "2")]).await.expect("taken");
    let end = log.ask_end();
    assert!(tokio::time::timeout(Duration::from_secs(45), await_written(&mut log, id)).await.is_err());
    topics.away(false);
    let mut read = Vec::new();
    let (mut written, mut reached) = (false, false);
    while !(written && reached && read.len() == 2) {
        match log.step().await {
            Step::Record(record) => read.push(record.offset),
            Step::Written(of, result) => {
                assert_eq!((of, result.expect("written").offset), (id, Some(1)));
                written = true;
            }
            Step::Reached(of, result) => {
                result.expect("the brokers answered within a minute");
                assert_eq!(of, end);
                reached = true;
            }
        }
    }
    assert_eq!(read, [0, 1]);
    assert_eq!(topics.records("log").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_asked_for_is_told_and_reading_goes_on() {
    let topics = FakeTopics::default();
    let mut log = open(&topics, &wanted()).await;
    topics.away(true);
    let end = log.ask_end();
    match log.step().await {
        Step::Reached(id, Err(failure)) => assert_eq!((id, failure.message.as_str()), (end, "no broker answers")),
        other => panic!("{other:?}"),
    }
    topics.away(false);
    topics.write("log", Some(b"a"), None);
    assert!(matches!(log.step().await, Step::Record(record) if record.value.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_read_is_tried_again_ever_more_slowly() {
    let topics = FakeTopics::default();
    let mut log = open(&topics, &wanted()).await;
    topics.write("log", Some(b"a"), Some(b"1"));
    topics.unreadable(Some(Failure::new(ErrorKind::Fatal, "", "not allowed")));
    assert!(tokio::time::timeout(Duration::from_secs(600), log.step()).await.is_err());
    // 0.5, 1, 2, 4, 8, 16 and then every 30 seconds.
    assert!((20..=30).contains(&topics.polls()), "{} reads in ten minutes", topics.polls());
    topics.unreadable(None);
    assert!(matches!(log.step().await, Step::Record(_)));
}

/// Befalls the records by their turn.
struct Turns(u32, &'static [&'static str]);

impl Turns {
    fn is(&self, what: &str) -> bool {
        self.1.get(self.0 as usize).is_some_and(|turn| *turn == what)
    }
}

impl TopicFaults for Turns {
    fn delay(&mut self) -> Duration {
        if self.is("late") { Duration::from_secs(20) } else { Duration::ZERO }
    }

    fn lost(&mut self) -> bool {
        self.is("lost")
    }

    fn answer_lost(&mut self) -> bool {
        let lost = self.is("unanswered");
        // Asked last of all.
        self.0 += 1;
        lost
    }
}

#[tokio::test(start_paused = true)]
async fn each_write_hears_of_its_own_records_alone() {
    let topics = FakeTopics::default();
    let clients: Arc<dyn LogClients> = topics.clients(|| Turns(0, &["", "lost", "late", "", "unanswered"]));
    let mut log = TopicLog::open(clients, &wanted()).await.expect("it opens");
    let one = log.write(&[record("a", "1"), record("b", "1")]).await.expect("taken");
    let two = log.write(&[record("c", "1"), record("d", "1")]).await.expect("taken");
    let three = log.write(&[record("e", "1")]).await.expect("taken");
    let mut ended = BTreeMap::new();
    while ended.len() < 3 {
        if let Step::Written(id, result) = log.step().await {
            ended.insert(id, result.is_ok());
        }
    }
    assert_eq!(ended, BTreeMap::from([(one, false), (two, true), (three, false)]));
    let keys: Vec<String> = topics.records("log").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "c", "d", "e"]);
}

#[tokio::test(start_paused = true)]
async fn two_workers_that_write_at_once_read_the_same_order() {
    let topics = FakeTopics::default();
    let (mut one, mut two) = (open(&topics, &wanted()).await, open(&topics, &wanted()).await);
    for n in 0..30 {
        one.write(&[record(&format!("one-{n}"), "v")]).await.expect("taken");
        two.write(&[record(&format!("two-{n}"), "v")]).await.expect("taken");
        let (end, other) = (one.ask_end(), two.ask_end());
        let (_, _) = tokio::join!(read_some(&mut one, end), read_some(&mut two, other));
    }
    let mut late = open(&topics, &wanted()).await;
    let end = late.ask_end();
    let read = read_to(&mut late, end).await;
    assert_eq!(read.len(), 60);
    let written: Vec<String> = topics.records("log").into_iter().map(|(key, _)| key).collect();
    assert_eq!(read, written);
}

async fn read_some(log: &mut TopicLog, end: EndId) -> usize {
    read_to(log, end).await.len()
}
