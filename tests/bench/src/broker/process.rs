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

/// The example program of the broker's crate. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Process {
    /// Starts one whose files lie in the folder, and waits until it listens.
    pub fn start(binary: &Path, folder: &Path, settings: &[String]) -> Self {
        let mut command = Command::new(binary);
        command.arg("listeners=PLAINTEXT://127.0.0.1:0").arg(format!("log.dirs={}", folder.join("data").display()));
        command.args(settings).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(folder.join("log")).expect("the folder can be written"));
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the broker says where it listens");
        // `ready [127.0.0.1:40001]`
        let address = line.trim().strip_prefix("ready [").and_then(|rest| rest.strip_suffix(']'));
        let Some(address) = address.map(str::to_owned) else {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("{} did not say where it listens, but {line:?}; its log:\n{log}", binary.display());
        };
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

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
