//! The addresses of requests.

use std::fmt;

use crate::path::encode;

/// A URL of `http` or `https`, split into what a request needs.
#[derive(Clone, Eq, PartialEq)]
pub struct HttpUrl {
    secure: bool,
    /// Name or address, without brackets.
    host: String,
    port: u16,
    /// Begins with a slash.
    path: String,
    /// Without its question mark.
    query: String,
    credentials: Option<(String, String)>,
}

/// Why a text is no URL to ask.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{shown:?} is no URL of the form http://host:port or https://host:port: {reason}")]
pub struct InvalidUrl {
    /// The text without what may be a password.
    shown: String,
    reason: &'static str,
}

impl HttpUrl {
    /// Reads `http://[user:password@]host[:port][/path][?query]`; a fragment is left out. Without a scheme it is `http`.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and shows no password.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        let invalid = |reason| InvalidUrl { shown: format!("{scheme}://{place}{tail}"), reason };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid("the scheme is another one")),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or_else(|| invalid("a bracket is not closed"))?;
                match (rest, rest.strip_prefix(':')) {
                    ("", _) => (host, None),
                    (_, Some(port)) => (host, Some(port)),
                    _ => return Err(invalid("only a port may follow the bracket")),
                }
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(invalid("there is no host"));
        }
        let port = match port {
            None if secure => 443,
            None => 80,
            Some(port) => match port.parse() {
                Ok(port) if 0 < port => port,
                _ => return Err(invalid("the port is no number from 1 to 65535")),
            },
        };
        if tail.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(invalid("blanks and letters that are not ASCII have to be written as %XX"));
        }
        let tail = tail.split('#').next().unwrap_or("");
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let credentials = user.map(|user| user.split_once(':').unwrap_or((user, "")));
        let decoded = credentials.map(|(user, password)| Some((decode(user)?, decode(password)?)));
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
            credentials: decoded
                .map(|pair| pair.ok_or_else(|| invalid("user or password has a % without two digits")))
                .transpose()?,
        })
    }

    /// The place below this one, whatever is in the parts.
    #[must_use]
    pub fn below(&self, parts: &[&str]) -> Self {
        let encoded: String = parts.iter().map(|part| format!("/{}", encode(part))).collect();
        let path = format!("{}{encoded}", self.path.trim_end_matches('/'));
        Self { path: if path.is_empty() { "/".to_owned() } else { path }, ..self.clone() }
    }

    /// The same with a further parameter.
    #[must_use]
    pub fn with_query(&self, name: &str, value: &str) -> Self {
        let mut url = self.clone();
        if !url.query.is_empty() {
            url.query.push('&');
        }
        url.query.push_str(&format!("{}={}", encode(name), encode(value)));
        url
    }

    /// The same for this user.
    #[must_use]
    pub fn with_credentials(&self, user: &str, password: &str) -> Self {
        Self { credentials: Some((user.to_owned(), password.to_owned())), ..self.clone() }
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.secure { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    pub(super) fn path_and_query(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        format!("{}{query}", self.path)
    }

    /// For people: without user, password and query.
    pub fn shown(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let path = if self.path == "/" { "" } else { &self.path };
        format!("{scheme}://{}{path}", self.authority())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            // A sign is no digit.
            let valid = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| valid)?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_what_a_request_needs() {
        for (text, shown, authority, asked) in [
            ("http://h:8083", "http://h:8083", "h:8083", "/"),
            ("h:8083/", "http://h:8083", "h:8083", "/"),
            ("HTTPS://h/a/?b=c#d", "https://h/a/", "h", "/a/?b=c"),
            ("http://[::1]:80/x", "http://[::1]/x", "[::1]", "/x"),
            ("https://h:80?q", "https://h:80", "h:80", "/?q"),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!(
                (url.shown(), url.authority(), url.path_and_query()),
                (shown.into(), authority.into(), asked.into())
            );
        }
        let url = HttpUrl::parse("http://al%69ce:p%40:s@h").unwrap();
        assert_eq!(url.credentials(), Some(("alice", "p@:s")));
        assert_eq!(format!("{url:?}"), "http://h");
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_password() {
        for text in [
            "ftp://u:secret@h",
            "http://u:secret@",
            "http://u:secret@h:0",
            "http://u:secret@h:x",
            "http://[::1",
            "http://[::1]x",
            "http://h/é",
            "http://u:%zz@h",
            "http://h/a b",
        ] {
            let error = HttpUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_are_encoded_below_a_url() {
        let url = HttpUrl::parse("http://h/prefix/").unwrap();
        assert_eq!(url.below(&["connectors", "a/b c"]).path_and_query(), "/prefix/connectors/a%2Fb%20c");
        let asked = url.below(&[]).with_query("expand", "in&fo").with_query("b", "");
        assert_eq!(asked.path_and_query(), "/prefix?expand=in%26fo&b=");
    }
}
