//! Consumer groups: the state machine of [`coordinator`], fed with requests and time, its records kept in
//! `__consumer_offsets`.
//!
//! A group's records are handed to their partition while the coordinator is locked, so that their order in the log
//! is the order of the decisions. Nobody waits for the disk under that lock, not even for an append.
//!
//! The groups of a partition that cannot be read are refused, and taken up when it can be.

pub mod coordinator;
mod group;
pub mod offsets;
pub mod records;
mod subscription;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use millstream_record::{Chain, Timestamp, TopicName};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder, RecordReader, decompress_records, verify_crc},
    hash,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};
use uuid::Uuid;

pub use self::group::{GroupState, Protocol};
use self::{
    coordinator::{
        Action, CommitPermit, Committer, Coordinator, GroupDescription, JoinAnswer, JoinRequest, Leaving, Settings,
        SyncAnswer, SyncRequest, Ticket,
    },
    offsets::CommittedOffset,
    records::{RecordKey, StoredGroup, StoredOffset},
};
use crate::{
    clock::Clock,
    error_code::ErrorCode,
    health::Health,
    partition::{AppendRefused, Partition, PartitionUnavailable},
    topics::{CreateTopicError, Topics},
};

/// Name of the topic that holds groups and offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The host that members over the in-memory stream are stored with. They died with their process, so they are
/// dropped when groups are loaded.
pub const EMBEDDED_HOST: &str = "/embedded";

/// Most bytes that a batch of the offsets topic may expand to when it is loaded.
const MAX_LOADED_BATCH: usize = 256 << 20;

/// One partition's part of an OffsetCommit request.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Topic name.
    pub topic: String,
    /// Its id when the partition was looked up: a commit for a topic that is deleted meanwhile is none for the next
    /// of its name.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// What to remember.
    pub offset: StoredOffset,
}

/// All groups of the broker.
pub struct Groups {
    state: Mutex<State>,
    clock: Clock,
    topics: Arc<Topics>,
    /// Wakes the timer when an earlier deadline appeared.
    sooner: Notify,
    tracker: TaskTracker,
    health: Arc<Health>,
    /// Set once in `new`, for the tasks that wait for the disk.
    own: OnceLock<std::sync::Weak<Groups>>,
}

struct State {
    coordinator: Coordinator,
    joins: HashMap<Ticket, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<Ticket, oneshot::Sender<SyncAnswer>>,
    next_ticket: u64,
    /// Partitions of the offsets topic that could not be read, and whether they may be at another time.
    not_loaded: BTreeMap<i32, bool>,
    /// By deleted topic: offsets whose deletion could not be written.
    owed: HashMap<String, Vec<Action>>,
}

impl State {
    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl Groups {
    /// No groups; see [`Groups::load`]. Work that waits for the disk is spawned on `tracker`.
    pub fn new(
        settings: Settings,
        clock: Clock,
        topics: Arc<Topics>,
        tracker: TaskTracker,
        health: Arc<Health>,
    ) -> Arc<Self> {
        let state = State {
            coordinator: Coordinator::new(settings),
            joins: HashMap::new(),
            syncs: HashMap::new(),
            next_ticket: 0,
            not_loaded: BTreeMap::new(),
            owed: HashMap::new(),
        };
        let groups = Arc::new(Self {
            state: Mutex::new(state),
            clock,
            topics,
            sooner: Notify::new(),
            tracker,
            health,
            own: OnceLock::new(),
        });
        let _ = groups.own.set(Arc::downgrade(&groups));
        groups
    }

    /// The state of all groups. After a panic half-way through a change nothing is certain about it: no request is
    /// answered from it any more, and the broker's health says so.
    fn lock(&self) -> Result<MutexGuard<'_, State>, ErrorCode> {
        self.state.lock().map_err(|_| {
            self.health.report("groups", "a fault in the program cut a change of the groups short; restart the broker");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })
    }

    /// The state, for a request about one group. NOT_COORDINATOR, upon which every client asks again after a while,
    /// where the group's records could not be read.
    fn lock_for(&self, group: &str) -> Result<MutexGuard<'_, State>, ErrorCode> {
        let state = self.lock()?;
        if !state.not_loaded.is_empty()
            && let Some(topic) = self.topics.get(OFFSETS_TOPIC)
            && state.not_loaded.contains_key(&partition_of(group, topic.partition_count()))
        {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        Ok(state)
    }

