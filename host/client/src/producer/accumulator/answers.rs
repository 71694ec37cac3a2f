//! What answers and failures do to batches that are on their way.

use std::sync::Arc;

use bytes::Bytes;
use millstream_wire::{batch::RecordBatchBuilder, compression::CompressError};
use tokio::time::Instant;

use super::{ACK_COST, Accumulator, BatchKey, RANGE_COST};
use crate::{
    cluster::RequestError,
    producer::{
        error::SendError,
        partition::{Answer, Verdict},
        record_batch::{Content, RecordBatch, Stamp, split},
        transaction::{Abilities, Standing, Step, StepAnswer},
    },
};

/// Builders kept for the next batches.
const MOST_SPARE_BUILDERS: usize = 8;

impl Accumulator {
    /// Takes a batch back from the sender as it was sent, or fails it.
    pub(in crate::producer) fn encoded(
        &mut self,
        key: BatchKey,
        stamp: Stamp,
        result: Result<(Bytes, Option<RecordBatchBuilder>), Arc<CompressError>>,
    ) {
        let slot = &mut self.topics[key.topic].partitions[key.partition as usize];
        match result {
            Ok((bytes, builder)) => {
                if let Some(batch) = slot.queue.unacknowledged.iter_mut().find(|batch| batch.id == key.id) {
                    batch.content = Content::Encoded(bytes, stamp);
                }
                if let Some(builder) = builder
                    && self.spare.len() < MOST_SPARE_BUILDERS
                {
                    self.spare.push(builder);
                }
            }
            Err(source) => {
                if let Some(batch) = slot.queue.fail(key.id) {
                    let topic = self.topics[key.topic].name.clone();
                    let error = SendError::Compress { topic, partition: key.partition as i32, source };
                    self.end((key.topic, key.partition as usize), batch, Err(error));
                    self.abandon_if_hopeless();
                }
            }
        }
    }

    /// Carries out what an answer means for a batch. Says whether the broker no longer knows what it acknowledged
    /// before, so that counting begins anew.
    pub(in crate::producer) fn answered(
        &mut self,
        key: BatchKey,
        answer: Answer,
        error: impl FnOnce() -> SendError,
        now: Instant,
    ) -> bool {
        let place = (key.topic, key.partition as usize);
        let queue = &mut self.topics[key.topic].partitions[place.1].queue;
        let Some(mut verdict) = queue.decide(key.id, answer, &self.limits.retry) else { return false };
        if self.transaction.as_ref().is_some_and(|transaction| !transaction.is_sound())
            && matches!(verdict, Verdict::Repeat { .. } | Verdict::Split)
        {
            // The transaction will be aborted, with or without these records.
            verdict = Verdict::Fail;
        }
        match answer {
            Answer::Refused { code, .. } if code.is_stale_metadata() => self.metadata_stale = true,
            Answer::Lost { .. } => self.metadata_stale = true,
            _ => {}
        }
        let mut broken_off = false;
        match verdict {
            Verdict::Delivered { base_offset } => {
                if let Some(batch) = queue.delivered(key.id, base_offset) {
                    if let Some(transaction) = &mut self.transaction {
                        transaction.written();
                    }
                    self.topics[key.topic].partitions[place.1].last_error = None;
                    self.end(place, batch, Ok(base_offset));
                }
            }
            Verdict::Repeat { in_doubt, renew } => {
                let attempts =
                    queue.unacknowledged.iter().find(|batch| batch.id == key.id).map_or(1, |batch| batch.attempts);
                queue.repeat(key.id, now + self.limits.retry_delay(attempts), in_doubt, renew);
                self.topics[key.topic].partitions[place.1].last_error = Some(error());
                broken_off = renew;
            }
            Verdict::Split => self.split(key, error),
            Verdict::Fail => {
                if let Some(batch) = queue.fail(key.id) {
                    self.end(place, batch, Err(error()));
                }
            }
        }
        self.drop_exhausted_identity(place);
        self.abandon_if_hopeless();
        broken_off
    }

