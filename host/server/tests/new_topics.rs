//! Topics that sources make by their rules, on the built-in broker and on Kafka, beside Kafka Connect 4.3.

use std::{path::Path, process::Command, time::Duration};

use harness::{
    Broker, Worker, eventually,
    files::append,
    millstream,
    peers::{Connect, Kafka, have_kafka, standalone_settings},
    request, validated, within,
};
use serde_json::{Map, Value, json};

/// Nothing is there that nobody made.
const NO_AUTO: &str = "auto.create.topics.enable=false";

/// Settings beside those of the file source, and the topic to which each writes.
const CASES: [(&str, &[(&str, &str)]); 4] = [
    ("plain", &[("default.partitions", "2"), ("default.replication.factor", "-1")]),
    (
        "orders-7",
        &[
            ("groups", "compacted, orders"),
            ("default.partitions", "1"),
            ("default.replication.factor", "1"),
            ("compacted.include", ".*-[0-9]+"),
            ("compacted.exclude", "orders-.*"),
            ("compacted.cleanup.policy", "compact"),
            ("orders.include", "users, orders-(?:6|7)"),
            ("orders.partitions", "3"),
            ("orders.retention.ms", "3600000"),
            ("orders.max.message.bytes", "5000"),
        ],
    ),
    (
        "users-1",
        &[
            ("groups", "compacted,default"),
            ("default.partitions", "-1"),
            ("default.replication.factor", "-1"),
            ("default.min.compaction.lag.ms", "10"),
            ("compacted.include", "USERS.*, (?i)users-.*"),
            ("compacted.cleanup.policy", "compact"),
        ],
    ),
    (
        "other",
        &[
            ("groups", "empty"),
            ("default.partitions", "4"),
            ("default.replication.factor", "1"),
            ("default.include", "no(thing"),
            ("default.exclude", ".*"),
            ("default.cleanup.policy", "compact,delete"),
            ("empty.partitions", "9"),
        ],
    ),
];

fn config(topic: &str, file: &Path, rules: &[(&str, &str)]) -> Value {
    let mut config = Map::new();
    for (key, value) in [("name", topic), ("connector.class", "FileStreamSource"), ("topic", topic)] {
        config.insert(key.to_owned(), json!(value));
    }
    config.insert("file".to_owned(), json!(file.display().to_string()));
    for (key, value) in rules {
        config.insert(format!("topic.creation.{key}"), json!(value));
    }
    config.into()
}

fn put(rest: &str, config: &Value) {
    let path = format!("/connectors/{}/config", config["name"].as_str().unwrap());
    let answer = request(rest, "PUT", &path, Some(&config.to_string())).expect("an answer");
    assert!(answer.status < 300, "{}", answer.body);
}

/// Number of partitions and settings of a topic as soon as it is there; `None` before.
fn described(broker: &str, topic: &str) -> Option<(usize, Value)> {
    let arguments = ["topic", "describe", "--bootstrap-server", broker, "--output", "json", topic];
    let described = Command::new(millstream()).args(arguments).output().unwrap();
    let described: Value = serde_json::from_slice(&described.stdout).ok()?;
    Some((described[0]["partitions"].as_array()?.len(), described[0]["configs"].clone()))
}

/// Has a worker make the topic of each case, and describes them.
fn made(folder: &Path, rest: &str, broker: &str) -> Vec<(String, usize, Value)> {
    let file = folder.join("in.txt");
    append(&file, "one\n");
    for (topic, rules) in CASES {
        put(rest, &config(topic, &file, rules));
    }
    let described = |topic: &str| eventually(&format!("{topic} is there"), || described(broker, topic));
    let all = CASES.iter().map(|(topic, _)| {
        let (partitions, configs) = described(topic);
        ((*topic).to_owned(), partitions, configs)
    });
    all.collect()
}

fn worker(folder: &Path, broker: &str) -> Worker {
    Worker::start(folder, &format!("bootstrap.servers={broker}"), &[])
}

#[test]
fn topics_are_made_by_the_rule_of_the_first_group_that_matches() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[NO_AUTO, "num.partitions=5"]);
    let worker = worker(folder.path(), &broker.address);
    let expected = [
        ("plain", 2, json!({})),
        ("orders-7", 3, json!({"max.message.bytes": "5000", "retention.ms": "3600000"})),
        ("users-1", 5, json!({"cleanup.policy": "compact"})),
        ("other", 4, json!({"cleanup.policy": "compact,delete"})),
    ];
    let expected = expected.map(|(topic, partitions, configs)| (topic.to_owned(), partitions, configs));
    assert_eq!(made(folder.path(), &worker.rest, &broker.address), expected);
    // What exists stays as it is.
    put(
        &worker.rest,
        &config(
            "plain",
            &folder.path().join("in.txt"),
            &[("default.partitions", "7"), ("default.replication.factor", "1")],
        ),
    );
    append(&folder.path().join("in.txt"), "two\n");
    eventually("the second line arrives", || {
        let arguments = ["topic", "offsets", "--bootstrap-server", &broker.address, "--output", "json", "plain"];
        let offsets = Command::new(millstream()).args(arguments).output().unwrap();
        let offsets: Value = serde_json::from_slice(&offsets.stdout).ok()?;
        let ends: i64 = offsets.as_array()?.iter().filter_map(|partition| partition["offset"].as_i64()).sum();
        (ends == 2).then_some(())
    });
    assert_eq!(described(&broker.address, "plain").unwrap().0, 2);
}

