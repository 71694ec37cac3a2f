//! `list`, `status`, `describe`, `topics`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{args::Form, diagnosis, diff, print_form, state::Status};
use crate::{
    exit::Failure,
    output::{print, table},
    worker_api::WorkerApi,
};

pub async fn list(worker: &WorkerApi, output: Form) -> Result<(), Failure> {
    let query = [("expand", "info"), ("expand", "status")];
    let all = worker.ask("list connectors", "GET", &["connectors"], &query, None).await?;
    if output != Form::Text {
        return print_form(&all, output);
    }
    let empty = serde_json::Map::new();
    let mut rows: Vec<Vec<String>> =
        all.as_object().unwrap_or(&empty).iter().map(|(name, both)| row(name, both)).collect();
    rows.sort();
    print(&table(&["NAME", "TYPE", "STATE", "TASKS", "CLASS"], &rows))
}

fn row(name: &str, both: &Value) -> Vec<String> {
    let status = Status(&both["status"]);
    let running = status.tasks().filter(|(_, state, _)| *state == "RUNNING").count();
    let failed = status.tasks().filter(|(_, state, _)| *state == "FAILED").count();
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    vec![
        name.to_owned(),
        both["status"]["type"].as_str().unwrap_or("?").to_owned(),
        status.connector().to_owned(),
        format!("{running}/{}{failed}", status.tasks().count()),
        both["info"]["config"]["connector.class"].as_str().unwrap_or("?").to_owned(),
    ]
}

pub async fn status(worker: &WorkerApi, name: &str, output: Form) -> Result<(), Failure> {
    let status = worker.get(&format!("read the status of connector {name}"), &["connectors", name, "status"]).await?;
    if output != Form::Text {
        return print_form(&status, output);
    }
    print(&format!("{}{}", parts(&status), under_way(&progress(worker, name).await?)))
}

/// What the worker's tasks have under way; nothing from a worker that does not tell, such as Kafka Connect's.
async fn progress(worker: &WorkerApi, name: &str) -> Result<Value, Failure> {
    let answer = worker.try_ask("GET", &["connectors", name, "progress"], &[], None).await?;
    Ok(answer.ok().map(|answer| answer["progress"].clone()).filter(Value::is_array).unwrap_or_else(|| json!([])))
}

/// A line for each piece of work.
fn under_way(progress: &Value) -> String {
    let mut lines = String::new();
    for work in progress.as_array().into_iter().flatten() {
        let number = |member: &str| work[member].as_f64();
        let (done, unit) = (number("done").unwrap_or_default(), work["unit"].as_str().unwrap_or_default());
        let how_far = match number("total") {
            Some(total) if 0.0 < total => {
                format!("{done} of {total} {unit} ({:.0} %)", (done / total * 100.0).min(100.0))
            }
            Some(total) => format!("{done} of {total} {unit}"),
            None => format!("{done} {unit}"),
        };
        let (task, what) = (&work["task"], work["what"].as_str().unwrap_or_default());
        writeln!(lines, "task {task} works on {what}: {how_far}").expect("writing to a String never fails");
    }
    lines
}

/// A line for the connector and each task.
fn parts(status: &Value) -> String {
    let of = |part: &Value| part["worker_id"].as_str().unwrap_or("").to_owned();
    // A task that waits says for what in its trace, though it runs.
    let first = |part: &Value| part["trace"].as_str().and_then(|trace| trace.lines().next()).unwrap_or("").to_owned();
    let connector = &status["connector"];
    let mut rows =
        vec![vec!["connector".to_owned(), Status(status).connector().to_owned(), of(connector), first(connector)]];
    rows.extend(
        Status(status)
            .tasks()
            .map(|(id, state, task)| vec![format!("task {id}"), state.to_owned(), of(task), first(task)]),
    );
    table(&["PART", "STATE", "WORKER", "WHY"], &rows)
}

pub async fn describe(worker: &WorkerApi, name: &str, output: Form) -> Result<(), Failure> {
    let what = format!("describe connector {name}");
    let info = worker.get(&what, &["connectors", name]).await?;
    let status = worker.find(&what, &["connectors", name, "status"]).await?.unwrap_or_else(|| json!({}));
    let progress = progress(worker, name).await?;
    // Tracking may be switched off, which says nothing about the connector.
    let topics = worker.try_ask("GET", &["connectors", name, "topics"], &[], None).await?;
    let topics = topics.ok().map(|topics| topics[name]["topics"].clone());
    if output != Form::Text {
        let failed: Vec<Value> = Status(&status).failed().iter().map(|(part, trace)| {
            let found = diagnosis::read(trace);
            json!({"part": part, "record": found.record, "stage": found.stage, "place": found.place, "causes": found.causes, "fix": found.fix})
        }).collect();
        return print_form(
            &json!({"info": info, "status": status, "topics": topics, "failures": failed, "progress": progress}),
            output,
        );
    }
    print(&description(name, &info, &status, topics.as_ref(), &progress))
}

