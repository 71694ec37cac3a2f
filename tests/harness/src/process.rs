//! Processes of the binary. Dropping one kills it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

use crate::{Answer, eventually, get, millstream, request};

/// A process whose output is kept in a file of its folder.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a time zone and reads its first lines of output until one satisfies `ready`.
    fn start(
        folder: &Path,
        arguments: &[String],
        zone: &str,
        mut ready: impl FnMut(&str) -> bool,
    ) -> Result<Self, (ExitStatus, String)> {
        let log = folder.join("stderr.log");
        let errors = fs::OpenOptions::new().create(true).append(true).open(&log).expect("the log can be written");
        let mut child = Command::new(millstream())
            .args(arguments)
            .current_dir(folder)
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("TZ", zone)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).expect("output is text") == 0 {
                let status = child.wait().expect("the process can be waited for");
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err((status, log));
            }
            if ready(line.trim_end()) {
                break;
            }
        }
        // Further output must not fill the pipe and stop the process.
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            // It ends with the process; what it says is of no interest.
            let _ = lines.read_to_end(&mut rest);
        });
        Ok(Self { child, log })
    }

    fn kill(&mut self) {
        // SIGKILL; the process may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn freeze(&self) {
        let id = self.child.id();
        let sent = Command::new("kill").args(["-STOP", &id.to_string()]).status().expect("kill runs");
        assert!(sent.success(), "SIGSTOP could not be sent");
        eventually("every thread has stopped", || {
            let threads = fs::read_dir(format!("/proc/{id}/task")).expect("the process is there");
            let stopped = threads.flatten().all(|thread| {
                let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                // The state follows the name, which stands in brackets.
                stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
            });
            stopped.then_some(())
        });
    }

    fn thaw(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-CONT", &id]).status().expect("kill runs");
        assert!(sent.success(), "SIGCONT could not be sent");
    }

    fn terminate(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        let mut status = None;
        eventually("the process ends after SIGTERM", || {
            status = self.child.try_wait().expect("the process can be waited for");
            status.map(|_| ())
        });
        status.expect("it has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A worker with its built-in broker.
pub struct Worker {
    process: Process,
    /// Where the REST API listens, as `host:port`.
    pub rest: String,
    /// Where the broker listens, as `host:port`; empty if the worker has none.
    pub broker: String,
}

impl Worker {
    /// Starts a worker in a folder: `settings` are appended to a worker file with JSON converters and
    /// random ports; each connector is a file of properties. The machine is in UTC.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(folder: &Path, settings: &str, connectors: &[&str]) -> Self {
        Self::start_in_zone(folder, "UTC", settings, connectors)
    }

    /// The same on a machine in another time zone.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_in_zone(folder: &Path, zone: &str, settings: &str, connectors: &[&str]) -> Self {
        let started = Self::try_start_in_zone(folder, zone, settings, connectors);
        started.unwrap_or_else(|(status, log)| panic!("{status}: {log}"))
    }

    /// The same; how the process ended and its log if it does not start.
    ///
    /// # Errors
    ///
    /// It ended before it was ready.
    pub fn try_start(folder: &Path, settings: &str, connectors: &[&str]) -> Result<Self, (ExitStatus, String)> {
        Self::try_start_in_zone(folder, "UTC", settings, connectors)
    }

    /// Starts a worker of a group: `settings` are appended to a worker file with text converters, random ports, the
    /// group `group` and the topics `configs`, `offsets` and `statuses`. Returns when it has joined its group.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_distributed(folder: &Path, settings: &str) -> Self {
        let worker = Self::try_start_distributed(folder, settings);
        let worker = worker.unwrap_or_else(|(status, log)| panic!("{status}: {log}"));
        worker.await_ready();
        worker
    }

    /// The same as soon as its API listens; how the process ended and its log if it does not come so far.
    ///
    /// # Errors
    ///
    /// It ended before.
    pub fn try_start_distributed(folder: &Path, settings: &str) -> Result<Self, (ExitStatus, String)> {
        let worker = format!(
            "listeners=http://127.0.0.1:0\n\
             group.id=group\n\
             config.storage.topic=configs\n\
             offset.storage.topic=offsets\n\
             status.storage.topic=statuses\n\
             offset.storage.partitions=3\n\
             status.storage.partitions=2\n\
             config.storage.replication.factor=1\n\
             offset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             offset.flush.interval.ms=200\n\
             broker.listeners=PLAINTEXT://127.0.0.1:0\n\
             broker.log.dirs={folder}/broker\n{settings}\n",
            folder = folder.display()
        );
        fs::write(folder.join("distributed.properties"), worker).expect("the folder can be written");
        Self::spawn(folder, "UTC", &["distributed".to_owned(), "distributed.properties".to_owned()])
    }

    /// Starts a worker with exactly these arguments in a folder, and returns when it says that it runs.
    ///
    /// # Errors
    ///
    /// How the process ended and its log if it ended before.
    pub fn try_start_with(folder: &Path, arguments: &[&str]) -> Result<Self, (ExitStatus, String)> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::spawn(folder, "UTC", &arguments)
    }

    /// Returns when the worker says that it is ready.
    ///
    /// # Panics
    ///
    /// If it does not get there.
    pub fn await_ready(&self) {
        eventually("the worker is ready", || get(&self.rest, "/health").filter(|answer| answer.status == 200));
    }

    fn try_start_in_zone(
        folder: &Path,
        zone: &str,
        settings: &str,
        connectors: &[&str],
    ) -> Result<Self, (ExitStatus, String)> {
        let worker = format!(
            "listeners=http://127.0.0.1:0\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             offset.storage.file.filename={folder}/offsets\n\
             offset.flush.interval.ms=200\n\
             broker.listeners=PLAINTEXT://127.0.0.1:0\n\
             broker.log.dirs={folder}/broker\n{settings}\n",
            folder = folder.display()
        );
        fs::write(folder.join("worker.properties"), worker).expect("the folder can be written");
        let mut arguments = vec!["standalone".to_owned(), "worker.properties".to_owned()];
        for (number, connector) in connectors.iter().enumerate() {
            let file = format!("connector-{number}.properties");
            fs::write(folder.join(&file), connector).expect("the folder can be written");
            arguments.push(file);
        }
        Self::spawn(folder, zone, &arguments)
    }

    fn spawn(folder: &Path, zone: &str, arguments: &[String]) -> Result<Self, (ExitStatus, String)> {
        let (mut rest, mut broker) = (String::new(), String::new());
        let process = Process::start(folder, arguments, zone, |line| {
            if let Some(address) = line.strip_prefix("REST API  http://") {
                rest = address.to_owned();
            }
            if let Some(found) = line.strip_prefix("Kafka     built-in broker on ") {
                broker = found.split(", ").next().unwrap_or_default().to_owned();
            }
            line.starts_with("Stop:")
        })?;
        Ok(Self { process, rest, broker })
    }

    /// Sends a GET.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    pub fn get(&self, path: &str) -> Answer {
        get(&self.rest, path).expect("the worker answers")
    }

    /// Sends a request with a JSON body.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        request(&self.rest, method, path, body).expect("the worker answers")
    }

    /// Where its REST API is, for requests that may get no answer.
    pub fn address(&self) -> &str {
        &self.rest
    }

    /// The status of a connector.
    pub fn status(&self, connector: &str) -> Value {
        self.get(&format!("/connectors/{connector}/status")).json()
    }

    /// The trace of a connector's first task as soon as the task has failed. A task that runs may have one, too:
    /// it says what the task waits for.
    pub fn failed_trace(&self, connector: &str) -> String {
        eventually(&format!("the first task of {connector} fails"), || {
            let task = &self.status(connector)["tasks"][0];
            (task["state"] == "FAILED").then(|| task["trace"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// Stops the process in the middle of whatever it does, until it is killed or thawed. Returns when it has stopped.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets a process go on that was stopped.
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn thaw(&self) {
        self.process.thaw();
    }

    /// Kills the process at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the process to end and waits for it.
    pub fn terminate(mut self) -> ExitStatus {
        self.process.terminate()
    }

    /// How the process ended, once it has by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let child = &mut self.process.child;
        eventually("the process ends", || child.try_wait().expect("the process can be waited for"))
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// What the process logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.process.log).unwrap_or_default()
    }
}

/// The broker alone.
pub struct Broker {
    process: Process,
    /// Where it listens, as `host:port`.
    pub address: String,
}

impl Broker {
    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// What the process logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.process.log).unwrap_or_default()
    }

    /// Stops the process in the middle of whatever it does, until it is killed or thawed. Returns when it has stopped.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets a process go on that was stopped.
    ///
    /// # Panics
    ///
    /// If the signal cannot be sent.
    pub fn thaw(&self) {
        self.process.thaw();
    }

    /// Starts a broker whose data lies below the folder.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(folder: &Path, settings: &[&str]) -> Self {
        Self::try_start(folder, settings).unwrap_or_else(|(status, log)| panic!("{status}: {log}"))
    }

    /// The same; how the process ended and its log if it does not start.
    ///
    /// # Errors
    ///
    /// It ended before it was ready.
    pub fn try_start(folder: &Path, settings: &[&str]) -> Result<Self, (ExitStatus, String)> {
        let data = format!("log.dirs={}/broker", folder.display());
        let own = ["listeners=PLAINTEXT://127.0.0.1:0", &data, "group.initial.rebalance.delay.ms=0"];
        let mut arguments = vec!["broker".to_owned()];
        for setting in own.iter().chain(settings) {
            arguments.extend(["--override".to_owned(), (*setting).to_owned()]);
        }
        let mut address = String::new();
        let process = Process::start(folder, &arguments, "UTC", |line| {
            let found = line.strip_prefix("Broker ready on ").and_then(|rest| rest.split(',').next());
            if let Some(found) = found {
                address = found.to_owned();
            }
            found.is_some()
        })?;
        Ok(Self { process, address })
    }

    /// Kills the process at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the process to end and waits for it.
    pub fn terminate(mut self) -> ExitStatus {
        self.process.terminate()
    }
}
