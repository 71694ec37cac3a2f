//! The states that connectors and tasks are in, as metrics show them.

/// States in Connect's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nobody runs it.
    Unassigned,
    /// It runs.
    Running,
    /// It waits until it is resumed.
    Paused,
    /// It has failed.
    Failed,
    /// It was deleted. No instance is ever counted so: what is deleted is gone at once.
    Destroyed,
    /// Between the stop and the start of a restart.
    Restarting,
    /// A connector that was stopped.
    Stopped,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Unassigned, Self::Running, Self::Paused, Self::Failed, Self::Destroyed, Self::Restarting, Self::Stopped];

    /// Connect's name for it as a metric shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Destroyed => "destroyed",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_place_in_the_list() {
        for (place, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, place, "{}", state.name());
        }
    }
}
