//! FindCoordinator: this node, for every group and transactional id.

use millstream_record::ErrorChain;
use millstream_wire::protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator_response::Coordinator,
};
use tracing::error;

use super::{Call, broker_id, text};
use crate::error_code::ErrorCode;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// Known to Kafka, and not served here.
const SHARE: i8 = 2;

/// Kafka's words for what this API answers.
fn message_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NONE => "NONE",
        ErrorCode::INVALID_REQUEST => {
            "This most likely occurs because of a request being malformed by the client library or the message was sent to \
             an incompatible broker. See the broker logs for more details."
        }
        _ => "The coordinator is not available.",
    }
}

pub async fn handle(call: &Call<'_>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let code = verdict(call, request.key_type).await;
    let found = code == ErrorCode::NONE;
    if found && request.key_type == GROUP {
        let key = (call.version < 4).then_some(&request.key);
        for group in key.into_iter().chain(&request.coordinator_keys) {
            call.node.groups.client_asks(group, call.client_id, &call.peer.host);
        }
    }
    let node_id = if found { broker_id(call.node) } else { BrokerId(-1) };
    let host = text(if found { call.peer.advertised.host.as_str() } else { "" });
    let port = if found { i32::from(call.peer.advertised.port) } else { -1 };
    if call.version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(code.get())
            .with_error_message((1 <= call.version).then(|| text(message_of(code))))
            .with_node_id(node_id)
            .with_host(host)
            .with_port(port);
    }
    // The later form says a reason where the kind of coordinator is none at all.
    let reason = if (GROUP..=SHARE).contains(&request.key_type) { "" } else { message_of(code) };
    let answers = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(node_id)
            .with_host(host.clone())
            .with_port(port)
            .with_error_code(code.get())
            .with_error_message(Some(text(reason)))
    });
    FindCoordinatorResponse::default().with_coordinators(answers.collect())
}

async fn verdict(call: &Call<'_>, key_type: i8) -> ErrorCode {
    match key_type {
        GROUP => match call.node.groups.ensure_topic().await {
            Ok(()) => ErrorCode::NONE,
            Err(error) => {
                error!(error = %ErrorChain(&error), "cannot create the offsets topic");
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
        },
        TRANSACTION => match call.node.transactions.ensure_topic().await {
            Ok(()) => ErrorCode::NONE,
            Err(error) => {
                error!(error = %ErrorChain(&error), "cannot create the topic of transactions");
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
        },
        _ => ErrorCode::INVALID_REQUEST,
    }
}
