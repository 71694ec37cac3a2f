//! Kafka's clients over any byte stream: producer, consumer, group member and admin.
//!
//! The worker always speaks the Kafka protocol through this crate, to its built-in broker over a pipe in
//! memory and to others over TCP, with the same frames. Nothing here knows which. Start with [`Cluster`], then
//! [`Producer`], [`Consumer`], [`Admin`] or [`GroupMember`].

#![forbid(unsafe_code)]

pub mod admin;
mod assignment;
mod cluster;
pub mod config;
mod connection;
pub mod consumer;
mod dial;
pub mod group;
mod kafka_error;
mod metadata;
pub mod producer;
pub mod security;
pub mod session;
mod trouble;
mod versions;
mod waiting;

pub use admin::Admin;
pub use cluster::{Cluster, ConnectError, RequestError, TopicsWanted};
pub use config::{AdminConfig, ConfigError, ConnectionSettings, ConsumerConfig, ProducerConfig};
pub use connection::{AuthenticationError, CallError, Disconnect, HandshakeError};
pub use consumer::Consumer;
pub use dial::{Dial, HostPort, InvalidAddress, NoneResolvable, Stream, TcpDial};
pub use group::{GroupMember, GroupMetadata};
pub use kafka_error::ErrorCode;
pub use metadata::{Metadata, Partition, Topic};
pub use producer::{
    Ack, Appender, Delivery, Producer, RecordRef, SendError, Sequence, TransactionCause, TransactionError,
    TryAppendError,
};
pub use security::Security;
pub use session::GroupSession;
pub use versions::NoCommonVersion;
