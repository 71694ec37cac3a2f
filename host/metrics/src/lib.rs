//! The metrics of all of Millstream: one table, and what counts them.
//!
//! A metric is declared once, in `groups/`: its name, statistic, unit and help, and the instrument that it is read from.
//! Whoever does something holds a group for it and counts in place; an instrument is a few atomics, so that counting
//! takes no lock and no allocation. [`Metrics`] lists the groups that somebody holds and reads them.
//!
//! [`Watch`] adds the moving windows: rates, averages, extremes. [`prometheus`] is the text that a scrape gets, and
//! [`reference_page`] the page for people; both come from the table. What is not here: sockets, clocks, and who counts.

#![forbid(unsafe_code)]

mod custom;
mod groups;
mod histogram;
mod instrument;
mod lifecycle;
pub mod prometheus;
mod reference;
mod registry;
mod shown;
mod state;
mod table;
mod value;
mod window;

pub use custom::{Custom, CustomKind, CustomMetric, InvalidCustom, Progress};
pub use groups::{
    AppInfo, BrokerRequests, ClientConnections, Connector, ConnectorLatency, ConnectorTasks, ConsumerFetches,
    ConsumerGroup, Exposition, GroupMembership, LogCleaner, MetricsCount, PluginInstance, PredicatePlugin,
    ProducerRecords, Restarts, SinkPartition, SinkTask, SourceTask, SourceTransactions, Task, TaskErrors, TaskMemory,
    TaskPlugins, TaskStage, TransformPlugin, Worker, WorkerAssignment, WorkerNode, WorkerRebalances, all_groups,
};
pub use histogram::Histogram;
pub use instrument::{Counter, Distribution, Gauge, Last, Text, Timestamp};
pub use lifecycle::Lifecycle;
pub use reference::reference_page;
pub use registry::{Labels, Metrics, Reading};
pub use shown::{Shown, ShownGroup, Watch};
pub use state::State;
pub use table::{Attribute, Group, GroupDefinition, Origin, Statistic, Unit};
pub use value::{BOUNDS, Recorded, Value};
pub use window::WindowSettings;
