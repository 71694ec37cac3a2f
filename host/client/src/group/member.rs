//! A member of a group and the task that keeps it one.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use millstream_metrics::GroupMembership;
use millstream_wire::protocol::{
    messages::{
        ApiKey, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tracing::Instrument as _;

use super::rules::{HeartbeatStep, JoinStep, after_heartbeat, after_join, after_sync};
use crate::{
    admin::{Committer, wire_group},
    cluster::{Cluster, CoordinatorOf, Link, RequestError},
    connection::Connection,
    dial::HostPort,
    kafka_error::ErrorCode,
    waiting::{LongWait, Waiting},
};

/// Events that may wait for their owner. A generation has at most four before the owner has to act.
const EVENTS: usize = 16;

/// Added to the rebalance timeout for the answer to JoinGroup, as in Java.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// How a member presents itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupConfig {
    /// `group.id`: names the group in the cluster, and in its access rules.
    pub group_id: String,
    /// Makes the member a static one: a restart within the session timeout causes no rebalance.
    pub group_instance_id: Option<String>,
    /// `consumer`, `connect` and so on.
    pub protocol_type: String,
    /// Time without a heartbeat after which the coordinator drops the member.
    pub session_timeout: Duration,
    /// Time that members have to join again when the group rebalances.
    pub rebalance_timeout: Duration,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Longest time between two calls of [`GroupMember::touch`] before the member leaves; `None` for no limit.
    pub max_poll_interval: Option<Duration>,
}

/// One way in which a member can work with the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupProtocol {
    /// Its name; the group chooses one that all members have.
    pub name: String,
    /// What the leader needs to know about the member.
    pub metadata: Bytes,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinedMember {
    /// The id its coordinator gave it.
    pub member_id: String,
    /// Its own id, if it is a static member.
    pub group_instance_id: Option<String>,
    /// What it said about itself for the chosen protocol.
    pub metadata: Bytes,
}

/// What happens to a member.
#[derive(Clone, Debug)]
pub enum GroupEvent {
    /// This member leads the new generation: answer with [`GroupMember::assign`].
    Elected {
        /// Counts the group's rebalances; requests that carry an older one are refused.
        generation: i32,
        /// The chosen protocol.
        protocol: String,
        /// All members, this one included.
        members: Vec<JoinedMember>,
    },
    /// The generation is complete and this is the member's part.
    Assigned {
        /// Counts the group's rebalances; requests that carry an older one are refused.
        generation: i32,
        /// The chosen protocol.
        protocol: String,
        /// This member's id.
        member_id: String,
        /// Whether this member leads.
        leader: bool,
        /// Who leads.
        leader_id: String,
        /// What the leader gave it to do; empty if nothing.
        assignment: Bytes,
    },
    /// The group rebalances: give up what has to be given up, then [`GroupMember::join`] again. Heartbeats go
    /// on meanwhile.
    RebalanceNeeded,
    /// The group has gone on without this member, and what it was given belongs to others: stop without
    /// committing, then join again.
    Lost(LostReason),
    /// The membership is over.
    Failed(GroupError),
}

/// Why a group went on without a member.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum LostReason {
    /// The coordinator says so.
    #[error("the group has expelled this member")]
    Expelled { source: ErrorCode },
    /// Polls came too slowly, so the member left.
    #[error("no poll for more than max.poll.interval.ms ({} ms)", interval.as_millis())]
    PollInterval { interval: Duration },
    /// The coordinator could not be reached for a whole session timeout.
    #[error("the coordinator was out of reach for session.timeout.ms ({} ms)", timeout.as_millis())]
    SessionTimeout { timeout: Duration },
}

/// Why a membership failed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// The coordinator refuses the member for good.
    #[error("join group {group_id}")]
    Refused { group_id: String, source: ErrorCode },
    /// The coordinator cannot be asked, and trying again cannot help.
    #[error("join group {group_id}")]
    Request { group_id: String, source: RequestError },
    /// The task behind the membership ended unexpectedly.
    #[error("the membership in group {group_id} ended")]
    Ended { group_id: String },
}

