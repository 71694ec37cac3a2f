//! What a request to the herder can fail with.

use millstream_connector::Failure;

/// Why the herder did not do what it was asked. The texts are Connect's.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HerderError {
    /// No such connector, task, plugin or status: 404.
    #[error("{0}")]
    NotFound(String),
    /// A connector of that name exists: 409.
    #[error("{0}")]
    AlreadyExists(String),
    /// Something else was changed at the same time: 409.
    #[error("{0}")]
    Conflict(String),
    /// The configuration or the request is at fault: 400.
    #[error("{0}")]
    BadRequest(String),
    /// The worker's configuration does not allow it: 403.
    #[error("{0}")]
    Forbidden(String),
    /// The worker is not part of its group at the moment, or has not read what it has to know: 409.
    #[error("Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.")]
    NoLeader,
    /// Another worker of the group does it, the leader or who runs what is meant: ask there.
    #[error("Cannot complete request because of a conflicting operation (e.g. worker rebalance)")]
    Elsewhere {
        /// Where that worker's API is.
        url: String,
    },
    /// Something failed on the way: 500. The failure's message is what to show.
    #[error("{message}")]
    Failed {
        message: String,
        /// What led to it.
        #[source]
        source: Option<Box<Failure>>,
    },
    /// A change was not written to the config log, or nobody knows whether it was: 500.
    #[error("{message}")]
    NotWritten {
        message: String,
        /// Whether the same change will not be written at another time either.
        lasting: bool,
    },
    /// The worker is on its way out: 500.
    #[error("Worker is shutting down")]
    ShuttingDown,
    /// The herder's loop is gone: 500. Whether what was asked for has been done is not known.
    #[error("the worker has broken ({0}) and is ending; start it again")]
    Broken(String),
    /// The configuration that a change was made from has been replaced meanwhile; nothing was changed.
    #[error(
        "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"
    )]
    Stale,
}

impl HerderError {
    /// A failure without a cause.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), source: None }
    }

    /// A failure with its cause.
    pub(crate) fn caused(message: impl Into<String>, source: Failure) -> Self {
        Self::Failed { message: message.into(), source: Some(Box::new(source)) }
    }

    pub(crate) fn no_connector(name: &str) -> Self {
        Self::NotFound(format!("Connector {name} not found"))
    }

    pub(crate) fn unknown_connector(name: &str) -> Self {
        Self::NotFound(format!("Unknown connector {name}"))
    }
}
