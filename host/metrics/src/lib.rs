//! The metrics of all of Millstream: one table, and what counts them.
//!
//! A metric is declared once, in `groups/`: its name, statistic, unit and help, and the instrument that it is read from.
//! Whoever does something holds a group for it and counts in place; an instrument is a few atomics, so that counting
//! takes no lock and no allocation. [`Metrics`] lists the groups that somebody holds and reads them.
//!
//! How metrics are shown (JMX names, Prometheus, a page) is not here, nor are moving windows: who shows rates and averages
//! takes a reading now and then, and compares two of them.

#![forbid(unsafe_code)]

mod groups;
mod instrument;
mod reference;
mod registry;
mod table;
mod value;

pub use groups::{
    BrokerRequests, ClientConnections, ConsumerFetches, ConsumerGroup, GroupMembership, LogCleaner, PluginInstance,
    ProducerRecords, SinkTask, SourceTask, Task, TaskErrors, Worker, WorkerRebalances, all_groups,
};
pub use instrument::{Counter, Distribution, Gauge, Timestamp};
pub use reference::reference_page;
pub use registry::{Labels, Metrics, Reading};
pub use table::{Attribute, Group, GroupDefinition, Statistic, Unit};
pub use value::Value;
