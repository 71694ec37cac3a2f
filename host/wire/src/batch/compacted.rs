//! What compaction leaves of a batch: the header stays but for what the records that are gone change, and records that
//! stay are copied as they are encoded.

use crate::{
    batch::{
        header::{BatchHeader, DELETE_HORIZON, HEADER_LEN, LENGTH_END, TimestampType, write_crc},
        read::RecordView,
        write::{put_varint, varint_len},
    },
    compression::{Codec, CompressError, compress},
};

/// Stands for "no timestamp".
const NO_TIMESTAMP: i64 = -1;

/// Bits that an empty batch keeps: who set the timestamps, transactional, control.
const EMPTY_KEEPS: i16 = 0x38;

/// Rebuilds batches from some of their records, one after another in the same buffers.
///
/// Offsets, timestamps, codec, producer and sequence stay as they are (KIP-534 for the delete horizon).
#[derive(Debug, Default)]
pub struct BatchRewriter {
    /// Kept records, not compressed.
    records: Vec<u8>,
    compressed: Vec<u8>,
    record_count: i32,
    max_timestamp: i64,
    /// The time (milliseconds) that becomes the base of all timestamps.
    horizon: Option<i64>,
}

impl BatchRewriter {
    /// Begins a batch. A `horizon` (milliseconds) is the time after which its tombstones or its marker may go, and is
    /// written into it; without one the batch keeps the horizon that it has, if any.
    pub fn begin(&mut self, horizon: Option<i64>) {
        self.records.clear();
        self.record_count = 0;
        self.max_timestamp = NO_TIMESTAMP;
        self.horizon = horizon;
    }

    /// Keeps a record of the batch with this header; `encoded` are its bytes, length included.
    pub fn keep(&mut self, header: &BatchHeader, record: &RecordView<'_>, encoded: &[u8]) {
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.record_count += 1;
        let Some(horizon) = self.horizon else {
            self.records.extend_from_slice(encoded);
            return;
        };
        // Length, attributes, timestamp; all behind them stays.
        let at_attributes = skip_varint(encoded, 0);
        let behind_timestamp = skip_varint(encoded, at_attributes + 1);
        let delta = timestamp.wrapping_sub(horizon);
        let rest = &encoded[behind_timestamp..];
        put_varint(&mut self.records, (1 + varint_len(delta) + rest.len()) as i64);
        self.records.push(encoded[at_attributes]);
        put_varint(&mut self.records, delta);
        self.records.extend_from_slice(rest);
    }

    /// Records kept so far.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Appends the batch of the records kept to `out`.
    ///
    /// # Errors
    ///
    /// The codec fails; nothing was appended.
    pub fn finish(&mut self, header: &BatchHeader, out: &mut Vec<u8>) -> Result<(), CompressError> {
        let records = if header.codec() == Codec::None || self.record_count == 0 {
            &self.records
        } else {
            self.compressed.clear();
            compress(header.codec(), None, &self.records, &mut self.compressed)?;
            &self.compressed
        };
        let max_timestamp = match header.timestamp_type() {
            TimestampType::CreateTime => self.max_timestamp,
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        let mut attributes = header.attributes;
        if self.horizon.is_some() {
            attributes |= DELETE_HORIZON;
        }
        let changed = BatchHeader {
            attributes,
            base_timestamp: self.horizon.unwrap_or(header.base_timestamp),
            max_timestamp,
            record_count: self.record_count,
            ..*header
        };
        append(&changed, records, out);
        Ok(())
    }
}

/// Appends what stays of a batch without records to `out`: offsets, producer, epoch and sequence.
pub fn write_empty_batch(header: &BatchHeader, out: &mut Vec<u8>) {
    let attributes = header.attributes & EMPTY_KEEPS;
    append(&BatchHeader { attributes, base_timestamp: NO_TIMESTAMP, record_count: 0, ..*header }, &[], out);
}

fn append(header: &BatchHeader, records: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    // Records that fit into a batch before still fit; a horizon adds some bytes to each.
    let length = i32::try_from(HEADER_LEN - LENGTH_END + records.len()).expect("a batch stays below 2 GiB");
    out.extend_from_slice(&header.base_offset.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header.leader_epoch.to_be_bytes());
    out.push(header.magic as u8);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.attributes.to_be_bytes());
    out.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    out.extend_from_slice(&header.base_timestamp.to_be_bytes());
    out.extend_from_slice(&header.max_timestamp.to_be_bytes());
    out.extend_from_slice(&header.producer_id.to_be_bytes());
    out.extend_from_slice(&header.producer_epoch.to_be_bytes());
    out.extend_from_slice(&header.base_sequence.to_be_bytes());
    out.extend_from_slice(&header.record_count.to_be_bytes());
    out.extend_from_slice(records);
    write_crc(&mut out[begin..]);
}

