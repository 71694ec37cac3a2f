//! When a transaction of a source task ends: with a poll, with time, or by the connector's word.
//!
//! A plain value that reads no clock. It only says that an end is due; what the transaction holds, and which offsets go
//! with it, the ledger says, once everything before the boundary has ended ([`InFlight::take_boundary`]).
//!
//! [`InFlight::take_boundary`]: crate::in_flight::InFlight::take_boundary

use std::time::Duration;

use millstream_connector::{ErrorKind, Failure, TransactionEnd};
use tokio::time::Instant;

use crate::error_policy::CONNECT_EXCEPTION;

/// What ends transactions (`transaction.boundary`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BoundaryRule {
    /// Every return of a poll, with records or without, that is not sooner than so much time after the last end: polls that
    /// return one right behind the other share a transaction.
    Poll {
        /// That time; zero ends one with each poll.
        linger: Duration,
    },
    /// The first return of a poll after so much time since the last end.
    Interval(Duration),
    /// What the connector asks for.
    Connector,
}

/// The rule and what has happened since the last end.
#[derive(Clone, Debug)]
pub struct TransactionBoundary {
    rule: BoundaryRule,
    last_end: Instant,
    commit_asked: bool,
    abort_asked: bool,
}

impl TransactionBoundary {
    /// Begins to watch. Intervals count from `now`.
    pub fn new(rule: BoundaryRule, now: Instant) -> Self {
        Self { rule, last_end: now, commit_asked: false, abort_asked: false }
    }

    /// The connector asks for an end behind the batch that its poll returns. Without effect under the other rules.
    pub fn asked(&mut self, end: TransactionEnd) {
        match end {
            TransactionEnd::Commit => self.commit_asked = true,
            TransactionEnd::Abort => self.abort_asked = true,
        }
    }

    /// A poll has returned and its batch, if there was one, is with the producer: whether the transaction ends here.
    ///
    /// # Errors
    ///
    /// The connector has asked for both ends at once.
    pub fn polled(&mut self, now: Instant) -> Result<Option<TransactionEnd>, Failure> {
        match self.rule {
            BoundaryRule::Poll { linger: least } | BoundaryRule::Interval(least) => {
                let is_due = least <= now.duration_since(self.last_end);
                Ok(is_due.then(|| self.end(now)))
            }
            BoundaryRule::Connector => self.wish(now),
        }
    }

    /// The task stops, or pauses: whether the transaction is to be ended. `None` leaves its records to nobody.
    ///
    /// # Errors
    ///
    /// As for [`Self::polled`].
    pub fn stopped(&mut self, now: Instant) -> Result<Option<TransactionEnd>, Failure> {
        match self.rule {
            BoundaryRule::Poll { .. } | BoundaryRule::Interval(_) => Ok(Some(self.end(now))),
            BoundaryRule::Connector => self.wish(now),
        }
    }

    /// When the first poll behind it ends a transaction that is open by then; `None` if that is not a matter of time.
    pub fn due(&self) -> Option<Instant> {
        match self.rule {
            BoundaryRule::Poll { linger: least } | BoundaryRule::Interval(least) => self.last_end.checked_add(least),
            BoundaryRule::Connector => None,
        }
    }

    /// When a transaction that is open by then ends, though the source does not return from its poll.
    pub fn lingers_until(&self) -> Option<Instant> {
        match self.rule {
            BoundaryRule::Poll { .. } => self.due(),
            BoundaryRule::Interval(_) | BoundaryRule::Connector => None,
        }
    }

    fn end(&mut self, now: Instant) -> TransactionEnd {
        self.last_end = now;
        TransactionEnd::Commit
    }

    fn wish(&mut self, now: Instant) -> Result<Option<TransactionEnd>, Failure> {
        let asked = (std::mem::take(&mut self.commit_asked), std::mem::take(&mut self.abort_asked));
        let end = match asked {
            (false, false) => return Ok(None),
            (true, false) => TransactionEnd::Commit,
            (false, true) => TransactionEnd::Abort,
            (true, true) => {
                let message = "Connector requested both commit and abort of same transaction";
                return Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message));
            }
        };
        self.last_end = now;
        Ok(Some(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Option<TransactionEnd> = Some(TransactionEnd::Commit);

    #[test]
    fn every_poll_is_a_boundary_whatever_it_returned() {
        let begin = Instant::now();
        let mut boundary = TransactionBoundary::new(BoundaryRule::Poll { linger: Duration::ZERO }, begin);
        boundary.asked(TransactionEnd::Abort);
        assert_eq!(boundary.polled(begin), Ok(COMMIT));
        assert_eq!(boundary.polled(begin), Ok(COMMIT));
        assert_eq!(boundary.stopped(begin), Ok(COMMIT));
    }

    #[test]
    fn polls_right_behind_each_other_share_a_transaction_and_the_first_after_a_pause_has_its_own() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut boundary = TransactionBoundary::new(BoundaryRule::Poll { linger: Duration::from_millis(50) }, begin);
        let ends: Vec<u64> = (0..200).step_by(20).filter(|at| boundary.polled(after(*at)) == Ok(COMMIT)).collect();
        assert_eq!(ends, [60, 120, 180]);
        assert_eq!(boundary.lingers_until(), Some(after(230)));
        assert_eq!(boundary.polled(after(1000)), Ok(COMMIT), "after a pause");
        assert_eq!(boundary.polled(after(1001)), Ok(None));
        assert_eq!(boundary.stopped(after(1002)), Ok(COMMIT));
    }

    #[test]
    fn an_interval_ends_with_the_first_poll_after_it_and_counts_from_there() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut boundary = TransactionBoundary::new(BoundaryRule::Interval(Duration::from_secs(10)), begin);
        let ends: Vec<u64> = (0..40).step_by(5).filter(|at| boundary.polled(after(*at)) == Ok(COMMIT)).collect();
        assert_eq!(ends, [10, 20, 30]);
        assert_eq!(boundary.polled(after(39)), Ok(None));
        assert_eq!(boundary.due(), Some(after(40)));
        assert_eq!(boundary.polled(after(43)), Ok(COMMIT), "late");
        assert_eq!(boundary.polled(after(52)), Ok(None), "counted from the last end");
        assert_eq!(boundary.stopped(after(52)), Ok(COMMIT), "and with the task");
    }

    #[test]
    fn a_connector_ends_what_it_asks_for_and_nothing_else() {
        let begin = Instant::now();
        let mut boundary = TransactionBoundary::new(BoundaryRule::Connector, begin);
        assert_eq!(boundary.polled(begin), Ok(None));
        assert_eq!(boundary.stopped(begin), Ok(None));
        for end in [TransactionEnd::Commit, TransactionEnd::Abort] {
            boundary.asked(end);
            assert_eq!(boundary.polled(begin), Ok(Some(end)));
            assert_eq!(boundary.polled(begin), Ok(None), "once");
        }
        boundary.asked(TransactionEnd::Abort);
        boundary.asked(TransactionEnd::Commit);
        let refused = boundary.polled(begin).expect_err("it cannot be both");
        assert_eq!(refused.class, CONNECT_EXCEPTION);
    }
}
