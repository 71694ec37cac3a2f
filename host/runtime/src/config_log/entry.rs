//! One entry of the config log: a change that a user or a connector made, and its bytes in Connect's config topic.

use millstream_config::ConfigMap;
use serde_json::{Map, Value, json};

use super::TargetState;

/// A change of the state that all workers share.
///
/// Keys, values and the order of their fields are those of Connect's config topic (its `KafkaConfigBackingStore`), so
/// that either side reads what the other wrote. `None` stands for a tombstone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// The configuration of a connector, as submitted: variables are not resolved.
    Connector {
        /// The connector.
        name: String,
        /// Its properties; `None` deletes it.
        config: Option<ConfigMap>,
    },
    /// What a connector is to be. `None`: nothing said any more.
    Target {
        /// The connector.
        name: String,
        /// What it is to be.
        target: Option<TargetState>,
    },
    /// The configuration of one task; it takes effect with the next [`Entry::Commit`] of its connector.
    Task {
        /// The connector.
        name: String,
        /// Which of its tasks.
        number: u32,
        /// Its properties; a tombstone means nothing.
        config: Option<ConfigMap>,
    },
    /// Makes the configurations of the tasks below `tasks` effective. A tombstone means nothing.
    Commit {
        /// The connector.
        name: String,
        /// How many tasks it has from here on.
        tasks: Option<u32>,
    },
    /// How many transactional producers of a connector's tasks there were when they were fenced last.
    Fencing {
        /// The connector.
        name: String,
        /// How many.
        tasks: Option<u32>,
    },
    /// Claims the lease of a connector for one of its tasks; where it stands in the log makes the epoch. Connect knows
    /// no such entry, and its workers leave it out.
    Lease {
        /// The connector.
        name: String,
        /// Who claims it. A tombstone means nothing.
        claim: Option<LeaseClaim>,
    },
    /// The key with which workers sign what they ask of each other.
    SessionKey(Option<SessionKey>),
    /// Asks for a restart. Means something only to workers that read it while they run.
    Restart {
        /// The connector.
        name: String,
        /// Its tasks too.
        include_tasks: bool,
        /// Only what has failed.
        only_failed: bool,
    },
    /// The level of a logger on all workers. Means something only to workers that read it while they run.
    LoggerLevel {
        /// The logger.
        logger: String,
        /// The level's name, as it was sent.
        level: String,
    },
}

/// See [`Entry::Lease`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeaseClaim {
    /// The worker that the task runs on, for people.
    pub worker: String,
    /// Which of the connector's tasks.
    pub task: u32,
    /// Tells this claim from every other.
    pub token: String,
    /// What the entry's position is added to.
    pub base: u64,
}

/// See [`Entry::SessionKey`].
#[derive(Clone, Eq, PartialEq)]
pub struct SessionKey {
    /// The secret, in base64.
    pub key: String,
    /// For which algorithm, such as `HmacSHA256`.
    pub algorithm: String,
    /// When it was made, in milliseconds of Unix time.
    pub created_ms: i64,
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key itself appears in no log.
        f.debug_struct("SessionKey")
            .field("algorithm", &self.algorithm)
            .field("created_ms", &self.created_ms)
            .finish_non_exhaustive()
    }
}

/// Why a record of the config topic is no entry.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidEntry {
    /// The value is not JSON. Connect's reader does not count such a record as read.
    #[error("the value of config record '{}' is not JSON: {reason}", shortened(key))]
    NotJson {
        key: String,
        /// What the parser says.
        reason: String,
    },
    /// The key is none that Connect writes.
    #[error("config record '{}' has a key of no known kind", shortened(key))]
    UnknownKey { key: String },
    /// The value is JSON, but not of the key's kind.
    #[error("the value of config record '{}' has no usable '{field}'", shortened(key))]
    Malformed {
        key: String,
        /// What is missing or of a wrong type.
        field: &'static str,
    },
}

/// The key of a record may be as long as the record. Its first characters tell which one it is.
fn shortened(key: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = key.chars().take(SHOWN).collect();
    if shown.len() < key.len() {
        shown.push('…');
    }
    shown
}

