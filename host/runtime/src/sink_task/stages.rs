//! The stages of a sink task before `put`: converters, then transforms, with every row's ending.
//!
//! What comes out are deliveries in order. A row that has to be tried again alone splits its batch, so
//! that the plugin sees the records in the order of the log. At a row that the policy does not tolerate
//! the last delivery ends; it carries the failure, which follows when the plugin has taken it.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use millstream_connector::{Failure, PluginError, RowError, TopicOffset};
use millstream_record::batch::{Batch, Role, Table};
use tokio::time::Instant;

use super::{
    dead_letters::DeadLetters,
    put_policy::PutPolicy,
    raw::{Chunk, Cursor, Fetched, Trouble, batch_of_one, next_batch},
};
use crate::{
    converters::Converters,
    error_policy::{CONNECT_EXCEPTION, ErrorPolicy, Stage, Verdict, tolerance_exceeded},
    kafka::FetchedRecords,
    report::{self, LogPolicy, Report, consumed_record},
    retry::Retry,
    task::{Halt, TaskControl},
    task_metrics::Part,
    transform_chain::TransformChain,
};

/// Class that Connect names for rows a sink task reports.
pub(super) const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";

/// A batch for the plugin.
pub(super) struct Delivery {
    /// The records; may be empty.
    pub(super) batch: Batch,
    /// What has been consumed when the plugin has taken it.
    pub(super) consumed: Vec<TopicOffset>,
    /// Why the task fails after it.
    pub(super) failure: Option<Failure>,
    /// Where it comes from.
    fetched: Arc<Fetched>,
    /// Where the rows come from, kept only if they can be reported.
    origin: Option<(Chunk, Vec<u32>)>,
    /// Records that have been reported, by their rows of the chunk: a batch may come to the plugin several times.
    reported: BTreeSet<u32>,
    /// Whether it is a part of a batch that was tried for long enough.
    pub(super) exhausted: bool,
}

impl Delivery {
    /// Whether all rows come from one record, as far as is known.
    pub(super) fn is_single(&self) -> bool {
        self.origin.as_ref().is_none_or(|(_, rows)| rows.first() == rows.last())
    }

    /// Divides the records into two parts, of which the first comes first.
    pub(super) fn halves(self, exhausted: bool) -> (Self, Option<Self>) {
        let is_single = self.is_single();
        let Self { batch, consumed, failure, fetched, origin, reported, .. } = self;
        let (chunk, rows) = match origin {
            Some(origin) if !is_single => origin,
            origin => return (Self { batch, consumed, failure, fetched, origin, reported, exhausted }, None),
        };
        // All rows of one record stay together.
        let middle = rows[rows.len() / 2];
        let begin = rows.partition_point(|row| *row < middle);
        let at = if begin == 0 { rows.partition_point(|row| *row <= middle) } else { begin };
        let table = batch.open();
        let part = |range: Range<usize>| rows_of(&table, &(range.start as u32..range.end as u32).collect::<Vec<_>>());
        let first = Self {
            batch: part(0..at),
            consumed: chunk.consumed(rows[at]),
            failure: None,
            fetched: Arc::clone(&fetched),
            origin: Some((chunk.clone(), rows[..at].to_vec())),
            reported: reported.clone(),
            exhausted,
        };
        let (batch, origin) = (part(at..rows.len()), Some((chunk, rows[at..].to_vec())));
        let second = Self { batch, consumed, failure, fetched, origin, reported, exhausted };
        (first, Some(second))
    }

    /// The first of the records as they were consumed, for people.
    pub(super) fn first_record(&self) -> Option<String> {
        let (chunk, rows) = self.origin.as_ref()?;
        Some(chunk.original(*rows.first()?).coordinates())
    }

