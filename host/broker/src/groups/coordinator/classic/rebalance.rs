//! A rebalance: joins are collected until nobody is missing or time is up, then the next generation begins.

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;

use super::{
    group::{AfterStore, InitialDelay},
    step::Step,
};
use crate::groups::coordinator::{
    action::Ticket,
    messages::{GroupState, SyncAnswer},
};

impl Step<'_, '_> {
    /// Starts collecting joins unless that is going on, and ends it when nobody is missing.
    pub(in crate::groups::coordinator) fn rebalance(&mut self) {
        match self.group.state {
            GroupState::PreparingRebalance => {}
            GroupState::Empty => {
                self.group.set_state(GroupState::PreparingRebalance, self.wall_ms);
                let timeout_ms = self.group.rebalance_timeout_ms();
                let first_ms = self.settings.initial_delay_ms.min(timeout_ms).max(0);
                if 0 < first_ms {
                    self.group.initial_delay =
                        Some(InitialDelay { remaining_ms: timeout_ms - first_ms, arrivals: false });
                    self.group.joins_close = Some(self.now.plus_ms(first_ms));
                } else {
                    // Whoever was given an id and comes later is not waited for, as with a delay that is over.
                    self.complete_joins();
                    return;
                }
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                let tickets: Vec<Ticket> =
                    self.group.members.values_mut().filter_map(|member| member.sync.take()).collect();
                for ticket in tickets {
                    self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
                }
                if self.group.state == GroupState::CompletingRebalance {
                    for member in self.group.members.values_mut() {
                        member.assignment = Bytes::new();
                    }
                }
                self.restart_unparked_sessions();
                self.group.set_state(GroupState::PreparingRebalance, self.wall_ms);
                self.group.syncs_close = None;
                if self.group.members.is_empty() {
                    // There is nobody whose time it could be.
                    self.complete_joins();
                    return;
                }
                self.group.joins_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms()));
            }
        }
        self.finish_if_complete();
    }

    /// Members whose parked request was just answered live on for a whole session.
    fn restart_unparked_sessions(&mut self) {
        for member in self.group.members.values_mut().filter(|member| !member.is_parked()) {
            if member.session_ends < self.now {
                member.restart_session(self.now);
            }
        }
    }

    /// Ends collecting joins if nobody is missing, nor anybody who was given an id and is about to join under it.
    pub(in crate::groups::coordinator) fn finish_if_complete(&mut self) {
        if self.group.state != GroupState::PreparingRebalance || self.group.initial_delay.is_some() {
            return;
        }
        if self.group.pending.is_empty() && self.group.members.values().all(|member| member.join.is_some()) {
            self.complete_joins();
        }
    }

    /// Collecting joins has ended: elects protocol and leader, starts the next generation.
    fn complete_joins(&mut self) {
        self.group.initial_delay = None;
        let missing: Vec<String> = self
            .group
            .members
            .values()
            // Static members end with their session or by LeaveGroup only.
            .filter(|member| member.join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        let anybody = self.group.members.values().any(|member| member.join.is_some());
        if !anybody && !self.group.members.is_empty() {
            // Nobody joined again: wait on, sessions decide.
            self.group.joins_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms().max(1)));
            return;
        }
        for member_id in missing {
            self.group.take_member(&member_id);
        }
        self.group.joins_close = None;
        self.group.generation = if self.group.generation == i32::MAX { 1 } else { self.group.generation + 1 };
        if self.group.members.is_empty() {
            self.group.protocol = None;
            self.group.leader = None;
            self.group.note_subscriptions();
            self.group.set_state(GroupState::Empty, self.wall_ms);
            self.store(AfterStore::Nothing);
            return;
        }
        let leader_joined = self
            .group
            .leader
            .as_ref()
            .and_then(|leader| self.group.members.get(leader))
            .is_some_and(|member| member.join.is_some());
        if !leader_joined {
            self.group.leader =
                self.group.in_order().into_iter().find(|member| member.join.is_some()).map(|member| member.id.clone());
        }
        self.group.protocol = self.group.elect_protocol();
        self.group.note_subscriptions();
        self.group.set_state(GroupState::CompletingRebalance, self.wall_ms);
        self.group.syncs_close = Some(self.now.plus_ms(self.group.rebalance_timeout_ms().max(1)));
        let joined: Vec<String> = self.group.in_order().into_iter().map(|member| member.id.clone()).collect();
        for member_id in joined {
            let Some(member) = self.group.members.get_mut(&member_id) else { continue };
            let ticket = member.join.take();
            member.synced = false;
            if let Some(ticket) = ticket {
                member.restart_session(self.now);
                let answer = self.group.join_answer(&member_id);
                self.out.join(ticket, answer);
            }
        }
    }

    /// The time for collecting joins is over.
    pub(in crate::groups::coordinator) fn joins_closed(&mut self) {
        if let Some(delay) = self.group.initial_delay
            && delay.arrivals
            && 0 < delay.remaining_ms
        {
            let next_ms = self.settings.initial_delay_ms.min(delay.remaining_ms);
            self.group.initial_delay =
                Some(InitialDelay { remaining_ms: delay.remaining_ms - next_ms, arrivals: false });
            self.group.joins_close = Some(self.now.plus_ms(next_ms));
            return;
        }
        self.complete_joins();
    }
}
