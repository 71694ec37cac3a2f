//! Topics that connectors use.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde_json::{Map, Value, json};

use crate::{
    Herder,
    error::{Answer, ok},
    path::Name,
};

/// `GET /connectors/{connector}/topics`.
pub(crate) async fn list(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    let topics = json!({"topics": herder.topics(&name)?});
    Ok(ok(&Value::Object(Map::from_iter([(name, topics)]))))
}

/// `PUT /connectors/{connector}/topics/reset`.
pub(crate) async fn reset(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    herder.reset_topics(&name)?;
    Ok(StatusCode::ACCEPTED.into_response())
}