impl GroupError {
    /// Full name of the exception class that Java clients raise.
    pub fn java_class(&self) -> String {
        match self {
            Self::Refused { source, .. } => source.java_class(),
            Self::Request { source, .. } => source.java_class(),
            Self::Ended { .. } => "org.apache.kafka.common.KafkaException".to_owned(),
        }
    }
}

/// What the owner asked for and the task has not begun. A later request replaces an earlier one of its kind.
#[derive(Debug, Default)]
struct Requested {
    join: Option<Vec<GroupProtocol>>,
    assign: Option<Vec<(String, Bytes)>>,
    leave: Option<String>,
}

#[derive(Debug)]
struct Shared {
    requested: Mutex<Requested>,
    changed: Notify,
    /// In whose name offsets are committed, while there is a generation.
    committer: Mutex<Option<Committer>>,
    touched: Mutex<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Waits until `take` finds something that was requested. Dropping the future loses nothing.
    async fn requested_step<T>(&self, take: impl Fn(&mut Requested) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no request falls between.
            changed.as_mut().enable();
            if let Some(step) = take(&mut lock(&self.requested)) {
                return step;
            }
            changed.await;
        }
    }
}

/// A member of a group. A task sends its heartbeats; dropping the handle ends that without leaving the group.
#[derive(Debug)]
pub struct GroupMember {
    group_id: String,
    shared: Arc<Shared>,
    events: mpsc::Receiver<GroupEvent>,
    task: JoinHandle<()>,
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GroupMember {
    /// Prepares a membership with a connection of its own; [`GroupMember::join`] begins it. Must be called
    /// within a tokio runtime.
    pub fn new(cluster: &Cluster, config: GroupConfig) -> Self {
        let shared = Arc::new(Shared {
            requested: Mutex::default(),
            changed: Notify::new(),
            committer: Mutex::default(),
            touched: Mutex::new(Instant::now()),
        });
        let (sender, events) = mpsc::channel(EVENTS);
        let group_id = config.group_id.clone();
        let settings = cluster.settings();
        let kind = match config.protocol_type.as_str() {
            "connect" => GroupMembership::OF_WORKERS,
            _ => GroupMembership::OF_CONSUMERS,
        };
        let counts = settings.metrics.group_of(kind, settings.labels());
        let task = Task {
            link: cluster.own_link(),
            config,
            shared: Arc::clone(&shared),
            events: sender,
            coordinator: None,
            spoken_on: None,
            member_id: String::new(),
            generation: None,
            rejoin_told: false,
            heard: Instant::now(),
            joining: None,
            counts,
        };
        Self { group_id, shared, events, task: tokio::spawn(task.run().in_current_span()) }
    }

    /// Joins the group, or joins it again, with these protocols, most wanted first. Returns at once; events
    /// tell how it goes.
    pub fn join(&mut self, protocols: Vec<GroupProtocol>) {
        self.touch();
        lock(&self.shared.requested).join = Some(protocols);
        self.shared.changed.notify_waiters();
    }

    /// The leader's answer to [`GroupEvent::Elected`]: what each member has to do, by member id. Members left out
    /// get nothing.
    pub fn assign(&mut self, assignments: Vec<(String, Bytes)>) {
        lock(&self.shared.requested).assign = Some(assignments);
        self.shared.changed.notify_waiters();
    }

    /// Shows that the owner is alive; see [`GroupConfig::max_poll_interval`].
    pub fn touch(&self) {
        *lock(&self.shared.touched) = Instant::now();
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub async fn next_event(&mut self) -> GroupEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => GroupEvent::Failed(GroupError::Ended { group_id: self.group_id.clone() }),
        }
    }

