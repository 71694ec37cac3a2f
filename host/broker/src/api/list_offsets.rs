//! ListOffsets: ends of partitions, and the first record at or after a time.

use millstream_wire::protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse,
    list_offsets_request::ListOffsetsPartition,
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
};

use super::Call;
use crate::{
    error_code::ErrorCode,
    partition::{Isolation, Partition},
    topics::Topic,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Offset, its timestamp, and the leader epoch of the record where known.
type Found = (i64, i64, i32);

const NOTHING: Found = (-1, -1, -1);

pub async fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = if request.isolation_level == 1 { Isolation::Committed } else { Isolation::Uncommitted };
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = call.node.topics.get(asked.name.as_str());
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let response = ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index);
            partitions.push(match find(call.version, topic.as_deref(), partition, isolation).await {
                Ok((offset, timestamp, epoch)) => {
                    let response = response.with_offset(offset).with_timestamp(timestamp);
                    if 4 <= call.version { response.with_leader_epoch(epoch) } else { response }
                }
                Err(code) => response.with_error_code(code.get()).with_offset(-1).with_timestamp(-1),
            });
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(asked.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn find(
    version: i16,
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Found, ErrorCode> {
    let since = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 0,
    };
    if version < since {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition =
        topic.and_then(|topic| topic.partition(asked.partition_index)).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    partition.check_leader_epoch(asked.current_leader_epoch)?;
    // Only what is looked up by time looks into files.
    let found = match asked.timestamp {
        LATEST => return Ok((partition.readable_end(isolation), -1, partition.leader_epoch())),
        EARLIEST | EARLIEST_LOCAL => {
            let start = partition.log_start();
            return Ok((start, -1, epoch_at(partition, start)));
        }
        // Nothing goes to remote storage.
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Ok(NOTHING),
        MAX_TIMESTAMP => partition.look_up(move |partition| partition.find_max_timestamp(isolation)).await,
        timestamp if 0 <= timestamp => {
            partition.look_up(move |partition| partition.find_time(timestamp, isolation)).await
        }
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    Ok(found.map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)??.unwrap_or(NOTHING))
}

/// The leader epoch in which an offset was written, or would be.
fn epoch_at(partition: &Partition, offset: i64) -> i32 {
    // Epochs are few: each stands for a start of the broker after a crash.
    let mut earlier = 0..partition.leader_epoch();
    earlier.find(|&epoch| offset < partition.end_of_epoch(epoch).1).unwrap_or(partition.leader_epoch())
}
