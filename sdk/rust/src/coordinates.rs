//! Partitions of topics, and positions in them.

/// A partition of a Kafka topic.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: u32,
}

/// A position in a Kafka topic: the offset of the next record.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicOffset {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// The offset of the next record.
    pub offset: u64,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<String>, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }

    /// A position in the partition.
    pub fn at(self, offset: u64) -> TopicOffset {
        TopicOffset { topic: self.topic, partition: self.partition, offset }
    }
}
