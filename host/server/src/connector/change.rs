//! `create`, `apply`, `diff`, `delete`, and changes of state.

use millstream_config::{ConfigMap, InitialState};
use serde_json::{Value, json};

use super::{
    args::{Files, Wait},
    diff,
    documents::{self, Document},
    state::{self, Goal},
};
use crate::{
    exit::{Failure, NO, REFUSED},
    output::print,
    worker_api::WorkerApi,
};

pub async fn create(worker: &WorkerApi, files: &Files, wait: Wait) -> Result<(), Failure> {
    let mut each = Each::default();
    for document in documents::read_all(&files.files)? {
        let done = post(worker, &document).await;
        each.take(async { done.map(|()| format!("Created connector {}.", document.name)) }.await, &document.name)?;
    }
    each.wait(worker, wait).await
}

async fn post(worker: &WorkerApi, document: &Document) -> Result<(), Failure> {
    let Document { name, config, initial_state, .. } = document;
    let mut body = json!({"name": name, "config": config});
    if let Some(state) = initial_state {
        body["initial_state"] = json!(match state {
            InitialState::Running => "RUNNING",
            InitialState::Paused => "PAUSED",
            InitialState::Stopped => "STOPPED",
        });
    }
    worker.ask(&format!("create connector {name}"), "POST", &["connectors"], &[], Some(&body)).await.map(|_| ())
}

pub async fn apply(worker: &WorkerApi, files: &Files, dry_run: bool, wait: Wait) -> Result<(), Failure> {
    let mut each = Each::default();
    for document in documents::read_all(&files.files)? {
        let result = if dry_run { preview(worker, &document).await } else { apply_one(worker, &document).await };
        each.take(result, &document.name)?;
    }
    if dry_run { each.end() } else { each.wait(worker, wait).await }
}

async fn apply_one(worker: &WorkerApi, document: &Document) -> Result<String, Failure> {
    let name = &document.name;
    let Some(current) = current(worker, name).await? else {
        match document.initial_state {
            Some(_) => post(worker, document).await?,
            None => put(worker, name, &document.config).await?,
        }
        return Ok(format!("Created connector {name}."));
    };
    if diff::lines(&current, &document.config).is_empty() {
        return Ok(format!("Connector {name} is so already."));
    }
    put(worker, name, &document.config).await?;
    Ok(format!("Changed connector {name}."))
}

