//! ConsumerGroupHeartbeat: joining, staying and leaving are one request.

use millstream_wire::error_code::ErrorCode;

use super::{
    ConsumerGroup, Moment, Refused,
    member::{ConsumerMember, LEFT_FOR_A_WHILE},
};
use crate::groups::{coordinator::assignor::Assignor, records::Partitions};

/// A ConsumerGroupHeartbeat request.
#[derive(Clone, Debug)]
pub struct HeartbeatRequest {
    /// Group id.
    pub group: String,
    /// The consumer makes it up itself; empty before version 1.
    pub member_id: String,
    /// The id to give if one is needed; drawn by the caller.
    pub new_member_id: String,
    /// 0 to join, −1 to leave, −2 to leave for a while as a static member.
    pub epoch: i32,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// Where the consumer is.
    pub rack_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Milliseconds; −1 where it has not changed.
    pub rebalance_timeout_ms: i32,
    /// `None` where they have not changed.
    pub topics: Option<Vec<String>>,
    /// `None` where it has not changed.
    pub regex: Option<String>,
    /// `None` where it has not changed.
    pub assignor: Option<String>,
    /// What the consumer has; `None` where that has not changed.
    pub owned: Option<Partitions>,
    /// Version 1 and later: the consumer has to name itself.
    pub names_itself: bool,
}

/// The answer to a ConsumerGroupHeartbeat request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeartbeatAnswer {
    /// The member's id.
    pub member_id: String,
    /// The epoch that it is in.
    pub epoch: i32,
    /// How often it is to send heartbeats, in milliseconds.
    pub interval_ms: i32,
    /// What it may use; `None` where that has not changed.
    pub assignment: Option<Partitions>,
}

impl HeartbeatRequest {
    /// What can be checked without knowing the group.
    ///
    /// # Errors
    ///
    /// What is missing or contradictory, in Kafka's words.
    pub fn check(&self) -> Result<(), Refused> {
        let invalid = |message: &str| Err(Refused::new(ErrorCode::INVALID_REQUEST, message));
        let is_empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if self.member_id.is_empty() && (self.names_itself || 0 < self.epoch || self.epoch == -1) {
            return invalid("MemberId can't be empty.");
        }
        if self.group.is_empty() {
            return invalid("GroupId can't be empty.");
        }
        if is_empty(&self.instance_id) {
            return invalid("InstanceId can't be empty.");
        }
        if is_empty(&self.rack_id) {
            return invalid("RackId can't be empty.");
        }
        match self.epoch {
            0 if self.rebalance_timeout_ms == -1 => {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            0 if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            0 if self.topics.is_none() && self.regex.is_none() => {
                return invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                );
            }
            LEFT_FOR_A_WHILE if self.instance_id.is_none() => return invalid("InstanceId can't be null."),
            i32::MIN..LEFT_FOR_A_WHILE => return invalid("MemberEpoch is invalid."),
            _ => {}
        }
        Ok(())
    }

    /// Whether an assignor of this name can be asked for.
    ///
    /// # Errors
    ///
    /// It cannot.
    pub fn check_assignor(&self, supported: &[Assignor]) -> Result<(), Refused> {
        let Some(name) = &self.assignor else { return Ok(()) };
        if supported.iter().any(|assignor| assignor.name() == name) {
            return Ok(());
        }
        let names: Vec<&str> = supported.iter().map(|assignor| assignor.name()).collect();
        Err(Refused::new(
            ErrorCode::UNSUPPORTED_ASSIGNOR,
            format!("ServerAssignor {name} is not supported. Supported assignors: {}.", names.join(", ")),
        ))
    }

    /// Whether the member has said everything of itself, and wants to hear everything.
    fn is_full(&self) -> bool {
        self.rebalance_timeout_ms != -1 && (self.topics.is_some() || self.regex.is_some()) && self.owned.is_some()
    }
}

