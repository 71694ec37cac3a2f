//! The consumer: whole record batches out of assigned partitions, positions, commits, and a group's
//! rebalances as events.
//!
//! Everything moves inside [`Consumer::poll`], except heartbeats, which the group member's own task sends, and
//! answers, which arrive by themselves. Rebalances are eager (all partitions are given up before the group is joined
//! again) or, with the cooperative strategy alone, leave everything where it is but what others are to have.
mod answers;
mod batches;
mod commits;
mod epochs;
mod error;
mod fetch;
mod lookup;
mod missing;
mod positions;
mod rebalance;
mod subscription;
mod validation;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use millstream_metrics::{ConsumerFetches, ConsumerGroup};
use millstream_record::{ErrorChain, TopicName};
use tokio::time::Instant;

pub use self::{
    error::{CommitError, ConsumeError},
    subscription::TopicFilter,
};
use self::{
    positions::{Positions, Search},
    subscription::Subscription,
    work::{Event, Held},
};
pub use crate::admin::OffsetAndMetadata;
use crate::{
    admin::OffsetSpec,
    cluster::{Cluster, Link, RequestError},
    config::{AutoOffsetReset, ConsumerConfig},
    group::{GroupConfig, GroupEvent, GroupMember, LostReason},
    waiting::LongWait,
};

/// Whole record batches of one partition, as they are on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchedRecordBatches {
    /// The topic that the batches are from.
    pub topic: TopicName,
    /// Its number within the topic.
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
    /// Where reading ended when the data was fetched: after the last record that every replica has or, under
    /// `isolation.level=read_committed`, before the first of an open transaction.
    pub end_offset: Option<i64>,
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
    /// Of any assigned partitions; nothing where there are events, or where the poll ran out of time.
    pub fetched: Vec<FetchedRecordBatches>,
    /// Changes of the assignment, in order.
    pub events: Vec<RebalanceEvent>,
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

/// Reads topics. Has one owner, who polls it regularly.
///
/// Dropping it stops everything without leaving the group; see [`Consumer::close`].
pub struct Consumer {
    config: Arc<ConsumerConfig>,
    cluster: Cluster,
    /// Fetches wait long at brokers, so nothing else goes over their connections.
    fetch_link: Link,
    /// Commits and lookups: the cluster's own, since none of them waits long.
    link: Link,
    subscription: Subscription,
    group: Option<GroupMember>,
    phase: GroupPhase,
    /// Set from the announcement of a rebalance until the group is joined again, if everything is given up for it.
    revoking: bool,
    /// What a cooperative member has been told to give up, until the next poll does so and joins the group again.
    giving_up: BTreeSet<(TopicName, i32)>,
    /// A wish to rebalance that came while the group was being joined.
    join_again: bool,
    /// Partition counts by which the leader divided, to notice when they change.
    divided: Option<BTreeMap<TopicName, u32>>,
    positions: Positions,
    work: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Brokers that a fetch is under way from.
    busy: HashMap<i32, Held>,
    /// When the first of these is to be given up for other partitions.
    held_up_until: Option<Instant>,
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
    missing: Option<LongWait>,
    fetches: Arc<ConsumerFetches>,
    membership: Arc<ConsumerGroup>,
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
        let (metrics, labels) = (&config.connection.metrics, config.connection.labels());
        Self {
            fetches: metrics.group(labels.clone()),
            membership: metrics.group(labels),
            config: Arc::new(config),
            cluster: cluster.clone(),
            fetch_link: cluster.own_link(),
            link: cluster.link(),
            subscription: Subscription::None,
            group: None,
            phase: GroupPhase::ToJoin,
            revoking: false,
            giving_up: BTreeSet::new(),
            join_again: false,
            divided: None,
            positions: Positions::default(),
            work: FuturesUnordered::new(),
            busy: HashMap::new(),
            held_up_until: None,
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
        let topics: BTreeSet<TopicName> = topics.into_iter().collect();
        if matches!(&self.subscription, Subscription::Topics(before) if *before == topics) {
            return Ok(());
        }
        self.subscribe_to(Subscription::Topics(topics))
    }

