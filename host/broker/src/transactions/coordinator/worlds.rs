//! Small worlds, gone through in every order of their steps: a producer with two transactions over two partitions, its
//! requests delayed, lost and sent again, a second instance of it, time-outs, and a broker that crashes between any two
//! steps.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::*;

const ID: &str = "tx";
const PARTITIONS: usize = 2;
const TRANSACTIONS: usize = 2;
const RIVALS_CONNECTION: u64 = 50;

const NOW: Now = Now { tick: Tick::ZERO, wall_ms: 1000 };

fn partitions() -> Partitions {
    (0..PARTITIONS as i32).map(|partition| ("t", partition)).collect()
}

/// What stands in a partition.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Item {
    Data { producer: Identity, sequence: usize, transaction: usize },
    Marker { producer: Identity, committed: bool },
}

impl Item {
    fn producer(self) -> Identity {
        match self {
            Self::Data { producer, .. } | Self::Marker { producer, .. } => producer,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Init,
    Add,
    Produce,
    End(Verdict),
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Request {
    connection: u64,
    producer: Identity,
    transaction: usize,
    sequence: usize,
    kind: Kind,
}

/// What the producer is about to do, or waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Stage {
    Init,
    Add,
    Produce,
    End,
    Done,
    Failed,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Producer {
    identity: Identity,
    connection: u64,
    stage: Stage,
    waits: bool,
    transaction: usize,
    sequence: usize,
    /// What it decided to ask for.
    wanted: [Option<Verdict>; TRANSACTIONS],
    /// What it was told has happened.
    told: [bool; TRANSACTIONS],
}

/// How often what may still happen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Budget {
    give_ups: u8,
    crashes: u8,
    time_outs: u8,
    rivals: u8,
}

#[derive(Clone, Debug)]
struct World {
    generation: Generation,
    coordinator: Coordinator,
    /// The last record of the id that is on disk.
    durable: Option<Metadata>,
    /// Handed over and not durable: each with the request that waits for it.
    queue: Vec<(Step, Option<Request>)>,
    /// Ends that partitions have not heard of yet.
    marking: Vec<(Markers, Vec<usize>)>,
    logs: [Vec<Item>; PARTITIONS],
    wire: Vec<Request>,
    producer: Producer,
    budget: Budget,
    fresh: i64,
    /// Whether the rule about late requests is left out, to see what it is for.
    without_rule: bool,
}

impl World {
    fn new(generation: Generation, budget: Budget, epoch: i16) -> Self {
        let mut coordinator = Coordinator::new(settings(), generation);
        let mut durable = None;
        if epoch != NO_EPOCH {
            let stored = Metadata { epoch, ..Metadata::new(7, 60_000, NOW.wall_ms) };
            coordinator.load(NOW, ID, Some(stored.clone()));
            durable = Some(stored);
        }
        Self {
            generation,
            coordinator,
            durable,
            queue: Vec::new(),
            marking: Vec::new(),
            logs: Default::default(),
            wire: Vec::new(),
            producer: Producer {
                identity: Identity::NONE,
                connection: 1,
                stage: Stage::Init,
                waits: false,
                transaction: 0,
                sequence: 0,
                wanted: [None; TRANSACTIONS],
                told: [false; TRANSACTIONS],
            },
            budget,
            fresh: 8,
            without_rule: false,
        }
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.coordinator.entries, &self.durable, &self.queue, &self.marking).hash(&mut hasher);
        (&self.logs, &self.wire, &self.producer, self.budget, self.fresh).hash(&mut hasher);
        hasher.finish()
    }

    /// Every world that one step leads to.
    fn next(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut step = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            if world.queue.is_empty() && world.coordinator.entries.values().all(|entry| entry.pending.is_none()) {
                // Numbers that nobody remembers make no difference.
                world.coordinator.steps = 0;
            }
            all.push(world);
        };
        if !self.producer.waits {
            match self.producer.stage {
                Stage::Done | Stage::Failed => {}
                Stage::End if self.producer.wanted[self.producer.transaction].is_none() => {
                    for verdict in [Verdict::Commit, Verdict::Abort] {
                        step(&|world| world.send(Kind::End(verdict)));
                    }
                }
                Stage::End => {
                    let verdict = self.producer.wanted[self.producer.transaction].unwrap();
                    step(&|world| world.send(Kind::End(verdict)));
                }
                Stage::Init => step(&|world| world.send(Kind::Init)),
                Stage::Add => step(&|world| world.send(Kind::Add)),
                Stage::Produce => step(&|world| world.send(Kind::Produce)),
            }
        }
        for at in 0..self.wire.len() {
            step(&|world| world.deliver(at));
        }
        if !self.queue.is_empty() {
            step(&World::sync);
        }
        for at in 0..self.marking.len() {
            step(&|world| world.mark(at));
        }
        if self.producer.waits && 0 < self.budget.give_ups {
            step(&|world| {
                world.budget.give_ups -= 1;
                world.producer.connection += 1;
                world.producer.waits = false;
            });
        }
        if 0 < self.budget.crashes {
            step(&World::crash);
        }
        if 0 < self.budget.time_outs {
            step(&|world| {
                world.budget.time_outs -= 1;
                let late = Now { tick: Tick::from_millis(1 << 40), ..NOW };
                let steps = world.coordinator.time_out(late);
                world.queue.extend(steps.into_iter().map(|step| (step, None)));
            });
        }
        if 0 < self.budget.rivals {
            step(&|world| {
                world.budget.rivals -= 1;
                let rival = Request {
                    connection: RIVALS_CONNECTION,
                    producer: Identity::NONE,
                    transaction: 0,
                    sequence: 0,
                    kind: Kind::Init,
                };
                world.carry_out(rival);
            });
        }
        all
    }

