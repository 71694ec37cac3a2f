//! The topics that the broker keeps for itself, and who is where in them.

use millstream_wire::hash;

/// Name of the topic that holds groups and offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Name of the topic that holds transactions.
pub const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Whether a topic is the broker's own.
pub fn is_internal(topic: &str) -> bool {
    [OFFSETS_TOPIC, TRANSACTIONS_TOPIC].contains(&topic)
}

/// Which partition of an internal topic holds a group, or a transactional id.
pub fn partition_of(id: &str, partitions: i32) -> i32 {
    hash::group_partition(id, partitions)
}
