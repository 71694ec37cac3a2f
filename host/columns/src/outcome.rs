//! What a call answered.

use millstream_connector::RowError;

/// What a call answered, beside what the plugin itself returns.
#[derive(Debug)]
pub enum Answer {
    /// A batch, and rows that failed.
    Table {
        /// The bytes of the batch, to be checked like any that a plugin makes; none if the call's own stands unchanged.
        batch: Option<Vec<u8>>,
        /// By rows of the call's batch.
        errors: Vec<RowError>,
    },
    /// Rows for which a predicate holds, and rows that failed.
    Verdict {
        /// One bit per row, the least significant first.
        holds: Vec<u8>,
        /// By rows of the call's batch.
        errors: Vec<RowError>,
    },
}