    fn send(&mut self, kind: Kind) {
        let Producer { identity, connection, transaction, sequence, .. } = self.producer;
        if let Kind::End(verdict) = kind {
            self.producer.wanted[transaction] = Some(verdict);
        }
        self.producer.waits = true;
        self.wire.push(Request { connection, producer: identity, transaction, sequence, kind });
    }

    fn deliver(&mut self, at: usize) {
        let request = self.wire.remove(at);
        self.carry_out(request);
    }

    fn carry_out(&mut self, request: Request) {
        let Request { connection, producer, .. } = request;
        let caller = Caller { id: ID, connection: if self.without_rule { 0 } else { connection } };
        let fresh = Some(self.fresh);
        let decision = match request.kind {
            Kind::Init => self.coordinator.init(NOW, caller, 60_000, None, fresh),
            Kind::Add => self.coordinator.add_partitions(NOW, caller, producer, &partitions(), self.generation),
            Kind::Produce if self.generation == Generation::Second => {
                self.coordinator.add_partitions(NOW, caller, producer, &partitions(), self.generation)
            }
            Kind::Produce => Decision::Answer(self.append(request)),
            Kind::End(verdict) => self.coordinator.end(NOW, caller, producer, verdict, self.generation, fresh),
        };
        match decision {
            Decision::Answer(Ok(_)) if request.kind == Kind::Produce && self.generation == Generation::Second => {
                let answer = self.append(request);
                self.answer(request, answer);
            }
            Decision::Answer(answer) => self.answer(request, answer),
            Decision::Late => {
                assert_ne!(request.connection, self.producer.connection, "the newest connection is never late");
            }
            Decision::NeedsProducerId => panic!("it has one"),
            Decision::Store(step) => {
                if step.record.as_ref().is_some_and(|next| next.producer_id == self.fresh) {
                    self.fresh += 1;
                }
                self.queue.push((step, Some(request)));
            }
        }
    }

    /// Appends to all partitions, or to none, as one request does.
    fn append(&mut self, request: Request) -> Answer {
        let Request { producer, sequence, transaction, .. } = request;
        for (partition, log) in self.logs.iter_mut().enumerate() {
            self.coordinator.check_append(ID, producer, "t", partition as i32)?;
            let epoch = newest_epoch(log, producer.producer_id);
            if producer.epoch < epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            let of_epoch = log.iter().filter(|item| matches!(item, Item::Data { producer: by, .. } if *by == producer));
            match sequence.cmp(&of_epoch.count()) {
                // Appended before.
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => log.push(Item::Data { producer, sequence, transaction }),
                std::cmp::Ordering::Greater => return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
            }
        }
        Ok(producer)
    }

