//! Everything of a source task that is under way: records at the producer, rows in the ledger, offsets
//! that are to be stored, and what the plugin is still to be told.

use std::{
    collections::HashMap,
    future::Future,
    ops::Range,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use millstream_client::{Ack, SendError, Sequence};
use millstream_connector::{AcknowledgedRow, ErrorKind, Failure, SourceTask};
use millstream_record::{
    ErrorChain, TopicName,
    batch::{Batch, Role},
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    dead_letters::{self, Content, Ends, Form, SourceLetters},
    new_topics::NewTopics,
    transactions::Transactions,
    view::{source_position, source_record},
};
use crate::{
    error_policy::{CONNECT_EXCEPTION, ErrorPolicy, Executor, Stage, Tolerance},
    in_flight::{BatchId, InFlight, Offsets},
    kafka::{RecordProducer, send_failure},
    log_context,
    long_wait::{self, CALL, LongWait, call_text, told},
    offsets::{OffsetWriter, row_json},
    report::{self, LogPolicy, Report},
    task::{Halt, TaskControl},
    task_metrics::{Part, TaskMetrics},
};

/// Bytes of polled batches that may be under way. The producer's requests in flight come to about one
/// megabyte; the rest keeps a task busy through a slow disk sync.
const MAX_IN_FLIGHT_BYTES: usize = 8 << 20;

/// Source partitions with news after which offsets are stored early, so that a connector with a
/// partition per file does not collect them for a minute.
const MAX_PARTITIONS: usize = 50_000;

/// Wait before a topic is asked for again when the cluster did not answer in time: Connect's.
const TOPIC_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Class that Connect names for failures of its producer.
const WORKER_SOURCE_TASK: &str = "org.apache.kafka.connect.runtime.WorkerSourceTask";

/// A polled batch in the ledger, and the times that it takes.
#[derive(Clone, Debug)]
pub(super) struct SourceBatch(pub(super) Batch, pub(super) Arc<Timing>);

/// How long a polled batch is under way.
#[derive(Debug)]
pub(super) struct Timing {
    polled: Instant,
    handed: OnceLock<Instant>,
    metrics: TaskMetrics,
}

impl Timing {
    /// Of a batch that has just been polled.
    pub(super) fn of(metrics: &TaskMetrics) -> Self {
        Self { polled: Instant::now(), handed: OnceLock::new(), metrics: metrics.clone() }
    }

    /// The first of its records goes to the producer.
    pub(super) fn handed(&self) {
        self.handed.get_or_init(Instant::now);
    }

    fn ended(&self) {
        let now = Instant::now();
        if let Some(handed) = self.handed.get() {
            self.metrics.spent(Part::Produce, now - *handed);
        }
        self.metrics.came_through(now - self.polled);
    }
}

impl Offsets for SourceBatch {
    /// JSON of the offset, `None` for null; or why it cannot be stored.
    type Offset = Result<Option<String>, String>;

    fn offset(&self, row: u32) -> Self::Offset {
        let table = self.0.open();
        match table.get(Role::SOURCE_OFFSET) {
            None => Ok(None),
            Some(column) => row_json(column, row as usize, &table.schemas),
        }
    }

    fn bytes(&self) -> usize {
        self.0.as_bytes().len()
    }

    fn ended(&self) {
        self.1.ended();
    }
}

/// Settings of a [`Flow`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowSettings {
    /// Time between two commits.
    pub(crate) flush_interval: Duration,
    /// Longest time for one.
    pub(crate) flush_timeout: Duration,
    /// What becomes of records that cannot be written.
    pub(crate) policy: ErrorPolicy,
    /// Whether they are logged.
    pub(crate) log: LogPolicy,
    /// Whether the plugin wants to hear of every row that ended.
    pub(crate) commit_records: bool,
}

/// A record that the policy lets go by: the polled row that it comes from, and what it was when it failed.
#[derive(Clone, Copy)]
pub(super) struct Skipped<'a> {
    pub(super) polled: &'a Batch,
    pub(super) id: BatchId,
    pub(super) row: u32,
    pub(super) content: Content<'a>,
}

