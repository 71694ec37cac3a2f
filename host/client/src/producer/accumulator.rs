//! Everything a producer holds: open batches, batches on their way, acknowledgements not taken yet.
//!
//! A plain value: it reads no clock and does no I/O. The producer's handle puts records in and takes
//! acknowledgements out; its sender asks what to send and tells what came of it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use millstream_record::{Chain, TopicName};
use millstream_wire::{batch::RecordBatchBuilder, compression::CompressError};
use tokio::time::Instant;

use super::{
    Ack, Delivery, RecordRef,
    batch::{Batch, Compression, Content, Ranges, Sequence, Stamp, State, push_sequence, split},
    error::SendError,
    partition::{Answer, PartitionQueue, Patience, Sendable, Verdict},
    partitioner::PartitionChoice,
};
use crate::{
    cluster::RequestError,
    config::{Partitioner, ProducerConfig},
    metadata::Metadata,
    waiting::Waiting,
};

/// What an acknowledgement that nobody has taken yet is charged with, in bytes.
const ACK_COST: usize = 128;
const RANGE_COST: usize = size_of::<(Sequence, Sequence)>();

/// Builders kept for the next batches.
const MOST_SPARE_BUILDERS: usize = 8;

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

/// The settings that matter here.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    batch_size: usize,
    linger: Duration,
    buffer_memory: usize,
    max_request_size: usize,
    delivery_timeout: Duration,
    partitioner: Partitioner,
    pub(super) compression: Compression,
    pub(super) patience: Patience,
    retry_backoff: Duration,
    retry_backoff_max: Duration,
}

impl Limits {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        Self {
            batch_size: config.batch_size,
            linger: config.linger,
            buffer_memory: config.buffer_memory,
            max_request_size: config.max_request_size,
            delivery_timeout: config.delivery_timeout,
            partitioner: config.partitioner,
            compression: Compression { codec: config.compression, level: config.compression_level },
            patience: Patience { retries: config.retries, idempotent: config.idempotent },
            retry_backoff: config.connection.retry_backoff,
            retry_backoff_max: config.connection.retry_backoff_max,
        }
    }

    fn retry_delay(&self, attempts: u32) -> Duration {
        let doubled = self.retry_backoff.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(self.retry_backoff_max.max(self.retry_backoff))
    }
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

/// A batch lent to the sender.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) key: BatchKey,
    pub(super) topic: TopicName,
    pub(super) stamp: Stamp,
    pub(super) content: Content,
}

/// What a broker can take at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Capacity {
    /// This many requests.
    Requests(usize),
    /// Nothing before there is a connection.
    NotConnected,
}

/// What the sender is to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Requests, by broker, in order.
    pub(super) requests: Vec<(i32, Vec<Lent>)>,
    /// Brokers to connect to.
    pub(super) connect: BTreeSet<i32>,
    /// When to look again, if nothing happens before.
    pub(super) wake: Option<Instant>,
    /// When the oldest batch that has not ended was begun.
    pub(super) oldest: Option<Instant>,
    /// Batches wait for a leader to be known.
    pub(super) wants_metadata: bool,
    /// Batches wait for a producer id.
    pub(super) wants_identity: bool,
}

/// Acknowledgements of one batch.
#[derive(Debug)]
struct Finished {
    topic: TopicName,
    ranges: Ranges,
    taken: usize,
    records_before: i64,
    partition: i32,
    result: Result<i64, SendError>,
    cost: usize,
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
    pub(super) metadata_stale: bool,
    pub(super) closed: bool,
    seed: u64,
}

