//! What one task has of its connector's lease.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use millstream_connector::{ErrorKind, Failure, KeyChange, LEASE_LOST, Lease, TaskId};
use tokio::time::Instant;

use super::{
    Claims,
    keeper::{KeepError, LeaseKeeper},
};

/// How often a lease is claimed for one request: others may obtain it between a claim and the beginning of a tenure.
const CLAIMS: u32 = 3;

/// Shortest time between two claims, and between two changes, of one task. Each is a record that all workers read.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(1);
const BETWEEN_CHANGES: Duration = Duration::from_millis(10);

/// Whether a task is about to end.
pub type IsStopping = Box<dyn Fn() -> bool + Send + Sync>;

/// See the module's documentation. It ends with the task: nothing is given back, since whoever comes next shuts out those
/// before it anyway.
pub struct TaskLease {
    keeper: Arc<LeaseKeeper>,
    claims: Arc<dyn Claims>,
    task: TaskId,
    is_stopping: IsStopping,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The tenure, until it is known to be over.
    epoch: Option<u64>,
    claimed: Option<Instant>,
    changed: Option<Instant>,
}

impl TaskLease {
    /// Of this task.
    pub fn new(keeper: Arc<LeaseKeeper>, claims: Arc<dyn Claims>, task: TaskId, is_stopping: IsStopping) -> Self {
        Self { keeper, claims, task, is_stopping, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("single values are set, which does not panic")
    }

    /// Ends a request that takes too long.
    async fn timely<T>(&self, what: &str, request: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let timeout = self.keeper.settings().timeout;
        let late = || {
            let message = format!("{what} took longer than {} ms (kv.timeout.ms)", timeout.as_millis());
            Failure::new(ErrorKind::Retriable, "", message)
        };
        tokio::time::timeout(timeout, request).await.unwrap_or_else(|_| Err(late()))
    }

    /// The failure for whoever has asked in this epoch.
    fn lost(&self, epoch: u64, now: u64) -> Failure {
        let message = format!(
            "the task has not got the lease of connector {} in epoch {epoch} any more: another one has it in epoch {now}",
            self.task.connector
        );
        Failure::new(ErrorKind::Fatal, LEASE_LOST, message)
    }

    fn check(&self, epoch: u64) -> Result<(), Failure> {
        if self.state().epoch == Some(epoch) {
            return Ok(());
        }
        let message = format!(
            "the task has not got the lease of connector {} in epoch {epoch}: it has lost it, or never obtained it",
            self.task.connector
        );
        Err(Failure::new(ErrorKind::Fatal, LEASE_LOST, message))
    }

    /// What the task hears of an error over its tenure, which is over then unless the error says that nothing happened.
    fn ended(&self, epoch: u64, error: KeepError) -> Failure {
        let connector = &self.task.connector;
        match error {
            KeepError::Stale { epoch: now } => {
                self.state().epoch = None;
                tracing::warn!(connector, epoch, now, "a task has lost the lease of its connector to another one");
                self.lost(epoch, now)
            }
            KeepError::Refused(refused) => {
                Failure::new(ErrorKind::Fatal, "", format!("keep values of connector {connector}: {refused}"))
            }
            KeepError::Failed(failure) => {
                self.state().epoch = None;
                let message = "it is not known whether the values were changed; obtain the lease again, and read them";
                failure.caused(ErrorKind::Retriable, "", message)
            }
        }
    }

    async fn claim(&self) -> Result<u64, Failure> {
        let connector = &self.task.connector;
        for _ in 0..CLAIMS {
            if (self.is_stopping)() {
                break;
            }
            let due = self.state().claimed.map(|claimed| claimed + BETWEEN_CLAIMS);
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            self.state().claimed = Some(Instant::now());
            let highest = self.keeper.epoch(connector).await.map_err(unread)?;
            let (epoch, owner) = self.claims.claim(&self.task, highest).await?;
            match self.keeper.begin(connector, epoch, &owner).await {
                Ok(()) => {
                    self.state().epoch = Some(epoch);
                    tracing::info!(connector, epoch, "the task has obtained the lease of its connector");
                    return Ok(epoch);
                }
                Err(KeepError::Stale { epoch: now }) => {
                    tracing::debug!(connector, epoch, now, "the lease was obtained by another task at the same time");
                }
                Err(KeepError::Failed(failure)) => return Err(failure),
                Err(KeepError::Refused(refused)) => {
                    return Err(Failure::new(ErrorKind::Fatal, "", refused.to_string()));
                }
            }
        }
        let why = if (self.is_stopping)() { "it is being stopped" } else { "others have obtained it at the same time" };
        let message = format!("the task has not obtained the lease of connector {connector}: {why}");
        Err(Failure::new(ErrorKind::Retriable, "", message))
    }
}

/// Nothing was to be changed.
fn unread(error: KeepError) -> Failure {
    match error {
        KeepError::Failed(failure) => failure,
        KeepError::Stale { epoch } => {
            Failure::new(ErrorKind::Fatal, LEASE_LOST, format!("another task has it in epoch {epoch}"))
        }
        KeepError::Refused(refused) => Failure::new(ErrorKind::Fatal, "", refused.to_string()),
    }
}

#[async_trait]
impl Lease for TaskLease {
    async fn obtain(&self) -> Result<u64, Failure> {
        let obtain = async {
            let held = self.state().epoch;
            if let Some(epoch) = held {
                match self.keeper.confirm(&self.task.connector, epoch).await {
                    Ok(()) => return Ok(epoch),
                    Err(KeepError::Stale { .. }) => self.state().epoch = None,
                    Err(error) => return Err(unread(error)),
                }
            }
            self.claim().await
        };
        self.timely("obtaining the lease", obtain).await
    }

    async fn confirm(&self, epoch: u64) -> Result<(), Failure> {
        self.check(epoch)?;
        let confirm = async {
            match self.keeper.confirm(&self.task.connector, epoch).await {
                Err(stale @ KeepError::Stale { .. }) => Err(self.ended(epoch, stale)),
                confirmed => confirmed.map_err(unread),
            }
        };
        self.timely("confirming the lease", confirm).await
    }

    async fn keys(&self) -> Result<Vec<String>, Failure> {
        let keys = async { self.keeper.keys(&self.task.connector).await.map_err(unread) };
        self.timely("reading the keys", keys).await
    }

    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let max = self.keeper.settings().limits.entries;
        if max < keys.len() {
            let message = format!("{} keys are read at once, {max} are allowed (kv.max.entries)", keys.len());
            return Err(Failure::new(ErrorKind::Fatal, "", message));
        }
        let read = async { self.keeper.read(&self.task.connector, keys).await.map_err(unread) };
        self.timely("reading values", read).await
    }

    async fn write(&self, epoch: u64, changes: Vec<KeyChange>) -> Result<(), Failure> {
        self.check(epoch)?;
        let write = async {
            let due = self.state().changed.map(|changed| changed + BETWEEN_CHANGES);
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            self.state().changed = Some(Instant::now());
            let written = self.keeper.write(&self.task.connector, epoch, changes).await;
            written.map_err(|error| self.ended(epoch, error))
        };
        // What is given up may be written all the same: until it is known that it was, the task owns nothing.
        let before = self.state().epoch.take();
        let written = self.timely("changing values", write).await;
        match &written {
            Err(failure) if failure.class == LEASE_LOST || failure.kind == ErrorKind::Retriable => {}
            _ => self.state().epoch = before,
        }
        written
    }
}
