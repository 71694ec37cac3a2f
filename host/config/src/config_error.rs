//! The error of a single configuration key, in Connect's words.

use std::fmt;

/// A key whose value is missing or not acceptable.
///
/// The texts are Connect's own, because users and tools match on them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
}

impl ConfigError {
    /// A text that stands alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// `Invalid value <value> for configuration <name>: <message>`.
    pub fn invalid(name: &str, value: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::new(format!("Invalid value {value} for configuration {name}: {message}"))
    }

    /// A required key that is absent.
    pub fn missing(name: &str) -> Self {
        Self::new(format!("Missing required configuration \"{name}\" which has no default value."))
    }

    /// The whole text.
    pub fn message(&self) -> &str {
        &self.message
    }
}
