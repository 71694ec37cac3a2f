//! How long the running call has computed. Waiting does not count: host functions that may wait stop the
//! clock, and one reading adds at most a tick, so that a wait inside WASI's own functions adds no more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ticker::TICK;

/// Computing time of the call in progress. Shared between the store and the futures that give way.
#[derive(Debug)]
pub(crate) struct CallClock {
    base: Instant,
    limit: Duration,
    mark_ns: AtomicU64,
    ran_ns: AtomicU64,
}

impl CallClock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { base: Instant::now(), limit, mark_ns: AtomicU64::new(0), ran_ns: AtomicU64::new(0) }
    }

    /// A call begins.
    pub(crate) fn begin(&self) {
        self.ran_ns.store(0, Ordering::Relaxed);
        self.resume();
    }

    /// The guest computes from here on.
    pub(crate) fn resume(&self) {
        self.mark_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// The guest stops computing, or is looked at while it does. Adds the time since the last mark.
    pub(crate) fn account(&self) {
        let now = self.now_ns();
        let since = now.saturating_sub(self.mark_ns.swap(now, Ordering::Relaxed));
        let counted = since.min(nanos(TICK));
        self.ran_ns.fetch_add(counted, Ordering::Relaxed);
    }

    /// Waits for something outside of the guest, which costs it no computing time.
    pub(crate) async fn outside<T>(&self, wait: impl Future<Output = T>) -> T {
        self.account();
        let outcome = wait.await;
        self.resume();
        outcome
    }

    /// The host has computed for the guest since the last look: all of that counts.
    pub(crate) fn worked(&self) {
        let now = self.now_ns();
        let since = now.saturating_sub(self.mark_ns.swap(now, Ordering::Relaxed));
        self.ran_ns.fetch_add(since, Ordering::Relaxed);
    }

    /// How long the call may still compute.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(Duration::from_nanos(self.ran_ns.load(Ordering::Relaxed)))
    }

    /// A call ends: how long it has computed, in nanoseconds.
    pub(crate) fn end(&self) -> u64 {
        self.account();
        self.ran_ns.load(Ordering::Relaxed)
    }

    /// Whether the call has computed for longer than it may.
    pub(crate) fn is_over(&self) -> bool {
        nanos(self.limit) <= self.ran_ns.load(Ordering::Relaxed)
    }

    fn now_ns(&self) -> u64 {
        nanos(self.base.elapsed())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_that_nobody_announced_counts_as_one_tick() {
        let clock = CallClock::new(TICK * 3);
        clock.begin();
        clock.mark_ns.store(0, Ordering::Relaxed);
        let late = CallClock { base: Instant::now() - Duration::from_secs(60), ..clock };
        late.account();
        assert_eq!(late.ran_ns.load(Ordering::Relaxed), nanos(TICK));
        assert!(!late.is_over());
    }

    #[test]
    fn a_call_that_computes_up_to_its_limit_is_over() {
        let clock = CallClock::new(TICK * 2);
        clock.ran_ns.store(nanos(TICK * 2), Ordering::Relaxed);
        assert!(clock.is_over());
        clock.begin();
        assert!(!clock.is_over(), "the next call has all of its time");
    }
}
