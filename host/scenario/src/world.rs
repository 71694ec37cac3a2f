//! The worker's side of a scenario: what plugins ask for is noted and answered from memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use millstream_connector::{
    ConnectorContext, ErrorKind, Failure, KeyChange, LEASE_LOST, Lease, RequestedEnd, RowError, SinkContext,
    SourceContext, TopicOffset, TopicPartition, TopicRecord, TransactionEnd,
};
use millstream_record::TopicName;
use serde_json::Value as Json;
use tokio::sync::watch;

/// Java class of the failure of a call that does not fit the state of a task.
const ILLEGAL_STATE: &str = "org.apache.kafka.connect.errors.IllegalWorkerStateException";

/// A worker that has one connector with one task.
pub struct World {
    state: Mutex<State>,
    stop: watch::Sender<bool>,
    tolerates_errors: bool,
    ends_transactions: bool,
    lease: Arc<Tenure>,
}

#[derive(Default)]
struct State {
    asked: Vec<String>,
    reported: Vec<RowError>,
    written: BTreeMap<String, Vec<TopicRecord>>,
    stored: Vec<(Json, Json)>,
    assignment: BTreeSet<TopicPartition>,
    ends: Vec<RequestedEnd>,
    /// Rows of the batch that is being put.
    rows: u32,
}

