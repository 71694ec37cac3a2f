//! What tasks weigh, in a group of ours alone: who has how many is Connect's rule, who has which of them is this one's.
//!
//! What is given out anyway goes where least is done. And where one worker has long had much more to do than another, two
//! tasks change places, at most a pair in a round: nothing else is touched, and numbers stay even.

use std::collections::BTreeMap;

use millstream_connector::TaskId;

use super::Decision;
use crate::membership::Work;

/// By task, in thousandths of a core.
pub type Loads = BTreeMap<TaskId, u32>;

/// A difference between two workers that is worth the restart of two tasks, in thousandths of a core.
const GAP: u32 = 250;

/// Deals the tasks that a round gives out anew so that everybody has about the same to do, and nobody more than one task more
/// than another. A task that nobody has measured weighs as much as others do on average.
pub fn spread(decision: &mut Decision, loads: &Loads) {
    let mut new: Vec<TaskId> = decision.parts.values().flat_map(|part| part.assigned.tasks.iter().cloned()).collect();
    if loads.is_empty() || new.is_empty() {
        return;
    }
    let average = (loads.values().map(|load| u64::from(*load)).sum::<u64>() / loads.len() as u64) as u32;
    let weight = |task: &TaskId| u64::from(loads.get(task).copied().unwrap_or(average));
    let mut takers: Vec<Taker> = Vec::new();
    for (id, part) in &decision.parts {
        let held = decision.holds.get(id).map_or(&[][..], |held| &held.tasks);
        let stays: Vec<&TaskId> = held.iter().filter(|task| !part.assigned.tasks.contains(task)).collect();
        let load = stays.iter().map(|task| weight(task)).sum();
        takers.push(Taker { id: id.clone(), count: stays.len(), load, new: Vec::new() });
    }
    let all = new.len() + takers.iter().map(|taker| taker.count).sum::<usize>();
    let (least, over) = (all / takers.len(), all % takers.len());
    // So many may have one more than the others.
    let mut left = over.saturating_sub(takers.iter().filter(|taker| least < taker.count).count());
    // The heaviest first, each to who has least to do.
    new.sort_by(|one, other| weight(other).cmp(&weight(one)).then_with(|| one.cmp(other)));
    for task in new {
        let has_room = |taker: &&mut Taker| taker.count < least || (taker.count == least && 0 < left);
        let Some(taker) = takers.iter_mut().filter(has_room).min_by_key(|taker| taker.load) else { return };
        left -= usize::from(taker.count == least);
        taker.count += 1;
        taker.load += weight(&task);
        taker.new.push(task);
    }
    for mut taker in takers {
        taker.new.sort();
        if let Some(part) = decision.parts.get_mut(&taker.id) {
            let before = std::mem::replace(&mut part.assigned.tasks, taker.new);
            if let Some(held) = decision.holds.get_mut(&taker.id) {
                held.tasks.retain(|task| !before.contains(task));
                held.tasks.extend(part.assigned.tasks.iter().cloned());
            }
        }
    }
}

struct Taker {
    id: String,
    count: usize,
    load: u64,
    new: Vec<TaskId>,
}

/// Two tasks that should change places.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    /// Who has most to do, and its task.
    pub from: (String, TaskId),
    /// Who has least to do, and its task.
    pub to: (String, TaskId),
}

