//! Who the worker is and how it is.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use millstream_runtime::herder::Health;
use serde_json::json;

use super::Api;
use crate::error::{json_response, ok};

/// `GET /`.
pub(crate) async fn version(State(api): State<Api>) -> Response {
    ok(&json!({
        "version": api.version.version,
        "commit": api.version.commit,
        "kafka_cluster_id": api.herder.cluster_id(),
    }))
}

/// What the API is, for programs: written by hand, and held against the routes by a test.
pub(super) const OPENAPI: &str = include_str!("../../reference/openapi.json");

/// `GET /openapi.json`, which Connect does not have.
pub(crate) async fn openapi() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// `GET /health`.
pub(crate) async fn health(State(api): State<Api>) -> Response {
    let mut health = api.herder.health().await;
    // What is broken beside the herder counts even while the worker starts.
    let broken: Vec<String> = api.checks.iter().flat_map(|check| check()).collect();
    if !broken.is_empty() {
        let herder = match health {
            Health::Unhealthy(Some(why)) => Some(why),
            _ => None,
        };
        health = Health::Unhealthy(Some(herder.into_iter().chain(broken).collect::<Vec<_>>().join("; ")));
    }
    let (status, state, message, more) = match health {
        Health::Healthy => {
            (StatusCode::OK, "healthy", "Worker has completed startup and is ready to handle requests.", None)
        }
        Health::Starting(more) => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Worker is still starting up.", more),
        Health::Unhealthy(more) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            "Worker was unable to handle this request and may be unable to handle other requests.",
            more,
        ),
    };
    let message = more.map_or_else(|| message.to_owned(), |more| format!("{message} {more}"));
    json_response(status, &json!({"status": state, "message": message}))
}
