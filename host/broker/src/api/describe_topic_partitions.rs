//! DescribeTopicPartitions (KIP-966): topics in the order of their names, so many partitions at once, and where to go on.

use millstream_wire::protocol::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
    describe_topic_partitions_response::{
        Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
};

use super::{Call, broker_id, name_of};
use crate::{error_code::ErrorCode, internal_topics, topics::Topic};

/// Stands for "not asked for" in fields of authorised operations.
const NO_OPERATIONS: i32 = i32::MIN;

/// `visible` says which topics the client may know of; others are left out of all topics.
pub fn handle(
    call: &Call<'_>,
    request: DescribeTopicPartitionsRequest,
    visible: impl Fn(&str) -> bool,
) -> DescribeTopicPartitionsResponse {
    let (cursor, all) = (request.cursor.as_ref(), request.topics.is_empty());
    let from = cursor.map_or("", |cursor| cursor.topic_name.as_str());
    let mut names: Vec<TopicName> = match all {
        true => {
            let topics = call.node.topics.all();
            topics.iter().map(|topic| name_of(&topic.name)).filter(|name| visible(name.as_str())).collect()
        }
        false => request.topics.iter().map(|topic| topic.name.clone()).collect(),
    };
    names.retain(|name| from <= name.as_str());
    names.sort();
    names.dedup();
    // A cursor that is none: Kafka's answer tells it of every topic that was asked for.
    let is_known = all || cursor.is_none() || names.iter().any(|name| name.as_str() == from);
    if !is_known || cursor.is_some_and(|cursor| cursor.partition_index < 0) {
        let refused = request.topics.into_iter().map(|topic| failed(topic.name, ErrorCode::INVALID_REQUEST));
        return DescribeTopicPartitionsResponse::default().with_topics(refused.collect()).with_next_cursor(None);
    }
    let limit = call.node.config.max_described_partitions;
    let mut left = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, limit);
    let (mut topics, mut next) = (Vec::new(), None);
    for name in names {
        if left == 0 {
            next = Some(Cursor::default().with_topic_name(name));
            break;
        }
        let first = cursor.filter(|_| name.as_str() == from).map_or(0, |cursor| cursor.partition_index);
        let Some(topic) = call.node.topics.get(name.as_str()) else {
            // One that was deleted meanwhile is none of all topics.
            if !all {
                let code = match millstream_record::TopicName::parse(name.as_str()) {
                    Ok(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
                };
                topics.push(failed(name, code));
            }
            continue;
        };
        let partitions = partitions(call, &topic, first, left);
        left -= partitions.len();
        let end = i32::try_from(partitions.len()).map_or(i32::MAX, |count| first.saturating_add(count));
        topics.push(
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(name.clone()))
                .with_topic_id(topic.id)
                .with_is_internal(topic.is_internal())
                .with_partitions(partitions)
                .with_topic_authorized_operations(NO_OPERATIONS),
        );
        if end < topic.partition_count() {
            next = Some(Cursor::default().with_topic_name(name).with_partition_index(end));
            break;
        }
    }
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next)
}

fn partitions(
    call: &Call<'_>,
    topic: &Topic,
    first: i32,
    limit: usize,
) -> Vec<DescribeTopicPartitionsResponsePartition> {
    let node = broker_id(call.node);
    let described = topic.partitions.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)).take(limit);
    let described = described.map(|partition| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(partition.index())
            .with_leader_id(node)
            .with_leader_epoch(partition.leader_epoch())
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    described.collect()
}

fn failed(name: TopicName, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.get())
        .with_is_internal(internal_topics::is_internal(name.as_str()))
        .with_name(Some(name))
        .with_topic_authorized_operations(NO_OPERATIONS)
}
