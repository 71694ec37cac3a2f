//! One instance's way to what is counted for its plugin.

use std::sync::Arc;

use millstream_connector::{ErrorKind, Failure};
use millstream_metrics::{Custom, CustomKind, InvalidCustom, Progress};

/// What an instance counts into.
#[derive(Debug, Default)]
pub(crate) struct CustomMetrics {
    custom: Arc<Custom>,
    /// Whether it is a task's.
    has_progress: bool,
}

impl CustomMetrics {
    /// Counts for the plugin of a connector or task.
    pub(crate) fn new(custom: Arc<Custom>, has_progress: bool) -> Self {
        Self { custom, has_progress }
    }

    pub(crate) fn declare(&self, name: &str, kind: CustomKind, help: &str) -> Result<(), Failure> {
        self.custom.declare(name, kind, help).map_err(|error| refused(&error))
    }

    pub(crate) fn count(&self, name: &str, more: f64) -> Result<(), Failure> {
        self.custom.count(name, more).map_err(|error| refused(&error))
    }

    pub(crate) fn gauge(&self, name: &str, value: f64) -> Result<(), Failure> {
        self.custom.gauge(name, value).map_err(|error| refused(&error))
    }

    pub(crate) fn report_progress(&self, what: &str, now: Option<Progress>) -> Result<(), Failure> {
        if !self.has_progress {
            let message = "report-progress is for source and sink tasks: nothing else here has work that ends";
            return Err(Failure::new(ErrorKind::Fatal, "", message));
        }
        self.custom.report_progress(what, now).map_err(|error| refused(&error))
    }
}

fn refused(error: &InvalidCustom) -> Failure {
    Failure::new(ErrorKind::Fatal, "", error.to_string())
}