fn description(name: &str, info: &Value, status: &Value, topics: Option<&Value>, progress: &Value) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("writing to a String never fails");
    line(format!("Name   {name}"));
    line(format!("Type   {}", info["type"].as_str().unwrap_or("?")));
    line(format!("State  {}", Status(status).summary()));
    let topics =
        topics.and_then(Value::as_array).map(|topics| topics.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    if let Some(mut topics) = topics.filter(|topics| !topics.is_empty()) {
        topics.sort_unstable();
        line(format!("Topics {}", topics.join(", ")));
    }
    line(format!("\n{}", parts(status).trim_end()));
    let under_way = under_way(progress);
    if !under_way.is_empty() {
        line(format!("\n{}", under_way.trim_end()));
    }
    for (part, trace) in Status(status).failed() {
        line(format!("\nWhy {part} has failed"));
        let found = diagnosis::read(trace);
        for (number, cause) in found.causes.iter().enumerate() {
            line(format!(
                "  {} {}",
                if number == 0 { "cause: " } else { "   by: " },
                cause.replace('\n', "\n          ")
            ));
        }
        for (what, value) in [("stage: ", &found.stage), ("record:", &found.record), ("place: ", &found.place)] {
            if let Some(value) = value {
                line(format!("  {what} {value}"));
            }
        }
        if let Some(fix) = found.fix {
            line(format!("  to do:  {fix}; then: millstream connector restart {name} --only-failed"));
        }
    }
    line("\nConfiguration".to_owned());
    if let Some(config) = info["config"].as_object() {
        let mut keys: Vec<_> = config.iter().collect();
        keys.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in keys {
            line(format!("  {key}={}", value.as_str().map_or("null", |value| diff::shown(key, value))));
        }
    }
    text
}

pub async fn topics(worker: &WorkerApi, name: &str, reset: bool, output: Form) -> Result<(), Failure> {
    if reset {
        worker
            .ask(
                &format!("forget the topics of connector {name}"),
                "PUT",
                &["connectors", name, "topics", "reset"],
                &[],
                None,
            )
            .await?;
        return print(&format!("Forgot the topics of connector {name}.\n"));
    }
    let answer = worker.get(&format!("read the topics of connector {name}"), &["connectors", name, "topics"]).await?;
    if output != Form::Text {
        return print_form(&answer, output);
    }
    let mut topics: Vec<&str> =
        answer[name]["topics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    topics.sort_unstable();
    print(&topics.iter().map(|topic| format!("{topic}\n")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_task_is_described_from_its_status_alone() {
        let trace = "C: Tolerance exceeded in error handler\n\tat VALUE_CONVERTER by value.converter (J), record {topic='t'}; with errors.tolerance=all it would be skipped\nCaused by: D: not JSON\n";
        let status = json!({"connector": {"state": "RUNNING", "worker_id": "w:1"}, "tasks": [{"id": 0, "state": "FAILED", "worker_id": "w:1", "trace": trace}]});
        let info = json!({"type": "sink", "config": {"a.password": "x", "topics": "t"}});
        let progress = json!([
            {"task": 0, "what": "table orders", "done": 50.0, "total": 200.0, "unit": "rows"},
            {"task": 1, "what": "a.txt", "done": 7.0, "total": null, "unit": "bytes"},
        ]);
        let text = description("c", &info, &status, Some(&json!(["b", "a"])), &progress);
        for line in [
            "Topics a, b",
            "task 0     FAILED   w:1     C: Tolerance exceeded in error handler",
            "task 0 works on table orders: 50 of 200 rows (25 %)",
            "task 1 works on a.txt: 7 bytes",
            "  cause:  C: Tolerance exceeded in error handler",
            "     by:  D: not JSON",
            "  stage:  VALUE_CONVERTER by value.converter (J)",
            "  record: {topic='t'}",
            "  a.password=[hidden]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.contains("millstream connector restart c --only-failed"));
    }
}
