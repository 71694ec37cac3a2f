//! The data that moves through Millstream: names, offsets and timestamps, Connect's schemas and
//! values, and the batch that carries records from stage to stage.
//!
//! Plain computation only: nothing here does I/O, and the crate also builds for WebAssembly, where
//! plugins use it through the SDK.

#![deny(unsafe_code)]

mod append;
pub mod batch;
mod error_chain;
mod names;
mod schema;
mod value;

pub use append::append;
pub use error_chain::ErrorChain;
pub use names::{InvalidTopicName, LogOffset, Timestamp, TopicName};
pub use schema::{Field, InvalidSchema, Parameters, Schema, SchemaType, check_fields, logical};
pub use value::{Decimal, Value};