    fn answer(&mut self, request: Request, answer: Answer) {
        if request.connection != self.producer.connection || !self.producer.waits {
            return;
        }
        self.producer.waits = false;
        let producer = &mut self.producer;
        let begin = if self.generation == Generation::First { Stage::Add } else { Stage::Produce };
        match (request.kind, answer) {
            // It is sent again.
            (_, Err(ErrorCode::CONCURRENT_TRANSACTIONS)) => {}
            (_, Err(_)) => producer.stage = Stage::Failed,
            (Kind::Init, Ok(identity)) => {
                producer.identity = identity;
                producer.sequence = 0;
                producer.stage = begin;
            }
            (Kind::Add, Ok(_)) => producer.stage = Stage::Produce,
            (Kind::Produce, Ok(_)) => {
                producer.sequence += 1;
                producer.stage = Stage::End;
            }
            (Kind::End(_), Ok(next)) => {
                producer.told[producer.transaction] = true;
                producer.transaction += 1;
                producer.stage = if producer.transaction == TRANSACTIONS { Stage::Done } else { begin };
                if self.generation == Generation::Second {
                    assert_ne!(next, producer.identity, "every transaction has an epoch of its own");
                    producer.identity = next;
                    producer.sequence = 0;
                }
            }
        }
    }

    /// The next record becomes durable.
    fn sync(&mut self) {
        let (step, request) = self.queue.remove(0);
        self.durable.clone_from(&step.record);
        let Some(after) = self.coordinator.stored(NOW, ID, step.number, true) else { return };
        if let Some(markers) = after.markers {
            self.begin_marking(markers);
        }
        let Some(request) = request else { return };
        match after.answer {
            Ok(_) if request.kind == Kind::Produce => {
                let answer = self.append(request);
                self.answer(request, answer);
            }
            answer => self.answer(request, answer),
        }
    }

    fn begin_marking(&mut self, markers: Markers) {
        let left = markers.partitions.iter().map(|(_, partition)| partition as usize).collect();
        self.marking.push((markers, left));
    }

    /// One more partition hears of an end, or all have.
    fn mark(&mut self, at: usize) {
        let (markers, left) = &mut self.marking[at];
        if let Some(partition) = left.pop() {
            let log = &mut self.logs[partition];
            let epoch = newest_epoch(log, markers.identity.producer_id);
            assert!(epoch <= markers.identity.epoch, "the end of a transaction is overtaken: {log:?}");
            log.push(Item::Marker { producer: markers.identity, committed: markers.verdict == Verdict::Commit });
            return;
        }
        let (markers, _) = self.marking.remove(at);
        let step = self.coordinator.marked(NOW, &markers).expect("nobody else ends it");
        self.queue.push((step, None));
    }

    /// What is on disk is left, and connections are new.
    fn crash(&mut self) {
        self.budget.crashes -= 1;
        let mut coordinator = Coordinator::new(settings(), self.generation);
        coordinator.load(NOW, ID, self.durable.clone());
        self.coordinator = coordinator;
        self.queue.clear();
        self.wire.clear();
        self.marking.clear();
        self.coordinator.unfinished().into_iter().for_each(|markers| self.begin_marking(markers));
        self.producer.connection = 1;
        self.producer.waits = false;
    }

    /// How each record has ended, by transaction: `None` for one whose transaction is open.
    fn endings(&self) -> Vec<(usize, Option<Verdict>)> {
        let mut endings = Vec::new();
        for log in &self.logs {
            for (at, item) in log.iter().enumerate() {
                let Item::Data { producer, transaction, .. } = *item else { continue };
                let end = log[at..].iter().find_map(|later| match later {
                    Item::Marker { producer: of, committed } if of.producer_id == producer.producer_id => {
                        Some(if *committed { Verdict::Commit } else { Verdict::Abort })
                    }
                    _ => None,
                });
                endings.push((transaction, end));
            }
        }
        endings
    }

