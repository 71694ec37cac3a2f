//! The HTTP sources in a worker: from a server into a topic, each record once, across kills.

#[path = "support/server.rs"]
mod server;

use std::{
    process::Command,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use harness::{Worker, eventually, millstream};
use serde_json::{Value, json};

use server::Server;

const JSON: &str = "\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter.schemas.enable=false\n\
    offset.flush.interval.ms=200\n";

/// What is in the topic.
fn values(worker: &Worker, topic: &str, count: usize) -> Vec<Value> {
    let count = count.to_string();
    let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, topic, "--from-beginning"];
    let more = ["--max-messages", &count, "--timeout-ms", "3000", "--output", "json"];
    let output = Command::new(millstream()).args(arguments).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        serde_json::from_str(record["value"].as_str().unwrap()).unwrap()
    };
    text.lines().map(value).collect()
}

fn number_behind(text: &str, name: &str) -> u64 {
    let behind = text.split(name).nth(1).unwrap_or("0");
    behind.split('&').next().unwrap().parse().unwrap()
}

#[test]
fn pages_arrive_in_order_and_a_kill_loses_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (last, trouble) = (Arc::new(AtomicU64::new(500)), Arc::new(AtomicBool::new(false)));
    let (theirs, troubled) = (Arc::clone(&last), Arc::clone(&trouble));
    let server = Server::start(move |got| {
        // Every other request meets a server in trouble.
        if troubled.fetch_xor(true, Ordering::Relaxed) {
            return (503, "Retry-After: 0\r\n".to_owned(), String::new());
        }
        let from = number_behind(&got.path, "from=");
        let items: Vec<Value> =
            (from..theirs.load(Ordering::Relaxed).min(from + 50)).map(|id| json!({"id": id})).collect();
        (200, String::new(), json!({"items": items}).to_string())
    });
    let address = server.address;
    let source = format!(
        "name=source\nconnector.class=io.confluent.connect.http.HttpSourceConnector\n\
         topic.name.pattern=items-${{entityName}}\nentity.names=a\nurl=http://{address}/${{entityName}}?from=${{offset}}\n\
         http.response.data.json.pointer=/items\nhttp.idle.interval.ms=50\nretry.backoff.ms=10\nmax.retries=100\n\
         auth.type=BEARER\nbearer.token=open-sesame-4711\nconfluent.topic.bootstrap.servers=ignored:9092\n"
    );
    let mut worker = Worker::start(folder.path(), JSON, &[&source]);
    eventually("some have come", || (100 <= values(&worker, "items-a", 100).len()).then_some(()));
    worker.kill();
    last.store(700, Ordering::Relaxed);
    let worker = Worker::start(folder.path(), JSON, &[&source]);
    let ids = eventually("all have come", || {
        let mut ids: Vec<u64> =
            values(&worker, "items-a", 5000).iter().map(|value| value["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        (ids.len() == 700).then_some(ids)
    });
    assert_eq!(ids, (0..700).collect::<Vec<_>>());
    let is_ours =
        |got: &server::Got| got.method == "GET" && got.header("authorization") == Some("Bearer open-sesame-4711");
    assert!(server.got().iter().all(is_ours));
    assert!(!worker.log().contains("open-sesame-4711"));
}

#[test]
fn castorms_keys_read_a_list_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let last = Arc::new(AtomicU64::new(3));
    let theirs = Arc::clone(&last);
    let server = Server::start(move |_| {
        let moment = |id: u64| format!("2024-05-01T12:00:{id:02}Z");
        let items: Vec<Value> =
            (1..=theirs.load(Ordering::Relaxed)).map(|id| json!({"id": id, "at": moment(id)})).collect();
        (200, String::new(), json!(items).to_string())
    });
    let address = server.address;
    let source = format!(
        "name=source\nconnector.class=com.github.castorm.kafka.connect.http.HttpSourceConnector\nkafka.topic=list\n\
         http.request.url=http://{address}/list\nhttp.response.record.offset.pointer=key=/id, timestamp=/at\n\
         http.timer.interval.millis=100\nhttp.timer.catchup.interval.millis=100\nhttp.request.params=t=${{offset.timestamp!\"\"}}\n"
    );
    let mut worker = Worker::start(folder.path(), JSON, &[&source]);
    let ids = |worker: &Worker| -> Vec<String> {
        values(worker, "list", 100).iter().map(|value| value["key"].as_str().unwrap().to_owned()).collect()
    };
    eventually("the list has come", || (ids(&worker) == ["1", "2", "3"]).then_some(()));
    last.store(5, Ordering::Relaxed);
    eventually("what was added has come", || (ids(&worker) == ["1", "2", "3", "4", "5"]).then_some(()));
    let commit = eventually("offsets are stored", || {
        let offsets = worker.get("/connectors/source/offsets").json();
        (offsets["offsets"][0]["offset"]["key"] == "5").then_some(offsets)
    });
    assert_eq!(commit["offsets"][0]["partition"], json!({}));
    worker.kill();
    last.store(6, Ordering::Relaxed);
    let worker = Worker::start(folder.path(), JSON, &[&source]);
    eventually("the rest has come", || (ids(&worker) == ["1", "2", "3", "4", "5", "6"]).then_some(()));
}
