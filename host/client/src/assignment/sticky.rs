//! Cooperative sticky: partitions are divided evenly, stay where they are as far as that allows, and change hands in two
//! steps.
//!
//! As with Java's assignor of that name, a partition that somebody else still has is given to nobody: who has it gives it
//! up and joins again, and then it is free. Evenly means that nobody has two more than another one who could take one of
//! them; which ones move is not Java's choice to the letter, which nobody has to follow: the leader alone decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_record::TopicName;

use super::assignor::{Assignment, Subscriber};

type Partition = (TopicName, i32);

/// A member's part while it is worked out.
struct Part<'a> {
    member: &'a Subscriber,
    /// What stays with the member if possible.
    kept: BTreeSet<Partition>,
    fresh: Vec<Partition>,
}

impl Part<'_> {
    fn len(&self) -> usize {
        self.kept.len() + self.fresh.len()
    }

    fn takes(&self, (topic, _): &Partition) -> bool {
        self.member.topics.contains(topic)
    }

    /// Gives away one that another member takes, rather one that it has not had before.
    fn give_to(&mut self, other: &Part<'_>) -> Option<Partition> {
        if let Some(at) = self.fresh.iter().rposition(|partition| other.takes(partition)) {
            return Some(self.fresh.remove(at));
        }
        let partition = self.kept.iter().rev().find(|partition| other.takes(partition))?.clone();
        self.kept.remove(&partition);
        Some(partition)
    }
}

/// Divides the partitions among members in their order.
pub(super) fn assign(members: &[&Subscriber], partitions: &BTreeMap<TopicName, u32>, assignment: &mut Assignment) {
    let owners = owners(members, partitions);
    let mut parts: Vec<Part<'_>> = members
        .iter()
        .enumerate()
        .map(|(at, member)| {
            let stays = |partition: &&Partition| owners.get(*partition) == Some(&Some(at));
            Part { member, kept: member.owned.iter().filter(stays).cloned().collect(), fresh: Vec::new() }
        })
        .collect();
    for (topic, &count) in partitions {
        for partition in (0..count as i32).map(|partition| (topic.clone(), partition)) {
            if matches!(owners.get(&partition), Some(Some(_))) {
                continue;
            }
            let takers = parts.iter_mut().filter(|part| part.takes(&partition));
            if let Some(part) = takers.min_by_key(|part| part.len()) {
                part.fresh.push(partition);
            }
        }
    }
    even_out(&mut parts);
    let claimed: HashMap<&Partition, BTreeSet<&str>> = claims(members);
    for part in parts {
        let id = part.member.member_id.as_str();
        let is_free =
            |partition: &Partition| claimed.get(partition).is_none_or(|by| by.iter().all(|other| *other == id));
        let all = part.kept.into_iter().chain(part.fresh).filter(is_free);
        assignment.entry(part.member.member_id.clone()).or_default().extend(all);
    }
}

/// Who says that a partition is theirs, of those who are members now.
fn claims<'a>(members: &[&'a Subscriber]) -> HashMap<&'a Partition, BTreeSet<&'a str>> {
    let mut claims: HashMap<&Partition, BTreeSet<&str>> = HashMap::new();
    for member in members {
        for partition in &member.owned {
            claims.entry(partition).or_default().insert(&member.member_id);
        }
    }
    claims
}

/// Whose a partition is, by place in the list. Of several members that claim it the one of the latest generation is
/// right; `None` inside if that is not clear. What does not exist, or is not subscribed to any more, is nobody's.
fn owners(members: &[&Subscriber], partitions: &BTreeMap<TopicName, u32>) -> HashMap<Partition, Option<usize>> {
    let mut owners: HashMap<Partition, (i32, Option<usize>)> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        let exists = |(topic, partition): &&Partition| {
            let count = partitions.get(topic).copied().unwrap_or(0);
            member.topics.contains(topic) && u32::try_from(*partition).is_ok_and(|partition| partition < count)
        };
        for partition in member.owned.iter().filter(exists) {
            let owner = owners.entry(partition.clone()).or_insert((member.generation, Some(at)));
            match owner.0.cmp(&member.generation) {
                std::cmp::Ordering::Less => *owner = (member.generation, Some(at)),
                std::cmp::Ordering::Equal if owner.1 != Some(at) => owner.1 = None,
                _ => {}
            }
        }
    }
    owners.into_iter().map(|(partition, (_, owner))| (partition, owner)).collect()
}

/// Moves single partitions from those who have most to those who have least. Ends, as each move makes the sum of the
/// squares of all sizes smaller.
fn even_out(parts: &mut [Part<'_>]) {
    loop {
        let mut by_size: Vec<usize> = (0..parts.len()).collect();
        by_size.sort_by_key(|&at| parts[at].len());
        let moved = by_size.iter().rev().any(|&from| by_size.iter().any(|&to| move_one(parts, from, to)));
        if !moved {
            return;
        }
    }
}

/// Whether a partition has gone from one to another who has fewer by two at least.
fn move_one(parts: &mut [Part<'_>], from: usize, to: usize) -> bool {
    let Ok([giver, taker]) = parts.get_disjoint_mut([from, to]) else { return false };
    if giver.len() <= taker.len() + 1 {
        return false;
    }
    let given = giver.give_to(taker);
    let has_given = given.is_some();
    taker.fresh.extend(given);
    has_given
}

#[cfg(test)]
mod tests;
