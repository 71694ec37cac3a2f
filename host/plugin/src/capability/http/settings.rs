//! What a connector's configuration says of how requests are sent, read once.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use millstream_config::ConfigMap;
use millstream_record::ErrorChain;
use millstream_security::tls::TlsKeys;

use super::address::{OwnRules, Range};
use super::auth::Auth;
use super::origin::{Origin, Scheme};
use super::roles::Roles;

/// How long a connection, or an answer to a request, may take unless a key says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Connections to one origin at a time.
const CONNECTIONS: usize = 16;

/// Everything but where a request goes and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) auth: Auth,
    /// Added to every request; values are secrets.
    pub(super) headers: HeaderMap,
    pub(super) tls: TlsKeys,
    /// Every certificate is taken: a user's explicit wish.
    pub(super) trust_all: bool,
    pub(super) proxy: Option<Proxy>,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) connections: usize,
    pub(super) redirects: bool,
    /// Most bytes of one body, if the configuration sets a limit below the worker's.
    pub(super) request_max: Option<u64>,
    pub(super) response_max: Option<u64>,
    pub(super) own_rules: OwnRules,
}

/// A proxy, with what it is shown.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) origin: Origin,
    pub(super) authorization: Option<HeaderValue>,
}

/// A value that cannot be used: the key, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub(super) struct InvalidSetting {
    key: String,
    reason: String,
}

/// Reads values by role.
pub(super) struct Reader<'c> {
    pub(super) roles: &'c Roles,
    pub(super) config: &'c ConfigMap,
}

