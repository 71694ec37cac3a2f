//! Why a request failed, in words that a guest can tell apart.

use std::fmt;

use wasmtime_wasi_http::Error as WasiError;

/// The first word of what a guest is told; `description.md` beside the contract lists them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// Neither key nor worker allows it.
    Denied,
    /// A value of the configuration cannot be used.
    Config,
    Dns,
    Connect,
    Proxy,
    Tls,
    /// No token was given for the client's credentials.
    Auth,
    Timeout,
    /// The connection ended before the message did, or what came is no HTTP.
    Cut,
    /// More bytes than are allowed.
    TooLarge,
    /// More requests at a time than are allowed.
    Busy,
    /// The task is asked to stop.
    Stopping,
}

impl Cause {
    fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::TooLarge => "too-large",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
        }
    }
}

/// A cause and a sentence about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into() }
    }

    pub(super) fn stopping() -> Self {
        Self::new(Cause::Stopping, "the task is asked to stop")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.word(), self.text)
    }
}

impl From<Failure> for WasiError {
    fn from(failure: Failure) -> Self {
        Self::InternalError(Some(failure.to_string()))
    }
}
