//! The queue of one partition against a model of the broker that loses requests and answers.
//!
//! Every run is a list of choices: who moves next, and what goes wrong. Small worlds are run through completely,
//! larger ones by seeds. At the end of each, what was acknowledged is compared with the model's log.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use millstream_wire::batch::RecordBatchBuilder;
use tokio::time::Instant;

use super::{
    partition::{Answer, PartitionQueue, RetryPolicy, Sendable, Verdict},
    record_batch::{Content, RecordBatch, Sequence, Stamp, State, sequence_after},
};
use crate::kafka_error::ErrorCode;

#[test]
fn no_acknowledged_record_is_missing_or_doubled_in_any_small_world() {
    let mut runs = 0_u64;
    for (sizes, retries, first_epoch, faults) in [
        (&[1, 1, 1][..], u32::MAX, 0, 2),
        (&[2, 1, 2], 0, 0, 2),
        (&[2, 1, 1], 1, i16::MAX - 1, 2),
        (&[1, 1, 1, 1], 1, 0, 2),
        (&[1, 1, 1], 1, 0, 3),
        (&[2, 1], u32::MAX, 0, 3),
    ] {
        let mut path: Vec<(usize, usize)> = Vec::new();
        loop {
            let mut at = 0;
            let choose = |of: usize| {
                if at == path.len() {
                    path.push((0, of));
                }
                at += 1;
                path[at - 1].0
            };
            World::new(sizes, retries, first_epoch, faults).run(choose);
            runs += 1;
            while path.last().is_some_and(|(taken, of)| taken + 1 == *of) {
                path.pop();
            }
            match path.last_mut() {
                Some((taken, _)) => *taken += 1,
                None => break,
            }
        }
    }
    // A world that was cut short would prove nothing.
    assert!(50_000 < runs, "only {runs} runs");
}

#[test]
fn no_acknowledged_record_is_missing_or_doubled_however_long_trouble_lasts() {
    for seed in 0..4000_u64 {
        let mut state = seed;
        let mut random = |of: usize| {
            // Splitmix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) % of as u64) as usize
        };
        let sizes: Vec<i32> = (0..4 + random(10)).map(|_| 1 + random(4) as i32).collect();
        let retries = [0, 1, 3, u32::MAX][random(4)];
        let first_epoch = [0, i16::MAX - 2][random(2)];
        let faults = 3 + random(25);
        World::new(&sizes, retries, first_epoch, faults).run(random);
    }
}

/// Kafka's rules for one partition's log.
#[derive(Debug, Default)]
struct Log {
    records: Vec<Sequence>,
    writers: BTreeMap<i64, Writer>,
}

#[derive(Debug)]
struct Writer {
    epoch: i16,
    next: i32,
    /// First and last sequence and base offset of the newest five batches.
    recent: VecDeque<(i32, i32, i64)>,
}

