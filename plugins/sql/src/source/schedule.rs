//! When each table is looked at again.

/// What is known of one table's turns. Times are milliseconds of a clock that only goes forward.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Turn {
    due_ms: u64,
    /// Failures in a row.
    failures: u32,
    /// How long to wait for transactions to end before the next look.
    recheck_ms: u64,
}

/// The first wait for transactions that hold the horizon. Each further one is twice as long, up to the usual interval.
const FIRST_RECHECK_MS: u64 = 50;

impl Turn {
    /// Due at once.
    pub fn now() -> Self {
        Self::default()
    }

    /// The table was read to its end.
    pub fn read(&mut self, now_ms: u64, interval_ms: u64) {
        *self = Self { due_ms: now_ms.saturating_add(interval_ms), failures: 0, recheck_ms: 0 };
    }

    /// There is, or may be, more than could be read yet, since transactions are open.
    pub fn held(&mut self, now_ms: u64, interval_ms: u64) {
        self.failures = 0;
        self.recheck_ms = (self.recheck_ms * 2).max(FIRST_RECHECK_MS).min(interval_ms);
        self.due_ms = now_ms.saturating_add(self.recheck_ms);
    }

    /// A query failed in a way that may go away. True if there have been too many of them in a row.
    pub fn failed(&mut self, now_ms: u64, interval_ms: u64, most: Option<u32>) -> bool {
        /// A table that cannot be read is not asked again without a pause.
        const LEAST_MS: u64 = 100;
        self.failures += 1;
        self.due_ms = now_ms.saturating_add(interval_ms.max(LEAST_MS));
        most.is_some_and(|most| most <= self.failures)
    }

    /// Due at once, unless a failure is waited out.
    pub fn wake(&mut self) {
        if self.failures == 0 {
            self.due_ms = 0;
        }
    }
}

/// The table whose turn it is, or the milliseconds until the next one's.
pub fn next(turns: impl Iterator<Item = Turn>, now_ms: u64) -> Result<usize, u64> {
    match turns.map(|turn| turn.due_ms).enumerate().min_by_key(|&(place, due_ms)| (due_ms, place)) {
        None => Err(u64::MAX),
        Some((place, due_ms)) if due_ms <= now_ms => Ok(place),
        Some((_, due_ms)) => Err(due_ms - now_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_next_that_has_waited_longest() {
        let mut turns = [Turn::now(), Turn::now(), Turn::now()];
        let mut order = Vec::new();
        let mut now = 0;
        while order.len() < 5 {
            match next(turns.iter().copied(), now) {
                Ok(place) => {
                    order.push((now, place));
                    now += 1;
                    turns[place].read(now, 10);
                }
                Err(wait) => now += wait,
            }
        }
        assert_eq!(order, [(0, 0), (1, 1), (2, 2), (11, 0), (12, 1)]);
        assert_eq!(next([].into_iter(), 5), Err(u64::MAX));
    }

    #[test]
    fn a_held_table_is_looked_at_sooner_and_then_less_often() {
        let mut turn = Turn::now();
        let mut waits = Vec::new();
        for _ in 0..5 {
            turn.held(0, 300);
            waits.push(turn.due_ms);
        }
        assert_eq!(waits, [50, 100, 200, 300, 300]);
        turn.read(0, 300);
        turn.held(0, 300);
        assert_eq!(turn.due_ms, 50);
    }

    #[test]
    fn failures_in_a_row_are_counted_up_to_the_limit_and_no_notification_hurries_them() {
        let mut turn = Turn::now();
        assert!(!turn.failed(0, 1000, Some(2)));
        turn.wake();
        assert_eq!(next([turn].into_iter(), 0), Err(1000));
        assert!(turn.failed(1000, 1000, Some(2)));
        turn.read(2000, 1000);
        assert!(!turn.failed(3000, 1000, Some(2)));
        assert!(!turn.failed(3000, 0, None));
        assert_eq!(next([turn].into_iter(), 3000), Err(100), "a failure is never tried again at once");
    }
}
