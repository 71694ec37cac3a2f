//! Offsets and topics of connectors, seen and changed over the REST API: the same requests to Kafka Connect 4.3 and to this worker.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use harness::{
    Worker, eventually, get,
    peers::{Connect, Kafka, have_kafka},
    request,
};
use serde_json::{Value, json};

/// What was asked, and the answer, with what differs between peers taken out of both.
type Conversation = Vec<(String, u16, Value)>;

struct Talk<'a> {
    rest: &'a str,
    folder: &'a Path,
    /// Ends every name, so that peers can share a cluster.
    suffix: &'a str,
    said: Conversation,
}

impl Talk<'_> {
    fn name(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// A text without what only this peer has in it.
    fn neutral(&self, text: &str) -> String {
        text.replace(self.suffix, "").replace(&self.folder.display().to_string(), "FOLDER")
    }

    /// Asks, again while the worker is not part of its group for a moment.
    #[track_caller]
    fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        eventually(&format!("{method} {path} is answered"), || {
            let answer = request(self.rest, method, path, Some(body).filter(|body| !body.is_empty()))?;
            (answer.status != 409).then_some((answer.status, answer.body))
        })
    }

    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.send(method, path, body);
        let mut read = serde_json::from_str(&self.neutral(&answer)).unwrap_or(Value::Null);
        // Until Connect has read its own reset, it shows what is gone without an offset.
        if let Some(offsets) = read.get_mut("offsets").and_then(Value::as_array_mut) {
            offsets.retain(|entry| !entry["offset"].is_null());
        }
        // Where a body cannot be read, Connect shows the words of its JSON library.
        let words = read["message"].as_str().unwrap_or_default();
        let foreign =
            ["Cannot deserialize", "Cannot construct", "Cannot invoke", "Unrecognized field", "Unexpected end"];
        let foreign = foreign.iter().any(|begin| words.starts_with(begin)) || status == 500 && self.unreadable(body);
        let asked = self.neutral(&format!("{method} {path} {body}"));
        self.said.push((asked, status, if foreign { Value::Null } else { read }));
    }

    /// Whether a body is none that names offsets.
    fn unreadable(&self, body: &str) -> bool {
        let Ok(Value::Object(body)) = serde_json::from_str(body) else { return true };
        let list = body.get("offsets").and_then(Value::as_array);
        let known = |entry: &Value| {
            entry.as_object().is_some_and(|entry| !entry.contains_key("x") && entry.get("partition") != Some(&json!(3)))
        };
        body.len() != 1 || !list.is_some_and(|list| list.iter().all(known))
    }

    fn offsets(&mut self, connector: &str, partition: &Value, offset: &Value) {
        let body = json!({"offsets": [{"partition": partition, "offset": offset}]}).to_string();
        let path = format!("/connectors/{}/offsets", self.name(connector));
        self.ask("PATCH", &path, &body);
    }

    fn shown(&mut self, connector: &str) {
        let path = format!("/connectors/{}/offsets", self.name(connector));
        self.ask("GET", &path, "");
    }

    #[track_caller]
    fn configure(&self, connector: &str, config: &Value) {
        let path = format!("/connectors/{}/config", self.name(connector));
        let (status, answer) = self.send("PUT", &path, &config.to_string());
        assert_eq!(status, 201, "{answer}");
    }

    #[track_caller]
    fn await_offsets(&self, connector: &str, part: &str) {
        let path = format!("/connectors/{}/offsets", self.name(connector));
        eventually(&format!("{connector} has {part}"), || {
            get(self.rest, &path).filter(|answer| answer.body.contains(part)).map(drop)
        });
    }

    #[track_caller]
    fn stop(&self, connector: &str) {
        let name = self.name(connector);
        assert_eq!(self.send("PUT", &format!("/connectors/{name}/stop"), "").0, 204);
        eventually(&format!("{connector} is stopped"), || {
            let status = get(self.rest, &format!("/connectors/{name}/status"))?.json();
            (status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([])).then_some(())
        });
    }
}

