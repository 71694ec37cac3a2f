//! Numbers about the plugin's own work, and how far a task has come.
//!
//! The worker shows them at `/metrics`, with the names of connector and task, and progress beside the task's status. What is
//! misspelt or too much is an error, and counts nothing; a plugin may have 100 metrics in a connector or task.
//!
//! ```
//! use millstream_sdk::{harness::Harness, metrics};
//!
//! let harness = Harness::enter();
//! metrics::count("lines_skipped", 2.0).unwrap();
//! metrics::count("lines_skipped", 1.0).unwrap();
//! assert_eq!(harness.metric("lines_skipped"), Some(3.0));
//!
//! metrics::report_progress("orders", Some(&metrics::Progress::new(1_000.0, "rows").of(5_000.0))).unwrap();
//! assert_eq!(harness.progress("orders").unwrap().total, Some(5_000.0));
//! ```

use crate::{Result, host};

/// How far one piece of work has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How much is done, in units.
    pub done: f64,
    /// How much there is to do, as far as that is known.
    pub total: Option<f64>,
    /// What is counted, in the plural: `rows`, `bytes`, `files`.
    pub unit: String,
}

impl Progress {
    /// So many of these are done.
    pub fn new(done: f64, unit: &str) -> Self {
        Self { done, total: None, unit: unit.to_owned() }
    }

    /// There are so many in all.
    #[must_use]
    pub fn of(mut self, total: f64) -> Self {
        self.total = Some(total);
        self
    }
}

/// Says what a counter counts, which is 0 until the first [`count`].
///
/// # Errors
///
/// A name that is none (letters of ASCII, digits and `_`, at most 100; none of Prometheus' endings such as `_total`), or one
/// metric too many.
pub fn declare_counter(name: &str, help: &str) -> Result<()> {
    host::declare_metric(name, true, help)
}

/// Says what a gauge shows, which is 0 until it is set.
///
/// # Errors
///
/// As for [`declare_counter`].
pub fn declare_gauge(name: &str, help: &str) -> Result<()> {
    host::declare_metric(name, false, help)
}

/// Adds to a counter, which need not be declared.
///
/// # Errors
///
/// As for [`declare_counter`]; a number that is negative or not finite.
pub fn count(name: &str, more: f64) -> Result<()> {
    host::count(name, more)
}

/// Sets a gauge, which need not be declared.
///
/// # Errors
///
/// As for [`declare_counter`]; a number that is not finite.
pub fn gauge(name: &str, value: f64) -> Result<()> {
    host::gauge(name, value)
}

/// How far a task has come with `what` (a table, a file); `None` when it is through, or has given up.
///
/// # Errors
///
/// Not in a task; 100 pieces of work are under way already; a text that is empty or too long, a number that is negative or
/// not finite.
pub fn report_progress(what: &str, now: Option<&Progress>) -> Result<()> {
    host::report_progress(what, now)
}
