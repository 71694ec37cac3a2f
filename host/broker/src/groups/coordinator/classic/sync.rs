//! The leader's assignment: taken from its SyncGroup, written, and only then handed out.

use std::collections::HashMap;

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;

use super::{
    group::{AfterStore, Member},
    step::Step,
};
use crate::groups::coordinator::{
    action::Ticket,
    messages::{GroupState, JoinAnswer, SyncAnswer, SyncRequest},
};

impl Step<'_, '_> {
    pub(in crate::groups::coordinator) fn sync(&mut self, request: &SyncRequest, to: Ticket) -> Result<(), ErrorCode> {
        let group = &mut *self.group;
        group.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != group.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<String>, own: &Option<String>| asked.is_some() && asked != own;
        if differs(&request.protocol_type, &group.protocol_type) || differs(&request.protocol, &group.protocol) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match group.state {
            GroupState::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            GroupState::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            GroupState::CompletingRebalance => {
                self.sync_while_completing(request, to);
                Ok(())
            }
            GroupState::Stable => {
                self.restart_session(&request.member_id);
                if let Some(member) = self.group.members.get_mut(&request.member_id) {
                    member.synced = true;
                }
                self.end_syncs_if_all_came();
                if let Some(member) = self.group.members.get(&request.member_id) {
                    let answer = self.group.sync_answer(member);
                    self.out.sync(to, answer);
                }
                Ok(())
            }
        }
    }

    fn sync_while_completing(&mut self, request: &SyncRequest, to: Ticket) {
        if let Some(member) = self.group.members.get_mut(&request.member_id) {
            member.synced = true;
            if let Some(ticket) = member.sync.replace(to) {
                self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
            }
        }
        self.end_syncs_if_all_came();
        let generation = self.group.generation;
        let is_being_stored = self.group.storing.values().any(
            |after| matches!(after, AfterStore::HandOutAssignment { generation: stored } if *stored == generation),
        );
        if self.group.is_leader(&request.member_id) && !is_being_stored {
            let mut shares: HashMap<&str, &Bytes> =
                request.assignments.iter().map(|(member_id, share)| (member_id.as_str(), share)).collect();
            for member in self.group.members.values_mut() {
                member.assignment = shares.remove(member.id.as_str()).cloned().unwrap_or_default();
            }
            // The record describes the group as it will be once the record is durable.
            self.store(AfterStore::HandOutAssignment { generation });
        }
    }

    /// The log says still that a static member has its earlier id, so it has; unless it has gone on under the new one, or a
    /// record that names that is on its way.
    fn take_back_replacement(&mut self, fresh: &str, replaced: Member) {
        let Some(instance) = replaced.instance_id.clone() else { return };
        let is_current = self.group.static_members.get(&instance).is_some_and(|id| id == fresh);
        if !is_current || !self.group.storing.is_empty() {
            return;
        }
        let Some(mut member) = self.group.members.remove(fresh) else { return };
        if let Some(ticket) = member.join.take() {
            self.out.join(ticket, JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, fresh));
        }
        if let Some(ticket) = member.sync.take() {
            self.out.sync(ticket, SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        }
        let earlier = replaced.id.clone();
        self.group.static_members.insert(instance, earlier.clone());
        if self.group.is_leader(fresh) {
            self.group.leader = Some(earlier.clone());
        }
        let kept = Member { assignment: member.assignment, synced: member.synced, ..replaced };
        self.group.members.insert(earlier.clone(), kept);
        self.restart_session(&earlier);
    }

    fn end_syncs_if_all_came(&mut self) {
        if self.group.members.values().all(|member| member.synced) {
            self.group.syncs_close = None;
        }
    }

    pub(in crate::groups::coordinator) fn stored(&mut self, store: u64, durable: bool) {
        self.group.deleted(store, durable);
        match self.group.storing.remove(&store) {
            None | Some(AfterStore::Nothing) => {}
            Some(AfterStore::AnswerStaticJoin { to, mut answer, replaced }) => {
                if !durable {
                    self.take_back_replacement(&answer.member_id, *replaced);
                    *answer = JoinAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE, "");
                }
                self.out.join(to, *answer);
            }
            Some(AfterStore::HandOutAssignment { generation }) => {
                if self.group.state != GroupState::CompletingRebalance || self.group.generation != generation {
                    // Another rebalance has begun; who waited has been told.
                    return;
                }
                if durable {
                    self.group.set_state(GroupState::Stable, self.wall_ms);
                }
                let waiting: Vec<(String, Ticket)> = self
                    .group
                    .members
                    .values_mut()
                    .filter_map(|member| member.sync.take().map(|ticket| (member.id.clone(), ticket)))
                    .collect();
                for (member_id, ticket) in waiting {
                    self.restart_session(&member_id);
                    let answer = match self.group.members.get(&member_id) {
                        Some(member) if durable => self.group.sync_answer(member),
                        _ => SyncAnswer::error(ErrorCode::COORDINATOR_NOT_AVAILABLE),
                    };
                    self.out.sync(ticket, answer);
                }
                if !durable {
                    self.rebalance();
                }
            }
        }
    }
}
