//! One group of the classic protocol: its members, the vote on their protocol, and what its metadata record holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;

use crate::{
    clock::Tick,
    groups::{
        consumer_protocol,
        coordinator::{
            action::Ticket,
            consumer::AfterAppend,
            messages::{GroupState, JoinAnswer, JoinRequest, JoinedMember, Protocol, SyncAnswer},
            presence::Presence,
        },
        records::{RecordKey, StoredGroup, StoredMember},
    },
};

/// A member of a group.
#[derive(Clone, Debug)]
pub(in crate::groups::coordinator) struct Member {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// Its JoinGroup that waits for an answer.
    pub join: Option<Ticket>,
    /// Its SyncGroup that waits for an answer.
    pub sync: Option<Ticket>,
    /// Whether it has asked for the assignment of this generation.
    pub synced: bool,
    /// When its session ends, unless a request of its is parked.
    pub session_ends: Tick,
    /// Whether its client is there.
    pub presence: Presence,
    /// Members are listed, and leaders elected, in the order of joining.
    pub order: u64,
}

impl Member {
    pub fn is_parked(&self) -> bool {
        self.join.is_some() || self.sync.is_some()
    }

    pub fn restart_session(&mut self, now: Tick) {
        self.session_ends = now.plus_ms(self.session_timeout_ms);
    }

    /// When it is given up unless something of it is heard. While a request of its is parked its session does not end.
    pub fn ends_at(&self) -> Option<Tick> {
        let session_ends = (!self.is_parked()).then_some(self.session_ends);
        self.presence.given_up_at().into_iter().chain(session_ends).min()
    }

    pub fn metadata_for(&self, protocol: Option<&str>) -> Bytes {
        let offered = self.protocols.iter().find(|offer| Some(offer.name.as_str()) == protocol);
        offered.map(|offer| offer.metadata.clone()).unwrap_or_default()
    }
}

/// The time a group's first rebalance waits for more members.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups::coordinator) struct InitialDelay {
    /// How much longer arrivals may extend it.
    pub remaining_ms: i32,
    /// Whether somebody joined since the last extension.
    pub arrivals: bool,
}

/// What happens once a metadata record is on disk.
#[derive(Clone, Debug)]
pub(in crate::groups::coordinator) enum AfterStore {
    /// The assignment of this generation is handed out.
    HandOutAssignment { generation: i32 },
    /// The successor of a static member is told its new id, or gives way to the one it has replaced.
    AnswerStaticJoin { to: Ticket, answer: Box<JoinAnswer>, replaced: Box<Member> },
    /// Nobody waits.
    Nothing,
}

/// One group of the classic protocol.
#[derive(Debug)]
pub(in crate::groups::coordinator) struct ClassicGroup {
    pub id: String,
    pub state: GroupState,
    pub state_since_ms: i64,
    pub protocol_type: Option<String>,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub members: HashMap<String, Member>,
    pub static_members: HashMap<String, String>,
    /// Ids given out with MEMBER_ID_REQUIRED, and when each is forgotten.
    pub pending: HashMap<String, Tick>,
    /// When collecting joins ends.
    pub joins_close: Option<Tick>,
    pub initial_delay: Option<InitialDelay>,
    /// When members that have not asked for their assignment are expelled.
    pub syncs_close: Option<Tick>,
    pub storing: BTreeMap<u64, AfterStore>,
    /// Records of the consumer group that it was, whose deletion could not be written: it goes with what is written next.
    pub undeleted: Vec<RecordKey>,
    /// Such deletions that are on their way to the disk.
    pub deleting: BTreeMap<u64, Vec<RecordKey>>,
    pub next_order: u64,
    /// Topics that members subscribed to when its generation began; `None` where that is not known.
    subscribed: Option<HashSet<String>>,
}

