//! A group's topics are handed over between Kafka Connect 4.3 and this worker, both ways.

use harness::{
    Worker, eventually,
    files::{append, await_content, lines},
    get,
    peers::{Connect, Kafka, have_kafka},
    request,
};
use serde_json::{Value, json};

/// The states of a connector and its tasks, as soon as there are so many.
#[track_caller]
fn await_states(rest: &str, name: &str, connector: &str, tasks: usize) -> Value {
    eventually(&format!("{name} is {connector} with {tasks} tasks"), || {
        let status = get(rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
        let all = status["tasks"].as_array()?;
        let same = all.len() == tasks && all.iter().all(|task| task["state"] == connector);
        (status["connector"]["state"] == connector && same).then_some(status)
    })
}

/// Asks again while the worker is not part of its group for a moment.
#[track_caller]
fn ask(rest: &str, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let body = body.map(Value::to_string);
    eventually(&format!("{method} {path} is done"), || {
        let answer = request(rest, method, path, body.as_deref())?;
        (answer.status != 409).then_some(answer.status)
    })
}

const GROUP: &str = "group.id=group\nconfig.storage.topic=configs\noffset.storage.topic=offsets\n\
    status.storage.topic=statuses\noffset.storage.partitions=3\nstatus.storage.partitions=2\n\
    config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\noffset.flush.interval.ms=200\n";

#[test]
fn a_group_goes_from_connect_to_this_worker_and_back_and_repeats_or_loses_nothing() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let settings = format!("bootstrap.servers={}\n{GROUP}", kafka.address);
    append(&input, &lines(0..10));

    let connect = Connect::start_distributed(folder.path(), &settings);
    let source = json!({"connector.class": "FileStreamSource", "file": input, "topic": "lines"});
    let sink = json!({"connector.class": "FileStreamSink", "file": output, "topics": "lines"});
    for (name, config) in [("source", &source), ("sink", &sink), ("paused", &sink), ("stopped", &sink)] {
        let mut config = config.clone();
        if ["paused", "stopped"].contains(&name) {
            config["file"] = json!(folder.path().join(name));
        }
        let status = ask(&connect.rest, "PUT", &format!("/connectors/{name}/config"), Some(&config));
        assert_eq!(status, 201, "{name}");
    }
    for name in ["source", "sink", "paused", "stopped"] {
        await_states(&connect.rest, name, "RUNNING", 1);
    }
    assert_eq!(ask(&connect.rest, "PUT", "/connectors/paused/pause", None), 202);
    assert_eq!(ask(&connect.rest, "PUT", "/connectors/stopped/stop", None), 204);
    await_states(&connect.rest, "paused", "PAUSED", 1);
    await_states(&connect.rest, "stopped", "STOPPED", 0);
    await_content(&output, &lines(0..10));
    connect.terminate();

    append(&input, &lines(10..20));
    let worker = Worker::start_distributed(folder.path(), &settings);
    let status = await_states(&worker.rest, "source", "RUNNING", 1);
    assert_eq!(status["connector"]["worker_id"], worker.rest);
    await_states(&worker.rest, "sink", "RUNNING", 1);
    await_states(&worker.rest, "paused", "PAUSED", 1);
    await_states(&worker.rest, "stopped", "STOPPED", 0);
    await_content(&output, &lines(0..20));
    // What this worker changes Connect has to understand.
    assert_eq!(ask(&worker.rest, "PUT", "/connectors/paused/resume", None), 202);
    assert_eq!(ask(&worker.rest, "PUT", "/connectors/paused/stop", None), 204);
    assert_eq!(ask(&worker.rest, "PUT", "/connectors/stopped/resume", None), 202);
    await_states(&worker.rest, "stopped", "RUNNING", 1);
    let mut made = sink.clone();
    made["file"] = json!(folder.path().join("made"));
    assert_eq!(ask(&worker.rest, "PUT", "/connectors/made/config", Some(&made)), 201);
    await_states(&worker.rest, "made", "RUNNING", 1);
    await_states(&worker.rest, "paused", "STOPPED", 0);
    let config = worker.get("/connectors/source/config").json();
    assert!(worker.terminate().success());

    append(&input, &lines(20..30));
    let connect = Connect::start_distributed(folder.path(), &settings);
    for name in ["source", "sink", "stopped", "made"] {
        await_states(&connect.rest, name, "RUNNING", 1);
    }
    await_states(&connect.rest, "paused", "STOPPED", 0);
    assert_eq!(get(&connect.rest, "/connectors/source/config").map(|answer| answer.json()), Some(config));
    await_content(&output, &lines(0..30));
    await_content(&folder.path().join("made"), &lines(0..30));
    assert_eq!(ask(&connect.rest, "DELETE", "/connectors/made", None), 204);
    connect.terminate();

    let worker = Worker::start_distributed(folder.path(), &settings);
    assert_eq!(worker.get("/connectors").json(), json!(["paused", "sink", "source", "stopped"]));
    assert_eq!(worker.get("/connectors/made/status").status, 404);
    append(&input, &lines(30..40));
    await_content(&output, &lines(0..40));
    assert!(worker.terminate().success());
}
