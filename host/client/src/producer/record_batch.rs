//! One batch between its first record and its acknowledgement.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use millstream_wire::{
    batch::{
        BatchHeader, BatchStamp, InvalidRecord, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, RecordBatchBuilder,
        RecordReader, decompress_records, set_producer,
    },
    compression::{Codec, CompressError},
};
use tokio::time::Instant;

/// Numbers records in the order they were appended, over all topics of one producer.
pub type Sequence = u64;

/// Who writes a batch and where it stands among that writer's records of a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    /// Of the first record.
    pub(super) sequence: i32,
}

impl Stamp {
    /// Of a batch whose repetitions nobody recognises.
    pub(super) const NONE: Self = Self { producer_id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH, sequence: NO_SEQUENCE };
}

/// The number `records` after `sequence`: after 2147483647 comes 0.
pub(super) fn sequence_after(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

/// The records of a batch.
#[derive(Debug)]
pub(super) enum Content {
    /// Not compressed and stamped yet.
    Records(RecordBatchBuilder),
    /// As sent, with the stamp it carries.
    Encoded(Bytes, Stamp),
    /// At the sender, which gives it back with the answer.
    Lent,
}

/// Consecutive sequences, first and last.
pub(super) type Ranges = Vec<(Sequence, Sequence)>;

/// A batch that is complete.
#[derive(Debug)]
pub(super) struct RecordBatch {
    /// Tells batches of a producer apart.
    pub(super) id: u64,
    pub(super) ranges: Ranges,
    pub(super) records: i32,
    /// Bytes before compression.
    pub(super) size: usize,
    pub(super) created: Instant,
    pub(super) content: Content,
    /// Set when it is first sent; changes with a new epoch.
    pub(super) stamp: Stamp,
    /// How often it was sent.
    pub(super) attempts: u32,
    pub(super) state: State,
    /// Whether it may be in the log under its stamp: an earlier attempt got no answer, or one that leaves it open.
    pub(super) in_doubt: bool,
}

/// Where a batch that was sent stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Not sent yet.
    New,
    /// Its answer is awaited.
    InFlight,
    /// To be sent again, not before this time.
    Waiting(Instant),
}

/// Takes a sequence into ranges that are in order.
pub(super) fn push_sequence(ranges: &mut Ranges, sequence: Sequence) {
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == sequence => *last = sequence,
        _ => ranges.push((sequence, sequence)),
    }
}

/// Splits ranges after `records` sequences.
fn split_ranges(ranges: &Ranges, records: u64) -> (Ranges, Ranges) {
    let (mut head, mut tail, mut left) = (Ranges::new(), Ranges::new(), records);
    for &(first, last) in ranges {
        let len = last - first + 1;
        if len <= left {
            head.push((first, last));
        } else if left == 0 {
            tail.push((first, last));
        } else {
            head.push((first, first + left - 1));
            tail.push((first + left, last));
        }
        left = left.saturating_sub(len);
    }
    (head, tail)
}

/// How batches are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    pub(super) codec: Codec,
    pub(super) level: Option<i32>,
    /// Whether they belong to transactions.
    pub(super) transactional: bool,
}

/// Turns content into bytes that carry a stamp; gives back a builder that is free again.
pub(super) fn encode(
    content: Content,
    stamp: Stamp,
    encoding: Encoding,
) -> Result<(Bytes, Option<RecordBatchBuilder>), Arc<CompressError>> {
    match content {
        Content::Records(mut builder) => {
            let batch = builder.finish(&BatchStamp {
                codec: encoding.codec,
                level: encoding.level,
                transactional: encoding.transactional,
                producer_id: stamp.producer_id,
                producer_epoch: stamp.epoch,
                base_sequence: stamp.sequence,
                ..BatchStamp::default()
            });
            Ok((batch.map_err(Arc::new)?.freeze(), Some(builder)))
        }
        Content::Encoded(bytes, carried) if carried == stamp => Ok((bytes, None)),
        Content::Encoded(bytes, _) => {
            // Copied only while an earlier request with these bytes is still held by its connection.
            let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            set_producer(&mut bytes, stamp.producer_id, stamp.epoch, stamp.sequence);
            Ok((bytes.freeze(), None))
        }
        Content::Lent => unreachable!("a batch is lent to the sender once at a time"),
    }
}

