//! Lines of guests in the host's log: what they log, and what they write to their standard output and error. No key opens
//! it; `plugin.log.rate` bounds it.

mod rate;
mod state;
mod stdio;

pub(crate) use state::GuestLog;
pub(crate) use stdio::StandardStream;

use super::Capability;

/// Standard output and error are WASI's, and set up with each instance.
pub(super) const CAPABILITY: Capability = Capability { declare: None, want: None, link: &["host-log"] };

/// Whose instance it is, as its lines and faults say it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct InstanceName {
    pub(crate) connector: String,
    pub(crate) task: Option<u32>,
    pub(crate) plugin: String,
}

/// Levels as the contract has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}
