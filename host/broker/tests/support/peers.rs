//! Foreign programs: kcat, Apache Kafka's own through tests/compat/kafka.sh, and Python's clients through
//! tests/compat/python.sh.
//!
//! One that cannot be had skips its test aloud, or fails it where `MILLSTREAM_REQUIRE_PEERS=1` is set.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

/// No foreign program takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// Whether kcat is there; if not, that has been said.
pub fn have_kcat() -> bool {
    let there = std::process::Command::new("kcat").arg("-V").output().is_ok();
    if !there {
        miss("kcat is not installed");
    }
    there
}

/// Whether Apache Kafka's programs are there, fetched if need be; if not, that has been said.
pub fn have_java() -> bool {
    static FETCHED: OnceLock<Result<(), String>> = OnceLock::new();
    said("no Apache Kafka", FETCHED.get_or_init(|| fetch("kafka.sh", "libs")))
}

/// Whether Python's clients are there, fetched if need be; if not, that has been said.
pub fn have_python() -> bool {
    static FETCHED: OnceLock<Result<(), String>> = OnceLock::new();
    said("no Python clients", FETCHED.get_or_init(|| fetch("python.sh", "ready")))
}

fn fetch(name: &str, argument: &str) -> Result<(), String> {
    let output = std::process::Command::new(script(name)).arg(argument).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn said(what: &str, fetched: &Result<(), String>) -> bool {
    if let Err(reason) = fetched {
        miss(&format!("{what}: {reason}"));
    }
    fetched.is_ok()
}

fn miss(reason: &str) {
    assert!(std::env::var("MILLSTREAM_REQUIRE_PEERS").as_deref() != Ok("1"), "a peer is required: {reason}");
    super::skip(reason);
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat").join(name)
}

/// `kcat` with these arguments.
pub fn kcat(arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(arguments);
    command
}

/// One of Apache Kafka's programs by its class.
pub fn java(class: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(script("kafka.sh"));
    command.arg("run").arg(class).args(arguments);
    command
}

/// A broker of Apache Kafka's, until this is dropped. Its folder is removed with it.
pub struct Kafka {
    /// Whose input keeps it running.
    _child: tokio::process::Child,
}

impl Kafka {
    /// Starts one that listens on `port`, and on `controller` for itself. It may take some seconds until it answers.
    pub fn start(dir: &Path, port: u16, controller: u16) -> Self {
        let mut command = Command::new(script("kafka.sh"));
        command.arg("broker").arg(dir).args([port.to_string(), controller.to_string()]);
        Self { _child: command.stdin(Stdio::piped()).spawn().expect("the script starts") }
    }
}

/// tests/compat/answers.py with these arguments, which needs nothing but Python.
pub fn answers(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(script("answers.py")).args(arguments);
    command
}

/// tests/compat/clients.py with these arguments.
pub fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new(script("python.sh"));
    command.arg("run").args(arguments);
    command
}

/// Runs a program that must succeed, and returns what it printed.
pub async fn run(command: Command, input: &str) -> String {
    let output = output(command, input).await;
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn output(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.as_bytes().to_vec();
    let writing = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    writing.abort();
    output.expect("the program ends in time").expect("its output can be read")
}
