//! The keys that every connector has, beside those it declares itself.

use std::time::Duration;

use millstream_values::config_text;

use crate::{
    ConfigDef, ConfigMap,
    Importance::{High, Low, Medium},
    Key, Place, Validator, Width, keys,
};

const COMMON: &str = "Common";
const ERRORS: &str = "Error Handling";
const EXACTLY_ONCE: &str = "Exactly Once Support";

/// The framework's keys, to be read from a configuration parsed with [`sink_keys`] or [`source_keys`].
pub mod names {
    use super::{COMMON, Duration, ERRORS, EXACTLY_ONCE, High, Key, Low, Medium, Place, Validator, Width, keys};

    keys! {
        /// Keys of every connector.
        common:
        NAME: String = Key::string("name")
            .validator(|| Validator::NonEmptyWithoutControlChars)
            .importance(High)
            .placed(Place::at(COMMON, 1, Width::Medium, "Connector name"))
            .doc("Name of the connector, unique among all connectors of the worker or cluster.");
        CONNECTOR_CLASS: String = Key::string("connector.class")
            .importance(High)
            .placed(Place::at(COMMON, 2, Width::Long, "Connector class"))
            .doc("Class name of the connector, or a shorter alias: the name without its package, with or without `Connector` at its end.");
        CONNECTOR_VERSION: Option<String> = Key::optional_string("connector.plugin.version")
            .importance(Medium)
            .placed(Place::at(COMMON, 3, Width::Medium, "Connector version"))
            .doc("Version of the connector to use. One version, or ranges of them in Maven's notation, as `[1.0,2.0)`; the newest unless set.");
        TASKS_MAX: i32 = Key::int("tasks.max")
            .default("1")
            .min(1)
            .importance(High)
            .placed(Place::at(COMMON, 4, Width::Short, "Tasks max"))
            .doc("The most tasks that the connector may use.");
        TASKS_MAX_ENFORCE: bool = Key::boolean("tasks.max.enforce")
            .default("true")
            .importance(Low)
            .placed(Place::at(COMMON, 5, Width::Short, "Enforce tasks max"))
            .doc("Whether a connector that asks for more tasks than `tasks.max` fails; otherwise it is only warned about. Deprecated.");
        KEY_CONVERTER: Option<String> = Key::optional_class("key.converter")
            .importance(Low)
            .placed(Place::at(COMMON, 6, Width::Short, "Key converter class"))
            .doc("Converter between record keys and their bytes in Kafka; the worker's unless set. Its own settings follow the prefix `key.converter.`.");
        KEY_CONVERTER_VERSION: Option<String> = Key::optional_string("key.converter.plugin.version")
            .importance(Low)
            .placed(Place::at(COMMON, 7, Width::Short, "Key converter version"))
            .doc("Version of the key converter that the connector names: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`. Unless set, the one that came with the connector, else the newest.");
        VALUE_CONVERTER: Option<String> = Key::optional_class("value.converter")
            .importance(Low)
            .placed(Place::at(COMMON, 8, Width::Short, "Value converter class"))
            .doc("Converter between record values and their bytes in Kafka; the worker's unless set. Its own settings follow the prefix `value.converter.`.");
        VALUE_CONVERTER_VERSION: Option<String> = Key::optional_string("value.converter.plugin.version")
            .importance(Low)
            .placed(Place::at(COMMON, 9, Width::Short, "Value converter version"))
            .doc("Version of the value converter that the connector names: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`. Unless set, the one that came with the connector, else the newest.");
        HEADER_CONVERTER: Option<String> = Key::optional_class("header.converter")
            .importance(Low)
            .placed(Place::at(COMMON, 10, Width::Short, "Header converter class"))
            .doc("Converter between header values and their bytes in Kafka; the worker's unless set. Its own settings follow the prefix `header.converter.`.");
        HEADER_CONVERTER_VERSION: Option<String> = Key::optional_string("header.converter.plugin.version")
            .importance(Low)
            .placed(Place::at(COMMON, 11, Width::Short, "Header converter version"))
            .doc("Version of the header converter that the connector names: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`. Unless set, the one that came with the connector, else the newest.");
        TRANSFORMS: Vec<String> = Key::list("transforms")
            .default("")
            .validator(|| Validator::UniqueAliases)
            .importance(Low)
            .placed(Place::at("Transforms", 12, Width::Long, "Transforms"))
            .doc("Names of the transformations that records pass through, in this order. Each is configured beneath `transforms.<name>.`.");
        PREDICATES: Vec<String> = Key::list("predicates")
            .default("")
            .validator(|| Validator::UniqueAliases)
            .importance(Low)
            .placed(Place::at("Predicates", 13, Width::Long, "Predicates"))
            .doc("Names of the predicates that transformations refer to. Each is configured beneath `predicates.<name>.`.");
        CONFIG_RELOAD: String = Key::string("config.action.reload")
            .default("restart")
            .validator(|| Validator::one_of(&["none", "restart"]))
            .importance(Low)
            .placed(Place::at(COMMON, 14, Width::Medium, "Reload Action"))
            .doc("Whether the connector restarts when a value from a config provider expires.");
        ERRORS_RETRY_TIMEOUT: i64 = Key::long("errors.retry.timeout")
            .default("0")
            .importance(Medium)
            .placed(Place::at(ERRORS, 1, Width::Medium, "Retry Timeout for Errors"))
            .doc("Milliseconds during which an operation that failed is tried again. 0 never repeats it, -1 repeats it without end.");
        ERRORS_RETRY_DELAY_MAX: Duration = Key::millis("errors.retry.delay.max.ms")
            .default("60000")
            .importance(Medium)
            .placed(Place::at(ERRORS, 2, Width::Medium, "Maximum Delay Between Retries for Errors"))
            .doc("The longest wait in milliseconds between two tries of a failed operation.");
        ERRORS_TOLERANCE: String = Key::string("errors.tolerance")
            .default("none")
            .validator(|| Validator::one_of(&["none", "all"]))
            .importance(Medium)
            .placed(Place::at(ERRORS, 3, Width::Short, "Error Tolerance"))
            .doc("`none`: a record that cannot be processed fails its task. `all`: it is skipped.");
        ERRORS_LOG_ENABLE: bool = Key::boolean("errors.log.enable")
            .default("false")
            .importance(Medium)
            .placed(Place::at(ERRORS, 4, Width::Short, "Log Errors"))
            .doc(
                "Whether every error, and what happened to its record, is logged; otherwise only what is not tolerated is.",
            );
        ERRORS_LOG_INCLUDE_MESSAGES: bool = Key::boolean("errors.log.include.messages")
            .default("false")
            .importance(Medium)
            .placed(Place::at(ERRORS, 5, Width::Short, "Log Error Details"))
            .doc("Whether logged errors show the record: its position for sinks, its content for sources.");
    }