/// The whole conversation with one peer.
fn talk_about_offsets(rest: &str, folder: &Path, suffix: &str) -> Conversation {
    let mut talk = Talk { rest, folder, suffix, said: Vec::new() };
    let (input, output) = (folder.join("in.txt"), folder.join("out.txt"));
    fs::write(&input, "a\nb\nc\n").unwrap();
    let topic = talk.name("lines");
    talk.configure("source", &json!({"connector.class": "FileStreamSource", "file": input, "topic": topic}));
    talk.configure("sink", &json!({"connector.class": "FileStreamSink", "file": output, "topics": topic}));
    talk.await_offsets("source", "\"position\":6");
    talk.await_offsets("sink", "\"kafka_offset\":3");
    talk_about_topics(&mut talk, &input);
    for connector in ["source", "sink", "nobody"] {
        talk.shown(connector);
        talk.offsets(connector, &json!({"filename": input}), &json!({"position": 1}));
        let path = format!("/connectors/{}/offsets", talk.name(connector));
        talk.ask("DELETE", &path, "");
    }
    let path = format!("/connectors/{}/offsets", talk.name("source"));
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "{",
        r#"{"offsets":null}"#,
        r#"{"offsets":[]}"#,
        r#"{"offsets":{}}"#,
        r#"{"offsets":[],"x":1}"#,
        r#"{"offsets":[null]}"#,
        r#"{"offsets":[{"x":1}]}"#,
        r#"{"offsets":[{}]}"#,
        r#"{"offsets":[{"partition":3}]}"#,
        r#"{"offsets":"x"}"#,
        r#"{"offsets":[3]}"#,
    ] {
        talk.ask("PATCH", &path, body);
    }
    talk.ask("POST", &path, "{}");
    talk.stop("source");
    talk.stop("sink");
    talk_to_the_source(&mut talk, &json!({"filename": input}));
    talk_to_the_sink(&mut talk, &topic);

    // Somebody is left in the sink's group.
    let group = format!("connect-{}", talk.name("sink"));
    let member = json!({"connector.class": "FileStreamSink", "file": folder.join("member.txt"), "topics": topic,
        "consumer.override.group.id": group});
    talk.configure("member", &member);
    talk.await_offsets("member", "\"kafka_offset\":4");
    let partition = json!({"kafka_topic": topic, "kafka_partition": 0});
    talk.shown("sink");
    talk.offsets("sink", &partition, &json!({"kafka_offset": 1}));
    talk.offsets("sink", &partition, &Value::Null);
    let path = format!("/connectors/{}/offsets", talk.name("sink"));
    talk.ask("DELETE", &path, "");
    talk.shown("sink");
    for connector in ["source", "sink", "member", "stdin"] {
        let path = format!("/connectors/{}", talk.name(connector));
        talk.ask("DELETE", &path, "");
    }
    talk.said
}

/// Both connectors have used their topic. It is forgotten, and used again.
fn talk_about_topics(talk: &mut Talk<'_>, input: &Path) {
    for connector in ["source", "sink", "nobody"] {
        let path = format!("/connectors/{}/topics", talk.name(connector));
        if connector != "nobody" {
            let topic = talk.name("lines");
            eventually("the topic is noted", || get(talk.rest, &path).filter(|answer| answer.body.contains(&topic)));
        }
        talk.ask("GET", &path, "");
        talk.ask("PUT", &format!("{path}/reset"), "");
        // Statuses of a group are read back from their topic.
        eventually("the topics are forgotten", || {
            let answer = get(talk.rest, &path)?.json();
            (answer[talk.name(connector)]["topics"] == json!([])).then_some(())
        });
        talk.ask("GET", &path, "");
    }
    let path = format!("/connectors/{}/topics", talk.name("source"));
    talk.ask("POST", &path, "");
    talk.ask("GET", &format!("{path}/reset"), "");
    OpenOptions::new().append(true).open(input).unwrap().write_all(b"d\n").unwrap();
    for connector in ["source", "sink"] {
        let path = format!("/connectors/{}/topics", talk.name(connector));
        let topic = talk.name("lines");
        eventually("the topic is used again", || get(talk.rest, &path).filter(|answer| answer.body.contains(&topic)));
        talk.ask("GET", &path, "");
    }
    talk.await_offsets("source", "\"position\":8");
    talk.await_offsets("sink", "\"kafka_offset\":4");
}

