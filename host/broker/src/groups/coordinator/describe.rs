//! Groups as DescribeGroups and ListGroups show them.

use bytes::Bytes;

use super::{
    Coordinator,
    group::{Group, Member},
    messages::{GroupDescription, GroupState, MemberDescription},
};

impl Coordinator {
    /// A group for DescribeGroups; `None` is what the protocol calls Dead.
    pub fn describe(&self, group_id: &str) -> Option<GroupDescription> {
        let group = self.groups.get(group_id)?;
        let stable = group.state == GroupState::Stable;
        let describe = |member: &Member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata_for(group.protocol.as_deref()) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        };
        Some(GroupDescription {
            state: group.state,
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol: if stable { group.protocol.clone().unwrap_or_default() } else { String::new() },
            members: group.in_order().into_iter().map(describe).collect(),
        })
    }

    /// Id, protocol type and state of every group.
    pub fn list(&self) -> Vec<(String, String, GroupState)> {
        let listed = |group: &Group| (group.id.clone(), group.protocol_type.clone().unwrap_or_default(), group.state);
        self.groups.values().map(listed).collect()
    }
}
