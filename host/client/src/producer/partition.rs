//! The batches of one partition: which one may be sent next, and what an answer does to them.
//!
//! The rules are those of Kafka's idempotent producer. Batches get sequence numbers when they are first sent.
//! While one has to be repeated, only the oldest unacknowledged batch goes out, so that order is kept.
//!
//! A sequence number is never given to other records: a broker that has written the first ones would take the
//! others for their repetition, and acknowledge what it never stored. So when a batch is given up, nothing new is
//! sent until it is known of every batch behind it whether it was written. Then counting starts at 0 in a new
//! epoch, which tells the broker not to look for a continuation.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::record_batch::{RecordBatch, Stamp, State, sequence_after};
use crate::kafka_error::ErrorCode;

/// Batches of one partition that a broker may have at a time; it recognises repetitions of that many.
const MOST_UNACKNOWLEDGED: usize = 5;

/// What a broker said about a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// Written, with its first record at this offset (-1 when the broker does not tell).
    Written { base_offset: i64 },
    /// Refused, together with the log's first offset (-1 when the broker does not tell).
    Refused { code: ErrorCode, log_start_offset: i64 },
    /// No answer. `retriable` unless trying again cannot help.
    Lost { retriable: bool },
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Delivered; -1 when its offset is not known.
    Delivered { base_offset: i64 },
    /// Sent again.
    Repeat {
        /// Whether it may have been written under the number it has.
        in_doubt: bool,
        /// Whether the broker's idea of this producer has broken off, so that a new epoch is needed.
        renew: bool,
    },
    /// Sent again in two halves.
    Split,
    /// Not sent again: its records fail with the broker's answer.
    Fail,
}

/// RetryPolicy with failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    pub(super) retries: u32,
    pub(super) idempotent: bool,
    /// Whether batches belong to transactions, in which a gap cannot be mended by a new epoch.
    pub(super) transactional: bool,
}

