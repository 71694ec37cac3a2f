//! Membership in a group: joining, the leader's assignment, heartbeats, leaving.
//!
//! [`GroupMember`] speaks the classic group protocol for any protocol type with opaque metadata and
//! assignments: `consumer` for consumers, `connect` for workers. What the bytes of a consumer group mean is in
//! `consumer_protocol` and [`Assignor`].

mod assignor;
pub(crate) mod consumer_protocol;
mod member;
mod rules;

pub use assignor::Assignor;
pub(crate) use assignor::Subscriber;
pub use member::{GroupConfig, GroupError, GroupEvent, GroupMember, GroupProtocol, JoinedMember, LostReason};
