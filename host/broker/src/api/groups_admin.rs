//! DescribeGroups, ListGroups and DeleteGroups.

use millstream_wire::protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
    delete_groups_response::DeletableGroupResult,
    describe_groups_response::{DescribedGroup, DescribedGroupMember},
    list_groups_response::ListedGroup,
};

use super::{Call, text};
use crate::{
    error_code::ErrorCode,
    groups::coordinator::{GroupDescription, MemberDescription},
};

/// The only type of group served here.
const CLASSIC: &str = "classic";

pub fn describe(call: &Call<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|group_id| match call.node.groups.describe(group_id.as_str()) {
        Err(code) => DescribedGroup::default().with_group_id(group_id).with_error_code(code.get()),
        Ok(Some(group)) => described(call.version, group_id, group),
        Ok(None) => {
            let dead = DescribedGroup::default().with_group_id(group_id).with_group_state(text("Dead"));
            if 6 <= call.version {
                dead.with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.get())
                    .with_error_message(Some(text("the group does not exist")))
            } else {
                dead
            }
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn described(version: i16, group_id: GroupId, group: GroupDescription) -> DescribedGroup {
    let member = |member: MemberDescription| {
        let described = DescribedGroupMember::default()
            .with_member_id(text(member.member_id))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment);
        if 4 <= version { described.with_group_instance_id(member.instance_id.map(text)) } else { described }
    };
    DescribedGroup::default()
        .with_group_id(group_id)
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(group.protocol_type))
        .with_protocol_data(text(group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

pub fn list(call: &Call<'_>, request: &ListGroupsRequest) -> ListGroupsResponse {
    let wants = |filter: &[millstream_wire::protocol::protocol::StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut groups: Vec<ListedGroup> = Vec::new();
    if wants(&request.types_filter, CLASSIC) {
        let known = match call.node.groups.list() {
            Ok(known) => known,
            Err(code) => return ListGroupsResponse::default().with_error_code(code.get()),
        };
        for (group_id, protocol_type, state) in known {
            if !wants(&request.states_filter, state.name()) {
                continue;
            }
            let listed =
                ListedGroup::default().with_group_id(GroupId(text(group_id))).with_protocol_type(text(protocol_type));
            let listed = if 4 <= call.version { listed.with_group_state(text(state.name())) } else { listed };
            groups.push(if 5 <= call.version { listed.with_group_type(text(CLASSIC)) } else { listed });
        }
    }
    ListGroupsResponse::default().with_groups(groups)
}

pub async fn delete(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let code = call.node.groups.delete(group_id.as_str()).await.err().unwrap_or(ErrorCode::NONE);
        results.push(DeletableGroupResult::default().with_group_id(group_id).with_error_code(code.get()));
    }
    DeleteGroupsResponse::default().with_results(results)
}
