//! Source offsets: their JSON form, which is what is stored, and where they are stored.
//!
//! A source partition and its offset are compact JSON objects. The stored key is the JSON array of
//! connector name and source partition; the stored value is the offset, or null after a reset.

mod file_store;
mod java_map;
mod json;
mod named;
mod own_topic;
mod table;
mod topic_store;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use millstream_connector::{ErrorKind, Failure};

pub use file_store::{FileOffsetStore, OpenOffsetFileError};
pub(crate) use json::row_json;
pub use named::OffsetEntry;
pub(crate) use named::{sink as named_sink_offsets, source as named_source_offsets};
pub use own_topic::{OffsetTopics, OwnOffsets};
pub(crate) use own_topic::{open_own, store_of};
pub use topic_store::TopicOffsetStore;
pub use writer::{OffsetWriter, SourceOffsets, StoredOffsets, TransactionOffsets};

use crate::error_policy::CONNECT_EXCEPTION;

/// Why offsets could not be read or written.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum OffsetStoreError {
    /// A source partition is not a JSON object of primitive values.
    #[error("{0}")]
    Invalid(String),
    /// The store cannot be read.
    #[error("read source offsets from {place}")]
    Read { place: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The store failed.
    #[error("write source offsets to {place}")]
    Write { place: String, source: std::io::Error },
    /// They could not be written with the records that they stand for.
    #[error("write source offsets to {place}")]
    Transaction {
        place: String,
        /// Of the exception that Java clients raise.
        class: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Keeps the offsets of source connectors. Partitions and offsets are JSON objects.
#[async_trait]
pub trait OffsetStore: Send + Sync {
    /// The stored offsets of source partitions, in their order; `None` where there is none, or one that
    /// is no JSON object.
    ///
    /// # Errors
    ///
    /// A partition is no JSON object, or the store cannot be read.
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError>;

    /// Stores offsets, `None` for a reset. They survive a crash of the machine when this returns.
    /// Dropping the future may or may not store them.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError>;

    /// The key of the record that keeps the offset of a source partition: the one that is there, whatever the order of
    /// its members, or a new one.
    ///
    /// # Errors
    ///
    /// The partition is no JSON object.
    fn record_key(&self, connector: &str, partition: &str) -> Result<Vec<u8>, OffsetStoreError> {
        Ok(json::stored_key(connector, partition, false)?.into_bytes())
    }

    /// All source partitions of a connector with their offsets; those that were reset are left out.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError>;
}

/// A failed read in Connect's words.
pub(crate) fn fetch_failed(error: OffsetStoreError) -> Failure {
    match error {
        OffsetStoreError::Invalid(message) => Failure::new(ErrorKind::Data, "", message),
        error => {
            let cause =
                Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, millstream_record::ErrorChain(&error).to_string());
            cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, "Failed to fetch offsets.")
        }
    }
}
