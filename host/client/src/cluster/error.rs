//! Why brokers are not reached and requests fail, in words for the log and in Java's classes.

use std::{io, sync::Arc, time::Duration};

use millstream_security::tls;
use millstream_wire::frame::FrameError;

use crate::{
    connection::{CallError, Disconnect, HandshakeError},
    dial::HostPort,
    kafka_error::ErrorCode,
    security, trouble,
};

/// Why a broker could not be connected to.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The stream could not be opened.
    #[error("connect to {address}")]
    Dial { address: HostPort, source: io::Error },
    /// Nothing came of it in time.
    #[error("connect to {address}: {} within {} ms",
        if *accepted { "the connection was accepted, but no answer came" } else { "no answer" }, timeout.as_millis())]
    Timeout {
        address: HostPort,
        /// Whether there was a connection, so that only the first answer was missing.
        accepted: bool,
        /// `socket.connection.setup.timeout.ms`.
        timeout: Duration,
    },
    /// TLS could not be put around the connection.
    #[error("agree on TLS with {address}")]
    Tls { address: HostPort, source: io::Error },
    /// What answers there does not speak Kafka's protocol, or not a version in use here.
    #[error("agree on versions with {address}")]
    Handshake { address: HostPort, source: HandshakeError },
}

impl ConnectError {
    /// Whether trying again would end the same: the broker does not accept the login, or one side the other's
    /// certificate. As in Java, such a client fails at once.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Handshake { source: HandshakeError::Authentication { source }, .. } => source.is_final(),
            _ => security::behind(self).is_some(),
        }
    }

    /// What a user should look at first.
    pub(super) fn likely_cause(&self) -> Option<&'static str> {
        if let Some(tls) = security::behind(self) {
            return tls::explain(tls);
        }
        match self {
            Self::Tls { source, .. } => match source.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    Some("a port without TLS, which security.protocol does not fit, or another program")
                }
                _ => None,
            },
            Self::Handshake { source: HandshakeError::Authentication { .. }, .. } => None,
            Self::Dial { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => Some("no broker listens there, or not yet: check host and port"),
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Some("no way to that host"),
                io::ErrorKind::TimedOut => Some("a firewall in between, or a wrong address"),
                // The resolver's errors have no kind of their own.
                _ if source.to_string().contains("lookup") => Some("a host name that is misspelt, or no name server"),
                _ => None,
            },
            Self::Timeout { accepted: false, .. } => Some("a firewall in between, or a wrong address"),
            Self::Timeout { accepted: true, .. } => Some(trouble::SILENT_CAUSE),
            Self::Handshake { source: HandshakeError::Refused { .. }, .. } => None,
            Self::Handshake { source: HandshakeError::Call { source }, .. } => match source {
                CallError::Disconnected { source, .. } => match &**source {
                    Disconnect::Frame { source } => Some(strange_bytes(source)),
                    Disconnect::Closed => {
                        Some("a TLS or SASL port that security.protocol does not fit, or another program")
                    }
                    Disconnect::Io { source } if source.kind() == io::ErrorKind::ConnectionReset => {
                        Some("a TLS or SASL port that security.protocol does not fit, or another program")
                    }
                    Disconnect::Timeout { .. } => Some(trouble::SILENT_CAUSE),
                    _ => Some(ANOTHER_PROGRAM),
                },
                CallError::Decode { .. } => Some(ANOTHER_PROGRAM),
                _ => None,
            },
        }
    }

    fn java_class(&self) -> String {
        match self {
            Self::Handshake { source: HandshakeError::Authentication { source }, .. } => source.java_class(),
            _ if self.is_final() => "org.apache.kafka.common.errors.SslAuthenticationException".to_owned(),
            _ => "org.apache.kafka.common.errors.TimeoutException".to_owned(),
        }
    }
}

