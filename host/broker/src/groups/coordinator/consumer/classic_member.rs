//! Members of a consumer group that speak the classic protocol: each joins, syncs and sends heartbeats by itself, and is
//! told to join again whenever it has a step to take.

use millstream_wire::error_code::ErrorCode;

use super::{
    ConsumerGroup, Moment,
    heartbeat::fenced_instance,
    member::{ClassicSide, ConsumerMember, MemberState},
};
use crate::groups::{
    consumer_protocol::{self, Subscription},
    coordinator::{
        messages::{JoinAnswer, JoinRequest, Leaving, SyncAnswer, SyncRequest},
        topology::Topology,
    },
    records::Partitions,
};

/// The protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";

impl ConsumerGroup {
    /// A JoinGroup request, which is answered when its records are on disk.
    pub fn classic_join(&mut self, request: &JoinRequest, moment: &Moment<'_>) -> Result<JoinAnswer, ErrorCode> {
        let is_unknown = request.member_id.is_empty();
        let id = if is_unknown { &request.new_member_id } else { &request.member_id };
        if moment.settings.consumer_max_size <= self.members.len() && !self.members.contains_key(id) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.supports(request) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if is_unknown && request.instance_id.is_none() && request.require_known_member {
            return Ok(JoinAnswer::error(ErrorCode::MEMBER_ID_REQUIRED, id));
        }
        let subscription = request.protocols.first().and_then(|offer| Subscription::read(&offer.metadata));
        let subscription = subscription.ok_or(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)?;
        let (mut member, displaced) = self.find_classic(id, is_unknown, request)?;
        let before = self.members.get(displaced.as_ref().unwrap_or(&member.id)).cloned();
        take_over(&mut member, request, &subscription);
        let subscription_changed =
            self.subscribe(member, before.as_ref(), displaced.as_deref(), moment).map_err(|refused| refused.code)?;
        self.compute_target(moment);
        let mut member = self.member(id).map_err(|refused| refused.code)?.clone();
        let owned = by_id(&subscription.owned, moment.topics);
        self.reconcile(&mut member, subscription_changed, Some(&owned), moment).map_err(|refused| refused.code)?;
        member.session_ends = moment.now.plus_ms(request.session_timeout_ms);
        member.join_by = None;
        member.sync_by = Some(moment.now.plus_ms(request.rebalance_timeout_ms));
        let answer = JoinAnswer {
            error: ErrorCode::NONE,
            generation: member.epoch,
            protocol_type: Some(CONSUMER.to_owned()),
            protocol: request.protocols.first().map(|offer| offer.name.clone()),
            leader: String::new(),
            skip_assignment: false,
            member_id: member.id.clone(),
            members: Vec::new(),
        };
        self.put(member);
        Ok(answer)
    }

    /// Whether the member offers a protocol that all others offer who speak the classic protocol.
    fn supports(&self, request: &JoinRequest) -> bool {
        let sides: Vec<&ClassicSide> = self.members.values().filter_map(|member| member.classic.as_ref()).collect();
        let common = |name: &str| sides.iter().all(|side| side.protocols.iter().any(|offer| offer.name == name));
        request.protocol_type == CONSUMER && request.protocols.iter().any(|offer| common(&offer.name))
    }

    fn find_classic(
        &self,
        id: &str,
        is_unknown: bool,
        request: &JoinRequest,
    ) -> Result<(ConsumerMember, Option<String>), ErrorCode> {
        let known = self.members.get(id).cloned();
        let Some(instance) = &request.instance_id else {
            return Ok((known.unwrap_or_else(|| ConsumerMember::new(id)), None));
        };
        match self.static_member(instance) {
            None if is_unknown => Ok((ConsumerMember::new(id), None)),
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(before) if is_unknown => {
                let successor = ConsumerMember { id: id.to_owned(), epoch: 0, previous_epoch: 0, ..before.clone() };
                Ok((successor, Some(before.id.clone())))
            }
            Some(before) if before.id != id => Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(before) => Ok((before.clone(), None)),
        }
    }

