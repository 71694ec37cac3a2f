//! A member of a group and the task that keeps it one.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use millstream_metrics::GroupMembership;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};
use tracing::Instrument as _;

use super::{
    event::{GroupConfig, GroupError, GroupEvent, GroupProtocol, LostReason},
    rules::{HeartbeatStep, JoinStep, after_heartbeat},
};
use crate::{
    admin::Committer,
    cluster::{Cluster, Link},
    connection::Connection,
    dial::HostPort,
    kafka_error::ErrorCode,
    session::{Asked, GroupSession},
    waiting::{LongWait, Waiting},
};

/// Events that may wait for their owner. A generation has at most four before the owner has to act.
const EVENTS: usize = 16;

/// What the owner asked for and the task has not begun. A later request replaces an earlier one of its kind.
#[derive(Debug, Default)]
pub(super) struct Requested {
    join: Option<Vec<GroupProtocol>>,
    pub(super) assign: Option<Vec<(String, Bytes)>>,
    leave: Option<Leave>,
}

/// How a member goes.
#[derive(Debug)]
pub(super) struct Leave {
    reason: String,
    /// Whether a static member is taken out of the group, too, instead of being waited for.
    for_good: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) requested: Mutex<Requested>,
    changed: Notify,
    /// In whose name offsets are committed, while there is a generation.
    pub(super) committer: Mutex<Option<Committer>>,
    touched: Mutex<Instant>,
    pub(super) session: GroupSession,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Waits until `take` finds something that was requested. Dropping the future loses nothing.
    pub(super) async fn requested_step<T>(&self, take: impl Fn(&mut Requested) -> Option<T>) -> T {
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
            session: GroupSession::new(config.session_timeout),
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

    /// Whether the group has not gone on without this member, for those who act in its name.
    pub fn session(&self) -> GroupSession {
        self.shared.session.clone()
    }

    pub(crate) fn committer(&self) -> Option<Committer> {
        lock(&self.shared.committer).clone()
    }

    /// Leaves the group (a static member just goes) and waits for that, at most `timeout`.
    pub async fn leave(self, reason: &str, timeout: Duration) {
        self.go(Leave { reason: reason.to_owned(), for_good: false }, timeout).await;
    }

    /// The same, and also as a static member (KIP-1092): others are given its part at once.
    pub async fn leave_for_good(self, reason: &str, timeout: Duration) {
        self.go(Leave { reason: reason.to_owned(), for_good: true }, timeout).await;
    }

    async fn go(mut self, leave: Leave, timeout: Duration) {
        lock(&self.shared.requested).leave = Some(leave);
        self.shared.changed.notify_waiters();
        // Events are drained so that the task is never held up by them.
        let ended = async { while self.events.recv().await.is_some() {} };
        if tokio::time::timeout(timeout, ended).await.is_err() {
            tracing::debug!(group = %self.group_id, "leaving the group took too long");
        }
    }
}

pub(super) struct Task {
    pub(super) link: Link,
    pub(super) config: GroupConfig,
    pub(super) shared: Arc<Shared>,
    events: mpsc::Sender<GroupEvent>,
    pub(super) coordinator: Option<(i32, HostPort)>,
    /// Where it was last heard by the coordinator.
    pub(super) spoken_on: Option<Connection>,
    pub(super) member_id: String,
    pub(super) generation: Option<i32>,
    rejoin_told: bool,
    /// When the coordinator last answered.
    heard: Instant,
    /// The wait to become part of a generation, while attempts fail.
    joining: Option<LongWait>,
    pub(super) counts: Arc<GroupMembership>,
}

enum Step {
    Join(Vec<GroupProtocol>),
    Leave(Leave),
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
                Some(Step::Leave(leave)) => {
                    self.leave(&leave).await;
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
    pub(super) async fn tell(&self, event: GroupEvent) -> bool {
        let goes_on = !matches!(event, GroupEvent::Failed(_));
        self.events.send(event).await.is_ok() && goes_on
    }

    fn forget(&mut self) {
        self.member_id.clear();
        self.generation = None;
        *lock(&self.shared.committer) = None;
        self.shared.session.close();
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
            leave = leaving => Err(leave),
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
            Err(leave) => {
                // The request that is parked at the coordinator would hold up the farewell behind it.
                self.link = self.link.cluster.own_link();
                self.leave(&leave).await;
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
                // After that long the coordinator has given the member's part to others, as for one that sends heartbeats.
                (_, JoinStep::Later { .. }) if self.generation.is_some() && !self.shared.session.is_open() => {
                    return Joined::Lost(LostReason::SessionTimeout { timeout: self.config.session_timeout });
                }
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

    async fn heartbeat(&mut self) -> bool {
        if let Some(interval) = self.config.max_poll_interval
            && interval < lock(&self.shared.touched).elapsed()
        {
            self.say_goodbye("the poll interval was exceeded", false).await;
            return self.lose(LostReason::PollInterval { interval }).await;
        }
        let Some(generation) = self.generation else { return true };
        let asked = Asked::now();
        let step = match self.send_heartbeat(generation).await {
            Ok(answer) => {
                if answer.is_ok() {
                    self.heard = Instant::now();
                }
                // Whoever is to join again is a member still.
                if matches!(answer, Ok(()) | Err(ErrorCode::REBALANCE_IN_PROGRESS)) {
                    self.shared.session.answered(asked);
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

    async fn leave(&mut self, leave: &Leave) {
        self.say_goodbye(&leave.reason, leave.for_good).await;
        self.forget();
    }
}

/// Keeps the compiler honest about what is sent between threads.
const _: fn() = || {
    fn sends(_: impl Future + Send) {}
    let _ = |task: Task| sends(task.run());
};
