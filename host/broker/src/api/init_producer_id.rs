//! InitProducerId: a fresh id for every idempotent producer.

use millstream_record::Chain;
use millstream_wire::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tracing::{error, warn};

use super::Call;
use crate::error_code::ErrorCode;

pub async fn handle(call: &Call<'_>, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |code: ErrorCode| {
        InitProducerIdResponse::default()
            .with_error_code(code.get())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    if let Some(id) = &request.transactional_id {
        if id.as_str().is_empty() {
            return refused(ErrorCode::INVALID_REQUEST);
        }
        // Clients give up on this error at once, instead of retrying until their timeout.
        warn!(transactional_id = id.as_str(), "transactions are not served by this broker yet");
        return refused(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    match call.node.producer_ids.next().await {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => {
            error!(error = %Chain(&error), "cannot hand out a producer id");
            refused(ErrorCode::COORDINATOR_NOT_AVAILABLE)
        }
    }
}
