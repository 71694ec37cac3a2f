//! A transactional producer against a model of its coordinator and one partition's leader, which lose requests and
//! answers, and carry requests out late.
//!
//! Every run is a list of choices: who moves next, and what goes wrong. Small worlds are run through completely,
//! larger ones by seeds. At the end of each, what the owner was told is compared with the model's log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_record::TopicName;
use tokio::time::Instant;

use super::*;
use crate::connection::{CallError, Disconnect};

const V1: TransactionVersion = TransactionVersion::V1;
const V2: TransactionVersion = TransactionVersion::V2;
const PRODUCER: i64 = 7;
const PLACE: Place = (0, 0);

/// What the owner does: a transaction with so many batches, then commit or abort.
type Wish = (u32, bool);

#[test]
fn what_was_committed_is_seen_and_nothing_else_in_any_small_world() {
    let mut runs = 0_u64;
    for (version, wishes, faults) in [
        (V1, &[(1, true), (1, true)][..], 3),
        (V1, &[(1, false), (1, true)], 2),
        (V1, &[(2, true), (0, true), (1, true)], 2),
        (V2, &[(1, true), (1, true)], 3),
        (V2, &[(1, false), (1, true)], 2),
        (V2, &[(2, true), (0, false), (1, true)], 2),
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
            World::new(version, wishes, faults).run(choose);
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
    assert!(30_000 < runs, "only {runs} runs");
}

#[test]
fn what_was_committed_is_seen_and_nothing_else_however_long_trouble_lasts() {
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
        let wishes: Vec<Wish> = (0..2 + random(4)).map(|_| (random(4) as u32, random(3) != 0)).collect();
        let version = [V1, V2][random(2)];
        let faults = 3 + random(12);
        World::new(version, &wishes, faults).run(random);
    }
}

#[test]
fn a_cluster_that_moves_to_the_newer_generation_gives_a_new_epoch_before_it_is_used() {
    let mut transaction = Transaction::new(Arc::from("t"));
    let now = Instant::now();
    let older = Abilities { version: V1, can_renew: true };
    let newer = Abilities { version: V2, can_renew: true };
    transaction.initialize().expect("new");
    let init = sent(&mut transaction, now);
    assert_eq!(init, Step::InitProducerId { current: None });
    answer(&mut transaction, init, Some((7, 0)), older);
    transaction.begin().expect("ready");
    transaction.touch(PLACE);
    assert!(!transaction.may_write(PLACE), "the coordinator does not know of it yet");
    let add = sent(&mut transaction, now);
    assert_eq!(add, Step::AddPartitions { identity: (7, 0), partitions: vec![PLACE] });
    answer(&mut transaction, add, None, newer);
    assert!(transaction.may_write(PLACE));
    transaction.commit().expect("open");
    let end = sent(&mut transaction, now);
    assert_eq!(end, Step::End { identity: (7, 0), version: V1, commit: true });
    answer(&mut transaction, end, None, newer);
    let renewal = sent(&mut transaction, now);
    assert_eq!(renewal, Step::InitProducerId { current: Some((7, 0)) });
    answer(&mut transaction, renewal, Some((7, 1)), newer);
    assert_eq!(transaction.take_ended(), Some(true));
    transaction.begin().expect("ready");
    transaction.touch(PLACE);
    assert!(transaction.may_write(PLACE), "writing takes it into the transaction");
    assert_eq!(transaction.next(now, true), NextStep::Nothing);
}

