//! Why a transaction did not go as its owner wished.

use std::{sync::Arc, time::Duration};

use crate::{cluster::RequestError, producer::error::SendError};

/// What is behind the failure of a transaction.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactionCause {
    /// Records were not written.
    #[error("write records in the transaction")]
    Records { source: Box<SendError> },
    /// A coordinator did not do what it was asked.
    #[error("ask the coordinator")]
    Coordinator { source: RequestError },
}

impl From<RequestError> for TransactionCause {
    fn from(source: RequestError) -> Self {
        Self::Coordinator { source }
    }
}

impl TransactionCause {
    pub(super) fn records(error: &SendError) -> Self {
        Self::Records { source: Box::new(error.clone()) }
    }

    fn java_class(&self) -> String {
        match self {
            Self::Records { source } => source.java_class(),
            Self::Coordinator { source } => source.java_class(),
        }
    }
}

/// Why a call of a transactional producer failed. Cheap to clone.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactionError {
    /// `transactional.id` is not set.
    #[error("{attempted}: the producer has no transactional.id")]
    NotTransactional {
        /// What was called.
        attempted: &'static str,
    },
    /// The call does not fit what was called before.
    #[error("{attempted}: the producer {transactional_id} is {state}")]
    WrongState {
        /// What was called.
        attempted: &'static str,
        transactional_id: Arc<str>,
        /// What state it is in, completing "the producer … is …".
        state: &'static str,
    },
    /// The transaction can only be aborted; a new one may succeed.
    #[error("the transaction of {transactional_id} cannot be committed and has to be aborted")]
    MustAbort { transactional_id: Arc<str>, source: TransactionCause },
    /// Another producer with the same name has begun after this one, or the coordinator has aborted the transaction
    /// because it was open for longer than `transaction.timeout.ms`. This producer can do nothing any more.
    #[error(
        "the producer {transactional_id} is fenced off: a newer one uses the same transactional.id, or its transaction was open for longer than transaction.timeout.ms"
    )]
    Fenced {
        transactional_id: Arc<str>,
        /// The answer that said so.
        source: TransactionCause,
    },
    /// This producer can do nothing any more.
    #[error("the producer {transactional_id} can write no more transactions")]
    Fatal { transactional_id: Arc<str>, source: TransactionCause },
    /// Not done within `max.block.ms`. It goes on: the same call waits for it again.
    #[error("{attempted} with the producer {transactional_id}: not done after {} ms; it goes on", waited.as_millis())]
    Timeout {
        /// What was called.
        attempted: &'static str,
        transactional_id: Arc<str>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The producer was closed.
    #[error("{attempted}: the producer is closed")]
    Closed {
        /// What was called.
        attempted: &'static str,
    },
}

impl TransactionError {
    /// Whether the producer can be used again after [`abort_transaction`](crate::Producer::abort_transaction).
    pub fn is_abortable(&self) -> bool {
        matches!(self, Self::MustAbort { .. })
    }

    /// Full name of the exception class that Java clients raise in this situation.
    pub fn java_class(&self) -> String {
        let class = match self {
            Self::NotTransactional { .. } | Self::WrongState { .. } | Self::Closed { .. } => {
                return "java.lang.IllegalStateException".to_owned();
            }
            Self::MustAbort { source, .. } | Self::Fatal { source, .. } => return source.java_class(),
            Self::Fenced { .. } => "ProducerFencedException",
            Self::Timeout { .. } => "TimeoutException",
        };
        format!("org.apache.kafka.common.errors.{class}")
    }
}
