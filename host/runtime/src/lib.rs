//! The worker: runs connectors and their tasks.
//!
//! Follow a record through [`source_task`] or [`sink_task`]. What may be committed is decided by
//! [`in_flight`], what becomes of a bad record by [`error_policy`]; both are plain values. [`herder`]
//! decides what runs and [`worker`] runs it. Plugins, converters and Kafka are traits here, and HTTP,
//! WebAssembly and protocol types are deliberately absent.

#![forbid(unsafe_code)]

pub mod config_log;
mod converters;
mod dead_letters;
pub mod error_policy;
mod exactly_once;
pub mod header_batch;
pub mod herder;
pub mod in_flight;
pub mod kafka;
pub mod leases;
mod loads;
pub mod log_context;
mod log_levels;
mod long_wait;
pub mod membership;
pub mod offsets;
mod provided;
mod record_headers;
mod report;
mod restarts;
mod retry;
mod sink_task;
mod source_task;
pub mod status;
mod task;
mod task_metrics;
mod task_plugins;
pub mod topic_log;
pub mod transaction_boundary;
mod transform_chain;
mod worker;

pub use converters::{ConverterChoice, NativeConverter, NativeHeaderConverter, Natives, check_converter};
pub use exactly_once::ExactlyOnceSource;
pub use log_levels::{InvalidLevel, LogLevels, LoggerLevel};
pub use source_task::{LetterContent, ReplayedRecord, SourceReplay};
pub use transform_chain::transform_chain;
pub use worker::{Worker, WorkerParts, WorkerSettings};
