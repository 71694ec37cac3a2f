//! What every task counts, whichever way its records go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use millstream_connector::{TaskId, TopicPartition};
use millstream_metrics::{
    ConnectorLatency, ConnectorTasks, Gauge, Labels, Metrics, SinkPartition, SinkTask, SourceTask, State, Task,
    TaskErrors, TaskMemory, TaskStage, Worker,
};
use tokio::time::Instant;

use crate::{error_policy::Verdict, task_plugins::TaskPlugins};

/// The groups of one task. They exist as long as a clone of this does: until the task's place is free again, not only
/// until it has failed.
#[derive(Clone, Debug)]
pub(crate) struct TaskMetrics(Arc<Groups>);

/// Stages in which a task spends its time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Poll,
    Transform,
    Convert,
    Produce,
    Put,
    Commit,
}

impl Part {
    const ALL: [Self; 6] = [Self::Poll, Self::Transform, Self::Convert, Self::Produce, Self::Put, Self::Commit];

    fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Transform => "transform",
            Self::Convert => "convert",
            Self::Produce => "produce",
            Self::Put => "put",
            Self::Commit => "commit",
        }
    }
}

#[derive(Debug)]
struct Groups {
    metrics: Metrics,
    id: TaskId,
    worker: Arc<Worker>,
    tasks: Arc<ConnectorTasks>,
    task: Arc<Task>,
    errors: Arc<TaskErrors>,
    memory: Arc<TaskMemory>,
    latency: Arc<ConnectorLatency>,
    /// By [`Part`]; those that the task does not have are never made.
    stages: [OnceLock<Arc<TaskStage>>; Part::ALL.len()],
    source: OnceLock<Arc<SourceTask>>,
    sink: OnceLock<Arc<SinkTask>>,
    plugins: OnceLock<TaskPlugins>,
    start_counted: AtomicBool,
}

impl TaskMetrics {
    /// Of a task that is shown in this state until it says another one.
    pub(crate) fn new(metrics: &Metrics, worker: Arc<Worker>, id: &TaskId, state: State) -> Self {
        let tasks: Arc<ConnectorTasks> = metrics.group(Labels::connector(&id.connector));
        tasks.total.change(1);
        let new = Self(Arc::new(Groups {
            metrics: metrics.clone(),
            id: id.clone(),
            worker,
            tasks,
            task: metrics.group(labels(id)),
            errors: metrics.group(labels(id)),
            memory: metrics.group(labels(id)),
            latency: metrics.group(Labels::connector(&id.connector)),
            stages: Default::default(),
            source: OnceLock::new(),
            sink: OnceLock::new(),
            plugins: OnceLock::new(),
            start_counted: AtomicBool::new(false),
        }));
        new.enters(state);
        new
    }

    /// The task is in this state from now on. For one caller at a time.
    pub(crate) fn enters(&self, state: State) {
        let Groups { tasks, task, .. } = &*self.0;
        if let Some(before) = task.state.state().and_then(|before| of_state(tasks, before)) {
            before.change(-1);
        }
        task.state.enter(state, Instant::now().into_std());
        if let Some(now) = of_state(tasks, state) {
            now.change(1);
        }
    }

    /// A batch has spent so long in a stage.
    pub(crate) fn spent(&self, part: Part, took: Duration) {
        let Groups { metrics, id, stages, .. } = &*self.0;
        let stage = stages[part as usize].get_or_init(|| metrics.group(labels(id).and("stage", part.name())));
        stage.time.record(took);
    }

    /// A batch has come through after so long.
    pub(crate) fn came_through(&self, took: Duration) {
        self.0.latency.end_to_end.record(took);
    }

    /// Batches of so many bytes are held.
    pub(crate) fn holds(&self, bytes: usize) {
        self.0.memory.in_flight.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// One of the task's partitions.
    pub(crate) fn partition(&self, partition: &TopicPartition) -> Arc<SinkPartition> {
        let Groups { metrics, id, .. } = &*self.0;
        let TopicPartition { topic, partition } = partition;
        metrics.group(labels(id).and("topic", topic).and("partition", partition.to_string()))
    }

    /// The task has proved to be a source.
    pub(crate) fn source(&self, metrics: &Metrics, id: &TaskId) -> Arc<SourceTask> {
        Arc::clone(self.0.source.get_or_init(|| metrics.group(labels(id))))
    }

    /// The task has proved to be a sink.
    pub(crate) fn sink(&self, metrics: &Metrics, id: &TaskId) -> Arc<SinkTask> {
        Arc::clone(self.0.sink.get_or_init(|| metrics.group(labels(id))))
    }

    /// The task is made of these. Said once.
    pub(crate) fn made_of(&self, plugins: impl FnOnce(&Metrics, &TaskId) -> TaskPlugins) {
        let Groups { metrics, id, plugins: place, .. } = &*self.0;
        place.get_or_init(|| plugins(metrics, id));
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
            self.spent(Part::Commit, began.elapsed());
        } else {
            self.0.task.commit_failures.add(1);
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.tasks.total.change(-1);
        if let Some(last) = self.task.state.state().and_then(|last| of_state(&self.tasks, last)) {
            last.change(-1);
        }
    }
}

/// Where a task in this state is counted.
fn of_state(tasks: &ConnectorTasks, state: State) -> Option<&Gauge> {
    Some(match state {
        State::Running => &tasks.running,
        State::Paused => &tasks.paused,
        State::Failed => &tasks.failed,
        State::Unassigned => &tasks.unassigned,
        State::Destroyed => &tasks.destroyed,
        State::Restarting => &tasks.restarting,
        // No task is ever in it.
        State::Stopped => return None,
    })
}

fn labels(id: &TaskId) -> Labels {
    Labels::task(&id.connector, id.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_a_connector_are_counted_by_state_while_they_exist() {
        let metrics = Metrics::default();
        let task = |number| {
            let id = TaskId { connector: "lines".into(), number };
            TaskMetrics::new(&metrics, Arc::default(), &id, State::Restarting)
        };
        let (first, second) = (task(0), task(1));
        let counts: Arc<ConnectorTasks> = metrics.group(Labels::connector("lines"));
        let read = || [&counts.total, &counts.restarting, &counts.running, &counts.failed].map(Gauge::value);
        assert_eq!(read(), [2, 2, 0, 0]);
        first.enters(State::Running);
        assert_eq!(read(), [2, 1, 1, 0]);
        first.enters(State::Failed);
        first.enters(State::Failed);
        assert_eq!(read(), [2, 1, 0, 1]);
        drop(first);
        assert_eq!(read(), [1, 1, 0, 0]);
        drop(second);
        assert_eq!(read(), [0, 0, 0, 0]);
    }

    #[test]
    fn the_start_of_a_task_counts_once() {
        let (metrics, worker) = (Metrics::default(), Arc::new(Worker::default()));
        let id = TaskId { connector: "lines".into(), number: 0 };
        let started = |outcomes: &[bool]| {
            let task = TaskMetrics::new(&metrics, Arc::clone(&worker), &id, State::Unassigned);
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
        let task = TaskMetrics::new(&Metrics::default(), Arc::default(), &id, State::Unassigned);
        task.failed(1, Verdict::RetryAfter(Duration::ZERO));
        task.failed(3, Verdict::Tolerate);
        task.failed(1, Verdict::Fail);
        let TaskErrors { failures, errors, skipped, retries, last_error, .. } = &*task.0.errors;
        assert_eq!((failures.total(), errors.total(), skipped.total(), retries.total()), (5, 1, 3, 1));
        assert!(0 < last_error.millis());
    }
}
