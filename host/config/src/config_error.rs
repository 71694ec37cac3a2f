//! The error of a single configuration key, in Connect's words.

use std::fmt;

/// A key whose value is missing or not acceptable.
///
/// The texts are Connect's own, because users and tools match on them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    /// Where what is wrong with the value begins in the message.
    reason: usize,
}

impl ConfigError {
    /// A text that stands alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), reason: 0 }
    }

    /// `Invalid value <value> for configuration <name>: <message>`.
    pub fn invalid(name: &str, value: impl fmt::Display, message: impl fmt::Display) -> Self {
        let mut text = format!("Invalid value {value} for configuration {name}: ");
        let reason = text.len();
        text.push_str(&message.to_string());
        Self { message: text, reason }
    }

    /// A required key that is absent.
    pub fn missing(name: &str) -> Self {
        Self::new(format!("Missing required configuration \"{name}\" which has no default value."))
    }

    /// The whole text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The part of the text that says what is wrong, for a text of another kind that names key and value itself.
    pub fn reason(&self) -> &str {
        &self.message[self.reason..]
    }
}
