//! How many lines of an instance pass.

use std::time::Instant;

/// So many lines a second, with a second's worth in advance.
pub(super) struct RateLimit {
    per_second: f64,
    pub(super) left: f64,
    pub(super) at: Instant,
    /// Lines since the last that passed.
    pub(super) dropped: u64,
}

impl RateLimit {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), left: per_second.into(), at: now, dropped: 0 }
    }

    /// Whether a line may pass, and how many were dropped before it.
    pub(super) fn admit(&mut self, now: Instant) -> Option<u64> {
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.per_second);
        self.at = now;
        if self.left < 1.0 {
            self.dropped += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_counted_until_one_passes() {
        let start = Instant::now();
        let mut rate = RateLimit::new(2, start);
        assert_eq!(rate.admit(start), Some(0));
        assert_eq!(rate.admit(start), Some(0));
        assert_eq!(rate.admit(start), None);
        assert_eq!(rate.admit(start), None);
        assert_eq!(rate.admit(start + Duration::from_millis(500)), Some(2));
        assert_eq!(rate.admit(start + Duration::from_millis(500)), None);
    }
}
