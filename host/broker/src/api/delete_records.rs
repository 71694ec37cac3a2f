//! DeleteRecords: moves the start of partitions up.

use std::{future::Future, sync::Arc};

use millstream_record::ErrorChain;
use millstream_wire::protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse,
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
};
use tracing::warn;

use super::Call;
use crate::{error_code::ErrorCode, partition::PartitionUnavailable, topics::Topic};

pub async fn handle(call: &Call<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let response = delete_all(call, request).await;
    // The new start must survive a crash before anybody relies on it.
    let node = Arc::clone(call.node);
    let written = tokio::task::spawn_blocking(move || node.topics.write_checkpoints()).await;
    match written {
        Ok(Ok(())) => response,
        Ok(Err(error)) => {
            warn!(error = %ErrorChain(&error), "the new starts could not be written");
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

async fn delete_all(call: &Call<'_>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = call.node.topics.get(asked.name.as_str());
        // All are begun before the first is waited for.
        let begun: Vec<_> = asked
            .partitions
            .iter()
            .map(|it| (it.partition_index, delete(topic.as_deref(), it.partition_index, it.offset)))
            .collect();
        let mut partitions = Vec::with_capacity(begun.len());
        for (index, begun) in begun {
            let deleted = match begun {
                Ok(deleted) => deleted.await.unwrap_or_else(|unavailable| Err(unavailable.code())),
                Err(code) => Err(code),
            };
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            partitions.push(match deleted {
                Ok(low_watermark) => result.with_low_watermark(low_watermark),
                Err(code) => result.with_low_watermark(-1).with_error_code(code.get()),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(asked.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

type Deleted = Result<Result<i64, ErrorCode>, PartitionUnavailable>;

fn delete(
    topic: Option<&Topic>,
    index: i32,
    offset: i64,
) -> Result<impl Future<Output = Deleted> + Send + use<>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition = topic.partition(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if topic.is_internal() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if topic.config.compact && !topic.config.delete {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    Ok(partition.submit(move |partition| partition.delete_before(offset)))
}
