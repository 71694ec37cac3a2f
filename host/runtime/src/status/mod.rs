//! States of connectors and tasks: what a status says, and where statuses are kept.
//!
//! A status informs and decides nothing. Whoever runs an instance writes its status through a [`StatusWriter`]; all
//! writers of a worker share its [`StatusBoard`], which signs what they write.

mod board;
mod memory;
mod record;
mod topic;

use std::collections::BTreeMap;

use async_trait::async_trait;
use millstream_connector::TaskId;

use crate::membership::GroupSession;

pub(crate) use board::{StatusBoard, StatusWriter};
pub use memory::MemoryStatusStore;
pub use topic::TopicStatusStore;

/// State of a connector or a task, in Connect's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nobody runs it.
    Unassigned,
    /// It runs.
    Running,
    /// It waits until it is resumed.
    Paused,
    /// A connector that was stopped.
    Stopped,
    /// It has failed and stays so until it is restarted.
    Failed,
    /// Between the stop and the start of a restart.
    Restarting,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Unassigned, Self::Running, Self::Paused, Self::Stopped, Self::Failed, Self::Restarting];

    /// Connect's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
        }
    }

    /// Whether it may come from a worker that does not know yet that another one runs the instance, as the end of an
    /// instance may: it must not stand over what the other one says.
    fn may_be_late(self) -> bool {
        matches!(self, Self::Unassigned | Self::Failed)
    }

    /// Whether an instance in this state can wait for something that its status shows.
    fn may_wait(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Unassigned | Self::Restarting)
    }
}

/// The status of one connector or task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstanceStatus {
    /// Its state.
    pub state: State,
    /// `host:port` of the worker that runs it.
    pub worker_id: String,
    /// Generation of the group in which that worker wrote this; 0 from one that is alone.
    pub generation: i32,
    /// Why it failed: `class: message`, then `Caused by:` lines. Of one that runs, what it waits for.
    pub trace: Option<String>,
    /// Version of the connector's plugin, if it states one.
    pub version: Option<String>,
}

impl InstanceStatus {
    /// Whether this may stand over `known` in a safe write, by Connect's rule: unless another worker wrote that one in
    /// a later generation.
    pub fn may_overrule(&self, known: Option<&Self>) -> bool {
        known.is_none_or(|known| known.worker_id == self.worker_id || known.generation <= self.generation)
    }
}

/// What has a status.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Instance {
    /// The connector of this name.
    Connector(String),
    /// A task.
    Task(TaskId),
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connector(name) => f.write_str(name),
            Self::Task(task) => task.fmt(f),
        }
    }
}

impl Instance {
    /// Name of the connector that it is or belongs to.
    pub fn connector(&self) -> &str {
        match self {
            Self::Connector(name) => name,
            Self::Task(task) => &task.connector,
        }
    }
}

/// The statuses of one connector and its tasks, by number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectorStatuses {
    /// Of the connector.
    pub connector: Option<InstanceStatus>,
    /// Of its tasks.
    pub tasks: BTreeMap<u32, InstanceStatus>,
}

impl ConnectorStatuses {
    fn get(&self, of: &Instance) -> Option<&InstanceStatus> {
        match of {
            Instance::Connector(_) => self.connector.as_ref(),
            Instance::Task(task) => self.tasks.get(&task.number),
        }
    }

    fn set(&mut self, of: &Instance, status: InstanceStatus) {
        match of {
            Instance::Connector(_) => self.connector = Some(status),
            Instance::Task(task) => {
                self.tasks.insert(task.number, status);
            }
        }
    }
}

/// A connector's use of a topic, and how it was found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicUse {
    /// The topic.
    pub topic: String,
    /// The connector.
    pub connector: String,
    /// The task that used it first.
    pub task: u32,
    /// When, in milliseconds of Unix time.
    pub discovered_ms: i64,
}

/// The statuses of all connectors and tasks, of whatever worker, as one worker sees them.
///
/// Every method but [`written`](Self::written) returns at once. A store that keeps statuses elsewhere shows what has arrived there, holds no more
/// than the newest status of each instance back, and reports by itself what could not be written: nobody waits for a
/// status or hears that it got lost.
#[async_trait]
pub trait StatusStore: Send + Sync {
    /// Writes a status, whatever is known.
    fn put(&self, of: &Instance, status: InstanceStatus);

    /// Writes a status that [may overrule](InstanceStatus::may_overrule) what is known, now and whenever the write is
    /// tried again.
    fn put_safe(&self, of: &Instance, status: InstanceStatus);

    /// Forgets a status; a connector's tasks, and the topics that it uses, are forgotten with it.
    fn remove(&self, of: &Instance);

    /// What is known of a connector and its tasks; `None` for nothing.
    fn get(&self, connector: &str) -> Option<ConnectorStatuses>;

    /// Names of all connectors of which anything is known.
    fn connectors(&self) -> Vec<String>;

    /// Notes that a connector uses a topic, unless that is known.
    fn use_topic(&self, used: &TopicUse);

    /// Topics that a connector uses, in order.
    fn topics(&self, connector: &str) -> Vec<String>;

    /// Forgets the topics that a connector uses; they are noted again when it goes on using them.
    fn forget_topics(&self, connector: &str);

    /// Returns when all that was asked for so far is written, or will not be.
    async fn written(&self) {}

    /// Statuses are those of a member of a group from here on: what is said while its session is closed is written when
    /// that is open again, since others may have the member's work by then.
    fn write_within(&self, session: GroupSession) {
        drop(session);
    }

    /// Forgets statuses that wait to be written: whoever said them has lost its place in its group, and what they are
    /// about.
    fn forget_waiting(&self) {}

    /// Waits until something is known by the word of another worker than this one that was not before, and says of what; for
    /// ever where nobody else writes. For one caller at a time. Dropping the future loses nothing.
    async fn heard_of_others(&self, worker_id: &str) -> Vec<Instance> {
        let _ = worker_id;
        std::future::pending().await
    }

    /// Workers that may write here besides those that were named before. A store to which others can write names
    /// strangers in the log, once it knows who is none.
    fn expect_writers(&self, worker_ids: Vec<String>) {
        drop(worker_ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_write_stands_over_everything_but_what_others_wrote_in_a_later_generation() {
        let status = |worker: &str, generation| InstanceStatus {
            state: State::Failed,
            worker_id: worker.to_owned(),
            generation,
            trace: None,
            version: None,
        };
        let own = status("own", 3);
        assert!(own.may_overrule(None));
        for (known, expected) in [
            (status("other", 2), true),
            (status("other", 3), true),
            (status("other", 4), false),
            (status("own", 4), true),
        ] {
            assert_eq!(own.may_overrule(Some(&known)), expected, "{known:?}");
        }
    }
}
