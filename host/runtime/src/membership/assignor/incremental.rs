//! Work stays where it is as far as that is even; what moves is taken in one round and given in the next (KIP-415).
//!
//! Work of a member that has gone waits for it for a while, since it may only have been restarted. Taking work away twice
//! in a row is put off, each time for longer: members that come one by one would otherwise stop everybody each time.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Decision, Part,
    balance::{deal, surplus},
};
use crate::membership::{Work, WorkSet};

/// The base of the waits between rounds that take work away.
const BACKOFF_BASE: f64 = 40.0;

/// Where in the life of the group a round stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generations {
    /// The last one that this leader saw completed; -1 for none.
    pub completed: i32,
    /// The one that is being decided.
    pub current: i32,
}

/// How long work of a member that has gone waits for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Delay {
    /// Milliseconds at most; 0 for not at all.
    pub most_ms: i32,
    /// No longer than until there are as many members as before. Connect's workers let all of the time pass.
    pub until_back: bool,
}

/// What a leader remembers from round to round. A new leader remembers nothing.
#[derive(Clone, Debug, Default)]
pub struct Incremental {
    /// What was given out, and what was lost.
    assigned: WorkSet,
    revoked: WorkSet,
    members: BTreeSet<String>,
    generation: Option<i32>,
    /// Members that had nothing while lost work waited, in the order in which they were seen.
    candidates: Vec<String>,
    /// When lost work is given out, or work may be taken away again.
    due_ms: Option<i64>,
    delay_ms: i32,
    has_revoked: bool,
    successive: u32,
    /// How many members there were before work was lost that waits.
    complete: usize,
}

impl Incremental {
    /// Decides. `configured` is all there is to do, `members` what everybody holds, by id.
    pub fn assign(
        &mut self,
        now_ms: i64,
        generations: Generations,
        configured: &WorkSet,
        members: &BTreeMap<String, Work>,
        delay: Delay,
    ) -> Decision {
        if self.generation != Some(generations.completed) {
            // Whatever was decided last has not reached the members.
            self.assigned = WorkSet::default();
        }
        let (active, duplicated) = held(members);
        if !std::mem::take(&mut self.revoked).is_disjoint(&active) {
            // What was to be given up is held still.
            self.assigned = active.clone();
        }
        let deleted = self.assigned.minus(configured);
        let lost = self.assigned.minus(&active).minus(&deleted);
        let created = configured.minus(&self.assigned).minus(&active);

        // Whoever holds what is gone, or what another one holds too, gives it up.
        let unwanted = deleted.plus(&duplicated);
        let mut revoked: BTreeMap<String, Work> =
            members.iter().map(|(id, held)| (id.clone(), held.within(&unwanted))).collect();
        let mut next = members.clone();
        next.values_mut().for_each(|held| held.remove(&unwanted));

        let lost_for_all = self.take_lost(now_ms, &lost, &mut next, delay);
        self.level(now_ms, configured, &mut next, &mut revoked, delay.most_ms);
        let connectors = created.connectors.iter().chain(&lost_for_all.connectors).cloned();
        deal(next.values_mut().map(|held| &mut held.connectors).collect(), connectors);
        let tasks = created.tasks.iter().chain(&lost_for_all.tasks).cloned();
        deal(next.values_mut().map(|held| &mut held.tasks).collect(), tasks);

        self.generation = Some(generations.current);
        self.members = members.keys().cloned().collect();
        self.revoked = held(&revoked).0;
        self.assigned = held(&next).0.minus(&self.revoked).plus(&lost);
        let part = |(id, before): (&String, &Work)| {
            let mut assigned = next.get(id).cloned().unwrap_or_default();
            assigned.remove(&before.set().minus(&deleted));
            (id.clone(), Part { assigned, revoked: revoked.remove(id).unwrap_or_default() })
        };
        Decision { parts: members.iter().map(part).collect(), holds: next, delay_ms: self.delay_ms }
    }

    /// What becomes of lost work: it waits, goes to who had nothing meanwhile, or is given back to be dealt to all.
    fn take_lost(&mut self, now_ms: i64, lost: &WorkSet, next: &mut BTreeMap<String, Work>, delay: Delay) -> WorkSet {
        let max_delay_ms = delay.most_ms;
        if lost.is_empty() && !self.has_revoked {
            self.reset_delay();
            return WorkSet::default();
        }
        let nobody_left = self.due_ms.is_none() && self.members.iter().all(|id| next.contains_key(id));
        if nobody_left || max_delay_ms == 0 {
            return lost.clone();
        }
        // They may be, before anybody noticed that they were gone.
        let complete = if self.due_ms.is_some() { self.complete } else { self.members.len() };
        let all_are_back = delay.until_back && complete <= next.len();
        if all_are_back {
            self.note_candidates(next);
        }
        match self.due_ms {
            due_ms if all_are_back || due_ms.is_some_and(|due_ms| due_ms <= now_ms) => {
                let given = self.give_to_candidates(lost, next);
                self.reset_delay();
                self.has_revoked = false;
                if given { WorkSet::default() } else { lost.clone() }
            }
            due_ms => {
                self.note_candidates(next);
                if due_ms.is_none() {
                    self.complete = self.members.len();
                }
                let left = due_ms.map(|due_ms| due_ms - now_ms).and_then(|left| i32::try_from(left).ok());
                self.delay_ms = left.map_or(max_delay_ms, |left| left.min(max_delay_ms));
                self.due_ms = Some(now_ms + i64::from(self.delay_ms));
                WorkSet::default()
            }
        }
    }

