//! Runs foreign programs; which there are stands in `harness::peers`.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

#[allow(unused_imports, reason = "each test file uses a part of it")]
pub use harness::peers::{Kafka, have_kafka as have_java, have_kcat, have_python};

/// No foreign program takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(400);

/// `kcat` with these arguments.
pub fn kcat(arguments: &[&str]) -> Command {
    harness::peers::kcat(arguments).into()
}

/// One of Apache Kafka's programs by its class.
pub fn java(class: &str, arguments: &[&str]) -> Command {
    harness::peers::java(class, arguments).into()
}

/// tests/compat/answers.py with these arguments.
pub fn answers(arguments: &[&str]) -> Command {
    harness::peers::answers(arguments).into()
}

/// tests/compat/clients.py with these arguments.
pub fn python(arguments: &[&str]) -> Command {
    harness::peers::python(arguments).into()
}

/// Runs a program that must succeed, and returns what it printed.
pub async fn run(command: Command, input: &str) -> String {
    let output = output(command, input).await;
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a program that must fail or complain, and returns all that it printed.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub async fn fails(command: Command, input: &str) -> String {
    let output = output(command, input).await;
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
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
