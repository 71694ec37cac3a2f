//! Groups: listing, describing and deleting them, and their committed offsets.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        DeleteGroupsRequest, DescribeGroupsRequest, GroupId, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
        OffsetDeleteRequest, OffsetFetchRequest,
        describe_groups_response::DescribedGroupMember,
        leave_group_request::MemberIdentity,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
    },
    protocol::{Request, StrBytes},
};

use super::{Admin, Refused, records::TopicPartition, refused};
use crate::{
    cluster::{CoordinatorOf, Link, RequestError, wire_name},
    kafka_error::ErrorCode,
};

/// A committed position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OffsetAndMetadata {
    /// The next record to read.
    pub offset: i64,
    /// Epoch of the leader that wrote the record before; `None` if not known.
    pub leader_epoch: Option<i32>,
    /// Whatever the committer wanted to remember; usually empty.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// A position without anything remembered.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// A group as its coordinator lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupListing {
    /// As members name it in `group.id`.
    pub group_id: String,
    /// `consumer`, `connect` and the like; empty for a group of offsets only.
    pub protocol_type: String,
    /// `Stable`, `Empty` and so on; empty where the broker does not tell.
    pub state: String,
}

/// A group in detail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDescription {
    /// As members name it in `group.id`.
    pub group_id: String,
    /// `Stable`, `Empty`, `Dead` (there is none) and so on.
    pub state: String,
    /// `consumer`, `connect` and the like.
    pub protocol_type: String,
    /// The protocol its members agreed on.
    pub protocol: String,
    /// Those that the coordinator knows at this moment; empty for `Empty` and `Dead`.
    pub members: Vec<MemberDescription>,
}

/// A member as the coordinator describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberDescription {
    /// The id its coordinator gave it.
    pub member_id: String,
    /// Its own id, if it is a static member.
    pub group_instance_id: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it said when it joined; its form depends on the protocol type.
    pub metadata: Bytes,
    /// What the group's leader gave it to do.
    pub assignment: Bytes,
}

