//! What the herder itself asks of other workers. Everything else that belongs to another worker is passed on by whoever
//! was asked, outside the herder.

use async_trait::async_trait;
use millstream_config::ConfigMap;

use crate::config_log::SessionKey;

/// Why another worker did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It may have a newer session key, or this worker has.
    #[error("the leader refuses the signature")]
    Signature,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Other workers of the group.
#[async_trait]
pub trait Peers: Send + Sync {
    /// Gives the leader at `url` the task configurations of a connector, signed with `key` if there is one.
    ///
    /// # Errors
    ///
    /// It has not taken them, as far as is known.
    async fn put_task_configs(
        &self,
        url: &str,
        connector: &str,
        tasks: &[ConfigMap],
        key: Option<&SessionKey>,
    ) -> Result<(), PeerError>;

    /// Has the leader at `url` fence the producers of a connector's earlier tasks, signed with `key` if there is one.
    ///
    /// # Errors
    ///
    /// It has not fenced them, as far as is known.
    async fn fence(&self, url: &str, connector: &str, key: Option<&SessionKey>) -> Result<(), PeerError> {
        let _ = (url, key);
        Err(PeerError::Failed(format!("nobody knows how to ask for the fencing of connector {connector}")))
    }
}
