//! Clients that race on one connector: each answer is a documented one, no acknowledged change is lost, and what runs in
//! the end is what was asked for last.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::Instant,
};

use harness::{Worker, eventually, request};
use serde_json::{Value, json};

/// Small, the same at each run, and different for each client.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The statuses that the API's description has for an operation.
fn documented(path: &str, method: &str) -> BTreeSet<u16> {
    let document: Value = serde_json::from_str(include_str!("../../rest/reference/openapi.json")).unwrap();
    let responses = document["paths"][path][method.to_lowercase()]["responses"].as_object().unwrap();
    responses.keys().map(|status| status.parse().unwrap()).collect()
}

const CONNECTOR: &str = "/connectors/{connector}";
const CONFIG: &str = "/connectors/{connector}/config";

/// Asks about connector `c`, and holds the answer against the description. An error that names no state of the client's
/// own making is none that it may see.
#[track_caller]
fn ask(rest: &str, method: &str, path: &str, body: Option<&Value>) -> harness::Answer {
    let asked = path.replace("{connector}", "c").replace("{task}", "0");
    let answer = request(rest, method, &asked, body.map(Value::to_string).as_deref()).expect("the worker answers");
    let known = documented(path.split('?').next().unwrap(), method);
    assert!(known.contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
    assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.body);
    answer
}

fn config(folder: &Path, tag: &str) -> Value {
    json!({"connector.class": "FileStreamSource", "file": folder.join("in.txt"), "topic": "lines", "tag": tag})
}

/// A change that was acknowledged: when it was asked for and answered, and what it set.
struct Acknowledged {
    asked: Instant,
    answered: Instant,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// All of the configuration, with this tag.
    Whole(String),
    /// One key of it.
    Part(String),
    Deleted,
}

/// Runs so many clients at once, each with its number.
fn clients<T: Send>(count: usize, client: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let client = &client;
        let running: Vec<_> = (0..count).map(|number| scope.spawn(move || client(number))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    })
}

/// What runs has come to be what is configured.
fn await_settled(rest: &str) {
    eventually("what runs is what is configured", || {
        let found = request(rest, "GET", "/connectors/c/config", None)?;
        let status = request(rest, "GET", "/connectors/c/status", None)?;
        if found.status == 404 {
            return (status.status == 404).then_some(());
        }
        let tasks = request(rest, "GET", "/connectors/c/tasks", None).filter(|answer| answer.status == 200)?.json();
        let (found, status) = (found.json(), status.json());
        let runs = status["connector"]["state"] == "RUNNING" && status["tasks"][0]["state"] == "RUNNING";
        (runs && tasks[0]["config"]["tag"] == found["tag"]).then_some(())
    });
}

fn no_patch_is_lost(worker: &Worker, folder: &Path, count: usize) {
    let rest = &worker.rest;
    assert_eq!(ask(rest, "PUT", CONFIG, Some(&config(folder, "patched"))).status, 201);
    let last = clients(count, |number| {
        let mut random = Random(number as u64);
        let mut acknowledged = 0;
        for step in 1..=12 {
            let answer = ask(rest, "PATCH", CONFIG, Some(&json!({format!("of.{number}"): step.to_string()})));
            if answer.status == 200 {
                acknowledged = step;
                assert_eq!(answer.json()["config"][format!("of.{number}")], step.to_string());
            }
            match random.below(4) {
                0 => drop(ask(rest, "POST", "/connectors/{connector}/restart?includeTasks=true", None)),
                1 => drop(ask(rest, "GET", CONNECTOR, None)),
                _ => {}
            }
        }
        acknowledged
    });
    let found = ask(rest, "GET", CONFIG, None).json();
    let kept: BTreeMap<usize, Value> =
        (0..count).map(|number| (number, found[format!("of.{number}")].clone())).collect();
    let expected: BTreeMap<usize, Value> =
        last.iter().enumerate().map(|(number, step)| (number, json!(step.to_string()))).collect();
    assert_eq!(kept, expected);
    assert!(last.iter().all(|&step| 0 < step), "{last:?}");
    await_settled(rest);
    assert_eq!(ask(rest, "DELETE", CONNECTOR, None).status, 204);
}

