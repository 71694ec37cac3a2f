//! A worker of a group: its state outlives it in topics.

use std::{fs, io::Write, path::Path, process::Command};

use harness::{
    Broker, Worker, eventually,
    files::{append, await_content, lines},
    free_port, get, millstream,
};
use serde_json::{Value, json};

fn create(worker: &Worker, name: &str, config: Value) {
    let body = json!({"name": name, "config": config}).to_string();
    let answer = worker.request("POST", "/connectors", Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.body);
}

fn source(file: &Path) -> Value {
    json!({"connector.class": "FileStreamSource", "file": file, "topic": "lines"})
}

fn sink(file: &Path) -> Value {
    json!({"connector.class": "FileStreamSink", "file": file, "topics": "lines"})
}

/// Waits until a connector has this state, and as many tasks in that one.
#[track_caller]
fn await_states(worker: &Worker, name: &str, connector: &str, tasks: &[&str]) {
    eventually(&format!("{name} is {connector} with {tasks:?}"), || {
        let status =
            get(&worker.rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
        let states: Vec<&str> = status["tasks"].as_array()?.iter().filter_map(|task| task["state"].as_str()).collect();
        (status["connector"]["state"] == connector && states == tasks).then_some(())
    });
}

#[test]
fn everything_comes_back_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, &lines(0..100));
    let mut worker = Worker::start_distributed(folder.path(), "");
    create(&worker, "source", source(&input));
    create(&worker, "sink", sink(&output));
    create(&worker, "paused", sink(&folder.path().join("paused.txt")));
    create(&worker, "stopped", sink(&folder.path().join("stopped.txt")));
    await_content(&output, &lines(0..100));
    await_states(&worker, "paused", "RUNNING", &["RUNNING"]);
    await_states(&worker, "stopped", "RUNNING", &["RUNNING"]);
    assert_eq!(worker.request("PUT", "/connectors/paused/pause", None).status, 202);
    assert_eq!(worker.request("PUT", "/connectors/stopped/stop", None).status, 204);
    await_states(&worker, "paused", "PAUSED", &["PAUSED"]);
    await_states(&worker, "stopped", "STOPPED", &[]);
    let page = worker.get("/metrics").body;
    for line in [
        "kafka_connect_worker_rebalance_rebalancing 0",
        "kafka_connect_worker_rebalance_connect_protocol{connect_protocol=\"SESSIONED\"} 1",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} in {page}");
    }
    for name in [
        "worker_rebalance_completed_rebalances_total ",
        "coordinator_heartbeat_total{",
        "connection_count{",
        "node_request_total{",
    ] {
        let name = format!("kafka_connect_{name}");
        let series = page.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {page}"));
        assert!(!series.ends_with(" 0") || name.contains("heartbeat"), "{series}");
    }
    let body = json!({"connector.class": "FileStreamSink", "file": "gone.txt", "topics": "lines"}).to_string();
    assert_eq!(worker.request("PUT", "/connectors/deleted/config", Some(&body)).status, 201);
    await_states(&worker, "deleted", "RUNNING", &["RUNNING"]);
    assert_eq!(worker.request("DELETE", "/connectors/deleted", None).status, 204);
    eventually("its status is gone", || (worker.get("/connectors/deleted/status").status == 404).then_some(()));
    // What it has read is committed before the kill, so that nothing is read twice.
    await_offset(&worker, "offsets", &lines(0..100));
    worker.kill();

    append(&input, &lines(100..150));
    let worker = Worker::start_distributed(folder.path(), "");
    let names = worker.get("/connectors").json();
    assert_eq!(names, json!(["paused", "sink", "source", "stopped"]));
    await_states(&worker, "source", "RUNNING", &["RUNNING"]);
    await_states(&worker, "sink", "RUNNING", &["RUNNING"]);
    await_states(&worker, "paused", "PAUSED", &["PAUSED"]);
    await_states(&worker, "stopped", "STOPPED", &[]);
    assert_eq!(worker.get("/connectors/deleted/status").status, 404);
    eventually("the rest arrives", || fs::read_to_string(&output).unwrap().ends_with(&lines(100..150)).then_some(()));
    // A sink may write again what it had not committed, and the source has nothing to repeat.
    let written = fs::read_to_string(&output).unwrap();
    for line in lines(100..150).lines() {
        assert_eq!(written.lines().filter(|other| *other == line).count(), 1, "{line}");
    }
    assert_eq!(worker.request("PUT", "/connectors/stopped/resume", None).status, 202);
    await_states(&worker, "stopped", "RUNNING", &["RUNNING"]);
    assert!(worker.terminate().success());

    // An orderly end leaves nothing to repeat at all.
    append(&input, &lines(150..160));
    let before = fs::read_to_string(&output).unwrap();
    let worker = Worker::start_distributed(folder.path(), "");
    await_content(&output, &(before + &lines(150..160)));
    drop(worker);
}