#[test]
fn offsets_are_announced_to_the_coordinator_in_the_older_generation_only() {
    for version in [V1, V2] {
        let mut transaction = Transaction::new(Arc::from("t"));
        let (now, abilities) = (Instant::now(), Abilities { version, can_renew: true });
        transaction.initialize().expect("new");
        let init = sent(&mut transaction, now);
        answer(&mut transaction, init, Some((7, 0)), abilities);
        transaction.begin().expect("ready");
        let group = GroupMetadata::of_nobody("g");
        let topic = TopicName::parse("t").expect("a name");
        let offsets = GroupOffsets { group, offsets: vec![(topic, 0, OffsetAndMetadata::new(5))] };
        transaction.add_offsets(offsets).expect("open");
        if version == V1 {
            let add = sent(&mut transaction, now);
            assert_eq!(add, Step::AddOffsets { identity: (7, 0), group_id: "g".to_owned() });
            answer(&mut transaction, add, None, abilities);
        }
        let write = sent(&mut transaction, now);
        assert!(matches!(write, Step::CommitOffsets { .. }), "{write:?}");
        assert!(transaction.has_offsets());
        answer(&mut transaction, write, None, abilities);
        assert!(!transaction.has_offsets());
        transaction.commit().expect("open");
        assert!(matches!(sent(&mut transaction, now), Step::End { commit: true, .. }));
    }
}

#[test]
fn what_makes_a_producer_useless_is_told_apart_from_what_costs_a_transaction() {
    use ErrorCode as Code;
    let fatal = |error: &TransactionError| matches!(error, TransactionError::Fatal { .. });
    let fenced = |error: &TransactionError| matches!(error, TransactionError::Fenced { .. });
    let abortable = TransactionError::is_abortable;
    for (code, is_expected) in [
        (Code::PRODUCER_FENCED, &fenced as &dyn Fn(&TransactionError) -> bool),
        (Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, &fatal),
        (Code::CLUSTER_AUTHORIZATION_FAILED, &fatal),
        (Code::INVALID_PRODUCER_ID_MAPPING, &fatal),
        // Whether it is fenced off, the end of the transaction tells.
        (Code::INVALID_PRODUCER_EPOCH, &abortable),
        (Code::INVALID_TXN_STATE, &abortable),
        (Code::OUT_OF_ORDER_SEQUENCE_NUMBER, &abortable),
        (Code::TOPIC_AUTHORIZATION_FAILED, &abortable),
        (Code::TRANSACTION_ABORTABLE, &abortable),
    ] {
        let mut world = World::new(V2, &[], 0);
        world.transaction.begin().expect("ready");
        world.transaction.batch_failed(&refused(code), true);
        assert!(is_expected(&world.transaction.obstacle("commit")), "{code}");
    }
    // A broker that cannot give a new epoch leaves no way on.
    let mut world = World::new(V1, &[], 0);
    world.transaction.abilities.can_renew = false;
    world.transaction.begin().expect("ready");
    world.transaction.batch_failed(&refused(Code::OUT_OF_ORDER_SEQUENCE_NUMBER), true);
    assert!(fatal(&world.transaction.obstacle("commit")));
}

#[test]
fn a_producer_whose_name_another_one_took_is_fenced_by_whatever_it_asks_next() {
    for version in [V1, V2] {
        let mut world = World::new(version, &[], 0);
        world.transaction.begin().expect("ready");
        world.transaction.touch(PLACE);
        world.transaction.writes();
        // The other one.
        let taken = world.coordinator.apply(&Step::InitProducerId { current: None });
        assert!(matches!(taken, StepAnswer::Done { .. }));
        world.transaction.commit().expect("open");
        let step = sent(&mut world.transaction, world.now);
        let answered = world.coordinator.apply(&step);
        world.transaction.answered(step, answered, None, world.now, |_| Duration::ZERO);
        assert!(matches!(world.transaction.obstacle("begin"), TransactionError::Fenced { .. }), "{version:?}");
        assert!(world.transaction.begin().is_err() && world.transaction.abort().is_err());
    }
}

fn sent(transaction: &mut Transaction, now: Instant) -> Step {
    match transaction.next(now, true) {
        NextStep::Send(step) => step,
        other => panic!("{other:?} in {transaction:?}"),
    }
}

fn answer(transaction: &mut Transaction, step: Step, identity: Option<Identity>, abilities: Abilities) {
    let done = StepAnswer::Done { identity };
    transaction.answered(step, done, Some(abilities), Instant::now(), |_| Duration::ZERO);
}

fn refused(source: ErrorCode) -> SendError {
    let topic = TopicName::parse("t").expect("a name");
    SendError::Refused { topic, partition: 0, detail: None, source }
}

