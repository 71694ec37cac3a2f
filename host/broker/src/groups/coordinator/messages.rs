//! The requests that the coordinator understands, and its answers: plain values without any wire format.

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;

use super::presence::ConnectionId;

/// Where a group stands between two generations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupState {
    /// No members; may hold offsets.
    Empty,
    /// Collecting JoinGroup requests.
    PreparingRebalance,
    /// Waiting for the leader's SyncGroup, or for its assignment to be on disk.
    CompletingRebalance,
    /// Members have their assignment.
    Stable,
}

impl GroupState {
    /// The state's name in DescribeGroups and ListGroups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A way of assigning partitions that a member offers, with its opaque subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protocol {
    /// Such as `range`, or `sessioned` for Connect workers.
    pub name: String,
    /// Opaque to the broker.
    pub metadata: Bytes,
}

/// A JoinGroup request.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Group id.
    pub group: String,
    /// Empty when the client has none yet.
    pub member_id: String,
    /// The id to give if one is needed; drawn by the caller.
    pub new_member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Version 4 and later: a new member is first told its id.
    pub require_known_member: bool,
    /// Version 9 and later.
    pub knows_skip_assignment: bool,
}

/// The answer to a JoinGroup request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinAnswer {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// −1 on errors.
    pub generation: i32,
    /// Of the group.
    pub protocol_type: Option<String>,
    /// The elected one.
    pub protocol: Option<String>,
    /// Member id of the leader.
    pub leader: String,
    /// A static leader that returned need not assign again.
    pub skip_assignment: bool,
    /// The member's own id.
    pub member_id: String,
    /// For the leader only.
    pub members: Vec<JoinedMember>,
}

impl JoinAnswer {
    /// An answer that only says what is wrong.
    pub fn error(error: ErrorCode, member_id: &str) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: Vec::new(),
        }
    }
}

/// A member as the leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Its metadata for the elected protocol.
    pub metadata: Bytes,
}

/// A SyncGroup request.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Group id.
    pub group: String,
    /// The generation the member believes in.
    pub generation: i32,
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Checked when given.
    pub protocol_type: Option<String>,
    /// Checked when given.
    pub protocol: Option<String>,
    /// From the leader only: member id and assignment.
    pub assignments: Vec<(String, Bytes)>,
}

/// The answer to a SyncGroup request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyncAnswer {
    /// NONE, or why not.
    pub error: ErrorCode,
    /// Of the group.
    pub protocol_type: Option<String>,
    /// The elected one.
    pub protocol: Option<String>,
    /// This member's share.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// An answer that only says what is wrong.
    pub fn error(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// A member that leaves, or is removed by an administrator.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// Empty when the instance id alone names it.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDescription {
    /// The state.
    pub state: GroupState,
    /// Empty for groups that only hold offsets.
    pub protocol_type: String,
    /// Empty unless stable.
    pub protocol: String,
    /// In the order of joining.
    pub members: Vec<MemberDescription>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Empty unless stable.
    pub metadata: Bytes,
    /// Empty unless stable.
    pub assignment: Bytes,
}

/// Who commits offsets.
#[derive(Clone, Copy, Debug)]
pub struct Committer<'a> {
    /// Group id.
    pub group: &'a str,
    /// Negative for a consumer without a group protocol.
    pub generation: i32,
    /// Empty for the same.
    pub member_id: &'a str,
    /// Set for static members.
    pub instance_id: Option<&'a str>,
    /// The connection that the request came on.
    pub via: Option<ConnectionId>,
    /// Version of the request; before 9 it cannot be that of a member under the consumer protocol.
    pub version: i16,
}
