//! What is counted with. Each value is right by itself; two of them may be read at slightly different moments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::value::{Recorded, Value};

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

/// When something happened last, by the calendar.
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

/// How long ago something happened last.
#[derive(Debug, Default)]
pub struct Last(Mutex<Option<Instant>>);

impl Last {
    /// It happened at this moment.
    pub fn set(&self, at: Instant) {
        *held(&self.0) = Some(at);
    }
}

/// A text that says what something is.
#[derive(Debug, Default)]
pub struct Text(Mutex<Arc<str>>);

impl Text {
    /// It is this from now on.
    pub fn set(&self, text: &str) {
        let mut held = held(&self.0);
        if **held != *text {
            *held = text.into();
        }
    }
}

/// Nothing panics while one of these values is replaced.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sizes or times that vary: how many there were, their sum, the largest and the smallest.
#[derive(Debug)]
pub struct Distribution {
    count: AtomicU64,
    sum: AtomicU64,
    largest: AtomicU64,
    smallest: AtomicU64,
}

impl Default for Distribution {
    fn default() -> Self {
        let [count, sum, largest] = Default::default();
        Self { count, sum, largest, smallest: AtomicU64::new(u64::MAX) }
    }
}

impl Distribution {
    /// One more, of this size.
    pub fn record(&self, value: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.largest.fetch_max(value, Ordering::Relaxed);
        self.smallest.fetch_min(value, Ordering::Relaxed);
    }

    /// One more, which took so long, in whole milliseconds as Connect counts them.
    pub fn record_time(&self, took: Duration) {
        self.record(millis(took));
    }

    /// Count, sum, and the largest and smallest since these were taken.
    pub fn value(&self) -> Value {
        let Recorded { count, sum, largest, smallest } =
            self.with(self.largest.load(Ordering::Relaxed), self.smallest.load(Ordering::Relaxed));
        Value::Distribution { count, sum, largest, smallest }
    }

    fn with(&self, largest: u64, smallest: u64) -> Recorded {
        let (count, sum) = (self.count.load(Ordering::Relaxed), self.sum.load(Ordering::Relaxed));
        Recorded { count, sum, largest, smallest }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a group's instruments have in common.
pub(crate) trait Instrument {
    /// What it says.
    fn read(&self, now: Instant) -> Value;

    /// What it has recorded, if it has a window; the largest and the smallest are looked for anew.
    fn take(&self) -> Option<Recorded> {
        None
    }
}

/// Of a sum alone.
fn sum(total: u64) -> Option<Recorded> {
    Some(Recorded { count: total, sum: total, largest: 0, smallest: u64::MAX })
}

impl Instrument for Counter {
    fn read(&self, _: Instant) -> Value {
        Value::Total(self.total())
    }

    fn take(&self) -> Option<Recorded> {
        sum(self.total())
    }
}

impl Instrument for Gauge {
    fn read(&self, _: Instant) -> Value {
        Value::Current(self.value())
    }
}

impl Instrument for Timestamp {
    fn read(&self, _: Instant) -> Value {
        Value::Total(self.millis())
    }

    fn take(&self) -> Option<Recorded> {
        sum(self.millis())
    }
}

impl Instrument for Last {
    fn read(&self, now: Instant) -> Value {
        Value::Ago(held(&self.0).map(|at| now.saturating_duration_since(at)))
    }
}

impl Instrument for Text {
    fn read(&self, _: Instant) -> Value {
        Value::Text(Arc::clone(&held(&self.0)))
    }
}

impl Instrument for Distribution {
    fn read(&self, _: Instant) -> Value {
        self.value()
    }

    fn take(&self) -> Option<Recorded> {
        // Before the count is read, so that a value that is recorded meanwhile is seen here or the next time.
        let largest = self.largest.swap(0, Ordering::Relaxed);
        let smallest = self.smallest.swap(u64::MAX, Ordering::Relaxed);
        Some(self.with(largest, smallest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_has_count_sum_and_the_extremes_since_these_were_taken() {
        let times = Distribution::default();
        let value = |count, sum, largest, smallest| Value::Distribution { count, sum, largest, smallest };
        times.record(7);
        times.record_time(Duration::from_micros(3_900));
        assert_eq!(times.value(), value(2, 10, 7, 3));
        assert_eq!(times.take(), Some(Recorded { count: 2, sum: 10, largest: 7, smallest: 3 }));
        assert_eq!(times.value(), value(2, 10, 0, u64::MAX));
        times.record(2);
        assert_eq!(times.value(), value(3, 12, 2, 2));
    }

    #[test]
    fn what_never_happened_has_the_time_zero() {
        let last = Timestamp::default();
        assert_eq!(last.millis(), 0);
        last.set(UNIX_EPOCH + Duration::from_secs(2));
        assert_eq!(last.millis(), 2000);
        let (ago, now) = (Last::default(), Instant::now());
        assert_eq!(ago.read(now), Value::Ago(None));
        ago.set(now);
        assert_eq!(ago.read(now + Duration::from_secs(3)), Value::Ago(Some(Duration::from_secs(3))));
    }
}
