//! DescribeProducers: who writes to a partition, and whose transactions are open there.

use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        DescribeProducersRequest, DescribeProducersResponse, ProducerId,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    },
};

use super::{Call, text};
use crate::partition::ActiveProducer;

pub async fn handle(call: &Call<'_>, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = call.node.topics.get(topic.name.as_str());
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let answer = PartitionResponse::default().with_partition_index(index);
            let partition = known.as_ref().and_then(|topic| topic.partition(index));
            let Some(partition) = partition else {
                partitions.push(answer.with_error_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.get()));
                continue;
            };
            let active = partition.submit(|partition| partition.active_producers()).await;
            partitions.push(match active.and_then(|active| active) {
                Ok(active) => answer.with_active_producers(active.into_iter().map(answered).collect()),
                Err(unavailable) => answer
                    .with_error_code(unavailable.code().get())
                    .with_error_message(Some(text(unavailable.to_string()))),
            });
        }
        topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    DescribeProducersResponse::default().with_topics(topics)
}

fn answered(producer: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch.into())
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_start.unwrap_or(-1))
}
