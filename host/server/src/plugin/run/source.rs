//! Running a source: it is polled, and what comes is printed with the offsets that would be stored.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use millstream_connector::{AcknowledgedRow, Failure as Reported, Plugins, PollLimits, SourceContext};
use millstream_record::{
    Value as Data,
    batch::{Batch, Role},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Run, Tally, connector::Started, ended, records::Notation, show};
use crate::{
    exit::{Failure, NOT_YET, USAGE},
    plugin::subject::{Subject, task},
    signals::Signals,
};

/// Records that are enough if nothing is said.
const ENOUGH: usize = 10;

/// Most bytes of one poll, and its longest wait.
const POLL_BYTES: u32 = 16 << 20;
const POLL_WAIT_MS: u32 = 1000;

/// What a source task asks of its worker: offsets live as long as the run.
pub struct Context {
    stopping: watch::Sender<bool>,
    offsets: Mutex<BTreeMap<String, String>>,
}

impl Default for Context {
    fn default() -> Self {
        Self { stopping: watch::Sender::new(false), offsets: Mutex::default() }
    }
}

impl Context {
    /// Asks the task to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn store(&self, partition: String, offset: String) {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, offset);
    }
}

#[async_trait]
impl SourceContext for Context {
    async fn read_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, Reported> {
        let offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(partitions.iter().map(|partition| offsets.get(partition).cloned()).collect())
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn stopped(&self) {
        // The sender lives as long as this.
        let _ = self.stopping.subscribe().wait_for(|&stopping| stopping).await;
    }
}

pub async fn run(subject: &Subject, arguments: &Run) -> Result<(), Failure> {
    if arguments.input.is_some() || arguments.topic.is_some() {
        return Err(Failure::new(USAGE, "a source makes records and takes none: leave --input and --topic out"));
    }
    let mut signals = Signals::listen().map_err(|error| Failure::of(USAGE, &error))?;
    let connector = Started::of(subject).await?;
    let context = Arc::new(Context::default());
    let class = subject.info.class.as_str().into();
    let made = subject.catalogue.source_task(&class, &task(), Arc::<Context>::clone(&context)).await;
    let mut source = made.map_err(|error| ended("make the task", &error))?;
    source.start(&connector.task).await.map_err(|error| ended("start the task", &error))?;
    let mut notation = Notation::new(None, arguments.schemas)?;
    let mut tally = Tally::default();
    let most = arguments.max_records.unwrap_or(ENOUGH) as u64;
    let patience = Duration::from_millis(arguments.timeout_ms);
    let mut deadline = Instant::now() + patience;
    while tally.records < most {
        let max_records = u32::try_from(most - tally.records).unwrap_or(u32::MAX).min(arguments.batch);
        let limits = PollLimits { max_records, max_bytes: POLL_BYTES, max_wait_ms: POLL_WAIT_MS };
        let polled = tokio::select! {
            polled = source.poll(limits) => polled,
            _ = signals.wait() => break,
        };
        if let Some(failure) = connector.context.raised() {
            return Err(Failure::new(USAGE, format!("the connector has failed: {}", failure.trace().trim_end())));
        }
        let batch = match polled {
            Ok(batch) => batch,
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                tracing::warn!("the poll is to be repeated: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(error) => return Err(ended("poll", &error)),
        };
        let Some(batch) = batch.filter(|batch| batch.rows() != 0) else {
            if deadline <= Instant::now() {
                let message = format!("no record within {} ms (--timeout-ms)", arguments.timeout_ms);
                return Err(Failure::new(NOT_YET, message));
            }
            if let Some(rest) = source.rest() {
                // Time that is over is noticed after the next poll.
                let _ = timeout_at(deadline, rest).await;
            }
            continue;
        };
        shown(&batch, &mut notation, arguments, &context, &mut tally).await?;
        if subject.info.commit_records {
            let rows: Vec<AcknowledgedRow> =
                (0..batch.rows()).map(|row| AcknowledgedRow { row, position: Some((0, i64::from(row))) }).collect();
            source.committed(&batch, &rows).await.map_err(|error| ended("tell of records that ended", &error))?;
        }
        source.commit().await.map_err(|error| ended("tell of stored offsets", &error))?;
        deadline = Instant::now() + patience;
    }
    context.stop();
    source.stop().await.map_err(|error| ended("stop the task", &error))?;
    connector.stop().await?;
    tally.report(arguments.output)
}

/// Prints the records of a batch and keeps their offsets.
async fn shown(
    batch: &Batch,
    notation: &mut Notation,
    arguments: &Run,
    context: &Context,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let rows = notation.rows(batch).await?;
    let table = batch.open();
    for (row, record) in rows.iter().enumerate().filter(|(_, record)| !record.is_null()) {
        tally.records += 1;
        let place =
            |role| table.get(role).map_or(Value::Null, |column| map_json(&column.value(row, None, &table.schemas)));
        let (partition, offset) = (place(Role::SOURCE_PARTITION), place(Role::SOURCE_OFFSET));
        let line =
            json!({"record": tally.records, "after": record, "source_partition": partition, "source_offset": offset});
        let text = format!("{} {record}\n  from {partition} at {offset}\n", tally.records);
        show(arguments.output, &line, &text)?;
        if !partition.is_null() && !offset.is_null() {
            context.store(partition.to_string(), offset.to_string());
        }
    }
    Ok(())
}

/// A source partition or offset as JSON: a map of texts to values of the simplest kinds.
fn map_json(value: &Data) -> Value {
    match value {
        Data::Map(entries) => {
            let entry = |(key, value): &(Data, Data)| (millstream_values::value_text(key), map_json(value));
            Value::Object(entries.iter().map(entry).collect())
        }
        Data::Null => Value::Null,
        Data::Boolean(value) => json!(value),
        Data::Int8(value) => json!(value),
        Data::Int16(value) => json!(value),
        Data::Int32(value) => json!(value),
        Data::Int64(value) => json!(value),
        Data::Float32(value) => json!(value),
        Data::Float64(value) => json!(value),
        other => json!(millstream_values::value_text(other)),
    }
}
