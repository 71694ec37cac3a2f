//! The HTTP sink in batches: records per second of the worker's processor time.
//!
//! The records come from a broker that is a process of its own, and go to a server within the bench, which reads each request
//! and answers it with 200. What either needs is not counted.

mod server;

use std::{
    fmt::Write as _,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::server::Server;
use crate::{
    broker,
    pipeline::{Counter, own_binary},
    side::{Run, Side},
    table::{Table, verdict},
};

/// Records per CPU-second, at least.
const TARGET: f64 = 50_000.0;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The binary; by default the one of the release profile in this target folder
    #[arg(long, env = "MILLSTREAM_BINARY")]
    binary: Option<PathBuf>,
    /// Records of a round
    #[arg(long, default_value_t = 500_000)]
    rows: u64,
    /// Records of a request
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Rounds that count; one before them does not
    #[arg(long, default_value_t = 5)]
    rounds: usize,
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
    let folder = TempDir::new().expect("a temporary folder");
    let broker = broker::Process::start_product(&binary, folder.path());
    produce(&binary, &broker.address, options.rows);
    let (server, counter) = (Server::start(), Counter::default());
    let side = Side::ours(&binary, &broker.address);
    let ways = [
        (
            "texts as they are",
            json!({
                "value.converter": "org.apache.kafka.connect.storage.StringConverter", "batch.separator": "\n",
            }),
        ),
        (
            "JSON read and written anew",
            json!({
                "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
                "request.body.format": "json",
            }),
        ),
    ];
    let heading = format!("HTTP sink, {} records a request", options.batch);
    let mut table = Table::new(&[&heading, "records per CPU-s", "of all rounds", "target", "", "s by the clock"]);
    for (number, (name, more)) in ways.iter().enumerate() {
        let mut runs = Vec::new();
        for round in 0..=options.rounds {
            let (before, connector) = (server.bodies(), format!("http-{number}-{round}"));
            let run = side.sink(&counter, &connector, &config(&server, options.batch, more), ("records", options.rows));
            let requests = server.bodies() - before;
            assert!(
                options.rows.div_ceil(options.batch) <= requests,
                "{requests} requests for {} records",
                options.rows
            );
            if 0 < round {
                runs.push(run);
            }
        }
        row(&mut table, name, options.rows, &mut runs);
    }
    table.print();
    println!("Most memory of the worker: {:.0} MB.\n", side.peak_mb());
}

fn config(server: &Server, batch: u64, more: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.http.HttpSinkConnector", "tasks.max": "1", "topics": "records",
        "http.api.url": format!("http://{}/records", server.address), "batch.max.size": batch.to_string(),
    });
    more.as_object().into_iter().flatten().for_each(|(key, value)| config[key] = value.clone());
    config
}

fn row(table: &mut Table, name: &str, records: u64, runs: &mut [Run]) {
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let rate = |run: &Run| records as f64 / run.cpu;
    let middle = runs.len() / 2;
    let (Some(best), Some(worst), Some(run)) = (runs.first(), runs.last(), runs.get(middle)) else { return };
    table.row(vec![
        name.to_owned(),
        format!("{:.0}", rate(run)),
        format!("{:.0} to {:.0}", rate(worst), rate(best)),
        format!("≥{TARGET}"),
        verdict(TARGET <= rate(run)).to_owned(),
        format!("{:.1}", run.wall),
    ]);
}

/// Writes the records, JSON objects of some 150 bytes, to the topic `records`.
fn produce(binary: &std::path::Path, broker: &str, records: u64) {
    let mut command = Command::new(binary);
    command.args(["topic", "produce", "--bootstrap-server", broker, "records"]);
    let mut producer = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut input = std::io::BufWriter::new(producer.stdin.take().expect("it is piped"));
    let mut line = String::new();
    for number in 0..records {
        line.clear();
        // Writing to a string cannot fail.
        let _ = writeln!(
            line,
            r#"{{"id":{number},"customer":"customer number {}","price":{}.5,"paid":{},"note":"a text of some length, with an ü and a \" in it"}}"#,
            number % 7919,
            number % 1000,
            number % 3 == 0,
        );
        input.write_all(line.as_bytes()).expect("the producer reads");
    }
    drop(input);
    assert!(producer.wait().expect("the producer can be waited for").success(), "the records are produced");
}
