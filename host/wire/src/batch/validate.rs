//! What a broker checks before it appends a producer's batch.

use kafka_protocol::ResponseError;

use crate::{
    batch::{
        header::{BatchHeader, InvalidBatch, NO_SEQUENCE, TimestampType, set_max_timestamp, verify_crc},
        read::{InvalidRecord, RecordReader, decompress_records},
    },
    compression::{Codec, DecompressError},
};

/// The topic's and the request's rules for a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchRules {
    /// `max.message.bytes`: most bytes of a batch, header included, as it was sent (compressed).
    pub max_message_bytes: usize,
    /// Most bytes that compressed records may expand to.
    pub max_decompressed_bytes: usize,
    /// `message.timestamp.type`: under log append time the producer's timestamps don't matter.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far record timestamps may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far record timestamps may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// Whether the topic is compacted, and records need keys.
    pub compacted: bool,
    /// Whether the request's version may carry zstd (Produce 7 and later).
    pub zstd_allowed: bool,
}

impl Default for BatchRules {
    /// Kafka's own defaults for a topic.
    fn default() -> Self {
        Self {
            max_message_bytes: 1_048_588,
            max_decompressed_bytes: 256 << 20,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compacted: false,
            zstd_allowed: true,
        }
    }
}

/// Why a batch is not appended. The whole batch is refused.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Kafka's error code for the partition.
    pub code: ResponseError,
    /// What is wrong, for the producer's log (Produce 8 and later).
    pub message: String,
    /// Index of the record at fault, where one is.
    pub record: Option<i32>,
    /// What the decoder said, where one refused.
    pub source: Option<InvalidRecord>,
}

impl Refusal {
    fn new(code: ResponseError, message: String) -> Self {
        Self { code, message, record: None, source: None }
    }

    fn of_record(code: ResponseError, record: usize, message: String) -> Self {
        Self { code, message, record: i32::try_from(record).ok(), source: None }
    }
}

/// Checks the records that a producer sent for one partition: exactly one batch, sound, and within the rules.
///
/// Reads every record; compressed ones are expanded into `scratch` (emptied first, never beyond the bound), so
/// this belongs on a thread that may compute for a while. `now_ms` is milliseconds since the epoch.
///
/// A header whose largest timestamp is not that of its records is corrected in place, checksum included, as Kafka
/// does: indexes and retention go by it. Nothing else changes.
///
/// # Errors
///
/// The error code and words for the producer.
pub fn validate_for_append(
    records: &mut [u8],
    rules: &BatchRules,
    now_ms: i64,
    scratch: &mut Vec<u8>,
) -> Result<BatchHeader, Refusal> {
    let mut header = check_header(records, rules)?;
    let max_timestamp = check_records(&header, records, rules, now_ms, scratch)?;
    // Under log append time the append overwrites it anyway.
    if rules.timestamp_type == TimestampType::CreateTime && max_timestamp != header.max_timestamp {
        header.crc = set_max_timestamp(records, max_timestamp);
        header.max_timestamp = max_timestamp;
    }
    Ok(header)
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ResponseError::InvalidRecord, message)
}