#[test]
fn rules_have_no_effect_in_a_worker_that_does_not_want_them() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &["num.partitions=3"]);
    let settings = format!("bootstrap.servers={}\ntopic.creation.enable=false", broker.address);
    let worker = Worker::start(folder.path(), &settings, &[]);
    let file = folder.path().join("in.txt");
    append(&file, "one\n");
    // Nor are they looked at.
    put(&worker.rest, &config("lines", &file, &[("default.partitions", "0")]));
    let (partitions, _) = eventually("the topic is there", || described(&broker.address, "lines"));
    assert_eq!(partitions, 3);
    assert!(worker.log().contains("topic.creation.enable of the worker is false"), "{}", worker.log());
}

#[test]
fn a_topic_that_the_broker_refuses_fails_the_task_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[NO_AUTO]);
    let worker = worker(folder.path(), &broker.address);
    let file = folder.path().join("in.txt");
    append(&file, "one\n");
    let rules = [("default.partitions", "1"), ("default.replication.factor", "1"), ("default.cleanup.policy", "shred")];
    put(&worker.rest, &config("lines", &file, &rules));
    let trace = worker.failed_trace("lines");
    let first = "org.apache.kafka.connect.errors.ConnectException: Unable to create topic(s) 'lines': Invalid value shred for configuration cleanup.policy";
    assert!(trace.starts_with(first), "{trace}");
    assert!(trace.contains("\nCaused by: org.apache.kafka.common.errors.InvalidConfigurationException: "), "{trace}");
}

#[test]
fn connect_makes_the_same_topics_and_validates_alike() {
    if !have_kafka() {
        return;
    }
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = [NO_AUTO, "num.partitions=5"];
    let their_broker = Broker::start(theirs.path(), &settings);
    let our_broker = Broker::start(ours.path(), &settings);
    let properties = standalone_settings(theirs.path(), &their_broker.address);
    let idle = "name=idle\nconnector.class=FileStreamSource\nfile=no-such-file\ntopic=idle\n";
    let connect = Connect::start(theirs.path(), &properties, idle);
    let worker = worker(ours.path(), &our_broker.address);

    let file = theirs.path().join("in.txt");
    let twice = [("groups", "a,a"), ("default.partitions", "1"), ("default.replication.factor", "1")];
    for (topic, rules) in CASES.iter().chain(&[("twice", &twice[..])]) {
        let config = config(topic, &file, rules);
        assert_eq!(validated(&worker.rest, &config), validated(&connect.rest, &config), "{config}");
    }
    // What Connect accepts though none of its tasks will start is refused.
    for rules in
        [&[("default.partitions", "1")][..], &[("default.partitions", "1"), ("default.replication.factor", "0")]]
    {
        let config = config("wrong", &file, rules);
        assert_eq!(validated(&connect.rest, &config).0, 0);
        assert_eq!(validated(&worker.rest, &config).0, 1);
    }
    let theirs = made(theirs.path(), &connect.rest, &their_broker.address);
    assert_eq!(made(ours.path(), &worker.rest, &our_broker.address), theirs);
    connect.terminate();
}

#[test]
fn topics_are_made_on_apache_kafka_alike() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    let worker = worker(folder.path(), &kafka.address);
    let made = made(folder.path(), &worker.rest, &kafka.address);
    let partitions: Vec<usize> = made.iter().map(|(_, partitions, _)| *partitions).collect();
    assert_eq!((partitions[0], partitions[1], partitions[3]), (2, 3, 4));
    assert_eq!(made[1].2["retention.ms"], "3600000");
    assert_eq!(made[2].2["cleanup.policy"], "compact");
}

/// Names of the topics that begin so.
fn topics_beginning_with(broker: &str, prefix: &str) -> Vec<String> {
    let listed = Command::new(millstream()).args(["topic", "list", "--bootstrap-server", broker]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter(|topic| topic.starts_with(prefix)).map(str::to_owned).collect()
}

/// Records in each partition of topics.
fn records(broker: &str, topics: &[String]) -> Option<Vec<i64>> {
    let mut offsets = Command::new(millstream());
    offsets.args(["topic", "offsets", "--bootstrap-server", broker, "--output", "json"]).args(topics);
    let offsets: Value = serde_json::from_slice(&offsets.output().unwrap().stdout).ok()?;
    offsets.as_array()?.iter().map(|partition| partition["offset"].as_i64()).collect()
}

#[test]
fn two_tasks_that_race_for_hundreds_of_topics_make_each_of_them_once_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[NO_AUTO]);
    let worker = worker(folder.path(), &broker.address);
    // A topic for each millisecond of a second.
    let config = json!({
        "name": "racing", "connector.class": "Datagen", "topic": "racing", "tasks.max": "2",
        "records.per.second": "1000", "count": "3000", "batch.size": "1",
        "transforms": "route",
        "transforms.route.type": "org.apache.kafka.connect.transforms.TimestampRouter",
        "transforms.route.topic.format": "${topic}-${timestamp}",
        "transforms.route.timestamp.format": "SSS",
        "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1",
    });
    put(&worker.rest, &config);
    let (topics, records) = within(Duration::from_secs(240), "all records are there", || {
        let topics = topics_beginning_with(&broker.address, "racing-");
        let records = records(&broker.address, &topics)?;
        (records.iter().sum::<i64>() == 3000).then_some((topics, records))
    });
    assert!(200 < topics.len(), "{}", topics.len());
    assert_eq!(records.len(), 2 * topics.len(), "each has the partitions of the rule");
    let status = worker.status("racing");
    for task in 0..2 {
        assert_eq!(status["tasks"][task]["state"], "RUNNING", "{status}");
    }
}
