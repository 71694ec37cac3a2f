//! What the API shows, with Connect's member order.

use millstream_config::ConfigMap;
use millstream_runtime::herder::{ConnectorInfo, ConnectorStatus, InstanceStatus, TaskInfo};
use serde_json::{Map, Value, json};

/// A configuration as it was submitted.
pub(crate) fn config(config: &ConfigMap) -> Value {
    config.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>().into()
}

/// A connector.
pub(crate) fn info(info: &ConnectorInfo) -> Value {
    let tasks: Vec<Value> =
        info.tasks.iter().map(|task| json!({"connector": task.connector, "task": task.number})).collect();
    json!({"name": info.name, "config": config(&info.config), "tasks": tasks, "type": info.kind.name()})
}

/// The status of a connector.
pub(crate) fn status(status: &ConnectorStatus) -> Value {
    let tasks: Vec<Value> = status.tasks.iter().map(|(number, task)| task_status(*number, task)).collect();
    json!({
        "name": status.name,
        "connector": instance(Map::new(), &status.connector),
        "tasks": tasks,
        "type": status.kind.name(),
    })
}

/// The status of a task.
pub(crate) fn task_status(number: u32, status: &InstanceStatus) -> Value {
    instance(Map::from_iter([("id".to_owned(), json!(number))]), status)
}

fn instance(mut members: Map<String, Value>, status: &InstanceStatus) -> Value {
    members.insert("state".to_owned(), json!(status.state.name()));
    members.insert("worker_id".to_owned(), json!(status.worker_id));
    if let Some(version) = &status.version {
        members.insert("version".to_owned(), json!(version));
    }
    if let Some(trace) = status.trace.as_deref().filter(|trace| !trace.is_empty()) {
        members.insert("trace".to_owned(), json!(trace));
    }
    members.into()
}

/// Tasks with their configurations.
pub(crate) fn tasks(tasks: &[TaskInfo]) -> Value {
    tasks
        .iter()
        .map(|task| {
            json!({
                "id": {"connector": task.id.connector, "task": task.id.number},
                "config": config(&task.config),
            })
        })
        .collect()
}
