//! A foreign program that runs beside a test.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::within;

/// A program whose output is kept in a file. Dropping it kills it.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Program {
    /// Starts it; what it prints and complains about is added to the file.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).expect("the log can be written");
        let errors = file.try_clone().expect("a file can be shared");
        let mut child =
            command.stdin(Stdio::piped()).stdout(file).stderr(errors).spawn().expect("the program can be started");
        let input = child.stdin.take();
        Self { child, input, log: log.to_owned() }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far, with what stood in its file before.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a line.
    ///
    /// # Panics
    ///
    /// If it reads no more.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("it reads its input");
    }

    /// Waits until `found` gives something for what it has printed after the first `from` bytes.
    ///
    /// # Panics
    ///
    /// If it ends before, or does not within the limit.
    #[track_caller]
    pub fn await_output<T>(&mut self, from: usize, limit: Duration, found: impl Fn(&str) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("the process can be waited for");
            let output = self.output();
            let output = &output[from..];
            if let Some(found) = found(output) {
                return found;
            }
            assert!(ended.is_none(), "it has ended, {}: {output}", ended.expect("it has ended"));
            assert!(begin.elapsed() < limit, "waited {limit:?} in vain for what it should print: {output}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    ///
    /// If that cannot be told.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process can be waited for").is_none()
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        self.child.wait().expect("the process can be waited for");
    }

    /// Closes its input, and waits until it has ended.
    ///
    /// # Panics
    ///
    /// If it does not within the limit.
    pub fn end(mut self, limit: Duration) -> ExitStatus {
        drop(self.input.take());
        within(limit, "the program ends", || self.child.try_wait().expect("the process can be waited for"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
