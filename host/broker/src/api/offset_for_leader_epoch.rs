//! OffsetForLeaderEpoch: where an epoch ended, so that consumers notice a log that lost its tail.

use millstream_wire::protocol::messages::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
};

use super::Call;
use crate::error_code::ErrorCode;

pub fn handle(call: &Call<'_>, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = call.node.topics.get(asked.topic.as_str());
        let ends = asked.partitions.iter().map(|it| {
            let end = EpochEndOffset::default().with_partition(it.partition);
            let found = match topic.as_ref().and_then(|topic| topic.partition(it.partition)) {
                None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some(partition) => partition
                    .check_leader_epoch(it.current_leader_epoch)
                    .map(|()| partition.end_of_epoch(it.leader_epoch)),
            };
            match found {
                Ok((epoch, end_offset)) => end.with_leader_epoch(epoch).with_end_offset(end_offset),
                Err(code) => end.with_error_code(code.get()).with_leader_epoch(-1).with_end_offset(-1),
            }
        });
        let ends = ends.collect();
        OffsetForLeaderTopicResult::default().with_topic(asked.topic).with_partitions(ends)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