fn lost() -> RequestError {
    let source = Arc::new(Disconnect::Closed);
    CallError::Disconnected { api: millstream_wire::protocol::messages::ApiKey::EndTxn, source }.into()
}

/// What became of a record in the model's log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Open,
    Ended { committed: bool },
}

/// Kafka's rules for a transactional id and one partition whose leader asks whether the transaction goes on.
#[derive(Debug)]
struct Coordinator {
    version: TransactionVersion,
    epoch: i16,
    /// The epoch before the last change, for repetitions.
    last_epoch: i16,
    ongoing: bool,
    added: bool,
    /// How the last transaction ended, until the next begins.
    ended: Option<bool>,
    log: BTreeMap<u32, Fate>,
}

impl Coordinator {
    fn apply(&mut self, step: &Step) -> StepAnswer {
        let done = |epoch| StepAnswer::Done { identity: Some((PRODUCER, epoch)) };
        match step {
            Step::InitProducerId { current } => match current {
                Some((_, epoch)) if *epoch == self.last_epoch => done(self.epoch),
                Some((_, epoch)) if *epoch != self.epoch => StepAnswer::Refused(ErrorCode::PRODUCER_FENCED),
                _ if self.ongoing => {
                    self.end(false);
                    (self.epoch, self.last_epoch) = (self.epoch + 1, -1);
                    if current.is_some() {
                        return StepAnswer::Refused(ErrorCode::CONCURRENT_TRANSACTIONS);
                    }
                    done(self.epoch)
                }
                _ => {
                    self.last_epoch = if current.is_some() { self.epoch } else { -1 };
                    self.epoch += 1;
                    self.ended = None;
                    done(self.epoch)
                }
            },
            Step::AddPartitions { identity, .. } => {
                if identity.1 != self.epoch {
                    return StepAnswer::Refused(ErrorCode::PRODUCER_FENCED);
                }
                (self.ongoing, self.added, self.ended) = (true, true, None);
                StepAnswer::Done { identity: None }
            }
            Step::End { identity, commit, .. } => {
                let repeated = self.version == V2 && identity.1 == self.last_epoch;
                if identity.1 != self.epoch && !repeated {
                    return StepAnswer::Refused(ErrorCode::PRODUCER_FENCED);
                }
                let same_again = !self.ongoing && self.ended == Some(*commit);
                match self.version {
                    V1 if same_again => return StepAnswer::Done { identity: None },
                    V2 if repeated && same_again => return done(self.epoch),
                    V2 if !repeated && !self.ongoing && !commit => {}
                    _ if repeated || !self.ongoing => return StepAnswer::Refused(ErrorCode::INVALID_TXN_STATE),
                    _ => {}
                }
                self.end(*commit);
                if self.version == V1 {
                    return StepAnswer::Done { identity: None };
                }
                (self.epoch, self.last_epoch) = (self.epoch + 1, self.epoch);
                done(self.epoch)
            }
            Step::AddOffsets { .. } | Step::CommitOffsets { .. } => unreachable!("no offsets in these worlds"),
        }
    }

    fn end(&mut self, committed: bool) {
        for fate in self.log.values_mut().filter(|fate| **fate == Fate::Open) {
            *fate = Fate::Ended { committed };
        }
        (self.ongoing, self.added, self.ended) = (false, false, Some(committed));
    }

