//! The state that users and connectors change: a log of entries, and what they add up to.
//!
//! Everything changes in one way: entries are appended, read back, and folded into a [`ClusterState`]; then the herder
//! plans. Where the log lives (in memory for one worker, in a topic for several) is nobody else's business.

mod entry;
mod leases;
mod memory;
mod state;
mod topic;

use std::time::Duration;

use async_trait::async_trait;

pub use entry::{Entry, InvalidEntry, LeaseClaim, SessionKey};
pub use leases::LeaseHolder;
pub use memory::MemoryLog;
pub use state::{Change, ClusterState};
pub use topic::TopicConfigLog;

/// What users want a connector to be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TargetState {
    /// Connector and tasks run.
    #[default]
    Started,
    /// They exist and wait.
    Paused,
    /// The connector waits and has no tasks.
    Stopped,
}

impl TargetState {
    /// Connect's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Which parts of a connector to restart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RestartRequest {
    /// Tasks too, not only the connector.
    pub include_tasks: bool,
    /// Only what has failed.
    pub only_failed: bool,
}

impl RestartRequest {
    /// The one of two requests that restarts more, in Connect's order.
    pub fn stronger(self, other: Self) -> Self {
        let strength = |request: &Self| (!request.only_failed, request.include_tasks);
        if strength(&self) < strength(&other) { other } else { self }
    }
}

/// An entry where it stands in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logged {
    /// Its position: larger for every later entry, with gaps possibly.
    pub position: u64,
    /// The entry.
    pub entry: Entry,
}

/// Why entries were not appended. Whether some of them are in the log all the same shows when it is read.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
#[error("write to the config log")]
pub struct AppendEntriesError {
    /// Whether the same entries will not be written at another time either, unless somebody does something about it.
    pub lasting: bool,
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why it is not known what stands in the log.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
#[error("read the config log to its end")]
pub struct ReadEntriesError {
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The one log of a group of workers, as one of them sees it.
#[async_trait]
pub trait ConfigLog: Send {
    /// Appends entries in order, and returns the position of the last of them. Entries of others may stand between
    /// them. They are durable then, as far as the log is, and come back through [`Self::next`] like everybody's.
    ///
    /// Dropping the future may or may not append them.
    ///
    /// # Errors
    ///
    /// They could not be written.
    async fn append(&mut self, entries: Vec<Entry>) -> Result<u64, AppendEntriesError>;

    /// The next entry that this worker has not read; waits for one. Dropping the future loses nothing.
    async fn next(&mut self) -> Logged;

    /// Every entry that is in the log now and that this worker has not read, in order. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// Where the log ends could not be found out.
    async fn catch_up(&mut self) -> Result<Vec<Logged>, ReadEntriesError>;

    /// This worker leads its group from here on, and shuts out whoever did before if the log knows how: whether it does.
    /// Dropping the future leaves that to the next append.
    ///
    /// # Errors
    ///
    /// That did not succeed yet; the next append tries again.
    async fn lead(&mut self) -> Result<bool, AppendEntriesError> {
        Ok(false)
    }

    /// This worker does not lead any more.
    fn follow(&mut self) {}

    /// How far this worker has read, by the count on which the workers of a group agree; -1 for nothing.
    fn offset(&self) -> i64 {
        -1
    }

    /// Lets go of the log after what is under way has been written, for at most `timeout`.
    async fn close(self: Box<Self>, timeout: Duration) {
        let _ = timeout;
    }
}