fn talk_to_the_source(talk: &mut Talk<'_>, known: &Value) {
    let path = format!("/connectors/{}/offsets", talk.name("source"));
    for body in [r#"{"offsets":[null]}"#, r#"{"offsets":[{}]}"#] {
        talk.ask("PATCH", &path, body);
    }
    let null = Value::Null;
    for (partition, offset) in [
        (&json!({"a": {"b": 1}}), &null),
        (&json!({"a": [1]}), &json!({"position": 1})),
        (known, &json!({"position": "x"})),
        (known, &json!({"position": 1.5})),
        (known, &json!({"position": -1})),
        (known, &json!({"p": 1})),
        (known, &json!({})),
        (&json!({"x": 1}), &json!({"position": 1})),
        (&json!({}), &json!({"position": 0})),
        (&null, &json!({"position": 1})),
        (&null, &null),
        (&json!({"a": 1, "b": 2}), &null),
        (known, &json!({"position": 4, "extra": {"a": [1]}})),
        (known, &json!({"position": 4})),
        (&json!({"filename": "other"}), &json!({"position": 7, "extra": 1.50, "n": null, "t": true})),
    ] {
        talk.offsets("source", partition, offset);
        talk.await_offsets("source", "offsets");
    }
    let large = json!({"offsets": [{"partition": known, "offset": {"position": 0}}]}).to_string();
    talk.ask("PATCH", &path, &large.replace("\"position\":0", "\"position\":99999999999999999999"));
    // In whatever order they come.
    let answer = get(talk.rest, &path).unwrap().json();
    let mut shown: Vec<String> =
        answer["offsets"].as_array().unwrap().iter().map(|entry| talk.neutral(&sorted(entry))).collect();
    shown.sort();
    talk.said.push(("both partitions of the source".to_owned(), 200, json!(shown)));
    for _ in 0..2 {
        talk.ask("DELETE", &path, "");
        talk.shown("source");
    }
    let topic = talk.name("lines");
    talk.configure("stdin", &json!({"connector.class": "FileStreamSource", "topic": topic}));
    talk.stop("stdin");
    talk.offsets("stdin", known, &json!({"position": 1}));
    talk.offsets("stdin", known, &null);
    let path = format!("/connectors/{}/offsets", talk.name("stdin"));
    talk.ask("DELETE", &path, "");
}

fn sorted(entry: &Value) -> String {
    let mut members: Vec<String> = ["partition", "offset"]
        .iter()
        .flat_map(|part| {
            entry[*part].as_object().unwrap().iter().map(move |(key, value)| format!("{part}.{key}={value}"))
        })
        .collect();
    members.sort();
    members.join(" ")
}

fn talk_to_the_sink(talk: &mut Talk<'_>, topic: &str) {
    let known = json!({"kafka_topic": topic, "kafka_partition": 0});
    let null = Value::Null;
    for (partition, offset) in [
        (&null, &null),
        (&json!({}), &null),
        (&json!({"kafka_topic": "t"}), &null),
        (&json!({"kafka_topic": null, "kafka_partition": 0}), &null),
        (&json!({"kafka_topic": "t", "kafka_partition": null}), &null),
        (&json!({"kafka_topic": "t", "kafka_partition": "x"}), &null),
        (&json!({"kafka_topic": "t", "kafka_partition": 1.5}), &null),
        (&json!({"kafka_topic": "t", "kafka_partition": 99_999_999_999_u64}), &null),
        (&known, &json!({})),
        (&known, &json!({"kafka_offset": null})),
        (&known, &json!({"kafka_offset": "y"})),
        (&known, &json!({"kafka_offset": 1.5})),
        (&known, &json!({"kafka_offset": -1})),
        (&json!({"kafka_topic": "no-such", "kafka_partition": 0}), &json!({"kafka_offset": 1})),
        (&json!({"kafka_topic": "no-such", "kafka_partition": 0}), &null),
        (&json!({"kafka_topic": topic, "kafka_partition": 7}), &json!({"kafka_offset": 1})),
        (&json!({"kafka_topic": topic, "kafka_partition": -3}), &json!({"kafka_offset": 1})),
        (&json!({"kafka_topic": "bad topic", "kafka_partition": 0}), &json!({"kafka_offset": 1})),
        (&json!({"kafka_topic": {"a": 1}, "kafka_partition": 0}), &json!({"kafka_offset": 1})),
        (&json!({"kafka_topic": topic, "kafka_partition": "0"}), &json!({"kafka_offset": "1"})),
        (&known, &json!({"kafka_offset": 2, "x": 1})),
        (&known, &null),
    ] {
        talk.offsets("sink", partition, offset);
        talk.shown("sink");
    }
    let path = format!("/connectors/{}/offsets", talk.name("sink"));
    for _ in 0..2 {
        talk.ask("DELETE", &path, "");
        talk.shown("sink");
    }
    // There is no group any more, until an offset is set.
    talk.offsets("sink", &known, &null);
    talk.offsets("sink", &known, &json!({"kafka_offset": 1}));
    talk.ask("DELETE", &path, "");
}

