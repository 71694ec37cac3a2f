//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the consumer protocol (KIP-848).

use millstream_wire::protocol::{
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, TopicName,
        consumer_group_describe_response::{
            Assignment as DescribedAssignment, DescribedGroup, Member, TopicPartitions as DescribedPartitions,
        },
        consumer_group_heartbeat_response::{Assignment, TopicPartitions},
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use super::{Call, text};
use crate::{
    error_code::ErrorCode,
    features::GROUP_VERSION,
    groups::coordinator::{ConsumerGroupDescription, ConsumerMemberDescription, Described, HeartbeatRequest},
};

/// Whether the protocol is served: by configuration, and by the feature's level.
fn is_served(call: &Call<'_>) -> bool {
    call.node.config.consumer_protocol && 1 <= call.node.features.levels().of(GROUP_VERSION)
}

pub async fn heartbeat(call: &Call<'_>, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    if !is_served(call) {
        return ConsumerGroupHeartbeatResponse::default().with_error_code(ErrorCode::UNSUPPORTED_VERSION.get());
    }
    let string = |value: Option<StrBytes>| value.map(|value| value.to_string());
    let owned = request.topic_partitions.map(|topics| {
        topics.into_iter().map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
    });
    let asked = HeartbeatRequest {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        new_member_id: Uuid::new_v4().to_string(),
        epoch: request.member_epoch,
        instance_id: string(request.instance_id),
        rack_id: string(request.rack_id),
        client_id: call.client_id.to_owned(),
        client_host: call.peer.host.clone(),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: request.subscribed_topic_names.map(|names| names.into_iter().map(|name| name.to_string()).collect()),
        regex: string(request.subscribed_topic_regex),
        assignor: string(request.server_assignor),
        owned,
        names_itself: 1 <= call.version,
    };
    match call.node.groups.consumer_heartbeat(call.via(), asked).await {
        Err(refused) => ConsumerGroupHeartbeatResponse::default()
            .with_error_code(refused.code.get())
            .with_error_message(Some(text(refused.message))),
        Ok(answer) => {
            let assignment = answer.assignment.map(|partitions| {
                let topics = partitions.into_iter().map(|(topic, indexes)| {
                    TopicPartitions::default().with_topic_id(topic).with_partitions(indexes.into_iter().collect())
                });
                Assignment::default().with_topic_partitions(topics.collect())
            });
            ConsumerGroupHeartbeatResponse::default()
                .with_member_id(Some(text(answer.member_id)))
                .with_member_epoch(answer.epoch)
                .with_heartbeat_interval_ms(answer.interval_ms)
                .with_assignment(assignment)
        }
    }
}

pub fn describe(call: &Call<'_>, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let groups = request.group_ids.into_iter().map(|group_id| {
        let answer = DescribedGroup::default().with_group_id(group_id.clone());
        if !is_served(call) {
            return answer.with_error_code(ErrorCode::UNSUPPORTED_VERSION.get());
        }
        if group_id.is_empty() {
            return answer.with_error_code(ErrorCode::INVALID_GROUP_ID.get());
        }
        match call.node.groups.describe_consumer(group_id.as_str()) {
            Err(code) => answer.with_error_code(code.get()),
            Ok(Some(group)) => described(call.version, answer, group),
            Ok(None) => {
                let words = match call.node.groups.describe(group_id.as_str()) {
                    Ok(Described::Missing) => "not found",
                    _ => "is not a consumer group",
                };
                answer
                    .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.get())
                    .with_error_message(Some(text(format!("Group {} {words}.", group_id.as_str()))))
            }
        }
    });
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn described(version: i16, answer: DescribedGroup, group: ConsumerGroupDescription) -> DescribedGroup {
    let assignment = |partitions: Vec<(Uuid, String, Vec<i32>)>| {
        let topics = partitions.into_iter().map(|(id, name, indexes)| {
            DescribedPartitions::default()
                .with_topic_id(id)
                .with_topic_name(TopicName(text(name)))
                .with_partitions(indexes)
        });
        DescribedAssignment::default().with_topic_partitions(topics.collect())
    };
    let member = |member: ConsumerMemberDescription| {
        let described = Member::default()
            .with_member_id(text(member.member_id))
            .with_instance_id(member.instance_id.map(text))
            .with_rack_id(member.rack_id.map(text))
            .with_member_epoch(member.epoch)
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_subscribed_topic_names(member.topics.into_iter().map(|topic| TopicName(text(topic))).collect())
            .with_subscribed_topic_regex(member.regex.map(text))
            .with_assignment(assignment(member.assignment))
            .with_target_assignment(assignment(member.target));
        if 1 <= version { described.with_member_type(i8::from(!member.is_classic)) } else { described }
    };
    answer
        .with_group_state(text(group.state.name()))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.target_epoch)
        .with_assignor_name(text(group.assignor))
        .with_members(group.members.into_iter().map(member).collect())
}
