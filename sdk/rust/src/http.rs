//! HTTP requests to servers that configuration keys name.
//!
//! A key that [opens a server](crate::config::Opens::http_url) lets the plugin send requests to the origin of its value. Who
//! sends them, the host adds: passwords, tokens, keys and certificates never reach the plugin. A request begins when it is
//! [started](Request::start), so that several can be under way at a time:
//!
//! ```
//! use millstream_sdk::{harness::Harness, http::{Request, Response}};
//!
//! let harness = Harness::enter();
//! harness.serve(|request| Ok(Response::new(200, format!("you sent {}", request.body_bytes().len()))));
//! let pending: Vec<_> =
//!     (1..=2).map(|n| Request::post("http://api.example.com/events").body("x".repeat(n)).start()).collect();
//! let answers: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().text()).collect();
//! assert_eq!(answers, ["you sent 1", "you sent 2"]);
//! ```

use std::{fmt, time::Duration};

use crate::{Error, host};

/// A request that can be sent, more than once if need be.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body. The URL begins with `http://` or `https://`; what may not stand in one is to be
    /// [encoded](encode).
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// The same request with one header more.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request, given up if its answer has not begun by then. Without it, or where it is longer, the
    /// configuration's time counts.
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Its method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its headers, as they were added.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Its body.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Longest wait for the beginning of the answer, if the plugin has set one.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Sends it. The answer comes while the plugin does other things; dropping what is returned gives it up.
    #[must_use]
    pub fn start(&self) -> Pending {
        Pending(host::start_request(self))
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// There was no answer, whatever its status.
    pub fn send(&self) -> Result<Response, HttpError> {
        self.start().wait()
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Pending(Result<host::RequestHandle, HttpError>);

impl Pending {
    /// Waits for the whole answer.
    ///
    /// # Errors
    ///
    /// There was no answer, whatever its status.
    pub fn wait(self) -> Result<Response, HttpError> {
        self.0?.wait()
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Response {
    /// 200, 404, …
    pub status: u16,
    /// Names in lower case, with values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Unpacked.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer without headers: for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The same with one header more: for tests.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        self
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers of this name that are text.
    pub fn headers_named<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, with replacement characters for what is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Neither the configuration nor the worker allows the request.
    Denied,
    /// The configuration cannot be used.
    Config,
    /// The server's name has no address, or nobody could be asked for it.
    Dns,
    /// Nobody answers there.
    Connect,
    /// The proxy does not pass the request on.
    Proxy,
    /// The connection could not be secured.
    Tls,
    /// There is no token for the configured client.
    Auth,
    /// The answer takes too long.
    Timeout,
    /// The connection ended too early, or something else than HTTP came.
    Cut,
    /// Request or answer has more bytes than are allowed.
    TooLarge,
    /// More is under way than is allowed.
    Busy,
    /// The task is asked to stop.
    Stopping,
    /// The request itself is none.
    Invalid,
}

impl Cause {
    const WORDS: [(&'static str, Cause); 12] = [
        ("denied", Self::Denied),
        ("config", Self::Config),
        ("dns", Self::Dns),
        ("connect", Self::Connect),
        ("proxy", Self::Proxy),
        ("tls", Self::Tls),
        ("auth", Self::Auth),
        ("timeout", Self::Timeout),
        ("cut", Self::Cut),
        ("too-large", Self::TooLarge),
        ("busy", Self::Busy),
        ("stopping", Self::Stopping),
    ];

    /// Whether the same may succeed later.
    pub fn may_pass(self) -> bool {
        !matches!(self, Self::Denied | Self::Config | Self::Auth | Self::TooLarge | Self::Invalid)
    }
}

/// A request without an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpError {
    /// What kind of reason there was.
    pub cause: Cause,
    /// A sentence about it.
    pub message: String,
}

impl HttpError {
    /// For tests, and for what a plugin finds by itself.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    /// Reads what a host says, whose first word is the cause.
    #[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "only components have a host"))]
    pub(crate) fn of_host(text: &str) -> Self {
        let known = text.split_once(": ").and_then(|(word, rest)| {
            let (_, cause) = Cause::WORDS.into_iter().find(|(known, _)| *known == word)?;
            Some(Self::new(cause, rest))
        });
        known.unwrap_or_else(|| Self::new(Cause::Cut, text))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for Error {
    /// Retriable if the same may succeed later.
    fn from(error: HttpError) -> Self {
        match error.cause {
            Cause::Config | Cause::Denied => Self::config(error.message),
            cause if cause.may_pass() => Self::retriable(error.message),
            _ => Self::fatal(error.message),
        }
    }
}

/// A text as a part of a path or query: what may not stand there as it is becomes `%XX`.
pub fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => {
                out.push('%');
                out.push(DIGITS[usize::from(byte >> 4)].into());
                out.push(DIGITS[usize::from(byte & 15)].into());
            }
        }
    }
    out
}

/// Whether a URL is one of https, its authority, and path with query; none if it is none of HTTP.
pub fn parts(url: &str) -> Option<(bool, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let is_secure = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((is_secure, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_hosts_words_become_causes() {
        assert_eq!(HttpError::of_host("dns: look up h: no"), HttpError::new(Cause::Dns, "look up h: no"));
        assert_eq!(HttpError::of_host("odd: text"), HttpError::new(Cause::Cut, "odd: text"));
        assert_eq!(Error::from(HttpError::of_host("timeout: x")).kind, ErrorKind::Retriable);
        assert_eq!(Error::from(HttpError::of_host("denied: x")).kind, ErrorKind::Config);
        assert_eq!(Error::from(HttpError::of_host("auth: x")).kind, ErrorKind::Fatal);
    }

    #[test]
    fn urls_have_parts() {
        assert_eq!(parts("http://h:1/a?b#c"), Some((false, "h:1", "/a?b".to_owned())));
        assert_eq!(parts("HTTPS://h?b"), Some((true, "h", "/?b".to_owned())));
        assert_eq!(parts("https://h"), Some((true, "h", "/".to_owned())));
        assert_eq!(parts("ftp://h"), None);
        assert_eq!(encode("a/b ü?"), "a%2Fb%20%C3%BC%3F");
    }
}
