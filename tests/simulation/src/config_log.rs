//! Trouble with the config log: what a worker changes is not written, or it is and nobody says so, or it comes back late.

use std::time::Duration;

use millstream_runtime::config_log::Entry;

use crate::{World, fakes::config_log::LogFaults, plan::Fault};

/// The log of a worker in a world.
pub(crate) struct TroubledLog(pub(crate) World);

/// The connector that entries are about.
fn connector_of(entries: &[Entry]) -> &str {
    let mut names = entries.iter().filter_map(|entry| match entry {
        Entry::Connector { name, .. }
        | Entry::Target { name, .. }
        | Entry::Task { name, .. }
        | Entry::Commit { name, .. }
        | Entry::Fencing { name, .. }
        | Entry::Lease { name, .. }
        | Entry::Restart { name, .. } => Some(name.as_str()),
        Entry::SessionKey(_) | Entry::LoggerLevel { .. } => None,
    });
    names.next().unwrap_or_default()
}

impl LogFaults for TroubledLog {
    fn append_fails(&mut self, entries: &[Entry]) -> Option<String> {
        self.0.fault(connector_of(entries), Fault::LogAppendFails)
    }

    fn answer_is_lost(&mut self, entries: &[Entry]) -> Option<String> {
        self.0.fault(connector_of(entries), Fault::LogAnswerLost)
    }

    fn delay(&mut self, entries: &[Entry]) -> Duration {
        let connector = connector_of(entries);
        if self.0.fault(connector, Fault::LogReadSlow).is_none() {
            return Duration::ZERO;
        }
        // What the worker says when it does not wait any longer, which it then does for its tasks' configurations, too.
        self.0.explains(connector, "has not come back from the config log within 30 seconds".to_owned());
        Duration::from_millis(self.0.state().rng.below(45_000))
    }
}
