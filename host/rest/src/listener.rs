//! Where the API listens: `http://[host]:port` or `https://[host]:port`.

use std::fmt;

/// How a listener's clients speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// In plain text.
    Http,
    /// Over TLS.
    Https,
}

impl Protocol {
    /// As in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The protocol of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// One parsed element of `listeners` or `admin.listeners`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// How its clients speak.
    pub protocol: Protocol,
    /// Host name or address, without brackets; `None` means all interfaces.
    pub host: Option<String>,
    /// 0 for a free one.
    pub port: u16,
}

/// Why a value of `listeners` is refused. The texts are Connect's where it has one.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ListenerError {
    /// No element at all.
    #[error("Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080")]
    None,
    /// An element without text.
    #[error("Empty URL found when parsing listeners list.")]
    Empty,
    /// Not of the form.
    #[error("Listener doesn't have the right format (protocol://hostname:port).")]
    Format,
    /// Another protocol.
    #[error("Listener protocol must be either \"http\" or \"https\".")]
    Protocol,
    /// The port is none.
    #[error("the port of listener {listener} is not between 0 and 65535")]
    Port { listener: String },
}

impl Listener {
    /// Parses the elements of `listeners`.
    ///
    /// # Errors
    ///
    /// See [`ListenerError`].
    pub fn parse_all(listeners: &[String]) -> Result<Vec<Self>, ListenerError> {
        if listeners.is_empty() {
            return Err(ListenerError::None);
        }
        listeners.iter().map(|listener| Self::parse(listener)).collect()
    }

    fn parse(listener: &str) -> Result<Self, ListenerError> {
        if listener.trim().is_empty() {
            return Err(ListenerError::Empty);
        }
        let (protocol, address) = listener.split_once("://").ok_or(ListenerError::Format)?;
        let (host, port) = address.rsplit_once(':').ok_or(ListenerError::Format)?;
        let host = match host.strip_prefix('[') {
            Some(host) => host.strip_suffix(']').ok_or(ListenerError::Format)?,
            None => host,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
        let digits = port.strip_prefix('-').unwrap_or(port);
        if !host.chars().all(allowed) || digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err(ListenerError::Format);
        }
        let port = port.parse().map_err(|_| ListenerError::Port { listener: listener.to_owned() })?;
        let protocol = Protocol::from_name(protocol).ok_or(ListenerError::Protocol)?;
        Ok(Self { protocol, host: (!host.is_empty()).then(|| host.to_owned()), port })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, port) = (self.protocol.name(), self.port);
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "{protocol}://[{host}]:{port}"),
            Some(host) => write!(f, "{protocol}://{host}:{port}"),
            None => write!(f, "{protocol}://:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(listener: &str) -> Result<Listener, ListenerError> {
        Listener::parse_all(&[listener.to_owned()]).map(|mut listeners| listeners.remove(0))
    }

    #[test]
    fn hosts_may_be_names_addresses_or_absent() {
        for (text, protocol, host, port) in [
            ("http://:8083", Protocol::Http, None, 8083),
            ("HTTP://localhost:0", Protocol::Http, Some("localhost"), 0),
            ("https://127.0.0.1:443", Protocol::Https, Some("127.0.0.1"), 443),
            ("http://[::1]:8083", Protocol::Http, Some("::1"), 8083),
        ] {
            assert_eq!(parse(text), Ok(Listener { protocol, host: host.map(str::to_owned), port }));
        }
        assert_eq!(parse("http://[::1]:8083").unwrap().to_string(), "http://[::1]:8083");
    }

    #[test]
    fn what_is_no_listener_is_refused_in_connects_words() {
        for text in ["8083", "http://localhost", "http://a b:1", "http://[::1:1", "http://h:", "http://h:x"] {
            assert_eq!(parse(text), Err(ListenerError::Format), "{text}");
        }
        assert_eq!(parse("ftp://h:1"), Err(ListenerError::Protocol));
        assert_eq!(parse(" "), Err(ListenerError::Empty));
        assert_eq!(Listener::parse_all(&[]), Err(ListenerError::None));
        assert!(matches!(parse("http://h:-1"), Err(ListenerError::Port { .. })));
        assert!(matches!(parse("http://h:65536"), Err(ListenerError::Port { .. })));
    }
}
