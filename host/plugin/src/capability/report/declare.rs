//! `"opens": {"topic": "write", "default": "${connector}-error", "replication": key}`.

use millstream_config::{ConfigDef, ConfigMap, Opens};
use serde_json::Value;

use super::check::topic;
use crate::capability::{Allowed, CapabilityStates, Opening, value_of};

/// The member of `opens` that means a topic.
pub(super) const WORD: &str = "topic";

/// Replicas of a topic that is made, unless the key says otherwise; the built-in broker has one.
const REPLICATION: i16 = 3;

/// A key whose value names a topic to write to.
#[derive(Clone, Debug, Eq, PartialEq)]
struct NamesTopic {
    /// What holds if the key is not set; an empty value names no topic.
    default: Option<String>,
    /// The key that has the replication factor.
    replication: Option<String>,
}

pub(super) fn read(opens: &Opens, _: &ConfigDef) -> Option<Box<dyn Opening>> {
    Some(Box::new(names_topic(opens)?))
}

fn names_topic(opens: &Opens) -> Option<NamesTopic> {
    let members = opens.members();
    if members.get(WORD)?.as_str()? != "write" {
        return None;
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => Some(Some(value.as_str()?.to_owned())),
    };
    Some(NamesTopic { default: text("default")?, replication: text("replication")? })
}

impl Opening for NamesTopic {
    fn check(&self, value: &str, config: &ConfigMap, _allowed: &Allowed) -> Result<(), String> {
        topic(value, config).map(drop)
    }

    fn grant(&self, key: &str, value: Option<&str>, config: &ConfigMap, states: &mut CapabilityStates) {
        let is_set = config.get(key).is_some_and(Option::is_some);
        let value = value.or_else(|| self.default.as_deref().filter(|_| !is_set));
        // The configuration was checked; what names no topic opens none.
        let Some(topic) = value.and_then(|value| topic(value, config).ok()) else { return };
        let replication = self.replication.as_deref().and_then(|key| value_of(config, key)?.parse().ok());
        states.report.grant(key, topic, replication.unwrap_or(REPLICATION));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_says_that_a_topic_is_written_and_what_it_is_called_by_itself() {
        let read = |json: Value| names_topic(&Opens::from_json(&json).unwrap());
        let expected = NamesTopic { default: Some("${connector}-x".into()), replication: None };
        assert_eq!(read(json!({"topic": "write", "default": "${connector}-x"})), Some(expected));
        assert_eq!(read(json!({"topic": "read"})), None);
        assert_eq!(read(json!({"topic": "write", "default": 1})), None);
    }
}
