//! Connectors that hang, and workers that say nothing, in a group: neither holds up the others. After `BlockingConnectorTest`
//! of Apache Kafka.

use std::thread;

use harness::{
    Worker, eventually,
    files::{append, await_content, lines},
    request,
};
use serde_json::json;

#[path = "support/group.rs"]
mod group;
#[path = "support/odd.rs"]
mod odd;

use group::{Group, SHORT, ask, await_running, sink, source, states};

/// Calls that hang, and whether those are of a sink.
const PLACES: [(&str, bool); 8] = [
    ("connector start", false),
    ("task configs", false),
    ("connector stop", false),
    ("task start", false),
    ("poll", false),
    ("task stop", false),
    ("put", true),
    ("task stop", true),
];

#[test]
fn connectors_that_hang_hold_up_no_rebalance_and_no_other_connector() {
    let settings = format!(
        "plugin.path={}\nplugin.call.timeout.ms=600000\nplugin.host.call.timeout.ms=600000\n\
         task.shutdown.graceful.timeout.ms=1000",
        odd::odd().display()
    );
    let mut group = Group::of(2, &settings);
    let rests = group.rests();
    let data = tempfile::tempdir().unwrap();
    let place = |name: &str| data.path().join(name);
    append(&place("in"), &lines(0..10));
    assert_eq!(ask(&rests[0], "PUT", "/connectors/source/config", Some(&source(&place("in"), "lines"))), 201);
    assert_eq!(ask(&rests[0], "PUT", "/connectors/sink/config", Some(&sink(&place("out"), "lines"))), 201);
    await_content(&place("out"), &lines(0..10));
    let hanging: Vec<String> =
        PLACES.iter().map(|(place, sink)| format!("{}-{sink}", place.replace(' ', "-"))).collect();
    thread::scope(|scope| {
        for ((place, sink), name) in PLACES.iter().zip(&hanging) {
            let rests = &rests;
            scope.spawn(move || {
                let class = if *sink { "OddSink" } else { "OddSource" };
                let config =
                    json!({"connector.class": class, "topics": "lines", "behaviour": format!("{place}: wait")});
                let path = format!("/connectors/{name}/config");
                assert_eq!(ask(&rests[usize::from(*sink)], "PUT", &path, Some(&config)), 201, "{name}");
            });
        }
    });
    // Another worker comes while they hang, and gets its share of everything.
    group.workers.push({
        let own = tempfile::tempdir().unwrap().keep();
        Worker::start_distributed(&own, &group.settings)
    });
    let rests = group.rests();
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    await_running(all[2], &["source", "sink"], &all);
    eventually("the third worker has something to do", || {
        let parts = hanging.iter().map(String::as_str).chain(["source", "sink"]);
        let mut states = parts.filter_map(|name| states(all[0], name)).flatten();
        states.any(|(_, (_, worker))| worker == all[2]).then_some(())
    });
    append(&place("in"), &lines(10..20));
    await_content(&place("out"), &lines(0..20));
    thread::scope(|scope| {
        for (at, name) in hanging.iter().enumerate() {
            let rest = all[at % 3];
            scope.spawn(move || assert_eq!(ask(rest, "DELETE", &format!("/connectors/{name}"), None), 204, "{name}"));
        }
    });
    append(&place("in"), &lines(20..30));
    await_content(&place("out"), &lines(0..30));
    for worker in group.workers.drain(..) {
        assert!(worker.terminate().success());
    }
}

#[test]
fn a_worker_that_says_nothing_holds_up_a_rebalance_no_longer_than_its_session() {
    let group = Group::of(3, SHORT);
    let rests = group.rests();
    let data = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d"];
    for name in names {
        append(&data.path().join(name), &lines(0..5));
        let config = source(&data.path().join(name), "lines");
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
    }
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    await_running(all[0], &names, &all);
    // The leader, and a member, while another one wants to join.
    for (frozen, asked) in [(0, 1), (2, 1)] {
        group.workers[frozen].freeze();
        let own = tempfile::tempdir().unwrap();
        let started = Worker::try_start_distributed(own.path(), &group.settings);
        let new = started.unwrap_or_else(|(status, log)| panic!("{status}: {log}"));
        // Questions are answered all along.
        assert_eq!(request(all[asked], "GET", "/connectors/a/status", None).unwrap().status, 200);
        let left: Vec<&str> =
            all.iter().copied().enumerate().filter(|(at, _)| *at != frozen).map(|(_, rest)| rest).collect();
        let left: Vec<&str> = left.into_iter().chain([&*new.rest]).collect();
        await_running(all[asked], &names, &left);
        eventually("the new worker has its part", || {
            await_running(all[asked], &names, &left).values().any(|place| *place == new.rest).then_some(())
        });
        // A change is taken, too.
        let patch = json!({"batch.size": (100 + frozen).to_string()});
        assert_eq!(ask(&new.rest, "PATCH", "/connectors/a/config", Some(&patch)), 200);
        group.workers[frozen].thaw();
        let everybody: Vec<&str> = all.iter().copied().chain([&*new.rest]).collect();
        eventually("the thawed worker has work again", || {
            let places = await_running(all[asked], &names, &everybody);
            places.values().any(|place| *place == all[frozen]).then_some(())
        });
        assert!(new.terminate().success());
        await_running(all[asked], &names, &all);
    }
}
