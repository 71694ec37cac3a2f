//! Groups of several workers: each runs a part, any of them is asked, and what a killed one ran goes on elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use harness::{
    Broker, Worker, eventually, get,
    peers::{Connect, have_kafka},
    request,
};
use serde_json::{Value, json};

const GROUP: &str = "session.timeout.ms=6000\nheartbeat.interval.ms=1000\n";

fn append(file: &Path, lines: std::ops::Range<u32>) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    let text: String = lines.map(|number| format!("line {number}\n")).collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until a file has all of these lines, in whatever order and however often.
#[track_caller]
fn await_lines(file: &Path, lines: std::ops::Range<u32>) {
    eventually(&format!("{} has every line", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found: BTreeSet<&str> = text.lines().collect();
        lines.clone().all(|number| found.contains(&*format!("line {number}"))).then_some(())
    });
}

/// Asks, again as long as the group is being rebalanced.
#[track_caller]
fn ask(rest: &str, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let body = body.map(Value::to_string);
    eventually(&format!("{method} {path} is done by {rest}"), || {
        let answer = request(rest, method, path, body.as_deref())?;
        (answer.status != 409).then_some(answer.status)
    })
}

/// Waits until connectors and tasks all run, on none but these workers; where each instance is.
#[track_caller]
fn await_running(rest: &str, names: &[&str], workers: &[&str]) -> BTreeMap<String, String> {
    eventually(&format!("{names:?} run on {workers:?}"), || {
        let mut places = BTreeMap::new();
        for name in names {
            let status = get(rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
            let tasks = status["tasks"].as_array().filter(|tasks| !tasks.is_empty())?.clone();
            for (part, instance) in std::iter::once(((*name).to_owned(), status["connector"].clone()))
                .chain(tasks.into_iter().map(|task| (format!("{name}-{}", task["id"]), task)))
            {
                let place = instance["worker_id"].as_str()?.to_owned();
                if instance["state"] != "RUNNING" || !workers.contains(&&*place) {
                    return None;
                }
                places.insert(part, place);
            }
        }
        Some(places)
    })
}

#[test]
fn a_group_of_three_shares_the_work_and_loses_nothing_when_one_is_killed() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let broker = Broker::start(folders[0].path(), &[]);
    let settings = format!("bootstrap.servers={}\n{GROUP}", broker.address);
    let mut workers: Vec<Worker> =
        folders.iter().map(|folder| Worker::start_distributed(folder.path(), &settings)).collect();
    let data = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..3).flat_map(|number| [format!("source{number}"), format!("sink{number}")]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Whichever worker is asked, the leader does it.
    for (at, name) in names.iter().enumerate() {
        let number = at / 2;
        let topic = format!("lines{number}");
        let config = if name.starts_with("source") {
            let file = data.path().join(format!("in{number}"));
            append(&file, 0..50);
            json!({"connector.class": "FileStreamSource", "file": file, "topic": topic})
        } else {
            let file = data.path().join(format!("out{number}"));
            json!({"connector.class": "FileStreamSink", "file": file, "topics": topic})
        };
        let rest = &workers[at % 3].rest;
        assert_eq!(ask(rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201, "{name}");
    }
    let rests: Vec<String> = workers.iter().map(|worker| worker.rest.clone()).collect();
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    // Six connectors and six tasks are two of each for everybody.
    let places = eventually("the work is even", || {
        let places = await_running(&rests[0], &names, &all);
        let of = |rest: &str| places.values().filter(|place| *place == rest).count();
        all.iter().all(|rest| of(rest) == 4).then(|| places.clone())
    });
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..50));
    // A restart is passed on to who runs the task.
    for rest in &rests {
        assert_eq!(ask(rest, "POST", "/connectors/source0/tasks/0/restart", None), 204);
        assert_eq!(ask(rest, "POST", "/connectors/source0/restart", None), 204);
    }

    // The one that runs a source's task, and does not lead: the first one does.
    let killed =
        (1..3).find(|&at| places.iter().any(|(part, place)| part.ends_with("-0") && *place == rests[at])).unwrap();
    workers[killed].kill();
    (0..3).for_each(|number| append(&data.path().join(format!("in{number}")), 50..100));
    let left: Vec<&str> = all.iter().copied().filter(|rest| *rest != rests[killed]).collect();
    await_running(left[0], &names, &left);
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..100));

    // And the leader.
    workers[0].kill();
    (0..3).for_each(|number| append(&data.path().join(format!("in{number}")), 100..150));
    let last = left[1];
    await_running(last, &names, &[last]);
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..150));
    assert_eq!(ask(last, "DELETE", "/connectors/sink0", None), 204);
    eventually("its status is gone", || (get(last, "/connectors/sink0/status")?.status == 404).then_some(()));
}

#[test]
fn a_worker_beside_connect_shares_the_work_whoever_leads() {
    if !have_kafka() {
        return;
    }
    for connect_leads in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let own = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]);
        let settings = format!(
            "bootstrap.servers={}\n{GROUP}scheduled.rebalance.max.delay.ms=3000\ngroup.id=group\n\
             config.storage.topic=configs\noffset.storage.topic=offsets\nstatus.storage.topic=statuses\n\
             offset.storage.partitions=3\nstatus.storage.partitions=2\nconfig.storage.replication.factor=1\n\
             offset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\noffset.flush.interval.ms=200\n",
            broker.address
        );
        let (connect, worker);
        if connect_leads {
            connect = Connect::start_distributed(folder.path(), &settings);
            worker = Worker::start_distributed(own.path(), &settings);
        } else {
            worker = Worker::start_distributed(own.path(), &settings);
            connect = Connect::start_distributed(folder.path(), &settings);
        }
        let names = ["a", "b", "c", "d"];
        let (first, second) = (connect.rest.clone(), worker.rest.clone());
        for (at, name) in names.iter().enumerate() {
            let file = folder.path().join(format!("in-{name}"));
            append(&file, 0..10);
            let config = json!({"connector.class": "FileStreamSource", "file": file, "topic": "lines"});
            let rest = if at % 2 == 0 { &first } else { &second };
            assert_eq!(ask(rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201, "{name}");
        }
        let places = eventually("the work is even", || {
            let places = await_running(&second, &names, &[&first, &second]);
            (places.values().filter(|place| **place == second).count() == 4).then_some(places)
        });
        assert_eq!(places.len(), 8);
        // Both pass on what is not theirs, and Connect takes what this worker signs, and the reverse.
        for rest in [&first, &second] {
            for name in names {
                assert_eq!(ask(rest, "POST", &format!("/connectors/{name}/tasks/0/restart"), None), 204, "{name}");
            }
        }
        drop(connect);
        await_running(&second, &names, &[&second]);
        assert!(worker.terminate().success());
    }
}
