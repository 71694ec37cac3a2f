//! Sources of a group that deliver exactly once: what is checked before, who ends transactions, what users may change.

#[path = "support/odd.rs"]
mod odd;

use std::{fs, process::Command};

use harness::{
    Worker, eventually,
    files::{append, lines},
    millstream,
};
use odd::odd;
use serde_json::{Value, json};

const ENABLED: &str = "exactly.once.source.support=enabled\n";

/// What readers see of a topic to which nothing is written any more.
fn seen(worker: &Worker, topic: &str, isolation: &str) -> Vec<String> {
    read(worker, topic, isolation, &[])
}

/// The first lines that readers of committed records see of a topic, as soon as there are so many.
#[track_caller]
fn committed(worker: &Worker, topic: &str, count: usize) -> Vec<String> {
    let most = count.to_string();
    eventually(&format!("{count} lines of {topic} are committed"), || {
        Some(read(worker, topic, "read_committed", &["--max-messages", &most])).filter(|seen| count == seen.len())
    })
}

fn read(worker: &Worker, topic: &str, isolation: &str, more: &[&str]) -> Vec<String> {
    let consumed = Command::new(millstream())
        .args(["topic", "consume", topic, "--from-beginning", "--isolation-level", isolation])
        .args(["--until-end", "--bootstrap-server", &worker.broker])
        .args(more)
        .output()
        .expect("the program runs");
    String::from_utf8_lossy(&consumed.stdout).lines().map(str::to_owned).collect()
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
    stopped(&worker, "source", "lines");
    let stored = worker.get("/connectors/source/offsets").json();
    let position = fs::metadata(&input).unwrap().len();
    assert_eq!(stored["offsets"][0]["offset"], json!({ "position": position }));
    let fenced = || worker.log().matches("the producers of earlier tasks are fenced").count();
    assert_eq!(fenced(), 0, "{}", worker.log());
    let answer = worker.request("DELETE", "/connectors/source/offsets", None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(fenced(), 1, "{}", worker.log());
    assert_eq!(worker.get("/connectors/source/offsets").json()["offsets"], json!([]));
    assert_eq!(worker.request("PUT", "/connectors/source/resume", None).status, 202);
    let twice: Vec<String> = lines(0..10).lines().chain(lines(0..10).lines()).map(str::to_owned).collect();
    assert_eq!(committed(&worker, "lines", 20), twice);
    let page = worker.get("/metrics").body;
    assert!(page.contains("kafka_connect_source_task_transaction_size_max{"), "{page}");
    assert!(worker.terminate().success());
}

/// A number of a source's task, from the page of metrics.
fn number(worker: &Worker, metric: &str, connector: &str) -> Option<u64> {
    let page = worker.get("/metrics").body;
    let metric = format!("kafka_connect_source_task_{metric}{{");
    let of_connector = format!("connector=\"{connector}\"");
    let line = page.lines().find(|line| line.starts_with(&metric) && line.contains(&of_connector))?;
    line.rsplit(' ').next()?.parse::<f64>().ok().map(|number| number as u64)
}

#[test]
fn polls_right_behind_each_other_share_a_transaction_unless_each_is_to_have_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &lines(0..5000));
    let worker = Worker::start_distributed(folder.path(), ENABLED);
    for (name, linger_ms, largest) in [("alone", 0, 500), ("together", 3_600_000, 5000)] {
        let source = json!({
            "connector.class": "FileStreamSource",
            "file": input,
            "topic": name,
            "batch.size": "500",
            "transaction.boundary.poll.linger.ms": linger_ms.to_string(),
        });
        create(&worker, name, &source);
        eventually("all is written", || (number(&worker, "source_record_write_total", name)? == 5000).then_some(()));
        // What is open is committed by that.
        assert_eq!(worker.request("PUT", &format!("/connectors/{name}/pause"), None).status, 202);
        let expected: Vec<String> = lines(0..5000).lines().map(str::to_owned).collect();
        assert_eq!(committed(&worker, name, 5000), expected);
        assert_eq!(number(&worker, "transaction_size_max", name), Some(largest), "{name}");
    }
    // A stop commits what is open, too, and waits for nothing else.
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": input,
        "topic": "stopped",
        "transaction.boundary.poll.linger.ms": "3600000",
    });
    create(&worker, "stopped", &source);
    eventually("all is written", || (number(&worker, "source_record_write_total", "stopped")? == 5000).then_some(()));
    assert_eq!(stopped(&worker, "stopped", "stopped").len(), 5000);
    assert!(!worker.log().contains("graceful stop of the task failed"), "{}", worker.log());
    // Nobody waits for the end of the time while the source has nothing more.
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": input,
        "topic": "soon",
        "transaction.boundary.poll.linger.ms": "1000",
    });
    create(&worker, "soon", &source);
    committed(&worker, "soon", 5000);
    let answer = worker.request(
        "PUT",
        "/connectors/wrong/config",
        Some(
            &json!({"connector.class": "FileStreamSource", "topic": "t", "transaction.boundary.poll.linger.ms": "-1"})
                .to_string(),
        ),
    );
    assert!(answer.status == 400 && answer.body.contains("transaction.boundary.poll.linger.ms"), "{}", answer.body);
    assert!(worker.terminate().success());
}