#[test]
fn the_sample_needs_nothing_but_this_binary() {
    let folder = tempfile::tempdir().unwrap();
    let sample = include_str!("../config/distributed.properties");
    let own = format!(
        "{sample}\nlisteners=http://127.0.0.1:0\nbroker.listeners=PLAINTEXT://127.0.0.1:0\nbroker.log.dirs={}/broker\n",
        folder.path().display()
    );
    fs::write(folder.path().join("worker.properties"), own).unwrap();
    let worker = Worker::try_start_with(folder.path(), &["distributed", "worker.properties"]).unwrap();
    worker.await_ready();
    assert_eq!(worker.get("/connectors").body, "[]");
    assert!(worker.get("/").json()["kafka_cluster_id"].is_string());
    for topic in ["connect-configs", "connect-offsets", "connect-status"] {
        let described = Command::new(millstream())
            .args(["topic", "describe", topic, "--bootstrap-server", &worker.broker])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&described.stdout).into_owned();
        assert!(text.contains("cleanup.policy") && text.contains("compact"), "{text}");
    }
    assert!(worker.terminate().success());
}

/// `config/connect-distributed.properties` of Apache Kafka 4.3, without its comments.
const KAFKAS_SAMPLE: &str = "\
bootstrap.servers=localhost:9092
group.id=connect-cluster
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
#offset.storage.partitions=25
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
status.storage.replication.factor=1
#status.storage.partitions=5
offset.flush.interval.ms=10000
#listeners=HTTP://:8083
#rest.advertised.host.name=
#plugin.path=
";

#[test]
fn kafkas_own_sample_starts_with_another_address_alone() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    // The port of the API is fixed in it, and other tests may have taken that one.
    let sample = KAFKAS_SAMPLE
        .replace("localhost:9092", &broker.address)
        .replace("#listeners=HTTP://:8083", "listeners=HTTP://:0");
    fs::write(folder.path().join("connect-distributed.properties"), sample).unwrap();
    let worker = Worker::try_start_with(folder.path(), &["distributed", "connect-distributed.properties"]).unwrap();
    worker.await_ready();
    assert_eq!(worker.broker, "", "the built-in broker runs beside the other one");
    create(&worker, "sink", sink(&folder.path().join("out.txt")));
    await_states(&worker, "sink", "RUNNING", &["RUNNING"]);
    assert!(worker.terminate().success());
}

fn make_topic(broker: &Broker, name: &str, partitions: &str, policy: &str) {
    let made = Command::new(millstream())
        .args(["topic", "create", name, "--partitions", partitions, "--config", &format!("cleanup.policy={policy}")])
        .args(["--bootstrap-server", &broker.address])
        .status()
        .unwrap();
    assert!(made.success());
}

