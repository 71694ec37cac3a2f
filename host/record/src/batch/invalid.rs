//! Why bytes are refused as a batch.

use super::{layout::VERSION, schema_codec::InvalidSchemaBytes, table::Side, variant::InvalidVariant};

/// Why bytes are not a batch.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBatch {
    /// Ends too early, or a length or position points beyond the end.
    #[error("the batch is cut off: {what} ends at byte {end} of {len}")]
    CutOff {
        /// What does not fit.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Bytes there are.
        len: usize,
    },
    /// No batch, or one of another version.
    #[error("the bytes do not begin like a batch of format version {VERSION}")]
    Header,
    /// A limit is exceeded.
    #[error("the batch has {found} {what}, {limit} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// A column that contradicts the format.
    #[error("column {column} {problem}")]
    Column {
        /// Place in the directory.
        column: u32,
        /// Completes the sentence "column n …".
        problem: &'static str,
    },
    /// Two buffers share bytes.
    #[error("two buffers overlap at byte {at}")]
    Overlap {
        /// Where the second begins.
        at: u32,
    },
    /// A schema is damaged.
    #[error("schema {place} is damaged")]
    Schema {
        /// Place in the table.
        place: usize,
        /// What its bytes have that a schema cannot have.
        source: InvalidSchemaBytes,
    },
    /// A variant is damaged.
    #[error("column {column} has a damaged value in row {row}")]
    Variant {
        /// Place in the directory.
        column: u32,
        /// Row of the column.
        row: u32,
        /// Which rule of variants its bytes break.
        source: InvalidVariant,
    },
    /// The side's blocks and tags do not add up.
    #[error("the blocks and tags of the {0:?} side do not add up")]
    Union(Side),
}
