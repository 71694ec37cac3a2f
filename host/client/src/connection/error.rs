//! Why requests are not answered, connections end or cannot be made.

use std::{io, sync::Arc, time::Duration};

use millstream_wire::{
    frame::{DecodeError, EncodeError, FrameError},
    protocol::messages::ApiKey,
};

use super::AuthenticationError;
use crate::{kafka_error::ErrorCode, versions::NoCommonVersion};

/// Why a request got no answer.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// Broker and client have no version of the API in common.
    #[error("send {api:?}")]
    Version {
        api: ApiKey,
        /// What either side has.
        source: NoCommonVersion,
    },
    /// The request has a value that its version cannot carry.
    #[error("send {api:?}")]
    Encode { api: ApiKey, source: Arc<EncodeError> },
    /// The connection ended before the answer. The broker may have carried out the request.
    #[error("the connection ended before {api:?} was answered")]
    Disconnected {
        api: ApiKey,
        /// Why it ended.
        source: Arc<Disconnect>,
    },
    /// The answer could not be read.
    #[error("read the answer to {api:?}")]
    Decode { api: ApiKey, source: Arc<DecodeError> },
}

impl CallError {
    /// Whether trying again, perhaps with another broker, can help.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Disconnected { .. })
    }
}

/// Why a connection ended.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    /// The stream broke.
    #[error("exchange bytes with the broker")]
    Io { source: io::Error },
    /// The broker closed the stream.
    #[error("the broker closed the connection")]
    Closed,
    /// The broker did not answer in time.
    #[error("the broker did not answer {api:?} within {} ms", timeout.as_millis())]
    Timeout {
        /// The request that waited longest.
        api: ApiKey,
        /// How long it was given.
        timeout: Duration,
    },
    /// The broker did not read on, so that a request could not be written.
    #[error("the broker did not take {api:?} within {} ms", timeout.as_millis())]
    NotTaken {
        /// The request that was being written.
        api: ApiKey,
        /// How long that was tried.
        timeout: Duration,
    },
    /// Nothing was asked for so long that the connection is not kept.
    #[error("nothing was asked over the connection for connections.max.idle.ms ({} ms)", timeout.as_millis())]
    Idle { timeout: Duration },
    /// The bytes are no frames.
    #[error("split the broker's answers into frames")]
    Frame {
        /// What is wrong with them.
        source: FrameError,
    },
    /// An answer to a request that was not made, or not yet due.
    #[error("the broker answered request {found} where request {expected} was due")]
    Correlation {
        /// The request whose turn it was.
        expected: i32,
        /// The request that was answered.
        found: i32,
    },
    /// A frame arrived while nothing was asked.
    #[error("the broker sent a frame that nobody asked for")]
    Unasked,
    /// This side let go of the connection.
    #[error("this client closed the connection")]
    Dropped,
    /// The login was about to run out, and the broker did not accept it again.
    #[error("renew the login")]
    LoginNotRenewed { source: AuthenticationError },
}

impl Disconnect {
    /// Whether brokers in good health end connections so, too.
    pub(super) fn is_healthy(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Closed | Self::Idle { .. } | Self::Dropped => true,
            Self::Timeout { .. }
            | Self::NotTaken { .. }
            | Self::Frame { .. }
            | Self::Correlation { .. }
            | Self::LoginNotRenewed { .. }
            | Self::Unasked => false,
        }
    }
}

/// Why a connection could not be made usable.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The versions could not be asked for.
    #[error("ask for the broker's API versions")]
    Call { source: CallError },
    /// The broker refused to tell its versions.
    #[error("ask for the broker's API versions")]
    Refused { source: ErrorCode },
    /// The broker does not accept the login.
    #[error("authenticate with the broker (security.protocol, sasl.*)")]
    Authentication { source: AuthenticationError },
}
