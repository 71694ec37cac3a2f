//! Rules by which the topics of a source connector are made (KIP-158): its keys beneath `topic.creation.`.
//!
//! They are read as Connect reads them when it starts a task, with its texts, and all errors at once. Who makes the
//! topics stands elsewhere.

use std::collections::BTreeMap;

use millstream_values::{JavaError, JavaRegex, config_text};

use crate::{ConfigError, ConfigMap, ConfigType, ParsedValue, connector_keys::names, originals_with_prefix};

const PREFIX: &str = "topic.creation.";

/// The group of whatever belongs to no other one. It need not be listed.
const DEFAULT: &str = "default";

/// What a group has beside settings of its topics.
pub(crate) const OPTIONS: [&str; 4] = [INCLUDE, EXCLUDE, REPLICATION_FACTOR, PARTITIONS];
const INCLUDE: &str = "include";
const EXCLUDE: &str = "exclude";
const REPLICATION_FACTOR: &str = "replication.factor";
const PARTITIONS: &str = "partitions";

/// Stands for the broker's own number.
const BROKERS: i64 = -1;

/// Rules of one connector.
#[derive(Debug)]
pub struct TopicRules {
    /// In the order in which they are listed.
    groups: Vec<TopicGroup>,
    default: TopicGroup,
    /// Whether `default` is among the listed groups, where it need not be.
    pub lists_default: bool,
}

/// How topics of one group are made.
#[derive(Debug)]
pub struct TopicGroup {
    /// As in `topic.creation.groups`.
    pub name: String,
    /// -1 for the broker's default.
    pub partitions: i32,
    /// Copies of each partition; -1 for the broker's default.
    pub replication_factor: i16,
    /// Settings of the topics, in which they differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
    /// Nothing for the default group.
    patterns: Option<Patterns>,
}

#[derive(Debug)]
struct Patterns {
    include: JavaRegex,
    exclude: JavaRegex,
}

/// Whether a connector has such rules: any key beneath `topic.creation.`, `topic.creation.groups` among them.
pub fn has_topic_rules(config: &ConfigMap) -> bool {
    config.range(PREFIX.to_owned()..).next().is_some_and(|(key, _)| key.starts_with(PREFIX))
}

/// Groups as they are listed.
fn listed(config: &ConfigMap) -> Vec<String> {
    match config.get(names::TOPIC_CREATION_GROUPS.name()) {
        Some(Some(text)) => config_text::list(text),
        _ => Vec::new(),
    }
}

/// What precedes the keys of each group.
pub(crate) fn prefixes(config: &ConfigMap) -> Vec<String> {
    let groups = listed(config).into_iter().chain([DEFAULT.to_owned()]);
    groups.map(|group| format!("{PREFIX}{group}.")).collect()
}

impl TopicRules {
    /// Reads the rules of a source connector; `None` if it has none.
    ///
    /// # Errors
    ///
    /// Each key that is wrong, with what is wrong with it. Of `topic.creation.groups` itself, which is declared, nothing
    /// is said.
    pub fn read(config: &ConfigMap) -> Result<Option<Self>, Vec<(String, ConfigError)>> {
        if !has_topic_rules(config) {
            return Ok(None);
        }
        let mut reader = Reader { config, errors: Vec::new() };
        let numbers = Numbers {
            partitions: reader.number(DEFAULT, PARTITIONS, None),
            replication_factor: reader.number(DEFAULT, REPLICATION_FACTOR, None),
        };
        let listed = listed(config);
        let mut groups: Vec<TopicGroup> = Vec::new();
        for name in listed.iter().filter(|name| *name != DEFAULT) {
            if groups.iter().all(|group| group.name != *name) {
                groups.extend(reader.group(name, numbers));
            }
        }
        let default = TopicGroup {
            name: DEFAULT.to_owned(),
            partitions: numbers.partitions.unwrap_or(BROKERS) as i32,
            replication_factor: numbers.replication_factor.unwrap_or(BROKERS) as i16,
            configs: reader.topic_configs(DEFAULT),
            patterns: None,
        };
        if reader.errors.is_empty() {
            Ok(Some(Self { groups, default, lists_default: listed.iter().any(|name| name == DEFAULT) }))
        } else {
            Err(reader.errors)
        }
    }

