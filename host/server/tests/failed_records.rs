//! What becomes of records that fail, beyond what Connect does about them.

#[path = "support/odd.rs"]
mod odd;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use harness::{
    Worker, eventually,
    files::{append, await_content},
    millstream,
};
use serde_json::{Value, json};

use odd::odd;

const TEXT: &str = "\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n";

const LETTERS: &str = "errors.tolerance=all\n\
    errors.deadletterqueue.topic.name=dead\n\
    errors.deadletterqueue.topic.replication.factor=1\n";

/// All records of a topic as soon as there are so many, and no more.
#[track_caller]
fn records(worker: &Worker, topic: &str, count: usize) -> Vec<Value> {
    let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, topic, "--from-beginning"];
    let records: Vec<Value> = eventually(&format!("topic {topic} has {count} records"), || {
        let output =
            Command::new(millstream()).args(arguments).args(["--until-end", "--output", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Before there is a topic, there is nothing.
        (count <= text.lines().count()).then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    assert_eq!(records.len(), count, "{records:?}");
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

fn replay(worker: &Worker, arguments: &[&str]) -> Output {
    let url = format!("http://{}", worker.address());
    let all = ["connector", "replay", "--url", &url, "--bootstrap-server", &worker.broker];
    Command::new(millstream()).args(all).args(arguments).output().unwrap()
}

/// What a replay that goes well prints.
fn replayed(worker: &Worker, arguments: &[&str]) -> String {
    let output = replay(worker, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn letters_of_a_sink_are_replayed_once_each_whatever_is_left_out_before() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let worker = Worker::start(folder.path(), TEXT, &[]);
    let config = |converter: &str| {
        json!({
            "connector.class": "FileStreamSink", "file": output, "topics": "lines", "errors.tolerance": "all",
            "value.converter": converter,
            "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        })
    };
    put(&worker, "sink", &config("org.apache.kafka.connect.converters.IntegerConverter"));
    produce(&worker, "lines", "one\ntwo\nthree\n");
    records(&worker, "dead", 3);
    put(&worker, "sink", &config("org.apache.kafka.connect.storage.StringConverter"));

    let shown = replayed(&worker, &["sink", "--dry-run"]);
    for part in ["0-1", "VALUE_CONVERTER", "lines-0 offset 1", "Would replay 3 letter(s) of connector sink from dead"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let none = replayed(&worker, &["sink", "--filter", "stage=TRANSFORMATION"]);
    assert!(none.contains("Replayed 0 letter(s) of connector sink from dead; 3 left out by --filter"), "{none}");
    let answer: Value =
        serde_json::from_str(&replayed(&worker, &["sink", "--filter", "stage=VALUE_CONVERTER", "--output", "json"]))
            .unwrap();
    assert_eq!(answer["replayed"].as_array().map(Vec::len), Some(3), "{answer}");
    assert_eq!(answer["replayed"][0]["into"], json!([{"topic": "lines", "partition": 0}]));
    await_content(&output, "one\ntwo\nthree\n");
    assert!(replayed(&worker, &["sink"]).contains("Replayed 0 letter(s)"));

    let unknown = replay(&worker, &["sink", "--filter", "stag=x"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("stage, class, exception"));
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn letters_of_a_source_go_through_the_transforms_that_it_has_now() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, "1\ntwo\n3\n");
    let worker = Worker::start(folder.path(), TEXT, &[]);
    let config = |class: &str, key: &str, value: &str| {
        let mut config = json!({
            "connector.class": "FileStreamSource", "file": input, "topic": "numbers", "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
            "transforms": "t", "transforms.t.type": format!("org.apache.kafka.connect.transforms.{class}"),
        });
        config[format!("transforms.t.{key}")] = json!(value);
        config
    };
    put(&worker, "source", &config("Cast$Value", "spec", "int32"));
    records(&worker, "dead", 1);
    let again = replay(&worker, &["source"]);
    assert_eq!(again.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&again.stdout).contains("cannot be replayed: it fails again"), "{again:?}");

    put(&worker, "source", &config("HoistField$Value", "field", "line"));
    let shown = replayed(&worker, &["source"]);
    assert!(shown.contains("Replayed 1 letter(s)"), "{shown}");
    let numbers = records(&worker, "numbers", 3);
    let values: Vec<&Value> = numbers.iter().map(|record| &record["value"]).collect();
    assert_eq!(values, ["1", "3", "{\"line\":\"two\"}"]);
    assert!(replayed(&worker, &["source"]).contains("Replayed 0 letter(s)"));
}

#[test]
fn a_replay_that_is_killed_neither_loses_nor_doubles_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), TEXT, &[]);
    let config = json!({
        "connector.class": "FileStreamSink", "file": folder.path().join("out.txt"), "topics": "lines",
        "errors.tolerance": "all", "value.converter": "org.apache.kafka.connect.converters.IntegerConverter",
        "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    put(&worker, "sink", &config);
    let count = 3_000;
    let lines: String = (0..count).map(|number| format!("line {number}\n")).collect();
    produce(&worker, "lines", &lines);
    records(&worker, "dead", count);
    let url = format!("http://{}", worker.address());
    let end = || {
        let asked = ["topic", "offsets", "--bootstrap-server", &worker.broker, "again"];
        let output = Command::new(millstream()).args(asked).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        text.rsplit(':').next().and_then(|end| end.parse::<u64>().ok())
    };
    let created = ["topic", "create", "--bootstrap-server", &worker.broker, "again"];
    assert!(Command::new(millstream()).args(created).status().unwrap().success());
    let again = ["connector", "replay", "--url", &url, "--bootstrap-server", &worker.broker, "sink", "--into", "again"];
    let mut killed = Command::new(millstream()).args(again).stdout(Stdio::null()).spawn().unwrap();
    eventually("something is written", || end().filter(|end| 0 < *end));
    killed.kill().unwrap();
    killed.wait().unwrap();
    replayed(&worker, &["sink", "--into", "again"]);
    let consume = ["topic", "consume", "--bootstrap-server", &worker.broker, "again", "--from-beginning"];
    let more = ["--isolation-level", "read_committed", "--until-end"];
    let output = Command::new(millstream()).args(consume).args(more).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), lines);
}

#[test]
fn a_replay_of_which_the_broker_refuses_one_record_writes_none_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), TEXT, &[]);
    let config = json!({
        "connector.class": "FileStreamSink", "file": folder.path().join("out.txt"), "topics": "lines",
        "errors.tolerance": "all", "value.converter": "org.apache.kafka.connect.converters.IntegerConverter",
        "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    put(&worker, "sink", &config);
    // The large one is refused after the first was taken, and before the last is.
    let large = "x".repeat(5_000);
    produce(&worker, "lines", &format!("first\n{large}\nthe last\n"));
    records(&worker, "dead", 3);
    let topic = |arguments: &[&str]| {
        let all = [arguments, &["--bootstrap-server", &worker.broker, "again"]].concat();
        assert!(Command::new(millstream()).arg("topic").args(all).status().unwrap().success());
    };
    topic(&["create", "--config", "max.message.bytes=1000"]);
    let refused = replay(&worker, &["sink", "--into", "again"]);
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{refused:?}");
    for part in ["cannot be committed", "write to again-0", "MESSAGE_TOO_LARGE"] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    assert!(!String::from_utf8_lossy(&refused.stdout).contains("Replayed"), "{refused:?}");

    // All three are still to be done.
    topic(&["alter", "--set", "max.message.bytes=10000"]);
    let shown = replayed(&worker, &["sink", "--into", "again"]);
    assert!(shown.contains("Replayed 3 letter(s)"), "{shown}");
    let consume = ["topic", "consume", "--bootstrap-server", &worker.broker, "again", "--from-beginning"];
    let more = ["--isolation-level", "read_committed", "--until-end"];
    let output = Command::new(millstream()).args(consume).args(more).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("first\n{large}\nthe last\n"));
}
