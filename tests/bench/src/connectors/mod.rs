//! A worker with very many connectors: what each costs while it has nothing to do, and how soon all of them run again
//! after a crash. Figures of a run are told on standard error as soon as it is over.

mod runs;

use std::{path::PathBuf, time::Duration};

use clap::Args;

use self::runs::{Direction, Mode, Run};
use crate::{
    pipeline::own_binary,
    table::{Table, verdict},
};

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The binary; by default the one of the release profile in this target folder
    #[arg(long, env = "MILLSTREAM_BINARY")]
    binary: Option<PathBuf>,
    /// How many connectors
    #[arg(long, default_value_t = 1_000)]
    connectors: usize,
    /// How long the idle worker is watched, in seconds
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// Only runs whose name contains this: "sources, standalone" and so on
    #[arg(long)]
    only: Option<String>,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let binary = options.binary.clone().unwrap_or_else(own_binary);
    assert!(
        binary.is_file(),
        "{}: build it with cargo build --release, or name another with --binary",
        binary.display()
    );
    let binary = std::fs::canonicalize(binary).expect("the binary is there");
    let mut table = Table::new(&["measure", "value", "target", ""]);
    for (direction, mode) in [
        (Direction::Sources, Mode::Standalone),
        (Direction::Sources, Mode::Distributed),
        (Direction::Sinks, Mode::Standalone),
        (Direction::Sinks, Mode::Distributed),
    ] {
        let name = format!("{} {}, {}", options.connectors, direction.name(), mode.name());
        if options.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let run = Run::of(&binary, direction, mode, options.connectors, Duration::from_secs(options.idle_seconds));
        let mut row = |what: &str, value: f64, unit: &str, target: Option<f64>| {
            // A run takes minutes, and what it has found is not to be lost with the next.
            eprintln!("{name}: {what}: {value:.1} {unit}");
            table.row(vec![
                format!("{name}: {what}"),
                format!("{value:.1} {unit}"),
                target.map(|target| format!("{target} {unit}")).unwrap_or_default(),
                target.map(|target| verdict(value <= target).to_owned()).unwrap_or_default(),
            ]);
        };
        row("created", run.created.as_secs_f64(), "s", None);
        row("slowest POST", run.slowest_post.as_secs_f64() * 1000.0, "ms", None);
        row("memory of each", run.kilobytes_each, "kB", Some(500.0));
        row("resident size of each, shared pages counted each time", run.resident_each, "kB", None);
        row("idle CPU", run.idle_cpu * 100.0, "% of a core", Some(5.0));
        row("idle CPU, metrics scraped each second", run.scraped_cpu * 100.0, "% of a core", None);
        row("killed and started until all run", run.restarted.as_secs_f64(), "s", Some(5.0));
        row("CPU until then", run.restart_cpu.as_secs_f64(), "s", None);
        row("slowest answer meanwhile", run.slowest_answer.as_secs_f64() * 1000.0, "ms", None);
        row("record of each through, after", run.delivered.as_secs_f64(), "s", None);
    }
    table.print();
}