impl ClassicGroup {
    pub fn new(id: &str, wall_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            state: GroupState::Empty,
            state_since_ms: wall_ms,
            protocol_type: None,
            generation: 0,
            protocol: None,
            leader: None,
            members: HashMap::new(),
            static_members: HashMap::new(),
            pending: HashMap::new(),
            joins_close: None,
            initial_delay: None,
            syncs_close: None,
            storing: BTreeMap::new(),
            undeleted: Vec::new(),
            deleting: BTreeMap::new(),
            next_order: 0,
            subscribed: None,
        }
    }

    /// Whether nobody is a member or about to be one, and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.state == GroupState::Empty && self.members.is_empty() && self.pending.is_empty() && self.storing.is_empty()
    }

    /// Whether nothing of the group's own was ever written.
    pub fn is_unwritten(&self) -> bool {
        let owes_nothing = self.undeleted.is_empty() && self.deleting.is_empty();
        self.generation == 0 && self.protocol_type.is_none() && owes_nothing
    }

    /// Deletions are on disk, or could not be written, upon which they are to be written again.
    pub fn deleted(&mut self, append: u64, durable: bool) {
        if let Some(keys) = self.deleting.remove(&append)
            && !durable
        {
            self.undeleted.extend(keys);
        }
    }

    /// Records of the consumer group that it was, which may be on disk.
    pub fn undeleted(&self) -> impl Iterator<Item = &RecordKey> {
        self.undeleted.iter().chain(self.deleting.values().flatten())
    }

    pub fn set_state(&mut self, state: GroupState, wall_ms: i64) {
        if self.state != state {
            self.state = state;
            self.state_since_ms = wall_ms;
        }
    }

    /// Members in the order they joined.
    pub fn in_order(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_by_key(|member| member.order);
        members
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Names that every member offers.
    pub fn candidates(&self) -> HashSet<&str> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for member in self.members.values() {
            let names: HashSet<&str> = member.protocols.iter().map(|offer| offer.name.as_str()).collect();
            for name in names {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts.into_iter().filter(|&(_, count)| count == self.members.len()).map(|(name, _)| name).collect()
    }

    /// Whether somebody with these protocols can take part.
    pub fn accepts(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        if self.state == GroupState::Empty {
            return true;
        }
        // All have gone, and somebody who was given an id is waited for: the group is still of its type.
        let candidates = self.candidates();
        self.protocol_type.as_deref() == Some(protocol_type)
            && (self.members.is_empty() || protocols.iter().any(|offer| candidates.contains(offer.name.as_str())))
    }

    /// The protocol with most votes: each member votes for the first of its list that all offer.
    /// Equal votes go to the one that the longest-standing member prefers.
    pub fn elect_protocol(&self) -> Option<String> {
        let candidates = self.candidates();
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in self.in_order() {
            let vote = member.protocols.iter().map(|offer| offer.name.as_str()).find(|name| candidates.contains(name));
            let Some(name) = vote else { continue };
            match votes.iter_mut().find(|(voted, _)| *voted == name) {
                Some((_, count)) => *count += 1,
                None => votes.push((name, 1)),
            }
        }
        let most = votes.iter().map(|&(_, count)| count).max()?;
        votes.into_iter().find(|&(_, count)| count == most).map(|(name, _)| name.to_owned())
    }

    pub fn add_member(&mut self, id: String, request: &JoinRequest, now: Tick) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(instance) = &request.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        let order = self.next_order;
        self.next_order += 1;
        let mut member = Member {
            id: id.clone(),
            instance_id: request.instance_id.clone(),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            join: None,
            sync: None,
            synced: false,
            session_ends: now,
            presence: Presence::default(),
            order,
        };
        member.restart_session(now);
        self.pending.remove(&id);
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
    }

    /// Takes a member out; the caller answers what it had parked.
    pub fn take_member(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance_id
            && self.static_members.get(instance).is_some_and(|current| current == id)
        {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            // The longest-standing member that has re-joined, or else the longest-standing one.
            let heir = self.in_order().into_iter().min_by_key(|member| (member.join.is_none(), member.order));
            self.leader = heir.map(|member| member.id.clone());
        }
        Some(member)
    }

    /// The answer that tells a member where the group stands.
    pub fn join_answer(&self, member_id: &str) -> JoinAnswer {
        let members = if self.is_leader(member_id) { self.member_list() } else { Vec::new() };
        JoinAnswer {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members,
        }
    }

    pub fn member_list(&self) -> Vec<JoinedMember> {
        let joined = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata_for(self.protocol.as_deref()),
        };
        self.in_order().into_iter().map(joined).collect()
    }

    pub fn sync_answer(&self, member: &Member) -> SyncAnswer {
        SyncAnswer {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.assignment.clone(),
        }
    }

    /// What the group's metadata record holds at this moment.
    pub fn to_stored(&self) -> StoredGroup {
        let stored = |member: &Member| StoredMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata_for(self.protocol.as_deref()),
            assignment: member.assignment.clone(),
        };
        StoredGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: self.in_order().into_iter().map(stored).collect(),
        }
    }

    /// A group as its metadata record describes it, every session starting anew at `now`.
    pub fn restore(id: &str, stored: StoredGroup, now: Tick) -> Self {
        let mut group = Self::new(id, stored.state_since_ms);
        group.protocol_type = (!stored.protocol_type.is_empty()).then_some(stored.protocol_type);
        group.generation = stored.generation;
        group.protocol = stored.protocol;
        group.leader = stored.leader;
        group.state = if stored.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        for member in stored.members {
            let order = group.next_order;
            group.next_order += 1;
            if let Some(instance) = &member.instance_id {
                group.static_members.insert(instance.clone(), member.member_id.clone());
            }
            let protocols = group
                .protocol
                .iter()
                .map(|name| Protocol { name: name.clone(), metadata: member.subscription.clone() })
                .collect();
            let mut restored = Member {
                id: member.member_id.clone(),
                instance_id: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols,
                assignment: member.assignment,
                join: None,
                sync: None,
                synced: true,
                session_ends: now,
                presence: Presence::default(),
                order,
            };
            restored.restart_session(now);
            group.members.insert(member.member_id, restored);
        }
        group.note_subscriptions();
        group
    }

    /// The next moment at which time alone changes something.
    pub fn next_deadline(&self) -> Option<Tick> {
        let ends = self.members.values().filter_map(Member::ends_at);
        let pending = self.pending.values().copied();
        ends.chain(pending).chain(self.joins_close).chain(self.syncs_close).min()
    }

    /// Whether its members are consumers, whose subscriptions can be read.
    pub fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some("consumer")
    }

    /// Notes what its members subscribe to, as a generation begins: whoever joins meanwhile counts from the next one on.
    pub fn note_subscriptions(&mut self) {
        let read = |member: &Member| consumer_protocol::topics(&member.metadata_for(self.protocol.as_deref()));
        let topics = self.is_of_consumers().then(|| self.members.values().map(read).collect::<Option<Vec<_>>>());
        self.subscribed = topics.flatten().map(|topics| topics.into_iter().flatten().collect());
    }

    /// Whether its members subscribe to a topic. Consumers of whom that is not known may.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or_else(|| self.is_of_consumers(), |topics| topics.contains(topic))
    }

    /// A Heartbeat request: prolongs a session.
    pub fn heartbeat(&mut self, now: Tick, generation: i32, member_id: &str, instance_id: Option<&str>) -> ErrorCode {
        if let Err(error) = self.check_member(member_id, instance_id) {
            return error;
        }
        if generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        if let Some(member) = self.members.get_mut(member_id) {
            member.restart_session(now);
        }
        match self.state {
            GroupState::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            GroupState::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::NONE,
        }
    }

    /// The group turns into one of the consumer protocol: who waits is told to join again.
    pub fn into_waiting(self) -> Vec<AfterAppend> {
        let again = ErrorCode::REBALANCE_IN_PROGRESS;
        let mut waiting = Vec::new();
        for member in self.members.into_values() {
            waiting.extend(member.join.map(|to| AfterAppend::Join(to, JoinAnswer::error(again, &member.id))));
            waiting.extend(member.sync.map(|to| AfterAppend::Sync(to, SyncAnswer::error(again))));
        }
        for after in self.storing.into_values() {
            if let AfterStore::AnswerStaticJoin { to, answer, .. } = after {
                waiting.push(AfterAppend::Join(to, JoinAnswer::error(again, &answer.member_id)));
            }
        }
        waiting
    }

    /// Whether the id is a member's, and the instance id, where given, is its own.
    pub fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance_id {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if current != member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }
}