/// What would be done, and whether the worker would take it.
async fn preview(worker: &WorkerApi, document: &Document) -> Result<String, Failure> {
    let name = &document.name;
    let current = current(worker, name).await?;
    let lines = diff::lines(current.as_ref().unwrap_or(&ConfigMap::new()), &document.config);
    let text = match (&current, lines.is_empty()) {
        (None, _) => format!("Connector {name} would be created:\n{}", indented(&lines)),
        (Some(_), true) => format!("Connector {name} is so already."),
        (Some(_), false) => format!("Connector {name} would be changed:\n{}", indented(&lines)),
    };
    let errors = validate(worker, name, &document.config).await?;
    if errors.is_empty() {
        return Ok(text);
    }
    print(&format!("{text}\n"))?;
    Err(Failure::new(REFUSED, format!("connector {name} is not valid:\n{}", indented(&errors))))
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

pub async fn differences(worker: &WorkerApi, files: &Files) -> Result<(), Failure> {
    let mut differ = Vec::new();
    for document in documents::read_all(&files.files)? {
        let name = &document.name;
        let current = current(worker, name).await?;
        let lines = diff::lines(current.as_ref().unwrap_or(&ConfigMap::new()), &document.config);
        if current.is_none() || !lines.is_empty() {
            let heading = if current.is_none() { " (not there)" } else { "" };
            print(&format!("Connector {name}{heading}:\n{}\n", indented(&lines)))?;
            differ.push(name.clone());
        }
    }
    if differ.is_empty() {
        return print("Nothing differs.\n");
    }
    Err(Failure::new(NO, format!("what runs differs from the files: {}", differ.join(", "))))
}

/// A connector's configuration; `None` if there is none of that name.
///
/// # Errors
///
/// The worker cannot be asked.
pub async fn current(worker: &WorkerApi, name: &str) -> Result<Option<ConfigMap>, Failure> {
    let config = worker.find(&format!("read connector {name}"), &["connectors", name, "config"]).await?;
    Ok(config.map(|config| config_map(&config)))
}

/// An object of texts.
pub fn config_map(config: &Value) -> ConfigMap {
    let entries = config.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect()
}

/// Creates or replaces.
///
/// # Errors
///
/// A refusal.
pub async fn put(worker: &WorkerApi, name: &str, config: &ConfigMap) -> Result<(), Failure> {
    let what = format!("apply connector {name}");
    worker.ask(&what, "PUT", &["connectors", name, "config"], &[], Some(&json!(config))).await.map(|_| ())
}

/// What the worker finds wrong with a configuration.
///
/// # Errors
///
/// It cannot be asked.
pub async fn validate(worker: &WorkerApi, name: &str, config: &ConfigMap) -> Result<Vec<String>, Failure> {
    let class = config.get("connector.class").and_then(Option::as_deref).unwrap_or("").trim();
    if class.is_empty() {
        return Ok(vec!["connector.class: it is missing, and says which connector this is".to_owned()]);
    }
    let mut config = config.clone();
    config.entry("name".to_owned()).or_insert_with(|| Some(name.to_owned()));
    let path = ["connector-plugins", class, "config", "validate"];
    let answer = match worker.try_ask("PUT", &path, &[], Some(&json!(config))).await? {
        Ok(answer) => answer,
        // Unknown classes, and values that stop validation, are refusals.
        Err(refusal) if refusal.status == 401 => return Err(refusal.failure(&format!("validate connector {name}"))),
        Err(refusal) => return Ok(vec![refusal.message]),
    };
    let mut errors = Vec::new();
    for value in answer["configs"].as_array().into_iter().flatten().map(|config| &config["value"]) {
        let key = value["name"].as_str().unwrap_or("?");
        errors.extend(
            value["errors"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|error| format!("{key}: {error}")),
        );
    }
    Ok(errors)
}

pub async fn delete(worker: &WorkerApi, names: &[String], if_exists: bool, wait: Wait) -> Result<(), Failure> {
    let mut each = Each::default();
    for name in names {
        let done = match worker.try_ask("DELETE", &["connectors", name], &[], None).await? {
            Ok(_) => Ok(format!("Deleted connector {name}.")),
            Err(refusal) if refusal.status == 404 && if_exists => Ok(format!("There is no connector {name}.")),
            Err(refusal) => Err(refusal.failure(&format!("delete connector {name}"))),
        };
        each.take(done, name)?;
    }
    each.wait_for(worker, wait, Goal::Gone).await
}

/// Pauses, resumes, stops: `verb` is the API's word, `done` what to say then.
pub async fn set_state(
    worker: &WorkerApi,
    names: &[String],
    verb: &str,
    done: &str,
    goal: Goal,
    wait: Wait,
) -> Result<(), Failure> {
    let mut each = Each::default();
    for name in names {
        let asked =
            worker.ask(&format!("{verb} connector {name}"), "PUT", &["connectors", name, verb], &[], None).await;
        each.take(asked.map(|_| format!("{done} connector {name}.")), name)?;
    }
    each.wait_for(worker, wait, goal).await
}

/// What to restart of a connector.
pub struct Restart {
    pub task: Option<u32>,
    pub only_failed: bool,
    pub without_tasks: bool,
}

pub async fn restart(worker: &WorkerApi, name: &str, what: &Restart, wait: Wait) -> Result<(), Failure> {
    let connector = format!("restart connector {name}");
    match what.task {
        Some(task) => {
            let number = task.to_string();
            let path = ["connectors", name, "tasks", &number, "restart"];
            worker.ask(&format!("restart task {task} of connector {name}"), "POST", &path, &[], None).await?;
            print(&format!("Restarted task {task} of connector {name}.\n"))?;
        }
        None => {
            let text = |flag: bool| if flag { "true" } else { "false" };
            let query = [("includeTasks", text(!what.without_tasks)), ("onlyFailed", text(what.only_failed))];
            let answer = worker.ask(&connector, "POST", &["connectors", name, "restart"], &query, None).await?;
            let restarted = restarted(&answer);
            print(&match restarted {
                Some(0) => format!("Nothing of connector {name} has failed.\n"),
                _ => format!("Restarted connector {name}.\n"),
            })?;
        }
    }
    match wait.bound() {
        Some(bound) => state::wait(worker, name, Goal::Running, bound).await,
        None => Ok(()),
    }
}

/// How many parts the answer to a restart names; nothing where it has none.
fn restarted(answer: &Value) -> Option<usize> {
    let tasks = answer.get("tasks")?.as_array()?;
    let parts = tasks.iter().chain([&answer["connector"]]);
    Some(parts.filter(|part| part["state"] == "RESTARTING").count())
}

/// Several connectors: each is tried, each is told of, and the first failure is the end's.
#[derive(Default)]
struct Each {
    done: Vec<String>,
    failed: Vec<Failure>,
}

impl Each {
    fn take(&mut self, result: Result<String, Failure>, name: &str) -> Result<(), Failure> {
        match result {
            Ok(text) => {
                self.done.push(name.to_owned());
                print(&format!("{text}\n"))
            }
            Err(failure) => {
                self.failed.push(failure);
                Ok(())
            }
        }
    }

    /// After a creation or a change: those that were asked to begin in another state are not waited for to run.
    async fn wait(self, worker: &WorkerApi, wait: Wait) -> Result<(), Failure> {
        self.wait_for(worker, wait, Goal::Running).await
    }

    async fn wait_for(mut self, worker: &WorkerApi, wait: Wait, goal: Goal) -> Result<(), Failure> {
        if let Some(bound) = wait.bound() {
            let deadline = tokio::time::Instant::now() + bound;
            for name in &self.done {
                let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                if let Err(failure) = state::wait(worker, name, goal, left).await {
                    self.failed.push(failure);
                }
            }
        }
        self.end()
    }

    fn end(self) -> Result<(), Failure> {
        let Some(first) = self.failed.first() else { return Ok(()) };
        let code = first.code;
        let messages: Vec<_> = self.failed.iter().map(|failure| failure.message.as_str()).collect();
        Err(Failure::new(code, messages.join("\nmillstream: ")))
    }
}
