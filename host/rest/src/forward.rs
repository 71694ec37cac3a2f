//! Passing requests on to the worker that does what is asked: the leader of the group, or who runs the connector or task.
//!
//! The herder says where that is ([`Elsewhere`] in the answer). A request is passed on twice at most: to the leader, and by
//! it to the owner; `forward` in the query counts.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use millstream_record::ErrorChain;
use serde_json::Value;

use crate::{
    body,
    client::{HttpAnswer, HttpClient, HttpRequest, HttpUrl},
    error::{Elsewhere, RestError},
    path::base,
};

/// What passing on needs.
#[derive(Clone, Debug)]
pub(crate) struct Forward {
    pub(crate) client: HttpClient,
    pub(crate) max_body_bytes: usize,
}

/// Runs a request, and passes it on if another worker is to do it.
pub(crate) async fn pass_on(State(forward): State<Forward>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match body::read(body, forward.max_body_bytes).await {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => return error.into_response(),
    };
    let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    let response = next.run(Request::from_parts(parts, Body::from(bytes.clone()))).await;
    let Some(Elsewhere(url)) = response.extensions().get().cloned() else { return response };
    // `false` means that two workers have passed it on already, and disagree.
    let Some(hop) = next_hop(uri.query()) else { return response };
    let target = target(&url, &uri, hop);
    tracing::debug!(%method, target, "a request is passed on");
    let answer = match HttpUrl::parse(&target) {
        Ok(target) => {
            let asked = forward.client.send(&ask(&method, target, &headers, &bytes)).await;
            asked.map_err(|error| format!("IO Error trying to forward REST request: {}", ErrorChain(&error)))
        }
        Err(error) => Err(format!("Error trying to forward REST request: {error}")),
    };
    match answer {
        Ok(answer) => pass_back(&answer, &uri, &headers),
        Err(message) => RestError::internal(message).into_response(),
    }
}

/// The next value of `forward`; `None` if it has been passed on often enough.
fn next_hop(query: Option<&str>) -> Option<bool> {
    let given = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("forward="));
    match given {
        None => Some(true),
        Some(value) if value.eq_ignore_ascii_case("true") => Some(false),
        Some(_) => None,
    }
}

fn target(worker: &str, uri: &Uri, hop: bool) -> String {
    let query = uri.query().into_iter().flat_map(|query| query.split('&'));
    let kept = query.filter(|pair| !pair.is_empty() && !pair.starts_with("forward="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("forward={hop}")]).collect();
    format!("{}{}?{}", worker.trim_end_matches('/'), uri.path(), query.join("&"))
}

fn ask(method: &Method, target: HttpUrl, headers: &HeaderMap, body: &[u8]) -> HttpRequest {
    let mut request = HttpRequest::new(method.as_str(), target).with_header("accept", "application/json");
    // Signatures are not passed on: as in Connect, a worker asks the leader itself.
    if let Some(authorization) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        request = request.with_header("authorization", authorization);
    }
    if body.is_empty() { request } else { request.with_body("application/json", body.to_vec()) }
}

/// The other worker's answer as this one's.
fn pass_back(answer: &HttpAnswer, uri: &Uri, headers: &HeaderMap) -> Response {
    let status = answer.status();
    let Ok(code) = StatusCode::from_u16(status) else { return unexpected(status) };
    if 400 <= status {
        let read: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let message = read.as_ref().and_then(|error| error.get("message")?.as_str()).map(str::to_owned);
        let text = || String::from_utf8_lossy(answer.body()).trim().to_owned();
        return RestError::new(code, message.unwrap_or_else(text)).into_response();
    }
    if !answer.is_success() {
        return unexpected(status);
    }
    if answer.body().is_empty() {
        return code.into_response();
    }
    let body = Body::from(answer.body().to_vec());
    let mut response = (code, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    // What was made is reached here, too.
    let path = answer.header("location").and_then(|location| location.find("/connectors/").map(|at| &location[at..]));
    if let Some(location) = path.and_then(|path| format!("{}{path}", base(uri, headers)).parse().ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn unexpected(status: u16) -> Response {
    RestError::internal(format!("Unexpected status code when handling forwarded request: {status}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_passed_on_twice_and_no_more() {
        let uri: Uri = "/connectors/a%20b/restart?includeTasks=true&forward=true".parse().unwrap();
        assert_eq!(next_hop(Some("x=y")), Some(true));
        assert_eq!(next_hop(None), Some(true));
        assert_eq!(next_hop(uri.query()), Some(false));
        assert_eq!(next_hop(Some("forward=false")), None);
        let expected = "http://h:1/connectors/a%20b/restart?includeTasks=true&forward=false";
        assert_eq!(target("http://h:1/", &uri, false), expected);
        assert_eq!(target("http://h:1", &"/connectors".parse().unwrap(), true), "http://h:1/connectors?forward=true");
    }
}
