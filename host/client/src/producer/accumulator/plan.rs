//! What a producer can send at the moment, and what has waited too long.

use std::collections::{BTreeSet, HashMap};

use millstream_record::TopicName;
use tokio::time::Instant;

use super::{Accumulator, BatchKey};
use crate::{
    admin::TopicPartition,
    metadata::Metadata,
    producer::{
        error::SendError,
        partition::Sendable,
        record_batch::{Content, Stamp},
        transaction::{NextStep, Place, Step},
    },
};

/// A batch lent to the sender.
#[derive(Debug)]
pub(in crate::producer) struct Lent {
    pub(in crate::producer) key: BatchKey,
    pub(in crate::producer) topic: TopicName,
    pub(in crate::producer) stamp: Stamp,
    pub(in crate::producer) content: Content,
    pub(in crate::producer) records: u64,
    /// When its first record came.
    pub(in crate::producer) created: Instant,
    /// How often it has been sent, this time included.
    pub(in crate::producer) attempts: u32,
}

/// What a broker can take at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::producer) enum Capacity {
    /// This many requests.
    Requests(usize),
    /// Nothing before there is a connection.
    NotConnected,
}

/// What the sender is to do.
#[derive(Debug, Default)]
pub(in crate::producer) struct Plan {
    /// Requests, by broker, in order.
    pub(in crate::producer) requests: Vec<(i32, Vec<Lent>)>,
    /// Brokers to connect to.
    pub(in crate::producer) connect: BTreeSet<i32>,
    /// When to look again, if nothing happens before.
    pub(in crate::producer) wake: Option<Instant>,
    /// When the oldest batch that has not ended was begun.
    pub(in crate::producer) oldest: Option<Instant>,
    /// What a coordinator is to be asked, with the names of the partitions in it.
    pub(in crate::producer) step: Option<(Step, Vec<TopicPartition>)>,
    /// Batches wait for a leader to be known.
    pub(in crate::producer) wants_metadata: bool,
    /// Batches wait for a producer id.
    pub(in crate::producer) wants_identity: bool,
}

/// What a plan is made from, while it is made.
struct Planning<'a, C> {
    now: Instant,
    metadata: &'a Metadata,
    capacity: C,
    /// Requests that each broker can still take.
    left: HashMap<i32, usize>,
    /// Those of this round with their bytes, by broker.
    requests: HashMap<i32, (usize, Vec<Lent>)>,
    plan: Plan,
}

impl Accumulator {
    /// Ends what has waited too long, and collects what can be sent now.
    pub(in crate::producer) fn plan(
        &mut self,
        now: Instant,
        metadata: &Metadata,
        capacity: impl FnMut(i32) -> Capacity,
    ) -> Plan {
        let mut plan = Plan::default();
        self.expire(now, &mut plan);
        self.plan_step(now, &mut plan);
        let mut planning = Planning { now, metadata, capacity, left: HashMap::new(), requests: HashMap::new(), plan };
        // Each round takes at most one batch of a partition, as a request does.
        loop {
            for topic in 0..self.topics.len() {
                if self.topics[topic].batches == 0 {
                    continue;
                }
                for partition in 0..self.topics[topic].partitions.len() {
                    self.plan_partition((topic, partition), &mut planning);
                }
            }
            if planning.requests.is_empty() {
                return planning.plan;
            }
            for (node, (_, batches)) in planning.requests.drain() {
                if let Some(left) = planning.left.get_mut(&node) {
                    *left -= 1;
                }
                planning.plan.requests.push((node, batches));
            }
        }
    }

    /// Adds what one partition can send to the requests of this round.
    fn plan_partition(
        &mut self,
        (topic, partition): (usize, usize),
        planning: &mut Planning<'_, impl FnMut(i32) -> Capacity>,
    ) {
        let Planning { now, metadata, capacity, left, requests, plan } = planning;
        let now = *now;
        if let Some(transaction) = &self.transaction
            && !transaction.may_write((topic, partition as u32))
        {
            return;
        }
        let slot = &self.topics[topic].partitions[partition];
        let mut sendable = slot.queue.sendable(now, &self.limits.retry);
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
        if self.limits.retry.idempotent && slot.queue.needs_identity() && self.identity.is_none() {
            plan.wants_identity = true;
            return;
        }
        if from_open {
            self.close_open(topic, partition as u32);
            // The window of unacknowledged batches may be full, or a repetition come first.
            if self.topics[topic].partitions[partition].queue.sendable(now, &self.limits.retry) != Sendable::New {
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
        if let Some(transaction) = &mut self.transaction {
            transaction.writes();
        }
        *bytes += size;
        let key = BatchKey { topic, partition: partition as u32, id: batch.id };
        let content = std::mem::replace(&mut batch.content, Content::Lent);
        let (stamp, created, attempts) = (batch.stamp, batch.created, batch.attempts);
        let records = u64::try_from(batch.records).unwrap_or(0);
        request.push(Lent { key, topic: self.topics[topic].name.clone(), stamp, content, records, created, attempts });
    }

    fn plan_step(&mut self, now: Instant, plan: &mut Plan) {
        let Some(transaction) = &mut self.transaction else { return };
        match transaction.next(now, self.unfinished == 0) {
            NextStep::Send(step) => {
                let places = match &step {
                    Step::AddPartitions { partitions, .. } => &partitions[..],
                    _ => &[],
                };
                let name = |(topic, partition): &Place| (self.topics[*topic].name.clone(), *partition as i32);
                let names = places.iter().map(name).collect();
                plan.step = Some((step, names));
            }
            NextStep::NotBefore(at) => plan.wake = Some(plan.wake.map_or(at, |wake| wake.min(at))),
            NextStep::Nothing => {}
        }
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
        self.abandon_if_hopeless();
    }
}
