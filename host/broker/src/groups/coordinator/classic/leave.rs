//! Members that leave, are removed, or whose time is up.

use millstream_wire::error_code::ErrorCode;

use super::step::Step;
use crate::groups::coordinator::messages::{GroupState, JoinAnswer, Leaving, SyncAnswer};

impl Step<'_, '_> {
    pub(in crate::groups::coordinator) fn leave(&mut self, who: &Leaving) -> ErrorCode {
        // Whoever was only given an id has no instance yet, whatever it says.
        if self.group.pending.remove(&who.member_id).is_some() {
            // As by Kafka, members join again also for one who never was.
            if self.group.state != GroupState::Empty {
                self.rebalance();
            }
            return ErrorCode::NONE;
        }
        let member_id = match &who.instance_id {
            Some(instance) => match self.group.static_members.get(instance) {
                None => return ErrorCode::UNKNOWN_MEMBER_ID,
                Some(current) if !who.member_id.is_empty() && *current != who.member_id => {
                    return ErrorCode::FENCED_INSTANCE_ID;
                }
                Some(current) => current.clone(),
            },
            None => who.member_id.clone(),
        };
        if !self.group.members.contains_key(&member_id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
        ErrorCode::NONE
    }

    /// Takes a member out and rebalances the rest.
    pub(in crate::groups::coordinator) fn remove(&mut self, member_id: &str, parked_error: ErrorCode) {
        let Some(member) = self.group.take_member(member_id) else { return };
        if let Some(ticket) = member.join {
            // It has no id any more.
            self.out.join(ticket, JoinAnswer::error(parked_error, ""));
        }
        if let Some(ticket) = member.sync {
            self.out.sync(ticket, SyncAnswer::error(parked_error));
        }
        if self.group.members.is_empty() {
            // Nobody is left to wait for, not even in the first rebalance's delay.
            self.group.initial_delay = None;
        }
        self.rebalance();
    }

    pub(in crate::groups::coordinator) fn expire(&mut self) {
        let now = self.now;
        let pending = self.group.pending.len();
        self.group.pending.retain(|_, forgotten_at| now < *forgotten_at);
        if self.group.pending.len() < pending {
            self.finish_if_complete();
        }
        let ended: Vec<String> = self
            .group
            .in_order()
            .into_iter()
            .filter(|member| member.ends_at().is_some_and(|at| at <= now))
            .map(|member| member.id.clone())
            .collect();
        for member_id in ended {
            self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if self.group.joins_close.is_some_and(|at| at <= now) {
            self.joins_closed();
        }
        if self.group.syncs_close.is_some_and(|at| at <= now) {
            self.group.syncs_close = None;
            let late: Vec<String> = self
                .group
                .in_order()
                .into_iter()
                .filter(|member| !member.synced)
                .map(|member| member.id.clone())
                .collect();
            for member_id in late {
                self.remove(&member_id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        }
    }
}
