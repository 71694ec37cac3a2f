//! The consumer protocol (KIP-848): the coordinator assigns, and members move towards their target at their own pace.
//!
//! What the members want is counted by the group's epoch; [`target`] computes an assignment for an epoch; [`reconcile`]
//! takes each member there with its heartbeats. A partition is never given to a member before another has given it back.
//! The state changes at once, its records are taken by [`persist`], and answers wait until these are on disk. Members that
//! speak the classic protocol can be in such a group, too ([`classic_member`]).

mod classic_member;
mod describe;
mod fence;
mod heartbeat;
mod member;
mod migration;
mod persist;
mod reconcile;
mod subscription;
mod target;
#[cfg(test)]
mod tests;
mod xxh3;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

pub use self::{
    describe::{ConsumerGroupDescription, ConsumerMemberDescription},
    heartbeat::{HeartbeatAnswer, HeartbeatRequest},
    persist::{AfterAppend, LoadedConsumerGroup, Record},
};
use self::{
    member::{ConsumerMember, MemberState},
    persist::Unwritten,
};
use super::{Settings, topology::Topology};
use crate::{
    clock::Tick,
    groups::records::{Partitions, StoredRegex},
};

/// What every event goes by.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub now: Tick,
    pub wall_ms: i64,
    pub settings: &'a Settings,
    pub topics: &'a dyn Topology,
}

/// Why a request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What is wrong, for the client's log.
    pub message: String,
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConsumerGroupState {
    /// No members.
    Empty,
    /// The target is not that of the present epoch.
    Assigning,
    /// Members are on their way to the target.
    Reconciling,
    /// All members have what they are to have.
    Stable,
}

impl ConsumerGroupState {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// One group of the consumer protocol.
#[derive(Clone, Debug)]
pub(super) struct ConsumerGroup {
    id: String,
    epoch: i32,
    metadata_hash: i64,
    /// The epoch of the target; −1 before the first.
    target_epoch: i32,
    /// Wall-clock milliseconds.
    target_computed_at_ms: i64,
    members: BTreeMap<String, ConsumerMember>,
    targets: BTreeMap<String, Partitions>,
    regexes: BTreeMap<String, StoredRegex>,
    /// Who has a partition, or has yet to give it back.
    owners: HashMap<(Uuid, i32), String>,
    /// The topics as they were when they were last looked at.
    seen: Option<u64>,
    unwritten: Unwritten,
    /// What is on its way to the disk.
    appending: BTreeMap<u64, Unwritten>,
}

impl ConsumerGroup {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            epoch: 1,
            metadata_hash: 0,
            target_epoch: -1,
            target_computed_at_ms: 0,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            regexes: BTreeMap::new(),
            owners: HashMap::new(),
            seen: None,
            unwritten: Unwritten::default(),
            appending: BTreeMap::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing is on its way to the disk, or has yet to be.
    pub fn is_written(&self) -> bool {
        self.unwritten.is_empty() && self.appending.is_empty()
    }

    pub fn state(&self) -> ConsumerGroupState {
        if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.target_epoch < self.epoch {
            ConsumerGroupState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// Whether somebody subscribes to a topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.contains(topic))
            || self.regexes.values().any(|resolved| resolved.topics.contains(topic))
    }

    /// The next moment at which time alone changes something.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.members.values().map(ConsumerMember::ends_at).min()
    }

    fn static_member(&self, instance: &str) -> Option<&ConsumerMember> {
        self.members.values().find(|member| member.instance_id.as_deref() == Some(instance))
    }

    fn member(&self, id: &str) -> Result<&ConsumerMember, Refused> {
        self.members.get(id).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &str) -> Refused {
        let message = format!("Member {id} is not a member of group {}.", self.id);
        Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
    }

    /// Puts a member in its place; what has changed of it is to be written.
    fn put(&mut self, member: ConsumerMember) {
        let before = self.members.get(&member.id);
        if before.is_none_or(|before| before.to_stored() != member.to_stored()) {
            self.unwritten.members.insert(member.id.clone());
        }
        if before.is_none_or(|before| before.to_stored_current() != member.to_stored_current()) {
            self.unwritten.currents.insert(member.id.clone());
        }
        self.disown(&member.id);
        for (topic, epochs) in member.assigned.iter().chain(&member.revoking) {
            for index in epochs.keys() {
                self.owners.insert((*topic, *index), member.id.clone());
            }
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, with its target.
    fn take(&mut self, id: &str) -> Option<ConsumerMember> {
        self.disown(id);
        let member = self.members.remove(id)?;
        self.unwritten.members.insert(id.to_owned());
        self.unwritten.currents.insert(id.to_owned());
        if self.targets.remove(id).is_some() {
            self.unwritten.targets.insert(id.to_owned());
        }
        Some(member)
    }

    fn disown(&mut self, id: &str) {
        let Some(member) = self.members.get(id) else { return };
        for (topic, epochs) in member.assigned.iter().chain(&member.revoking) {
            for index in epochs.keys() {
                if self.owners.get(&(*topic, *index)).is_some_and(|owner| owner == id) {
                    self.owners.remove(&(*topic, *index));
                }
            }
        }
    }

    fn set_target(&mut self, id: &str, target: Partitions) {
        if self.targets.get(id) != Some(&target) {
            self.targets.insert(id.to_owned(), target);
            self.unwritten.targets.insert(id.to_owned());
        }
    }

    /// The topics that a member subscribes to, those that exist.
    fn topic_ids(&self, member: &ConsumerMember, topics: &dyn Topology) -> BTreeSet<Uuid> {
        let by_regex = self.regexes.get(&member.regex).into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(by_regex).filter_map(|name| topics.topic(name)).map(|(id, _)| id).collect()
    }

    /// Takes a member one step towards its target.
    fn reconcile(
        &self,
        member: &mut ConsumerMember,
        subscription_changed: bool,
        owned: Option<&Partitions>,
        moment: &Moment<'_>,
    ) -> Result<(), Refused> {
        if !subscription_changed && member.is_reconciled_to(self.target_epoch) {
            return Ok(());
        }
        let none = Partitions::new();
        let before = (member.state, member.epoch, member.revoking.clone());
        let goal = reconcile::Goal {
            epoch: self.target_epoch,
            target: self.targets.get(&member.id).unwrap_or(&none),
            subscribed: &self.topic_ids(member, moment.topics),
            subscription_changed,
            owned,
            is_free: &|topic, index| !self.owners.contains_key(&(topic, index)),
        };
        reconcile::step(member, &goal).map_err(|reconcile::HasToRejoin| {
            Refused::new(
                ErrorCode::FENCED_MEMBER_EPOCH,
                "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
            )
        })?;
        if member.classic.is_some() || member.state != MemberState::Unrevoked {
            member.revoke_by = None;
        } else if before != (member.state, member.epoch, member.revoking.clone()) {
            member.revoke_by = Some(moment.now.plus_ms(member.rebalance_timeout_ms));
        }
        Ok(())
    }
}
