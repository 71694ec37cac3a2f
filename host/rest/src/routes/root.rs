//! Who the worker is and how it is.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use millstream_runtime::herder::Health;
use serde_json::json;

use super::Api;
use crate::{
    Herder,
    error::{json_response, ok},
};

/// `GET /`.
pub(crate) async fn version(State(api): State<Api>) -> Response {
    ok(&json!({
        "version": api.version.version,
        "commit": api.version.commit,
        "kafka_cluster_id": api.herder.cluster_id(),
    }))
}

/// `GET /health`.
pub(crate) async fn health(State(herder): State<Arc<dyn Herder>>) -> Response {
    let (status, state, message) = match herder.health().await {
        Health::Healthy => (StatusCode::OK, "healthy", "Worker has completed startup and is ready to handle requests."),
        Health::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Worker is still starting up."),
        Health::Unhealthy => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            "Worker was unable to handle this request and may be unable to handle other requests.",
        ),
    };
    json_response(status, &json!({"status": state, "message": message}))
}
