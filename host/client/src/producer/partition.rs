//! The batches of one partition: which one may be sent next, and what an answer does to them.
//!
//! The rules are those of Kafka's idempotent producer. Batches get sequence numbers when they are first sent.
//! While one has to be repeated, only the oldest unacknowledged batch goes out, so that order is kept. When a
//! batch certainly failed, those after it move up by its records. When it is not known whether it was
//! written, nothing new is sent until every answer is there, and counting starts at 0 in a new epoch.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::batch::{Batch, Stamp, State, sequence_after};
use crate::kafka_error::KafkaCode;

/// Batches of one partition that a broker may have at a time; it recognises repetitions of that many.
const MOST_UNACKNOWLEDGED: usize = 5;

/// What a broker said about a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// Written, with its first record at this offset (-1 when the broker does not tell).
    Written { base_offset: i64 },
    /// Refused, together with the log's first offset (-1 when the broker does not tell).
    Refused { code: KafkaCode, log_start_offset: i64 },
    /// No answer. `retriable` unless trying again cannot help.
    Lost { retriable: bool },
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Delivered; -1 when its offset is not known.
    Delivered { base_offset: i64 },
    /// Sent again.
    Repeat,
    /// Sent again in two halves.
    Split,
    /// Given up. `certain` when it is known not to have been written.
    Fail { certain: bool },
}

/// Patience with failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) retries: u32,
    pub(super) idempotent: bool,
}

/// Batches of one partition and the numbers they carry.
#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    /// Complete and never sent, oldest first.
    pub(super) ready: VecDeque<Batch>,
    /// Sent at least once, by sequence number.
    pub(super) unacknowledged: VecDeque<Batch>,
    /// Producer id and epoch in use here, once there was something to send.
    identity: Option<(i64, i16)>,
    next_sequence: i32,
    /// Whether the broker has acknowledged a batch under this identity. Before that it takes any sequence number
    /// for the first, so a second batch must not overtake one that fails.
    established: bool,
    /// Newest offset known to be written, 0 before the first.
    last_offset: i64,
    /// Set while it is not known whether a failed batch was written.
    unresolved: bool,
    /// Set when the last epoch of the producer id is used up.
    exhausted: bool,
}

/// What a partition can send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sendable {
    /// Its oldest unacknowledged batch, once more.
    Again,
    /// Its oldest new batch.
    New,
    /// Nothing before this time.
    NotBefore(Instant),
    /// Nothing before an answer arrives or a record is added.
    Nothing,
}

impl PartitionQueue {
    /// What may be sent now.
    pub(super) fn sendable(&self, now: Instant, patience: &Patience) -> Sendable {
        if let Some(oldest) = self.unacknowledged.front()
            && self.unacknowledged.iter().any(|batch| batch.state != State::InFlight)
        {
            return match oldest.state {
                State::Waiting(_) if self.unresolved => Sendable::Nothing,
                State::Waiting(until) if now < until => Sendable::NotBefore(until),
                State::Waiting(_) => Sendable::Again,
                _ => Sendable::Nothing,
            };
        }
        let window = if self.established { MOST_UNACKNOWLEDGED } else { 1 };
        let window_full = patience.idempotent && window <= self.unacknowledged.len();
        if self.unresolved || window_full || self.ready.is_empty() { Sendable::Nothing } else { Sendable::New }
    }

    /// Whether a new identity is needed before a new batch can be sent.
    pub(super) fn needs_identity(&self) -> bool {
        self.identity.is_none()
    }

    /// Marks the batch that [`Self::sendable`] named as sent and returns it. `identity` is used when the
    /// partition has none yet; `None` stands for a producer that is not idempotent.
    pub(super) fn send(&mut self, again: bool, identity: Option<(i64, i16)>) -> Option<&mut Batch> {
        if !again {
            let mut batch = self.ready.pop_front()?;
            if self.identity.is_none() {
                self.identity = identity;
                self.next_sequence = 0;
                self.established = false;
            }
            if let Some((producer_id, epoch)) = self.identity {
                batch.stamp = Stamp { producer_id, epoch, sequence: self.next_sequence };
                self.next_sequence = sequence_after(self.next_sequence, batch.records);
            }
            self.unacknowledged.push_back(batch);
        }
        let batch = if again { self.unacknowledged.front_mut() } else { self.unacknowledged.back_mut() }?;
        if again && batch.stamp != Stamp::NONE && self.identity.is_none() {
            // The identity was given up while the batch waited; all that wait begin anew.
            self.identity = identity;
            self.renumber();
        }
        let batch = if again { self.unacknowledged.front_mut() } else { self.unacknowledged.back_mut() }?;
        batch.attempts = batch.attempts.saturating_add(1);
        batch.state = State::InFlight;
        Some(batch)
    }

