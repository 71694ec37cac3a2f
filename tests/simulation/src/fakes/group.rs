//! A group of workers and its coordinator: rounds of joining and syncing, heartbeats, members that are given up.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_client::{
    ErrorCode, GroupSession,
    group::{GroupEvent, GroupProtocol, JoinedMember, LostReason},
    session::Asked,
};
use millstream_runtime::membership::GroupClient;
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use crate::lockstep::{now, process};

/// Time between heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How often somebody who waits looks again.
const LOOK: Duration = Duration::from_millis(20);

/// A group; clones share it. Somebody has to [tell it that time passes](FakeGroup::tick).
#[derive(Clone)]
pub struct FakeGroup {
    state: Arc<Mutex<State>>,
}

/// What a group does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// It waits, since then, for all members to join.
    Joining(Instant),
    /// It waits for what the leader decides.
    Syncing,
    /// Everybody has its part.
    Stable,
}

struct State {
    session: Duration,
    rebalance: Duration,
    phase: Phase,
    generation: i32,
    protocol: String,
    leader: String,
    members: BTreeMap<u64, Member>,
    came: u64,
    /// Processes out of reach, and since when.
    cut_off: BTreeMap<u32, Instant>,
    /// Time after which a member is given up whose connection has broken, if that is sooner than its session ends.
    grace: Option<Duration>,
    expelled: Vec<(u32, String)>,
}

struct Member {
    process: u32,
    protocols: Vec<GroupProtocol>,
    heard: Instant,
    /// Whether it has joined the round that is under way.
    joined: bool,
    part: Option<Bytes>,
}

fn id_of(number: u64) -> String {
    format!("member-{number:04}")
}

fn number_of(id: &str) -> u64 {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl FakeGroup {
    /// A group without members: how long it waits for a word of one, for all to join, and, if it sees that a connection has
    /// broken, for another one.
    pub fn new(session: Duration, rebalance: Duration, grace: Option<Duration>) -> Self {
        let state = State {
            session,
            rebalance,
            phase: Phase::Stable,
            generation: 0,
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            came: 0,
            cut_off: BTreeMap::new(),
            grace,
            expelled: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no fake panics under its lock")
    }

    /// A client of the process whose turn it is, within a runtime.
    pub fn client(&self) -> Box<dyn GroupClient> {
        let session = GroupSession::new(self.state().session);
        let shared = Arc::new(Shared { inner: Mutex::default(), changed: Notify::new(), session });
        let task = Task {
            group: self.clone(),
            shared: Arc::clone(&shared),
            id: String::new(),
            generation: None,
            told: false,
            heard: now(),
        };
        Box::new(Client { shared, task: tokio::spawn(task.run()) })
    }

    /// Whether a process reaches the coordinator.
    pub fn cut_off(&self, process: u32, cut_off: bool) {
        let mut state = self.state();
        if cut_off {
            state.cut_off.insert(process, now())
        } else {
            state.cut_off.remove(&process)
        };
    }

    /// How long the coordinator waits for another connection from here on, when one has broken.
    pub fn set_grace(&self, grace: Option<Duration>) {
        self.state().grace = grace;
    }

    /// The coordinator sees that the connection of a process has ended, which is gone.
    pub fn hear_of_death(&self, process: u32) {
        let mut state = self.state();
        let gone = |member: &Member| member.process == process;
        let ids: Vec<u64> = state.members.iter().filter(|(_, member)| gone(member)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| state.remove(id));
    }

    /// Time has passed: members that were not heard are given up, and a round that has lasted too long goes on without
    /// those who are missing. Which processes have been given up since the last time, and why.
    pub fn tick(&self) -> Vec<(u32, String)> {
        let mut state = self.state();
        state.expire();
        std::mem::take(&mut state.expelled)
    }
}

impl State {
    fn reaches(&self) -> bool {
        !self.cut_off.contains_key(&process())
    }

    fn expire(&mut self) {
        let now = now();
        // Whoever waits for the others in a round has nothing to say.
        let silent = |member: &Member| member.heard + self.session < now && !(self.is_joining() && member.joined);
        let silent: Vec<u64> = self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| *id).collect();
        for id in silent {
            self.expel(id, "was not heard");
        }
        if let Some(grace) = self.grace {
            let gone = |member: &Member| self.cut_off.get(&member.process).is_some_and(|since| *since + grace < now);
            let gone: Vec<u64> = self.members.iter().filter(|(_, member)| gone(member)).map(|(id, _)| *id).collect();
            for id in gone {
                self.expel(id, "has no connection any more");
            }
        }
        if let Phase::Joining(since) = self.phase
            && since + self.rebalance < now
        {
            let missing: Vec<u64> =
                self.members.iter().filter(|(_, member)| !member.joined).map(|(id, _)| *id).collect();
            for id in missing {
                self.expel(id, "did not join again in time");
            }
        }
        self.complete();
    }

    fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining(_))
    }

    fn expel(&mut self, id: u64, why: &str) {
        if let Some(member) = self.members.get(&id) {
            self.expelled.push((member.process, why.to_owned()));
        }
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        if self.members.remove(&id).is_some() {
            self.rebalance();
        }
    }

    fn rebalance(&mut self) {
        if !self.is_joining() {
            self.phase = Phase::Joining(now());
            self.members.values_mut().for_each(|member| (member.joined, member.part) = (false, None));
        }
        self.complete();
    }

    /// A round is complete when all have joined.
    fn complete(&mut self) {
        if !self.is_joining() || self.members.is_empty() || !self.members.values().all(|member| member.joined) {
            return;
        }
        self.generation += 1;
        self.phase = Phase::Syncing;
        if !self.members.contains_key(&number_of(&self.leader)) {
            self.leader = self.members.keys().next().map(|id| id_of(*id)).unwrap_or_default();
        }
        let known = |name: &str, member: &Member| member.protocols.iter().any(|protocol| protocol.name == name);
        let common = self.members.values().next().and_then(|first| {
            let mut names = first.protocols.iter().map(|protocol| &protocol.name);
            names.find(|name| self.members.values().all(|member| known(name, member)))
        });
        self.protocol = common.cloned().unwrap_or_default();
        let now = now();
        self.members.values_mut().for_each(|member| member.heard = now);
    }

    /// Takes a request to join: the member's number.
    fn join(&mut self, id: &str, protocols: &[GroupProtocol]) -> Result<u64, ErrorCode> {
        let number = if id.is_empty() {
            self.came += 1;
            self.came
        } else {
            number_of(id)
        };
        if !id.is_empty() && !self.members.contains_key(&number) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        let member =
            Member { process: process(), protocols: protocols.to_vec(), heard: now(), joined: false, part: None };
        self.members.insert(number, member);
        self.rebalance();
        if let Some(member) = self.members.get_mut(&number) {
            member.joined = true;
        }
        self.complete();
        Ok(number)
    }

    fn heartbeat(&mut self, id: &str, generation: i32) -> Result<(), ErrorCode> {
        let is_joining = self.is_joining();
        let current = self.generation;
        let Some(member) = self.members.get_mut(&number_of(id)) else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        if generation != current {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        member.heard = now();
        if is_joining { Err(ErrorCode::REBALANCE_IN_PROGRESS) } else { Ok(()) }
    }

    /// Members as the leader sees them.
    fn joined(&self) -> Vec<JoinedMember> {
        let metadata = |member: &Member| {
            let chosen = member.protocols.iter().find(|protocol| protocol.name == self.protocol);
            chosen.map(|protocol| protocol.metadata.clone()).unwrap_or_default()
        };
        let member = |(id, member): (&u64, &Member)| JoinedMember {
            member_id: id_of(*id),
            group_instance_id: None,
            metadata: metadata(member),
        };
        self.members.iter().map(member).collect()
    }
}

struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
    session: GroupSession,
}

#[derive(Default)]
struct Inner {
    join: Option<Vec<GroupProtocol>>,
    assign: Option<Vec<(String, Bytes)>>,
    leave: bool,
    events: VecDeque<GroupEvent>,
    over: bool,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no fake panics under its lock")
    }

    fn tell(&self, event: GroupEvent) {
        self.inner().events.push_back(event);
        self.changed.notify_waiters();
    }
}

struct Client {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl GroupClient for Client {
    fn join(&mut self, protocols: Vec<GroupProtocol>) {
        self.shared.inner().join = Some(protocols);
        self.shared.changed.notify_waiters();
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>) {
        self.shared.inner().assign = Some(assignments);
        self.shared.changed.notify_waiters();
    }

    async fn next_event(&mut self) -> GroupEvent {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(event) = self.shared.inner().events.pop_front() {
                return event;
            }
            changed.await;
        }
    }

    fn session(&self) -> GroupSession {
        self.shared.session.clone()
    }

    async fn leave(self: Box<Self>, _: &str, timeout: Duration) {
        self.shared.inner().leave = true;
        self.shared.changed.notify_waiters();
        let over = async {
            while !self.shared.inner().over {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(timeout, over).await;
    }
}

/// Keeps a member one, as the real client's task does.
struct Task {
    group: FakeGroup,
    shared: Arc<Shared>,
    id: String,
    generation: Option<i32>,
    /// Whether its owner knows that it has to join again.
    told: bool,
    heard: Instant,
}

impl Task {
    async fn run(mut self) {
        let mut beat_at = now();
        loop {
            tokio::time::sleep(LOOK).await;
            if self.shared.inner().leave {
                self.group.leave(&self.id);
                self.shared.inner().over = true;
                return;
            }
            let join = self.shared.inner().join.take();
            if let Some(protocols) = join {
                self.join(&protocols).await;
                beat_at = now() + HEARTBEAT;
            } else if beat_at <= now() && self.generation.is_some() {
                self.beat();
                beat_at = now() + HEARTBEAT;
            }
        }
    }

    fn hears(&mut self) {
        self.heard = now();
        self.shared.session.answered(Asked::now());
    }

    fn lose(&mut self, reason: LostReason) {
        self.id.clear();
        self.generation = None;
        self.shared.session.close();
        self.shared.tell(GroupEvent::Lost(reason));
    }

    fn beat(&mut self) {
        let Some(generation) = self.generation else { return };
        let timeout = self.group.state().session;
        let answer = {
            let mut state = self.group.state();
            state.expire();
            state.reaches().then(|| state.heartbeat(&self.id, generation))
        };
        match answer {
            Some(Ok(())) => self.hears(),
            Some(Err(ErrorCode::REBALANCE_IN_PROGRESS)) => {
                self.hears();
                if !std::mem::replace(&mut self.told, true) {
                    self.shared.tell(GroupEvent::RebalanceNeeded);
                }
            }
            Some(Err(source)) => self.lose(LostReason::Expelled { source }),
            None if self.heard + timeout < now() => self.lose(LostReason::SessionTimeout { timeout }),
            None => {}
        }
    }

    /// Repeats a round until this member is part of a generation, or its owner wants something else.
    async fn join(&mut self, protocols: &[GroupProtocol]) {
        loop {
            match self.join_once(protocols).await {
                Ok(event) => {
                    self.told = false;
                    self.hears();
                    return self.shared.tell(event);
                }
                Err(Some(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION)) => {
                    self.id.clear();
                    if self.generation.is_some() {
                        return self.lose(LostReason::Expelled { source: ErrorCode::UNKNOWN_MEMBER_ID });
                    }
                }
                Err(Some(ErrorCode::COORDINATOR_NOT_AVAILABLE)) => {
                    let timeout = self.group.state().session;
                    return self.lose(LostReason::SessionTimeout { timeout });
                }
                Err(Some(_)) => {}
                Err(None) => return,
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One round. `None`: the owner leaves.
    async fn join_once(&mut self, protocols: &[GroupProtocol]) -> Result<GroupEvent, Option<ErrorCode>> {
        self.reach().await?;
        self.id = id_of(self.group.state().join(&self.id, protocols)?);
        let number = number_of(&self.id);
        let (generation, protocol, leads, members) = loop {
            self.reach().await?;
            {
                let mut state = self.group.state();
                state.expire();
                let member = state.members.get_mut(&number).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
                if !member.joined {
                    // There was an answer, and another round has begun since.
                    return Err(Some(ErrorCode::REBALANCE_IN_PROGRESS));
                }
                if !state.is_joining() {
                    break (state.generation, state.protocol.clone(), state.leader == self.id, state.joined());
                }
            }
            tokio::time::sleep(LOOK).await;
        };
        let mut decided = None;
        if leads {
            self.shared.inner().assign = None;
            self.shared.tell(GroupEvent::Elected { generation, protocol: protocol.clone(), members, keeps: false });
            // Whatever becomes of the round meanwhile.
            while decided.is_none() {
                tokio::time::sleep(LOOK).await;
                decided = self.shared.inner().assign.take();
                if self.shared.inner().leave {
                    return Err(None);
                }
            }
        }
        loop {
            self.reach().await?;
            {
                let mut state = self.group.state();
                state.expire();
                let current = state.generation;
                let member = state.members.get_mut(&number).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
                // Who has asked for its part counts as heard.
                member.heard = now();
                if current != generation || state.is_joining() {
                    return Err(Some(ErrorCode::REBALANCE_IN_PROGRESS));
                }
                if let Some(parts) = decided.take() {
                    state.decide(parts);
                }
                if state.phase == Phase::Stable {
                    let assignment = state.members.get(&number).and_then(|member| member.part.clone());
                    let (assignment, leader_id) = (assignment.unwrap_or_default(), state.leader.clone());
                    self.generation = Some(generation);
                    let member_id = self.id.clone();
                    let assigned =
                        GroupEvent::Assigned { generation, protocol, member_id, leader: leads, leader_id, assignment };
                    return Ok(assigned);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the coordinator can be asked; a member, no longer than its session is open.
    async fn reach(&self) -> Result<(), Option<ErrorCode>> {
        loop {
            if self.shared.inner().leave {
                return Err(None);
            }
            if self.group.state().reaches() {
                // A request that is kept is as good as a heartbeat, for whoever was there to see it.
                if self.shared.session.is_open() {
                    self.shared.session.answered(Asked::now());
                }
                return Ok(());
            }
            if self.generation.is_some() && !self.shared.session.is_open() {
                return Err(Some(ErrorCode::COORDINATOR_NOT_AVAILABLE));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl FakeGroup {
    fn leave(&self, id: &str) {
        let mut state = self.state();
        if state.reaches() {
            state.remove(number_of(id));
        }
    }
}

impl State {
    fn decide(&mut self, parts: Vec<(String, Bytes)>) {
        for (id, part) in parts {
            if let Some(member) = self.members.get_mut(&number_of(&id)) {
                member.part = Some(part);
            }
        }
        self.phase = Phase::Stable;
    }
}
