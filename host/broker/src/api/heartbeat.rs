//! Heartbeat: prolongs a session, and tells the member when a rebalance is on.

use millstream_wire::protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::Call;

pub fn handle(call: &Call<'_>, request: &HeartbeatRequest) -> HeartbeatResponse {
    let code = call.node.groups.heartbeat(
        call.via(),
        request.group_id.as_str(),
        request.generation_id,
        &request.member_id,
        request.group_instance_id.as_deref(),
    );
    HeartbeatResponse::default().with_error_code(code.get())
}
