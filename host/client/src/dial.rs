//! How connections are made: over TCP here, over anything else by whoever implements [`Dial`].
//!
//! The worker's built-in broker is reached through an implementation that hands out one end of a pipe in
//! memory. TLS and SASL are put on top of it by whoever dials.

use std::{fmt, io};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens byte streams to brokers.
#[async_trait::async_trait]
pub trait Dial: Send + Sync {
    /// Opens a stream to a broker. The caller bounds the time; dropping the future gives up.
    ///
    /// # Errors
    ///
    /// What the transport says: name not found, connection refused and so on.
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>>;

    /// Whether streams stay within this process, so that there is nothing to protect and nobody to tell who one is:
    /// `security.protocol` has no effect then.
    fn is_within_process(&self) -> bool {
        false
    }
}

/// Dials over plain TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

#[async_trait::async_trait]
impl Dial for TcpDial {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// No broker can be reached because none of the host names is known.
#[derive(Debug, thiserror::Error)]
#[error("find the address of {address}")]
pub struct NoneResolvable {
    /// The last one that was looked up.
    pub address: HostPort,
    /// What the resolver says.
    pub source: io::Error,
}

impl TcpDial {
    /// Looks up the hosts, as Java clients do when they are made. Those that are not known are told in the log, since
    /// the others may do.
    ///
    /// # Errors
    ///
    /// No host is known. Trying again can only help where the name server is at fault.
    pub async fn look_up(addresses: &[HostPort]) -> Result<(), NoneResolvable> {
        let mut unknown = Vec::new();
        for address in addresses {
            if let Err(source) = tokio::net::lookup_host((address.host.as_str(), address.port)).await {
                unknown.push(NoneResolvable { address: address.clone(), source });
            }
        }
        if unknown.len() == addresses.len()
            && let Some(last) = unknown.pop()
        {
            return Err(last);
        }
        for NoneResolvable { address, source } in unknown {
            tracing::warn!(%address, error = %source, "the host name is not known; the other addresses are tried");
        }
        Ok(())
    }
}

/// Where a broker listens.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text is not an address of the form `host:port`.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{address:?} is not of the form host:port")]
pub struct InvalidAddress {
    pub address: String,
}

impl HostPort {
    /// Parses `host:port` or `[v6 address]:port`, with or without a listener's `NAME://` in front.
    ///
    /// # Errors
    ///
    /// There is no host, or no port between 1 and 65535.
    pub fn parse(address: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress { address: address.to_owned() };
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(invalid)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let port = port.parse().map_err(|_| invalid())?;
        // Without brackets a colon belongs to an IPv6 address whose last part would be taken for the port.
        if host.is_empty() || port == 0 || (bracketed.is_none() && host.contains(':')) {
            return Err(invalid());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("PLAINTEXT://10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
        ] {
            assert_eq!(HostPort::parse(text), Ok(HostPort { host: host.to_owned(), port }));
        }
        for text in ["", "localhost", "localhost:", ":9092", "localhost:0", "localhost:70000", "::1:9092", "a:b"] {
            assert!(HostPort::parse(text).is_err(), "{text}");
        }
        assert_eq!(HostPort { host: "::1".to_owned(), port: 1 }.to_string(), "[::1]:1");
    }
}
