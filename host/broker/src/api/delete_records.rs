//! DeleteRecords: moves the start of partitions up.

use std::sync::Arc;

use millstream_record::Chain;
use millstream_wire::protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse,
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
};
use tracing::warn;

use super::Call;
use crate::{error_code::ErrorCode, topics::Topic};

pub async fn handle(call: &Call<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let response = delete_all(call, request);
    // The new start must survive a crash before anybody relies on it.
    let node = Arc::clone(call.node);
    let written = tokio::task::spawn_blocking(move || node.topics.write_checkpoints()).await;
    match written {
        Ok(Ok(())) => response,
        Ok(Err(error)) => {
            warn!(error = %Chain(&error), "the new starts could not be written");
            failed(response)
        }
        Err(error) => {
            warn!(%error, "the new starts could not be written");
            failed(response)
        }
    }
}

fn failed(mut response: DeleteRecordsResponse) -> DeleteRecordsResponse {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == ErrorCode::NONE.get() {
            partition.error_code = ErrorCode::KAFKA_STORAGE_ERROR.get();
        }
    }
    response
}

fn delete_all(call: &Call<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = call.node.topics.get(asked.name.as_str());
        let partitions = asked.partitions.iter().map(|it| {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(it.partition_index);
            match delete(topic.as_deref(), it.partition_index, it.offset) {
                Ok(low_watermark) => result.with_low_watermark(low_watermark),
                Err(code) => result.with_low_watermark(-1).with_error_code(code.get()),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(asked.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete(topic: Option<&Topic>, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition = topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if topic.is_internal() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if topic.config.compact && !topic.config.delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    partition.delete_before(offset)
}
