//! What is asked of both brokers, and what comes of it as one figure.

use std::{path::Path, time::Duration};

use harness::within;
use tempfile::TempDir;

use super::{
    Target,
    sides::{Running, Side},
};

/// Partitions of the data folder that is started from, a thousand to a topic, with a record in each.
pub const PARTITIONS: usize = 5_000;

/// Bytes of the records of a run, all together.
const BYTES: usize = 300_000_000;

/// Times that a consumer reads them: reading costs so little that one time says nothing.
const PASSES: usize = 4;

/// Transactions of a run, and the records of each.
const TRANSACTIONS: usize = 300;
const RECORDS_OF_TRANSACTION: usize = 10;

/// Records per second, and seconds, of which the latency is measured.
const RATE: usize = 10_000;
const SECONDS: usize = 10;

/// What is asked of a broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// One producer with acks=all.
    Produced { record_bytes: usize },
    /// One consumer of one partition, from its beginning to its end, several times.
    Consumed { record_bytes: usize },
    /// One transactional producer.
    Transactions,
    /// A partition in which each key occurs ten times.
    Compacted { record_bytes: usize },
    /// One producer that sends at a steady rate.
    Acknowledged { linger_ms: usize },
}

impl Load {
    /// All of them; those that write nothing have nothing to do with durability, and are left out but once.
    pub fn all(durability: &str) -> Vec<Self> {
        let mut all: Vec<Self> = [100, 1000].map(|record_bytes| Self::Produced { record_bytes }).into();
        if durability == "fsync" {
            all.extend([100, 1000].map(|record_bytes| Self::Consumed { record_bytes }));
            all.extend([100, 1000].map(|record_bytes| Self::Compacted { record_bytes }));
        }
        all.push(Self::Transactions);
        all.extend([0, 5].map(|linger_ms| Self::Acknowledged { linger_ms }));
        all
    }

    /// Name of its row.
    pub fn name(self) -> String {
        match self {
            Self::Produced { record_bytes } => format!("{record_bytes} B produced, records per CPU-s"),
            Self::Consumed { record_bytes } => format!("{record_bytes} B consumed, records per CPU-s"),
            Self::Transactions => format!("transactions of {RECORDS_OF_TRANSACTION} records per CPU-s"),
            Self::Compacted { record_bytes } => format!("compacted, {record_bytes} B records, MB per CPU-s"),
            Self::Acknowledged { linger_ms } => {
                format!("acknowledged at {RATE}/s, linger.ms={linger_ms}, p99 in ms")
            }
        }
    }

    /// What it should be.
    pub(super) fn target(self, durability: &str) -> Target {
        match self {
            Self::Produced { record_bytes: 100 } => Target::Times(3.0),
            Self::Produced { .. } => Target::Times(2.5),
            Self::Consumed { record_bytes: 100 } => Target::Times(5.0),
            Self::Consumed { .. } => Target::Times(2.5),
            Self::Transactions => Target::Times(3.0),
            Self::Compacted { .. } => Target::Times(2.0),
            Self::Acknowledged { .. } => Target::Within(if durability == "os" { 0.0 } else { 2.0 }),
        }
    }

    /// Digits behind the point that mean something.
    pub fn digits(self) -> usize {
        match self {
            Self::Produced { .. } | Self::Consumed { .. } | Self::Transactions | Self::Compacted { .. } => 0,
            Self::Acknowledged { .. } => 2,
        }
    }

    /// Measures one round, over a topic of its own.
    pub fn run(self, running: &Running, round: usize) -> f64 {
        let topic = &format!("{self:?}-{round}").replace([' ', '{', '}', ':'], "");
        match self {
            Self::Produced { record_bytes } => {
                let records = BYTES / record_bytes;
                create(running, topic, &[]);
                records as f64 / running.cpu_of(|| produce(running, topic, records, record_bytes, 0))
            }
            Self::Consumed { record_bytes } => {
                let records = BYTES / record_bytes;
                // Read again and again by all rounds.
                let topic = &format!("consumed-{record_bytes}");
                if round == 0 {
                    create(running, topic, &[]);
                    produce(running, topic, records, record_bytes, 0);
                }
                let (count, times) = (records.to_string(), PASSES.to_string());
                let cpu = running.cpu_of(|| drop(running.ask(&["consume", topic, &count, &times])));
                (PASSES * records) as f64 / cpu
            }
            Self::Transactions => {
                create(running, topic, &[]);
                let (count, records) = (TRANSACTIONS.to_string(), RECORDS_OF_TRANSACTION.to_string());
                let cpu = running.cpu_of(|| drop(running.ask(&["transact", topic, &count, &records])));
                TRANSACTIONS as f64 / cpu
            }
            Self::Compacted { record_bytes } => {
                let records = BYTES / record_bytes;
                // A share of more than all of it is never dirty.
                let settings = ["cleanup.policy=compact", "segment.bytes=67108864", "min.cleanable.dirty.ratio=1.0"];
                create(running, topic, &settings);
                produce(running, topic, records, record_bytes, records / 10);
                let cpu = running.cpu_of(|| {
                    running.ask(&["alter", topic, "min.cleanable.dirty.ratio=0.001"]);
                    within(Duration::from_secs(300), "the partition is compacted", || {
                        (0 < running.cleaned_to(topic)).then_some(())
                    });
                });
                BYTES as f64 / 1e6 / cpu
            }
            Self::Acknowledged { linger_ms } => {
                create(running, topic, &[]);
                let arguments = [RATE, SECONDS, linger_ms].map(|number| number.to_string());
                let answer = running.ask(&["latency", topic, &arguments[0], &arguments[1], &arguments[2]]);
                answer.split(' ').nth(1).and_then(|p99| p99.parse().ok()).expect("two numbers")
            }
        }
    }
}

fn create(running: &Running, topic: &str, settings: &[&str]) {
    running.ask(&[&["create", topic, "1"], settings].concat());
}

fn produce(running: &Running, topic: &str, records: usize, record_bytes: usize, keys: usize) {
    let numbers = [records, record_bytes, keys].map(|number| number.to_string());
    running.ask(&["produce", topic, &numbers[0], &numbers[1], &numbers[2]]);
}

/// How long both take to start over [`PARTITIONS`] partitions after a stop in order, in seconds, some times each.
pub fn clean_starts(binary: &Path, times: usize) -> (Vec<f64>, Vec<f64>) {
    let starts = |side| {
        let folder = TempDir::new().expect("a temporary folder");
        let (running, _) = Running::start_in(side, binary, folder.path());
        for topic in 0..PARTITIONS / 1000 {
            let topic = format!("start-{topic}");
            running.ask(&["create", &topic, "1000"]);
            running.ask(&["spread", &topic, "1000"]);
        }
        running.terminate();
        let mut seconds = Vec::new();
        for _ in 0..times {
            let (running, took) = Running::start_in(side, binary, folder.path());
            seconds.push(took.as_secs_f64());
            running.terminate();
        }
        seconds
    };
    (starts(Side::Ours("fsync")), starts(Side::Kafka))
}
