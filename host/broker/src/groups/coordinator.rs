//! The classic group protocol as a state machine: requests and the time go in, answers and records
//! to write come out. Nothing here reads a clock, draws a random number or touches a file.
//!
//! States: Empty → PreparingRebalance (collecting joins) → CompletingRebalance (waiting for the
//! leader's assignment, and for it to be on disk) → Stable. A request that must wait leaves its
//! [`Ticket`] behind, and a later [`Action`] answers it.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use super::{
    group::{AfterStore, Group, GroupState, InitialDelay, Member, Protocol},
    offsets::{CommittedOffset, Offsets},
    records::StoredGroup,
};
use crate::{clock::Tick, error_code::ErrorCode};

/// Stands for a request that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket(pub u64);

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

/// A JoinGroup request.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Group id.
    pub group: String,
    /// Empty when the client has none yet.
    pub member_id: String,
    /// The id to give if one is needed; drawn by the caller.
    pub new_member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Version 4 and later: a new member is first told its id.
    pub require_known_member: bool,
    /// Version 9 and later.
    pub knows_skip_assignment: bool,
}

/// The answer to a JoinGroup request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinAnswer {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// −1 on errors.
    pub generation: i32,
    /// Of the group.
    pub protocol_type: Option<String>,
    /// The elected one.
    pub protocol: Option<String>,
    /// Member id of the leader.
    pub leader: String,
    /// A static leader that returned need not assign again.
    pub skip_assignment: bool,
    /// The member's own id.
    pub member_id: String,
    /// For the leader only.
    pub members: Vec<JoinedMember>,
}

impl JoinAnswer {
    /// An answer that only says what is wrong.
    pub fn error(error: ErrorCode, member_id: &str) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: Vec::new(),
        }
    }
}

/// A member as the leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Its metadata for the elected protocol.
    pub metadata: Bytes,
}

/// A SyncGroup request.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Group id.
    pub group: String,
    /// The generation the member believes in.
    pub generation: i32,
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Checked when given.
    pub protocol_type: Option<String>,
    /// Checked when given.
    pub protocol: Option<String>,
    /// From the leader only: member id and assignment.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to a SyncGroup request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyncAnswer {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// Of the group.
    pub protocol_type: Option<String>,
    /// The elected one.
    pub protocol: Option<String>,
    /// This member's share.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// An answer that only says what is wrong.
    pub fn error(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// What has to be done now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Answer a JoinGroup request.
    AnswerJoin {
        /// Who waits.
        to: Ticket,
        /// The answer.
        answer: JoinAnswer,
    },
    /// Answer a SyncGroup request.
    AnswerSync {
        /// Who waits.
        to: Ticket,
        /// The answer.
        answer: SyncAnswer,
    },
    /// Append the group's metadata, and report [`Coordinator::stored`] when it is durable.
    Store {
        /// Group id.
        group: String,
        /// To be given back.
        store: u64,
        /// What to write.
        record: StoredGroup,
    },
    /// Append deletions: of these offsets, and of the group itself if `whole`.
    Forget {
        /// Group id.
        group: String,
        /// Topics and partitions whose offsets go.
        offsets: Vec<(String, i32)>,
        /// Whether the group's metadata goes too.
        whole: bool,
    },
}

impl Action {
    /// The group whose records are written; empty for answers.
    pub fn group(&self) -> &str {
        match self {
            Self::Store { group, .. } | Self::Forget { group, .. } => group,
            Self::AnswerJoin { .. } | Self::AnswerSync { .. } => "",
        }
    }
}

/// A member that leaves, or is removed by an administrator.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// Empty when the instance id alone names it.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDescription {
    /// The state.
    pub state: GroupState,
    /// Empty for groups that only hold offsets.
    pub protocol_type: String,
    /// Empty unless stable.
    pub protocol: String,
    /// In the order of joining.
    pub members: Vec<MemberDescription>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Empty unless stable.
    pub metadata: Bytes,
    /// Empty unless stable.
    pub assignment: Bytes,
}

