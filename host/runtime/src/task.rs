//! What source and sink tasks have in common: how they are told to pause and stop, and how they end.

use std::sync::{Arc, Mutex};

use millstream_config::secrets::Kept;
use millstream_connector::{Failure, TaskId};
use tokio::sync::watch;

use crate::{
    config_log::TargetState,
    error_policy::Random,
    membership::GroupSession,
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
    /// While it is closed, what the task works on may be another worker's.
    session: GroupSession,
    work: Arc<Mutex<Option<Work>>>,
    /// As long as anything of the task is there.
    secrets: Arc<Mutex<Vec<Kept>>>,
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
        let session = GroupSession::unlimited();
        Self { id, target, status, random, metrics, session, work: Arc::default(), secrets: Arc::default() }
    }

    /// The same of a worker that is a member of a group.
    pub(crate) fn within(self, session: GroupSession) -> Self {
        Self { session, ..self }
    }

    /// Whether what the task works on is certainly not another worker's.
    pub(crate) fn is_ours(&self) -> bool {
        self.session.is_open()
    }

    /// Waits until that is certain.
    ///
    /// # Errors
    ///
    /// The task is to stop.
    pub(crate) async fn until_ours(&self) -> Result<(), Halt> {
        if self.is_ours() {
            return Ok(());
        }
        tracing::warn!(task = %self.id, "nothing was heard of the workers' group for session.timeout.ms: the task waits, since it may run elsewhere");
        tokio::select! {
            biased;
            () = self.stopped() => Err(Halt::Stopped),
            () = self.session.opened() => Ok(()),
        }
    }

    /// Has secrets of the task left out of what is shown as long as anything of it is there.
    pub(crate) fn keep_secrets(&self, kept: Kept) {
        self.secrets.lock().expect("a list grows, which does not panic").push(kept);
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

    /// A number from 0 to 1.
    pub(crate) fn random(&self) -> f64 {
        (self.random)()
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
