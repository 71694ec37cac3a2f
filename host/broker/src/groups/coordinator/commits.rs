//! Commits of offsets: who may commit, and what becomes visible when a commit is on disk.

use std::collections::HashSet;

use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::{
    Coordinator,
    classic::ClassicGroup,
    group::{Group, Protocol},
    messages::{Committer, GroupState},
};
use crate::{
    clock::Tick,
    groups::offsets::{CommittedOffset, Offsets},
};

/// A commit on its way to the disk: one of a group's present incarnation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommitPermit {
    incarnation: u64,
    commit: u64,
}

/// A partition that is committed to.
#[derive(Clone, Debug)]
pub struct CommitTo {
    /// Topic name.
    pub topic: String,
    /// Its id.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
}

/// Whether a member of a classic group, or a consumer that is none, may commit; prolongs the member's session.
fn check_classic(
    group: &mut ClassicGroup,
    now: Tick,
    generation: i32,
    member_id: &str,
    instance_id: Option<&str>,
) -> Result<(), ErrorCode> {
    if generation < 0 && group.state == GroupState::Empty {
        return Ok(());
    }
    if generation < 0 && member_id.is_empty() && instance_id.is_none() {
        return Err(ErrorCode::UNKNOWN_MEMBER_ID);
    }
    group.check_member(member_id, instance_id)?;
    if generation != group.generation {
        return Err(ErrorCode::ILLEGAL_GENERATION);
    }
    if group.state == GroupState::CompletingRebalance {
        return Err(ErrorCode::REBALANCE_IN_PROGRESS);
    }
    if let Some(member) = group.members.get_mut(member_id) {
        member.restart_session(now);
    }
    Ok(())
}

impl Coordinator {
    /// Whether a commit of these partitions is allowed: a verdict for each. Those that are allowed are then on their way
    /// until [`Coordinator::committed`] or [`Coordinator::commit_failed`]. Prolongs the member's session, and creates the
    /// group for a consumer that manages its partitions itself.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn check_commit(
        &mut self,
        now: Tick,
        wall_ms: i64,
        committer: &Committer<'_>,
        partitions: Vec<CommitTo>,
    ) -> Result<(CommitPermit, Vec<ErrorCode>), ErrorCode> {
        let Committer { group: group_id, generation, member_id, instance_id, via, version } = *committer;
        let commit = self.fresh_id();
        self.heard_of(via, group_id, member_id);
        if !self.groups.contains_key(group_id) {
            if 0 <= generation {
                let unknown = if 9 <= version { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::ILLEGAL_GENERATION };
                return Err(unknown);
            }
            let incarnation = self.fresh_id();
            self.groups.insert(group_id.to_owned(), Group::new(group_id, incarnation, wall_ms));
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        if group.is_being_deleted() {
            return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        let verdicts = match &mut group.protocol {
            Protocol::Classic(classic) => {
                check_classic(classic, now, generation, member_id, instance_id)?;
                vec![ErrorCode::NONE; partitions.len()]
            }
            Protocol::Consumer(consumer) => {
                let named = partitions.iter().map(|to| (to.topic_id, to.partition));
                consumer.check_commit(member_id, generation, version < 9, named)?
            }
        };
        let allowed = partitions.into_iter().zip(&verdicts).filter(|(_, verdict)| **verdict == ErrorCode::NONE);
        group.committing.insert(commit, allowed.map(|(to, _)| (to.topic, to.partition)).collect());
        Ok((CommitPermit { incarnation: group.incarnation, commit }, verdicts))
    }

    /// A commit is durable. What was deleted in between, the whole group or single offsets, stays deleted.
    pub fn committed(
        &mut self,
        group_id: &str,
        permit: CommitPermit,
        offsets: impl IntoIterator<Item = (String, i32, CommittedOffset)>,
    ) {
        let Some(wanted) = self.end_commit(group_id, permit) else { return };
        let wanted: HashSet<(String, i32)> = wanted.into_iter().collect();
        self.on_group(group_id, |group, _, _| {
            for (topic, partition, committed) in offsets {
                let position = (topic, partition);
                if wanted.contains(&position) {
                    group.offsets.apply(&position.0, partition, committed);
                }
            }
        });
    }

    /// A commit could not be written: forgets a group that exists only because of it.
    pub fn commit_failed(&mut self, group_id: &str, permit: CommitPermit) {
        self.end_commit(group_id, permit);
        drop(self.on_group(group_id, |_, _, _| {}));
    }

    fn end_commit(&mut self, group_id: &str, permit: CommitPermit) -> Option<Vec<(String, i32)>> {
        let group = self.groups.get_mut(group_id).filter(|group| group.incarnation == permit.incarnation)?;
        group.committing.remove(&permit.commit)
    }

    /// Whether somebody may read what a group has committed.
    ///
    /// # Errors
    ///
    /// Who asks is not, or not any more, the member that it says.
    pub fn check_fetch(&self, group_id: &str, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        let consumer = self.groups.get(group_id).and_then(Group::consumer);
        consumer.map_or(Ok(()), |consumer| consumer.check_fetch(member_id, epoch))
    }

    /// Everything the group has committed; `None` for a group that does not exist.
    pub fn offsets(&self, group_id: &str) -> Option<&Offsets> {
        self.groups.get(group_id).map(|group| &group.offsets)
    }
}
