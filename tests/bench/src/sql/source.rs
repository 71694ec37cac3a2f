//! The poll loop in Java that the source stands beside: `tests/compat/SqlPollLoop.java`.

use std::time::Duration;

use harness::{
    Program,
    databases::{DATABASE, Database, PASSWORD, USER},
    peers, skip,
};
use tempfile::TempDir;

use super::driver;
use crate::{
    side::{MACHINE, Run},
    usage::Usage,
};

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The loop, as a process.
pub struct PollLoop {
    program: Program,
    _folder: TempDir,
}

impl PollLoop {
    /// Starts it between a database and a broker. None, aloud, where it cannot be had.
    pub fn start(broker: &str, database: &Database) -> Option<Self> {
        if !peers::have_kafka() {
            return None;
        }
        let plugins = peers::jdbc_plugins()?;
        let Some(driver) = driver(&plugins) else {
            skip("no PostgreSQL driver for Java beside Debezium's JDBC sink");
            return None;
        };
        let folder = TempDir::new().expect("a temporary folder");
        let url = database.url(DATABASE);
        let mut command = peers::java_program("SqlPollLoop.java", &[broker, &url, USER, PASSWORD]);
        command.env("MACHINE", MACHINE).env("JARS", driver);
        let program = Program::start(command, &folder.path().join("log"));
        Some(Self { program, _folder: folder })
    }

    /// Has it write so many rows of a table to a topic; what that took.
    pub fn read(&mut self, table: &str, topic: &str, rows: u64) -> Run {
        let from = self.program.output().len();
        let id = self.program.id();
        Run::of(id, || {
            self.program.say(&format!("read {table} {topic}"));
            let count = self.program.await_output(from, PATIENCE, |output| {
                let line = output.lines().find_map(|line| line.strip_prefix("done "))?;
                output.ends_with('\n').then(|| line.parse::<u64>().ok())?
            });
            assert_eq!(count, rows, "rows that the loop has read");
        })
    }

    /// The most memory that it has had so far, in MB.
    pub fn peak_mb(&self) -> f64 {
        Usage::of(self.program.id()).peak_rss_mb
    }
}
