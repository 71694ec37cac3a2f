//! Levels of loggers: `/admin/loggers`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use millstream_runtime::{InvalidLevel, LoggerLevel};
use serde_json::{Map, Value, json};

use super::Api;
use crate::{
    Herder, body,
    error::{Answer, RestError, ok},
    path::Name,
    query::Parameters,
};

/// `GET /admin/loggers`: those that have a level of their own, and `root`.
pub(crate) async fn list(State(herder): State<Arc<dyn Herder>>) -> Response {
    let levels = herder.log_levels().list();
    ok(&Value::Object(levels.into_iter().map(|(name, level)| (name, shown(level))).collect::<Map<_, _>>()))
}

/// `GET /admin/loggers/{logger}`: the level in effect.
pub(crate) async fn level(State(herder): State<Arc<dyn Herder>>, Name(logger): Name) -> Answer {
    let missing = || RestError::new(StatusCode::NOT_FOUND, format!("Logger {logger} not found."));
    Ok(ok(&shown(herder.log_levels().get(&logger).ok_or_else(missing)?)))
}

fn shown(level: LoggerLevel) -> Value {
    json!({"level": level.level, "last_modified": level.modified_ms})
}

/// `PUT /admin/loggers/{logger}`, of this worker or, with `scope=cluster`, of all.
pub(crate) async fn set(State(api): State<Api>, Name(logger): Name, parameters: Parameters, body: Body) -> Answer {
    let levels = body::config(&body::read(body, api.max_body_bytes).await?)?;
    let Some(Some(level)) = levels.get("level") else {
        return Err(RestError::bad_request("Desired 'level' parameter was not specified in request."));
    };
    let invalid = |error: InvalidLevel| RestError::new(StatusCode::NOT_FOUND, error.to_string());
    let scope = parameters.all("scope").next().unwrap_or("worker").to_ascii_lowercase();
    if scope == "cluster" {
        // What every worker would leave out is refused before it is written.
        api.herder.log_levels().check(level).map_err(invalid)?;
        api.herder.set_cluster_log_level(&logger, level).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if scope != "worker" {
        tracing::warn!("Received invalid scope '{scope}' in a request for a logger's level, and takes it for 'worker'");
    }
    Ok(ok(&json!(api.herder.log_levels().set(&logger, level).map_err(invalid)?)))
}
