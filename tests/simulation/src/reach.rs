//! Which processes are out of reach of the group that they belong to: what they run may run elsewhere, too, until they
//! hear of that.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::lockstep::now;

/// How a process stands to its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// It does nothing at all, since then.
    Frozen,
    /// It goes on, and hears nothing from then on.
    CutOff(Instant),
    /// It hears what has happened, and has until then to follow.
    Back(Instant),
    /// The group may have given it up while it goes on, for which it is not to blame.
    Expelled(Instant),
}

/// Processes of which something may be out of date; of all others nothing is.
#[derive(Debug, Default)]
pub struct Reach(BTreeMap<u32, Standing>);

impl Reach {
    /// A process does not go on.
    pub fn freeze(&mut self, process: u32) {
        self.0.insert(process, Standing::Frozen);
    }

    /// A process hears nothing any more.
    pub fn cut_off(&mut self, process: u32) {
        self.0.insert(process, Standing::CutOff(now()));
    }

    /// A process goes on, or hears the others again, and has so long to stop what is not its own any more.
    pub fn back(&mut self, process: u32, within: Duration) {
        self.0.insert(process, Standing::Back(now() + within));
    }

    /// The group has given a process up that has done nothing wrong; it has so long to stop everything.
    pub fn expel(&mut self, process: u32, within: Duration) {
        // What is true of one out of reach stays true.
        if !matches!(self.0.get(&process), Some(Standing::Frozen | Standing::CutOff(_))) {
            self.0.insert(process, Standing::Expelled(now() + within));
        }
    }

    /// Whether what a process runs may rightly run elsewhere, too.
    pub fn may_be_late(&self, process: u32) -> bool {
        match self.0.get(&process) {
            None => false,
            Some(Standing::Frozen | Standing::CutOff(_)) => true,
            Some(Standing::Back(until) | Standing::Expelled(until)) => now() <= *until,
        }
    }

    /// Whether a process has heard nothing for so long that it must not run anything any more.
    pub fn must_rest(&self, process: u32, after: Duration) -> bool {
        matches!(self.0.get(&process), Some(Standing::CutOff(since)) if *since + after < now())
    }
}
