//! What becomes of a record that failed: a plain decision, and the words for it.
//!
//! Retriable failures are repeated until `errors.retry.timeout` has passed; what is left follows
//! `errors.tolerance`. Where Connect drops a record whose retries ran out even with tolerance `none`,
//! the task fails here. Carrying the decision out, waiting included, is the tasks' business.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use millstream_config::ParsedConfig;
use millstream_config::connector_key_names as key;
use millstream_connector::{ErrorKind, Failure};

/// Class of Connect's general exception.
pub(crate) const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";

/// Where a record was when it failed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// In a transform or its predicate.
    Transformation,
    /// In the header converter.
    HeaderConverter,
    /// In the key converter.
    KeyConverter,
    /// In the value converter.
    ValueConverter,
    /// On its way to the log.
    KafkaProduce,
    /// In a sink task, which reported it.
    TaskPut,
}

impl Stage {
    /// Connect's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transformation => "TRANSFORMATION",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
            Self::TaskPut => "TASK_PUT",
        }
    }
}

/// Whether bad records fail the task.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tolerance {
    /// The first one does.
    #[default]
    None,
    /// They are skipped.
    All,
}

/// The `errors.*` settings that decide.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ErrorPolicy {
    /// How long a retriable failure is repeated; `None` for ever, zero not at all.
    pub retry_timeout: Option<Duration>,
    /// Longest wait between two tries.
    pub retry_delay_max: Duration,
    /// What becomes of a record that fails for good.
    pub tolerance: Tolerance,
}

/// What to do with a record that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Try again after this time.
    RetryAfter(Duration),
    /// Report it and go on without it.
    Tolerate,
    /// Report it and fail the task.
    Fail,
}

impl ErrorPolicy {
    /// Never repeats and tolerates nothing: Connect's default.
    pub const STRICT: Self = Self {
        retry_timeout: Some(Duration::ZERO),
        retry_delay_max: Duration::from_secs(60),
        tolerance: Tolerance::None,
    };

    /// Reads a connector's configuration, parsed with Connect's keys.
    pub fn read(config: &ParsedConfig) -> Self {
        let retry_timeout = key::ERRORS_RETRY_TIMEOUT.get(config);
        Self {
            retry_timeout: (retry_timeout != -1)
                .then(|| Duration::from_millis(u64::try_from(retry_timeout).unwrap_or(0))),
            retry_delay_max: key::ERRORS_RETRY_DELAY_MAX.get(config),
            tolerance: if key::ERRORS_TOLERANCE.get(config) == "all" { Tolerance::All } else { Tolerance::None },
        }
    }

    /// Whether anything is repeated at all.
    pub fn retries(&self) -> bool {
        self.retry_timeout != Some(Duration::ZERO)
    }

    /// Decides about a record that has failed `attempts` times, at least once, the first time `waited`
    /// ago. `random`, from 0 to 1, spreads waits that would be longer than the longest.
    pub fn decide(&self, kind: ErrorKind, attempts: u32, waited: Duration, random: f64) -> Verdict {
        if kind == ErrorKind::Retriable && self.retry_timeout.is_none_or(|timeout| waited < timeout) {
            let mut delay = Duration::from_millis(300_u64.saturating_mul(1 << attempts.saturating_sub(1).min(40)));
            if self.retry_delay_max < delay {
                delay = self.retry_delay_max.mul_f64(random.clamp(0.0, 1.0));
            }
            let left = self.retry_timeout.map_or(Duration::MAX, |timeout| timeout - waited);
            return Verdict::RetryAfter(delay.min(left));
        }
        self.without_retry()
    }

    /// Decides about a record that is not tried again.
    pub fn without_retry(&self) -> Verdict {
        match self.tolerance {
            Tolerance::None => Verdict::Fail,
            Tolerance::All => Verdict::Tolerate,
        }
    }
}

/// Where a worker's random numbers come from: each call gives one from 0 to 1.
pub type Random = dyn Fn() -> f64 + Send + Sync;

/// A [`Random`] that nobody can foretell.
pub fn unforeseen() -> f64 {
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Who executes a stage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Executor {
    /// Its class, which is all that Connect's reports name.
    pub(crate) class: String,
    /// How the configuration calls it, `transform 'mask'` or `value.converter`.
    pub(crate) name: String,
}

impl Executor {
    /// The converter of a stage.
    pub(crate) fn converter(stage: Stage, class: &str) -> Self {
        let name = match stage {
            Stage::HeaderConverter => "header.converter",
            Stage::KeyConverter => "key.converter",
            _ => "value.converter",
        };
        Self { class: class.to_owned(), name: name.to_owned() }
    }

    /// The executor and a record as one place.
    pub(crate) fn place(&self, stage: Stage, record: &str) -> String {
        let Self { class, name } = self;
        let stage = stage.name();
        if name.is_empty() {
            format!("{stage} by {class}, record {record}")
        } else {
            format!("{stage} by {name} ({class}), record {record}")
        }
    }
}

/// The failure of a task under a policy that does not tolerate `cause`. `record` says which record it is.
pub(crate) fn tolerance_exceeded(cause: Failure, stage: Stage, by: &Executor, record: &str) -> Failure {
    let mut failure = cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, "Tolerance exceeded in error handler");
    failure.at = Some(format!("{}; with errors.tolerance=all it would be skipped", by.place(stage, record)));
    failure
}