    /// Makes the offsets topic exist, as the first use of groups does.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub async fn ensure_topic(&self) -> Result<(), CreateTopicError> {
        self.topics.ensure_offsets_topic().await
    }

    /// A JoinGroup request; answered when the rebalance it belongs to is. Dropping the future leaves the member
    /// in the group until its session ends.
    pub async fn join(&self, request: JoinRequest) -> JoinAnswer {
        if let Err(error) = self.ensure_topic().await {
            error!(error = %Chain(&error), "cannot create the offsets topic");
            return JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, &request.member_id);
        }
        let (sender, receiver) = oneshot::channel();
        match self.lock_for(&request.group) {
            Err(code) => return JoinAnswer::error(code, &request.member_id),
            Ok(mut state) => {
                let ticket = state.ticket();
                state.joins.insert(ticket, sender);
                let actions = state.coordinator.join(self.clock.now(), now_ms(), &request, ticket);
                self.execute(&mut state, actions);
            }
        }
        receiver.await.unwrap_or_else(|_| JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, &request.member_id))
    }

    /// A SyncGroup request; answered when the leader's assignment is on disk.
    pub async fn sync(&self, request: SyncRequest) -> SyncAnswer {
        let (sender, receiver) = oneshot::channel();
        match self.lock_for(&request.group) {
            Err(code) => return SyncAnswer::error(code),
            Ok(mut state) => {
                let ticket = state.ticket();
                state.syncs.insert(ticket, sender);
                let actions = state.coordinator.sync(self.clock.now(), now_ms(), &request, ticket);
                self.execute(&mut state, actions);
            }
        }
        receiver.await.unwrap_or_else(|_| SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    /// A Heartbeat request.
    pub fn heartbeat(&self, group: &str, generation: i32, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        match self.lock_for(group) {
            Err(code) => code,
            Ok(mut state) => state.coordinator.heartbeat(self.clock.now(), group, generation, member_id, instance_id),
        }
    }

    /// A LeaveGroup request: a verdict for each that leaves.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn leave(&self, group: &str, leaving: &[Leaving]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let mut state = self.lock_for(group)?;
        let (verdicts, actions) = state.coordinator.leave(self.clock.now(), now_ms(), group, leaving)?;
        self.execute(&mut state, actions);
        Ok(verdicts)
    }

    /// The first half of an OffsetCommit: checks it and hands it to the log, in the order of calls. The offsets topic
    /// must exist. Never blocks.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn begin_commit(
        &self,
        committer: &Committer<'_>,
        mut commits: Vec<Commit>,
    ) -> Result<PendingCommit, ErrorCode> {
        let group = committer.group;
        let mut state = self.lock_for(group)?;
        // Whoever deletes a topic comes to this lock after the topic is gone, and forgets what was committed before.
        commits.retain(|commit| self.topics.get(&commit.topic).is_some_and(|topic| topic.id == commit.topic_id));
        let partitions = commits.iter().map(|commit| (commit.topic.clone(), commit.partition)).collect();
        let permit = state.coordinator.check_commit(self.clock.now(), now_ms(), committer, partitions)?;
        let written = if commits.is_empty() {
            None
        } else {
            let records = commits.iter().map(|commit| {
                let (topic, partition) = (commit.topic.clone(), commit.partition);
                let key = RecordKey::Offset { group: group.to_owned(), topic, partition };
                (key.encode(), Some(commit.offset.encode()))
            });
            match self.append(group, records) {
                Ok(written) => Some(written),
                Err(code) => {
                    state.coordinator.commit_failed(group, permit);
                    return Err(code);
                }
            }
        };
        Ok(PendingCommit { group: group.to_owned(), permit, commits, written })
    }

    /// The second half: waits until the commit is durable and makes it visible, which happens even if the
    /// returned future is dropped because nobody is left to answer.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn finish_commit(
        self: &Arc<Self>,
        pending: PendingCommit,
    ) -> impl Future<Output = Result<(), ErrorCode>> + Send + use<> {
        let groups = Arc::clone(self);
        let finished = self.tracker.spawn(async move { groups.publish_commit(pending).await });
        async move { finished.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)) }
    }

    async fn publish_commit(&self, pending: PendingCommit) -> Result<(), ErrorCode> {
        let PendingCommit { group, permit, commits, written } = pending;
        let written = match written {
            None => Ok(None),
            Some(written) => written.durable(&group).await.map(Some),
        };
        let mut state = self.lock()?;
        match written {
            Ok(Some(last_offset)) => {
                let committed = commits
                    .into_iter()
                    .map(|commit| (commit.topic, commit.partition, to_committed(commit.offset, last_offset)));
                state.coordinator.committed(&group, permit, committed);
                Ok(())
            }
            Ok(None) => {
                state.coordinator.commit_failed(&group, permit);
                Ok(())
            }
            Err(code) => {
                state.coordinator.commit_failed(&group, permit);
                Err(code)
            }
        }
    }

    /// Offsets of the listed partitions, or of all; absent ones are left out.
    ///
    /// # Errors
    ///
    /// What the group has committed is not known.
    pub fn offsets(
        &self,
        group: &str,
        of: Option<&[(String, i32)]>,
    ) -> Result<Vec<(String, i32, CommittedOffset)>, ErrorCode> {
        let state = self.lock_for(group)?;
        let Some(offsets) = state.coordinator.offsets(group) else { return Ok(Vec::new()) };
        Ok(match of {
            None => {
                offsets.iter().map(|(topic, partition, known)| (topic.to_owned(), partition, known.clone())).collect()
            }
            Some(partitions) => partitions
                .iter()
                .filter_map(|(topic, partition)| {
                    offsets.get(topic, *partition).map(|known| (topic.clone(), *partition, known.clone()))
                })
                .collect(),
        })
    }

    /// A group for DescribeGroups; `None` for one that does not exist.
    ///
    /// # Errors
    ///
    /// Whether it exists is not known.
    pub fn describe(&self, group: &str) -> Result<Option<GroupDescription>, ErrorCode> {
        Ok(self.lock_for(group)?.coordinator.describe(group))
    }

    /// Id, protocol type and state of every group that is known.
    ///
    /// # Errors
    ///
    /// None is.
    pub fn list(&self) -> Result<Vec<(String, String, GroupState)>, ErrorCode> {
        Ok(self.lock()?.coordinator.list())
    }

    /// DeleteGroups for one group: durable when this returns.
    pub async fn delete(&self, group: &str) -> ErrorCode {
        let written = {
            let deleted = self.lock_for(group).and_then(|mut state| {
                // Handed over under the lock: behind every commit that was, and before every one that will be.
                state.coordinator.delete(group).map(|action| self.forget(&action))
            });
            match deleted {
                Ok(written) => written,
                Err(code) => return code,
            }
        };
        finish_forgetting(group, written).await
    }

    /// OffsetDelete: a verdict for each partition, durable when this returns.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub async fn delete_offsets(&self, group: &str, partitions: &[(String, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let (verdicts, written) = {
            let mut state = self.lock_for(group)?;
            let (verdicts, action) = state.coordinator.delete_offsets(group, partitions)?;
            (verdicts, self.forget(&action))
        };
        match finish_forgetting(group, written).await {
            ErrorCode::NONE => Ok(verdicts),
            code => Err(code),
        }
    }

    /// A topic is gone: so are the offsets committed for it, those on their way to the disk included. True if that is
    /// durable and none can come back; otherwise it is to be called again before the topic's name is used again.
    pub async fn forget_topic(&self, topic: &TopicName) -> bool {
        let (written, all_known): (Vec<_>, bool) = {
            let Ok(mut state) = self.lock() else { return false };
            let mut actions = state.owed.remove(topic.as_str()).unwrap_or_default();
            actions.extend(state.coordinator.forget_topic(topic.as_str()));
            let written = actions.into_iter().map(|action| (self.forget(&action), action)).collect();
            (written, state.not_loaded.is_empty())
        };
        let mut owed = Vec::new();
        for (written, action) in written {
            if finish_forgetting(action.group(), written).await != ErrorCode::NONE {
                owed.push(action);
            }
        }
        let forgotten = owed.is_empty() && all_known;
        if !owed.is_empty()
            && let Ok(mut state) = self.lock()
        {
            state.owed.entry(topic.to_string()).or_default().append(&mut owed);
        }
        forgotten
    }

    /// Carries out what the state machine decided.
    fn execute(&self, state: &mut State, actions: Vec<Action>) {
        for action in actions {
            match action {
                // A receiver that is gone belongs to a closed connection.
                Action::AnswerJoin { to, answer } => {
                    if let Some(waiting) = state.joins.remove(&to) {
                        drop(waiting.send(answer));
                    }
                }
                Action::AnswerSync { to, answer } => {
                    if let Some(waiting) = state.syncs.remove(&to) {
                        drop(waiting.send(answer));
                    }
                }
                Action::Store { group, store, record } => self.store(group, store, &record),
                Action::Forget { .. } => {
                    let (group, written) = (action.group().to_owned(), self.forget(&action));
                    self.tracker.spawn(async move {
                        let code = finish_forgetting(&group, written).await;
                        if code != ErrorCode::NONE {
                            // The group is looked at again after the next start.
                            warn!(group, error = code.name(), "deletions in the offsets topic could not be written");
                        }
                    });
                }
            }
        }
        self.sooner.notify_one();
    }

    /// Appends a group's metadata now and reports back when it is durable.
    fn store(&self, group: String, store: u64, record: &StoredGroup) {
        let key = RecordKey::Group { group: group.clone() }.encode();
        let written = self.append(&group, std::iter::once((key, Some(record.encode()))));
        let Some(own) = self.own.get().and_then(std::sync::Weak::upgrade) else { return };
        self.tracker.spawn(async move {
            let durable = match written {
                Ok(written) => written.durable(&group).await,
                Err(code) => Err(code),
            };
            if let Err(code) = durable {
                error!(group, error = code.name(), "the group's metadata could not be written");
            }
            let durable = durable.is_ok();
            let Ok(mut state) = own.lock() else { return };
            let actions = state.coordinator.stored(own.clock.now(), now_ms(), &group, store, durable);
            own.execute(&mut state, actions);
        });
    }

    /// Hands over deletions.
    fn forget(&self, action: &Action) -> Result<Option<Written>, ErrorCode> {
        let Action::Forget { group, offsets, whole } = action else { return Ok(None) };
        let offset_keys = offsets.iter().map(|(topic, partition)| RecordKey::Offset {
            group: group.clone(),
            topic: topic.clone(),
            partition: *partition,
        });
        let group_key = whole.then(|| RecordKey::Group { group: group.clone() });
        let mut records = offset_keys.chain(group_key).map(|key| (key.encode(), None)).peekable();
        if records.peek().is_none() {
            return Ok(None);
        }
        self.append(group, records).map(Some)
    }

    fn append(&self, group: &str, records: impl Iterator<Item = (Bytes, Option<Bytes>)>) -> Result<Written, ErrorCode> {
        let partition = self.topics.offsets_partition(group).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        let now = now_ms();
        let batch = build_batch(records, now).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let appended = Box::pin(partition.append_own(batch, now));
        Ok(Written { partition, appended })
    }

    /// Reads groups and offsets from the offsets topic, at the start from all its partitions and later from those
    /// that could not be read before. Blocks, on a thread of the runtime that may; call first before requests are
    /// served.
    ///
    /// A partition that cannot be read is reported, and requests for its groups are refused until it can be. Single records that make no sense are passed over with a warning.
    pub fn load(&self, which: Load) {
        let Some(topic) = self.topics.get(OFFSETS_TOPIC) else { return };
        let wanted: Vec<i32> = match (which, self.lock()) {
            (_, Err(_)) => return,
            (Load::All, _) => (0..topic.partition_count()).collect(),
            (Load::Missing, Ok(state)) => {
                let missing = state.not_loaded.iter().filter(|(_, may_pass)| **may_pass);
                missing.map(|(index, _)| *index).collect()
            }
        };
        let (mut groups, mut offsets) = (0, 0);
        for index in wanted {
            let Some(partition) = topic.partition(index) else { continue };
            match self.load_partition(partition) {
                Ok(loaded) => {
                    groups += loaded.0;
                    offsets += loaded.1;
                    if let Ok(mut state) = self.lock()
                        && state.not_loaded.remove(&index).is_some()
                    {
                        self.health.clear(&groups_of(partition));
                    }
                }
                Err(error) => {
                    if let Ok(mut state) = self.lock() {
                        let may_pass = !matches!(error, LoadGroupsError::Damaged { .. });
                        state.not_loaded.insert(index, may_pass);
                    }
                    self.health.report(groups_of(partition), format!("they are not served: {}", Chain(&error)));
                }
            }
        }
        if 0 < groups + offsets {
            info!(groups, offsets, "groups loaded");
        }
    }

    /// Returns how many groups and offsets there were.
    fn load_partition(&self, partition: &Arc<Partition>) -> Result<(usize, usize), LoadGroupsError> {
        let (mut groups, mut offsets) = (HashMap::new(), LoadedOffsets::new());
        read_partition(partition, &mut groups, &mut offsets)?;
        // Names come back: what a deletion that was cut short left must not count for the next topic of its name.
        let mut gone: HashMap<String, Vec<(String, i32)>> = HashMap::new();
        for (group, topic, partition) in offsets.keys() {
            if self.topics.get(topic).is_none() {
                gone.entry(group.clone()).or_default().push((topic.clone(), *partition));
            }
        }
        for (group, left_over) in gone {
            for (topic, partition) in &left_over {
                offsets.remove(&(group.clone(), topic.clone(), *partition));
            }
            let written = self.forget(&Action::Forget { group: group.clone(), offsets: left_over, whole: false });
            if Handle::current().block_on(finish_forgetting(&group, written)) != ErrorCode::NONE {
                return Err(LoadGroupsError::Forget { group });
            }
        }
        let Ok(mut state) = self.lock() else { return Ok((0, 0)) };
        let (now, wall_ms) = (self.clock.now(), now_ms());
        let (group_count, offset_count) = (groups.len(), offsets.len());
        for (group, stored) in groups {
            let actions = state.coordinator.load_group(now, wall_ms, &group, stored, |host| host == EMBEDDED_HOST);
            self.execute(&mut state, actions);
        }
        for ((group, topic, partition), committed) in offsets {
            state.coordinator.load_offset(wall_ms, &group, &topic, partition, committed);
        }
        Ok((group_count, offset_count))
    }

    /// Runs sessions, rebalance timeouts and the expiry of offsets until cancelled.
    pub async fn run(&self, offsets_check_interval: Duration, stop: CancellationToken) {
        let mut expiry = tokio::time::interval(offsets_check_interval);
        loop {
            let due = match self.lock() {
                Ok(state) => state.coordinator.next_deadline(),
                Err(_) => return,
            };
            let now = self.clock.now();
            // Without a deadline only a notification or the expiry wakes this loop.
            let wait = due.map_or(Duration::from_secs(3600), |at| at.since(now));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.sooner.notified() => {}
                _ = expiry.tick() => {
                    let Ok(mut state) = self.lock() else { return };
                    let actions = state.coordinator.expire_offsets(now_ms());
                    self.execute(&mut state, actions);
                }
                () = tokio::time::sleep(wait) => {
                    let Ok(mut state) = self.lock() else { return };
                    let actions = state.coordinator.tick(self.clock.now(), now_ms());
                    if !actions.is_empty() {
                        self.execute(&mut state, actions);
                    }
                }
            }
        }
    }

    /// Answers everybody who waits: the broker stops.
    pub fn close(&self) {
        // Only who waits is let go, which can do no harm even where the rest is uncertain.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.joins.clear();
        state.syncs.clear();
    }
}

