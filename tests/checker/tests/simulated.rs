//! A broker of a few lines, and clients with random work: while the broker is in order nothing is found; each way of
//! being out of order is.
//!
//! `CHECKER_SEEDS=FIRST..LAST` tries others than the short list that always runs.

use std::collections::{BTreeMap, BTreeSet};

use checker::{
    Action, Client, Event, Fate, History, Isolation, Kind, Message, Offset, Outcome, Partition, Polled, Rules, Value,
    What, check,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

const PARTITIONS: u32 = 3;
/// Its records are copied by a client that does nothing else.
const SOURCE: u32 = 9;
const CLIENTS: u32 = 5;

/// A way to be out of order, and what has to be found of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Defect {
    /// Acknowledged records are dropped.
    Forgets,
    /// Records are written twice.
    Repeats,
    /// Offsets are acknowledged that belong to others.
    Misnumbers,
    /// Aborted records are shown.
    ShowsAborted,
    /// Records of open transactions are shown.
    ShowsOpen,
    /// A reader is given records further on.
    Skips,
    /// A reader is given records again.
    StepsBack,
    /// The records of one request are written in another order.
    Reorders,
    /// An end is carried out, but its answer is that it failed.
    DeniesCommits,
    /// Offsets of a transaction are kept although it was aborted.
    KeepsOffsets,
    /// Offsets of a transaction are forgotten although it was committed.
    LosesOffsets,
    /// A value comes out of another partition.
    MixesUp,
}

const DEFECTS: [(Defect, &[Kind]); 12] = [
    (Defect::Forgets, &[Kind::LostWrite, Kind::Unseen]),
    (Defect::Repeats, &[Kind::Duplicate]),
    (Defect::Misnumbers, &[Kind::InconsistentOffset]),
    (Defect::ShowsAborted, &[Kind::AbortedRead]),
    (Defect::ShowsOpen, &[Kind::PrecommittedRead]),
    (Defect::Skips, &[Kind::ExternalPollSkip]),
    (Defect::StepsBack, &[Kind::ExternalNonmonotonicPoll]),
    (Defect::Reorders, &[Kind::InternalNonmonotonicSend]),
    (Defect::DeniesCommits, &[Kind::AbortedRead]),
    (Defect::KeepsOffsets, &[Kind::NotCopied]),
    (Defect::LosesOffsets, &[Kind::CopiedTwice]),
    (Defect::MixesUp, &[Kind::Invented]),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    value: Value,
    transaction: Option<usize>,
}

/// Logs whose markers take offsets, too.
#[derive(Debug, Default)]
struct Broker {
    logs: BTreeMap<Partition, Vec<Option<Stored>>>,
    transactions: Vec<(State, BTreeSet<Partition>)>,
    /// How far the copying client's group is.
    committed: usize,
}

impl Broker {
    fn end(&mut self, number: usize, state: State) {
        self.transactions[number].0 = state;
        for partition in self.transactions[number].1.clone() {
            self.logs.entry(partition).or_default().push(None);
        }
    }

    fn state(&self, stored: &Stored) -> State {
        stored.transaction.map_or(State::Committed, |number| self.transactions[number].0)
    }

    /// What a reader is given from an offset on, and where it is then.
    fn read(
        &self,
        partition: Partition,
        from: usize,
        isolation: Isolation,
        defect: Option<Defect>,
    ) -> (Vec<(Offset, Value)>, usize) {
        let log = self.logs.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let (mut found, mut at) = (Vec::new(), from);
        while let Some(slot) = log.get(at) {
            if let Some(stored) = slot {
                let shown = match (isolation, self.state(stored)) {
                    (Isolation::Uncommitted, _) | (_, State::Committed) => true,
                    (_, State::Open) if defect == Some(Defect::ShowsOpen) => true,
                    (_, State::Open) => break,
                    (_, State::Aborted) => defect == Some(Defect::ShowsAborted),
                };
                if shown {
                    found.push((Offset(at as i64), stored.value));
                }
            }
            at += 1;
            if 4 <= found.len() {
                break;
            }
        }
        (found, at)
    }
}

