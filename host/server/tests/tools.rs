//! The tools of the command line over the built-in broker, beside Apache Kafka's own where these are there.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use harness::{
    Broker, eventually, millstream,
    peers::{have_kafka, java},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A broker that tests share while any of them runs; each has topics and groups of its own.
struct Shared {
    folder: TempDir,
    broker: Broker,
}

/// A test keeps this as long as it needs the broker, which ends with the last of them.
fn shared() -> Arc<Shared> {
    static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]);
        let started = Arc::new(Shared { folder, broker });
        *shared = Arc::downgrade(&started);
        started
    })
}

/// Runs a command with this input.
fn output(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(millstream())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading what it does not want.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Runs a command against the broker, which must succeed; what it prints.
#[track_caller]
fn run_with(arguments: &[&str], input: &str) -> String {
    let (name, rest) = arguments.split_at(2);
    let shared = shared();
    let arguments = [name, &["--bootstrap-server", &shared.broker.address], rest].concat();
    let output = output(&arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn run(arguments: &[&str]) -> String {
    run_with(arguments, "")
}

#[track_caller]
fn run_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[arguments, &["--output", "json"]].concat())).unwrap()
}

/// Runs a command against the broker, which must fail with 1; what it says.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let (name, rest) = arguments.split_at(2);
    let shared = shared();
    let output = output(&[name, &["--bootstrap-server", &shared.broker.address], rest].concat(), "");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// What one of Kafka's tools prints.
