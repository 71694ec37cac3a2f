//! The group coordinator as a state machine: requests and the time go in, answers and records to write come out. Nothing
//! here reads a clock, draws a random number or touches a file. A request that must wait leaves its [`Ticket`] behind,
//! and a later [`Action`] answers it.
//!
//! A [`group`] is of the [`classic`] or of the [`consumer`] protocol, and turns into the other when its members do.
//! [`commits`], [`deletion`] and [`describe`] concern offsets and names of both; [`transactional`] offsets whose
//! transactions are open.

mod action;
mod assignor;
mod classic;
mod commits;
mod connections;
mod consumer;
mod deletion;
mod describe;
mod group;
mod messages;
mod presence;
#[cfg(test)]
mod tests;
mod topology;
mod transactional;

use std::collections::{BTreeSet, HashMap};

use millstream_wire::error_code::ErrorCode;

use self::{
    action::Outbox,
    classic::Step,
    connections::Speaker,
    consumer::{AfterAppend, ConsumerGroup, Moment},
    group::{Group, Protocol as Members},
    transactional::TransactionalOffsets,
};
pub use self::{
    action::{Action, Ticket},
    assignor::Assignor,
    commits::{CommitPermit, CommitTo},
    consumer::{
        ConsumerGroupDescription, ConsumerMemberDescription, HeartbeatAnswer, HeartbeatRequest, LoadedConsumerGroup,
        Refused,
    },
    describe::{Described, ListedGroup},
    messages::{
        Committer, GroupDescription, JoinAnswer, JoinRequest, Leaving, MemberDescription, Protocol, SyncAnswer,
        SyncRequest,
    },
    presence::ConnectionId,
    topology::Topology,
    transactional::HeldCommit,
};
use super::{
    offsets::CommittedOffset,
    records::{RecordKey, StoredGroup},
};
use crate::{clock::Tick, config::group::ConsumerTimes};

/// Which protocol a group of consumers may change to while its members run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MigrationPolicy {
    /// Neither.
    Disabled,
    /// To the consumer protocol.
    Upgrade,
    /// To the classic protocol.
    Downgrade,
    /// Both.
    Bidirectional,
}

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
    /// How long a member has to come back whose connection broke off; `None` for as long as its session lasts.
    pub disconnect_grace_ms: Option<i32>,
    /// The same in groups of Kafka Connect's workers.
    pub connect_disconnect_grace_ms: Option<i32>,
    /// How long offsets outlive the group's last member, or the commit.
    pub offset_retention_ms: i64,
    /// Times under the consumer protocol.
    pub consumer_times: ConsumerTimes,
    /// Most members of a group under the consumer protocol.
    pub consumer_max_size: usize,
    /// In the order of preference where no member says; not empty.
    pub consumer_assignors: Vec<Assignor>,
    /// Which protocol a group may change to.
    pub consumer_migration: MigrationPolicy,
}

impl Default for Settings {
    /// Kafka's own, and ours where Kafka has none.
    fn default() -> Self {
        Self {
            min_session_ms: 6_000,
            max_session_ms: 1_800_000,
            initial_delay_ms: 3_000,
            max_size: usize::MAX,
            disconnect_grace_ms: None,
            connect_disconnect_grace_ms: Some(1_000),
            offset_retention_ms: 10_080 * 60_000,
            consumer_times: ConsumerTimes { session_ms: 45_000, heartbeat_ms: 5_000, assignment_interval_ms: 1_000 },
            consumer_max_size: usize::MAX,
            consumer_assignors: Assignor::ALL.to_vec(),
            consumer_migration: MigrationPolicy::Bidirectional,
        }
    }
}

/// All groups.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    /// The same for groups that have times of their own.
    own: HashMap<String, Settings>,
    groups: HashMap<String, Group>,
    /// When each group wants to be looked at; may be early, never late.
    agenda: BTreeSet<(Tick, String)>,
    on_agenda: HashMap<String, Tick>,
    /// Offsets whose transactions are open.
    held: TransactionalOffsets,
    /// Open connections on which members have spoken.
    speakers: HashMap<ConnectionId, Speaker>,
    next_id: u64,
}

