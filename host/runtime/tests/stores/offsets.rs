//! The offsets topic.

use std::{sync::Arc, time::Duration};

use millstream_runtime::{
    kafka::LogClients,
    offsets::{OffsetStore, TopicOffsetStore},
    topic_log::TopicLog,
};
use simulation::fakes::topic::{FakeTopics, TopicFaults};

use crate::config_log::topic;

async fn open(clients: Arc<dyn LogClients>) -> TopicOffsetStore {
    let log = TopicLog::open(clients, &topic("offsets", 4)).await.expect("it opens");
    TopicOffsetStore::start(log).await.expect("it is read")
}

fn entry(partition: &str, offset: Option<&str>) -> (Arc<str>, Option<String>) {
    (partition.into(), offset.map(str::to_owned))
}

async fn read_one(store: &TopicOffsetStore, partition: &str) -> Option<String> {
    store.read("c", &[partition.to_owned()]).await.expect("it can be read").remove(0)
}

#[tokio::test(start_paused = true)]
async fn offsets_are_written_in_connects_bytes_and_read_by_the_next_worker() {
    let topics = FakeTopics::default();
    let store = open(topics.clients(|| ())).await;
    store.write("c", vec![entry(r#"{"filename":"in"}"#, Some(r#"{"position":6}"#))]).await.expect("written");
    let expected = (r#"["c",{"filename":"in"}]"#.to_owned(), Some(r#"{"position":6}"#.to_owned()));
    assert_eq!(topics.records("offsets"), [expected]);
    assert_eq!(read_one(&store, r#"{"filename":"in"}"#).await.as_deref(), Some(r#"{"position":6}"#));
    let next = open(topics.clients(|| ())).await;
    assert_eq!(read_one(&next, r#"{"filename":"in"}"#).await.as_deref(), Some(r#"{"position":6}"#));
    assert_eq!(
        next.list("c").await.expect("read"),
        [(r#"{"filename":"in"}"#.to_owned(), r#"{"position":6}"#.to_owned())]
    );
    assert_eq!(next.list("other").await.expect("read"), []);
    // What the one writes the other reads, since it reads to the end first.
    store.write("c", vec![entry(r#"{"filename":"in"}"#, None)]).await.expect("written");
    assert_eq!(read_one(&next, r#"{"filename":"in"}"#).await, None);
    assert_eq!(next.list("c").await.expect("read"), []);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_connect_wrote_in_another_order_is_continued_under_its_own_key() {
    let topics = FakeTopics::default();
    topics.make("offsets", 4, "compact");
    topics.write("offsets", Some(br#"["c",{"b":1,"a":2}]"#), Some(br#"{"p":1}"#));
    topics.write("offsets", Some(b"garbage"), Some(b"garbage"));
    let store = open(topics.clients(|| ())).await;
    let partition = r#"{"a":2,"b":1}"#;
    assert_eq!(read_one(&store, partition).await.as_deref(), Some(r#"{"p":1}"#));
    store.write("c", vec![entry(partition, Some(r#"{"p":2}"#))]).await.expect("written");
    let keys: Vec<String> = topics.records("offsets").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.iter().filter(|key| *key == r#"["c",{"b":1,"a":2}]"#).count(), 2, "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn brokers_that_are_away_for_a_minute_hold_up_a_write_and_a_read_and_lose_neither() {
    let topics = FakeTopics::default();
    let store = Arc::new(open(topics.clients(|| ())).await);
    topics.away(true);
    let writing = Arc::clone(&store);
    let written = tokio::spawn(async move { writing.write("c", vec![entry("{}", Some(r#"{"p":1}"#))]).await });
    let reading = Arc::clone(&store);
    let read = tokio::spawn(async move { read_one(&reading, "{}").await });
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(!written.is_finished() && !read.is_finished());
    topics.away(false);
    written.await.expect("no panic").expect("written");
    read.await.expect("no panic");
    assert_eq!(read_one(&store, "{}").await.as_deref(), Some(r#"{"p":1}"#));
}

struct Lost;

impl TopicFaults for Lost {
    fn lost(&mut self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_says_so_and_a_store_that_was_closed_too() {
    let topics = FakeTopics::default();
    let store = open(topics.clients(|| Lost)).await;
    let error = store.write("c", vec![entry("{}", Some(r#"{"p":1}"#))]).await.expect_err("lost");
    assert_eq!(error.to_string(), "write source offsets to topic offsets");
    store.close(Duration::from_secs(1)).await;
    let text = |error: &(dyn std::error::Error + 'static)| millstream_record::ErrorChain(error).to_string();
    let error = store.read("c", &["{}".to_owned()]).await.expect_err("closed");
    assert_eq!(text(&error), "read source offsets from topic offsets: the store has been closed");
    let error = store.write("c", vec![entry("{}", None)]).await.expect_err("closed");
    assert_eq!(text(&error), "write source offsets to topic offsets: the store has been closed");
}