fn check_header(records: &[u8], rules: &BatchRules) -> Result<BatchHeader, Refusal> {
    if records.is_empty() {
        return Err(invalid("there is no record batch for the partition".to_owned()));
    }
    let refused = |error: InvalidBatch| {
        let code = match error {
            InvalidBatch::CutOff { .. } | InvalidBatch::TooShort { .. } | InvalidBatch::Checksum { .. } => {
                ResponseError::CorruptMessage
            }
            InvalidBatch::Codec { .. } => ResponseError::UnsupportedCompressionType,
            InvalidBatch::Magic { .. } | InvalidBatch::Counts { .. } | InvalidBatch::BaseOffset { .. } => {
                ResponseError::InvalidRecord
            }
        };
        Refusal::new(code, error.to_string())
    };
    let parsed = BatchHeader::parse(records).map_err(refused)?;
    if rules.max_message_bytes < parsed.total_len() {
        return Err(Refusal::new(
            ResponseError::MessageTooLarge,
            format!("the batch has {} bytes, and max.message.bytes is {}", parsed.total_len(), rules.max_message_bytes),
        ));
    }
    if parsed.total_len() < records.len() {
        return Err(invalid("more than one record batch was sent for the partition".to_owned()));
    }
    let header = verify_crc(records).map_err(refused)?;
    if header.is_control() {
        return Err(invalid("clients may not write control batches".to_owned()));
    }
    if header.has_delete_horizon() {
        return Err(invalid("clients may not set a delete horizon".to_owned()));
    }
    if header.base_offset != 0 {
        return Err(invalid(format!("the batch has the base offset {} instead of 0", header.base_offset)));
    }
    if header.record_count == 0 || i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(invalid(format!(
            "the batch has {} records, and its last offset delta is {}",
            header.record_count, header.last_offset_delta
        )));
    }
    if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(invalid(format!(
            "the batch of producer {} has sequence {} and epoch {}",
            header.producer_id, header.base_sequence, header.producer_epoch
        )));
    }
    if !header.has_producer_id() && (header.base_sequence != NO_SEQUENCE || header.is_transactional()) {
        return Err(invalid("the batch has a sequence or a transaction without a producer id".to_owned()));
    }
    if header.codec() == Codec::Zstd && !rules.zstd_allowed {
        return Err(Refusal::new(
            ResponseError::UnsupportedCompressionType,
            "zstd needs version 7 of Produce or later".to_owned(),
        ));
    }
    Ok(header)
}

/// Reads all records and returns their largest timestamp.
fn check_records(
    header: &BatchHeader,
    batch: &[u8],
    rules: &BatchRules,
    now_ms: i64,
    scratch: &mut Vec<u8>,
) -> Result<i64, Refusal> {
    let bytes = decompress_records(header, batch, rules.max_decompressed_bytes, scratch).map_err(|error| {
        let code = match &error {
            InvalidRecord::Decompress { source: DecompressError::TooLarge { .. } } => ResponseError::MessageTooLarge,
            _ => ResponseError::CorruptMessage,
        };
        let message = format!("the {} records cannot be read", header.codec().name());
        Refusal { source: Some(error), ..Refusal::new(code, message) }
    })?;
    let oldest = now_ms.saturating_sub(rules.timestamp_before_max_ms);
    let newest = now_ms.saturating_add(rules.timestamp_after_max_ms);
    let check_timestamps = rules.timestamp_type == TimestampType::CreateTime;
    let mut reader = RecordReader::new(header, bytes);
    let mut max_timestamp = i64::MIN;
    for (index, record) in reader.by_ref().enumerate() {
        let record = record.map_err(|error| Refusal {
            source: Some(error),
            ..Refusal::of_record(ResponseError::InvalidRecord, index, "the record is not well-formed".to_owned())
        })?;
        if i64::from(record.offset_delta) != index as i64 {
            let message = format!("record {index} has the offset delta {}", record.offset_delta);
            return Err(Refusal::of_record(ResponseError::InvalidRecord, index, message));
        }
        if rules.compacted && record.key.is_none() {
            let message = "records of a compacted topic need a key".to_owned();
            return Err(Refusal::of_record(ResponseError::InvalidRecord, index, message));
        }
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        // -1 says that there is no timestamp.
        if check_timestamps && timestamp != -1 && !(oldest..=newest).contains(&timestamp) {
            let message = format!("timestamp {timestamp} lies outside the allowed range {oldest} to {newest}");
            return Err(Refusal::of_record(ResponseError::InvalidTimestamp, index, message));
        }
    }
    // Fewer records than announced end in an error above, more leave bytes behind.
    if !reader.rest().is_empty() {
        return Err(invalid(format!(
            "{} bytes follow the {} records that the batch announces",
            reader.rest().len(),
            header.record_count
        )));
    }
    Ok(max_timestamp)
}