    fn check(&self) {
        let Producer { wanted, told, stage, waits, .. } = &self.producer;
        let endings = self.endings();
        for &(transaction, end) in &endings {
            let wanted = wanted[transaction];
            if end == Some(Verdict::Commit) {
                assert_eq!(wanted, Some(Verdict::Commit), "committed what nobody asked to commit: {self:#?}");
            }
            if told[transaction] && end.is_some() {
                assert_eq!(end, wanted, "the producer was told otherwise: {self:#?}");
            }
        }
        let at_rest = self.queue.is_empty() && self.marking.is_empty() && self.wire.is_empty() && !waits;
        if !at_rest {
            return;
        }
        let ongoing = self.coordinator.get(ID).is_some_and(|now| now.state == TransactionState::Ongoing);
        for (transaction, told) in told.iter().enumerate() {
            let ends: HashSet<_> = endings.iter().filter(|(of, _)| *of == transaction).map(|(_, end)| end).collect();
            assert!(ends.len() <= 1, "a transaction ended in two ways: {self:#?}");
            assert!(ongoing || !ends.contains(&None), "a transaction hangs: {self:#?}");
            if *told {
                let count = endings.iter().filter(|(of, _)| *of == transaction).count();
                assert_eq!(count, PARTITIONS, "a record is missing: {self:#?}");
            }
        }
        if *stage == Stage::Done && self.coordinator.get(ID).is_some() {
            assert!(told.iter().all(|told| *told));
        }
    }
}

fn newest_epoch(log: &[Item], producer_id: i64) -> i16 {
    let of_producer = log.iter().map(|item| item.producer()).filter(|producer| producer.producer_id == producer_id);
    of_producer.map(|producer| producer.epoch).max().unwrap_or(0)
}

fn settings() -> Settings {
    Settings { max_timeout_ms: 900_000, id_expiration_ms: 1_000_000 }
}

/// Goes through all worlds; returns how many there are, and in how many of them the producer has finished.
fn explore(begin: World) -> (usize, usize) {
    let (mut open, mut seen, mut finished) = (vec![begin], HashSet::new(), 0);
    while let Some(world) = open.pop() {
        world.check();
        if world.producer.stage == Stage::Done {
            finished += 1;
        }
        open.extend(world.next().into_iter().filter(|world| seen.insert(world.fingerprint())));
    }
    (seen.len(), finished)
}

const CALM: Budget = Budget { give_ups: 0, crashes: 0, time_outs: 0, rivals: 0 };

#[test]
fn in_every_order_of_steps_a_transaction_ends_as_its_producer_asked_and_in_all_partitions_alike() {
    for generation in [Generation::First, Generation::Second] {
        let budgets = [
            CALM,
            Budget { give_ups: 2, crashes: 1, ..CALM },
            Budget { give_ups: 1, crashes: 2, ..CALM },
            Budget { give_ups: 1, crashes: 1, time_outs: 1, rivals: 1 },
        ];
        for budget in budgets {
            let (worlds, finished) = explore(World::new(generation, budget, NO_EPOCH));
            assert!(0 < finished, "{generation:?} {budget:?}: {worlds} worlds, and the producer never finishes");
        }
    }
}

#[test]
fn where_the_epochs_run_out_in_between_it_is_the_same() {
    for generation in [Generation::First, Generation::Second] {
        for epoch in i16::MAX - 4..i16::MAX {
            for budget in [Budget { give_ups: 1, ..CALM }, Budget { crashes: 1, ..CALM }, Budget { rivals: 1, ..CALM }]
            {
                let (_, finished) = explore(World::new(generation, budget, epoch));
                assert!(0 < finished, "{generation:?} {epoch} {budget:?}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "committed what nobody asked to commit")]
fn without_the_rule_about_connections_a_late_end_hits_the_next_transaction() {
    let world = World { without_rule: true, ..World::new(Generation::First, Budget { give_ups: 1, ..CALM }, NO_EPOCH) };
    explore(world);
}
