//! `millstream plugin bench`: what a plugin costs by itself, in processor time for each record, beside one that passes the
//! same records through. What calls it is a worker's own code.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use millstream_config::ConfigMap;
use millstream_connector::{
    ByteColumn, Condition, Converter, ConverterRole, InputRow, Link, LinkedTransforms, PluginError, PluginKind,
    Plugins, PollLimits, RowInput, SinkTask, SourceTask, TopicPartition,
};
use millstream_metrics::{Labels, PluginInstance};
use millstream_record::batch::{Batch, SchemaTable, Side, UnionBuilder};
use serde_json::json;
use tempfile::TempDir;

use super::{
    check,
    run::{
        connector::Started,
        ended,
        records::{self, Meant, Notation},
        sink, source, transform,
    },
    subject::{Subject, Which, task},
};
use crate::{
    exit::{Failure, SETUP, USAGE},
    output::{Output, print, print_json, table},
};

pub const HELP: &str = "Examples:
  millstream plugin bench
  millstream plugin bench build/shout.wasm --config field=itemid --records 1,1000 --output json

Records are those of --input, repeated, or made-up orders, as the connector Datagen makes them. A record's cost is the processor
time of this whole process, the median of the rounds; waiting costs nothing. Beside it stands what costs the least of its kind:
for transforms and predicates a filter that keeps all records, for converters Connect's JsonConverter, for sinks FileStreamSink,
for sources Datagen. Memory is what the plugin's instance holds afterwards.";

/// The connector that makes records up, and its configuration.
const DATAGEN: &str = "Datagen";

const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";
const TOMBSTONES: &str = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const FILE_SINK: &str = "FileStreamSink";

/// Longest time for one cell of the table, however little the plugin computes in it.
const CELL: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub struct Bench {
    #[command(flatten)]
    which: Which,
    /// Records to take instead of made-up orders, a line of JSON each as for `plugin run`
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Records in a batch, one number for each row of the table
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000", value_name = "N,N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    records: Vec<u32>,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Processor time of a round, in milliseconds
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    round_ms: u64,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// One row of the table.
struct Cell {
    what: &'static str,
    records: u32,
    nanos: f64,
    baseline: f64,
    memory: i64,
}

/// Measures and prints.
pub async fn run(arguments: Bench) -> Result<(), Failure> {
    let subject = Subject::of(&arguments.which).await?;
    let mut cells = Vec::new();
    for &records in &arguments.records {
        for (what, mut own, mut baseline) in works(&subject, &arguments, records).await? {
            let (nanos, baseline) = measured(&mut own, &mut baseline, records, &arguments).await?;
            cells.push(Cell { what, records, nanos, baseline, memory: memory(&subject) });
        }
    }
    if arguments.output == Output::Json {
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| {
                json!({"what": cell.what, "records": cell.records, "ns_per_record": cell.nanos,
                    "baseline_ns_per_record": cell.baseline, "memory_bytes": cell.memory})
            })
            .collect();
        return print_json(&json!({"class": subject.info.class, "type": subject.info.kind.name(), "cells": cells}));
    }
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            let ratio =
                if cell.baseline == 0.0 { "-".to_owned() } else { format!("{:.1}", cell.nanos / cell.baseline) };
            let memory = check::size(u64::try_from(cell.memory).unwrap_or(0));
            vec![cell.what.to_owned(), cell.records.to_string(), nanos(cell.nanos), nanos(cell.baseline), ratio, memory]
        })
        .collect();
    let headings = ["CALL", "RECORDS", "NS/RECORD", "PASS-THROUGH", "RATIO", "MEMORY"];
    print(&format!("{} {}\n{}", subject.info.kind.name(), subject.info.class, table(&headings, &rows)))
}

fn nanos(nanos: f64) -> String {
    if nanos < 100.0 { format!("{nanos:.1}") } else { format!("{nanos:.0}") }
}

/// What the plugin's instances hold.
fn memory(subject: &Subject) -> i64 {
    let task = task();
    let labels = Labels::connector(&task.connector).and("plugin", &*subject.info.class);
    let group: Arc<PluginInstance> = subject.metrics.group(labels.and("task", task.number.to_string()));
    group.memory.value()
}

/// Something to be done over and over.
enum Work {
    Chain(Box<dyn LinkedTransforms>, Batch),
    Write(Box<dyn Converter>, Batch),
    Read(Box<dyn Converter>, Vec<Option<Vec<u8>>>),
    Put(Box<dyn SinkTask>, Batch, Option<Started>, Option<TempDir>),
    Poll(Box<dyn SourceTask>, u32, Option<Started>),
}