const GROUP: &str = "config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
    status.storage.replication.factor=1\noffset.storage.partitions=3\nstatus.storage.partitions=2\n\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\noffset.flush.interval.ms=200\n";

/// Settings of a group by itself.
fn group(address: &str, name: &str) -> String {
    format!(
        "bootstrap.servers={address}\ngroup.id={name}\nconfig.storage.topic={name}-configs\n\
         offset.storage.topic={name}-offsets\nstatus.storage.topic={name}-statuses\n{GROUP}"
    )
}

#[track_caller]
fn compare(worker: &Conversation, connect: &Conversation) {
    for (ours, theirs) in worker.iter().zip(connect) {
        let (asked, status, body) = theirs;
        // A body that cannot be read is the caller's mistake here: one of the stated differences.
        if asked.starts_with("PATCH") && (*status, body) == (500, &Value::Null) {
            assert_eq!((&ours.0, ours.1), (asked, 400), "{ours:?}");
            continue;
        }
        assert_eq!(ours, theirs, "this worker's answer, and Connect's");
    }
    assert_eq!(worker.len(), connect.len());
}

#[test]
fn topics_are_neither_noted_nor_forgotten_where_that_is_not_wished() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |worker: &Worker, method: &str, path: &str| {
        let answer = worker.request(method, path, None);
        assert_eq!(answer.status, 403, "{}", answer.body);
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    let worker = Worker::start(folder.path(), "topic.tracking.allow.reset=false", &[]);
    assert_eq!(worker.get("/connectors/c/topics").json(), json!({"c": {"topics": []}}));
    assert_eq!(refused(&worker, "PUT", "/connectors/c/topics/reset"), "Topic tracking reset is disabled.");
    assert!(worker.terminate().success());
    let worker = Worker::start(folder.path(), "topic.tracking.enable=false", &[]);
    assert_eq!(refused(&worker, "GET", "/connectors/c/topics"), "Topic tracking is disabled.");
    assert_eq!(refused(&worker, "PUT", "/connectors/c/topics/reset"), "Topic tracking is disabled.");
    assert!(worker.terminate().success());
}

#[test]
fn offsets_and_topics_are_answered_and_changed_as_connect_does() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [theirs, ours, alone] = ["theirs", "ours", "alone"].map(|name| folder.path().join(name));
    [&theirs, &ours, &alone].iter().for_each(|folder| fs::create_dir(folder).unwrap());
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    let connect = Connect::start_distributed(&theirs, &group(&kafka.address, "theirs"));
    let expected = talk_about_offsets(&connect.rest, &theirs, "-of-theirs");
    connect.terminate();
    let worker = Worker::start_distributed(&ours, &group(&kafka.address, "ours"));
    compare(&talk_about_offsets(&worker.rest, &ours, "-of-ours"), &expected);
    assert!(worker.terminate().success());
    // The built-in broker, and offsets in a file.
    let worker = Worker::start(&alone, "offset.flush.interval.ms=200", &[]);
    compare(&talk_about_offsets(&worker.rest, &alone, "-of-alone"), &expected);
    assert!(worker.terminate().success());
}
