//! The records of a group: what has changed since they were last taken, and a group made of what was read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use millstream_wire::error_code::ErrorCode;

use super::{ConsumerGroup, HeartbeatAnswer, Refused, member::ConsumerMember};
use crate::{
    clock::Tick,
    groups::{
        coordinator::{
            action::{Action, Ticket},
            messages::{JoinAnswer, SyncAnswer},
        },
        records::{
            ConsumerPart, Partitions, RecordKey, StoredConsumerGroup, StoredConsumerMember, StoredCurrent, StoredRegex,
            StoredTarget, UnreadableRecord, decode_target, encode_target,
        },
    },
};

/// A record as it is written: a key, and a value or its deletion.
pub type Record = (Bytes, Option<Bytes>);

/// What is in memory and not handed to the log yet. What a name stands for that is not there any more is deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten {
    /// Records that go before all others: those of the group that this one takes the place of.
    pub before: Vec<Record>,
    pub epoch: bool,
    pub target_epoch: bool,
    pub members: BTreeSet<String>,
    pub targets: BTreeSet<String>,
    pub currents: BTreeSet<String>,
    pub regexes: BTreeSet<String>,
}

impl Unwritten {
    pub fn is_empty(&self) -> bool {
        let Self { before, epoch, target_epoch, members, targets, currents, regexes } = self;
        let sets = [members, targets, currents, regexes];
        before.is_empty() && !epoch && !target_epoch && sets.into_iter().all(BTreeSet::is_empty)
    }

    /// What could not be written has to be written again.
    fn add(&mut self, failed: Self) {
        let Self { mut before, epoch, target_epoch, members, targets, currents, regexes } = failed;
        before.append(&mut self.before);
        self.before = before;
        self.epoch |= epoch;
        self.target_epoch |= target_epoch;
        self.members.extend(members);
        self.targets.extend(targets);
        self.currents.extend(currents);
        self.regexes.extend(regexes);
    }
}

/// An answer that waits until what it says is on disk.
#[derive(Clone, Debug)]
pub enum AfterAppend {
    /// To a ConsumerGroupHeartbeat.
    Heartbeat(Ticket, Result<HeartbeatAnswer, Refused>),
    /// To a JoinGroup of a member that speaks the classic protocol.
    Join(Ticket, JoinAnswer),
    /// To a SyncGroup of such a member.
    Sync(Ticket, SyncAnswer),
}

impl AfterAppend {
    /// It is on disk.
    pub fn into_action(self) -> Action {
        match self {
            Self::Heartbeat(to, answer) => Action::AnswerHeartbeat { to, answer },
            Self::Join(to, answer) => Action::AnswerJoin { to, answer },
            Self::Sync(to, answer) => Action::AnswerSync { to, answer },
        }
    }

    /// It could not be written.
    pub fn into_failure(self) -> Action {
        let code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        match self {
            Self::Heartbeat(to, _) => {
                let refused = Refused::new(code, "The group's records could not be written.");
                Action::AnswerHeartbeat { to, answer: Err(refused) }
            }
            Self::Join(to, _) => Action::AnswerJoin { to, answer: JoinAnswer::error(code, "") },
            Self::Sync(to, _) => Action::AnswerSync { to, answer: SyncAnswer::error(code) },
        }
    }
}