/// Who commits offsets.
#[derive(Clone, Copy, Debug)]
pub struct Committer<'a> {
    /// Group id.
    pub group: &'a str,
    /// Negative for a consumer without a group protocol.
    pub generation: i32,
    /// Empty for the same.
    pub member_id: &'a str,
    /// Set for static members.
    pub instance_id: Option<&'a str>,
}

/// A commit on its way to the disk: one of a group's present incarnation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommitPermit {
    incarnation: u64,
    commit: u64,
}

/// All groups.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    groups: HashMap<String, Group>,
    /// When each group wants to be looked at; may be early, never late.
    agenda: BTreeSet<(Tick, String)>,
    on_agenda: HashMap<String, Tick>,
    next_id: u64,
}

impl Coordinator {
    /// No groups yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, groups: HashMap::new(), agenda: BTreeSet::new(), on_agenda: HashMap::new(), next_id: 0 }
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
        if let Err(error) = check_member(group, member_id, instance_id) {
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

    /// Whether a commit of these partitions is allowed, which is then on its way until [`Coordinator::committed`] or
    /// [`Coordinator::commit_failed`]; prolongs the member's session, and creates the group for a consumer that
    /// manages its partitions itself.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn check_commit(
        &mut self,
        now: Tick,
        wall_ms: i64,
        committer: &Committer<'_>,
        partitions: Vec<(String, i32)>,
    ) -> Result<CommitPermit, ErrorCode> {
        let Committer { group: group_id, generation, member_id, instance_id } = *committer;
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let commit = self.fresh_id();
        if !self.groups.contains_key(group_id) {
            if 0 <= generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
            let incarnation = self.fresh_id();
            let mut group = Group::new(group_id, incarnation, wall_ms);
            group.protocol_type = None;
            self.groups.insert(group_id.to_owned(), group);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        if !(generation < 0 && group.state == GroupState::Empty) {
            if generation < 0 && member_id.is_empty() && instance_id.is_none() {
                return Err(ErrorCode::UNKNOWN_MEMBER_ID);
            }
            check_member(group, member_id, instance_id)?;
            if generation != group.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
            if group.state == GroupState::CompletingRebalance {
                return Err(ErrorCode::REBALANCE_IN_PROGRESS);
            }
            if let Some(member) = group.members.get_mut(member_id) {
                member.restart_session(now);
            }
        }
        group.committing.insert(commit, partitions);
        Ok(CommitPermit { incarnation: group.incarnation, commit })
    }

    /// A commit is durable. What was deleted in between, the whole group or single offsets, stays deleted.
    pub fn committed(
        &mut self,
        group_id: &str,
        permit: CommitPermit,
        offsets: impl IntoIterator<Item = (String, i32, CommittedOffset)>,
    ) {
        let Some(wanted) = self.end_commit(group_id, permit) else { return };
        let wanted: HashSet<(String, i32)> = wanted.into_iter().collect();
        self.on_group(group_id, |group, _, _| {
            for (topic, partition, committed) in offsets {
                let position = (topic, partition);
                if wanted.contains(&position) {
                    group.offsets.apply(&position.0, partition, committed);
                }
            }
        });
    }

    /// A commit could not be written: forgets a group that exists only because of it.
    pub fn commit_failed(&mut self, group_id: &str, permit: CommitPermit) {
        self.end_commit(group_id, permit);
        drop(self.on_group(group_id, |_, _, _| {}));
    }

    fn end_commit(&mut self, group_id: &str, permit: CommitPermit) -> Option<Vec<(String, i32)>> {
        let group = self.groups.get_mut(group_id).filter(|group| group.incarnation == permit.incarnation)?;
        group.committing.remove(&permit.commit)
    }

    /// Everything the group has committed; `None` for a group that does not exist.
    pub fn offsets(&self, group_id: &str) -> Option<&Offsets> {
        self.groups.get(group_id).map(|group| &group.offsets)
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

    /// A group for DescribeGroups; `None` is what the protocol calls Dead.
    pub fn describe(&self, group_id: &str) -> Option<GroupDescription> {
        let group = self.groups.get(group_id)?;
        let stable = group.state == GroupState::Stable;
        let describe = |member: &Member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata_for(group.protocol.as_deref()) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        };
        Some(GroupDescription {
            state: group.state,
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol: if stable { group.protocol.clone().unwrap_or_default() } else { String::new() },
            members: group.in_order().into_iter().map(describe).collect(),
        })
    }

    /// Id, protocol type and state of every group.
    pub fn list(&self) -> Vec<(String, String, GroupState)> {
        let listed = |group: &Group| (group.id.clone(), group.protocol_type.clone().unwrap_or_default(), group.state);
        self.groups.values().map(listed).collect()
    }

    /// DeleteGroups for one group.
    ///
    /// # Errors
    ///
    /// A group with members stays.
    pub fn delete(&mut self, group_id: &str) -> Result<Action, ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state != GroupState::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let offsets = group.forget(|_, _| true);
        self.groups.remove(group_id);
        self.reschedule(group_id);
        Ok(Action::Forget { group: group_id.to_owned(), offsets, whole: true })
    }

