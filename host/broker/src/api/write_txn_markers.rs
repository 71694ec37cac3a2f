//! WriteTxnMarkers: what another broker's coordinator would send, and an administrator does who aborts a transaction
//! that its coordinator has forgotten.

use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
};

use super::Call;
use crate::transactions::{Identity, MarkerOutcome, Verdict};

pub async fn handle(call: &Call<'_>, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let mut results = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        let producer = Identity { producer_id: marker.producer_id.0, epoch: marker.producer_epoch };
        let verdict = if marker.transaction_result { Verdict::Commit } else { Verdict::Abort };
        let mut topics = Vec::with_capacity(marker.topics.len());
        for topic in marker.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for index in topic.partition_indexes {
                let coordinator_epoch = marker.coordinator_epoch;
                let name = topic.name.as_str();
                let outcome = call.node.transactions.mark(name, index, producer, verdict, coordinator_epoch).await;
                let code = match outcome {
                    MarkerOutcome::Written => ErrorCode::NONE,
                    MarkerOutcome::Gone => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    MarkerOutcome::Overtaken(code) | MarkerOutcome::Failed(code) => code,
                };
                let result = WritableTxnMarkerPartitionResult::default().with_partition_index(index);
                partitions.push(result.with_error_code(code.get()));
            }
            topics.push(WritableTxnMarkerTopicResult::default().with_name(topic.name).with_partitions(partitions));
        }
        results.push(WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics));
    }
    WriteTxnMarkersResponse::default().with_markers(results)
}
