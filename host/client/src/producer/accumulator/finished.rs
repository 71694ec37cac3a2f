//! Batches that have ended, and their acknowledgements until somebody takes them.

use millstream_record::TopicName;

use super::{ACK_COST, Accumulator, RANGE_COST};
use crate::producer::{
    Ack, Delivery,
    error::SendError,
    record_batch::{Ranges, RecordBatch, Stamp},
};

/// Acknowledgements of one batch.
#[derive(Debug)]
pub(super) struct Finished {
    topic: TopicName,
    ranges: Ranges,
    taken: usize,
    records_before: i64,
    partition: i32,
    result: Result<i64, SendError>,
    cost: usize,
}

impl Accumulator {
    /// The next acknowledgement, oldest ended batch first.
    pub(in crate::producer) fn take_ack(&mut self) -> Option<Ack> {
        let front = self.finished.front_mut()?;
        let (first, last) = front.ranges[front.taken];
        let result = match &front.result {
            Ok(base_offset) => Ok(Delivery {
                partition: front.partition,
                base_offset: if *base_offset < 0 { -1 } else { base_offset + front.records_before },
            }),
            Err(error) => Err(error.clone()),
        };
        let ack = Ack { first, last, topic: front.topic.clone(), partition: front.partition, result };
        front.taken += 1;
        front.records_before += i64::try_from(last - first + 1).unwrap_or(i64::MAX);
        if front.taken == front.ranges.len() {
            self.used -= front.cost;
            self.finished.pop_front();
        }
        self.outstanding -= last - first + 1;
        Some(ack)
    }

    /// Whether there is an acknowledgement to take.
    pub(in crate::producer) fn has_ack(&self) -> bool {
        !self.finished.is_empty()
    }

    pub(super) fn end(
        &mut self,
        (topic, partition): (usize, usize),
        batch: RecordBatch,
        result: Result<i64, SendError>,
    ) {
        if let (Some(transaction), Err(error)) = (&mut self.transaction, &result) {
            transaction.batch_failed(error, batch.stamp != Stamp::NONE);
        }
        if result.is_err() {
            self.counts.failed.add(u64::try_from(batch.records).unwrap_or(0));
        }
        let cost = batch.ranges.len() * RANGE_COST + ACK_COST;
        self.used -= batch.size;
        self.unfinished -= 1;
        self.topics[topic].batches -= 1;
        self.finished.push_back(Finished {
            topic: self.topics[topic].name.clone(),
            ranges: batch.ranges,
            taken: 0,
            records_before: 0,
            partition: partition as i32,
            result,
            cost,
        });
    }
}