#[test]
fn wrong_internal_topics_end_the_start_at_once_with_connects_words_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    make_topic(&broker, "deleting", "1", "delete");
    make_topic(&broker, "two", "2", "compact");
    for (setting, expected) in [
        (
            "offset.storage.topic=deleting",
            "Topic 'deleting' supplied via the 'offset.storage.topic' property is required to have 'cleanup.policy=compact' to guarantee consistency and durability of source connector offsets, but found the topic currently has 'cleanup.policy=delete'.",
        ),
        (
            "config.storage.topic=two",
            "Topic 'two' supplied via the 'config.storage.topic' property is required to have a single partition in order to guarantee consistency of connector configurations, but found 2 partitions.",
        ),
        (
            "internal.topics.automatic.creation.enable=false\nstatus.storage.topic=absent",
            "internal.topics.automatic.creation.enable=false forbids to make it",
        ),
    ] {
        let own = tempfile::tempdir().unwrap();
        let settings = format!("bootstrap.servers={}\n{setting}", broker.address);
        let Err((status, log)) = Worker::try_start_distributed(own.path(), &settings) else {
            panic!("it starts with {setting}");
        };
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(expected), "{setting}: {log}");
    }
}

#[test]
fn what_a_worker_file_lacks_or_contradicts_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("w.properties"), "key.converter=String\nvalue.converter=String\n").unwrap();
    let Err((status, log)) = Worker::try_start_with(folder.path(), &["distributed", "w.properties"]) else {
        panic!("it starts without a group");
    };
    assert_eq!(status.code(), Some(2));
    assert!(log.contains("Missing required configuration \""), "{log}");
    for (setting, code, expected) in [
        ("heartbeat.interval.ms=20000", 2, "heartbeat.interval.ms"),
        ("status.storage.topic=offsets", 2, "name the same topic"),
        ("offset.storage.topic=a b", 2, "offset.storage.topic"),
        ("connect.protocol=sometimes", 2, "connect.protocol"),
        ("inter.worker.signature.algorithm=HmacSHA1", 2, "inter.worker.verification.algorithms"),
    ] {
        let Err((status, log)) = Worker::try_start_distributed(folder.path(), setting) else {
            panic!("it starts with {setting}");
        };
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(log.contains(expected), "{setting}: {log}");
    }
}

#[test]
fn garbage_in_the_config_topic_is_named_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    make_topic(&broker, "configs", "1", "compact");
    let settings = format!("bootstrap.servers={}", broker.address);
    let mut produce = Command::new(millstream())
        .args(["topic", "produce", "configs", "--key-separator", "|"])
        .args(["--bootstrap-server", &broker.address])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    produce.stdin.take().unwrap().write_all(b"connector-a|{\nwhat-is-this|{}\ncommit-a|{\"tasks\":\"one\"}\n").unwrap();
    assert!(produce.wait().unwrap().success());
    let worker = Worker::start_distributed(folder.path(), &settings);
    assert_eq!(worker.get("/connectors").body, "[]");
    create(&worker, "sink", sink(&folder.path().join("out.txt")));
    await_states(&worker, "sink", "RUNNING", &["RUNNING"]);
    let log = worker.log();
    for (offset, reason) in [(0, "is not JSON"), (1, "has a key of no known kind"), (2, "has no usable 'tasks'")] {
        let told = log.lines().any(|line| {
            line.contains("config topic is skipped")
                && line.contains("configs")
                && line.contains(&format!("offset={offset}"))
                && line.contains("partition=0")
                && line.contains(reason)
        });
        assert!(told, "offset {offset}: {log}");
    }
}

