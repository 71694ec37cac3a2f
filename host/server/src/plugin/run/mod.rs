//! `millstream plugin run`: a plugin is fed with records, or asked for some, and what it makes of them is printed. No worker
//! is needed; what calls the plugin is a worker's own code.

pub mod connector;
mod converter;
mod input;
pub mod records;
pub mod sink;
pub mod source;
pub mod transform;

use std::path::PathBuf;

use clap::Args;
use millstream_connector::{Failure as Reported, PluginKind, RowError};
use serde_json::{Value, json};

use super::subject::{Subject, Which};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::Connection,
    output::{Output, print},
};

/// What `run` needs of its help.
pub const HELP: &str = "Examples:
  millstream plugin run --input records.json
  millstream plugin run build/shout.wasm --config field=name --input records.json --output json
  millstream plugin run --topic orders --bootstrap-server localhost:9092 --max-records 5
  millstream plugin run --max-records 3          (a source: polls it)

A line of the input is a record as JSON: a value alone, or an object with value and, if it has them, key, topic, partition, offset,
timestamp and headers. {\"schema\": …, \"payload\": …} is data with a schema, as Connect's JsonConverter has it. For a converter keys and
values are bytes, in the form that `topic consume --output json` prints. Records of a topic are read with the converters that
key.converter and value.converter of the configuration name; without any, as text keys and JSON values.";

#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    which: Which,
    /// Records, a line of JSON each
    #[arg(long, value_name = "FILE", conflicts_with = "topic")]
    input: Option<PathBuf>,
    /// Topic with records, from its beginning; the connection is as in `topic consume`
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// End after so many records; a source after 10
    #[arg(long, value_name = "N")]
    max_records: Option<usize>,
    /// Records in one call
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Longest wait for a source's next record, in milliseconds
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    timeout_ms: u64,
    /// Show data with its schemas
    #[arg(long)]
    schemas: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the plugin.
pub async fn run(arguments: Run) -> Result<(), Failure> {
    let subject = Subject::of(&arguments.which).await?;
    match subject.info.kind {
        PluginKind::Source => source::run(&subject, &arguments).await,
        PluginKind::Sink => sink::run(&subject, &arguments).await,
        PluginKind::Transform | PluginKind::Predicate => transform::run(&subject, &arguments).await,
        PluginKind::Converter => converter::run(&subject, &arguments).await,
        PluginKind::HeaderConverter => {
            let message = format!("{} converts headers only, which cannot be run alone", subject.info.class);
            Err(Failure::new(USAGE, message))
        }
    }
}

/// What the plugin says of a record, or of a call.
fn failure_json(failure: &Reported) -> Value {
    json!({"class": failure.class, "message": failure.message, "at": failure.at, "causes": failure.causes})
}

fn error_json(error: &RowError) -> Value {
    failure_json(&error.failure)
}

/// A failure as lines below a record: the plugin's words, and where they come from.
fn failure_text(failure: &Value) -> String {
    let text = |name: &str| failure[name].as_str().unwrap_or_default();
    let class = text("class").rsplit('.').next().unwrap_or_default();
    let mut lines = format!("  ✗ {class}: {}\n", text("message"));
    if let Some(at) = failure["at"].as_str() {
        lines.push_str(&format!("      at {at}\n"));
    }
    for cause in failure["causes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        lines.push_str(&format!("      caused by {}\n", cause.trim_end().replace('\n', "\n      ")));
    }
    lines
}

/// The end of a run whose plugin failed as a whole.
pub fn ended(what: &str, error: &millstream_connector::PluginError) -> Failure {
    let failure = error.failure();
    Failure::new(USAGE, format!("{what}: {}", failure.trace().trim_end()))
}

/// What became of the records.
#[derive(Default)]
struct Tally {
    /// Records that went in, or came from a source.
    records: u64,
    /// Of these, in the order in which they are said: `3 changed`.
    counts: Vec<(&'static str, u64)>,
}

impl Tally {
    fn count(&mut self, what: &'static str) {
        match self.counts.iter_mut().find(|(name, _)| *name == what) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((what, 1)),
        }
    }

    /// Says how many there were, where people read.
    fn report(&self, output: Output) -> Result<(), Failure> {
        if output == Output::Json {
            return Ok(());
        }
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let records = if self.records == 1 { "record" } else { "records" };
        let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        print(&format!("\n{} {records}{counts}\n", self.records))
    }
}

/// Prints what became of one record: an object in a line for programs, else these lines.
fn show(output: Output, json: &Value, text: &str) -> Result<(), Failure> {
    match output {
        Output::Json => print(&format!("{json}\n")),
        Output::Text => print(text),
    }
}
