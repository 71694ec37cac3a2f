//! The broker alone, as a process of its own: how many records it takes and gives for a second of processor time.
//!
//! Two builds are measured in turn, round by round, so that a disturbance hits both alike; what counts is the ratio of
//! two runs of the same round. `TMPDIR` says where their data lie.

mod load;
mod process;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tempfile::TempDir;

use self::load::{Batch, Client};
pub(crate) use self::process::Process;
use crate::table::{Table, verdict};

/// How many records per second of processor time a build may have, at least, for one of its base.
const LEAST_RATIO: f64 = 0.97;

/// Times that a consumer reads all: reading costs so little that one time says nothing.
const PASSES: u64 = 8;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The program that is measured: the example `broker` of the broker's crate, release profile
    #[arg(long)]
    binary: PathBuf,
    /// The same program from another commit, to compare with
    #[arg(long)]
    base: Option<PathBuf>,
    /// Times that each run is repeated
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Megabytes of batches in one run
    #[arg(long, default_value_t = 400)]
    megabytes: usize,
    /// Bytes of the records of a run
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000])]
    record_bytes: Vec<usize>,
    /// Bytes of the batches of a run, of which each is one request: what Java's producer and librdkafka's make
    #[arg(long, value_delimiter = ',', default_values_t = [16_384, 1_000_000])]
    batch_bytes: Vec<usize>,
    /// Only runs whose name contains this: fsync, os, consume, follow
    #[arg(long)]
    only: Option<String>,
}

/// What one run does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// One producer with acks=all.
    Produce { durability: &'static str },
    /// One consumer from the beginning to the end, several times.
    Consume,
    /// One producer and one consumer that waits for what it appends.
    Follow { durability: &'static str },
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Produce { durability: "fsync" },
        Self::Produce { durability: "os" },
        Self::Consume,
        Self::Follow { durability: "fsync" },
        Self::Follow { durability: "os" },
    ];

    fn name(self) -> String {
        match self {
            Self::Produce { durability } => format!("produce {durability}"),
            Self::Consume => "consume".to_owned(),
            Self::Follow { durability } => format!("follow {durability}"),
        }
    }

    /// Runs it on an empty broker, and returns its processor time.
    fn run(self, binary: &Path, batch: &Batch, times: u64) -> Duration {
        let folder = TempDir::new().expect("a temporary folder");
        let durability = match self {
            Self::Produce { durability } | Self::Follow { durability } => durability,
            Self::Consume => "os",
        };
        let broker = Process::start(binary, folder.path(), &[format!("acks.durability={durability}")]);
        let mut client = Client::connect(&broker.address);
        client.create_topic();
        if self == Self::Consume {
            client.produce(batch, times);
        }
        let before = broker.cpu();
        match self {
            Self::Produce { .. } => client.produce(batch, times),
            Self::Consume => (0..PASSES).for_each(|_| client.consume(times * batch.records)),
            Self::Follow { .. } => std::thread::scope(|scope| {
                let mut other = Client::connect(&broker.address);
                scope.spawn(move || other.consume(times * batch.records));
                client.produce(batch, times);
            }),
        }
        let used = broker.cpu() - before;
        broker.terminate();
        used
    }
}

/// Measures and prints.
pub fn run(options: &Options) {
    for binary in std::iter::once(&options.binary).chain(&options.base) {
        assert!(
            binary.is_file(),
            "{}: build it with cargo build --release -p millstream-broker --example broker",
            binary.display()
        );
    }
    let mut table = Table::new(&[
        "acks=all",
        "record B",
        "batch B",
        "records per CPU-s",
        "of the base",
        "ratio, median",
        "of all rounds",
        "lowest to highest",
        "",
    ]);
    for kind in Kind::ALL {
        if options.only.as_ref().is_some_and(|only| !kind.name().contains(only.as_str())) {
            continue;
        }
        for (&record_bytes, &batch_bytes) in
            options.record_bytes.iter().flat_map(|record| options.batch_bytes.iter().map(move |batch| (record, batch)))
        {
            let batch = Batch::new(record_bytes, batch_bytes);
            let times = (options.megabytes * 1_000_000 / batch.bytes()).max(1) as u64;
            let mut row = vec![kind.name(), record_bytes.to_string(), batch.bytes().to_string()];
            row.extend(measure(kind, options, &batch, times));
            eprintln!("{}", row.join(" | "));
            table.row(row);
        }
    }
    table.print();
}

fn measure(kind: Kind, options: &Options, batch: &Batch, times: u64) -> Vec<String> {
    let passes = if kind == Kind::Consume { PASSES } else { 1 };
    let records = (passes * times * batch.records) as f64;
    let (mut ours, mut bases) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let mut binaries = vec![(&options.binary, &mut ours)];
        binaries.extend(options.base.as_ref().map(|base| (base, &mut bases)));
        // Neither always comes first.
        if round % 2 == 1 {
            binaries.reverse();
        }
        for (binary, used) in binaries {
            used.push(kind.run(binary, batch, times).as_secs_f64());
        }
    }
    let rate = |used: &[f64]| format!("{:.0}", records / median(used.to_vec()));
    let mut cells = vec![rate(&ours)];
    if bases.is_empty() {
        cells.resize(6, String::new());
        return cells;
    }
    let mut ratios: Vec<f64> = ours.iter().zip(&bases).map(|(ours, base)| base / ours).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = median(ratios.clone());
    let whole = bases.iter().sum::<f64>() / ours.iter().sum::<f64>();
    let (lowest, highest) = (ratios.first().unwrap_or(&f64::NAN), ratios.last().unwrap_or(&f64::NAN));
    cells.extend([
        rate(&bases),
        format!("{ratio:.3}"),
        format!("{whole:.3}"),
        format!("{lowest:.2} to {highest:.2}"),
        verdict(LEAST_RATIO <= ratio).to_owned(),
    ]);
    cells
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