    fn produce(&mut self, epoch: i16, record: u32) -> Result<(), ErrorCode> {
        if epoch != self.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if self.log.contains_key(&record) {
            // By its sequence number.
            return Ok(());
        }
        if self.version == V1 && !self.added {
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        (self.ongoing, self.ended) = (true, None);
        self.log.insert(record, Fate::Open);
        Ok(())
    }
}

/// Something on the wire.
#[derive(Clone, Debug)]
enum Request {
    Ask(Step),
    Produce { epoch: i16, record: u32 },
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Answer,
    /// Lost on its way.
    Lose,
    /// Carried out, but the answer is lost.
    LoseAnswer,
    /// The connection ends, and the request is carried out later, or never.
    Delay,
    Refuse(ErrorCode),
    /// The oldest request that was delayed is carried out.
    Late,
    /// The batch is given up.
    Expire,
    /// The owner aborts in the middle of it.
    Abort,
}

struct World {
    transaction: Transaction,
    coordinator: Coordinator,
    wishes: Vec<Wish>,
    /// Transactions begun so far, and the records of each.
    begun: usize,
    records: Vec<Vec<u32>>,
    /// How each ended, as the owner was told.
    told: Vec<bool>,
    next_record: u32,
    /// Records that have not been acknowledged.
    unwritten: Vec<u32>,
    wire: Option<Request>,
    late: Vec<Request>,
    faults: usize,
    /// Whether a late request has fenced this producer off.
    fenced_itself: bool,
    now: Instant,
    history: Vec<String>,
}

impl World {
    fn new(version: TransactionVersion, wishes: &[Wish], faults: usize) -> Self {
        let coordinator = Coordinator {
            version,
            epoch: -1,
            last_epoch: -1,
            ongoing: false,
            added: false,
            ended: None,
            log: BTreeMap::new(),
        };
        let mut world = Self {
            transaction: Transaction::new(Arc::from("t")),
            coordinator,
            wishes: wishes.to_vec(),
            begun: 0,
            records: Vec::new(),
            told: Vec::new(),
            next_record: 0,
            unwritten: Vec::new(),
            wire: None,
            late: Vec::new(),
            faults,
            fenced_itself: false,
            now: Instant::now(),
            history: Vec::new(),
        };
        world.transaction.initialize().expect("new");
        let step = sent(&mut world.transaction, world.now);
        let answered = world.coordinator.apply(&step);
        let abilities = Abilities { version, can_renew: true };
        world.transaction.answered(step, answered, Some(abilities), world.now, |_| Duration::ZERO);
        world
    }

    fn run(mut self, mut choose: impl FnMut(usize) -> usize) {
        loop {
            self.act();
            let moves = self.moves();
            if moves.is_empty() {
                break;
            }
            let chosen = moves[choose(moves.len())];
            self.history.push(format!("{chosen:?} {:?}", self.wire));
            self.carry_out(chosen);
            assert!(self.history.len() < 1000, "it goes on for ever: {:?}", self.history);
        }
        let history = &self.history;
        match self.transaction.standing() {
            Standing::Ready => {}
            Standing::Failed => {
                let error = self.transaction.obstacle("go on");
                assert!(self.fenced_itself, "{error:?} after {history:?}");
            }
            other => panic!("{other:?} after {history:?}"),
        }
        for (records, committed) in self.records.iter().zip(&self.told) {
            for record in records {
                let seen = self.coordinator.log.get(record) == Some(&Fate::Ended { committed: true });
                assert_eq!(seen, *committed, "record {record} of {:?} after {history:?}", self.records);
            }
        }
        if self.fenced_itself {
            return;
        }
        let open = self.coordinator.log.values().any(|fate| *fate == Fate::Open);
        assert!(!open && !self.coordinator.ongoing, "left hanging after {history:?}");
    }

