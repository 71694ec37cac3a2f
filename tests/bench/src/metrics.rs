//! What the metrics cost: counting itself, and reading them while records go through.

use std::{hint::black_box, path::PathBuf, time::Duration};

use clap::Args;
use millstream_metrics::{Labels, Metrics, SourceTask, TaskStage};

use crate::{
    pipeline::{own_binary, runs::Bench},
    table::Table,
    thread_clock::busy,
};

/// Between two readings: so often that their cost can be told from noise.
const INTERVAL: Duration = Duration::from_millis(100);

/// Operations of one measurement.
const TIMES: u32 = 10_000_000;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The binary; by default the one of the release profile in this target folder
    #[arg(long, env = "MILLSTREAM_BINARY")]
    binary: Option<PathBuf>,
    /// Lines of the input file
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Pairs of runs, with readings and without; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Measures and prints.
pub fn run(options: &Options) {
    counting();
    let binary = options.binary.clone().unwrap_or_else(own_binary);
    assert!(
        binary.is_file(),
        "{}: build it with cargo build --release, or name another with --binary",
        binary.display()
    );
    let bench = Bench::new(&binary, options.records, 180);
    let mut table =
        Table::new(&["1 record per line, file → topic", "CPU s without", "with", "readings", "CPU ms of one"]);
    let mut of_one = Vec::new();
    for round in 1..=options.rounds {
        let (without, _) = bench.scraped(None);
        let (with, readings) = bench.scraped(Some(INTERVAL));
        let more = with.cpu.as_secs_f64() - without.cpu.as_secs_f64();
        of_one.push(more * 1000.0 / f64::from(readings.max(1)));
        table.row(vec![
            format!("round {round}, read every {} ms", INTERVAL.as_millis()),
            format!("{:.2}", without.cpu.as_secs_f64()),
            format!("{:.2}", with.cpu.as_secs_f64()),
            readings.to_string(),
            format!("{:.2}", more * 1000.0 / f64::from(readings.max(1))),
        ]);
    }
    of_one.sort_by(f64::total_cmp);
    let median = of_one.get(of_one.len() / 2).copied().unwrap_or(f64::NAN);
    table.row(vec![
        "median".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        format!("{median:.2} (read each second: {:.2} % of a core)", median / 10.0),
    ]);
    table.print();
}

/// What one operation of each instrument costs on a thread that has it to itself.
fn counting() {
    let metrics = Metrics::default();
    let task = metrics.group::<SourceTask>(Labels::task("c", 0));
    let stage = metrics.group::<TaskStage>(Labels::task("c", 0).and("stage", "poll"));
    let mut table = Table::new(&["counting", "ns"]);
    let mut measure = |what: &str, operation: &dyn Fn(u64)| {
        let begin = busy();
        (0..TIMES).for_each(|number| operation(black_box(u64::from(number))));
        let nanos = (busy() - begin).as_nanos() as f64 / f64::from(TIMES);
        table.row(vec![what.to_owned(), format!("{nanos:.1}")]);
    };
    measure("a counter", &|number| task.polled.add(number));
    measure("a distribution", &|number| task.poll_time.record(number));
    measure("a histogram", &|number| stage.time.record(Duration::from_nanos(number)));
    table.print();
}