    /// The first of the listed groups that a topic belongs to, else the default one. A topic belongs to a group if the
    /// patterns of `include`, as alternatives, match its whole name and those of `exclude` do not.
    ///
    /// # Errors
    ///
    /// A pattern takes too many steps with that name.
    pub fn group_of(&self, topic: &str) -> Result<&TopicGroup, JavaError> {
        for group in &self.groups {
            if let Some(Patterns { include, exclude }) = &group.patterns
                && !exclude.matches_whole(topic)?
                && include.matches_whole(topic)?
            {
                return Ok(group);
            }
        }
        Ok(&self.default)
    }
}

/// The default group's numbers, which are those of other groups unless they say otherwise. `None` if they are wrong.
#[derive(Clone, Copy)]
struct Numbers {
    partitions: Option<i64>,
    replication_factor: Option<i64>,
}

struct Reader<'a> {
    config: &'a ConfigMap,
    errors: Vec<(String, ConfigError)>,
}

impl Reader<'_> {
    fn raw(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Option::as_deref)
    }

    /// A group that is not the default one; `None` if it is wrong.
    fn group(&mut self, name: &str, default: Numbers) -> Option<TopicGroup> {
        let include = self.pattern(name, INCLUDE);
        let exclude = self.pattern(name, EXCLUDE);
        let replication_factor = self.number(name, REPLICATION_FACTOR, Some(default.replication_factor));
        let partitions = self.number(name, PARTITIONS, Some(default.partitions));
        Some(TopicGroup {
            name: name.to_owned(),
            partitions: partitions? as i32,
            replication_factor: replication_factor? as i16,
            configs: self.topic_configs(name),
            patterns: Some(Patterns { include: include?, exclude: exclude? }),
        })
    }

    /// A number of a group, within the range of its type; `default` is that of the default group.
    fn number(&mut self, group: &str, option: &str, default: Option<Option<i64>>) -> Option<i64> {
        let key = format!("{PREFIX}{group}.{option}");
        let (kind, rule) = match option {
            PARTITIONS => (ConfigType::Int, "Number of partitions must be positive, or -1 to use the broker's default"),
            _ => (
                ConfigType::Short,
                "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default",
            ),
        };
        let read = match (self.raw(&key), default) {
            (None, Some(default)) => return default,
            (None, None) => Err(ConfigError::missing(&key)),
            (raw, _) => ParsedValue::parse(&key, raw, kind),
        };
        let checked = read.and_then(|value| match value {
            ParsedValue::Integer(number) if number == BROKERS || 1 <= number => Ok(number),
            // Connect's text names the key without what precedes it in a group.
            value => Err(ConfigError::invalid(option, value, rule)),
        });
        checked.map_err(|error| self.errors.push((key, error))).ok()
    }

    /// Patterns of a group as alternatives of one, which is what Connect makes of them: a flag in one of them counts for
    /// those behind it. None at all match the empty text alone, which is no topic's name.
    fn pattern(&mut self, group: &str, option: &str) -> Option<JavaRegex> {
        let key = format!("{PREFIX}{group}.{option}");
        let items = config_text::list(self.raw(&key).unwrap_or_default());
        let compiled = items.iter().try_for_each(|item| JavaRegex::compile(item).map(drop));
        compiled
            .and_then(|()| JavaRegex::compile(&items.join("|")))
            .map_err(|error| {
                let message = format!("Syntax error in regular expression: {error}");
                self.errors.push((key, ConfigError::invalid(option, ParsedValue::List(items), message)));
            })
            .ok()
    }

    fn topic_configs(&self, group: &str) -> BTreeMap<String, String> {
        let beneath = originals_with_prefix(self.config, &format!("{PREFIX}{group}.")).into_iter();
        let settings = beneath.filter(|(key, _)| !OPTIONS.contains(&key.as_str()));
        settings.filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

#[cfg(test)]
mod tests;
