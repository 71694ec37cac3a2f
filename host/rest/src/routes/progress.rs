//! How far tasks have come with what they do, as their plugins say. Who knows it is somebody else.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::Api;
use crate::{
    error::{Answer, RestError, ok},
    path::Name,
};

/// Where the progress of this worker's tasks is.
#[derive(Clone)]
pub struct ConnectorProgress {
    /// The worker that runs them.
    pub worker_id: String,
    /// Finds what the tasks of a connector have under way.
    pub read: Arc<ReadProgress>,
}

/// One piece of work of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskProgress {
    /// Number of the task.
    pub task: u32,
    /// Class of the plugin.
    pub plugin: String,
    /// What is worked on.
    pub what: String,
    /// How much is done, in units.
    pub done: f64,
    /// How much there is to do, as far as that is known.
    pub total: Option<f64>,
    /// What is counted.
    pub unit: String,
}

/// Finds what the tasks of a connector have under way, by task and name.
pub type ReadProgress = dyn Fn(&str) -> Vec<TaskProgress> + Send + Sync;

/// `GET /connectors/{connector}/progress`.
pub(crate) async fn list(State(api): State<Api>, Name(name): Name) -> Answer {
    api.herder.connector_info(&name)?;
    let Some(progress) = &api.progress else {
        return Err(RestError::new(
            StatusCode::NOT_FOUND,
            "This worker does not know how far its tasks are".to_owned(),
        ));
    };
    let shown: Vec<Value> = (progress.read)(&name)
        .into_iter()
        .map(|TaskProgress { task, plugin, what, done, total, unit }| {
            json!({"task": task, "plugin": plugin, "what": what, "done": done, "total": total, "unit": unit})
        })
        .collect();
    Ok(ok(&json!({"worker_id": progress.worker_id, "progress": shown})))
}
