//! When a push that fails is spoken of: at first, then now and then with how many there were, and when one succeeds again.
//! A plain value.

use std::time::{Duration, Instant};

/// Time between two lines about a collector that stays away.
const SILENCE: Duration = Duration::from_secs(600);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Since the last success.
    count: u64,
    told: Option<Instant>,
}

impl Failures {
    /// A push has failed for good: how many have since the last success, if it is time to say so.
    pub(super) fn failed(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let due = self.told.is_none_or(|told| SILENCE <= now.saturating_duration_since(told));
        due.then(|| {
            self.told = Some(now);
            self.count
        })
    }

    /// A push has succeeded: how many had failed before it.
    pub(super) fn succeeded(&mut self) -> u64 {
        self.told = None;
        std::mem::take(&mut self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_stays_away_is_spoken_of_now_and_then() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let told: Vec<Option<u64>> =
            (0..23).map(|minute| failures.failed(begin + Duration::from_secs(60 * minute))).collect();
        let lines: Vec<(usize, u64)> =
            told.iter().enumerate().filter_map(|(minute, count)| Some((minute, (*count)?))).collect();
        assert_eq!(lines, [(0, 1), (10, 11), (20, 21)]);
        assert_eq!(failures.succeeded(), 23);
        assert_eq!(failures.succeeded(), 0);
        assert_eq!(failures.failed(begin), Some(1), "the next time is a first time");
    }
}
