//! Building record batches: records go straight into the buffer that becomes the batch.

use bytes::{BufMut, BytesMut};

use crate::{
    batch::{
        header::{
            self, HEADER_LEN, LENGTH_END, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, TimestampType, write_crc,
        },
        read::{ControlMarker, Header},
    },
    compression::{Codec, CompressError, compress},
};

/// Most bytes a record's length, attributes, timestamp, offset and key length can take.
const MOST_HEAD: usize = 5 + 1 + 10 + 5 + 5;

/// A batch grew beyond what its int32 length can say.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a record of {record_len} bytes does not fit into a batch that holds {batch_len} already")]
pub struct BatchTooLarge {
    /// Bytes of the record.
    pub record_len: usize,
    /// Bytes of the batch before it.
    pub batch_len: usize,
}

/// What a finished batch says about itself besides its records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchStamp {
    /// How the records are compressed.
    pub codec: Codec,
    /// The codec's own level; `None` is its default.
    pub level: Option<i32>,
    /// Producer id, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// Producer epoch, or [`NO_PRODUCER_EPOCH`].
    pub producer_epoch: i16,
    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether its one record is a marker.
    pub control: bool,
    /// Who set the timestamps.
    pub timestamp_type: TimestampType,
    /// Last offset delta to write; `None` is that of the last record. Compaction keeps the original one.
    pub last_offset_delta: Option<i32>,
}

impl Default for BatchStamp {
    /// Uncompressed data of no particular producer.
    fn default() -> Self {
        Self {
            codec: Codec::None,
            level: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            timestamp_type: TimestampType::CreateTime,
            last_offset_delta: None,
        }
    }
}

/// Builds one batch after another in one buffer.
///
/// Records are encoded as they are appended, without an allocation each. The buffer is used again once the
/// finished batch has been dropped.
#[derive(Debug)]
pub struct RecordBatchBuilder {
    /// Room for the header, then the records, uncompressed.
    buffer: BytesMut,
    compressed: Vec<u8>,
    capacity: usize,
    record_count: i32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl RecordBatchBuilder {
    /// An empty builder whose buffer is made for batches of about `capacity` bytes at the first append.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            compressed: Vec::new(),
            capacity: capacity.max(HEADER_LEN),
            record_count: 0,
            last_offset_delta: 0,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Records so far.
    pub fn record_count(&self) -> usize {
        self.record_count as usize
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Bytes of the batch so far, before compression.
    pub fn estimated_size(&self) -> usize {
        self.buffer.len().max(HEADER_LEN)
    }

    /// Most bytes that a record of this shape adds, for asking before appending. `headers_len` counts keys,
    /// values and ten bytes for each header.
    pub fn size_of_record(key: Option<&[u8]>, value: Option<&[u8]>, headers_len: usize) -> usize {
        MOST_HEAD + key.map_or(0, <[u8]>::len) + 5 + value.map_or(0, <[u8]>::len) + 5 + headers_len
    }

    /// Largest timestamp so far in milliseconds, -1 without records.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Appends a record at the next offset. The headers are walked twice.
    ///
    /// # Errors
    ///
    /// The batch would be longer than its format allows; it is as before then.
    pub fn append<'h, H>(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), BatchTooLarge>
    where
        H: IntoIterator<Item = Header<'h>, IntoIter: Clone>,
    {
        let headers = headers.into_iter();
        let (mut count, mut headers_len) = (0_usize, 0);
        for header in headers.clone() {
            count += 1;
            headers_len += bytes_len(Some(header.key)) + bytes_len(header.value);
        }
        self.begin(self.next_offset_delta(), timestamp_ms, key, value, count, headers_len)?;
        for header in headers {
            put_bytes(&mut self.buffer, Some(header.key));
            put_bytes(&mut self.buffer, header.value);
        }
        Ok(())
    }

    /// Appends a record at a chosen offset, relative to the batch's base, with headers that are encoded already
    /// (see [`crate::batch::HeaderIter::encoded`]). Offsets must rise.
    ///
    /// # Errors
    ///
    /// The batch would be longer than its format allows; it is as before then.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        encoded_headers: &[u8],
    ) -> Result<(), BatchTooLarge> {
        debug_assert!(self.is_empty() || self.last_offset_delta < offset_delta, "offsets rise within a batch");
        self.begin(offset_delta, timestamp_ms, key, value, header_count, encoded_headers.len())?;
        self.buffer.extend_from_slice(encoded_headers);
        Ok(())
    }

    fn next_offset_delta(&self) -> i32 {
        if self.is_empty() { 0 } else { self.last_offset_delta + 1 }
    }

    /// Writes a record up to and including its header count.
    fn begin(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        headers_len: usize,
    ) -> Result<(), BatchTooLarge> {
        let key_len = key.map_or(0, <[u8]>::len);
        let value_len = value.map_or(0, <[u8]>::len);
        let batch_len = self.estimated_size();
        let most = MOST_HEAD + key_len + 5 + value_len + 5 + headers_len;
        if i32::MAX as usize - batch_len < most {
            return Err(BatchTooLarge { record_len: most, batch_len });
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(self.capacity.max(HEADER_LEN + most));
            self.buffer.put_bytes(0, HEADER_LEN);
        }
        if self.record_count == 0 {
            self.base_timestamp = timestamp_ms;
            self.max_timestamp = timestamp_ms;
        } else {
            self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp);

        // Few and large copies: everything up to the first bytes of the producer's own goes in one.
        let mut head = Varints::<{ MOST_HEAD + 5 }>::after_gap(LENGTH_GAP);
        head.byte(0);
        head.signed(timestamp_delta);
        head.signed(i64::from(offset_delta));
        head.signed(key.map_or(-1, |key| key.len() as i64));
        let value_prefix = value.map_or(-1, |value| value.len() as i64);
        // Length of everything after the length field itself.
        let record_len =
            (head.len - LENGTH_GAP) + key_len + bytes_len(value) + varint_len(header_count as i64) + headers_len;
        if key.is_none() {
            head.signed(value_prefix);
        }
        self.buffer.reserve(most);
        self.buffer.extend_from_slice(head.with_length(record_len));
        if let Some(key) = key {
            self.buffer.extend_from_slice(key);
            put_varint(&mut self.buffer, value_prefix);
        }
        self.buffer.extend_from_slice(value.unwrap_or_default());
        put_varint(&mut self.buffer, header_count as i64);

        self.record_count += 1;
        self.last_offset_delta = offset_delta;
        Ok(())
    }

    /// Finishes the batch: compresses the records once, writes header and checksum, and starts over empty.
    ///
    /// The base offset is 0 and the leader epoch -1, as a producer sends them. A batch without records is
    /// possible: compaction leaves them behind.
    ///
    /// # Errors
    ///
    /// The codec fails; the records are lost then.
    pub fn finish(&mut self, stamp: &BatchStamp) -> Result<BytesMut, CompressError> {
        if self.buffer.is_empty() {
            self.buffer.put_bytes(0, HEADER_LEN);
        }
        let mut batch = self.buffer.split();
        let result = if stamp.codec == Codec::None || self.record_count == 0 {
            Ok(())
        } else {
            self.compressed.clear();
            let compressed = compress(stamp.codec, stamp.level, &batch[HEADER_LEN..], &mut self.compressed);
            batch.truncate(HEADER_LEN);
            batch.extend_from_slice(&self.compressed);
            compressed
        };
        self.write_header(&mut batch, stamp);
        self.record_count = 0;
        self.last_offset_delta = 0;
        self.base_timestamp = -1;
        self.max_timestamp = -1;
        result.map(|()| batch)
    }

    fn write_header(&self, batch: &mut [u8], stamp: &BatchStamp) {
        let batch_length = i32::try_from(batch.len() - LENGTH_END).expect("append keeps batches below 2 GiB");
        let attributes = header::attributes(stamp.codec, stamp.timestamp_type, stamp.transactional, stamp.control);
        let mut at = &mut batch[..HEADER_LEN];
        at.put_i64(0);
        at.put_i32(batch_length);
        at.put_i32(-1);
        at.put_i8(2);
        at.put_u32(0);
        at.put_i16(attributes);
        at.put_i32(stamp.last_offset_delta.unwrap_or(self.last_offset_delta));
        at.put_i64(self.base_timestamp);
        at.put_i64(self.max_timestamp);
        at.put_i64(stamp.producer_id);
        at.put_i16(stamp.producer_epoch);
        at.put_i32(stamp.base_sequence);
        at.put_i32(self.record_count);
        write_crc(batch);
    }
}

/// Gives a finished batch another producer id, epoch and first sequence, and renews the checksum.
///
/// # Panics
///
/// When the slice is shorter than a header.
pub fn set_producer(batch: &mut [u8], producer_id: i64, producer_epoch: i16, base_sequence: i32) {
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&base_sequence.to_be_bytes());
    write_crc(batch);
}

