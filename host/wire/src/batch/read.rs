//! Reading the records of a batch without copying them.

use crate::{
    batch::header::{BatchHeader, HEADER_LEN},
    compression::{Codec, DecompressError, decompress},
};

/// Why a batch's records cannot be read.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    /// A length or number runs over the end of its surroundings, or a varint over its longest form.
    #[error("record {index} of a batch is not well-formed: its {what} runs over the end")]
    CutOff {
        /// Which record, from 0.
        index: usize,
        /// Part of the record, as the message names it: `key`, `header key`, `offset` and the like.
        what: &'static str,
    },
    /// A length is negative where there must be a value.
    #[error("record {index} of a batch is not well-formed: its {what} is negative")]
    Negative {
        /// Which record, from 0.
        index: usize,
        /// Part of the record, as the message names it.
        what: &'static str,
    },
    /// A record is longer than its fields.
    #[error("record {index} of a batch is not well-formed: {bytes} bytes follow its last header")]
    Trailing {
        /// Which record, from 0.
        index: usize,
        /// How many.
        bytes: usize,
    },
    /// The records could not be decompressed.
    #[error("read the records of a batch")]
    Decompress { source: DecompressError },
    /// A control batch whose record is no marker.
    #[error("a control batch holds no transaction marker")]
    NoMarker,
}

/// One record, borrowed from its batch.
#[derive(Clone, Debug)]
pub struct RecordView<'a> {
    /// Offset relative to the batch's base offset.
    pub offset_delta: i32,
    /// Timestamp relative to the batch's base timestamp, in milliseconds. Means nothing under log append time.
    pub timestamp_delta: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// The headers in their order; keys may repeat.
    pub headers: HeaderIter<'a>,
}

/// A header as the record has it: neither its key nor its value is read as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header<'a> {
    /// The key: UTF-8 by the protocol's rule, which nothing enforces.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// The headers of one record, checked before they were handed out.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    left: usize,
    bytes: &'a [u8],
}

impl<'a> HeaderIter<'a> {
    /// No headers.
    pub const EMPTY: HeaderIter<'static> = HeaderIter { left: 0, bytes: &[] };

    /// The headers as they are encoded, without their count, for copying into another batch.
    pub fn encoded(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut cursor = Cursor { bytes: self.bytes, index: 0 };
        let header = cursor.header().ok()?;
        self.bytes = cursor.bytes;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}

/// The decompressed records of one batch: borrowed where they are not compressed, else in `scratch`, which is
/// emptied first. At most `max_bytes` come out.
///
/// # Errors
///
/// The data is damaged or expands beyond the limit.
pub fn decompress_records<'a>(
    header: &BatchHeader,
    batch: &'a [u8],
    max_bytes: usize,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], InvalidRecord> {
    let records = batch.get(HEADER_LEN..header.total_len()).unwrap_or_default();
    if header.codec() == Codec::None {
        return Ok(records);
    }
    scratch.clear();
    // An emptied batch keeps its codec bits but has no block at all.
    if !records.is_empty() {
        decompress(header.codec(), records, max_bytes, scratch)
            .map_err(|source| InvalidRecord::Decompress { source })?;
    }
    Ok(scratch)
}

/// Reads decompressed records one by one, as many as the batch announces.
///
/// Yields an error once, and then nothing. Allocates nothing and trusts no length.
#[derive(Clone, Debug)]
pub struct RecordReader<'a> {
    bytes: &'a [u8],
    index: usize,
    count: usize,
}

impl<'a> RecordReader<'a> {
    /// Reads the announced number of records from decompressed bytes.
    pub fn new(header: &BatchHeader, records: &'a [u8]) -> Self {
        Self { bytes: records, index: 0, count: usize::try_from(header.record_count).unwrap_or(0) }
    }