    /// OffsetDelete: a verdict for each partition, in their order, and what to write.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn delete_offsets(
        &mut self,
        group_id: &str,
        partitions: &[(String, i32)],
    ) -> Result<(Vec<ErrorCode>, Action), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if !group.members.is_empty() && group.protocol_type.as_deref() != Some("consumer") {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let subscribed = group.subscribed_topics();
        let verdict = |(topic, _): &(String, i32)| match subscribed.contains(topic) {
            true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            false => ErrorCode::NONE,
        };
        let verdicts = partitions.iter().map(verdict).collect();
        let asked: HashSet<(&str, i32)> =
            partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let gone = group.forget(|topic, partition| !subscribed.contains(topic) && asked.contains(&(topic, partition)));
        Ok((verdicts, Action::Forget { group: group_id.to_owned(), offsets: gone, whole: false }))
    }

    /// A topic is gone: so are the offsets committed for it.
    pub fn forget_topic(&mut self, topic: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for group in self.groups.values_mut() {
            let gone = group.forget(|name, _| name == topic);
            if !gone.is_empty() {
                actions.push(Action::Forget { group: group.id.clone(), offsets: gone, whole: false });
            }
        }
        actions
    }

    /// Drops offsets whose retention is over, and groups that then have nothing left.
    ///
    /// Retention counts from when the group lost its last member, or from the commit where there
    /// never was one; a live `consumer` group keeps the offsets of topics it subscribes to.
    pub fn expire_offsets(&mut self, wall_ms: i64) -> Vec<Action> {
        let retention_ms = self.settings.offset_retention_ms;
        let mut actions = Vec::new();
        let mut emptied = Vec::new();
        for group in self.groups.values_mut() {
            let subscribed = group.subscribed_topics();
            let over = |topic: &str, committed: &CommittedOffset| {
                if let Some(expires_at_ms) = committed.expires_at_ms {
                    return expires_at_ms <= wall_ms;
                }
                let counts_from = match group.state {
                    GroupState::Empty if group.protocol_type.is_some() => {
                        group.state_since_ms.max(committed.committed_at_ms)
                    }
                    GroupState::Empty => committed.committed_at_ms,
                    _ if group.protocol_type.as_deref() == Some("consumer") && !subscribed.contains(topic) => {
                        committed.committed_at_ms
                    }
                    _ => return false,
                };
                counts_from.saturating_add(retention_ms) <= wall_ms
            };
            let gone: Vec<(String, i32)> = group
                .offsets
                .iter()
                // A deletion would be written behind a commit that is on its way, and undo it.
                .filter(|(topic, partition, committed)| {
                    over(topic, committed) && !group.is_committing(topic, *partition)
                })
                .map(|(topic, partition, _)| (topic.to_owned(), partition))
                .collect();
            for (topic, partition) in &gone {
                group.offsets.remove(topic, *partition);
            }
            let whole = group.is_trace_free();
            if whole {
                emptied.push(group.id.clone());
            }
            if whole || !gone.is_empty() {
                actions.push(Action::Forget { group: group.id.clone(), offsets: gone, whole });
            }
        }
        for group_id in emptied {
            self.groups.remove(&group_id);
            self.reschedule(&group_id);
        }
        actions
    }
}

