//! LeaveGroup: one member up to version 2, a list from version 3 on.

use millstream_wire::protocol::messages::{
    LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse,
};

use super::Call;
use crate::groups::coordinator::Leaving;

pub fn handle(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group = request.group_id.as_str();
    if call.version < 3 {
        let leaving = [Leaving { member_id: request.member_id.to_string(), instance_id: None }];
        let code = match call.node.groups.leave(group, &leaving) {
            Ok(verdicts) => verdicts[0],
            Err(code) => code,
        };
        return LeaveGroupResponse::default().with_error_code(code.get());
    }
    let leaving: Vec<Leaving> = request
        .members
        .iter()
        .map(|member| Leaving {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.as_ref().map(|id| id.to_string()),
        })
        .collect();
    match call.node.groups.leave(group, &leaving) {
        Err(code) => LeaveGroupResponse::default().with_error_code(code.get()),
        Ok(verdicts) => {
            let answers = request.members.into_iter().zip(verdicts).map(|(member, verdict)| {
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
                    .with_error_code(verdict.get())
            });
            LeaveGroupResponse::default().with_members(answers.collect())
        }
    }
}
