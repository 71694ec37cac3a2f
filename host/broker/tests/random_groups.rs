//! Members of classic groups that do what chance has written, as they should and as they should not, are answered as by
//! Apache Kafka 4.3 (`tests/compat/groups.py`).
//!
//! `GROUP_SEEDS=FIRST..LAST` asks both brokers more of it.

mod support;

use std::collections::BTreeMap;

use harness::free_port;
use millstream_broker::Broker;
use support::{
    peers::{Kafka, answers, have_java, have_python, run},
    with,
};

/// What Kafka answered to the scripts of [`RECORDED_SEEDS`].
const RECORDED: &str = include_str!("recorded/groups-4.3.txt");
const RECORDED_SEEDS: &str = "0..15";

/// What was asked and answered, by seed.
type Told = BTreeMap<u32, Vec<String>>;

fn by_seed(text: &str) -> Told {
    let mut told = Told::new();
    for line in text.lines() {
        let seed = line.split('.').next().and_then(|seed| seed.parse().ok()).expect("a line begins with its seed");
        told.entry(seed).or_default().push(line.to_owned());
    }
    told
}

async fn told(address: &str, seeds: &str) -> Told {
    by_seed(&run(answers(&["groups", address, seeds]), "").await)
}

/// A broker with the settings that the script gives Kafka.
async fn start(dir: &std::path::Path) -> (Broker, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let listeners = format!("PLAINTEXT://{address}");
    let settings = [
        ("listeners", listeners.as_str()),
        ("offsets.topic.num.partitions", "3"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
    ];
    (Broker::start(with(dir, &settings)).await.unwrap(), address)
}

/// How often a script that differs is asked by itself.
const ATTEMPTS: usize = 3;

/// Whoever is answered late, since the machine is busy, is taken for one that waits: what differs is asked again by
/// itself, and has to be the same once.
async fn assert_same(kafkas: &Told, kafka: Option<&str>, ours: &Told, address: &str) {
    let mut wrong = Vec::new();
    for (seed, theirs) in kafkas {
        let (mut theirs, mut found) = (theirs.clone(), ours.get(seed).cloned().unwrap_or_default());
        let seeds = seed.to_string();
        for _ in 0..ATTEMPTS {
            if found == theirs {
                break;
            }
            if let Some(kafka) = kafka {
                theirs = told(kafka, &seeds).await.remove(seed).unwrap_or_default();
            }
            found = told(address, &seeds).await.remove(seed).unwrap_or_default();
        }
        if found != theirs {
            let at = found.iter().zip(&theirs).take_while(|(ours, kafkas)| ours == kafkas).count();
            let before = theirs[at.saturating_sub(8)..at].join("\n");
            wrong.push(format!("{before}\n  ours:  {:?}\n  Kafka: {:?}", found.get(at), theirs.get(at)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), kafkas.len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_do_anything_are_answered_as_kafka_was_recorded_to() {
    if !have_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = start(dir.path()).await;
    let ours = told(&address, RECORDED_SEEDS).await;
    assert_same(&by_seed(RECORDED), None, &ours, &address).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_do_anything_are_answered_as_by_kafka() {
    if !have_java() || !have_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(dir.path());
    kafka.await_listening();
    let seeds = std::env::var("GROUP_SEEDS").unwrap_or_else(|_| RECORDED_SEEDS.to_owned());
    let kafkas = told(&kafka.address, &seeds).await;
    if seeds == RECORDED_SEEDS {
        assert_same(&by_seed(RECORDED), None, &kafkas, &kafka.address).await;
        return;
    }
    let (broker, address) = start(&dir.path().join("ours")).await;
    let ours = told(&address, &seeds).await;
    assert_same(&kafkas, Some(&kafka.address), &ours, &address).await;
    broker.shutdown().await.unwrap();
}
