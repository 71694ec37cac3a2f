//! What a partition remembers of each idempotent producer, and the rules by which its next batch is judged.
//!
//! A plain value: it is asked before an append and told after it.

use std::collections::{BTreeMap, VecDeque};

use millstream_wire::batch::{BatchHeader, ControlMarker};

use crate::verification::{VerificationGuard, Verifications};

/// How many of a producer's newest batches are remembered: as many as may be in flight.
pub(crate) const WINDOW: usize = 5;

/// One batch that was appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Sequence numbers go from 2147483647 to 0.
    fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        first.rem_euclid(i64::from(i32::MAX) + 1) as i32
    }

    fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// What is known of one producer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProducerState {
    pub(crate) epoch: i16,
    /// Oldest first, at most [`WINDOW`].
    pub(crate) batches: VecDeque<BatchMetadata>,
    pub(crate) coordinator_epoch: i32,
    pub(crate) transaction_start: Option<i64>,
    pub(crate) last_timestamp: i64,
    /// When something was appended last, in milliseconds of the broker's clock.
    pub(crate) last_append_ms: i64,
}

impl ProducerState {
    /// Its current epoch.
    pub fn epoch(&self) -> i16 {
        self.epoch
    }

    /// Sequence number of its last record; -1 if there is none in this epoch.
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.last_sequence)
    }

    /// Offset of its last record; `None` if there is none in this epoch.
    pub fn last_data_offset(&self) -> Option<i64> {
        self.batches.back().map(|batch| batch.last_offset)
    }

    /// Timestamp of its last append, in milliseconds, by the records' clock.
    pub fn last_timestamp(&self) -> i64 {
        self.last_timestamp
    }

    /// Epoch of the coordinator that last ended a transaction; -1 if none did.
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// First offset of its open transaction.
    pub fn transaction_start(&self) -> Option<i64> {
        self.transaction_start
    }
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It is new, and what its producer may write next.
    Append,
    /// It is in the log already: answer with these, and append nothing.
    Duplicate {
        /// Offset of its first record.
        base_offset: i64,
        /// Offset of its last record.
        last_offset: i64,
        /// Its largest timestamp, which under log append time is when it was appended.
        timestamp: i64,
    },
}

/// Why a producer's batch is refused.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProducerRefusal {
    /// A newer instance of the producer has taken over.
    #[error("producer {producer_id} has epoch {known}, and the batch has the older epoch {epoch}")]
    OldEpoch {
        producer_id: i64,
        /// Epoch of the batch.
        epoch: i16,
        /// Epoch that is known.
        known: i16,
    },
    /// Something is missing before the batch, or it is a repetition from before the window.
    #[error("producer {producer_id} continues with sequence {first} where {last} was last")]
    OutOfOrder {
        producer_id: i64,
        /// First sequence number of the batch.
        first: i32,
        /// Last sequence number that is known; -1 for none in this epoch.
        last: i32,
    },
    /// A batch outside of the producer's open transaction.
    #[error("producer {producer_id} wrote outside of its open transaction")]
    TransactionOpen { producer_id: i64 },
    /// The first batch of a transaction of which the coordinator was not asked, or which has ended since.
    #[error("producer {producer_id} wrote outside of a transaction that the coordinator knows")]
    NotVerified { producer_id: i64 },
    /// A marker of a coordinator that was replaced.
    #[error("coordinator epoch {epoch} ends a transaction of producer {producer_id}, and {known} did so before")]
    OldCoordinator {
        producer_id: i64,
        /// Epoch of the marker.
        epoch: i32,
        /// Epoch that is known.
        known: i32,
    },
}

/// A transaction that a marker has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    pub first_offset: i64,
}

/// All producers of one partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProducerStates {
    pub(crate) states: BTreeMap<i64, ProducerState>,
    verifications: Verifications,
}

impl From<BTreeMap<i64, ProducerState>> for ProducerStates {
    fn from(states: BTreeMap<i64, ProducerState>) -> Self {
        Self { states, verifications: Verifications::default() }
    }
}

impl ProducerStates {
    /// Judges a batch of a producer. Batches without a producer id are always appended.
    ///
    /// # Errors
    ///
    /// Says which rule the batch breaks.
    pub fn admit(&self, batch: &BatchHeader) -> Result<Admission, ProducerRefusal> {
        if let Some(duplicate) = self.duplicate_of(batch) {
            return Ok(duplicate);
        }
        self.check_epoch_and_sequence(batch).map(|()| Admission::Append)
    }