impl Accumulator {
    pub(super) fn new(limits: Limits, seed: u64) -> Self {
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
            metadata_stale: false,
            closed: false,
            seed,
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
        queue.partitions[partition as usize].queue.ready.push_back(Batch {
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

    /// The next acknowledgement, oldest ended batch first.
    pub(super) fn take_ack(&mut self) -> Option<Ack> {
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
        let cause = topic.partitions[partition].last_error.as_ref().map(|error| Chain(error).to_string());
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

    /// Whether there is an acknowledgement to take.
    pub(super) fn has_ack(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Ends what has waited too long, and collects what can be sent now.
    pub(super) fn plan(
        &mut self,
        now: Instant,
        metadata: &Metadata,
        mut capacity: impl FnMut(i32) -> Capacity,
    ) -> Plan {
        let mut plan = Plan::default();
        self.expire(now, &mut plan);
        let mut left: HashMap<i32, usize> = HashMap::new();
        // Each round takes at most one batch of a partition, as a request does.
        loop {
            let mut requests: HashMap<i32, (usize, Vec<Lent>)> = HashMap::new();
            for topic in 0..self.topics.len() {
                if self.topics[topic].batches == 0 {
                    continue;
                }
                for partition in 0..self.topics[topic].partitions.len() {
                    self.plan_partition(
                        now,
                        metadata,
                        (topic, partition),
                        &mut capacity,
                        &mut left,
                        &mut requests,
                        &mut plan,
                    );
                }
            }
            if requests.is_empty() {
                return plan;
            }
            for (node, (_, batches)) in requests {
                if let Some(left) = left.get_mut(&node) {
                    *left -= 1;
                }
                plan.requests.push((node, batches));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `plan`, whose state it shares")]
    fn plan_partition(
        &mut self,
        now: Instant,
        metadata: &Metadata,
        (topic, partition): (usize, usize),
        capacity: &mut impl FnMut(i32) -> Capacity,
        left: &mut HashMap<i32, usize>,
        requests: &mut HashMap<i32, (usize, Vec<Lent>)>,
        plan: &mut Plan,
    ) {
        let slot = &self.topics[topic].partitions[partition];
        let mut sendable = slot.queue.sendable(now, &self.limits.patience);
        let mut from_open = false;
        if sendable == Sendable::Nothing
            && slot.queue.ready.is_empty()
            && let Some(open) = &slot.open
        {
            let due = open.created + self.limits.linger;
            if now < due {
                sendable = Sendable::NotBefore(due);
            } else {
                from_open = true;
            }
        }
        let again = match sendable {
            Sendable::NotBefore(at) => {
                plan.wake = Some(plan.wake.map_or(at, |wake| wake.min(at)));
                return;
            }
            Sendable::Nothing if !from_open => return,
            Sendable::Again => true,
            Sendable::New | Sendable::Nothing => false,
        };
        let Some((node, _)) = metadata.leader(&self.topics[topic].name, partition as i32) else {
            plan.wants_metadata = true;
            return;
        };
        let free = match left.get(&node) {
            Some(free) => *free,
            None => match capacity(node) {
                Capacity::Requests(free) => *left.entry(node).or_insert(free),
                Capacity::NotConnected => {
                    plan.connect.insert(node);
                    0
                }
            },
        };
        if free == 0 {
            return;
        }
        if self.limits.patience.idempotent && slot.queue.needs_identity() && self.identity.is_none() {
            plan.wants_identity = true;
            return;
        }
        if from_open {
            self.close_open(topic, partition as u32);
            // The window of unacknowledged batches may be full, or a repetition come first.
            if self.topics[topic].partitions[partition].queue.sendable(now, &self.limits.patience) != Sendable::New {
                return;
            }
        }
        let queue = &mut self.topics[topic].partitions[partition].queue;
        let size = if again { queue.unacknowledged.front() } else { queue.ready.front() }.map_or(0, |batch| batch.size);
        let (bytes, request) = requests.entry(node).or_default();
        if !request.is_empty() && self.limits.max_request_size < *bytes + size {
            return;
        }
        let Some(batch) = queue.send(again, self.identity) else { return };
        *bytes += size;
        let key = BatchKey { topic, partition: partition as u32, id: batch.id };
        let content = std::mem::replace(&mut batch.content, Content::Lent);
        let stamp = batch.stamp;
        request.push(Lent { key, topic: self.topics[topic].name.clone(), stamp, content });
    }

    fn expire(&mut self, now: Instant, plan: &mut Plan) {
        let timeout = self.limits.delivery_timeout;
        for topic in 0..self.topics.len() {
            if self.topics[topic].batches == 0 {
                continue;
            }
            for partition in 0..self.topics[topic].partitions.len() {
                let slot = &mut self.topics[topic].partitions[partition];
                if slot.open.as_ref().is_some_and(|open| timeout <= now.duration_since(open.created)) {
                    self.close_open(topic, partition as u32);
                }
                let queue = &self.topics[topic].partitions[partition].queue;
                let batches = || queue.unacknowledged.iter().chain(&queue.ready);
                let late: Vec<u64> = batches()
                    .filter(|batch| timeout <= now.duration_since(batch.created))
                    .map(|batch| batch.id)
                    .collect();
                let oldest = batches().map(|batch| batch.created).min();
                plan.oldest = plan.oldest.into_iter().chain(oldest).min();
                if let Some(oldest) = oldest
                    && late.is_empty()
                    && let Some(at) = oldest.checked_add(timeout)
                {
                    plan.wake = Some(plan.wake.map_or(at, |wake| wake.min(at)));
                }
                if !late.is_empty() {
                    // Whatever is left is looked at again right away.
                    plan.wake = Some(now);
                }
                for id in late {
                    let slot = &mut self.topics[topic].partitions[partition];
                    let Some(batch) = slot.queue.fail(id) else { continue };
                    let error = SendError::Expired {
                        topic: self.topics[topic].name.clone(),
                        partition: partition as i32,
                        records: batch.records as usize,
                        waited: now.duration_since(batch.created),
                        source: self.topics[topic].partitions[partition].last_error.clone().map(Box::new),
                    };
                    self.end((topic, partition), batch, Err(error));
                }
                self.drop_exhausted_identity((topic, partition));
            }
        }
    }

    /// Takes a batch back from the sender as it was sent, or fails it.
    pub(super) fn encoded(
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
                }
            }
        }
    }

    /// Carries out what an answer means for a batch. Says whether the broker no longer knows what it acknowledged
    /// before, so that counting begins anew.
    pub(super) fn answered(
        &mut self,
        key: BatchKey,
        answer: Answer,
        error: impl FnOnce() -> SendError,
        now: Instant,
    ) -> bool {
        let place = (key.topic, key.partition as usize);
        let queue = &mut self.topics[key.topic].partitions[place.1].queue;
        let Some(verdict) = queue.decide(key.id, answer, &self.limits.patience) else { return false };
        match answer {
            Answer::Refused { code, .. } if code.is_stale_metadata() => self.metadata_stale = true,
            Answer::Lost { .. } => self.metadata_stale = true,
            _ => {}
        }
        let mut broken_off = false;
        match verdict {
            Verdict::Delivered { base_offset } => {
                if let Some(batch) = queue.delivered(key.id, base_offset) {
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
    fn drop_exhausted_identity(&mut self, (topic, partition): (usize, usize)) {
        if self.topics[topic].partitions[partition].queue.take_exhausted() {
            self.identity = None;
        }
    }

    /// Fails everything that has not ended.
    pub(super) fn fail_all(&mut self, error: &SendError) {
        self.close_all();
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                let queue = &mut self.topics[topic].partitions[partition].queue;
                let batches: Vec<Batch> = queue.unacknowledged.drain(..).chain(queue.ready.drain(..)).collect();
                for batch in batches {
                    self.end((topic, partition), batch, Err(error.clone()));
                }
            }
        }
    }

    /// Fails what waits for a producer id.
    pub(super) fn fail_waiting_for_identity(&mut self, source: &RequestError) {
        let error = SendError::ProducerId { source: source.clone() };
        for topic in 0..self.topics.len() {
            for partition in 0..self.topics[topic].partitions.len() {
                if !self.topics[topic].partitions[partition].queue.needs_identity() {
                    continue;
                }
                self.close_open(topic, partition as u32);
                let queue = &mut self.topics[topic].partitions[partition].queue;
                let batches: Vec<Batch> = queue.unacknowledged.drain(..).chain(queue.ready.drain(..)).collect();
                for batch in batches {
                    self.end((topic, partition), batch, Err(error.clone()));
                }
            }
        }
    }

    fn end(&mut self, (topic, partition): (usize, usize), batch: Batch, result: Result<i64, SendError>) {
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