/// The failure of a header's conversion, with the header's key.
pub(crate) fn in_header(mut failure: Failure, key: &str) -> Failure {
    failure.at = Some(match failure.at {
        Some(at) => format!("header {key}, {at}"),
        None => format!("header {key}"),
    });
    failure
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(retry_timeout: Option<u64>, tolerance: Tolerance) -> ErrorPolicy {
        ErrorPolicy {
            retry_timeout: retry_timeout.map(Duration::from_secs),
            retry_delay_max: Duration::from_secs(60),
            tolerance,
        }
    }

    #[test]
    fn every_failure_has_its_verdict() {
        use ErrorKind::{Config, Data, Fatal, Retriable};
        let millis = Duration::from_millis;
        for (kind, attempts, waited, policy, expected) in [
            (Data, 1, 0, policy(Some(9), Tolerance::None), Fail),
            (Fatal, 1, 0, policy(Some(9), Tolerance::All), Tolerate),
            (Config, 1, 0, policy(None, Tolerance::None), Fail),
            (Retriable, 1, 0, policy(Some(0), Tolerance::None), Fail),
            (Retriable, 1, 0, policy(Some(0), Tolerance::All), Tolerate),
            (Retriable, 1, 0, policy(Some(9), Tolerance::None), RetryAfter(millis(300))),
            (Retriable, 2, 1, policy(Some(9), Tolerance::None), RetryAfter(millis(600))),
            (Retriable, 6, 1, policy(None, Tolerance::None), RetryAfter(millis(9600))),
            // Never beyond the deadline.
            (Retriable, 6, 8, policy(Some(9), Tolerance::None), RetryAfter(millis(1000))),
            (Retriable, 7, 9, policy(Some(9), Tolerance::None), Fail),
            (Retriable, 7, 9, policy(Some(9), Tolerance::All), Tolerate),
            // 300 · 2^8 ms would be more than a minute.
            (Retriable, 9, 1, policy(None, Tolerance::None), RetryAfter(millis(30_000))),
            (Retriable, u32::MAX, 1, policy(None, Tolerance::None), RetryAfter(millis(30_000))),
        ] {
            let verdict = policy.decide(kind, attempts, SECOND * waited, 0.5);
            assert_eq!(verdict, expected, "{kind:?} {attempts} {waited}");
        }
    }

    #[test]
    fn a_record_that_is_not_tolerated_shows_its_cause_in_the_trace() {
        let cause = Failure::new(ErrorKind::Data, "", "not JSON");
        assert_eq!(
            tolerance_exceeded(
                cause,
                Stage::ValueConverter,
                &Executor::converter(Stage::ValueConverter, "J"),
                "{topic='t'}"
            )
            .trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat VALUE_CONVERTER by value.converter (J), record {topic='t'}; with errors.tolerance=all it would be skipped\n\
             Caused by: org.apache.kafka.connect.errors.DataException: not JSON\n"
        );
    }

    #[test]
    fn the_trace_says_which_field_of_which_header_was_at_fault() {
        let mut cause = Failure::new(ErrorKind::Data, "", "null is not allowed");
        cause.at = Some("field age".to_owned());
        cause.causes.push("found null, wanted INT32".to_owned());
        let cause = in_header(cause, "customer");
        assert_eq!(
            tolerance_exceeded(
                cause,
                Stage::HeaderConverter,
                &Executor::converter(Stage::HeaderConverter, "J"),
                "{topic='t'}"
            )
            .trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat HEADER_CONVERTER by header.converter (J), record {topic='t'}; with errors.tolerance=all it would be skipped\n\
             Caused by: org.apache.kafka.connect.errors.DataException: null is not allowed\n\
             \tat header customer, field age\n\
             Caused by: found null, wanted INT32\n"
        );
        assert_eq!(in_header(Failure::new(ErrorKind::Data, "", ""), "a").at.as_deref(), Some("header a"));
    }

    #[test]
    fn random_numbers_lie_between_0_and_1() {
        assert!((0..1000).all(|_| (0.0..1.0).contains(&unforeseen())));
    }
}
