//! Writes a batch anew in the codec that its topic demands, everything else unchanged.

use bytes::BytesMut;
use millstream_wire::{
    batch::{
        BatchHeader, BatchStamp, BatchTooLarge, InvalidRecord, RecordBatchBuilder, RecordReader, decompress_records,
    },
    compression::{Codec, CompressError},
};

use crate::config::topic::TopicConfig;

/// Why a batch could not be written anew.
#[derive(Debug, thiserror::Error)]
pub enum RecompressError {
    /// The producer's records.
    #[error("read the records of the batch")]
    Read {
        /// What is wrong.
        #[from]
        source: InvalidRecord,
    },
    /// Longer than a batch can be.
    #[error("write the batch in the topic's codec")]
    TooLarge {
        /// How much too long.
        #[from]
        source: BatchTooLarge,
    },
    /// The codec failed.
    #[error("compress the batch with the topic's codec")]
    Compress {
        /// What it says.
        #[from]
        source: CompressError,
    },
}

/// The batch in the codec and level of a topic; `None` where it has it already. Sequences, timestamps and
/// offsets stay.
///
/// # Errors
///
/// The records cannot be read, or not be written.
pub fn recompress(
    batch: &[u8],
    header: &BatchHeader,
    config: &TopicConfig,
    max_bytes: usize,
) -> Result<Option<BytesMut>, RecompressError> {
    let codec = match config.compression_type.as_str() {
        "producer" => return Ok(None),
        "uncompressed" => Codec::None,
        name => match Codec::from_name(name) {
            Some(codec) => codec,
            None => return Ok(None),
        },
    };
    if codec == header.codec() {
        return Ok(None);
    }
    let mut scratch = Vec::new();
    let records = decompress_records(header, batch, max_bytes, &mut scratch)?;
    let mut builder = RecordBatchBuilder::with_capacity(records.len() + 128);
    for record in RecordReader::new(header, records) {
        let record = record?;
        let headers = &record.headers;
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        builder.append_at(
            record.offset_delta,
            timestamp,
            record.key,
            record.value,
            headers.len(),
            headers.encoded(),
        )?;
    }
    let stamp = BatchStamp {
        codec,
        level: config.compression_level,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.is_transactional(),
        timestamp_type: header.timestamp_type(),
        last_offset_delta: Some(header.last_offset_delta),
        ..BatchStamp::default()
    };
    Ok(Some(builder.finish(&stamp)?))
}
