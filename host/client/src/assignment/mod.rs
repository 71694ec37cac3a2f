//! What the members of a consumer group tell one another: the bytes, and how the leader divides partitions.

mod assignor;
pub(crate) mod consumer_protocol;
mod sticky;

pub use assignor::Assignor;
pub(crate) use assignor::Subscriber;
pub use consumer_protocol::MalformedMember;
