//! The consumer: whole record batches out of assigned partitions, positions, commits, and a group's
//! rebalances as events.
//!
//! Everything moves inside [`Consumer::poll`], except heartbeats, which the group member's own task sends, and
//! answers, which arrive by themselves. Rebalances are eager: all partitions are given up before the
//! group is joined again.

mod batches;
mod epochs;
mod error;
mod fetch;
mod lookup;
mod positions;
mod validation;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    future::Future,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use millstream_record::{Chain, TopicName};
use tokio::time::Instant;

pub use self::error::{CommitError, ConsumeError};
use self::{
    fetch::{FetchAnswer, FetchWork, Fetched},
    lookup::Lookup,
    positions::{Positions, Search},
    validation::{Validated, Validity},
};
pub use crate::admin::OffsetAndMetadata;
use crate::{
    admin::{Committer, OffsetSpec, TopicPartition, commit_offsets, fetch_offsets},
    cluster::{Cluster, Link, RequestError, TopicsWanted},
    config::{AutoOffsetReset, ConsumerConfig},
    group::{
        Assignor, GroupConfig, GroupEvent, GroupMember, GroupProtocol, JoinedMember, LostReason, Subscriber,
        consumer_protocol,
    },
    kafka_error::KafkaCode,
    metadata::Metadata,
    waiting::{Patience, Waiting},
};

/// Whole record batches of one partition, as they are on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchedBatch {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The consumer's position before. The first batch may begin earlier: its records below this offset were
    /// handed out already and are to be left out.
    pub first_offset: i64,
    /// The consumer's position after. Larger than the last record's offset plus one where records that are not
    /// seen follow.
    pub next_offset: i64,
    /// Records in the batches, those below `first_offset` included.
    pub record_count: u32,
    /// The batches, one after another, checked if `check.crcs` is on. No control batches.
    pub records: Bytes,
    /// The offset after the last record that every replica has, when the data was fetched.
    pub high_watermark: Option<i64>,
}

/// A change of the assigned partitions.
#[derive(Clone, Debug)]
pub enum RebalanceEvent {
    /// These partitions are about to be given up. They are still assigned until the next poll, so commits count.
    Revoked(BTreeSet<(TopicName, i32)>),
    /// These partitions belong to others already. Commits will fail.
    Lost(BTreeSet<(TopicName, i32)>, LostReason),
    /// These partitions are assigned from now on (all of them, which may be none).
    Assigned(BTreeSet<(TopicName, i32)>),
}

/// What a poll brought. Data and events never come together.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// Data.
    pub fetched: Vec<FetchedBatch>,
    /// Changes of the assignment, in order.
    pub events: Vec<RebalanceEvent>,
}

/// Where partitions come from.
#[derive(Debug)]
enum Subscription {
    None,
    Topics(BTreeSet<TopicName>),
    Manual,
}

/// How far the consumer is with its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GroupPhase {
    /// Has to join at the next poll.
    ToJoin,
    /// Waits for the others.
    Joining,
    /// Has its part.
    Stable,
}

/// Something that was waited for in the background.
enum Event {
    Fetched(Fetched),
    Looked(Lookup),
    Validated(Validated),
    Metadata(Result<Arc<Metadata>, RequestError>),
    Divided { assignments: Vec<(String, Bytes)>, partitions: BTreeMap<TopicName, u32> },
    Committed(Result<(), CommitError>),
}

/// Reads topics. Has one owner, who polls it regularly.
///
/// Dropping it stops everything without leaving the group; see [`Consumer::close`].
pub struct Consumer {
    config: Arc<ConsumerConfig>,
    cluster: Cluster,
    /// Fetches wait long at brokers, so nothing else goes over their connections.
    fetch_link: Link,
    /// Commits and lookups.
    link: Link,
    subscription: Subscription,
    group: Option<GroupMember>,
    phase: GroupPhase,
    /// Set from the announcement of a rebalance until the group is joined again.
    revoking: bool,
    /// Partition counts by which the leader divided, to notice when they change.
    divided: Option<BTreeMap<TopicName, u32>>,
    positions: Positions,
    work: FuturesUnordered<BoxFuture<'static, Event>>,
    busy: HashSet<i32>,
    events: VecDeque<RebalanceEvent>,
    /// Told at the next poll.
    failure: Option<ConsumeError>,
    asking_metadata: bool,
    metadata_wanted: bool,
    metadata_failures: u32,
    looking: bool,
    lookup_failures: u32,
    next_auto_commit: Option<Instant>,
    /// The wait for topics or leaders that are missing, and for an answer about them.
    missing: Option<Patience>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("group", &self.config.group_id)
            .field("subscription", &self.subscription)
            .field("phase", &self.phase)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// A consumer with connections of its own. Does nothing before the first poll.
    pub fn new(cluster: &Cluster, config: ConsumerConfig) -> Self {
        if !config.ignored.is_empty() {
            tracing::warn!(client = %config.connection.client_id, keys = %config.ignored.join(", "), "consumer settings without a meaning here are ignored");
        }
        Self {
            config: Arc::new(config),
            cluster: cluster.clone(),
            fetch_link: cluster.own_link(),
            link: cluster.own_link(),
            subscription: Subscription::None,
            group: None,
            phase: GroupPhase::ToJoin,
            revoking: false,
            divided: None,
            positions: Positions::default(),
            work: FuturesUnordered::new(),
            busy: HashSet::new(),
            events: VecDeque::new(),
            failure: None,
            asking_metadata: false,
            metadata_wanted: false,
            metadata_failures: 0,
            looking: false,
            lookup_failures: 0,
            next_auto_commit: None,
            missing: None,
        }
    }

