//! The HTTP sink in a worker: from a topic to a server that does not always want to.

#[path = "support/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    sync::{Arc, Mutex},
};

use harness::{Worker, eventually, files::append};

use server::Server;

const TEXT: &str = "\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n\
    offset.flush.interval.ms=200\n";

const CLASS: &str = "io.confluent.connect.http.HttpSinkConnector";

const SECRET: &str = "open-sesame-4711";

fn source(folder: &std::path::Path) -> String {
    let input = folder.join("in.txt").display().to_string();
    format!("name=lines\nconnector.class=FileStreamSource\nfile={input}\ntopic=lines\n")
}

fn sink(server: &Server, more: &str) -> String {
    let address = server.address;
    format!(
        "name=sink\nconnector.class=io.confluent.connect.http.HttpSinkConnector\ntopics=lines\n\
         http.api.url=http://{address}/in/${{topic}}\nbatch.max.size=10\nbatch.separator=,\nretry.backoff.ms=50\n{more}"
    )
}

/// So many records of a topic, once they are there.
fn records(worker: &Worker, topic: &str, count: usize) -> Vec<serde_json::Value> {
    let wanted = count.to_string();
    let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, topic, "--from-beginning"];
    let more = ["--max-messages", &wanted, "--timeout-ms", "5000", "--output", "json"];
    eventually(&format!("{count} records of {topic}"), || {
        let output = std::process::Command::new(harness::millstream()).args(arguments).args(more).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let records: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (records.len() == count).then_some(records)
    })
}

fn lines_of(bodies: &[String]) -> BTreeSet<String> {
    bodies.iter().flat_map(|body| body.split(',')).map(str::to_owned).collect()
}

#[test]
fn records_arrive_in_batches_as_whom_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| (200, String::new(), String::new()));
    append(&folder.path().join("in.txt"), &(0..25).map(|n| format!("line {n}\n")).collect::<String>());
    let auth = format!("auth.type=BASIC\nconnection.user=ali\nconnection.password={SECRET}\nheaders=X-Tag:blue\n");
    let worker = Worker::start(folder.path(), TEXT, &[&source(folder.path()), &sink(&server, &auth)]);
    let expected: BTreeSet<String> = (0..25).map(|n| format!("line {n}")).collect();
    let got = eventually("all lines have come", || {
        let got = server.got();
        let bodies: Vec<String> = got.iter().map(|got| got.body.clone()).collect();
        (lines_of(&bodies) == expected).then_some(got)
    });
    for got in &got {
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/in/lines"));
        assert_eq!(got.header("authorization"), Some("Basic YWxpOm9wZW4tc2VzYW1lLTQ3MTE="));
        assert_eq!(got.header("x-tag"), Some("blue"));
        assert!(got.body.split(',').count() <= 10);
    }
    assert_eq!(worker.status("sink")["tasks"][0]["state"], "RUNNING");
    assert!(!worker.log().contains(SECRET));
}

