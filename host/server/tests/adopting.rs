//! `millstream broker adopt`: one partition of many, copied from Apache Kafka, is served beside what is there.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use harness::{
    Broker, eventually, millstream,
    peers::{Kafka, have_kafka},
};

fn run(arguments: &[&str]) -> Output {
    Command::new(millstream()).args(arguments).output().unwrap()
}

/// Runs a command that must succeed, with this input; what it prints.
#[track_caller]
fn done(arguments: &[&str], input: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    fs::write(&file, input).unwrap();
    let stdin = fs::File::open(&file).unwrap();
    let output = Command::new(millstream()).args(arguments).stdin(stdin).output().unwrap();
    let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    if output.status.success() { Ok(text) } else { Err(error) }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_partition_that_was_copied_from_apache_kafka_is_served_beside_what_is_there() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("broker");
    let broker = Broker::start(folder.path(), &[]);
    done(&["topic", "create", "--bootstrap-server", &broker.address, "own"], "").unwrap();
    assert!(broker.terminate().success());

    let there = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(there.path());
    kafka.await_listening();
    let on = |verb: &str, topic: &str, more: &[&str], input: &str| {
        done(&[&["topic", verb, "--bootstrap-server", &kafka.address, topic], more].concat(), input)
    };
    let made = ["--partitions", "2", "--config", "retention.ms=-1", "--config", "max.message.bytes=2000000"];
    eventually("Kafka makes a topic", || on("create", "orders", &made, "").ok());
    eventually("and leads it", || on("offsets", "orders", &[], "").ok());
    let lines: String = (0..200).map(|number| format!("{{\"value\":\"order {number}\",\"partition\":1}}\n")).collect();
    on("produce", "orders", &["--input", "json"], &lines).expect("Kafka takes it");
    // A backup of a broker that runs.
    let backup = folder.path().join("backup");
    for name in ["orders-1", "__cluster_metadata-0"] {
        copy(&there.path().join("kafka/data").join(name), &backup.join(name));
    }
    drop(kafka);

    let (data, one) = (data.display().to_string(), backup.join("orders-1").display().to_string());
    let adopt = ["broker", "adopt", "--data-dir", &data, &one];
    let shown = done(&adopt, "").unwrap();
    let told =
        "new topic with the settings that Kafka's metadata log tells: max.message.bytes=2000000, retention.ms=-1";
    assert!(shown.contains(told) && shown.contains("; 2 partitions\n"), "{shown}");
    assert!(shown.ends_with("The same with --apply takes those that can be.\n"), "{shown}");
    assert!(!Path::new(&data).join("orders-1").exists());
    // The whole backup says the same.
    let whole = done(&["broker", "adopt", "--data-dir", &data, &backup.display().to_string()], "").unwrap();
    assert_eq!(whole, shown);
    let taken = done(&[&adopt[..], &["--apply"]].concat(), "").unwrap();
    assert!(taken.contains(", offsets 0 to 200; ") && taken.ends_with(": 1 partitions taken, 0 not\n"), "{taken}");

    let broker = Broker::start(folder.path(), &[]);
    let on = |verb: &str, more: &[&str]| {
        done(&[&["topic", verb, "--bootstrap-server", &broker.address, "orders"], more].concat(), "").unwrap()
    };
    assert_eq!(on("offsets", &[]), "orders:0:0\norders:1:200\n");
    let consumed = on("consume", &["--from-beginning", "--max-messages", "200"]);
    assert_eq!(consumed, (0..200).map(|number| format!("order {number}\n")).collect::<String>());
    assert!(on("describe", &[]).contains("retention.ms=-1"));
    assert!(broker.terminate().success());

    let again = run(&[&adopt[..], &["--apply"]].concat());
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.contains("NOT TAKEN: orders-1 is served here already"), "{said}");
    let wrong = run(&[&adopt[..], &["--config", "retention.ms=soon"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("retention.ms=soon: "), "{wrong:?}");
}
