//! A worker that runs connectors one after the other: ours, or Kafka Connect's. Both are asked over the same REST API.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use harness::{peers::Connect, request};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    pipeline::{Counter, process::Worker},
    usage::Usage,
};

/// How often is looked how far a connector is. Brokers are asked, not workers, so that looking costs these nothing.
const LOOK: Duration = Duration::from_millis(20);

/// How often a worker is asked whether its tasks still run.
const LOOK_AT_TASKS: Duration = Duration::from_secs(2);

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What Connect's own start script gives its Java machine.
pub const MACHINE: &str = "-Xms256M -Xmx2G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true";

/// Settings of both: offsets are committed soon, since the end of a sink's work is seen by them.
const SETTINGS: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\noffset.flush.interval.ms=500\n";

/// A worker of either kind, a group of its own at a broker that is there already.
pub struct Side {
    process: Process,
    broker: String,
    _folder: TempDir,
}

enum Process {
    Ours(Worker),
    Connect(Connect),
}

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Processor time of the worker, user and system together, in seconds.
    pub cpu: f64,
    /// Time by the clock, in seconds.
    pub wall: f64,
}

impl Run {
    /// Of a process while it works.
    pub fn of(process: u32, work: impl FnOnce()) -> Self {
        let (before, begun) = (Usage::of(process).cpu, Instant::now());
        work();
        Self { cpu: (Usage::of(process).cpu - before).as_secs_f64(), wall: begun.elapsed().as_secs_f64() }
    }
}

impl Side {
    /// Starts ours.
    pub fn ours(binary: &Path, broker: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let settings = format!("{SETTINGS}bootstrap.servers={broker}\n");
        let mut worker = Worker::start_distributed(binary, folder.path(), &settings);
        worker.until("it is healthy", LOOK, |worker| worker.is_healthy().then_some(()));
        Self { process: Process::Ours(worker), broker: broker.to_owned(), _folder: folder }
    }

    /// Starts Connect's with the plugins of a folder. `settings` are more lines of its file.
    pub fn connect(broker: &str, plugins: &Path, settings: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let topics = ["config", "offset", "status"]
            .map(|what| format!("{what}.storage.topic=connect-{what}s\n{what}.storage.replication.factor=1\n"));
        // Of two lines for one key the last counts.
        let settings = format!(
            "{SETTINGS}bootstrap.servers={broker}\ngroup.id=connect\n{}plugin.path={}\nplugin.discovery=service_load\n{settings}",
            topics.concat(),
            plugins.display()
        );
        let connect = Connect::start_distributed_with(folder.path(), &settings, &[("MACHINE", MACHINE)]);
        Self { process: Process::Connect(connect), broker: broker.to_owned(), _folder: folder }
    }

    fn id(&self) -> u32 {
        match &self.process {
            Process::Ours(worker) => worker.id(),
            Process::Connect(connect) => connect.id(),
        }
    }

    fn rest(&self) -> &str {
        match &self.process {
            Process::Ours(worker) => &worker.rest,
            Process::Connect(connect) => &connect.rest,
        }
    }

    /// The most memory that it has had so far, in MB.
    pub fn peak_mb(&self) -> f64 {
        Usage::of(self.id()).peak_rss_mb
    }

    /// Has a sink take so many records of a topic of one partition, until it has committed that it did; what that took,
    /// from its creation to its deletion.
    pub fn sink(&self, counter: &Counter, name: &str, config: &Value, (topic, records): (&str, u64)) -> Run {
        let group = format!("connect-{name}");
        self.run(name, config, || counter.committed(&self.broker, &group, topic).is_some_and(|done| records <= done))
    }

    /// Has a source write so many records to a topic of one partition; what that took.
    pub fn source(&self, counter: &Counter, name: &str, config: &Value, (topic, records): (&str, u64)) -> Run {
        self.run(name, config, || counter.count(&self.broker, topic).is_some_and(|count| records <= count))
    }

    fn run(&self, name: &str, config: &Value, mut is_done: impl FnMut() -> bool) -> Run {
        Run::of(self.id(), || {
            let path = format!("/connectors/{name}");
            let answer = request(self.rest(), "PUT", &format!("{path}/config"), Some(&config.to_string()));
            let answer = answer.expect("the worker answers");
            assert_eq!(answer.status, 201, "{}", answer.body);
            let (begun, mut looked) = (Instant::now(), Instant::now());
            while !is_done() {
                if LOOK_AT_TASKS < looked.elapsed() {
                    looked = Instant::now();
                    let status = request(self.rest(), "GET", &format!("{path}/status"), None);
                    let status = status.map(|answer| answer.body).unwrap_or_default();
                    assert!(!status.contains("\"FAILED\""), "{name}: {status}");
                }
                assert!(begun.elapsed() < PATIENCE, "{name} has not ended in {PATIENCE:?}");
                std::thread::park_timeout(LOOK);
            }
            let answer = request(self.rest(), "DELETE", &path, None).expect("the worker answers");
            assert_eq!(answer.status, 204, "{}", answer.body);
        })
    }
}