    /// The next event, if one is there.
    pub fn try_event(&mut self) -> Option<GroupEvent> {
        match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => {
                Some(GroupEvent::Failed(GroupError::Ended { group_id: self.group_id.clone() }))
            }
        }
    }

    /// The generation and the member id, while the member is part of one.
    pub fn generation(&self) -> Option<(i32, String)> {
        lock(&self.shared.committer).as_ref().map(|committer| (committer.generation, committer.member_id.clone()))
    }

    pub(crate) fn committer(&self) -> Option<Committer> {
        lock(&self.shared.committer).clone()
    }

    /// Leaves the group (a static member just goes) and waits for that, at most `timeout`.
    pub async fn leave(mut self, reason: &str, timeout: Duration) {
        lock(&self.shared.requested).leave = Some(reason.to_owned());
        self.shared.changed.notify_waiters();
        // Events are drained so that the task is never held up by them.
        let ended = async { while self.events.recv().await.is_some() {} };
        if tokio::time::timeout(timeout, ended).await.is_err() {
            tracing::debug!(group = %self.group_id, "leaving the group took too long");
        }
    }
}

struct Task {
    link: Link,
    config: GroupConfig,
    shared: Arc<Shared>,
    events: mpsc::Sender<GroupEvent>,
    coordinator: Option<(i32, HostPort)>,
    /// Where it was last heard by the coordinator.
    spoken_on: Option<Connection>,
    member_id: String,
    generation: Option<i32>,
    rejoin_told: bool,
    /// When the coordinator last answered.
    heard: Instant,
    /// The wait to become part of a generation, while attempts fail.
    joining: Option<LongWait>,
    counts: Arc<GroupMembership>,
}

enum Step {
    Join(Vec<GroupProtocol>),
    Leave(String),
}

fn take_requested(requested: &mut Requested) -> Option<Step> {
    let leave = requested.leave.take().map(Step::Leave);
    leave.or_else(|| requested.join.take().map(Step::Join))
}

/// How an attempt to become part of a generation ended.
enum Joined {
    Assigned(GroupEvent),
    Lost(LostReason),
    Failed(GroupError),
}

impl Task {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut next_heartbeat = Instant::now();
        loop {
            let heartbeat = async {
                match self.generation {
                    Some(_) => tokio::time::sleep_until(next_heartbeat).await,
                    None => std::future::pending().await,
                }
            };
            // The coordinator may give up a member whose connection has ended and that says nothing on another one.
            let spoken_on = self.spoken_on.clone().filter(|_| self.generation.is_some());
            let cut_off = async {
                match spoken_on {
                    Some(connection) => connection.ended().await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                step = shared.requested_step(take_requested) => Some(step),
                () = heartbeat => None,
                () = cut_off => None,
            };
            let was_cut_off = self.spoken_on.as_ref().is_some_and(|connection| !connection.is_open());
            match step {
                Some(Step::Leave(reason)) => {
                    self.leave(&reason).await;
                    return;
                }
                Some(Step::Join(protocols)) => {
                    if !self.join(&protocols).await {
                        return;
                    }
                }
                None => {
                    if !self.heartbeat().await {
                        return;
                    }
                }
            }
            if was_cut_off {
                // Not again before the next heartbeat that is due: a peer may close every connection.
                self.spoken_on = None;
            }
            next_heartbeat = Instant::now() + self.config.heartbeat_interval;
        }
    }

    /// Says whether the membership goes on. An owner that has gone is noticed by the abort of this task.
    async fn tell(&self, event: GroupEvent) -> bool {
        let goes_on = !matches!(event, GroupEvent::Failed(_));
        self.events.send(event).await.is_ok() && goes_on
    }

    fn forget(&mut self) {
        self.member_id.clear();
        self.generation = None;
        *lock(&self.shared.committer) = None;
    }

    async fn lose(&mut self, reason: LostReason) -> bool {
        self.forget();
        self.tell(GroupEvent::Lost(reason)).await
    }

    async fn fail(&mut self, error: GroupError) -> bool {
        self.forget();
        self.tell(GroupEvent::Failed(error)).await
    }

