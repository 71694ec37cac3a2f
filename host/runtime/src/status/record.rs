//! Statuses as records of Connect's status topic: their keys and values, byte for byte.

use millstream_connector::TaskId;
use serde_json::{Value, json};

use super::{Instance, InstanceStatus, State, TopicUse};

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";

const USED_BY: &str = ":connector-";

/// What a record is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum StatusKey {
    /// The status of a connector or a task.
    Of(Instance),
    /// A topic that a connector uses.
    ActiveTopic { topic: String, connector: String },
}

/// What a record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum StatusValue {
    Of(InstanceStatus),
    ActiveTopic(TopicUse),
}

/// The key under which a status stands.
pub(super) fn key_of(of: &StatusKey) -> String {
    match of {
        StatusKey::Of(Instance::Connector(name)) => format!("{CONNECTOR}{name}"),
        StatusKey::Of(Instance::Task(TaskId { connector, number })) => format!("{TASK}{connector}-{number}"),
        StatusKey::ActiveTopic { topic, connector } => format!("{TOPIC}{topic}{USED_BY}{connector}"),
    }
}

/// What a key is about; `None` for one that Connect does not write.
pub(super) fn read_key(key: &str) -> Option<StatusKey> {
    if let Some(name) = key.strip_prefix(CONNECTOR) {
        return Some(StatusKey::Of(Instance::Connector(name.to_owned())));
    }
    if let Some(id) = key.strip_prefix(TASK) {
        let (connector, number) = id.rsplit_once('-')?;
        let task = TaskId { connector: connector.to_owned(), number: number.parse().ok()? };
        return Some(StatusKey::Of(Instance::Task(task)));
    }
    // No topic has a colon in its name.
    let (topic, connector) = key.strip_prefix(TOPIC)?.split_once(USED_BY)?;
    Some(StatusKey::ActiveTopic { topic: topic.to_owned(), connector: connector.to_owned() })
}

/// The value of a status: compact JSON in Connect's order.
pub(super) fn value_of(value: &StatusValue) -> String {
    match value {
        StatusValue::Of(status) => status_of(status),
        StatusValue::ActiveTopic(TopicUse { topic, connector, task, discovered_ms }) => {
            let (topic, connector) = (json!(topic), json!(connector));
            format!(
                r#"{{"topic":{{"name":{topic},"connector":{connector},"task":{task},"discoverTimestamp":{discovered_ms}}}}}"#
            )
        }
    }
}

fn status_of(status: &InstanceStatus) -> String {
    let InstanceStatus { state, worker_id, generation, trace, version } = status;
    let (state, trace, worker_id, version) = (json!(state.name()), json!(trace), json!(worker_id), json!(version));
    format!(
        r#"{{"state":{state},"trace":{trace},"worker_id":{worker_id},"generation":{generation},"version":{version}}}"#
    )
}

/// Reads a status.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read_value(bytes: &[u8]) -> Result<InstanceStatus, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("its value is not JSON: {error}"))?;
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let state = text("state").ok_or("its value has no usable 'state'")?;
    let state = State::ALL.into_iter().find(|known| known.name() == state);
    let generation = value.get("generation").and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
    Ok(InstanceStatus {
        state: state.ok_or("its value has a 'state' that is none of Connect's")?,
        worker_id: text("worker_id").ok_or("its value has no usable 'worker_id'")?,
        generation: generation.ok_or("its value has no usable 'generation'")?,
        trace: text("trace"),
        version: text("version"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, trace: Option<&str>, version: Option<&str>) -> InstanceStatus {
        InstanceStatus {
            state,
            worker_id: "127.0.0.1:24083".to_owned(),
            generation: 7,
            trace: trace.map(str::to_owned),
            version: version.map(str::to_owned),
        }
    }

    #[test]
    fn statuses_have_the_bytes_that_connect_4_3_wrote() {
        for (status, bytes) in [
            (
                status(State::Running, None, Some("4.3.0")),
                r#"{"state":"RUNNING","trace":null,"worker_id":"127.0.0.1:24083","generation":7,"version":"4.3.0"}"#,
            ),
            (
                status(State::Restarting, None, None),
                r#"{"state":"RESTARTING","trace":null,"worker_id":"127.0.0.1:24083","generation":7,"version":null}"#,
            ),
            (
                status(State::Failed, Some("a \"b\"\n\tc"), None),
                r#"{"state":"FAILED","trace":"a \"b\"\n\tc","worker_id":"127.0.0.1:24083","generation":7,"version":null}"#,
            ),
        ] {
            assert_eq!(status_of(&status), bytes);
            assert_eq!(read_value(bytes.as_bytes()), Ok(status));
        }
    }

    #[test]
    fn keys_name_connectors_and_tasks_whatever_their_names_look_like() {
        let task = |connector: &str, number| Instance::Task(TaskId { connector: connector.to_owned(), number });
        for (of, key) in [
            (Instance::Connector("src-1".to_owned()), "status-connector-src-1"),
            (task("src-1", 0), "status-task-src-1-0"),
            (task("a", 12), "status-task-a-12"),
        ] {
            let of = StatusKey::Of(of);
            assert_eq!(key_of(&of), key);
            assert_eq!(read_key(key), Some(of));
        }
        let used = StatusKey::ActiveTopic { topic: "a-b".to_owned(), connector: "src:connector-1".to_owned() };
        assert_eq!(key_of(&used), "status-topic-a-b:connector-src:connector-1");
        assert_eq!(read_key("status-topic-a-b:connector-src:connector-1"), Some(used));
        for key in ["status-task-a", "status-task-a-x", "status-topic-a", "other"] {
            assert_eq!(read_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_use_of_a_topic_has_the_bytes_that_connect_4_3_wrote() {
        let used =
            TopicUse { topic: "t".to_owned(), connector: "k".to_owned(), task: 0, discovered_ms: 1_796_019_273_108 };
        let bytes = r#"{"topic":{"name":"t","connector":"k","task":0,"discoverTimestamp":1796019273108}}"#;
        assert_eq!(value_of(&StatusValue::ActiveTopic(used)), bytes);
    }

    #[test]
    fn a_value_that_is_no_status_says_why() {
        for (value, reason) in [
            ("{", "not JSON"),
            ("{}", "'state'"),
            (r#"{"state":"DESTROYED","worker_id":"w","generation":1}"#, "none of Connect's"),
            (r#"{"state":"RUNNING","generation":1}"#, "'worker_id'"),
            (r#"{"state":"RUNNING","worker_id":"w","generation":"1"}"#, "'generation'"),
        ] {
            let error = read_value(value.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{value}: {error}");
        }
    }

    #[test]
    fn a_status_of_before_versions_were_written_has_none() {
        let read = read_value(br#"{"state":"RUNNING","trace":null,"worker_id":"w","generation":1}"#);
        assert_eq!(read.map(|status| status.version), Ok(None));
    }
}