#[test]
fn a_server_in_trouble_gets_everything_when_it_is_well_and_bad_records_are_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let (well, refusals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (theirs, counted) = (Arc::clone(&well), Arc::clone(&refusals));
    let taken = Arc::<Mutex<Vec<String>>>::default();
    let stored = Arc::clone(&taken);
    let server = Server::start(move |got| {
        if !theirs.load(Ordering::Relaxed) {
            counted.fetch_add(1, Ordering::Relaxed);
            return (503, "Retry-After: 0\r\n".to_owned(), String::new());
        }
        if got.body.contains("bad") {
            return (422, String::new(), "not like this".to_owned());
        }
        stored.lock().unwrap().push(got.body.clone());
        (204, String::new(), String::new())
    });
    append(&folder.path().join("in.txt"), "one\nbad\ntwo\nthree\n");
    let more = "max.retries=1000\nretry.backoff.max.ms=100\nretry.on.status.codes=500-\nerrors.tolerance=all\n\
                errors.deadletterqueue.topic.name=dead\nerrors.deadletterqueue.topic.replication.factor=1\n\
                reporter.bootstrap.servers=ignored:9092\nreporter.error.topic.name=why\n\
                reporter.result.topic.replication.factor=1\nreporter.error.topic.replication.factor=1\n";
    let worker = Worker::start(folder.path(), TEXT, &[&source(folder.path()), &sink(&server, more)]);
    eventually("it was refused", || (3 <= refusals.load(Ordering::Relaxed)).then_some(()));
    well.store(true, Ordering::Relaxed);
    let expected: BTreeSet<String> = ["one", "two", "three"].map(str::to_owned).into();
    eventually("the good ones have come", || (lines_of(&taken.lock().unwrap()) == expected).then_some(()));
    let letter = &records(&worker, "dead", 1)[0];
    assert_eq!(letter["value"], "bad");
    let why = &records(&worker, "why", 1)[0];
    let header = |name: &str| {
        let headers = why["headers"].as_array().unwrap();
        headers.iter().find(|header| header["key"] == name).map(|header| header["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(header("status_code").as_deref(), Some("422"));
    assert_eq!((header("payload").as_deref(), header("input_record_offset").as_deref()), (Some("bad"), Some("1")));
    assert!(why["value"].as_str().unwrap().contains("Response content: not like this, Exception: null"), "{why}");
    assert_eq!(records(&worker, "sink-success", 3)[0]["value"], "\"\"");
    assert_eq!(worker.status("sink")["tasks"][0]["state"], "RUNNING");
}

#[test]
fn a_worker_that_is_killed_in_the_middle_loses_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let taken = Arc::<Mutex<Vec<String>>>::default();
    let stored = Arc::clone(&taken);
    let server = Server::start(move |got| {
        stored.lock().unwrap().push(got.body.clone());
        (200, String::new(), String::new())
    });
    let input = folder.path().join("in.txt");
    append(&input, &(0..2000).map(|n| format!("line {n}\n")).collect::<String>());
    let count = |taken: &Mutex<Vec<String>>| lines_of(&taken.lock().unwrap()).len();
    let mut worker = Worker::start(folder.path(), TEXT, &[&source(folder.path()), &sink(&server, "")]);
    eventually("some have come", || (100 <= count(&taken)).then_some(()));
    worker.kill();
    append(&input, &(2000..2500).map(|n| format!("line {n}\n")).collect::<String>());
    let _worker = Worker::start(folder.path(), TEXT, &[&source(folder.path()), &sink(&server, "")]);
    eventually("all have come", || (count(&taken) == 2500).then_some(()));
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_validated_or_the_task_fails() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{TEXT}plugin.allow.http=https://*.example.com\n");
    let worker = Worker::start(folder.path(), &settings, &[]);
    let config = serde_json::json!({
        "connector.class": CLASS, "topics": "lines", "name": "sink", "http.api.url": "http://127.0.0.1:1/x",
        "retry.on.status.codes": "many",
    });
    let path = format!("/connector-plugins/{CLASS}/config/validate");
    let answer = worker.request("PUT", &path, Some(&config.to_string()));
    assert!(answer.body.contains("do not send requests to http://127.0.0.1:1 (plugin.allow.http)"), "{}", answer.body);
    assert!(answer.body.contains("many is neither a status nor a range of them"), "{}", answer.body);
    drop(worker);
    let folder = tempfile::tempdir().unwrap();
    let gone = Server::start(|_| (401, String::new(), "who are you?".to_owned()));
    append(&folder.path().join("in.txt"), "one\n");
    let more = "max.retries=0\n";
    let worker = Worker::start(folder.path(), TEXT, &[&source(folder.path()), &sink(&gone, more)]);
    let trace = worker.failed_trace("sink");
    assert!(
        trace.contains("Status code : 401, Reason Phrase : Unauthorized, Response Content : who are you?"),
        "{trace}"
    );
}
