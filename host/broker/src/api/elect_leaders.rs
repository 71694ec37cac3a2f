//! ElectLeaders and ListPartitionReassignments: with one node there is nothing to elect and nothing to move.

use millstream_wire::protocol::messages::{
    ElectLeadersRequest, ElectLeadersResponse, ListPartitionReassignmentsResponse, TopicName,
    elect_leaders_response::{PartitionResult, ReplicaElectionResult},
};

use super::{Call, text};
use crate::error_code::ErrorCode;

pub fn handle(call: &Call<'_>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let wanted: Vec<(TopicName, Vec<i32>)> = match request.topic_partitions {
        // All partitions: those that need no election are left out, which leaves none.
        None => Vec::new(),
        Some(topics) => topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
    };
    let results = wanted.into_iter().map(|(name, partitions)| {
        let topic = call.node.topics.get(name.as_str());
        let verdict = |index: i32| match topic.as_ref().and_then(|topic| topic.partition(index)) {
            Some(_) => ErrorCode::ELECTION_NOT_NEEDED,
            None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let partitions = partitions.into_iter().map(|index| {
            let code = verdict(index);
            PartitionResult::default()
                .with_partition_id(index)
                .with_error_code(code.get())
                .with_error_message(Some(text(code.name())))
        });
        ReplicaElectionResult::default().with_topic(name).with_partition_result(partitions.collect())
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}

pub fn list_reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
