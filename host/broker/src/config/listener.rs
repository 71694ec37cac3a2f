//! Listener addresses as Kafka writes them: `PLAINTEXT://host:port`.

use std::fmt;

/// A host and a port, of a listener or as advertised.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The part before `://`.
    pub name: String,
    /// Empty means every interface.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

impl Endpoint {
    /// Reads a comma-separated list; an empty text is an empty list.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the first bad one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once("://").ok_or_else(|| format!("'{text}' is not NAME://HOST:PORT"))?;
        let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("'{text}' has no port"))?;
        let port = port.parse().map_err(|_| format!("'{port}' is not a port"))?;
        let name = name.to_ascii_uppercase();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { name, host: host.to_owned(), port })
    }

    /// The address to bind, with every interface spelled out.
    pub fn bind_address(&self) -> (&str, u16) {
        (if self.host.is_empty() { "0.0.0.0" } else { &self.host }, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_ways_of_writing_a_listener_are_read() {
        let parsed =
            |text| Endpoint::parse_list(text).map(|list| list.iter().map(Endpoint::to_string).collect::<Vec<_>>());
        assert_eq!(parsed("PLAINTEXT://:9092"), Ok(vec!["PLAINTEXT://:9092".to_owned()]));
        assert_eq!(
            parsed("plaintext://[::1]:0, INSIDE://h:1"),
            Ok(vec!["PLAINTEXT://[::1]:0".to_owned(), "INSIDE://h:1".to_owned()])
        );
        assert_eq!(parsed("localhost:9092"), Err("'localhost:9092' is not NAME://HOST:PORT".to_owned()));
    }
}