impl Coordinator {
    /// No groups yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            own: HashMap::new(),
            groups: HashMap::new(),
            agenda: BTreeSet::new(),
            on_agenda: HashMap::new(),
            held: TransactionalOffsets::default(),
            speakers: HashMap::new(),
            next_id: 0,
        }
    }

    /// These times hold for a group from its next heartbeat on, whether it exists or not.
    pub fn configure(&mut self, group_id: &str, times: ConsumerTimes) {
        if times == self.settings.consumer_times {
            self.own.remove(group_id);
        } else {
            self.own.insert(group_id.to_owned(), Settings { consumer_times: times, ..self.settings.clone() });
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
            let settings = self.own.get(group_id).unwrap_or(&self.settings);
            event(group, settings, &mut Outbox { actions: &mut actions, next_id: &mut self.next_id });
            if group.committing.is_empty() {
                group.offsets.settle();
            }
            if group.is_nothing() {
                self.groups.remove(group_id);
            }
        }
        self.reschedule(group_id);
        actions
    }

    /// Runs an event on a group of the classic protocol.
    fn on_classic(
        &mut self,
        now: Tick,
        wall_ms: i64,
        group_id: &str,
        event: impl FnOnce(&mut Step<'_, '_>),
    ) -> Vec<Action> {
        self.on_group(group_id, |group, settings, out| {
            if let Some(group) = group.classic_mut() {
                event(&mut Step { group, settings, now, wall_ms, out });
            }
        })
    }

    /// Runs an event on a group of the consumer protocol, and hands over what has changed; the event's answers wait for
    /// that. A group that nobody of the consumer protocol is in any more turns classic.
    fn on_consumer(
        &mut self,
        moment: Times<'_>,
        group_id: &str,
        event: impl FnOnce(&mut ConsumerGroup, &Moment<'_>) -> Vec<AfterAppend>,
    ) -> Vec<Action> {
        self.on_group(group_id, |group, settings, out| {
            let moment = &Moment { now: moment.now, wall_ms: moment.wall_ms, settings, topics: moment.topics };
            let Some(consumer) = group.consumer_mut() else { return };
            let answers = event(consumer, moment);
            if consumer.is_to_be_classic(moment) {
                turn_classic(group, answers, moment, out);
            } else {
                hand_over(group, answers, out);
            }
        })
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
    pub fn join(&mut self, times: Times<'_>, request: &JoinRequest, to: Ticket) -> Vec<Action> {
        let actions = self.begin_join(times, request, to);
        let id = if request.member_id.is_empty() { &request.new_member_id } else { &request.member_id };
        self.heard_of(times.via, &request.group, id);
        actions
    }

    fn begin_join(&mut self, times: Times<'_>, request: &JoinRequest, to: Ticket) -> Vec<Action> {
        let refuse = |error, id: &str| vec![Action::AnswerJoin { to, answer: JoinAnswer::error(error, id) }];
        if request.group.is_empty() {
            return refuse(ErrorCode::INVALID_GROUP_ID, &request.member_id);
        }
        if !(self.settings.min_session_ms..=self.settings.max_session_ms).contains(&request.session_timeout_ms) {
            return refuse(ErrorCode::INVALID_SESSION_TIMEOUT, &request.member_id);
        }
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, &request.member_id);
        }
        if !self.groups.contains_key(&request.group) {
            if !request.member_id.is_empty() {
                return refuse(ErrorCode::UNKNOWN_MEMBER_ID, &request.member_id);
            }
            let incarnation = self.fresh_id();
            self.groups.insert(request.group.clone(), Group::new(&request.group, incarnation, times.wall_ms));
        }
        let Some(group) = self.groups.get_mut(&request.group) else { return Vec::new() };
        if group.is_being_deleted() {
            return refuse(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, &request.member_id);
        }
        let mut actions = Vec::new();
        if let Members::Consumer(consumer) = &group.protocol {
            if !consumer.is_empty() {
                return self.on_consumer(times, &request.group, |group, moment| {
                    match group.classic_join(request, moment) {
                        Ok(answer) => vec![AfterAppend::Join(to, answer)],
                        Err(error) => {
                            let answer = JoinAnswer::error(error, &request.member_id);
                            vec![AfterAppend::Join(to, answer)]
                        }
                    }
                });
            }
            // Nobody is in it: it may be of the other protocol as well.
            let keys = consumer.keys();
            self.next_id += 1;
            let records = keys.iter().map(|key| (key.encode(), None)).collect();
            actions.push(Action::Append { group: request.group.clone(), append: self.next_id, records });
            let mut classic = classic::ClassicGroup::new(&request.group, times.wall_ms);
            classic.deleting.insert(self.next_id, keys);
            group.protocol = Members::Classic(Box::new(classic));
        }
        actions.extend(self.on_classic(times.now, times.wall_ms, &request.group, |step| {
            if let Err(error) = step.join(request, to) {
                step.out.join(to, JoinAnswer::error(error, &request.member_id));
            }
        }));
        actions
    }

    /// A SyncGroup request arrives.
    pub fn sync(&mut self, times: Times<'_>, request: &SyncRequest, to: Ticket) -> Vec<Action> {
        let refuse = |error| vec![Action::AnswerSync { to, answer: SyncAnswer::error(error) }];
        if request.group.is_empty() {
            return refuse(ErrorCode::INVALID_GROUP_ID);
        }
        self.heard_of(times.via, &request.group, &request.member_id);
        match self.groups.get(&request.group).map(|group| &group.protocol) {
            None => refuse(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Members::Classic(_)) => self.on_classic(times.now, times.wall_ms, &request.group, |step| {
                if let Err(error) = step.sync(request, to) {
                    step.out.sync(to, SyncAnswer::error(error));
                }
            }),
            Some(Members::Consumer(_)) => self.on_consumer(times, &request.group, |group, moment| {
                let answer = group.classic_sync(request, moment).unwrap_or_else(SyncAnswer::error);
                vec![AfterAppend::Sync(to, answer)]
            }),
        }
    }

    /// A Heartbeat request arrives. Writes nothing: it only prolongs a session.
    pub fn heartbeat(
        &mut self,
        times: Times<'_>,
        group_id: &str,
        generation: i32,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> ErrorCode {
        if group_id.is_empty() {
            return ErrorCode::INVALID_GROUP_ID;
        }
        self.heard_of(times.via, group_id, member_id);
        let Some(group) = self.groups.get_mut(group_id) else { return ErrorCode::UNKNOWN_MEMBER_ID };
        // The agenda may now be early, which costs one look and nothing else.
        match &mut group.protocol {
            Members::Classic(classic) => classic.heartbeat(times.now, generation, member_id, instance_id),
            Members::Consumer(consumer) => {
                let settings = self.own.get(group_id).unwrap_or(&self.settings);
                let moment = Moment { now: times.now, wall_ms: times.wall_ms, settings, topics: times.topics };
                let code = consumer.classic_heartbeat(generation, member_id, instance_id, &moment);
                self.reschedule(group_id);
                code
            }
        }
    }

    /// A ConsumerGroupHeartbeat request arrives.
    pub fn consumer_heartbeat(&mut self, times: Times<'_>, request: &HeartbeatRequest, to: Ticket) -> Vec<Action> {
        let refuse = |refused| vec![Action::AnswerHeartbeat { to, answer: Err(refused) }];
        let checked = request.check().and_then(|()| request.check_assignor(&self.settings.consumer_assignors));
        if let Err(refused) = checked.and_then(|()| self.make_consumer(times, request)) {
            return refuse(refused);
        }
        let actions = self.on_consumer(times, &request.group, |group, moment| {
            let answer =
                if request.epoch < 0 { group.leave(request, moment) } else { group.heartbeat(request, moment) };
            vec![AfterAppend::Heartbeat(to, answer)]
        });
        let id = if request.member_id.is_empty() { &request.new_member_id } else { &request.member_id };
        self.heard_of(times.via, &request.group, id);
        actions
    }

    /// Sees to it that there is a group of the consumer protocol for a heartbeat, if it may make one or turn one into one.
    fn make_consumer(&mut self, times: Times<'_>, request: &HeartbeatRequest) -> Result<(), Refused> {
        let (id, joins) = (&request.group, request.epoch == 0);
        let not_found = |message: String| Err(Refused::new(ErrorCode::GROUP_ID_NOT_FOUND, message));
        let settings = self.own.get(id).unwrap_or(&self.settings);
        let moment = &Moment { now: times.now, wall_ms: times.wall_ms, settings, topics: times.topics };
        let mut made = match self.groups.get(id) {
            Some(group) if group.is_being_deleted() => {
                let message = format!("Group {id} is being deleted.");
                return Err(Refused::new(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, message));
            }
            Some(Group { protocol: Members::Consumer(_), .. }) => return Ok(()),
            Some(_) if !joins => return not_found(format!("Group {id} is not a consumer group.")),
            None if request.epoch < 0 => return not_found(format!("Group {id} not found.")),
            None if !joins => return not_found(format!("Consumer group {id} not found.")),
            None => ConsumerGroup::new(id),
            Some(group) => match group.classic() {
                Some(classic) if !group.is_empty() => ConsumerGroup::from_classic(classic, moment)?,
                _ => {
                    let mut made = ConsumerGroup::new(id);
                    made.takes_place_of_classic();
                    made
                }
            },
        };
        if let Some(classic) = self.groups.get(id).and_then(Group::classic) {
            made.deletes_first(classic.undeleted());
        }
        // Only if the heartbeat is taken: otherwise the group stays what it is.
        made.would_take(request, moment)?;
        let incarnation = self.fresh_id();
        let group = self.groups.entry(id.clone()).or_insert_with(|| Group::new(id, incarnation, times.wall_ms));
        if let Members::Classic(classic) = std::mem::replace(&mut group.protocol, Members::Consumer(Box::new(made))) {
            for waiting in classic.into_waiting() {
                group.waiting.entry(0).or_default().push(waiting);
            }
        }
        Ok(())
    }

    /// A LeaveGroup request arrives: one verdict for each that leaves, in their order.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn leave(
        &mut self,
        times: Times<'_>,
        group_id: &str,
        leaving: &[Leaving],
    ) -> Result<(Vec<ErrorCode>, Vec<Action>), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let mut verdicts = Vec::with_capacity(leaving.len());
        let actions = match self.groups.get(group_id).map(|group| &group.protocol) {
            None => return Ok((vec![ErrorCode::UNKNOWN_MEMBER_ID; leaving.len()], Vec::new())),
            Some(Members::Classic(_)) => self.on_classic(times.now, times.wall_ms, group_id, |step| {
                verdicts.extend(leaving.iter().map(|who| step.leave(who)));
            }),
            Some(Members::Consumer(_)) => self.on_consumer(times, group_id, |group, moment| {
                verdicts = group.classic_leave(leaving, moment);
                Vec::new()
            }),
        };
        Ok((verdicts, actions))
    }

    /// The records of a [`Action::Append`] are durable, or could not be written.
    pub fn appended(&mut self, group_id: &str, append: u64, durable: bool) -> Vec<Action> {
        self.on_group(group_id, |group, _, out| {
            match &mut group.protocol {
                Members::Classic(classic) => classic.deleted(append, durable),
                Members::Consumer(consumer) => consumer.appended(append, durable),
            }
            for answer in group.waiting.remove(&append).unwrap_or_default() {
                out.actions.push(if durable { answer.into_action() } else { answer.into_failure() });
            }
        })
    }

    /// The metadata of a [`Action::Store`] is durable, or could not be written.
    pub fn stored(&mut self, now: Tick, wall_ms: i64, group_id: &str, store: u64, durable: bool) -> Vec<Action> {
        self.on_classic(now, wall_ms, group_id, |step| step.stored(store, durable))
    }

    /// Time has passed: sessions, pending ids and rebalances end.
    pub fn tick(&mut self, times: Times<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((at, group_id)) = self.agenda.first().cloned() {
            if times.now < at {
                break;
            }
            actions.extend(self.on_classic(times.now, times.wall_ms, &group_id, |step| step.expire()));
            actions.extend(self.on_consumer(times, &group_id, |group, moment| {
                group.expire(moment);
                Vec::new()
            }));
            if self.on_agenda.get(&group_id) == Some(&at) {
                // An event that leaves the deadline where it was would be looked at forever.
                self.agenda.remove(&(at, group_id.clone()));
                self.on_agenda.remove(&group_id);
            }
        }
        actions
    }

    /// Puts a classic group found on disk in place. Members for which `died` holds are removed as if their
    /// sessions had ended.
    pub fn load_group(
        &mut self,
        now: Tick,
        wall_ms: i64,
        group_id: &str,
        stored: StoredGroup,
        died: impl Fn(&str) -> bool,
    ) -> Vec<Action> {
        let classic = classic::ClassicGroup::restore(group_id, stored, now);
        let members = classic.in_order();
        let dead = members.iter().filter(|member| died(&member.client_host)).map(|member| member.id.clone());
        let dead: Vec<String> = dead.collect();
        self.put_in_place(group_id, Members::Classic(Box::new(classic)));
        self.on_classic(now, wall_ms, group_id, |step| {
            for member_id in dead {
                step.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        })
    }

    /// Puts a group of the consumer protocol found on disk in place. Members for which `died` holds are removed as if
    /// their sessions had ended.
    pub fn load_consumer_group(
        &mut self,
        times: Times<'_>,
        group_id: &str,
        loaded: LoadedConsumerGroup,
        died: impl Fn(&str) -> bool,
    ) -> Vec<Action> {
        let session_ms = self.own.get(group_id).unwrap_or(&self.settings).consumer_times.session_ms;
        let group = ConsumerGroup::restore(group_id, loaded, times.now, session_ms);
        self.put_in_place(group_id, Members::Consumer(Box::new(group)));
        self.on_consumer(times, group_id, |group, moment| {
            group.remove_hosts(died, moment);
            Vec::new()
        })
    }

    fn put_in_place(&mut self, group_id: &str, protocol: Members) {
        let incarnation = self.fresh_id();
        let offsets = self.groups.remove(group_id).map(|known| known.offsets).unwrap_or_default();
        let group = Group { offsets, ..Group::with(group_id, incarnation, protocol) };
        self.groups.insert(group_id.to_owned(), group);
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

/// When something happens, with which topics, and upon whose request.
#[derive(Clone, Copy)]
pub struct Times<'a> {
    /// On the clock that never steps.
    pub now: Tick,
    /// Wall-clock milliseconds.
    pub wall_ms: i64,
    /// The topics at this moment.
    pub topics: &'a dyn Topology,
    /// The connection that a request came on.
    pub via: Option<ConnectionId>,
}

/// Hands over what has changed of a group of the consumer protocol; the answers wait for that. Where nothing has, they
/// wait for what is on its way: they tell of it, too.
fn hand_over(group: &mut Group, mut answers: Vec<AfterAppend>, out: &mut Outbox<'_>) {
    let append = out.fresh_id();
    let Some(consumer) = group.consumer_mut() else { return };
    let records = consumer.take_records(append);
    // Those that waited for something of the classic group that this one was.
    answers.extend(group.waiting.remove(&0).unwrap_or_default());
    if records.is_empty() {
        match group.waiting.last_entry() {
            Some(mut last) => last.get_mut().extend(answers),
            None => out.actions.extend(answers.into_iter().map(AfterAppend::into_action)),
        }
        return;
    }
    group.waiting.insert(append, answers);
    out.actions.push(Action::Append { group: group.id.clone(), append, records });
}

/// Turns a group of the consumer protocol into a classic one: the records of the one are deleted, that of the other is
/// written, and the answers wait for that.
fn turn_classic(group: &mut Group, answers: Vec<AfterAppend>, moment: &Moment<'_>, out: &mut Outbox<'_>) {
    let Members::Consumer(consumer) = &group.protocol else { return };
    let mut classic = consumer.to_classic(moment);
    let is_stale = consumer.is_target_stale();
    let keys = consumer.keys();
    let mut records: Vec<consumer::Record> = keys.iter().map(|key| (key.encode(), None)).collect();
    let key = RecordKey::Group { group: group.id.clone() };
    records.push((key.encode(), Some(classic.to_stored().encode())));
    let append = out.fresh_id();
    classic.deleting.insert(append, keys);
    group.protocol = Members::Classic(Box::new(classic));
    group.waiting.insert(append, answers);
    out.actions.push(Action::Append { group: group.id.clone(), append, records });
    let (now, wall_ms, settings) = (moment.now, moment.wall_ms, moment.settings);
    if let Some(group) = group.classic_mut()
        && is_stale
    {
        Step { group, settings, now, wall_ms, out }.rebalance();
    }
}