    fn split(&mut self, key: BatchKey, error: impl FnOnce() -> SendError) {
        let place = (key.topic, key.partition as usize);
        let slot = &mut self.topics[key.topic].partitions[place.1];
        let Some(batch) = slot.queue.unacknowledged.iter().find(|batch| batch.id == key.id) else { return };
        let halves = split(batch, &mut self.next_batch);
        match halves {
            Ok(Some(halves)) => {
                let added: usize =
                    halves.iter().map(|half| half.size + half.ranges.len() * RANGE_COST + ACK_COST).sum();
                if let Some(whole) = slot.queue.replace(key.id, halves) {
                    self.used = self.used + added - (whole.size + whole.ranges.len() * RANGE_COST + ACK_COST);
                    self.unfinished += 1;
                    self.topics[key.topic].batches += 1;
                }
            }
            // Its own bytes cannot be read back, or it is one record after all.
            Ok(None) | Err(_) => {
                if let Some(batch) = slot.queue.fail(key.id) {
                    self.end(place, batch, Err(error()));
                }
            }
        }
    }

    /// A partition that used up its epochs needs a new producer id, and so does every other from then on.
    pub(super) fn drop_exhausted_identity(&mut self, (topic, partition): (usize, usize)) {
        // That of transactions is changed by their coordinator.
        if self.topics[topic].partitions[partition].queue.take_exhausted() && self.transaction.is_none() {
            self.identity = None;
        }
    }

    /// Takes the answer of a coordinator.
    pub(in crate::producer) fn step_answered(
        &mut self,
        step: Step,
        answer: StepAnswer,
        abilities: Option<Abilities>,
        now: Instant,
    ) {
        let Some(transaction) = &mut self.transaction else { return };
        let limits = &self.limits;
        transaction.answered(step, answer, abilities, now, |failures| limits.retry_delay(failures + 1));
        if transaction.identity() != self.identity {
            self.identity = transaction.identity();
            let slots = self.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            slots.for_each(|slot| slot.queue.forget_identity());
        }
        self.abandon_if_hopeless();
    }

    /// Once the transaction cannot be committed any more, nothing of it goes out.
    pub(in crate::producer) fn abandon_if_hopeless(&mut self) {
        if 0 < self.unfinished && self.transaction.as_ref().is_some_and(|transaction| !transaction.is_sound()) {
            self.abandon_unsent();
        }
    }

    /// Fails what is not in flight.
    fn abandon_unsent(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        let error = match transaction.standing() {
            Standing::MustAbort | Standing::Failed => {
                SendError::Transaction { source: Box::new(transaction.obstacle("write records")) }
            }
            _ => SendError::Aborted,
        };
        self.close_all();
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                for batch in self.topics[topic].partitions[partition].queue.abandon_unsent() {
                    self.end((topic, partition), batch, Err(error.clone()));
                }
            }
        }
    }

    /// Fails everything that has not ended.
    pub(in crate::producer) fn fail_all(&mut self, error: &SendError) {
        self.close_all();
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                let queue = &mut self.topics[topic].partitions[partition].queue;
                let batches: Vec<RecordBatch> = queue.unacknowledged.drain(..).chain(queue.ready.drain(..)).collect();
                for batch in batches {
                    self.end((topic, partition), batch, Err(error.clone()));
                }
            }
        }
    }

    /// Fails what waits for a producer id.
    pub(in crate::producer) fn fail_waiting_for_identity(&mut self, source: &RequestError) {
        let error = SendError::ProducerId { source: source.clone() };
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                if !self.topics[topic].partitions[partition].queue.needs_identity() {
                    continue;
                }
                self.close_open(topic, partition as u32);
                let queue = &mut self.topics[topic].partitions[partition].queue;
                let batches: Vec<RecordBatch> = queue.unacknowledged.drain(..).chain(queue.ready.drain(..)).collect();
                for batch in batches {
                    self.end((topic, partition), batch, Err(error.clone()));
                }
            }
        }
    }
}
