//! States of connectors, and changing them.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use millstream_runtime::herder::RestartRequest;

use crate::{
    Herder, entity,
    error::{Answer, json_response, ok},
    path::Name,
    query::Parameters,
};

/// `GET /connectors/{connector}/status`.
pub(crate) async fn status(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    Ok(ok(&entity::status(&herder.status(&name)?)))
}

/// `PUT /connectors/{connector}/pause`.
pub(crate) async fn pause(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    herder.pause(&name).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `PUT /connectors/{connector}/resume`.
pub(crate) async fn resume(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    herder.resume(&name).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `PUT /connectors/{connector}/stop`.
pub(crate) async fn stop(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    herder.stop(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /connectors/{connector}/restart`.
pub(crate) async fn restart(State(herder): State<Arc<dyn Herder>>, Name(name): Name, parameters: Parameters) -> Answer {
    let request = RestartRequest {
        include_tasks: parameters.flag("includeTasks", false),
        only_failed: parameters.flag("onlyFailed", false),
    };
    if !request.include_tasks && !request.only_failed {
        herder.restart_connector(&name).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let status = herder.restart(&name, request).await?;
    Ok(json_response(StatusCode::ACCEPTED, &entity::status(&status)))
}
