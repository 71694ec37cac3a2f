//! Monotonic time for sessions and waits, immune to steps of the system clock.

use std::time::{Duration, Instant};

/// Milliseconds since the broker started, on a clock that never steps.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// When the clock was started.
    #[cfg(test)]
    pub const ZERO: Self = Self(0);

    /// This many milliseconds after the start.
    #[cfg(test)]
    pub fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// A later moment; a negative number of milliseconds counts as none.
    pub fn plus_ms(self, ms: i32) -> Self {
        Self(self.0.saturating_add(u64::try_from(ms).unwrap_or(0)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Reads [`Tick`]s.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The present moment.
    pub fn now(&self) -> Tick {
        Tick(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
