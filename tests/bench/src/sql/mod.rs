//! The SQL connectors with PostgreSQL: records per second of the worker's processor time, and its memory.
//!
//! The sink stands beside Debezium's JDBC sink on Kafka Connect; both read the same topic of the same broker, a process of its
//! own. The source stands beside a poll loop in Java, which does less than a connector in a worker does. Each side's process
//! lives through all its rounds, and they are measured in turn, so that a disturbance hits both alike. One round before the
//! first is not counted: Java compiles meanwhile. What the database and the broker need is nobody's.

mod rows;
mod source;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::Args;
use harness::{
    databases::{self, DATABASE, Database, PASSWORD, Server, USER},
    peers,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::source::PollLoop;
use crate::{
    broker,
    pipeline::{Counter, own_binary},
    side::{Run, Side},
    table::{Table, verdict},
};

/// How many times what the peer does with the same processor time.
const TARGET: f64 = 5.0;

/// How much of the peer's memory, at most.
const MEMORY_TARGET: f64 = 0.1;

/// What the peer's worker has beyond its defaults: batches as large as ours.
const PEER_SETTINGS: &str = "consumer.max.poll.records=3000\n";

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The binary; by default the one of the release profile in this target folder
    #[arg(long, env = "MILLSTREAM_BINARY")]
    binary: Option<PathBuf>,
    /// Rows of the table, and records of a round
    #[arg(long, default_value_t = 300_000)]
    rows: u64,
    /// Rounds that count; one before them does not
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only what has this in its name: source, insert, upsert
    #[arg(long)]
    only: Option<String>,
    /// Without the peers
    #[arg(long)]
    alone: bool,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// The servers that both sides use.
struct Bench {
    binary: PathBuf,
    database: Database,
    broker: broker::Process,
    counter: Counter,
    options: Options,
    _folder: TempDir,
}

/// Measures and prints.
pub fn run(options: &Options) {
    let binary = options.binary.clone().unwrap_or_else(own_binary);
    assert!(
        binary.is_file(),
        "{}: build it with cargo build --release, or name another with --binary",
        binary.display()
    );
    if !databases::have(Server::Postgres) {
        return;
    }
    let binary = std::fs::canonicalize(binary).expect("the binary is there");
    let folder = TempDir::new().expect("a temporary folder");
    let broker = broker::Process::start_product(&binary, folder.path());
    let database = Database::start(Server::Postgres);
    rows::fill(&database, options.rows);
    let counter = Counter::default();
    let bench = Bench { binary, database, broker, counter, options: options.clone(), _folder: folder };
    let mut table = Table::new(&["measure", "ours", "peer's", "ours / peer's", "of all rounds", "target", ""]);
    bench.source(&mut table);
    bench.sinks(&mut table);
    table.print();
}

impl Bench {
    /// The keys of a connector that reaches the database.
    fn config(&self, class: &str, more: &Value) -> Value {
        let mut config = json!({
            "connector.class": class, "tasks.max": "1", "connection.url": self.database.url(DATABASE),
            "connection.user": USER, "connection.password": PASSWORD,
        });
        more.as_object().into_iter().flatten().for_each(|(key, value)| config[key] = value.clone());
        config
    }

    fn our_source(&self, side: &Side, round: usize) -> Run {
        let (name, prefix) = (format!("source-{round}"), format!("ours-{round}-"));
        let config = self.config(
            "SqlSource",
            &json!({
                "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "orders",
                "topic.prefix": prefix,
            }),
        );
        side.source(&self.counter, &name, &config, (&format!("{prefix}orders"), self.options.rows))
    }

    fn source(&self, table: &mut Table) {
        if !self.options.wants("source") {
            return;
        }
        let side = Side::ours(&self.binary, &self.broker.address);
        let mut peer = if self.options.alone { None } else { PollLoop::start(&self.broker.address, &self.database) };
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for round in 0..=self.options.rounds {
            ours.push(self.our_source(&side, round));
            self.delete(&format!("ours-{round}-orders"));
            if let Some(peer) = &mut peer {
                let topic = format!("peer-{round}");
                peers.push(peer.read("orders", &topic, self.options.rows));
                assert_eq!(self.counter.count(&self.broker.address, &topic), Some(self.options.rows), "{topic}");
                self.delete(&topic);
            }
        }
        self.rates(table, "source, rows per CPU-s", &ours[1..], peers.get(1..).unwrap_or_default());
        memory(table, "source, most memory, MB", side.peak_mb(), peer.map(|peer| peer.peak_mb()));
    }

    /// Deletes a topic that nobody needs any more.
    fn delete(&self, topic: &str) {
        let arguments = ["topic", "delete", topic, "--bootstrap-server", &self.broker.address];
        let deleted = Command::new(&self.binary).args(arguments).stdout(Stdio::null()).status();
        assert!(deleted.expect("the binary starts").success(), "{topic} is deleted");
    }

    fn sinks(&self, table: &mut Table) {
        let modes: Vec<&str> = ["insert", "upsert"].into_iter().filter(|mode| self.options.wants(mode)).collect();
        if modes.is_empty() {
            return;
        }
        let side = Side::ours(&self.binary, &self.broker.address);
        // The topic that both read.
        self.our_source(&side, 999);
        let topic = "ours-999-orders";
        drop(side);
        let side = Side::ours(&self.binary, &self.broker.address);
        let peer = if self.options.alone || !peers::have_kafka() { None } else { peers::jdbc_plugins() }
            .map(|plugins| Side::connect(&self.broker.address, &plugins, PEER_SETTINGS));
        for mode in modes {
            let (mut ours, mut peers) = (Vec::new(), Vec::new());
            for round in 0..=self.options.rounds {
                let own = |side: &Side| {
                    let name = format!("ours-{mode}");
                    self.our_sink(side, mode, topic, &name, round)
                };
                // Neither always comes first.
                if round % 2 == 0 {
                    ours.push(own(&side));
                }
                if let Some(peer) = &peer {
                    peers.push(self.peer_sink(peer, mode, topic, round));
                }
                if round % 2 == 1 {
                    ours.push(own(&side));
                }
            }
            let name = match mode {
                "insert" => "sink, insert, records per CPU-s",
                _ => "sink, upsert of rows that are there, records per CPU-s",
            };
            self.rates(table, name, &ours[1..], peers.get(1..).unwrap_or_default());
        }
        memory(table, "sink, most memory, MB", side.peak_mb(), peer.map(|peer| peer.peak_mb()));
    }

    fn our_sink(&self, side: &Side, mode: &str, topic: &str, name: &str, round: usize) -> Run {
        let target = format!("ours_{mode}");
        let keys = json!({ "topics": topic, "table.name.format": target, "insert.mode": mode });
        let mut config = self.config("SqlSink", &keys);
        if mode == "upsert" {
            config["pk.mode"] = "record_value".into();
            config["pk.fields"] = "id".into();
        }
        self.sink(side, &format!("{name}-{round}"), &config, (topic, &target), mode == "insert" || round == 0)
    }

    fn peer_sink(&self, side: &Side, mode: &str, topic: &str, round: usize) -> Run {
        let target = format!("peer_{mode}");
        let mut config = json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": topic,
            "connection.url": format!("{}?reWriteBatchedInserts=true", self.database.url(DATABASE)),
            "connection.username": USER, "connection.password": PASSWORD, "collection.name.format": target,
            "insert.mode": mode, "schema.evolution": "none", "batch.size": "3000", "primary.key.mode": "none",
        });
        if mode == "upsert" {
            config["primary.key.mode"] = "record_value".into();
            config["primary.key.fields"] = "id".into();
        }
        self.sink(side, &format!("peer-{mode}-{round}"), &config, (topic, &target), mode == "insert" || round == 0)
    }

    fn sink(&self, side: &Side, name: &str, config: &Value, (topic, target): (&str, &str), anew: bool) -> Run {
        if anew {
            rows::empty(&self.database, target);
        }
        let run = side.sink(&self.counter, name, config, (topic, self.options.rows));
        rows::check(&self.database, target);
        run
    }

    fn rates(&self, table: &mut Table, name: &str, ours: &[Run], peers: &[Run]) {
        let rate = |run: &Run| self.options.rows as f64 / run.cpu;
        let ratios: Vec<f64> = ours.iter().zip(peers).map(|(ours, peer)| rate(ours) / rate(peer)).collect();
        let (own, peer, ratio) =
            (median(ours.iter().map(rate)), median(peers.iter().map(rate)), median(ratios.iter().copied()));
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let walls = |runs: &[Run]| median(runs.iter().map(|run| run.wall));
        eprintln!("{name}: {ours:?}, peer: {peers:?}");
        table.row(if peers.is_empty() {
            vec![
                name.to_owned(),
                format!("{own:.0}"),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]
        } else {
            vec![
                name.to_owned(),
                format!("{own:.0}"),
                format!("{peer:.0}"),
                format!("{ratio:.2}"),
                format!("{lowest:.2} to {highest:.2}"),
                format!("≥{TARGET}×"),
                verdict(TARGET <= ratio).to_owned(),
            ]
        });
        let seconds = |runs: &[Run]| if runs.is_empty() { String::new() } else { format!("{:.1}", walls(runs)) };
        let name = format!("{}, s by the clock", name.rsplit_once(", ").map_or(name, |(name, _)| name));
        table.row(vec![
            name,
            seconds(ours),
            seconds(peers),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
}

fn memory(table: &mut Table, name: &str, ours: f64, peer: Option<f64>) {
    let mut cells = vec![name.to_owned(), format!("{ours:.0}")];
    match peer {
        Some(peer) => {
            let ratio = ours / peer;
            let target = format!("≤{MEMORY_TARGET}");
            cells.extend([format!("{peer:.0}"), format!("{ratio:.2}"), String::new(), target]);
            cells.push(verdict(ratio <= MEMORY_TARGET).to_owned());
        }
        None => cells.resize(7, String::new()),
    }
    table.row(cells);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// PostgreSQL's driver among the jars of Debezium's sink.
fn driver(plugins: &Path) -> Option<PathBuf> {
    let jars = std::fs::read_dir(plugins.join("debezium-connector-jdbc")).ok()?;
    let is_driver = |jar: &PathBuf| {
        let name = jar.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("postgresql-") && name.ends_with(".jar")
    };
    jars.flatten().map(|jar| jar.path()).find(is_driver)
}
