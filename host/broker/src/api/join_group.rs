//! JoinGroup: translates between the message and the coordinator.

use millstream_wire::guard::LONGEST_TEXT;
use millstream_wire::protocol::messages::{
    JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember,
};
use uuid::Uuid;

use super::{Call, text};
use crate::groups::coordinator::{JoinAnswer, JoinRequest, Protocol};

pub async fn handle(call: &Call<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let session_timeout_ms = request.session_timeout_ms;
    // Version 0 knows one timeout only.
    let rebalance_timeout_ms = if call.version == 0 { session_timeout_ms } else { request.rebalance_timeout_ms };
    let instance_id = request.group_instance_id.map(|id| id.to_string());
    // Static members are named after their instance, as Kafka does.
    let prefix = instance_id.as_deref().unwrap_or(call.client_id);
    let drawn = Uuid::new_v4();
    let join = JoinRequest {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        new_member_id: member_id(prefix, drawn),
        instance_id,
        client_id: call.client_id.to_owned(),
        client_host: call.peer.host.clone(),
        session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .into_iter()
            .map(|offer| Protocol { name: offer.name.to_string(), metadata: offer.metadata })
            .collect(),
        require_known_member: 4 <= call.version,
        knows_skip_assignment: 9 <= call.version,
    };
    answer(call.version, call.node.groups.join(call.via(), join).await)
}

/// A member's id: a name, as much of it as fits into what a text may be long, and what was drawn.
fn member_id(name: &str, drawn: Uuid) -> String {
    let room = LONGEST_TEXT - 1 - uuid::fmt::Hyphenated::LENGTH;
    format!("{}-{drawn}", &name[..name.floor_char_boundary(room)])
}

fn answer(version: i16, joined: JoinAnswer) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        let answered =
            JoinGroupResponseMember::default().with_member_id(text(member.member_id)).with_metadata(member.metadata);
        if 5 <= version { answered.with_group_instance_id(member.instance_id.map(text)) } else { answered }
    });
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.get())
        .with_generation_id(joined.generation)
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(members.collect());
    // Null only where the format allows it.
    let response = if 7 <= version {
        response.with_protocol_type(joined.protocol_type.map(text)).with_protocol_name(joined.protocol.map(text))
    } else {
        response.with_protocol_name(Some(text(joined.protocol.unwrap_or_default())))
    };
    if 9 <= version { response.with_skip_assignment(joined.skip_assignment) } else { response }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_a_member_is_given_is_no_longer_than_a_text_may_be() {
        assert_eq!(member_id("c", Uuid::nil()), "c-00000000-0000-0000-0000-000000000000");
        for name in ["a".repeat(LONGEST_TEXT), "é".repeat(LONGEST_TEXT / 2)] {
            let id = member_id(&name, Uuid::nil());
            assert!((LONGEST_TEXT - 1..=LONGEST_TEXT).contains(&id.len()) && id.ends_with("-000000000000"));
        }
    }
}