    /// Whether it comes from the same poll as another one.
    pub(super) fn is_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fetched, &other.fetched)
    }

    /// Timestamp of the oldest among the first records of each partition that were consumed with these; none if they
    /// have none.
    pub(super) fn oldest(&self) -> Option<i64> {
        let first = |fetched: &FetchedRecords| Some(fetched.records.first()?.timestamp);
        self.fetched.0.iter().filter_map(first).filter(|timestamp| 0 <= *timestamp).min()
    }

    /// Which records were consumed together with these.
    pub(super) fn records(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let fetched = Arc::clone(&self.fetched);
        move || fetched.describe()
    }
}

/// Where failed records are reported.
pub(crate) struct Reporting {
    pub(crate) log: LogPolicy,
    pub(crate) dead_letters: Option<DeadLetters>,
}

/// See the module's documentation.
pub(crate) struct Stages {
    pub(crate) chain: Option<TransformChain>,
    pub(crate) converters: Converters,
    pub(crate) policy: ErrorPolicy,
    pub(crate) reporting: Reporting,
    /// What becomes of batches that the plugin does not take.
    pub(crate) put_policy: PutPolicy,
    pub(crate) control: TaskControl,
}

/// A batch between converters and transforms, with the chunk rows that its rows are.
struct Segment {
    batch: Batch,
    rows: Range<u32>,
    /// Chunk row of each row, where they are not the range itself.
    chosen: Option<Vec<u32>>,
}

/// What became of a row that failed and was tried again as the policy says.
enum AfterRetry {
    /// It went well.
    Through(Batch),
    /// Skipped.
    Skipped(Trouble),
    /// The task fails.
    Failed(Trouble),
}

impl Segment {
    fn chunk_row(&self, row: u32) -> u32 {
        self.chosen.as_ref().map_or(self.rows.start + row, |chosen| chosen[row as usize])
    }
}

impl Stages {
    /// Makes deliveries of consumed records and puts them behind those that wait.
    ///
    /// # Errors
    ///
    /// A plugin broke, or the task is to stop while a row waits to be tried again.
    pub(super) async fn prepare(
        &mut self,
        fetched: Vec<FetchedRecords>,
        out: &mut VecDeque<Delivery>,
    ) -> Result<(), Halt> {
        if fetched.is_empty() || out.back().is_some_and(|delivery| delivery.failure.is_some()) {
            return Ok(());
        }
        let fetched = Arc::new(Fetched(fetched));
        let working_on = Arc::clone(&fetched);
        self.control.works_on(move || working_on.describe());
        let originals = self.chain.is_some();
        let mut cursor = Cursor::default();
        loop {
            let began = Instant::now();
            let next = next_batch(&fetched, &mut cursor, &mut self.converters, originals).await.map_err(broken)?;
            let Some((batch, chunk, troubles)) = next else { break };
            self.control.metrics.spent(Part::Convert, began.elapsed());
            if !self.chunk(batch, &chunk, troubles, out).await? {
                break;
            }
        }
        Ok(())
    }

    /// One chunk of converted records. `false` if the task fails at one of them.
    async fn chunk(
        &mut self,
        batch: Batch,
        chunk: &Chunk,
        troubles: Vec<Trouble>,
        out: &mut VecDeque<Delivery>,
    ) -> Result<bool, Halt> {
        if troubles.is_empty() {
            let segment = Segment { rows: 0..batch.rows(), batch, chosen: None };
            return self.segment(segment, chunk, Vec::new(), None, out).await;
        }
        let table = batch.open();
        let (mut start, mut skipped) = (0, Vec::new());
        for trouble in troubles {
            let row = trouble.row;
            match self.convert_again(chunk, trouble).await? {
                AfterRetry::Skipped(trouble) => skipped.push(trouble),
                AfterRetry::Failed(trouble) => {
                    let segment = without(&table, start..row, &skipped);
                    return self.segment(segment, chunk, skipped, Some(trouble), out).await;
                }
                AfterRetry::Through(alone) => {
                    let segment = without(&table, start..row, &skipped);
                    if !self.segment(segment, chunk, std::mem::take(&mut skipped), None, out).await? {
                        return Ok(false);
                    }
                    let segment = Segment { batch: alone, rows: row..row + 1, chosen: None };
                    if !self.segment(segment, chunk, Vec::new(), None, out).await? {
                        return Ok(false);
                    }
                    start = row + 1;
                }
            }
        }
        let segment = without(&table, start..table.rows, &skipped);
        self.segment(segment, chunk, skipped, None, out).await
    }

