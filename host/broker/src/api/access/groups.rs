//! Requests about consumer groups and coordinators.

use millstream_wire::protocol::{
    messages::{
        BrokerId, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
        JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
        ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
        OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
        consumer_group_describe_response::{DescribedGroup as ConsumerDescribedGroup, Member},
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::DescribedGroup,
        find_coordinator_response::Coordinator,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};

use super::{Access, Call, GROUP_REFUSED, ID_REFUSED, TOPIC_REFUSED, Verdict, authorized_operations, split};
use crate::{
    error_code::ErrorCode,
    security::acls::{Operation, Resource},
};

/// Kafka's number for transactional ids in FindCoordinator.
const TRANSACTION: i8 = 1;

pub fn join_group(access: &Access, call: &Call<'_>, request: &mut JoinGroupRequest) -> Verdict<JoinGroupResponse> {
    if access.group(Operation::Read, &request.group_id) {
        return Verdict::Everything;
    }
    let refused = JoinGroupResponse::default().with_error_code(GROUP_REFUSED).with_generation_id(-1);
    // Null only where the format allows it.
    let name = (call.version < 7).then(Default::default);
    Verdict::Nothing(refused.with_protocol_name(name))
}

pub fn sync_group(access: &Access, _: &Call<'_>, request: &mut SyncGroupRequest) -> Verdict<SyncGroupResponse> {
    match access.group(Operation::Read, &request.group_id) {
        true => Verdict::Everything,
        false => Verdict::Nothing(SyncGroupResponse::default().with_error_code(GROUP_REFUSED)),
    }
}

pub fn heartbeat(access: &Access, _: &Call<'_>, request: &mut HeartbeatRequest) -> Verdict<HeartbeatResponse> {
    match access.group(Operation::Read, &request.group_id) {
        true => Verdict::Everything,
        false => Verdict::Nothing(HeartbeatResponse::default().with_error_code(GROUP_REFUSED)),
    }
}

pub fn leave_group(access: &Access, _: &Call<'_>, request: &mut LeaveGroupRequest) -> Verdict<LeaveGroupResponse> {
    match access.group(Operation::Read, &request.group_id) {
        true => Verdict::Everything,
        false => Verdict::Nothing(LeaveGroupResponse::default().with_error_code(GROUP_REFUSED)),
    }
}

pub fn consumer_group_heartbeat(
    access: &Access,
    _: &Call<'_>,
    request: &mut ConsumerGroupHeartbeatRequest,
) -> Verdict<ConsumerGroupHeartbeatResponse> {
    if !access.group(Operation::Read, &request.group_id) {
        return Verdict::Nothing(ConsumerGroupHeartbeatResponse::default().with_error_code(GROUP_REFUSED));
    }
    let mut topics = request.subscribed_topic_names.iter().flatten();
    match topics.all(|topic| access.topic(Operation::Describe, topic)) {
        true => Verdict::Everything,
        false => Verdict::Nothing(ConsumerGroupHeartbeatResponse::default().with_error_code(TOPIC_REFUSED)),
    }
}

pub fn consumer_group_describe(
    access: &Access,
    _: &Call<'_>,
    request: &mut ConsumerGroupDescribeRequest,
) -> Verdict<ConsumerGroupDescribeResponse> {
    let refused = split(&mut request.group_ids, |group| access.group(Operation::Describe, group));
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut ConsumerGroupDescribeResponse| {
        let may = |topic: &str| acls.allows(&user, &host, Operation::Describe, Resource::Topic, topic);
        for group in &mut response.groups {
            let shown = |member: &Member| {
                let assigned = [&member.assignment, &member.target_assignment];
                let assigned = assigned.into_iter().flat_map(|it| &it.topic_partitions).map(|it| &it.topic_name);
                member.subscribed_topic_names.iter().chain(assigned).all(|topic| may(topic))
            };
            if !group.members.iter().all(shown) {
                let message = "The group has described topic(s) that the client is not authorized to describe.";
                *group = ConsumerDescribedGroup::default()
                    .with_group_id(group.group_id.clone())
                    .with_error_code(TOPIC_REFUSED)
                    .with_error_message(Some(StrBytes::from_static_str(message)));
            }
        }
        let answers = refused
            .into_iter()
            .map(|group| ConsumerDescribedGroup::default().with_group_id(group).with_error_code(GROUP_REFUSED));
        response.groups.extend(answers);
    }))
}