    async fn join(&mut self, protocols: &[GroupProtocol]) -> bool {
        let began = Instant::now();
        let shared = Arc::clone(&self.shared);
        let leaving = shared.requested_step(|requested| requested.leave.take());
        let joined = tokio::select! {
            biased;
            reason = leaving => Err(reason),
            joined = self.join_and_sync(protocols) => Ok(joined),
        };
        match joined {
            Ok(Joined::Assigned(event)) => {
                self.counts.rebalances.add(1);
                self.counts.rebalance_time.record_time(began.elapsed());
                self.counts.last_rebalance.set(Instant::now().into_std());
                self.rejoin_told = false;
                self.heard = Instant::now();
                self.tell(event).await
            }
            Ok(Joined::Lost(reason)) => {
                self.counts.failed_rebalances.add(1);
                self.lose(reason).await
            }
            Ok(Joined::Failed(error)) => {
                self.counts.failed_rebalances.add(1);
                self.fail(error).await
            }
            Err(reason) => {
                // The request that is parked at the coordinator would hold up the farewell behind it.
                self.link = self.link.cluster.own_link();
                self.leave(&reason).await;
                false
            }
        }
    }

    /// Repeats JoinGroup and SyncGroup until the member is part of a generation or cannot become one.
    async fn join_and_sync(&mut self, protocols: &[GroupProtocol]) -> Joined {
        let mut failures = 0;
        loop {
            let step = match self.join_once(protocols).await {
                Ok(Ok(event)) => {
                    self.joining = None;
                    return Joined::Assigned(event);
                }
                Ok(Err((code, step))) => {
                    if matches!(step, JoinStep::Later { .. }) {
                        self.tell_joining(&code);
                    }
                    (Some(code), step)
                }
                Err(error) if error.is_retriable() => {
                    self.tell_joining(&error);
                    (None, JoinStep::Later { find: true })
                }
                Err(source) => {
                    return Joined::Failed(GroupError::Request { group_id: self.config.group_id.clone(), source });
                }
            };
            match step {
                (_, JoinStep::WithGivenId | JoinStep::Again) => {}
                (_, JoinStep::Later { find }) => {
                    if find {
                        self.coordinator = None;
                    }
                    let delay = self.link.cluster.settings().retry_delay(failures);
                    failures += 1;
                    tokio::time::sleep(delay).await;
                }
                (Some(source), JoinStep::Forgotten) => {
                    let was_part = self.generation.is_some();
                    self.forget();
                    if was_part {
                        return Joined::Lost(LostReason::Expelled { source });
                    }
                }
                (Some(source), JoinStep::Fail) => {
                    return Joined::Failed(GroupError::Refused { group_id: self.config.group_id.clone(), source });
                }
                (None, JoinStep::Forgotten | JoinStep::Fail) => self.forget(),
            }
        }
    }

