//! A broker as a child process.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::usage::Usage;

/// How long a stop may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// A broker: the example program of its crate, or `millstream broker`. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Process {
    /// Starts the example whose files lie in the folder, and waits until it listens.
    pub fn start(binary: &Path, folder: &Path, settings: &[String]) -> Self {
        let mut command = Command::new(binary);
        command.args(places(folder)).args(settings);
        // `ready [127.0.0.1:40001]`
        Self::spawn(command, folder, |line| line.strip_prefix("ready [")?.strip_suffix(']'))
    }

    /// Starts `millstream broker` whose files lie in the folder, and waits until it listens.
    pub fn start_product(binary: &Path, folder: &Path) -> Self {
        let mut command = Command::new(binary);
        command.arg("broker");
        for setting in places(folder).iter().map(String::as_str).chain(["group.initial.rebalance.delay.ms=0"]) {
            command.args(["--override", setting]);
        }
        // `Broker ready on 127.0.0.1:40001, data in …`
        Self::spawn(command, folder, |line| line.strip_prefix("Broker ready on ")?.split(',').next())
    }

    fn spawn(mut command: Command, folder: &Path, address: fn(&str) -> Option<&str>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(folder.join("log")).expect("the folder can be written"));
        let mut child = command.spawn().expect("the binary starts");
        let output = child.stdout.take().expect("it is piped");
        let (mut lines, mut line) = (BufReader::new(output), String::new());
        lines.read_line(&mut line).expect("the broker says where it listens");
        let Some(address) = address(line.trim()).map(str::to_owned) else {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("{command:?} did not say where it listens, but {line:?}; its log:\n{log}");
        };
        // What it says later must not meet a closed pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, address }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used so far.
    pub fn cpu(&self) -> Duration {
        Usage::of(self.child.id()).cpu
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

/// Where a broker listens, and where its files lie.
fn places(folder: &Path) -> [String; 2] {
    ["listeners=PLAINTEXT://127.0.0.1:0".to_owned(), format!("log.dirs={}", folder.join("data").display())]
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
