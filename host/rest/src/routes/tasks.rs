//! Tasks of connectors.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::IntoResponse};

use crate::{
    Herder, entity,
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
pub(crate) async fn refuse_task_configs() -> RestError {
    RestError::internal("Kafka Connect in standalone mode does not support externally setting task configurations.")
}

/// `PUT /connectors/{connector}/fence`, which is for the workers of a cluster among themselves.
pub(crate) async fn refuse_fencing() -> RestError {
    RestError::internal("Kafka Connect in standalone mode does not support exactly-once source connectors.")
}