/// Why a request to a cluster failed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError {
    /// None of the known addresses answers.
    #[error("no broker answers at {addresses}")]
    Unreachable {
        /// The addresses that were tried.
        addresses: String,
        /// Why the last of them failed.
        source: Arc<ConnectError>,
    },
    /// The broker that has to answer cannot be connected to.
    #[error("reach broker {node}")]
    Connect {
        /// Its node id.
        node: i32,
        source: Arc<ConnectError>,
    },
    /// The cluster has no broker with this id at the moment.
    #[error("the cluster has no broker {node}")]
    UnknownBroker {
        /// Its node id.
        node: i32,
    },
    /// Nothing has come back yet, and nothing has failed.
    #[error("still waiting for {addresses} to answer")]
    Silent {
        /// The addresses that were asked.
        addresses: String,
    },
    /// The request was not answered.
    #[error("send a request to a broker")]
    Call {
        #[from]
        source: CallError,
    },
    /// The broker answered with an error.
    #[error("{attempted}")]
    Refused {
        /// What was asked.
        attempted: String,
        source: ErrorCode,
    },
    /// Repetitions took too long.
    #[error("{attempted}: gave up after {} ms", waited.as_millis())]
    Timeout {
        /// What was asked.
        attempted: String,
        /// For how long it was tried.
        waited: Duration,
        /// Why the last attempt failed.
        source: Option<Box<RequestError>>,
    },
}

impl RequestError {
    /// Whether trying again can help.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } | Self::Connect { source, .. } => !source.is_final(),
            Self::UnknownBroker { .. } | Self::Silent { .. } | Self::Timeout { .. } => true,
            Self::Call { source } => source.is_retriable(),
            Self::Refused { source, .. } => source.is_retriable(),
        }
    }

    /// What a user should look at first where brokers are not reached: a wrong port, a firewall and so on.
    pub fn likely_cause(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { source, .. } | Self::Connect { source, .. } => source.likely_cause(),
            Self::Silent { .. } => Some(trouble::SILENT_CAUSE),
            Self::Timeout { source: Some(source), .. } => source.likely_cause(),
            _ => None,
        }
    }

    /// The code a broker answered, if one did.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { source, .. } => Some(*source),
            Self::Timeout { source: Some(source), .. } => source.code(),
            _ => None,
        }
    }

    /// Full name of the exception class that Java clients raise in this situation.
    pub fn java_class(&self) -> String {
        let class = match self {
            Self::Refused { source, .. } => return source.java_class(),
            Self::Unreachable { source, .. } | Self::Connect { source, .. } => return source.java_class(),
            Self::UnknownBroker { .. } | Self::Silent { .. } | Self::Timeout { .. } => "TimeoutException",
            Self::Call { source: CallError::Version { .. } } => "UnsupportedVersionException",
            Self::Call { source: CallError::Disconnected { .. } } => "DisconnectException",
            Self::Call { .. } => "ApiException",
        };
        format!("org.apache.kafka.common.errors.{class}")
    }
}

const ANOTHER_PROGRAM: &str = "a program that is no Kafka broker";

/// Whose first bytes were taken for the size of a frame.
fn strange_bytes(error: &FrameError) -> &'static str {
    let FrameError::TooLarge { size, .. } = error else { return ANOTHER_PROGRAM };
    match u32::try_from(*size).unwrap_or(0).to_be_bytes() {
        [0x15 | 0x16, 3, ..] => "a TLS port, which security.protocol does not fit",
        [b'H', b'T', b'T', b'P'] => "an HTTP server, which is no Kafka broker",
        _ => ANOTHER_PROGRAM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_answers() {
        let cause = |bytes: [u8; 4]| {
            let size = u32::from_be_bytes(bytes) as usize;
            strange_bytes(&FrameError::TooLarge { size, max_bytes: 1 })
        };
        assert!(cause([0x15, 3, 3, 0]).contains("TLS"));
        assert!(cause(*b"HTTP").contains("HTTP"));
        assert!(cause(*b"SSH-").contains("no Kafka broker"));
    }
}