/// Numbers of the orders that readers see.
fn orders(seen: &[String]) -> Vec<u64> {
    let number = |line: &String| serde_json::from_str::<Value>(line).ok()?["orderid"].as_u64();
    seen.iter().map(|line| number(line).unwrap_or_else(|| panic!("no order: {line}"))).collect()
}

/// Stops a connector; what it has committed then.
#[track_caller]
fn stopped(worker: &Worker, name: &str, topic: &str) -> Vec<String> {
    assert_eq!(worker.request("PUT", &format!("/connectors/{name}/stop"), None).status, 204);
    eventually("it has stopped", || {
        let status = worker.get(&format!("/connectors/{name}/status")).json();
        (status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([])).then_some(())
    });
    seen(worker, topic, "read_committed")
}

#[test]
fn a_connector_that_ends_its_transactions_itself_shows_whole_ones_only_and_goes_on_behind_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start_distributed(folder.path(), ENABLED);
    let mut source = json!({
        "connector.class": "Datagen",
        "topic": "orders",
        "records.per.second": "50",
        "exactly.once.support": "required",
        "transaction.boundary": "connector",
        "value.converter": "Json",
        "value.converter.schemas.enable": "false",
    });
    let refused = worker.request("PUT", "/connectors/orders/config", Some(&source.to_string()));
    let expected = "The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.";
    assert_eq!(refused.status, 400, "nothing says how long they are");
    assert!(refused.body.contains(expected), "{}", refused.body);
    source["records.per.transaction"] = json!("10");
    create(&worker, "orders", &source);
    committed(&worker, "orders", 10);
    // It stops in the middle of one, whose records come again.
    let first = orders(&stopped(&worker, "orders", "orders"));
    assert_eq!(first, (0..first.len() as u64).collect::<Vec<_>>());
    assert_eq!(first.len() % 10, 0);
    let stored = worker.get("/connectors/orders/offsets").json();
    assert_eq!(stored["offsets"][0]["offset"], json!({ "record": first.len() }));
    assert_eq!(worker.request("PUT", "/connectors/orders/resume", None).status, 202);
    committed(&worker, "orders", first.len() + 10);
    let all = orders(&stopped(&worker, "orders", "orders"));
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
    assert_eq!(all.len() % 10, 0);
    assert!(worker.terminate().success());
}

#[test]
fn records_of_a_transaction_that_the_connector_aborts_are_seen_by_nobody_and_do_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start_distributed(folder.path(), &format!("plugin.path={}\n{ENABLED}", odd().display()));
    let source = |behaviour: &str| {
        json!({
            "connector.class": "org.millstream.odd.OddSourceConnector",
            "behaviour": behaviour,
            "transaction.boundary": "connector",
        })
    };
    create(&worker, "odd", &source("transactions"));
    let expected: Vec<String> = (0..20).flat_map(|poll| [format!("kept {poll}"), format!("kept too {poll}")]).collect();
    assert_eq!(committed(&worker, "lines", expected.len()), expected);
    let stored = || worker.get("/connectors/odd/offsets").json()["offsets"].clone();
    let end = json!([{ "partition": { "file": "a" }, "offset": { "position": 60 } }]);
    assert_eq!(stored(), end, "that of the last row");
    let all = seen(&worker, "lines", "read_uncommitted");
    assert_eq!(all.iter().filter(|line| line.starts_with("aborted")).count(), 20, "{all:?}");
    // What was aborted is behind it, too.
    assert_eq!(worker.request("POST", "/connectors/odd/restart?includeTasks=true", None).status, 202);
    eventually("it runs again", || {
        let status = worker.get("/connectors/odd/status").json();
        (status["tasks"][0]["state"] == "RUNNING").then_some(())
    });
    assert_eq!(stored(), end);
    assert_eq!(seen(&worker, "lines", "read_committed"), expected);

    for (behaviour, trace) in [
        ("both endings", "Connector requested both commit and abort of same transaction"),
        ("boundary behind nothing", "behind row 7 of a poll that returned 1 row(s)"),
    ] {
        let name = behaviour.replace(' ', "-");
        create(&worker, &name, &source(behaviour));
        eventually("it has failed", || {
            let status = worker.get(&format!("/connectors/{name}/status")).json();
            let task = &status["tasks"][0];
            let failed = task["state"] == "FAILED";
            assert!(!failed || task["trace"].as_str().unwrap_or_default().contains(trace), "{task}");
            failed.then_some(())
        });
    }
    assert!(worker.terminate().success());
}

#[test]
fn a_name_of_transactions_that_a_connector_sets_is_replaced_by_its_workers() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &lines(0..10));
    let worker = Worker::start_distributed(folder.path(), ENABLED);
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": input,
        "topic": "lines",
        "producer.override.transactional.id": "mine",
        "producer.override.enable.idempotence": "false",
    });
    create(&worker, "source", &source);
    assert_eq!(committed(&worker, "lines", 10), lines(0..10).lines().collect::<Vec<_>>());
    let log = worker.log();
    for expected in [
        "The value 'mine' for the 'transactional.id' property will be ignored as it cannot be overridden",
        "The value 'group-source-0' will be used instead.",
        "The value 'false' for the 'enable.idempotence' property will be ignored",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(worker.terminate().success());
}
