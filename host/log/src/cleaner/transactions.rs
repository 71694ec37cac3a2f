//! What the cleaner remembers of transactions while it walks over a log in the order of its offsets: which are aborted,
//! so that their records go, and of which some batch is still there, so that their marker stays.

use std::collections::{BTreeMap, BTreeSet};

use millstream_wire::batch::{BatchHeader, ControlMarker};

use crate::transactions::AbortedTransaction;

/// The state of one walk.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones whose first record lies ahead, by that offset.
    ahead: BTreeMap<(i64, i64), AbortedTransaction>,
    /// Aborted ones in the middle of which the walk is, by producer, and whether a batch of theirs was met.
    aborted: BTreeMap<i64, (AbortedTransaction, bool)>,
    /// Producers with a batch of a committed one whose marker lies ahead.
    committed: BTreeSet<i64>,
}

/// What a marker means to the cleaner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct MarkerMet {
    /// Whether no batch of its transaction is left.
    pub useless: bool,
    /// The aborted transaction that the index has to go on naming.
    pub indexed: Option<AbortedTransaction>,
}

impl Transactions {
    /// Learns of aborted transactions that reach into the next segment. Those of which it knows do no harm.
    pub(super) fn learn(&mut self, aborted: impl IntoIterator<Item = AbortedTransaction>) {
        self.ahead.extend(aborted.into_iter().map(|aborted| ((aborted.first_offset, aborted.producer_id), aborted)));
    }

    /// Whether the records of a batch belong to an aborted transaction.
    pub(super) fn is_aborted(&mut self, batch: &BatchHeader) -> bool {
        self.reach(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id) {
            Some((_, met)) => {
                *met = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id);
                false
            }
        }
    }

    /// Whether the batch of a control record is still needed. `None` stands for one that was emptied before; one that
    /// is no marker always stays.
    pub(super) fn marker(&mut self, batch: &BatchHeader, marker: Option<Option<ControlMarker>>) -> MarkerMet {
        self.reach(batch.last_offset());
        let Some(marker) = marker else { return MarkerMet { useless: true, indexed: None } };
        match marker {
            None => MarkerMet { useless: false, indexed: None },
            Some(ControlMarker { committed: true, .. }) => {
                MarkerMet { useless: !self.committed.remove(&batch.producer_id), indexed: None }
            }
            Some(ControlMarker { committed: false, .. }) => match self.aborted.remove(&batch.producer_id) {
                Some((aborted, true)) => MarkerMet { useless: false, indexed: Some(aborted) },
                _ => MarkerMet { useless: true, indexed: None },
            },
        }
    }

    /// Moves transactions that begin up to an offset from ahead to here.
    fn reach(&mut self, offset: i64) {
        while let Some(first) = self.ahead.first_entry().filter(|first| first.key().0 <= offset) {
            let aborted = first.remove();
            self.aborted.entry(aborted.producer_id).or_insert((aborted, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_wire::batch::{BatchStamp, RecordBatchBuilder, set_base_offset, write_control_batch};

    use super::*;

    fn data(producer_id: i64, offset: i64) -> BatchHeader {
        let mut builder = RecordBatchBuilder::with_capacity(100);
        builder.append(1, Some(b"k"), None, []).unwrap();
        let stamp = BatchStamp {
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            transactional: true,
            ..BatchStamp::default()
        };
        let mut batch = builder.finish(&stamp).unwrap();
        set_base_offset(&mut batch, offset);
        BatchHeader::parse(&batch).unwrap()
    }

    fn marker(walk: &mut Transactions, producer_id: i64, offset: i64, committed: bool) -> MarkerMet {
        let marker = ControlMarker { committed, coordinator_epoch: 0 };
        let mut batch = write_control_batch(1, producer_id, 0, marker);
        set_base_offset(&mut batch, offset);
        walk.marker(&BatchHeader::parse(&batch).unwrap(), Some(Some(marker)))
    }

    const NEEDED: MarkerMet = MarkerMet { useless: false, indexed: None };
    const USELESS: MarkerMet = MarkerMet { useless: true, indexed: None };

    #[test]
    fn markers_stay_while_a_batch_of_theirs_is_there() {
        let aborted = |first_offset, last_offset| AbortedTransaction {
            producer_id: 1,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        };
        let mut walk = Transactions::default();
        walk.learn([aborted(2, 4), aborted(6, 7), aborted(8, 9)]);
        assert!(!walk.is_aborted(&data(1, 0)), "of the transaction before");
        assert_eq!(marker(&mut walk, 1, 1, true), NEEDED);
        assert!(walk.is_aborted(&data(1, 2)));
        assert!(!walk.is_aborted(&data(2, 3)), "another producer");
        // The next segment's index names it once more.
        walk.learn([aborted(2, 4)]);
        assert_eq!(marker(&mut walk, 1, 4, false), MarkerMet { useless: false, indexed: Some(aborted(2, 4)) });
        assert_eq!(marker(&mut walk, 2, 5, true), NEEDED);
        assert_eq!(marker(&mut walk, 1, 7, false), USELESS, "its records are gone");
        assert!(walk.is_aborted(&data(1, 8)));
        assert_eq!(marker(&mut walk, 1, 9, false), MarkerMet { useless: false, indexed: Some(aborted(8, 9)) });
        assert_eq!(marker(&mut walk, 2, 10, true), USELESS, "nothing since the last");
        assert!(!walk.is_aborted(&data(1, 11)));
        let empty = walk.marker(&data(1, 12), None);
        assert_eq!(empty, USELESS);
        assert_eq!(walk.marker(&data(1, 13), Some(None)), NEEDED, "no marker at all");
    }
}