impl Admin {
    /// Lists the groups of all brokers.
    ///
    /// # Errors
    ///
    /// A broker cannot be asked.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, RequestError> {
        self.repeat("list groups", || async {
            let metadata = self.link.cluster.refresh(crate::TopicsWanted::Named(&[]), false).await?;
            let mut groups = Vec::new();
            for node in metadata.brokers.keys() {
                let response = self.link.call(*node, &ListGroupsRequest::default()).await?;
                refused("list groups", response.error_code)?;
                groups.extend(response.groups.into_iter().map(|group| GroupListing {
                    group_id: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                }));
            }
            Ok(groups)
        })
        .await
    }

    /// Describes a group. One that does not exist has the state `Dead`.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked, or refuses.
    pub async fn describe_group(&self, group_id: &str) -> Result<GroupDescription, RequestError> {
        let attempted = format!("describe group {group_id}");
        self.repeat(&attempted, || describe_group(&self.link, group_id)).await
    }

    /// Describes several groups; see [`Admin::describe_group`].
    ///
    /// # Errors
    ///
    /// A coordinator cannot be asked, or refuses.
    pub async fn describe_groups(&self, group_ids: &[String]) -> Result<Vec<GroupDescription>, RequestError> {
        let mut groups = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            groups.push(self.describe_group(group_id).await?);
        }
        Ok(groups)
    }

    /// Takes static members out of a group, whether they are there or not (KIP-345). Those it does not have are out of it.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked, or refuses.
    pub async fn remove_static_members(&self, group_id: &str, instance_ids: &[String]) -> Result<(), RequestError> {
        let member =
            |id: &String| MemberIdentity::default().with_group_instance_id(Some(StrBytes::from_string(id.clone())));
        let request = LeaveGroupRequest::default()
            .with_group_id(wire_group(group_id))
            .with_members(instance_ids.iter().map(member).collect());
        let attempted = format!("take static members out of group {group_id}");
        self.repeat(&attempted, || async {
            let response = call_coordinator(&self.link, group_id, &request).await?;
            refused(&attempted, response.error_code)?;
            for member in response.members {
                if ErrorCode::check(member.error_code) != Err(ErrorCode::UNKNOWN_MEMBER_ID) {
                    refused(&attempted, member.error_code)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked.
    pub async fn delete_group(&self, group_id: &str) -> Result<Result<(), Refused>, RequestError> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![wire_group(group_id)]);
        let attempted = format!("delete group {group_id}");
        self.repeat(&attempted, || async {
            let response = call_coordinator(&self.link, group_id, &request).await?;
            let code = response.results.first().map_or(0, |result| result.error_code);
            Ok(not_worth_repeating(&attempted, code)?.map_err(|source| Refused { message: None, source }))
        })
        .await
    }

    /// Deletes several groups; see [`Admin::delete_group`].
    ///
    /// # Errors
    ///
    /// A coordinator cannot be asked.
    pub async fn delete_groups(
        &self,
        group_ids: &[String],
    ) -> Result<BTreeMap<String, Result<(), Refused>>, RequestError> {
        let mut results = BTreeMap::new();
        for group_id in group_ids {
            results.insert(group_id.clone(), self.delete_group(group_id).await?);
        }
        Ok(results)
    }

    /// The committed offsets of a group: of these partitions, or of all that have one.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked, or refuses.
    pub async fn list_group_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[(TopicName, i32)]>,
    ) -> Result<BTreeMap<(TopicName, i32), OffsetAndMetadata>, RequestError> {
        let attempted = format!("read the offsets of group {group_id}");
        self.repeat(&attempted, || fetch_offsets(&self.link, group_id, partitions, false)).await
    }

    /// Sets committed offsets of a group that has no members.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked.
    pub async fn alter_group_offsets(
        &self,
        group_id: &str,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
    ) -> Result<BTreeMap<(TopicName, i32), Result<(), Refused>>, RequestError> {
        let attempted = format!("set the offsets of group {group_id}");
        let committer = Committer::default();
        self.repeat(&attempted, || async {
            let results = commit_offsets(&self.link, group_id, &committer, offsets).await?;
            let mut checked = BTreeMap::new();
            for (key, result) in results {
                // A partition that is unknown may stay so; only what concerns the coordinator is worth repeating.
                let result = match result {
                    Err(source) if of_coordinator(source) => {
                        return Err(RequestError::Refused { attempted: attempted.clone(), source });
                    }
                    result => result,
                };
                checked.insert(key, result.map_err(|source| Refused { message: None, source }));
            }
            Ok(checked)
        })
        .await
    }

    /// Forgets committed offsets of a group.
    ///
    /// # Errors
    ///
    /// Its coordinator cannot be asked, or refuses as a whole.
    pub async fn delete_group_offsets(
        &self,
        group_id: &str,
        partitions: &[(TopicName, i32)],
    ) -> Result<BTreeMap<(TopicName, i32), Result<(), Refused>>, RequestError> {
        let mut topics: BTreeMap<&TopicName, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, partition) in partitions {
            let partition = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| {
            OffsetDeleteRequestTopic::default().with_name(wire_name(name)).with_partitions(partitions)
        };
        let request = OffsetDeleteRequest::default()
            .with_group_id(wire_group(group_id))
            .with_topics(topics.into_iter().map(topic).collect());
        let attempted = format!("delete offsets of group {group_id}");
        self.repeat(&attempted, || async {
            let response = call_coordinator(&self.link, group_id, &request).await?;
            refused(&attempted, response.error_code)?;
            let mut results = BTreeMap::new();
            for topic in response.topics {
                let Ok(name) = TopicName::parse(topic.name.as_str()) else { continue };
                for partition in topic.partitions {
                    let result = Refused::check(partition.error_code, None);
                    results.insert((name.clone(), partition.partition_index), result);
                }
            }
            Ok(results)
        })
        .await
    }
}

fn of_coordinator(code: ErrorCode) -> bool {
    [
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::REBALANCE_IN_PROGRESS,
    ]
    .contains(&code)
}

/// An error worth repeating fails the attempt; any other is part of the result.
pub(super) fn not_worth_repeating(attempted: &str, code: i16) -> Result<Result<(), ErrorCode>, RequestError> {
    match ErrorCode::check(code) {
        Err(source) if source.is_retriable() => Err(RequestError::Refused { attempted: attempted.to_owned(), source }),
        result => Ok(result),
    }
}

pub(crate) fn wire_group(group_id: &str) -> GroupId {
    StrBytes::from_string(group_id.to_owned()).into()
}

/// Finds a group's coordinator and asks it once.
async fn call_coordinator<R: Request>(link: &Link, group_id: &str, request: &R) -> Result<R::Response, RequestError> {
    let (node, address) = link.cluster.find_coordinator(CoordinatorOf::Group(group_id)).await?;
    Ok(link.to_address(node, &address).await?.call(request).await?)
}

/// Describes a group once.
pub(crate) async fn describe_group(link: &Link, group_id: &str) -> Result<GroupDescription, RequestError> {
    let request = DescribeGroupsRequest::default().with_groups(vec![wire_group(group_id)]);
    let response = call_coordinator(link, group_id, &request).await?;
    let group = response.groups.into_iter().next().unwrap_or_default();
    refused(format!("describe group {group_id}"), group.error_code)?;
    let member = |member: DescribedGroupMember| MemberDescription {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        metadata: member.member_metadata,
        assignment: member.member_assignment,
    };
    Ok(GroupDescription {
        group_id: group_id.to_owned(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: group.members.into_iter().map(member).collect(),
    })
}

/// Reads committed offsets once.
pub(crate) async fn fetch_offsets(
    link: &Link,
    group_id: &str,
    partitions: Option<&[(TopicName, i32)]>,
    require_stable: bool,
) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, RequestError> {
    let topics = partitions.map(|partitions| {
        let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in partitions {
            topics.entry(topic).or_default().push(*partition);
        }
        let topic = |(name, partitions)| {
            OffsetFetchRequestTopic::default().with_name(wire_name(name)).with_partition_indexes(partitions)
        };
        topics.into_iter().map(topic).collect()
    });
    let (node, address) = link.cluster.find_coordinator(CoordinatorOf::Group(group_id)).await?;
    let connection = link.to_address(node, &address).await?;
    // Only version 7 can ask for stable offsets; older brokers know no transactions that commit offsets late.
    let version = connection.version(millstream_wire::protocol::messages::ApiKey::OffsetFetch)?;
    let request = OffsetFetchRequest::default()
        .with_group_id(wire_group(group_id))
        .with_topics(topics)
        .with_require_stable(require_stable && 7 <= version);
    let response = connection.call(&request).await?;
    let attempted = || format!("read the offsets of group {group_id}");
    refused(attempted(), response.error_code)?;
    let mut offsets = BTreeMap::new();
    for topic in response.topics {
        let Ok(name) = TopicName::parse(topic.name.as_str()) else { continue };
        for partition in topic.partitions {
            refused(attempted(), partition.error_code)?;
            if 0 <= partition.committed_offset {
                let committed = OffsetAndMetadata {
                    offset: partition.committed_offset,
                    leader_epoch: Some(partition.committed_leader_epoch).filter(|epoch| 0 <= *epoch),
                    metadata: partition.metadata.map(|text| text.to_string()).unwrap_or_default(),
                };
                offsets.insert((name.clone(), partition.partition_index), committed);
            }
        }
    }
    Ok(offsets)
}

/// In whose name offsets are committed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Committer {
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
}

impl Default for Committer {
    /// Nobody who is a member.
    fn default() -> Self {
        Self { generation: -1, member_id: String::new(), group_instance_id: None }
    }
}

/// Commits offsets once.
pub(crate) async fn commit_offsets(
    link: &Link,
    group_id: &str,
    committer: &Committer,
    offsets: &[(TopicName, i32, OffsetAndMetadata)],
) -> Result<BTreeMap<TopicPartition, Result<(), ErrorCode>>, RequestError> {
    let (node, address) = link.cluster.find_coordinator(CoordinatorOf::Group(group_id)).await?;
    let connection = link.to_address(node, &address).await?;
    let version = connection.version(millstream_wire::protocol::messages::ApiKey::OffsetCommit)?;
    let mut topics: BTreeMap<&TopicName, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (topic, partition, committed) in offsets {
        let mut asked = OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(committed.offset)
            .with_committed_metadata(Some(StrBytes::from_string(committed.metadata.clone())));
        if 6 <= version {
            asked = asked.with_committed_leader_epoch(committed.leader_epoch.unwrap_or(-1));
        }
        topics.entry(topic).or_default().push(asked);
    }
    let topic =
        |(name, partitions)| OffsetCommitRequestTopic::default().with_name(wire_name(name)).with_partitions(partitions);
    let mut request = OffsetCommitRequest::default()
        .with_group_id(wire_group(group_id))
        .with_generation_id_or_member_epoch(committer.generation)
        .with_member_id(StrBytes::from_string(committer.member_id.clone()))
        .with_topics(topics.into_iter().map(topic).collect());
    if 7 <= version {
        request = request.with_group_instance_id(committer.group_instance_id.clone().map(StrBytes::from_string));
    }
    let response = connection.call(&request).await?;
    let mut results = BTreeMap::new();
    for topic in response.topics {
        let Ok(name) = TopicName::parse(topic.name.as_str()) else { continue };
        for partition in topic.partitions {
            results.insert((name.clone(), partition.partition_index), ErrorCode::check(partition.error_code));
        }
    }
    Ok(results)
}
