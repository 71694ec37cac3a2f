//! Which requests are let through to a handler: JSON in, JSON out.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    error::RestError,
    requests::{Change, Requests, refuse},
};

/// Refuses bodies that are not JSON and callers that do not take JSON, and runs the rest.
pub(crate) async fn guard(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    if has_body(request.headers()) && !sends_json(request.headers()) {
        return refuse(Change::of(&request), RestError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if !accepts_json(request.headers()) {
        return refuse(Change::of(&request), RestError::plain(StatusCode::NOT_ACCEPTABLE));
    }
    requests.run(request, next).await
}

/// Runs a request, whatever it takes.
pub(crate) async fn run(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    requests.run(request, next).await
}

/// Answers a known path asked with a method other than those in `allow`.
pub(crate) fn other_method(method: &Method, allow: &'static str) -> Response {
    let mut response = match *method {
        Method::OPTIONS => StatusCode::OK.into_response(),
        _ => RestError::plain(StatusCode::METHOD_NOT_ALLOWED).into_response(),
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Answers an unknown path.
pub(crate) async fn unknown_path() -> Response {
    RestError::not_found().into_response()
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.is_some_and(|length| length != "0") || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether the body is announced as JSON, or not announced as anything.
fn sends_json(headers: &HeaderMap) -> bool {
    let Some(announced) = headers.get(header::CONTENT_TYPE) else { return true };
    announced.to_str().is_ok_and(|announced| media_type(announced).eq_ignore_ascii_case("application/json"))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut asked = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { return false };
        for range in value.split(',').filter(|range| !range.trim().is_empty()) {
            asked = true;
            let matches = ["*/*", "application/*", "application/json"]
                .iter()
                .any(|json| media_type(range).eq_ignore_ascii_case(json));
            if matches && !is_refused(range) {
                return true;
            }
        }
    }
    !asked
}

/// A media type without its parameters.
fn media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or("").trim()
}

/// Whether a range of `Accept` has the quality 0.
fn is_refused(range: &str) -> bool {
    range.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse().is_ok_and(|quality: f32| quality <= 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(entries: &[(header::HeaderName, &str)]) -> HeaderMap {
        entries.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn json_is_taken_under_its_name_and_its_wildcards() {
        for (accept, taken) in [
            ("application/json", true),
            ("text/html, application/*;q=0.8", true),
            ("*/*", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/json;q=0", false),
            ("", true),
        ] {
            assert_eq!(accepts_json(&headers(&[(header::ACCEPT, accept)])), taken, "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn only_a_body_that_calls_itself_something_else_is_refused() {
        assert!(sends_json(&headers(&[(header::CONTENT_TYPE, "application/json; charset=utf-8")])));
        assert!(!sends_json(&headers(&[(header::CONTENT_TYPE, "text/plain")])));
        assert!(sends_json(&HeaderMap::new()));
        assert!(!has_body(&headers(&[(header::CONTENT_LENGTH, "0")])));
        assert!(has_body(&headers(&[(header::TRANSFER_ENCODING, "chunked")])));
    }
}
