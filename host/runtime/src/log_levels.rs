//! Levels of the worker's loggers, as its users see and change them. Who writes the log keeps them.

use std::collections::BTreeMap;

/// The level of one logger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoggerLevel {
    /// Connect's word, such as `DEBUG`.
    pub level: &'static str,
    /// When it was changed last, in milliseconds of Unix time; `None` for a level from the start.
    pub modified_ms: Option<i64>,
}

/// A word that is no level.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid log level '{0}'.")]
pub struct InvalidLevel(pub String);

/// Loggers have names with dots, as those of Java's classes; one without a level of its own has that of the nearest name
/// above it, and at last that of `root`.
pub trait LogLevels: Send + Sync {
    /// The loggers that have a level of their own, and `root`.
    fn list(&self) -> BTreeMap<String, LoggerLevel>;

    /// The level in effect for a logger; `None` for one that nobody has spoken of. `root` is meant in any case.
    fn get(&self, logger: &str) -> Option<LoggerLevel>;

    /// Whether a text is a level, in any case.
    ///
    /// # Errors
    ///
    /// It is not.
    fn check(&self, level: &str) -> Result<(), InvalidLevel>;

    /// Gives a level to a logger and to every other whose name begins with that text, and says which these are, sorted.
    ///
    /// # Errors
    ///
    /// There is no such level.
    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, InvalidLevel>;
}
