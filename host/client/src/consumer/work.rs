//! What goes on in the background: metadata, lookups, checks and fetches, each started when it is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt;
use millstream_record::TopicName;
use tokio::{sync::Notify, time::Instant};

use super::{
    CommitError, Consumer,
    fetch::{FetchWork, Fetched, PartitionFetch},
    lookup::{self, Lookup},
    validation::{self, Validated},
};
use crate::{
    admin::TopicPartition,
    cluster::{RequestError, TopicsWanted},
    metadata::Metadata,
};

/// How long a broker may hold a fetch back for want of records while other partitions are to be fetched from it: as long as
/// Java's consumer has it wait at all, unless told otherwise.
const LONGEST_HOLD: Duration = Duration::from_millis(500);

/// A fetch that is under way.
pub(super) struct Held {
    since: Instant,
    /// What it is about, with the versions of the positions.
    asked: Vec<(TopicPartition, u64)>,
    /// Asks for its end.
    give_up: Arc<Notify>,
}

/// Something that was waited for in the background.
pub(super) enum Event {
    Fetched(Fetched),
    Looked(Lookup),
    Validated(Validated),
    Metadata(Result<Arc<Metadata>, RequestError>),
    Divided { assignments: Vec<(String, Bytes)>, partitions: BTreeMap<TopicName, u32> },
    LookedOver { generation: i32, partitions: BTreeMap<TopicName, u32>, complete: bool },
    Committed(Result<(), CommitError>),
}

impl Consumer {
    /// Starts whatever is due and not under way.
    pub(super) fn start_work(&mut self) {
        let now = Instant::now();
        self.refresh_metadata(now);
        if !self.looking {
            let questions = self.positions.searches(now);
            if !questions.is_empty() {
                self.looking = true;
                let (link, config) = (self.link.clone(), Arc::clone(&self.config));
                self.work.push(async move { Event::Looked(lookup::look_up(&link, &config, questions).await) }.boxed());
            }
        }
        self.start_checks(now);
        if !self.revoking {
            self.start_fetches(now);
        }
    }

    /// Asks new leaders whether they have the records before the positions.
    fn start_checks(&mut self, now: Instant) {
        let metadata = self.cluster.metadata();
        let leader = |(topic, partition): &TopicPartition| Some(metadata.leader(topic, *partition)?.1);
        let mut by_node: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        for question in self.positions.checks(now, leader) {
            let (topic, partition) = &question.0;
            if let Some((node, _)) = metadata.leader(topic, *partition) {
                by_node.entry(node).or_default().push(question);
            }
        }
        for (node, questions) in by_node {
            let link = self.link.clone();
            self.work.push(async move { Event::Validated(validation::validate(&link, node, questions).await) }.boxed());
        }
    }

    pub(super) fn topics_of_interest(&self) -> Vec<TopicName> {
        let assigned = self.positions.assigned();
        let mut topics: BTreeSet<TopicName> = assigned.into_iter().map(|(topic, _)| topic).collect();
        topics.extend(self.subscription.topics().into_iter().flatten().cloned());
        topics.into_iter().collect()
    }

    fn refresh_metadata(&mut self, now: Instant) {
        if self.asking_metadata {
            return;
        }
        let topics = self.topics_of_interest();
        let metadata = self.cluster.metadata();
        let max_age = self.cluster.settings().metadata_max_age;
        let stale = topics.iter().any(|topic| metadata.is_stale(topic, now, max_age));
        let listed = self.subscription.listed();
        let outdated =
            listed.is_some_and(|listed| listed.and_then(|at| at.checked_add(max_age)).is_none_or(|due| due <= now));
        if topics.is_empty() && listed.is_none() || !(stale || outdated || self.metadata_wanted) {
            return;
        }
        // What is new since the last answer is asked for at once, what did not help then after a while.
        let unknown = listed == Some(None) || topics.iter().any(|topic| metadata.topic(topic).is_none());
        let delay = if unknown && self.metadata_failures < 2 {
            Duration::ZERO
        } else {
            self.cluster.settings().retry_delay(self.metadata_failures)
        };
        self.metadata_failures = self.metadata_failures.saturating_add(1).min(8);
        self.asking_metadata = true;
        self.metadata_wanted = false;
        let (cluster, may_create) = (self.cluster.clone(), self.config.allow_auto_create_topics);
        let asked = async move {
            tokio::time::sleep(delay).await;
            let wanted = if listed.is_some() { TopicsWanted::All } else { TopicsWanted::Named(&topics) };
            Event::Metadata(cluster.refresh(wanted, may_create).await)
        };
        self.work.push(asked.boxed());
    }

    fn start_fetches(&mut self, now: Instant) {
        let metadata = self.cluster.metadata();
        let mut unknown = false;
        let mut held_up = BTreeSet::new();
        let busy = &self.busy;
        let questions = self.positions.fetches(now, |(topic, partition)| match metadata.leader(topic, *partition) {
            Some((node, _)) if busy.contains_key(&node) => {
                held_up.insert(node);
                None
            }
            Some((_, epoch)) => Some(epoch),
            None => {
                unknown = true;
                None
            }
        });
        self.metadata_wanted |= unknown;
        let mut by_node: BTreeMap<i32, Vec<PartitionFetch>> = BTreeMap::new();
        for (key, offset, version) in questions {
            let Some((node, leader_epoch)) = metadata.leader(&key.0, key.1) else { continue };
            by_node.entry(node).or_default().push(PartitionFetch { key, offset, version, leader_epoch });
        }
        for (node, asked) in by_node {
            let give_up = Arc::new(Notify::new());
            let of = asked.iter().map(|asked| (asked.key.clone(), asked.version)).collect();
            self.busy.insert(node, Held { since: now, asked: of, give_up: Arc::clone(&give_up) });
            let (link, config, counts) = (self.fetch_link.clone(), Arc::clone(&self.config), Arc::clone(&self.fetches));
            let work = FetchWork { link, config, node, asked, counts, give_up };
            self.work.push(async move { Event::Fetched(work.run().await) }.boxed());
        }
        self.free(held_up, now);
    }

    /// Partitions are to be fetched from brokers that hold a fetch back: that is given up when nobody wants its answer any
    /// more, or it was held long enough, and all are asked for together then.
    fn free(&mut self, nodes: BTreeSet<i32>, now: Instant) {
        self.held_up_until = None;
        for node in nodes {
            let Some(held) = self.busy.get(&node) else { continue };
            let is_of_use = held.asked.iter().any(|(key, version)| self.positions.is_current(key, *version));
            let until = if is_of_use { held.since + LONGEST_HOLD } else { now };
            if until <= now {
                held.give_up.notify_one();
            } else {
                self.held_up_until = Some(self.held_up_until.map_or(until, |before| before.min(until)));
            }
        }
    }
}
