//! OffsetDelete: drops committed offsets that no live subscription needs.

use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

use super::Call;

pub async fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let all = request.topics.iter().flat_map(|topic| {
        let known = call.node.topics.get(topic.name.as_str());
        topic.partitions.iter().map(move |it| {
            let exists = known.as_ref().is_some_and(|known| known.partition(it.partition_index).is_some());
            ((topic.name.to_string(), it.partition_index), exists)
        })
    });
    // As in Kafka, offsets of topics that are gone cannot be deleted; they expire, or go with their group.
    let (known, exist): (Vec<_>, Vec<bool>) = all.unzip();
    let partitions: Vec<(String, i32)> =
        known.into_iter().zip(&exist).filter(|(_, exists)| **exists).map(|(partition, _)| partition).collect();
    match call.node.groups.delete_offsets(request.group_id.as_str(), &partitions).await {
        Err(code) => OffsetDeleteResponse::default().with_error_code(code.get()),
        Ok(verdicts) => {
            let mut verdicts = verdicts.into_iter();
            let mut verdicts = exist.into_iter().map(|exists| {
                let verdict = if exists { verdicts.next() } else { None };
                verdict.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            });
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
