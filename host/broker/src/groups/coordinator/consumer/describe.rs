//! A group as ConsumerGroupDescribe shows it.

use super::{ConsumerGroup, ConsumerGroupState, Moment};
use crate::groups::{coordinator::topology::Topology, records::Partitions};

/// A group as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsumerGroupDescription {
    /// The state.
    pub state: ConsumerGroupState,
    /// The group's epoch.
    pub epoch: i32,
    /// The epoch of the target.
    pub target_epoch: i32,
    /// The assignor that most members prefer.
    pub assignor: &'static str,
    /// By id.
    pub members: Vec<ConsumerMemberDescription>,
}

/// A member as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsumerMemberDescription {
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// The epoch that it is in.
    pub epoch: i32,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Topics it subscribes to by name.
    pub topics: Vec<String>,
    /// The pattern it subscribes by.
    pub regex: Option<String>,
    /// What it has.
    pub assignment: Vec<(uuid::Uuid, String, Vec<i32>)>,
    /// What it is to have.
    pub target: Vec<(uuid::Uuid, String, Vec<i32>)>,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
}

impl ConsumerGroup {
    /// The group as it stands.
    pub fn describe(&self, moment: &Moment<'_>) -> ConsumerGroupDescription {
        let members = self.members.values().map(|member| ConsumerMemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topics: member.topics.iter().cloned().collect(),
            regex: Some(member.regex.clone()).filter(|regex| !regex.is_empty()),
            assignment: named(&member.assigned(), moment.topics),
            target: self.targets.get(&member.id).map(|target| named(target, moment.topics)).unwrap_or_default(),
            is_classic: member.classic.is_some(),
        });
        ConsumerGroupDescription {
            state: self.state(),
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: self.preferred_assignor(moment).name(),
            members: members.collect(),
        }
    }
}

/// Partitions with the names of their topics; those of deleted topics are left out.
fn named(partitions: &Partitions, topics: &dyn Topology) -> Vec<(uuid::Uuid, String, Vec<i32>)> {
    let with_name = partitions.iter().filter_map(|(topic, indexes)| {
        topics.name(*topic).map(|name| (*topic, name, indexes.iter().copied().collect()))
    });
    with_name.collect()
}