    /// Decides about an answer to the batch with this id, which was sent with `sent`. `None` for a batch that
    /// has been given up already. Changes nothing.
    pub(super) fn decide(&self, id: u64, sent: Stamp, answer: Answer, patience: &Patience) -> Option<Verdict> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = &self.unacknowledged[at];
        let may_repeat = batch.attempts <= patience.retries;
        let repeat_or_fail = |certain| if may_repeat { Verdict::Repeat } else { Verdict::Fail { certain } };
        Some(match answer {
            Answer::Written { base_offset } => Verdict::Delivered { base_offset },
            Answer::Lost { retriable: true } => repeat_or_fail(false),
            Answer::Lost { retriable: false } => Verdict::Fail { certain: false },
            Answer::Refused { code: KafkaCode::DUPLICATE_SEQUENCE_NUMBER, .. } => {
                Verdict::Delivered { base_offset: -1 }
            }
            Answer::Refused { code: KafkaCode::MESSAGE_TOO_LARGE, .. } if 1 < batch.records => Verdict::Split,
            Answer::Refused { code, log_start_offset } if patience.idempotent && is_sequence_gap(code) => {
                // A gap is no wonder while an earlier batch is to be repeated, when numbers have changed since
                // it was sent, or when the records before it were deleted.
                let expected = 0 < at || sent != batch.stamp || self.unresolved;
                let forgotten = code == KafkaCode::UNKNOWN_PRODUCER_ID && self.last_offset < log_start_offset;
                if expected || forgotten { repeat_or_fail(true) } else { Verdict::Fail { certain: false } }
            }
            Answer::Refused { code, .. } if code.is_retriable() => {
                // Timeouts and too few replicas leave open whether the leader wrote it.
                repeat_or_fail(!matches!(code.number(), 7 | 20))
            }
            Answer::Refused { code, .. } => Verdict::Fail { certain: code.number() != -1 && !is_sequence_gap(code) },
        })
    }

    /// Notes that a batch was delivered and takes it out.
    pub(super) fn delivered(&mut self, id: u64, base_offset: i64) -> Option<Batch> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = self.unacknowledged.remove(at)?;
        self.established = true;
        if 0 <= base_offset {
            self.last_offset = self.last_offset.max(base_offset + i64::from(batch.records) - 1);
        }
        self.resolve();
        Some(batch)
    }

    /// Has a batch sent again at `not_before`.
    pub(super) fn repeat(&mut self, id: u64, not_before: Instant, forgotten: bool) {
        if let Some(batch) = self.unacknowledged.iter_mut().find(|batch| batch.id == id) {
            batch.state = State::Waiting(not_before);
        }
        if forgotten {
            self.unresolved = true;
        }
        self.resolve();
    }

    /// Puts the halves of a batch in its place.
    pub(super) fn replace(&mut self, id: u64, halves: [Batch; 2]) -> Option<Batch> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let whole = self.unacknowledged.remove(at)?;
        for (place, half) in (at..).zip(halves) {
            self.unacknowledged.insert(place, half);
        }
        self.resolve();
        Some(whole)
    }

    /// Gives a batch up and takes it out.
    pub(super) fn fail(&mut self, id: u64, certain: bool) -> Option<Batch> {
        if let Some(at) = self.ready.iter().position(|batch| batch.id == id) {
            return self.ready.remove(at);
        }
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = self.unacknowledged.remove(at)?;
        if self.identity.is_some() {
            if certain {
                for later in self.unacknowledged.range_mut(at..) {
                    later.stamp.sequence = sequence_after(later.stamp.sequence, -batch.records);
                }
                self.next_sequence = sequence_after(self.next_sequence, -batch.records);
            } else {
                self.unresolved = true;
            }
        }
        self.resolve();
        Some(batch)
    }

    /// Once no answer is outstanding after a failure of unknown outcome: counts from 0 in a new epoch, which
    /// tells the broker not to look for a continuation.
    fn resolve(&mut self) {
        if !self.unresolved || self.unacknowledged.iter().any(|batch| batch.state == State::InFlight) {
            return;
        }
        self.unresolved = false;
        // Without an epoch left a new producer id is used with the next batch.
        self.identity = self.identity.and_then(|(id, epoch)| Some((id, epoch.checked_add(1)?)));
        self.exhausted = self.identity.is_none();
        self.renumber();
    }

    /// Whether the producer id can be used no longer; says so once.
    pub(super) fn take_exhausted(&mut self) -> bool {
        std::mem::take(&mut self.exhausted)
    }

    fn renumber(&mut self) {
        self.next_sequence = 0;
        self.established = false;
        let Some((producer_id, epoch)) = self.identity else { return };
        for batch in &mut self.unacknowledged {
            batch.stamp = Stamp { producer_id, epoch, sequence: self.next_sequence };
            self.next_sequence = sequence_after(self.next_sequence, batch.records);
        }
    }
}