    /// Reads all topics that the filter takes, together with the other members of the group, and without Kafka's own
    /// unless `exclude.internal.topics` is false. Topics are listed anew whenever `metadata.max.age.ms` has passed and
    /// before the group is joined; where others match then, it is joined again. Replaces an earlier subscription, at
    /// the next poll.
    ///
    /// # Errors
    ///
    /// There is no `group.id`.
    pub fn subscribe_matching(&mut self, filter: TopicFilter) -> Result<(), ConsumeError> {
        self.subscribe_to(Subscription::matching(filter, self.config.exclude_internal_topics))
    }

    fn subscribe_to(&mut self, subscription: Subscription) -> Result<(), ConsumeError> {
        let Some(group_id) = self.config.group_id.clone() else { return Err(ConsumeError::NoGroup) };
        if matches!(self.subscription, Subscription::Manual) {
            self.positions = Positions::default();
        }
        self.subscription = subscription;
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
        self.giving_up.clear();
        self.join_again = false;
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

    /// How many offsets lie between the position in an assigned partition and the end that the last fetch has seen: that
    /// of the log or, under `isolation.level=read_committed`, of what no open transaction holds up. `None` before the
    /// first fetch.
    pub fn current_lag(&self, topic: &TopicName, partition: i32) -> Option<i64> {
        self.positions.lag(&(topic.clone(), partition))
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
        loop {
            // A membership that is over says nothing but that from then on.
            while self.failure.is_none()
                && let Some(event) = self.group.as_mut().and_then(GroupMember::try_event)
            {
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
            // What was announced has been heard of, by an earlier poll.
            self.rejoin().await;
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
            let held_up_until = self.held_up_until;
            let wake = [self.positions.wake(now), self.next_auto_commit, deadline, self.metadata_due(), held_up_until];
            let wake = wake.into_iter().flatten().min();
            self.wait(wake).await;
            self.auto_commit();
        }
    }

    fn metadata_due(&self) -> Option<Instant> {
        let since = self.subscription.listed().flatten().unwrap_or_else(Instant::now);
        since.checked_add(self.cluster.settings().metadata_max_age)
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

    fn take_fetched(&mut self) -> Vec<FetchedRecordBatches> {
        let taken = self.positions.take(self.config.max_poll_records);
        for taken in &taken {
            self.fetches.records.add(u64::from(taken.records));
            self.fetches.bytes.add(taken.bytes.len() as u64);
        }
        let fetched = taken.into_iter().map(|taken| FetchedRecordBatches {
            topic: taken.key.0,
            partition: taken.key.1,
            first_offset: taken.first_offset,
            next_offset: taken.next_offset,
            record_count: taken.records,
            records: taken.bytes,
            end_offset: taken.end_offset,
        });
        fetched.collect()
    }

    /// Commits if auto-commit is on, leaves the group (a static member just goes) and closes the connections; takes at most
    /// `timeout`.
    pub async fn close(self, timeout: Duration) {
        self.end(false, timeout).await;
    }

    /// The same, and leaves the group also as a static member (KIP-1092).
    pub async fn leave(self, timeout: Duration) {
        self.end(true, timeout).await;
    }

    async fn end(mut self, for_good: bool, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        if self.config.auto_commit.is_some() && self.phase != GroupPhase::Joining {
            let offsets = self.consumed();
            match tokio::time::timeout_at(deadline, self.commit(&offsets)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(group = ?self.config.group_id, error = %ErrorChain(&error), "offsets were not committed at the end");
                }
                Err(_) => tracing::warn!(group = ?self.config.group_id, "committing offsets at the end took too long"),
            }
        }
        if let Some(group) = self.group.take() {
            let (reason, left) = ("the consumer is being closed", deadline - Instant::now());
            if for_good {
                group.leave_for_good(reason, left).await;
            } else {
                group.leave(reason, left).await;
            }
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