/// Why the groups of a partition were not loaded.
#[derive(Debug, thiserror::Error)]
enum LoadGroupsError {
    /// The partition cannot be read.
    #[error(transparent)]
    Read(#[from] PartitionUnavailable),
    /// Its records are not what they were: an offset read from them might be another than was committed.
    #[error(
        "partition {partition} is damaged: its batch at offset {offset} does not have its checksum; stop the broker and \
         run `millstream broker repair`, which shows what would be lost, and sets it aside with --apply"
    )]
    Damaged {
        /// The partition.
        partition: String,
        /// First offset of the batch.
        offset: i64,
    },
    /// Offsets of topics that were deleted cannot be taken out.
    #[error("delete offsets of group '{group}' that were committed for topics that do not exist any more")]
    Forget {
        /// The group.
        group: String,
    },
}

/// Which partitions of the offsets topic are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// All of them.
    All,
    /// Those that could not be read before.
    Missing,
}

/// A commit that was handed to the log and is not durable yet.
pub struct PendingCommit {
    group: String,
    permit: CommitPermit,
    commits: Vec<Commit>,
    written: Option<Written>,
}

/// Records that were handed to the log. They are appended even if this is dropped.
struct Written {
    partition: Arc<Partition>,
    appended: Pin<Box<dyn Future<Output = Result<i64, AppendRefused>> + Send>>,
}