/// Batches of one partition and the numbers they carry.
#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    /// Complete and never sent, oldest first.
    pub(super) ready: VecDeque<RecordBatch>,
    /// Sent at least once, by sequence number.
    pub(super) unacknowledged: VecDeque<RecordBatch>,
    /// Producer id and epoch in use here, once there was something to send.
    identity: Option<(i64, i16)>,
    next_sequence: i32,
    /// Whether the broker has acknowledged a batch under this identity. Before that it takes any sequence number
    /// for the first, so a second batch must not overtake one that fails.
    established: bool,
    /// Newest offset known to be written, 0 before the first.
    last_offset: i64,
    /// Set while a new epoch is needed and the fate of older batches not known yet.
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
    pub(super) fn sendable(&self, now: Instant, retry: &RetryPolicy) -> Sendable {
        if let Some(oldest) = self.unacknowledged.front()
            && (self.unresolved || self.unacknowledged.iter().any(|batch| batch.state != State::InFlight))
        {
            return match oldest.state {
                // It is not in the log, and goes out in the new epoch once every answer is there.
                State::Waiting(_) if self.unresolved && !oldest.in_doubt => Sendable::Nothing,
                State::Waiting(until) if now < until => Sendable::NotBefore(until),
                State::Waiting(_) => Sendable::Again,
                _ => Sendable::Nothing,
            };
        }
        let window = if self.established { MOST_UNACKNOWLEDGED } else { 1 };
        let window_full = retry.idempotent && window <= self.unacknowledged.len();
        if window_full || self.ready.is_empty() { Sendable::Nothing } else { Sendable::New }
    }

    /// Whether a new identity is needed before a new batch can be sent.
    pub(super) fn needs_identity(&self) -> bool {
        self.identity.is_none()
    }

    /// Marks the batch that [`Self::sendable`] named as sent and returns it. `identity` is used when the
    /// partition has none yet; `None` stands for a producer that is not idempotent.
    pub(super) fn send(&mut self, again: bool, identity: Option<(i64, i16)>) -> Option<&mut RecordBatch> {
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

    /// Decides about an answer to the batch with this id. `None` for a batch that has been given up already.
    /// Changes nothing.
    pub(super) fn decide(&self, id: u64, answer: Answer, retry: &RetryPolicy) -> Option<Verdict> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = &self.unacknowledged[at];
        let may_repeat = batch.attempts <= retry.retries;
        let may_renew = !retry.transactional;
        let repeat = |in_doubt, renew: bool| {
            if may_repeat && (may_renew || !renew) { Verdict::Repeat { in_doubt, renew } } else { Verdict::Fail }
        };
        // Without numbers nobody would recognise what was written already, and nobody asked for that either.
        let (code, log_start_offset) = match answer {
            Answer::Written { base_offset } => return Some(Verdict::Delivered { base_offset }),
            Answer::Lost { retriable: true } => return Some(repeat(true, false)),
            Answer::Lost { retriable: false } => return Some(Verdict::Fail),
            Answer::Refused { code, log_start_offset } => (code, log_start_offset),
        };
        // A gap is no wonder while an earlier batch is missing, and leads nowhere new.
        let expected = 0 < at || self.unresolved;
        Some(match code {
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Delivered { base_offset: -1 },
            ErrorCode::MESSAGE_TOO_LARGE if 1 < batch.records && !batch.in_doubt => Verdict::Split,
            // The broker looked for the batch among the newest it has, where it would be.
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if retry.idempotent => repeat(false, !expected),
            ErrorCode::UNKNOWN_PRODUCER_ID if retry.idempotent => {
                // Without the log's start the broker has lost the partition to another.
                let forgotten = self.last_offset < log_start_offset;
                if log_start_offset < 0 || expected && !forgotten {
                    repeat(batch.in_doubt, false)
                } else if forgotten || !batch.in_doubt {
                    repeat(false, true)
                } else {
                    Verdict::Fail
                }
            }
            // Somebody else writes with this producer id, in a newer epoch.
            ErrorCode::INVALID_PRODUCER_EPOCH if retry.idempotent && !batch.in_doubt => repeat(false, true),
            code if code.is_retriable() => repeat(batch.in_doubt || !is_refused_unwritten(code), false),
            _ => Verdict::Fail,
        })
    }

    /// Notes that a batch was delivered and takes it out.
    pub(super) fn delivered(&mut self, id: u64, base_offset: i64) -> Option<RecordBatch> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = self.unacknowledged.remove(at)?;
        self.established = true;
        if 0 <= base_offset {
            self.last_offset = self.last_offset.max(base_offset + i64::from(batch.records) - 1);
        }
        self.resolve();
        Some(batch)
    }

    /// Has a batch sent again at `not_before`, as [`Verdict::Repeat`] says.
    pub(super) fn repeat(&mut self, id: u64, not_before: Instant, in_doubt: bool, renew: bool) {
        if let Some(batch) = self.unacknowledged.iter_mut().find(|batch| batch.id == id) {
            batch.state = State::Waiting(not_before);
            batch.in_doubt = in_doubt;
        }
        self.unresolved |= renew && self.identity.is_some();
        self.resolve();
    }

    /// Puts the halves of a batch in its place.
    pub(super) fn replace(&mut self, id: u64, halves: [RecordBatch; 2]) -> Option<RecordBatch> {
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let whole = self.unacknowledged.remove(at)?;
        for (place, half) in (at..).zip(halves) {
            self.unacknowledged.insert(place, half);
        }
        self.resolve();
        Some(whole)
    }

    /// Gives a batch up and takes it out.
    pub(super) fn fail(&mut self, id: u64) -> Option<RecordBatch> {
        if let Some(at) = self.ready.iter().position(|batch| batch.id == id) {
            // It has no number yet.
            return self.ready.remove(at);
        }
        let at = self.unacknowledged.iter().position(|batch| batch.id == id)?;
        let batch = self.unacknowledged.remove(at)?;
        self.unresolved |= self.identity.is_some();
        self.resolve();
        Some(batch)
    }

    /// Begins a new epoch where one is needed, once no batch that is left can be in the log.
    ///
    /// The oldest one tells about all: where it is missing, the broker has taken none behind it.
    fn resolve(&mut self) {
        let open = |batch: &RecordBatch| batch.state == State::InFlight;
        let in_doubt = self.unacknowledged.front().is_some_and(|oldest| oldest.in_doubt);
        if !self.unresolved || in_doubt || self.unacknowledged.iter().any(open) {
            return;
        }
        self.unresolved = false;
        // Without an epoch left a new producer id is used with the next batch.
        self.identity = self.identity.and_then(|(id, epoch)| Some((id, epoch.checked_add(1)?)));
        self.exhausted = self.identity.is_none();
        self.renumber();
    }

    /// Begins with another identity, which the next batch brings. Nothing is unacknowledged then.
    pub(super) fn forget_identity(&mut self) {
        self.identity = None;
        self.next_sequence = 0;
        self.established = false;
        self.unresolved = false;
        self.exhausted = false;
    }

    /// Gives up and takes out what is not in flight.
    pub(super) fn abandon_unsent(&mut self) -> Vec<RecordBatch> {
        let waiting: Vec<u64> = self
            .unacknowledged
            .iter()
            .filter(|batch| batch.state != State::InFlight)
            .chain(&self.ready)
            .map(|batch| batch.id)
            .collect();
        waiting.into_iter().filter_map(|id| self.fail(id)).collect()
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
            batch.in_doubt = false;
            self.next_sequence = sequence_after(self.next_sequence, batch.records);
        }
    }
}

