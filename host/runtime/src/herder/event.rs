//! Everything that can happen to the herder: a closed list.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use millstream_config::ConfigMap;
use tokio::sync::{Notify, oneshot};

use super::{ConnectorStatus, HerderError, PutConnector, RestartRequest, TargetState};

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
        reply: Reply<PutConnector>,
    },
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
    /// Answer, to show that the loop is alive.
    Ping { reply: Reply<()> },
    /// Stop everything and end.
    Shutdown { reply: Reply<()> },
}

/// Connectors that asked for new task configurations: at most one entry per connector, so that no
/// queue can grow.
#[derive(Debug, Default)]
pub(crate) struct Reconfigurations {
    names: Mutex<BTreeSet<String>>,
    notify: Notify,
}

impl Reconfigurations {
    /// Notes that a connector asked.
    pub(crate) fn request(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        self.notify.notify_one();
    }

    /// Waits for the next connector that asked. Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> String {
        loop {
            if let Some(name) = self.names.lock().unwrap_or_else(PoisonError::into_inner).pop_first() {
                return name;
            }
            self.notify.notified().await;
        }
    }
}
