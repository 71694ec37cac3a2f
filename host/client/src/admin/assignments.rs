//! What members of a group of consumers are assigned.

use std::collections::BTreeSet;

use millstream_record::TopicName;

use super::MemberDescription;
use crate::assignment::{MalformedMember, consumer_protocol::decode_assignment};

impl MemberDescription {
    /// The partitions that the leader of its group gave it. Only for groups of the protocol type `consumer`.
    ///
    /// # Errors
    ///
    /// The assignment is not in the form of that protocol.
    pub fn assigned_partitions(&self) -> Result<BTreeSet<(TopicName, i32)>, MalformedMember> {
        decode_assignment(&self.assignment)
    }
}
