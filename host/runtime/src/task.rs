//! What source and sink tasks have in common: how they are told to pause and stop, and how they end.

use std::sync::{Arc, Mutex};

use millstream_connector::{Failure, TaskId};
use tokio::{sync::watch, time::Instant};

use crate::{
    error_policy::{ErrorPolicy, Random, Verdict},
    herder::TargetState,
    long_wait::LongWait,
    status::{State, StatusWriter},
    task_metrics::TaskMetrics,
};

/// Why a task does not go on with a batch.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It was asked to stop.
    Stopped,
    /// It has failed.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A task's side of its worker: what it is to be, and where it says what it is.
#[derive(Clone)]
pub(crate) struct TaskControl {
    pub(crate) id: TaskId,
    target: watch::Receiver<TargetState>,
    pub(crate) status: StatusWriter,
    random: Arc<Random>,
    pub(crate) metrics: TaskMetrics,
    work: Arc<Mutex<Option<Work>>>,
}

/// Says which records a task has in its hands.
type Describe = dyn Fn() -> String + Send + Sync;

#[derive(Clone)]
struct Work(Arc<Describe>);

impl std::fmt::Debug for TaskControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskControl").field("id", &self.id).field("target", &self.target()).finish_non_exhaustive()
    }
}

impl TaskControl {
    pub(crate) fn new(
        id: TaskId,
        target: watch::Receiver<TargetState>,
        status: StatusWriter,
        random: Arc<Random>,
        metrics: TaskMetrics,
    ) -> Self {
        Self { id, target, status, random, metrics, work: Arc::default() }
    }

    /// Keeps which records are worked on from here on, for a failure that does not say so itself.
    pub(crate) fn works_on(&self, records: impl Fn() -> String + Send + Sync + 'static) {
        self.set_work(Some(Work(Arc::new(records))));
    }

    /// The records that were worked on have come through.
    pub(crate) fn has_worked(&self) {
        self.set_work(None);
    }

    fn set_work(&self, work: Option<Work>) {
        *self.work.lock().expect("work is replaced whole, which does not panic") = work;
    }

    /// Which records are worked on.
    pub(crate) fn work(&self) -> Option<String> {
        let work = self.work.lock().expect("work is replaced whole, which does not panic").clone();
        work.map(|Work(describe)| describe())
    }

    pub(crate) fn target(&self) -> TargetState {
        // A worker that is gone wants nothing any more.
        if self.target.has_changed().is_err() { TargetState::Stopped } else { *self.target.borrow() }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.target() == TargetState::Stopped
    }

    /// Returns when the task is to stop. Dropping the future loses nothing.
    pub(crate) async fn stopped(&self) {
        self.reached(|target| target == TargetState::Stopped).await;
    }

    /// Returns when the task is not to be paused any more.
    pub(crate) async fn unpaused(&self) {
        self.reached(|target| target != TargetState::Paused).await;
    }

    async fn reached(&self, mut wanted: impl FnMut(TargetState) -> bool) {
        // An error means that the worker is gone, which is a request to stop.
        let _ = self.target.clone().wait_for(|target| wanted(*target)).await;
    }

    /// Returns when the target is another one than this.
    pub(crate) async fn changed_from(&self, told: TargetState) {
        self.reached(|target| target != told).await;
    }

    /// Waits, PAUSED, until the task is to run; `false` if it is to stop.
    pub(crate) async fn wait_until_started(&self) -> bool {
        if self.target() == TargetState::Paused {
            self.status.set(State::Paused);
            self.unpaused().await;
        }
        !self.is_stopping()
    }
}

/// Repetitions of one record at one stage.
pub(crate) struct Retry {
    policy: ErrorPolicy,
    started: Instant,
    attempts: u32,
    wait: Option<LongWait>,
}

impl Retry {
    /// Begins with a failure that has just happened.
    pub(crate) fn new(policy: ErrorPolicy) -> Self {
        Self { policy, started: Instant::now(), attempts: 0, wait: None }
    }

    /// Takes note of a failure of the stage `at` and waits as long as the policy says: `None` to try again, or
    /// what is to become of the record.
    ///
    /// # Errors
    ///
    /// The task is to stop.
    pub(crate) async fn failed(
        &mut self,
        failure: &Failure,
        at: impl FnOnce() -> String,
        control: &TaskControl,
    ) -> Result<Option<Verdict>, Halt> {
        self.attempts = self.attempts.saturating_add(1);
        let verdict = self.policy.decide(failure.kind, self.attempts, self.started.elapsed(), (control.random)());
        control.metrics.failed(1, verdict);
        match verdict {
            Verdict::RetryAfter(delay) => {
                let wait = self.wait.get_or_insert_with(|| LongWait::since(control, "a retry", self.started));
                let attempts = self.attempts;
                wait.tell(|| {
                    format!(
                        "another try at {}, which has failed {attempts} times (errors.retry.timeout bounds this): {failure}",
                        at()
                    )
                });
                tokio::select! {
                    biased;
                    () = control.stopped() => Err(Halt::Stopped),
                    () = tokio::time::sleep(delay) => Ok(None),
                }
            }
            verdict => Ok(Some(verdict)),
        }
    }
}