/// One client between two actions.
#[derive(Debug)]
struct Peer {
    client: Client,
    isolation: Isolation,
    positions: BTreeMap<Partition, usize>,
    transaction: Option<usize>,
    called: Option<Action>,
    /// Offset up to which the open transaction has copied.
    copied: Option<usize>,
}

struct World {
    dice: StdRng,
    defect: Option<Defect>,
    broker: Broker,
    history: History,
    next_value: u64,
}

impl World {
    fn hit(&mut self, defect: Defect) -> bool {
        self.defect == Some(defect) && self.dice.random_range(0..4) == 0
    }

    fn note(&mut self, client: Client, what: What) {
        self.history.0.push(Event { client, what });
    }

    fn call(&mut self, peer: &mut Peer, action: Action) {
        self.note(peer.client, What::Called(action.clone()));
        peer.called = Some(action);
    }

    fn messages(&mut self, copies: &[(Partition, Value)]) -> Vec<Message> {
        let mut fresh = |copy_of, partition| {
            self.next_value += 1;
            Message { partition, value: Value(self.next_value), copy_of }
        };
        copies.iter().map(|(partition, original)| fresh(Some(*original), *partition)).collect()
    }

    /// What a client without a task of its own does next.
    fn choose(&mut self, peer: &mut Peer) {
        let open = peer.transaction.is_some();
        let action = match self.dice.random_range(0..20) {
            0 => Action::Close,
            1 | 2 if !open => Action::Assign((0..PARTITIONS).chain([SOURCE]).map(Partition).collect()),
            3..=5 if !open => Action::Begin,
            6 | 7 if open => Action::Commit,
            8 if open => Action::Abort,
            9..=13 => {
                let count = self.dice.random_range(1..4);
                let messages = (0..count).map(|_| {
                    self.next_value += 1;
                    let index = self.dice.random_range(0..2 * PARTITIONS);
                    let partition = Partition(if PARTITIONS <= index { SOURCE } else { index });
                    Message { partition, value: Value(self.next_value), copy_of: None }
                });
                Action::Send(messages.collect())
            }
            _ => Action::Poll,
        };
        self.call(peer, action);
    }

    /// Carries out what a client has under way, or leaves it undone, and answers.
    fn answer(&mut self, peer: &mut Peer) {
        let action = peer.called.take().expect("something is under way");
        // An answer that is lost leaves open whether anything happened.
        let lost = self.dice.random_range(0..25) == 0;
        let happens = !lost || self.dice.random_bool(0.5);
        let outcome = match action {
            Action::Open(_) | Action::Subscribe | Action::Offsets => Outcome::Done,
            Action::Assign(partitions) => {
                peer.positions = partitions.into_iter().map(|partition| (partition, 0)).collect();
                Outcome::Done
            }
            Action::Begin => {
                peer.transaction = Some(self.broker.transactions.len());
                self.broker.transactions.push((State::Open, BTreeSet::new()));
                Outcome::Done
            }
            Action::Send(messages) => self.send(peer, &messages, lost, happens),
            Action::Poll if lost => Outcome::Failed,
            Action::Poll => self.poll(peer),
            Action::Commit | Action::Abort => self.end(peer, action == Action::Commit, lost, happens),
            Action::Close => {
                // What it leaves open runs out.
                if let Some(number) = peer.transaction.take() {
                    self.broker.end(number, State::Aborted);
                }
                peer.copied = None;
                peer.positions.clear();
                Outcome::Done
            }
        };
        let closed = outcome == Outcome::Done && peer.positions.is_empty() && peer.transaction.is_none();
        self.note(peer.client, What::Returned(outcome));
        if closed && self.dice.random_bool(0.5) {
            self.call(peer, Action::Open(peer.isolation));
            self.answer(peer);
        }
    }

