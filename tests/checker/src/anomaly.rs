//! What must not happen, by name.

use std::{collections::BTreeMap, fmt};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// An acknowledged (and committed) record was found by nobody, though records behind it were.
    LostWrite,
    /// An acknowledged (and committed) record was found by nobody, nor was anything behind it.
    Unseen,
    /// A value that nobody has sent to this partition.
    Invented,
    /// One value stands at several offsets.
    Duplicate,
    /// Several values stand at one offset.
    InconsistentOffset,
    /// A record of an aborted transaction was read, or one that was refused (G1a).
    AbortedRead,
    /// A record was read before its commit was asked for, or before it was sent.
    PrecommittedRead,
    /// Within one poll or one transaction a record was left out.
    InternalPollSkip,
    /// From one poll to the next a record was left out.
    ExternalPollSkip,
    /// Within one poll or one transaction the offsets went back.
    InternalNonmonotonicPoll,
    /// From one poll to the next the offsets went back.
    ExternalNonmonotonicPoll,
    /// Records that one call sent stand in another order.
    InternalNonmonotonicSend,
    /// Records that two calls sent one after the other stand in another order.
    ExternalNonmonotonicSend,
    /// Each transaction of a circle read what the one before it wrote (G1c).
    ReadCycle,
    /// Of one record there are two copies, where each is to be copied once.
    CopiedTwice,
    /// Of a record there is no copy, where each is to be copied once.
    NotCopied,
}

/// One thing that went wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anomaly {
    /// What kind.
    pub kind: Kind,
    /// Where, and what the history says about it.
    pub detail: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.detail)
    }
}

/// Cycles that Kafka's transactions permit: the records of open transactions stand between one another in a partition,
/// in the order of their arrival. Told because they show how much of that a history contains.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Allowed {
    /// Groups of transactions whose writes stand before one another in a circle (G0).
    pub write_cycles: usize,
    /// Groups of transactions with a circle of writes and reads that is none of reads alone.
    pub mixed_cycles: usize,
}

/// What a history shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// What must not happen.
    pub anomalies: Vec<Anomaly>,
    /// What may.
    pub allowed: Allowed,
    /// Records that were sent.
    pub sends: usize,
    /// Those of them that have to be there.
    pub certain: usize,
    /// Records that polls have brought.
    pub reads: usize,
    /// Transactions that were committed.
    pub committed: usize,
    /// Transactions that were not.
    pub aborted: usize,
    /// Transactions of which nobody knows.
    pub undecided: usize,
}

impl Report {
    /// How often each kind was found.
    pub fn kinds(&self) -> BTreeMap<Kind, usize> {
        let mut kinds = BTreeMap::new();
        for anomaly in &self.anomalies {
            *kinds.entry(anomaly.kind).or_default() += 1;
        }
        kinds
    }
}