    /// Converts a row again, alone, as long as the policy says.
    async fn convert_again(&mut self, chunk: &Chunk, trouble: Trouble) -> Result<AfterRetry, Halt> {
        let mut trouble = trouble;
        let row = trouble.row;
        let mut retry = Retry::new(self.policy);
        loop {
            let at = || trouble.by.place(trouble.stage, &chunk.original(row).coordinates());
            if let Some(verdict) = retry.failed(&trouble.failure, at, &self.control).await? {
                return Ok(after_retry(verdict, trouble));
            }
            let one = chunk.one(row);
            let (batch, again) =
                batch_of_one(&one, &mut self.converters, self.chain.is_some()).await.map_err(broken)?;
            match again.into_iter().next() {
                None => return Ok(AfterRetry::Through(batch)),
                Some(again) => trouble = Trouble { row, ..again },
            }
        }
    }

    /// Runs the transforms over converted records and delivers what comes out. `failed` is a record right
    /// behind them that fails the task. `false` if the task fails here.
    async fn segment(
        &mut self,
        segment: Segment,
        chunk: &Chunk,
        mut skipped: Vec<Trouble>,
        failed: Option<Trouble>,
        out: &mut VecDeque<Delivery>,
    ) -> Result<bool, Halt> {
        let Some(chain) = &mut self.chain else {
            self.report_all(chunk, &skipped, failed.as_ref());
            let end = segment.rows.end;
            let going_on = failed.is_none();
            self.deliver(&segment, segment.batch.clone(), None, chunk, end, failed, out);
            return Ok(going_on);
        };
        let began = Instant::now();
        let applied = chain.chain.apply(&segment.batch).await;
        self.control.metrics.spent(Part::Transform, began.elapsed());
        let outcome = match applied {
            Ok(outcome) => outcome,
            Err(error) => {
                let table = segment.batch.open();
                let one_by_one = (0..table.rows).map(|row| (row, rows_of(&table, &[row])));
                let row = match &error {
                    PluginError::Broken { .. } => chain.breaks_over(one_by_one).await,
                    _ => None,
                };
                let record = row.map(|row| chunk.original(segment.chunk_row(row)).coordinates());
                return Err(broken_at(error, record));
            }
        };
        if outcome.errors.is_empty() {
            self.report_all(chunk, &skipped, failed.as_ref());
            let end = segment.rows.end;
            let going_on = failed.is_none();
            self.deliver(&segment, outcome.batch, None, chunk, end, failed, out);
            return Ok(going_on);
        }
        let output = outcome.batch.open();
        let mut start = 0;
        for error in outcome.errors {
            let (row, chunk_row) = (error.row, segment.chunk_row(error.row));
            match self.transform_again(&segment, chunk, error).await? {
                AfterRetry::Skipped(trouble) => skipped.push(trouble),
                AfterRetry::Failed(trouble) => {
                    skipped.retain(|other| other.row < trouble.row);
                    skipped.sort_by_key(|trouble| trouble.row);
                    self.report_all(chunk, &skipped, Some(&trouble));
                    let part = origins_in(&output, start..row);
                    self.deliver(&segment, part, None, chunk, chunk_row, Some(trouble), out);
                    return Ok(false);
                }
                AfterRetry::Through(alone) => {
                    let part = origins_in(&output, start..row);
                    self.deliver(&segment, part, None, chunk, chunk_row, None, out);
                    self.deliver(&segment, alone, Some(row), chunk, chunk_row + 1, None, out);
                    start = row + 1;
                }
            }
        }
        skipped.sort_by_key(|trouble| trouble.row);
        self.report_all(chunk, &skipped, failed.as_ref());
        let going_on = failed.is_none();
        let part = origins_in(&output, start..segment.batch.rows());
        self.deliver(&segment, part, None, chunk, segment.rows.end, failed, out);
        Ok(going_on)
    }

