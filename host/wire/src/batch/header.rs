//! The 61 bytes in front of a batch's records, patched in place where a broker has to.

use std::ops::Range;

use crate::compression::Codec;

/// Bytes of a batch before its records.
pub const HEADER_LEN: usize = 61;

/// Stands for "no producer id".
pub const NO_PRODUCER_ID: i64 = -1;
/// Stands for "no producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// Stands for "no sequence number".
pub const NO_SEQUENCE: i32 = -1;

/// Where the length field ends: what it counts starts here.
pub(super) const LENGTH_END: usize = 12;
const LEADER_EPOCH: Range<usize> = 12..16;
const MAGIC: usize = 16;
const CRC: Range<usize> = 17..21;
/// The checksum covers everything from here on.
const CRC_FROM: usize = 21;
const ATTRIBUTES: Range<usize> = 21..23;
const MAX_TIMESTAMP: Range<usize> = 35..43;

const CODEC_BITS: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
pub(super) const DELETE_HORIZON: i16 = 0x40;

/// Who set the timestamps of a batch's records.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum TimestampType {
    /// The producer, record by record.
    #[default]
    CreateTime,
    /// The broker, once for the whole batch when it appended it.
    LogAppendTime,
}

/// Why bytes are not a record batch of magic 2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBatch {
    /// Fewer bytes than a header, or than the batch's length field announces.
    #[error("a record batch of {expected} bytes is cut off after {present}")]
    CutOff {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        present: usize,
    },
    /// The length field is smaller than a header.
    #[error("a record batch announces the length {batch_length}, less than its own header")]
    TooShort {
        /// The length field.
        batch_length: i32,
    },
    /// A format other than magic 2.
    #[error("a record batch has magic {magic}, and only 2 is supported")]
    Magic {
        /// The magic byte.
        magic: i8,
    },
    /// The bytes are not those the checksum was made of.
    #[error("a record batch has the checksum {found:#010x} where its bytes make {expected:#010x}")]
    Checksum {
        /// Checksum in the header.
        found: u32,
        /// Checksum of the bytes.
        expected: u32,
    },
    /// A codec number that does not exist.
    #[error("a record batch has the unknown codec {codec}")]
    Codec {
        /// The codec bits.
        codec: i16,
    },
    /// A negative record count or last offset delta.
    #[error("a record batch announces {record_count} records with last offset delta {last_offset_delta}")]
    Counts {
        /// The record count field.
        record_count: i32,
        /// The last offset delta field.
        last_offset_delta: i32,
    },
    /// An offset below zero or so high that the batch would end beyond the last possible offset.
    #[error("a record batch has the impossible base offset {base_offset}")]
    BaseOffset {
        /// The base offset field.
        base_offset: i64,
    },
}

/// A parsed batch header. Field names are Kafka's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 from a producer.
    pub base_offset: i64,
    /// Bytes after the length field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; -1 from a producer.
    pub leader_epoch: i32,
    /// Format version, always 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: i16,
    /// Offset of the last record, relative to the base offset. Larger than the number of records where
    /// compaction removed some.
    pub last_offset_delta: i32,
    /// Timestamp of the first record in milliseconds; the delete horizon if that bit is set.
    pub base_timestamp: i64,
    /// Largest timestamp of the records in milliseconds.
    pub max_timestamp: i64,
    /// Producer id, or -1.
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
}

impl BatchHeader {
    /// Parses the header in front of `bytes`, which may hold less than the whole batch.
    ///
    /// Checks form only: magic, length, counts and codec are possible ones. See [`verify_crc`] for the
    /// checksum.
    ///
    /// # Errors
    ///
    /// Says what is impossible.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidBatch> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(InvalidBatch::CutOff { expected: HEADER_LEN, present: bytes.len() });
        };
        let parsed = Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            batch_length: i32::from_be_bytes(field(header, 8)),
            leader_epoch: i32::from_be_bytes(field(header, 12)),
            magic: header[MAGIC] as i8,
            crc: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        };
        // The length comes first: in a zero-filled tail every other field would mislead.
        if i64::from(parsed.batch_length) < (HEADER_LEN - LENGTH_END) as i64 {
            return Err(InvalidBatch::TooShort { batch_length: parsed.batch_length });
        }
        if parsed.magic != 2 {
            return Err(InvalidBatch::Magic { magic: parsed.magic });
        }
        if parsed.record_count < 0 || parsed.last_offset_delta < 0 {
            return Err(InvalidBatch::Counts {
                record_count: parsed.record_count,
                last_offset_delta: parsed.last_offset_delta,
            });
        }
        // The offset after the last one must still be a number.
        if parsed.base_offset < 0 || i64::MAX - i64::from(parsed.last_offset_delta) <= parsed.base_offset {
            return Err(InvalidBatch::BaseOffset { base_offset: parsed.base_offset });
        }
        let codec = parsed.attributes & CODEC_BITS;
        if Codec::from_bits(codec).is_none() {
            return Err(InvalidBatch::Codec { codec });
        }
        Ok(parsed)
    }

    /// Bytes of the whole batch, header included.
    pub fn total_len(&self) -> usize {
        // `parse` admits no negative length.
        self.batch_length as usize + LENGTH_END
    }

    /// How the records are compressed.
    pub fn codec(&self) -> Codec {
        Codec::from_bits(self.attributes & CODEC_BITS).expect("`parse` admits known codecs only")
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether its one record is a marker of the broker rather than a producer's data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether `base_timestamp` is the time after which compaction may drop the batch's tombstones.
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON != 0
    }

    /// The time in milliseconds after which compaction may drop the batch's tombstones or its marker, if it was set.
    pub fn delete_horizon(&self) -> Option<i64> {
        self.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Whether an idempotent or transactional producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        0 <= self.producer_id
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Sequence number of the last record; after 2147483647 comes 0. -1 if the batch has none.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last % (i64::from(i32::MAX) + 1)) as i32
    }
}