#[track_caller]
fn kafkas(class: &str, arguments: &[&str]) -> String {
    let output = java(class, arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{class}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines without the blanks that columns are filled with.
fn plain(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

const ALL: &str = "--from-beginning";

#[test]
fn a_topic_is_created_altered_described_and_deleted() {
    let _shared = shared();
    run(&["topic", "create", "shape", "--partitions", "2", "--config", "retention.ms=1000000"]);
    run(&[
        "topic",
        "alter",
        "shape",
        "--partitions",
        "3",
        "--set",
        "cleanup.policy=compact",
        "--unset",
        "retention.ms",
    ]);
    let described = run_json(&["topic", "describe", "shape"]);
    assert_eq!(described[0]["configs"], json!({"cleanup.policy": "compact"}));
    let partition = |number: i32| json!({"partition": number, "leader": 1, "replicas": [1], "in_sync": [1], "first_offset": 0, "end_offset": 0});
    assert_eq!(described[0]["partitions"], json!([partition(0), partition(1), partition(2)]));
    assert!(run_json(&["topic", "list"]).as_array().unwrap().contains(&json!("shape")));
    assert!(refused(&["topic", "alter", "shape", "--partitions", "1"]).contains("alter topic shape: "));
    let wrong = refused(&["topic", "alter", "shape", "--set", "segment.bytes=1"]);
    assert!(wrong.contains("segment.bytes") && wrong.contains("at least"), "{wrong}");
    assert_eq!(run(&["topic", "delete", "shape"]), "Deleted topic shape.\n");
    assert!(refused(&["topic", "delete", "shape"]).contains("delete topic shape: "));
    assert!(!run(&["topic", "list"]).lines().any(|name| name == "shape"));
}

#[test]
fn records_are_printed_with_all_that_they_have_as_kafkas_console_consumer_does() {
    let shared = shared();
    run(&["topic", "create", "printed", "--partitions", "1"]);
    run_with(
        &["topic", "produce", "printed", "--key-separator", ":", "--header", "a=1", "--header", "b="],
        "k:v\nalone\n",
    );
    let shown = run(&[
        "topic",
        "consume",
        "printed",
        ALL,
        "--max-messages",
        "2",
        "--print",
        "timestamp,partition,offset,headers,key",
    ]);
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split('\t').collect()).collect();
    assert!(lines[0][0].starts_with("CreateTime:1"), "{shown}");
    assert_eq!(lines[0][1..], ["Partition:0", "Offset:0", "a:1,b:", "k", "v"]);
    assert_eq!(lines[1][1..], ["Partition:0", "Offset:1", "a:1,b:", "null", "alone"]);
    if have_kafka() {
        let property = |name| format!("print.{name}=true");
        let properties = ["timestamp", "partition", "offset", "headers", "key"].map(property);
        let mut arguments =
            vec!["--bootstrap-server", &shared.broker.address, "--topic", "printed", "--from-beginning"];
        arguments.extend(["--max-messages", "2"]);
        properties.iter().for_each(|property| arguments.extend(["--formatter-property", property]));
        assert_eq!(kafkas("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments), shown);
    }
}

#[test]
fn what_is_consumed_as_json_can_be_produced_again() {
    let shared = shared();
    for topic in ["original", "copy"] {
        run(&["topic", "create", topic, "--partitions", "2"]);
    }
    let lines = [
        json!({"key": "k", "value": "v", "headers": [{"key": "h", "value": null}], "partition": 1, "timestamp": 5}),
        json!({"key": null, "value": {"base64": "/wA="}, "partition": 0, "timestamp": 1_700_000_000_000_i64}),
        json!({"value": null, "key": "gone", "partition": 1, "timestamp": 6}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    run_with(&["topic", "produce", "original", "--input", "json"], &input);
    let records = |topic: &str| {
        let all = run(&["topic", "consume", topic, ALL, "--max-messages", "3", "--output", "json"]);
        let mut records: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        records.sort_by_key(|record| (record["partition"].as_i64(), record["offset"].as_i64()));
        records.iter_mut().for_each(|record| record["topic"] = json!("any"));
        (all, records)
    };
    let (text, original) = records("original");
    assert_eq!(original[1]["headers"], json!([{"key": "h", "value": null}]));
    assert_eq!(original[0]["value"], json!({"base64": "/wA="}));
    run_with(&["topic", "produce", "copy", "--input", "json"], &text);
    assert_eq!(records("copy").1, original);

    let (name, rest) = (["topic", "produce", "--bootstrap-server"], ["copy", "--input", "json"]);
    let wrong =
        output(&[&name[..], &[&shared.broker.address], &rest].concat(), "{\"value\":\"last\"}\n{\"valeu\":1}\n");
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("line 2 of standard input is no record: there is no member valeu"), "{said}");
    let ends: i64 = run_json(&["topic", "offsets", "copy"])
        .as_array()
        .unwrap()
        .iter()
        .map(|at| at["offset"].as_i64().unwrap())
        .sum();
    assert_eq!(ends, 4, "what came before the wrong line was produced");
}

#[test]
fn what_is_in_a_topic_is_printed_to_its_end_and_no_longer_waited_for() {
    let _shared = shared();
    run(&["topic", "create", "ended", "--partitions", "3"]);
    let to_end = |more: &[&str]| {
        let printed = run(&[&["topic", "consume", "ended", "--until-end"], more].concat());
        let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(to_end(&[ALL]), [""; 0], "nothing is in it");
    let lines: String =
        (0..6).map(|number| format!("{}\n", json!({"value": number.to_string(), "partition": number % 2}))).collect();
    run_with(&["topic", "produce", "ended", "--input", "json"], &lines);
    assert_eq!(to_end(&[ALL]), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(to_end(&["--partition", "1", "--offset", "1"]), ["3", "5"]);
    assert_eq!(to_end(&["--isolation-level", "read_committed", ALL, "--max-messages", "2"]).len(), 2);
    assert_eq!(to_end(&[]), [""; 0], "it begins where it ends");
}

#[test]
fn offsets_are_found_by_time_and_records_deleted_before_one() {
    let shared = shared();
    run(&["topic", "create", "timed", "--partitions", "2"]);
    let lines: String = (0..5)
        .map(|number| format!("{}\n", json!({"value": number.to_string(), "partition": 0, "timestamp": 1000 * number})))
        .collect();
    run_with(&["topic", "produce", "timed", "--input", "json"], &lines);
    for (at, expected) in [
        ("latest", "timed:0:5\ntimed:1:0\n"),
        ("earliest", "timed:0:0\ntimed:1:0\n"),
        ("2500", "timed:0:3\ntimed:1:\n"),
        ("1970-01-01T00:00:02Z", "timed:0:2\ntimed:1:\n"),
        ("max-timestamp", "timed:0:4\ntimed:1:\n"),
    ] {
        assert_eq!(run(&["topic", "offsets", "timed", "--at", at]), expected, "{at}");
    }
    if have_kafka() {
        let arguments = ["--bootstrap-server", &shared.broker.address, "--topic", "timed", "--time", "latest"];
        let theirs = kafkas("org.apache.kafka.tools.GetOffsetShell", &arguments);
        assert_eq!(run(&["topic", "offsets", "timed"]), theirs);
    }
    let from = run(&["topic", "consume", "timed", "--from", "1970-01-01T00:00:03", "--max-messages", "2"]);
    assert_eq!(from, "3\n4\n");
    let one = run(&["topic", "consume", "timed", "--partition", "0", "--offset", "1", "--max-messages", "1"]);
    assert_eq!(one, "1\n");
    let deleted = run(&["topic", "delete-records", "timed", "--partition", "0", "--before", "2"]);
    assert_eq!(deleted, "partition: timed-0\tlow_watermark: 2\n");
    assert_eq!(run(&["topic", "offsets", "timed", "--at", "earliest", "--partition", "0"]), "timed:0:2\n");
    let all = run_json(&["topic", "delete-records", "timed", "--before", "end"]);
    assert_eq!(all[0], json!({"topic": "timed", "partition": 0, "first_offset": 5}));
    assert!(
        refused(&["topic", "offsets", "timed", "--partition", "7"])
            .contains("topic timed has no partition 7, only 0 to 1")
    );
    assert!(refused(&["topic", "delete-records", "timed", "--before", "9"]).contains("delete records of timed"));
    assert!(refused(&["topic", "offsets", "nowhere"]).contains("topic nowhere: "));
}

#[test]
fn a_group_shows_its_lag_is_reset_and_deleted() {
    let shared = shared();
    run(&["topic", "create", "read", "--partitions", "2"]);
    let lines: String = (0..10)
        .map(|number| format!("{}\n", json!({"value": "x", "partition": number % 2, "timestamp": 1000 * number})))
        .collect();
    run_with(&["topic", "produce", "read", "--input", "json"], &lines);
    let reset = ["group", "reset-offsets", "readers", "--topic", "read"];
    // Nothing is changed unless it is asked for.
    let planned = run(&[&reset[..], &["--to-offset", "3"]].concat());
    assert_eq!(plain(&planned)[..3], ["GROUP TOPIC PARTITION NEW-OFFSET", "readers read 0 3", "readers read 1 3"]);
    assert!(planned.contains("Nothing was changed"), "{planned}");
    assert!(refused(&["group", "describe", "readers"]).contains("there is none of this id"));
    run(&[&reset[..], &["--to-offset", "3", "--execute"]].concat());
    let described = run(&["group", "describe", "readers"]);
    let lines = plain(&described);
    assert_eq!(lines[0], "Group readers is Empty and has 0 member(s).");
    assert_eq!(lines[2..], ["readers read 0 3 5 2 - - -", "readers read 1 3 5 2 - - -"]);
    if have_kafka() {
        let arguments = ["--bootstrap-server", &shared.broker.address, "--group", "readers", "--describe"];
        let theirs = kafkas("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &arguments);
        let mut theirs: Vec<String> = plain(&theirs).into_iter().filter(|line| line.starts_with("readers")).collect();
        theirs.sort();
        assert_eq!(lines[2..], theirs);
    }
    for (place, expected) in [
        (&["--shift-by", "-2"][..], [1, 1]),
        (&["--to-latest"], [5, 5]),
        (&["--to-datetime", "1970-01-01T00:00:04"], [2, 2]),
        (&["--by-duration", "1h"], [5, 5]),
        (&["--to-earliest"], [0, 0]),
        (&["--to-offset", "99"], [5, 5]),
    ] {
        let planned = run_json(&[&reset[..], place].concat());
        assert_eq!(planned["executed"], json!(false));
        let offsets: Vec<i64> =
            planned["offsets"].as_array().unwrap().iter().map(|at| at["new_offset"].as_i64().unwrap()).collect();
        assert_eq!(offsets, expected, "{place:?}");
    }
    run(&["group", "reset-offsets", "readers", "--topic", "read:1", "--to-latest", "--execute"]);
    let described = run_json(&["group", "describe", "readers"]);
    let lag = |at: usize| described[0]["offsets"][at]["lag"].as_i64();
    assert_eq!((lag(0), lag(1)), (Some(2), Some(0)));
    let listed = run_json(&["group", "list"]);
    assert!(
        listed.as_array().unwrap().contains(&json!({"group": "readers", "type": "", "state": "Empty"})),
        "{listed}"
    );
    assert_eq!(run(&["group", "delete", "readers"]), "Deleted group readers.\n");
    assert!(refused(&["group", "delete", "readers"]).contains("delete group readers: "));
}

#[test]
fn a_group_with_members_shows_them_and_is_not_reset() {
    let shared = shared();
    if !harness::peers::have_kcat() {
        return;
    }
    run(&["topic", "create", "shared", "--partitions", "2"]);
    let mut member =
        harness::peers::kcat(&["-b", &shared.broker.address, "-G", "busy", "-X", "client.id=cat", "shared"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let members = eventually("the group has a member with its partitions", || {
        let groups = run_json(&["group", "list"]);
        groups.as_array()?.iter().find(|group| group["group"] == "busy" && group["state"] == "Stable")?;
        let described = run_json(&["group", "describe", "busy", "--members"]);
        let member = described[0]["members"].get(0)?.clone();
        (member["assignment"].as_array()?.len() == 2).then_some(member)
    });
    assert_eq!(members["client_id"], "cat");
    assert_eq!(
        members["assignment"],
        json!([{"topic": "shared", "partition": 0}, {"topic": "shared", "partition": 1}])
    );
    let text = run(&["group", "describe", "busy", "--members"]);
    assert!(text.contains("#PARTITIONS") && text.contains("shared-0,shared-1"), "{text}");
    let said = refused(&["group", "reset-offsets", "busy", "--topic", "shared", "--to-latest", "--execute"]);
    assert!(said.contains("it is Stable and has 1 member(s); stop them first"), "{said}");
    assert!(refused(&["group", "delete", "busy"]).contains("delete group busy: "));
    member.kill().unwrap();
    member.wait().unwrap();
}

/// Copies the files of a partition, as a broker that runs may be in the middle of something.
fn copied(partition: &str, to: &Path) {
    let folder = to.join(partition);
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(shared().folder.path().join("broker").join(partition)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn files_are_dumped_as_kafka_dump_log_does() {
    let _shared = shared();
    run(&["topic", "create", "dumped", "--partitions", "1"]);
    run_with(&["topic", "produce", "dumped", "--key-separator", ":", "--header", "h=1"], "k:v\nalone\n");
    run_with(&["topic", "produce", "dumped", "--property", "compression.type=gzip"], "one\ntwo\n");
    let copy = tempfile::tempdir().unwrap();
    copied("dumped-0", copy.path());
    let file = copy.path().join("dumped-0/00000000000000000000.log").display().to_string();
    let dump = |more: &[&str]| {
        let output = output(&[&["broker", "dump", &file], more].concat(), "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let records = dump(&["--records"]);
    assert!(records.contains("keySize: 1 valueSize: 1 sequence: 0 headerKeys: [h] key: k payload: v"), "{records}");
    assert_eq!(
        records.lines().filter(|line| line.contains("compresscodec: gzip") && line.ends_with("isvalid: true")).count(),
        1
    );
    let values: Vec<Value> = dump(&["--records", "--output", "json"])
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line.get("value").cloned())
        .collect();
    assert_eq!(values, ["v", "alone", "one", "two"]);
    if have_kafka() {
        let theirs = kafkas("org.apache.kafka.tools.DumpLogSegments", &["--files", &file, "--print-data-log"]);
        assert_eq!(plain(&records), plain(&theirs));
        let theirs = kafkas("org.apache.kafka.tools.DumpLogSegments", &["--files", &file]);
        assert_eq!(plain(&dump(&[])), plain(&theirs));
    }
    let wrong = output(&["broker", "dump", "Cargo.toml"], "");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("a file of a partition is needed"));
}

#[test]
fn a_folder_is_verified_to_the_last_record() {
    let _shared = shared();
    run(&["topic", "create", "verified", "--partitions", "1"]);
    run_with(&["topic", "produce", "verified"], "one\ntwo\nthree\n");
    let copy = tempfile::tempdir().unwrap();
    copied("verified-0", copy.path());
    let verify = |folder: &Path, more: &[&str]| {
        let output = output(&[&["broker", "verify", folder.to_str().unwrap()], more].concat(), "");
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, _) = verify(copy.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("verified-0: offsets 0 to 3, 3 records in 1 batches, 1 segments, "), "{text}");
    assert!(text.ends_with(": 1 partitions, 0 damaged\n"), "{text}");

    let file = copy.path().join("verified-0/00000000000000000000.log");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&file, &flipped).unwrap();
    let (code, text, error) = verify(&copy.path().join("verified-0"), &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("DAMAGED") && text.contains("00000000000000000000.log, byte 0: a record batch has the checksum"),
        "{text}"
    );
    assert!(error.contains("millstream broker repair"), "{error}");

    fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let (code, text, _) = verify(copy.path(), &["--output", "json"]);
    assert_eq!(code, Some(1));
    let found: Value = serde_json::from_str(&text).unwrap();
    let reason = found[0]["problems"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cut off"), "{reason}");

    let twice = [&whole[..], &whole].concat();
    fs::write(&file, &twice).unwrap();
    let (code, text, _) = verify(copy.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("a batch begins at offset 0, and what stands before it ends at 3"), "{text}");

    let (code, _, error) = verify(tempfile::tempdir().unwrap().path(), &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("there is no partition; name the folder of log.dirs"), "{error}");
}

#[test]
fn indexes_and_producers_are_dumped_as_kafka_dump_log_does() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &["log.index.interval.bytes=64"]);
    let on = |arguments: &[&str], input: &str| {
        let (name, rest) = arguments.split_at(2);
        let output = output(&[name, &["--bootstrap-server", &broker.address], rest].concat(), input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    on(&["topic", "create", "indexed", "--partitions", "1"], "");
    for round in 0..4 {
        on(&["topic", "produce", "indexed"], &format!("{round} {}\n", "x".repeat(100)));
    }
    // Its end leaves the producers it knows behind.
    assert!(broker.terminate().success());
    let partition = folder.path().join("broker/indexed-0");
    let mut files: Vec<String> = fs::read_dir(&partition)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|kind| ["index", "timeindex", "snapshot"].iter().any(|it| kind == *it))
        })
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(files.iter().any(|file| file.ends_with(".snapshot")), "{files:?}");
    for file in files {
        let dumped = output(&["broker", "dump", &file], "");
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        let dumped = plain(&String::from_utf8(dumped.stdout).unwrap());
        assert!(3 <= dumped.len(), "there is something in {file}: {dumped:?}");
        if have_kafka() {
            let theirs = kafkas("org.apache.kafka.tools.DumpLogSegments", &["--files", &file]);
            assert_eq!(dumped, plain(&theirs));
        }
    }
}

#[test]
fn records_of_the_coordinators_are_dumped_as_kafka_dump_log_does() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1"];
    let broker = Broker::start(folder.path(), &settings);
    let on = |arguments: &[&str], input: &str| {
        let (name, rest) = arguments.split_at(2);
        let output = output(&[name, &["--bootstrap-server", &broker.address], rest].concat(), input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    on(&["topic", "create", "counted", "--partitions", "2"], "");
    on(&["topic", "produce", "counted"], "one\n");
    on(&["group", "reset-offsets", "g", "--topic", "counted", "--to-latest", "--execute"], "");
    on(&["group", "reset-offsets", "gone", "--topic", "counted", "--to-latest", "--execute"], "");
    on(&["group", "delete", "gone"], "");
    if harness::peers::have_python() {
        let made = harness::peers::answers(&["transactions", &broker.address]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    if harness::peers::have_kcat() {
        let mut member = harness::peers::kcat(&["-b", &broker.address, "-G", "cats", "counted"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = broker.address.clone();
        eventually("the group has a member", move || {
            let listed = output(&["group", "list", "--bootstrap-server", &address, "--output", "json"], "").stdout;
            let groups: Value = serde_json::from_slice(&listed).ok()?;
            groups.as_array()?.iter().find(|group| group["group"] == "cats" && group["state"] == "Stable").map(drop)
        });
        member.kill().unwrap();
        member.wait().unwrap();
    }
    assert!(broker.terminate().success());
    let data = folder.path().join("broker");
    let dump = |file: &str, more: &[&str]| {
        let dumped = output(&[&["broker", "dump", file], more].concat(), "");
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        String::from_utf8(dumped.stdout).unwrap()
    };
    let of = |partition: &str| data.join(partition).join("00000000000000000000.log").display().to_string();
    let offsets = dump(&of("__consumer_offsets-0"), &["--offsets-decoder"]);
    let shown = "key: {\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"counted\",\"partition\":0}}";
    assert!(offsets.contains(shown), "{offsets}");
    let json = dump(&of("__consumer_offsets-0"), &["--offsets-decoder", "--output", "json"]);
    assert!(json.lines().any(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["decoded"]["key"]["data"]["group"] == "gone" && line["decoded"]["value"].is_null()
    }));
    for (partition, ours, theirs) in [
        ("__consumer_offsets-0", "--offsets-decoder", "--offsets-decoder"),
        ("__transaction_state-0", "--transaction-log-decoder", "--transaction-log-decoder"),
    ] {
        let file = of(partition);
        if have_kafka() && Path::new(&file).exists() {
            let dumped = dump(&file, &[ours]);
            let theirs = kafkas("org.apache.kafka.tools.DumpLogSegments", &["--files", &file, theirs]);
            assert_eq!(plain(&dumped), plain(&theirs));
        }
    }
    let epochs = data.join("counted-0/leader-epoch-checkpoint");
    if epochs.exists() {
        assert!(dump(epochs.to_str().unwrap(), &[]).contains("epoch: 0 startOffset: 0"));
    }
    // Indexes are verified, too.
    let verify = || output(&["broker", "verify", data.join("__consumer_offsets-0").to_str().unwrap()], "");
    assert!(verify().status.success(), "{}", String::from_utf8_lossy(&verify().stdout));
    fs::write(data.join("__consumer_offsets-0/00000000000000000000.index"), [0, 0, 0, 1, 0, 0, 0, 7]).unwrap();
    let said = verify();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("00000000000000000000.index, byte 0: no batch begins at byte 7"), "{said}");
}

#[test]
fn apache_kafka_is_administered_as_the_built_in_broker_is() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = harness::peers::Kafka::start(folder.path());
    kafka.await_listening();
    let on = |arguments: &[&str], input: &str| {
        let (name, rest) = arguments.split_at(2);
        let output = output(&[name, &["--bootstrap-server", &kafka.address], rest].concat(), input);
        let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        output.status.success().then_some(text).ok_or(error)
    };
    let what = |arguments: &[&str]| on(arguments, "").expect("Kafka takes it");
    eventually("Kafka makes a topic", || on(&["topic", "create", "theirs", "--partitions", "1"], "").ok());
    eventually("and leads it", || on(&["topic", "offsets", "theirs"], "").ok());
    what(&["topic", "alter", "theirs", "--set", "retention.ms=1000000", "--partitions", "2"]);
    let lines = "{\"value\":\"a\",\"partition\":0}\n{\"value\":\"b\",\"partition\":0,\"headers\":[{\"key\":\"h\",\"value\":\"1\"}]}\n";
    on(&["topic", "produce", "theirs", "--input", "json"], lines).expect("Kafka takes it");
    assert_eq!(what(&["topic", "offsets", "theirs", "--partition", "0"]), "theirs:0:2\n");
    let consumed = what(&["topic", "consume", "theirs", ALL, "--max-messages", "2", "--print", "headers"]);
    assert_eq!(consumed, "NO_HEADERS\ta\nh:1\tb\n");
    what(&["topic", "delete-records", "theirs", "--partition", "0", "--before", "1"]);
    let described = eventually("the settings are there", || {
        let described: Value =
            serde_json::from_str(&on(&["topic", "describe", "theirs", "--output", "json"], "").ok()?).ok()?;
        (described[0]["configs"]["retention.ms"] == "1000000").then_some(described)
    });
    assert_eq!(described[0]["partitions"][0]["first_offset"], 1);
    // The coordinator takes a while to be there.
    eventually("the group's offsets are set", || {
        on(&["group", "reset-offsets", "g", "--topic", "theirs:0", "--to-latest", "--execute"], "").ok()
    });
    let group: Value = serde_json::from_str(&what(&["group", "describe", "g", "--output", "json"])).unwrap();
    assert_eq!((&group[0]["offsets"][0]["offset"], &group[0]["offsets"][0]["lag"]), (&json!(2), &json!(0)));
    assert_eq!(what(&["group", "delete", "g"]), "Deleted group g.\n");
    assert_eq!(what(&["topic", "delete", "theirs"]), "Deleted topic theirs.\n");
    let refused = on(&["topic", "alter", "nowhere", "--set", "retention.ms=1"], "").expect_err("there is none");
    assert!(refused.contains("alter topic nowhere: "), "{refused}");
}