/// See the module's documentation.
pub(crate) struct Flow {
    pub(super) control: TaskControl,
    pub(super) producer: Box<dyn RecordProducer>,
    pub(super) ledger: InFlight<SourceBatch>,
    pub(super) offsets: Box<dyn OffsetWriter>,
    /// Set for exactly-once: offsets go with their records then, and never by themselves.
    pub(super) transactions: Option<Transactions>,
    /// `None` leaves topics to the cluster.
    new_topics: Option<Arc<NewTopics>>,
    pub(super) settings: FlowSettings,
    counts: Arc<millstream_metrics::SourceTask>,
    /// Offsets by source partition that no flush has stored yet.
    unsaved: HashMap<Arc<str>, Option<String>>,
    next_commit: Instant,
    /// Why a record could not be written, until the task notices.
    failure: Option<Failure>,
    /// Rows that ended and that the plugin has not been told of.
    pub(super) ended: Vec<(Batch, Vec<AcknowledgedRow>)>,
    letters: Option<SourceLetters>,
    pub(super) owes_commit: bool,
    /// While records are at the producer: since when none of them has been acknowledged.
    unacknowledged: Option<LongWait>,
}

impl Flow {
    pub(crate) fn new(
        control: TaskControl,
        producer: Box<dyn RecordProducer>,
        letters: Option<SourceLetters>,
        (offsets, transactions): (Box<dyn OffsetWriter>, Option<Transactions>),
        new_topics: Option<NewTopics>,
        settings: FlowSettings,
        counts: Arc<millstream_metrics::SourceTask>,
    ) -> Self {
        Self {
            control,
            producer,
            ledger: InFlight::new(MAX_IN_FLIGHT_BYTES),
            offsets,
            transactions,
            new_topics: new_topics.map(Arc::new),
            settings,
            counts,
            unsaved: HashMap::new(),
            next_commit: Instant::now() + settings.flush_interval,
            failure: None,
            ended: Vec::new(),
            letters,
            owes_commit: false,
            unacknowledged: None,
        }
    }

