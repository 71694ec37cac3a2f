//! Lines of the log about connectors. Who keeps them, and how many, somebody else knows.

use std::{str::FromStr, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde_json::{Value, json};
use tracing::Level;

use super::Api;
use crate::{
    error::{Answer, RestError, ok},
    path::Name,
    query::Parameters,
};

/// Most lines of an answer, unless fewer are asked for.
const MOST: usize = 1_000;

/// Which lines are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogQuery {
    /// Of one task; else of the connector and all tasks.
    pub task: Option<u32>,
    /// This level and worse ones.
    pub level: Level,
    /// Not older than this, in milliseconds of Unix time.
    pub since_ms: Option<i64>,
    /// With higher numbers than this.
    pub after: u64,
    /// At most so many, the newest.
    pub limit: usize,
}

/// Lines about a connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogLines {
    /// Objects, the oldest first.
    pub lines: Vec<Value>,
    /// What [`LogQuery::after`] is to be, for those that come later.
    pub next: u64,
}

/// Where the lines about connectors are.
#[derive(Clone)]
pub struct ConnectorLogs {
    /// The worker that wrote them.
    pub worker_id: String,
    /// Finds those of a connector.
    pub read: Arc<ReadLogs>,
}

/// Finds the lines about a connector that are asked for.
pub type ReadLogs = dyn Fn(&str, &LogQuery) -> LogLines + Send + Sync;

/// `GET /connectors/{connector}/logs`.
pub(crate) async fn list(State(api): State<Api>, Name(name): Name, parameters: Parameters) -> Answer {
    let query = query(&parameters)?;
    api.herder.connector_info(&name)?;
    let Some(logs) = &api.logs else {
        return Err(RestError::new(StatusCode::NOT_FOUND, "This worker keeps no lines of its log".to_owned()));
    };
    let LogLines { lines, next } = (logs.read)(&name, &query);
    Ok(ok(&json!({"worker_id": logs.worker_id, "next": next, "lines": lines})))
}

fn query(parameters: &Parameters) -> Result<LogQuery, RestError> {
    let limit = number(parameters, "limit", "a number of lines")?.unwrap_or(MOST).min(MOST);
    let level = match parameters.all("level").next() {
        None => Level::TRACE,
        Some(text) => {
            let wrong = || format!("level={text}: TRACE, DEBUG, INFO, WARN or ERROR is expected");
            Level::from_str(text).map_err(|_| RestError::bad_request(wrong()))?
        }
    };
    Ok(LogQuery {
        task: number(parameters, "task", "the number of a task")?,
        level,
        since_ms: number(parameters, "since", "milliseconds of Unix time")?,
        after: number(parameters, "after", "the number of a line")?.unwrap_or(0),
        limit,
    })
}

fn number<T: FromStr>(parameters: &Parameters, name: &str, what: &str) -> Result<Option<T>, RestError> {
    let Some(text) = parameters.all(name).next() else { return Ok(None) };
    let wrong = |_| RestError::bad_request(format!("{name}={text}: {what} is expected"));
    text.trim().parse().map(Some).map_err(wrong)
}
