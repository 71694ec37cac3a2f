//! What validation says about transforms and predicates, beside a Connect 4.3.0 worker: the file was written down from
//! its answers, and from what became of the connectors that it accepted.

use std::fs;

use harness::Worker;
use serde_json::{Map, Value, json};

const RECORDED: &str = include_str!("testdata/kafka-4.3-transform-validation.jsonl");

/// Errors that Connect adds to others of the same key, and we do not: a check that was run on null.
const OF_NULL: [&str; 3] = [
    "Must specify at least one field to cast.",
    "Invalid value null for configuration regex: Invalid regex: Cannot invoke \"String.isEmpty()\" because \"this.pattern\" is null",
    "Invalid value null for configuration pattern: Invalid regex: null",
];

#[test]
fn transforms_and_predicates_are_refused_as_by_connect_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), "", &[]);
    let mut wrong = Vec::new();
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let prefix = if is_predicate(&recorded) { "predicates.a." } else { "transforms.a." };
        let answer = worker.request(
            "PUT",
            "/connector-plugins/FileStreamSource/config/validate",
            Some(&configuration(&recorded, prefix).to_string()),
        );
        let errors = errors(&answer.json(), prefix);
        if let Some(problem) = compare(&recorded, &errors) {
            wrong.push(format!("{} {}\n    {problem}\n    ours: {errors:?}", recorded["class"], recorded["config"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), RECORDED.lines().count(), wrong.join("\n"));
}

fn is_predicate(recorded: &Value) -> bool {
    recorded["class"].as_str().unwrap().contains(".predicates.")
}

fn configuration(recorded: &Value, prefix: &str) -> Value {
    let mut config = Map::new();
    for (key, value) in [
        ("name", "c"),
        ("connector.class", "FileStreamSource"),
        ("file", "f"),
        ("topic", "t"),
        (if is_predicate(recorded) { "predicates" } else { "transforms" }, "a"),
    ] {
        config.insert(key.to_owned(), json!(value));
    }
    config.insert(format!("{prefix}type"), recorded["class"].clone());
    for (key, value) in recorded["config"].as_object().unwrap() {
        config.insert(format!("{prefix}{key}"), value.clone());
    }
    config.into()
}

/// Errors by key, without the prefix.
fn errors(answer: &Value, prefix: &str) -> Vec<(String, Vec<String>)> {
    let mut errors = Vec::new();
    for config in answer["configs"].as_array().unwrap() {
        let value = &config["value"];
        let found: Vec<String> =
            value["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap().to_owned()).collect();
        if !found.is_empty() {
            let name = value["name"].as_str().unwrap();
            errors.push((name.strip_prefix(prefix).unwrap_or(name).to_owned(), found));
        }
    }
    errors.sort();
    errors
}

fn compare(recorded: &Value, ours: &[(String, Vec<String>)]) -> Option<String> {
    if let Some(theirs) = recorded.get("errors") {
        let mut expected = Vec::new();
        for (key, errors) in theirs.as_object().unwrap() {
            let all: Vec<String> =
                errors.as_array().unwrap().iter().map(|error| error.as_str().unwrap().to_owned()).collect();
            let mut kept = all.clone();
            if 1 < all.len() {
                kept.retain(|error| !OF_NULL.contains(&error.as_str()));
            }
            expected.push((key.clone(), kept));
        }
        expected.sort();
        return (ours != expected).then(|| format!("Connect: {expected:?}"));
    }
    if let Some(task) = recorded.get("task") {
        // Connect accepts these, and the task fails before its first record.
        let message = task.as_str().unwrap();
        let said = ours.iter().flat_map(|(_, errors)| errors).any(|error| error.starts_with(message));
        return (!said || ours.len() != 1).then(|| format!("Connect's task fails: {message}"));
    }
    match recorded.get("fails") {
        Some(failure) => ours.is_empty().then(|| format!("Connect's validation breaks: {failure}")),
        None => (!ours.is_empty()).then(|| "Connect accepts it, and its task runs".to_owned()),
    }
}

#[test]
fn a_connector_whose_parts_refuse_their_settings_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "one\n").unwrap();
    let worker = Worker::start(folder.path(), "", &[]);
    let refused = |more: Value, key: &str| {
        let mut config = json!({"name": "c", "connector.class": "FileStreamSource", "file": "in.txt", "topic": "t"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = config.to_string();
        let validated = worker.request("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(&body));
        let validated = errors(&validated.json(), "");
        assert!(validated.iter().any(|(name, _)| name == key), "{key} is not among {validated:?}");
        let created = worker.request("PUT", "/connectors/c/config", Some(&body));
        assert_eq!(created.status, 400, "{}", created.body);
        assert!(created.body.contains(&validated[0].1[0].replace('"', "\\\"")), "{}", created.body);
        assert_eq!(worker.get("/connectors").json(), json!([]));
    };
    let cast = "org.apache.kafka.connect.transforms.Cast$Value";
    refused(
        json!({"transforms": "a", "transforms.a.type": cast, "transforms.a.spec": "price:decimal"}),
        "transforms.a.spec",
    );
    let filter = "org.apache.kafka.connect.transforms.Filter";
    refused(
        json!({"transforms": "a", "transforms.a.type": filter, "transforms.a.predicate": "p"}),
        "transforms.a.predicate",
    );
    refused(json!({"producer.override.linger.ms": "soon"}), "producer.override.linger.ms");
    refused(json!({"producer.override.security.protocol": "TLS"}), "producer.override.security.protocol");
    refused(
        json!({
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter.converter.encoding": "no such",
        }),
        "value.converter",
    );
    refused(json!({"exactly.once.support": "required"}), "exactly.once.support");
}

#[test]
fn keys_that_nobody_declares_are_named_in_one_line_of_the_log_and_accepted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "one\n").unwrap();
    let connector = "name=c\nconnector.class=FileStreamSource\nfile=in.txt \ntopic=t\ntaks.max=2\nwhatever=1\n";
    let settings = "offset.flush.intervall.ms=1000\nproducer.liger.ms=1\nvalue.converter.converter.encodng=UTF-8\n";
    let worker = Worker::start(folder.path(), settings, &[connector]);
    let log = worker.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("no definition has these keys")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for meant in [
        "offset.flush.intervall.ms (did you mean offset.flush.interval.ms?)",
        "producer.liger.ms (did you mean producer.linger.ms?)",
        "value.converter.converter.encodng (did you mean value.converter.converter.encoding?)",
    ] {
        assert!(lines[0].contains(meant), "{meant} is not in {}", lines[0]);
    }
    assert!(lines[1].contains("taks.max (did you mean tasks.max?), whatever"), "{}", lines[1]);
    assert_eq!(worker.status("c")["connector"]["state"], "RUNNING");
}
