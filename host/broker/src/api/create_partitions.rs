//! CreatePartitions: raises the number of partitions of a topic.

use millstream_wire::protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, create_partitions_request::CreatePartitionsTopic,
    create_partitions_response::CreatePartitionsTopicResult,
};

use super::{Call, text};
use crate::error_code::ErrorCode;

/// Most partitions of one topic: a guard against slips of the keyboard.
pub const MAX_PARTITIONS: i32 = 10_000;

pub async fn handle(call: &Call<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        results.push(match create(call, &topic, request.validate_only).await {
            Ok(()) => result,
            Err((code, message)) => result.with_error_code(code.get()).with_error_message(Some(text(message))),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn create(
    call: &Call<'_>,
    wanted: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), (ErrorCode, String)> {
    let topic = call
        .node
        .topics
        .get(wanted.name.as_str())
        .ok_or_else(|| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the topic does not exist".to_owned()))?;
    if topic.is_internal() {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, "the partitions of an internal topic are fixed".to_owned()));
    }
    let current = topic.partition_count();
    if wanted.count <= current || MAX_PARTITIONS < wanted.count {
        let message = format!("the topic has {current} partitions, and {} were asked for", wanted.count);
        return Err((ErrorCode::INVALID_PARTITIONS, message));
    }
    if let Some(assignments) = &wanted.assignments {
        let own = call.node.config.node_id;
        let fits = i32::try_from(assignments.len()) == Ok(wanted.count - current)
            && assignments.iter().all(|it| it.broker_ids.len() == 1 && it.broker_ids[0].0 == own);
        if !fits {
            let message = "there must be one assignment, to this node, for each new partition".to_owned();
            return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
    }
    if validate_only {
        return Ok(());
    }
    call.node.topics.set_partition_count(&topic, wanted.count).await.map_err(|error| (error.code(), error.to_string()))
}
