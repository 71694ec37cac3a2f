//! Share groups (KIP-932): not served, as by a Kafka whose feature `share.version` is off; and a quorum of controllers,
//! which there is none of. ApiVersions does not list these APIs, upon which clients say by themselves that the broker does
//! not support what they need; whoever asks all the same is told. (Those of streams groups, KIP-1071, are not known to the
//! message types: they are unknown APIs.)

use millstream_wire::protocol::messages::{
    AddRaftVoterResponse, AlterShareGroupOffsetsResponse, ApiKey, DeleteShareGroupOffsetsResponse,
    DescribeQuorumResponse, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, GroupId,
    RemoveRaftVoterResponse, ShareAcknowledgeResponse, ShareFetchResponse, ShareGroupDescribeRequest,
    ShareGroupDescribeResponse, ShareGroupHeartbeatResponse, UnregisterBrokerResponse,
    describe_share_group_offsets_response::DescribeShareGroupOffsetsResponseGroup,
    share_group_describe_response::DescribedGroup,
};

use super::{Incoming, Rejected, Reply, share_state};
use crate::error_code::ErrorCode;

const CODE: i16 = ErrorCode::UNSUPPORTED_VERSION.get();

/// UNSUPPORTED_VERSION in the shape of the API's answer.
pub fn handle(it: &Incoming) -> Result<Reply, Rejected> {
    match it.api {
        ApiKey::ShareGroupHeartbeat => it.answer(&ShareGroupHeartbeatResponse::default().with_error_code(CODE)),
        ApiKey::DescribeQuorum => it.answer(&DescribeQuorumResponse::default().with_error_code(CODE)),
        ApiKey::UnregisterBroker => it.answer(&UnregisterBrokerResponse::default().with_error_code(CODE)),
        ApiKey::AddRaftVoter => it.answer(&AddRaftVoterResponse::default().with_error_code(CODE)),
        ApiKey::RemoveRaftVoter => it.answer(&RemoveRaftVoterResponse::default().with_error_code(CODE)),
        ApiKey::ShareFetch => it.answer(&ShareFetchResponse::default().with_error_code(CODE)),
        ApiKey::ShareAcknowledge => it.answer(&ShareAcknowledgeResponse::default().with_error_code(CODE)),
        ApiKey::AlterShareGroupOffsets => it.answer(&AlterShareGroupOffsetsResponse::default().with_error_code(CODE)),
        ApiKey::DeleteShareGroupOffsets => it.answer(&DeleteShareGroupOffsetsResponse::default().with_error_code(CODE)),
        ApiKey::ShareGroupDescribe => {
            let request: ShareGroupDescribeRequest = it.decode()?;
            let of = |id: GroupId| DescribedGroup::default().with_group_id(id).with_error_code(CODE);
            let groups = request.group_ids.into_iter().map(of).collect();
            it.answer(&ShareGroupDescribeResponse::default().with_groups(groups))
        }
        ApiKey::DescribeShareGroupOffsets => {
            let request: DescribeShareGroupOffsetsRequest = it.decode()?;
            let groups = request.groups.into_iter().map(|group| {
                DescribeShareGroupOffsetsResponseGroup::default().with_group_id(group.group_id).with_error_code(CODE)
            });
            it.answer(&DescribeShareGroupOffsetsResponse::default().with_groups(groups.collect()))
        }
        _ => share_state::handle(it),
    }
}
