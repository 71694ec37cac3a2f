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
    groups::coordinator::{Described, GroupDescription, MemberDescription},
};

pub fn describe(call: &Call<'_>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|group_id| {
        let missing = match call.node.groups.describe(group_id.as_str()) {
            Err(code) => return DescribedGroup::default().with_group_id(group_id).with_error_code(code.get()),
            Ok(Described::Classic(group)) => return described(call.version, group_id, group),
            Ok(Described::Other) => format!("Group {} is not a classic group.", group_id.as_str()),
            Ok(Described::Missing) => format!("Group {} not found.", group_id.as_str()),
        };
        let dead = DescribedGroup::default().with_group_id(group_id).with_group_state(text("Dead"));
        if call.version < 6 {
            return dead;
        }
        dead.with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.get()).with_error_message(Some(text(missing)))
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
    let known = match call.node.groups.list() {
        Ok(known) => known,
        Err(code) => return ListGroupsResponse::default().with_error_code(code.get()),
    };
    let wanted = known
        .into_iter()
        .filter(|group| wants(&request.types_filter, group.group_type) && wants(&request.states_filter, group.state));
    let groups = wanted.map(|group| {
        let listed = ListedGroup::default()
            .with_group_id(GroupId(text(group.group)))
            .with_protocol_type(text(group.protocol_type));
        let listed = if 4 <= call.version { listed.with_group_state(text(group.state)) } else { listed };
        if 5 <= call.version { listed.with_group_type(text(group.group_type)) } else { listed }
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub async fn delete(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let code = call.node.groups.delete(group_id.as_str()).await.err().unwrap_or(ErrorCode::NONE);
        results.push(DeletableGroupResult::default().with_group_id(group_id).with_error_code(code.get()));
    }
    DeleteGroupsResponse::default().with_results(results)
}
