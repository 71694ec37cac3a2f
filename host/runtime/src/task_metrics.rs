//! What every task counts, whichever way its records go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use millstream_connector::TaskId;
use millstream_metrics::{Labels, Metrics, SinkTask, SourceTask, Task, TaskErrors, Worker};
use tokio::time::Instant;

use crate::error_policy::Verdict;

/// The groups of one task. They exist as long as a clone of this does: until the task's place is free again, not only
/// until it has failed.
#[derive(Clone, Debug)]
pub(crate) struct TaskMetrics(Arc<Groups>);

#[derive(Debug)]
struct Groups {
    worker: Arc<Worker>,
    task: Arc<Task>,
    errors: Arc<TaskErrors>,
    source: OnceLock<Arc<SourceTask>>,
    sink: OnceLock<Arc<SinkTask>>,
    start_counted: AtomicBool,
}

impl TaskMetrics {
    pub(crate) fn new(metrics: &Metrics, worker: Arc<Worker>, id: &TaskId) -> Self {
        Self(Arc::new(Groups {
            worker,
            task: metrics.group(labels(id)),
            errors: metrics.group(labels(id)),
            source: OnceLock::new(),
            sink: OnceLock::new(),
            start_counted: AtomicBool::new(false),
        }))
    }

    /// The task has proved to be a source.
    pub(crate) fn source(&self, metrics: &Metrics, id: &TaskId) -> Arc<SourceTask> {
        Arc::clone(self.0.source.get_or_init(|| metrics.group(labels(id))))
    }

    /// The task has proved to be a sink.
    pub(crate) fn sink(&self, metrics: &Metrics, id: &TaskId) -> Arc<SinkTask> {
        Arc::clone(self.0.sink.get_or_init(|| metrics.group(labels(id))))
    }

    /// The task runs for the first time, or failed. Its start counts once, at whichever comes first.
    pub(crate) fn started(&self, succeeded: bool) {
        if !self.0.start_counted.swap(true, Ordering::Relaxed) {
            let Worker { task_starts, task_start_successes, task_start_failures, .. } = &*self.0.worker;
            task_starts.add(1);
            (if succeeded { task_start_successes } else { task_start_failures }).add(1);
        }
    }

    /// A batch of so many records is worked on.
    pub(crate) fn batch(&self, records: u64) {
        self.0.task.batch_size.record(records);
    }

    /// An operation on so many records failed, and this was decided about them.
    pub(crate) fn failed(&self, records: u64, verdict: Verdict) {
        let errors = &self.0.errors;
        errors.failures.add(records);
        errors.last_error.set(SystemTime::now());
        match verdict {
            Verdict::RetryAfter(_) => errors.retries.add(records),
            Verdict::Tolerate => errors.skipped.add(records),
            Verdict::Fail => errors.errors.add(records),
        }
    }

    /// A failure was logged.
    pub(crate) fn logged(&self) {
        self.0.errors.logged.add(1);
    }

    /// A dead letter was handed to the producer.
    pub(crate) fn dead_letter(&self) {
        self.0.errors.dead_letters.add(1);
    }

    /// A dead letter could not be written.
    pub(crate) fn dead_letter_failed(&self) {
        self.0.errors.dead_letter_failures.add(1);
    }

    /// Offsets were committed, or not.
    pub(crate) fn committed(&self, began: Instant, succeeded: bool) {
        if succeeded {
            self.0.task.commit_successes.add(1);
            self.0.task.commit_time.record_time(began.elapsed());
        } else {
            self.0.task.commit_failures.add(1);
        }
    }
}

fn labels(id: &TaskId) -> Labels {
    Labels::task(&id.connector, id.number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_start_of_a_task_counts_once() {
        let (metrics, worker) = (Metrics::default(), Arc::new(Worker::default()));
        let id = TaskId { connector: "lines".into(), number: 0 };
        let started = |outcomes: &[bool]| {
            let task = TaskMetrics::new(&metrics, Arc::clone(&worker), &id);
            outcomes.iter().for_each(|&succeeded| task.started(succeeded));
            let Worker { task_starts, task_start_successes, task_start_failures, .. } = &*worker;
            (task_starts.total(), task_start_successes.total(), task_start_failures.total())
        };
        assert_eq!(started(&[true, false]), (1, 1, 0), "failed later, but it did start");
        assert_eq!(started(&[false, false]), (2, 1, 1));
    }

    #[test]
    fn a_failure_counts_by_what_becomes_of_the_record() {
        let id = TaskId { connector: "lines".into(), number: 0 };
        let task = TaskMetrics::new(&Metrics::default(), Arc::default(), &id);
        task.failed(1, Verdict::RetryAfter(Duration::ZERO));
        task.failed(3, Verdict::Tolerate);
        task.failed(1, Verdict::Fail);
        let TaskErrors { failures, errors, skipped, retries, last_error, .. } = &*task.0.errors;
        assert_eq!((failures.total(), errors.total(), skipped.total(), retries.total()), (5, 1, 3, 1));
        assert!(0 < last_error.millis());
    }
}
