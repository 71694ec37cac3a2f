//! A whole worker as a process of its own: what records cost it, how it starts, what it holds.
//!
//! Processor time is that of the whole process, start included, user and system together.

mod count;
pub(crate) mod process;
pub(crate) mod runs;

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::table::{Table, verdict};
pub(crate) use count::Counter;
use runs::Bench;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The binary; by default the one of the release profile in this target folder
    #[arg(long, env = "MILLSTREAM_BINARY")]
    binary: Option<PathBuf>,
    /// Lines of the input file
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Bytes of a line, without its end
    #[arg(long, default_value_t = 180)]
    line_bytes: usize,
    /// Times that each run is repeated; the median counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// How long the sink is blocked, in seconds; 0 leaves it out
    #[arg(long, default_value_t = 60)]
    blocked_seconds: u64,
    /// How long the idle worker is watched, in seconds; 0 leaves it out
    #[arg(long, default_value_t = 10)]
    idle_seconds: u64,
    /// Only runs whose name contains this: file, topic, smt, start, idle, blocked, binary
    #[arg(long)]
    only: Option<String>,
}

impl Options {
    fn wants(&self, run: &str) -> bool {
        self.only.as_ref().is_none_or(|only| run.contains(only.as_str()))
    }
}

/// Measures and prints.
pub fn run(options: &Options) {
    let binary = options.binary.clone().unwrap_or_else(own_binary);
    assert!(
        binary.is_file(),
        "{}: build it with cargo build --release, or name another with --binary",
        binary.display()
    );
    let bench = Bench::new(&binary, options.records, options.line_bytes);
    let mut throughput =
        Table::new(&["1 record per line", "records per CPU-s", "target", "", "CPU s", "wall s", "peak RSS MB"]);
    let mut others = Table::new(&["measure", "value", "target", ""]);
    for (name, kind, target) in [
        ("file → topic", runs::Kind::FileToTopic, 1_200_000.0),
        ("file → topic, 3 SMTs + JSON", runs::Kind::Transformed { schemas: false }, 800_000.0),
        ("file → topic, 3 SMTs + JSON with schemas", runs::Kind::Transformed { schemas: true }, 800_000.0),
        ("topic → file", runs::Kind::TopicToFile, 2_000_000.0),
    ] {
        if !options.wants(kind.name()) {
            continue;
        }
        let mut results: Vec<_> = (0..options.repeat).map(|_| bench.throughput(kind)).collect();
        results.sort_by_key(|result| result.cpu);
        let result = &results[results.len() / 2];
        let rate = options.records as f64 / result.cpu.as_secs_f64();
        throughput.row(vec![
            name.to_owned(),
            format!("{rate:.0}"),
            format!("{target:.0}"),
            verdict(target <= rate).to_owned(),
            format!("{:.2}", result.cpu.as_secs_f64()),
            format!("{:.2}", result.wall.as_secs_f64()),
            format!("{:.0}", result.peak_rss_mb),
        ]);
    }
    let mut measure = |name: &str, value: f64, unit: &str, target: Option<f64>| {
        others.row(vec![
            name.to_owned(),
            format!("{value:.2} {unit}"),
            target.map(|target| format!("{target} {unit}")).unwrap_or_default(),
            target.map(|target| verdict(value <= target).to_owned()).unwrap_or_default(),
        ]);
    };
    if options.wants("start") {
        let mut starts = bench.second_starts(options.repeat.max(5));
        let middle = starts.len() / 2;
        starts.sort_by_key(|start| start.wall);
        measure("second start to healthy, wall", starts[middle].wall.as_secs_f64() * 1000.0, "ms", Some(150.0));
        starts.sort_by_key(|start| start.cpu);
        measure("second start to healthy, CPU", starts[middle].cpu.as_secs_f64(), "s", Some(0.15));
    }
    if options.wants("idle") && 0 < options.idle_seconds {
        let idle = bench.idle(Duration::from_secs(options.idle_seconds));
        measure("idle RSS, both samples running", idle.rss_mb, "MB", Some(40.0));
        measure("idle CPU", idle.cpu_per_second * 100.0, "% of a core", None);
    }
    if options.wants("blocked") && 0 < options.blocked_seconds {
        let blocked = bench.blocked_sink(Duration::from_secs(options.blocked_seconds));
        measure(&format!("peak RSS, {} s behind a blocked sink", options.blocked_seconds), blocked, "MB", None);
    }
    if options.wants("binary") {
        let bytes = binary.metadata().expect("the binary is there").len();
        measure("binary", bytes as f64 / 1e6, "MB", Some(40.0));
    }
    throughput.print();
    others.print();
}

/// The release binary beside this program's profile.
pub(crate) fn own_binary() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let profile = own.parent().expect("programs lie in a folder");
    profile.parent().unwrap_or(profile).join("release/millstream")
}
