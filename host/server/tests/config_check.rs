//! `millstream config check`, `millstream plugin describe` and `millstream migrate`.

use std::{fs, path::Path, process::Command};

use harness::{Worker, millstream};
use serde_json::Value;

/// Runs a command in a folder: how it ended, what it printed, what it said.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(millstream())
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("MILLSTREAM_URL")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const WORKER: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n\
    offset.storage.file.filename=offsets\n";

#[test]
fn everything_wrong_in_worker_and_connector_files_is_told_at_once_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("worker.properties", WORKER);
    write("good.properties", "name=c\nconnector.class=FileStreamSource\ntopic=t\nfile=/tmp/x\n");
    let (code, text, error) = run(folder.path(), &["config", "check", "worker.properties", "good.properties"]);
    assert_eq!((code, text.as_str()), (Some(0), "Nothing is wrong.\n"), "{error}");

    write(
        "bad-worker.properties",
        &format!(
            "{WORKER}offset.flush.interval.ms=x\nlisteners.http=1\noffset.flush.intervall.ms=1\nheader.converter=Nope\n"
        ),
    );
    write(
        "bad.yaml",
        "name: c\nconnector.class: FileStreamSource\ntasks.max: 0\nfile: /tmp/x\ntopc: t\ntransforms: m,n\n\
         transforms.m.type: org.apache.kafka.connect.transforms.MaskFeld$Value\n\
         transforms.n.type: org.apache.kafka.connect.transforms.InsertField$Value\n\
         ---\nname: d\nconnector.class: io.example.FileStreamSinc\ntopics: t\nvalue.converter: a.JsonConvertor\n",
    );
    let (code, text, _) = run(folder.path(), &["config", "check", "bad-worker.properties", "bad.yaml"]);
    assert_eq!(code, Some(8), "{text}");
    for part in [
        "bad-worker.properties:4: error: offset.flush.interval.ms: Invalid value x",
        "bad-worker.properties:6: warning: offset.flush.intervall.ms: nobody knows this key, so it has no effect; did you mean offset.flush.interval.ms?",
        "bad.yaml:3: error: connector c: tasks.max: Invalid value 0",
        "bad.yaml:5: warning: connector c: topc: nobody knows this key, so it has no effect; did you mean topic?",
        "error: connector c: topic: ",
        "bad.yaml:7: error: connector c: transforms.m.type: there is no transformation org.apache.kafka.connect.transforms.MaskFeld$Value here; the nearest is org.apache.kafka.connect.transforms.MaskField$Value",
        "connector d: connector.class: there is no connector io.example.FileStreamSinc here; the nearest is org.apache.kafka.connect.file.FileStreamSinkConnector",
        "bad.yaml:13: error: connector d: value.converter: there is no converter a.JsonConvertor here; the nearest is org.apache.kafka.connect.json.JsonConverter",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let (code, text, _) = run(folder.path(), &["config", "check", "bad.yaml", "--output", "json"]);
    let findings: Value = serde_json::from_str(&text).unwrap();
    let of_key = |key: &str| findings.as_array().unwrap().iter().find(|finding| finding["key"] == key).unwrap().clone();
    assert_eq!(code, Some(8));
    assert_eq!(
        (of_key("tasks.max")["line"].clone(), of_key("tasks.max")["severity"].clone()),
        (3.into(), "error".into())
    );
    assert_eq!(run(folder.path(), &["config", "check", "none.properties"]).0, Some(1));
}

