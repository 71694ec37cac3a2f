//! What a sink's plugin asks of the worker while it is called. Kept until the task's loop looks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use millstream_connector::{
    ErrorKind, Failure, Lease, RowError, SinkContext, TopicOffset, TopicPartition, TopicRecord,
};
use millstream_record::TopicName;

use crate::{
    error_policy::{CONNECT_EXCEPTION, Executor, Stage, Tolerance, tolerance_exceeded},
    sink_task::{reporter::Reporter, stages::SINK_TASK},
    task::TaskControl,
};

/// Seeks that may wait; a plugin has no reason to ask for more than one per partition.
const MAX_SEEKS: usize = 10_000;

/// Whether and how rows may be reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportRules {
    /// Whether there is a dead-letter queue, or errors are logged.
    pub(crate) available: bool,
    /// Whether reports are tolerated.
    pub(crate) tolerance: Tolerance,
}

/// See the module's documentation.
pub(crate) struct TaskContext {
    control: TaskControl,
    rules: ReportRules,
    lease: Option<Arc<dyn Lease>>,
    reporter: Reporter,
    state: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    assignment: BTreeSet<TopicPartition>,
    paused: BTreeSet<TopicPartition>,
    pauses_changed: bool,
    seeks: Vec<TopicOffset>,
    timeout: Option<Duration>,
    commit: bool,
    /// Rows of the batch that is being put.
    rows: u32,
    reports: Reports,
}

/// What was reported during one `put`.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The rows.
    pub(super) errors: Vec<RowError>,
    /// Why the task has to fail over them, whatever the plugin makes of it.
    pub(super) failure: Option<Failure>,
}

impl TaskContext {
    pub(crate) fn new(
        control: TaskControl,
        rules: ReportRules,
        lease: Option<Arc<dyn Lease>>,
        reporter: Reporter,
    ) -> Self {
        Self { control, rules, lease, reporter, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Requests> {
        self.state.lock().expect("nothing panics while a request of the plugin is noted")
    }

    pub(super) fn set_assignment(&self, partitions: Vec<TopicPartition>) {
        let mut state = self.state();
        state.assignment = partitions.into_iter().collect();
        let Requests { assignment, paused, seeks, .. } = &mut *state;
        paused.retain(|partition| assignment.contains(partition));
        seeks.retain(|to| assignment.contains(&TopicPartition { topic: to.topic.clone(), partition: to.partition }));
    }

    pub(super) fn begin_put(&self, rows: u32) {
        let mut state = self.state();
        state.rows = rows;
        state.reports = Reports::default();
    }

    pub(super) fn take_reports(&self) -> Reports {
        let mut state = self.state();
        state.rows = 0;
        std::mem::take(&mut state.reports)
    }

    pub(super) fn take_seeks(&self) -> Vec<TopicOffset> {
        std::mem::take(&mut self.state().seeks)
    }

    /// Whether the plugin has asked to read elsewhere.
    pub(super) fn has_seeks(&self) -> bool {
        !self.state().seeks.is_empty()
    }

    pub(super) fn take_timeout(&self) -> Option<Duration> {
        self.state().timeout.take()
    }

    pub(super) fn take_commit_request(&self) -> bool {
        std::mem::take(&mut self.state().commit)
    }

    pub(super) fn request_commit_now(&self) {
        self.state().commit = true;
    }

    pub(super) fn take_pauses_changed(&self) -> bool {
        std::mem::take(&mut self.state().pauses_changed)
    }

    pub(super) fn paused(&self) -> Vec<TopicPartition> {
        self.state().paused.iter().cloned().collect()
    }

    pub(super) fn is_paused(&self, partition: &TopicPartition) -> bool {
        self.state().paused.contains(partition)
    }
}

fn not_assigned(verb: &str) -> Failure {
    let message = format!("SinkTasks may not {verb} partitions that are not currently assigned to them.");
    Failure::new(ErrorKind::Fatal, "org.apache.kafka.connect.errors.IllegalWorkerStateException", message)
}

#[async_trait]
impl SinkContext for TaskContext {
    fn assignment(&self) -> Vec<TopicPartition> {
        self.state().assignment.iter().cloned().collect()
    }

    fn seek(&self, offsets: Vec<TopicOffset>) {
        let mut state = self.state();
        for to in offsets {
            // The last word about a partition counts.
            state.seeks.retain(|other| other.topic != to.topic || other.partition != to.partition);
            if state.seeks.len() < MAX_SEEKS {
                state.seeks.push(to);
            }
        }
    }

    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let mut state = self.state();
        if !partitions.iter().all(|partition| state.assignment.contains(partition)) {
            return Err(not_assigned("pause"));
        }
        state.paused.extend(partitions.iter().cloned());
        state.pauses_changed = true;
        Ok(())
    }

    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let mut state = self.state();
        if !partitions.iter().all(|partition| state.assignment.contains(partition)) {
            return Err(not_assigned("resume"));
        }
        partitions.iter().for_each(|partition| {
            state.paused.remove(partition);
        });
        state.pauses_changed = true;
        Ok(())
    }

    fn timeout(&self, ms: u32) {
        self.state().timeout = Some(Duration::from_millis(ms.into()));
    }

    fn request_commit(&self) {
        self.request_commit_now();
    }

    fn report(&self, errors: Vec<RowError>) -> Result<(), Failure> {
        let fail = |message: &str| Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message));
        if !self.rules.available {
            return fail(
                "there is no dead letter queue, and errors are not logged, so that records cannot be reported",
            );
        }
        let mut state = self.state();
        if errors.iter().any(|error| state.rows <= error.row) {
            return fail("a record was reported that is not in the batch being put");
        }
        if (state.rows as usize) < state.reports.errors.len() + errors.len() {
            return fail("more records were reported than the batch has");
        }
        let first = errors.first().map(|error| (error.row, error.failure.clone()));
        state.reports.errors.extend(errors);
        match (self.rules.tolerance, first) {
            (Tolerance::None, Some((row, first))) => {
                let record = format!("{row} of the batch");
                let by = Executor { class: SINK_TASK.to_owned(), name: String::new() };
                let failure = tolerance_exceeded(first, Stage::TaskPut, &by, &record);
                state.reports.failure.get_or_insert_with(|| failure.clone());
                Err(failure)
            }
            _ => Ok(()),
        }
    }

    async fn write_records(
        &self,
        topic: &TopicName,
        replication: i16,
        records: Vec<TopicRecord>,
    ) -> Result<(), Failure> {
        self.reporter.write(topic, replication, records).await
    }

    fn lease(&self) -> Option<Arc<dyn Lease>> {
        self.lease.clone()
    }

    fn is_stopping(&self) -> bool {
        self.control.is_stopping()
    }

    async fn stopped(&self) {
        self.control.stopped().await;
    }
}
