//! Everything a producer holds: open batches, batches on their way, acknowledgements not taken yet.
//!
//! A plain value: it reads no clock and does no I/O. The producer's handle puts records in (here) and takes
//! acknowledgements out (`finished`); its sender asks what to send (`plan`) and tells what came of it (`answers`).

mod answers;
mod finished;
mod limits;
mod plan;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use millstream_metrics::ProducerRecords;
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::batch::RecordBatchBuilder;
use tokio::time::Instant;

use self::finished::Finished;
pub(super) use self::{
    limits::Limits,
    plan::{Capacity, Lent, Plan},
};
use super::{
    RecordRef,
    error::SendError,
    partition::PartitionQueue,
    partitioner::PartitionChoice,
    record_batch::{Content, Ranges, RecordBatch, Sequence, Stamp, State, push_sequence},
    transaction::Transaction,
};
use crate::{metadata::Metadata, waiting::Waiting};

/// What an acknowledgement that nobody has taken yet is charged with, in bytes.
const ACK_COST: usize = 128;
const RANGE_COST: usize = size_of::<(Sequence, Sequence)>();

/// Room made for a batch before its first record, if its size may be larger still.
const MOST_CAPACITY: usize = 1 << 20;

/// Bytes of a batch before its first record.
const BATCH_OVERHEAD: usize = millstream_wire::batch::HEADER_LEN;

/// Why a record was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The partitions of its topic are not known yet.
    UnknownTopic,
    /// There is no room before something is acknowledged.
    Full,
    /// It can never be sent.
    Failed(SendError),
}

/// A batch that takes records.
#[derive(Debug)]
struct Open {
    builder: RecordBatchBuilder,
    ranges: Ranges,
    created: Instant,
}

#[derive(Debug)]
struct TopicQueue {
    name: TopicName,
    choice: PartitionChoice,
    count: u32,
    available: Vec<u32>,
    partitions: Vec<Slot>,
    /// Batches of all partitions, open ones included; nothing is looked at while it is 0.
    batches: usize,
}

#[derive(Debug, Default)]
struct Slot {
    open: Option<Open>,
    queue: PartitionQueue,
    /// What went wrong last, for the error when time runs out.
    last_error: Option<SendError>,
}

/// Names a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BatchKey {
    pub(super) topic: usize,
    pub(super) partition: u32,
    pub(super) id: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Accumulator {
    pub(super) limits: Limits,
    topics: Vec<TopicQueue>,
    index: HashMap<TopicName, usize>,
    /// Topic of the record before, since records of a topic come together.
    recent: usize,
    next_sequence: Sequence,
    next_batch: u64,
    used: usize,
    /// Records appended whose acknowledgement nobody has taken.
    outstanding: u64,
    /// Batches that have not ended.
    unfinished: usize,
    finished: VecDeque<Finished>,
    spare: Vec<RecordBatchBuilder>,
    pub(super) identity: Option<(i64, i16)>,
    /// What a transactional producer is doing; `None` for any other.
    pub(super) transaction: Option<Transaction>,
    pub(super) metadata_stale: bool,
    pub(super) closed: bool,
    seed: u64,
    counts: Arc<ProducerRecords>,
}

impl Accumulator {
    pub(super) fn new(
        limits: Limits,
        transactional_id: Option<Arc<str>>,
        seed: u64,
        counts: Arc<ProducerRecords>,
    ) -> Self {
        Self {
            limits,
            topics: Vec::new(),
            index: HashMap::new(),
            recent: 0,
            next_sequence: 0,
            next_batch: 0,
            used: 0,
            outstanding: 0,
            unfinished: 0,
            finished: VecDeque::new(),
            spare: Vec::new(),
            identity: None,
            transaction: transactional_id.map(Transaction::new),
            metadata_stale: false,
            closed: false,
            seed,
            counts,
        }
    }

    /// Takes over what is known about a topic's partitions, if records are written to it.
    pub(super) fn learn_again(&mut self, name: &TopicName, metadata: &Metadata) {
        if self.index.contains_key(name) {
            self.learn(name, metadata);
        }
    }

