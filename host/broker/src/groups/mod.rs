//! Consumer groups: the state machine of [`coordinator`], fed with requests and time, its records kept in
//! `__consumer_offsets`.
//!
//! A group's records are handed to their partition while the coordinator is locked, so that their order in the log
//! is the order of the decisions. Nobody waits for the disk under that lock, not even for an append.
//!
//! The groups of a partition that cannot be read are refused, and taken up when it can be.

//!
//! This file is the loop around the state machine for members and time; [`commits`] and [`admin`] are its other doors,
//! [`log`] and [`load`] its way to the disk and back.

mod admin;
mod commits;
mod consumer_protocol;
pub mod coordinator;
mod load;
mod log;
pub mod offsets;
pub mod records;
mod transactional;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use millstream_record::ErrorChain;
use millstream_wire::error_code::ErrorCode;
use tokio::sync::{Notify, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

pub use self::{commits::Commit, load::Load, transactional::BeginTransactionalCommit};
use self::{
    coordinator::{
        Action, ConnectionId, Coordinator, HeartbeatAnswer, HeartbeatRequest, JoinAnswer, JoinRequest, Leaving,
        Refused, Settings, SyncAnswer, SyncRequest, Ticket, Times, Topology,
    },
    log::{Forget, now_ms},
};
use crate::{
    clock::Clock,
    config::group::ConsumerTimes,
    health::Health,
    internal_topics::{OFFSETS_TOPIC, partition_of},
    topics::{CreateTopicError, Topics},
};

/// The host that members over the in-memory stream are stored with. They died with their process, so they are
/// dropped when groups are loaded.
pub const EMBEDDED_HOST: &str = "/embedded";

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
    heartbeats: HashMap<Ticket, oneshot::Sender<Result<HeartbeatAnswer, Refused>>>,
    next_ticket: u64,
    /// Partitions of the offsets topic that could not be read, and whether they may be at another time.
    not_loaded: BTreeMap<i32, bool>,
    /// Transactions that ended in one of those that may, from when it is open again until it is read: the reading may
    /// have come too early for the marker. Producer, the marker's offset, and whether it was a commit.
    missed_ends: HashMap<i32, Vec<(i64, i64, bool)>>,
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
            heartbeats: HashMap::new(),
            next_ticket: 0,
            not_loaded: BTreeMap::new(),
            missed_ends: HashMap::new(),
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
    pub async fn join(&self, via: ConnectionId, request: JoinRequest) -> JoinAnswer {
        if let Err(error) = self.ensure_topic().await {
            error!(error = %ErrorChain(&error), "cannot create the offsets topic");
            return JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, &request.member_id);
        }
        let (sender, receiver) = oneshot::channel();
        match self.lock_for(&request.group) {
            Err(code) => return JoinAnswer::error(code, &request.member_id),
            Ok(mut state) => {
                let ticket = state.ticket();
                state.joins.insert(ticket, sender);
                let actions = state.coordinator.join(self.times_of(via), &request, ticket);
                self.execute(&mut state, actions);
            }
        }
        receiver.await.unwrap_or_else(|_| JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, &request.member_id))
    }

    /// A SyncGroup request; answered when the leader's assignment is on disk.
    pub async fn sync(&self, via: ConnectionId, request: SyncRequest) -> SyncAnswer {
        let (sender, receiver) = oneshot::channel();
        match self.lock_for(&request.group) {
            Err(code) => return SyncAnswer::error(code),
            Ok(mut state) => {
                let ticket = state.ticket();
                state.syncs.insert(ticket, sender);
                let actions = state.coordinator.sync(self.times_of(via), &request, ticket);
                self.execute(&mut state, actions);
            }
        }
        receiver.await.unwrap_or_else(|_| SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    /// A Heartbeat request.
    pub fn heartbeat(
        &self,
        via: ConnectionId,
        group: &str,
        generation: i32,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> ErrorCode {
        match self.lock_for(group) {
            Err(code) => code,
            Ok(mut state) => state.coordinator.heartbeat(self.times_of(via), group, generation, member_id, instance_id),
        }
    }

    /// A ConsumerGroupHeartbeat request; answered when what it changes is on disk.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub async fn consumer_heartbeat(
        &self,
        via: ConnectionId,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatAnswer, Refused> {
        let unavailable = |code| Err(Refused { code, message: "The coordinator is not available.".to_owned() });
        if let Err(error) = self.ensure_topic().await {
            error!(error = %ErrorChain(&error), "cannot create the offsets topic");
            return unavailable(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let (sender, receiver) = oneshot::channel();
        match self.lock_for(&request.group) {
            Err(code) => return unavailable(code),
            Ok(mut state) => {
                let ticket = state.ticket();
                state.heartbeats.insert(ticket, sender);
                let actions = state.coordinator.consumer_heartbeat(self.times_of(via), &request, ticket);
                self.execute(&mut state, actions);
            }
        }
        receiver.await.unwrap_or_else(|_| unavailable(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    /// A LeaveGroup request: a verdict for each that leaves.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn leave(&self, group: &str, leaving: &[Leaving]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let mut state = self.lock_for(group)?;
        let (verdicts, actions) = state.coordinator.leave(self.times(), group, leaving)?;
        self.execute(&mut state, actions);
        Ok(verdicts)
    }

    /// These times hold for a group from its next heartbeat on, whether it exists or not.
    ///
    /// # Errors
    ///
    /// The groups are not in order; nothing has changed.
    pub fn configure(&self, group: &str, times: ConsumerTimes) -> Result<(), ErrorCode> {
        self.lock()?.coordinator.configure(group, times);
        Ok(())
    }

    /// A client asks who coordinates a group.
    pub fn client_asks(&self, group: &str, client_id: &str, client_host: &str) {
        // Where the state is uncertain nobody is given up.
        let Ok(mut state) = self.lock() else { return };
        state.coordinator.client_asks(self.clock.now(), group, client_id, client_host);
    }

    /// A connection has ended: it broke off if the peer went away, and otherwise the broker closed it. Never blocks on a
    /// disk.
    pub fn connection_ended(&self, connection: ConnectionId, broke_off: bool) {
        // Where the state is uncertain nobody is given up.
        let Ok(mut state) = self.lock() else { return };
        state.coordinator.connection_ended(self.clock.now(), connection, broke_off);
        self.sooner.notify_one();
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
                Action::AnswerHeartbeat { to, answer } => {
                    if let Some(waiting) = state.heartbeats.remove(&to) {
                        drop(waiting.send(answer));
                    }
                }
                Action::Store { group, store, delete, record } => self.store(group, store, &delete, &record),
                Action::Append { group, append, records } => self.append_records(group, append, records),
                Action::Forget { .. } => {
                    let Some(forget) = self.forget(action) else { continue };
                    let Some(own) = self.own() else { return };
                    self.tracker.spawn(async move {
                        let group = forget.group.clone();
                        if let Err(code) = own.finish_forgetting(forget).await {
                            let error = code.name();
                            warn!(group, error, "offsets that have expired could not be deleted; it is tried again");
                        }
                    });
                }
            }
        }
        self.sooner.notify_one();
    }

    /// Hands over the deletions of an [`Action::Forget`]; `None` for any other action.
    fn forget(&self, action: Action) -> Option<Forget> {
        let Action::Forget { group, forget, keys } = action else { return None };
        let written = self.write_deletions(&group, &keys);
        Some(Forget { group, forget, written })
    }

    /// Itself, for tasks that wait for the disk; `None` when nobody else holds it any more.
    fn own(&self) -> Option<Arc<Self>> {
        self.own.get().and_then(std::sync::Weak::upgrade)
    }

    fn times(&self) -> Times<'_> {
        Times { now: self.clock.now(), wall_ms: now_ms(), topics: &*self.topics, via: None }
    }

    fn times_of(&self, via: ConnectionId) -> Times<'_> {
        Times { via: Some(via), ..self.times() }
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
                    let actions = state.coordinator.tick(self.times());
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
        state.heartbeats.clear();
    }
}

impl Topology for Topics {
    fn version(&self) -> u64 {
        self.version()
    }

    fn topic(&self, name: &str) -> Option<(uuid::Uuid, i32)> {
        self.get(name).map(|topic| (topic.id, topic.partition_count()))
    }

    fn name(&self, id: uuid::Uuid) -> Option<String> {
        self.by_id(id).map(|topic| topic.name.to_string())
    }

    fn names(&self) -> Vec<String> {
        self.all().iter().map(|topic| topic.name.to_string()).collect()
    }
}
