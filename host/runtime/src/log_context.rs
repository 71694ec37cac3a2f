//! Which connector is at work: Connect's `connector.context`, as spans.
//!
//! A span belongs to the work and holds wherever that is polled, so that lines of plugins, converters and clients have
//! it, too. What the work spawns has it if it is spawned within.

use tracing::Span;

/// Target of these spans.
pub const TARGET: &str = "connector.context";

/// Their names: Connect's words for what is done.
pub const PARTS: [&str; 4] = ["worker", "task", "offsets", "validate"];

/// Work on the connector itself.
pub fn of_connector(connector: &str) -> Span {
    tracing::error_span!(target: TARGET, parent: None, "worker", connector)
}

/// The work of a task.
pub fn of_task(connector: &str, task: u32) -> Span {
    tracing::error_span!(target: TARGET, parent: None, "task", connector, task)
}

/// The commit of a source task's offsets.
pub fn of_offsets(connector: &str, task: u32) -> Span {
    tracing::error_span!(target: TARGET, parent: None, "offsets", connector, task)
}

/// The check of a configuration; of one without a name nothing is said.
pub fn of_validation(connector: &str) -> Span {
    if connector.is_empty() {
        return Span::none();
    }
    tracing::error_span!(target: TARGET, parent: None, "validate", connector)
}
