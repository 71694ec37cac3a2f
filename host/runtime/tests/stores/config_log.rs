//! The config topic as a log of entries.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_config::ConfigMap;
use millstream_record::TopicName;
use millstream_runtime::{
    config_log::{ClusterState, ConfigLog, Entry, Logged, TargetState, TopicConfigLog},
    kafka::{LogClients, LogTopic},
    topic_log::TopicLog,
};
use simulation::fakes::topic::{FakeTopics, TopicFaults};

pub(crate) fn topic(name: &str, partitions: u32) -> LogTopic {
    LogTopic {
        name: TopicName::parse(name).expect("a name"),
        key: "a.key",
        purpose: "anything",
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
        single_partition: partitions == 1,
        may_create: true,
    }
}

async fn open(clients: Arc<dyn LogClients>) -> TopicConfigLog {
    TopicConfigLog::new(TopicLog::open(clients, &topic("configs", 1)).await.expect("it opens"))
}

fn connector(name: &str, value: &str) -> Entry {
    let config = ConfigMap::from([("k".to_owned(), Some(value.to_owned()))]);
    Entry::Connector { name: name.to_owned(), config: Some(config) }
}

/// What Connect 4.3 wrote for a source that was created and stopped, and a sink that was created paused and resumed.
pub(crate) const RECORDED: [(&str, &str); 14] = [
    (
        "session-key",
        r#"{"key":"e6D3yCoWf9GBw37GswHlBEWQi0npSAvH1oc14VC7GhM=","algorithm":"HmacSHA256","creation-timestamp":1796003969652}"#,
    ),
    (
        "connector-src-1",
        r#"{"properties":{"connector.class":"FileStreamSource","file":"in.txt","topic":"lines","tasks.max":"1","name":"src-1"}}"#,
    ),
    ("target-state-snk", r#"{"state":"PAUSED","state.v2":"PAUSED"}"#),
    (
        "connector-snk",
        r#"{"properties":{"connector.class":"FileStreamSink","file":"out.txt","topics":"lines","tasks.max":"2","name":"snk"}}"#,
    ),
    (
        "task-src-1-0",
        r#"{"properties":{"connector.class":"FileStreamSource","file":"in.txt","task.class":"org.apache.kafka.connect.file.FileStreamSourceTask","tasks.max":"1","name":"src-1","topic":"lines"}}"#,
    ),
    ("commit-src-1", r#"{"tasks":1}"#),
    ("target-state-snk", r#"{"state":"STARTED","state.v2":"STARTED"}"#),
    (
        "task-snk-0",
        r#"{"properties":{"connector.class":"FileStreamSink","file":"out.txt","task.class":"org.apache.kafka.connect.file.FileStreamSinkTask","topics":"lines","tasks.max":"2","name":"snk"}}"#,
    ),
    (
        "task-snk-1",
        r#"{"properties":{"connector.class":"FileStreamSink","file":"out.txt","task.class":"org.apache.kafka.connect.file.FileStreamSinkTask","topics":"lines","tasks.max":"2","name":"snk"}}"#,
    ),
    ("commit-snk", r#"{"tasks":2}"#),
    ("commit-src-1", r#"{"tasks":0}"#),
    ("target-state-src-1", r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
    ("restart-connector-snk", r#"{"include-tasks":true,"only-failed":false}"#),
    ("logger-cluster-org.apache.kafka.connect", r#"{"level":"debug"}"#),
];

#[tokio::test(start_paused = true)]
async fn what_connect_wrote_is_read_and_what_is_written_again_are_its_bytes() {
    let topics = FakeTopics::default();
    topics.make("configs", 1, "compact");
    for (key, value) in RECORDED {
        topics.write("configs", Some(key.as_bytes()), Some(value.as_bytes()));
    }
    let mut log = open(topics.clients(|| ())).await;
    let entries = log.catch_up().await.expect("it is read");
    assert_eq!((entries.len(), log.offset()), (14, 14));
    let mut state = ClusterState::default();
    for logged in &entries {
        state.apply(logged.entry.clone());
    }
    assert_eq!(state.connectors().collect::<Vec<_>>(), ["snk", "src-1"]);
    assert_eq!(state.target("src-1"), Some(TargetState::Stopped));
    assert_eq!((state.target("snk"), state.task_count("snk")), (Some(TargetState::Started), 2));
    assert_eq!(state.session_key().map(|key| key.created_ms), Some(1_796_003_969_652));

    // Connect's maps have an order of their own; values are compared as JSON, everything else as bytes.
    let last = log.append(entries.into_iter().map(|logged| logged.entry).collect()).await.expect("it is written");
    assert_eq!(last, 28);
    let written = topics.records("configs");
    for ((key, value), (theirs, bytes)) in written[14..].iter().zip(RECORDED) {
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let value = value.as_deref().expect("a value");
        assert_eq!((key.as_str(), json(value)), (theirs, json(bytes)));
        if !theirs.starts_with("connector-") && !theirs.starts_with("task-") {
            assert_eq!(value, bytes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_left_out_and_counts_as_connect_counts_it() {
    let topics = FakeTopics::default();
    topics.make("configs", 1, "compact");
    let mut log = open(topics.clients(|| ())).await;
    assert_eq!(log.offset(), -1);
    let write = |key: &[u8], value: &[u8]| topics.write("configs", Some(key), Some(value));
    write(b"connector-a", br#"{"properties":{"k":"1"}}"#);
    write(b"nonsense", b"{}");
    write(b"\xff\xfe", b"{}");
    write(b"connector-a", br#"{"properties":7}"#);
    let entries = log.catch_up().await.expect("it is read");
    assert_eq!(entries, [Logged { position: 1, entry: connector("a", "1") }]);
    assert_eq!(log.offset(), 4);
    // Its reader does not count what is no JSON.
    write(b"connector-a", b"{");
    assert_eq!(log.catch_up().await.expect("it is read"), []);
    assert_eq!(log.offset(), 4);
    write(b"connector-b", br#"{"properties":{"k":"2"}}"#);
    assert_eq!(log.next().await, Logged { position: 6, entry: connector("b", "2") });
    assert_eq!(log.offset(), 6);
}

#[tokio::test(start_paused = true)]
async fn two_workers_fold_the_same_state_out_of_what_both_write() {
    let topics = FakeTopics::default();
    let (mut one, mut two) = (open(topics.clients(|| ())).await, open(topics.clients(|| ())).await);
    let (mut first, mut second) = (ClusterState::default(), ClusterState::default());
    for n in 0..20 {
        let entries = |of: &str| {
            vec![
                connector(of, &n.to_string()),
                Entry::Task { name: "shared".to_owned(), number: 0, config: Some(ConfigMap::new()) },
                connector("shared", of),
                Entry::Commit { name: "shared".to_owned(), tasks: Some(1) },
            ]
        };
        let (a, b) = tokio::join!(one.append(entries("one")), two.append(entries("two")));
        a.and(b).expect("both are written");
        for logged in one.catch_up().await.expect("it is read") {
            first.apply(logged.entry);
        }
        for logged in two.catch_up().await.expect("it is read") {
            second.apply(logged.entry);
        }
        assert_eq!(first, second);
    }
    assert_eq!(first.connectors().count(), 3);
}

/// The first record is lost, the second is written and its answer lost.
struct Lossy(u32);

impl TopicFaults for Lossy {
    fn lost(&mut self) -> bool {
        self.0 == 0
    }

    fn answer_lost(&mut self) -> bool {
        self.0 += 1;
        self.0 == 2
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_says_so_and_what_is_there_all_the_same_is_read() {
    let topics = FakeTopics::default();
    let mut log = open(topics.clients(|| Lossy(0))).await;
    assert!(log.append(vec![connector("lost", "1")]).await.is_err());
    assert!(log.append(vec![connector("unanswered", "1")]).await.is_err());
    assert_eq!(log.append(vec![connector("kept", "1")]).await.expect("it is written"), 2);
    let names: Vec<String> =
        log.catch_up().await.expect("it is read").into_iter().map(|logged| logged.entry.key()).collect();
    assert_eq!(names, ["connector-unanswered", "connector-kept"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_given_up_while_the_brokers_are_away_is_there_when_they_are_back_and_confuses_no_later_one() {
    let topics = FakeTopics::default();
    let mut log = open(topics.clients(|| ())).await;
    topics.away(true);
    let given_up = tokio::time::timeout(Duration::from_secs(30), log.append(vec![connector("a", "1")])).await;
    assert!(given_up.is_err());
    topics.away(false);
    assert_eq!(log.append(vec![connector("b", "1")]).await.expect("it is written"), 2);
    let names: Vec<String> =
        log.catch_up().await.expect("it is read").into_iter().map(|logged| logged.entry.key()).collect();
    assert_eq!(names, ["connector-a", "connector-b"]);
}
