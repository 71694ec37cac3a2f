//! Sinks that write each record once: with offsets of their own under kill -9, and with a lease while two owners are alive.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use harness::{Worker, eventually, files::lines, millstream};
use serde_json::{Value, json};

#[path = "support/group.rs"]
mod group;
#[path = "support/once.rs"]
mod once;

use group::{Group, SHORT, ask, await_running};
use once::once;

const LEDGER: &str = "org.example.LedgerSinkConnector";
const COMMITTER: &str = "org.example.CommitterSinkConnector";

/// Writes lines into a topic.
#[track_caller]
fn produce(broker: &str, topic: &str, lines: &str) {
    let mut producer = Command::new(millstream())
        .args(["topic", "produce", topic, "--bootstrap-server", broker])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    producer.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
    let ended = producer.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

fn sink(class: &str, file: &Path) -> Value {
    json!({
        "connector.class": class,
        "file": file,
        "topics": "lines",
        // A member that is gone is missed sooner.
        "consumer.override.session.timeout.ms": "6000",
        "consumer.override.heartbeat.interval.ms": "1000",
    })
}

/// Waits until a worker has compiled the plugins.
#[track_caller]
fn await_plugins(rest: &str) {
    eventually("the plugins are there", || {
        harness::get(rest, "/connector-plugins").filter(|answer| answer.body.contains(COMMITTER)).map(drop)
    });
}

fn plugins() -> String {
    format!("plugin.path={}\n", once().display())
}

#[test]
fn a_sink_that_keeps_its_offsets_in_its_target_writes_each_record_once_however_often_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out.txt");
    let written = || fs::read_to_string(&target).unwrap_or_default();
    let start = || {
        let worker = Worker::start(folder.path(), &plugins(), &[]);
        await_plugins(&worker.rest);
        let config = sink(LEDGER, &target).to_string();
        let answer = worker.request("PUT", "/connectors/ledger/config", Some(&config));
        assert_eq!(answer.status, 201, "{}", answer.body);
        worker
    };
    let mut worker = start();
    let mut expected = String::new();
    for round in 0..6 {
        let numbers = round * 200..(round + 1) * 200;
        for number in numbers.clone() {
            expected.push_str(&format!("lines 0 {number} line {number}\n"));
        }
        produce(&worker.broker, "lines", &lines(numbers.clone()));
        // Somewhere in the middle of them, or behind the last.
        let some = format!("line {}\n", numbers.start + round * 37);
        eventually("some lines are written", || written().contains(&some).then_some(()));
        worker.kill();
        worker = start();
    }
    eventually("all lines are written", || (expected.len() <= written().len()).then_some(()));
    assert_eq!(written(), expected);
    // The group keeps nothing for it, and the plugin lets nobody make believe that it does.
    let offsets = worker.get("/connectors/ledger/offsets").json();
    assert_eq!(offsets, json!({"offsets": []}));
    assert_eq!(worker.request("PUT", "/connectors/ledger/stop", None).status, 204);
    eventually("it has stopped", || {
        let status = worker.status("ledger");
        (status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([])).then_some(())
    });
    let body = json!({"offsets": [{
        "partition": {"kafka_topic": "lines", "kafka_partition": 0}, "offset": {"kafka_offset": 3},
    }]});
    let answer = worker.request("PATCH", "/connectors/ledger/offsets", Some(&body.to_string()));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.body.contains("the offsets are in the file: change the file"), "{}", answer.body);
    assert_eq!(worker.get("/connectors/ledger/offsets").json(), json!({"offsets": []}));
    assert!(worker.terminate().success());
}

/// What base64 stands for.
fn decoded(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: u8| DIGITS.iter().position(|&digit| digit == byte).expect("base64") as u32;
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let number = group.iter().fold(0, |number, &byte| number << 6 | digit(byte)) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&number.to_be_bytes()[1..group.len()]);
    }
    String::from_utf8(bytes).expect("text")
}