    /// A SyncGroup request: what the member has been given by now.
    pub fn classic_sync(&mut self, request: &SyncRequest, moment: &Moment<'_>) -> Result<SyncAnswer, ErrorCode> {
        let mut member = self.classic_member(&request.member_id, request.instance_id.as_deref())?.clone();
        let Some(side) = &member.classic else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        if request.generation != member.epoch {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let offered = side.protocols.first();
        let differs = |asked: &Option<String>, own: &str| asked.as_ref().is_some_and(|asked| asked != own);
        if differs(&request.protocol_type, CONSUMER)
            || differs(&request.protocol, offered.map_or("", |offer| offer.name.as_str()))
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if member.epoch < self.target_epoch && member.state != MemberState::Unrevoked {
            self.wants_join(member, moment);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let version = offered.and_then(|offer| Subscription::read(&offer.metadata)).map_or(0, |read| read.version);
        let assignment = consumer_protocol::write_assignment(version, &by_name(&member.assigned(), moment.topics));
        let session_ms = side.session_timeout_ms;
        member.sync_by = None;
        member.session_ends = moment.now.plus_ms(session_ms);
        self.put(member);
        let (protocol_type, protocol) = (request.protocol_type.clone(), request.protocol.clone());
        Ok(SyncAnswer { error: ErrorCode::NONE, protocol_type, protocol, assignment })
    }

    /// A Heartbeat request. A member that has a step to take is told that there is a rebalance.
    pub fn classic_heartbeat(
        &mut self,
        generation: i32,
        member_id: &str,
        instance_id: Option<&str>,
        moment: &Moment<'_>,
    ) -> ErrorCode {
        let mut member = match self.classic_member(member_id, instance_id) {
            Ok(member) => member.clone(),
            Err(code) => return code,
        };
        let Some(side) = &member.classic else { return ErrorCode::UNKNOWN_MEMBER_ID };
        if generation != member.epoch {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        member.session_ends = moment.now.plus_ms(side.session_timeout_ms);
        let has_a_step = member.epoch < self.target_epoch
            || member.state == MemberState::Unrevoked
            || (member.state == MemberState::Unreleased && !self.waits(&member));
        if has_a_step {
            self.wants_join(member, moment);
            return ErrorCode::REBALANCE_IN_PROGRESS;
        }
        self.put(member);
        ErrorCode::NONE
    }

    /// Whether somebody has yet to give back what this member is to have.
    fn waits(&self, member: &ConsumerMember) -> bool {
        let target = self.targets.get(&member.id).into_iter().flatten();
        target.into_iter().any(|(topic, indexes)| {
            let missing = indexes.iter().filter(|index| member.given_in(*topic, **index).is_none());
            missing.into_iter().any(|index| self.owners.contains_key(&(*topic, *index)))
        })
    }

    /// The member is to join again, and is given up unless it does in time.
    fn wants_join(&mut self, mut member: ConsumerMember, moment: &Moment<'_>) {
        let by = moment.now.plus_ms(member.rebalance_timeout_ms);
        member.join_by.get_or_insert(by);
        self.put(member);
    }

    /// A LeaveGroup request: a verdict for each that leaves.
    pub fn classic_leave(&mut self, leaving: &[Leaving], moment: &Moment<'_>) -> Vec<ErrorCode> {
        let find = |who: &Leaving| match &who.instance_id {
            None => self.member(&who.member_id),
            Some(instance) => match self.static_member(instance) {
                None => Err(self.unknown(instance)),
                Some(known) if !who.member_id.is_empty() && known.id != who.member_id => {
                    Err(fenced_instance(&who.member_id, instance, &known.id))
                }
                Some(known) => Ok(known),
            },
        };
        let found: Vec<Result<String, ErrorCode>> =
            leaving.iter().map(|who| find(who).map(|member| member.id.clone()).map_err(|error| error.code)).collect();
        let ids: Vec<&str> = found.iter().filter_map(|id| id.as_deref().ok()).collect();
        self.fence(&ids, moment);
        found.into_iter().map(|id| id.err().unwrap_or(ErrorCode::NONE)).collect()
    }

    fn classic_member(&self, id: &str, instance_id: Option<&str>) -> Result<&ConsumerMember, ErrorCode> {
        let Some(instance) = instance_id else { return self.member(id).map_err(|refused| refused.code) };
        match self.static_member(instance) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(known) if known.id != id => Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(known) => Ok(known),
        }
    }

    /// Whether a member may commit offsets in this epoch: the code for each partition otherwise.
    pub fn check_commit(
        &self,
        member_id: &str,
        epoch: i32,
        old_version: bool,
        partitions: impl Iterator<Item = (uuid::Uuid, i32)>,
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(partitions.map(|_| ErrorCode::NONE).collect());
        }
        let member = self.member(member_id).map_err(|refused| refused.code)?;
        if old_version && member.classic.is_none() {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let stale = match member.classic {
            Some(_) => ErrorCode::ILLEGAL_GENERATION,
            None => ErrorCode::STALE_MEMBER_EPOCH,
        };
        if member.epoch < epoch {
            return Err(stale);
        }
        // Behind by an epoch, it may still commit what it has had since then.
        let verdict = |(topic, index)| {
            let has = epoch == member.epoch || member.given_in(topic, index).is_some_and(|given_in| given_in <= epoch);
            if has { ErrorCode::NONE } else { stale }
        };
        Ok(partitions.map(verdict).collect())
    }

    /// Whether a member may read committed offsets in this epoch.
    pub fn check_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        let Some(id) = member_id.or((0 <= epoch).then_some("")) else { return Ok(()) };
        let member = self.member(id).map_err(|refused| refused.code)?;
        match (epoch == member.epoch, &member.classic) {
            (true, _) => Ok(()),
            (false, Some(_)) => Err(ErrorCode::ILLEGAL_GENERATION),
            (false, None) => Err(ErrorCode::STALE_MEMBER_EPOCH),
        }
    }
}

/// Takes over what a member says of itself.
fn take_over(member: &mut ConsumerMember, request: &JoinRequest, subscription: &Subscription) {
    member.instance_id.clone_from(&request.instance_id);
    member.rack_id = subscription.rack.clone().filter(|rack| !rack.is_empty());
    member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    member.topics = subscription.topics.iter().cloned().collect();
    member.regex = String::new();
    member.assignor = None;
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    member.revoke_by = None;
    let (session_timeout_ms, protocols) = (request.session_timeout_ms, request.protocols.clone());
    member.classic = Some(ClassicSide { session_timeout_ms, protocols });
}

/// Partitions by the ids of their topics; of topics that do not exist there are none.
pub(super) fn by_id(partitions: &[(String, Vec<i32>)], topics: &dyn Topology) -> Partitions {
    let known = partitions
        .iter()
        .filter_map(|(name, indexes)| topics.topic(name).map(|(id, _)| (id, indexes.iter().copied().collect())));
    known.collect()
}

/// Partitions by the names of their topics; of topics that do not exist there are none.
pub(super) fn by_name(partitions: &Partitions, topics: &dyn Topology) -> Vec<(String, Vec<i32>)> {
    let known = partitions
        .iter()
        .filter_map(|(id, indexes)| topics.name(*id).map(|name| (name, indexes.iter().copied().collect())));
    known.collect()
}
