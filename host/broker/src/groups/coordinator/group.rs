//! A group of either protocol: its offsets, what is on its way to the disk, and its members' part.

use std::collections::{BTreeMap, BTreeSet};

use millstream_wire::error_code::ErrorCode;

use super::{
    classic::ClassicGroup,
    consumer::{AfterAppend, ConsumerGroup},
    messages::GroupState,
};
use crate::{
    clock::Tick,
    groups::{offsets::Offsets, records::RecordKey},
};

/// A deletion that is on its way to the disk.
#[derive(Clone, Debug)]
pub(super) struct Forgetting {
    pub offsets: Vec<(String, i32)>,
    /// Whether the group itself is deleted.
    pub whole: bool,
}

/// The members' part of a group.
#[derive(Debug)]
pub(super) enum Protocol {
    /// Also of groups that only hold offsets.
    Classic(Box<ClassicGroup>),
    /// KIP-848.
    Consumer(Box<ConsumerGroup>),
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub id: String,
    /// Tells this group from an earlier one of the same name that was deleted.
    pub incarnation: u64,
    pub protocol: Protocol,
    pub offsets: Offsets,
    /// Partitions of commits that are on their way to the disk, by the commit.
    pub committing: BTreeMap<u64, Vec<(String, i32)>>,
    /// Deletions that are on their way to the disk. What they delete is there until they are durable.
    pub forgetting: BTreeMap<u64, Forgetting>,
    /// Answers that wait for records of the group, by the append.
    pub waiting: BTreeMap<u64, Vec<AfterAppend>>,
}

impl Group {
    /// A group without members.
    pub fn new(id: &str, incarnation: u64, wall_ms: i64) -> Self {
        Self::with(id, incarnation, Protocol::Classic(Box::new(ClassicGroup::new(id, wall_ms))))
    }

    pub fn with(id: &str, incarnation: u64, protocol: Protocol) -> Self {
        Self {
            id: id.to_owned(),
            incarnation,
            protocol,
            offsets: Offsets::default(),
            committing: BTreeMap::new(),
            forgetting: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Its part under the classic protocol; `None` under the other.
    pub fn classic(&self) -> Option<&ClassicGroup> {
        match &self.protocol {
            Protocol::Classic(classic) => Some(classic),
            Protocol::Consumer(_) => None,
        }
    }

    /// Its part under the classic protocol; `None` under the other.
    pub fn classic_mut(&mut self) -> Option<&mut ClassicGroup> {
        match &mut self.protocol {
            Protocol::Classic(classic) => Some(classic),
            Protocol::Consumer(_) => None,
        }
    }

    /// Its part under the consumer protocol; `None` under the other.
    pub fn consumer(&self) -> Option<&ConsumerGroup> {
        match &self.protocol {
            Protocol::Classic(_) => None,
            Protocol::Consumer(consumer) => Some(consumer),
        }
    }

    /// Its part under the consumer protocol; `None` under the other.
    pub fn consumer_mut(&mut self) -> Option<&mut ConsumerGroup> {
        match &mut self.protocol {
            Protocol::Classic(_) => None,
            Protocol::Consumer(consumer) => Some(consumer),
        }
    }

    /// Whether it has no members, and nobody is about to become one.
    pub fn is_empty(&self) -> bool {
        match &self.protocol {
            Protocol::Classic(classic) => classic.state == GroupState::Empty,
            Protocol::Consumer(consumer) => consumer.is_empty(),
        }
    }

    /// Whether the group is there for its offsets only, and nothing is under way.
    pub fn holds_offsets_only(&self) -> bool {
        let members_are_idle = match &self.protocol {
            Protocol::Classic(classic) => classic.is_idle(),
            Protocol::Consumer(consumer) => consumer.is_empty() && consumer.is_written(),
        };
        members_are_idle && self.committing.is_empty() && self.forgetting.is_empty() && self.waiting.is_empty()
    }

    /// Whether nothing of it was ever written, and nothing is under way.
    pub fn is_nothing(&self) -> bool {
        let unwritten = self.classic().is_some_and(ClassicGroup::is_unwritten);
        unwritten && self.offsets.is_empty() && self.holds_offsets_only()
    }

    /// The next moment at which time alone changes something.
    pub fn next_deadline(&self) -> Option<Tick> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.next_deadline(),
            Protocol::Consumer(consumer) => consumer.next_deadline(),
        }
    }

    /// The keys of the records that the group has beside its offsets.
    pub fn keys(&self) -> Vec<RecordKey> {
        match &self.protocol {
            Protocol::Classic(classic) => {
                let own = RecordKey::Group { group: self.id.clone() };
                classic.undeleted().cloned().chain([own]).collect()
            }
            Protocol::Consumer(consumer) => consumer.keys(),
        }
    }

    /// Whether OffsetDelete is refused as a whole.
    pub fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.classic() {
            Some(classic) if !classic.members.is_empty() && !classic.is_of_consumers() => {
                Err(ErrorCode::NON_EMPTY_GROUP)
            }
            _ => Ok(()),
        }
    }

    /// Tells which topics live members subscribe to.
    pub fn subscriptions(&self) -> Subscriptions<'_> {
        match &self.protocol {
            Protocol::Classic(classic) => Subscriptions::Classic(classic),
            Protocol::Consumer(consumer) => Subscriptions::Consumer(consumer),
        }
    }

    /// Whether a commit for this partition is on its way to the disk.
    pub fn is_committing(&self, topic: &str, partition: i32) -> bool {
        self.committing.values().flatten().any(|(name, index)| name == topic && *index == partition)
    }

    /// Whether the group is deleted as soon as that is on disk. Until then nothing may be added to it.
    pub fn is_being_deleted(&self) -> bool {
        self.forgetting.values().any(|forgetting| forgetting.whole)
    }

    /// Whether the deletion of this partition's offset is on its way to the disk.
    pub fn is_forgetting(&self, topic: &str, partition: i32) -> bool {
        let mut offsets = self.forgetting.values().flat_map(|forgetting| &forgetting.offsets);
        offsets.any(|(name, index)| name == topic && *index == partition)
    }

    /// The offsets that `wanted` names: committed, or on their way to the disk.
    pub fn positions(&self, wanted: impl Fn(&str, i32) -> bool) -> Vec<(String, i32)> {
        let known = self.offsets.iter().map(|(topic, partition, _)| (topic, partition));
        let under_way = self.committing.values().flatten().map(|(topic, partition)| (topic.as_str(), *partition));
        let wanted: BTreeSet<(&str, i32)> =
            known.chain(under_way).filter(|(topic, partition)| wanted(topic, *partition)).collect();
        wanted.into_iter().map(|(topic, partition)| (topic.to_owned(), partition)).collect()
    }

    /// Forgets everything of a topic at once, also what is committed at this moment and will not count any more.
    pub fn forget_topic(&mut self, topic: &str) {
        for (_, partition) in self.positions(|name, _| name == topic) {
            self.offsets.remove(topic, partition);
        }
        for positions in self.committing.values_mut() {
            positions.retain(|(name, _)| name != topic);
        }
    }
}

/// The topics that live members of a group subscribe to, as far as the group can tell.
pub(super) enum Subscriptions<'a> {
    Classic(&'a ClassicGroup),
    Consumer(&'a ConsumerGroup),
}

impl Subscriptions<'_> {
    pub fn contain(&self, topic: &str) -> bool {
        match self {
            Self::Classic(classic) => classic.is_subscribed_to(topic),
            Self::Consumer(consumer) => consumer.is_subscribed_to(topic),
        }
    }
}