/// The batch that ends a transaction of this producer.
pub fn write_control_batch(
    timestamp_ms: i64,
    producer_id: i64,
    producer_epoch: i16,
    marker: ControlMarker,
) -> BytesMut {
    let kind = if marker.committed { ControlMarker::COMMIT } else { ControlMarker::ABORT };
    let mut key = [0_u8; 4];
    key[2..].copy_from_slice(&kind.to_be_bytes());
    let mut value = [0_u8; 6];
    value[2..].copy_from_slice(&marker.coordinator_epoch.to_be_bytes());
    let mut builder = RecordBatchBuilder::with_capacity(128);
    builder.append(timestamp_ms, Some(&key), Some(&value), []).expect("a marker fits into a batch");
    let stamp = BatchStamp { producer_id, producer_epoch, transactional: true, control: true, ..BatchStamp::default() };
    builder.finish(&stamp).expect("no codec is involved")
}

/// Room for the length that is known last and stands first.
const LENGTH_GAP: usize = 5;

/// A few varints on the stack.
struct Varints<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Varints<N> {
    fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Leaves room in front.
    fn after_gap(gap: usize) -> Self {
        Self { bytes: [0; N], len: gap }
    }

    /// Puts a length right before what was written after a gap of [`LENGTH_GAP`], and returns both.
    fn with_length(&mut self, length: usize) -> &[u8] {
        let mut prefix = Varints::<LENGTH_GAP>::new();
        prefix.signed(length as i64);
        let start = LENGTH_GAP - prefix.len;
        self.bytes[start..LENGTH_GAP].copy_from_slice(prefix.written());
        &self.bytes[start..self.len]
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn signed(&mut self, value: i64) {
        let mut raw = zigzag(value);
        while 0x7f < raw {
            self.byte(raw as u8 | 0x80);
            raw >>= 7;
        }
        self.byte(raw as u8);
    }

    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn varint_len(value: i64) -> usize {
    // Seven bits a byte, and at least one byte.
    (70 - (zigzag(value) | 1).leading_zeros() as usize) / 7
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => 1,
        Some(bytes) => varint_len(bytes.len() as i64) + bytes.len(),
    }
}

pub(super) fn put_varint<B: BufMut>(buffer: &mut B, value: i64) {
    let mut varint = Varints::<10>::new();
    varint.signed(value);
    buffer.put_slice(varint.written());
}

fn put_bytes(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(buffer, bytes.map_or(-1, |bytes| bytes.len() as i64));
    buffer.extend_from_slice(bytes.unwrap_or_default());
}
