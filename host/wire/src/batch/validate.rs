//! What a broker checks before it appends a producer's batch.

use crate::{
    batch::{
        header::{
            BatchHeader, InvalidBatch, NO_PRODUCER_EPOCH, TimestampType, correct_header, has_reserved_time, verify_crc,
        },
        read::{InvalidRecord, RecordReader, decompress_records},
    },
    compression::{Codec, DecompressError},
    error_code::ErrorCode,
};

/// Stands for "no timestamp".
const NO_TIMESTAMP: i64 = -1;

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
    pub code: ErrorCode,
    /// What is wrong, for the producer's log (Produce 8 and later).
    pub message: String,
    /// Indexes of the records at fault, where it is theirs.
    pub records: Vec<i32>,
    /// What the decoder said, where one refused.
    pub source: Option<InvalidRecord>,
}

impl Refusal {
    fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message, records: Vec::new(), source: None }
    }
}

/// Checks the records that a producer sent for one partition: exactly one batch, sound, and within the rules.
///
/// Reads every record; compressed ones are expanded into `scratch` (emptied first, never beyond the bound), so
/// this belongs on a thread that may compute for a while. `now_ms` is milliseconds since the epoch.
///
/// What a producer may not decide is corrected in place, checksum included: the largest timestamp where it is not
/// that of the records (indexes and retention go by it), and the bits that say that the broker stamped the batch or
/// that compaction saw it. Nothing else changes.
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
    let max_timestamp = match rules.timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => header.max_timestamp,
    };
    if max_timestamp != header.max_timestamp || has_reserved_time(&header) {
        header = correct_header(records, max_timestamp);
    }
    Ok(header)
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::INVALID_RECORD, message)
}

fn check_header(records: &[u8], rules: &BatchRules) -> Result<BatchHeader, Refusal> {
    if records.is_empty() {
        return Err(invalid("there is no record batch for the partition".to_owned()));
    }
    let refused = |error: InvalidBatch| {
        let code = match error {
            InvalidBatch::TooShort { .. } | InvalidBatch::Checksum { .. } => ErrorCode::CORRUPT_MESSAGE,
            InvalidBatch::Codec { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            // What arrived is what was sent, so sending it again cannot help.
            InvalidBatch::CutOff { .. }
            | InvalidBatch::Magic { .. }
            | InvalidBatch::Counts { .. }
            | InvalidBatch::BaseOffset { .. } => ErrorCode::INVALID_RECORD,
        };
        Refusal::new(code, error.to_string())
    };
    let parsed = BatchHeader::parse(records).map_err(refused)?;
    if rules.max_message_bytes < parsed.total_len() && parsed.total_len() <= records.len() {
        return Err(Refusal::new(
            ErrorCode::MESSAGE_TOO_LARGE,
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
    if header.base_offset != 0 {
        return Err(invalid(format!("the batch has the base offset {} instead of 0", header.base_offset)));
    }
    if header.record_count == 0 || i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(invalid(format!(
            "the batch has {} records, and its last offset delta is {}",
            header.record_count, header.last_offset_delta
        )));
    }
    // Epoch and sequence mean something together with a producer id only; some clients fill them without one.
    if header.has_producer_id() && header.producer_epoch < NO_PRODUCER_EPOCH {
        return Err(Refusal::new(
            ErrorCode::INVALID_PRODUCER_EPOCH,
            format!("the batch of producer {} has the epoch {}", header.producer_id, header.producer_epoch),
        ));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(invalid(format!(
            "the batch of producer {} has the sequence {}",
            header.producer_id, header.base_sequence
        )));
    }
    if !header.has_producer_id() && header.is_transactional() {
        return Err(invalid("the batch belongs to a transaction and has no producer id".to_owned()));
    }
    if header.codec() == Codec::Zstd && !rules.zstd_allowed {
        return Err(Refusal::new(
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            "zstd needs version 7 of Produce or later".to_owned(),
        ));
    }
    Ok(header)
}

/// Records at fault, and what is wrong with the first of each kind.
#[derive(Default)]
struct Culprits {
    records: Vec<i32>,
    untimely: Option<String>,
    keyless: bool,
}

impl Culprits {
    /// `range` is that in which the record's timestamp does not lie.
    #[cold]
    fn add(&mut self, index: i32, keyless: bool, stamped: bool, timestamp: i64, range: Option<(i64, i64)>) {
        self.records.push(index);
        self.keyless |= keyless;
        if self.untimely.is_some() {
            return;
        }
        self.untimely = match range {
            Some((oldest, newest)) => {
                Some(format!("timestamp {timestamp} lies outside the allowed range {oldest} to {newest}"))
            }
            None if stamped => {
                Some("the batch says that the broker stamped it (LogAppendTime), which only the broker may".to_owned())
            }
            None => None,
        };
    }

    fn refusal(self) -> Option<Refusal> {
        let (code, message) = match self.untimely {
            Some(message) => (ErrorCode::INVALID_TIMESTAMP, message),
            None if self.keyless => (ErrorCode::INVALID_RECORD, "records of a compacted topic need a key".to_owned()),
            None => return None,
        };
        Some(Refusal { records: self.records, ..Refusal::new(code, message) })
    }
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
            InvalidRecord::Decompress { source: DecompressError::TooLarge { .. } } => ErrorCode::MESSAGE_TOO_LARGE,
            // The checksum holds, so this is what the producer made; sending it again cannot help.
            _ => ErrorCode::INVALID_RECORD,
        };
        let message = format!("the {} records cannot be read", header.codec().name());
        Refusal { source: Some(error), ..Refusal::new(code, message) }
    })?;
    let oldest = now_ms.saturating_sub(rules.timestamp_before_max_ms);
    let newest = now_ms.saturating_add(rules.timestamp_after_max_ms);
    let check_timestamps = rules.timestamp_type == TimestampType::CreateTime;
    let stamped_by_producer = !check_timestamps && header.timestamp_type() == TimestampType::LogAppendTime;
    let mut culprits = Culprits::default();
    let mut reader = RecordReader::new(header, bytes);
    let mut max_timestamp = NO_TIMESTAMP;
    let mut index = 0_i32;
    for record in reader.by_ref() {
        let record = record.map_err(|error| Refusal {
            source: Some(error),
            ..invalid(format!("record {index} is not well-formed"))
        })?;
        if record.offset_delta != index {
            return Err(invalid(format!("record {index} has the offset delta {}", record.offset_delta)));
        }
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        let keyless = rules.compacted && record.key.is_none();
        let untimely = check_timestamps && timestamp != NO_TIMESTAMP && !(oldest..=newest).contains(&timestamp);
        if keyless || untimely || stamped_by_producer {
            let range = untimely.then_some((oldest, newest));
            culprits.add(index, keyless, stamped_by_producer, timestamp, range);
        }
        // A batch counts its records with an int32.
        index = index.wrapping_add(1);
    }
    // Fewer records than announced end in an error above, more leave bytes behind.
    if !reader.rest().is_empty() {
        return Err(invalid(format!(
            "{} bytes follow the {} records that the batch announces",
            reader.rest().len(),
            header.record_count
        )));
    }
    culprits.refusal().map_or(Ok(max_timestamp), Err)
}