    /// Bytes after the records read so far.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn read(&mut self) -> Result<RecordView<'a>, InvalidRecord> {
        let index = self.index;
        let mut outer = Cursor { bytes: self.bytes, index };
        let len = outer.length("length")?;
        let mut record = Cursor { bytes: outer.take(len, "length")?, index };
        self.bytes = outer.bytes;
        record.take(1, "attributes")?;
        let timestamp_delta = record.varlong("timestamp")?;
        let offset_delta = record.varint("offset")?;
        let key = record.nullable("key")?;
        let value = record.nullable("value")?;
        let left = record.length("header count")?;
        let headers = HeaderIter { left, bytes: record.bytes };
        // Walked once here, so that the iterator handed out cannot fail.
        for _ in 0..left {
            record.header()?;
        }
        if !record.bytes.is_empty() {
            return Err(InvalidRecord::Trailing { index, bytes: record.bytes.len() });
        }
        Ok(RecordView { offset_delta, timestamp_delta, key, value, headers })
    }
}

impl<'a> Iterator for RecordReader<'a> {
    type Item = Result<RecordView<'a>, InvalidRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.count <= self.index {
            return None;
        }
        let record = self.read();
        self.index = if record.is_ok() { self.index + 1 } else { self.count };
        Some(record)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    index: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], InvalidRecord> {
        let (taken, rest) =
            self.bytes.split_at_checked(len).ok_or(InvalidRecord::CutOff { index: self.index, what })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, longest: u32, what: &'static str) -> Result<u64, InvalidRecord> {
        let mut value = 0_u64;
        for (i, &byte) in self.bytes.iter().take(longest as usize).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[i + 1..];
                return Ok(value);
            }
        }
        Err(InvalidRecord::CutOff { index: self.index, what })
    }

    fn varint(&mut self, what: &'static str) -> Result<i32, InvalidRecord> {
        // Bits of the fifth byte beyond the 32nd fall off, as they do in Java.
        let raw = self.unsigned(5, what)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    fn varlong(&mut self, what: &'static str) -> Result<i64, InvalidRecord> {
        let raw = self.unsigned(10, what)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn length(&mut self, what: &'static str) -> Result<usize, InvalidRecord> {
        let len = self.varint(what)?;
        usize::try_from(len).map_err(|_| InvalidRecord::Negative { index: self.index, what })
    }

    fn nullable(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, InvalidRecord> {
        // Kafka writes -1 for null and reads every negative length as null.
        match usize::try_from(self.varint(what)?) {
            Err(_) => Ok(None),
            Ok(len) => self.take(len, what).map(Some),
        }
    }

    fn header(&mut self) -> Result<Header<'a>, InvalidRecord> {
        let len = self.length("header key")?;
        let key = self.take(len, "header key")?;
        let value = self.nullable("header value")?;
        Ok(Header { key, value })
    }
}

/// What a transaction coordinator wrote at the end of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ControlMarker {
    /// Committed, or aborted.
    pub committed: bool,
    /// Epoch of the coordinator that wrote it.
    pub coordinator_epoch: i32,
}

impl ControlMarker {
    /// Type number in the key of an abort marker.
    pub(super) const ABORT: i16 = 0;
    /// Type number in the key of a commit marker.
    pub(super) const COMMIT: i16 = 1;

    /// Reads the marker of a control batch; `None` where it is a control record of another type.
    ///
    /// # Errors
    ///
    /// The batch's record is none, or its key or value is too short.
    pub fn parse(header: &BatchHeader, batch: &[u8]) -> Result<Option<Self>, InvalidRecord> {
        let records = batch.get(HEADER_LEN..).unwrap_or_default();
        // Markers are never compressed.
        let record = RecordReader::new(header, records).next().ok_or(InvalidRecord::NoMarker)??;
        let key = record.key.and_then(|key| key.first_chunk::<4>()).ok_or(InvalidRecord::NoMarker)?;
        let committed = match i16::from_be_bytes([key[2], key[3]]) {
            Self::ABORT => false,
            Self::COMMIT => true,
            _ => return Ok(None),
        };
        let value = record.value.and_then(|value| value.first_chunk::<6>()).ok_or(InvalidRecord::NoMarker)?;
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Ok(Some(Self { committed, coordinator_epoch }))
    }
}
