//! What a status says, and waiting for it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    exit::{Failure, NOT_YET, REFUSED},
    worker_api::{PAUSE, WorkerApi},
};

/// A status as the API gives it.
pub struct Status<'a>(pub &'a Value);

impl<'a> Status<'a> {
    pub fn connector(&self) -> &'a str {
        self.0["connector"]["state"].as_str().unwrap_or("?")
    }

    pub fn tasks(&self) -> impl Iterator<Item = (u64, &'a str, &'a Value)> {
        let tasks = self.0["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
        tasks.iter().map(|task| (task["id"].as_u64().unwrap_or_default(), task["state"].as_str().unwrap_or("?"), task))
    }

    /// The parts that have failed, with their traces.
    pub fn failed(&self) -> Vec<(String, &'a str)> {
        let trace = |value: &'a Value| value["trace"].as_str().unwrap_or("");
        let mut failed = Vec::new();
        if self.connector() == "FAILED" {
            failed.push(("connector".to_owned(), trace(&self.0["connector"])));
        }
        failed.extend(
            self.tasks()
                .filter(|(_, state, _)| *state == "FAILED")
                .map(|(id, _, task)| (format!("task {id}"), trace(task))),
        );
        failed
    }

    /// `RUNNING, 2 of 3 tasks RUNNING`.
    pub fn summary(&self) -> String {
        let states: Vec<&str> = self.tasks().map(|(_, state, _)| state).collect();
        let mut kinds: Vec<&str> = states.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let counts =
            kinds.iter().map(|kind| format!("{} {kind}", states.iter().filter(|state| state == &kind).count()));
        let tasks = counts.collect::<Vec<_>>().join(", ");
        format!("connector {}, tasks: {}", self.connector(), if tasks.is_empty() { "none" } else { &tasks })
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Goal {
    /// The connector and all of its tasks run; there is at least one.
    Running,
    /// All are paused.
    Paused,
    /// Stopped, and no task is left.
    Stopped,
    /// There is no such connector.
    Gone,
}

/// What is known of a goal.
#[derive(Debug, Eq, PartialEq)]
enum Reached {
    Yes,
    NotYet,
    /// Something has failed, so that it will not be reached.
    Never(String),
}

/// Whether a status is the goal. `tasks` is how many the connector is to have.
fn reached(goal: Goal, status: Option<&Value>, tasks: Option<usize>) -> Reached {
    let Some(status) = status.map(Status) else {
        return if goal == Goal::Gone { Reached::Yes } else { Reached::NotYet };
    };
    let all = |wanted: &str| status.connector() == wanted && status.tasks().all(|(_, state, _)| state == wanted);
    let count = status.tasks().count();
    let done = match goal {
        Goal::Running => all("RUNNING") && count > 0 && tasks == Some(count),
        Goal::Paused => all("PAUSED"),
        Goal::Stopped => status.connector() == "STOPPED" && count == 0,
        Goal::Gone => false,
    };
    match status.failed().first() {
        _ if done => Reached::Yes,
        Some((part, trace)) if goal == Goal::Running => {
            Reached::Never(format!("{part} has failed: {}", trace.lines().next().unwrap_or("")))
        }
        _ => Reached::NotYet,
    }
}

/// What the worker says when it is looked at.
enum Look {
    Found(Value),
    Nothing,
    /// It cannot tell at the moment.
    Later,
}

impl Look {
    fn found(self) -> Option<Value> {
        match self {
            Self::Found(value) => Some(value),
            Self::Nothing | Self::Later => None,
        }
    }
}

async fn look(worker: &WorkerApi, path: &[&str]) -> Result<Look, Failure> {
    match worker.try_ask("GET", path, &[], None).await? {
        Ok(value) => Ok(Look::Found(value)),
        Err(refusal) if refusal.status == 404 => Ok(Look::Nothing),
        Err(refusal) if refusal.passes() => Ok(Look::Later),
        Err(refusal) => Err(refusal.failure("wait for the connector")),
    }
}

/// Waits until a connector has reached its goal.
///
/// # Errors
///
/// It cannot, or has not within `bound`; says how far it has come.
pub async fn wait(worker: &WorkerApi, name: &str, goal: Goal, bound: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + bound;
    loop {
        let info = look(worker, &["connectors", name]).await?;
        let status = match (goal, &info) {
            (Goal::Gone, Look::Nothing) => Look::Nothing,
            _ => look(worker, &["connectors", name, "status"]).await?,
        };
        let (info, status) = match (info, status) {
            // A group of workers that is busy with itself will be there in a moment.
            (Look::Later, _) | (_, Look::Later) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            (info, status) => (info.found(), status.found()),
        };
        let tasks = info.as_ref().and_then(|info| info["tasks"].as_array()).map(Vec::len);
        let so_far = status.as_ref().map_or_else(|| "no status yet".to_owned(), |status| Status(status).summary());
        match reached(goal, status.as_ref(), tasks) {
            Reached::Yes => return Ok(()),
            Reached::Never(why) => {
                let message = format!("connector {name}: {why} (see: millstream connector describe {name})");
                return Err(Failure::new(REFUSED, message));
            }
            Reached::NotYet if deadline <= Instant::now() => {
                let message = format!("connector {name} is not there yet after {} s: {so_far}", bound.as_secs());
                return Err(Failure::new(NOT_YET, message));
            }
            Reached::NotYet => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(connector: &str, tasks: &[&str]) -> Value {
        let tasks: Vec<Value> = tasks
            .iter()
            .enumerate()
            .map(|(id, state)| json!({"id": id, "state": state, "trace": "why\nmore"}))
            .collect();
        json!({"connector": {"state": connector}, "tasks": tasks})
    }

    #[test]
    fn a_goal_is_reached_when_connector_and_all_tasks_are_there() {
        use Goal::*;
        for (goal, connector, tasks, expected) in [
            (Running, "RUNNING", &["RUNNING", "RUNNING"][..], Reached::Yes),
            (Running, "RUNNING", &["RUNNING", "UNASSIGNED"], Reached::NotYet),
            (Running, "RUNNING", &["RUNNING"], Reached::NotYet),
            (Running, "RUNNING", &[], Reached::NotYet),
            (Running, "RUNNING", &["RUNNING", "FAILED"], Reached::Never("task 1 has failed: why".to_owned())),
            (Paused, "PAUSED", &["PAUSED", "PAUSED"], Reached::Yes),
            (Paused, "PAUSED", &["PAUSED", "RUNNING"], Reached::NotYet),
            (Stopped, "STOPPED", &[], Reached::Yes),
            (Stopped, "STOPPED", &["RUNNING"], Reached::NotYet),
            (Stopped, "RUNNING", &["FAILED"], Reached::NotYet),
            (Gone, "RUNNING", &[], Reached::NotYet),
        ] {
            assert_eq!(
                reached(goal, Some(&status(connector, tasks)), Some(2)),
                expected,
                "{goal:?} {connector} {tasks:?}"
            );
        }
        assert_eq!(reached(Gone, None, None), Reached::Yes);
        assert_eq!(reached(Running, None, None), Reached::NotYet);
    }

    #[test]
    fn a_summary_counts_states() {
        assert_eq!(
            Status(&status("RUNNING", &["RUNNING", "FAILED", "RUNNING"])).summary(),
            "connector RUNNING, tasks: 1 FAILED, 2 RUNNING"
        );
    }
}
