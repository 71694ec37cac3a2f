//! What becomes of records that fail, beyond what Connect does about them.

use std::{fs, path::Path, process::Command};

use harness::{Worker, eventually, files::append, millstream};
use serde_json::{Value, json};

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
