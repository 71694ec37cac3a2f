//! The classic group protocol as a state machine: requests and the time go in, answers and records
//! to write come out. Nothing here reads a clock, draws a random number or touches a file.
//!
//! States: Empty → PreparingRebalance (collecting joins) → CompletingRebalance (waiting for the
//! leader's assignment, and for it to be on disk) → Stable. A request that must wait leaves its
//! [`Ticket`] behind, and a later [`Action`] answers it.
//!
//! A kind of event has a file: [`join`], [`rebalance`], [`sync`], [`leave`] are steps of one group, and [`commits`],
//! [`deletion`] and [`describe`] concern its offsets and its name; [`transactional`] those whose transactions are open.

mod action;
mod commits;
mod deletion;
mod describe;
mod group;
mod join;
mod leave;
mod messages;
mod rebalance;
mod step;
mod sync;
#[cfg(test)]
mod tests;
mod transactional;

use std::collections::{BTreeSet, HashMap};

use millstream_wire::error_code::ErrorCode;

use self::{action::Outbox, group::Group, step::Step, transactional::TransactionalOffsets};
pub use self::{
    action::{Action, Ticket},
    commits::CommitPermit,
    messages::{
        Committer, GroupDescription, GroupState, JoinAnswer, JoinRequest, Leaving, MemberDescription, Protocol,
        SyncAnswer, SyncRequest,
    },
    transactional::HeldCommit,
};
use super::{offsets::CommittedOffset, records::StoredGroup};
use crate::clock::Tick;

/// What the coordinator is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Shortest session accepted.
    pub min_session_ms: i32,
    /// Longest session accepted.
    pub max_session_ms: i32,
    /// How long the first rebalance of an empty group waits for more members.
    pub initial_delay_ms: i32,
    /// Most members of a group.
    pub max_size: usize,
    /// How long offsets outlive the group's last member, or the commit.
    pub offset_retention_ms: i64,
}

/// All groups.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    groups: HashMap<String, Group>,
    /// When each group wants to be looked at; may be early, never late.
    agenda: BTreeSet<(Tick, String)>,
    on_agenda: HashMap<String, Tick>,
    /// Offsets whose transactions are open.
    held: TransactionalOffsets,
    next_id: u64,
}

impl Coordinator {
    /// No groups yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            groups: HashMap::new(),
            agenda: BTreeSet::new(),
            on_agenda: HashMap::new(),
            held: TransactionalOffsets::default(),
            next_id: 0,
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// When [`Coordinator::tick`] is next due.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Runs an event on a group and keeps the agenda.
    fn on_group(&mut self, group_id: &str, event: impl FnOnce(&mut Group, &Settings, &mut Outbox<'_>)) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(group) = self.groups.get_mut(group_id) {
            event(group, &self.settings, &mut Outbox { actions: &mut actions, next_id: &mut self.next_id });
            if group.committing.is_empty() {
                group.offsets.settle();
            }
            if group.is_trace_free() && group.generation == 0 && group.protocol_type.is_none() {
                // Nothing of it was ever written.
                self.groups.remove(group_id);
            }
        }
        self.reschedule(group_id);
        actions
    }

    fn reschedule(&mut self, group_id: &str) {
        let due = self.groups.get(group_id).and_then(Group::next_deadline);
        let before = self.on_agenda.get(group_id).copied();
        if due == before {
            return;
        }
        if let Some(at) = before {
            self.agenda.remove(&(at, group_id.to_owned()));
            self.on_agenda.remove(group_id);
        }
        if let Some(at) = due {
            self.agenda.insert((at, group_id.to_owned()));
            self.on_agenda.insert(group_id.to_owned(), at);
        }
    }