#[test]
fn a_broker_that_is_gone_for_longer_than_the_session_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listener = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
    let mut broker = Broker::start(folder.path(), &[&listener, "group.min.session.timeout.ms=500"]);
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, &lines(0..100));
    let settings = format!(
        "bootstrap.servers={}\nsession.timeout.ms=1500\nheartbeat.interval.ms=300\nrequest.timeout.ms=2000\n\
         task.shutdown.graceful.timeout.ms=1000",
        broker.address
    );
    let worker = Worker::start_distributed(folder.path(), &settings);
    create(&worker, "source", source(&input));
    create(&worker, "sink", sink(&output));
    await_content(&output, &lines(0..100));
    broker.kill();
    append(&input, &lines(100..200));
    eventually("the worker has noticed", || worker.log().contains("everything is stopped until").then_some(()));
    // Questions are answered all the while, changes refused.
    assert_eq!(worker.get("/connectors").json(), json!(["sink", "source"]));
    let refused = worker.request("PUT", "/connectors/sink/pause", None);
    assert_eq!(refused.status, 409, "{}", refused.body);
    let _broker = Broker::start(folder.path(), &[&listener, "group.min.session.timeout.ms=500"]);
    await_states(&worker, "source", "RUNNING", &["RUNNING"]);
    await_states(&worker, "sink", "RUNNING", &["RUNNING"]);
    eventually("every line is there", || {
        let written = fs::read_to_string(&output).unwrap();
        lines(0..200).lines().all(|line| written.lines().any(|other| other == line)).then_some(())
    });
    // On a busy machine a session as short as this one may be over again, for a moment.
    eventually("it is paused", || {
        let paused = worker.request("PUT", "/connectors/sink/pause", None);
        assert!([202, 409].contains(&paused.status), "{}", paused.body);
        (paused.status == 202).then_some(())
    });
    await_states(&worker, "sink", "PAUSED", &["PAUSED"]);
}

#[test]
fn two_groups_on_the_same_topics_are_told_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    let settings = format!("bootstrap.servers={}", broker.address);
    let first = Worker::start_distributed(folder.path(), &settings);
    create(&first, "sink", sink(&folder.path().join("out.txt")));
    await_states(&first, "sink", "RUNNING", &["RUNNING"]);
    let other = tempfile::tempdir().unwrap();
    let second = Worker::start_distributed(other.path(), &format!("{settings}\ngroup.id=another"));
    eventually("the first worker names the second", || {
        first.log().contains(&format!("worker {} writes statuses", second.rest)).then_some(())
    });
}

#[test]
fn a_connector_keeps_its_offsets_in_a_topic_of_its_own_and_finds_those_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, &lines(0..10));
    let worker = Worker::start_distributed(folder.path(), "");
    create(&worker, "source", source(&input));
    create(&worker, "sink", sink(&output));
    await_content(&output, &lines(0..10));
    await_offset(&worker, "offsets", &lines(0..10));
    let mut own = source(&input);
    own["offsets.storage.topic"] = json!("own-offsets");
    let answer = worker.request("PUT", "/connectors/source/config", Some(&own.to_string()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The answer does not wait for the new task: the old one may read some lines more.
    let mut written = 10;
    eventually("an offset is in own-offsets", || {
        append(&input, &lines(written..written + 1));
        written += 1;
        offsets(&worker, "own-offsets").contains("\"position\":").then_some(())
    });
    await_content(&output, &lines(0..written));
    await_offset(&worker, "own-offsets", &lines(0..written));
    // A copy for the way back.
    await_offset(&worker, "offsets", &lines(0..written));
    assert!(worker.terminate().success());
    append(&input, &lines(written..written + 10));
    let worker = Worker::start_distributed(folder.path(), "");
    await_content(&output, &lines(0..written + 10));
    drop(worker);
}

/// Waits until an offsets topic holds the position behind this text.
#[track_caller]
fn await_offset(worker: &Worker, topic: &str, text: &str) {
    eventually(&format!("the offset is in {topic}"), || {
        offsets(worker, topic).contains(&format!("\"position\":{}", text.len())).then_some(())
    });
}

/// What is in an offsets topic by now.
fn offsets(worker: &Worker, topic: &str) -> String {
    let dumped = Command::new(millstream())
        .args(["topic", "consume", topic, "--from-beginning", "--bootstrap-server", &worker.broker])
        .arg("--until-end")
        .output()
        .unwrap();
    String::from_utf8_lossy(&dumped.stdout).into_owned()
}
