//! Connectors and their tasks.

use std::{future::Future, pin::Pin};

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_record::batch::Batch;

use crate::PluginError;

/// A connector's answer about a guarantee.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// The connector promises it for this configuration.
    Supported,
    /// The connector says that it cannot promise it.
    Unsupported,
    /// The connector does not say.
    Unknown,
}

/// Offsets that are to stand in place of those that are stored; `None` for a reset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AlteredOffsets {
    /// Of source partitions. An offset is a JSON object, a partition that or `null`.
    Source(Vec<(String, Option<String>)>),
    /// Of partitions of topics, none of which is negative.
    Sink(Vec<(TopicPartition, Option<i64>)>),
}

/// A connector, source or sink. One call at a time; dropping the future of a call discards the
/// instance.
#[async_trait]
pub trait Connector: Send {
    /// Checks beyond the ConfigDef: keys at fault and what is wrong with them.
    async fn validate(&mut self, config: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError>;
    /// Begins to work with a configuration.
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError>;
    /// Configurations for at most `max_tasks` tasks.
    async fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError>;
    /// Ends what `start` began.
    async fn stop(&mut self) -> Result<(), PluginError>;
    /// Source connectors: whether records can be delivered exactly once.
    async fn exactly_once_support(&mut self, config: &ConfigMap) -> Result<Support, PluginError>;
    /// Source connectors: whether their tasks can say where transactions end.
    async fn can_define_transaction_boundaries(&mut self, config: &ConfigMap) -> Result<Support, PluginError> {
        let _ = config;
        Ok(Support::Unsupported)
    }
    /// Asks a connector that is not started whether these offsets may be changed, before they are. `false`: they may, but
    /// there are others, which the connector keeps elsewhere.
    async fn alter_offsets(&mut self, config: &ConfigMap, offsets: &AlteredOffsets) -> Result<bool, PluginError>;
}

/// What a poll may return.
#[derive(Clone, Copy, Debug)]
pub struct PollLimits {
    /// Rows of the batch.
    pub max_records: u32,
    /// Bytes of the batch in its encoded form.
    pub max_bytes: u32,
    /// By then the call must have returned, with nothing if there is nothing.
    pub max_wait_ms: u32,
}

/// Ends when it is time to poll again. Dropping it loses nothing.
pub type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a row of a source batch ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AcknowledgedRow {
    /// Row of the batch that `poll` returned.
    pub row: u32,
    /// Partition and offset in the topic; `None` for a row that was filtered or skipped.
    pub position: Option<(i32, i64)>,
}

/// A source task. One call at a time; dropping the future of a call discards the instance.
#[async_trait]
pub trait SourceTask: Send {
    /// Begins to work with a configuration.
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError>;
    /// The next records; `None` if there are none yet.
    ///
    /// The batch has passed the validator. Origins are absent: every row is its own origin.
    async fn poll(&mut self, limits: PollLimits) -> Result<Option<Batch>, PluginError>;
    /// Asked after a poll that returned nothing: for how long that will be so, if the plugin has said it.
    fn rest(&mut self) -> Option<Rest> {
        None
    }
    /// Whether it had better be renewed soon, since its instance has outgrown a mark.
    fn wants_renewal(&self) -> bool {
        false
    }
    /// Stops it and starts it anew, with the configuration it was started with. To be called when everything that it has
    /// returned has ended and its offsets are stored.
    async fn renew(&mut self) -> Result<(), PluginError> {
        Ok(())
    }
    /// Tells of rows that ended; called only for plugins whose description asks for it.
    async fn committed(&mut self, polled: &Batch, rows: &[AcknowledgedRow]) -> Result<(), PluginError>;
    /// Offsets of everything that ended before are stored.
    async fn commit(&mut self) -> Result<(), PluginError>;
    /// Ends what `start` began.
    async fn stop(&mut self) -> Result<(), PluginError>;
}

/// Names a partition of Kafka's; whether it exists is another question.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

/// A position in a partition: the offset of the next record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub struct TopicOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A sink task. One call at a time; dropping the future of a call discards the instance.
#[async_trait]
pub trait SinkTask: Send {
    /// Begins to work with a configuration.
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError>;
    /// Partitions newly assigned.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError>;
    /// Hands over records, possibly none. Rows that can never be written were reported through the
    /// context meanwhile.
    async fn put(&mut self, records: &Batch) -> Result<(), PluginError>;
    /// Makes everything taken so far durable and returns what may be committed; `None` stands for
    /// all the offsets given.
    async fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>, PluginError>;
    /// Whether it had better be renewed soon, since its instance has outgrown a mark.
    fn wants_renewal(&self) -> bool {
        false
    }
    /// Closes these partitions, which are all that are open, stops it, and starts it anew with them. What it has taken
    /// and not said to be safe has to be put again.
    async fn renew(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let _ = partitions;
        Ok(())
    }
    /// Partitions revoked or given up.
    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError>;
    /// Ends what `start` began.
    async fn stop(&mut self) -> Result<(), PluginError>;
}
