//! Decides which connectors and tasks run, and answers for them.
//!
//! [`HerderHandle`] is what the REST API and the command line hold. Questions are answered at once
//! from what is known; everything that changes something goes through one bounded queue to the
//! herder's loop ([`run`]): it appends an entry to the config log, reads it back, and only then is anything changed.
//! What follows for a connector its [`caretaker`] does, beside all others: [`plan`] says what, and the worker does it. HTTP is deliberately absent: [`HerderError`] says what went wrong in Connect's words, and the caller
//! chooses a status for it.

mod caretaker;
mod divide;
mod error;
mod event;
mod fencing;
mod group;
mod handle;
mod lease_claims;
mod leftovers;
mod mailbox;
mod offsets;
mod peers;
mod place;
mod plan;
mod preflight;
mod put;
mod rebalances;
mod run;
mod session_key;
mod start;
mod submit;
mod trial;
mod validation;
mod view;

pub use error::HerderError;
pub use group::{GroupRules, SecretSource};
pub use handle::{DefinitionsNow, Health, HerderHandle, TellGone};
pub use offsets::OffsetChange;
pub use peers::{PeerError, Peers};
pub use plan::{Action, Desired, Owned, Running, RunningConnector, plan};
pub use put::CheckedConfig;
pub use start::{Herder, HerderSettings, StartHerderError};
pub use validation::Validation;

use millstream_config::ConfigMap;
use millstream_connector::{PluginKind, TaskId};

pub use crate::{
    config_log::{RestartRequest, TargetState},
    offsets::OffsetEntry,
    status::{InstanceStatus, State},
};

/// The direction records take through a connector.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ConnectorType {
    /// Into Kafka.
    Source,
    /// Out of Kafka.
    Sink,
    /// Its class is not known to this worker.
    #[default]
    Unknown,
}

impl ConnectorType {
    /// Connect's word in the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Unknown => "unknown",
        }
    }

    /// The direction of a connector plugin.
    pub fn of(kind: PluginKind) -> Self {
        match kind {
            PluginKind::Source => Self::Source,
            PluginKind::Sink => Self::Sink,
            _ => Self::Unknown,
        }
    }
}

/// A connector as it was configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectorInfo {
    /// Its name.
    pub name: String,
    /// Its configuration as submitted, plus `name`.
    pub config: ConfigMap,
    /// Its tasks in order.
    pub tasks: Vec<TaskId>,
    /// Its direction.
    pub kind: ConnectorType,
}

/// How a connector and its tasks are doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectorStatus {
    /// Its name.
    pub name: String,
    /// Of the connector itself.
    pub connector: InstanceStatus,
    /// Of its tasks, by number.
    pub tasks: Vec<(u32, InstanceStatus)>,
    /// Its direction.
    pub kind: ConnectorType,
}

/// A task and its configuration as the connector made it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskInfo {
    /// Which task.
    pub id: TaskId,
    /// Its configuration.
    pub config: ConfigMap,
}

/// What became of a configuration that was put.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PutConnector {
    /// Whether there was no connector of that name before.
    pub created: bool,
    /// The connector as it is now.
    pub info: ConnectorInfo,
}
