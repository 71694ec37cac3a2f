//! What is counted with. Each value is right by itself; two of them may be read at slightly different moments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::value::Value;

/// Counts events or bytes; never goes back.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum since the group exists.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much there is of something at the moment.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// So much is there now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// So much more is there, or less.
    pub fn change(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// What is there.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// When something happened last.
#[derive(Debug, Default)]
pub struct Timestamp(AtomicU64);

impl Timestamp {
    /// It happened at this time.
    pub fn set(&self, at: SystemTime) {
        let ms = at.duration_since(UNIX_EPOCH).map_or(0, millis);
        self.0.store(ms, Ordering::Relaxed);
    }

    /// Milliseconds since 1970; 0 if it never happened.
    pub fn millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sizes or times that vary: how many there were, their sum, and the largest.
#[derive(Debug, Default)]
pub struct Distribution {
    count: AtomicU64,
    sum: AtomicU64,
    largest: AtomicU64,
}

impl Distribution {
    /// One more, of this size.
    pub fn record(&self, value: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.largest.fetch_max(value, Ordering::Relaxed);
    }

    /// One more, which took so long, in whole milliseconds as Connect counts them.
    pub fn record_time(&self, took: Duration) {
        self.record(millis(took));
    }

    /// Count, sum, and the largest since `largest` was forgotten. Who shows the largest of a window forgets it at the
    /// window's end.
    pub fn value(&self) -> Value {
        Value::Distribution {
            count: self.count.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
            largest: self.largest.load(Ordering::Relaxed),
        }
    }

    /// Begins to look for the largest anew.
    pub fn forget_largest(&self) {
        self.largest.store(0, Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a group's instruments have in common.
pub(crate) trait Instrument {
    fn read(&self) -> Value;
    fn end_window(&self) {}
}

impl Instrument for Counter {
    fn read(&self) -> Value {
        Value::Total(self.total())
    }
}

impl Instrument for Gauge {
    fn read(&self) -> Value {
        Value::Current(self.value())
    }
}

impl Instrument for Timestamp {
    fn read(&self) -> Value {
        Value::Total(self.millis())
    }
}

impl Instrument for Distribution {
    fn read(&self) -> Value {
        self.value()
    }

    fn end_window(&self) {
        self.forget_largest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_has_count_sum_and_the_largest_of_the_window() {
        let times = Distribution::default();
        times.record(7);
        times.record_time(Duration::from_micros(3_900));
        assert_eq!(times.value(), Value::Distribution { count: 2, sum: 10, largest: 7 });
        times.forget_largest();
        times.record(2);
        assert_eq!(times.value(), Value::Distribution { count: 3, sum: 12, largest: 2 });
    }

    #[test]
    fn what_never_happened_has_the_time_zero() {
        let last = Timestamp::default();
        assert_eq!(last.millis(), 0);
        last.set(UNIX_EPOCH + Duration::from_secs(2));
        assert_eq!(last.millis(), 2000);
    }
}
