//! Why a request has no answer.

use std::{error::Error, fmt, io, time::Duration};

use millstream_security::{
    rustls,
    tls::{TlsError, explain},
};

/// What was under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Name, connection, TLS.
    Connect,
    /// Sending the request and waiting for all of the answer.
    Answer,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "there is no connection",
            Self::Answer => "the answer is not complete",
        })
    }
}

/// Why a request has no answer. URLs are shown without user, password and query.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It cannot be written down as HTTP.
    #[error("ask {url}: {what}")]
    Request { url: String, what: String },
    /// Nobody was reached.
    #[error("connect to {url}")]
    Connect { url: String, source: io::Error },
    /// Keys or certificates cannot be read.
    #[error("read keys and certificates to connect to {url}")]
    TlsKeys { url: String, source: TlsError },
    /// TLS could not be agreed upon.
    #[error("agree on TLS with {url}")]
    Tls { url: String, source: io::Error },
    /// It takes too long.
    #[error("ask {url}: {stage} after {} ms", after.as_millis())]
    TimedOut { url: String, stage: Stage, after: Duration },
    /// The connection broke, or what came is not HTTP.
    #[error("read the answer of {url}")]
    Broken { url: String, source: Box<dyn Error + Send + Sync> },
    /// More than was allowed for.
    #[error("read the answer of {url}: it has more than {max_bytes} bytes")]
    TooLarge { url: String, max_bytes: usize },
}

impl HttpError {
    /// Whether the server can have got the request, and may have acted on it.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::TimedOut { stage: Stage::Answer, .. } | Self::Broken { .. } | Self::TooLarge { .. })
    }

    /// What a user should look at first.
    pub fn likely_cause(&self) -> Option<&'static str> {
        match self {
            Self::Connect { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => Some("nobody listens there, or not yet: check host and port"),
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Some("no way to that host"),
                io::ErrorKind::TimedOut => Some("a firewall in between, or a wrong address"),
                // The resolver's errors have no kind of their own.
                _ if source.to_string().contains("lookup") => Some("a host name that is misspelt, or no name server"),
                _ => None,
            },
            Self::Tls { source, .. } => match of_rustls(source) {
                Some(rustls::Error::InvalidMessage(_)) => Some("a port without TLS: try http://"),
                Some(error) => explain(error),
                None => Some("a port without TLS, or another program: try http://"),
            },
            Self::TimedOut { stage: Stage::Connect, .. } => Some("a firewall in between, or a wrong address"),
            // A server that refuses our certificate says so only after the handshake.
            Self::Broken { source, .. } => of_rustls(&**source)
                .and_then(explain)
                .or(Some("a port with TLS (try https://), another program, or a server that has stopped")),
            Self::Request { .. } | Self::TlsKeys { .. } | Self::TimedOut { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// What rustls says, if it is behind an error.
fn of_rustls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error hides what is in it from its chain's first link.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
