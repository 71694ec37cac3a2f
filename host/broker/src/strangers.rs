//! Connections that are no use to their client, reported to the operator: who it was, what it looks like, what to do.
//!
//! Such clients try again and again, so each kind is reported every ten seconds at most.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::warn;

use crate::seldom::Seldom;

/// What is wrong with a client.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Trouble {
    /// The beginning of a TLS handshake.
    Tls,
    /// A method of HTTP.
    Http,
    /// A size that no request has.
    Size,
    /// A frame that is no request, or none that is served.
    Request,
    /// A request that does not come to its end.
    HalfRequest,
    /// Answers that nobody takes.
    Unread,
    /// Plain text where TLS is spoken.
    NoTls,
    /// TLS on a listener with SASL only.
    TlsToSasl,
    /// A handshake of TLS that fails.
    Handshake,
    /// A user or password that is wrong.
    Credentials,
    /// Requests from a client that does not authenticate.
    Unauthenticated,
}

impl Trouble {
    /// What the first bytes of a connection look like, if it is not Kafka's protocol.
    pub fn of_first_bytes(bytes: &[u8]) -> Option<Self> {
        const METHODS: [&[u8]; 9] = [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"PRI "];
        match bytes {
            // A handshake record of TLS 1.x: a request of Kafka's would have 350 MB.
            [0x16, 0x03, ..] => Some(Self::Tls),
            _ if METHODS.iter().any(|method| bytes.starts_with(method)) => Some(Self::Http),
            _ => None,
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Tls => {
                "looks like TLS, and this listener is plain: set security.protocol=PLAINTEXT in the client, or give it \
                 the address of a listener with TLS"
            }
            Self::Http => {
                "looks like HTTP, and this is a listener of Kafka's protocol: the REST API has an address of its own \
                 (listeners of the worker)"
            }
            Self::Size => {
                "no Kafka client, or a request larger than socket.request.max.bytes: see which program connects from \
                 there"
            }
            Self::Request => "no Kafka client, or one too old or too new for this broker: see which program it is",
            Self::HalfRequest => {
                "the rest of a request did not arrive (socket.read.timeout.ms): see to the client or the network \
                 between"
            }
            Self::NoTls => {
                "looks like plain text, and this listener speaks TLS: set security.protocol=SSL or SASL_SSL in the client, \
                 or give it the address of a plain listener"
            }
            Self::TlsToSasl => {
                "looks like TLS, and this listener has SASL without it: set security.protocol=SASL_PLAINTEXT in the \
                 client, or give it the address of a listener with TLS"
            }
            Self::Handshake => "the TLS handshake failed: see to certificates and trust stores of both sides",
            Self::Credentials => {
                "authentication failed: see to the client's sasl.mechanism, user and password, and to the users of this \
                 listener"
            }
            Self::Unauthenticated => {
                "the client does not authenticate, and this listener asks for SASL: set security.protocol=SASL_SSL or \
                 SASL_PLAINTEXT in the client"
            }
            Self::Unread => "the client does not read its answers (socket.write.timeout.ms): see what it is busy with",
        }
    }
}

/// What has been reported lately.
#[derive(Debug, Default)]
pub struct Strangers {
    seldom: Mutex<BTreeMap<Trouble, Seldom>>,
}

impl Strangers {
    /// Writes a line about a connection that was closed, unless there was one of its kind just before.
    pub fn report(&self, trouble: Trouble, peer: &str, error: &dyn std::fmt::Display) {
        // A counter is whole whatever happened to who held the lock.
        let mut seldom = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = seldom.entry(trouble).or_default().add(Instant::now()) {
            warn!(peer, connections, %error, "connection closed: {}", trouble.remedy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"\x16\x03\x01\x00\xc8"[..], Some(Trouble::Tls)),
            (b"GET / HTTP/1.1", Some(Trouble::Http)),
            (b"PRI * HTTP/2.0", Some(Trouble::Http)),
            (b"\x00\x00\x00\x16\x03\x01", None),
            (b"GE", None),
            (b"", None),
        ] {
            assert_eq!(Trouble::of_first_bytes(bytes), expected, "{bytes:?}");
        }
    }
}
