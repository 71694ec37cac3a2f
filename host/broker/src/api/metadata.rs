//! Metadata: topics with their partitions, all led by this node; creates topics that are asked for.

use millstream_wire::protocol::messages::{
    MetadataRequest, MetadataResponse, TopicName,
    metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
};
use uuid::Uuid;

use super::{Call, broker_id, name_of, text, throttle};
use crate::{
    error_code::ErrorCode,
    topics::{NewTopic, Topic},
};

/// Stands for "not asked for" in fields of authorised operations.
const NO_OPERATIONS: i32 = i32::MIN;

pub async fn handle(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let node = call.node;
    let all = match &request.topics {
        None => true,
        // Version 0 had no way to ask for no topics.
        Some(topics) => call.version == 0 && topics.is_empty(),
    };
    let mut topics = Vec::new();
    if all {
        topics.extend(node.topics.all().iter().map(|topic| describe(call, topic)));
    } else {
        let may_create = node.config.auto_create_topics && (call.version < 4 || request.allow_auto_topic_creation);
        for wanted in request.topics.unwrap_or_default() {
            // Java's consumer names a topic by its id, and fills in an empty name.
            topics.push(match wanted.name {
                Some(name) if wanted.topic_id.is_nil() => by_name(call, &name, may_create).await,
                _ => by_id(call, wanted.topic_id),
            });
        }
    }
    let broker = MetadataResponseBroker::default()
        .with_node_id(broker_id(node))
        .with_host(text(call.peer.advertised.host.as_str()))
        .with_port(i32::from(call.peer.advertised.port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id((2 <= call.version).then(|| text(node.cluster_id.as_str())))
        .with_controller_id(broker_id(node))
        .with_cluster_authorized_operations(NO_OPERATIONS)
        .with_topics(topics)
}

async fn by_name(call: &Call<'_>, name: &TopicName, may_create: bool) -> MetadataResponseTopic {
    let raw = name.as_str();
    if let Some(topic) = call.node.topics.get(raw) {
        return describe(call, &topic);
    }
    let Ok(parsed) = millstream_record::TopicName::parse(raw) else {
        return failed(Some(name.clone()), Uuid::nil(), ErrorCode::INVALID_TOPIC_EXCEPTION);
    };
    if !may_create {
        return failed(Some(name.clone()), Uuid::nil(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let partitions = call.node.config.num_partitions;
    // Whoever changes topics too fast finds that it is not there, and asks again.
    if !throttle::may_create_by_asking(call, usize::try_from(partitions).unwrap_or(0)) {
        return failed(Some(name.clone()), Uuid::nil(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    match call.node.topics.create(NewTopic { name: parsed, partitions, overrides: Default::default() }).await {
        Ok(topic) => describe(call, &topic),
        // Somebody else made it meanwhile, or it cannot be made.
        Err(error) => match call.node.topics.get(raw) {
            Some(topic) => describe(call, &topic),
            None => failed(Some(name.clone()), Uuid::nil(), error.code()),
        },
    }
}

fn by_id(call: &Call<'_>, id: Uuid) -> MetadataResponseTopic {
    match call.node.topics.by_id(id) {
        Some(topic) => describe(call, &topic),
        None => failed(None, id, ErrorCode::UNKNOWN_TOPIC_ID),
    }
}

fn failed(name: Option<TopicName>, id: Uuid, code: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(code.get())
        .with_name(name)
        .with_topic_id(id)
        .with_topic_authorized_operations(NO_OPERATIONS)
}

fn describe(call: &Call<'_>, topic: &Topic) -> MetadataResponseTopic {
    let node = broker_id(call.node);
    let partitions = topic.partitions.iter().map(|partition| {
        let described = MetadataResponsePartition::default()
            .with_partition_index(partition.index())
            .with_leader_id(node)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node]);
        if 7 <= call.version { described.with_leader_epoch(partition.leader_epoch()) } else { described }
    });
    MetadataResponseTopic::default()
        .with_name(Some(name_of(&topic.name)))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(NO_OPERATIONS)
}
