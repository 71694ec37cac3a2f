//! `/metrics`, for whoever scrapes it. What stands on the page, and in which format, somebody else knows.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Api;

/// Makes the page for a caller with these `Accept` headers: its media type and its text.
pub type MetricsPage = Arc<dyn Fn(&[&str]) -> (&'static str, String) + Send + Sync>;

/// `GET /metrics`.
pub(crate) async fn page(State(api): State<Api>, headers: HeaderMap) -> Response {
    let Some(page) = &api.metrics else { return StatusCode::NOT_FOUND.into_response() };
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let (media_type, text) = page(&accepted);
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}
