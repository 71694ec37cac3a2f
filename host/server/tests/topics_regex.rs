//! Sinks that find their topics by a pattern, on the built-in broker and on Kafka.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use harness::{
    Worker, eventually, millstream,
    peers::{Kafka, have_kafka},
};
use serde_json::{Value, json};

fn sink(name: &str, file: &Path, more: &str) -> String {
    format!("name={name}\nconnector.class=FileStreamSink\nfile={}\n{more}\n", file.display())
}

fn topic(broker: &str, arguments: &[&str], input: &str) {
    let (command, rest) = arguments.split_first().unwrap();
    let mut child = Command::new(millstream())
        .args(["topic", command, "--bootstrap-server", broker])
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{arguments:?}");
}

/// Lines of a file, in whatever order.
#[track_caller]
fn await_lines(file: &Path, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    eventually(&format!("{} holds {expected:?}", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        (lines == expected && text.lines().count() == expected.len()).then_some(())
    });
}

fn new_topics_are_read(worker: &Worker, broker: &str, output: &Path) {
    topic(broker, &["create", "--partitions", "2", "orders-1"], "");
    topic(broker, &["create", "my-orders-1"], "");
    topic(broker, &["produce", "orders-1"], "a\nb\n");
    topic(broker, &["produce", "my-orders-1"], "not this one\n");
    await_lines(output, &["a", "b"]);
    // One that comes later is read from its beginning.
    topic(broker, &["create", "--partitions", "3", "ORDERS-22"], "");
    topic(broker, &["produce", "ORDERS-22"], "c\nd\ne\n");
    await_lines(output, &["a", "b", "c", "d", "e"]);
    topic(broker, &["produce", "orders-1"], "f\n");
    await_lines(output, &["a", "b", "c", "d", "e", "f"]);
    let used = || worker.get("/connectors/sink/topics").json()["sink"]["topics"].clone();
    eventually("both topics are noted", || {
        let used: BTreeSet<String> = serde_json::from_value(used()).ok()?;
        (used == BTreeSet::from(["ORDERS-22".to_owned(), "orders-1".to_owned()])).then_some(())
    });
}

const PATTERN: &str = "topics.regex=(?i)orders-\\\\d++\ntasks.max=2\nconsumer.override.metadata.max.age.ms=200";

#[test]
fn a_sink_reads_what_matches_and_new_topics_from_their_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let worker = Worker::start(folder.path(), "", &[&sink("sink", &output, PATTERN)]);
    new_topics_are_read(&worker, &worker.broker, &output);
}

#[test]
fn a_sink_reads_what_matches_on_apache_kafka_alike() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    let output = folder.path().join("out.txt");
    let settings = format!("bootstrap.servers={}", kafka.address);
    let worker = Worker::start(folder.path(), &settings, &[&sink("sink", &output, PATTERN)]);
    new_topics_are_read(&worker, &kafka.address, &output);
}

#[test]
fn dead_letters_are_not_read_again_and_a_pattern_that_would_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let queue = "errors.tolerance=all\nerrors.deadletterqueue.topic.name=letters\n\
                 errors.deadletterqueue.topic.replication.factor=1\n\
                 value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=false";
    let pattern = "topics.regex=.*-lines\nconsumer.override.metadata.max.age.ms=200";
    let worker = Worker::start(folder.path(), "", &[&sink("sink", &output, &format!("{pattern}\n{queue}"))]);
    topic(&worker.broker, &["create", "some-lines"], "");
    topic(&worker.broker, &["produce", "some-lines"], "not json\n\"json\"\n");
    await_lines(&output, &["json"]);

    let mut config: Value = worker.get("/connectors/sink/config").json();
    config["topics.regex"] = json!("le[s-u]+ers|.*-lines");
    let refused = worker.request("PUT", "/connectors/sink/config", Some(&config.to_string()));
    assert_eq!(refused.status, 400, "{}", refused.body);
    let message = "The DLQ topic 'letters' may not be matched by the regex for the topics ('topics.regex=le[s-u]+ers|.*-lines') consumed by the connector";
    assert!(refused.json()["message"].as_str().unwrap().contains(message), "{}", refused.body);
}
