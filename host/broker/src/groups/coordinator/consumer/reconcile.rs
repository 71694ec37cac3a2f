//! One member's next step towards its target: give back first, then take what is free.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::member::{ConsumerMember, MemberState};
use crate::groups::records::{Partitions, PartitionsWithEpochs};

/// What a step goes by.
pub(super) struct Goal<'a> {
    /// The epoch of the target.
    pub epoch: i32,
    /// What the member is to have.
    pub target: &'a Partitions,
    /// The topics that it subscribes to at this moment.
    pub subscribed: &'a BTreeSet<Uuid>,
    /// Whether they are others than before.
    pub subscription_changed: bool,
    /// What the member says that it has; `None` where it has not said.
    pub owned: Option<&'a Partitions>,
    /// Whether no member has a partition.
    pub is_free: &'a dyn Fn(Uuid, i32) -> bool,
}

/// The member is in a state that is not known here, and has to begin anew without any partition.
#[derive(Debug)]
pub(super) struct HasToRejoin;

/// Takes a member one step on. Nothing changes where it is there already, or has to give something back first.
pub(super) fn step(member: &mut ConsumerMember, goal: &Goal<'_>) -> Result<(), HasToRejoin> {
    match member.state {
        MemberState::Stable if member.epoch == goal.epoch => give_up_unsubscribed(member, goal),
        MemberState::Unrevoked if goal.still_has(&member.revoking) => give_up_unsubscribed(member, goal),
        MemberState::Stable | MemberState::Unrevoked | MemberState::Unreleased => advance(member, goal),
        MemberState::Unknown => {
            if goal.owned.is_none_or(|owned| !owned.is_empty()) {
                return Err(HasToRejoin);
            }
            member.epoch = goal.epoch;
            advance(member, goal);
        }
    }
    Ok(())
}

impl Goal<'_> {
    /// Whether the member still has any of these partitions, as far as it has said.
    fn still_has(&self, partitions: &PartitionsWithEpochs) -> bool {
        let Some(owned) = self.owned else { return !partitions.is_empty() };
        let has = |(topic, epochs): (&Uuid, &BTreeMap<i32, i32>)| {
            owned.get(topic).is_some_and(|indexes| indexes.iter().any(|index| epochs.contains_key(index)))
        };
        partitions.iter().any(has)
    }
}

fn advance(member: &mut ConsumerMember, goal: &Goal<'_>) {
    let mut kept = PartitionsWithEpochs::new();
    let mut given_back = PartitionsWithEpochs::new();
    for (topic, epochs) in &member.assigned {
        let target = goal.target.get(topic).filter(|_| goal.subscribed.contains(topic));
        for (index, epoch) in epochs {
            let stays = target.is_some_and(|target| target.contains(index));
            let part = if stays { &mut kept } else { &mut given_back };
            part.entry(*topic).or_default().insert(*index, *epoch);
        }
    }
    if goal.still_has(&given_back) {
        member.state = MemberState::Unrevoked;
        member.enter(member.epoch);
        member.assigned = kept;
        member.revoking = given_back;
        return;
    }
    let mut waits = false;
    for (topic, target) in goal.target.iter().filter(|(topic, _)| goal.subscribed.contains(*topic)) {
        for index in target {
            if kept.get(topic).is_some_and(|epochs| epochs.contains_key(index)) {
                continue;
            }
            // What it has just given back it can have again.
            let its_own = member.given_in(*topic, *index).is_some();
            if its_own || (goal.is_free)(*topic, *index) {
                kept.entry(*topic).or_default().insert(*index, goal.epoch);
            } else {
                waits = true;
            }
        }
    }
    member.state = if waits { MemberState::Unreleased } else { MemberState::Stable };
    member.enter(goal.epoch);
    member.assigned = kept;
    member.revoking = PartitionsWithEpochs::new();
}

/// What the member does not subscribe to any more goes at once, before there is a new target.
fn give_up_unsubscribed(member: &mut ConsumerMember, goal: &Goal<'_>) {
    if !goal.subscription_changed || member.assigned.keys().all(|topic| goal.subscribed.contains(topic)) {
        return;
    }
    let unsubscribed: Vec<Uuid> =
        member.assigned.keys().filter(|topic| !goal.subscribed.contains(*topic)).copied().collect();
    let mut revoking = member.revoking.clone();
    for topic in unsubscribed {
        let epochs = member.assigned.remove(&topic).unwrap_or_default();
        revoking.entry(topic).or_default().extend(epochs);
    }
    if goal.still_has(&revoking) {
        member.state = MemberState::Unrevoked;
        member.revoking = revoking;
    }
    member.enter(member.epoch);
}
