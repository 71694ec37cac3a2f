//! Every order of events in a group of up to four workers, as far as who does what goes: workers come, are killed and are
//! slow, connectors are made and deleted, time passes.
//!
//! Nothing runs at two workers, and when nothing happens any more everything runs, evenly. `MILLSTREAM_GROUP_EVENTS` says
//! how many events there are in a row; the short form has five.

use std::collections::{BTreeMap, HashSet};

use millstream_connector::TaskId;
use millstream_runtime::membership::{
    Work, WorkSet,
    assignor::{Delay, Generations, Incremental, Part},
};

/// Workers at most.
const WORKERS: usize = 4;

/// Connectors at most, each with two tasks.
const CONNECTORS: u8 = 2;

/// How long work waits, where it does.
const DELAY_MS: i32 = 1_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// One more worker comes.
    Join,
    /// The worker at this place is killed.
    Kill(usize),
    /// It does what it was told, as late as that may be.
    Follow(usize),
    /// All have joined again: work is divided.
    Round,
    /// A connector is made, or deleted.
    Toggle(u8),
    /// The time of every delay passes.
    Wait,
}

#[derive(Clone, Debug, Default)]
struct Worker {
    id: String,
    /// What it was given.
    holds: Work,
    /// What runs there.
    runs: WorkSet,
    /// What it was told and has not done yet.
    told: Option<Part>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// The first one leads: it has been there for longest.
    workers: Vec<Worker>,
    /// What the leader remembers.
    assignor: Incremental,
    connectors: Vec<bool>,
    generation: i32,
    now_ms: i64,
    came: usize,
    /// Whether members have been told to join again.
    rejoin: bool,
}

impl Group {
    fn configured(&self) -> WorkSet {
        let mut all = WorkSet::default();
        for (number, _) in self.connectors.iter().enumerate().filter(|(_, there)| **there) {
            let name = format!("c{number}");
            all.tasks.extend((0..2).map(|number| TaskId { connector: name.clone(), number }));
            all.connectors.insert(name);
        }
        all
    }

    /// What may happen now.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.workers.len() < WORKERS {
            events.push(Event::Join);
        }
        for (at, worker) in self.workers.iter().enumerate() {
            events.push(Event::Kill(at));
            if worker.told.is_some() {
                events.push(Event::Follow(at));
            }
        }
        // Who has not followed yet has not joined again.
        if self.rejoin && !self.workers.is_empty() && self.workers.iter().all(|worker| worker.told.is_none()) {
            events.push(Event::Round);
        }
        events.extend((0..CONNECTORS).map(Event::Toggle));
        events.push(Event::Wait);
        events
    }

    fn take(&mut self, event: Event, delay: Delay) {
        match event {
            Event::Join => {
                // One that comes back is another member.
                self.workers.push(Worker { id: format!("m{}", self.came), ..Worker::default() });
                self.came += 1;
                self.rejoin = true;
            }
            Event::Kill(at) => {
                self.workers.remove(at);
                if at == 0 {
                    self.assignor = Incremental::default();
                }
                self.rejoin = true;
            }
            Event::Follow(at) => {
                let worker = &mut self.workers[at];
                let Some(told) = worker.told.take() else { return };
                worker.holds.remove(&told.revoked.set());
                worker.holds.add(&told.assigned);
                worker.runs = worker.holds.set();
                self.rejoin |= !told.revoked.is_empty();
            }
            Event::Round => self.divide(delay),
            Event::Toggle(number) => {
                let there = &mut self.connectors[usize::from(number)];
                *there = !*there;
                self.rejoin = true;
            }
            Event::Wait => {
                self.now_ms += i64::from(DELAY_MS);
                self.rejoin = true;
            }
        }
    }

    fn divide(&mut self, delay: Delay) {
        let holds: BTreeMap<String, Work> =
            self.workers.iter().map(|worker| (worker.id.clone(), worker.holds.clone())).collect();
        let generations = Generations { completed: self.generation, current: self.generation + 1 };
        let mut decision = self.assignor.assign(self.now_ms, generations, &self.configured(), &holds, delay);
        self.generation += 1;
        self.rejoin = false;
        for worker in &mut self.workers {
            worker.told = decision.parts.remove(&worker.id);
        }
    }

    /// Nothing runs at two workers.
    fn check(&self, path: &[Event]) {
        for (at, worker) in self.workers.iter().enumerate() {
            for other in &self.workers[at + 1..] {
                assert!(worker.runs.is_disjoint(&other.runs), "{path:?}: {self:#?}");
            }
        }
    }

    /// When nothing happens any more, everything runs, and evenly.
    fn check_rest(mut self, path: &[Event], delay: Delay) {
        if self.workers.is_empty() {
            return;
        }
        for _ in 0..20 {
            (0..self.workers.len()).for_each(|at| self.take(Event::Follow(at), delay));
            self.check(path);
            if self.rejoin {
                self.divide(delay);
            } else {
                self.take(Event::Wait, delay);
            }
        }
        (0..self.workers.len()).for_each(|at| self.take(Event::Follow(at), delay));
        let all = self.workers.iter().fold(WorkSet::default(), |all, worker| all.plus(&worker.runs));
        assert_eq!(all, self.configured(), "{path:?}");
        let even = |count: fn(&WorkSet) -> usize| {
            let counts = || self.workers.iter().map(|worker| count(&worker.runs));
            counts().max().unwrap_or(0) - counts().min().unwrap_or(0) <= 1
        };
        assert!(even(|work| work.connectors.len()) && even(|work| work.tasks.len()), "{path:?}: {self:#?}");
    }

    /// Two groups with the same key go on in the same way.
    fn key(&self) -> String {
        let generation = format!("generation: Some({})", self.generation);
        format!("{self:?}")
            .replace(&generation, "generation: Some(last)")
            .replace(&format!("generation: {},", self.generation), "")
    }
}

fn search(delay: Delay, events: usize) -> usize {
    // A group at work, so that little is needed for something to happen.
    let mut first = Group { connectors: vec![true; usize::from(CONNECTORS)], ..Group::default() };
    for event in
        [Event::Join, Event::Round, Event::Follow(0), Event::Join, Event::Round, Event::Follow(0), Event::Follow(1)]
    {
        first.take(event, delay);
    }
    let mut seen = HashSet::from([first.key()]);
    let mut level = vec![(first, Vec::new())];
    for _ in 0..events {
        let mut next = Vec::new();
        for (group, path) in level {
            for event in group.events() {
                let mut group: Group = group.clone();
                group.take(event, delay);
                if seen.insert(group.key()) {
                    let mut path = path.clone();
                    path.push(event);
                    group.check(&path);
                    group.clone().check_rest(&path, delay);
                    next.push((group, path));
                }
            }
        }
        level = next;
    }
    seen.len()
}

#[test]
fn whatever_happens_in_whatever_order_nothing_runs_twice_and_everything_runs_in_the_end() {
    let events = std::env::var("MILLSTREAM_GROUP_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(5);
    for (most_ms, until_back) in [(0, false), (DELAY_MS, false), (DELAY_MS, true)] {
        let groups = search(Delay { most_ms, until_back }, events);
        println!("{events} events, delay {most_ms} ms, until back: {until_back}: {groups} groups");
        assert!(1_000 < groups, "{groups}");
    }
}