    fn send(&mut self, peer: &Peer, messages: &[Message], lost: bool, happens: bool) -> Outcome {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        if self.hit(Defect::Reorders) {
            order.reverse();
        }
        let mut fates = vec![Fate::Unknown; messages.len()];
        for at in order {
            let message = messages[at];
            let stored = Stored { value: message.value, transaction: peer.transaction };
            if let (Some(number), true) = (peer.transaction, happens) {
                self.broker.transactions[number].1.insert(message.partition);
            }
            let (forgotten, repeated) = (self.hit(Defect::Forgets), self.hit(Defect::Repeats));
            let mixed_up = self.hit(Defect::MixesUp);
            let number = self.hit(Defect::Misnumbers);
            let log = self.broker.logs.entry(message.partition).or_default();
            let offset = log.len() as i64;
            if happens {
                // Its offset is left empty.
                log.push((!forgotten && !mixed_up).then_some(stored));
                if repeated {
                    log.push(Some(stored));
                }
                if mixed_up {
                    let other = Partition((message.partition.0 + 1) % PARTITIONS);
                    self.broker.logs.entry(other).or_default().push(Some(stored));
                }
            }
            fates[at] = match self.dice.random_range(0..12) {
                _ if lost => Fate::Unknown,
                0 => Fate::Written,
                _ => Fate::At(Offset(if number { (offset - 1).max(0) } else { offset })),
            };
        }
        if lost { Outcome::Unknown } else { Outcome::Sent(fates) }
    }

    fn poll(&mut self, peer: &mut Peer) -> Outcome {
        let mut polled = Polled::default();
        for (partition, position) in &mut peer.positions {
            let from = *position;
            let from = if self.hit(Defect::Skips) { from + 2 } else { from };
            let from = if self.hit(Defect::StepsBack) { from.saturating_sub(2) } else { from };
            let (found, next) = self.broker.read(*partition, from, peer.isolation, self.defect);
            polled.records.extend(found.into_iter().map(|(offset, value)| (*partition, offset, value)));
            *position = next;
        }
        Outcome::Polled(polled)
    }

    fn end(&mut self, peer: &mut Peer, commit: bool, lost: bool, happens: bool) -> Outcome {
        let number = peer.transaction.take().expect("a transaction");
        let state = if commit && happens { State::Committed } else { State::Aborted };
        self.broker.end(number, state);
        let keeps = match state {
            State::Committed => !self.hit(Defect::LosesOffsets),
            _ => self.hit(Defect::KeepsOffsets),
        };
        if let Some(copied) = peer.copied.take().filter(|_| keeps) {
            self.broker.committed = copied;
        }
        if commit && self.hit(Defect::DeniesCommits) {
            // The client aborts, and believes that it has.
            self.note(peer.client, What::Returned(Outcome::Failed));
            self.note(peer.client, What::Called(Action::Abort));
            return Outcome::Done;
        }
        if !lost {
            return Outcome::Done;
        }
        // Nobody knows what became of it; the client goes on with a new life.
        self.note(peer.client, What::Returned(Outcome::Unknown));
        self.note(peer.client, What::Called(Action::Close));
        peer.positions.clear();
        Outcome::Done
    }

    /// Reads some of the source and writes it on, all in one transaction.
    fn copy(&mut self, peer: &mut Peer) {
        let run = |world: &mut Self, peer: &mut Peer, action| {
            world.call(peer, action);
            world.note(peer.client, What::Returned(Outcome::Done));
            peer.called = None;
        };
        run(self, peer, Action::Open(Isolation::Committed));
        run(self, peer, Action::Subscribe);
        run(self, peer, Action::Begin);
        peer.transaction = Some(self.broker.transactions.len());
        self.broker.transactions.push((State::Open, BTreeSet::new()));
        self.call(peer, Action::Poll);
        peer.called = None;
        let (found, next) =
            self.broker.read(Partition(SOURCE), self.broker.committed, Isolation::Committed, self.defect);
        let records = found.iter().map(|(offset, value)| (Partition(SOURCE), *offset, *value)).collect();
        self.note(peer.client, What::Returned(Outcome::Polled(Polled { moved: true, records })));
        let to = Partition(self.dice.random_range(0..PARTITIONS));
        let copies: Vec<_> = found.iter().map(|(_, value)| (to, *value)).collect();
        let messages = self.messages(&copies);
        self.call(peer, Action::Send(messages));
        self.answer(peer);
        run(self, peer, Action::Offsets);
        peer.copied = Some(next);
        // Without an answer to its records a client does not commit.
        let lost = self.history.0.iter().rev().find_map(|event| match &event.what {
            What::Returned(Outcome::Sent(_)) => Some(false),
            What::Returned(Outcome::Unknown) => Some(true),
            _ => None,
        });
        let gives_up = lost == Some(true) || self.dice.random_range(0..4) == 0;
        self.call(peer, if gives_up { Action::Abort } else { Action::Commit });
        self.answer(peer);
    }
}

