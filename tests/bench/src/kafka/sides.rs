//! The two brokers, each a process over a folder of its own, and the client that asks the same of both.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use harness::peers;
use tempfile::TempDir;

use crate::{broker::Process, usage::Usage};

/// What Kafka's own start script gives its Java machine.
const MACHINE: &str = "-Xms1g -Xmx1g -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
    -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true";

/// Settings of both: the log cleaner looks for work soon, so that waiting for it costs neither much.
const SETTINGS: [&str; 1] = ["log.cleaner.backoff.ms=500"];

/// Which broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Ours, with this `acks.durability`.
    Ours(&'static str),
    /// Apache Kafka's, with its defaults: it leaves it to the operating system when records reach the disk.
    Kafka,
}

/// A broker that runs. Dropping it ends it.
pub struct Running {
    broker: Broker,
    folder: PathBuf,
    _owned: Option<TempDir>,
}

enum Broker {
    Ours(Process),
    Kafka(peers::Kafka),
}

impl Running {
    /// Starts one over an empty folder.
    pub fn start(side: Side, binary: &Path) -> Self {
        let owned = TempDir::new().expect("a temporary folder");
        let folder = owned.path().to_owned();
        Self { _owned: Some(owned), ..Self::start_in(side, binary, &folder).0 }
    }

    /// Starts one over a folder that may have its data already. Says how long that took, from the start of the process
    /// until clients are let in.
    pub fn start_in(side: Side, binary: &Path, folder: &Path) -> (Self, Duration) {
        let begin = Instant::now();
        let broker = match side {
            Side::Ours(durability) => {
                let mut settings: Vec<String> = SETTINGS.iter().map(|&setting| setting.to_owned()).collect();
                settings.push(format!("acks.durability={durability}"));
                Broker::Ours(Process::start(binary, folder, &settings))
            }
            Side::Kafka => {
                let environment = [("MACHINE", MACHINE), ("SETTINGS", &SETTINGS.join("\n")), ("KEEP", "1")];
                let kafka = peers::Kafka::start_with(folder, &environment);
                kafka.await_listening();
                Broker::Kafka(kafka)
            }
        };
        let took = begin.elapsed();
        (Self { broker, folder: folder.to_owned(), _owned: None }, took)
    }

    fn address(&self) -> &str {
        match &self.broker {
            Broker::Ours(process) => &process.address,
            Broker::Kafka(kafka) => &kafka.address,
        }
    }

    fn process(&self) -> u32 {
        match &self.broker {
            Broker::Ours(process) => process.id(),
            Broker::Kafka(kafka) => kafka.java().expect("it runs"),
        }
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        Usage::of(self.process())
    }

    /// The processor time that it takes, in seconds, while something is done.
    pub fn cpu_of(&self, work: impl FnOnce()) -> f64 {
        let before = self.usage().cpu;
        work();
        (self.usage().cpu - before).as_secs_f64()
    }

    /// Has the client ask something, and returns what it printed.
    ///
    /// # Panics
    ///
    /// The client says that it was not answered as it should have been.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("client.py");
        let output = peers::python_file(&client, &[&[self.address()], arguments].concat()).output();
        let output = output.expect("the client can be started");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} of {}: {complaint}", self.address());
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Up to where a partition was compacted, by the file that both keep; 0 where it never was.
    pub fn cleaned_to(&self, topic: &str) -> u64 {
        let folder = match self.broker {
            Broker::Ours(_) => self.folder.join("data"),
            Broker::Kafka(_) => self.folder.join("kafka/data"),
        };
        let text = fs::read_to_string(folder.join("cleaner-offset-checkpoint")).unwrap_or_default();
        let place = text.lines().find_map(|line| line.strip_prefix(topic)?.strip_prefix(" 0 "));
        place.and_then(|offset| offset.parse().ok()).unwrap_or(0)
    }

    /// Has it stop in order, so that the next start finds nothing to repair.
    pub fn terminate(self) {
        let process = self.process();
        match self.broker {
            Broker::Ours(process) => process.terminate(),
            Broker::Kafka(kafka) => {
                let sent = std::process::Command::new("kill").args(["-TERM", &process.to_string()]).status();
                assert!(sent.expect("kill runs").success());
                harness::within(Duration::from_secs(300), "Kafka stops", || kafka.java().is_none().then_some(()));
            }
        }
    }
}
