//! The topics of a group of workers, as its configuration names them.

use std::collections::BTreeMap;

use millstream_config::{WorkerConfig, worker_key as key};
use millstream_record::{InvalidTopicName, TopicName};

use crate::kafka::LogTopic;

/// The topics, and what the user should know about their settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InternalTopics {
    /// What users and connectors change.
    pub configs: LogTopic,
    /// Source offsets.
    pub offsets: LogTopic,
    /// Statuses.
    pub statuses: LogTopic,
    /// What connectors keep under their leases; made only when one asks for it.
    pub leases: LogTopic,
    /// To be logged once.
    pub warnings: Vec<String>,
}

/// Why a key names no topic.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidInternalTopic {
    /// Its name cannot be one.
    #[error("Invalid value {value:?} for configuration {key}: {source}")]
    Name { key: &'static str, value: String, source: InvalidTopicName },
    /// Two stores would write over each other.
    #[error("{first} and {second} name the same topic, {topic}: give each a topic of its own")]
    Same { first: &'static str, second: &'static str, topic: TopicName },
}

/// What a topic-level setting is not.
const OWN: [&str; 4] = ["topic", "partitions", "replication.factor", "file.filename"];

/// What stands behind the name of the group in the name of the topic of leases, unless a key names one.
const LEASES: &str = "-kv";

const CLEANUP_POLICY: &str = "cleanup.policy";

