//! Sources of a group that deliver exactly once: what is checked before, who ends transactions, what users may change.

use std::{fs, process::Command};

use harness::{
    Worker, eventually,
    files::{append, lines},
    millstream,
};
use serde_json::{Value, json};

const ENABLED: &str = "exactly.once.source.support=enabled\n";

/// What readers of committed records see of a topic, as soon as it is so many lines.
#[track_caller]
fn committed(worker: &Worker, topic: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} lines of {topic} are committed"), || {
        let consumed = Command::new(millstream())
            .args(["topic", "consume", topic, "--from-beginning", "--isolation-level", "read_committed"])
            .args(["--timeout-ms", "500", "--bootstrap-server", &worker.broker])
            .output()
            .expect("the program runs");
        let seen: Vec<String> = String::from_utf8_lossy(&consumed.stdout).lines().map(str::to_owned).collect();
        (count <= seen.len()).then_some(seen)
    })
}

#[track_caller]
fn create(worker: &Worker, name: &str, config: &Value) {
    let answer = worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[test]
fn exactly_once_is_refused_where_it_could_not_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start_distributed(folder.path(), "");
    let source = json!({
        "connector.class": "FileStreamSource",
        "topic": "lines",
        "exactly.once.support": "required",
        "transaction.boundary": "connector",
    });
    let answer = worker.request("PUT", "/connectors/c/config", Some(&source.to_string()));
    assert_eq!(answer.status, 400);
    for expected in [
        "contains the following 3 error(s):",
        "This worker does not have exactly-once source support enabled.",
        // It reads the standard input, where nobody can go on.
        "The connector does not support exactly-once semantics with the provided configuration.",
        "The connector does not support connector-defined transaction boundaries with the given configuration.",
    ] {
        assert!(answer.body.contains(expected), "{expected}: {}", answer.body);
    }
}

#[test]
fn offsets_are_changed_in_a_transaction_after_the_producers_were_fenced_and_are_where_the_source_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &lines(0..10));
    let worker = Worker::start_distributed(folder.path(), ENABLED);
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": input,
        "topic": "lines",
        "offsets.storage.topic": "own-offsets",
    });
    create(&worker, "source", &source);
    committed(&worker, "lines", 10);
    assert_eq!(worker.request("PUT", "/connectors/source/stop", None).status, 204);
    eventually("it has stopped", || {
        let status = worker.get("/connectors/source/status").json();
        (status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([])).then_some(())
    });
    let stored = worker.get("/connectors/source/offsets").json();
    let position = fs::metadata(&input).unwrap().len();
    assert_eq!(stored["offsets"][0]["offset"], json!({ "position": position }));
    let answer = worker.request("DELETE", "/connectors/source/offsets", None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(worker.get("/connectors/source/offsets").json()["offsets"], json!([]));
    assert_eq!(worker.request("PUT", "/connectors/source/resume", None).status, 202);
    let twice: Vec<String> = lines(0..10).lines().chain(lines(0..10).lines()).map(str::to_owned).collect();
    assert_eq!(committed(&worker, "lines", 20), twice);
    let page = worker.get("/metrics").body;
    assert!(page.contains("kafka_connect_source_task_transaction_size_max{"), "{page}");
    assert!(worker.terminate().success());
}
