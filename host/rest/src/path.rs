//! Parts of a path.

use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, Uri, header, request::Parts},
};

use crate::error::RestError;

/// The only parameter of a path, URL-decoded: the name of a connector or a plugin.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| RestError::not_found())
    }
}

/// A connector and the number of one of its tasks.
pub(crate) struct Task {
    pub(crate) connector: String,
    pub(crate) number: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for Task {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((connector, number)) = path.map_err(|_| RestError::not_found())?;
        // A number that no task can have is as unknown as a text that is none.
        let number = number.parse().map_err(|_| RestError::not_found())?;
        Ok(Self { connector, number })
    }
}

/// The address under which the caller reached the worker; empty if it did not say.
pub(crate) fn base(uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match uri.authority().map(|authority| authority.as_str()).or(host) {
        Some(host) => format!("http://{host}"),
        None => String::new(),
    }
}

/// Encodes a text as one part of a path.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(encode("a b/é?~"), "a%20b%2F%C3%A9%3F~");
    }
}