    /// Takes over what is known about a topic's partitions.
    pub(super) fn learn(&mut self, name: &TopicName, metadata: &Metadata) {
        let Some(count) = metadata.partition_count(name) else { return };
        let at = match self.index.get(name) {
            Some(at) => *at,
            None => {
                let at = self.topics.len();
                self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                self.topics.push(TopicQueue {
                    name: name.clone(),
                    choice: PartitionChoice::new(self.seed),
                    count: 0,
                    available: Vec::new(),
                    partitions: Vec::new(),
                    batches: 0,
                });
                self.index.insert(name.clone(), at);
                at
            }
        };
        let topic = &mut self.topics[at];
        topic.count = count;
        topic.available.clear();
        topic.available.extend((0..count).filter(|at| metadata.leader(name, *at as i32).is_some()));
        if topic.partitions.len() < count as usize {
            // A topic does not lose partitions; one that was made anew may have fewer, whose batches expire.
            topic.partitions.resize_with(count as usize, Slot::default);
        }
    }

    /// Topics that records were appended to or are about to be.
    pub(super) fn topic_names(&self) -> Vec<TopicName> {
        self.topics.iter().map(|topic| topic.name.clone()).collect()
    }

    fn topic_index(&mut self, name: &TopicName) -> Option<usize> {
        if self.topics.get(self.recent).is_some_and(|topic| topic.name == *name) {
            return Some(self.recent);
        }
        let at = *self.index.get(name)?;
        self.recent = at;
        Some(at)
    }

    /// Puts a record into the open batch of its partition. Says too whether the sender has to look.
    pub(super) fn append(
        &mut self,
        now: Instant,
        now_ms: i64,
        topic: &TopicName,
        partition: Option<i32>,
        record: &RecordRef<'_>,
    ) -> Result<(Sequence, bool), Refusal> {
        if self.closed {
            return Err(Refusal::Failed(SendError::Closed));
        }
        if let Some(transaction) = &self.transaction
            && !transaction.takes_records()
        {
            let source = Box::new(transaction.obstacle("append a record"));
            return Err(Refusal::Failed(SendError::Transaction { source }));
        }
        let at = self.topic_index(topic).ok_or(Refusal::UnknownTopic)?;
        let size = RecordBatchBuilder::size_of_record(record.key, record.value, record.headers.len());
        self.check_size(size)?;
        let topic = &mut self.topics[at];
        let partition = match partition {
            Some(asked) => {
                let known = u32::try_from(asked).ok().filter(|asked| *asked < topic.count);
                known.ok_or_else(|| {
                    Refusal::Failed(SendError::NoPartition {
                        topic: topic.name.clone(),
                        partition: asked,
                        partitions: topic.count,
                    })
                })?
            }
            None => topic.choice.choose(self.limits.partitioner, record.key, topic.count, &topic.available),
        };
        let mut look = false;
        if let Some(open) = &topic.partitions[partition as usize].open
            && self.limits.batch_size < open.builder.estimated_size() + size
        {
            self.close_open(at, partition);
            look = true;
        }
        if self.topics[at].partitions[partition as usize].open.is_none() {
            let capacity = self.limits.batch_size.min(MOST_CAPACITY);
            let builder = self.spare.pop().unwrap_or_else(|| RecordBatchBuilder::with_capacity(capacity));
            let open = Open { builder, ranges: Ranges::new(), created: now };
            self.topics[at].partitions[partition as usize].open = Some(open);
            self.topics[at].batches += 1;
            if let Some(transaction) = &mut self.transaction {
                transaction.touch((at, partition));
            }
            self.used += BATCH_OVERHEAD + ACK_COST;
            self.unfinished += 1;
            look = true;
        }
        let open = self.topics[at].partitions[partition as usize].open.as_mut().expect("one was just opened");
        let sequence = self.next_sequence;
        let before = open.builder.estimated_size();
        let (header_count, headers) = record.split_headers();
        let delta = i32::try_from(open.builder.record_count()).expect("a batch below 2 GiB has fewer records");
        let appended = open.builder.append_at(
            delta,
            record.timestamp_ms.unwrap_or(now_ms),
            record.key,
            record.value,
            header_count,
            headers,
        );
        appended.expect("the size was checked against limits far below those of the format");
        let after = open.builder.estimated_size();
        let ranges_before = open.ranges.len();
        push_sequence(&mut open.ranges, sequence);
        self.used += after - before.max(BATCH_OVERHEAD) + (open.ranges.len() - ranges_before) * RANGE_COST;
        self.next_sequence += 1;
        self.outstanding += 1;
        if self.limits.batch_size <= after {
            self.close_open(at, partition);
            look = true;
        }
        Ok((sequence, look))
    }

