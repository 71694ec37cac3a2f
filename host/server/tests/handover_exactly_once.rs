//! A group that delivers exactly once is handed over between Kafka Connect 4.3 and this worker, both ways, in good order,
//! after a kill and away from one that is frozen: what one of them has stored is what the other goes on behind, and what one
//! of them was about to write it cannot write any more.

use std::{path::Path, process::Command};

use harness::{
    SOON, Worker,
    files::{append, lines},
    get, millstream,
    peers::{Connect, Kafka, have_kafka},
    request, within,
};
use serde_json::json;

const GROUP: &str = "group.id=group\nconfig.storage.topic=configs\noffset.storage.topic=offsets\n\
    status.storage.topic=statuses\noffset.storage.partitions=3\nstatus.storage.partitions=2\n\
    config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\nexactly.once.source.support=enabled\n\
    session.timeout.ms=6000\nheartbeat.interval.ms=2000\nscheduled.rebalance.max.delay.ms=1000\n";

/// What readers of committed records see, as soon as it is this; a line too many is seen, too.
#[track_caller]
fn await_committed(kafka: &Kafka, expected: &str) {
    let mut seen = String::new();
    within(4 * SOON, "the lines are committed", || {
        let consumed = Command::new(millstream())
            .args(["topic", "consume", "lines", "--from-beginning", "--isolation-level", "read_committed"])
            .args(["--until-end", "--bootstrap-server", &kafka.address])
            .output()
            .expect("the program runs");
        seen = String::from_utf8(consumed.stdout).expect("text");
        (expected.len() <= seen.len()).then_some(())
    });
    assert_eq!(seen, expected);
}

#[track_caller]
fn await_running(rest: &str) {
    within(4 * SOON, "the source runs", || {
        let status = get(rest, "/connectors/source/status").filter(|answer| answer.status == 200)?.json();
        let task = &status["tasks"][0];
        assert_ne!(task["state"], "FAILED", "{}", task["trace"]);
        (task["state"] == "RUNNING").then_some(())
    });
}

#[track_caller]
fn create(rest: &str, input: &Path) {
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": input,
        "topic": "lines",
        "exactly.once.support": "required",
    });
    let source = source.to_string();
    within(4 * SOON, "the source is created", || {
        let answer = request(rest, "PUT", "/connectors/source/config", Some(&source))?;
        assert!([201, 409].contains(&answer.status), "{}", answer.body);
        (answer.status == 201).then_some(())
    });
}

/// Waits until the source runs on one worker.
#[track_caller]
fn await_running_on(rest: &str, worker: &str) {
    within(4 * SOON, &format!("the source runs on {worker}"), || {
        let status = get(rest, "/connectors/source/status").filter(|answer| answer.status == 200)?.json();
        let task = &status["tasks"][0];
        (task["state"] == "RUNNING" && task["worker_id"] == worker).then_some(())
    });
}

#[test]
fn a_group_that_delivers_exactly_once_goes_from_connect_to_this_worker_and_back() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    let input = folder.path().join("in.txt");
    let settings = format!("bootstrap.servers={}\n{GROUP}", kafka.address);
    append(&input, &lines(0..10));

    let connect = Connect::start_distributed(folder.path(), &settings);
    create(&connect.rest, &input);
    await_running(&connect.rest);
    await_committed(&kafka, &lines(0..10));
    connect.terminate();

    append(&input, &lines(10..20));
    let mut worker = Worker::start_distributed(folder.path(), &settings);
    await_running(&worker.rest);
    await_committed(&kafka, &lines(0..20));
    append(&input, &lines(20..30));
    worker.kill();

    let connect = Connect::start_distributed(folder.path(), &settings);
    await_running(&connect.rest);
    append(&input, &lines(30..40));
    await_committed(&kafka, &lines(0..40));
    connect.terminate();

    append(&input, &lines(40..50));
    let worker = Worker::start_distributed(folder.path(), &settings);
    await_running(&worker.rest);
    await_committed(&kafka, &lines(0..50));
    // One partition of the file's, whoever has written its offset.
    let offsets = worker.get("/connectors/source/offsets").json();
    assert_eq!(offsets["offsets"].as_array().map(Vec::len), Some(1), "{offsets}");
    assert!(worker.terminate().success());
}

#[test]
fn a_frozen_worker_of_the_other_kind_is_fenced_off_and_writes_nothing_when_it_thaws() {
    if !have_kafka() {
        return;
    }
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let kafka = Kafka::start(folders[0].path());
    kafka.await_listening();
    let input = folders[0].path().join("in.txt");
    let settings = format!("bootstrap.servers={}\n{GROUP}", kafka.address);
    append(&input, &lines(0..10));
    let connect = Connect::start_distributed(folders[0].path(), &settings);
    create(&connect.rest, &input);
    await_running(&connect.rest);
    await_committed(&kafka, &lines(0..10));
    // It is stopped with lines to come, so that it wakes up in the middle of its work.
    append(&input, &lines(10..2000));
    connect.freeze(true);
    let worker = Worker::start_distributed(folders[1].path(), &settings);
    await_running_on(&worker.rest, &worker.rest);
    append(&input, &lines(2000..2010));
    await_committed(&kafka, &lines(0..2010));
    let rebalances = || worker.log().matches("this worker is a member of its group").count();
    let before = rebalances();
    connect.freeze(false);
    append(&input, &lines(2010..2020));
    await_committed(&kafka, &lines(0..2020));
    // Both are in the group again, and the other one is frozen, whoever has the source by now. Until then Connect answers
    // as if nothing had been, and would keep its old task for its own, which fails for good.
    within(4 * SOON, "Connect has joined the group again", || (before < rebalances()).then_some(()));
    within(4 * SOON, "Connect is back in its group", || {
        get(&connect.rest, "/connectors").filter(|answer| answer.status == 200)
    });
    append(&input, &lines(2020..4000));
    worker.freeze();
    await_running_on(&connect.rest, &connect.rest);
    append(&input, &lines(4000..4010));
    await_committed(&kafka, &lines(0..4010));
    worker.thaw();
    append(&input, &lines(4010..4020));
    await_committed(&kafka, &lines(0..4020));
    connect.terminate();
    let worker = worker.terminate();
    assert!(worker.success());
}
