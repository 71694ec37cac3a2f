//! Fetch sessions (KIP-227): which partitions a consumer reads and what it was told of each, so that its requests name
//! only what changes, and the answers too.
//!
//! A plain value. It draws no numbers, knows no clock and reads no partition: `api::fetch_session` puts it between a
//! request and its answer.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use crate::error_code::ErrorCode;

/// The epoch of a request that wants a new session.
pub const INITIAL_EPOCH: i32 = 0;

/// The epoch of a request that wants none, and ends the one that it names.
pub const FINAL_EPOCH: i32 = -1;

/// No session.
pub const NO_SESSION: i32 = 0;

/// Kafka's constant: a session that was not used for so long gives way to any other, and one that is as old to a larger
/// one.
pub const EVICTION_MS: u64 = 120_000;

/// Most partitions of all sessions together, some 150 bytes each. Requests have as many elements at most, so that
/// otherwise a few of them could take all memory.
pub const MOST_PARTITIONS: usize = 1 << 20;

/// Longest name that is remembered, in bytes: no topic has a longer one. Requests may, and are answered, but a few of them
/// could take all memory.
pub const LONGEST_NAME: usize = 249;

/// A topic as a session's requests name it: by its id from version 13 of Fetch on.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TopicKey {
    /// By id.
    Id(Uuid),
    /// By name.
    Name(Arc<str>),
}

impl TopicKey {
    fn can_be_kept(&self) -> bool {
        match self {
            Self::Id(_) => true,
            Self::Name(name) => name.len() <= LONGEST_NAME,
        }
    }
}

/// A partition of a session.
pub type PartitionKey = (TopicKey, i32);

/// What a request wants of a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Where to read from.
    pub offset: i64,
    /// Most bytes.
    pub max_bytes: i32,
    /// Epoch of the leader that the client knows; -1 for any.
    pub leader_epoch: i32,
    /// Epoch of the last record that was read; -1 for none.
    pub last_fetched_epoch: i32,
}

/// What an answer says of a partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Told {
    /// Whether there are records.
    pub has_records: bool,
    /// Whether it is an error.
    pub is_error: bool,
    /// End of what readers see.
    pub high_watermark: i64,
    /// End of what readers of committed records see.
    pub last_stable_offset: i64,
    /// First offset.
    pub log_start: i64,
}

impl Told {
    /// The offsets, as they are remembered. After an error the next answer tells them again.
    fn offsets(&self) -> [i64; 3] {
        let high_watermark = if self.is_error { -1 } else { self.high_watermark };
        [high_watermark, self.last_stable_offset, self.log_start]
    }
}

/// How a request is to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetching {
    /// All of it, without a session.
    Once,
    /// All of it, and a session is begun if there is room.
    Full,
    /// What has changed in a session since its last answer.
    Incremental {
        /// The session.
        id: i32,
        /// The epoch of its next request.
        next_epoch: i32,
        /// All its partitions, in the order in which they are to be read.
        partitions: Vec<(PartitionKey, Wanted)>,
    },
}

/// A partition that is in no answer yet was told of nothing.
const NOTHING: [i64; 3] = [-1; 3];

#[derive(Clone, Debug)]
struct Known {
    place: u64,
    wanted: Wanted,
    told: [i64; 3],
}

#[derive(Clone, Debug)]
struct Session {
    /// Of its next request.
    epoch: i32,
    /// Whether topics are named by id.
    by_id: bool,
    created_ms: u64,
    used_ms: u64,
    /// How many partitions it had when it was last used, as which it stands among those that can be evicted.
    size: usize,
    /// In the order in which they are read.
    order: BTreeMap<u64, PartitionKey>,
    partitions: HashMap<PartitionKey, Known>,
    next_place: u64,
}

impl Session {
    fn put(&mut self, key: PartitionKey, wanted: Wanted, told: [i64; 3]) {
        if let Some(known) = self.partitions.get_mut(&key) {
            known.wanted = wanted;
            return;
        }
        self.order.insert(self.next_place, key.clone());
        self.partitions.insert(key, Known { place: self.next_place, wanted, told });
        self.next_place += 1;
    }

    fn remove(&mut self, key: &PartitionKey) {
        if let Some(known) = self.partitions.remove(key) {
            self.order.remove(&known.place);
        }
    }

    fn would_tell(&self, key: &PartitionKey, told: &Told) -> bool {
        let known = self.partitions.get(key);
        known.is_some_and(|known| told.has_records || told.is_error || known.told != told.offsets())
    }

    /// Notes what an answer would say, and whether it has to.
    fn tell(&mut self, key: &PartitionKey, told: &Told) -> bool {
        let has_to = self.would_tell(key, told);
        // It was forgotten by a request that came later.
        let Some(known) = self.partitions.get_mut(key) else { return false };
        known.told = told.offsets();
        if told.has_records {
            // What was read goes to the end, so that no partition starves the others.
            self.order.remove(&known.place);
            known.place = self.next_place;
            self.next_place += 1;
            self.order.insert(known.place, key.clone());
        }
        has_to
    }
}

/// All sessions.
#[derive(Clone, Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: HashMap<i32, Session>,
    /// By the time of the last use.
    by_use: BTreeSet<(u64, i32)>,
    /// Those that are old enough to give way to a larger one, by their sizes.
    evictable: BTreeSet<(usize, i32)>,
    /// Partitions of all sessions, as of their last use.
    partitions: usize,
}