impl ConsumerGroup {
    /// A member joins or stays. Nothing changes where it is refused.
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, moment: &Moment<'_>) -> Result<HeartbeatAnswer, Refused> {
        let id = if request.member_id.is_empty() { &request.new_member_id } else { &request.member_id };
        self.check_size(id, moment)?;
        let (mut member, displaced) = self.find(id, request)?;
        let before = self.members.get(displaced.as_ref().unwrap_or(&member.id)).cloned();
        let assigned_before = before.as_ref().map(|before| before.assigned.clone());
        take_over(&mut member, request);
        let subscription_changed = self.subscribe(member, before.as_ref(), displaced.as_deref(), moment)?;
        self.compute_target(moment);
        let mut member = self.member(id)?.clone();
        self.reconcile(&mut member, subscription_changed, request.owned.as_ref(), moment)?;
        member.session_ends = moment.now.plus_ms(moment.settings.consumer_times.session_ms);
        let says_all = request.epoch == 0 || request.is_full() || assigned_before.as_ref() != Some(&member.assigned);
        let answer = HeartbeatAnswer {
            member_id: member.id.clone(),
            epoch: member.epoch,
            interval_ms: moment.settings.consumer_times.heartbeat_ms,
            assignment: says_all.then(|| member.assigned()),
        };
        self.put(member);
        Ok(answer)
    }

    fn check_size(&self, id: &str, moment: &Moment<'_>) -> Result<(), Refused> {
        let most = moment.settings.consumer_max_size;
        if self.members.len() < most || self.members.contains_key(id) {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {most} members.");
        Err(Refused::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message))
    }

    /// Whether the heartbeat of a member that joins would be taken.
    pub fn would_take(&self, request: &HeartbeatRequest, moment: &Moment<'_>) -> Result<(), Refused> {
        let id = if request.member_id.is_empty() { &request.new_member_id } else { &request.member_id };
        self.check_size(id, moment)?;
        self.find(id, request)?;
        request.regex.as_deref().filter(|regex| !regex.is_empty()).map_or(Ok(()), super::subscription::check_regex)
    }

    /// The member that a request is from, and the id of the one whose place it takes as a static member.
    fn find(&self, id: &str, request: &HeartbeatRequest) -> Result<(ConsumerMember, Option<String>), Refused> {
        let joins = request.epoch == 0;
        let Some(instance) = &request.instance_id else {
            let member = match self.members.get(id) {
                Some(member) => member.clone(),
                None if joins => ConsumerMember::new(id),
                None => return Err(self.unknown(id)),
            };
            check_epoch(&member, request)?;
            return Ok((member, None));
        };
        match self.static_member(instance) {
            None if joins => Ok((self.members.get(id).cloned().unwrap_or_else(|| ConsumerMember::new(id)), None)),
            None => Err(unknown_instance(instance)),
            Some(known) if joins && known.id != id => {
                if known.classic.is_none() && known.epoch != LEFT_FOR_A_WHILE {
                    return Err(Refused::new(
                        ErrorCode::UNRELEASED_INSTANCE_ID,
                        format!(
                            "Static member {id} with instance id {instance} cannot join the group because the instance id \
                             is owned by {} member.",
                            known.id
                        ),
                    ));
                }
                let successor = ConsumerMember { id: id.to_owned(), epoch: 0, previous_epoch: 0, ..known.clone() };
                Ok((successor, Some(known.id.clone())))
            }
            Some(known) if known.id != id => Err(fenced_instance(id, instance, &known.id)),
            Some(known) => {
                check_epoch(known, request)?;
                Ok((known.clone(), None))
            }
        }
    }

    /// A member leaves, for good or for a while.
    pub fn leave(&mut self, request: &HeartbeatRequest, moment: &Moment<'_>) -> Result<HeartbeatAnswer, Refused> {
        let id = &request.member_id;
        let answer = |epoch| HeartbeatAnswer { member_id: id.clone(), epoch, interval_ms: 0, assignment: None };
        if let Some(instance) = &request.instance_id {
            let known = self.static_member(instance).ok_or_else(|| unknown_instance(instance))?;
            if known.id != *id {
                return Err(fenced_instance(id, instance, &known.id));
            }
            if request.epoch == LEFT_FOR_A_WHILE {
                let mut member = known.clone();
                member.epoch = LEFT_FOR_A_WHILE;
                member.revoking.clear();
                member.assigned.values_mut().flat_map(|epochs| epochs.values_mut()).for_each(|epoch| *epoch = 0);
                member.revoke_by = None;
                self.put(member);
                return Ok(answer(LEFT_FOR_A_WHILE));
            }
        } else {
            self.member(id)?;
        }
        self.fence(&[id.as_str()], moment);
        Ok(answer(request.epoch))
    }
}

/// Takes over what a member says of itself.
fn take_over(member: &mut ConsumerMember, request: &HeartbeatRequest) {
    if let Some(instance) = &request.instance_id {
        member.instance_id = Some(instance.clone());
    }
    if let Some(rack) = &request.rack_id {
        member.rack_id = Some(rack.clone());
    }
    if request.rebalance_timeout_ms != -1 {
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(assignor) = &request.assignor {
        member.assignor = Some(assignor.clone());
    }
    if let Some(topics) = &request.topics {
        member.topics = topics.iter().cloned().collect();
    }
    if let Some(regex) = &request.regex {
        member.regex.clone_from(regex);
    }
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    // From now on it speaks the consumer protocol.
    member.classic = None;
    member.join_by = None;
    member.sync_by = None;
}

/// A member that is behind by one epoch has not heard the last answer, and may go on with what it has.
fn check_epoch(member: &ConsumerMember, request: &HeartbeatRequest) -> Result<(), Refused> {
    let (received, known) = (request.epoch, member.epoch);
    let fenced = |word: &str| {
        Err(Refused::new(
            ErrorCode::FENCED_MEMBER_EPOCH,
            format!(
                "The consumer group member has a {word} member epoch ({received}) than the one known by the group \
                 coordinator ({known}). The member must abandon all its partitions and rejoin."
            ),
        ))
    };
    if received == 0 {
        return Ok(());
    }
    if known < received {
        return fenced("greater");
    }
    let may_go_on = || {
        let has_no_more = |owned: &Partitions| {
            owned.iter().all(|(topic, indexes)| {
                let assigned = member.assigned.get(topic);
                indexes.iter().all(|index| assigned.is_some_and(|epochs| epochs.contains_key(index)))
            })
        };
        received == member.previous_epoch && request.owned.as_ref().is_some_and(has_no_more)
    };
    if received < known && !may_go_on() { fenced("smaller") } else { Ok(()) }
}

fn unknown_instance(instance: &str) -> Refused {
    Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance} is unknown."))
}

pub(super) fn fenced_instance(id: &str, instance: &str, by: &str) -> Refused {
    Refused::new(
        ErrorCode::FENCED_INSTANCE_ID,
        format!("Static member {id} with instance id {instance} was fenced by member {by}."),
    )
}