impl ConsumerGroup {
    /// Takes the records of what has changed, in the order in which Kafka wants to read them, to be handed to the log
    /// under this number. Empty if nothing has changed.
    pub fn take_records(&mut self, append: u64) -> Vec<Record> {
        if self.unwritten.is_empty() {
            return Vec::new();
        }
        let handed = std::mem::take(&mut self.unwritten);
        let mut records = handed.before.clone();
        let mut put = |part, name: &str, value: Option<Bytes>| {
            let key = RecordKey::Consumer { part, group: self.id.clone(), name: name.to_owned() };
            records.push((key.encode(), value));
        };
        // Members that are gone: Kafka refuses to see one go that still has something.
        for id in handed.currents.iter().filter(|id| !self.members.contains_key(*id)) {
            put(ConsumerPart::Current, id, None);
        }
        for id in handed.targets.iter().filter(|id| !self.targets.contains_key(*id)) {
            put(ConsumerPart::Target, id, None);
        }
        for id in handed.members.iter().filter(|id| !self.members.contains_key(*id)) {
            put(ConsumerPart::Member, id, None);
        }
        for id in &handed.members {
            if let Some(member) = self.members.get(id) {
                put(ConsumerPart::Member, id, Some(member.to_stored().encode()));
            }
        }
        for regex in &handed.regexes {
            put(ConsumerPart::Regex, regex, self.regexes.get(regex).map(StoredRegex::encode));
        }
        if handed.epoch {
            let stored = StoredConsumerGroup { epoch: self.epoch, metadata_hash: self.metadata_hash };
            put(ConsumerPart::Group, "", Some(stored.encode()));
        }
        for id in &handed.targets {
            if let Some(target) = self.targets.get(id) {
                put(ConsumerPart::Target, id, Some(encode_target(target)));
            }
        }
        if handed.target_epoch {
            let stored = StoredTarget { epoch: self.target_epoch, computed_at_ms: self.target_computed_at_ms };
            put(ConsumerPart::TargetEpoch, "", Some(stored.encode()));
        }
        for id in &handed.currents {
            if let Some(member) = self.members.get(id) {
                put(ConsumerPart::Current, id, Some(member.to_stored_current().encode()));
            }
        }
        self.appending.insert(append, handed);
        records
    }

    /// Records are on disk, or could not be written, upon which they are to be written again.
    pub fn appended(&mut self, append: u64, durable: bool) {
        if let Some(handed) = self.appending.remove(&append)
            && !durable
        {
            self.unwritten.add(handed);
        }
    }

    /// These records go before those of the group.
    pub(super) fn write_first(&mut self, mut records: Vec<Record>) {
        self.unwritten.before.append(&mut records);
    }

    /// All records are to be written.
    pub(super) fn write_all(&mut self) {
        self.unwritten.epoch = true;
        self.unwritten.target_epoch = true;
        self.unwritten.members.extend(self.members.keys().cloned());
        self.unwritten.currents.extend(self.members.keys().cloned());
        self.unwritten.targets.extend(self.targets.keys().cloned());
        self.unwritten.regexes.extend(self.regexes.keys().cloned());
    }

    /// The keys of all records that the group has on disk or may have, in the order in which Kafka wants them deleted.
    pub fn keys(&self) -> Vec<RecordKey> {
        let handed: Vec<&Unwritten> = self.appending.values().chain([&self.unwritten]).collect();
        let with = |known: Vec<&String>, of: fn(&Unwritten) -> &BTreeSet<String>| -> BTreeSet<String> {
            known.into_iter().chain(handed.iter().flat_map(|handed| of(handed))).cloned().collect()
        };
        let currents = with(self.members.keys().collect(), |handed| &handed.currents);
        let targets = with(self.targets.keys().collect(), |handed| &handed.targets);
        let members = with(self.members.keys().collect(), |handed| &handed.members);
        let regexes = with(self.regexes.keys().collect(), |handed| &handed.regexes);
        let key = |part, name: &str| RecordKey::Consumer { part, group: self.id.clone(), name: name.to_owned() };
        // Nobody else but this group knows of records of earlier ones that have to go, and can be read again.
        let before = handed.iter().flat_map(|handed| &handed.before).filter_map(|(key, _)| RecordKey::decode(key).ok());
        let mut keys: Vec<RecordKey> = before.collect();
        keys.extend(currents.iter().map(|id| key(ConsumerPart::Current, id)));
        keys.extend(targets.iter().map(|id| key(ConsumerPart::Target, id)));
        keys.push(key(ConsumerPart::TargetEpoch, ""));
        keys.extend(members.iter().map(|id| key(ConsumerPart::Member, id)));
        keys.extend(regexes.iter().map(|regex| key(ConsumerPart::Regex, regex)));
        keys.extend([key(ConsumerPart::Topics, ""), key(ConsumerPart::Group, "")]);
        keys
    }
}