/// The lines of the parts of a file that count, in the order of the file, by what was written under the key `parts`.
fn counted(file: &Path, parts: &str) -> String {
    let mut counted = String::new();
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["part", epoch, number, count] = words[..] else { continue };
        let number: u64 = number.parse().unwrap();
        let counts = parts
            .lines()
            .filter_map(|line| line.split_once(' '))
            .any(|(other, last)| other == epoch && number <= last.parse::<u64>().unwrap());
        if counts {
            let own = lines.by_ref().take(count.parse().unwrap());
            own.for_each(|line| counted.extend([line.trim_start_matches(' '), "\n"]));
        }
    }
    counted
}

/// What a group keeps under the key `parts`, by the last record that has it and was written by whoever had the highest
/// epoch until then.
fn parts_in_topic(broker: &str) -> Option<String> {
    let consumed = Command::new(millstream())
        .args(["topic", "consume", "group-kv", "--from-beginning", "--until-end", "--output", "json"])
        .args(["--bootstrap-server", broker])
        .output()
        .expect("the program runs");
    let (mut epoch, mut parts) = (0, None);
    for line in String::from_utf8_lossy(&consumed.stdout).lines() {
        let record: Value = serde_json::from_str(line).expect("a record");
        let key: Value = serde_json::from_str(record["key"].as_str()?).expect("a key");
        let Some(value) = record["value"].as_str() else { continue };
        let own = key[1].as_u64()?;
        if own < epoch {
            continue;
        }
        epoch = own;
        let value: Value = serde_json::from_str(value).expect("a value");
        if let Some(text) = value["set"]["parts"].as_str() {
            parts = Some(decoded(text));
        }
    }
    parts
}

#[test]
fn a_frozen_owner_of_a_lease_commits_nothing_when_it_goes_on_beside_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let (target, release) = (folder.path().join("out.txt"), folder.path().join("release"));
    let settings = format!("{}{SHORT}plugin.host.call.timeout.ms=600000\nconnect.protocol=sessioned\n", plugins());
    let group = Group::of(2, &settings);
    let broker = group.settings.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).unwrap().to_owned();
    let rests = group.rests();
    rests.iter().for_each(|rest| await_plugins(rest));
    produce(&broker, "lines", &lines(0..20));
    let mut config = sink(COMMITTER, &target);
    config["release.file"] = json!(release);
    assert_eq!(ask(&rests[0], "PUT", "/connectors/once/config", Some(&config)), 201);
    let places = await_running(&rests[0], &["once"], &[&rests[0], &rests[1]]);
    let first = rests.iter().position(|rest| *rest == places["once-0"]).unwrap();
    let (owner, other) = (&group.workers[first], &group.workers[1 - first]);
    // It has written, and is about to commit.
    let parts = || fs::read_to_string(&target).unwrap_or_default().matches("\npart ").count();
    eventually("a part is written", || (0 < parts()).then_some(()));
    owner.freeze();
    await_running(&other.rest, &["once"], &[&other.rest]);
    eventually("its successor has written it, too", || (1 < parts()).then_some(()));
    assert_eq!(parts_in_topic(&broker), None, "nothing is committed");
    fs::write(&release, "").unwrap();
    let committed = || parts_in_topic(&broker).map(|parts| counted(&target, &parts)).unwrap_or_default();
    eventually("the successor commits", || (committed() == lines(0..20)).then_some(()));
    owner.thaw();
    // The owner of before goes on where it was: with its commit.
    let refused = "a task has lost the lease of its connector to another one";
    eventually("the commit of the thawed owner is refused", || owner.log().contains(refused).then_some(()));
    assert_eq!(committed(), lines(0..20));
    produce(&broker, "lines", &lines(20..30));
    eventually("the lines behind are committed", || (lines(0..30).len() <= committed().len()).then_some(()));
    assert_eq!(committed(), lines(0..30), "each once, in order");
    let all = fs::read_to_string(&target).unwrap();
    assert!(1 < all.matches(" line 0\n").count(), "both have written: {all}");
    let log = owner.log();
    assert!(log.contains("another one has it in epoch"), "{log}");
    for worker in group.workers {
        assert!(worker.terminate().success());
    }
}

