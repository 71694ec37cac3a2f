//! A worker as a child process, and what Linux says of it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use harness::free_port;

use crate::usage::{Usage, proportional_mb};

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// A worker with its built-in broker. Dropping it kills it.
pub struct Worker {
    child: Child,
    folder: PathBuf,
    /// Where its REST API listens; its own name in statuses, too.
    pub rest: String,
    /// Where its broker listens.
    pub broker: String,
    /// When it was started.
    pub begun: Instant,
}

impl Worker {
    /// Starts one by itself whose files lie in the folder. `settings` are more lines of the worker file, `connectors` the
    /// contents of their files.
    pub fn start(binary: &Path, folder: &Path, settings: &str, connectors: &[String]) -> Self {
        let settings = format!("offset.storage.file.filename=offsets\n{settings}");
        let mut files = Vec::new();
        for (number, connector) in connectors.iter().enumerate() {
            let file = format!("connector-{number}.properties");
            fs::write(folder.join(&file), connector).expect("the folder can be written");
            files.push(file);
        }
        Self::spawn(binary, folder, "standalone", &settings, &files)
    }

    /// Starts one that is a group of its own, with its connectors in a topic.
    pub fn start_distributed(binary: &Path, folder: &Path, settings: &str) -> Self {
        let topics = ["config", "offset", "status"]
            .map(|what| format!("{what}.storage.topic={what}s\n{what}.storage.replication.factor=1\n"));
        let settings = format!("group.id=bench\n{}{settings}", topics.concat());
        Self::spawn(binary, folder, "distributed", &settings, &[])
    }

    fn spawn(binary: &Path, folder: &Path, mode: &str, settings: &str, files: &[String]) -> Self {
        let (rest, broker) = (free_port(), free_port());
        let worker = format!(
            "listeners=http://127.0.0.1:{rest}\nbroker.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             broker.log.dirs=broker\n{settings}\n"
        );
        fs::write(folder.join("worker.properties"), worker).expect("the folder can be written");
        let mut command = Command::new(binary);
        command.args([mode, "worker.properties"]).args(files).current_dir(folder);
        command.env("XDG_CACHE_HOME", folder.join("cache"));
        let log = File::create(folder.join("log")).expect("the folder can be written");
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        let broker = format!("127.0.0.1:{broker}");
        Self { child, folder: folder.to_owned(), rest: format!("127.0.0.1:{rest}"), broker, begun }
    }

    /// Whether `GET /health` says so.
    pub fn is_healthy(&self) -> bool {
        self.get("/health").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// The answer to a GET, head and body.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.rest).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until `done` gives something, looking every `pause`.
    pub fn until<T>(&mut self, what: &str, pause: Duration, mut done: impl FnMut(&Self) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(value) = done(self) {
                return value;
            }
            let ended = self.child.try_wait().expect("the child can be asked");
            if ended.is_some() || PATIENCE < begin.elapsed() {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("waited in vain until {what}; the worker ended: {ended:?}; its log:\n{log}");
            }
            std::thread::park_timeout(pause);
        }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// What it holds now, in MB, with what it maps several times counted once.
    pub fn held_mb(&self) -> f64 {
        proportional_mb(self.child.id())
    }

    /// Asks it to end, and waits.
    pub fn terminate(mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let begin = Instant::now();
        while self.child.try_wait().expect("the child can be asked").is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end after SIGTERM");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
