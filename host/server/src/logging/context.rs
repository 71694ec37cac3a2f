//! Which connector a line is about: Connect's `connector.context`, from the spans that the runtime opens.

use std::sync::Arc;

use millstream_runtime::log_context::{PARTS, TARGET};
use tracing::{
    Metadata,
    field::{Field, Visit},
    span::Attributes,
};

/// The connector or task that is at work.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Context {
    pub(super) connector: Arc<str>,
    pub(super) task: Option<u64>,
    /// Connect's word for what is done.
    part: &'static str,
}

/// Whether a span says which connector is at work.
pub(super) fn is_context(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TARGET
}

impl Context {
    /// What a span says, that [`is_context`].
    pub(super) fn of(span: &Attributes<'_>) -> Self {
        let mut found = Found::default();
        span.record(&mut found);
        let name = span.metadata().name();
        let part = PARTS.into_iter().find(|part| *part == name).unwrap_or_default();
        Self { connector: found.connector.into(), task: found.task, part }
    }

    /// As Connect writes it in front of a line.
    pub(super) fn shown(&self) -> String {
        let Self { connector, task, part } = self;
        match (task, *part) {
            (Some(task), "task") => format!("[{connector}|task-{task}]"),
            (Some(task), part) => format!("[{connector}|task-{task}|{part}]"),
            (None, part) => format!("[{connector}|{part}]"),
        }
    }
}

#[derive(Default)]
struct Found {
    connector: String,
    task: Option<u64>,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "connector" {
            value.clone_into(&mut self.connector);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "task" {
            self.task = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