impl FetchSessions {
    /// Room for so many sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(slots: usize) -> Self {
        Self { slots, sessions: HashMap::new(), by_use: BTreeSet::new(), evictable: BTreeSet::new(), partitions: 0 }
    }

    /// Begins a request that names a session and its epoch. Times are milliseconds of any clock that does not go back.
    ///
    /// # Errors
    ///
    /// The session does not exist, expects another epoch, or names topics otherwise; or it would be too large, and has
    /// ended.
    pub fn begin(
        &mut self,
        (id, epoch): (i32, i32),
        by_id: bool,
        asked: impl IntoIterator<Item = (PartitionKey, Wanted)>,
        forgotten: impl IntoIterator<Item = PartitionKey>,
        now_ms: u64,
    ) -> Result<Fetching, ErrorCode> {
        if [INITIAL_EPOCH, FINAL_EPOCH].contains(&epoch) {
            // A session that a full request names is over.
            self.end(id);
            return Ok(if epoch == FINAL_EPOCH { Fetching::Once } else { Fetching::Full });
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for (key, wanted) in asked {
            if !key.0.can_be_kept() {
                self.end(id);
                return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
            }
            session.put(key, wanted, NOTHING);
        }
        for key in forgotten {
            session.remove(&key);
        }
        if session.partitions.is_empty() {
            self.end(id);
            return Ok(Fetching::Once);
        }
        session.epoch = next_epoch(epoch);
        let next_epoch = session.epoch;
        let partitions = session.order.values().map(|key| (key.clone(), session.partitions[key].wanted)).collect();
        self.touch(id, now_ms);
        if !self.make_room_for_growth(now_ms) {
            self.end(id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        Ok(Fetching::Incremental { id, next_epoch, partitions })
    }

    /// Begins a session after the answer to a full request, told to be `id`, which no session has. False where there is
    /// no room for it, or for a name in it.
    pub fn create(&mut self, id: i32, by_id: bool, partitions: Vec<(PartitionKey, Wanted, Told)>, now_ms: u64) -> bool {
        let can_be_kept = partitions.iter().all(|((topic, _), ..)| topic.can_be_kept());
        if !can_be_kept || !self.make_room(partitions.len(), now_ms) {
            return false;
        }
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            by_id,
            created_ms: now_ms,
            used_ms: now_ms,
            size: 0,
            order: BTreeMap::new(),
            partitions: HashMap::new(),
            next_place: 0,
        };
        for (key, wanted, told) in partitions {
            session.put(key, wanted, told.offsets());
        }
        self.sessions.insert(id, session);
        self.touch(id, now_ms);
        true
    }

    /// Whether there is such a session.
    pub fn contains(&self, id: i32) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Whether the next request of a session is to have this epoch, which is that of no other than the one that follows
    /// the request to be answered.
    ///
    /// # Errors
    ///
    /// Another request was begun since, or the session has ended: nothing may be told.
    pub fn check(&self, id: i32, next_epoch: i32) -> Result<(), ErrorCode> {
        match self.sessions.get(&id) {
            Some(session) if session.epoch == next_epoch => Ok(()),
            _ => Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH),
        }
    }

    /// Whether an answer has to say this of a partition.
    pub fn would_tell(&self, id: i32, key: &PartitionKey, told: &Told) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.would_tell(key, told))
    }

    /// Notes what an answer would say of a partition, and whether it has to say it.
    pub fn tell(&mut self, id: i32, key: &PartitionKey, told: &Told) -> bool {
        self.sessions.get_mut(&id).is_some_and(|session| session.tell(key, told))
    }

    /// Room for a session of so many partitions: a free slot, and partitions of all that are free. Those that were not
    /// used for long give way, then those of fewer partitions that are not young.
    fn make_room(&mut self, size: usize, now_ms: u64) -> bool {
        if MOST_PARTITIONS < size {
            return false;
        }
        while self.slots <= self.sessions.len() || MOST_PARTITIONS < self.partitions + size {
            let idle = self.by_use.first().filter(|(used_ms, _)| EVICTION_MS < now_ms.saturating_sub(*used_ms));
            let smaller = || self.evictable.first().filter(|(least, _)| *least < size).map(|(_, id)| *id);
            let Some(id) = idle.map(|(_, id)| *id).or_else(smaller) else { return false };
            self.end(id);
        }
        true
    }

    /// Ends sessions that were not used for long until all that are left have few enough partitions.
    fn make_room_for_growth(&mut self, now_ms: u64) -> bool {
        while MOST_PARTITIONS < self.partitions {
            let idle = self.by_use.first().filter(|(used_ms, _)| EVICTION_MS < now_ms.saturating_sub(*used_ms));
            let Some(&(_, id)) = idle else { return false };
            self.end(id);
        }
        true
    }

    fn touch(&mut self, id: i32, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        self.by_use.remove(&(session.used_ms, id));
        self.evictable.remove(&(session.size, id));
        self.partitions -= session.size;
        session.used_ms = now_ms;
        session.size = session.partitions.len();
        self.partitions += session.size;
        self.by_use.insert((session.used_ms, id));
        if EVICTION_MS < now_ms.saturating_sub(session.created_ms) {
            self.evictable.insert((session.size, id));
        }
    }

    fn end(&mut self, id: i32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.by_use.remove(&(session.used_ms, id));
        self.evictable.remove(&(session.size, id));
        self.partitions -= session.size;
    }
}

/// Counts on from 1 after the last number.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}
