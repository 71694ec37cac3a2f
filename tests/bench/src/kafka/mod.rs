//! The broker beside Apache Kafka: processor time, latency, memory and start of both, asked by the same client.
//!
//! Both run at the same time and are measured in turn, round by round, so that a disturbance hits both alike; what counts
//! is the ratio of two runs of the same round. One round before the first is not counted: Java compiles meanwhile.
//! `TMPDIR` says where their data lie.

mod measures;
mod memory;
mod sides;

use std::path::PathBuf;

use clap::Args;
use harness::peers;

use self::{
    measures::Load,
    sides::{Running, Side},
};
use crate::table::{Table, verdict};

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The broker that is measured: the example `broker` of the broker's crate, release profile
    #[arg(long)]
    binary: PathBuf,
    /// Times that each run is repeated
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only rows whose name contains this: produced, consumed, transactions, compacted, acknowledged, start, idle
    #[arg(long)]
    only: Option<String>,
    /// Only with this `acks.durability`: fsync or os
    #[arg(long, value_parser = DURABILITIES)]
    durability: Option<String>,
}

/// What `acks.durability` can be.
const DURABILITIES: [&str; 2] = ["fsync", "os"];

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// What a figure is held against.
#[derive(Clone, Copy)]
enum Target {
    /// So many times Kafka's, at least.
    Times(f64),
    /// No more than Kafka's and this.
    Within(f64),
    /// No more than this.
    AtMost(f64),
}

/// Measures and prints.
pub fn run(options: &Options) {
    assert!(
        options.binary.is_file(),
        "{}: build it with cargo build --release -p millstream-broker --example broker",
        options.binary.display()
    );
    if !peers::have_kafka() || !peers::have_python() {
        return;
    }
    let mut table =
        Table::new(&["measure", "durability", "ours", "Kafka's", "ours / Kafka's", "of all rounds", "target", ""]);
    memory(options, &mut table, "idle, MB", Target::AtMost(20.0), |running| running.usage().rss_mb);
    for durability in DURABILITIES {
        if options.durability.as_ref().is_some_and(|only| only != durability) {
            continue;
        }
        let (ours, kafka) = (Side::Ours(durability), Side::Kafka);
        let loads: Vec<Load> = Load::all(durability).into_iter().filter(|load| options.wants(&load.name())).collect();
        if loads.is_empty() {
            continue;
        }
        let (ours, kafka) = (Running::start(ours, &options.binary), Running::start(kafka, &options.binary));
        for load in loads {
            compare(options, &mut table, durability, &load, &ours, &kafka);
        }
        let (ours, kafka) = (ours.usage().peak_rss_mb, kafka.usage().peak_rss_mb);
        row(&mut table, "most memory under these loads, MB", durability, (&[ours], &[kafka]), None, 0);
    }
    if options.wants("start") {
        let (ours, kafka) = measures::clean_starts(&options.binary, options.rounds.min(3));
        let name = format!("clean start with {} partitions, s", measures::PARTITIONS);
        row(&mut table, &name, "fsync", (&ours, &kafka), Some(Target::AtMost(1.0)), 3);
    }
    table.print();
}

fn memory(options: &Options, table: &mut Table, name: &str, target: Target, measure: impl Fn(&Running) -> f64) {
    if !options.wants(name) {
        return;
    }
    let of = |side| {
        let running = Running::start(side, &options.binary);
        running.ask(&["create", "idle", "1"]);
        running.ask(&["produce", "idle", "10", "100"]);
        measure(&running)
    };
    row(table, name, "fsync", (&[of(Side::Ours("fsync"))], &[of(Side::Kafka)]), Some(target), 1);
}

fn compare(options: &Options, table: &mut Table, durability: &str, load: &Load, ours: &Running, kafka: &Running) {
    let (mut of_ours, mut of_kafka, mut filled) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let mut sides = [(ours, &mut of_ours), (kafka, &mut of_kafka)];
        // Neither always comes first.
        if round % 2 == 1 {
            sides.reverse();
        }
        for (running, figures) in sides {
            filled.push(memory::fill());
            figures.push(load.run(running, round));
        }
    }
    row(table, &load.name(), durability, (&of_ours[1..], &of_kafka[1..]), Some(load.target(durability)), load.digits());
}

fn row(
    table: &mut Table,
    name: &str,
    durability: &str,
    (ours, kafka): (&[f64], &[f64]),
    target: Option<Target>,
    digits: usize,
) {
    let mut ratios: Vec<f64> = ours.iter().zip(kafka).map(|(ours, kafka)| ours / kafka).collect();
    ratios.sort_by(f64::total_cmp);
    let (lowest, highest) = (ratios.first().unwrap_or(&f64::NAN), ratios.last().unwrap_or(&f64::NAN));
    let (ours, kafka, ratio) = (median(ours), median(kafka), median(&ratios));
    let (target, met) = match target {
        None => (String::new(), String::new()),
        Some(Target::Times(times)) => (format!("≥{times}×"), verdict(times <= ratio).to_owned()),
        Some(Target::Within(0.0)) => ("≤ Kafka's".to_owned(), verdict(ours <= kafka).to_owned()),
        Some(Target::Within(more)) => (format!("≤ Kafka's + {more}"), verdict(ours <= kafka + more).to_owned()),
        Some(Target::AtMost(most)) => (format!("≤{most}"), verdict(ours <= most).to_owned()),
    };
    let cells = vec![
        name.to_owned(),
        durability.to_owned(),
        format!("{ours:.digits$}"),
        format!("{kafka:.digits$}"),
        format!("{ratio:.2}"),
        format!("{lowest:.2} to {highest:.2}"),
        target,
        met,
    ];
    eprintln!("{}", cells.join(" | "));
    table.row(cells);
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
