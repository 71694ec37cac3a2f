//! InitProducerId: a fresh id for every idempotent producer, an epoch for every transactional one.

use millstream_record::ErrorChain;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};
use tracing::error;

use super::Call;
use crate::transactions::{Caller, Identity};

pub async fn handle(call: &Call<'_>, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    match answer(call, request).await {
        Ok(identity) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.epoch),
        Err(code) => {
            // The code is newer than the version.
            let too_new = code == ErrorCode::PRODUCER_FENCED && call.version < 4;
            let code = if too_new { ErrorCode::INVALID_PRODUCER_EPOCH } else { code };
            InitProducerIdResponse::default()
                .with_error_code(code.get())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
        }
    }
}

async fn answer(call: &Call<'_>, request: &InitProducerIdRequest) -> Result<Identity, ErrorCode> {
    let believed = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    // Before version 3 the fields have these values by default.
    let expected = match believed {
        Identity::NONE => None,
        Identity { producer_id: -1, .. } | Identity { epoch: -1, .. } => return Err(ErrorCode::INVALID_REQUEST),
        believed => Some(believed),
    };
    let Some(id) = &request.transactional_id else {
        return match call.node.producer_ids.next().await {
            Ok(producer_id) => Ok(Identity { producer_id, epoch: 0 }),
            Err(error) => {
                error!(error = %ErrorChain(&error), "cannot hand out a producer id");
                Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
            }
        };
    };
    let caller = Caller { id: id.as_str(), connection: call.peer.connection };
    call.node.transactions.init(caller, request.transaction_timeout_ms, expected).await
}