const TARGET: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const RESTART: &str = "restart-connector-";
const FENCING: &str = "tasks-fencing-";
const SESSION_KEY: &str = "session-key";
const LEASE: &str = "lease-";
const LOGGER: &str = "logger-cluster-";

impl Entry {
    /// A set of task configurations, and what makes it effective.
    pub fn task_set(name: &str, configs: Vec<ConfigMap>) -> Vec<Self> {
        let tasks = u32::try_from(configs.len()).unwrap_or(u32::MAX);
        let entry = |(number, config)| Self::Task { name: name.to_owned(), number, config: Some(config) };
        let commit = Self::Commit { name: name.to_owned(), tasks: Some(tasks) };
        (0..tasks).zip(configs).map(entry).chain([commit]).collect()
    }

    /// Whether the leader of the group alone writes such entries.
    pub fn is_privileged(&self) -> bool {
        !matches!(self, Self::Target { .. } | Self::Lease { .. } | Self::LoggerLevel { .. })
    }

    /// The record's key.
    pub fn key(&self) -> String {
        match self {
            Self::Connector { name, .. } => format!("{CONNECTOR}{name}"),
            Self::Target { name, .. } => format!("{TARGET}{name}"),
            Self::Task { name, number, .. } => format!("{TASK}{name}-{number}"),
            Self::Commit { name, .. } => format!("{COMMIT}{name}"),
            Self::Fencing { name, .. } => format!("{FENCING}{name}"),
            Self::Lease { name, .. } => format!("{LEASE}{name}"),
            Self::SessionKey(_) => SESSION_KEY.to_owned(),
            Self::Restart { name, .. } => format!("{RESTART}{name}"),
            Self::LoggerLevel { logger, .. } => format!("{LOGGER}{logger}"),
        }
    }

    /// The record's value: compact JSON, or `None` for a tombstone.
    pub fn value(&self) -> Option<String> {
        let value = match self {
            Self::Connector { config, .. } | Self::Task { config, .. } => json!({ "properties": config.as_ref()? }),
            Self::Target { target, .. } => {
                // Workers of before KIP-875 know `state` alone, and no STOPPED.
                let target = (*target)?;
                let old = if target == TargetState::Stopped { TargetState::Paused } else { target };
                json!({ "state": old.name(), "state.v2": target.name() })
            }
            Self::Commit { tasks, .. } => json!({ "tasks": (*tasks)? }),
            Self::Fencing { tasks, .. } => json!({ "task-count": (*tasks)? }),
            Self::Lease { claim, .. } => {
                let LeaseClaim { worker, task, token, base } = claim.as_ref()?;
                json!({ "worker": worker, "task": task, "token": token, "base": base })
            }
            Self::SessionKey(key) => {
                let key = key.as_ref()?;
                json!({ "key": key.key, "algorithm": key.algorithm, "creation-timestamp": key.created_ms })
            }
            Self::Restart { include_tasks, only_failed, .. } => {
                json!({ "include-tasks": include_tasks, "only-failed": only_failed })
            }
            Self::LoggerLevel { level, .. } => json!({ "level": level }),
        };
        Some(value.to_string())
    }

