//! SyncGroup: translates between the message and the coordinator.

use millstream_wire::protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::{Call, text};
use crate::{error_code::ErrorCode, groups::coordinator::SyncRequest};

pub async fn handle(call: &Call<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    if 5 <= call.version && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return SyncGroupResponse::default().with_error_code(ErrorCode::INCONSISTENT_GROUP_PROTOCOL.get());
    }
    let sync = SyncRequest {
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.map(|id| id.to_string()),
        protocol_type: request.protocol_type.map(|name| name.to_string()),
        protocol: request.protocol_name.map(|name| name.to_string()),
        assignments: request
            .assignments
            .into_iter()
            .map(|share| (share.member_id.to_string(), share.assignment))
            .collect(),
    };
    let synced = call.node.groups.sync(call.via(), sync).await;
    let response = SyncGroupResponse::default().with_error_code(synced.error.get()).with_assignment(synced.assignment);
    if 5 <= call.version {
        response.with_protocol_type(synced.protocol_type.map(text)).with_protocol_name(synced.protocol.map(text))
    } else {
        response
    }
}
