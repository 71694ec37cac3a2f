//! How many records are due at a time.

use std::time::Duration;

/// Spreads records evenly over time. Time is counted from the task's start and given by the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Records per second; 0 for as many as are asked for.
    rate: u64,
    /// Time from which records are counted.
    since: Duration,
    /// Records made since then.
    made: u64,
}

impl Pace {
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate, since: Duration::ZERO, made: 0 }
    }

    /// Records that may be made now; `None` for any number.
    ///
    /// A task that was held up catches up on one second at most.
    pub(crate) fn due(&mut self, now: Duration) -> Option<u64> {
        if self.rate == 0 {
            return None;
        }
        let due = self.total(now).saturating_sub(self.made);
        if due <= self.rate {
            return Some(due);
        }
        self.since = now.saturating_sub(Duration::from_secs(1));
        self.made = 0;
        Some(self.rate)
    }

    /// Notes that records were made.
    pub(crate) fn made(&mut self, records: u64) {
        self.made += records;
    }

    /// How long it takes until a batch is worth making: a twentieth of a second's records, or one.
    pub(crate) fn until_next(&self, now: Duration) -> Duration {
        let wanted = u128::from(self.made + (self.rate / 20).max(1));
        let at_ms = (wanted * 1000).div_ceil(u128::from(self.rate.max(1)));
        let at = self.since + Duration::from_millis(u64::try_from(at_ms).unwrap_or(u64::MAX));
        at.saturating_sub(now)
    }

    /// Records due since the count began.
    fn total(&self, now: Duration) -> u64 {
        let elapsed = now.saturating_sub(self.since).as_millis();
        u64::try_from(elapsed * u128::from(self.rate) / 1000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn records_are_spread_over_the_second() {
        let mut pace = Pace::new(10);
        assert_eq!(pace.due(at(0)), Some(0));
        assert_eq!(pace.until_next(at(0)), at(100));
        assert_eq!(pace.due(at(99)), Some(0));
        assert_eq!(pace.due(at(350)), Some(3));
        pace.made(3);
        assert_eq!(pace.due(at(350)), Some(0));
        assert_eq!(pace.until_next(at(350)), at(50));
    }

    #[test]
    fn fast_streams_are_made_in_batches() {
        assert_eq!(Pace::new(100_000).until_next(at(0)), at(50));
    }

    #[test]
    fn a_task_that_was_held_up_catches_up_on_a_second_only() {
        let mut pace = Pace::new(10);
        assert_eq!(pace.due(at(60_000)), Some(10));
        pace.made(10);
        assert_eq!(pace.due(at(60_000)), Some(0));
        assert_eq!(pace.due(at(60_100)), Some(1));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Pace::new(0).due(at(0)), None);
    }
}
