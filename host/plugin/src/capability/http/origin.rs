//! Where a request goes: scheme, host and port, and patterns of them.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::Scheme as UriScheme;

/// Begins a placeholder in a URL of a configuration.
const PLACEHOLDER: &str = "${";

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host in lower case without brackets, and port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a URL names no origin: the end of a sentence about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidUrl {
    #[error("it is not a URL that begins with http:// or https://")]
    NotHttp,
    #[error("its host is missing or not a name or an address")]
    Host,
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error("it holds a user or password, which belong into the keys for authentication")]
    Credentials,
    /// The value decides where requests go, record by record.
    #[error("its host is a template")]
    Templated,
}

impl Origin {
    /// Of a URL that may hold placeholders behind its authority.
    pub(super) fn of_url(url: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(InvalidUrl::NotHttp)?;
        if scheme.contains(PLACEHOLDER) {
            return Err(InvalidUrl::Templated);
        }
        let scheme = Scheme::parse(scheme).ok_or(InvalidUrl::NotHttp)?;
        let authority = match rest.find(PLACEHOLDER) {
            // A placeholder may hold slashes of its own, so it ends what is fixed, whatever follows.
            Some(at) if !rest[..at].contains(['/', '?', '#']) => return Err(InvalidUrl::Templated),
            _ => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        };
        Self::of_authority(scheme, authority)
    }

    /// Of a request that a guest makes, or of a place that it is sent on to.
    pub(super) fn of_uri(uri: &Uri) -> Result<Self, InvalidUrl> {
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTP => Scheme::Http,
            Some(scheme) if *scheme == UriScheme::HTTPS => Scheme::Https,
            _ => return Err(InvalidUrl::NotHttp),
        };
        Self::of_authority(scheme, uri.authority().ok_or(InvalidUrl::Host)?.as_str())
    }

    fn of_authority(scheme: Scheme, authority: &str) -> Result<Self, InvalidUrl> {
        if authority.contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or(InvalidUrl::Host)?;
                let address: std::net::Ipv6Addr = address.parse().map_err(|_| InvalidUrl::Host)?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(InvalidUrl::Port)?) };
                (address.to_string(), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
                None => (authority.to_ascii_lowercase(), None),
            },
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(InvalidUrl::Host);
        }
        // One trailing dot says that the name is complete; it names the same host.
        let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
        let port = match port {
            None | Some("") => scheme.default_port(),
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or(InvalidUrl::Port)?,
        };
        Ok(Self { scheme, host, port })
    }

    /// The address that the host is, if it is no name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// As a `Host` header has it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// Which origins are meant: `*`, `https://api.example.com`, `http://*.example.com:8080`, `*://*.example.com:*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginPattern {
    /// None for both.
    scheme: Option<Scheme>,
    host: HostPattern,
    /// None for any.
    port: Option<u16>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum HostPattern {
    Any,
    Exact(String),
    /// `.example.com`: what ends so.
    Below(String),
}

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let host = text.to_ascii_lowercase();
        match host.strip_prefix('*') {
            Some("") => Some(Self::Any),
            Some(rest) if rest.len() > 1 && rest.starts_with('.') && rest.chars().all(is_host) => {
                Some(Self::Below(rest.to_owned()))
            }
            Some(_) => None,
            None if !host.is_empty() && host.chars().all(is_host) => Some(Self::Exact(host)),
            None => None,
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

impl OriginPattern {
    /// Without a scheme both are meant, without a port the scheme's own, and any where both schemes are meant.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('/');
        if text == "*" {
            return Some(Self { scheme: None, host: HostPattern::Any, port: None });
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(("*", rest)) => (None, rest),
            Some((scheme, rest)) => (Some(Scheme::parse(scheme)?), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                (address.to_string(), if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (rest.to_owned(), None),
            },
        };
        let port = match port {
            Some("*") => None,
            Some(port) => Some(port.parse().ok().filter(|&port| port != 0)?),
            None => scheme.map(Scheme::default_port),
        };
        Some(Self { scheme, host: HostPattern::parse(&host)?, port })
    }

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        self.scheme.is_none_or(|scheme| scheme == origin.scheme)
            && self.port.is_none_or(|port| port == origin.port)
            && self.host.matches(&origin.host)
    }

    /// The only origin that it means.
    pub(super) fn exact(&self) -> Option<Origin> {
        match (self.scheme, &self.host, self.port) {
            (Some(scheme), HostPattern::Exact(host), Some(port)) => Some(Origin { scheme, host: host.clone(), port }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<String, InvalidUrl> {
        Origin::of_url(url).map(|origin| origin.to_string())
    }

    #[test]
    fn a_url_names_one_origin_whatever_is_filled_in_behind_it() {
        assert_eq!(origin("http://h/${topic}").as_deref(), Ok("http://h"));
        assert_eq!(origin("HTTPS://Api.Example.com:443/x?y=${key}").as_deref(), Ok("https://api.example.com"));
        assert_eq!(origin("http://h:8080?x=${a/b}").as_deref(), Ok("http://h:8080"));
        assert_eq!(origin("http://[::1]:80/x").as_deref(), Ok("http://[::1]"));
        assert_eq!(origin("https://h.").as_deref(), Ok("https://h"));
        assert_eq!(origin("http://${host}/x"), Err(InvalidUrl::Templated));
        assert_eq!(origin("http://h${x}/x"), Err(InvalidUrl::Templated));
        assert_eq!(origin("http://h:${port}"), Err(InvalidUrl::Templated));
        assert_eq!(origin("${scheme}://h"), Err(InvalidUrl::Templated));
        assert_eq!(origin("ftp://h/"), Err(InvalidUrl::NotHttp));
        assert_eq!(origin("h/x"), Err(InvalidUrl::NotHttp));
        assert_eq!(origin("http:///x"), Err(InvalidUrl::Host));
        assert_eq!(origin("http://a b/"), Err(InvalidUrl::Host));
        assert_eq!(origin("http://h:0/"), Err(InvalidUrl::Port));
        assert_eq!(origin("http://h:99999/"), Err(InvalidUrl::Port));
        assert_eq!(origin("http://user:secret@h/"), Err(InvalidUrl::Credentials));
        // Neither a backslash nor an encoded letter makes another host of it.
        assert_eq!(origin("http://h\\.evil/"), Err(InvalidUrl::Host));
        assert_eq!(origin("http://h%2eevil/"), Err(InvalidUrl::Host));
    }

    #[track_caller]
    fn check_pattern(pattern: &str, matched: &[&str], others: &[&str]) {
        let pattern = OriginPattern::parse(pattern).expect("a pattern");
        for url in matched {
            assert!(pattern.matches(&Origin::of_url(url).unwrap()), "{url}");
        }
        for url in others {
            assert!(!pattern.matches(&Origin::of_url(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn patterns_mean_origins() {
        check_pattern("*", &["http://a", "https://b:99"], &[]);
        check_pattern("https://api.example.com", &["https://api.example.com/x"], &["http://api.example.com"]);
        check_pattern("https://api.example.com", &[], &["https://api.example.com:8443", "https://x.api.example.com"]);
        check_pattern("https://*.example.com:*", &["https://a.b.example.com:1"], &["https://example.com:1"]);
        check_pattern("*.example.com", &["http://a.example.com:81"], &["http://aexample.com", "http://example.com"]);
        check_pattern("http://[::1]:81", &["http://[0:0::1]:81"], &["http://[::2]:81"]);
        for odd in ["", "a*", "*a.com", "https://", "x://h", "http://h:0", "h/path", "*."] {
            assert_eq!(OriginPattern::parse(odd), None, "{odd}");
        }
    }
}
