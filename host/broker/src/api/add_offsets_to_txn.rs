//! AddOffsetsToTxn: the offsets of a group are to be part of the transaction.

use millstream_record::ErrorChain;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
};
use tracing::error;

use super::{Call, Rejected};
use crate::{
    internal_topics::OFFSETS_TOPIC,
    transactions::{Caller, Generation, Identity, Outcome, Partitions},
};

pub async fn handle(call: &Call<'_>, request: &AddOffsetsToTxnRequest) -> Result<AddOffsetsToTxnResponse, Rejected> {
    let answer = |code: ErrorCode| Ok(AddOffsetsToTxnResponse::default().with_error_code(code.get()));
    if let Err(error) = call.node.groups.ensure_topic().await {
        error!(error = %ErrorChain(&error), "cannot create the offsets topic");
        return answer(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    let Some(partition) = call.node.topics.offsets_partition(request.group_id.as_str()) else {
        return answer(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    };
    let caller = Caller { id: request.transactional_id.as_str(), connection: call.peer.connection };
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let added: Partitions = [(OFFSETS_TOPIC, partition.index())].into_iter().collect();
    match call.node.transactions.add_partitions(caller, producer, &added, Generation::First).await {
        Outcome::Late => Err(Rejected::Late { id: caller.id.to_owned() }),
        Outcome::Answered(Ok(_)) => answer(ErrorCode::NONE),
        Outcome::Answered(Err(ErrorCode::PRODUCER_FENCED)) if call.version < 2 => {
            answer(ErrorCode::INVALID_PRODUCER_EPOCH)
        }
        Outcome::Answered(Err(code)) => answer(code),
    }
}
