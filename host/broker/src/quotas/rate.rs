//! A rate over a sliding window of samples, measured as Kafka's metrics do.

use std::collections::VecDeque;

/// `quota.window.num` samples of `quota.window.size.seconds` each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// How many samples.
    pub samples: u32,
    /// Length of each, in milliseconds.
    pub sample_ms: u64,
}

impl Window {
    /// How long something is remembered, in milliseconds.
    pub fn whole_ms(self) -> u64 {
        self.sample_ms.saturating_mul(u64::from(self.samples))
    }
}

/// What was used lately. Times are milliseconds of any clock that does not go back.
#[derive(Debug, Default)]
pub struct Rate {
    /// Beginnings and amounts, oldest first.
    samples: VecDeque<(u64, f64)>,
}

impl Rate {
    /// Adds an amount; a negative one takes back what was added and not used.
    pub fn record(&mut self, amount: f64, window: Window, now_ms: u64) {
        self.forget(window, now_ms);
        match self.samples.back_mut() {
            Some((begin, sum)) if now_ms < begin.saturating_add(window.sample_ms) => *sum += amount,
            _ => self.samples.push_back((now_ms, amount)),
        }
    }

    /// How long its user has to wait until the rate is within the bound, per second; 0 if it is, in milliseconds.
    pub fn wait_ms(&mut self, bound: f64, window: Window, now_ms: u64) -> u64 {
        self.forget(window, now_ms);
        let window_ms = self.window_ms(window, now_ms) as f64;
        let used: f64 = self.samples.iter().map(|(_, amount)| amount).sum();
        let rate = used / (window_ms / 1000.0);
        if rate <= bound { 0 } else { ((rate - bound) / bound * window_ms).round() as u64 }
    }

    /// Whether nothing is remembered any more.
    pub fn is_idle(&mut self, window: Window, now_ms: u64) -> bool {
        self.forget(window, now_ms);
        self.samples.is_empty()
    }

    fn forget(&mut self, window: Window, now_ms: u64) {
        let longest = window.whole_ms();
        while self.samples.front().is_some_and(|(begin, _)| begin.saturating_add(longest) <= now_ms) {
            self.samples.pop_front();
        }
    }

    /// The time that the samples stand for: as long as all but one of them at least.
    fn window_ms(&self, window: Window, now_ms: u64) -> u64 {
        let elapsed = self.samples.front().map_or(0, |(begin, _)| now_ms.saturating_sub(*begin));
        let full = elapsed / window.sample_ms;
        let least = u64::from(window.samples.saturating_sub(1));
        let elapsed = elapsed.saturating_add(least.saturating_sub(full).saturating_mul(window.sample_ms));
        if elapsed == 0 { window.sample_ms } else { elapsed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn who_uses_more_than_the_window_holds_waits_until_it_does_not() {
        let mut rate = Rate::default();
        // Ten seconds' worth at once: the window is ten samples long, so that this is just within.
        rate.record(1000.0, WINDOW, 0);
        assert_eq!(rate.wait_ms(100.0, WINDOW, 0), 0);
        rate.record(500.0, WINDOW, 0);
        // 150 a second over 10 s: half of the bound too much, for half of the window.
        assert_eq!(rate.wait_ms(100.0, WINDOW, 0), 5000);
        // The same seen a little later, as the window grows only with its samples.
        assert_eq!(rate.wait_ms(100.0, WINDOW, 500), 4500);
        assert_eq!(rate.wait_ms(100.0, WINDOW, 10_999), 4000 + 1);
        assert!(!rate.is_idle(WINDOW, 10_999));
        assert_eq!(rate.wait_ms(100.0, WINDOW, 11_000), 0);
        assert!(rate.is_idle(WINDOW, 11_000));
    }

    #[test]
    fn a_steady_use_at_the_bound_never_waits_and_one_above_it_does() {
        let (mut at, mut above) = (Rate::default(), Rate::default());
        let mut waited = 0;
        for now in (0..60_000).step_by(100) {
            at.record(10.0, WINDOW, now);
            above.record(12.0, WINDOW, now);
            assert!(at.wait_ms(101.0, WINDOW, now) <= 1100, "at {now}");
            waited = above.wait_ms(100.0, WINDOW, now);
        }
        assert!(1000 < waited, "{waited}");
    }

    #[test]
    fn no_window_is_too_long() {
        let window = Window { samples: i32::MAX as u32, sample_ms: 1000 * i32::MAX as u64 };
        let mut rate = Rate::default();
        for now in [0, 1, 1 << 40] {
            rate.record(5000.0, window, now);
            assert_eq!(rate.wait_ms(1.0, window, now), 0);
        }
        assert!(!rate.is_idle(window, u64::MAX - 1));
    }

    #[test]
    fn what_was_not_used_can_be_taken_back() {
        let mut rate = Rate::default();
        rate.record(5000.0, WINDOW, 0);
        assert!(0 < rate.wait_ms(100.0, WINDOW, 0));
        rate.record(-5000.0, WINDOW, 0);
        assert_eq!(rate.wait_ms(100.0, WINDOW, 0), 0);
    }
}