impl World {
    /// One that has stored these offsets.
    pub fn new(stored: Vec<(Json, Json)>, tolerates_errors: bool, ends_transactions: bool) -> Arc<Self> {
        let state = Mutex::new(State { stored, ..State::default() });
        let stop = watch::Sender::new(false);
        Arc::new(Self { state, stop, tolerates_errors, ends_transactions, lease: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while a request is noted")
    }

    fn note(&self, what: impl Into<String>) {
        self.state().asked.push(what.into());
    }

    /// Asks connector and task to stop, or takes that back for the next ones.
    pub fn ask_to_stop(&self, stop: bool) {
        self.stop.send_replace(stop);
    }

    /// What was asked for since the last call.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    /// A batch of so many rows is put from now on.
    pub fn begin_put(&self, rows: u32) {
        self.state().rows = rows;
    }

    /// Rows that were reported since the last call.
    pub fn take_reported(&self) -> Vec<RowError> {
        std::mem::take(&mut self.state().reported)
    }

    /// Records that were written to topics since the last call.
    pub fn take_written(&self) -> BTreeMap<String, Vec<TopicRecord>> {
        std::mem::take(&mut self.state().written)
    }

    /// Where transactions were to end, as the last poll has said.
    pub fn take_ends(&self) -> Vec<String> {
        let ends = std::mem::take(&mut self.state().ends);
        let line = |RequestedEnd { behind, end }: RequestedEnd| {
            let end = if end == TransactionEnd::Commit { "commit" } else { "abort" };
            behind.map_or(end.to_owned(), |row| format!("{end} after {row}"))
        };
        ends.into_iter().map(line).collect()
    }

    /// Partitions that the task has from now on, beside those that it has.
    pub fn assign(&self, partitions: &[TopicPartition]) {
        self.state().assignment.extend(partitions.iter().cloned());
    }

    /// Partitions that it does not have any more.
    pub fn revoke(&self, partitions: &[TopicPartition]) {
        self.state().assignment.retain(|partition| !partitions.contains(partition));
    }

    /// Stores offsets of source partitions, of which the last one counts.
    pub fn store(&self, offsets: impl IntoIterator<Item = (Json, Json)>) {
        let stored = &mut self.state().stored;
        for (partition, offset) in offsets {
            stored.retain(|(known, _)| *known != partition);
            if !offset.is_null() {
                stored.push((partition, offset));
            }
        }
    }

    /// Offsets that are stored.
    pub fn stored(&self) -> Vec<(Json, Json)> {
        self.state().stored.clone()
    }

    /// Another task obtains the lease.
    pub fn take_lease(&self) {
        self.lease.state().epoch += 1;
    }

    /// Whether these partitions are assigned.
    fn has(&self, verb: &str, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let state = self.state();
        if partitions.iter().all(|partition| state.assignment.contains(partition)) {
            return Ok(());
        }
        let message = format!("SinkTasks may not {verb} partitions that are not currently assigned to them.");
        Err(Failure::new(ErrorKind::Fatal, ILLEGAL_STATE, message))
    }

    async fn until_stopped(&self) {
        let mut stop = self.stop.subscribe();
        // An error would mean that the sender is gone, which lives as long as this.
        let _ = stop.wait_for(|&stop| stop).await;
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(|at| format!(" {}-{}", at.topic, at.partition)).collect()
}

impl ConnectorContext for World {
    fn request_task_reconfiguration(&self) {
        self.note("reconfigure");
    }
    fn raise_error(&self, failure: Failure) {
        self.note(format!("raise error: {}: {}", failure.class, failure.message));
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

#[async_trait]
impl SourceContext for World {
    async fn read_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, Failure> {
        let unreadable =
            |error| Failure::new(ErrorKind::Data, "", format!("a source partition is no JSON object: {error}"));
        let state = self.state();
        let read = |partition: &String| {
            let partition: Json = serde_json::from_str(partition).map_err(unreadable)?;
            let stored = state.stored.iter().find(|(known, _)| *known == partition);
            Ok(stored.map(|(_, offset)| offset.to_string()))
        };
        partitions.iter().map(read).collect()
    }
    fn ends_transactions(&self) -> bool {
        self.ends_transactions
    }
    fn end_transactions(&self, ends: Vec<RequestedEnd>) {
        self.state().ends = ends;
    }
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        Some(Arc::clone(&self.lease) as Arc<dyn Lease>)
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
    async fn stopped(&self) {
        self.until_stopped().await;
    }
}

#[async_trait]
impl SinkContext for World {
    fn assignment(&self) -> Vec<TopicPartition> {
        self.state().assignment.iter().cloned().collect()
    }
    fn seek(&self, offsets: Vec<TopicOffset>) {
        let places: String = offsets.iter().map(|at| format!(" {}-{}@{}", at.topic, at.partition, at.offset)).collect();
        self.note(format!("seek{places}"));
    }
    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        self.has("pause", partitions)?;
        self.note(format!("pause{}", names(partitions)));
        Ok(())
    }
    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        self.has("resume", partitions)?;
        self.note(format!("resume{}", names(partitions)));
        Ok(())
    }
    fn timeout(&self, ms: u32) {
        self.note(format!("timeout {ms}"));
    }
    fn request_commit(&self) {
        self.note("request commit");
    }
    fn report(&self, errors: Vec<RowError>) -> Result<(), Failure> {
        if !self.tolerates_errors {
            let message = "Tolerance exceeded in error handler: the policy of the task tolerates no errors";
            return Err(Failure::new(ErrorKind::Fatal, "", message));
        }
        let mut state = self.state();
        if errors.iter().any(|error| state.rows <= error.row) {
            let message = "a record was reported that is not in the batch being put";
            return Err(Failure::new(ErrorKind::Fatal, "", message));
        }
        state.reported.extend(errors);
        Ok(())
    }
    async fn write_records(
        &self,
        topic: &TopicName,
        _replication: i16,
        records: Vec<TopicRecord>,
    ) -> Result<(), Failure> {
        self.state().written.entry(topic.to_string()).or_default().extend(records);
        Ok(())
    }
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        Some(Arc::clone(&self.lease) as Arc<dyn Lease>)
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
    async fn stopped(&self) {
        self.until_stopped().await;
    }
}

/// Who has the lease, and what is kept under it.
#[derive(Default)]
struct Tenure(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Of the newest owner; 0 before the first.
    epoch: u64,
    /// The epoch that the task under test has obtained.
    own: u64,
    values: BTreeMap<String, Vec<u8>>,
}

impl Tenure {
    fn state(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("nothing panics while a value is kept")
    }
}

impl Kept {
    fn owned(&self, epoch: u64) -> Result<(), Failure> {
        if epoch == self.epoch && epoch == self.own {
            return Ok(());
        }
        let message = format!("the lease of epoch {epoch} is lost: another task has obtained it");
        Err(Failure::new(ErrorKind::Fatal, LEASE_LOST, message))
    }
}

#[async_trait]
impl Lease for Tenure {
    async fn obtain(&self) -> Result<u64, Failure> {
        let mut kept = self.state();
        if kept.epoch != kept.own || kept.own == 0 {
            kept.epoch += 1;
            kept.own = kept.epoch;
        }
        Ok(kept.epoch)
    }
    async fn confirm(&self, epoch: u64) -> Result<(), Failure> {
        self.state().owned(epoch)
    }
    async fn keys(&self) -> Result<Vec<String>, Failure> {
        Ok(self.state().values.keys().cloned().collect())
    }
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let kept = self.state();
        Ok(keys.iter().map(|key| kept.values.get(key).cloned()).collect())
    }
    async fn write(&self, epoch: u64, changes: Vec<KeyChange>) -> Result<(), Failure> {
        let mut kept = self.state();
        kept.owned(epoch)?;
        for KeyChange { key, value } in changes {
            match value {
                Some(value) => kept.values.insert(key, value),
                None => kept.values.remove(&key),
            };
        }
        Ok(())
    }
}
