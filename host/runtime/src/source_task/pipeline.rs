//! From a polled batch to records at the producer: transforms, converters, and every row's ending.
//!
//! Rows reach each stage in their order, and the producer exactly as Connect would send them one at a
//! time: what stands before a failed row goes out before the row is tried again, skipped or fails the
//! task.

use std::{ops::Range, sync::Arc};

use millstream_connector::{ByteColumn, ErrorKind, Failure, HeaderConverter, PluginError, RowError};
use millstream_record::{
    TopicName,
    batch::{Batch, Role, Side, Table},
};
use tokio::time::Instant;

use super::{
    dead_letters::{Content, Form, one_row},
    flow::{Flow, Skipped, SourceBatch, Timing},
    view::{Stop, View, partition_runs, source_position, source_record, source_span},
};
use crate::{
    converters::{Converters, Headers},
    error_policy::{CONNECT_EXCEPTION, ErrorPolicy, Executor, Stage, Verdict, in_header, tolerance_exceeded},
    header_batch,
    in_flight::BatchId,
    kafka::send_failure,
    record_headers::{push_header, push_varint},
    report::{self, LogPolicy, Report},
    retry::Retry,
    task::{Halt, TaskControl},
    task_metrics::Part,
    transform_chain::TransformChain,
};

/// The stages of a source task.
pub(crate) struct Pipeline {
    pub(crate) chain: Option<TransformChain>,
    pub(crate) converters: Converters,
    pub(crate) policy: ErrorPolicy,
    pub(crate) log: LogPolicy,
    pub(crate) control: TaskControl,
    pub(crate) scratch: Scratch,
}

/// Memory that is used again for every batch.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    encoded: Encoded,
    partition: Option<Arc<str>>,
    topic: Option<TopicName>,
}

/// Records as bytes, a row each per row of the batch.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) keys: ByteColumn,
    pub(super) values: ByteColumn,
    /// Blocks as records carry them. No rows at all if no record has headers.
    pub(super) headers: ByteColumn,
}

impl Encoded {
    /// Forgets all rows, and the batch that some may stand in.
    fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.headers.clear();
    }
}

/// A row that a converter refused.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) row: u32,
    pub(super) stage: Stage,
    pub(super) failure: Failure,
}

/// A polled batch and its place in the ledger.
#[derive(Clone, Copy)]
struct Polled<'a> {
    batch: &'a Batch,
    id: BatchId,
    timing: &'a Timing,
}

