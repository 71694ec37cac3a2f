//! Tasks of connectors.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};

use super::Api;
use crate::{
    Herder, body, entity,
    error::{Answer, RestError, ok},
    path::{Name, Task},
};

/// `GET /connectors/{connector}/tasks`.
pub(crate) async fn tasks(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    Ok(ok(&entity::tasks(&herder.tasks(&name)?)))
}

/// `GET /connectors/{connector}/tasks/{task}/status`.
pub(crate) async fn status(State(herder): State<Arc<dyn Herder>>, task: Task) -> Answer {
    let status = herder.task_status(&task.connector, task.number)?;
    Ok(ok(&entity::task_status(task.number, &status)))
}

/// `POST /connectors/{connector}/tasks/{task}/restart`.
pub(crate) async fn restart(State(herder): State<Arc<dyn Herder>>, task: Task) -> Answer {
    herder.restart_task(&task.connector, task.number).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /connectors/{connector}/tasks`, which is for the workers of a cluster among themselves.
pub(crate) async fn put_task_configs(
    State(api): State<Api>,
    Name(name): Name,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    if !api.herder.is_in_group() {
        return Err(RestError::bad_request(
            "Kafka Connect in standalone mode does not support externally setting task configurations.",
        ));
    }
    let bytes = body::read(body, api.max_body_bytes).await?;
    let configs = body::configs(&bytes)?;
    verify(&api, &headers, &bytes)?;
    api.herder.put_task_configs(&name, configs).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /connectors/{connector}/fence`, which is for the workers of a cluster among themselves.
pub(crate) async fn fence(State(api): State<Api>, Name(name): Name, headers: HeaderMap, body: Body) -> Answer {
    if !api.herder.is_in_group() {
        return Err(RestError::bad_request(
            "Kafka Connect in standalone mode does not support exactly-once source connectors.",
        ));
    }
    let bytes = body::read(body, api.max_body_bytes).await?;
    verify(&api, &headers, &bytes)?;
    api.herder.fence(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lets through what a worker of the group has signed, where they sign.
fn verify(api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<(), RestError> {
    if !api.herder.is_sessioned() {
        return Ok(());
    }
    api.signing.verify(headers, body, api.herder.session_key().as_ref())
}