    /// Judges a batch that the broker itself writes within a producer's transaction. Such batches do not count their
    /// records; only the epoch matters.
    ///
    /// # Errors
    ///
    /// A newer instance of the producer has taken over.
    pub fn admit_own(&self, batch: &BatchHeader) -> Result<Admission, ProducerRefusal> {
        match self.states.get(&batch.producer_id) {
            Some(state) if batch.producer_epoch < state.epoch => Err(ProducerRefusal::OldEpoch {
                producer_id: batch.producer_id,
                epoch: batch.producer_epoch,
                known: state.epoch,
            }),
            _ => Ok(Admission::Append),
        }
    }

    /// As [`Self::admit`], and lets a batch begin a transaction only with the guard that [`Self::begin_verification`]
    /// gave before the coordinator was asked.
    ///
    /// # Errors
    ///
    /// Says which rule the batch breaks.
    pub fn admit_verified(
        &self,
        batch: &BatchHeader,
        guard: Option<VerificationGuard>,
    ) -> Result<Admission, ProducerRefusal> {
        if let Some(duplicate) = self.duplicate_of(batch) {
            return Ok(duplicate);
        }
        let producer_id = batch.producer_id;
        if batch.is_transactional()
            && !self.in_transaction(producer_id, batch.producer_epoch)
            && !self.verifications.holds(producer_id, guard)
        {
            return Err(ProducerRefusal::NotVerified { producer_id });
        }
        // An earlier batch of the producer waits for the coordinator, too, and comes first.
        if let Some(lowest) = self.verifications.lowest_sequence(batch).filter(|lowest| *lowest < batch.base_sequence) {
            return Err(ProducerRefusal::OutOfOrder { producer_id, first: batch.base_sequence, last: lowest - 1 });
        }
        self.check_epoch_and_sequence(batch).map(|()| Admission::Append)
    }

    /// Takes the guard with which a producer's batch may begin a transaction once the coordinator was asked; `None`
    /// where the transaction has begun here, so that nothing has to be asked.
    pub fn begin_verification(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        now_ms: i64,
    ) -> Option<VerificationGuard> {
        if self.in_transaction(producer_id, epoch) {
            return None;
        }
        Some(self.verifications.begin(producer_id, epoch, sequence, now_ms))
    }

