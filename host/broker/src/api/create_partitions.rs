//! CreatePartitions: raises the number of partitions of a topic.

use millstream_wire::protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, create_partitions_request::CreatePartitionsTopic,
    create_partitions_response::CreatePartitionsTopicResult,
};

use super::{Call, reassignments::check_replicas, text, throttle};
use crate::error_code::ErrorCode;

/// Most partitions of one topic: a guard against slips of the keyboard.
pub const MAX_PARTITIONS: i32 = 10_000;

/// First version whose clients know that a change can be refused for a while.
const STRICT_FROM: i16 = 3;

pub async fn handle(call: &Call<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        results.push(match create(call, &topic, request.validate_only).await {
            Ok(()) => result,
            Err((code, message)) => result.with_error_code(code.get()).with_error_message(message.map(text)),
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

type Refused = (ErrorCode, Option<String>);

fn refused(code: ErrorCode, words: String) -> Refused {
    (code, Some(words))
}

async fn create(call: &Call<'_>, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refused> {
    let topic = call.node.topics.get(wanted.name.as_str()).ok_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None))?;
    if topic.is_internal() {
        let words = "the partitions of an internal topic are fixed".to_owned();
        return Err(refused(ErrorCode::INVALID_TOPIC_EXCEPTION, words));
    }
    let current = topic.partition_count();
    if wanted.count <= current || MAX_PARTITIONS < wanted.count {
        let (name, count) = (topic.name.as_str(), wanted.count);
        let words = if count == current {
            format!("Topic already has {current} partition(s).")
        } else if count < current {
            format!("The topic {name} currently has {current} partition(s); {count} would not be an increase.")
        } else {
            format!("at most {MAX_PARTITIONS} partitions are possible")
        };
        return Err(refused(ErrorCode::INVALID_PARTITIONS, words));
    }
    if let Some(assignments) = &wanted.assignments {
        let (more, count) = (wanted.count - current, assignments.len());
        if i32::try_from(count) != Ok(more) {
            let words = format!(
                "Attempted to add {more} additional partition(s), but only {count} assignment(s) were specified."
            );
            return Err(refused(ErrorCode::INVALID_REPLICA_ASSIGNMENT, words));
        }
        for assignment in assignments {
            check_replicas(call, &assignment.broker_ids)
                .map_err(|words| refused(ErrorCode::INVALID_REPLICA_ASSIGNMENT, words))?;
        }
    }
    if validate_only {
        return Ok(());
    }
    let more = usize::try_from(wanted.count - current).unwrap_or(0);
    throttle::mutate(call, more, STRICT_FROM).map_err(|code| refused(code, throttle::EXCEEDED.to_owned()))?;
    call.node
        .topics
        .set_partition_count(&topic, wanted.count)
        .await
        .map_err(|error| refused(error.code(), error.to_string()))
}
