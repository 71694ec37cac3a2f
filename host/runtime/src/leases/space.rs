//! What the records of one connector add up to: who owns its lease, and which keys have which values. A plain value.
//!
//! The order of the records decides. A record counts if nobody with a higher epoch had written before it; so an owner
//! that writes its first record has shut out all before it, and has read everything of theirs that counts once it has
//! read that record back. Records are never written over, only taken away (by a tombstone) when they say nothing any
//! more, those first that others have hidden: then what is left after a compaction that has come to any point says the
//! same as the whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::record::{BEGIN, Changes, Content, RecordId};

/// How much one connector may keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpaceLimits {
    /// `kv.max.entries`: keys with a value.
    pub entries: usize,
    /// `kv.max.key.bytes`: bytes of one key in UTF-8.
    pub key_bytes: usize,
    /// `kv.max.value.bytes`: bytes of one value.
    pub value_bytes: usize,
    /// `kv.max.bytes`: bytes of all keys and values together.
    pub bytes: usize,
}

/// Why a change is not made. Nothing of it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a key is empty, or has a control character")]
    Key,
    #[error("a key has {len} bytes, {max} are allowed (kv.max.key.bytes)")]
    KeyTooLong { len: usize, max: usize },
    #[error("the value of key {key:?} has {len} bytes, {max} are allowed (kv.max.value.bytes)")]
    ValueTooLong { key: String, len: usize, max: usize },
    #[error("key {key:?} is changed twice at once")]
    Twice { key: String },
    #[error("there would be {entries} keys, {max} are allowed (kv.max.entries)")]
    TooMany { entries: usize, max: usize },
    #[error("keys and values would have {bytes} bytes together, {max} are allowed (kv.max.bytes)")]
    TooMuch { bytes: usize, max: usize },
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Counts,
    /// Somebody has the lease in this epoch.
    Stale {
        epoch: u64,
    },
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    /// The highest that was read.
    epoch: u64,
    /// By position in the log.
    records: BTreeMap<u64, Kept>,
    positions: BTreeMap<RecordId, u64>,
    /// Where the records stand that count and change a key. The last of them says what it is.
    changed: BTreeMap<String, BTreeSet<u64>>,
}

#[derive(Clone, Debug)]
struct Kept {
    id: RecordId,
    counts: bool,
    /// None where a tenure begins.
    changes: Changes,
}

fn bytes_of((key, value): (&String, &Arc<[u8]>)) -> usize {
    key.len() + value.len()
}

impl Space {
    /// Takes a record, or with `None` its tombstone.
    pub(super) fn take(&mut self, position: u64, id: RecordId, content: Option<Content>) -> Verdict {
        // Under one key the newest record alone is there.
        if let Some(before) = self.positions.remove(&id) {
            self.forget(before);
        }
        let Some(content) = content else { return Verdict::Counts };
        // A tenure begins once, and with an epoch that nobody had.
        let counts = if id.number == BEGIN { self.epoch < id.epoch } else { self.epoch <= id.epoch };
        let stale = Verdict::Stale { epoch: self.epoch };
        self.epoch = self.epoch.max(id.epoch);
        let changes = match content {
            Content::Begin { .. } => Changes::new(),
            Content::Change(changes) => changes,
        };
        if counts {
            for key in changes.keys() {
                self.changed.entry(key.clone()).or_default().insert(position);
            }
        }
        self.positions.insert(id, position);
        self.records.insert(position, Kept { id, counts, changes });
        if counts { Verdict::Counts } else { stale }
    }

    fn forget(&mut self, position: u64) {
        let Some(kept) = self.records.remove(&position) else { return };
        for key in kept.changes.keys() {
            if let Some(positions) = self.changed.get_mut(key) {
                positions.remove(&position);
                if positions.is_empty() {
                    self.changed.remove(key);
                }
            }
        }
    }