    fn check_size(&self, size: usize) -> Result<(), Refusal> {
        let needed = size + BATCH_OVERHEAD + ACK_COST + RANGE_COST;
        for (limit, setting) in
            [(self.limits.max_request_size, "max.request.size"), (self.limits.buffer_memory, "buffer.memory")]
        {
            if limit < needed {
                // Reported as Java computes it, without what is only kept here.
                let size = size + BATCH_OVERHEAD;
                if limit < size || setting == "buffer.memory" {
                    return Err(Refusal::Failed(SendError::RecordTooLarge { size, limit, setting }));
                }
            }
        }
        if self.limits.buffer_memory < self.used + needed {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Whether a record of this many bytes would find room.
    pub(super) fn has_room(&self) -> bool {
        self.used < self.limits.buffer_memory / 2 || self.unfinished == 0 && self.finished.is_empty()
    }

    fn close_open(&mut self, topic: usize, partition: u32) {
        let Some(queue) = self.topics.get_mut(topic) else { return };
        let Some(open) = queue.partitions[partition as usize].open.take() else { return };
        queue.choice.batch_complete(partition);
        self.next_batch += 1;
        queue.partitions[partition as usize].queue.ready.push_back(RecordBatch {
            id: self.next_batch,
            records: i32::try_from(open.builder.record_count()).expect("a batch below 2 GiB has fewer records"),
            size: open.builder.estimated_size(),
            ranges: open.ranges,
            created: open.created,
            content: Content::Records(open.builder),
            stamp: Stamp::NONE,
            attempts: 0,
            state: State::New,
            in_doubt: false,
        });
    }

    /// Completes every open batch, so that all goes out without lingering.
    pub(super) fn close_all(&mut self) {
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                self.close_open(topic, partition as u32);
            }
        }
    }

    /// Whether every batch has ended.
    pub(super) fn is_idle(&self) -> bool {
        self.unfinished == 0
    }

    /// Records whose acknowledgement nobody has taken.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The batch that has waited longest for its acknowledgement, and what went wrong with it last.
    pub(super) fn oldest(&self, now: Instant, metadata: &Metadata) -> Option<Waiting> {
        let mut oldest: Option<(Instant, &TopicQueue, usize)> = None;
        for topic in self.topics.iter().filter(|topic| 0 < topic.batches) {
            for (partition, slot) in topic.partitions.iter().enumerate() {
                let batches = slot.queue.unacknowledged.iter().chain(&slot.queue.ready).map(|batch| batch.created);
                let first = batches.chain(slot.open.as_ref().map(|open| open.created)).min();
                if let Some(first) = first.filter(|first| oldest.is_none_or(|(oldest, ..)| *first < oldest)) {
                    oldest = Some((first, topic, partition));
                }
            }
        }
        let (created, topic, partition) = oldest?;
        let cause = topic.partitions[partition].last_error.as_ref().map(|error| ErrorChain(error).to_string());
        let cause = cause.or_else(|| match metadata.topic(&topic.name).and_then(|topic| topic.error) {
            Some(code) => Some(code.to_string()),
            None if metadata.leader(&topic.name, partition as i32).is_none() => Some("it has no leader".to_owned()),
            None => None,
        });
        Some(Waiting {
            lasting: now.duration_since(created),
            what: format!("{}-{partition} to take records", topic.name),
            cause,
        })
    }
}