    /// Reads these topics together with the other members of the group. Replaces an earlier subscription, at
    /// the next poll. Topics that do not exist are waited for.
    ///
    /// # Errors
    ///
    /// There is no `group.id`.
    pub fn subscribe(&mut self, topics: impl IntoIterator<Item = TopicName>) -> Result<(), ConsumeError> {
        let Some(group_id) = self.config.group_id.clone() else { return Err(ConsumeError::NoGroup) };
        let topics: BTreeSet<TopicName> = topics.into_iter().collect();
        if matches!(&self.subscription, Subscription::Topics(before) if *before == topics) {
            return Ok(());
        }
        if matches!(self.subscription, Subscription::Manual) {
            self.positions = Positions::default();
        }
        self.subscription = Subscription::Topics(topics);
        self.metadata_wanted = true;
        match &self.group {
            Some(_) => self.announce_rebalance(),
            None => {
                let config = GroupConfig {
                    group_id,
                    group_instance_id: self.config.group_instance_id.clone(),
                    protocol_type: "consumer".to_owned(),
                    session_timeout: self.config.session_timeout,
                    rebalance_timeout: self.config.max_poll_interval,
                    heartbeat_interval: self.config.heartbeat_interval,
                    max_poll_interval: Some(self.config.max_poll_interval),
                };
                self.group = Some(GroupMember::new(&self.cluster, config));
                self.phase = GroupPhase::ToJoin;
            }
        }
        Ok(())
    }

