//! From the bytes of a fetch to the record batches a reader may see.

use std::{collections::BTreeSet, ops::Range};

use bytes::Bytes;
use millstream_wire::batch::{Batches, ControlMarker, InvalidBatch, verify_crc};

use crate::config::IsolationLevel;

/// A transaction that was aborted: its producer and the offset where it began.
pub(super) type Aborted = (i64, i64);

/// One batch that may be seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct VisibleBatch {
    /// Its bytes within the fetch.
    pub(super) bytes: Range<usize>,
    /// Offset after its last record.
    pub(super) next_offset: i64,
    pub(super) records: u32,
    /// Epoch of the leader that wrote it, -1 where the broker does not tell.
    pub(super) leader_epoch: i32,
}

/// What a fetch brought for one partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Visible {
    pub(super) batches: Vec<VisibleBatch>,
    /// Where reading goes on after all of it, batches that are not seen included.
    pub(super) next_offset: i64,
    /// Epoch of the leader that wrote the last batch, hidden or not; -1 where there is none.
    pub(super) leader_epoch: i32,
    /// Why reading stopped short, at `next_offset`.
    pub(super) damage: Option<InvalidBatch>,
}

/// Finds the batches at or after `position`. Leaves out control batches and, under read committed, those of
/// aborted transactions. What follows a damaged batch is not looked at.
pub(super) fn visible(
    records: &Bytes,
    position: i64,
    isolation: IsolationLevel,
    mut aborted: Vec<Aborted>,
    check_crcs: bool,
) -> Visible {
    // Latest first, so that the next to begin is at the end.
    aborted.sort_unstable_by_key(|(_, first_offset)| std::cmp::Reverse(*first_offset));
    let mut aborting: BTreeSet<i64> = BTreeSet::new();
    let mut visible = Visible { batches: Vec::new(), next_offset: position, leader_epoch: -1, damage: None };
    for batch in Batches::new(records) {
        let (header, bytes) = match batch {
            Ok(batch) => batch,
            Err(damage) => {
                visible.damage = Some(damage);
                break;
            }
        };
        let next_offset = header.last_offset() + 1;
        while let Some((producer, _)) = aborted.pop_if(|(_, first_offset)| *first_offset <= header.last_offset()) {
            aborting.insert(producer);
        }
        if header.is_control()
            && let Ok(Some(ControlMarker { committed: false, .. })) = ControlMarker::parse(&header, bytes)
        {
            aborting.remove(&header.producer_id);
        }
        if next_offset <= visible.next_offset {
            continue;
        }
        if check_crcs && let Err(damage) = verify_crc(bytes) {
            visible.damage = Some(damage);
            break;
        }
        visible.next_offset = next_offset;
        visible.leader_epoch = header.leader_epoch;
        let hidden = isolation == IsolationLevel::ReadCommitted
            && header.is_transactional()
            && aborting.contains(&header.producer_id);
        if header.is_control() || hidden || header.record_count == 0 {
            continue;
        }
        let start = bytes.as_ptr() as usize - records.as_ptr() as usize;
        visible.batches.push(VisibleBatch {
            bytes: start..start + bytes.len(),
            next_offset,
            records: header.record_count.unsigned_abs(),
            leader_epoch: header.leader_epoch,
        });
    }
    visible
}

#[cfg(test)]
mod tests {
    use millstream_wire::batch::{BatchStamp, RecordBatchBuilder, set_base_offset, write_control_batch};

    use super::*;

    const COMMITTED: IsolationLevel = IsolationLevel::ReadCommitted;
    const UNCOMMITTED: IsolationLevel = IsolationLevel::ReadUncommitted;

    #[test]
    fn batches_before_the_position_are_left_out_and_the_one_with_it_is_kept() {
        let records = log(&[data(0, 3, None), data(3, 2, None), data(5, 1, None)]);
        let seen = visible(&records, 4, UNCOMMITTED, Vec::new(), true);
        assert_eq!(offsets(&seen), [5, 6]);
        assert_eq!(seen.next_offset, 6);
        assert_eq!(seen.batches[0].records, 2);
    }

    #[test]
    fn aborted_and_control_batches_are_not_seen_but_passed() {
        let records = log(&[
            data(0, 1, Some(7)),
            data(1, 1, Some(8)),
            data(2, 1, None),
            marker(3, 7, false),
            data(4, 1, Some(7)),
            marker(5, 7, true),
            marker(6, 8, true),
        ]);
        assert_eq!(offsets(&visible(&records, 0, COMMITTED, vec![(7, 0)], true)), [2, 3, 5]);
        assert_eq!(offsets(&visible(&records, 0, UNCOMMITTED, vec![(7, 0)], true)), [1, 2, 3, 5]);
        assert_eq!(visible(&records, 0, COMMITTED, vec![(7, 0)], true).next_offset, 7);
    }

    #[test]
    fn a_batch_with_a_wrong_checksum_stops_reading_before_it() {
        let mut bytes = log(&[data(0, 1, None), data(1, 1, None), data(2, 1, None)]).to_vec();
        let at = bytes.len() / 3 * 2 - 1;
        bytes[at] ^= 1;
        let records = Bytes::from(bytes);
        let seen = visible(&records, 0, UNCOMMITTED, Vec::new(), true);
        assert_eq!((offsets(&seen), seen.next_offset), (vec![1], 1));
        assert!(matches!(seen.damage, Some(InvalidBatch::Checksum { .. })));
        assert_eq!(offsets(&visible(&records, 0, UNCOMMITTED, Vec::new(), false)), [1, 2, 3]);
    }

    #[test]
    fn a_last_batch_that_is_cut_off_waits_for_the_next_fetch() {
        let records = log(&[data(0, 1, None), data(1, 1, None)]);
        let cut = records.slice(..records.len() - 1);
        let seen = visible(&cut, 0, UNCOMMITTED, Vec::new(), true);
        assert_eq!((offsets(&seen), seen.next_offset, seen.damage), (vec![1], 1, None));
    }

    fn offsets(visible: &Visible) -> Vec<i64> {
        visible.batches.iter().map(|batch| batch.next_offset).collect()
    }

    fn log(batches: &[Vec<u8>]) -> Bytes {
        batches.concat().into()
    }

    fn data(base: i64, records: i32, transaction_of: Option<i64>) -> Vec<u8> {
        let mut builder = RecordBatchBuilder::with_capacity(64);
        for at in 0..records {
            builder.append_at(at, 0, None, Some(b"x"), 0, &[]).expect("small");
        }
        let stamp = BatchStamp {
            producer_id: transaction_of.unwrap_or(-1),
            transactional: transaction_of.is_some(),
            ..BatchStamp::default()
        };
        let mut batch = builder.finish(&stamp).expect("no codec").to_vec();
        set_base_offset(&mut batch, base);
        batch
    }

    fn marker(base: i64, producer: i64, committed: bool) -> Vec<u8> {
        let marker = ControlMarker { committed, coordinator_epoch: 0 };
        let mut batch = write_control_batch(0, producer, 0, marker).to_vec();
        set_base_offset(&mut batch, base);
        batch
    }
}