/// The two halves of a batch that a broker found too large. `None` for a single record.
pub(super) fn split(batch: &RecordBatch, next_id: &mut u64) -> Result<Option<[RecordBatch; 2]>, InvalidRecord> {
    let Content::Encoded(bytes, _) = &batch.content else { return Ok(None) };
    if batch.records < 2 {
        return Ok(None);
    }
    let header = BatchHeader::parse(bytes).expect("this producer wrote the batch");
    let mut scratch = Vec::new();
    // The size before compression is known, so the limit can be exact.
    let records = decompress_records(&header, bytes, batch.size, &mut scratch)?;
    let head_records = batch.records / 2;
    let builder = || RecordBatchBuilder::with_capacity(batch.size / 2);
    let mut builders = [builder(), builder()];
    for (at, record) in (0..).zip(RecordReader::new(&header, records)) {
        let record = record?;
        let (half, delta) = if at < head_records { (0, at) } else { (1, at - head_records) };
        builders[half]
            .append_at(
                delta,
                header.base_timestamp + record.timestamp_delta,
                record.key,
                record.value,
                record.headers.len(),
                record.headers.encoded(),
            )
            .expect("half of a batch fits where the whole did");
    }
    let (head, tail) = split_ranges(&batch.ranges, u64::from(head_records.unsigned_abs()));
    let sequences = match batch.stamp {
        Stamp::NONE => [NO_SEQUENCE; 2],
        stamp => [stamp.sequence, sequence_after(stamp.sequence, head_records)],
    };
    let counts = [head_records, batch.records - head_records];
    let mut parts = builders.into_iter().zip([head, tail]).zip(sequences.into_iter().zip(counts));
    let mut half = || {
        let ((builder, ranges), (sequence, records)) = parts.next().expect("there are two halves");
        *next_id += 1;
        RecordBatch {
            id: *next_id,
            ranges,
            records,
            size: builder.estimated_size(),
            created: batch.created,
            content: Content::Records(builder),
            stamp: Stamp { sequence, ..batch.stamp },
            // They were never sent.
            attempts: 0,
            state: State::Waiting(batch.created),
            in_doubt: false,
        }
    };
    Ok(Some([half(), half()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_start_again_at_zero_after_the_largest() {
        assert_eq!(sequence_after(0, 5), 5);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 5), 3);
        // Backwards, as when an earlier batch failed.
        assert_eq!(sequence_after(3, -5), i32::MAX - 1);
    }

    #[test]
    fn neighbouring_sequences_share_a_range() {
        let mut ranges = Ranges::new();
        for sequence in [4, 5, 6, 9, 10, 20] {
            push_sequence(&mut ranges, sequence);
        }
        assert_eq!(ranges, [(4, 6), (9, 10), (20, 20)]);
        assert_eq!(split_ranges(&ranges, 4), (vec![(4, 6), (9, 9)], vec![(10, 10), (20, 20)]));
        assert_eq!(split_ranges(&ranges, 3), (vec![(4, 6)], vec![(9, 10), (20, 20)]));
    }

    #[test]
    fn halves_of_a_batch_keep_records_sequences_and_order() {
        let mut builder = RecordBatchBuilder::with_capacity(64);
        for at in 0..5_i32 {
            builder.append_at(at, 1000 + i64::from(at), None, Some(&[b'a' + at as u8]), 0, &[]).expect("small");
        }
        let size = builder.estimated_size();
        let stamp = Stamp { producer_id: 7, epoch: 1, sequence: i32::MAX };
        let zstd = Encoding { codec: Codec::Zstd, level: None, transactional: false };
        let (bytes, _) = encode(Content::Records(builder), stamp, zstd).expect("compresses");
        let batch = RecordBatch {
            id: 1,
            ranges: vec![(10, 14)],
            records: 5,
            size,
            created: Instant::now(),
            content: Content::Encoded(bytes, stamp),
            stamp,
            attempts: 1,
            state: State::InFlight,
            in_doubt: false,
        };
        let mut next_id = 1;
        let [head, tail] = split(&batch, &mut next_id).expect("readable").expect("two halves");
        assert_eq!((head.ranges.clone(), head.records, head.stamp.sequence), (vec![(10, 11)], 2, i32::MAX));
        assert_eq!((tail.ranges.clone(), tail.records, tail.stamp.sequence), (vec![(12, 14)], 3, 1));
        let none = Encoding { codec: Codec::None, level: None, transactional: false };
        let (bytes, _) = encode(tail.content, tail.stamp, none).expect("encodes");
        let header = BatchHeader::parse(&bytes).expect("a batch");
        let values: Vec<_> = RecordReader::new(&header, &bytes[61..])
            .map(|record| record.expect("sound").value.expect("set").to_vec())
            .collect();
        assert_eq!(values, [b"c", b"d", b"e"]);
        assert_eq!((header.base_timestamp, header.max_timestamp, header.base_sequence), (1002, 1004, 1));
    }
}