    /// Reads a record. Kinds are told apart by prefix in the order in which Connect looks for them.
    ///
    /// # Errors
    ///
    /// The record is to be left out; [`InvalidEntry::NotJson`] is not even counted as read.
    pub fn read(key: &str, value: Option<&[u8]>) -> Result<Self, InvalidEntry> {
        let value = match value {
            None => Value::Null,
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| InvalidEntry::NotJson { key: key.to_owned(), reason: error.to_string() })?,
        };
        let malformed = |field| InvalidEntry::Malformed { key: key.to_owned(), field };
        let name = |prefix| key.strip_prefix(prefix).map(str::to_owned);
        if let Some(name) = name(TARGET) {
            let target =
                if value.is_null() { None } else { Some(target_of(&value).ok_or_else(|| malformed("state"))?) };
            return Ok(Self::Target { name, target });
        }
        if let Some(name) = name(CONNECTOR) {
            return Ok(Self::Connector { name, config: properties(&value).map_err(malformed)? });
        }
        if let Some(id) = name(TASK) {
            let split = id.rsplit_once('-').and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
            let (name, number) = split.ok_or_else(|| InvalidEntry::UnknownKey { key: key.to_owned() })?;
            return Ok(Self::Task { name, number, config: properties(&value).map_err(malformed)? });
        }
        if let Some(name) = name(COMMIT) {
            return Ok(Self::Commit { name, tasks: count(&value, "tasks").map_err(malformed)? });
        }
        if let Some(name) = name(RESTART) {
            let flag = |field| value.get(field).and_then(Value::as_bool).unwrap_or(false);
            if !value.is_object() {
                return Err(malformed("include-tasks"));
            }
            return Ok(Self::Restart { name, include_tasks: flag("include-tasks"), only_failed: flag("only-failed") });
        }
        if let Some(name) = name(FENCING) {
            return Ok(Self::Fencing { name, tasks: count(&value, "task-count").map_err(malformed)? });
        }
        if let Some(name) = name(LEASE) {
            return Ok(Self::Lease { name, claim: lease_claim(&value).map_err(malformed)? });
        }
        if key == SESSION_KEY {
            if value.is_null() {
                return Ok(Self::SessionKey(None));
            }
            let text = |field| value.get(field).and_then(Value::as_str).map(str::to_owned);
            return Ok(Self::SessionKey(Some(SessionKey {
                key: text("key").ok_or_else(|| malformed("key"))?,
                algorithm: text("algorithm").ok_or_else(|| malformed("algorithm"))?,
                created_ms: value
                    .get("creation-timestamp")
                    .and_then(Value::as_i64)
                    .ok_or_else(|| malformed("creation-timestamp"))?,
            })));
        }
        if let Some(logger) = name(LOGGER) {
            let level = value.get("level").and_then(Value::as_str).ok_or_else(|| malformed("level"))?;
            return Ok(Self::LoggerLevel { logger, level: level.to_owned() });
        }
        Err(InvalidEntry::UnknownKey { key: key.to_owned() })
    }
}

/// `state.v2` if that is a text, else `state`.
fn target_of(value: &Value) -> Option<TargetState> {
    let text = value.get("state.v2").and_then(Value::as_str).or_else(|| value.get("state").and_then(Value::as_str))?;
    [TargetState::Started, TargetState::Paused, TargetState::Stopped].into_iter().find(|state| state.name() == text)
}

fn properties(value: &Value) -> Result<Option<ConfigMap>, &'static str> {
    if value.is_null() {
        return Ok(None);
    }
    let properties: &Map<String, Value> = value.get("properties").and_then(Value::as_object).ok_or("properties")?;
    let one = |(key, value): (&String, &Value)| match value {
        Value::Null => Ok((key.clone(), None)),
        Value::String(text) => Ok((key.clone(), Some(text.clone()))),
        _ => Err("properties"),
    };
    properties.iter().map(one).collect::<Result<_, _>>().map(Some)
}

fn lease_claim(value: &Value) -> Result<Option<LeaseClaim>, &'static str> {
    if value.is_null() {
        return Ok(None);
    }
    let text = |field| value.get(field).and_then(Value::as_str).map(str::to_owned).ok_or(field);
    let number = |field| value.get(field).and_then(Value::as_u64).ok_or(field);
    Ok(Some(LeaseClaim {
        worker: text("worker")?,
        task: u32::try_from(number("task")?).map_err(|_| "task")?,
        token: text("token")?,
        base: number("base")?,
    }))
}