/// Whether the id is a member's, and the instance id, where given, is its own.
fn check_member(group: &Group, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
    if let Some(instance) = instance_id {
        match group.static_members.get(instance) {
            None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(current) if current != member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(_) => {}
        }
    }
    if group.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
}

/// Collects what an event brings about.
struct Outbox<'a> {
    actions: &'a mut Vec<Action>,
    next_id: &'a mut u64,
}

impl Outbox<'_> {
    fn join(&mut self, to: Ticket, answer: JoinAnswer) {
        self.actions.push(Action::AnswerJoin { to, answer });
    }

    fn sync(&mut self, to: Ticket, answer: SyncAnswer) {
        self.actions.push(Action::AnswerSync { to, answer });
    }
}

/// One event on one group.
struct Step<'a, 'b> {
    group: &'a mut Group,
    settings: &'a Settings,
    now: Tick,
    wall_ms: i64,
    out: &'a mut Outbox<'b>,
}

impl Step<'_, '_> {
    fn join(&mut self, request: &JoinRequest, to: Ticket) -> Result<(), ErrorCode> {
        let group = &mut *self.group;
        let known_instance =
            request.instance_id.as_ref().and_then(|instance| group.static_members.get(instance)).cloned();
        let is_new = !group.members.contains_key(&request.member_id)
            && !group.pending.contains_key(&request.member_id)
            && known_instance.is_none();
        if is_new && request.member_id.is_empty() && self.settings.max_size <= group.members.len() + group.pending.len()
        {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !group.accepts(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if request.member_id.is_empty() {
            return self.join_without_id(request, known_instance, to);
        }
        if group.pending.contains_key(&request.member_id) {
            if self.settings.max_size <= group.members.len() {
                group.pending.remove(&request.member_id);
                return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
            }
            self.admit(request.member_id.clone(), request, to);
            return Ok(());
        }
        check_member(group, &request.member_id, request.instance_id.as_deref())?;
        self.rejoin(request, to);
        Ok(())
    }

    fn join_without_id(
        &mut self,
        request: &JoinRequest,
        known_instance: Option<String>,
        to: Ticket,
    ) -> Result<(), ErrorCode> {
        if let Some(displaced) = known_instance {
            self.replace_static(&displaced, request, to);
        } else if request.instance_id.is_none() && request.require_known_member {
            let forgotten_at = self.now.plus_ms(request.session_timeout_ms);
            self.group.pending.insert(request.new_member_id.clone(), forgotten_at);
            self.out.join(to, JoinAnswer::error(ErrorCode::MEMBER_ID_REQUIRED, &request.new_member_id));
        } else {
            self.admit(request.new_member_id.clone(), request, to);
        }
        Ok(())
    }

    /// A new member enters, which always means a rebalance.
    fn admit(&mut self, member_id: String, request: &JoinRequest, to: Ticket) {
        self.group.add_member(member_id.clone(), request, self.now);
        if let Some(delay) = &mut self.group.initial_delay {
            delay.arrivals = true;
        }
        self.park_join(&member_id, to);
        self.rebalance();
    }

    /// A known member joins again.
    fn rejoin(&mut self, request: &JoinRequest, to: Ticket) {
        let Some(member) = self.group.members.get(&request.member_id) else { return };
        let unchanged = member.protocols == request.protocols;
        let stays = match self.group.state {
            GroupState::CompletingRebalance => unchanged,
            GroupState::Stable => unchanged && !self.group.is_leader(&request.member_id),
            GroupState::Empty | GroupState::PreparingRebalance => false,
        };
        if stays {
            let answer = self.group.join_answer(&request.member_id);
            self.restart_session(&request.member_id);
            self.out.join(to, answer);
            return;
        }
        self.update_member(&request.member_id, request);
        self.park_join(&request.member_id, to);
        self.rebalance();
    }

    fn update_member(&mut self, member_id: &str, request: &JoinRequest) {
        if let Some(member) = self.group.members.get_mut(member_id) {
            member.protocols = request.protocols.clone();
            member.session_timeout_ms = request.session_timeout_ms;
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
            member.client_id.clone_from(&request.client_id);
            member.client_host.clone_from(&request.client_host);
            member.restart_session(self.now);
        }
    }

    /// A static member is back under its instance id and gets a fresh member id.
    fn replace_static(&mut self, displaced: &str, request: &JoinRequest, to: Ticket) {
        let fresh = request.new_member_id.clone();
        let leader_before = self.group.leader.clone().unwrap_or_default();
        let Some(mut member) = self.group.members.remove(displaced) else { return };
        if let Some(ticket) = member.join.take() {
            self.out.join(ticket, JoinAnswer::error(ErrorCode::FENCED_INSTANCE_ID, displaced));
        }
        if let Some(ticket) = member.sync.take() {
            self.out.sync(ticket, SyncAnswer::error(ErrorCode::FENCED_INSTANCE_ID));
        }
        if let Some(instance) = &member.instance_id {
            self.group.static_members.insert(instance.clone(), fresh.clone());
        }
        member.id.clone_from(&fresh);
        self.group.members.insert(fresh.clone(), member);
        if self.group.is_leader(displaced) {
            self.group.leader = Some(fresh.clone());
        }
        self.update_member(&fresh, request);
        if self.group.state == GroupState::Stable && self.group.elect_protocol() == self.group.protocol {
            let mut answer = self.group.join_answer(&fresh);
            if request.knows_skip_assignment {
                answer.skip_assignment = self.group.is_leader(&fresh);
            } else {
                // Believing that the old id leads, it behaves as a follower and asks for its share.
                answer.leader = leader_before;
                answer.members.clear();
            }
            self.store(AfterStore::AnswerStaticJoin { to, answer: Box::new(answer) });
            return;
        }
        self.park_join(&fresh, to);
        self.rebalance();
    }

    fn park_join(&mut self, member_id: &str, to: Ticket) {
        let Some(member) = self.group.members.get_mut(member_id) else { return };
        let earlier = member.join.replace(to);
        if let Some(ticket) = member.sync.take() {
            self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        if let Some(ticket) = earlier {
            // The same member asked twice, so it has given up on the first request.
            self.out.join(ticket, JoinAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS, member_id));
        }
    }

    fn restart_session(&mut self, member_id: &str) {
        if let Some(member) = self.group.members.get_mut(member_id) {
            member.restart_session(self.now);
        }
    }

    /// Starts collecting joins unless that is going on, and ends it when nobody is missing.
    fn rebalance(&mut self) {
        match self.group.state {
            GroupState::PreparingRebalance => {}
            GroupState::Empty => {
                self.group.set_state(GroupState::PreparingRebalance, self.wall_ms);
                let timeout_ms = self.group.rebalance_timeout_ms();
                let first_ms = self.settings.initial_delay_ms.min(timeout_ms).max(0);
                if 0 < first_ms {
                    self.group.initial_delay =
                        Some(InitialDelay { remaining_ms: timeout_ms - first_ms, arrivals: false });
                    self.group.joins_close = Some(self.now.plus_ms(first_ms));
                } else {
                    self.group.joins_close = Some(self.now.plus_ms(timeout_ms));
                }
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                let tickets: Vec<Ticket> =
                    self.group.members.values_mut().filter_map(|member| member.sync.take()).collect();
                for ticket in tickets {
                    self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
                }
                if self.group.state == GroupState::CompletingRebalance {
                    for member in self.group.members.values_mut() {
                        member.assignment = Bytes::new();
                    }
                }
                self.restart_unparked_sessions();
                self.group.set_state(GroupState::PreparingRebalance, self.wall_ms);
                self.group.syncs_close = None;
                self.group.joins_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms()));
            }
        }
        self.finish_if_complete();
    }