impl Written {
    /// Waits until the records are durable; returns the offset of the last.
    async fn durable(self, group: &str) -> Result<i64, ErrorCode> {
        let last_offset = self.appended.await.map_err(|error| {
            error!(group, error = %Chain(&error), "cannot append to the offsets topic");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })?;
        let durable = self.partition.wait_durable(last_offset).await;
        durable.map(|()| last_offset).map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }
}

/// The groups of a partition, as the broker's health names them.
fn groups_of(partition: &Partition) -> String {
    format!("groups of {}", partition.name())
}

async fn finish_forgetting(group: &str, written: Result<Option<Written>, ErrorCode>) -> ErrorCode {
    match written {
        Ok(None) => ErrorCode::NONE,
        Ok(Some(written)) => written.durable(group).await.err().unwrap_or(ErrorCode::NONE),
        Err(code) => code,
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millis()
}

fn to_committed(stored: StoredOffset, log_position: i64) -> CommittedOffset {
    CommittedOffset {
        offset: stored.offset,
        leader_epoch: stored.leader_epoch,
        metadata: stored.metadata,
        committed_at_ms: stored.committed_at_ms,
        expires_at_ms: stored.expires_at_ms,
        log_position,
    }
}

/// `None` when the records do not fit into one batch.
fn build_batch(records: impl Iterator<Item = (Bytes, Option<Bytes>)>, now_ms: i64) -> Option<BytesMut> {
    let mut builder = RecordBatchBuilder::with_capacity(512);
    for (key, value) in records {
        builder.append(now_ms, Some(&key), value.as_deref(), std::iter::empty()).ok()?;
    }
    builder.finish(&BatchStamp::default()).ok()
}

type LoadedOffsets = HashMap<(String, String, i32), CommittedOffset>;

fn read_partition(
    partition: &Partition,
    groups: &mut HashMap<String, StoredGroup>,
    offsets: &mut LoadedOffsets,
) -> Result<(), LoadGroupsError> {
    let mut scratch = Vec::new();
    let mut damaged = None;
    partition.for_each_batch(|header, batch| {
        // After a stop in order nobody has looked at it since.
        if verify_crc(batch).is_err() {
            damaged.get_or_insert(header.base_offset);
            return;
        }
        if header.is_control() {
            return;
        }
        let records = match decompress_records(header, batch, MAX_LOADED_BATCH, &mut scratch) {
            Ok(records) => records,
            Err(error) => {
                warn!(offset = header.base_offset, error = %Chain(&error), "a batch of the offsets topic is passed over");
                return;
            }
        };
        for record in RecordReader::new(header, records) {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    warn!(offset = header.base_offset, %error, "the rest of a batch of the offsets topic is passed over");
                    return;
                }
            };
            let position = header.base_offset + i64::from(record.offset_delta);
            let Some(key) = record.key else { continue };
            match RecordKey::decode(key) {
                Ok(RecordKey::Group { group }) => match record.value.map(StoredGroup::decode) {
                    None => drop(groups.remove(&group)),
                    Some(Ok(stored)) => drop(groups.insert(group, stored)),
                    Some(Err(error)) => warn!(group, %error, "a group is passed over"),
                },
                Ok(RecordKey::Offset { group, topic, partition }) => match record.value.map(StoredOffset::decode) {
                    None => drop(offsets.remove(&(group, topic, partition))),
                    Some(Ok(stored)) => {
                        offsets.insert((group, topic, partition), to_committed(stored, position));
                    }
                    Some(Err(error)) => warn!(group, topic, partition, %error, "an offset is passed over"),
                },
                Err(error) => warn!(%error, "a record of the offsets topic is passed over"),
            }
        }
    })?;
    match damaged {
        Some(offset) => Err(LoadGroupsError::Damaged { partition: partition.name(), offset }),
        None => Ok(()),
    }
}

/// Which partition of the offsets topic holds a group.
pub fn partition_of(group: &str, partitions: i32) -> i32 {
    hash::group_partition(group, partitions)
}
