//! Times in buckets, so that those of many tasks and workers can be put together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::instrument::Instrument;
use crate::value::{BOUNDS, Value};

/// How many times fell into each bucket, and their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// One more, which took so long.
    pub fn record(&self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Instrument for Histogram {
    fn read(&self, _: Instant) -> Value {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed));
        Value::Histogram { counts, sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_the_first_bucket_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 30_000_000, 30_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let Value::Histogram { counts, sum } = histogram.read(Instant::now()) else { panic!("it reads buckets") };
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sum, Duration::from_micros(60_000_202));
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted());
    }
}