#[test]
fn a_connector_whose_class_is_unknown_or_missing_is_checked_as_far_as_anybody_can() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let wrong = "tasks.max=0\ntaks.max=2\nits.own=1\nproducer.override.linger.ms=soon\ntransforms=t\n\
        transforms.t.type=org.apache.kafka.connect.transforms.InsertField$Value\ntransforms.t.statc.field=f\n\
        transforms.t.predicate=p\nvalue.converter=org.apache.kafka.connect.json.JsonConverter\n\
        value.converter.schemas.enable=perhaps\n";
    write("typo.properties", &format!("name=c\nconnector.class=FileStreamSorce\nconnector.plugin.version=9\n{wrong}"));
    write("none.properties", &format!("name=c\n{wrong}"));
    write(
        "sink.properties",
        "name=c\nconnector.class=io.example.Anything\ntopics=a\ntopics.regex=b\nerrors.tolerance=some\n",
    );
    let rest = [
        "error: connector c: tasks.max: Invalid value 0",
        "warning: connector c: taks.max: it has no effect unless the connector knows this key; did you mean tasks.max?",
        "error: connector c: producer.override.linger.ms: ",
        "error: connector c: transforms.t.predicate: ",
        "error: connector c: transforms.t.type: No field insertion configured",
        "warning: connector c: transforms.t.statc.field: ",
        "error: connector c: value.converter.schemas.enable: Invalid value perhaps",
    ];
    for (file, class) in [
        (
            "typo.properties",
            "there is no connector FileStreamSorce here; the nearest is org.apache.kafka.connect.file.FileStreamSourceConnector",
        ),
        ("none.properties", "connector.class: it is missing"),
    ] {
        let (code, text, _) = run(folder.path(), &["config", "check", file]);
        assert_eq!(code, Some(8), "{text}");
        for part in rest.iter().chain([&class]) {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("its.own"), "{text}");
        assert_eq!(text.lines().count(), rest.len() + 1, "{text}");
    }
    let (_, text, _) = run(folder.path(), &["config", "check", "sink.properties"]);
    for part in [
        "there is no connector io.example.Anything here; there are ",
        "topics: topics and topics.regex are mutually exclusive options",
        "errors.tolerance: Invalid value some",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_version_that_is_not_here_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name=c\nconnector.class=FileStreamSource\nconnector.plugin.version=[900,)\nfile=f\ntasks.max=x\n";
    fs::write(folder.path().join("c.properties"), text).unwrap();
    let (code, text, _) = run(folder.path(), &["config", "check", "c.properties"]);
    assert_eq!(code, Some(8), "{text}");
    for part in ["connector.plugin.version: Plugin ", "topic: Missing required", "tasks.max: Invalid value x"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_plugin_is_described_with_all_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text, error) = run(folder.path(), &["plugin", "describe", "FileStreamSource"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.starts_with("source org.apache.kafka.connect.file.FileStreamSourceConnector"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("topic ") && line.contains("(required)")), "{text}");
    let (_, text, _) = run(folder.path(), &["plugin", "describe", "MaskField$Value", "--output", "json"]);
    let described: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(described[0]["type"], "transformation");
    assert!(described[0]["config"].as_array().unwrap().iter().any(|key| key["name"] == "fields"), "{text}");
    assert_eq!(run(folder.path(), &["plugin", "describe", "Nothing"]).0, Some(4));
}

#[test]
fn a_cluster_is_judged_connector_by_connector_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let source = "name=a/b\nconnector.class=FileStreamSource\ntopic=t\nfile=/tmp/x\nbatchsize=3\n";
    let worker = Worker::start(folder.path(), "", &[source]);
    let url = format!("http://{}", worker.rest);
    let (code, text, error) = run(folder.path(), &["migrate", &url, "--export", "out"]);
    assert_eq!(code, Some(0), "{text}{error}");
    assert_eq!(
        text,
        "a/b (FileStreamSource): would work\n  note: batchsize: nobody knows this key, so it has no effect; did you mean batch.size?\n\
         All 1 connectors would work.\n"
    );
    let exported = fs::read_to_string(folder.path().join("out/connector-0.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&exported).unwrap()["config"]["batchsize"], "3");
    let (code, text, _) = run(folder.path(), &["migrate", "--url", &url, "--output", "json"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()[0]["works"], true);
    let applied = run(folder.path(), &["connector", "diff", "--url", &url, "-f", "out/connector-0.json"]);
    assert_eq!(applied.0, Some(0), "{}", applied.2);
}

#[test]
fn a_cluster_is_judged_for_the_worker_whose_file_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let source = "name=c\nconnector.class=FileStreamSource\ntopic=t\nfile=/tmp/x\nproducer.override.linger.ms=7\n";
    let worker = Worker::start(folder.path(), "", &[source]);
    let url = format!("http://{}", worker.rest);
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("strict.properties", format!("{WORKER}connector.client.config.override.policy=None\n"));
    write("wrong.properties", format!("{WORKER}offset.flush.interval.ms=x\n"));
    assert_eq!(run(folder.path(), &["migrate", &url]).0, Some(0));
    let (code, text, error) = run(folder.path(), &["migrate", &url, "--worker", "strict.properties"]);
    assert_eq!(code, Some(8), "{text}{error}");
    assert!(text.contains("c (FileStreamSource): would NOT work"), "{text}");
    assert!(text.contains("error: producer.override.linger.ms: "), "{text}");
    let (code, _, error) = run(folder.path(), &["migrate", &url, "--worker", "wrong.properties"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("wrong.properties:4: offset.flush.interval.ms: Invalid value x"), "{error}");
}