    /// Whether a producer of this epoch has a transaction open.
    pub fn in_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        let state = self.states.get(&producer_id);
        state.is_some_and(|state| state.epoch == epoch && state.transaction_start.is_some())
    }

    /// The newest batches are known, and one of them may come again.
    fn duplicate_of(&self, batch: &BatchHeader) -> Option<Admission> {
        let state = self.states.get(&batch.producer_id).filter(|state| state.epoch == batch.producer_epoch)?;
        let (first, last) = (batch.base_sequence, batch.last_sequence());
        let same = |known: &&BatchMetadata| known.first_sequence() == first && known.last_sequence == last;
        state.batches.iter().find(same).map(|known| Admission::Duplicate {
            base_offset: known.base_offset(),
            last_offset: known.last_offset,
            timestamp: known.timestamp,
        })
    }

    fn check_epoch_and_sequence(&self, batch: &BatchHeader) -> Result<(), ProducerRefusal> {
        if !batch.has_producer_id() {
            return Ok(());
        }
        let producer_id = batch.producer_id;
        // Never seen, or forgotten: any sequence is accepted.
        let Some(state) = self.states.get(&producer_id) else { return Ok(()) };
        let first = batch.base_sequence;
        if batch.producer_epoch < state.epoch {
            return Err(ProducerRefusal::OldEpoch { producer_id, epoch: batch.producer_epoch, known: state.epoch });
        }
        let known = if batch.producer_epoch == state.epoch { state.last_sequence() } else { -1 };
        let expected = if known == i32::MAX { 0 } else { known + 1 };
        if first != expected {
            return Err(ProducerRefusal::OutOfOrder { producer_id, first, last: known });
        }
        if state.transaction_start.is_some() && !batch.is_transactional() {
            return Err(ProducerRefusal::TransactionOpen { producer_id });
        }
        Ok(())
    }

    /// Judges a marker.
    ///
    /// # Errors
    ///
    /// The producer or the coordinator has been replaced.
    pub fn admit_marker(&self, batch: &BatchHeader, marker: ControlMarker) -> Result<(), ProducerRefusal> {
        let producer_id = batch.producer_id;
        let Some(state) = self.states.get(&producer_id) else { return Ok(()) };
        if batch.producer_epoch < state.epoch {
            return Err(ProducerRefusal::OldEpoch { producer_id, epoch: batch.producer_epoch, known: state.epoch });
        }
        if marker.coordinator_epoch < state.coordinator_epoch {
            return Err(ProducerRefusal::OldCoordinator {
                producer_id,
                epoch: marker.coordinator_epoch,
                known: state.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Notes a producer's batch that has been appended, with the offsets it was given.
    pub fn appended(&mut self, batch: &BatchHeader, now_ms: i64) {
        if !batch.has_producer_id() {
            return;
        }
        let state = self.state_of(batch, now_ms);
        if batch.record_count != 0 || 0 <= batch.base_sequence {
            if state.batches.len() == WINDOW {
                state.batches.pop_front();
            }
            state.batches.push_back(BatchMetadata {
                last_sequence: batch.last_sequence(),
                last_offset: batch.last_offset(),
                offset_delta: batch.last_offset_delta,
                timestamp: batch.max_timestamp,
            });
        }
        if batch.is_transactional() {
            state.transaction_start.get_or_insert(batch.base_offset);
            self.verifications.settle(batch.producer_id);
        }
    }

    /// Notes a marker that has been appended, and returns the transaction it ended.
    pub(crate) fn marker_appended(&mut self, batch: &BatchHeader, marker: ControlMarker, now_ms: i64) -> Option<Ended> {
        self.verifications.settle(batch.producer_id);
        let state = self.state_of(batch, now_ms);
        state.coordinator_epoch = marker.coordinator_epoch;
        state.transaction_start.take().map(|first_offset| Ended { first_offset })
    }

    /// The producer's state, moved to the batch's epoch: a new epoch counts its sequences anew.
    fn state_of(&mut self, batch: &BatchHeader, now_ms: i64) -> &mut ProducerState {
        let state = self.states.entry(batch.producer_id).or_insert_with(|| ProducerState {
            epoch: batch.producer_epoch,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            transaction_start: None,
            last_timestamp: batch.max_timestamp,
            last_append_ms: now_ms,
        });
        if state.epoch < batch.producer_epoch {
            state.epoch = batch.producer_epoch;
            state.batches.clear();
        }
        state.last_timestamp = batch.max_timestamp;
        state.last_append_ms = now_ms;
        state
    }

    /// First offset of the oldest open transaction.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.states.values().filter_map(|state| state.transaction_start).min()
    }

    /// Forgets producers that have been idle for longer than allowed, unless their transaction is open.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.verifications.expire(now_ms, expiration_ms);
        self.states.retain(|_, state| {
            state.transaction_start.is_some() || now_ms.saturating_sub(state.last_append_ms) <= expiration_ms
        });
    }

    /// The largest id of a producer that is known.
    pub fn last_id(&self) -> Option<i64> {
        self.states.keys().next_back().copied()
    }

    /// The producers in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &ProducerState)> {
        self.states.iter().map(|(&id, state)| (id, state))
    }

    /// How many producers are known.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of producer 1: epoch, first sequence, records.
    fn batch(epoch: i16, base_sequence: i32, records: i32) -> BatchHeader {
        BatchHeader {
            base_offset: 0,
            batch_length: 100,
            leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp: 50,
            max_timestamp: 50,
            producer_id: 1,
            producer_epoch: epoch,
            base_sequence,
            record_count: records,
        }
    }

    const APPEND: Result<Admission, ProducerRefusal> = Ok(Admission::Append);

    fn transactional(batch: BatchHeader) -> BatchHeader {
        BatchHeader { attributes: 0x10, ..batch }
    }

    /// Appends batches at the offsets 0, 10, 20, …
    fn after(batches: &[BatchHeader]) -> ProducerStates {
        let mut states = ProducerStates::default();
        for (n, batch) in batches.iter().enumerate() {
            assert_eq!(states.admit(batch), Ok(Admission::Append));
            states.appended(&BatchHeader { base_offset: 10 * n as i64, ..*batch }, 1000);
        }
        states
    }

    fn duplicate(base_offset: i64, records: i64) -> Result<Admission, ProducerRefusal> {
        Ok(Admission::Duplicate { base_offset, last_offset: base_offset + records - 1, timestamp: 50 })
    }

    fn out_of_order(first: i32, last: i32) -> Result<Admission, ProducerRefusal> {
        Err(ProducerRefusal::OutOfOrder { producer_id: 1, first, last })
    }

    #[test]
    fn a_producers_next_batch_is_judged_by_kafkas_rules() {
        let old = Err(ProducerRefusal::OldEpoch { producer_id: 1, epoch: 2, known: 3 });
        let known = [batch(3, 0, 2), batch(3, 2, 3)];
        let wrapping = [batch(3, i32::MAX - 1, 1), batch(3, i32::MAX, 3)];
        let six = [0, 1, 2, 3, 4, 5].map(|n| batch(3, n, 1));
        for (name, before, next, expected) in [
            ("any sequence of a stranger", &[][..], batch(3, 17, 2), APPEND),
            ("the next sequence", &known, batch(3, 5, 1), APPEND),
            ("the newest again", &known, batch(3, 2, 3), duplicate(10, 3)),
            ("an older one again", &known, batch(3, 0, 2), duplicate(0, 2)),
            ("a gap", &known, batch(3, 6, 1), out_of_order(6, 4)),
            ("the start of a known batch with another end", &known, batch(3, 2, 2), out_of_order(2, 4)),
            ("an older epoch", &known, batch(2, 5, 1), old),
            ("an older epoch with a known sequence", &known, batch(2, 2, 3), old),
            ("a newer epoch from the start", &known, batch(4, 0, 1), APPEND),
            ("a newer epoch not from the start", &known, batch(4, 5, 1), out_of_order(5, -1)),
            ("a batch over the largest sequence again", &wrapping, batch(3, i32::MAX, 3), duplicate(10, 3)),
            ("after the largest sequence", &wrapping, batch(3, 2, 1), APPEND),
            ("zero right after the largest", &[batch(3, i32::MAX, 1)], batch(3, 0, 1), APPEND),
            ("the fifth oldest", &six, batch(3, 1, 1), duplicate(10, 1)),
            ("out of the window", &six, batch(3, 0, 1), out_of_order(0, 5)),
        ] {
            assert_eq!(after(before).admit(&next), expected, "{name}");
        }
    }

    #[test]
    fn batches_without_a_producer_are_always_taken() {
        let anonymous = BatchHeader { producer_id: -1, producer_epoch: -1, base_sequence: -1, ..batch(0, 0, 1) };
        let states = after(&[anonymous, anonymous]);
        assert!(states.is_empty());
    }

    #[test]
    fn a_producer_with_an_open_transaction_writes_within_it() {
        let mut states = after(&[transactional(batch(0, 0, 1)), transactional(batch(0, 1, 1))]);
        assert_eq!(states.first_unstable_offset(), Some(0));
        assert_eq!(states.admit(&batch(0, 2, 1)), Err(ProducerRefusal::TransactionOpen { producer_id: 1 }));
        let commit = ControlMarker { committed: true, coordinator_epoch: 0 };
        let marker = BatchHeader { base_offset: 20, ..batch(0, -1, 1) };
        assert_eq!(states.marker_appended(&marker, commit, 1000), Some(Ended { first_offset: 0 }));
        assert_eq!(states.first_unstable_offset(), None);
        assert_eq!(states.admit(&transactional(batch(0, 2, 1))), Ok(Admission::Append), "sequences go on");
        assert_eq!(states.marker_appended(&marker, commit, 1000), None, "nothing is open");
    }

    #[test]
    fn a_marker_of_a_newer_epoch_fences_the_producer() {
        let mut states = after(&[transactional(batch(0, 0, 1))]);
        let abort = ControlMarker { committed: false, coordinator_epoch: 4 };
        let marker = batch(1, -1, 1);
        assert_eq!(states.admit_marker(&marker, abort), Ok(()));
        states.marker_appended(&marker, abort, 1000);
        let old = ProducerRefusal::OldEpoch { producer_id: 1, epoch: 0, known: 1 };
        assert_eq!(states.admit(&transactional(batch(0, 1, 1))), Err(old));
        assert_eq!(states.admit(&transactional(batch(1, 1, 1))), out_of_order(1, -1));
        assert_eq!(states.admit(&transactional(batch(1, 0, 1))), Ok(Admission::Append));
        assert_eq!(states.admit_marker(&batch(0, -1, 1), abort), Err(old));
        let before = ControlMarker { coordinator_epoch: 3, ..abort };
        let replaced = ProducerRefusal::OldCoordinator { producer_id: 1, epoch: 3, known: 4 };
        assert_eq!(states.admit_marker(&marker, before), Err(replaced));
    }

    #[test]
    fn a_transaction_begins_with_the_guard_of_a_question_that_no_marker_has_overtaken() {
        let refused = Err(ProducerRefusal::NotVerified { producer_id: 1 });
        let first = transactional(batch(0, 0, 1));
        let mut states = ProducerStates::default();
        assert_eq!(states.admit_verified(&batch(0, 0, 1), None), APPEND, "no transaction, no question");
        assert_eq!(states.admit_verified(&first, None), refused);
        let guard = states.begin_verification(1, 0, 0, 1000);
        assert_eq!(states.begin_verification(1, 0, 3, 1000), guard, "one question for all that wait");
        assert_eq!(states.admit_verified(&transactional(batch(0, 3, 1)), guard), out_of_order(3, -1), "not before 0");
        assert_eq!(states.admit_verified(&first, guard), APPEND);
        states.appended(&first, 1000);
        assert_eq!(states.begin_verification(1, 0, 1, 1000), None, "it has begun");
        assert_eq!(states.admit_verified(&transactional(batch(0, 1, 1)), None), APPEND);

        let commit = ControlMarker { committed: true, coordinator_epoch: 0 };
        states.marker_appended(&batch(0, -1, 1), commit, 1000);
        let guard = states.begin_verification(1, 0, 1, 1000);
        assert!(guard.is_some());
        states.marker_appended(&batch(0, -1, 1), commit, 1000);
        assert_eq!(states.admit_verified(&transactional(batch(0, 1, 1)), guard), refused, "it comes too late");
        let again = Admission::Duplicate { base_offset: 0, last_offset: 0, timestamp: 50 };
        assert_eq!(states.admit_verified(&first, None), Ok(again), "what is known needs no question");
    }

    #[test]
    fn a_question_that_nobody_comes_back_to_is_forgotten() {
        let mut states = ProducerStates::default();
        let guard = states.begin_verification(1, 0, 0, 1000);
        states.expire(1100, 100);
        assert_eq!(states.admit_verified(&transactional(batch(0, 0, 1)), guard), APPEND);
        states.expire(1101, 100);
        let refused = Err(ProducerRefusal::NotVerified { producer_id: 1 });
        assert_eq!(states.admit_verified(&transactional(batch(0, 0, 1)), guard), refused);
    }

    #[test]
    fn of_the_brokers_own_batches_within_a_transaction_only_the_epoch_counts() {
        let own = |epoch| transactional(batch(epoch, 0, 2));
        let mut states = after(&[own(0)]);
        for _ in 0..WINDOW {
            assert_eq!(states.admit_own(&own(0)), APPEND);
            states.appended(&own(0), 1000);
        }
        assert!(states.in_transaction(1, 0));
        let commit = ControlMarker { committed: true, coordinator_epoch: 0 };
        states.marker_appended(&batch(1, -1, 1), commit, 1000);
        let old = Err(ProducerRefusal::OldEpoch { producer_id: 1, epoch: 0, known: 1 });
        assert_eq!((states.admit_own(&own(0)), states.admit_own(&own(1))), (old, APPEND));
    }

    #[test]
    fn idle_producers_expire_unless_their_transaction_is_open() {
        let mut states = after(&[batch(0, 0, 1)]);
        states.expire(1100, 100);
        assert_eq!(states.len(), 1);
        states.expire(1101, 100);
        assert!(states.is_empty());
        let mut states = after(&[transactional(batch(0, 0, 1))]);
        states.expire(99_999, 100);
        assert_eq!(states.len(), 1);
    }
}