    /// Members whose parked request was just answered live on for a whole session.
    fn restart_unparked_sessions(&mut self) {
        for member in self.group.members.values_mut().filter(|member| !member.is_parked()) {
            if member.session_ends < self.now {
                member.restart_session(self.now);
            }
        }
    }

    fn finish_if_complete(&mut self) {
        if self.group.state != GroupState::PreparingRebalance || self.group.initial_delay.is_some() {
            return;
        }
        if self.group.members.values().all(|member| member.join.is_some()) {
            self.complete_joins();
        }
    }

    /// Collecting joins has ended: elects protocol and leader, starts the next generation.
    fn complete_joins(&mut self) {
        self.group.initial_delay = None;
        let missing: Vec<String> = self
            .group
            .members
            .values()
            // Static members end with their session or by LeaveGroup only.
            .filter(|member| member.join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        let anybody = self.group.members.values().any(|member| member.join.is_some());
        if !anybody && !self.group.members.is_empty() {
            // Nobody joined again: wait on, sessions decide.
            self.group.joins_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms().max(1)));
            return;
        }
        for member_id in missing {
            self.group.take_member(&member_id);
        }
        self.group.joins_close = None;
        self.group.generation = if self.group.generation == i32::MAX { 1 } else { self.group.generation + 1 };
        if self.group.members.is_empty() {
            self.group.protocol = None;
            self.group.leader = None;
            self.group.set_state(GroupState::Empty, self.wall_ms);
            self.store(AfterStore::Nothing);
            return;
        }
        let leader_joined = self
            .group
            .leader
            .as_ref()
            .and_then(|leader| self.group.members.get(leader))
            .is_some_and(|member| member.join.is_some());
        if !leader_joined {
            self.group.leader =
                self.group.in_order().into_iter().find(|member| member.join.is_some()).map(|member| member.id.clone());
        }
        self.group.protocol = self.group.elect_protocol();
        self.group.set_state(GroupState::CompletingRebalance, self.wall_ms);
        self.group.syncs_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms().max(1)));
        let joined: Vec<String> = self.group.in_order().into_iter().map(|member| member.id.clone()).collect();
        for member_id in joined {
            let Some(member) = self.group.members.get_mut(&member_id) else { continue };
            let ticket = member.join.take();
            member.synced = false;
            if let Some(ticket) = ticket {
                member.restart_session(self.now);
                let answer = self.group.join_answer(&member_id);
                self.out.join(ticket, answer);
            }
        }
    }

    fn store(&mut self, after: AfterStore) {
        *self.out.next_id += 1;
        let store = *self.out.next_id;
        self.group.storing.insert(store, after);
        let record = self.group.to_stored();
        self.out.actions.push(Action::Store { group: self.group.id.clone(), store, record });
    }

    fn sync(&mut self, request: &SyncRequest, to: Ticket) -> Result<(), ErrorCode> {
        let group = &mut *self.group;
        check_member(group, &request.member_id, request.instance_id.as_deref())?;
        if request.generation != group.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<String>, own: &Option<String>| asked.is_some() && asked != own;
        if differs(&request.protocol_type, &group.protocol_type) || differs(&request.protocol, &group.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match group.state {
            GroupState::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            GroupState::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            GroupState::CompletingRebalance => {
                self.sync_while_completing(request, to);
                Ok(())
            }
            GroupState::Stable => {
                self.restart_session(&request.member_id);
                if let Some(member) = self.group.members.get_mut(&request.member_id) {
                    member.synced = true;
                }
                self.end_syncs_if_all_came();
                if let Some(member) = self.group.members.get(&request.member_id) {
                    let answer = self.group.sync_answer(member);
                    self.out.sync(to, answer);
                }
                Ok(())
            }
        }
    }

    fn sync_while_completing(&mut self, request: &SyncRequest, to: Ticket) {
        if let Some(member) = self.group.members.get_mut(&request.member_id) {
            member.synced = true;
            if let Some(ticket) = member.sync.replace(to) {
                self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
            }
        }
        self.end_syncs_if_all_came();
        let generation = self.group.generation;
        let is_being_stored = self.group.storing.values().any(
            |after| matches!(after, AfterStore::HandOutAssignment { generation: stored } if *stored == generation),
        );
        if self.group.is_leader(&request.member_id) && !is_being_stored {
            let mut shares: HashMap<&str, &Bytes> =
                request.assignments.iter().map(|(member_id, share)| (member_id.as_str(), share)).collect();
            for member in self.group.members.values_mut() {
                member.assignment = shares.remove(member.id.as_str()).cloned().unwrap_or_default();
            }
            // The record describes the group as it will be once the record is durable.
            self.store(AfterStore::HandOutAssignment { generation });
        }
    }

    fn end_syncs_if_all_came(&mut self) {
        if self.group.members.values().all(|member| member.synced) {
            self.group.syncs_close = None;
        }
    }

    fn stored(&mut self, store: u64, durable: bool) {
        match self.group.storing.remove(&store) {
            None | Some(AfterStore::Nothing) => {}
            Some(AfterStore::AnswerStaticJoin { to, mut answer }) => {
                if !durable {
                    *answer = JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, "");
                }
                self.out.join(to, *answer);
            }
            Some(AfterStore::HandOutAssignment { generation }) => {
                if self.group.state != GroupState::CompletingRebalance || self.group.generation != generation {
                    // Another rebalance has begun; who waited has been told.
                    return;
                }
                if durable {
                    self.group.set_state(GroupState::Stable, self.wall_ms);
                }
                let waiting: Vec<(String, Ticket)> = self
                    .group
                    .members
                    .values_mut()
                    .filter_map(|member| member.sync.take().map(|ticket| (member.id.clone(), ticket)))
                    .collect();
                for (member_id, ticket) in waiting {
                    self.restart_session(&member_id);
                    let answer = match self.group.members.get(&member_id) {
                        Some(member) if durable => self.group.sync_answer(member),
                        _ => SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE),
                    };
                    self.out.sync(ticket, answer);
                }
                if !durable {
                    self.rebalance();
                }
            }
        }
    }

    fn leave(&mut self, who: &Leaving) -> ErrorCode {
        let member_id = match &who.instance_id {
            Some(instance) => match self.group.static_members.get(instance) {
                None => return ErrorCode::UNKNOWN_MEMBER_ID,
                Some(current) if !who.member_id.is_empty() && *current != who.member_id => {
                    return ErrorCode::FENCED_INSTANCE_ID;
                }
                Some(current) => current.clone(),
            },
            None => who.member_id.clone(),
        };
        if self.group.pending.remove(&member_id).is_some() {
            return ErrorCode::NONE;
        }
        if !self.group.members.contains_key(&member_id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
        ErrorCode::NONE
    }

    /// Takes a member out and rebalances the rest.
    fn remove(&mut self, member_id: &str, parked_error: ErrorCode) {
        let Some(member) = self.group.take_member(member_id) else { return };
        if let Some(ticket) = member.join {
            self.out.join(ticket, JoinAnswer::error(parked_error, member_id));
        }
        if let Some(ticket) = member.sync {
            self.out.sync(ticket, SyncAnswer::error(parked_error));
        }
        if self.group.members.is_empty() {
            // Nobody is left to wait for, not even in the first rebalance's delay.
            self.group.initial_delay = None;
        }
        self.rebalance();
    }

    fn expire(&mut self) {
        let now = self.now;
        self.group.pending.retain(|_, forgotten_at| now < *forgotten_at);
        let ended: Vec<String> = self
            .group
            .in_order()
            .into_iter()
            .filter(|member| !member.is_parked() && member.session_ends <= now)
            .map(|member| member.id.clone())
            .collect();
        for member_id in ended {
            self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.group.joins_close.is_some_and(|at| at <= now) {
            self.joins_closed();
        }
        if self.group.syncs_close.is_some_and(|at| at <= now) {
            self.group.syncs_close = None;
            let late: Vec<String> = self
                .group
                .in_order()
                .into_iter()
                .filter(|member| !member.synced)
                .map(|member| member.id.clone())
                .collect();
            for member_id in late {
                self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        }
    }

    fn joins_closed(&mut self) {
        if let Some(delay) = self.group.initial_delay
            && delay.arrivals
            && 0 < delay.remaining_ms
        {
            let next_ms = self.settings.initial_delay_ms.min(delay.remaining_ms);
            self.group.initial_delay =
                Some(InitialDelay { remaining_ms: delay.remaining_ms - next_ms, arrivals: false });
            self.group.joins_close = Some(self.now.plus_ms(next_ms));
            return;
        }
        self.complete_joins();
    }
}
