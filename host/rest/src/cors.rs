//! Which web pages of other origins may call the API (`access.control.allow.*`).

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("X-Requested-With,Content-Type,Accept,Origin");
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("1800");

/// The rules; by default no page of another origin may call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cors {
    origins: Vec<String>,
    methods: Vec<String>,
}

impl Cors {
    /// Takes the values of the two keys.
    pub(crate) fn new(origins: &str, methods: &str) -> Self {
        let list = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let methods = match list(methods) {
            none if none.is_empty() => ["GET", "POST", "HEAD"].map(str::to_owned).to_vec(),
            methods => methods,
        };
        Self { origins: list(origins), methods }
    }

    /// The headers that answer a page's question before its request; `None` if this is no such question.
    pub(crate) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if self.origins.is_empty() || method != Method::OPTIONS || !request.contains_key(header::ORIGIN) {
            return None;
        }
        let mut answer = HeaderMap::new();
        let asked = asked.to_str().unwrap_or("");
        if self.methods.iter().any(|method| method == asked) {
            for (name, value) in self.grant(request) {
                answer.insert(name, value);
            }
            if let Ok(methods) = self.methods.join(",").parse() {
                answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
                answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
                answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
            }
        }
        Some(answer)
    }

    /// The headers that let the page of a request see the response.
    pub(crate) fn grant(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let Some(origin) = request.get(header::ORIGIN) else { return Vec::new() };
        let allowed = |known: &String| known == "*" || origin.to_str().is_ok_and(|origin| origin == known);
        if !self.origins.iter().any(allowed) {
            return Vec::new();
        }
        vec![
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
            (header::VARY, HeaderValue::from_static("Origin")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(entries: &[(HeaderName, &str)]) -> HeaderMap {
        entries.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_pages_of_listed_origins_are_let_in() {
        let cors = Cors::new("http://a.example, http://b.example", "");
        let granted = |origin| cors.grant(&request(&[(header::ORIGIN, origin)])).len();
        assert_eq!((granted("http://b.example"), granted("http://c.example")), (3, 0));
        assert!(Cors::new("", "").grant(&request(&[(header::ORIGIN, "http://a.example")])).is_empty());
        assert_eq!(Cors::new("*", "").grant(&request(&[(header::ORIGIN, "null")])).len(), 3);
    }

    #[test]
    fn a_question_beforehand_names_methods_and_headers() {
        let cors = Cors::new("*", "GET,PUT");
        let ask = |method| {
            let headers = request(&[(header::ORIGIN, "http://a"), (header::ACCESS_CONTROL_REQUEST_METHOD, method)]);
            cors.preflight(&Method::OPTIONS, &headers).unwrap()
        };
        assert_eq!(ask("PUT")[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,PUT");
        assert!(ask("DELETE").is_empty());
        assert!(cors.preflight(&Method::OPTIONS, &request(&[(header::ORIGIN, "http://a")])).is_none());
    }
}
