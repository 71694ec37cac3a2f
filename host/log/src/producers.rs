//! What a partition remembers of each idempotent producer, and the rules by which its next batch is judged.
//!
//! A plain value: it is asked before an append and told after it.

use std::collections::{BTreeMap, VecDeque};

use millstream_wire::batch::{BatchHeader, ControlMarker};

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
    /// Append it.
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
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProducerRefusal {
    /// A newer instance of the producer has taken over.
    #[error("producer {producer_id} has epoch {known}, and the batch has the older epoch {epoch}")]
    OldEpoch {
        /// The producer.
        producer_id: i64,
        /// Epoch of the batch.
        epoch: i16,
        /// Epoch that is known.
        known: i16,
    },
    /// Something is missing before the batch, or it is a repetition from before the window.
    #[error("producer {producer_id} continues with sequence {first} where {last} was last")]
    OutOfOrder {
        /// The producer.
        producer_id: i64,
        /// First sequence number of the batch.
        first: i32,
        /// Last sequence number that is known; -1 for none in this epoch.
        last: i32,
    },
    /// A batch outside of the producer's open transaction.
    #[error("producer {producer_id} wrote outside of its open transaction")]
    TransactionOpen {
        /// The producer.
        producer_id: i64,
    },
    /// A marker of a coordinator that was replaced.
    #[error("coordinator epoch {epoch} ends a transaction of producer {producer_id}, and {known} did so before")]
    OldCoordinator {
        /// The producer.
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
}

impl ProducerStates {
    /// Judges a batch of a producer. Batches without a producer id are always appended.
    ///
    /// # Errors
    ///
    /// Says which rule the batch breaks.
    pub fn admit(&self, batch: &BatchHeader) -> Result<Admission, ProducerRefusal> {
        if !batch.has_producer_id() {
            return Ok(Admission::Append);
        }
        let producer_id = batch.producer_id;
        // Never seen, or forgotten: any sequence is accepted.
        let Some(state) = self.states.get(&producer_id) else { return Ok(Admission::Append) };
        let (first, last) = (batch.base_sequence, batch.last_sequence());
        if batch.producer_epoch == state.epoch {
            let same = |known: &&BatchMetadata| known.first_sequence() == first && known.last_sequence == last;
            if let Some(known) = state.batches.iter().find(same) {
                return Ok(Admission::Duplicate {
                    base_offset: known.base_offset(),
                    last_offset: known.last_offset,
                    timestamp: known.timestamp,
                });
            }
        }
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
        Ok(Admission::Append)
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
        if batch.is_transactional() && state.transaction_start.is_none() {
            state.transaction_start = Some(batch.base_offset);
        }
    }

    /// Notes a marker that has been appended, and returns the transaction it ended.
    pub(crate) fn marker_appended(&mut self, batch: &BatchHeader, marker: ControlMarker, now_ms: i64) -> Option<Ended> {
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
        self.states.retain(|_, state| {
            state.transaction_start.is_some() || now_ms.saturating_sub(state.last_append_ms) <= expiration_ms
        });
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
