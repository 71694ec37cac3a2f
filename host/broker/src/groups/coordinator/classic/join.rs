//! Joining: new members, members that join again, and static members that take the place of their predecessor.

use millstream_wire::error_code::ErrorCode;

use super::{
    group::{AfterStore, Member},
    step::Step,
};
use crate::groups::coordinator::{
    action::Ticket,
    messages::{GroupState, JoinAnswer, JoinRequest, SyncAnswer},
};

impl Step<'_, '_> {
    pub(in crate::groups::coordinator) fn join(&mut self, request: &JoinRequest, to: Ticket) -> Result<(), ErrorCode> {
        let group = &mut *self.group;
        let known_instance =
            request.instance_id.as_ref().and_then(|instance| group.static_members.get(instance)).cloned();
        let is_new = !group.members.contains_key(&request.member_id)
            && !group.pending.contains_key(&request.member_id)
            && known_instance.is_none();
        if is_new && request.member_id.is_empty() && self.settings.max_size <= group.members.len() + group.pending.len()
        {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !group.accepts(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if request.member_id.is_empty() {
            return self.join_without_id(request, known_instance, to);
        }
        if group.pending.contains_key(&request.member_id) {
            if self.settings.max_size <= group.members.len() {
                group.pending.remove(&request.member_id);
                return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
            }
            self.admit(request.member_id.clone(), request, to);
            return Ok(());
        }
        group.check_member(&request.member_id, request.instance_id.as_deref())?;
        self.rejoin(request, to);
        Ok(())
    }

    fn join_without_id(
        &mut self,
        request: &JoinRequest,
        known_instance: Option<String>,
        to: Ticket,
    ) -> Result<(), ErrorCode> {
        if let Some(displaced) = known_instance {
            self.replace_static(&displaced, request, to);
        } else if request.instance_id.is_none() && request.require_known_member {
            let forgotten_at = self.now.plus_ms(request.session_timeout_ms);
            self.group.pending.insert(request.new_member_id.clone(), forgotten_at);
            self.out.join(to, JoinAnswer::error(ErrorCode::MEMBER_ID_REQUIRED, &request.new_member_id));
        } else {
            self.admit(request.new_member_id.clone(), request, to);
        }
        Ok(())
    }

    /// A new member enters, which always means a rebalance.
    fn admit(&mut self, member_id: String, request: &JoinRequest, to: Ticket) {
        self.group.add_member(member_id.clone(), request, self.now);
        if let Some(delay) = &mut self.group.initial_delay {
            delay.arrivals = true;
        }
        self.park_join(&member_id, to);
        self.rebalance();
    }

    /// A known member joins again.
    fn rejoin(&mut self, request: &JoinRequest, to: Ticket) {
        let Some(member) = self.group.members.get(&request.member_id) else { return };
        let unchanged = member.protocols == request.protocols;
        let stays = match self.group.state {
            GroupState::CompletingRebalance => unchanged,
            GroupState::Stable => unchanged && !self.group.is_leader(&request.member_id),
            GroupState::Empty | GroupState::PreparingRebalance => false,
        };
        if stays {
            let answer = self.group.join_answer(&request.member_id);
            self.restart_session(&request.member_id);
            self.out.join(to, answer);
            return;
        }
        self.update_member(&request.member_id, request);
        self.park_join(&request.member_id, to);
        self.rebalance();
    }

    fn update_member(&mut self, member_id: &str, request: &JoinRequest) {
        if let Some(member) = self.group.members.get_mut(member_id) {
            member.protocols = request.protocols.clone();
            member.session_timeout_ms = request.session_timeout_ms;
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
            member.restart_session(self.now);
        }
    }

    /// A static member is back under its instance id and gets a fresh member id.
    fn replace_static(&mut self, displaced: &str, request: &JoinRequest, to: Ticket) {
        let fresh = request.new_member_id.clone();
        let leader_before = self.group.leader.clone().unwrap_or_default();
        let Some(mut member) = self.group.members.remove(displaced) else { return };
        let replaced = Member { join: None, sync: None, ..member.clone() };
        if let Some(ticket) = member.join.take() {
            self.out.join(ticket, JoinAnswer::error(ErrorCode::FENCED_INSTANCE_ID, displaced));
        }
        if let Some(ticket) = member.sync.take() {
            self.out.sync(ticket, SyncAnswer::error(ErrorCode::FENCED_INSTANCE_ID));
        }
        if let Some(instance) = &member.instance_id {
            self.group.static_members.insert(instance.clone(), fresh.clone());
        }
        member.id.clone_from(&fresh);
        self.group.members.insert(fresh.clone(), member);
        if self.group.is_leader(displaced) {
            self.group.leader = Some(fresh.clone());
        }
        self.update_member(&fresh, request);
        if self.group.state == GroupState::Stable && self.group.elect_protocol() == self.group.protocol {
            let mut answer = self.group.join_answer(&fresh);
            if request.knows_skip_assignment {
                answer.skip_assignment = self.group.is_leader(&fresh);
            } else {
                // Believing that the old id leads, it behaves as a follower and asks for its share.
                answer.leader = leader_before;
                answer.members.clear();
            }
            let (answer, replaced) = (Box::new(answer), Box::new(replaced));
            self.store(AfterStore::AnswerStaticJoin { to, answer, replaced });
            return;
        }
        self.park_join(&fresh, to);
        self.rebalance();
    }

    fn park_join(&mut self, member_id: &str, to: Ticket) {
        let Some(member) = self.group.members.get_mut(member_id) else { return };
        let earlier = member.join.replace(to);
        if let Some(ticket) = member.sync.take() {
            self.out.sync(ticket, SyncAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        if let Some(ticket) = earlier {
            // The same member asked twice, so it has given up on the first request.
            self.out.join(ticket, JoinAnswer::error(ErrorCode::REBALANCE_IN_PROGRESS, member_id));
        }
    }
}