/// Whether a leader answers with this code before it writes anything.
///
/// All others leave it open: even a lost leadership may have been noticed while the other replicas were waited for.
fn is_refused_unwritten(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::CORRUPT_MESSAGE | ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::CONCURRENT_TRANSACTIONS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_wire::batch::RecordBatchBuilder;

    use super::{super::record_batch::Content, *};

    const RETRY: RetryPolicy = RetryPolicy { retries: u32::MAX, idempotent: true, transactional: false };
    const OUT_OF_ORDER: Answer =
        Answer::Refused { code: ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, log_start_offset: -1 };
    const NOT_LEADER: Answer = Answer::Refused { code: ErrorCode::NOT_LEADER_OR_FOLLOWER, log_start_offset: -1 };

    const IN_DOUBT: Verdict = Verdict::Repeat { in_doubt: true, renew: false };
    const MISSING: Verdict = Verdict::Repeat { in_doubt: false, renew: false };
    const BROKEN_OFF: Verdict = Verdict::Repeat { in_doubt: false, renew: true };

    #[test]
    fn after_the_first_five_batches_are_in_flight_and_the_sixth_waits() {
        let (mut queue, now) = (with_ready(8), Instant::now());
        queue.send(false, Some((7, 0)));
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Nothing, "the broker does not know the producer yet");
        queue.delivered(0, 90);
        for expected in 1..6 {
            assert_eq!(queue.sendable(now, &RETRY), Sendable::New);
            let batch = queue.send(false, Some((7, 0))).expect("ready");
            assert_eq!(batch.stamp, Stamp { producer_id: 7, epoch: 0, sequence: expected * 10 });
        }
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Nothing);
        queue.delivered(1, 100);
        assert_eq!(queue.sendable(now, &RETRY), Sendable::New);
    }

    #[test]
    fn after_a_failure_batches_are_repeated_one_by_one_in_order() {
        let (mut queue, now) = (in_flight(3), Instant::now());
        let later = now + Duration::from_millis(100);
        assert_eq!(queue.decide(0, NOT_LEADER, &RETRY), Some(IN_DOUBT));
        queue.repeat(0, later, true, false);
        assert_eq!(queue.sendable(now, &RETRY), Sendable::NotBefore(later));
        assert_eq!(queue.decide(1, OUT_OF_ORDER, &RETRY), Some(MISSING), "its predecessor is missing");
        queue.repeat(1, now, false, false);
        assert_eq!(queue.sendable(later, &RETRY), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.id), Some(0));
        assert_eq!(queue.sendable(later, &RETRY), Sendable::Nothing, "the second waits for the first");
        queue.delivered(0, 5);
        assert_eq!(queue.send(true, None).map(|batch| (batch.id, batch.stamp.sequence)), Some((1, 10)));
        assert_eq!(queue.decide(2, OUT_OF_ORDER, &RETRY), Some(MISSING));
    }

    #[test]
    fn a_refused_batch_leaves_its_number_unused() {
        let (mut queue, now) = (in_flight(3), Instant::now());
        let refused = Answer::Refused { code: ErrorCode::check(87).expect_err("a code"), log_start_offset: -1 };
        assert_eq!(queue.decide(0, refused, &RETRY), Some(Verdict::Fail));
        queue.fail(0);
        for id in [1, 2] {
            assert_eq!(queue.decide(id, OUT_OF_ORDER, &RETRY), Some(MISSING));
            queue.repeat(id, now, false, false);
        }
        let stamps: Vec<Stamp> = queue.unacknowledged.iter().map(|batch| batch.stamp).collect();
        let stamp = |sequence| Stamp { producer_id: 7, epoch: 1, sequence };
        assert_eq!(stamps, [stamp(0), stamp(10)]);
    }

    #[test]
    fn a_failure_starts_a_new_epoch_once_it_is_known_what_the_log_has() {
        let (mut queue, now) = (in_flight(3), Instant::now());
        queue.ready.push_back(batch(9, now));
        queue.fail(0);
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Nothing, "two answers are outstanding");
        queue.repeat(1, now, true, false);
        queue.repeat(2, now, true, false);
        let old = Stamp { producer_id: 7, epoch: 0, sequence: 10 };
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.stamp), Some(old), "it may have been written so");
        queue.delivered(1, 50);
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.stamp.epoch), Some(0));
        assert_eq!(queue.decide(2, OUT_OF_ORDER, &RETRY), Some(MISSING), "the broker certainly lacks it");
        queue.repeat(2, now, false, false);
        let stamp = Stamp { producer_id: 7, epoch: 1, sequence: 0 };
        assert_eq!(queue.sendable(now, &RETRY), Sendable::Again);
        assert_eq!(queue.send(true, None).map(|batch| batch.stamp), Some(stamp));
        queue.delivered(2, 60);
        assert_eq!(queue.send(false, None).map(|batch| batch.stamp.sequence), Some(10));
    }

    #[test]
    fn a_batch_that_was_never_sent_fails_without_a_trace() {
        let (mut queue, now) = (in_flight(1), Instant::now());
        queue.delivered(0, 5);
        queue.ready.extend([batch(1, now), batch(2, now)]);
        queue.fail(1);
        let stamp = Stamp { producer_id: 7, epoch: 0, sequence: 10 };
        assert_eq!(queue.send(false, None).map(|batch| (batch.id, batch.stamp)), Some((2, stamp)));
    }

    #[test]
    fn without_an_epoch_left_a_new_producer_id_is_used() {
        let mut queue = with_ready(2);
        queue.send(false, Some((7, i16::MAX)));
        queue.fail(0);
        assert!(queue.needs_identity());
        assert!(queue.take_exhausted());
        assert!(!queue.take_exhausted());
        let stamp = Stamp { producer_id: 8, epoch: 0, sequence: 0 };
        assert_eq!(queue.send(false, Some((8, 0))).map(|batch| batch.stamp), Some(stamp));
    }

    #[test]
    fn answers_are_judged_as_the_java_producer_does() {
        let certain = in_flight(2);
        let mut doubtful = in_flight(2);
        doubtful.unacknowledged[0].in_doubt = true;
        let refused = |code, log_start_offset| Answer::Refused { code, log_start_offset };
        let plain = |number| refused(ErrorCode::check(number).expect_err("a code"), -1);
        let (unknown, lost) = (ErrorCode::UNKNOWN_PRODUCER_ID, |retriable| Answer::Lost { retriable });
        let delivered = |base_offset| Verdict::Delivered { base_offset };
        for (answer, of_certain, of_doubtful) in [
            (Answer::Written { base_offset: 4 }, delivered(4), delivered(4)),
            (refused(ErrorCode::DUPLICATE_SEQUENCE_NUMBER, -1), delivered(-1), delivered(-1)),
            // Halves of what may be there already would be doubles.
            (refused(ErrorCode::MESSAGE_TOO_LARGE, -1), Verdict::Split, Verdict::Fail),
            (refused(ErrorCode::REQUEST_TIMED_OUT, -1), IN_DOUBT, IN_DOUBT),
            (NOT_LEADER, IN_DOUBT, IN_DOUBT),
            (refused(ErrorCode::NOT_ENOUGH_REPLICAS, -1), MISSING, IN_DOUBT),
            (plain(20), IN_DOUBT, IN_DOUBT),
            (plain(87), Verdict::Fail, Verdict::Fail),
            (plain(-1), Verdict::Fail, Verdict::Fail),
            (lost(true), IN_DOUBT, IN_DOUBT),
            (lost(false), Verdict::Fail, Verdict::Fail),
            (OUT_OF_ORDER, BROKEN_OFF, BROKEN_OFF),
            (refused(unknown, 500), BROKEN_OFF, BROKEN_OFF),
            (refused(unknown, 0), BROKEN_OFF, Verdict::Fail),
            (refused(unknown, -1), MISSING, IN_DOUBT),
            (refused(ErrorCode::INVALID_PRODUCER_EPOCH, -1), BROKEN_OFF, Verdict::Fail),
        ] {
            assert_eq!(certain.decide(0, answer, &RETRY), Some(of_certain), "{answer:?}");
            assert_eq!(doubtful.decide(0, answer, &RETRY), Some(of_doubtful), "{answer:?} in doubt");
        }
        let once = RetryPolicy { retries: 0, idempotent: false, transactional: false };
        assert_eq!(certain.decide(0, NOT_LEADER, &once), Some(Verdict::Fail));
        assert_eq!(certain.decide(77, NOT_LEADER, &once), None, "given up already");
    }

    fn batch(id: u64, created: Instant) -> RecordBatch {
        RecordBatch {
            id,
            ranges: vec![(id * 10, id * 10 + 9)],
            records: 10,
            size: 100,
            created,
            content: Content::Records(RecordBatchBuilder::with_capacity(0)),
            stamp: Stamp::NONE,
            attempts: 0,
            state: State::New,
            in_doubt: false,
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
