//! What is read from an instrument.

use std::sync::Arc;
use std::time::Duration;

use crate::state::State;

/// Upper bounds of the buckets: few, since each is a series for every stage of every task.
pub const BOUNDS: [Duration; 11] = [
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// What an instrument says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A sum, or a time.
    Total(u64),
    /// How much there is.
    Current(i64),
    /// How many there were, their sum, and the largest and smallest since a window took them.
    Distribution {
        /// How many.
        count: u64,
        /// Their sum.
        sum: u64,
        /// The largest.
        largest: u64,
        /// The smallest; [`u64::MAX`] without any.
        smallest: u64,
    },
    /// How many fell between bounds.
    Histogram {
        /// How many there are below each of [`BOUNDS`], those below the one before not counted again; at the end those
        /// above all of them.
        counts: [u64; BOUNDS.len() + 1],
        /// Their sum.
        sum: Duration,
    },
    /// A state, and how long each has lasted in all.
    States {
        /// The state; `None` before the first.
        current: Option<State>,
        /// By [`State::ALL`].
        lasted: [Duration; State::ALL.len()],
    },
    /// How long ago something happened last; `None` if it never has.
    Ago(Option<Duration>),
    /// A text; empty for none.
    Text(Arc<str>),
}

/// What an instrument that has a moving window has recorded: since its group exists, and the extremes since a window took
/// them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// How many, or what they add up to where only that is counted.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The largest.
    pub largest: u64,
    /// The smallest; [`u64::MAX`] without any.
    pub smallest: u64,
}
