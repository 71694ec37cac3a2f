//! Consumer groups: the state machine of [`coordinator`], fed with requests and time, its records kept in
//! `__consumer_offsets`.
//!
//! A group's records are appended while the coordinator is locked, so that their order in the log is the order
//! of the decisions. Nobody waits for the disk under that lock.

pub mod coordinator;
mod group;
pub mod offsets;
pub mod records;
mod subscription;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use millstream_record::{Chain, Timestamp, TopicName};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder, RecordReader, decompress_records},
    hash,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

pub use self::group::{GroupState, Protocol};
use self::{
    coordinator::{
        Action, CommitPermit, Coordinator, GroupDescription, JoinAnswer, JoinRequest, Leaving, Settings, SyncAnswer,
        SyncRequest, Ticket,
    },
    offsets::CommittedOffset,
    records::{RecordKey, StoredGroup, StoredOffset},
};
use crate::{
    clock::Clock,
    error_code::ErrorCode,
    partition::{Partition, PartitionUnavailable},
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
    /// Set once in `new`, for the tasks that wait for the disk.
    own: OnceLock<std::sync::Weak<Groups>>,
}

struct State {
    coordinator: Coordinator,
    joins: HashMap<Ticket, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<Ticket, oneshot::Sender<SyncAnswer>>,
    next_ticket: u64,
}

impl State {
    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl Groups {
    /// No groups; see [`Groups::load`]. Work that waits for the disk is spawned on `tracker`.
    pub fn new(settings: Settings, clock: Clock, topics: Arc<Topics>, tracker: TaskTracker) -> Arc<Self> {
        let state = State {
            coordinator: Coordinator::new(settings),
            joins: HashMap::new(),
            syncs: HashMap::new(),
            next_ticket: 0,
        };
        let groups = Arc::new(Self {
            state: Mutex::new(state),
            clock,
            topics,
            sooner: Notify::new(),
            tracker,
            own: OnceLock::new(),
        });
        let _ = groups.own.set(Arc::downgrade(&groups));
        groups
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state machine does not panic half-way; a poisoned lock still guards a consistent value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        {
            let mut state = self.lock();
            let ticket = state.ticket();
            state.joins.insert(ticket, sender);
            let actions = state.coordinator.join(self.clock.now(), now_ms(), &request, ticket);
            self.execute(&mut state, actions);
        }
        receiver.await.unwrap_or_else(|_| JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, &request.member_id))
    }

    /// A SyncGroup request; answered when the leader's assignment is on disk.
    pub async fn sync(&self, request: SyncRequest) -> SyncAnswer {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            let ticket = state.ticket();
            state.syncs.insert(ticket, sender);
            let actions = state.coordinator.sync(self.clock.now(), now_ms(), &request, ticket);
            self.execute(&mut state, actions);
        }
        receiver.await.unwrap_or_else(|_| SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    /// A Heartbeat request.
    pub fn heartbeat(&self, group: &str, generation: i32, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        self.lock().coordinator.heartbeat(self.clock.now(), group, generation, member_id, instance_id)
    }

    /// A LeaveGroup request: a verdict for each that leaves.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn leave(&self, group: &str, leaving: &[Leaving]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let mut state = self.lock();
        let (verdicts, actions) = state.coordinator.leave(self.clock.now(), now_ms(), group, leaving)?;
        self.execute(&mut state, actions);
        Ok(verdicts)
    }