    /// Tells in the log when joining has failed for a while.
    fn tell_joining(&mut self, error: &(dyn std::error::Error + 'static)) {
        let now = Instant::now();
        let client = || self.link.cluster.settings().client_id.clone();
        let patience = self.joining.get_or_insert_with(|| LongWait::begin(client(), now));
        let what = format!("group {} to take this member", self.config.group_id);
        let waiting = Waiting {
            lasting: patience.lasting(now),
            what,
            cause: Some(millstream_record::ErrorChain(error).to_string()),
        };
        patience.tell(now, &waiting);
    }

    async fn join_once(
        &mut self,
        protocols: &[GroupProtocol],
    ) -> Result<Result<GroupEvent, (ErrorCode, JoinStep)>, RequestError> {
        let connection = self.coordinator().await?;
        let joined = match self.send_join(&connection, protocols).await? {
            Ok(joined) => joined,
            Err(refused) => return Ok(Err(refused)),
        };
        let generation = joined.generation_id;
        let protocol = joined.protocol_name.as_ref().map(ToString::to_string).unwrap_or_default();
        let leader = joined.leader == joined.member_id;
        let mut assignments = Vec::new();
        if leader && !joined.skip_assignment {
            lock(&self.shared.requested).assign = None;
            let members = joined.members.iter().map(|member| JoinedMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
                metadata: member.metadata.clone(),
            });
            self.tell(GroupEvent::Elected { generation, protocol: protocol.clone(), members: members.collect() }).await;
            assignments = self.shared.requested_step(|requested| requested.assign.take()).await;
        }
        let assignment = |(member_id, assignment): (String, Bytes)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member_id))
                .with_assignment(assignment)
        };
        let version = connection.version(ApiKey::SyncGroup)?;
        let mut request = SyncGroupRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_generation_id(generation)
            .with_member_id(joined.member_id.clone())
            .with_assignments(assignments.into_iter().map(assignment).collect());
        if 3 <= version {
            request = request.with_group_instance_id(self.instance_id());
        }
        if 5 <= version {
            request = request
                .with_protocol_type(Some(StrBytes::from_string(self.config.protocol_type.clone())))
                .with_protocol_name(joined.protocol_name.clone());
        }
        let began = Instant::now();
        let synced = connection.call_within(&request, self.config.rebalance_timeout.saturating_add(JOIN_GRACE)).await?;
        if let Err(code) = ErrorCode::check(synced.error_code) {
            return Ok(Err((code, after_sync(code))));
        }
        self.counts.syncs.add(1);
        self.counts.sync_time.record_time(began.elapsed());
        self.generation = Some(generation);
        let member_id = joined.member_id.to_string();
        *lock(&self.shared.committer) = Some(Committer {
            generation,
            member_id: member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        });
        Ok(Ok(GroupEvent::Assigned {
            generation,
            protocol,
            member_id,
            leader,
            leader_id: joined.leader.to_string(),
            assignment: synced.assignment,
        }))
    }

    async fn send_join(
        &mut self,
        connection: &Connection,
        protocols: &[GroupProtocol],
    ) -> Result<Result<JoinGroupResponse, (ErrorCode, JoinStep)>, RequestError> {
        let protocol = |protocol: &GroupProtocol| {
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_string(protocol.name.clone()))
                .with_metadata(protocol.metadata.clone())
        };
        let mut request = JoinGroupRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_protocol_type(StrBytes::from_string(self.config.protocol_type.clone()))
            .with_protocols(protocols.iter().map(protocol).collect());
        if 5 <= connection.version(ApiKey::JoinGroup)? {
            request = request.with_group_instance_id(self.instance_id());
        }
        let timeout = self.config.rebalance_timeout.saturating_add(JOIN_GRACE);
        let timeout = timeout.max(self.link.cluster.settings().request_timeout);
        let began = Instant::now();
        let joined = connection.call_within(&request, timeout).await?;
        self.spoken_on = Some(connection.clone());
        if let Err(code) = ErrorCode::check(joined.error_code) {
            let step = after_join(code);
            if step == JoinStep::WithGivenId {
                self.member_id = joined.member_id.to_string();
            }
            return Ok(Err((code, step)));
        }
        self.counts.joins.add(1);
        self.counts.join_time.record_time(began.elapsed());
        self.member_id = joined.member_id.to_string();
        Ok(Ok(joined))
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.config.group_instance_id.clone().map(StrBytes::from_string)
    }

    async fn coordinator(&mut self) -> Result<Connection, RequestError> {
        let (node, address) = match &self.coordinator {
            Some(known) => known.clone(),
            None => {
                let found = self.link.cluster.find_coordinator(CoordinatorOf::Group(&self.config.group_id)).await?;
                self.coordinator.insert(found).clone()
            }
        };
        self.link.to_address(node, &address).await
    }

    async fn heartbeat(&mut self) -> bool {
        if let Some(interval) = self.config.max_poll_interval
            && interval < lock(&self.shared.touched).elapsed()
        {
            self.say_goodbye("the poll interval was exceeded").await;
            return self.lose(LostReason::PollInterval { interval }).await;
        }
        let Some(generation) = self.generation else { return true };
        let step = match self.send_heartbeat(generation).await {
            Ok(answer) => {
                if answer.is_ok() {
                    self.heard = Instant::now();
                }
                (answer.err(), after_heartbeat(answer))
            }
            Err(error) if error.is_retriable() => (None, HeartbeatStep::FindCoordinator),
            Err(source) => {
                return self.fail(GroupError::Request { group_id: self.config.group_id.clone(), source }).await;
            }
        };
        match step {
            (_, HeartbeatStep::Fine) => true,
            (_, HeartbeatStep::Rejoin) if self.rejoin_told => true,
            (_, HeartbeatStep::Rejoin) => {
                self.heard = Instant::now();
                self.rejoin_told = true;
                self.tell(GroupEvent::RebalanceNeeded).await
            }
            (Some(source), HeartbeatStep::Lost) => self.lose(LostReason::Expelled { source }).await,
            (Some(source), HeartbeatStep::Fail) => {
                self.fail(GroupError::Refused { group_id: self.config.group_id.clone(), source }).await
            }
            (
                _,
                HeartbeatStep::FindCoordinator | HeartbeatStep::NextTime | HeartbeatStep::Lost | HeartbeatStep::Fail,
            ) => {
                if step.1 == HeartbeatStep::FindCoordinator {
                    self.coordinator = None;
                }
                let timeout = self.config.session_timeout;
                // After that long the coordinator has given the member's part to others.
                if timeout < self.heard.elapsed() {
                    self.lose(LostReason::SessionTimeout { timeout }).await
                } else {
                    true
                }
            }
        }
    }

    async fn send_heartbeat(&mut self, generation: i32) -> Result<Result<(), ErrorCode>, RequestError> {
        let connection = self.coordinator().await?;
        let mut request = HeartbeatRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_generation_id(generation)
            .with_member_id(StrBytes::from_string(self.member_id.clone()));
        if 3 <= connection.version(ApiKey::Heartbeat)? {
            request = request.with_group_instance_id(self.instance_id());
        }
        let began = Instant::now();
        self.counts.last_heartbeat.set(began.into_std());
        let answer = connection.call_within(&request, self.config.session_timeout).await?;
        self.spoken_on = Some(connection);
        self.counts.heartbeats.add(1);
        self.counts.heartbeat_time.record_time(began.elapsed());
        Ok(ErrorCode::check(answer.error_code))
    }

    async fn leave(&mut self, reason: &str) {
        self.say_goodbye(reason).await;
        self.forget();
    }

    /// Tells the coordinator that the member leaves. A failure is as good as a lapsed session.
    async fn say_goodbye(&mut self, reason: &str) {
        if self.member_id.is_empty() || self.config.group_instance_id.is_some() {
            return;
        }
        let said = async {
            let connection = self.coordinator().await?;
            let version = connection.version(ApiKey::LeaveGroup)?;
            let member_id = StrBytes::from_string(self.member_id.clone());
            let mut request = LeaveGroupRequest::default().with_group_id(wire_group(&self.config.group_id));
            if 3 <= version {
                let mut member = MemberIdentity::default().with_member_id(member_id);
                if 5 <= version {
                    member = member.with_reason(Some(StrBytes::from_string(reason.to_owned())));
                }
                request = request.with_members(vec![member]);
            } else {
                request = request.with_member_id(member_id);
            }
            connection.call(&request).await?;
            Ok::<(), RequestError>(())
        };
        if let Err(error) = said.await {
            tracing::debug!(group = %self.config.group_id, error = %millstream_record::ErrorChain(&error), "the coordinator was not told about leaving");
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Keeps the compiler honest about what is sent between threads.
const _: fn() = || {
    fn sends(_: impl Future + Send) {}
    let _ = |task: Task| sends(task.run());
};