impl Log {
    fn append(&mut self, stamp: Stamp, records: &[Sequence]) -> Answer {
        let count = i32::try_from(records.len()).expect("few");
        let last = sequence_after(stamp.sequence, count - 1);
        let fresh = Writer { epoch: stamp.epoch, next: stamp.sequence, recent: VecDeque::new() };
        let writer = self.writers.entry(stamp.producer_id).or_insert(fresh);
        if stamp.epoch < writer.epoch {
            return refused(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if writer.epoch < stamp.epoch {
            if stamp.sequence != 0 {
                return refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            *writer = Writer { epoch: stamp.epoch, next: 0, recent: VecDeque::new() };
        }
        if let Some(known) = writer.recent.iter().find(|known| (known.0, known.1) == (stamp.sequence, last)) {
            return Answer::Written { base_offset: known.2 };
        }
        if stamp.sequence != writer.next {
            return refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        let base_offset = self.records.len() as i64;
        writer.next = sequence_after(last, 1);
        writer.recent.push_back((stamp.sequence, last, base_offset));
        if 5 < writer.recent.len() {
            writer.recent.pop_front();
        }
        self.records.extend(records);
        Answer::Written { base_offset }
    }
}

fn refused(code: ErrorCode) -> Answer {
    Answer::Refused { code, log_start_offset: -1 }
}

fn code(number: i16) -> ErrorCode {
    ErrorCode::check(number).expect_err("an error code")
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Send {
        again: bool,
    },
    /// The broker carries out the oldest request and answers.
    Answer,
    /// It refuses the oldest request with this code instead, or after it was carried out.
    Refuse {
        code: i16,
        written: bool,
    },
    /// The connection ends when this many requests have been carried out.
    Break {
        carried_out: usize,
    },
    /// `delivery.timeout.ms` of this batch is over.
    Expire {
        id: u64,
    },
}

struct World {
    queue: PartitionQueue,
    retry: RetryPolicy,
    identity: (i64, i16),
    log: Log,
    wire: VecDeque<(u64, Stamp, Vec<Sequence>)>,
    /// Things that may still go wrong.
    faults: usize,
    acknowledged: Vec<(Sequence, i64)>,
    next_id: u64,
    now: Instant,
    history: Vec<Move>,
}

impl World {
    fn new(sizes: &[i32], retries: u32, first_epoch: i16, faults: usize) -> Self {
        let now = Instant::now();
        let mut queue = PartitionQueue::default();
        let mut first = 0;
        for (id, records) in (0..).zip(sizes) {
            let next = first + u64::from(records.unsigned_abs());
            queue.ready.push_back(batch(id, (first, next - 1), now));
            first = next;
        }
        Self {
            queue,
            retry: RetryPolicy { retries, idempotent: true, transactional: false },
            identity: (7, first_epoch),
            log: Log::default(),
            wire: VecDeque::new(),
            faults,
            acknowledged: Vec::new(),
            next_id: 100,
            now,
            history: Vec::new(),
        }
    }

    fn run(mut self, mut choose: impl FnMut(usize) -> usize) {
        loop {
            let moves = self.moves();
            if moves.is_empty() {
                break;
            }
            let chosen = moves[choose(moves.len())];
            self.history.push(chosen);
            self.carry_out(chosen);
            if self.queue.take_exhausted() {
                self.identity = (self.identity.0 + 1, 0);
            }
            assert!(self.history.len() < 2000, "it goes on for ever: {:?}", self.history);
        }
        assert!(self.queue.ready.is_empty() && self.queue.unacknowledged.is_empty(), "stuck: {:?}", self.history);
        for (record, offset) in &self.acknowledged {
            assert_eq!(self.log.records.get(*offset as usize), Some(record), "missing: {:?}", self.history);
        }
        let in_order = self.log.records.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(in_order, "doubled or out of order: {:?} after {:?}", self.log.records, self.history);
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        // Every wait is over by then.
        let later = self.now + Duration::from_secs(3600);
        match self.queue.sendable(later, &self.retry) {
            Sendable::Again => moves.push(Move::Send { again: true }),
            Sendable::New => moves.push(Move::Send { again: false }),
            Sendable::NotBefore(_) | Sendable::Nothing => {}
        }
        if !self.wire.is_empty() {
            moves.push(Move::Answer);
        }
        if self.faults == 0 {
            return moves;
        }
        if let Some((_, _, records)) = self.wire.front() {
            for (code, written) in
                [(19, false), (6, false), (6, true), (7, true), (20, true), (-1, false), (-1, true), (87, false)]
            {
                moves.push(Move::Refuse { code, written });
            }
            if 1 < records.len() {
                moves.push(Move::Refuse { code: 10, written: false });
            }
            moves.extend((0..=self.wire.len()).map(|carried_out| Move::Break { carried_out }));
        }
        let batches = self.queue.unacknowledged.iter().chain(&self.queue.ready);
        moves.extend(batches.map(|batch| Move::Expire { id: batch.id }));
        moves
    }

    fn carry_out(&mut self, chosen: Move) {
        match chosen {
            Move::Send { again } => {
                let batch = self.queue.send(again, Some(self.identity)).expect("there is one");
                self.wire.push_back((batch.id, batch.stamp, numbers(batch)));
            }
            Move::Answer => {
                let (id, stamp, records) = self.wire.pop_front().expect("something is on the wire");
                let answer = self.log.append(stamp, &records);
                self.answered(id, answer);
            }
            Move::Refuse { code: number, written } => {
                self.faults -= 1;
                let (id, stamp, records) = self.wire.pop_front().expect("something is on the wire");
                let gap = written && !matches!(self.log.append(stamp, &records), Answer::Written { .. });
                // What cannot be written is refused for that reason.
                let number = if gap { 45 } else { number };
                self.answered(id, refused(code(number)));
            }
            Move::Break { carried_out } => {
                self.faults -= 1;
                let lost = std::mem::take(&mut self.wire);
                for (_, stamp, records) in lost.iter().take(carried_out) {
                    self.log.append(*stamp, records);
                }
                for (id, ..) in lost {
                    self.answered(id, Answer::Lost { retriable: true });
                }
            }
            Move::Expire { id } => {
                self.faults -= 1;
                self.queue.fail(id).expect("it has not ended");
            }
        }
    }

    fn answered(&mut self, id: u64, answer: Answer) {
        match self.queue.decide(id, answer, &self.retry) {
            None => {}
            Some(Verdict::Delivered { base_offset }) => {
                let batch = self.queue.delivered(id, base_offset).expect("it has not ended");
                self.acknowledged.extend(numbers(&batch).into_iter().zip(base_offset..));
            }
            Some(Verdict::Repeat { in_doubt, renew }) => self.queue.repeat(id, self.now, in_doubt, renew),
            Some(Verdict::Fail) => drop(self.queue.fail(id)),
            Some(Verdict::Split) => {
                let whole = self.queue.unacknowledged.iter().find(|batch| batch.id == id).expect("it has not ended");
                let (first, last) = whole.ranges[0];
                let middle = first + (last - first).div_ceil(2);
                let halves = [(first, middle - 1), (middle, last)].map(|range| {
                    self.next_id += 1;
                    let stamp = Stamp {
                        sequence: sequence_after(whole.stamp.sequence, (range.0 - first) as i32),
                        ..whole.stamp
                    };
                    RecordBatch { stamp, state: State::Waiting(self.now), ..batch(self.next_id, range, self.now) }
                });
                self.queue.replace(id, halves);
            }
        }
    }
}

fn numbers(batch: &RecordBatch) -> Vec<Sequence> {
    batch.ranges.iter().flat_map(|(first, last)| *first..=*last).collect()
}

fn batch(id: u64, (first, last): (Sequence, Sequence), created: Instant) -> RecordBatch {
    RecordBatch {
        id,
        ranges: vec![(first, last)],
        records: (last - first + 1) as i32,
        size: 100,
        created,
        content: Content::Records(RecordBatchBuilder::with_capacity(0)),
        stamp: Stamp::NONE,
        attempts: 0,
        state: State::New,
        in_doubt: false,
    }
}