    /// The epoch in which somebody has the lease; 0 if nobody ever had it.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Number of the next record that an owner writes in this epoch, as far as its records have been read.
    pub(super) fn next_number(&self, epoch: u64) -> u64 {
        let last = self.positions.range(..=RecordId { epoch, number: u64::MAX }).next_back();
        last.map_or(BEGIN, |(id, _)| if id.epoch == epoch { id.number.saturating_add(1) } else { BEGIN })
    }

    fn value_of(&self, key: &str, positions: &BTreeSet<u64>) -> Option<&Arc<[u8]>> {
        self.records.get(positions.last()?)?.changes.get(key)?.as_ref()
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Arc<[u8]>> {
        self.value_of(key, self.changed.get(key)?)
    }

    /// All keys that have a value, in ascending order, with it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Arc<[u8]>)> {
        self.changed.iter().filter_map(|(key, positions)| Some((key, self.value_of(key, positions)?)))
    }

    /// The record by which an owner makes these changes: them alone, or once earlier records hold much that has
    /// been changed since, with all that is there, so that no record before it is needed any more.
    ///
    /// # Errors
    ///
    /// A limit.
    pub(super) fn change(
        &self,
        wanted: impl IntoIterator<Item = (String, Option<Vec<u8>>)>,
        limits: &SpaceLimits,
    ) -> Result<Changes, Refused> {
        let mut changes = Changes::new();
        for (key, value) in wanted {
            check(&key, value.as_deref(), limits)?;
            if let Some((key, _)) = changes.get_key_value(&key) {
                return Err(Refused::Twice { key: key.clone() });
            }
            changes.insert(key, value.map(Arc::from));
        }
        let kept = || self.entries().filter(|(key, _)| !changes.contains_key(*key));
        let set = || changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let entries = kept().count() + set().count();
        if limits.entries < entries {
            return Err(Refused::TooMany { entries, max: limits.entries });
        }
        let bytes: usize = kept().chain(set()).map(bytes_of).sum();
        if limits.bytes < bytes {
            return Err(Refused::TooMuch { bytes, max: limits.bytes });
        }
        let held: usize = self.records.values().flat_map(|kept| &kept.changes).map(held_bytes).sum();
        if limits.bytes.saturating_mul(2) < held {
            let all: Changes = kept().map(|(key, value)| (key.clone(), Some(Arc::clone(value)))).collect();
            changes.extend(all);
        }
        Ok(changes)
    }

    /// Records that say nothing any more, in the order in which they may be taken away by whoever owns the lease: a
    /// record that hides another goes after it, and one that makes others count for nothing after these.
    pub(super) fn spent(&self) -> Vec<RecordId> {
        let is_begin = |kept: &Kept| kept.id.number == BEGIN;
        let says_nothing = |position: u64, kept: &Kept| {
            let is_spent = |(key, value): (&String, &Option<Arc<[u8]>>)| match self.changed.get(key) {
                // Of a removal that hides nothing the key's absence says as much.
                Some(positions) if positions.last() == Some(&position) => value.is_none() && positions.len() == 1,
                _ => true,
            };
            !kept.counts || kept.changes.iter().all(is_spent)
        };
        let changes = self.records.iter().filter(|(position, kept)| !is_begin(kept) && says_nothing(**position, kept));
        let begins = self.records.values().filter(|kept| is_begin(kept) && kept.id.epoch < self.epoch);
        changes.map(|(_, kept)| kept.id).chain(begins.map(|kept| kept.id)).collect()
    }
}

fn held_bytes((key, value): (&String, &Option<Arc<[u8]>>)) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len())
}

fn check(key: &str, value: Option<&[u8]>, limits: &SpaceLimits) -> Result<(), Refused> {
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(Refused::Key);
    }
    if limits.key_bytes < key.len() {
        return Err(Refused::KeyTooLong { len: key.len(), max: limits.key_bytes });
    }
    match value {
        Some(value) if limits.value_bytes < value.len() => {
            Err(Refused::ValueTooLong { key: key.to_owned(), len: value.len(), max: limits.value_bytes })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
