//! The pattern by which a sink finds its topics (`topics.regex`).

use millstream_values::JavaRegex;

use crate::{ConfigMap, connector_keys::names};

/// A regular expression in Java's syntax, for whole names.
#[derive(Debug)]
pub struct TopicPattern {
    text: String,
    regex: JavaRegex,
}

impl TopicPattern {
    /// Steps of one match. A name has 249 letters at most, so a pattern that needs more is one that would need minutes
    /// for some other name, and there may be very many names.
    const MAX_STEPS: u64 = 100_000;

    /// The pattern of a sink; `None` if it names its topics instead.
    ///
    /// # Errors
    ///
    /// The text is no pattern; what Java says of it.
    pub fn read(config: &ConfigMap) -> Result<Option<Self>, String> {
        // With blanks around it no name would match.
        let text = config.get(names::TOPICS_REGEX.name()).and_then(Option::as_deref).unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let regex = JavaRegex::compile(text).map_err(|error| error.to_string())?.limited(Self::MAX_STEPS);
        Ok(Some(Self { text: text.to_owned(), regex }))
    }

    /// Whether a topic's whole name matches.
    ///
    /// # Errors
    ///
    /// It takes too many steps to tell.
    pub fn matches(&self, topic: &str) -> Result<bool, String> {
        let told = self.regex.matches_whole(topic);
        told.map_err(|error| format!("topics.regex={} cannot be held against this name: {error}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<TopicPattern>, String> {
        TopicPattern::read(&ConfigMap::from([("topics.regex".to_owned(), Some(text.to_owned()))]))
    }

    #[test]
    fn a_pattern_is_javas_and_matches_whole_names() {
        let pattern = read(" (?i)orders-\\p{Digit}++ ").unwrap().unwrap();
        for (topic, matches) in
            [("orders-1", true), ("ORDERS-22", true), ("my-orders-1", false), ("orders-1-old", false)]
        {
            assert_eq!(pattern.matches(topic), Ok(matches), "{topic}");
        }
    }

    #[test]
    fn no_pattern_is_none_and_a_wrong_one_is_refused_in_javas_words() {
        assert!(read(" ").is_ok_and(|pattern| pattern.is_none()));
        assert!(TopicPattern::read(&ConfigMap::new()).is_ok_and(|pattern| pattern.is_none()));
        assert_eq!(read("(").unwrap_err(), "Unclosed group near index 1\n(");
    }

    #[test]
    fn a_pattern_that_takes_too_long_says_so() {
        let pattern = read("(a+)+b").unwrap().unwrap();
        let error = pattern.matches(&"a".repeat(60)).unwrap_err();
        assert!(error.starts_with("topics.regex=(a+)+b cannot be held against this name: "), "{error}");
    }
}
