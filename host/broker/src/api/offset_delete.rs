//! OffsetDelete: drops committed offsets that no live subscription needs.

use millstream_wire::protocol::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse,
    offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
};

use super::Call;

pub async fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let partitions: Vec<(String, i32)> = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|it| (topic.name.to_string(), it.partition_index)))
        .collect();
    match call.node.groups.delete_offsets(request.group_id.as_str(), &partitions).await {
        Err(code) => OffsetDeleteResponse::default().with_error_code(code.get()),
        Ok(verdicts) => {
            let mut verdicts = verdicts.into_iter();
            let topics = request.topics.into_iter().map(|topic| {
                let answers = topic.partitions.iter().zip(&mut verdicts).map(|(partition, verdict)| {
                    OffsetDeleteResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(verdict.get())
                });
                let answers = answers.collect();
                OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(answers)
            });
            OffsetDeleteResponse::default().with_topics(topics.collect())
        }
    }
}
