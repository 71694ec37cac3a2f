//! What plugins may ask of the worker; the runtime implements these.

use std::sync::Arc;

use async_trait::async_trait;

use millstream_record::TopicName;

use crate::{ErrorKind, Failure, Lease, RowError, TopicOffset, TopicPartition};

/// For connectors. No call waits: what they ask for happens soon afterwards.
pub trait ConnectorContext: Send + Sync {
    /// Asks for new task configurations, soon.
    fn request_task_reconfiguration(&self);
    /// Fails the connector; its tasks go on.
    fn raise_error(&self, failure: Failure);
    /// Whether the connector has been asked to stop.
    fn is_stopping(&self) -> bool;
}

/// For source tasks.
#[async_trait]
pub trait SourceContext: Send + Sync {
    /// Stored source offsets for source partitions, both as JSON objects.
    ///
    /// # Errors
    ///
    /// The offset store cannot be read.
    async fn read_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, Failure>;
    /// Whether the task says itself where its transactions end.
    fn ends_transactions(&self) -> bool {
        false
    }
    /// Where transactions end in what the running poll returns. Of several calls the last one counts; without effect for
    /// a task that does not end its transactions itself.
    fn end_transactions(&self, ends: Vec<RequestedEnd>) {
        drop(ends);
    }
    /// The lease of the task's connector; `None` where the worker keeps none.
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        None
    }
    /// Whether the task has been asked to stop.
    fn is_stopping(&self) -> bool;
    /// Returns when the task is asked to stop.
    async fn stopped(&self);
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransactionEnd {
    /// Its records and offsets are seen.
    Commit,
    /// Its records are not seen, its offsets are: they go into a transaction of their own.
    Abort,
}

/// Where a source task ends a transaction, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestedEnd {
    /// The row of the polled batch that is the last of the transaction; `None` for all that the poll returns.
    pub behind: Option<u32>,
    /// How it ends.
    pub end: TransactionEnd,
}

/// For sink tasks. What they ask for takes effect before the next `put`.
#[async_trait]
pub trait SinkContext: Send + Sync {
    /// Partitions assigned to the task.
    fn assignment(&self) -> Vec<TopicPartition>;
    /// Continues at these offsets.
    fn seek(&self, offsets: Vec<TopicOffset>);
    /// Delivers nothing from these partitions.
    ///
    /// # Errors
    ///
    /// A partition is not assigned to the task.
    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Failure>;
    /// Delivers from these partitions again.
    ///
    /// # Errors
    ///
    /// As for `pause`.
    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Failure>;
    /// Shortens the time until the next `put`, once.
    fn timeout(&self, ms: u32);
    /// Commits as soon as possible.
    fn request_commit(&self);
    /// Takes rows of the batch passed to the running `put` to the error policy.
    ///
    /// # Errors
    ///
    /// The policy tolerates no errors, or there is nowhere to report to.
    fn report(&self, errors: Vec<RowError>) -> Result<(), Failure>;
    /// Appends records to a topic, which is made if it is missing, and returns when all are durable.
    ///
    /// # Errors
    ///
    /// The topic cannot be made, or a record not be written: some may have been.
    async fn write_records(
        &self,
        topic: &TopicName,
        replication: i16,
        records: Vec<TopicRecord>,
    ) -> Result<(), Failure> {
        let _ = (replication, records);
        Err(Failure::new(ErrorKind::Fatal, "", format!("nothing here writes to {topic}")))
    }
    /// The lease of the task's connector; `None` where the worker keeps none.
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        None
    }
    /// Whether the task has been asked to stop.
    fn is_stopping(&self) -> bool;
    /// Returns when the task is asked to stop.
    async fn stopped(&self);
}

/// A record that a plugin writes to a topic as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TopicRecord {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}
