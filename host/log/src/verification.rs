//! Which producers' transactions are being asked for at the coordinator, so that a batch cannot open a transaction of
//! which no coordinator knows (KIP-890).
//!
//! Whoever is about to append takes a guard first, asks the coordinator, and appends with the guard. A marker that is
//! appended in between makes the guard void: a batch that comes late opens nothing behind the end of its transaction.

use std::collections::BTreeMap;

use millstream_wire::batch::BatchHeader;

/// Stands for one question to the coordinator. Those of one producer share it until a batch or a marker is appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerificationGuard(u64);

/// A question that is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Question {
    guard: VerificationGuard,
    epoch: i16,
    /// The first of the producer's batches that wait for the answer.
    lowest_sequence: i32,
    since_ms: i64,
}

/// The questions of one partition's producers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verifications {
    questions: BTreeMap<i64, Question>,
    taken: u64,
}

impl Verifications {
    /// Takes a guard for a producer's batch.
    pub(crate) fn begin(&mut self, producer_id: i64, epoch: i16, sequence: i32, now_ms: i64) -> VerificationGuard {
        let taken = &mut self.taken;
        let question = self.questions.entry(producer_id).or_insert_with(|| {
            *taken += 1;
            Question { guard: VerificationGuard(*taken), epoch, lowest_sequence: sequence, since_ms: now_ms }
        });
        let newer = question.epoch < epoch;
        if newer || (question.epoch == epoch && sequence < question.lowest_sequence) {
            question.epoch = epoch;
            question.lowest_sequence = sequence;
        }
        question.guard
    }

    /// Whether a guard is the one of the producer's question.
    pub(crate) fn holds(&self, producer_id: i64, guard: Option<VerificationGuard>) -> bool {
        guard.is_some() && guard == self.questions.get(&producer_id).map(|question| question.guard)
    }

    /// The first sequence that waits for the producer's answer.
    pub(crate) fn lowest_sequence(&self, batch: &BatchHeader) -> Option<i32> {
        self.questions.get(&batch.producer_id).map(|question| question.lowest_sequence)
    }

    /// The question is settled: the transaction has begun here, or has ended.
    pub(crate) fn settle(&mut self, producer_id: i64) {
        self.questions.remove(&producer_id);
    }

    /// Forgets questions that nobody came back to.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.questions.retain(|_, question| now_ms.saturating_sub(question.since_ms) <= expiration_ms);
    }
}
