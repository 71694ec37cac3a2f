//! What is read from an instrument.

/// What an instrument says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// A sum, or a time.
    Total(u64),
    /// How much there is.
    Current(i64),
    /// How many there were, their sum, and the largest since the last window's end.
    Distribution {
        /// How many.
        count: u64,
        /// Their sum.
        sum: u64,
        /// The largest.
        largest: u64,
    },
}
