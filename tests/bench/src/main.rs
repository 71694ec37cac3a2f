//! `cargo run --release -p bench -- batch|transforms|pipeline|connectors|metrics|exactly-once|broker|kafka|sql|http`: prints
//! tables of figures, with their targets.

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures Millstream and prints tables with targets")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The batch, natively and through a guest
    Batch(bench::batch::Options),
    /// Each transform natively and in Wasm, a chain of three, and JSON beside serde_json
    Transforms(bench::transforms::Options),
    /// A whole worker as a process: throughput, start, memory
    Pipeline(bench::pipeline::Options),
    /// A worker with very many connectors: memory, idle processor time, restart
    Connectors(bench::connectors::Options),
    /// What metrics cost: counting, and reading them while records go through
    Metrics(bench::metrics::Options),
    /// What exactly-once delivery costs a source, beside the same at least once
    ExactlyOnce(bench::exactly_once::Options),
    /// The broker alone as a process, beside another build of it: processor time per record
    Broker(bench::broker::Options),
    /// The broker beside Apache Kafka: processor time, latency, start, memory
    Kafka(bench::kafka::Options),
    /// SQL sink and source with PostgreSQL, beside Debezium's JDBC sink on Kafka Connect and a poll loop in Java
    Sql(bench::sql::Options),
    /// The HTTP sink in batches
    Http(bench::http::Options),
}

fn main() {
    match Arguments::parse().command {
        Command::Batch(options) => bench::batch::run(&options),
        Command::Transforms(options) => bench::transforms::run(&options),
        Command::Pipeline(options) => bench::pipeline::run(&options),
        Command::Connectors(options) => bench::connectors::run(&options),
        Command::Metrics(options) => bench::metrics::run(&options),
        Command::ExactlyOnce(options) => bench::exactly_once::run(&options),
        Command::Broker(options) => bench::broker::run(&options),
        Command::Kafka(options) => bench::kafka::run(&options),
        Command::Sql(options) => bench::sql::run(&options),
        Command::Http(options) => bench::http::run(&options),
    }
}