    /// A JoinGroup request arrives.
    pub fn join(&mut self, now: Tick, wall_ms: i64, request: &JoinRequest, to: Ticket) -> Vec<Action> {
        let refuse = |error| vec![Action::AnswerJoin { to, answer: JoinAnswer::error(error, &request.member_id) }];
        if request.group.is_empty() {
            return refuse(ErrorCode::INVALID_GROUP_ID);
        }
        if !(self.settings.min_session_ms..=self.settings.max_session_ms).contains(&request.session_timeout_ms) {
            return refuse(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if !self.groups.contains_key(&request.group) {
            if !request.member_id.is_empty() {
                return refuse(ErrorCode::UNKNOWN_MEMBER_ID);
            }
            let incarnation = self.fresh_id();
            self.groups.insert(request.group.clone(), Group::new(&request.group, incarnation, wall_ms));
        }
        if self.groups.get(&request.group).is_some_and(Group::is_being_deleted) {
            return refuse(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        self.on_group(&request.group, |group, settings, out| {
            let mut step = Step { group, settings, now, wall_ms, out };
            if let Err(error) = step.join(request, to) {
                step.out.join(to, JoinAnswer::error(error, &request.member_id));
            }
        })
    }

    /// A SyncGroup request arrives.
    pub fn sync(&mut self, now: Tick, wall_ms: i64, request: &SyncRequest, to: Ticket) -> Vec<Action> {
        if request.group.is_empty() {
            return vec![Action::AnswerSync { to, answer: SyncAnswer::error(ErrorCode::INVALID_GROUP_ID) }];
        }
        if !self.groups.contains_key(&request.group) {
            return vec![Action::AnswerSync { to, answer: SyncAnswer::error(ErrorCode::UNKNOWN_MEMBER_ID) }];
        }
        self.on_group(&request.group, |group, settings, out| {
            let mut step = Step { group, settings, now, wall_ms, out };
            if let Err(error) = step.sync(request, to) {
                step.out.sync(to, SyncAnswer::error(error));
            }
        })
    }

    /// A Heartbeat request arrives. Needs no actions: it only prolongs a session.
    pub fn heartbeat(
        &mut self,
        now: Tick,
        group_id: &str,
        generation: i32,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> ErrorCode {
        if group_id.is_empty() {
            return ErrorCode::INVALID_GROUP_ID;
        }
        let Some(group) = self.groups.get_mut(group_id) else { return ErrorCode::UNKNOWN_MEMBER_ID };
        if let Err(error) = group.check_member(member_id, instance_id) {
            return error;
        }
        if generation != group.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        let state = group.state;
        if let Some(member) = group.members.get_mut(member_id) {
            // The agenda may now be early, which costs one look and nothing else.
            member.restart_session(now);
        }
        match state {
            GroupState::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            GroupState::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::NONE,
        }
    }

    /// A LeaveGroup request arrives: one verdict for each that leaves, in their order.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn leave(
        &mut self,
        now: Tick,
        wall_ms: i64,
        group_id: &str,
        leaving: &[Leaving],
    ) -> Result<(Vec<ErrorCode>, Vec<Action>), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if !self.groups.contains_key(group_id) {
            return Ok((vec![ErrorCode::UNKNOWN_MEMBER_ID; leaving.len()], Vec::new()));
        }
        let mut verdicts = Vec::with_capacity(leaving.len());
        let actions = self.on_group(group_id, |group, settings, out| {
            let mut step = Step { group, settings, now, wall_ms, out };
            verdicts.extend(leaving.iter().map(|who| step.leave(who)));
        });
        Ok((verdicts, actions))
    }

    /// The metadata of a [`Action::Store`] is durable, or could not be written.
    pub fn stored(&mut self, now: Tick, wall_ms: i64, group_id: &str, store: u64, durable: bool) -> Vec<Action> {
        self.on_group(group_id, |group, settings, out| {
            Step { group, settings, now, wall_ms, out }.stored(store, durable);
        })
    }

    /// Time has passed: sessions, pending ids and rebalances end.
    pub fn tick(&mut self, now: Tick, wall_ms: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((at, group_id)) = self.agenda.first().cloned() {
            if now < at {
                break;
            }
            actions.extend(self.on_group(&group_id, |group, settings, out| {
                Step { group, settings, now, wall_ms, out }.expire();
            }));
            if self.on_agenda.get(&group_id) == Some(&at) {
                // An event that leaves the deadline where it was would be looked at forever.
                self.agenda.remove(&(at, group_id.clone()));
                self.on_agenda.remove(&group_id);
            }
        }
        actions
    }

    /// Puts a group found on disk in place. Members for which `died` holds are removed as if their
    /// sessions had ended.
    pub fn load_group(
        &mut self,
        now: Tick,
        wall_ms: i64,
        group_id: &str,
        stored: StoredGroup,
        died: impl Fn(&str) -> bool,
    ) -> Vec<Action> {
        let incarnation = self.fresh_id();
        let offsets = self.groups.remove(group_id).map(|known| known.offsets).unwrap_or_default();
        let mut group = Group::restore(group_id, incarnation, stored, now);
        group.offsets = offsets;
        let dead: Vec<String> = group
            .in_order()
            .iter()
            .filter(|member| died(&member.client_host))
            .map(|member| member.id.clone())
            .collect();
        self.groups.insert(group_id.to_owned(), group);
        self.on_group(group_id, |group, settings, out| {
            let mut step = Step { group, settings, now, wall_ms, out };
            for member_id in dead {
                step.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        })
    }

    /// Puts an offset found on disk in place.
    pub fn load_offset(
        &mut self,
        wall_ms: i64,
        group_id: &str,
        topic: &str,
        partition: i32,
        committed: CommittedOffset,
    ) {
        if !self.groups.contains_key(group_id) {
            let incarnation = self.fresh_id();
            self.groups.insert(group_id.to_owned(), Group::new(group_id, incarnation, wall_ms));
        }
        if let Some(group) = self.groups.get_mut(group_id) {
            group.offsets.apply(topic, partition, committed);
        }
    }
}
