//! Everything that can happen to the herder: a closed list.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use millstream_config::ConfigMap;
use tokio::sync::{Notify, oneshot};

use super::{ConnectorStatus, HerderError, PutConnector, RestartRequest, TargetState};
use crate::config_log::LeaseClaim;

/// Where an answer goes. The asker may have gone away, which changes nothing.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, HerderError>>;

/// A request that changes something, or asks whether the loop is alive.
#[derive(Debug)]
pub(crate) enum Event {
    /// Create a connector, or give it another configuration. The configuration has been validated.
    Put {
        name: String,
        config: ConfigMap,
        /// State of a new connector.
        initial: TargetState,
        /// Whether a connector of that name may exist.
        replace: bool,
        /// The configuration that this one was made from: if it is no longer there, nothing is changed.
        based_on: Option<ConfigMap>,
        reply: Reply<PutConnector>,
    },
    /// Make these the tasks of a connector, as the worker that runs it has found out.
    PutTaskConfigs { name: String, tasks: Vec<ConfigMap>, reply: Reply<()> },
    /// Stop and forget a connector.
    Delete { name: String, reply: Reply<()> },
    /// Give a connector another target state.
    SetTarget { name: String, target: TargetState, reply: Reply<()> },
    /// Restart the connector instance alone.
    RestartConnector { name: String, reply: Reply<()> },
    /// Restart the chosen parts of a connector.
    Restart { name: String, request: RestartRequest, reply: Reply<ConnectorStatus> },
    /// Restart one task.
    RestartTask { name: String, number: u32, reply: Reply<()> },
    /// Give a logger of every worker a level.
    SetLogLevel { logger: String, level: String, reply: Reply<()> },
    /// Answer with the configuration of a connector whose offsets may be changed: nothing of it runs.
    LendOffsets { name: String, reply: Reply<ConfigMap> },
    /// Make sure that no task of an earlier set of a connector can write any more.
    Fence { name: String, reply: Reply<()> },
    /// Answer whether a set of a connector's tasks is still in effect.
    IsCurrent { name: String, generation: Option<u64>, reply: Reply<bool> },
    /// Write down that a task claims the lease of its connector, and answer in which epoch. What its position in the
    /// config log is added to is found so that the epoch is higher than `above`.
    Claim { name: String, claim: LeaseClaim, above: u64, reply: Reply<u64> },
    /// Answer, to show that the loop is alive.
    Ping { reply: Reply<()> },
    /// Stop everything and end.
    Shutdown { reply: Reply<()> },
}

impl Event {
    /// Answers that it is not done.
    pub(crate) fn refuse(self, error: HerderError) {
        // Whoever asked may have gone away.
        match self {
            Self::Put { reply, .. } => drop(reply.send(Err(error))),
            Self::Restart { reply, .. } => drop(reply.send(Err(error))),
            Self::LendOffsets { reply, .. } => drop(reply.send(Err(error))),
            Self::IsCurrent { reply, .. } => drop(reply.send(Err(error))),
            Self::Claim { reply, .. } => drop(reply.send(Err(error))),
            // That the loop answers is all that is asked.
            Self::Ping { reply } => drop(reply.send(Ok(()))),
            Self::PutTaskConfigs { reply, .. }
            | Self::Delete { reply, .. }
            | Self::SetTarget { reply, .. }
            | Self::RestartConnector { reply, .. }
            | Self::RestartTask { reply, .. }
            | Self::SetLogLevel { reply, .. }
            | Self::Fence { reply, .. }
            | Self::Shutdown { reply } => drop(reply.send(Err(error))),
        }
    }

    /// The connector that it concerns.
    pub(crate) fn connector(&self) -> Option<&str> {
        match self {
            Self::Put { name, .. }
            | Self::PutTaskConfigs { name, .. }
            | Self::Delete { name, .. }
            | Self::SetTarget { name, .. }
            | Self::RestartConnector { name, .. }
            | Self::Restart { name, .. }
            | Self::RestartTask { name, .. }
            | Self::LendOffsets { name, .. } => Some(name),
            // No task waits for its connector's caretaker with these.
            Self::Fence { .. } | Self::IsCurrent { .. } | Self::Claim { .. } => None,
            Self::SetLogLevel { .. } | Self::Ping { .. } | Self::Shutdown { .. } => None,
        }
    }

    /// What it brings about, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Put { name, .. } => format!("configuring connector {name}"),
            Self::PutTaskConfigs { name, .. } => format!("storing the task configurations of connector {name}"),
            Self::Delete { name, .. } => format!("deleting connector {name}"),
            Self::SetTarget { name, target, .. } => format!("turning connector {name} {}", target.name()),
            Self::RestartConnector { name, .. } | Self::Restart { name, .. } => format!("restarting connector {name}"),
            Self::RestartTask { name, number, .. } => format!("restarting task {name}-{number}"),
            Self::SetLogLevel { logger, .. } => format!("setting the level of logger {logger}"),
            Self::LendOffsets { name, .. } => format!("making sure that connector {name} is stopped"),
            Self::Fence { name, .. } => format!("fencing the producers of connector {name}"),
            Self::IsCurrent { name, .. } => format!("looking whether tasks of connector {name} are still current"),
            Self::Claim { name, .. } => format!("claiming the lease of connector {name}"),
            Self::Ping { .. } => "answering a health check".to_owned(),
            Self::Shutdown { .. } => "shutting down".to_owned(),
        }
    }
}

/// Connectors that asked for new task configurations: at most one entry per connector, so that no
/// queue can grow.
#[derive(Debug, Default)]
pub(crate) struct Reconfigurations {
    names: Mutex<BTreeSet<String>>,
    notify: Notify,
}

impl Reconfigurations {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().expect("nothing panics while a name is added or taken")
    }

    /// Notes that a connector asked.
    pub(crate) fn request(&self, name: &str) {
        self.names().insert(name.to_owned());
        self.notify.notify_one();
    }

    /// Waits for the next connector that asked. Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> String {
        loop {
            if let Some(name) = self.names().pop_first() {
                return name;
            }
            self.notify.notified().await;
        }
    }
}
