//! Something that may happen in floods, mentioned in the log now and then.

use std::{
    mem,
    time::{Duration, Instant},
};

/// Shortest time between two mentions.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts what happens between two mentions.
#[derive(Debug, Default)]
pub struct Seldom {
    unreported: u64,
    reported_at: Option<Instant>,
}

impl Seldom {
    /// Counts one more. The number since the last mention when the next is due, which is every ten seconds at most.
    pub fn add(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        let due = self.reported_at.is_none_or(|at| PAUSE <= now.saturating_duration_since(at));
        if !due {
            return None;
        }
        self.reported_at = Some(now);
        Some(mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_mentioned_every_ten_seconds_with_its_size() {
        let mut seldom = Seldom::default();
        let begin = Instant::now();
        assert_eq!(seldom.add(begin), Some(1));
        assert_eq!(seldom.add(begin), None);
        assert_eq!(seldom.add(begin + Duration::from_secs(9)), None);
        assert_eq!(seldom.add(begin + Duration::from_secs(10)), Some(3));
        assert_eq!(seldom.add(begin + Duration::from_secs(11)), None);
    }
}
