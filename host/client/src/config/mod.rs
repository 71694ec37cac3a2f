//! Java client properties, read into typed settings.
//!
//! Keys and defaults are those of the Java clients 4.3, so that a worker file and its `producer.*`,
//! `consumer.*` and `admin.*` layers keep their meaning. A key that only means something on a JVM, or that
//! nobody knows, is accepted and listed in `ignored`, for one warning by whoever uses the settings.

mod admin;
mod connection;
mod consumer;
mod keys;
mod producer;
mod reader;
mod security;

pub use admin::AdminConfig;
pub(crate) use connection::jitter;
pub use connection::{ClientKind, ConnectionSettings};
pub use consumer::{AutoOffsetReset, ConsumerConfig, IsolationLevel};
pub use producer::{Acks, Partitioner, ProducerConfig};
pub use reader::ConfigError;
