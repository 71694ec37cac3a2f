//! For those who write plugins for Millstream in Rust. `README.md` beside this crate is the tutorial.
//!
//! A plugin is a crate that implements some of [`Source`], [`Sink`], [`Transform`], [`Predicate`] and
//! [`Converter`] (or their comfortable forms that see one record at a time: [`RowTransform`],
//! [`RowPredicate`], [`RowConverter`]), lists them in [`plugin!`], and is built for `wasm32-wasip2`.
//! The same crate builds natively, where [`harness`] stands in for the host in tests.

#[cfg(target_arch = "wasm32")]
pub mod bindings;
mod chain;
mod collector;
pub mod columns;
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "called by the exports, which only components have")
)]
mod component;
pub mod config;
mod context;
#[cfg(target_arch = "wasm32")]
mod convert;
mod converter;
mod coordinates;
mod describe;
pub mod error;
mod file;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod harness;
#[cfg(target_arch = "wasm32")]
#[path = "host_imports.rs"]
mod host;
#[cfg(not(target_arch = "wasm32"))]
use harness::host;
pub mod http;
#[cfg(target_arch = "wasm32")]
mod http_imports;
mod json;
mod lease;
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(dead_code, reason = "called by the exports, which only components have")
)]
pub mod logging;
mod macros;
pub mod metrics;
mod predicate;
#[cfg(target_arch = "wasm32")]
mod prepare;
mod record;
mod records;
mod sink;
mod source;
pub mod sql;
mod transaction;
mod transform;

pub use chain::{Applied, Chain, LinkSpec};
pub use collector::{Collector, constant_map};
pub use component::{Component, Plugin, describe};
pub use context::{ConnectorContext, SinkContext, SourceContext, TopicReport, rest, wait};
pub use converter::{Converter, ConverterRole, RowConverter, RowsInRole, Subject};
pub use coordinates::{TopicOffset, TopicPartition};
pub use describe::{Described, Info, PluginKind};
pub use error::{Error, ErrorKind, Result, RowError};
pub use file::File;
pub use json::{data_of_json, get, map};
pub use lease::{Lease, kept};
pub use millstream_record::{
    Decimal, Field, InvalidSchema, Parameters, Schema, SchemaType, Timestamp, Value, batch, check_fields, logical,
};
pub use millstream_values as values;
pub use predicate::{Predicate, RowPredicate, Verdict};
pub use record::{Header, KafkaPosition, Record, records_of};
pub use records::Records;
pub use sink::{Sink, SinkTask};
pub use source::{PollLimits, Source, SourceTask, Support};
pub use transaction::{RequestedEnd, TransactionContext, TransactionEnd};
pub use transform::{RowTransform, Rows, Transform};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Tutorial;