impl<'c> Reader<'c> {
    pub(super) fn text(&self, role: &str) -> Option<&'c str> {
        self.roles.get(role, self.config)
    }

    pub(super) fn invalid(&self, role: &str, reason: impl Into<String>) -> InvalidSetting {
        InvalidSetting { key: self.roles.key(role).to_owned(), reason: reason.into() }
    }

    pub(super) fn required(&self, role: &str, why: &str) -> Result<&'c str, InvalidSetting> {
        self.text(role).ok_or_else(|| self.invalid(role, format!("it must be set {why}")))
    }

    fn flag(&self, role: &str) -> Result<Option<bool>, InvalidSetting> {
        let Some(text) = self.text(role) else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(self.invalid(role, format!("{text} is neither true nor false"))),
        }
    }

    fn number(&self, role: &str) -> Result<Option<u64>, InvalidSetting> {
        let Some(text) = self.text(role) else { return Ok(None) };
        // Connect's own way to say that a number is not set.
        if text == "-1" {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.invalid(role, format!("{text} is not a number of 0 or more")))
    }

    fn millis(&self, role: &str, default: Duration) -> Result<Duration, InvalidSetting> {
        let ms = self.number(role)?.filter(|&ms| ms != 0);
        Ok(ms.map_or(default, Duration::from_millis))
    }

    fn ranges(&self, role: &str) -> Result<Vec<Range>, InvalidSetting> {
        let items = self.text(role).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty());
        let range = |item| {
            Range::parse(item)
                .ok_or_else(|| self.invalid(role, format!("{item} is no range of addresses such as 10.0.0.0/8")))
        };
        items.map(range).collect()
    }

    /// Reads `Name:value` items between separators.
    pub(super) fn header_items(&self, role: &str, separator_role: &str) -> Result<HeaderMap, InvalidSetting> {
        let separator = self.text(separator_role).unwrap_or("|");
        let mut headers = HeaderMap::new();
        for text in self.roles.all(role, self.config) {
            for item in split(text, separator) {
                let item = item.trim();
                if item.is_empty() {
                    continue;
                }
                // What is wrong is not shown: it may be a secret.
                let (name, value) =
                    item.split_once(':').ok_or_else(|| self.invalid(role, "an item is not Name:value"))?;
                let name = HeaderName::from_bytes(name.trim().as_bytes())
                    .map_err(|_| self.invalid(role, format!("{:?} is not the name of a header", name.trim())))?;
                let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
                    self.invalid(role, format!("the value of {name} has characters that no header may have"))
                })?;
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

impl Settings {
    /// Reads the configuration; no file is read and no address looked up.
    ///
    /// # Errors
    ///
    /// The key that is wrong and what it takes.
    pub(super) fn read(roles: &Roles, config: &ConfigMap) -> Result<Self, InvalidSetting> {
        let reader = Reader { roles, config };
        let request_timeout = match reader.number("request-timeout-s")? {
            Some(seconds) if seconds != 0 => Duration::from_secs(seconds),
            _ => reader.millis("request-timeout-ms", TIMEOUT)?,
        };
        let connections = reader.number("connections")?.and_then(|count| usize::try_from(count).ok());
        Ok(Self {
            auth: Auth::read(&reader)?,
            headers: reader.header_items("headers", "header-separator")?,
            tls: tls_keys(&reader)?,
            trust_all: reader.flag("trust-all")?.unwrap_or(false),
            proxy: proxy(&reader)?,
            connect_timeout: reader.millis("connect-timeout-ms", TIMEOUT)?,
            request_timeout,
            idle_timeout: reader.millis("idle-timeout-ms", IDLE)?,
            connections: connections.filter(|&count| count != 0).unwrap_or(CONNECTIONS).min(1000),
            redirects: reader.flag("redirects")?.unwrap_or(false),
            request_max: reader.number("request-max-bytes")?,
            response_max: reader.number("response-max-bytes")?,
            own_rules: OwnRules {
                no_local: reader.flag("disallow-local")?.unwrap_or(false),
                no_private: reader.flag("disallow-private")?.unwrap_or(false),
                no_class_e: reader.flag("disallow-class-e")?.unwrap_or(false),
                disallowed: reader.ranges("disallow-cidr")?,
                allowed: reader.ranges("allow-cidr")?,
            },
        })
    }

    /// Origins that requests reach by themselves, without a guest naming them.
    pub(super) fn own_origins(&self) -> impl Iterator<Item = &Origin> {
        let token = match &self.auth {
            Auth::OAuth2(oauth2) => Some(&oauth2.origin),
            _ => None,
        };
        token.into_iter().chain(self.proxy.as_ref().map(|proxy| &proxy.origin))
    }
}

/// The parts of a text between separators. One behind a backslash is none.
fn split(text: &str, separator: &str) -> Vec<String> {
    if separator.is_empty() {
        return vec![text.to_owned()];
    }
    let mut parts = vec![String::new()];
    for part in text.split(separator) {
        let last = parts.last_mut().expect("there is one from the beginning");
        match part.strip_suffix('\\') {
            Some(begun) => *last += &format!("{begun}{separator}"),
            None => {
                *last += part;
                parts.push(String::new());
            }
        }
    }
    parts
}

/// Key stores under Kafka's names behind a prefix, or under names of a connector's own.
fn tls_keys(reader: &Reader<'_>) -> Result<TlsKeys, InvalidSetting> {
    let verify = reader.flag("verify-host")?;
    let trust_all = reader.flag("trust-all")?.unwrap_or(false);
    let get = |key: &str| {
        let own = match key {
            "ssl.truststore.location" => reader.text("truststore"),
            "ssl.truststore.password" => reader.text("truststore-password"),
            "ssl.keystore.location" => reader.text("keystore"),
            "ssl.keystore.password" => reader.text("keystore-password"),
            "ssl.endpoint.identification.algorithm" if verify == Some(false) || trust_all => Some(""),
            _ => None,
        };
        own.or_else(|| reader.roles.tls(key, reader.config)).map(str::to_owned)
    };
    TlsKeys::read(&get).map_err(|error| reader.invalid("tls", ErrorChain(&error).to_string()))
}

fn proxy(reader: &Reader<'_>) -> Result<Option<Proxy>, InvalidSetting> {
    let Some(host) = reader.text("proxy-host") else { return Ok(None) };
    let port = reader.number("proxy-port")?.and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0);
    let port = port.ok_or_else(|| reader.invalid("proxy-port", "it must be set from 1 to 65535 for a proxy"))?;
    let authority = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let origin = Origin::of_url(&format!("http://{authority}:{port}"));
    let origin = origin.map_err(|error| reader.invalid("proxy-host", error.to_string()))?;
    debug_assert_eq!(origin.scheme, Scheme::Http);
    let authorization = reader
        .text("proxy-user")
        .map(|user| super::auth::basic(user, reader.text("proxy-password").unwrap_or_default()));
    Ok(Some(Proxy { origin, authorization }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stand_between_separators_that_may_be_escaped() {
        let items = |text: &str, separator: &str| {
            split(text, separator).into_iter().filter(|item| !item.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(items("a:b|c:d", "|"), ["a:b", "c:d"]);
        assert_eq!(items("accept: x\\,y,c:d", ","), ["accept: x,y", "c:d"]);
        assert_eq!(items("a:b\\", "|"), ["a:b|"]);
        assert_eq!(items("a:b", ""), ["a:b"]);
    }
}