    /// Waits for something while acknowledgements are taken and offsets committed.
    pub(super) async fn attend<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        tokio::pin!(wanted);
        loop {
            tokio::select! {
                biased;
                value = &mut wanted => return value,
                () = self.step() => {}
            }
        }
    }

    /// The same, but no longer than until the plugin is to be told something or a record could not be written: `None`.
    pub(super) async fn attend_until_news<T>(&mut self, mut wanted: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        while !self.has_failed() && self.ended.is_empty() && !self.owes_commit {
            tokio::select! {
                biased;
                value = &mut wanted => return Some(value),
                () = self.step() => {}
            }
        }
        None
    }

    /// Whether [`Self::check`] has something to tell.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Handles one acknowledgement or one commit, whichever is there first. Dropping the future loses
    /// nothing but a flush that has begun, whose offsets stay to be flushed again.
    pub(super) async fn step(&mut self) {
        let due = self.commit_due();
        self.watch_producer();
        let letters_wait = self.letters.as_ref().is_some_and(|letters| letters.queue.is_blocked());
        let letters_due = self.letters.as_ref().and_then(|letters| letters.queue.due());
        tokio::select! {
            biased;
            () = dead_letters::learned(self.letters.as_mut()) => self.take_acks(),
            ack = next(self.producer.as_mut(), letters_wait) => {
                ack.into_iter().for_each(|ack| self.take(ack));
                self.take_acks();
            }
            () = long_wait::until(due) => {
                self.commit_offsets().await;
            }
            () = long_wait::until(self.unacknowledged.as_ref().map(LongWait::due)) => self.watch_producer(),
            () = long_wait::until(letters_due) => self.follow_letters(),
        }
    }

    /// Says so when the producer has had no acknowledgement for long.
    fn watch_producer(&mut self) {
        let records = self.producer.outstanding();
        if records == 0 {
            self.unacknowledged = None;
            return;
        }
        let control = &self.control;
        self.unacknowledged.get_or_insert_with(|| LongWait::begin(control, "acknowledgements")).tell(|| {
            format!(
                "the cluster to acknowledge {records} record(s): either it does not answer or their partitions have no leader; after delivery.timeout.ms of the producer they fail"
            )
        });
    }

    /// Waits until the producer has room or something has been acknowledged; commits go on.
    ///
    /// # Errors
    ///
    /// The task is to stop.
    pub(super) async fn wait_for_room(&mut self) -> Result<(), Halt> {
        loop {
            let due = self.commit_due();
            self.watch_producer();
            let control = self.control.clone();
            tokio::select! {
                biased;
                () = control.stopped() => return Err(Halt::Stopped),
                () = self.producer.ready() => break,
                () = long_wait::until(due) => {
                    self.commit_offsets().await;
                }
                () = long_wait::until(self.unacknowledged.as_ref().map(LongWait::due)) => self.watch_producer(),
            }
        }
        self.take_acks();
        Ok(self.check()?)
    }

    /// Makes a topic that the producer does not know, if it does not exist and the connector has rules for that. While
    /// the cluster does not say whether it exists, it is asked again, as by Connect; acknowledgements and commits go on.
    ///
    /// # Errors
    ///
    /// The task is to stop, or the topic can neither be found nor made.
    pub(super) async fn make_topic(&mut self, topic: &TopicName) -> Result<(), Halt> {
        let Some(new_topics) = self.new_topics.clone() else { return Ok(()) };
        let control = self.control.clone();
        let what = || format!("the cluster to say whether topic {topic} exists, or to create it");
        let making = told(&control, "a topic", what, async {
            loop {
                match new_topics.ensure(topic).await {
                    Err(failure) if failure.kind == ErrorKind::Retriable => {
                        tracing::warn!(task = %control.id, error = %failure, "a topic is asked for again");
                        tokio::time::sleep(TOPIC_RETRY_WAIT).await;
                    }
                    made => return made,
                }
            }
        });
        self.attend(async {
            tokio::select! {
                biased;
                () = control.stopped() => Err(Halt::Stopped),
                made = making => made.map_err(Halt::Failed),
            }
        })
        .await
    }

    /// Waits until the partitions of a topic are known; acknowledgements and commits go on.
    ///
    /// # Errors
    ///
    /// The task is to stop. Inside: they do not become known.
    pub(super) async fn learn(&mut self, topic: &TopicName) -> Result<Result<(), SendError>, Halt> {
        let control = self.control.clone();
        let what = || {
            format!(
                "topic {topic} to exist: create it, or let the cluster create topics (auto.create.topics.enable); max.block.ms of the producer bounds this wait"
            )
        };
        let learned = told(&control, "a topic", what, self.producer.learn(topic));
        self.attend(async {
            tokio::select! {
                biased;
                () = control.stopped() => Err(Halt::Stopped),
                learned = learned => Ok(learned),
            }
        })
        .await
    }

    /// When offsets are stored by themselves; never where they go with their records.
    fn commit_due(&self) -> Option<Instant> {
        if self.transactions.is_some() {
            return None;
        }
        Some(if MAX_PARTITIONS <= self.ledger.partitions() && self.unsaved.len() < MAX_PARTITIONS {
            Instant::now()
        } else {
            self.next_commit
        })
    }

    /// Waits until the ledger has room for another batch, or the task is to stop.
    pub(super) async fn make_room(&mut self) {
        let control = self.control.clone();
        self.take_acks();
        if self.commit_due().is_some_and(|due| due <= Instant::now()) {
            self.commit_offsets().await;
        }
        while (!self.ledger.has_room() || self.has_many_letters()) && self.failure.is_none() {
            tokio::select! {
                biased;
                () = control.stopped() => return,
                () = self.step() => {}
            }
        }
    }

    /// A poll that took so long returned so many records.
    pub(super) fn polled(&mut self, records: u32, took: Duration) {
        let records = u64::from(records);
        self.counts.polled.add(records);
        self.counts.poll_time.record_time(took);
        self.control.metrics.spent(Part::Poll, took);
        self.control.metrics.batch(records);
        self.counts.active_seen.record(self.ledger.outstanding() + records);
    }

    /// Fails if a record could not be written and the policy does not tolerate it.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    pub(super) fn take_acks(&mut self) {
        while let Some(ack) = self.producer.try_ack() {
            self.take(ack);
        }
        self.follow_letters();
        self.counts.active.set(i64::try_from(self.ledger.outstanding()).unwrap_or(i64::MAX));
        self.control.metrics.holds(self.ledger.bytes());
    }

    /// Hands the producer dead letters that wait. One that cannot be written fails the task.
    fn follow_letters(&mut self) {
        if let Some(letters) = &mut self.letters {
            letters.queue.hand_over(self.producer.as_mut());
            letters.queue.tell(&self.control);
            if let Some(failure) = letters.queue.failure() {
                self.failure.get_or_insert_with(|| failure.clone());
            }
        }
    }

    /// Whether so many dead letters are unwritten that no more records should be polled.
    fn has_many_letters(&self) -> bool {
        self.letters.as_ref().is_some_and(|letters| letters.queue.is_full())
    }

    /// Rows end with letters that are written. How many records of an acknowledgement were letters.
    fn take_letters(&mut self, ack: &Ack) -> u64 {
        let Some(letters) = &mut self.letters else { return 0 };
        let mut written = Vec::new();
        let count = letters.queue.ended(ack, |ends| written.push(ends));
        for ends in written {
            match ends {
                Ends::Row(polled, id, row) => self.dropped(&polled, id, row..row + 1),
                Ends::Sent(sequence) => {
                    if self.settings.commit_records {
                        let ended = told_later(&mut self.transactions, &mut self.ended);
                        self.ledger.rows_of(sequence, sequence, |batch, rows, _| {
                            note(ended, &batch.0, rows.clone(), rows.map(|_| None));
                        });
                    }
                    self.ledger.acknowledge(sequence, sequence);
                }
            }
        }
        count
    }

    /// Whether dead letters have not been written.
    pub(super) fn has_letters(&self) -> bool {
        self.letters.as_ref().is_some_and(|letters| letters.queue.under_way() != 0)
    }

    pub(super) fn take(&mut self, ack: Ack) {
        // What is left waits anew.
        self.unacknowledged = None;
        if let (Some(transactions), Ok(_)) = (&mut self.transactions, &ack.result) {
            transactions.records += ack.last - ack.first + 1;
        }
        let records = ack.last - ack.first + 1 - self.take_letters(&ack);
        if records == 0 {
            return;
        }
        match ack.result {
            Ok(delivery) => {
                self.control.status.uses_topic(ack.topic.as_str());
                self.counts.written.add(records);
                if self.settings.commit_records {
                    let ended = told_later(&mut self.transactions, &mut self.ended);
                    self.ledger.rows_of(ack.first, ack.last, |batch, rows, first| {
                        let base = delivery.base_offset;
                        let offset = if base < 0 { -1 } else { base + (first - ack.first) as i64 };
                        let positions = (offset..).take(rows.len()).map(|offset| Some((ack.partition, offset)));
                        note(ended, &batch.0, rows, positions);
                    });
                }
                self.ledger.acknowledge(ack.first, ack.last);
            }
            Err(error) => self.failed_to_send(ack.first, ack.last, records, &error),
        }
    }

    fn failed_to_send(&mut self, first: Sequence, last: Sequence, records: u64, error: &SendError) {
        let failure = send_failure(error);
        self.control.metrics.failed(records, self.settings.policy.without_retry());
        if !self.tolerates_lost_records() {
            tracing::error!(task = %self.control.id, records, error = %ErrorChain(error), "records were not written");
            let mut at = None;
            self.ledger.rows_of(first, last, |SourceBatch(batch, _), rows, _| {
                at.get_or_insert_with(|| source_position(batch, rows.start));
            });
            self.failure.get_or_insert(not_written(failure, at));
            return;
        }
        let (log, control) = (self.settings.log, &self.control);
        let ended = told_later(&mut self.transactions, &mut self.ended);
        let wants_rows = self.settings.commit_records;
        let letters = &mut self.letters;
        let dead_lettered = letters.is_some();
        if log.enabled || wants_rows || dead_lettered {
            let report = Report { stage: Stage::KafkaProduce, class: WORKER_SOURCE_TASK, failure: &failure };
            self.ledger.rows_of(first, last, |SourceBatch(batch, _), rows, first| {
                let table = batch.open();
                for (row, sequence) in rows.clone().zip(first..) {
                    report::log(log, control, &report, || source_record(batch, row));
                    if let Some(letters) = letters {
                        // What came out of the transforms is not kept.
                        let content = Content { table: &table, row, form: Form::Polled };
                        letters.report(content, batch, row, Ends::Sent(sequence), &report);
                    }
                }
                if wants_rows && !dead_lettered {
                    note(ended, batch, rows.clone(), rows.map(|_| None));
                }
            });
        }
        if !dead_lettered {
            self.ledger.acknowledge(first, last);
        }
    }

    /// A transaction cannot be committed without one of its records, whatever the policy says.
    fn tolerates_lost_records(&self) -> bool {
        self.settings.policy.tolerance != Tolerance::None && self.transactions.is_none()
    }

    /// A record of a row could not even be appended: the same as a failed acknowledgement.
    pub(super) fn refused(&mut self, record: Skipped<'_>, failure: Failure) -> Result<(), Failure> {
        self.control.metrics.failed(1, self.settings.policy.without_retry());
        if !self.tolerates_lost_records() {
            return Err(not_written(failure, Some(source_position(record.polled, record.row))));
        }
        let report = Report { stage: Stage::KafkaProduce, class: WORKER_SOURCE_TASK, failure: &failure };
        report::log(self.settings.log, &self.control, &report, || source_record(record.polled, record.row));
        self.skipped(record, &report);
        Ok(())
    }

    /// A record that failed is let go by: it ends in the dead-letter queue if there is one, else here.
    pub(super) fn skipped(&mut self, record: Skipped<'_>, report: &Report<'_>) {
        let Skipped { polled, id, row, content } = record;
        match &mut self.letters {
            Some(letters) => {
                letters.report(content, polled, row, Ends::Row(polled.clone(), id, row), report);
                self.follow_letters();
            }
            None => self.dropped(polled, id, row..row + 1),
        }
    }

    /// Rows were filtered or skipped by policy.
    pub(super) fn dropped(&mut self, polled: &Batch, batch: BatchId, rows: Range<u32>) {
        if self.settings.commit_records {
            let ended = told_later(&mut self.transactions, &mut self.ended);
            note(ended, polled, rows.clone(), rows.clone().map(|_| None));
        }
        self.ledger.end(batch, rows);
    }

    /// Stores what may be committed. What cannot be stored, or not in time, is kept for the next time, and shown
    /// in the task's status meanwhile.
    async fn commit_offsets(&mut self) {
        let span = log_context::of_offsets(&self.control.id.connector, self.control.id.number);
        self.commit_what_has_ended().instrument(span).await;
    }

    async fn commit_what_has_ended(&mut self) {
        if !self.control.is_ours() {
            // Whoever has the task by now may be further than this one was.
            self.next_commit = Instant::now() + self.settings.flush_interval;
            return;
        }
        let began = Instant::now();
        let mut unsaved = None;
        for (partition, offset) in self.ledger.take_committable() {
            match offset {
                Ok(offset) => {
                    self.unsaved.insert(partition, offset);
                }
                Err(reason) => {
                    tracing::error!(task = %self.control.id, %reason, "a source offset cannot be stored");
                    unsaved = Some(format!("a source offset cannot be stored: {reason}"));
                }
            }
        }
        // Nothing is stored for a connector that gives neither partitions nor offsets.
        self.unsaved.retain(|partition, offset| offset.is_some() || &**partition != "null");
        let stored = if self.unsaved.is_empty() {
            true
        } else {
            let entries: Vec<(Arc<str>, Option<String>)> =
                self.unsaved.iter().map(|(partition, offset)| (Arc::clone(partition), offset.clone())).collect();
            let write = self.offsets.write(self.producer.as_mut(), entries);
            match tokio::time::timeout(self.settings.flush_timeout, write).await {
                Ok(Ok(())) => {
                    self.unsaved.clear();
                    true
                }
                Ok(Err(error)) => {
                    tracing::error!(task = %self.control.id, error = %ErrorChain(&error), "failed to commit offsets");
                    unsaved = Some(ErrorChain(&error).to_string());
                    false
                }
                Err(_) => {
                    tracing::error!(task = %self.control.id, "timed out while committing offsets, they are committed the next time");
                    unsaved = Some("it took longer than offset.flush.timeout.ms".to_owned());
                    false
                }
            }
        };
        self.control.metrics.committed(began, stored);
        self.owes_commit |= stored;
        self.next_commit = Instant::now() + self.settings.flush_interval;
        let note = unsaved.map(|why| format!("The last commit of offsets failed and is tried again: {why}"));
        self.control.status.note("commit", note);
    }

    /// Tells the plugin what has ended and what was stored. Its exceptions change nothing.
    pub(super) async fn tell(&mut self, task: &mut dyn SourceTask) {
        for (batch, rows) in std::mem::take(&mut self.ended) {
            let what = || call_text("the source to take note of records that ended");
            let noted = told(&self.control, CALL, what, task.committed(&batch, &rows));
            if let Err(error) = noted.await {
                tracing::warn!(task = %self.control.id, error = %error, "the source task failed to take note of records that ended");
            }
        }
        if std::mem::take(&mut self.owes_commit) {
            let what = || call_text("the source to take note of a commit");
            let noted = told(&self.control, CALL, what, task.commit());
            if let Err(error) = noted.await {
                tracing::warn!(task = %self.control.id, error = %error, "the source task failed to commit");
            }
        }
    }

    /// Waits until everything that was polled has ended, and stores its offsets. False if that cannot be now: the task
    /// is to stop, offsets cannot be stored, or a transaction is open that its plugin ends.
    ///
    /// # Errors
    ///
    /// A record could not be written, or a transaction not be ended.
    pub(super) async fn drain(&mut self, task: &mut dyn SourceTask) -> Result<bool, Failure> {
        if !self.control.is_ours() {
            return Ok(false);
        }
        if self.transactions.is_some() {
            self.pause_ends().await?;
            self.tell(task).await;
            let is_empty = self.transactions.as_ref().is_none_or(|transactions| transactions.records == 0);
            return Ok(is_empty && self.ledger.outstanding() == 0 && self.ledger.partitions() == 0);
        }
        let control = self.control.clone();
        self.take_acks();
        while self.ledger.outstanding() != 0 || self.has_letters() {
            self.check()?;
            tokio::select! {
                biased;
                () = control.stopped() => return Ok(false),
                () = self.step() => {}
            }
            self.take_acks();
        }
        self.check()?;
        self.commit_offsets().await;
        self.tell(task).await;
        Ok(self.unsaved.is_empty() && self.ledger.partitions() == 0)
    }

    /// Waits a little for records that are under way, then commits for the last time.
    ///
    /// # Errors
    ///
    /// The last transaction could not be committed; without transactions there are none.
    pub(super) async fn finish(&mut self, task: &mut dyn SourceTask, ended_well: bool) -> Result<(), Failure> {
        if !self.control.is_ours() {
            // Another worker goes on from the last commit.
            tracing::warn!(task = %self.control.id, "the task ends without a last commit, since it may run elsewhere by now");
            return self.last_transaction(false).await;
        }
        if self.transactions.is_some() {
            let ended = self.last_transaction(ended_well).await;
            self.tell(task).await;
            return ended;
        }
        if self.producer.outstanding() != 0 || self.has_letters() {
            // Should the wait outlast the time to stop, what has ended before is stored nevertheless.
            self.take_acks();
            self.commit_offsets().await;
            // What has not ended by then may be repeated after the next start.
            let deadline = Instant::now() + self.settings.flush_timeout;
            let _ = tokio::time::timeout_at(deadline, self.producer.flush()).await;
            self.take_acks();
            while self.failure.is_none() && self.has_letters() {
                if tokio::time::timeout_at(deadline, self.step()).await.is_err() {
                    break;
                }
            }
        }
        if let Err(failure) = self.check() {
            tracing::error!(task = %self.control.id, error = %failure, "records of a stopping task were not written");
        }
        self.commit_offsets().await;
        self.tell(task).await;
        Ok(())
    }

    /// Gives up what is left.
    pub(super) async fn close(self) {
        if let Some(letters) = &self.letters {
            letters.queue.give_up();
        }
        self.producer.close(Duration::ZERO).await;
    }
}