/// The byte after the varint at `at`, which was read before.
fn skip_varint(bytes: &[u8], at: usize) -> usize {
    at + 1 + bytes[at..].iter().take_while(|byte| **byte & 0x80 != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{
        BatchStamp, Header, RecordBatchBuilder, RecordReader, decompress_records, set_base_offset, verify_crc,
    };

    const HOUR: i64 = 3_600_000;

    /// Offset, timestamp, key and value.
    type Kept = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

    fn original(codec: Codec) -> Vec<u8> {
        let mut builder = RecordBatchBuilder::with_capacity(100);
        let header = [Header { key: b"h", value: None }];
        for n in 0..5_i64 {
            let value = (n != 3).then_some(b"value".as_slice());
            builder.append(1_700_000_000_000 + 70 * (n % 3), Some(&[n as u8]), value, header).unwrap();
        }
        let stamp = BatchStamp {
            codec,
            producer_id: 7,
            producer_epoch: 2,
            base_sequence: 40,
            transactional: true,
            ..BatchStamp::default()
        };
        let mut batch = builder.finish(&stamp).unwrap().to_vec();
        set_base_offset(&mut batch, 100);
        batch
    }

    fn records(batch: &[u8]) -> Vec<Kept> {
        let header = verify_crc(batch).unwrap();
        let mut scratch = Vec::new();
        let bytes = decompress_records(&header, batch, 1 << 20, &mut scratch).unwrap();
        let read = RecordReader::new(&header, bytes).map(|record| {
            let record = record.unwrap();
            assert_eq!(record.headers.len(), 1, "headers stay");
            let timestamp = header.base_timestamp + record.timestamp_delta;
            let of = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            (header.base_offset + i64::from(record.offset_delta), timestamp, of(record.key), of(record.value))
        });
        read.collect()
    }

    fn rewrite(batch: &[u8], horizon: Option<i64>, keep: impl Fn(i32) -> bool) -> Vec<u8> {
        let header = verify_crc(batch).unwrap();
        let mut scratch = Vec::new();
        let bytes = decompress_records(&header, batch, 1 << 20, &mut scratch).unwrap();
        let mut reader = RecordReader::new(&header, bytes);
        let mut rewriter = BatchRewriter::default();
        rewriter.begin(horizon);
        loop {
            let before = reader.rest();
            let Some(record) = reader.next() else { break };
            let record = record.unwrap();
            if keep(record.offset_delta) {
                rewriter.keep(&header, &record, &before[..before.len() - reader.rest().len()]);
            }
        }
        let mut out = b"before".to_vec();
        rewriter.finish(&header, &mut out).unwrap();
        out.split_off(6)
    }

    #[test]
    fn records_that_stay_are_what_they_were_with_every_codec() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let batch = original(codec);
            let all = records(&batch);
            for horizon in [None, Some(1_700_000_000_000 + 24 * HOUR), Some(0)] {
                let rewritten = rewrite(&batch, horizon, |delta| delta == 1 || delta == 3);
                assert_eq!(records(&rewritten), [all[1].clone(), all[3].clone()], "{codec:?} {horizon:?}");
                let (before, after) = (verify_crc(&batch).unwrap(), verify_crc(&rewritten).unwrap());
                let same = |header: &BatchHeader| {
                    let producer = (header.producer_id, header.producer_epoch, header.base_sequence);
                    (header.base_offset, header.last_offset(), producer, header.codec(), header.is_transactional())
                };
                assert_eq!(same(&before), same(&after));
                assert_eq!(after.delete_horizon(), horizon);
                assert_eq!(after.max_timestamp, 1_700_000_000_070, "that of the second");
                // What has a horizon keeps it when it is written again.
                assert_eq!(verify_crc(&rewrite(&rewritten, None, |_| true)).unwrap().delete_horizon(), horizon);
            }
        }
    }

    #[test]
    fn a_batch_with_no_records_left_has_kafkas_bytes() {
        let batch = rewrite(&original(Codec::Lz4), Some(5), |_| true);
        let mut empty = Vec::new();
        write_empty_batch(&verify_crc(&batch).unwrap(), &mut empty);
        let header = verify_crc(&empty).unwrap();
        let hex: String = empty.iter().map(|byte| format!("{byte:02x}")).collect();
        let crc = format!("{:08x}", header.crc);
        // Base offset, length, epoch, magic; attributes without codec and horizon, last offset delta 4, no base
        // timestamp, largest timestamp; producer, epoch, sequence, no records.
        let expected = format!(
            "000000000000006400000031ffffffff02{crc}001000000004ffffffffffffffff0000018bcfe568\
             8c000000000000000700020000002800000000"
        );
        assert_eq!(hex, expected);
    }
}
