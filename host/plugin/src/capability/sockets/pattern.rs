//! Where a connection goes: a host and a port, and patterns of them.

/// `db.example.com:5432`, `*.example.com:*`, `*:*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SocketPattern {
    /// In lower case, without brackets; `*` and what begins with `*.` stand for many.
    host: String,
    /// None for any.
    port: Option<u16>,
}

/// A server that a configuration names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

fn split(text: &str) -> Option<(String, &str)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None => host.to_ascii_lowercase(),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '*');
    (!host.is_empty() && host.chars().all(is_host)).then_some((host, port))
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|&port| port != 0)
}

impl SocketPattern {
    /// Reads `host:port`; either may be `*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split(text)?;
        let is_sound = match host.strip_prefix('*') {
            None => !host.contains('*'),
            Some(rest) => rest.is_empty() || (1 < rest.len() && rest.starts_with('.') && !rest.contains('*')),
        };
        let port = if port == "*" { None } else { Some(number(port)?) };
        is_sound.then_some(Self { host, port })
    }

    pub(super) fn matches(&self, server: &Server) -> bool {
        let is_host = match self.host.strip_prefix('*') {
            None => self.host == server.host,
            Some("") => true,
            Some(suffix) => suffix.len() < server.host.len() && server.host.ends_with(suffix),
        };
        is_host && self.port.is_none_or(|port| port == server.port)
    }
}

impl Server {
    /// Reads `host:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = split(text)?;
        (!host.contains('*')).then_some(())?;
        Some(Self { port: number(port)?, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_servers() {
        let matches = |pattern: &str, server: &str| {
            SocketPattern::parse(pattern).expect("a pattern").matches(&Server::parse(server).expect("a server"))
        };
        assert!(matches("DB.example.com:5432", "db.example.com:5432") && !matches("db:1", "db:2"));
        assert!(matches("*.example.com:*", "a.example.com:9") && !matches("*.example.com:*", "example.com:9"));
        assert!(matches("*:*", "[::1]:9") && matches("[::1]:9", "[0::1]:9") && !matches("*:8", "a:9"));
        for odd in ["", "a", "a:0", "a:b", ":1", "a*:1", "*a:1", "*.:1", "a b:1"] {
            assert_eq!(SocketPattern::parse(odd), None, "{odd}");
        }
        assert_eq!(Server::parse("*:1"), None);
    }
}
