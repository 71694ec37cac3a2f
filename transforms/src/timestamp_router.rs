//! TimestampRouter: a topic made of the old one and the record's timestamp.

use millstream_sdk::{
    Error, Info, Records, Result, RowError, Transform,
    batch::{Role, TextBuilder},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig},
    error::class,
    values::DatePattern,
};

use crate::trees::found;

/// Its configuration.
#[derive(Debug)]
pub struct TimestampRouterConfig {
    topic_format: String,
    /// A pattern that is none fails with the first record, as in Connect.
    timestamp_format: Result<DatePattern>,
}

impl PluginConfig for TimestampRouterConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string("topic.format")
                    .default("${topic}-${timestamp}")
                    .importance(High)
                    .doc("The new topic; `${topic}` and `${timestamp}` stand for the old one and for the timestamp."),
            )
            .key(
                Key::string("timestamp.format")
                    .default("yyyyMMdd")
                    .importance(High)
                    .doc("How the timestamp is written: a pattern of Java's SimpleDateFormat, in UTC."),
            )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let pattern = values.string("timestamp.format")?;
        let wrong = |error: millstream_sdk::values::InvalidDatePattern| {
            let error = Error::data(error.to_string()).class(class::ILLEGAL_ARGUMENT_EXCEPTION);
            found(error, format!("timestamp.format={pattern}"), "a pattern of Java's SimpleDateFormat")
        };
        let timestamp_format = DatePattern::compile(pattern).map_err(wrong);
        Ok(Self { topic_format: values.string("topic.format")?.to_owned(), timestamp_format })
    }
}

/// The transform.
pub struct TimestampRouter {
    config: TimestampRouterConfig,
    /// What the last timestamp was written as.
    text: String,
    /// The last topic and text of a timestamp, and the topic made of them: both repeat.
    last: Option<(String, String, String)>,
}

impl TimestampRouter {
    fn routed(&mut self, topic: Option<&str>, timestamp_ms: Option<i64>) -> Result<&str> {
        let missing = || found(Error::data("Timestamp missing on record"), "null", "the record's timestamp");
        let ms = timestamp_ms.ok_or_else(missing)?;
        let pattern = self.config.timestamp_format.as_ref().map_err(Clone::clone)?;
        self.text.clear();
        pattern.write(&mut self.text, ms);
        let null = || {
            let error = Error::data("the record has no topic").class("java.lang.NullPointerException");
            found(error, "null", "the record's topic")
        };
        let topic = topic.ok_or_else(null)?;
        if !self.last.as_ref().is_some_and(|(last, text, _)| last == topic && *text == self.text) {
            let routed = self.config.topic_format.replace("${topic}", topic).replace("${timestamp}", &self.text);
            self.last = Some((topic.to_owned(), self.text.clone(), routed));
        }
        Ok(self.last.as_ref().map_or("", |(_, _, routed)| routed))
    }
}

impl Transform for TimestampRouter {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.TimestampRouter")
        .version(crate::KAFKA_VERSION)
        .doc("Makes the topic of the old one and the record's timestamp.");
    type Config = TimestampRouterConfig;

    fn configure(config: TimestampRouterConfig) -> Result<Self> {
        Ok(Self { config, text: String::new(), last: None })
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let rows = records.rows as usize;
        let mut topics = TextBuilder::new(rows, 0);
        let mut failed = Vec::new();
        let (mut changed, mut nulls) = (false, Vec::new());
        for row in 0..rows {
            let topic = records.topic(row);
            let mut routed = topic;
            if records.is_active(row) {
                match self.routed(topic, records.integer(Role::TIMESTAMP, row)) {
                    Ok(made) => {
                        changed = true;
                        topics.append(made);
                        routed = Some("");
                    }
                    Err(error) => failed.push(RowError::new(row, error)),
                }
            }
            match routed {
                Some(topic) => topics.append(topic),
                None => nulls.push(row),
            }
            topics.end_row();
        }
        if changed {
            let mut topics = topics.finish();
            topics.valid = crate::trees::nulls_at(rows, &nulls).map(Into::into);
            records.set(Role::TOPIC, topics);
        }
        failed.into_iter().for_each(|error| records.fail(error));
        Ok(())
    }
}
