//! RegexRouter: another topic for records whose topic matches an expression.

use millstream_sdk::{
    Error, Info, Records, Result, RowError, Transform,
    batch::{Column, Role},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig, Validator},
    values::JavaRegex,
};

use crate::trees::found;

/// Its configuration.
#[derive(Debug)]
pub struct RegexRouterConfig {
    regex: JavaRegex,
    replacement: String,
}

impl PluginConfig for RegexRouterConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string("regex")
                    .required()
                    .validator(Validator::Regex)
                    .importance(High)
                    .doc("Regular expression that the whole topic has to match, in Java's syntax."),
            )
            .key(
                Key::string("replacement")
                    .required()
                    .importance(High)
                    .doc("The new topic; `$1`, `${name}` stand for groups of the expression."),
            )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let pattern = values.opt_string("regex").unwrap_or_default();
        let regex = JavaRegex::compile(pattern).map_err(|error| {
            Error::config(format!("Invalid value {pattern} for configuration regex: Invalid regex: {error}"))
        })?;
        Ok(Self { regex, replacement: values.opt_string("replacement").unwrap_or_default().to_owned() })
    }
}

/// The transform.
pub struct RegexRouter {
    config: RegexRouterConfig,
    /// The topic that was routed last, and to where; topics repeat.
    last: Option<(String, Result<Option<String>>)>,
}

impl RegexRouter {
    fn routed(&mut self, topic: &str) -> Result<Option<String>> {
        if let Some((last, routed)) = &self.last
            && last == topic
        {
            return routed.clone();
        }
        let RegexRouterConfig { regex, replacement } = &self.config;
        let no_groups = |error| {
            let wanted = format!("one that the expression has groups for, for the topic {topic:?}");
            found(Error::from(error), format!("replacement={replacement}"), wanted)
        };
        let routed = match regex.matches_whole(topic) {
            Ok(true) => regex.replace_first(topic, replacement).map(Some).map_err(no_groups),
            Ok(false) => Ok(None),
            Err(error) => Err(error.into()),
        };
        self.last = Some((topic.to_owned(), routed.clone()));
        routed
    }
}

impl Transform for RegexRouter {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.RegexRouter")
        .version(crate::KAFKA_VERSION)
        .doc("Replaces the topic where a regular expression matches it.");
    type Config = RegexRouterConfig;

    fn configure(config: RegexRouterConfig) -> Result<Self> {
        Ok(Self { config, last: None })
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let rows = records.rows;
        let Some(topics) = records.get(Role::TOPIC).cloned() else {
            return route_each(self, records, None);
        };
        if records.all_matter() && topics.constant && topics.is_full() && 0 < rows {
            return match self.routed(topics.str(0)) {
                Ok(None) => Ok(()),
                Ok(Some(topic)) => {
                    records.set(Role::TOPIC, Column::constant_str(rows, &topic));
                    Ok(())
                }
                Err(error) => {
                    records
                        .active()
                        .into_iter()
                        .for_each(|row| records.fail(RowError::new(row as usize, error.clone())));
                    Ok(())
                }
            };
        }
        route_each(self, records, Some(topics))
    }
}

fn route_each(router: &mut RegexRouter, records: &mut Records<'_>, topics: Option<Column<'_>>) -> Result<()> {
    let mut names = Vec::with_capacity(records.rows as usize);
    let mut failed = Vec::new();
    let mut changed = false;
    for row in 0..records.rows as usize {
        let topic = topics.as_ref().filter(|topics| !topics.is_null(row)).map(|topics| topics.str(row));
        let routed = match topic {
            _ if !records.is_active(row) => Ok(None),
            Some(topic) => router.routed(topic),
            None => {
                let error = Error::data("the record has no topic").class("java.lang.NullPointerException");
                Err(found(error, "null", "the record's topic"))
            }
        };
        match routed {
            Ok(Some(routed)) => {
                changed = true;
                names.push(routed);
            }
            Ok(None) => names.push(topic.unwrap_or_default().to_owned()),
            Err(error) => {
                failed.push(RowError::new(row, error));
                names.push(topic.unwrap_or_default().to_owned());
            }
        }
    }
    if changed {
        records.set(Role::TOPIC, Column::strings(names.iter().map(String::as_str)));
    }
    failed.into_iter().for_each(|error| records.fail(error));
    Ok(())
}
