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

/// Path of the liveness probe.
pub(super) const LIVE: &str = "/health/live";
/// Path of the readiness probe.
pub(super) const READY: &str = "/health/ready";

/// Whether a path is one of those that Kubernetes asks, which show nothing and need no user.
pub(crate) fn is_probe(path: &str) -> bool {
    [LIVE, READY].contains(&path.strip_suffix('/').unwrap_or(path))
}

fn probed(status: StatusCode, word: &str) -> Response {
    json_response(status, &json!({"status": word}))
}

/// `GET /health/live`: whether there is any sense in letting the process live. Waits for nothing.
pub(crate) async fn live(State(api): State<Api>) -> Response {
    match api.herder.is_broken() {
        false => probed(StatusCode::OK, "live"),
        true => probed(StatusCode::INTERNAL_SERVER_ERROR, "broken"),
    }
}

/// `GET /health/ready`: whether the worker takes requests. What is broken beside the herder does not count: somebody has to
/// be able to ask about it.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    match api.herder.health().await {
        Health::Healthy => probed(StatusCode::OK, "ready"),
        Health::Starting(_) => probed(StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Health::Unhealthy(_) => probed(StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    }
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