impl InternalTopics {
    /// Reads a worker's configuration.
    ///
    /// # Errors
    ///
    /// See [`InvalidInternalTopic`].
    pub fn of(worker: &WorkerConfig) -> Result<Self, InvalidInternalTopic> {
        let config = worker.config();
        let mut warnings = Vec::new();
        let configs_key = key::CONFIG_TOPIC.name();
        let may_create = key::INTERNAL_TOPIC_CREATION.get(config);
        let mut topic = |name_key: &'static str, name: String, purpose, partitions: Option<i32>, replication: i16| {
            let prefix = name_key.trim_end_matches("topic");
            let mut configs = BTreeMap::new();
            for (key, value) in config.originals_with_prefix(prefix) {
                let Some(value) = value else { continue };
                match key.as_str() {
                    CLEANUP_POLICY => warnings
                        .push(format!("{prefix}{CLEANUP_POLICY}={value} is ignored: the topic is always compacted")),
                    "partitions" if partitions.is_none() => {
                        warnings.push(format!("{prefix}{key}={value} is ignored: the topic always has one partition"));
                    }
                    own if OWN.contains(&own) => {}
                    _ => drop(configs.insert(key, value)),
                }
            }
            let parsed = TopicName::parse(name.trim());
            Ok(LogTopic {
                name: parsed.map_err(|source| InvalidInternalTopic::Name { key: name_key, value: name, source })?,
                key: name_key,
                purpose,
                partitions: partitions.map_or(Some(1), |count| u32::try_from(count).ok()),
                replication_factor: u16::try_from(replication).ok(),
                configs,
                single_partition: partitions.is_none(),
                may_create,
            })
        };
        let configs = topic(
            configs_key,
            key::CONFIG_TOPIC.get(config),
            "connector configurations",
            None,
            key::CONFIG_TOPIC_REPLICATION.get(config),
        )?;
        let offsets = topic(
            key::OFFSET_TOPIC.name(),
            key::OFFSET_TOPIC.get(config),
            "source connector offsets",
            Some(key::OFFSET_TOPIC_PARTITIONS.get(config)),
            key::OFFSET_TOPIC_REPLICATION.get(config),
        )?;
        let statuses = topic(
            key::STATUS_TOPIC.name(),
            key::STATUS_TOPIC.get(config),
            "connector and task statuses",
            Some(key::STATUS_TOPIC_PARTITIONS.get(config)),
            key::STATUS_TOPIC_REPLICATION.get(config),
        )?;
        let leases = topic(
            key::KV_TOPIC.name(),
            key::KV_TOPIC.get(config).unwrap_or_else(|| format!("{}{LEASES}", key::GROUP_ID.get(config))),
            "what connectors keep under their leases",
            None,
            key::KV_TOPIC_REPLICATION.get(config),
        )?;
        let all = [&configs, &offsets, &statuses, &leases];
        for (one, other) in (0..all.len()).flat_map(|at| all[at + 1..].iter().map(move |other| (all[at], *other))) {
            if one.name == other.name {
                let (first, second, topic) = (one.key, other.key, one.name.clone());
                return Err(InvalidInternalTopic::Same { first, second, topic });
            }
        }
        Ok(Self { configs, offsets, statuses, leases, warnings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_config::{ConfigMap, Mode};

    fn read(more: &[(&str, &str)]) -> Result<InternalTopics, String> {
        let base = [
            ("key.converter", "Json"),
            ("value.converter", "Json"),
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
        ];
        let properties: ConfigMap =
            base.iter().chain(more).map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let worker = WorkerConfig::parse(Mode::Distributed, &properties).map_err(|error| error.to_string())?;
        InternalTopics::of(&worker).map_err(|error| error.to_string())
    }

    #[test]
    fn topics_have_connects_defaults_and_take_its_settings() {
        let topics = read(&[]).unwrap();
        let shape = |topic: &LogTopic| (topic.partitions, topic.replication_factor, topic.single_partition);
        assert_eq!(shape(&topics.configs), (Some(1), Some(3), true));
        assert_eq!(shape(&topics.offsets), (Some(25), Some(3), false));
        assert_eq!(shape(&topics.statuses), (Some(5), Some(3), false));
        assert_eq!((topics.leases.name.as_str(), shape(&topics.leases)), ("g-kv", (Some(1), Some(3), true)));
        assert!(topics.warnings.is_empty() && topics.configs.may_create);
        let topics = read(&[
            ("offset.storage.partitions", "-1"),
            ("offset.storage.replication.factor", "-1"),
            ("offset.storage.min.insync.replicas", "2"),
            ("offset.storage.cleanup.policy", "delete"),
            ("config.storage.partitions", "7"),
            ("internal.topics.automatic.creation.enable", "false"),
            ("kv.storage.topic", "kept"),
            ("kv.storage.replication.factor", "1"),
            ("kv.storage.min.insync.replicas", "1"),
            ("kv.storage.file.filename", "not this mode's"),
        ])
        .unwrap();
        assert_eq!((topics.leases.name.as_str(), topics.leases.replication_factor), ("kept", Some(1)));
        assert_eq!(topics.leases.configs, BTreeMap::from([("min.insync.replicas".to_owned(), "1".to_owned())]));
        assert_eq!(shape(&topics.offsets), (None, None, false));
        assert_eq!(topics.offsets.configs, BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]));
        assert_eq!(shape(&topics.configs), (Some(1), Some(3), true));
        assert!(!topics.statuses.may_create);
        assert_eq!(
            topics.warnings,
            [
                "config.storage.partitions=7 is ignored: the topic always has one partition",
                "offset.storage.cleanup.policy=delete is ignored: the topic is always compacted"
            ]
        );
    }

    #[test]
    fn a_name_that_cannot_be_one_and_one_that_serves_twice_are_refused_by_their_keys() {
        let error = read(&[("status.storage.topic", "a/b")]).unwrap_err();
        assert!(error.starts_with("Invalid value \"a/b\" for configuration status.storage.topic: "), "{error}");
        let error = read(&[("offset.storage.topic", "c")]).unwrap_err();
        assert_eq!(
            error,
            "config.storage.topic and offset.storage.topic name the same topic, c: give each a topic of its own"
        );
        let error = read(&[("kv.storage.topic", "s")]).unwrap_err();
        assert!(error.starts_with("status.storage.topic and kv.storage.topic name the same topic, s"), "{error}");
    }
}
