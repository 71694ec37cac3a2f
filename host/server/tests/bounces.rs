//! Workers of a group are bounced one after the other, in good order or by `-9`, under each way of working together, with
//! exactly-once sources and without: after Apache Kafka's system tests `test_bounce` and `test_exactly_once_source`.
//!
//! Two cases are lived through; `MILLSTREAM_BOUNCES=all` lives through all twelve.

use std::{collections::BTreeSet, fs, path::Path};

use harness::{
    eventually,
    files::{append, lines},
};

#[path = "support/group.rs"]
mod group;

use group::{Group, ask, await_running, consumed, sink, source};

/// Lines that a file grows by at a time.
const GROWTH: u32 = 50;

#[derive(Clone, Copy, Debug)]
struct Bounce {
    clean: bool,
    protocol: &'static str,
    exactly_once: bool,
}

fn cases() -> Vec<Bounce> {
    let mut cases = Vec::new();
    for clean in [true, false] {
        for protocol in ["eager", "compatible", "sessioned"] {
            for exactly_once in [false, true] {
                cases.push(Bounce { clean, protocol, exactly_once });
            }
        }
    }
    if std::env::var("MILLSTREAM_BOUNCES").as_deref() != Ok("all") {
        // What differs most from each other.
        cases.retain(|case| match case.protocol {
            "eager" => case.clean && !case.exactly_once,
            "sessioned" => !case.clean && case.exactly_once,
            _ => false,
        });
    }
    cases
}

fn lived_through(case: Bounce) {
    let Bounce { clean, protocol, exactly_once } = case;
    let support = if exactly_once { "enabled" } else { "disabled" };
    // Only those who are killed are missed by the end of their sessions.
    let session = if clean { 600_000 } else { 6_000 };
    let settings = format!(
        "connect.protocol={protocol}\nexactly.once.source.support={support}\n\
         consumer.session.timeout.ms={session}\nconsumer.heartbeat.interval.ms=1000\n\
         consumer.isolation.level=read_committed"
    );
    let mut group = Group::of(3, &settings);
    let data = tempfile::tempdir().unwrap();
    let place = |kind: &str, number: u32| data.path().join(format!("{kind}{number}"));
    let mut names = Vec::new();
    for number in 0..3 {
        append(&place("in", number), "");
        let topic = format!("lines{number}");
        let connectors = [
            (format!("source{number}"), source(&place("in", number), &topic)),
            (format!("sink{number}"), sink(&place("out", number), &topic)),
        ];
        for (name, config) in connectors {
            assert_eq!(ask(&group.workers[0].rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
            names.push(name);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut written = 0;
    let mut grow = || {
        let more = lines(written..written + GROWTH);
        (0..3).for_each(|number| append(&place("in", number), &more));
        written += GROWTH;
    };
    grow();
    for at in [2, 1, 0] {
        if clean {
            assert!(group.workers.remove(at).terminate().success());
            grow();
            group.workers.insert(at, group.start(at));
        } else {
            group.workers[at].kill();
            grow();
            group.workers[at] = group.start(at);
        }
        let rests = group.rests();
        let all: Vec<&str> = rests.iter().map(String::as_str).collect();
        for rest in &all {
            await_running(rest, &names, &all);
        }
        grow();
    }
    let expected: Vec<String> = lines(0..written).lines().map(str::to_owned).collect();
    for number in 0..3 {
        let topic = format!("lines{number}");
        // A worker that ends in good order leaves nothing behind that has to be repeated.
        let once = clean || exactly_once;
        let complete = |found: &[String]| found.len() >= expected.len() && is_complete(found, &expected);
        let found = eventually(&format!("{topic} is complete, {case:?}"), || {
            Some(consumed(group.broker(), &topic)).filter(|found| complete(found))
        });
        assert!(!once || found == expected, "{topic} has lines twice, {case:?}: {found:?}");
        let found = eventually(&format!("the file of {topic} is complete, {case:?}"), || {
            Some(lines_of(&place("out", number))).filter(|found| complete(found))
        });
        assert!(!clean || found == expected, "the file of {topic} has lines twice, {case:?}: {found:?}");
    }
    for worker in group.workers.drain(..) {
        assert!(!worker.log().contains("panicked"), "{}", worker.log());
        assert!(worker.terminate().success());
    }
}

fn lines_of(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn is_complete(found: &[String], expected: &[String]) -> bool {
    let found: BTreeSet<&String> = found.iter().collect();
    expected.iter().all(|line| found.contains(line))
}

#[test]
fn workers_are_bounced_one_after_the_other_and_nothing_is_lost() {
    for case in cases() {
        println!("{case:?}");
        lived_through(case);
    }
}
