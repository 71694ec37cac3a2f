//! Takes values out of a property map one key at a time and remembers which keys were asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use millstream_config::config_text::{self, TextType, TextValue};

/// Why properties are no usable client configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid value {value:?} for configuration {key}: expected {expected}")]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// Its value as given; empty when the key is missing.
    pub value: String,
    /// What would have been accepted.
    pub expected: String,
}

/// Reads one property map.
pub(super) struct Reader<'a> {
    properties: &'a BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(properties: &'a BTreeMap<String, String>) -> Self {
        Self { properties, known: BTreeSet::new() }
    }

    /// The trimmed value, `None` when the key is absent.
    pub(super) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.known.insert(key);
        self.properties.get(key).map(|value| config_text::text(value))
    }

    /// Like [`Self::text`], with an empty value as absent.
    pub(super) fn filled(&mut self, key: &'static str) -> Option<&'a str> {
        self.text(key).filter(|value| !value.is_empty())
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        default: i64,
        range: RangeInclusive<i64>,
    ) -> Result<i64, ConfigError> {
        let Some(value) = self.text(key) else { return Ok(default) };
        match config_text::read(value, TextType::Integer(64)) {
            Some(TextValue::Integer(number)) if range.contains(&number) => Ok(number),
            _ => Err(error(key, value, format!("an integer from {} to {}", range.start(), range.end()))),
        }
    }

    /// A non-negative number that fits a Java `int`.
    pub(super) fn count(&mut self, key: &'static str, default: u32) -> Result<u32, ConfigError> {
        self.count_from(key, default, 0)
    }

    /// A number of at least `least` that fits a Java `int`.
    pub(super) fn count_from(&mut self, key: &'static str, default: u32, least: u32) -> Result<u32, ConfigError> {
        let number = self.integer(key, i64::from(default), i64::from(least)..=i64::from(i32::MAX))?;
        Ok(u32::try_from(number).expect("the range has no negative number"))
    }

    pub(super) fn millis(&mut self, key: &'static str, default: u64) -> Result<Duration, ConfigError> {
        let default = i64::try_from(default).expect("defaults are small");
        let number = self.integer(key, default, 0..=i64::MAX)?;
        Ok(Duration::from_millis(number.unsigned_abs()))
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some(value) = self.text(key) else { return Ok(default) };
        config_text::boolean(value).ok_or_else(|| error(key, value, "true or false"))
    }

    /// One of a few words, compared as Java does for this key: exactly, or ignoring case.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let Some(value) = self.text(key) else { return Ok(default) };
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)) {
            return Ok(*chosen);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        Err(error(key, value, format!("one of {}", words.join(", "))))
    }

    /// Keys nobody asked for, in order.
    pub(super) fn ignored(self) -> Vec<String> {
        self.properties.keys().filter(|key| !self.known.contains(key.as_str())).cloned().collect()
    }
}

pub(super) fn error(key: &str, value: &str, expected: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), value: value.to_owned(), expected: expected.into() }
}
