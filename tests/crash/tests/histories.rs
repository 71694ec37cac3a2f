//! Clients of several kinds at work under kills, cuts, freezes and late requests: what they see is what Kafka promises.
//!
//! The short form has two seeds. The long one is the same test with more of everything:
//!
//! ```text
//! HISTORY_SEEDS=1..26 HISTORY_ROUNDS=60 cargo test -p crash --test histories -- --nocapture
//! HISTORY_PEER=java HISTORY_SEEDS=1..9 HISTORY_ROUNDS=60 cargo test -p crash --test histories -- --nocapture
//! HISTORY_BROKER=kafka HISTORY_SEEDS=1..4 HISTORY_ROUNDS=60 cargo test -p crash --test histories -- --nocapture
//! ```
//!
//! `HISTORY_KILLS=false` and `HISTORY_LATE_ENDS=false` leave these out, `HISTORY_TROUBLES=1` tells why actions failed.
//! Kafka's promises are broken by Apache Kafka 4.3 itself where it is killed, and by late ends of the first generation.
//! A history with something wrong in it is written to the folder that `HISTORY_FOLDER` names, or to the system's one for
//! temporary files.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, time::Instant};

use checker::History;
use crash::histories::{Faults, Peer, Proxy, Settings, Target, foreign_readers, run};
use harness::peers::{have_kafka, have_python, java_program};

fn variable<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("HISTORY_SEEDS") else { return 1..3 };
    let (first, last) = range.split_once("..").expect("HISTORY_SEEDS=FIRST..LAST");
    first.parse().expect("a number")..last.parse().expect("a number")
}

/// Where the history is kept.
fn keep(seed: u64, history: &History) -> PathBuf {
    let folder = std::env::var_os("HISTORY_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join(format!("history-{seed}.txt"));
    fs::write(&file, history.to_string()).expect("the folder can be written");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_clients_see_of_a_broker_that_is_killed_and_disturbed_is_what_kafka_promises() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = match std::env::var("HISTORY_BROKER").as_deref() {
        Ok("kafka") => true,
        Ok("millstream") | Err(_) => false,
        Ok(other) => panic!("HISTORY_BROKER={other} is neither kafka nor millstream"),
    };
    if kafka && !have_kafka() {
        return;
    }
    let rounds = variable("HISTORY_ROUNDS", 10);
    let (kills, late_ends) = (variable("HISTORY_KILLS", true), variable("HISTORY_LATE_ENDS", true));
    let foreign = match std::env::var("HISTORY_PEER").as_deref() {
        Ok("java") => have_kafka().then_some(Peer::Java),
        Ok("librdkafka") | Err(_) => have_python().then_some(Peer::Librdkafka),
        Ok(other) => panic!("HISTORY_PEER={other} is neither java nor librdkafka"),
    };
    if foreign == Some(Peer::Java) {
        // It is compiled when it first runs, which must not take the time of the first history. Without anything to do it ends.
        let ended = java_program("Peer.java", &["127.0.0.1:9"]).stdin(Stdio::null()).status();
        assert!(ended.is_ok_and(|status| status.success()), "the Java program can be run");
    }
    let folder_of = folder.path().to_owned();
    let mut target = if kafka { Target::kafka(folder_of) } else { Target::millstream(folder_of) };
    tokio::task::block_in_place(|| target.start());
    let proxy = Proxy::start(target.proxy_port, format!("127.0.0.1:{}", target.port)).await;
    let (mut all, mut operations, mut transactions) = (Faults::default(), 0, 0);
    let (mut wrong, mut foreign_has_read) = (Vec::new(), false);
    for seed in seeds() {
        let begin = Instant::now();
        let finding = match run(&mut target, &proxy, Settings { seed, rounds, kills, late_ends, foreign }).await {
            Ok(finding) => finding,
            Err(failed) => {
                let (reason, history) = *failed;
                panic!("seed {seed}: {reason}; see {}", keep(seed, &history).display());
            }
        };
        let (report, faults) = (&finding.report, finding.faults);
        println!(
            "seed {seed}: {} events, {} sends ({} certain), {} reads, transactions {} committed {} aborted {} open; \
             {faults:?}; allowed {:?}; without a record {:?}; {:.0} s",
            finding.history.0.len(),
            report.sends,
            report.certain,
            report.reads,
            report.committed,
            report.aborted,
            report.undecided,
            report.allowed,
            finding.idle,
            begin.elapsed().as_secs_f32(),
        );
        if std::env::var_os("HISTORY_TROUBLES").is_some() {
            finding.troubles.iter().for_each(|(trouble, times)| println!("    {times} × {trouble}"));
        }
        assert!(0 < report.certain && 0 < report.committed, "seed {seed}: clients were at work");
        foreign_has_read |= foreign_readers().iter().any(|number| !finding.idle.contains(number));
        if !report.anomalies.is_empty() {
            let file = keep(seed, &finding.history);
            let mut shown: BTreeMap<_, Vec<String>> = BTreeMap::new();
            for anomaly in &report.anomalies {
                let of_kind = shown.entry(anomaly.kind).or_default();
                if of_kind.len() < 4 {
                    of_kind.push(anomaly.to_string());
                }
            }
            let shown: Vec<_> = shown.into_values().flatten().collect();
            println!("seed {seed}: {:?}; see {}\n  {}", report.kinds(), file.display(), shown.join("\n  "));
            wrong.push(seed);
        }
        all += faults;
        operations += finding.history.0.len() / 2;
        transactions += report.committed + report.aborted + report.undecided;
    }
    println!("{operations} operations, {transactions} transactions, {all:?}, seeds with violations: {wrong:?}");
    assert!(wrong.is_empty(), "seeds {wrong:?} broke Kafka's promises");
    assert!(foreign.is_none() || foreign_has_read, "{foreign:?} was there and has read nothing");
    assert!(!kills || 0 < all.kills, "the broker was killed");
}
