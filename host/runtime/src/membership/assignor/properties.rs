//! What holds after every history of a group whose members do as they are told: nothing runs twice, nothing waits longer
//! than it may, the load is even, and nothing moves without need.

use std::collections::BTreeMap;

use millstream_connector::TaskId;
use proptest::prelude::*;

use super::{Delay, Generations, Incremental};
use crate::membership::{Work, WorkSet};

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    Leave(u8),
    Configure(u8, u32),
    Delete(u8),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5u8).prop_map(Step::Join),
        (0..5u8).prop_map(Step::Leave),
        (0..6u8, 0..5u32).prop_map(|(connector, tasks)| Step::Configure(connector, tasks)),
        (0..6u8).prop_map(Step::Delete),
        (0..2000u32).prop_map(Step::Wait),
    ]
}

#[derive(Default)]
struct Group {
    assignor: Incremental,
    members: BTreeMap<String, Work>,
    connectors: BTreeMap<String, u32>,
    now_ms: i64,
    generation: i32,
    max_delay_ms: i32,
    until_back: bool,
    /// When members join again by themselves.
    rejoin_ms: Option<i64>,
    /// Since when nobody holds a connector or task.
    idle: Vec<(WorkSet, i64)>,
    moved: usize,
}

impl Group {
    fn configured(&self) -> WorkSet {
        let tasks = |(name, count): (&String, &u32)| {
            (0..*count).map(|number| TaskId { connector: name.clone(), number }).collect::<Vec<_>>()
        };
        WorkSet {
            connectors: self.connectors.keys().cloned().collect(),
            tasks: self.connectors.iter().flat_map(tasks).collect(),
        }
    }

    fn held(&self) -> WorkSet {
        self.members.values().fold(WorkSet::default(), |all, work| all.plus(&work.set()))
    }

    fn delay(&self) -> Delay {
        Delay { most_ms: self.max_delay_ms, until_back: self.until_back }
    }

    /// One round, which everybody follows; `true` if another one has to come at once.
    fn round(&mut self) -> bool {
        let generations = Generations { completed: self.generation, current: self.generation + 1 };
        let configured = self.configured();
        let decision = self.assignor.assign(self.now_ms, generations, &configured, &self.members, self.delay());
        self.generation += 1;
        self.rejoin_ms = (decision.delay_ms != 0).then(|| self.now_ms + i64::from(decision.delay_ms));
        for (id, part) in &decision.parts {
            let work = self.members.get_mut(id).unwrap();
            self.moved +=
                part.revoked.within(&configured).connectors.len() + part.revoked.within(&configured).tasks.len();
            work.remove(&part.revoked.set());
            work.add(&part.assigned);
        }
        let all: usize = self.members.values().map(|work| work.connectors.len() + work.tasks.len()).sum();
        let held = self.held();
        assert_eq!(all, held.connectors.len() + held.tasks.len(), "something runs twice");
        decision.parts.values().any(|part| !part.revoked.is_empty())
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        while !self.members.is_empty() && self.round() {
            rounds += 1;
            assert!(rounds < 10, "work is taken away again and again");
        }
        let idle = self.configured().minus(&self.held());
        let since = |item: &dyn Fn(&WorkSet) -> bool| {
            self.idle.iter().find(|(set, _)| item(set)).map_or(self.now_ms, |(_, since)| *since)
        };
        let mut next = Vec::new();
        for name in &idle.connectors {
            let since = since(&|set| set.connectors.contains(name));
            next.push((WorkSet { connectors: [name.clone()].into(), ..WorkSet::default() }, since));
        }
        for task in &idle.tasks {
            let since = since(&|set| set.tasks.contains(task));
            next.push((WorkSet { tasks: [task.clone()].into(), ..WorkSet::default() }, since));
        }
        self.idle = next;
        for (set, since) in self.idle.iter().filter(|_| !self.members.is_empty()) {
            assert!(self.now_ms - since <= i64::from(self.max_delay_ms), "{set:?} waits since {since}");
        }
    }

    /// Time passes; members join again when they were told to.
    fn wait(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while let Some(due) = self.rejoin_ms.filter(|due| *due <= end && !self.members.is_empty()) {
            self.now_ms = due;
            self.rejoin_ms = None;
            self.settle();
        }
        self.now_ms = end;
    }

    fn take(&mut self, step: &Step) {
        let name = |number: &u8| format!("c{number}");
        match step {
            Step::Join(id) => drop(self.members.entry(format!("m{id}")).or_default()),
            Step::Leave(id) => {
                self.members.remove(&format!("m{id}"));
                if self.members.is_empty() {
                    // With its leader goes what it remembered.
                    self.assignor = Incremental::default();
                    self.rejoin_ms = None;
                    self.idle.clear();
                }
            }
            Step::Configure(connector, tasks) => drop(self.connectors.insert(name(connector), *tasks)),
            Step::Delete(connector) => drop(self.connectors.remove(&name(connector))),
            Step::Wait(ms) => return self.wait(i64::from(*ms)),
        }
        self.settle();
    }

    fn is_even(&self) -> bool {
        let even = |count: fn(&Work) -> usize| {
            let counts = || self.members.values().map(count);
            counts().max().unwrap_or(0) - counts().min().unwrap_or(0) <= 1
        };
        even(|work| work.connectors.len()) && even(|work| work.tasks.len())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn work_runs_once_waits_no_longer_than_it_may_and_ends_up_even(
        steps in proptest::collection::vec(step(), 1..40),
        max_delay_ms in prop_oneof![Just(0), 1..1000i32],
        until_back in proptest::bool::ANY,
    ) {
        let mut group = Group { max_delay_ms, until_back, now_ms: 1000, ..Group::default() };
        for step in &steps {
            group.take(step);
        }
        // Everything that waits has come by then, and evenness is put off no further.
        for _ in 0..4 {
            group.wait(i64::from(max_delay_ms) + 1);
            group.settle();
        }
        prop_assert!(group.members.is_empty() || group.held() == group.configured());
        prop_assert!(group.is_even(), "{:?}", group.members);

        let (moved, before) = (group.moved, group.members.clone());
        group.settle();
        prop_assert_eq!(&before, &group.members);
        prop_assert_eq!(moved, group.moved, "something moves though nothing has changed");

        // Of one that comes, no more moves than it gets.
        if !group.members.is_empty() && group.members.len() < 5 {
            let members = group.members.len() + 1;
            group.members.insert("new".to_owned(), Work::default());
            group.settle();
            group.wait(i64::from(max_delay_ms) + 1);
            let all = group.configured();
            let most = all.connectors.len().div_ceil(members) + all.tasks.len().div_ceil(members);
            prop_assert!(group.moved - moved <= most, "{} of {most}", group.moved - moved);
        }
    }
}