/// A group as its records describe it.
#[derive(Clone, Debug, Default)]
pub struct LoadedConsumerGroup {
    /// The group's own record.
    pub group: Option<StoredConsumerGroup>,
    /// By id.
    pub members: BTreeMap<String, StoredConsumerMember>,
    /// By member.
    pub targets: BTreeMap<String, Partitions>,
    /// Of the targets.
    pub target: Option<StoredTarget>,
    /// By member.
    pub currents: BTreeMap<String, StoredCurrent>,
    /// By pattern.
    pub regexes: BTreeMap<String, StoredRegex>,
    /// Whether there is a record of the topics, which nobody reads any more.
    pub has_topics: bool,
}

impl LoadedConsumerGroup {
    /// Takes over one record, in the order of the log.
    ///
    /// # Errors
    ///
    /// It cannot be read; nothing has changed.
    pub fn take(&mut self, part: ConsumerPart, name: String, value: Option<&[u8]>) -> Result<(), UnreadableRecord> {
        match part {
            ConsumerPart::Group => self.group = value.map(StoredConsumerGroup::decode).transpose()?,
            ConsumerPart::TargetEpoch => self.target = value.map(StoredTarget::decode).transpose()?,
            ConsumerPart::Topics => self.has_topics = value.is_some(),
            ConsumerPart::Member => put(&mut self.members, name, value, StoredConsumerMember::decode)?,
            ConsumerPart::Target => put(&mut self.targets, name, value, decode_target)?,
            ConsumerPart::Current => put(&mut self.currents, name, value, StoredCurrent::decode)?,
            ConsumerPart::Regex => put(&mut self.regexes, name, value, StoredRegex::decode)?,
        }
        Ok(())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.group.is_none() && self.members.is_empty()
    }
}

fn put<T>(
    all: &mut BTreeMap<String, T>,
    name: String,
    value: Option<&[u8]>,
    decode: impl Fn(&[u8]) -> Result<T, UnreadableRecord>,
) -> Result<(), UnreadableRecord> {
    match value {
        Some(value) => drop(all.insert(name, decode(value)?)),
        None => drop(all.remove(&name)),
    }
    Ok(())
}

impl ConsumerGroup {
    /// A group as its records describe it, every session starting anew at `now`.
    pub fn restore(id: &str, loaded: LoadedConsumerGroup, now: Tick, session_ms: i32) -> Self {
        let LoadedConsumerGroup { group, members, mut targets, target, mut currents, regexes, has_topics } = loaded;
        let mut restored = Self::new(id);
        if let Some(StoredConsumerGroup { epoch, metadata_hash }) = group {
            restored.epoch = epoch;
            restored.metadata_hash = metadata_hash;
        }
        if let Some(StoredTarget { epoch, computed_at_ms }) = target {
            restored.target_epoch = epoch;
            restored.target_computed_at_ms = computed_at_ms;
        }
        restored.regexes = regexes;
        for (id, stored) in members {
            let mut member = ConsumerMember::restore(&id, stored, currents.remove(&id));
            let session_ms = member.classic.as_ref().map_or(session_ms, |side| side.session_timeout_ms);
            member.session_ends = now.plus_ms(session_ms);
            if member.state == super::MemberState::Unrevoked && member.classic.is_none() {
                member.revoke_by = Some(now.plus_ms(member.rebalance_timeout_ms));
            }
            if let Some(target) = targets.remove(&id) {
                restored.targets.insert(id, target);
            }
            restored.put(member);
        }
        restored.unwritten = super::Unwritten::default();
        // What is left belongs to nobody.
        restored.unwritten.currents.extend(currents.into_keys());
        restored.unwritten.targets.extend(targets.into_keys());
        if has_topics {
            let key = RecordKey::Consumer { part: ConsumerPart::Topics, group: id.to_owned(), name: String::new() };
            restored.unwritten.before.push((key.encode(), None));
        }
        restored
    }
}