fn field<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("every field lies within the header")
}

/// The attributes word of a batch.
pub(super) fn attributes(codec: Codec, timestamps: TimestampType, transactional: bool, control: bool) -> i16 {
    let mut bits = codec.bits();
    if timestamps == TimestampType::LogAppendTime {
        bits |= LOG_APPEND_TIME;
    }
    if transactional {
        bits |= TRANSACTIONAL;
    }
    if control {
        bits |= CONTROL;
    }
    bits
}

/// Compares the checksum of one whole batch with its bytes.
///
/// # Errors
///
/// The header is impossible, the slice is not exactly one batch, or the checksum differs.
pub fn verify_crc(batch: &[u8]) -> Result<BatchHeader, InvalidBatch> {
    let header = BatchHeader::parse(batch)?;
    if batch.len() != header.total_len() {
        return Err(InvalidBatch::CutOff { expected: header.total_len(), present: batch.len() });
    }
    let expected = crc32c::crc32c(&batch[CRC_FROM..]);
    if expected != header.crc {
        return Err(InvalidBatch::Checksum { found: header.crc, expected });
    }
    Ok(header)
}

/// Writes the base offset, which no checksum covers.
///
/// # Panics
///
/// When the slice is shorter than a header.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
}

/// Writes the leader epoch, which no checksum covers.
///
/// # Panics
///
/// When the slice is shorter than a header.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    batch[LEADER_EPOCH].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Stamps one whole batch with the time of its append (milliseconds) and renews the checksum.
///
/// The records keep their own deltas; readers use the stamp for all of them.
///
/// # Panics
///
/// When the slice is shorter than a header.
pub fn set_log_append_time(batch: &mut [u8], now_ms: i64) {
    let attributes = i16::from_be_bytes([batch[ATTRIBUTES.start], batch[ATTRIBUTES.start + 1]]) | LOG_APPEND_TIME;
    batch[ATTRIBUTES].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP].copy_from_slice(&now_ms.to_be_bytes());
    write_crc(batch);
}

/// Whether a batch says of itself what only a broker may say of its times.
pub(super) fn has_reserved_time(header: &BatchHeader) -> bool {
    header.attributes & (LOG_APPEND_TIME | DELETE_HORIZON) != 0
}

/// Writes the largest timestamp of one whole batch, takes what only a broker may say of its times away, and renews
/// the checksum. Returns the header as it is then.
pub(super) fn correct_header(batch: &mut [u8], max_timestamp: i64) -> BatchHeader {
    let attributes = i16::from_be_bytes([batch[ATTRIBUTES.start], batch[ATTRIBUTES.start + 1]]);
    let attributes = attributes & !(LOG_APPEND_TIME | DELETE_HORIZON);
    batch[ATTRIBUTES].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP].copy_from_slice(&max_timestamp.to_be_bytes());
    write_crc(batch);
    BatchHeader::parse(batch).expect("a batch that was parsed before")
}

/// Computes and writes the checksum of one whole batch.
pub(super) fn write_crc(batch: &mut [u8]) -> u32 {
    let crc = crc32c::crc32c(&batch[CRC_FROM..]);
    batch[CRC].copy_from_slice(&crc.to_be_bytes());
    crc
}

/// The batches of a byte slice, one after another, each with its header.
///
/// Stops without an error at a last batch that is cut off, as fetch responses may end in one; yields an error
/// once, and then nothing, where the bytes are no batch. Checksums are not verified.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// Walks the batches of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not yielded: nothing, or a last batch that is cut off.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), InvalidBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < HEADER_LEN {
            return None;
        }
        match BatchHeader::parse(self.rest) {
            Ok(header) => {
                let (batch, rest) = self.rest.split_at_checked(header.total_len())?;
                self.rest = rest;
                Some(Ok((header, batch)))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}
