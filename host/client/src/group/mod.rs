//! Membership in a group: joining, the leader's assignment, heartbeats, leaving.
//!
//! [`GroupMember`] speaks the classic group protocol for any protocol type with opaque metadata and
//! assignments: `consumer` for consumers, `connect` for workers. What the bytes of a consumer group mean is in
//! `assignment`, those of a group of workers in [`connect_protocol`].

pub mod connect_protocol;
mod event;
mod member;
mod requests;
mod rules;

pub use crate::assignment::{Assignor, MalformedMember};
pub use event::{GroupConfig, GroupError, GroupEvent, GroupProtocol, JoinedMember, LostReason};
pub use member::GroupMember;

/// In whose name a transactional producer commits offsets of a group: a member of it, or nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMetadata {
    /// The group whose offsets are committed.
    pub group_id: String,
    /// The generation that the member belongs to; -1 for nobody.
    pub generation: i32,
    /// The member's id; empty for nobody.
    pub member_id: String,
    /// Set for a static member.
    pub group_instance_id: Option<String>,
}

impl GroupMetadata {
    /// Offsets that are committed in nobody's name: no generation of the group is checked.
    pub fn of_nobody(group_id: impl Into<String>) -> Self {
        Self { group_id: group_id.into(), generation: -1, member_id: String::new(), group_instance_id: None }
    }
}