#[test]
fn a_worker_by_itself_keeps_what_a_lease_covers_in_a_file_and_each_start_has_a_higher_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out.txt");
    let kept = || fs::read_to_string(folder.path().join("offsets.kv")).unwrap_or_default();
    let parts = || {
        let of = |line: &str| {
            let record: Value = serde_json::from_str(line).expect("a record");
            record["value"]["set"]["parts"].as_str().map(decoded)
        };
        kept().lines().filter_map(of).next_back().unwrap_or_default()
    };
    for round in 0..3 {
        let mut worker = Worker::start(folder.path(), &plugins(), &[]);
        await_plugins(&worker.rest);
        let config = sink(COMMITTER, &target).to_string();
        let answer = worker.request("PUT", "/connectors/once/config", Some(&config));
        assert_eq!(answer.status, 201, "{}", answer.body);
        produce(&worker.broker, "lines", &lines(round * 10..(round + 1) * 10));
        let expected = lines(0..(round + 1) * 10);
        eventually("the lines are committed", || (expected.len() <= counted(&target, &parts()).len()).then_some(()));
        assert_eq!(counted(&target, &parts()), expected);
        worker.kill();
    }
    let parts = parts();
    let epochs: Vec<u64> = parts.lines().map(|line| line.split_once(' ').unwrap().0.parse().unwrap()).collect();
    assert!(3 <= epochs.len() && epochs.is_sorted(), "{epochs:?}");
    assert!(kept().lines().count() <= 4, "what says nothing any more is taken away: {}", kept());
}

#[test]
fn who_resets_the_offsets_of_a_connector_takes_away_what_it_keeps_under_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out.txt");
    let kept = || fs::read_to_string(folder.path().join("offsets.kv")).unwrap_or_default();
    let worker = Worker::start(folder.path(), &plugins(), &[]);
    await_plugins(&worker.rest);
    let config = sink(COMMITTER, &target).to_string();
    assert_eq!(worker.request("PUT", "/connectors/once/config", Some(&config)).status, 201);
    produce(&worker.broker, "lines", &lines(0..5));
    // A part of its own begins behind an empty line.
    let written = || fs::read_to_string(&target).unwrap_or_default().matches(" line 0\n").count();
    let has_parts = || kept().contains("\"parts\":");
    eventually("the lines are committed", || has_parts().then_some(()));
    assert_eq!(written(), 1);

    assert_eq!(worker.request("PUT", "/connectors/once/stop", None).status, 204);
    eventually("it has stopped", || (worker.status("once")["tasks"] == json!([])).then_some(()));
    // Members of a group that have just left are still known for a moment.
    eventually("the offsets are reset", || {
        let answer = worker.request("DELETE", "/connectors/once/offsets", None);
        assert!(answer.status == 200 || answer.body.contains("haven't stopped completely yet"), "{}", answer.body);
        (answer.status == 200).then_some(())
    });
    eventually("what it kept is taken away", || (!has_parts()).then_some(()));

    // Without offsets, and without what it kept, it begins anew.
    assert_eq!(worker.request("PUT", "/connectors/once/resume", None).status, 202);
    eventually("the lines are committed once more", || has_parts().then_some(()));
    assert_eq!(written(), 2);
    assert!(worker.terminate().success());
}

#[test]
fn a_worker_that_grants_no_leases_refuses_a_connector_that_wants_one_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), &format!("{}plugin.allow.lease=false", plugins()), &[]);
    await_plugins(&worker.rest);
    let config = sink(COMMITTER, &folder.path().join("out.txt")).to_string();
    let answer = worker.request("PUT", "/connectors/once/config", Some(&config));
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.body.contains("wants a lease, which this worker grants to none (plugin.allow.lease=false)"),
        "{}",
        answer.body
    );
    assert!(worker.terminate().success());
}
