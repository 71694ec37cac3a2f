//! What becomes of a batch that a sink does not take: a plain decision.
//!
//! Without a key of ours it is Connect's: a batch that the sink wants again is given to it again, for ever; any other
//! failure of `put` fails the task, whatever is tolerated.

use std::time::Duration;

use millstream_config::{ParsedConfig, record_error_key as key};

use crate::error_policy::Tolerance;

/// The `errors.put.*` settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PutPolicy {
    /// Whether the records at fault are looked for.
    pub(crate) isolate: bool,
    /// Records at fault in a row after which the fault is not theirs.
    pub(crate) max_in_row: u32,
    /// Most tries of a batch that the sink wants again; `None` without end.
    pub(crate) max_tries: Option<u32>,
    /// Longest time for them; `None` without end.
    pub(crate) retry_timeout: Option<Duration>,
    /// What becomes of records that are given up.
    pub(crate) tolerance: Tolerance,
}

/// A `put` that failed, with words of the plugin's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FailedPut {
    /// Whether the sink wants the batch again.
    pub(super) retriable: bool,
    /// Whether the sink has asked to read elsewhere, so that it sees to the records itself.
    pub(super) sought: bool,
    /// How often the batch has failed, and since when.
    pub(super) tries: u32,
    /// The time since its first failure.
    pub(super) waited: Duration,
    /// Whether it is a part of a batch that was tried for long enough.
    pub(super) exhausted: bool,
    /// Whether all rows come from one record.
    pub(super) single: bool,
    /// Records at fault that were found just before, with none taken since.
    pub(super) in_row: u32,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PutVerdict {
    /// Give it to the sink again, later.
    Again,
    /// Give it to the sink in two parts, the first one first. The parts of an exhausted batch are not tried again.
    Divide {
        /// Whether this batch is.
        exhausted: bool,
    },
    /// Report its records and go on without them.
    Skip,
    /// Report its records and fail the task.
    Fail,
    /// Fail the task: nothing says that its records are at fault.
    FailAll,
}

impl PutPolicy {
    /// Nothing is looked for, and nothing given up.
    pub(super) const CONNECTS: Self =
        Self { isolate: false, max_in_row: u32::MAX, max_tries: None, retry_timeout: None, tolerance: Tolerance::None };

    /// Reads a sink's configuration, parsed with our keys.
    pub(crate) fn read(config: &ParsedConfig, tolerance: Tolerance) -> Self {
        let tries = u32::try_from(key::PUT_MAX_TRIES.get(config)).unwrap_or(0);
        Self {
            isolate: key::PUT_ISOLATE.get(config),
            max_in_row: u32::try_from(key::PUT_ISOLATE_MAX_IN_ROW.get(config)).unwrap_or(1),
            max_tries: (tries != 0).then_some(tries),
            retry_timeout: u64::try_from(key::PUT_RETRY_TIMEOUT.get(config)).ok().map(Duration::from_millis),
            tolerance,
        }
    }

    fn is_exhausted(&self, put: &FailedPut) -> bool {
        self.max_tries.is_some_and(|most| most <= put.tries)
            || self.retry_timeout.is_some_and(|longest| longest <= put.waited)
    }

    /// Decides about a batch that the sink did not take.
    pub(super) fn decide(&self, put: &FailedPut) -> PutVerdict {
        let exhausted = put.retriable && (put.exhausted || self.is_exhausted(put));
        if put.retriable && (put.sought || !exhausted) {
            return PutVerdict::Again;
        }
        if self.isolate && !put.single && !put.sought {
            return PutVerdict::Divide { exhausted };
        }
        match (self.isolate, self.tolerance) {
            _ if put.sought => PutVerdict::FailAll,
            (true, Tolerance::All) if self.max_in_row <= put.in_row => PutVerdict::FailAll,
            (true, Tolerance::None) => PutVerdict::Fail,
            (false, Tolerance::All) if exhausted => PutVerdict::Skip,
            (true, Tolerance::All) => PutVerdict::Skip,
            (false, _) => PutVerdict::FailAll,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PutVerdict::*, *};

    const CONNECTS: PutPolicy = PutPolicy { max_in_row: 10, tolerance: Tolerance::All, ..PutPolicy::CONNECTS };
    const FAILED: FailedPut = FailedPut {
        retriable: false,
        sought: false,
        tries: 1,
        waited: Duration::ZERO,
        exhausted: false,
        single: false,
        in_row: 0,
    };

    #[test]
    fn without_a_key_of_ours_it_is_as_in_connect() {
        let hour = Duration::from_secs(3600);
        for tolerance in [Tolerance::None, Tolerance::All] {
            let policy = PutPolicy { tolerance, ..CONNECTS };
            assert_eq!(policy.decide(&FAILED), FailAll);
            assert_eq!(policy.decide(&FailedPut { single: true, ..FAILED }), FailAll);
            let again = FailedPut { retriable: true, tries: 1_000, waited: hour, ..FAILED };
            assert_eq!(policy.decide(&again), Again);
        }
    }

    #[test]
    fn a_batch_is_divided_down_to_the_record_at_fault() {
        let policy = PutPolicy { isolate: true, ..CONNECTS };
        let single = FailedPut { single: true, ..FAILED };
        assert_eq!(policy.decide(&FAILED), Divide { exhausted: false });
        assert_eq!(policy.decide(&single), Skip);
        assert_eq!(PutPolicy { tolerance: Tolerance::None, ..policy }.decide(&single), Fail);
        // A part that the sink wants again for a while is not at fault for that.
        assert_eq!(policy.decide(&FailedPut { retriable: true, ..single }), Again);
    }

    #[test]
    fn many_records_at_fault_in_a_row_are_not_at_fault() {
        let policy = PutPolicy { isolate: true, max_in_row: 3, ..CONNECTS };
        let found = |in_row| policy.decide(&FailedPut { single: true, in_row, ..FAILED });
        assert_eq!([0, 2, 3, 4].map(found), [Skip, Skip, FailAll, FailAll]);
    }

    #[test]
    fn a_batch_that_the_sink_wants_again_for_too_long_is_given_up() {
        let again = FailedPut { retriable: true, ..FAILED };
        let tries = PutPolicy { max_tries: Some(3), ..CONNECTS };
        let time = PutPolicy { retry_timeout: Some(Duration::from_secs(9)), ..CONNECTS };
        let after = |policy: PutPolicy, tries, seconds| {
            policy.decide(&FailedPut { tries, waited: Duration::from_secs(seconds), ..again })
        };
        assert_eq!([after(tries, 2, 99), after(tries, 3, 0)], [Again, Skip]);
        assert_eq!([after(time, 99, 8), after(time, 1, 9)], [Again, Skip]);
        assert_eq!(after(PutPolicy { tolerance: Tolerance::None, ..tries }, 3, 0), FailAll);
        let isolating = PutPolicy { isolate: true, ..tries };
        assert_eq!(after(isolating, 3, 0), Divide { exhausted: true });
        assert_eq!(isolating.decide(&FailedPut { exhausted: true, ..again }), Divide { exhausted: true });
        assert_eq!(isolating.decide(&FailedPut { exhausted: true, single: true, ..again }), Skip);
    }

    #[test]
    fn what_a_sink_reads_again_by_itself_is_not_given_up() {
        let policy = PutPolicy { isolate: true, max_tries: Some(1), ..CONNECTS };
        assert_eq!(policy.decide(&FailedPut { sought: true, retriable: true, ..FAILED }), Again);
        assert_eq!(policy.decide(&FailedPut { sought: true, ..FAILED }), FailAll);
    }
}
