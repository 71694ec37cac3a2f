//! A dead letter: the record in it, and what its headers say.

use serde_json::{Value, json};

use crate::output::bytes_json;

/// What the headers of Connect's begin with, and those of ours.
const CONNECTS: &str = "__connect.errors.";
const OURS: &str = "__millstream.errors.";

/// Headers of a record, in order.
pub(super) type Headers = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// See the module's documentation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Letter {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// The record's own, without what was written about its failure.
    pub(super) headers: Headers,
    pub(super) timestamp_ms: Option<i64>,
    /// What was written about its failure.
    said: Headers,
}

/// Where a record is to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
}

/// What letters can be chosen by, and the header that says it.
pub(super) const FILTERS: [(&str, &str); 7] = [
    ("stage", "__connect.errors.stage"),
    ("class", "__connect.errors.class.name"),
    ("exception", "__connect.errors.exception.class.name"),
    ("topic", "__connect.errors.topic"),
    ("task", "__connect.errors.task.id"),
    ("config", "__millstream.errors.config.hash"),
    ("digest", "__millstream.errors.plugin.digest"),
];

impl Letter {
    /// Tells what was written about the failure from the record's own headers: it is what stands behind them, from the
    /// last header with the topic on, and ours before that.
    pub(super) fn new(partition: i32, offset: i64, mut headers: Headers, timestamp_ms: Option<i64>) -> Self {
        let topic = format!("{CONNECTS}topic");
        let own = match headers.iter().rposition(|(key, _)| key == topic.as_bytes()) {
            None => headers.len(),
            Some(topic) => {
                headers[..topic].iter().rposition(|(key, _)| !key.starts_with(OURS.as_bytes())).map_or(0, |at| at + 1)
            }
        };
        let said = headers.split_off(own);
        let mut letter = Self { partition, offset, headers, timestamp_ms, said, ..Self::default() };
        // The topic of the letters may have stamped them anew.
        letter.timestamp_ms =
            letter.says("__millstream.errors.timestamp").and_then(|ms| ms.parse().ok()).or(timestamp_ms);
        letter
    }

    /// What a header says of the failure.
    pub(super) fn says(&self, header: &str) -> Option<&str> {
        let found = self.said.iter().rev().find(|(key, _)| key == header.as_bytes())?;
        std::str::from_utf8(found.1.as_deref()?).ok()
    }

    /// The connector that wrote it.
    pub(super) fn connector(&self) -> Option<&str> {
        self.says("__connect.errors.connector.name")
    }

    /// Whether it is one of a source, whose content is JSON.
    pub(super) fn form(&self) -> Option<&str> {
        self.says("__millstream.errors.form")
    }

    /// Where its record came from, or was to go to.
    ///
    /// # Errors
    ///
    /// Nothing says so, or something is missing; in words.
    pub(super) fn target(&self) -> Result<Target, String> {
        if let Some(omitted) = self.says("__millstream.errors.omitted") {
            return Err(format!("something of its record is missing ({omitted}): read it from where it came"));
        }
        let topic = self.says("__connect.errors.topic").ok_or_else(|| {
            "it does not say which topic its record belongs to: errors.deadletterqueue.context.headers.enable was not set"
                .to_owned()
        })?;
        let partition = self
            .says("__connect.errors.partition")
            .map(|text| text.parse().map_err(|_| format!("its record's partition is {text:?}, which is no number")));
        Ok(Target { topic: topic.to_owned(), partition: partition.transpose()? })
    }

    /// For people: which record it is of.
    pub(super) fn record(&self) -> String {
        let said = |header| self.says(header).unwrap_or("?");
        match self.form() {
            Some(_) => format!(
                "{} {}",
                said("__millstream.errors.source.partition"),
                said("__millstream.errors.source.offset")
            ),
            None => format!(
                "{}-{} offset {}",
                said("__connect.errors.topic"),
                said("__connect.errors.partition"),
                said("__connect.errors.offset")
            ),
        }
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let said: serde_json::Map<String, Value> = self
            .said
            .iter()
            .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), bytes_json(value.as_deref())))
            .collect();
        json!({"partition": self.partition, "offset": self.offset, "record": self.record(), "headers": said})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(headers: &[(&str, &str)]) -> Letter {
        let header = |(key, value): &(&str, &str)| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        Letter::new(0, 7, headers.iter().map(header).collect(), Some(5))
    }

    #[test]
    fn the_records_own_headers_are_told_from_what_was_written_about_it() {
        let found = letter(&[
            ("a", "b"),
            // It was read from another dead-letter topic.
            ("__connect.errors.topic", "before"),
            ("__connect.errors.stage", "before"),
            ("__millstream.errors.timestamp", "9"),
            ("__connect.errors.topic", "t"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "42"),
            ("__connect.errors.connector.name", "c"),
        ]);
        let own: Vec<&[u8]> = found.headers.iter().map(|(key, _)| key.as_slice()).collect();
        assert_eq!(own, [&b"a"[..], b"__connect.errors.topic", b"__connect.errors.stage"]);
        assert_eq!(
            (found.timestamp_ms, found.connector(), found.says("__connect.errors.stage")),
            (Some(9), Some("c"), None)
        );
        assert_eq!(found.target(), Ok(Target { topic: "t".to_owned(), partition: Some(3) }));
        assert_eq!(found.record(), "t-3 offset 42");
    }

    #[test]
    fn a_letter_that_cannot_be_replayed_says_why() {
        assert!(letter(&[("a", "b")]).target().unwrap_err().contains("context.headers.enable"));
        assert_eq!(letter(&[("a", "b")]).headers.len(), 1);
        let omitted = letter(&[("__millstream.errors.omitted", "value 9 bytes"), ("__connect.errors.topic", "t")]);
        assert!(omitted.target().unwrap_err().contains("value 9 bytes"));
        let odd = letter(&[("__connect.errors.topic", "t"), ("__connect.errors.partition", "x")]);
        assert!(odd.target().unwrap_err().contains("no number"));
    }
}
