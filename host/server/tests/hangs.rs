//! Guests that fail, compute for ever or wait for ever in each call of the life cycle, in one worker with a neighbour that
//! must not notice.

#[path = "support/odd.rs"]
mod odd;

use std::{fs, path::Path, thread};

use harness::{Worker, eventually};
use serde_json::json;

use odd::odd;

/// The place of each call, in the words of the guest, and whether its connector is a sink.
const PLACES: [(&str, bool); 14] = [
    ("validate", false),
    ("connector start", false),
    ("task configs", false),
    ("connector stop", false),
    ("task start", false),
    ("poll", false),
    ("commit", false),
    ("task stop", false),
    ("task start", true),
    ("open", true),
    ("put", true),
    ("pre-commit", true),
    ("close", true),
    ("task stop", true),
];

fn name(place: &str, sink: bool, how: &str) -> String {
    format!("{}-{}-{how}", if sink { "sink" } else { "source" }, place.replace(' ', "-"))
}

/// Every place with each of these ways to go wrong: name of the connector, and the request that makes it.
fn connectors(ways: &[&str]) -> Vec<(String, String)> {
    let connector = |(place, sink): (&str, bool), how: &str| {
        let class = if sink { "OddSink" } else { "OddSource" };
        let config = json!({"connector.class": class, "topics": "lines", "behaviour": format!("{place}: {how}")});
        let name = name(place, sink, how);
        let body = json!({"name": name, "config": config}).to_string();
        (name, body)
    };
    ways.iter().flat_map(|how| PLACES.map(|place| connector(place, how))).collect()
}

/// A worker with a neighbour that copies lines.
fn worker(folder: &Path, settings: &str) -> Worker {
    let (input, output) = (folder.join("in.txt"), folder.join("out.txt"));
    fs::write(&input, "one\n").unwrap();
    let settings = format!("plugin.path={}\noffset.flush.interval.ms=500\n{settings}", odd().display());
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines", input.display());
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines", output.display());
    let worker = Worker::start(folder, &settings, &[&source, &sink]);
    neighbour_copies(folder, "one\n");
    eventually("the plugin is there", || {
        worker.get("/connector-plugins").body.contains("OddSinkConnector").then_some(())
    });
    worker
}

#[track_caller]
fn neighbour_copies(folder: &Path, line: &str) {
    let (input, output) = (folder.join("in.txt"), folder.join("out.txt"));
    let so_far = fs::read_to_string(&input).unwrap();
    if !so_far.ends_with(line) {
        fs::write(&input, format!("{so_far}{line}")).unwrap();
    }
    let wanted = fs::read_to_string(&input).unwrap();
    let read = || fs::read_to_string(&output).unwrap_or_default();
    eventually("the neighbour goes on", || (read() == wanted).then_some(()));
}

/// What the status of a connector and its task says.
fn trace(worker: &Worker, name: &str) -> String {
    let answer = worker.get(&format!("/connectors/{name}/status"));
    if answer.status == 200 { answer.json().to_string() } else { String::new() }
}

#[test]
fn every_call_that_lasts_too_long_or_fails_is_named_with_its_limit() {
    // Whoever only fails is not to be late on a busy machine, nor the calls before the one that hangs.
    let limits = "plugin.call.timeout.ms=300\nplugin.host.call.timeout.ms=10000";
    for (how, settings) in [("fail", ""), ("loop", limits), ("wait", limits)] {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path(), settings);
        let all = connectors(&[how]);
        thread::scope(|scope| {
            for (name, body) in &all {
                let worker = &worker;
                scope.spawn(move || {
                    let answer = worker.request("POST", "/connectors", Some(body));
                    let says = match how {
                        "fail" => "failed on purpose",
                        // Time in which others run counts as waiting.
                        _ => "call.timeout.ms",
                    };
                    if name.contains("validate") {
                        assert_eq!(answer.status, 500, "{name}: {}", answer.body);
                        assert!(answer.body.contains(says), "{name}: {}", answer.body);
                        return;
                    }
                    // What goes wrong in these is logged: nothing can be done about it any more, or it is tried again.
                    let is_logged = ["stop", "close", "commit"].iter().any(|place| name.contains(place));
                    if !is_logged {
                        eventually(name, || trace(worker, name).contains(says).then_some(()));
                        eventually(name, || trace(worker, name).contains("FAILED").then_some(()));
                    }
                    let deleted = worker.request("DELETE", &format!("/connectors/{name}"), None);
                    assert_eq!(deleted.status, 204, "{name}: {}", deleted.body);
                });
            }
        });
        neighbour_copies(folder.path(), &format!("{how}\n"));
        assert!(worker.terminate().success());
    }
}

#[test]
fn a_connector_that_hangs_can_be_deleted_and_the_worker_ended_while_it_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "plugin.call.timeout.ms=600000\nplugin.host.call.timeout.ms=600000");
    let all: Vec<_> =
        connectors(&["loop", "wait"]).into_iter().filter(|(name, _)| !name.contains("validate")).collect();
    let address = worker.address().to_owned();
    thread::scope(|scope| {
        for (name, body) in &all {
            let (address, worker) = (&address, &worker);
            // Whoever asks for one that hangs in its start waits until that is given up.
            scope.spawn(move || harness::request(address, "POST", "/connectors", Some(body)));
            scope.spawn(move || {
                eventually(name, || (worker.get(&format!("/connectors/{name}")).status == 200).then_some(()));
                let deleted = worker.request("DELETE", &format!("/connectors/{name}"), None);
                assert_eq!(deleted.status, 204, "{name}: {}", deleted.body);
            });
        }
    });
    neighbour_copies(folder.path(), "two\n");
    assert_eq!(worker.get("/connectors").json().as_array().map(Vec::len), Some(2));
    // And once more, to end the worker meanwhile.
    thread::scope(|scope| {
        for (_, body) in &all {
            let address = &address;
            scope.spawn(move || harness::request(address, "POST", "/connectors", Some(body)));
        }
        eventually("all of them are there", || {
            (worker.get("/connectors").json().as_array()?.len() == all.len() + 2).then_some(())
        });
        neighbour_copies(folder.path(), "three\n");
        assert!(worker.terminate().success());
    });
}
