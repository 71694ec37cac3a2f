//! Record batches of magic 2: their header, reading and writing their records, and the checks a broker
//! makes before it appends one.
//!
//! A batch stays the bytes that its producer sent: only compaction decodes one to encode less of it again.

mod compacted;
mod header;
mod read;
mod validate;
mod write;

pub use compacted::{BatchRewriter, write_empty_batch};
pub use header::{
    BatchHeader, Batches, HEADER_LEN, InvalidBatch, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, TimestampType,
    set_base_offset, set_leader_epoch, set_log_append_time, verify_crc,
};
pub use read::{ControlMarker, Header, HeaderIter, InvalidRecord, RecordReader, RecordView, decompress_records};
pub use validate::{BatchRules, Refusal, validate_for_append};
pub use write::{BatchStamp, BatchTooLarge, RecordBatchBuilder, set_producer, write_control_batch};

#[cfg(test)]
mod tests;