fn count(value: &Value, field: &'static str) -> Result<Option<u32>, &'static str> {
    if value.is_null() {
        return Ok(None);
    }
    let number = value.get(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.map(Some).ok_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, Option<&str>)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn entries_have_the_bytes_of_connects_config_topic() {
        let name = || "a-b".to_owned();
        for (entry, key, value) in [
            (
                Entry::Connector { name: name(), config: Some(config(&[("k", Some("v")), ("n", None)])) },
                "connector-a-b",
                Some(r#"{"properties":{"k":"v","n":null}}"#),
            ),
            (Entry::Connector { name: name(), config: None }, "connector-a-b", None),
            (
                Entry::Target { name: name(), target: Some(TargetState::Stopped) },
                "target-state-a-b",
                Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
            ),
            (
                Entry::Target { name: name(), target: Some(TargetState::Paused) },
                "target-state-a-b",
                Some(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#),
            ),
            (
                Entry::Task { name: name(), number: 7, config: Some(config(&[])) },
                "task-a-b-7",
                Some(r#"{"properties":{}}"#),
            ),
            (Entry::Commit { name: name(), tasks: Some(2) }, "commit-a-b", Some(r#"{"tasks":2}"#)),
            (Entry::Fencing { name: name(), tasks: Some(2) }, "tasks-fencing-a-b", Some(r#"{"task-count":2}"#)),
            (
                Entry::Lease {
                    name: name(),
                    claim: Some(LeaseClaim {
                        worker: "w:8083".to_owned(),
                        task: 3,
                        token: "9f".to_owned(),
                        base: 1 << 60,
                    }),
                },
                "lease-a-b",
                Some(r#"{"worker":"w:8083","task":3,"token":"9f","base":1152921504606846976}"#),
            ),
            (Entry::Lease { name: name(), claim: None }, "lease-a-b", None),
            (
                Entry::SessionKey(Some(SessionKey {
                    key: "c2VjcmV0".to_owned(),
                    algorithm: "HmacSHA256".to_owned(),
                    created_ms: 12,
                })),
                "session-key",
                Some(r#"{"key":"c2VjcmV0","algorithm":"HmacSHA256","creation-timestamp":12}"#),
            ),
            (
                Entry::Restart { name: name(), include_tasks: true, only_failed: false },
                "restart-connector-a-b",
                Some(r#"{"include-tasks":true,"only-failed":false}"#),
            ),
            (
                Entry::LoggerLevel { logger: "org.x".to_owned(), level: "debug".to_owned() },
                "logger-cluster-org.x",
                Some(r#"{"level":"debug"}"#),
            ),
        ] {
            assert_eq!((entry.key().as_str(), entry.value().as_deref()), (key, value));
            assert_eq!(Entry::read(key, value.map(str::as_bytes)), Ok(entry), "{key}");
        }
    }

    #[test]
    fn a_target_state_of_an_old_worker_is_read() {
        let read = |value: &str| Entry::read("target-state-c", Some(value.as_bytes()));
        let target = |target| Ok(Entry::Target { name: "c".to_owned(), target: Some(target) });
        assert_eq!(read(r#"{"state":"STARTED"}"#), target(TargetState::Started));
        assert_eq!(read(r#"{"state.v2":7,"state":"PAUSED"}"#), target(TargetState::Paused));
        let malformed = Err(InvalidEntry::Malformed { key: "target-state-c".to_owned(), field: "state" });
        assert_eq!(read(r#"{"state.v2":"ODD","state":"PAUSED"}"#), malformed);
        assert_eq!(read("{}"), malformed);
    }

    #[test]
    fn a_record_that_is_no_entry_says_why() {
        for (key, value, field) in [
            ("connector-c", r#"{"properties":7}"#, "properties"),
            ("connector-c", r#"{"properties":{"k":7}}"#, "properties"),
            ("commit-c", r#"{"tasks":"2"}"#, "tasks"),
            ("commit-c", r#"{"tasks":-1}"#, "tasks"),
            ("tasks-fencing-c", "[]", "task-count"),
            ("lease-c", r#"{"worker":"w","task":-1,"token":"x","base":0}"#, "task"),
            ("lease-c", r#"{"worker":"w","task":0,"base":0}"#, "token"),
            ("session-key", r#"{"key":"x"}"#, "algorithm"),
            ("logger-cluster-x", "7", "level"),
        ] {
            let expected = Err(InvalidEntry::Malformed { key: key.to_owned(), field });
            assert_eq!(Entry::read(key, Some(value.as_bytes())), expected, "{key} {value}");
        }
        for key in ["other", "task-c", "task-c-x", "Connector-c"] {
            assert_eq!(Entry::read(key, None), Err(InvalidEntry::UnknownKey { key: key.to_owned() }));
        }
        assert!(matches!(Entry::read("connector-c", Some(b"{")), Err(InvalidEntry::NotJson { .. })));
    }

    #[test]
    fn a_missing_flag_of_a_restart_is_false() {
        let restart = Entry::Restart { name: "c".to_owned(), include_tasks: false, only_failed: false };
        assert_eq!(Entry::read("restart-connector-c", Some(b"{}")), Ok(restart));
    }
}