impl Work {
    /// Does it once, and says for how many records that was.
    async fn once(&mut self) -> Result<u32, PluginError> {
        match self {
            Self::Chain(chain, batch) => chain.apply(batch).await.map(|_| batch.rows()),
            Self::Write(converter, batch) => {
                let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
                converter.from_connect(batch, Side::Value, &mut bytes, &mut errors).await?;
                Ok(batch.rows())
            }
            Self::Read(converter, values) => {
                let (mut schemas, mut data, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
                let rows = converter.to_connect("bench", &Values(values), &mut schemas, &mut data, &mut errors).await?;
                Ok(rows as u32)
            }
            Self::Put(sink, batch, ..) => sink.put(batch).await.map(|()| batch.rows()),
            Self::Poll(source, most, _) => {
                let limits = PollLimits { max_records: *most, max_bytes: 64 << 20, max_wait_ms: 100 };
                let polled = source.poll(limits).await?;
                Ok(polled.map_or(0, |batch| batch.rows()))
            }
        }
    }

    /// Processor nanoseconds for each record, over at least so much processor time; `None` if no record came.
    async fn round(&mut self, least: Duration, until: Instant) -> Result<Option<f64>, PluginError> {
        let (begin, mut records) = (busy(), 0_u64);
        loop {
            records += u64::from(self.once().await?);
            let used = busy().saturating_sub(begin);
            if least <= used || until <= Instant::now() {
                return Ok((records != 0).then(|| used.as_nanos() as f64 / records as f64));
            }
        }
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        match self {
            Self::Put(sink, _, _, folder) => {
                sink.pre_commit(&[]).await?;
                sink.stop().await?;
                drop(folder.take());
                Ok(())
            }
            Self::Poll(source, ..) => source.stop().await,
            _ => Ok(()),
        }
    }
}

struct Values<'v>(&'v [Option<Vec<u8>>]);

impl RowInput for Values<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: self.0[at].as_deref() }
    }
}

/// Processor time of this process so far.
fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Both in turn, so that a disturbance hits both.
async fn measured(own: &mut Work, baseline: &mut Work, records: u32, arguments: &Bench) -> Result<(f64, f64), Failure> {
    let least = Duration::from_millis(arguments.round_ms);
    let mut nanos: [Vec<f64>; 2] = Default::default();
    for (work, what) in [(&mut *own, "the plugin"), (&mut *baseline, "what it is held against")] {
        // Caches and scratch memory are filled first.
        let first = work.round(least / 4, Instant::now() + CELL).await;
        first.map_err(|error| ended(&format!("run {what} with {records} records"), &error))?;
    }
    let until = Instant::now() + CELL;
    for round in 0..arguments.rounds {
        if round != 0 && until <= Instant::now() {
            break;
        }
        for (at, work) in [&mut *own, &mut *baseline].into_iter().enumerate() {
            let cost = work.round(least, until).await.map_err(|error| ended("run the plugin", &error))?;
            nanos[at].extend(cost);
        }
    }
    for work in [own, baseline] {
        work.stop().await.map_err(|error| ended("stop the task", &error))?;
        if let Work::Put(_, _, started, _) | Work::Poll(_, _, started) = work
            && let Some(started) = started.take()
        {
            started.stop().await?;
        }
    }
    let median = |values: &mut Vec<f64>, what: &str| {
        values.sort_by(f64::total_cmp);
        values
            .get(values.len() / 2)
            .copied()
            .ok_or_else(|| Failure::new(USAGE, format!("{what} gave no record within 10 s")))
    };
    Ok((median(&mut nanos[0], "the plugin")?, median(&mut nanos[1], "what it is held against")?))
}

/// What is measured, and what it is held against.
async fn works(subject: &Subject, arguments: &Bench, records: u32) -> Result<Vec<(&'static str, Work, Work)>, Failure> {
    if subject.info.kind == PluginKind::Source {
        let baseline = datagen(subject, 0).await?;
        let connector = Started::of(subject).await?;
        let class = subject.info.class.as_str().into();
        let made = subject.catalogue.source_task(&class, &task(), Arc::<source::Context>::default()).await;
        let mut own = made.map_err(|error| ended("make the task", &error))?;
        own.start(&connector.task).await.map_err(|error| ended("start the task", &error))?;
        return Ok(vec![("poll", Work::Poll(own, records, Some(connector)), Work::Poll(baseline, records, None))]);
    }
    let batch = batch(subject, arguments, records).await?;
    Ok(match subject.info.kind {
        PluginKind::Sink => vec![("put", own_sink(subject, &batch).await?, file_sink(subject, &batch).await?)],
        PluginKind::Transform | PluginKind::Predicate => {
            let own = transform::chain(subject).await?;
            vec![("apply", Work::Chain(own, batch.clone()), Work::Chain(pass_through(subject).await?, batch))]
        }
        PluginKind::Converter => conversions(subject, batch).await?,
        PluginKind::Source | PluginKind::HeaderConverter => {
            let message = format!("{} converts headers only, which are not measured", subject.info.class);
            return Err(Failure::new(USAGE, message));
        }
    })
}

