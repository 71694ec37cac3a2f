//! The uniform assignor: everybody has as many partitions as everybody else, as far as subscriptions allow, and keeps
//! what it has as far as that allows.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Spec;
use crate::groups::records::Partitions;

pub(super) fn assign(spec: &Spec<'_>) -> BTreeMap<String, Partitions> {
    let mut plan = Plan::keep(spec);
    let same = {
        let mut members = spec.members.values();
        let first = members.next().map(|member| &member.topics);
        members.all(|member| Some(&member.topics) == first)
    };
    if same {
        plan.level();
    }
    plan.hand_out();
    if !same {
        plan.balance();
    }
    plan.assigned.into_iter().map(|(id, partitions)| (id.to_owned(), partitions)).collect()
}

struct Plan<'a> {
    spec: &'a Spec<'a>,
    assigned: BTreeMap<&'a str, Partitions>,
    counts: BTreeMap<&'a str, usize>,
    /// Partitions that nobody has.
    free: BTreeSet<(Uuid, i32)>,
}

impl<'a> Plan<'a> {
    /// Everybody keeps what it was to have and still may.
    fn keep(spec: &'a Spec<'a>) -> Self {
        let subscribed: BTreeSet<Uuid> =
            spec.members.values().flat_map(|member| member.topics.iter().copied()).collect();
        let topics = spec.topics.iter().filter(|(topic, _)| subscribed.contains(*topic));
        let free = topics.flat_map(|(topic, count)| (0..*count).map(|index| (*topic, index))).collect();
        let assigned = spec.members.keys().map(|id| (*id, Partitions::new())).collect();
        let counts = spec.members.keys().map(|id| (*id, 0)).collect();
        let mut plan = Self { spec, assigned, counts, free };
        for (id, member) in &spec.members {
            for (topic, indexes) in member.before.into_iter().flatten() {
                for index in indexes.iter().filter(|_| member.topics.contains(topic)) {
                    // Free only once: two that were to have the same cannot both keep it.
                    if plan.free.contains(&(*topic, *index)) {
                        plan.give(id, (*topic, *index));
                    }
                }
            }
        }
        plan
    }

    fn give(&mut self, id: &'a str, (topic, index): (Uuid, i32)) {
        self.free.remove(&(topic, index));
        self.assigned.entry(id).or_default().entry(topic).or_default().insert(index);
        *self.counts.entry(id).or_default() += 1;
    }

    fn take(&mut self, id: &'a str, (topic, index): (Uuid, i32)) {
        if let Some(partitions) = self.assigned.get_mut(id)
            && let Some(indexes) = partitions.get_mut(&topic)
        {
            indexes.remove(&index);
            if indexes.is_empty() {
                partitions.remove(&topic);
            }
        }
        *self.counts.entry(id).or_default() -= 1;
        self.free.insert((topic, index));
    }

    /// Where all subscribe to the same: takes away what is more than a fair share.
    fn level(&mut self) {
        let members = self.counts.len();
        if members == 0 {
            return;
        }
        let total = self.free.len() + self.counts.values().sum::<usize>();
        let (share, mut longer) = (total / members, total % members);
        // Those with most keep the longer shares, which moves least.
        let mut by_count: Vec<(&'a str, usize)> = self.counts.iter().map(|(id, count)| (*id, *count)).collect();
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (id, count) in by_count {
            let quota = if share < count && 0 < longer {
                longer -= 1;
                share + 1
            } else {
                share
            };
            let excess = count.saturating_sub(quota);
            let last: Vec<(Uuid, i32)> = self.assigned[id]
                .iter()
                .flat_map(|(topic, indexes)| indexes.iter().map(|index| (*topic, *index)))
                .rev()
                .take(excess)
                .collect();
            last.into_iter().for_each(|partition| self.take(id, partition));
        }
    }

    /// Gives every free partition to the subscriber that has fewest; partitions with few subscribers first.
    fn hand_out(&mut self) {
        let mut free: Vec<(Uuid, i32)> = self.free.iter().copied().collect();
        free.sort_by_key(|(topic, _)| self.subscribers(topic).count());
        for partition in free {
            let fewest = self.subscribers(&partition.0).min_by_key(|id| self.counts[id]);
            if let Some(id) = fewest {
                self.give(id, partition);
            }
        }
    }

    fn subscribers(&self, topic: &Uuid) -> impl Iterator<Item = &'a str> {
        self.spec.members.iter().filter(move |(_, member)| member.topics.contains(topic)).map(|(id, _)| *id)
    }

    /// Moves partitions to subscribers that have at least two fewer, until there are none. Every move brings the counts
    /// nearer together, so that it ends.
    fn balance(&mut self) {
        loop {
            let mut moved = false;
            for topic in self.spec.topics.keys() {
                loop {
                    let fewest = self.subscribers(topic).min_by_key(|id| self.counts[id]);
                    let holders = self.subscribers(topic).filter(|id| self.assigned[id].contains_key(topic));
                    let most = holders.max_by_key(|id| self.counts[id]);
                    let (Some(fewest), Some(most)) = (fewest, most) else { break };
                    if self.counts[most] < self.counts[fewest] + 2 {
                        break;
                    }
                    let Some(index) = self.assigned[most].get(topic).and_then(|indexes| indexes.last().copied()) else {
                        break;
                    };
                    self.take(most, (*topic, index));
                    self.give(fewest, (*topic, index));
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }
}
