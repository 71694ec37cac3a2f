//! Files of partitions go from Apache Kafka to the built-in broker and back: clients see the same before and after,
//! whether the broker before was stopped or killed, and Kafka's tool reads every file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use harness::{
    Broker,
    peers::{Kafka, have_kafka, java, java_program},
};

const DUMP: &str = "org.apache.kafka.tools.DumpLogSegments";
const SETTINGS: [(&str, &str); 2] =
    [("SETTINGS", "log.cleaner.backoff.ms=200\nlog.flush.start.offset.checkpoint.interval.ms=200"), ("KEEP", "yes")];

/// A step of `tests/compat/Files.java`.
fn files(step: &str, address: &str) -> Vec<String> {
    let output = java_program("Files.java", &[step, address]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let done = output.status.success() && text.ends_with("done\n");
    assert!(done, "{step}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    text.lines().map(str::to_owned).collect()
}

fn assert_same(what: &str, expected: &[String], found: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(20).collect();
    let new: Vec<_> = found.iter().filter(|line| !expected.contains(line)).take(20).collect();
    assert!(missing.is_empty() && new.is_empty(), "{what}: missing {missing:#?} and instead {new:#?}");
    assert_eq!(expected, found, "{what}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(&name));
        } else {
            fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

fn folders(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.is_dir());
    folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// Every file of the partitions below a data folder is read by Kafka's tool, which finds nothing wrong.
fn dump(data: &Path) {
    let mut kinds = std::collections::BTreeMap::<&str, Vec<String>>::new();
    for (topic, dir) in folders(data) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = match path.extension().and_then(|kind| kind.to_str()) {
                Some("log") if topic.starts_with("__consumer_offsets-") => "offsets",
                Some("log") if topic.starts_with("__transaction_state-") => "transactions",
                Some("log") => "log",
                Some("index") => "index",
                Some("timeindex") => "timeindex",
                Some("txnindex") => "txnindex",
                Some("snapshot") => "snapshot",
                _ => continue,
            };
            kinds.entry(kind).or_default().push(path.display().to_string());
        }
    }
    for (kind, files) in &kinds {
        let files = files.join(",");
        let more: &[&str] = match *kind {
            "log" => &["--deep-iteration", "--print-data-log"],
            "offsets" => &["--offsets-decoder"],
            "transactions" => &["--transaction-log-decoder"],
            "index" => &["--index-sanity-check"],
            "timeindex" => &["--verify-index-only"],
            _ => &[],
        };
        let output = java(DUMP, &[&["--files", &files], more].concat()).stdin(Stdio::null()).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{kind}: {errors}");
        check_gaps(&errors);
        for wrong in ["isvalid: false", "ismatch", "corrupt", "nvalid", "Found timestamp", "rror"] {
            // The word of a sound batch.
            let text = text.replace("isvalid: true", "").replace("isValid: true", "");
            let line = text.lines().find(|line| line.contains(wrong));
            assert_eq!(line, None, "{kind}");
        }
        let expected = match *kind {
            "log" => "payload: value",
            "offsets" => "of classic",
            "transactions" => "left open",
            "index" => "passed sanity check",
            "txnindex" => "producerId: ",
            "snapshot" => "producerId: ",
            _ => "Dumping",
        };
        assert!(text.contains(expected), "{kind}: {expected} is not in {} bytes", text.len());
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

/// The tool tells of offsets that are missing, to which the beginning of every later segment counts; only compaction
/// may leave such.
fn check_gaps(errors: &str) {
    let mut file = "";
    for line in errors.lines() {
        if let Some(named) = line.strip_prefix("Non-consecutive offsets in ") {
            file = named;
            continue;
        }
        let begin = Path::new(file).file_stem().and_then(|stem| stem.to_str()?.parse::<i64>().ok());
        let begins = begin.is_some_and(|begin| line.trim() == format!("-1 is followed by {begin}"));
        let compacted = file.contains("/compacted-") || file.contains("/__");
        assert!(begins || compacted && line.contains(" is followed by "), "{file}: {line}");
    }
}

#[test]
fn what_apache_kafka_left_is_served_as_it_served_it() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kafka/data");
    let kafka = Kafka::start_with(folder.path(), &SETTINGS);
    kafka.await_listening();
    files("fill", &kafka.address);
    let seen = files("print", &kafka.address);
    // Kafka itself forgets where a log starts if it is killed before it has noted that.
    harness::eventually("Kafka has noted the starts of its logs", || {
        let starts = fs::read_to_string(data.join("log-start-offset-checkpoint")).unwrap_or_default();
        starts.contains("shortened 0 137").then_some(())
    });
    // It is killed.
    drop(kafka);
    let killed = folder.path().join("killed");
    copy(&data, &killed.join("broker"));
    let kafka = Kafka::start_with(folder.path(), &[&SETTINGS[..], &[("STOP", "-TERM")]].concat());
    kafka.await_listening();
    drop(kafka);
    assert!(data.join(".kafka_cleanshutdown").exists(), "it has stopped in order");
    let stopped = folder.path().join("stopped");
    copy(&data, &stopped.join("broker"));

    for (what, place) in [("killed", &killed), ("stopped", &stopped)] {
        let broker = Broker::start(place, &[]);
        assert_same(what, &seen, &files("print", &broker.address));
        files("go-on", &broker.address);
        assert!(broker.terminate().success());
        // Again, by what was written here of it.
        let broker = Broker::start(place, &[]);
        files("print", &broker.address);
        assert!(broker.terminate().success());
    }
    let catalogue = fs::read_to_string(stopped.join("broker/topics.catalogue")).unwrap();
    for setting in ["cleanup.policy=compact", "retention.ms=-1", "message.timestamp.type=LogAppendTime"] {
        assert!(catalogue.contains(&format!("config {setting}\n")), "{setting} is taken over: {catalogue}");
    }
    assert!(!catalogue.contains("__cluster_metadata"), "{catalogue}");
    dump(&stopped.join("broker"));

    // And back.
    let broker = Broker::start(&stopped, &[]);
    let seen = files("print", &broker.address);
    assert!(broker.terminate().success());
    for (name, from) in folders(&stopped.join("broker")) {
        if name != "__cluster_metadata-0" {
            fs::remove_dir_all(data.join(&name)).unwrap();
            copy(&from, &data.join(&name));
        }
    }
    fs::remove_file(data.join(".kafka_cleanshutdown")).unwrap();
    fs::copy(stopped.join("broker/log-start-offset-checkpoint"), data.join("log-start-offset-checkpoint")).unwrap();
    let kafka = Kafka::start_with(folder.path(), &SETTINGS);
    kafka.await_listening();
    assert_same("back", &seen, &files("print", &kafka.address));
    files("go-on", &kafka.address);
}

#[test]
fn every_file_that_is_written_here_is_read_by_kafkas_tool() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings =
        ["offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3", "log.cleaner.backoff.ms=200"];
    let mut broker = Broker::start(folder.path(), &settings);
    files("fill", &broker.address);
    let seen = files("print", &broker.address);
    broker.kill();
    let broker = Broker::start(folder.path(), &settings);
    assert_same("after a kill", &seen, &files("print", &broker.address));
    assert!(broker.terminate().success());
    dump(&folder.path().join("broker"));
}
