//! Garbage in the topics that a group of workers keeps its state in: each record that says nothing is named by its place,
//! and all the others stand as they were.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use harness::{
    Broker, Worker, eventually,
    files::{append, await_content, lines},
    get, millstream,
};
use serde_json::json;

/// Writes records to the first partition of a topic; those with a separator have a key. The offset of the first.
fn produce(broker: &Broker, topic: &str, separator: Option<&str>, records: &[String]) -> u64 {
    let place = ["--bootstrap-server", &broker.address, "--partition", "0"];
    let end = Command::new(millstream()).args(["topic", "offsets", topic]).args(place).output().unwrap();
    let end = String::from_utf8(end.stdout).unwrap();
    let end = end.trim().rsplit(':').next().and_then(|offset| offset.parse().ok()).unwrap_or_else(|| panic!("{end}"));
    let separated = separator.map(|separator| ["--key-separator", separator]);
    let mut produce = Command::new(millstream())
        .args(["topic", "produce", topic])
        .args(place)
        .args(separated.iter().flatten())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    produce.stdin.take().unwrap().write_all((records.join("\n") + "\n").as_bytes()).unwrap();
    assert!(produce.wait().unwrap().success());
    end
}

/// A topic that is compacted takes no record without a key.
fn set(broker: &Broker, topic: &str, policy: &str) {
    let policy = format!("cleanup.policy={policy}");
    let set = ["topic", "alter", topic, "--set", &policy, "--bootstrap-server", &broker.address];
    assert!(Command::new(millstream()).args(set).status().unwrap().success());
}

fn await_running(worker: &Worker, name: &str) {
    eventually(&format!("{name} runs"), || {
        let status =
            get(&worker.rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
        (status["connector"]["state"] == "RUNNING" && status["tasks"][0]["state"] == "RUNNING").then_some(())
    });
}

fn create(worker: &Worker, name: &str, class: &str, file: &Path, topic: (&str, &str)) {
    let config = json!({"connector.class": class, "file": file, topic.0: topic.1}).to_string();
    assert_eq!(worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config)).status, 201);
    await_running(worker, name);
}

#[test]
fn garbage_in_the_topics_of_a_group_is_named_by_its_place_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    // One partition each, so that garbage comes behind what it is to be told from.
    let settings =
        format!("bootstrap.servers={}\noffset.storage.partitions=1\nstatus.storage.partitions=1", broker.address);
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, &lines(0..10));
    let worker = Worker::start_distributed(folder.path(), &settings);
    create(&worker, "source", "FileStreamSource", &input, ("topic", "lines"));
    create(&worker, "sink", "FileStreamSink", &output, ("topics", "lines"));
    await_content(&output, &lines(0..10));
    assert!(worker.terminate().success());

    let huge = "x".repeat(900_000);
    let of_source = json!(["source", {"filename": input}]).to_string();
    let keyed = [
        // In place of what stands there: a configuration, a commit, an offset, a status that cannot be read.
        (
            "configs",
            vec![
                "connector-sink|{".to_owned(),
                format!("connector-{huge}|{{}}"),
                "commit-sink|{\"tasks\":\"one\"}".into(),
                format!("what-is-this|{huge}"),
            ],
        ),
        (
            "offsets",
            vec![
                format!("{of_source}|no offset"),
                "no key|{\"position\":0}".into(),
                format!("[\"source\",7]|{huge}"),
                format!("{of_source}|[3]"),
            ],
        ),
        (
            "statuses",
            vec![
                "status-task-sink-0|{".to_owned(),
                "status-connector-sink|{\"state\":\"ASLEEP\"}".into(),
                format!("status-task-source-x|{huge}"),
                format!("{huge}|{{}}"),
            ],
        ),
    ];
    let mut places = Vec::new();
    for (topic, records) in &keyed {
        let begin = produce(&broker, topic, Some("|"), records);
        set(&broker, topic, "delete");
        let without_key = produce(&broker, topic, None, &["without a key".to_owned()]);
        set(&broker, topic, "compact");
        assert_eq!(without_key, begin + records.len() as u64);
        places.extend((begin..=without_key).map(|offset| (*topic, offset)));
    }

    append(&input, &lines(10..20));
    let worker = Worker::start_distributed(folder.path(), &settings);
    await_running(&worker, "source");
    await_running(&worker, "sink");
    // Nothing is read again, and nothing is written again.
    await_content(&output, &lines(0..20));
    assert_eq!(worker.get("/connectors").json(), json!(["sink", "source"]));
    let log = worker.log();
    for (topic, offset) in places {
        let named = log.lines().filter(|line| {
            let has = |field: String| line.split(' ').any(|part| part.trim_end_matches(',') == field);
            line.contains("is skipped")
                && has(format!("topic={topic}"))
                && has("partition=0".into())
                && has(format!("offset={offset}"))
        });
        assert_eq!(named.count(), 1, "{topic} {offset}: {log}");
    }
    assert!(log.lines().all(|line| line.len() < 10_000), "what is wrong with a huge record fills the log");
    assert_eq!(fs::read_to_string(&output).unwrap(), lines(0..20));
    assert!(worker.terminate().success());
}
