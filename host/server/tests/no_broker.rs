//! What the binary does while no broker answers: it says so, can be stopped, and ends when it was told to.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use harness::{eventually, millstream};

/// An address where nobody listens.
fn dead_address() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

fn run(arguments: &[&str]) -> Output {
    Command::new(millstream()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn worker_file(folder: &std::path::Path, bootstrap: &str) -> String {
    let file = folder.join("worker.properties");
    let text = format!(
        "bootstrap.servers={bootstrap}\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n\
         offset.storage.file.filename={}\n\
         listeners=http://127.0.0.1:0\n",
        folder.join("offsets").display()
    );
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_start_without_a_broker_says_what_it_waits_for_and_ends_at_a_signal() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for (signal, address) in [("INT", dead_address()), ("TERM", silent)] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut worker = Command::new(millstream())
            .args(["standalone", &worker_file(folder.path(), &address)])
            .stderr(fs::File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("the log says what is waited for", || {
            let log = fs::read_to_string(&log).unwrap();
            let lines = log.lines().filter(|line| line.contains("WARN") && line.contains(&address));
            (0 < lines.count() && log.contains("likely cause")).then_some(())
        });
        let killed = Command::new("kill").args([&format!("-{signal}"), &worker.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let status = eventually("the worker ends", || worker.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&log).unwrap());
    }
}

#[test]
fn a_host_that_does_not_exist_ends_the_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&["standalone", &worker_file(folder.path(), "nosuch.invalid:9092")]);
    let message = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{message}");
    assert!(message.contains("nosuch.invalid:9092") && message.contains("bootstrap.servers"), "{message}");
}

#[test]
fn help_is_a_success_and_wrong_usage_is_not() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["standalone", "--help"],
        &["broker", "-h"],
        &["plugin", "--help"],
        &["topic", "--help"],
        &["topic", "consume", "--help"],
        &["help", "topic"],
        &["topic", "help", "produce"],
        &["--version"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&[][..], &["topic"], &["--wrong"], &["standalone"], &["topic", "consume"]] {
        assert_eq!(run(arguments).status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn every_topic_command_ends_when_no_broker_answers_and_names_the_address() {
    let dead = dead_address();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for address in [&dead, &silent] {
        let short = "default.api.timeout.ms=500";
        // What else may be waited for takes far longer than a slow machine needs for this.
        let long = [
            "socket.connection.setup.timeout.ms=600000",
            "socket.connection.setup.timeout.max.ms=600000",
            "request.timeout.ms=600000",
        ];
        let long = long.map(|setting| ["--property", setting]).concat();
        for arguments in [
            &["list", "--property", short][..],
            &["create", "t", "--property", short],
            &["describe", "t", "--property", short],
            &["produce", "t", "--property", "max.block.ms=500"],
            // Its own setting is enough.
            &["consume", "t", "--timeout-ms", "500"],
        ] {
            let ended = run(&[&["topic"], arguments, &long, &["--bootstrap-server", address]].concat());
            let message = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(1), "{message}");
            assert!(!message.contains("ignored"), "{arguments:?} warns of what nobody asked for: {message}");
            let last = message.lines().last().unwrap_or_default();
            assert!(last.contains(address.as_str()) && last.contains("likely cause"), "{arguments:?}: {message}");
            // The time that was asked for, give or take a slow machine, and not that of a connection.
            let waited: u64 = last
                .split_once(" after ")
                .and_then(|(_, rest)| rest.split_once(" ms")?.0.parse().ok())
                .unwrap_or_else(|| panic!("no time in {message}"));
            assert!(waited < 300_000, "{arguments:?}: {message}");
        }
    }
}
