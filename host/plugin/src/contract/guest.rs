//! What a component is to the rest of the host, whatever version of the contract it speaks.
//!
//! Each value here stands for a resource inside of a guest; who calls it brings the guest along, and has made it in that
//! guest. One call enters the guest once. Batches cross as bytes that the guest gets without a copy of them, and are
//! still to be checked when they come back.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{
    AlteredOffsets, Condition, ConverterRole, PluginError, PluginKind, PollLimits, RowError, Support, TopicOffset,
    TopicPartition,
};

use crate::instance::{Guest, GuestFault};

/// What a component exports.
#[async_trait]
pub(crate) trait Exports: Send + Sync {
    /// The interface that a plugin of this kind needs, if the component does not have it.
    fn missing(&self, kind: PluginKind) -> Option<&'static str>;

    /// Asks the component what it carries: JSON.
    async fn describe(&self, guest: &mut Guest) -> Result<String, GuestFault>;

    /// An instance of a source connector's class.
    async fn source_connector(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestConnector>, PluginError>;

    /// An instance of a sink connector's class.
    async fn sink_connector(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestConnector>, PluginError>;

    /// An instance of a task's class.
    async fn source_task(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestSourceTask>, PluginError>;

    /// An instance of a task's class.
    async fn sink_task(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestSinkTask>, PluginError>;

    /// Transforms that run in one call; on failure the number of the link that failed.
    async fn chain(&self, guest: &mut Guest, links: &[GuestLink]) -> Result<Box<dyn GuestChain>, (usize, PluginError)>;

    /// A configured predicate.
    async fn predicate(
        &self,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
    ) -> Result<Box<dyn GuestPredicate>, PluginError>;

    /// A configured converter.
    async fn converter(
        &self,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
        role: ConverterRole,
    ) -> Result<Box<dyn GuestConverter>, PluginError>;
}

/// A connector, source or sink.
#[async_trait]
pub(crate) trait GuestConnector: Send + Sync {
    /// JSON: keys at fault, and what is wrong with them.
    async fn validate(&self, guest: &mut Guest, config: &ConfigMap) -> Result<String, PluginError>;
    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError>;
    async fn task_configs(&self, guest: &mut Guest, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError>;
    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError>;
    /// Unknown for sinks, of which nobody asks it.
    async fn exactly_once_support(&self, guest: &mut Guest, config: &ConfigMap) -> Result<Support, PluginError>;
    /// Unknown for sinks, of which nobody asks it.
    async fn can_define_transaction_boundaries(
        &self,
        guest: &mut Guest,
        config: &ConfigMap,
    ) -> Result<Support, PluginError>;
    /// Offsets are those of the connector's own direction; there is nothing to say about others.
    async fn alter_offsets(
        &self,
        guest: &mut Guest,
        config: &ConfigMap,
        offsets: &AlteredOffsets,
    ) -> Result<bool, PluginError>;
}

/// A source task.
#[async_trait]
pub(crate) trait GuestSourceTask: Send + Sync {
    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError>;
    /// A batch, or nothing yet.
    async fn poll(&self, guest: &mut Guest, limits: PollLimits) -> Result<Option<Vec<u8>>, PluginError>;
    /// `rows` is a batch of envelopes.
    async fn committed(&self, guest: &mut Guest, rows: &[u8]) -> Result<(), PluginError>;
    async fn commit(&self, guest: &mut Guest) -> Result<(), PluginError>;
    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError>;
}

/// A sink task.
#[async_trait]
pub(crate) trait GuestSinkTask: Send + Sync {
    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError>;
    async fn open(&self, guest: &mut Guest, partitions: &[TopicPartition]) -> Result<(), PluginError>;
    async fn put(&self, guest: &mut Guest, batch: &[u8]) -> Result<(), PluginError>;
    /// Offsets that may be committed; none stands for those given.
    async fn pre_commit(
        &self,
        guest: &mut Guest,
        offsets: &[TopicOffset],
    ) -> Result<Option<Vec<TopicOffset>>, PluginError>;
    async fn close(&self, guest: &mut Guest, partitions: &[TopicPartition]) -> Result<(), PluginError>;
    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError>;
}

/// One transform of a chain, as its component gets it. Classes are names that the component gave, not users' aliases.
#[derive(Clone, Debug)]
pub(crate) struct GuestLink {
    pub(crate) class: String,
    pub(crate) config: ConfigMap,
    /// A predicate of the same component.
    pub(crate) condition: Option<Condition>,
}

/// What a guest says it made of a batch; nothing of it has been checked.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The new batch; none if the old one stands unchanged.
    pub(crate) batch: Option<Vec<u8>>,
    pub(crate) errors: Vec<RowError>,
}

/// Which rows a guest says its predicate holds for; nothing of it has been checked.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// One bit per row, the least significant first.
    pub(crate) holds: Vec<u8>,
    pub(crate) errors: Vec<RowError>,
}

/// Neighbouring transforms of one component.
#[async_trait]
pub(crate) trait GuestChain: Send + Sync {
    /// `only`, a bitmap, limits the chain to some of the rows.
    async fn apply(&self, guest: &mut Guest, batch: &[u8], only: Option<&[u8]>) -> Result<Changes, PluginError>;
}

/// A predicate.
#[async_trait]
pub(crate) trait GuestPredicate: Send + Sync {
    async fn test(&self, guest: &mut Guest, batch: &[u8]) -> Result<Verdict, PluginError>;
}

/// A converter of keys, values or headers.
#[async_trait]
#[expect(clippy::wrong_self_convention, reason = "the names are Connect's")]
pub(crate) trait GuestConverter: Send + Sync {
    async fn to_connect(&self, guest: &mut Guest, batch: &[u8]) -> Result<Changes, PluginError>;
    async fn from_connect(&self, guest: &mut Guest, batch: &[u8]) -> Result<Changes, PluginError>;
}
