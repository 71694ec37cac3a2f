//! A Kafka broker of one node: topics, consumer groups, idempotent and transactional producers over the Kafka protocol.
//!
//! [`Broker::start`] opens the data folder, recovers it and serves; clients reach it over TCP or through
//! [`Broker::connect`], with the same frames either way. Each API of the protocol has a file below `api`. What a
//! record goes through: `connection` → `api::produce` → `partition` (on `io_threads`) → `api::fetch`.
//!
//! Nothing here knows of connectors.

#![forbid(unsafe_code)]

mod adoption;
mod api;
mod broker;
mod budget;
mod changes;
mod checkpoints;
mod cleaner;
mod clock;
pub mod config;
mod connection;
mod dynamic;
mod error_code;
mod features;
mod fetch_sessions;
mod group_configs;
mod groups;
mod handshake;
mod health;
mod internal_topics;
mod io_threads;
mod log_codes;
mod node;
mod open_files;
mod partition;
mod places;
mod producer_ids;
mod quotas;
mod recompress;
mod recovery;
mod repair;
mod security;
mod seldom;
mod start_error;
mod storage;
mod strangers;
mod topics;
mod transactions;
mod wait_list;

#[cfg(test)]
mod tests;

pub use adoption::{AdoptError, AdoptablePartition, AdoptedPartition, Adoption, Served, Settings, Unadoptable, adopt};
pub use broker::{Broker, StopBrokerError};
pub use config::{BrokerConfig, Durability, InvalidBrokerConfig, listener::Endpoint};
#[doc(hidden)]
pub use groups::records::rewrite_group_record;
pub use repair::{RepairError, RepairedPartition, repair};
pub use start_error::StartBrokerError;
pub use storage::{catalogue::CatalogueError, data_dir::OpenDataDirError};