    keys! {
        /// Keys of sinks alone.
        of_sinks:
        TOPICS: Vec<String> = Key::list("topics")
            .default("")
            .validator(|| Validator::list(true, false))
            .importance(High)
            .placed(Place::at(COMMON, 4, Width::Long, "Topics"))
            .doc("Names of the topics to read.");
        TOPICS_REGEX: String = Key::string("topics.regex")
            .default("")
            .validator(|| Validator::Regex)
            .importance(High)
            .placed(Place::at(COMMON, 4, Width::Long, "Topics regex"))
            .doc("Regular expression in Java's syntax that matches the whole names of the topics to read, instead of `topics`. New ones are found after `metadata.max.age.ms` of the consumer (`consumer.override.metadata.max.age.ms`, five minutes).");
        DLQ_TOPIC: String = Key::string("errors.deadletterqueue.topic.name")
            .default("")
            .importance(Medium)
            .placed(Place::at(ERRORS, 6, Width::Medium, "Dead Letter Queue Topic Name"))
            .doc("Topic for records that could not be processed; none if empty.");
        DLQ_REPLICATION_FACTOR: i16 = Key::short("errors.deadletterqueue.topic.replication.factor")
            .default("3")
            .importance(Medium)
            .placed(Place::at(ERRORS, 7, Width::Medium, "Dead Letter Queue Topic Replication Factor"))
            .doc("Replication factor with which that topic is created when it does not exist.");
        DLQ_CONTEXT_HEADERS: bool = Key::boolean("errors.deadletterqueue.context.headers.enable")
            .default("false")
            .importance(Medium)
            .placed(Place::at(ERRORS, 8, Width::Medium, "Enable Error Context Headers"))
            .doc("Whether dead letters carry headers, beginning with `__connect.errors.`, that say what failed.");
    }

