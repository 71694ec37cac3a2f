//! AlterPartitionReassignments, ListPartitionReassignments and AlterReplicaLogDirs: with one node and one folder there is
//! nowhere to move a partition to.

use millstream_wire::protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse, BrokerId, ListPartitionReassignmentsResponse,
    alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
    alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
};

use super::{Call, broker_id, text};
use crate::error_code::ErrorCode;

pub fn alter(call: &Call<'_>, request: AlterPartitionReassignmentsRequest) -> AlterPartitionReassignmentsResponse {
    let responses = request.topics.into_iter().map(|asked| {
        let topic = call.node.topics.get(asked.name.as_str());
        let partitions = asked.partitions.into_iter().map(|partition| {
            let index = partition.partition_index;
            let found = topic.as_ref().map(|topic| topic.partition(index).is_some());
            let (code, message) = match (found, partition.replicas) {
                (None, _) => {
                    let words = format!("Unable to find a topic named {}.", asked.name.as_str());
                    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(words))
                }
                (Some(false), _) => {
                    let words = format!("Unable to find partition {}:{index}.", asked.name.as_str());
                    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(words))
                }
                (Some(true), None) => (ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, None),
                (Some(true), Some(replicas)) => match check_replicas(call, &replicas) {
                    Ok(()) => (ErrorCode::NONE, None),
                    Err(words) => (ErrorCode::INVALID_REPLICA_ASSIGNMENT, Some(words)),
                },
            };
            ReassignablePartitionResponse::default()
                .with_partition_index(index)
                .with_error_code(code.get())
                .with_error_message(message.map(text))
        });
        let partitions = partitions.collect();
        ReassignableTopicResponse::default().with_partitions(partitions).with_name(asked.name)
    });
    let answer =
        AlterPartitionReassignmentsResponse::default().with_error_message(None).with_responses(responses.collect());
    if 1 <= call.version {
        answer.with_allow_replication_factor_change(request.allow_replication_factor_change)
    } else {
        answer
    }
}

/// Whether these are the replicas that every partition has: this node.
///
/// # Errors
///
/// What is wrong with them, in Kafka's words.
pub fn check_replicas(call: &Call<'_>, replicas: &[BrokerId]) -> Result<(), String> {
    let own = broker_id(call.node);
    let refuse = |words: String| Err(format!("The manual partition assignment includes {words}"));
    match replicas {
        [] => refuse("an empty replica list.".to_owned()),
        [one] if *one == own => Ok(()),
        several => match several.iter().find(|replica| **replica != own) {
            Some(other) => refuse(format!("broker {}, but no such broker is registered.", other.0)),
            None => refuse(format!("the broker {} more than once.", own.0)),
        },
    }
}

pub fn list() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default().with_error_message(None)
}

pub fn alter_log_dirs(call: &Call<'_>, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let own = call.node.config.data_dir.display().to_string();
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for dir in request.dirs {
        for asked in dir.topics {
            let topic = call.node.topics.get(asked.name.as_str());
            let partitions = asked.partitions.into_iter().map(|index| {
                let is_known = topic.as_ref().is_some_and(|topic| topic.partition(index).is_some());
                let code = if dir.path.as_str() != own {
                    ErrorCode::LOG_DIR_NOT_FOUND
                } else if is_known {
                    ErrorCode::NONE
                } else {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                };
                AlterReplicaLogDirPartitionResult::default().with_partition_index(index).with_error_code(code.get())
            });
            let partitions = partitions.collect();
            results
                .push(AlterReplicaLogDirTopicResult::default().with_topic_name(asked.name).with_partitions(partitions));
        }
    }
    AlterReplicaLogDirsResponse::default().with_results(results)
}