    /// The owner and the sender do what is theirs to do.
    fn act(&mut self) {
        loop {
            match self.transaction.standing() {
                Standing::Ready => {
                    if let Some(committed) = self.transaction.take_ended() {
                        self.told.push(committed);
                        self.history.push(format!("committed: {committed}"));
                    }
                    let Some((batches, _)) = self.wishes.get(self.begun) else { break };
                    self.transaction.begin().expect("ready");
                    self.begun += 1;
                    let records: Vec<u32> = (self.next_record..self.next_record + batches).collect();
                    self.next_record += batches;
                    if !records.is_empty() {
                        self.transaction.touch(PLACE);
                    }
                    self.unwritten = records.clone();
                    self.records.push(records);
                    continue;
                }
                Standing::Open => {
                    if self.wishes[self.begun - 1].1 {
                        self.transaction.commit().expect("open");
                    } else if self.wire.is_none() && self.unwritten.is_empty() {
                        self.transaction.abort().expect("open");
                    }
                }
                Standing::MustAbort => self.transaction.abort().expect("to be aborted"),
                _ => {}
            }
            break;
        }
        if !self.transaction.is_sound() && !matches!(self.wire, Some(Request::Produce { .. })) {
            self.unwritten.clear();
        }
        if self.wire.is_some() {
            return;
        }
        if let NextStep::Send(step) = self.transaction.next(self.now, self.unwritten.is_empty()) {
            self.wire = Some(Request::Ask(step));
        } else if let Some(record) = self.unwritten.first()
            && self.transaction.may_write(PLACE)
        {
            let epoch = self.transaction.identity().expect("known").1;
            self.transaction.writes();
            self.wire = Some(Request::Produce { epoch, record: *record });
        }
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if !self.late.is_empty() {
            moves.push(Move::Late);
        }
        let Some(request) = &self.wire else { return moves };
        moves.insert(0, Move::Answer);
        if self.transaction.takes_records() && !self.wishes[self.begun - 1].1 {
            moves.push(Move::Abort);
        }
        if self.faults == 0 {
            return moves;
        }
        moves.extend([Move::Lose, Move::LoseAnswer, Move::Delay]);
        match request {
            Request::Ask(_) => {
                moves.extend([ErrorCode::NOT_COORDINATOR, ErrorCode::CONCURRENT_TRANSACTIONS].map(Move::Refuse));
            }
            Request::Produce { .. } => {
                moves.extend([Move::Expire, Move::Refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
            }
        }
        moves
    }

    fn carry_out(&mut self, chosen: Move) {
        if let Move::Late = chosen {
            let request = self.late.remove(0);
            // The latter begins a transaction whose epoch is just being replaced, for which Kafka knows no mercy.
            self.fenced_itself |= match &request {
                Request::Ask(Step::InitProducerId { .. }) => true,
                Request::Ask(Step::AddPartitions { identity, .. }) => identity.1 == self.coordinator.epoch,
                _ => false,
            };
            self.apply(&request);
            return;
        }
        if let Move::Abort = chosen {
            self.transaction.abort().expect("open");
            return;
        }
        let request = self.wire.take().expect("something is on the wire");
        if !matches!(chosen, Move::Answer) {
            self.faults -= 1;
        }
        let answer = match chosen {
            Move::Answer => self.apply(&request),
            Move::LoseAnswer => {
                self.apply(&request);
                StepAnswer::Lost(lost())
            }
            Move::Delay | Move::Expire => {
                self.late.push(request.clone());
                StepAnswer::Lost(lost())
            }
            Move::Lose => StepAnswer::Lost(lost()),
            Move::Refuse(code) => StepAnswer::Refused(code),
            Move::Late | Move::Abort => unreachable!("carried out above"),
        };
        match (request, answer) {
            (Request::Ask(step), answer) => {
                let abilities = Abilities { version: self.coordinator.version, can_renew: true };
                self.transaction.answered(step, answer, Some(abilities), self.now, |_| Duration::ZERO);
                // Every wait is over by then.
                self.now += WAIT_FOR_MARKERS;
            }
            (Request::Produce { .. }, StepAnswer::Done { .. }) => {
                self.transaction.written();
                self.unwritten.remove(0);
            }
            (Request::Produce { .. }, StepAnswer::Lost(_)) if !matches!(chosen, Move::Expire) => {
                // It is sent again, unless the transaction is to be aborted.
                if !self.transaction.is_sound() {
                    self.transaction.batch_failed(&SendError::Aborted, true);
                    self.unwritten.clear();
                }
            }
            (Request::Produce { .. }, StepAnswer::Refused(code)) => {
                self.transaction.batch_failed(&refused(code), true);
                self.unwritten.clear();
            }
            (Request::Produce { .. }, _) => {
                self.transaction.batch_failed(&SendError::Aborted, true);
                self.unwritten.clear();
            }
        }
    }

    fn apply(&mut self, request: &Request) -> StepAnswer {
        match request {
            Request::Ask(step) => self.coordinator.apply(step),
            Request::Produce { epoch, record } => match self.coordinator.produce(*epoch, *record) {
                Ok(()) => StepAnswer::Done { identity: None },
                Err(code) => StepAnswer::Refused(code),
            },
        }
    }
}