/// The pair whose exchange evens out best what the busiest and the idlest have to do; `None` where it would not be worth the
/// while: where the difference is small already, or would remain for the greater part. Whoever has a task that nobody has
/// measured is left alone until that is known.
pub fn exchange(holds: &BTreeMap<String, Work>, loads: &Loads) -> Option<Exchange> {
    let measured = holds.iter().filter(|(_, work)| work.tasks.iter().all(|task| loads.contains_key(task)));
    let mut sums: Vec<(u32, &str, &[TaskId])> = measured
        .map(|(id, work)| {
            let sum = work.tasks.iter().fold(0_u32, |sum, task| sum.saturating_add(loads[task]));
            (sum, &**id, &*work.tasks)
        })
        .collect();
    sums.sort();
    let ((least, idle, light), (most, busy, heavy)) = (*sums.first()?, *sums.last()?);
    let gap = most - least;
    if gap < GAP.max(most / 4) {
        return None;
    }
    let pairs = heavy.iter().flat_map(|one| light.iter().map(move |other| (one, other)));
    let best = pairs
        .filter_map(|(one, other)| {
            let moved = loads[one].checked_sub(loads[other])?;
            Some((gap.abs_diff(moved.saturating_mul(2)), one, other))
        })
        .min()?;
    let (left, one, other) = best;
    (left <= gap / 2).then(|| Exchange { from: (busy.to_owned(), one.clone()), to: (idle.to_owned(), other.clone()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::membership::{
        WorkSet,
        assignor::{Delay, Generations, Incremental},
    };

    fn task(number: u32) -> TaskId {
        TaskId { connector: "c".to_owned(), number }
    }

    fn work(tasks: impl IntoIterator<Item = u32>) -> Work {
        Work { connectors: Vec::new(), tasks: tasks.into_iter().map(task).collect() }
    }

    fn loads(of: &[u32]) -> Loads {
        (0..).zip(of).map(|(number, load)| (task(number), *load)).collect()
    }

    fn holds(of: &[&[u32]]) -> BTreeMap<String, Work> {
        ["a", "b", "c"].into_iter().zip(of).map(|(id, tasks)| (id.to_owned(), work(tasks.iter().copied()))).collect()
    }

    fn swapped(of: &[&[u32]], with: &[u32]) -> Option<(u32, u32)> {
        exchange(&holds(of), &loads(with)).map(|it| (it.from.1.number, it.to.1.number))
    }

    #[test]
    fn two_tasks_change_places_where_that_evens_out_much() {
        assert_eq!(swapped(&[&[0, 1], &[2, 3]], &[500, 500, 0, 0]), Some((0, 2)));
        assert_eq!(swapped(&[&[0, 1], &[2, 3], &[4, 5]], &[100, 100, 500, 500, 10, 0]), Some((2, 4)));
        assert_eq!(swapped(&[&[0, 1], &[2, 3]], &[100, 100, 10, 10]), None, "little to do");
        assert_eq!(swapped(&[&[0, 1], &[2, 3]], &[1000, 900, 900, 800]), None, "a small part of it");
        assert_eq!(swapped(&[&[0, 1], &[2, 3]], &[1000, 0, 0, 0]), None, "one task cannot be divided");
        assert_eq!(swapped(&[&[0, 1], &[2, 3]], &[1000, 500]), None, "who is not known is left alone");
        assert_eq!(swapped(&[&[0, 1], &[]], &[500, 500]), None, "numbers are not this rule's business");
        assert_eq!(swapped(&[], &[]), None);
    }

    fn round(assignor: &mut Incremental, members: &BTreeMap<String, Work>, all: u32) -> Decision {
        let configured = WorkSet { tasks: (0..all).map(task).collect(), connectors: ["c".to_owned()].into() };
        let generations = Generations { completed: 0, current: 0 };
        assignor.assign(0, generations, &configured, members, Delay { most_ms: 0, until_back: true })
    }

    fn carry_out(decision: &Decision, members: &mut BTreeMap<String, Work>) {
        for (id, part) in &decision.parts {
            let held = members.get_mut(id).expect("a member");
            held.remove(&part.revoked.set());
            held.add(&part.assigned);
        }
    }

    fn sum(work: &Work, loads: &Loads) -> u32 {
        work.tasks.iter().map(|task| loads[task]).sum()
    }

    #[test]
    fn what_is_given_out_goes_where_least_is_done() {
        let loads = loads(&[800, 10, 10, 10, 400, 400]);
        let mut members = holds(&[&[0, 1], &[2, 3]]);
        let mut decision = round(&mut Incremental::default(), &members, 6);
        spread(&mut decision, &loads);
        carry_out(&decision, &mut members);
        // With loads that nobody knows it stays as Connect would have it.
        assert_eq!(members.values().map(|work| work.tasks.len()).collect::<Vec<_>>(), [3, 3]);
        let mut members = holds(&[&[0], &[1]]);
        let mut decision = round(&mut Incremental::default(), &members, 6);
        let plain = decision.clone();
        spread(&mut decision, &Loads::new());
        assert_eq!(decision, plain);
        spread(&mut decision, &loads);
        carry_out(&decision, &mut members);
        assert_eq!(members.values().map(|work| work.tasks.len()).collect::<Vec<_>>(), [3, 3]);
        let light = members.values().map(|work| sum(work, &loads)).collect::<Vec<_>>();
        assert_eq!(light, [820, 810]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn exchanges_come_to_an_end_leave_the_numbers_alone_and_each_makes_it_more_even(
            weights in proptest::collection::vec(prop_oneof![Just(0), 10..2000_u32], 0..30),
            workers in 1..5_usize,
        ) {
            let loads = loads(&weights);
            let mut members: BTreeMap<String, Work> =
                (0..workers).map(|number| (format!("w{number}"), Work::default())).collect();
            let mut assignor = Incremental::default();
            let all = weights.len() as u32;
            for _ in 0..3 {
                let decision = round(&mut assignor, &members, all);
                carry_out(&decision, &mut members);
            }
            let counts = |members: &BTreeMap<String, Work>| {
                let mut counts: Vec<usize> = members.values().map(|work| work.tasks.len()).collect();
                counts.sort_unstable();
                counts
            };
            let most = |members: &BTreeMap<String, Work>| members.values().map(|work| sum(work, &loads)).max();
            let (even, mut before) = (counts(&members), most(&members));
            let mut exchanges = 0;
            while let Some(pair) = exchange(&members, &loads) {
                exchanges += 1;
                prop_assert!(exchanges <= 10 * weights.len(), "it does not end");
                for (id, task) in [&pair.from, &pair.to] {
                    members.get_mut(id).expect("a member").tasks.retain(|held| held != task);
                }
                // What both have given up is given out by the next round, as everything is that is lost.
                let mut decision = round(&mut assignor, &members, all);
                spread(&mut decision, &loads);
                carry_out(&decision, &mut members);
                prop_assert!(!members[&pair.from.0].tasks.contains(&pair.from.1), "{pair:?} {members:?}");
                prop_assert_eq!(counts(&members), even.clone());
                prop_assert!(most(&members) <= before);
                before = most(&members);
            }
        }
    }
}