fn is_sequence_gap(code: KafkaCode) -> bool {
    matches!(
        code,
        KafkaCode::OUT_OF_ORDER_SEQUENCE_NUMBER | KafkaCode::UNKNOWN_PRODUCER_ID | KafkaCode::INVALID_PRODUCER_EPOCH
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_wire::batch::RecordBatchBuilder;

    use super::{super::batch::Content, *};

    const PATIENCE: Patience = Patience { retries: u32::MAX, idempotent: true };
    const OUT_OF_ORDER: Answer =
        Answer::Refused { code: KafkaCode::OUT_OF_ORDER_SEQUENCE_NUMBER, log_start_offset: -1 };
    const NOT_LEADER: Answer = Answer::Refused { code: KafkaCode::NOT_LEADER_OR_FOLLOWER, log_start_offset: -1 };

    #[test]
    fn after_the_first_five_batches_are_in_flight_and_the_sixth_waits() {
        let (mut queue, now) = (with_ready(8), Instant::now());
        queue.send(false, Some((7, 0)));
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::Nothing, "the broker does not know the producer yet");
        queue.delivered(0, 90);
        for expected in 1..6 {
            assert_eq!(queue.sendable(now, &PATIENCE), Sendable::New);
            let batch = queue.send(false, Some((7, 0))).expect("ready");
            assert_eq!(batch.stamp, Stamp { producer_id: 7, epoch: 0, sequence: expected * 10 });
        }
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::Nothing);
        queue.delivered(1, 100);
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::New);
    }

    #[test]
    fn after_a_failure_batches_are_repeated_one_by_one_in_order() {
        let (mut queue, now) = (in_flight(3), Instant::now());
        let later = now + Duration::from_millis(100);
        assert_eq!(decide(&queue, 0, NOT_LEADER), Verdict::Repeat);
        queue.repeat(0, later, false);
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::NotBefore(later));
        assert_eq!(decide(&queue, 1, OUT_OF_ORDER), Verdict::Repeat, "its predecessor is missing");
        queue.repeat(1, now, false);
        assert_eq!(queue.sendable(later, &PATIENCE), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.id), Some(0));
        assert_eq!(queue.sendable(later, &PATIENCE), Sendable::Nothing, "the second waits for the first");
        queue.delivered(0, 5);
        assert_eq!(queue.send(true, None).map(|batch| (batch.id, batch.stamp.sequence)), Some((1, 10)));
        assert_eq!(decide(&queue, 2, OUT_OF_ORDER), Verdict::Repeat);
    }

    #[test]
    fn batches_after_one_that_was_refused_move_up() {
        let mut queue = in_flight(3);
        let refused = Answer::Refused { code: KafkaCode::check(87).expect_err("a code"), log_start_offset: -1 };
        assert_eq!(decide(&queue, 0, refused), Verdict::Fail { certain: true });
        queue.fail(0, true);
        let sent = Stamp { producer_id: 7, epoch: 0, sequence: 10 };
        assert_eq!(queue.unacknowledged[0].stamp.sequence, 0);
        assert_eq!(queue.unacknowledged[1].stamp.sequence, 10);
        assert_eq!(
            queue.decide(1, sent, OUT_OF_ORDER, &PATIENCE),
            Some(Verdict::Repeat),
            "it is the oldest now, but was sent with its old number"
        );
        assert_eq!(decide(&queue, 1, OUT_OF_ORDER), Verdict::Fail { certain: false }, "with its new number");
    }

    #[test]
    fn a_failure_of_unknown_outcome_starts_a_new_epoch_once_every_answer_is_there() {
        let (mut queue, now) = (in_flight(3), Instant::now());
        queue.ready.push_back(batch(9, now));
        queue.fail(0, false);
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::Nothing, "two answers are outstanding");
        queue.delivered(1, 50);
        assert_eq!(decide(&queue, 2, OUT_OF_ORDER), Verdict::Repeat, "the broker certainly lacks it");
        queue.repeat(2, now, false);
        let stamp = Stamp { producer_id: 7, epoch: 1, sequence: 0 };
        assert_eq!(queue.sendable(now, &PATIENCE), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.stamp), Some(stamp));
        queue.delivered(2, 60);
        assert_eq!(queue.send(false, None).map(|batch| batch.stamp.sequence), Some(10));
    }

    #[test]
    fn without_an_epoch_left_a_new_producer_id_is_used() {
        let mut queue = with_ready(2);
        queue.send(false, Some((7, i16::MAX)));
        queue.fail(0, false);
        assert!(queue.needs_identity());
        assert!(queue.take_exhausted());
        assert!(!queue.take_exhausted());
        let stamp = Stamp { producer_id: 8, epoch: 0, sequence: 0 };
        assert_eq!(queue.send(false, Some((8, 0))).map(|batch| batch.stamp), Some(stamp));
    }

    #[test]
    fn answers_are_judged_as_the_java_producer_does() {
        let queue = in_flight(2);
        let refused = |code, log_start_offset| Answer::Refused { code, log_start_offset };
        for (answer, verdict) in [
            (Answer::Written { base_offset: 4 }, Verdict::Delivered { base_offset: 4 }),
            (refused(KafkaCode::DUPLICATE_SEQUENCE_NUMBER, -1), Verdict::Delivered { base_offset: -1 }),
            (refused(KafkaCode::MESSAGE_TOO_LARGE, -1), Verdict::Split),
            (refused(KafkaCode::REQUEST_TIMED_OUT, -1), Verdict::Repeat),
            (Answer::Lost { retriable: true }, Verdict::Repeat),
            (Answer::Lost { retriable: false }, Verdict::Fail { certain: false }),
            (OUT_OF_ORDER, Verdict::Fail { certain: false }),
            (refused(KafkaCode::UNKNOWN_PRODUCER_ID, 500), Verdict::Repeat),
            (refused(KafkaCode::UNKNOWN_PRODUCER_ID, -1), Verdict::Fail { certain: false }),
        ] {
            assert_eq!(decide(&queue, 0, answer), verdict, "{answer:?}");
        }
        let once = Patience { retries: 0, idempotent: false };
        assert_eq!(queue.decide(0, Stamp::NONE, NOT_LEADER, &once), Some(Verdict::Fail { certain: true }));
        assert_eq!(queue.decide(77, Stamp::NONE, NOT_LEADER, &once), None, "given up already");
    }

    fn decide(queue: &PartitionQueue, id: u64, answer: Answer) -> Verdict {
        let sent = queue.unacknowledged.iter().find(|batch| batch.id == id).expect("unacknowledged").stamp;
        queue.decide(id, sent, answer, &PATIENCE).expect("known")
    }

    fn batch(id: u64, created: Instant) -> Batch {
        Batch {
            id,
            ranges: vec![(id * 10, id * 10 + 9)],
            records: 10,
            size: 100,
            created,
            content: Content::Records(RecordBatchBuilder::with_capacity(0)),
            stamp: Stamp::NONE,
            attempts: 0,
            state: State::New,
        }
    }

    fn with_ready(batches: u64) -> PartitionQueue {
        let now = Instant::now();
        PartitionQueue { ready: (0..batches).map(|id| batch(id, now)).collect(), ..PartitionQueue::default() }
    }

    fn in_flight(batches: u64) -> PartitionQueue {
        let mut queue = with_ready(batches);
        for _ in 0..batches {
            queue.send(false, Some((7, 0)));
        }
        queue
    }
}
