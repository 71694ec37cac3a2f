//! `logs`: the last lines about a connector that a worker keeps, and those to come.

use std::{collections::BTreeSet, time::Duration};

use millstream_record::Timestamp;
use serde_json::Value;

use super::args::LogsArgs;
use crate::{
    exit::{Failure, NOT_FOUND},
    output::{Output, print},
    worker_api::{Refusal, WorkerApi},
};

/// Between two looks of `--follow`.
const PAUSE: Duration = Duration::from_secs(1);

/// What a line has that is shown apart, or not at all: its context says it.
const SHOWN: [&str; 10] =
    ["timestamp", "level", "logger", "thread", "context", "connector", "task", "message", "number", "of"];

/// Prints the lines, and with `--follow` those that come until the process is ended.
pub async fn run(worker: &WorkerApi, arguments: &LogsArgs) -> Result<(), Failure> {
    let name = &arguments.name;
    let since = arguments.since.map(|ago| Timestamp::now().as_millis() - i64::try_from(ago.0.as_millis()).unwrap_or(0));
    let mut fixed: Vec<(&str, String)> = Vec::new();
    fixed.extend(arguments.task.map(|task| ("task", task.to_string())));
    fixed.extend(arguments.level.as_ref().map(|level| ("level", level.clone())));
    fixed.extend(since.map(|since| ("since", since.max(0).to_string())));
    let mut after = 0;
    let mut first = true;
    loop {
        let after_text = after.to_string();
        let mut query: Vec<(&str, &str)> = fixed.iter().map(|(key, value)| (*key, value.as_str())).collect();
        query.push(("after", &after_text));
        let answer = worker.try_ask("GET", &["connectors", name, "logs"], &query, None).await?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => return Err(refused(worker, name, &refusal).await),
        };
        for line in answer["lines"].as_array().into_iter().flatten() {
            print(&shown(line, arguments.output))?;
        }
        if std::mem::take(&mut first) {
            tell_of_others(worker, name, answer["worker_id"].as_str().unwrap_or_default()).await?;
        }
        if !arguments.follow {
            return Ok(());
        }
        let next = answer["next"].as_u64().unwrap_or(0);
        // A worker that was started anew counts from the beginning.
        after = if next < after { 0 } else { next };
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why there are no lines: no such connector, or a worker that has none of any.
async fn refused(worker: &WorkerApi, name: &str, refusal: &Refusal) -> Failure {
    let what = format!("read the log of connector {name}");
    if refusal.status == 404 && matches!(worker.find(&what, &["connectors", name]).await, Ok(Some(_))) {
        let message = format!(
            "{what}: this worker does not show its log; if it is Kafka Connect, look for [{name}|…] in its log files"
        );
        return Failure::new(NOT_FOUND, message);
    }
    refusal.failure(&what)
}

/// Says which parts of the connector other workers run, whose lines are there.
async fn tell_of_others(worker: &WorkerApi, name: &str, asked: &str) -> Result<(), Failure> {
    let status = worker.find("read the status of the connector", &["connectors", name, "status"]).await?;
    let Some(status) = status else { return Ok(()) };
    let parts = std::iter::once(&status["connector"]).chain(status["tasks"].as_array().into_iter().flatten());
    let others: BTreeSet<&str> =
        parts.filter_map(|part| part["worker_id"].as_str()).filter(|worker| *worker != asked).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        eprintln!("These are lines of {asked} alone; others of the connector are on {others} (--url)");
    }
    Ok(())
}

fn shown(line: &Value, output: Output) -> String {
    if output == Output::Json {
        return format!("{line}\n");
    }
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let mut shown = format!("{} {:>5} {} {}", text("timestamp"), text("level"), text("context"), text("message"));
    let fields = line.as_object().into_iter().flatten().filter(|(key, _)| !SHOWN.contains(&key.as_str()));
    for (key, value) in fields {
        match value {
            Value::String(text) => shown.push_str(&format!(" {key}={text}")),
            other => shown.push_str(&format!(" {key}={other}")),
        }
    }
    shown.push('\n');
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_shown_as_the_log_has_it_or_as_an_object() {
        let line = json!({
            "timestamp": "2026-01-31T12:00:00Z", "level": "WARN", "logger": "X", "context": "[c|task-0]",
            "connector": "c", "task": 0, "message": "not reached", "error": "refused", "n": 3, "number": 7,
        });
        assert_eq!(shown(&line, Output::Text), "2026-01-31T12:00:00Z  WARN [c|task-0] not reached error=refused n=3\n");
        assert_eq!(shown(&line, Output::Json), format!("{line}\n"));
    }
}