    /// Reads exactly these partitions, without being a member of the group. Replaces an earlier assignment or
    /// subscription; partitions that stay keep their positions.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicName, i32)>) {
        self.group = None;
        self.subscription = Subscription::Manual;
        self.revoking = false;
        self.metadata_wanted = true;
        let search = self.first_search();
        self.positions.assign(&partitions.into_iter().collect(), search);
    }

    fn first_search(&self) -> Search {
        if self.config.group_id.is_some() { Search::Committed } else { self.reset_search() }
    }

    /// By the reset policy; `Committed` again where there is none, which lookups turn into an error.
    fn reset_search(&self) -> Search {
        match self.config.auto_offset_reset {
            AutoOffsetReset::Earliest => Search::At(OffsetSpec::Earliest),
            AutoOffsetReset::Latest => Search::At(OffsetSpec::Latest),
            AutoOffsetReset::None => Search::Committed,
        }
    }

    /// Notes why something that is read is missing, or that nothing is, and tells it after a while.
    fn note_missing(&mut self, cause: Option<String>) {
        let Some(cause) = cause else {
            self.missing = None;
            return;
        };
        let now = Instant::now();
        let client = || self.config.connection.client_id.clone();
        let patience = self.missing.get_or_insert_with(|| Patience::begin(client(), now));
        let what = "the topics that are read".to_owned();
        patience.tell(now, &Waiting { lasting: patience.lasting(now), what, cause: Some(cause) });
    }

    /// What is wrong with the topics of interest in this picture of the cluster.
    fn why_missing(&self, metadata: &Metadata) -> Option<String> {
        let of_topic = |topic: &TopicName| match metadata.topic(topic).and_then(|topic| topic.error) {
            Some(code) => Some(format!("{topic}: {code}")),
            None if metadata.partition_count(topic).is_none() => Some(format!("{topic}: nothing is known about it")),
            None => None,
        };
        let leaderless = |(topic, partition): &TopicPartition| match metadata.leader(topic, *partition) {
            None if metadata.partition_count(topic).is_some() => Some(format!("{topic}-{partition} has no leader")),
            _ => None,
        };
        let topics = self.topics_of_interest();
        let assigned = self.positions.assigned();
        let causes = topics.iter().filter_map(of_topic).chain(assigned.iter().filter_map(leaderless));
        let causes: Vec<String> = causes.take(3).collect();
        if causes.is_empty() { None } else { Some(causes.join(", ")) }
    }

    /// The partitions assigned at the moment.
    pub fn assignment(&self) -> BTreeSet<(TopicName, i32)> {
        self.positions.assigned()
    }

    /// Reads on at an offset of an assigned partition. What was fetched before is dropped.
    ///
    /// # Errors
    ///
    /// The partition is not assigned.
    pub fn seek(&mut self, topic: &TopicName, partition: i32, offset: i64) -> Result<(), ConsumeError> {
        self.check_assigned(topic, partition)?;
        self.positions.seek(&(topic.clone(), partition), Ok(offset));
        Ok(())
    }

    /// Reads on at the first or after the last record of an assigned partition; looked up when polled.
    ///
    /// # Errors
    ///
    /// The partition is not assigned.
    pub fn seek_to(&mut self, topic: &TopicName, partition: i32, to: OffsetSpec) -> Result<(), ConsumeError> {
        self.check_assigned(topic, partition)?;
        self.positions.seek(&(topic.clone(), partition), Err(Search::At(to)));
        Ok(())
    }

    fn check_assigned(&self, topic: &TopicName, partition: i32) -> Result<(), ConsumeError> {
        if self.positions.is_assigned(&(topic.clone(), partition)) {
            return Ok(());
        }
        Err(ConsumeError::NotAssigned { topic: topic.clone(), partition })
    }

    /// Stops handing out a partition's records; it stays assigned.
    ///
    /// # Errors
    ///
    /// The partition is not assigned.
    pub fn pause(&mut self, topic: &TopicName, partition: i32) -> Result<(), ConsumeError> {
        self.check_assigned(topic, partition)?;
        self.positions.set_paused(&(topic.clone(), partition), true);
        Ok(())
    }

    /// Hands out a paused partition's records again.
    ///
    /// # Errors
    ///
    /// The partition is not assigned.
    pub fn resume(&mut self, topic: &TopicName, partition: i32) -> Result<(), ConsumeError> {
        self.check_assigned(topic, partition)?;
        self.positions.set_paused(&(topic.clone(), partition), false);
        Ok(())
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> BTreeSet<(TopicName, i32)> {
        self.positions.paused()
    }

    /// The next offset that a poll will hand out. Looks it up, or asks whether it still stands, for at most
    /// `default.api.timeout.ms`, where the partition was assigned only a moment ago.
    ///
    /// # Errors
    ///
    /// The partition is not assigned, or the lookup fails.
    pub async fn position(&mut self, topic: &TopicName, partition: i32) -> Result<i64, ConsumeError> {
        let key = (topic.clone(), partition);
        let started = Instant::now();
        let deadline = started + self.config.api_timeout;
        loop {
            self.check_assigned(topic, partition)?;
            if let Some(position) = self.positions.position(&key) {
                // Unless its leader has to be asked first whether it still stands.
                let leader = self.cluster.metadata().leader(topic, partition);
                if leader.is_none_or(|(_, epoch)| !self.positions.is_doubtful(&key, epoch)) {
                    return Ok(position);
                }
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.start_work();
            let now = Instant::now();
            if deadline <= now {
                let attempted = format!("find the position in {topic}-{partition}");
                let source = RequestError::Timeout { attempted, waited: now - started, source: None };
                return Err(source.into());
            }
            let wake = self.positions.wake(now).map_or(deadline, |wake| wake.min(deadline));
            if let Some(event) = wait_for_work(&mut self.work, wake).await {
                self.take_event(event);
            }
        }
    }

    /// Waits, at most `timeout`, for data or for changes of the assignment.
    ///
    /// An announced revocation is carried out by the *next* poll, so that what was read can be committed before.
    /// Dropping the future loses nothing: what it waited for goes on with the next one.
    ///
    /// # Errors
    ///
    /// Something that trying again does not mend; see [`ConsumeError`].
    pub async fn poll(&mut self, timeout: Duration) -> Result<Polled, ConsumeError> {
        let deadline = Instant::now().checked_add(timeout);
        if let Some(group) = &self.group {
            group.touch();
        }
        self.auto_commit();
        self.rejoin().await;
        loop {
            while let Some(event) = self.group.as_mut().and_then(GroupMember::try_event) {
                self.take_group_event(event);
            }
            while let Some(Some(event)) = self.work.next().now_or_never() {
                self.take_event(event);
            }
            if !self.events.is_empty() {
                return Ok(Polled { fetched: Vec::new(), events: self.events.drain(..).collect() });
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let fetched = if self.revoking { Vec::new() } else { self.take_fetched() };
            // The next fetches are under way while these records are worked on.
            self.start_work();
            if !fetched.is_empty() {
                return Ok(Polled { fetched, events: Vec::new() });
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Polled::default());
            }
            let wake = [self.positions.wake(now), self.next_auto_commit, deadline, self.metadata_due()];
            let wake = wake.into_iter().flatten().min();
            self.wait(wake).await;
            self.auto_commit();
        }
    }

    fn metadata_due(&self) -> Option<Instant> {
        Instant::now().checked_add(self.cluster.settings().metadata_max_age)
    }

    /// Waits for anything to happen. Takes what happened.
    async fn wait(&mut self, wake: Option<Instant>) {
        enum Woken {
            Work(Option<Event>),
            Group(GroupEvent),
            Time,
        }
        let Self { work, group, .. } = self;
        let group_event = async {
            match group {
                Some(group) => group.next_event().await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let woken = tokio::select! {
            event = work.next(), if !work.is_empty() => Woken::Work(event),
            event = group_event => Woken::Group(event),
            () = time => Woken::Time,
        };
        match woken {
            Woken::Work(Some(event)) => self.take_event(event),
            Woken::Group(event) => self.take_group_event(event),
            Woken::Work(None) | Woken::Time => {}
        }
    }

    fn take_fetched(&mut self) -> Vec<FetchedBatch> {
        let taken = self.positions.take(self.config.max_poll_records);
        let fetched = taken.into_iter().map(|taken| FetchedBatch {
            topic: taken.key.0,
            partition: taken.key.1,
            first_offset: taken.first_offset,
            next_offset: taken.next_offset,
            record_count: taken.records,
            records: taken.bytes,
            high_watermark: taken.high_watermark,
        });
        fetched.collect()
    }

    /// Carries out an announced revocation and joins the group, if that is due.
    async fn rejoin(&mut self) {
        let Subscription::Topics(topics) = &self.subscription else { return };
        if self.phase != GroupPhase::ToJoin || self.group.is_none() {
            return;
        }
        let protocol = |assignor: &Assignor| GroupProtocol {
            name: assignor.name().to_owned(),
            metadata: consumer_protocol::encode_subscription(topics),
        };
        let protocols = self.config.assignors.iter().map(protocol).collect();
        if self.revoking && self.config.auto_commit.is_some() {
            let offsets = self.consumed();
            if let Err(error) = self.commit(&offsets).await {
                tracing::warn!(group = ?self.config.group_id, error = %Chain(&error), "offsets were not committed before a rebalance");
            }
        }
        self.revoking = false;
        self.divided = None;
        let search = self.first_search();
        self.positions.assign(&BTreeSet::new(), search);
        self.phase = GroupPhase::Joining;
        if let Some(group) = &mut self.group {
            group.join(protocols);
        }
    }

    fn announce_rebalance(&mut self) {
        if self.phase == GroupPhase::ToJoin {
            return;
        }
        self.phase = GroupPhase::ToJoin;
        self.revoking = true;
        // Also where there is nothing to give up: whoever polls then polls again and joins.
        self.events.push_back(RebalanceEvent::Revoked(self.positions.assigned()));
    }

    fn take_group_event(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Elected { protocol, members, .. } => self.divide(&protocol, &members),
            GroupEvent::Assigned { assignment, leader, .. } => {
                let partitions = consumer_protocol::decode_assignment(&assignment).unwrap_or_else(|error| {
                    tracing::warn!(group = ?self.config.group_id, error = %Chain(&error), "the group's leader sent an unreadable assignment");
                    BTreeSet::new()
                });
                if !leader {
                    self.divided = None;
                }
                // A wish to rebalance may have come meanwhile; it stands.
                if self.phase == GroupPhase::Joining {
                    self.phase = GroupPhase::Stable;
                }
                let search = self.first_search();
                self.positions.assign(&partitions, search);
                self.metadata_wanted = true;
                self.next_auto_commit = self.config.auto_commit.map(|interval| Instant::now() + interval);
                self.events.push_back(RebalanceEvent::Assigned(partitions));
            }
            GroupEvent::RebalanceNeeded => self.announce_rebalance(),
            GroupEvent::Lost(reason) => {
                self.phase = GroupPhase::ToJoin;
                self.revoking = false;
                let lost = self.positions.assigned();
                let search = self.first_search();
                self.positions.assign(&BTreeSet::new(), search);
                self.events.push_back(RebalanceEvent::Lost(lost, reason));
            }
            GroupEvent::Failed(source) => self.failure = Some(source.into()),
        }
    }

    /// Divides the partitions of all members' topics, as the leader has to.
    fn divide(&mut self, protocol: &str, members: &[JoinedMember]) {
        let assignor = Assignor::from_name(protocol).unwrap_or(Assignor::Range);
        let mut subscribers = Vec::with_capacity(members.len());
        for member in members {
            let topics = consumer_protocol::decode_subscription(&member.metadata).unwrap_or_else(|error| {
                tracing::warn!(group = ?self.config.group_id, member = %member.member_id, error = %Chain(&error), "a member's subscription is unreadable");
                BTreeSet::new()
            });
            let (member_id, group_instance_id) = (member.member_id.clone(), member.group_instance_id.clone());
            subscribers.push(Subscriber { member_id, group_instance_id, topics });
        }
        let wanted: Vec<TopicName> = subscribers
            .iter()
            .flat_map(|member| &member.topics)
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let cluster = self.cluster.clone();
        let may_create = self.config.allow_auto_create_topics;
        let session = self.config.session_timeout;
        let divided = async move {
            let metadata = ask_until(&cluster, &wanted, may_create, session / 2).await;
            let count = |topic: &TopicName| Some((topic.clone(), metadata.partition_count(topic)?));
            let partitions: BTreeMap<TopicName, u32> = wanted.iter().filter_map(count).collect();
            let assignments = assignor.assign(&subscribers, &partitions);
            let encode =
                |(member, partitions): (String, Vec<_>)| (member, consumer_protocol::encode_assignment(&partitions));
            Event::Divided { assignments: assignments.into_iter().map(encode).collect(), partitions }
        };
        self.work.push(divided.boxed());
    }

    /// Starts whatever is due and not under way.
    fn start_work(&mut self) {
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

    fn topics_of_interest(&self) -> Vec<TopicName> {
        let assigned = self.positions.assigned();
        let mut topics: BTreeSet<TopicName> = assigned.into_iter().map(|(topic, _)| topic).collect();
        if let Subscription::Topics(subscribed) = &self.subscription {
            topics.extend(subscribed.iter().cloned());
        }
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
        if topics.is_empty() || !(stale || self.metadata_wanted) {
            return;
        }
        // What is new since the last answer is asked for at once, what did not help then after a while.
        let unknown = topics.iter().any(|topic| metadata.topic(topic).is_none());
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
            Event::Metadata(cluster.refresh(TopicsWanted::Named(&topics), may_create).await)
        };
        self.work.push(asked.boxed());
    }

    fn start_fetches(&mut self, now: Instant) {
        let metadata = self.cluster.metadata();
        let mut unknown = false;
        let busy = &self.busy;
        let questions = self.positions.fetches(now, |(topic, partition)| match metadata.leader(topic, *partition) {
            Some((node, epoch)) => Some(epoch).filter(|_| !busy.contains(&node)),
            None => {
                unknown = true;
                None
            }
        });
        self.metadata_wanted |= unknown;
        let mut by_node: BTreeMap<i32, Vec<fetch::Asked>> = BTreeMap::new();
        for (key, offset, version) in questions {
            let Some((node, leader_epoch)) = metadata.leader(&key.0, key.1) else { continue };
            by_node.entry(node).or_default().push(fetch::Asked { key, offset, version, leader_epoch });
        }
        for (node, asked) in by_node {
            self.busy.insert(node);
            let work = FetchWork { link: self.fetch_link.clone(), config: Arc::clone(&self.config), node, asked };
            self.work.push(async move { Event::Fetched(work.run().await) }.boxed());
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Fetched(fetched) => self.take_fetch(fetched),
            Event::Looked(lookup) => self.take_lookup(lookup),
            Event::Validated(validated) => self.take_validated(validated),
            Event::Metadata(Ok(metadata)) => {
                self.asking_metadata = false;
                self.note_missing(self.why_missing(&metadata));
                let complete = self.topics_of_interest().iter().all(|topic| metadata.partition_count(topic).is_some());
                if complete {
                    self.metadata_failures = 0;
                }
                let changed = self.divided.as_ref().is_some_and(|divided| {
                    self.topics_of_interest().iter().any(|topic| {
                        let known = metadata.partition_count(topic);
                        known.is_some() && divided.get(topic).copied() != known
                    })
                });
                // Only the leader remembers how it divided, and only it has to see to it that it is done anew.
                if changed && self.phase == GroupPhase::Stable {
                    self.announce_rebalance();
                }
            }
            Event::Metadata(Err(error)) => {
                self.asking_metadata = false;
                self.metadata_wanted = true;
                if error.is_retriable() {
                    self.note_missing(Some(Chain(&error).to_string()));
                } else {
                    self.failure = Some(error.into());
                }
            }
            Event::Divided { assignments, partitions } => {
                self.divided = Some(partitions);
                if let Some(group) = &mut self.group {
                    group.assign(assignments);
                }
            }
            Event::Committed(result) => {
                if let Err(error) = result {
                    tracing::warn!(group = ?self.config.group_id, error = %Chain(&error), "offsets were not committed");
                }
            }
        }
    }

    fn take_fetch(&mut self, fetched: Fetched) {
        self.busy.remove(&fetched.node);
        let retry_at = Instant::now() + self.cluster.settings().retry_delay(0);
        for (asked, answer) in fetched.answers {
            let fetch::Asked { key, offset, version, .. } = asked;
            if !self.positions.is_current(&key, version) {
                continue;
            }
            let (topic, partition) = key.clone();
            match answer {
                FetchAnswer::Data { visible, bytes, high_watermark } => {
                    let stuck = visible.batches.is_empty() && visible.next_offset <= offset;
                    if stuck && let Some(source) = visible.damage {
                        self.positions.later(&key, version, retry_at);
                        self.failure = Some(ConsumeError::Damaged { topic, partition, offset, source });
                        continue;
                    }
                    self.positions.fetched(&key, version, bytes, visible, high_watermark);
                }
                FetchAnswer::Refused(KafkaCode::OFFSET_OUT_OF_RANGE) => {
                    if self.config.auto_offset_reset == AutoOffsetReset::None {
                        self.positions.later(&key, version, retry_at);
                        self.failure = Some(ConsumeError::OutOfRange { topic, partition, offset });
                    } else {
                        self.positions.reset(&key, self.reset_search());
                    }
                }
                FetchAnswer::Refused(code) if code.is_retriable() && code != KafkaCode::CORRUPT_MESSAGE => {
                    self.metadata_wanted |= code.is_stale_metadata();
                    self.positions.later(&key, version, retry_at);
                }
                FetchAnswer::Refused(source) => {
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::Refused { topic, partition, source });
                }
                FetchAnswer::Lost(error) => {
                    self.metadata_wanted = true;
                    self.positions.later(&key, version, retry_at);
                    if !error.is_retriable() {
                        self.failure = Some(error.into());
                    }
                }
            }
        }
    }

    fn take_lookup(&mut self, lookup: Lookup) {
        self.looking = false;
        if lookup.retry.is_empty() {
            self.lookup_failures = 0;
        } else {
            let retry_at = Instant::now() + self.cluster.settings().retry_delay(self.lookup_failures);
            self.lookup_failures = self.lookup_failures.saturating_add(1);
            self.metadata_wanted = true;
            for (key, version) in lookup.retry {
                self.positions.later(&key, version, retry_at);
            }
        }
        for (key, version, offset, epoch) in lookup.found {
            if let Some(from) = self.positions.found(&key, version, offset, epoch) {
                self.report_reset(&key, from, offset);
            }
        }
        for (key, version) in lookup.uncommitted {
            match self.reset_search() {
                Search::Committed if self.positions.is_current(&key, version) => {
                    let retry_at = Instant::now() + self.cluster.settings().retry_backoff_max;
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::NoOffset { topic: key.0, partition: key.1 });
                }
                search => self.positions.search_on(&key, version, search),
            }
        }
        if let Some(failure) = lookup.failure {
            self.failure = Some(failure.into());
        }
    }

    /// Says what a position outside the log means for the reader, which is a loss or a repetition of records.
    fn report_reset(&self, (topic, partition): &TopicPartition, from: i64, to: i64) {
        let group = self.config.group_id.as_deref().unwrap_or_default();
        let (skipped, again) = ((to - from).max(0), (from - to).max(0));
        if 0 < skipped {
            tracing::warn!(group, %topic, partition, asked = from, now = to, skipped, "the position is out of range: records that were not read yet are gone, and reading goes on behind them as auto.offset.reset says");
        } else {
            tracing::warn!(group, %topic, partition, asked = from, now = to, again, "the position is out of range, as the log was cut off or its topic made anew: reading goes on further ahead as auto.offset.reset says");
        }
    }

    fn take_validated(&mut self, validated: Validated) {
        let retry_at = Instant::now() + self.cluster.settings().retry_delay(0);
        for (key, version) in validated.retry {
            self.metadata_wanted = true;
            self.positions.later(&key, version, retry_at);
        }
        if let Some(failure) = validated.failure {
            self.failure = Some(failure.into());
        }
        for (key, check, version, validity) in validated.answers {
            if !self.positions.is_current(&key, version) {
                continue;
            }
            let (topic, partition) = key.clone();
            let offset = check.offset;
            let has_policy = self.config.auto_offset_reset != AutoOffsetReset::None;
            match validity {
                Validity::Sound => self.positions.is_sound(&key, version, check.leader_epoch),
                Validity::Diverged { end } if !has_policy => {
                    self.positions.later(&key, version, retry_at);
                    let end = end.map(|(end, _)| end);
                    self.failure = Some(ConsumeError::Truncated { topic, partition, offset, end });
                }
                Validity::Diverged { end: Some((end, epoch)) } => {
                    let group = self.config.group_id.as_deref().unwrap_or_default();
                    tracing::warn!(group, %topic, partition, read = offset, now = end, lost = offset - end, "the log was cut off: records that were read are no longer in it, and reading goes on where it differs");
                    self.positions.diverged(&key, end, epoch, check.leader_epoch);
                }
                Validity::Diverged { end: None } => self.positions.reset(&key, self.reset_search()),
                Validity::Refused(code) if code.is_retriable() => {
                    self.metadata_wanted |= code.is_stale_metadata();
                    self.positions.later(&key, version, retry_at);
                }
                Validity::Refused(source) => {
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::Refused { topic, partition, source });
                }
            }
        }
    }

    fn consumed(&self) -> Vec<(TopicName, i32, OffsetAndMetadata)> {
        let known = self.positions.known();
        known.into_iter().map(|((topic, partition), at)| (topic, partition, OffsetAndMetadata::new(at))).collect()
    }

    /// Commits what earlier polls handed out, if the interval has passed.
    fn auto_commit(&mut self) {
        let (Some(interval), Some(due)) = (self.config.auto_commit, self.next_auto_commit) else { return };
        let now = Instant::now();
        if now < due || self.revoking {
            return;
        }
        self.next_auto_commit = Some(now + interval);
        let offsets = self.consumed();
        if !offsets.is_empty() {
            // Not repeated: the next one comes soon, and a repetition might take back what a later one has committed.
            let commit = self.commit_within(&offsets, Duration::ZERO);
            self.work.push(async move { Event::Committed(commit.await) }.boxed());
        }
    }

    /// Commits offsets of the group: in the name of this member, or of nobody where partitions were assigned by
    /// hand. Repeats what is worth it, for at most `default.api.timeout.ms`.
    ///
    /// The epoch of the record before each offset goes with it where it was read here.
    ///
    /// The future borrows nothing, so it can go on while the consumer is polled. Dropping it may leave the
    /// commit done or not.
    ///
    /// # Errors
    ///
    /// The offsets of at least one partition were not committed.
    pub fn commit(
        &self,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
    ) -> impl Future<Output = Result<(), CommitError>> + Send + 'static {
        self.commit_within(offsets, self.config.api_timeout)
    }

    /// Repeats nothing where there is no time for it.
    fn commit_within(
        &self,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
        timeout: Duration,
    ) -> impl Future<Output = Result<(), CommitError>> + Send + 'static {
        let group_id = self.config.group_id.clone();
        let committer = match &self.group {
            None => Some(Committer::default()),
            Some(group) => group.committer(),
        };
        let (link, mut offsets) = (self.link.clone(), offsets.to_vec());
        for (topic, partition, at) in &mut offsets {
            let known = || self.positions.epoch_before(&(topic.clone(), *partition), at.offset);
            at.leader_epoch = at.leader_epoch.or_else(known);
        }
        async move {
            let group_id = group_id.ok_or(CommitError::NoGroup)?;
            if offsets.is_empty() {
                return Ok(());
            }
            let superseded =
                || CommitError::Superseded { group_id: group_id.clone(), source: KafkaCode::UNKNOWN_MEMBER_ID };
            let committer = committer.ok_or_else(superseded)?;
            commit_repeatedly(&link, &group_id, &committer, &offsets, timeout).await
        }
    }

    /// The group's committed offsets of these partitions; those without one are left out.
    ///
    /// # Errors
    ///
    /// There is no `group.id`, or the coordinator cannot be asked within `default.api.timeout.ms`.
    pub async fn committed(
        &self,
        partitions: &[(TopicName, i32)],
    ) -> Result<BTreeMap<(TopicName, i32), OffsetAndMetadata>, ConsumeError> {
        let group_id = self.config.group_id.as_deref().ok_or(ConsumeError::NoGroup)?;
        let started = Instant::now();
        let mut failures = 0;
        loop {
            match fetch_offsets(&self.link, group_id, Some(partitions), true).await {
                Ok(offsets) => return Ok(offsets),
                Err(error) if error.is_retriable() && started.elapsed() < self.config.api_timeout => {
                    tokio::time::sleep(self.cluster.settings().retry_delay(failures)).await;
                    failures += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Commits if auto-commit is on, leaves the group and closes the connections; takes at most `timeout`.
    pub async fn close(mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        if self.config.auto_commit.is_some() && self.phase != GroupPhase::Joining {
            let offsets = self.consumed();
            match tokio::time::timeout_at(deadline, self.commit(&offsets)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(group = ?self.config.group_id, error = %Chain(&error), "offsets were not committed at the end");
                }
                Err(_) => tracing::warn!(group = ?self.config.group_id, "committing offsets at the end took too long"),
            }
        }
        if let Some(group) = self.group.take() {
            group.leave("the consumer is being closed", deadline - Instant::now()).await;
        }
    }
}

/// Waits for an event until `wake`. `None` when the time has come.
async fn wait_for_work(work: &mut FuturesUnordered<BoxFuture<'static, Event>>, wake: Instant) -> Option<Event> {
    tokio::select! {
        event = work.next(), if !work.is_empty() => event,
        () = tokio::time::sleep_until(wake) => None,
    }
}

/// Asks about topics until an answer comes or `patience` runs out; then what is known has to do.
async fn ask_until(cluster: &Cluster, topics: &[TopicName], may_create: bool, patience: Duration) -> Arc<Metadata> {
    let started = Instant::now();
    let mut failures = 0;
    loop {
        match cluster.refresh(TopicsWanted::Named(topics), may_create).await {
            // A topic that is just being created has no leader yet, but will.
            Ok(metadata) => {
                let coming = |topic: &TopicName| {
                    metadata.topic(topic).and_then(|topic| topic.error) == Some(KafkaCode::LEADER_NOT_AVAILABLE)
                };
                if !topics.iter().any(coming) || patience <= started.elapsed() {
                    return metadata;
                }
            }
            Err(error) if patience <= started.elapsed() => {
                tracing::warn!(error = %Chain(&error), "partitions are divided without knowing all topics");
                return cluster.metadata();
            }
            Err(_) => {}
        }
        tokio::time::sleep(cluster.settings().retry_delay(failures)).await;
        failures += 1;
    }
}

async fn commit_repeatedly(
    link: &Link,
    group_id: &str,
    committer: &Committer,
    offsets: &[(TopicName, i32, OffsetAndMetadata)],
    timeout: Duration,
) -> Result<(), CommitError> {
    let started = Instant::now();
    let mut failures = 0;
    loop {
        let error = match commit_offsets(link, group_id, committer, offsets).await {
            Ok(results) => match results.into_iter().find_map(|(key, result)| Some((key, result.err()?))) {
                None => return Ok(()),
                Some((key, code)) => commit_error(group_id, key, code),
            },
            Err(source) => CommitError::Request { group_id: group_id.to_owned(), source },
        };
        let delay = link.cluster.settings().retry_delay(failures);
        let worth_it = error.is_retriable() && !matches!(error, CommitError::Rebalancing { .. });
        if !worth_it || timeout <= started.elapsed() + delay {
            return Err(error);
        }
        failures += 1;
        tokio::time::sleep(delay).await;
    }
}

fn commit_error(group_id: &str, (topic, partition): TopicPartition, source: KafkaCode) -> CommitError {
    let group_id = group_id.to_owned();
    match source {
        KafkaCode::UNKNOWN_MEMBER_ID | KafkaCode::ILLEGAL_GENERATION | KafkaCode::FENCED_INSTANCE_ID => {
            CommitError::Superseded { group_id, source }
        }
        KafkaCode::REBALANCE_IN_PROGRESS => CommitError::Rebalancing { group_id },
        source => CommitError::Refused { group_id, topic, partition, source },
    }
}
