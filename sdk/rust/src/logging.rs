//! Writing to the worker's log. Lines carry the connector and task by themselves.

use std::fmt;

use crate::host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Every step, for following one record.
    Trace,
    /// What a developer wants to know.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What an operator should look into.
    Warn,
    /// What has gone wrong.
    Error,
}

/// Whether a line of this level would be kept. The macros ask by themselves.
pub fn enabled(level: Level) -> bool {
    host::log_enabled(level)
}

/// Writes a line, if its level is kept. Lines beyond the host's rate limit are dropped and counted.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        match message.as_str() {
            Some(message) => host::log(level, message),
            None => host::log(level, &message.to_string()),
        }
    }
}

/// Logs what an operator wants to know; arguments as in [`format!`].
#[macro_export]
macro_rules! info { ($($argument:tt)+) => { $crate::logging::log($crate::logging::Level::Info, format_args!($($argument)+)) } }

/// Logs what an operator should look into; arguments as in [`format!`].
#[macro_export]
macro_rules! warn { ($($argument:tt)+) => { $crate::logging::log($crate::logging::Level::Warn, format_args!($($argument)+)) } }

/// Logs what has gone wrong; arguments as in [`format!`].
#[macro_export]
macro_rules! error { ($($argument:tt)+) => { $crate::logging::log($crate::logging::Level::Error, format_args!($($argument)+)) } }

/// Logs what a developer wants to know; arguments as in [`format!`].
#[macro_export]
macro_rules! debug { ($($argument:tt)+) => { $crate::logging::log($crate::logging::Level::Debug, format_args!($($argument)+)) } }

/// Logs a step, for following one record; arguments as in [`format!`].
#[macro_export]
macro_rules! trace { ($($argument:tt)+) => { $crate::logging::log($crate::logging::Level::Trace, format_args!($($argument)+)) } }

/// Sends the message of a panic to the log before it ends the instance.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| host::log(Level::Error, &panic.to_string())));
}