/// The failure of a task over a record that could not be written.
fn not_written(failure: Failure, record: Option<String>) -> Failure {
    let message = "Unrecoverable exception from producer send callback";
    let mut failure = failure.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message);
    let by = Executor { class: WORKER_SOURCE_TASK.to_owned(), name: String::new() };
    failure.at = record.map(|record| {
        format!("{}; with errors.tolerance=all it would be skipped", by.place(Stage::KafkaProduce, &record))
    });
    failure
}

/// The next acknowledgement, or none where dead letters wait for room and there is some.
async fn next(producer: &mut dyn RecordProducer, letters_wait: bool) -> Option<Ack> {
    if letters_wait {
        producer.ready().await;
        None
    } else {
        Some(producer.next_ack().await)
    }
}

/// Where the rows stand that the plugin is to hear of: in a transaction when it is over.
fn told_later<'a>(
    transactions: &'a mut Option<Transactions>,
    ended: &'a mut Vec<(Batch, Vec<AcknowledgedRow>)>,
) -> &'a mut Vec<(Batch, Vec<AcknowledgedRow>)> {
    transactions.as_mut().map_or(ended, |transactions| &mut transactions.ended)
}

fn note(
    ended: &mut Vec<(Batch, Vec<AcknowledgedRow>)>,
    batch: &Batch,
    rows: Range<u32>,
    positions: impl Iterator<Item = Option<(i32, i64)>>,
) {
    let same = |other: &Batch| std::ptr::eq(other.as_bytes(), batch.as_bytes());
    let news = rows.zip(positions).map(|(row, position)| AcknowledgedRow { row, position });
    match ended.last_mut() {
        Some((last, list)) if same(last) => list.extend(news),
        _ => ended.push((batch.clone(), news.collect())),
    }
}