/// Completes the fields of authorised operations, if they are asked for.
pub fn consumer_group_operations(call: &Call<'_>, asked: bool, response: &mut ConsumerGroupDescribeResponse) {
    if !asked {
        return;
    }
    let access = Access::of(call);
    for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
        group.authorized_operations = authorized_operations(access.as_ref(), Resource::Group, &group.group_id);
    }
}

pub fn offset_commit(
    access: &Access,
    _: &Call<'_>,
    request: &mut OffsetCommitRequest,
) -> Verdict<OffsetCommitResponse> {
    let group = access.group(Operation::Read, &request.group_id);
    let refused = split(&mut request.topics, |topic| group && access.topic(Operation::Read, &topic.name));
    let code = if group { TOPIC_REFUSED } else { GROUP_REFUSED };
    if group && refused.is_empty() {
        return Verdict::Everything;
    }
    let amend = move |response: &mut OffsetCommitResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code)
            });
            OffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    };
    if request.topics.is_empty() {
        let mut response = OffsetCommitResponse::default();
        amend(&mut response);
        return Verdict::Nothing(response);
    }
    Verdict::Rest(Box::new(amend))
}

pub fn offset_fetch(
    access: &Access,
    call: &Call<'_>,
    request: &mut OffsetFetchRequest,
) -> Verdict<OffsetFetchResponse> {
    if call.version < 8 {
        return offset_fetch_of_one(access, call, request);
    }
    let groups = split(&mut request.groups, |group| access.group(Operation::Describe, &group.group_id));
    let mut refused_topics = Vec::new();
    for group in &mut request.groups {
        if let Some(topics) = &mut group.topics {
            let refused = split(topics, |topic| access.topic(Operation::Describe, &topic.name));
            refused_topics.push((group.group_id.clone(), refused));
        }
    }
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut OffsetFetchResponse| {
        for group in &mut response.groups {
            group.topics.retain(|topic| acls.allows(&user, &host, Operation::Describe, Resource::Topic, &topic.name));
            for (id, topics) in refused_topics.iter().filter(|(id, _)| *id == group.group_id) {
                let _ = id;
                group.topics.extend(topics.iter().map(|topic| {
                    let partitions = topic.partition_indexes.iter().map(|index| {
                        OffsetFetchResponsePartitions::default()
                            .with_partition_index(*index)
                            .with_committed_offset(-1)
                            .with_committed_leader_epoch(-1)
                            .with_metadata(Some(Default::default()))
                            .with_error_code(TOPIC_REFUSED)
                    });
                    OffsetFetchResponseTopics::default()
                        .with_name(topic.name.clone())
                        .with_partitions(partitions.collect())
                }));
            }
        }
        response.groups.extend(groups.into_iter().map(|group| {
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_error_code(GROUP_REFUSED)
        }));
    }))
}

/// Up to version 7 a request is about one group.
fn offset_fetch_of_one(
    access: &Access,
    call: &Call<'_>,
    request: &mut OffsetFetchRequest,
) -> Verdict<OffsetFetchResponse> {
    let refusal = |index: i32, code: i16| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(Default::default()))
            .with_error_code(code)
    };
    if !access.group(Operation::Describe, &request.group_id) {
        let response = OffsetFetchResponse::default();
        if 2 <= call.version {
            return Verdict::Nothing(response.with_error_code(GROUP_REFUSED));
        }
        // Version 1 has no place for it but the partitions.
        let topics = request.topics.iter().flatten().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| refusal(*index, GROUP_REFUSED));
            OffsetFetchResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        return Verdict::Nothing(response.with_topics(topics.collect()));
    }
    let refused = match &mut request.topics {
        Some(topics) => split(topics, |topic| access.topic(Operation::Describe, &topic.name)),
        None => Vec::new(),
    };
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut OffsetFetchResponse| {
        response.topics.retain(|topic| acls.allows(&user, &host, Operation::Describe, Resource::Topic, &topic.name));
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| refusal(*index, TOPIC_REFUSED));
            OffsetFetchResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    }))
}