fn run(seed: u64, defect: Option<Defect>) -> History {
    let dice = StdRng::seed_from_u64(seed);
    let mut world = World { dice, defect, broker: Broker::default(), history: History::default(), next_value: 0 };
    let isolation = |number| if number % 3 == 0 { Isolation::Uncommitted } else { Isolation::Committed };
    let peer = |number| Peer {
        client: Client(number),
        isolation: isolation(number),
        positions: BTreeMap::new(),
        transaction: None,
        called: None,
        copied: None,
    };
    let mut peers: Vec<Peer> = (1..=CLIENTS).map(peer).collect();
    for peer in &mut peers {
        world.call(peer, Action::Open(peer.isolation));
        world.answer(peer);
    }
    let mut copier = Peer { isolation: Isolation::Committed, ..peer(100) };
    for _ in 0..400 {
        let who = world.dice.random_range(0..peers.len());
        let peer = &mut peers[who];
        if peer.called.is_some() {
            world.answer(peer)
        } else {
            world.choose(peer)
        }
        if world.dice.random_range(0..5) == 0 {
            world.copy(&mut copier);
        }
    }
    // Everything comes to an end, and is read.
    for peer in &mut peers {
        if peer.called.is_some() {
            world.answer(peer);
        }
        world.call(peer, Action::Close);
        world.answer(peer);
        if peer.called.is_some() {
            world.answer(peer);
        }
    }
    for _ in 0..100 {
        world.copy(&mut copier);
    }
    for (number, isolation) in [(200, Isolation::Committed), (201, Isolation::Uncommitted)] {
        let mut reader = Peer { isolation, ..peer(number) };
        world.call(&mut reader, Action::Open(isolation));
        reader.called = None;
        world.note(reader.client, What::Returned(Outcome::Done));
        let all = (0..PARTITIONS).chain([SOURCE]).map(Partition).collect();
        world.call(&mut reader, Action::Assign(all));
        world.answer(&mut reader);
        for _ in 0..300 {
            world.note(reader.client, What::Called(Action::Poll));
            let outcome = world.poll(&mut reader);
            world.note(reader.client, What::Returned(outcome));
        }
    }
    world.history
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("CHECKER_SEEDS") {
        Ok(range) => {
            let (first, last) = range.split_once("..").expect("FIRST..LAST");
            first.parse().unwrap()..last.parse().unwrap()
        }
        Err(_) => 0..40,
    }
}

fn rules() -> Rules {
    Rules { copied: [Partition(SOURCE)].into() }
}

#[test]
fn nothing_is_found_of_a_broker_that_is_in_order() {
    let (mut committed, mut aborted, mut write_cycles, mut mixed_cycles) = (0, 0, 0, 0);
    for seed in seeds() {
        let history = run(seed, None);
        let report = check(&history, &rules()).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{history}"));
        assert_eq!(report.anomalies, [], "seed {seed}\n{history}");
        committed += report.committed;
        aborted += report.aborted;
        write_cycles += report.allowed.write_cycles;
        mixed_cycles += report.allowed.mixed_cycles;
        // Nor does writing it down change it.
        assert_eq!(history.to_string().parse(), Ok(history));
    }
    assert!(0 < committed && 0 < aborted && 0 < write_cycles && 0 < mixed_cycles, "there was something to find");
}

#[test]
fn every_defect_is_found_for_what_it_is() {
    for (defect, expected) in DEFECTS {
        let mut found = BTreeSet::new();
        let mut without = 0;
        for seed in seeds() {
            let history = run(seed, Some(defect));
            let report = check(&history, &rules()).unwrap_or_else(|error| panic!("{defect:?}, seed {seed}: {error}"));
            found.extend(report.kinds().into_keys());
            without += usize::from(report.anomalies.is_empty());
        }
        for kind in expected {
            assert!(found.contains(kind), "{defect:?} was found as {found:?} and not as {kind:?}");
        }
        let runs = seeds().count();
        assert!(without * 2 <= runs, "{defect:?} was not found in {without} of {runs} runs");
    }
}