    /// The first half of an OffsetCommit: checks and appends. The offsets topic must exist.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn begin_commit(
        &self,
        group: &str,
        generation: i32,
        member_id: &str,
        instance_id: Option<&str>,
        commits: Vec<Commit>,
    ) -> Result<PendingCommit, ErrorCode> {
        let mut state = self.lock();
        let now = self.clock.now();
        let permit = state.coordinator.check_commit(now, now_ms(), group, generation, member_id, instance_id)?;
        if commits.is_empty() {
            state.coordinator.commit_failed(group);
            return Ok(PendingCommit { group: group.to_owned(), permit, commits, written: None });
        }
        let records = commits.iter().map(|commit| {
            let key =
                RecordKey::Offset { group: group.to_owned(), topic: commit.topic.clone(), partition: commit.partition };
            (key.encode(), Some(commit.offset.encode()))
        });
        match self.append(group, records) {
            Ok(written) => Ok(PendingCommit { group: group.to_owned(), permit, commits, written: Some(written) }),
            Err(code) => {
                state.coordinator.commit_failed(group);
                Err(code)
            }
        }
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
        let Some(Written { partition, last_offset }) = written else { return Ok(()) };
        let durable = partition.wait_durable(last_offset).await;
        let mut state = self.lock();
        if durable.is_err() {
            state.coordinator.commit_failed(&group);
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let committed = commits
            .into_iter()
            .map(|commit| (commit.topic, commit.partition, to_committed(commit.offset, last_offset)));
        state.coordinator.committed(&group, permit, committed);
        Ok(())
    }

    /// Offsets of the listed partitions, or of all; absent ones are left out.
    pub fn offsets(&self, group: &str, of: Option<&[(String, i32)]>) -> Vec<(String, i32, CommittedOffset)> {
        let state = self.lock();
        let Some(offsets) = state.coordinator.offsets(group) else { return Vec::new() };
        match of {
            None => {
                offsets.iter().map(|(topic, partition, known)| (topic.to_owned(), partition, known.clone())).collect()
            }
            Some(partitions) => partitions
                .iter()
                .filter_map(|(topic, partition)| {
                    offsets.get(topic, *partition).map(|known| (topic.clone(), *partition, known.clone()))
                })
                .collect(),
        }
    }

    /// A group for DescribeGroups.
    pub fn describe(&self, group: &str) -> Option<GroupDescription> {
        self.lock().coordinator.describe(group)
    }

    /// Id, protocol type and state of every group.
    pub fn list(&self) -> Vec<(String, String, GroupState)> {
        self.lock().coordinator.list()
    }

    /// DeleteGroups for one group: durable when this returns.
    pub async fn delete(&self, group: &str) -> ErrorCode {
        let written = {
            let state = &mut *self.lock();
            match state.coordinator.delete(group) {
                Ok(action) => self.forget(&action),
                Err(code) => return code,
            }
        };
        finish_forgetting(written).await
    }

    /// OffsetDelete: a verdict for each partition, durable when this returns.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub async fn delete_offsets(&self, group: &str, partitions: &[(String, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let (verdicts, written) = {
            let state = &mut *self.lock();
            let (verdicts, action) = state.coordinator.delete_offsets(group, partitions)?;
            (verdicts, self.forget(&action))
        };
        match finish_forgetting(written).await {
            ErrorCode::NONE => Ok(verdicts),
            code => Err(code),
        }
    }

    /// A topic is gone: so are the offsets committed for it.
    pub fn forget_topic(&self, topic: &TopicName) {
        let mut state = self.lock();
        let actions = state.coordinator.forget_topic(topic.as_str());
        self.execute(&mut state, actions);
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
                    if let Err(code) = self.forget(&action) {
                        // The group is looked at again after the next start.
                        warn!(error = code.name(), "deletions in the offsets topic could not be written");
                    }
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
                Ok(written) => written.partition.wait_durable(written.last_offset).await.is_ok(),
                Err(code) => {
                    error!(group, error = code.name(), "the group's metadata could not be written");
                    false
                }
            };
            let mut state = own.lock();
            let actions = state.coordinator.stored(own.clock.now(), now_ms(), &group, store, durable);
            own.execute(&mut state, actions);
        });
    }

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
        let mut batch = build_batch(records, now).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        match partition.append_own(&mut batch, now) {
            Ok(last_offset) => Ok(Written { partition, last_offset }),
            Err(error) => {
                error!(group, error = %Chain(&error), "cannot append to the offsets topic");
                Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
            }
        }
    }

    /// Reads all groups and offsets from the offsets topic. Blocks; call before requests are served.
    ///
    /// # Errors
    ///
    /// A partition of the topic cannot be read. Single records that make no sense are passed over with a warning.
    pub fn load(&self) -> Result<(), PartitionUnavailable> {
        let Some(topic) = self.topics.get(OFFSETS_TOPIC) else { return Ok(()) };
        let mut groups = HashMap::new();
        let mut offsets = HashMap::new();
        for partition in &topic.partitions {
            load_partition(partition, &mut groups, &mut offsets)?;
        }
        let mut state = self.lock();
        let (now, wall_ms) = (self.clock.now(), now_ms());
        let (group_count, offset_count) = (groups.len(), offsets.len());
        for (group, stored) in groups {
            let actions = state.coordinator.load_group(now, wall_ms, &group, stored, |host| host == EMBEDDED_HOST);
            self.execute(&mut state, actions);
        }
        for ((group, topic, partition), committed) in offsets {
            state.coordinator.load_offset(wall_ms, &group, &topic, partition, committed);
        }
        if 0 < group_count + offset_count {
            info!(groups = group_count, offsets = offset_count, "groups loaded");
        }
        Ok(())
    }

    /// Runs sessions, rebalance timeouts and the expiry of offsets until cancelled.
    pub async fn run(&self, offsets_check_interval: Duration, stop: CancellationToken) {
        let mut expiry = tokio::time::interval(offsets_check_interval);
        loop {
            let due = self.lock().coordinator.next_deadline();
            let now = self.clock.now();
            // Without a deadline only a notification or the expiry wakes this loop.
            let wait = due.map_or(Duration::from_secs(3600), |at| at.since(now));
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.sooner.notified() => {}
                _ = expiry.tick() => {
                    let mut state = self.lock();
                    let actions = state.coordinator.expire_offsets(now_ms());
                    self.execute(&mut state, actions);
                }
                () = tokio::time::sleep(wait) => {
                    let mut state = self.lock();
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
        let mut state = self.lock();
        state.joins.clear();
        state.syncs.clear();
    }
}

/// A commit that was appended and is not durable yet.
pub struct PendingCommit {
    group: String,
    permit: CommitPermit,
    commits: Vec<Commit>,
    written: Option<Written>,
}

/// Where records went.
struct Written {
    partition: Arc<Partition>,
    last_offset: i64,
}

async fn finish_forgetting(written: Result<Option<Written>, ErrorCode>) -> ErrorCode {
    match written {
        Ok(None) => ErrorCode::NONE,
        Ok(Some(written)) => match written.partition.wait_durable(written.last_offset).await {
            Ok(()) => ErrorCode::NONE,
            Err(_) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        },
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

fn load_partition(
    partition: &Partition,
    groups: &mut HashMap<String, StoredGroup>,
    offsets: &mut LoadedOffsets,
) -> Result<(), PartitionUnavailable> {
    let mut scratch = Vec::new();
    partition.for_each_batch(|header, batch| {
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
        for record in RecordReader::new(header, records).flatten() {
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
    })
}

/// Which partition of the offsets topic holds a group.
pub fn partition_of(group: &str, partitions: i32) -> i32 {
    hash::group_partition(group, partitions)
}
