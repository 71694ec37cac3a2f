//! EndTxn: the producer commits or aborts. From version 5 on the answer tells its next epoch.

use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId},
};

use super::{Call, Rejected};
use crate::transactions::{Caller, Generation, Identity, Outcome, Verdict};

pub async fn handle(call: &Call<'_>, request: &EndTxnRequest) -> Result<EndTxnResponse, Rejected> {
    let caller = Caller { id: request.transactional_id.as_str(), connection: call.peer.connection };
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let verdict = if request.committed { Verdict::Commit } else { Verdict::Abort };
    let generation = if call.version < 5 { Generation::First } else { Generation::Second };
    let (code, next) = match call.node.transactions.end(caller, producer, verdict, generation).await {
        Outcome::Late => return Err(Rejected::Late { id: caller.id.to_owned() }),
        Outcome::Answered(Ok(next)) => (ErrorCode::NONE, next),
        Outcome::Answered(Err(ErrorCode::PRODUCER_FENCED)) if call.version < 2 => {
            (ErrorCode::INVALID_PRODUCER_EPOCH, Identity::NONE)
        }
        Outcome::Answered(Err(code)) => (code, Identity::NONE),
    };
    let answer = EndTxnResponse::default().with_error_code(code.get());
    if call.version < 5 {
        return Ok(answer);
    }
    Ok(answer.with_producer_id(ProducerId(next.producer_id)).with_producer_epoch(next.epoch))
}
