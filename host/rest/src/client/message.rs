//! What is asked, and what comes back.

use serde_json::Value;

use super::HttpUrl;

/// A request. Its values are checked when it is sent.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    method: String,
    url: HttpUrl,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: &str, url: HttpUrl) -> Self {
        Self { method: method.to_owned(), url, headers: Vec::new(), body: Vec::new() }
    }

    /// Takes the place of a header of the same name, those of the client included.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub fn with_body(self, content_type: &str, body: Vec<u8>) -> Self {
        let request = self.with_header("content-type", content_type);
        Self { body, ..request }
    }

    /// Sends a JSON document.
    #[must_use]
    pub fn with_json(self, body: &Value) -> Self {
        self.with_body("application/json", body.to_string().into_bytes())
    }

    /// `GET` and so on.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where to.
    pub fn url(&self) -> &HttpUrl {
        &self.url
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpAnswer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl HttpAnswer {
    pub(super) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    /// `200` and so on.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status says that it was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, if it is text. Case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// What came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
