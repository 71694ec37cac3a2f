//! Groups as DescribeGroups and ListGroups show them.

use bytes::Bytes;

use super::{
    Coordinator,
    classic::Member,
    consumer::{ConsumerGroupDescription, Moment},
    group::{Group, Protocol},
    messages::{GroupDescription, GroupState, MemberDescription},
    topology::Topology,
};
use crate::clock::Tick;

/// A group as ListGroups shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedGroup {
    /// Group id.
    pub group: String,
    /// `consumer`, `connect`, …; empty for groups that only hold offsets.
    pub protocol_type: String,
    /// Kafka's name for the state.
    pub state: &'static str,
    /// Kafka's name for the protocol: `classic` or `consumer`.
    pub group_type: &'static str,
}

/// What DescribeGroups can say of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Described {
    /// A group of the classic protocol.
    Classic(GroupDescription),
    /// A group of another protocol.
    Other,
    /// There is no such group.
    Missing,
}

impl Coordinator {
    /// A group for DescribeGroups.
    pub fn describe(&self, group_id: &str) -> Described {
        let Some(group) = self.groups.get(group_id) else { return Described::Missing };
        let Some(group) = group.classic() else { return Described::Other };
        let stable = group.state == GroupState::Stable;
        let describe = |member: &Member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata_for(group.protocol.as_deref()) } else { Bytes::new() },
            assignment: member.assignment.clone(),
        };
        Described::Classic(GroupDescription {
            state: group.state,
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            protocol: if stable { group.protocol.clone().unwrap_or_default() } else { String::new() },
            members: group.in_order().into_iter().map(describe).collect(),
        })
    }

    /// A group for ConsumerGroupDescribe; `None` for one of another protocol, or none.
    pub fn describe_consumer(&self, group_id: &str, topics: &dyn Topology) -> Option<ConsumerGroupDescription> {
        let moment = Moment { now: Tick::default(), wall_ms: 0, settings: &self.settings, topics };
        Some(self.groups.get(group_id)?.consumer()?.describe(&moment))
    }

    /// Every group.
    pub fn list(&self) -> Vec<ListedGroup> {
        let listed = |group: &Group| {
            let (protocol_type, state, group_type) = match &group.protocol {
                Protocol::Classic(classic) => {
                    (classic.protocol_type.clone().unwrap_or_default(), classic.state.name(), "classic")
                }
                Protocol::Consumer(consumer) => ("consumer".to_owned(), consumer.state().name(), "consumer"),
            };
            ListedGroup { group: group.id.clone(), protocol_type, state, group_type }
        };
        self.groups.values().map(listed).collect()
    }
}