    fn note_candidates(&mut self, next: &BTreeMap<String, Work>) {
        let empty = next.iter().filter(|(_, held)| held.is_empty()).map(|(id, _)| id);
        let new: Vec<String> = empty.filter(|id| !self.candidates.contains(id)).cloned().collect();
        self.candidates.extend(new);
    }

    fn give_to_candidates(&self, lost: &WorkSet, next: &mut BTreeMap<String, Work>) -> bool {
        let present: Vec<&String> = self.candidates.iter().filter(|id| next.contains_key(*id)).collect();
        for (id, name) in present.iter().cycle().zip(&lost.connectors) {
            next.entry((*id).clone()).or_default().connectors.push(name.clone());
        }
        for (id, task) in present.iter().cycle().zip(&lost.tasks) {
            next.entry((*id).clone()).or_default().tasks.push(task.clone());
        }
        !present.is_empty()
    }

    /// Takes from who has too much, unless lost work waits or work was taken a moment ago.
    fn level(
        &mut self,
        now_ms: i64,
        configured: &WorkSet,
        next: &mut BTreeMap<String, Work>,
        revoked: &mut BTreeMap<String, Work>,
        max_delay_ms: i32,
    ) {
        if self.delay_ms != 0 {
            self.has_revoked = false;
            return;
        }
        let taken = too_much(configured, next);
        if taken.is_empty() {
            if std::mem::take(&mut self.has_revoked) {
                self.successive = 0;
            }
            return;
        }
        if self.has_revoked {
            self.successive = self.successive.saturating_add(1);
            self.delay_ms = backoff_ms(self.successive, max_delay_ms);
            if self.delay_ms != 0 {
                self.due_ms = Some(now_ms + i64::from(self.delay_ms));
                return;
            }
        }
        self.has_revoked = true;
        for (id, work) in taken {
            if let Some(held) = next.get_mut(&id) {
                held.remove(&work.set());
            }
            revoked.entry(id).or_default().add(&work);
        }
    }

    fn reset_delay(&mut self) {
        self.candidates.clear();
        self.due_ms = None;
        self.delay_ms = 0;
    }
}

/// All that anybody holds, and what more than one holds.
fn held(members: &BTreeMap<String, Work>) -> (WorkSet, WorkSet) {
    let (mut all, mut twice) = (WorkSet::default(), WorkSet::default());
    for work in members.values() {
        twice.connectors.extend(work.connectors.iter().filter(|name| all.connectors.contains(*name)).cloned());
        twice.tasks.extend(work.tasks.iter().filter(|task| all.tasks.contains(task)).cloned());
        all.connectors.extend(work.connectors.iter().cloned());
        all.tasks.extend(work.tasks.iter().cloned());
    }
    (all, twice)
}

fn too_much(configured: &WorkSet, members: &BTreeMap<String, Work>) -> BTreeMap<String, Work> {
    let mut taken: BTreeMap<String, Work> = BTreeMap::new();
    if configured.connectors.is_empty() || members.values().all(Work::is_empty) {
        return taken;
    }
    let connectors: Vec<(&str, &[String])> = members.iter().map(|(id, held)| (&**id, &*held.connectors)).collect();
    for (id, connectors) in surplus(configured.connectors.len(), &connectors) {
        taken.entry(id).or_default().connectors = connectors;
    }
    let tasks: Vec<(&str, &[_])> = members.iter().map(|(id, held)| (&**id, &*held.tasks)).collect();
    for (id, tasks) in surplus(configured.tasks.len(), &tasks) {
        taken.entry(id).or_default().tasks = tasks;
    }
    taken
}

/// Grows from 1 ms by the factor for every round in a row, in Connect's own arithmetic.
fn backoff_ms(rounds: u32, max_delay_ms: i32) -> i32 {
    if max_delay_ms <= 1 {
        return max_delay_ms;
    }
    let longest = f64::from(max_delay_ms).ln() / BACKOFF_BASE.ln();
    (BACKOFF_BASE.powf(f64::from(rounds).min(longest)) as i32).min(max_delay_ms)
}