/// A filter that leaves out nothing, since nothing here is a tombstone.
async fn pass_through(subject: &Subject) -> Result<Box<dyn LinkedTransforms>, Failure> {
    let condition = Condition { class: TOMBSTONES.into(), config: ConfigMap::new(), negate: false };
    let link = Link { class: FILTER.into(), config: ConfigMap::new(), condition: Some(condition) };
    let made = subject.catalogue.chain(&task(), &[link]).await;
    made.map_err(|(_, error)| ended("make a filter", &error))
}

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

/// A started task that makes orders up, as fast as it can.
async fn datagen(subject: &Subject, seed: u64) -> Result<Box<dyn SourceTask>, Failure> {
    let context = Arc::<source::Context>::default();
    let made = subject.catalogue.source_task(&DATAGEN.into(), &task(), context).await;
    let mut datagen = made.map_err(|error| ended("make a source of orders", &error))?;
    let seed = seed.to_string();
    let config = config(&[
        ("name", "bench"),
        ("connector.class", DATAGEN),
        ("topic", "bench"),
        ("quickstart", "orders"),
        ("records.per.second", "0"),
        ("batch.size", "100000"),
        ("seed", &seed),
        ("tasks.max", "1"),
    ]);
    datagen.start(&config).await.map_err(|error| ended("start a source of orders", &error))?;
    Ok(datagen)
}

async fn batch(subject: &Subject, arguments: &Bench, records: u32) -> Result<Batch, Failure> {
    if let Some(file) = &arguments.input {
        let read = records::read(file, Meant::Data)?;
        if read.is_empty() {
            return Err(Failure::new(USAGE, format!("{} has no record", file.display())));
        }
        let repeated: Vec<_> = read.iter().cycle().take(records as usize).cloned().collect();
        return Notation::new(None, false)?.batch(&repeated, "bench", 0).await;
    }
    let mut datagen = datagen(subject, 0).await?;
    let limits = PollLimits { max_records: records, max_bytes: 256 << 20, max_wait_ms: 1000 };
    let polled = datagen.poll(limits).await.map_err(|error| ended("make orders up", &error))?;
    let batch = polled.filter(|batch| batch.rows() == records);
    batch.ok_or_else(|| {
        Failure::new(SETUP, format!("{records} orders do not fit into one batch: use --records with less"))
    })
}

/// Writing values, and reading what was written.
async fn conversions(subject: &Subject, batch: Batch) -> Result<Vec<(&'static str, Work, Work)>, Failure> {
    let value = ConverterRole::Value;
    let own = || subject.converter(&subject.info.class, value, &subject.config);
    let json = || async { subject.converter(JSON, value, &config(&[("schemas.enable", "false")])).await };
    let written = async |mut converter: Box<dyn Converter>| {
        let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
        let done = converter.from_connect(&batch, Side::Value, &mut bytes, &mut errors).await;
        done.map_err(|error| ended("write bytes", &error))?;
        if let Some(error) = errors.first() {
            return Err(Failure::new(USAGE, format!("the converter refuses a record: {}", error.failure.message)));
        }
        Ok((0..bytes.len()).map(|row| bytes.get(row).map(<[u8]>::to_vec)).collect::<Vec<_>>())
    };
    let (own_bytes, json_bytes) = (written(own().await?).await?, written(json().await?).await?);
    Ok(vec![
        ("write", Work::Write(own().await?, batch.clone()), Work::Write(json().await?, batch.clone())),
        ("read", Work::Read(own().await?, own_bytes), Work::Read(json().await?, json_bytes)),
    ])
}

async fn own_sink(subject: &Subject, batch: &Batch) -> Result<Work, Failure> {
    let connector = Started::of(subject).await?;
    let sink = opened(subject, &subject.info.class, &connector.task).await?;
    Ok(Work::Put(sink, batch.clone(), Some(connector), None))
}

async fn file_sink(subject: &Subject, batch: &Batch) -> Result<Work, Failure> {
    let folder = TempDir::new().map_err(|error| Failure::new(SETUP, format!("make a folder for a while: {error}")))?;
    let file = folder.path().join("lines").display().to_string();
    let config = config(&[("name", "bench"), ("connector.class", FILE_SINK), ("topics", "bench"), ("file", &file)]);
    Ok(Work::Put(opened(subject, FILE_SINK, &config).await?, batch.clone(), None, Some(folder)))
}

async fn opened(subject: &Subject, class: &str, config: &ConfigMap) -> Result<Box<dyn SinkTask>, Failure> {
    let context = Arc::<sink::Context>::default();
    let partitions = [TopicPartition { topic: "bench".to_owned(), partition: 0 }];
    context.assign(&partitions);
    let made = subject.catalogue.sink_task(&class.into(), &task(), context).await;
    let mut sink = made.map_err(|error| ended("make the task", &error))?;
    sink.start(config).await.map_err(|error| ended("start the task", &error))?;
    sink.open(&partitions).await.map_err(|error| ended("open the partition", &error))?;
    Ok(sink)
}