pub fn find_coordinator(
    access: &Access,
    call: &Call<'_>,
    request: &mut FindCoordinatorRequest,
) -> Verdict<FindCoordinatorResponse> {
    let (code, is_transaction) =
        if request.key_type == TRANSACTION { (ID_REFUSED, true) } else { (GROUP_REFUSED, false) };
    let allowed = |key: &str| match is_transaction {
        true => access.transactional_id(Operation::Describe, key),
        false => access.group(Operation::Describe, key),
    };
    if call.version < 4 {
        return match allowed(&request.key) {
            true => Verdict::Everything,
            false => {
                let refused = FindCoordinatorResponse::default().with_error_code(code).with_node_id(BrokerId(-1));
                Verdict::Nothing(refused.with_port(-1))
            }
        };
    }
    let refused = split(&mut request.coordinator_keys, |key| allowed(key));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut FindCoordinatorResponse| {
        response.coordinators.extend(refused.into_iter().map(|key| {
            Coordinator::default().with_key(key).with_node_id(BrokerId(-1)).with_port(-1).with_error_code(code)
        }));
    }))
}

pub fn describe_groups(
    access: &Access,
    _: &Call<'_>,
    request: &mut DescribeGroupsRequest,
) -> Verdict<DescribeGroupsResponse> {
    let refused = split(&mut request.groups, |group| access.group(Operation::Describe, group));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut DescribeGroupsResponse| {
        response.groups.extend(refused.into_iter().map(|group| {
            DescribedGroup::default()
                .with_group_id(group)
                .with_error_code(GROUP_REFUSED)
                .with_authorized_operations(i32::MIN)
        }));
    }))
}

/// What the user may do with each group, where that was asked.
pub fn group_operations(call: &Call<'_>, asked: bool, response: &mut DescribeGroupsResponse) {
    if !asked || call.version < 3 {
        return;
    }
    let access = Access::of(call);
    for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
        group.authorized_operations = authorized_operations(access.as_ref(), Resource::Group, &group.group_id);
    }
}

pub fn list_groups(access: &Access, _: &Call<'_>, _: &mut ListGroupsRequest) -> Verdict<ListGroupsResponse> {
    if access.cluster(Operation::Describe) {
        return Verdict::Everything;
    }
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut ListGroupsResponse| {
        let visible = |name: &str| acls.allows(&user, &host, Operation::Describe, Resource::Group, name);
        response.groups.retain(|group| visible(&group.group_id));
    }))
}

pub fn delete_groups(
    access: &Access,
    _: &Call<'_>,
    request: &mut DeleteGroupsRequest,
) -> Verdict<DeleteGroupsResponse> {
    let refused = split(&mut request.groups_names, |group| access.group(Operation::Delete, group));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut DeleteGroupsResponse| {
        response.results.extend(
            refused
                .into_iter()
                .map(|group| DeletableGroupResult::default().with_group_id(group).with_error_code(GROUP_REFUSED)),
        );
    }))
}

pub fn offset_delete(
    access: &Access,
    _: &Call<'_>,
    request: &mut OffsetDeleteRequest,
) -> Verdict<OffsetDeleteResponse> {
    if !access.group(Operation::Delete, &request.group_id) {
        return Verdict::Nothing(OffsetDeleteResponse::default().with_error_code(GROUP_REFUSED));
    }
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Read, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut OffsetDeleteResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(ErrorCode::TOPIC_AUTHORIZATION_FAILED.get())
            });
            OffsetDeleteResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    }))
}
