//! ElectLeaders: with one node there is nothing to elect.

use millstream_wire::protocol::messages::{
    ElectLeadersRequest, ElectLeadersResponse, TopicName,
    elect_leaders_response::{PartitionResult, ReplicaElectionResult},
};

use super::{Call, name_of, text};
use crate::error_code::ErrorCode;

pub fn handle(call: &Call<'_>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let wanted: Vec<(TopicName, Vec<i32>)> = match request.topic_partitions {
        // All partitions: those that need no election are left out, which leaves the topics' names.
        None => call.node.topics.all().iter().map(|topic| (name_of(&topic.name), Vec::new())).collect(),
        Some(topics) => topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
    };
    let results = wanted.into_iter().map(|(name, partitions)| {
        let topic = call.node.topics.get(name.as_str());
        let verdict = |index: i32| match &topic {
            Some(topic) if topic.partition(index).is_some() => {
                (ErrorCode::ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.".to_owned())
            }
            Some(_) => {
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such partition as {}-{index}", name.as_str()))
            }
            None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such topic as {}", name.as_str())),
        };
        let partitions = partitions.into_iter().map(|index| {
            let (code, message) = verdict(index);
            PartitionResult::default()
                .with_partition_id(index)
                .with_error_code(code.get())
                .with_error_message(Some(text(message)))
        });
        let partitions = partitions.collect();
        ReplicaElectionResult::default().with_topic(name).with_partition_result(partitions)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}
