//! From one protocol to the other while members run: a classic group becomes a consumer group when the first member joins
//! by ConsumerGroupHeartbeat, and becomes classic again when the last such member is gone.

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;

use super::{
    ConsumerGroup, Moment, Refused,
    classic_member::{CONSUMER, by_id, by_name},
    member::{ClassicSide, ConsumerMember, MemberState},
};
use crate::groups::{
    consumer_protocol::{self, Subscription},
    coordinator::{
        MigrationPolicy,
        classic::{ClassicGroup, Member},
        messages::{GroupState, Protocol},
    },
    records::{Partitions, RecordKey},
};

impl ConsumerGroup {
    /// A consumer group with the members, the assignment and the generation of a classic one.
    ///
    /// # Errors
    ///
    /// The classic group stays: it is none of consumers, or what its members say cannot be read.
    pub fn from_classic(classic: &ClassicGroup, moment: &Moment<'_>) -> Result<Self, Refused> {
        let id = &classic.id;
        let refuse = |why: &str| {
            let message = format!("Cannot upgrade classic group {id} to consumer group because {why}.");
            Refused::new(ErrorCode::GROUP_ID_NOT_FOUND, message)
        };
        if !matches!(moment.settings.consumer_migration, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade) {
            return Err(refuse("online upgrade is disabled"));
        }
        if classic.protocol_type.as_deref() != Some(CONSUMER) {
            return Err(refuse("the group does not use the consumer embedded protocol"));
        }
        if moment.settings.consumer_max_size < classic.members.len() {
            return Err(refuse("the group size exceeds the consumer group maximum size"));
        }
        let mut group = Self::new(id);
        group.epoch = classic.generation;
        group.target_epoch = classic.generation;
        for member in classic.in_order() {
            let offered = member.metadata_for(classic.protocol.as_deref());
            let offered = if offered.is_empty() {
                member.protocols.first().map(|offer| offer.metadata.clone()).unwrap_or_default()
            } else {
                offered
            };
            let subscription = Subscription::read(&offered);
            let assignment = consumer_protocol::read_assignment(&member.assignment);
            let (Some(subscription), Some((assignment, has_words))) = (subscription, assignment) else {
                return Err(refuse("the embedded consumer protocol is malformed"));
            };
            if has_words {
                return Err(refuse(
                    "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default \
                     assignor before re-attempting the upgrade",
                ));
            }
            let target: Partitions = by_id(&assignment, moment.topics);
            let given_in = |indexes: &std::collections::BTreeSet<i32>| {
                indexes.iter().map(|index| (*index, classic.generation)).collect()
            };
            group.targets.insert(member.id.clone(), target.clone());
            group.put(ConsumerMember {
                instance_id: member.instance_id.clone(),
                rack_id: subscription.rack.filter(|rack| !rack.is_empty()),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: subscription.topics.into_iter().collect(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                classic: Some(ClassicSide {
                    session_timeout_ms: member.session_timeout_ms,
                    protocols: member.protocols.clone(),
                }),
                epoch: classic.generation,
                previous_epoch: classic.generation,
                state: MemberState::Stable,
                assigned: target.iter().map(|(topic, indexes)| (*topic, given_in(indexes))).collect(),
                session_ends: moment.now.plus_ms(member.session_timeout_ms),
                presence: member.presence.clone(),
                ..ConsumerMember::new(&member.id)
            });
        }
        group.seen = Some(moment.topics.version());
        group.metadata_hash = group.hash_of_topics(moment.topics);
        group.write_all();
        group.takes_place_of_classic();
        Ok(group)
    }

    /// The record of the classic group of this name goes first.
    pub fn takes_place_of_classic(&mut self) {
        self.write_first(vec![(RecordKey::Group { group: self.id.clone() }.encode(), None)]);
    }

    /// Records of an earlier consumer group of this name, which may be on disk still, are deleted first.
    pub fn deletes_first<'a>(&mut self, keys: impl Iterator<Item = &'a RecordKey>) {
        self.write_first(keys.map(|key| (key.encode(), None)).collect());
    }

    /// Whether nobody speaks the consumer protocol any more, so that the group is to be classic again.
    pub fn is_to_be_classic(&self, moment: &Moment<'_>) -> bool {
        let allowed =
            matches!(moment.settings.consumer_migration, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade);
        let fits = self.members.len() <= moment.settings.max_size;
        allowed && fits && !self.members.is_empty() && self.members.values().all(|member| member.classic.is_some())
    }

    /// The classic group with the members, their assignment and the epoch as its generation.
    pub fn to_classic(&self, moment: &Moment<'_>) -> ClassicGroup {
        let mut group = ClassicGroup::new(&self.id, moment.wall_ms);
        group.protocol_type = Some(CONSUMER.to_owned());
        group.generation = self.epoch;
        for member in self.members.values() {
            let Some(side) = &member.classic else { continue };
            let version = |protocol: &Protocol| Subscription::read(&protocol.metadata).map(|read| read.version);
            let version = side.protocols.first().and_then(version).unwrap_or(0);
            if let Some(instance) = &member.instance_id {
                group.static_members.insert(instance.clone(), member.id.clone());
            }
            let mut moved = Member {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout_ms: side.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: side.protocols.clone(),
                assignment: Bytes::new(),
                join: None,
                sync: None,
                synced: true,
                session_ends: moment.now,
                presence: member.presence.clone(),
                order: group.next_order,
            };
            moved.assignment =
                consumer_protocol::write_assignment(version, &by_name(&member.assigned(), moment.topics));
            moved.restart_session(moment.now);
            group.next_order += 1;
            group.leader.get_or_insert_with(|| member.id.clone());
            group.members.insert(member.id.clone(), moved);
        }
        group.protocol = group.elect_protocol();
        group.note_subscriptions();
        group.set_state(GroupState::Stable, moment.wall_ms);
        group
    }

    /// Whether the members have yet to be told of the present epoch.
    pub fn is_target_stale(&self) -> bool {
        self.target_epoch < self.epoch
    }
}