    keys! {
        /// Keys of sources alone.
        of_sources:
        TOPIC_CREATION_GROUPS: Vec<String> = Key::list("topic.creation.groups")
            .default("")
            .validator(|| Validator::UniqueAliases)
            .importance(Low)
            .placed(Place::at("Topic Creation", 1, Width::Long, "Topic Creation Groups"))
            .doc("Names of the groups of settings for new topics. Each has beneath `topic.creation.<name>.` `include` and `exclude` (lists of regular expressions in Java's syntax, for whole names), `partitions`, `replication.factor` (-1 for the broker's default) and settings of topics. The first group that matches a topic counts, else the group `default`, whose two numbers are required as soon as any key begins with `topic.creation.`; without one no topic is created by the worker.");
        EXACTLY_ONCE_SUPPORT: String = Key::string("exactly.once.support")
            .default("requested")
            .validator(|| Validator::one_of_ignore_case(&["required", "requested"]))
            .importance(Medium)
            .placed(Place::at(EXACTLY_ONCE, 2, Width::Short, "Exactly once support"))
            .doc("`required`: the configuration is refused unless the connector and the worker can deliver every record exactly once. `requested`: that is not asked.");
        TRANSACTION_BOUNDARY: String = Key::string("transaction.boundary")
            .default("poll")
            .validator(|| Validator::one_of_ignore_case(&["interval", "poll", "connector"]))
            .importance(Medium)
            .placed(Place::at(EXACTLY_ONCE, 3, Width::Short, "Transaction Boundary"))
            .doc("What ends a transaction of a source task: every batch it returned (`poll`), time (`interval`), or the connector itself (`connector`).");
        TRANSACTION_BOUNDARY_INTERVAL: Option<Duration> = Key::optional_millis("transaction.boundary.interval.ms")
                .validator(|| Validator::NullOr(Box::new(Validator::at_least(0))))
                .importance(Low)
                .placed(Place::at(EXACTLY_ONCE, 4, Width::Short, "Transaction boundary interval"))
                .doc("Milliseconds between the ends of two transactions with `transaction.boundary=interval`; the worker's `offset.flush.interval.ms` unless set.");
        OFFSETS_TOPIC: Option<String> = Key::optional_string("offsets.storage.topic")
            .validator(|| Validator::NonEmpty)
            .importance(Low)
            .placed(Place::at("offsets.topic", 1, Width::Long, "Offsets topic"))
            .doc("Topic for the offsets of this connector alone. Without effect in standalone mode.");
    }
}

/// Keys of every sink connector, those of all connectors first.
pub fn sink_keys() -> ConfigDef {
    let mut def = names::common();
    def.define_all(&names::of_sinks());
    def
}

/// Keys of every source connector, those of all connectors first.
pub fn source_keys() -> ConfigDef {
    let mut def = names::common();
    def.define_all(&names::of_sources());
    def
}

/// The topics a sink names: empty items are dropped, and of equal ones all but the first.
pub fn topic_list(config: &ConfigMap) -> Vec<String> {
    let raw = config.get(names::TOPICS.name()).and_then(Option::as_deref).unwrap_or("");
    let mut topics: Vec<String> = Vec::new();
    for topic in config_text::list(raw) {
        if !topic.is_empty() && !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_type_and_its_rule() {
        for def in [sink_keys(), source_keys()] {
            for key in def.keys().iter().filter(|key| !key.is_required()) {
                let alone = ConfigDef::of([key.clone()]);
                alone.parse(&ConfigMap::new()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }

    #[test]
    fn the_common_keys_come_in_connects_order() {
        let names: Vec<String> = sink_keys().keys().iter().map(|key| key.name.clone()).collect();
        assert_eq!(names[0], "name");
        assert_eq!(names[18], "errors.log.include.messages");
        assert_eq!(names[19], "topics");
        assert_eq!(names.len(), 24);
        assert_eq!(source_keys().keys().len(), 24);
    }

    #[test]
    fn a_topic_list_drops_empty_and_repeated_names() {
        let config = ConfigMap::from([("topics".into(), Some("a,, b,a,".into()))]);
        assert_eq!(topic_list(&config), ["a", "b"]);
    }
}