    /// Transforms a row again, alone, as long as the policy says.
    async fn transform_again(&mut self, segment: &Segment, chunk: &Chunk, error: RowError) -> Result<AfterRetry, Halt> {
        let mut error = error;
        let row = error.row;
        let chunk_row = segment.chunk_row(row);
        let mut retry = Retry::new(self.policy);
        loop {
            let chain = self.chain.as_mut().expect("only a chain has errors");
            let by = chain.executor(error.link);
            let at = || by.place(Stage::Transformation, &chunk.original(chunk_row).coordinates());
            if let Some(verdict) = retry.failed(&error.failure, at, &self.control).await? {
                let trouble = Trouble { row: chunk_row, stage: Stage::Transformation, by, failure: error.failure };
                return Ok(after_retry(verdict, trouble));
            }
            let alone = rows_of(&segment.batch.open(), &[row]);
            let outcome = chain.chain.apply(&alone).await.map_err(broken)?;
            match outcome.errors.into_iter().next() {
                None => return Ok(AfterRetry::Through(outcome.batch)),
                Some(again) => error = again,
            }
        }
    }

    /// Puts what came out behind what waits. `consumed_to` is the chunk row that is reached with it.
    #[expect(clippy::too_many_arguments, reason = "a delivery and where it comes from")]
    fn deliver(
        &self,
        segment: &Segment,
        batch: Batch,
        alone: Option<u32>,
        chunk: &Chunk,
        consumed_to: u32,
        failed: Option<Trouble>,
        out: &mut VecDeque<Delivery>,
    ) {
        let table = batch.open();
        let selection = table.get(Role::SELECTION).is_some();
        let chosen: Option<Vec<u32>> =
            selection.then(|| (0..table.rows).filter(|&row| table.is_selected(row as usize)).collect());
        let origin = (self.can_report() || self.put_policy.isolate).then(|| {
            let origins = table.get(Role::ORIGIN);
            let chunk_row = |row: u32| {
                let row = alone.unwrap_or_else(|| origins.map_or(row, |origins| origins.int32(row as usize) as u32));
                segment.chunk_row(row)
            };
            let rows = match &chosen {
                Some(chosen) => chosen.iter().copied().map(chunk_row).collect(),
                None => (0..table.rows).map(chunk_row).collect(),
            };
            (chunk.clone(), rows)
        });
        let batch = match &chosen {
            Some(chosen) => rows_of(&table, chosen),
            None => batch.clone(),
        };
        out.push_back(Delivery {
            batch,
            consumed: chunk.consumed(consumed_to),
            fetched: Arc::clone(&chunk.fetched),
            failure: failed.map(|Trouble { row, stage, by, failure }| {
                tolerance_exceeded(failure, stage, &by, &chunk.original(row).coordinates())
            }),
            origin,
            reported: BTreeSet::new(),
            exhausted: false,
        });
    }

    fn can_report(&self) -> bool {
        self.reporting.log.enabled || self.reporting.dead_letters.is_some()
    }

    /// Rows that the plugin reported during a `put`.
    pub(super) fn reported(&mut self, delivery: &mut Delivery, errors: &[RowError]) {
        let verdict = self.policy.without_retry();
        let errors = errors.iter().map(|error| (error.row as usize, &error.failure));
        self.rows_at_fault(delivery, errors, verdict);
    }

    /// A delivery that the plugin did not take is given up as a whole.
    pub(super) fn given_up(&mut self, delivery: &mut Delivery, failure: &Failure, verdict: Verdict) {
        let rows = delivery.batch.rows() as usize;
        self.rows_at_fault(delivery, (0..rows).map(|row| (row, failure)), verdict);
    }

