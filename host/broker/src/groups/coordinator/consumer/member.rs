//! A member of a consumer group: what it has said of itself, and how far it has come.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    clock::Tick,
    groups::{
        coordinator::{messages::Protocol, presence::Presence},
        records::{Partitions, PartitionsWithEpochs, StoredClassicMember, StoredConsumerMember, StoredCurrent},
    },
};

/// The epoch of a static member that has left for a while.
pub const LEFT_FOR_A_WHILE: i32 = -2;

/// Where a member stands on its way to the target; the number is Kafka's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberState {
    /// It has what it is to have in its epoch.
    Stable = 0,
    /// It has to give partitions back first.
    Unrevoked = 1,
    /// It waits for partitions that others have to give back.
    Unreleased = 2,
    /// Written by something newer.
    Unknown = 127,
}

/// What a member has said that speaks the classic protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClassicSide {
    pub session_timeout_ms: i32,
    /// In its order of preference.
    pub protocols: Vec<Protocol>,
}

/// A member.
#[derive(Clone, Debug)]
pub struct ConsumerMember {
    pub id: String,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub topics: BTreeSet<String>,
    /// A pattern of topics; empty for none.
    pub regex: String,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<String>,
    pub classic: Option<ClassicSide>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    /// What it has, or may take.
    pub assigned: PartitionsWithEpochs,
    /// What it has to give back.
    pub revoking: PartitionsWithEpochs,
    pub session_ends: Tick,
    /// Whether its client is there.
    pub presence: Presence,
    /// When it is given up unless it has given back what it has to.
    pub revoke_by: Option<Tick>,
    /// When it is given up unless it has joined again, under the classic protocol.
    pub join_by: Option<Tick>,
    /// When it is given up unless it has fetched its assignment, under the classic protocol.
    pub sync_by: Option<Tick>,
}

impl ConsumerMember {
    /// A member of which nothing is known yet.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            topics: BTreeSet::new(),
            regex: String::new(),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: BTreeMap::new(),
            revoking: BTreeMap::new(),
            session_ends: Tick::default(),
            presence: Presence::default(),
            revoke_by: None,
            join_by: None,
            sync_by: None,
        }
    }

    /// Whether it has what it is to have in this epoch.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// The epoch in which a partition was given to it; `None` where it does not have it.
    pub fn given_in(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let of = |all: &PartitionsWithEpochs| all.get(&topic)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// The partitions that it may use, without epochs.
    pub fn assigned(&self) -> Partitions {
        self.assigned.iter().map(|(topic, epochs)| (*topic, epochs.keys().copied().collect())).collect()
    }

    /// When it is given up unless it does what it has to.
    pub fn ends_at(&self) -> Tick {
        let limits = [self.presence.given_up_at(), self.revoke_by, self.join_by, self.sync_by];
        limits.into_iter().flatten().fold(self.session_ends, Tick::min)
    }

    /// Takes up another epoch, or the same once more.
    pub fn enter(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    pub fn to_stored(&self) -> StoredConsumerMember {
        let classic = self.classic.as_ref().map(|side| StoredClassicMember {
            session_timeout_ms: side.session_timeout_ms,
            protocols: side.protocols.iter().map(|offer| (offer.name.clone(), offer.metadata.clone())).collect(),
        });
        StoredConsumerMember {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: self.topics.iter().cloned().collect(),
            regex: Some(self.regex.clone()),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            assignor: self.assignor.clone(),
            classic,
        }
    }

    pub fn to_stored_current(&self) -> StoredCurrent {
        StoredCurrent {
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: self.state as i8,
            assigned: self.assigned.clone(),
            revoking: self.revoking.clone(),
        }
    }

    /// A member as its records describe it.
    pub fn restore(id: &str, stored: StoredConsumerMember, current: Option<StoredCurrent>) -> Self {
        let mut member = Self::new(id);
        // Spelled out, so that nothing that is stored is lost.
        let StoredConsumerMember {
            instance_id,
            rack_id,
            client_id,
            client_host,
            topics,
            regex,
            rebalance_timeout_ms,
            assignor,
            classic,
        } = stored;
        member.instance_id = instance_id;
        member.rack_id = rack_id;
        member.client_id = client_id;
        member.client_host = client_host;
        member.topics = topics.into_iter().collect();
        member.regex = regex.unwrap_or_default();
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.assignor = assignor;
        member.classic = classic.map(|StoredClassicMember { session_timeout_ms, protocols }| ClassicSide {
            session_timeout_ms,
            protocols: protocols.into_iter().map(|(name, metadata)| Protocol { name, metadata }).collect(),
        });
        if let Some(StoredCurrent { epoch, previous_epoch, state, assigned, revoking }) = current {
            member.epoch = epoch;
            member.previous_epoch = previous_epoch;
            member.state = match state {
                0 => MemberState::Stable,
                1 => MemberState::Unrevoked,
                2 => MemberState::Unreleased,
                _ => MemberState::Unknown,
            };
            member.assigned = assigned;
            member.revoking = revoking;
        }
        member
    }
}
