//! What the coordinator knows of one transactional id, and the steps from one such knowledge to the next.
//!
//! Plain values: whether a step may be taken is decided in `coordinator`.

use std::collections::{BTreeMap, BTreeSet};

/// Stands for "no producer id" and "no producer epoch" in records and answers.
pub const NO_PRODUCER_ID: i64 = -1;
/// As above.
pub const NO_EPOCH: i16 = -1;
/// Stands for "no transaction has begun".
const NO_START: i64 = -1;

/// Partitions that take part in a transaction: numbers by topic.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Partitions(BTreeMap<String, BTreeSet<i32>>);

impl Partitions {
    /// Adds one.
    pub fn insert(&mut self, topic: &str, partition: i32) {
        match self.0.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition);
            }
            None => {
                self.0.insert(topic.to_owned(), BTreeSet::from([partition]));
            }
        }
    }

    /// Whether this one is among them.
    pub fn contains(&self, topic: &str, partition: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Whether all of those are among them.
    pub fn contains_all(&self, others: &Self) -> bool {
        others.iter().all(|(topic, partition)| self.contains(topic, partition))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By topic, in order.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = (&str, &BTreeSet<i32>)> {
        self.0.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    /// One by one, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.topics().flat_map(|(topic, partitions)| partitions.iter().map(move |&partition| (topic, partition)))
    }
}

impl<'a> FromIterator<(&'a str, i32)> for Partitions {
    fn from_iter<I: IntoIterator<Item = (&'a str, i32)>>(all: I) -> Self {
        let mut partitions = Self::default();
        all.into_iter().for_each(|(topic, partition)| partitions.insert(topic, partition));
        partitions
    }
}

/// Which generation of the protocol a transaction is ended by (KIP-890).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Generation {
    /// Clients add partitions themselves, and the epoch lasts over many transactions.
    #[default]
    First,
    /// The broker adds partitions, and each end of a transaction raises the epoch.
    Second,
}

impl Generation {
    /// Level of the feature `transaction.version` that a record notes for it.
    pub fn level(self) -> i16 {
        match self {
            Self::First => 0,
            Self::Second => 2,
        }
    }

    /// What a record notes; unknown levels are newer than the second and include it.
    pub fn from_level(level: i16) -> Self {
        if 2 <= level { Self::Second } else { Self::First }
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Its records count.
    Commit,
    /// Its records are as if they had never been.
    Abort,
}

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TransactionState {
    /// A producer was initialised, and there is no transaction.
    Empty,
    /// Partitions take part, and no end was decided.
    Ongoing,
    /// Decided; not all partitions have heard of it.
    PrepareCommit,
    /// Decided; not all partitions have heard of it.
    PrepareAbort,
    /// All partitions have heard of it.
    CompleteCommit,
    /// All partitions have heard of it.
    CompleteAbort,
}

impl TransactionState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Its number in records.
    pub fn id(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
        }
    }

    /// The state of that number; Kafka's `Dead` (6) and `PrepareEpochFence` (7) are never written.
    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.id() == id)
    }

    /// As DescribeTransactions and ListTransactions spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// The verdict that was decided and has not reached all partitions.
    pub fn prepared(self) -> Option<Verdict> {
        match self {
            Self::PrepareCommit => Some(Verdict::Commit),
            Self::PrepareAbort => Some(Verdict::Abort),
            Self::Empty | Self::Ongoing | Self::CompleteCommit | Self::CompleteAbort => None,
        }
    }

    /// Whether no transaction is open or on its way to its end.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }
}

