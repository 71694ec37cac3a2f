//! Why records were not delivered.

use std::{sync::Arc, time::Duration};

use millstream_record::TopicName;
use millstream_wire::compression::CompressError;

use super::transaction::TransactionError;
use crate::{cluster::RequestError, kafka_error::ErrorCode};

/// Why records were not delivered. Cheap to clone, since one failure concerns a whole batch.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// A record is larger than `max.request.size` or `buffer.memory`.
    #[error("the record is {size} bytes when serialized, which is larger than {limit}, the value of {setting}")]
    RecordTooLarge {
        /// Most bytes it can take in a request.
        size: usize,
        limit: usize,
        /// The key it was set by.
        setting: &'static str,
    },
    /// Nothing was acknowledged, or no acknowledgement taken, so that there was no room for `max.block.ms`.
    #[error("no room for the record in buffer.memory after {} ms", waited.as_millis())]
    BufferFull {
        /// How long room was waited for.
        waited: Duration,
    },
    /// The cluster did not tell the topic's partitions.
    #[error("topic {topic} not present in metadata after {} ms", waited.as_millis())]
    NoMetadata {
        topic: TopicName,
        /// How long it was asked for.
        waited: Duration,
        /// Why the last attempt failed.
        source: Option<Box<RequestError>>,
    },
    /// A partition that the topic does not have.
    #[error("topic {topic} has no partition {partition}, only 0 to {}", partitions - 1)]
    NoPartition {
        topic: TopicName,
        /// The number asked for.
        partition: i32,
        /// How many there are.
        partitions: u32,
    },
    /// `delivery.timeout.ms` ran out. The records may or may not be in the log.
    #[error("{records} record(s) for {topic}-{partition} were not acknowledged within {} ms", waited.as_millis())]
    Expired {
        topic: TopicName,
        partition: i32,
        /// How many records.
        records: usize,
        /// Time since the first was appended.
        waited: Duration,
        /// What went wrong last.
        source: Option<Box<SendError>>,
    },
    /// The broker refused them.
    #[error("write to {topic}-{partition}{}", detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        topic: TopicName,
        partition: i32,
        /// What the broker says about it in words.
        detail: Option<String>,
        source: ErrorCode,
    },
    /// The request was not answered. The records may or may not be in the log.
    #[error("write to {topic}-{partition}")]
    Request { topic: TopicName, partition: i32, source: RequestError },
    /// The cluster gave no producer id.
    #[error("get a producer id")]
    ProducerId { source: RequestError },
    /// The batch could not be compressed.
    #[error("compress records for {topic}-{partition}")]
    Compress { topic: TopicName, partition: i32, source: Arc<CompressError> },
    /// The transaction does not take records, or can no longer be committed.
    #[error("write records in a transaction")]
    Transaction { source: Box<TransactionError> },
    /// The transaction was aborted before the records were acknowledged.
    #[error("the transaction was aborted before the records were acknowledged")]
    Aborted,
    /// The producer was closed before the records were acknowledged.
    #[error("the producer was closed before the records were acknowledged")]
    Closed,
}

impl SendError {
    /// Full name of the exception class that the Java producer raises in this situation.
    pub fn java_class(&self) -> String {
        let class = match self {
            Self::RecordTooLarge { .. } => "RecordTooLargeException",
            Self::BufferFull { .. } => return "org.apache.kafka.clients.producer.BufferExhaustedException".to_owned(),
            Self::NoMetadata { source: Some(source), .. } if !source.is_retriable() => return source.java_class(),
            Self::NoMetadata { .. } | Self::Expired { .. } => "TimeoutException",
            Self::NoPartition { .. } => return "java.lang.IllegalArgumentException".to_owned(),
            Self::Refused { source, .. } => return source.java_class(),
            Self::Request { source, .. } if source.is_retriable() && source.code().is_none() => "NetworkException",
            Self::Request { source, .. } | Self::ProducerId { source } => return source.java_class(),
            Self::Transaction { source } => return source.java_class(),
            Self::Aborted => "TransactionAbortedException",
            Self::Compress { .. } => return "org.apache.kafka.common.KafkaException".to_owned(),
            Self::Closed => return "org.apache.kafka.common.KafkaException".to_owned(),
        };
        format!("org.apache.kafka.common.errors.{class}")
    }

    /// Whether Java's exception is a `RetriableException`: sending the records again may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::BufferFull { .. } | Self::Expired { .. } => true,
            Self::NoMetadata { source, .. } => source.as_ref().is_none_or(|source| source.is_retriable()),
            Self::Refused { source, .. } => source.is_retriable(),
            Self::Request { source, .. } | Self::ProducerId { source } => source.is_retriable(),
            Self::RecordTooLarge { .. }
            | Self::NoPartition { .. }
            | Self::Compress { .. }
            | Self::Transaction { .. }
            | Self::Aborted
            | Self::Closed => false,
        }
    }
}
