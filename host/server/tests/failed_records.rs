//! What becomes of records that fail, beyond what Connect does about them.

#[path = "support/odd.rs"]
mod odd;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use harness::{Worker, eventually, files::append, millstream};
use serde_json::{Value, json};

use odd::odd;

const TEXT: &str = "\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n";

const LETTERS: &str = "errors.tolerance=all\n\
    errors.deadletterqueue.topic.name=dead\n\
    errors.deadletterqueue.topic.replication.factor=1\n";

/// So many records of a topic, from its beginning.
fn records(worker: &Worker, topic: &str, count: usize) -> Vec<Value> {
    let count = count.to_string();
    let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, topic, "--from-beginning"];
    let more = ["--max-messages", &count, "--timeout-ms", "20000", "--output", "json"];
    let output = Command::new(millstream()).args(arguments).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len().to_string(), count, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    records
}

/// The text of a header.
fn header<'a>(record: &'a Value, key: &str) -> Option<&'a str> {
    let headers = record["headers"].as_array().unwrap();
    headers.iter().find(|header| header["key"] == key).and_then(|header| header["value"].as_str())
}

fn source(input: &Path, more: &str) -> String {
    let input = input.display();
    format!("name=source\nconnector.class=FileStreamSource\nfile={input}\ntopic=numbers\n{LETTERS}{more}")
}

#[test]
fn a_line_that_a_transform_refuses_is_kept_as_json_with_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, "1\ntwo\n3\n");
    let cast = "transforms=number\n\
        transforms.number.type=org.apache.kafka.connect.transforms.Cast$Value\n\
        transforms.number.spec=int32\n";
    let worker = Worker::start(folder.path(), TEXT, &[&source(&input, cast)]);
    let letters = records(&worker, "dead", 1);
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let value: Value = serde_json::from_str(letter["value"].as_str().unwrap()).unwrap();
    assert_eq!(value, json!({"schema": {"type": "string", "optional": false}, "payload": "two"}));
    for (key, expected) in [
        ("__connect.errors.topic", "numbers"),
        ("__connect.errors.stage", "TRANSFORMATION"),
        ("__connect.errors.connector.name", "source"),
        ("__connect.errors.class.name", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
        ("__millstream.errors.form", "polled"),
        ("__millstream.errors.source.partition", &json!({"filename": input}).to_string()),
        ("__millstream.errors.source.offset", "{\"position\":6}"),
    ] {
        assert_eq!(header(letter, key), Some(expected), "{key}");
    }
    assert!(header(letter, "__millstream.errors.plugin").unwrap().starts_with("org.apache.kafka.connect.file"));
    assert!(header(letter, "__millstream.errors.plugin.digest").unwrap().starts_with("bundled "));
    let numbers: Vec<Value> =
        records(&worker, "numbers", 2).into_iter().map(|record| record["value"].clone()).collect();
    assert_eq!(numbers, ["1", "3"]);
    assert_eq!(worker.status("source")["tasks"][0]["state"], "RUNNING");
}

#[test]
fn a_line_that_is_too_large_for_its_topic_and_for_the_queue_leaves_a_letter_that_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &format!("1\n{}\n3\n", "x".repeat(10_000)));
    let limit = "producer.override.max.request.size=5000\n";
    let worker = Worker::start(folder.path(), TEXT, &[&source(&input, limit)]);
    let letters = records(&worker, "dead", 1);
    assert_eq!(letters[0]["value"], Value::Null);
    assert_eq!(header(&letters[0], "__connect.errors.stage"), Some("KAFKA_PRODUCE"));
    assert_eq!(header(&letters[0], "__millstream.errors.source.offset"), Some("{\"position\":10003}"));
    assert!(header(&letters[0], "__millstream.errors.omitted").unwrap().contains("value 100"));
    let numbers: Vec<Value> =
        records(&worker, "numbers", 2).into_iter().map(|record| record["value"].clone()).collect();
    assert_eq!(numbers, ["1", "3"]);
    let log = || fs::read_to_string(folder.path().join("stderr.log")).unwrap_or_default();
    eventually("the log says so", || log().contains("is written without key and value").then_some(()));
}

/// Produces lines with the binary's own tool.
fn produce(worker: &Worker, topic: &str, lines: &str) {
    let mut producer = Command::new(millstream())
        .args(["topic", "produce", "--bootstrap-server", &worker.broker, topic])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(producer.wait().unwrap().success());
}

fn put(worker: &Worker, name: &str, config: &Value) {
    let answer = worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
    assert!([200, 201].contains(&answer.status), "{}", answer.body);
}

fn await_committed(worker: &Worker, connector: &str, offset: i64) {
    eventually(&format!("{connector} has committed {offset}"), || {
        let offsets = worker.get(&format!("/connectors/{connector}/offsets")).json();
        (offsets["offsets"][0]["offset"]["kafka_offset"] == offset).then_some(())
    });
}

/// A sink that fails over every batch with the value `poison` in it.
fn poisoned(behaviour: &str, topic: &str, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "OddSink", "behaviour": behaviour, "topics": "lines",
        "errors.tolerance": "all", "errors.put.isolate": "true",
        "errors.deadletterqueue.topic.name": topic,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.replay.headers.enable": "true",
    });
    more.iter().for_each(|(key, value)| config[*key] = json!(value));
    config
}

#[test]
fn a_record_that_a_sink_fails_over_is_found_at_once_or_after_some_tries() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("plugin.path={}\noffset.flush.interval.ms=300\n{TEXT}", odd().display());
    let worker = Worker::start(folder.path(), &settings, &[]);
    let lines: String = (0..40)
        .map(|number| format!("{}\n", if number == 23 { "poison".into() } else { number.to_string() }))
        .collect();
    produce(&worker, "lines", &lines);
    eventually("the plugin is there", || {
        worker.get("/connector-plugins").body.contains("OddSinkConnector").then_some(())
    });
    put(&worker, "at-once", &poisoned("poison", "dead-at-once", &[]));
    put(&worker, "later", &poisoned("poison for now", "dead-later", &[("errors.put.max.tries", "2")]));
    for (connector, topic) in [("at-once", "dead-at-once"), ("later", "dead-later")] {
        await_committed(&worker, connector, 40);
        let letters = records(&worker, topic, 1);
        assert_eq!(letters[0]["value"], "poison");
        for (key, expected) in [
            ("__connect.errors.offset", "23"),
            ("__connect.errors.stage", "TASK_PUT"),
            ("__connect.errors.exception.message", "poisoned on purpose"),
            ("__millstream.errors.plugin", "org.millstream.odd.OddSinkConnector 1.0"),
        ] {
            assert_eq!(header(&letters[0], key), Some(expected), "{key}");
        }
        // Of a file it is the SHA-256.
        assert_eq!(header(&letters[0], "__millstream.errors.plugin.digest").map(str::len), Some(64));
        assert_eq!(worker.status(connector)["tasks"][0]["state"], "RUNNING");
    }
}
