//! A token bucket, as Kafka holds changes of topics against quotas with one (KIP-599): bursts pass, and what went over is
//! waited for.

/// What may be used at once. Times are milliseconds of any clock that does not go back.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    at_ms: u64,
    /// As of the last use.
    per_second: f64,
    burst: f64,
}

impl Bucket {
    /// A full one.
    pub fn full(per_second: f64, burst: f64, now_ms: u64) -> Self {
        Self { tokens: burst, at_ms: now_ms, per_second, burst }
    }

    /// Takes so many tokens; there may be less than none afterwards, so that one large change passes.
    pub fn take(&mut self, amount: f64, per_second: f64, burst: f64, now_ms: u64) {
        self.refill(per_second, burst, now_ms);
        self.tokens -= amount;
    }

    /// How long there will be less than none, in milliseconds.
    pub fn wait_ms(&mut self, per_second: f64, burst: f64, now_ms: u64) -> u64 {
        self.refill(per_second, burst, now_ms);
        if 0.0 <= self.tokens { 0 } else { (-self.tokens / per_second * 1000.0).round().max(1.0) as u64 }
    }

    /// Whether it is full again under the limit that it was last used with, as one that was never used.
    pub fn is_full(&mut self, now_ms: u64) -> bool {
        self.refill(self.per_second, self.burst, now_ms);
        self.burst <= self.tokens
    }

    fn refill(&mut self, per_second: f64, burst: f64, now_ms: u64) {
        (self.per_second, self.burst) = (per_second, burst);
        let elapsed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.tokens = (self.tokens + elapsed * per_second).min(burst);
        self.at_ms = now_ms.max(self.at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_one_change_may_overdraw_and_what_went_over_is_waited_for() {
        let (rate, burst) = (2.0, 22.0);
        let mut bucket = Bucket::full(rate, burst, 0);
        bucket.take(22.0, rate, burst, 0);
        assert_eq!(bucket.wait_ms(rate, burst, 0), 0);
        bucket.take(10.0, rate, burst, 0);
        assert_eq!(bucket.wait_ms(rate, burst, 0), 5000);
        assert_eq!(bucket.wait_ms(rate, burst, 4000), 1000);
        assert_eq!(bucket.wait_ms(rate, burst, 5000), 0);
        assert!(!bucket.is_full(15_999));
        assert!(bucket.is_full(16_000));
        assert!(bucket.is_full(1_000_000), "no more than a burst is saved");
        bucket.take(23.0, rate, burst, 1_000_000);
        assert_eq!(bucket.wait_ms(rate, burst, 1_000_000), 500);
    }

    #[test]
    fn a_lower_limit_counts_at_once() {
        let mut bucket = Bucket::full(1.0, 100.0, 0);
        assert_eq!(bucket.wait_ms(1.0, 11.0, 0), 0);
        assert!(bucket.is_full(0));
        bucket.take(12.0, 1.0, 11.0, 0);
        assert_eq!(bucket.wait_ms(1.0, 11.0, 0), 1000);
    }
}