impl Pipeline {
    /// Takes a polled batch to its endings: every row is appended, filtered or skipped, or the task
    /// halts at the lowest row that the policy does not tolerate. Rows before that one are appended,
    /// none after it.
    pub(super) async fn deliver(&mut self, flow: &mut Flow, polled: Batch) -> Result<(), Halt> {
        let working_on = polled.clone();
        self.control.works_on(move || source_span(&working_on));
        let runs = partition_runs(&polled.open(), &mut self.scratch.partition)
            .map_err(|message| Failure::new(ErrorKind::Data, "", message))?;
        let timing = Arc::new(Timing::of(&self.control.metrics));
        let id = flow.ledger.begin(SourceBatch(polled.clone(), Arc::clone(&timing)), runs);
        let polled = Polled { batch: &polled, id, timing: &timing };
        let (batch, errors) = match &mut self.chain {
            None => (polled.batch.clone(), Vec::new()),
            Some(chain) => {
                let began = Instant::now();
                let applied = chain.chain.apply(polled.batch).await;
                self.control.metrics.spent(Part::Transform, began.elapsed());
                let outcome = match applied {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        let table = polled.batch.open();
                        let one_by_one = (0..table.rows).map(|row| (row, one_row(&table, row)));
                        let row = match &error {
                            PluginError::Broken { .. } => chain.breaks_over(one_by_one).await,
                            _ => None,
                        };
                        return Err(broken_at(&error, row.map(|row| source_position(polled.batch, row))));
                    }
                };
                (outcome.batch, outcome.errors)
            }
        };
        account(flow, polled, &batch.open(), &errors);
        self.send(flow, polled, &batch, None, errors).await
    }

    /// Converts and appends what came out of the chain. `origin` is the row that all rows come from,
    /// for one that went through the chain alone. Errors are by polled row, in order.
    async fn send(
        &mut self,
        flow: &mut Flow,
        polled: Polled<'_>,
        batch: &Batch,
        origin: Option<u32>,
        errors: Vec<RowError>,
    ) -> Result<(), Halt> {
        let mut encoded = std::mem::take(&mut self.scratch.encoded);
        let began = Instant::now();
        let troubles = encode(&mut self.converters, batch, &mut encoded).await.map_err(|error| broken(&error))?;
        self.control.metrics.spent(Part::Convert, began.elapsed());
        polled.timing.handed();
        let table = batch.open();
        let view = View::new(&table, origin, &mut self.scratch.topic);
        let (mut errors, mut troubles) = (errors.into_iter().peekable(), troubles.into_iter().peekable());
        let mut next = 0;
        loop {
            let error_at = errors.peek().map_or(u32::MAX, |error| view.first_behind(error.row));
            let trouble_at = troubles.peek().map_or(u32::MAX, |trouble| trouble.row);
            if error_at <= trouble_at
                && let Some(error) = errors.next()
            {
                self.append(flow, polled, &table, &view, &encoded, next..error_at.max(next)).await?;
                next = error_at.max(next);
                self.refused_by_chain(flow, polled, error).await?;
            } else if let Some(trouble) = troubles.next() {
                self.append(flow, polled, &table, &view, &encoded, next..trouble.row).await?;
                next = trouble.row + 1;
                self.refused_by_converter(flow, polled, &table, view.origin(trouble.row), trouble).await?;
            } else {
                self.append(flow, polled, &table, &view, &encoded, next..table.rows).await?;
                encoded.clear();
                self.scratch.encoded = encoded;
                return Ok(());
            }
        }
    }

    /// A row that the chain refused: tried again alone, skipped, or the end of the task.
    async fn refused_by_chain(&mut self, flow: &mut Flow, polled: Polled<'_>, error: RowError) -> Result<(), Halt> {
        let mut error = error;
        let row = error.row;
        let mut retry = Retry::new(self.policy);
        loop {
            let Some(chain) = &mut self.chain else { return Ok(()) };
            let by = chain.executor(error.link);
            let at = || by.place(Stage::Transformation, &source_position(polled.batch, row));
            if let Some(verdict) = flow.attend(retry.failed(&error.failure, at, &self.control)).await? {
                let table = polled.batch.open();
                let content = Content { table: &table, row, form: Form::Polled };
                return self.end_row(flow, polled, row, content, verdict, Stage::Transformation, &by, error.failure);
            }
            let alone = one_row(&polled.batch.open(), row);
            let outcome = chain.chain.apply(&alone).await.map_err(|error| broken(&error))?;
            if let Some(again) = outcome.errors.into_iter().next() {
                error = again;
                continue;
            }
            match outcome.batch.open().selected() {
                0 => flow.dropped(polled.batch, polled.id, row..row + 1),
                1 => {}
                records => flow.ledger.split(polled.id, row, u32::try_from(records).unwrap_or(u32::MAX)),
            }
            return Box::pin(self.send(flow, polled, &outcome.batch, Some(row), Vec::new())).await;
        }
    }

    /// A row that a converter refused, likewise.
    async fn refused_by_converter(
        &mut self,
        flow: &mut Flow,
        polled: Polled<'_>,
        table: &Table<'_>,
        origin: u32,
        trouble: Trouble,
    ) -> Result<(), Halt> {
        let mut trouble = trouble;
        let row = trouble.row;
        let mut retry = Retry::new(self.policy);
        loop {
            let class = match trouble.stage {
                Stage::HeaderConverter => self.converters.header.class(),
                Stage::KeyConverter => self.converters.key.class(),
                _ => self.converters.value.class(),
            };
            let by = Executor::converter(trouble.stage, class);
            let at = || by.place(trouble.stage, &source_position(polled.batch, origin));
            if let Some(verdict) = flow.attend(retry.failed(&trouble.failure, at, &self.control)).await? {
                let content = Content { table, row, form: Form::Transformed };
                return self.end_row(flow, polled, origin, content, verdict, trouble.stage, &by, trouble.failure);
            }
            let alone = one_row(table, row);
            let mut encoded = Encoded::default();
            let troubles = encode(&mut self.converters, &alone, &mut encoded).await.map_err(|error| broken(&error))?;
            if let Some(again) = troubles.into_iter().next() {
                trouble = again;
                continue;
            }
            let table = alone.open();
            let view = View::new(&table, Some(origin), &mut self.scratch.topic);
            return self.append(flow, polled, &table, &view, &encoded, 0..1).await;
        }
    }

    /// Reports a row that is not tried again, and skips it, dead-letters it, or fails the task.
    #[expect(clippy::too_many_arguments, reason = "the parts of a report and where it stands")]
    fn end_row(
        &self,
        flow: &mut Flow,
        polled: Polled<'_>,
        row: u32,
        content: Content<'_>,
        verdict: Verdict,
        stage: Stage,
        by: &Executor,
        failure: Failure,
    ) -> Result<(), Halt> {
        let report = Report { stage, class: &by.class, failure: &failure };
        report::log(self.log, &self.control, &report, || source_record(polled.batch, row));
        if verdict == Verdict::Tolerate {
            flow.skipped(Skipped { polled: polled.batch, id: polled.id, row, content }, &report);
            return Ok(());
        }
        Err(tolerance_exceeded(failure, stage, by, &source_position(polled.batch, row)).into())
    }

    /// Appends rows in order, waiting for room where there is none. `view` is of the `table`.
    async fn append(
        &mut self,
        flow: &mut Flow,
        polled: Polled<'_>,
        table: &Table<'_>,
        view: &View<'_>,
        encoded: &Encoded,
        rows: Range<u32>,
    ) -> Result<(), Halt> {
        let mut next = rows.start;
        while next < rows.end {
            let mut stop = None;
            let Flow { ledger, producer, transactions, .. } = &mut *flow;
            let forbidden = transactions.as_ref().map(|transactions| &transactions.offsets_topic);
            producer.group(&mut |appender| {
                stop = view.append(appender, encoded, next..rows.end, forbidden, &mut |row, sequence| {
                    ledger.sent(sequence, polled.id, view.origin(row));
                });
            });
            let Some((row, reason)) = stop else { break };
            next = row;
            let content = Content { table, row, form: Form::Transformed };
            let skipped = Skipped { polled: polled.batch, id: polled.id, row: view.origin(row), content };
            match reason {
                Stop::Full => flow.wait_for_room().await?,
                Stop::UnknownTopic(topic) => {
                    flow.make_topic(&topic).await?;
                    if let Err(error) = flow.learn(&topic).await? {
                        flow.refused(skipped, send_failure(&error))?;
                        next = row + 1;
                    }
                }
                Stop::Refused(failure) => {
                    flow.refused(skipped, failure)?;
                    next = row + 1;
                }
                Stop::Invalid(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

/// The same in the transforms, over a record that is known.
fn broken_at(error: &PluginError, record: Option<String>) -> Halt {
    match (broken(error), record) {
        (Halt::Failed(mut failure), Some(record)) => {
            failure.at = Some(format!("{}, record {record}", Stage::Transformation.name()));
            Halt::Failed(failure)
        }
        (halt, _) => halt,
    }
}

/// Converts headers, keys and values. Of a row that several converters refuse, the first in
/// Connect's order counts.
///
/// # Errors
///
/// A converter broke.
pub(super) async fn encode(
    converters: &mut Converters,
    batch: &Batch,
    encoded: &mut Encoded,
) -> Result<Vec<Trouble>, PluginError> {
    let Converters { key, value, header } = converters;
    let mut troubles = encode_headers(header, &batch.open(), &mut encoded.headers).await?;
    let mut errors = Vec::new();
    for (stage, side, converter, out) in [
        (Stage::KeyConverter, Side::Key, key, &mut encoded.keys),
        (Stage::ValueConverter, Side::Value, value, &mut encoded.values),
    ] {
        converter.from_connect(batch, side, out, &mut errors).await?;
        troubles.extend(errors.drain(..).map(|error| Trouble { row: error.row, stage, failure: error.failure }));
    }
    troubles.sort_by_key(|trouble| (trouble.row, trouble.stage));
    troubles.dedup_by_key(|trouble| trouble.row);
    Ok(troubles)
}

async fn encode_headers(
    header: &mut Headers,
    table: &Table<'_>,
    out: &mut ByteColumn,
) -> Result<Vec<Trouble>, PluginError> {
    match header {
        Headers::One(converter) => Ok(convert_each_header(&mut **converter, table, out)),
        Headers::Batch(converter) => {
            let refused = header_batch::to_bytes(&mut **converter, table, out).await?.into_iter();
            Ok(refused.map(|(row, failure)| Trouble { row, stage: Stage::HeaderConverter, failure }).collect())
        }
    }
}

fn convert_each_header(converter: &mut dyn HeaderConverter, table: &Table<'_>, out: &mut ByteColumn) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let Some(column) = table.get(Role::HEADERS) else { return troubles };
    'rows: for row in 0..table.rows {
        let at = row as usize;
        let count = if table.is_selected(at) { column.headers(at).count() } else { 0 };
        if count != 0 {
            push_varint(out.buffer(), i32::try_from(count).unwrap_or(i32::MAX));
            let topic = table.topic(at).unwrap_or_default();
            for header in column.headers(at) {
                let (schema, value) = header.datum(&table.schemas);
                match converter.from_connect(topic, header.key, schema.as_ref(), &value) {
                    Ok(value) => push_header(out.buffer(), header.key.as_bytes(), value.as_deref()),
                    Err(failure) => {
                        let failure = in_header(failure, header.key);
                        out.take_back();
                        out.end_row();
                        troubles.push(Trouble { row, stage: Stage::HeaderConverter, failure });
                        continue 'rows;
                    }
                }
            }
        }
        out.end_row();
    }
    troubles
}

/// A call into a plugin that gave no outcome at all: no policy covers it.
fn broken(error: &PluginError) -> Halt {
    match error {
        PluginError::Cancelled => Halt::Stopped,
        error => {
            let failure = error.failure();
            Halt::Failed(failure.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, "Tolerance exceeded in error handler"))
        }
    }
}

/// Tells the ledger of rows that the chain filtered, or made several records of.
fn account(flow: &mut Flow, polled: Polled<'_>, table: &Table<'_>, errors: &[RowError]) {
    let (origins, selection) = (table.get(Role::ORIGIN), table.get(Role::SELECTION));
    let rows = polled.batch.rows();
    if origins.is_none() && selection.is_none() && table.rows == rows {
        return;
    }
    let mut records = vec![0_u32; rows as usize];
    for row in (0..table.rows as usize).filter(|&row| table.is_selected(row)) {
        let origin = origins.map_or(row as u32, |origins| origins.int32(row) as u32);
        if let Some(count) = records.get_mut(origin as usize) {
            *count += 1;
        }
    }
    for error in errors {
        // Its ending is still to come.
        records[error.row as usize] = 1;
    }
    for (row, &count) in (0..).zip(&records).filter(|(_, count)| 1 < **count) {
        flow.ledger.split(polled.id, row, count);
    }
    let mut row = 0;
    while row < rows {
        let run = records[row as usize..].iter().take_while(|count| **count == 0).count() as u32;
        if run != 0 {
            flow.dropped(polled.batch, polled.id, row..row + run);
        }
        row += run + 1;
    }
}