fn the_last_change_stands(worker: &Worker, folder: &Path, count: usize) {
    let rest = &worker.rest;
    let all: Vec<Acknowledged> = clients(count, |number| {
        let mut random = Random(1000 + number as u64);
        let mut all = Vec::new();
        for step in 0..16 {
            let tag = format!("{number}-{step}");
            let asked = Instant::now();
            let (answer, change) = match random.below(8) {
                0 => {
                    let body = json!({"name": "c", "config": config(folder, &tag)});
                    (ask(rest, "POST", "/connectors", Some(&body)), Some(Change::Whole(tag)))
                }
                1 | 2 => (ask(rest, "PUT", CONFIG, Some(&config(folder, &tag))), Some(Change::Whole(tag))),
                3 | 4 => (ask(rest, "PATCH", CONFIG, Some(&json!({"part": tag}))), Some(Change::Part(tag))),
                5 => (ask(rest, "DELETE", CONNECTOR, None), Some(Change::Deleted)),
                6 => (ask(rest, "POST", "/connectors/{connector}/restart?includeTasks=true", None), None),
                _ => (ask(rest, "POST", "/connectors/{connector}/tasks/{task}/restart", None), None),
            };
            if let (200..=299, Some(change)) = (answer.status, change) {
                all.push(Acknowledged { asked, answered: Instant::now(), change });
            }
        }
        all
    })
    .into_iter()
    .flatten()
    .collect();

    // Whoever was asked for after another one had been answered comes later. The last may be any that nobody came after.
    let last_of = |kind: &dyn Fn(&Change) -> bool| -> Vec<&Change> {
        let of_kind: Vec<&Acknowledged> = all.iter().filter(|one| kind(&one.change)).collect();
        let later = |one: &Acknowledged| of_kind.iter().any(|other| one.answered < other.asked);
        of_kind.iter().filter(|one| !later(one)).map(|one| &one.change).collect()
    };
    let last = last_of(&|change| !matches!(change, Change::Part(_)));
    let found = ask(rest, "GET", CONFIG, None);
    if found.status == 404 {
        assert!(last.iter().any(|change| matches!(change, Change::Deleted)), "it is gone, though last was {last:?}");
    } else {
        let found = found.json();
        let is = |change: &&&Change| matches!(change, Change::Whole(tag) if found["tag"] == *tag);
        assert!(last.iter().any(|change| is(&change)), "{found} stands, though last was {last:?}");
        if found.get("part").is_some() {
            let parts = last_of(&|change| matches!(change, Change::Part(_)));
            let is = |change: &&Change| matches!(change, Change::Part(tag) if found["part"] == *tag);
            assert!(parts.iter().any(is), "{found} stands, though the last parts were {parts:?}");
        }
    }
    await_settled(rest);
    // And it does as it is told as ever.
    ask(rest, "PUT", CONFIG, Some(&config(folder, "at last")));
    await_settled(rest);
    assert_eq!(ask(rest, "GET", CONFIG, None).json()["tag"], "at last");
    assert_eq!(ask(rest, "DELETE", CONNECTOR, None).status, 204);
    await_settled(rest);
    assert!(!worker.log().contains("panicked"), "{}", worker.log());
}

fn race(worker: &Worker, folder: &Path) {
    fs::write(folder.join("in.txt"), "one\n").unwrap();
    for count in [2, 8] {
        no_patch_is_lost(worker, folder, count);
        the_last_change_stands(worker, folder, count);
    }
}

#[test]
fn clients_that_race_on_a_connector_of_a_worker_by_itself_lose_no_change() {
    let folder = tempfile::tempdir().unwrap();
    race(&Worker::start(folder.path(), "", &[]), folder.path());
}

#[test]
fn clients_that_race_on_a_connector_of_a_worker_of_a_group_lose_no_change() {
    let folder = tempfile::tempdir().unwrap();
    race(&Worker::start_distributed(folder.path(), ""), folder.path());
}
