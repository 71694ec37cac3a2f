//! TopicNameMatches: records whose whole topic matches an expression.

use millstream_sdk::{
    Error, Info, Predicate, Result, RowError, Verdict,
    batch::Table,
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig, Validator},
    values::JavaRegex,
};

/// Its configuration.
#[derive(Debug)]
pub struct TopicNameMatchesConfig {
    pattern: JavaRegex,
}

impl PluginConfig for TopicNameMatchesConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(
            Key::string("pattern")
                .required()
                .validator(Validator::All(vec![Validator::NonEmpty, Validator::Regex]))
                .importance(Medium)
                .doc("Regular expression for whole topic names, in Java's syntax."),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let pattern = values.opt_string("pattern").unwrap_or_default();
        let pattern = JavaRegex::compile(pattern).map_err(|error| {
            Error::config(format!("Invalid value {pattern} for configuration pattern: entry must be a Java-compatible regular expression: {error}"))
        })?;
        Ok(Self { pattern })
    }
}

/// The predicate.
pub struct TopicNameMatches {
    pattern: JavaRegex,
    last: Option<(String, Result<bool>)>,
}

impl Predicate for TopicNameMatches {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.predicates.TopicNameMatches")
        .version(crate::KAFKA_VERSION)
        .doc("Holds for records whose topic name matches a regular expression.");
    type Config = TopicNameMatchesConfig;

    fn configure(config: TopicNameMatchesConfig) -> Result<Self> {
        Ok(Self { pattern: config.pattern, last: None })
    }

    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()> {
        for row in 0..records.rows as usize {
            let Some(topic) = records.topic(row) else { continue };
            if self.last.as_ref().is_none_or(|(last, _)| last != topic) {
                let matches = self.pattern.matches_whole(topic).map_err(Error::from);
                self.last = Some((topic.to_owned(), matches));
            }
            match &self.last {
                Some((_, Ok(matches))) => verdict.set(row, *matches),
                Some((_, Err(error))) => verdict.fail(RowError::new(row, error.clone())),
                None => {}
            }
        }
        Ok(())
    }
}