    /// Reports each record that these rows come from, unless it has been.
    fn rows_at_fault<'f>(
        &mut self,
        delivery: &mut Delivery,
        errors: impl Iterator<Item = (usize, &'f Failure)>,
        verdict: Verdict,
    ) {
        let Delivery { origin, reported, .. } = delivery;
        let mut failed = 0;
        for (row, failure) in errors {
            match origin {
                None => failed += 1,
                Some((chunk, rows)) => {
                    if let Some(&row) = rows.get(row).filter(|row| reported.insert(**row)) {
                        failed += 1;
                        let report = Report { stage: Stage::TaskPut, class: SINK_TASK, failure };
                        self.report(chunk, row, &report);
                    }
                }
            }
        }
        if failed != 0 {
            self.control.metrics.failed(failed, verdict);
        }
    }

    fn report_all(&mut self, chunk: &Chunk, skipped: &[Trouble], failed: Option<&Trouble>) {
        if self.can_report() {
            for trouble in skipped.iter().chain(failed) {
                let report = Report { stage: trouble.stage, class: &trouble.by.class, failure: &trouble.failure };
                self.report(chunk, trouble.row, &report);
            }
        }
    }

    fn report(&mut self, chunk: &Chunk, row: u32, report: &Report<'_>) {
        let original = chunk.original(row);
        report::log(self.reporting.log, &self.control, report, || consumed_record(&original));
        if let Some(dead_letters) = &mut self.reporting.dead_letters {
            dead_letters.report(&original, report);
        }
    }

    /// The dead-letter queue, if the connector has one.
    pub(super) fn dead_letters(&mut self) -> Option<&mut DeadLetters> {
        self.reporting.dead_letters.as_mut()
    }

    pub(super) async fn close(self) {
        if let Some(dead_letters) = self.reporting.dead_letters {
            dead_letters.close().await;
        }
    }
}

fn after_retry(verdict: Verdict, trouble: Trouble) -> AfterRetry {
    if verdict == Verdict::Tolerate { AfterRetry::Skipped(trouble) } else { AfterRetry::Failed(trouble) }
}

/// Some rows as a batch of their own, each its own origin.
fn rows_of(table: &Table<'_>, rows: &[u32]) -> Batch {
    let mut taken = table.take(rows);
    for role in [Role::ORIGIN, Role::CHILD, Role::SELECTION] {
        taken.remove(role);
    }
    taken.into_batch()
}

/// Rows of a range of a chunk but for those that were skipped.
fn without(table: &Table<'_>, rows: Range<u32>, skipped: &[Trouble]) -> Segment {
    let chosen: Vec<u32> = rows.clone().filter(|row| skipped.iter().all(|trouble| trouble.row != *row)).collect();
    Segment { batch: rows_of(table, &chosen), rows, chosen: Some(chosen) }
}

/// The selected rows of a chain's output that come from these input rows. They keep their origins.
fn origins_in(output: &Table<'_>, rows: Range<u32>) -> Batch {
    let origins = output.get(Role::ORIGIN);
    let origin = |row: u32| origins.map_or(row, |origins| origins.int32(row as usize) as u32);
    let chosen: Vec<u32> =
        (0..output.rows).filter(|&row| output.is_selected(row as usize) && rows.contains(&origin(row))).collect();
    let mut taken = output.take(&chosen);
    taken.remove(Role::SELECTION);
    taken.into_batch()
}

/// The same in the transforms, over a record that is known.
fn broken_at(error: PluginError, record: Option<String>) -> Halt {
    match (broken(error), record) {
        (Halt::Failed(mut failure), Some(record)) => {
            failure.at = Some(format!("{}, record {record}", Stage::Transformation.name()));
            Halt::Failed(failure)
        }
        (halt, _) => halt,
    }
}

/// A call into a plugin that gave no outcome at all: no policy covers it.
fn broken(error: PluginError) -> Halt {
    match error {
        PluginError::Cancelled => Halt::Stopped,
        error => Halt::Failed(error.failure().caused(
            millstream_connector::ErrorKind::Fatal,
            CONNECT_EXCEPTION,
            "Tolerance exceeded in error handler",
        )),
    }
}
