//! Workers of one group, and what is asked of them.

#![allow(dead_code, reason = "each test uses its part")]

use std::{collections::BTreeMap, path::Path, process::Command};

use harness::{Broker, Worker, eventually, get, request};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Settings of every worker. A session is longer than any test, so that nobody loses it because the machine is busy; the
/// built-in broker notices that a worker was killed by the end of its connection.
pub const GROUP: &str = "session.timeout.ms=600000\nheartbeat.interval.ms=1000\n";

/// For workers that are frozen, whose end nobody notices before that of their session.
pub const SHORT: &str = "session.timeout.ms=6000\n";

/// A broker and its workers. Dropping it kills all.
pub struct Group {
    pub workers: Vec<Worker>,
    /// Of every worker.
    pub settings: String,
    _broker: Broker,
    folders: Vec<TempDir>,
}

impl Group {
    /// So many workers, with further settings.
    pub fn of(count: usize, settings: &str) -> Self {
        let folders: Vec<_> = (0..=count).map(|_| tempfile::tempdir().unwrap()).collect();
        let broker = Broker::start(folders[count].path(), &[]);
        let settings = format!("bootstrap.servers={}\n{GROUP}{settings}", broker.address);
        let workers = (0..count).map(|at| Worker::start_distributed(folders[at].path(), &settings)).collect();
        Self { workers, settings, _broker: broker, folders }
    }

    /// Starts a worker again that has ended.
    pub fn start(&self, at: usize) -> Worker {
        Worker::start_distributed(self.folders[at].path(), &self.settings)
    }

    /// Where the broker is, as `host:port`.
    pub fn broker(&self) -> &str {
        self.settings.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).unwrap()
    }

    /// Where each is, as `host:port`.
    pub fn rests(&self) -> Vec<String> {
        self.workers.iter().map(|worker| worker.rest.clone()).collect()
    }
}

/// The values of all records that are in a topic, those of committed transactions only; a moment later there may be more.
pub fn consumed(broker: &str, topic: &str) -> Vec<String> {
    let output = Command::new(harness::millstream())
        .args(["topic", "consume", topic, "--bootstrap-server", broker, "--isolation-level", "read_committed"])
        .args(["--from-beginning", "--until-end"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A source of the lines of a file.
pub fn source(file: &Path, topic: &str) -> Value {
    json!({"connector.class": "FileStreamSource", "file": file, "topic": topic})
}

/// A sink that writes lines into a file.
pub fn sink(file: &Path, topic: &str) -> Value {
    json!({"connector.class": "FileStreamSink", "file": file, "topics": topic})
}

/// Asks, again as long as the group is being rebalanced; the status of the answer.
#[track_caller]
pub fn ask(rest: &str, method: &str, path: &str, body: Option<&Value>) -> u16 {
    let body = body.map(Value::to_string);
    eventually(&format!("{method} {path} is done by {rest}"), || {
        let answer = request(rest, method, path, body.as_deref())?;
        (answer.status != 409).then_some(answer.status)
    })
}

/// The state and the worker of a connector and its tasks, by name; `None` while that is not known.
pub fn states(rest: &str, name: &str) -> Option<BTreeMap<String, (String, String)>> {
    let status = get(rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
    let tasks = status["tasks"].as_array()?.iter().map(|task| (format!("{name}-{}", task["id"]), task));
    let parts = tasks.chain([(name.to_owned(), &status["connector"])]);
    let of = |status: &Value| Some((status["state"].as_str()?.to_owned(), status["worker_id"].as_str()?.to_owned()));
    parts.map(|(part, status)| Some((part, of(status)?))).collect()
}

/// Waits until connectors and their tasks, of which each has one at least, all run, on none but these workers; where each
/// is.
#[track_caller]
pub fn await_running(rest: &str, names: &[&str], workers: &[&str]) -> BTreeMap<String, String> {
    eventually(&format!("{names:?} run on {workers:?}"), || {
        let mut places = BTreeMap::new();
        for name in names {
            let states = states(rest, name).filter(|states| 1 < states.len())?;
            for (part, (state, worker)) in states {
                if state != "RUNNING" || !workers.contains(&&*worker) {
                    return None;
                }
                places.insert(part, worker);
            }
        }
        Some(places)
    })
}
