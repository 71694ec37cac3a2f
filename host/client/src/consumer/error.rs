//! Why a consumer cannot go on.

use millstream_record::TopicName;
use millstream_wire::batch::InvalidBatch;

use crate::{cluster::RequestError, group::GroupError, kafka_error::ErrorCode};

/// Why a poll failed. The consumer stays as it was, so that another poll may succeed where the cause is gone.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The membership in the group is over.
    #[error("take part in the consumer group")]
    Group {
        #[from]
        source: GroupError,
    },
    /// A partition has no committed offset and `auto.offset.reset` is `none`.
    #[error(
        "partition {topic}-{partition} has no committed offset, and auto.offset.reset is none: commit one for the \
             group, or set auto.offset.reset to earliest or latest"
    )]
    NoOffset { topic: TopicName, partition: i32 },
    /// The position is outside the partition's log and `auto.offset.reset` is `none`.
    #[error(
        "offset {offset} of {topic}-{partition} is out of range (deleted, or not written yet), and \
             auto.offset.reset is none: set the group's offset to one that exists, or auto.offset.reset to earliest or \
             latest"
    )]
    OutOfRange { topic: TopicName, partition: i32, offset: i64 },
    /// Records that were read are no longer in the partition's log, and `auto.offset.reset` is `none`.
    #[error("the log of {topic}-{partition} was cut off before offset {offset}, up to which it was read{}, and \
             auto.offset.reset is none: set the group's offset to where reading is to go on, or auto.offset.reset to \
             earliest or latest", end.map(|end| format!(" (it has other records from {end} on)")).unwrap_or_default())]
    Truncated {
        topic: TopicName,
        partition: i32,
        offset: i64,
        /// First offset at which the log differs from what was read; `None` where that is not known.
        end: Option<i64>,
    },
    /// A broker refuses to hand out a partition.
    #[error("read {topic}-{partition}")]
    Refused { topic: TopicName, partition: i32, source: ErrorCode },
    /// A batch is damaged. To go on, seek past it.
    #[error("read {topic}-{partition} at offset {offset}")]
    Damaged {
        topic: TopicName,
        partition: i32,
        /// The position at which it was found.
        offset: i64,
        source: InvalidBatch,
    },
    /// Topics are found by a filter, and it cannot say whether this one is to be read.
    #[error("tell whether topic {topic} is to be read: {reason}")]
    Unmatchable { topic: TopicName, reason: String },
    /// The cluster refuses something for good.
    #[error("ask the cluster")]
    Request {
        #[from]
        source: RequestError,
    },
    /// The partition is not assigned to this consumer.
    #[error("partition {topic}-{partition} is not assigned to this consumer")]
    NotAssigned { topic: TopicName, partition: i32 },
    /// `group.id` is missing.
    #[error("subscriptions and commits need a group.id")]
    NoGroup,
}

impl ConsumeError {
    /// Whether another member has taken this one's place, under the same `group.instance.id`.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Group { source: GroupError::Refused { source: ErrorCode::FENCED_INSTANCE_ID, .. } })
    }

    /// Full name of the exception class that the Java consumer raises in this situation.
    pub fn java_class(&self) -> String {
        let class = match self {
            Self::Group { source } => return source.java_class(),
            Self::Refused { source, .. } => return source.java_class(),
            Self::Request { source } => return source.java_class(),
            Self::NoOffset { .. } => "org.apache.kafka.clients.consumer.NoOffsetForPartitionException",
            Self::Truncated { .. } => "org.apache.kafka.clients.consumer.LogTruncationException",
            Self::OutOfRange { .. } => "org.apache.kafka.clients.consumer.OffsetOutOfRangeException",
            Self::Damaged { .. } => "org.apache.kafka.common.errors.CorruptRecordException",
            Self::NotAssigned { .. } => "java.lang.IllegalStateException",
            Self::NoGroup => "org.apache.kafka.common.errors.InvalidGroupIdException",
            Self::Unmatchable { .. } => "org.apache.kafka.common.KafkaException",
        };
        class.to_owned()
    }
}

/// Why offsets were not committed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The group has given the partitions to others: the commit came too late.
    #[error("commit offsets of group {group_id}: the group has rebalanced and the partitions belong to others")]
    Superseded {
        group_id: String,
        /// The coordinator's answer.
        source: ErrorCode,
    },
    /// The group rebalances; the commit may succeed once this member has joined again.
    #[error("commit offsets of group {group_id} while it rebalances")]
    Rebalancing { group_id: String },
    /// The coordinator refuses the offset of a partition.
    #[error("commit the offset of {topic}-{partition} in group {group_id}")]
    Refused { group_id: String, topic: TopicName, partition: i32, source: ErrorCode },
    /// The coordinator cannot be asked.
    #[error("commit offsets of group {group_id}")]
    Request { group_id: String, source: RequestError },
    /// `group.id` is missing.
    #[error("commits need a group.id")]
    NoGroup,
}

impl CommitError {
    /// Full name of the exception class that the Java consumer raises in this situation.
    pub fn java_class(&self) -> String {
        match self {
            Self::Superseded { .. } => "org.apache.kafka.clients.consumer.CommitFailedException".to_owned(),
            Self::Rebalancing { .. } => ErrorCode::REBALANCE_IN_PROGRESS.java_class(),
            Self::Refused { source, .. } => source.java_class(),
            Self::Request { source, .. } => source.java_class(),
            Self::NoGroup => "org.apache.kafka.common.errors.InvalidGroupIdException".to_owned(),
        }
    }

    /// Whether the same commit may succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Rebalancing { .. } => true,
            Self::Refused { source, .. } => source.is_retriable(),
            Self::Request { source, .. } => source.is_retriable(),
            Self::Superseded { .. } | Self::NoGroup => false,
        }
    }
}