/// A transactional id's producer and transaction.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Metadata {
    /// The producer.
    pub producer_id: i64,
    /// The producer before the last step; differs from `producer_id` after the epochs of that one ran out.
    pub previous_producer_id: i64,
    /// Who is the producer once the transaction has ended, where the epochs of this one have run out; else -1.
    pub next_producer_id: i64,
    /// Epoch of the producer; -1 before the first.
    pub epoch: i16,
    /// Epoch before the last one that the producer itself asked to raise; -1 where another instance did. Not stored.
    pub last_epoch: i16,
    /// Longest time a transaction may take, in milliseconds.
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: TransactionState,
    /// Who takes part.
    pub partitions: Partitions,
    /// When the transaction began, in wall-clock milliseconds; -1 for none yet.
    pub started_ms: i64,
    /// When the last step was taken, in wall-clock milliseconds.
    pub updated_ms: i64,
    /// By which generation of the protocol the last transaction was begun or ended.
    pub generation: Generation,
}

impl Metadata {
    /// A producer that has no epoch yet.
    pub fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            epoch: NO_EPOCH,
            last_epoch: NO_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: Partitions::default(),
            started_ms: NO_START,
            updated_ms: now_ms,
            generation: Generation::First,
        }
    }

    /// Whether clients get no epoch after this one from the same producer id: the highest number is kept for fencing.
    pub fn is_exhausted(&self) -> bool {
        is_exhausted(self.epoch)
    }

    /// A copy to change into what comes next.
    fn step(&self, state: TransactionState, now_ms: i64) -> Self {
        Self { previous_producer_id: self.producer_id, state, updated_ms: now_ms, ..self.clone() }
    }

    /// A producer is initialised with this identity.
    pub fn initialised(&self, producer_id: i64, epoch: i16, last_epoch: i16, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            epoch,
            last_epoch,
            timeout_ms,
            partitions: Partitions::default(),
            started_ms: NO_START,
            ..self.step(TransactionState::Empty, now_ms)
        }
    }

    /// Partitions take part from now on.
    pub fn with_partitions(&self, added: &Partitions, generation: Generation, now_ms: i64) -> Self {
        Self {
            partitions: self.partitions.iter().chain(added.iter()).collect(),
            started_ms: if self.state == TransactionState::Ongoing { self.started_ms } else { now_ms },
            generation,
            ..self.step(TransactionState::Ongoing, now_ms)
        }
    }

    /// The end is decided. In the second generation the epoch goes up, so that nothing that was sent before can reach
    /// the next transaction; at the highest number, which only fencing reaches, it stays.
    pub fn prepared(&self, verdict: Verdict, generation: Generation, next_producer_id: i64, now_ms: i64) -> Self {
        let state = match verdict {
            Verdict::Commit => TransactionState::PrepareCommit,
            Verdict::Abort => TransactionState::PrepareAbort,
        };
        let (epoch, last_epoch) = match generation {
            Generation::First => (self.epoch, self.last_epoch),
            Generation::Second => (self.epoch.saturating_add(1), self.epoch),
        };
        Self {
            epoch,
            last_epoch,
            next_producer_id,
            generation,
            // An abort may come without a transaction, and has to have a beginning nevertheless.
            started_ms: if self.state == TransactionState::Ongoing { self.started_ms } else { now_ms },
            ..self.step(state, now_ms)
        }
    }

    /// All partitions have heard of the end.
    pub fn completed(&self, verdict: Verdict, now_ms: i64) -> Self {
        let state = match verdict {
            Verdict::Commit => TransactionState::CompleteCommit,
            Verdict::Abort => TransactionState::CompleteAbort,
        };
        let moved = self.generation == Generation::Second && self.next_producer_id != NO_PRODUCER_ID;
        let (producer_id, epoch) = if moved { (self.next_producer_id, 0) } else { (self.producer_id, self.epoch) };
        Self {
            producer_id,
            epoch,
            next_producer_id: NO_PRODUCER_ID,
            partitions: Partitions::default(),
            ..self.step(state, now_ms)
        }
    }
}

/// Whether a client may not go on from this epoch with the same producer id.
pub fn is_exhausted(epoch: i16) -> bool {
    i16::MAX - 1 <= epoch
}
