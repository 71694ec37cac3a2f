//! What exactly-once delivery costs a source: records per processor second of the whole worker, built-in broker included,
//! beside the same source at least once.
//!
//! Two workers live through the whole bench, one of each kind, so that starts and compilation are no part of it. In each
//! round they read the same file, one after the other, into a topic of the round's; the ratio is taken round by round.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use harness::request;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    pipeline::{own_binary, process::Worker},
    table::{Table, verdict},
};

/// How often a worker is asked how far it is. Rarely, since that is its own work.
const LOOK: Duration = Duration::from_millis(50);

/// Most that it may cost, in per cent.
const TARGET: f64 = 15.0;

/// The worker file of both.
const SETTINGS: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n";

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
    /// Rounds, of which the median counts; one before them is not counted
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// A way to deliver.
struct Way {
    name: &'static str,
    exactly_once: bool,
    settings: Value,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    cpu: Duration,
    wall: Duration,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let binary = options.binary.clone().unwrap_or_else(own_binary);
    assert!(
        binary.is_file(),
        "{}: build it with cargo build --release, or name another with --binary",
        binary.display()
    );
    let binary = fs::canonicalize(binary).expect("the binary is there");
    let folders = [(); 3].map(|()| TempDir::new().expect("a temporary folder"));
    let input = folders[0].path().join("input.txt");
    write_lines(&input, options);
    let mut workers = [(&folders[1], "disabled"), (&folders[2], "enabled")].map(|(folder, support)| {
        let settings = format!("{SETTINGS}exactly.once.source.support={support}\n");
        let mut worker = Worker::start_distributed(&binary, folder.path(), &settings);
        worker.until("it is healthy", LOOK, |worker| worker.is_healthy().then_some(()));
        worker
    });
    let ways = [
        Way { name: "at least once", exactly_once: false, settings: json!({}) },
        Way { name: "exactly once, a transaction per poll", exactly_once: true, settings: json!({}) },
        Way {
            name: "exactly once, a transaction per second",
            exactly_once: true,
            settings: json!({ "transaction.boundary": "interval", "transaction.boundary.interval.ms": "1000" }),
        },
    ];
    let mut runs: Vec<Vec<Run>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..=options.rounds {
        for (number, way) in ways.iter().enumerate() {
            let worker = &mut workers[usize::from(way.exactly_once)];
            let took = deliver(&binary, worker, way, &input, (&format!("lines-{round}-{number}"), options.records));
            if 0 < round {
                runs[number].push(took);
            }
        }
    }
    print(&ways, &runs, options.records);
    workers.into_iter().for_each(Worker::terminate);
}

fn print(ways: &[Way], runs: &[Vec<Run>], records: u64) {
    let mut table = Table::new(&["1 record per line", "records per CPU-s", "CPU s", "wall s", "cost", "target", ""]);
    for (way, own) in ways.iter().zip(runs) {
        let cpu = median(own.iter().map(|run| run.cpu.as_secs_f64()));
        let wall = median(own.iter().map(|run| run.wall.as_secs_f64()));
        // Of each round by itself, in which a disturbance hits all alike.
        let rates = own.iter().zip(&runs[0]).map(|(run, base)| base.cpu.as_secs_f64() / run.cpu.as_secs_f64());
        let cost = (1.0 - median(rates)) * 100.0;
        let is_base = !way.exactly_once;
        table.row(vec![
            way.name.to_owned(),
            format!("{:.0}", records as f64 / cpu),
            format!("{cpu:.2}"),
            format!("{wall:.2}"),
            if is_base { String::new() } else { format!("{cost:.1} %") },
            if is_base { String::new() } else { format!("{TARGET} %") },
            if is_base { String::new() } else { verdict(cost <= TARGET).to_owned() },
        ]);
    }
    table.print();
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn write_lines(input: &Path, options: &Options) {
    let mut file = BufWriter::new(File::create(input).expect("a file"));
    for number in 0..options.records {
        let mut line = format!("{number:010} ");
        while line.len() < options.line_bytes {
            line.push(char::from(b'a' + (line.len() as u64 * 7 + number) as u8 % 26));
        }
        line.truncate(options.line_bytes);
        line.push('\n');
        file.write_all(line.as_bytes()).expect("room on the disk");
    }
    file.flush().expect("room on the disk");
}

/// Has a worker read the whole file into a topic of its own, which is gone afterwards.
fn deliver(binary: &Path, worker: &mut Worker, way: &Way, input: &Path, (topic, records): (&str, u64)) -> Run {
    let mut config = json!({
        "connector.class": "FileStreamSource",
        "tasks.max": "1",
        "file": input,
        "topic": topic,
    });
    let settings = way.settings.as_object().into_iter().flatten();
    settings.for_each(|(key, value)| config[key] = value.clone());
    let (before, begun) = (worker.usage(), Instant::now());
    let path = format!("/connectors/{topic}/config");
    let answer = request(&worker.rest, "PUT", &path, Some(&config.to_string())).expect("the worker answers");
    assert_eq!(answer.status, 201, "{}", answer.body);
    worker.until("all records are written", LOOK, |worker| (records <= written(worker, topic)?).then_some(()));
    // The last transaction and the last offsets belong to it: a stop commits both.
    let answer = request(&worker.rest, "PUT", &format!("/connectors/{topic}/stop"), None).expect("the worker answers");
    assert_eq!(answer.status, 204, "{}", answer.body);
    worker.until("the connector has stopped", LOOK, |worker| {
        let status = request(&worker.rest, "GET", &format!("/connectors/{topic}/status"), None)?.json();
        (status["connector"]["state"] == "STOPPED" && status["tasks"].as_array()?.is_empty()).then_some(())
    });
    let (after, wall) = (worker.usage(), begun.elapsed());
    let answer = request(&worker.rest, "DELETE", &format!("/connectors/{topic}"), None).expect("the worker answers");
    assert_eq!(answer.status, 204, "{}", answer.body);
    let deleted = Command::new(binary)
        .args(["topic", "delete", topic, "--bootstrap-server", &worker.broker])
        .stdout(Stdio::null())
        .status();
    assert!(deleted.expect("the binary starts").success(), "{topic} is deleted");
    Run { cpu: after.cpu - before.cpu, wall }
}

/// Records of the connector's task that have been acknowledged.
fn written(worker: &Worker, connector: &str) -> Option<u64> {
    let page = worker.get("/metrics")?;
    let of_connector = format!("connector=\"{connector}\"");
    let line = page.lines().find(|line| {
        line.starts_with("kafka_connect_source_task_source_record_write_total{") && line.contains(&of_connector)
    })?;
    line.rsplit(' ').next()?.parse::<f64>().ok().map(|count| count as u64)
}
