//! What a source, sink, transform, predicate and converter is to the host.
//!
//! Traits, contexts and errors only. The `plugin` crate implements the traits over WebAssembly
//! components and `convert` implements [`Converter`] natively; the `runtime` calls them and
//! implements the contexts. Every call takes or gives whole batches.

#![forbid(unsafe_code)]

mod catalogue;
mod connector;
mod context;
mod convert;
mod error;
mod lease;
mod transform;

pub use catalogue::{FindPluginError, PluginInfo, PluginKind, Plugins};
pub use connector::{
    AcknowledgedRow, AlteredOffsets, Connector, PollLimits, Rest, SinkTask, SourceTask, Support, TopicOffset,
    TopicPartition,
};
pub use context::{ConnectorContext, RequestedEnd, SinkContext, SourceContext, TopicRecord, TransactionEnd};
pub use convert::{ByteColumn, Converter, ConverterRole, HeaderBatchConverter, HeaderConverter, InputRow, RowInput};
pub use error::{ErrorKind, Failure, PluginError, RowError};
pub use lease::{KeyChange, LEASE_LOST, Lease};
pub use transform::{Condition, Link, LinkedTransforms, Outcome};

/// Which task of which connector.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TaskId {
    /// The connector's name.
    pub connector: String,
    /// Number of the task, from 0.
    pub number: u32,
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.connector, self.number)
    }
}
