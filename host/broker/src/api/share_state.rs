//! The state of share groups (KIP-932), of which brokers speak among themselves: not kept here. Who asks is answered as by
//! a Kafka without it, partition by partition: NOT_COORDINATOR. (Kafka says so, too, where `share.version` is off.)

use millstream_wire::protocol::messages::{
    ApiKey, DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse, WriteShareGroupStateRequest,
    WriteShareGroupStateResponse, delete_share_group_state_response as delete,
    initialize_share_group_state_response as initialize, read_share_group_state_response as read,
    read_share_group_state_summary_response as summary, write_share_group_state_response as write,
};

use super::{Incoming, Rejected, Reply, client_of, text};
use crate::error_code::ErrorCode;

const CODE: i16 = ErrorCode::NOT_COORDINATOR.get();

/// The answer to a request of one kind, each partition refused with the words for what was wanted.
macro_rules! refuse {
    ($it:ident, $request:ty, $response:ty, $of:ident::$topic:ident, $wanted:literal) => {{
        let request: $request = $it.decode()?;
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                $of::PartitionResult::default()
                    .with_partition(partition.partition)
                    .with_error_code(CODE)
                    .with_error_message(Some(text(concat!(
                        "Unable to ",
                        $wanted,
                        ": This is not the correct coordinator."
                    ))))
            });
            $of::$topic::default().with_topic_id(topic.topic_id).with_partitions(partitions.collect())
        });
        $it.answer(&<$response>::default().with_results(topics.collect()))
    }};
}

/// NOT_COORDINATOR in the shape of the API's answer.
pub fn handle(it: &Incoming) -> Result<Reply, Rejected> {
    match it.api {
        ApiKey::InitializeShareGroupState => refuse!(
            it,
            InitializeShareGroupStateRequest,
            InitializeShareGroupStateResponse,
            initialize::InitializeStateResult,
            "initialize share group state"
        ),
        ApiKey::ReadShareGroupState => refuse!(
            it,
            ReadShareGroupStateRequest,
            ReadShareGroupStateResponse,
            read::ReadStateResult,
            "read share group state"
        ),
        ApiKey::WriteShareGroupState => refuse!(
            it,
            WriteShareGroupStateRequest,
            WriteShareGroupStateResponse,
            write::WriteStateResult,
            "write share group state"
        ),
        ApiKey::DeleteShareGroupState => refuse!(
            it,
            DeleteShareGroupStateRequest,
            DeleteShareGroupStateResponse,
            delete::DeleteStateResult,
            "delete share group state"
        ),
        ApiKey::ReadShareGroupStateSummary => refuse!(
            it,
            ReadShareGroupStateSummaryRequest,
            ReadShareGroupStateSummaryResponse,
            summary::ReadStateSummaryResult,
            "read share group state summary"
        ),
        api => Err(Rejected::NotServed { api, version: it.version(), client: client_of(&it.header) }),
    }
}
