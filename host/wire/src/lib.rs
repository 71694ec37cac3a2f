//! Kafka's bytes: frames, bounded decoding, record batches of magic 2 with their CRC, compression, error codes, and
//! the hashes that choose partitions.
//!
//! Plain computation: no sockets, no files, no clocks. Message types come from `kafka-protocol`, which is
//! re-exported as [`protocol`]; it is trusted with the layout of messages but not with hostile input (see
//! [`guard`]) nor with records (see [`batch`]).

#![forbid(unsafe_code)]

pub use kafka_protocol as protocol;

pub mod batch;
pub mod compression;
pub mod error_code;
pub mod frame;
pub mod guard;
pub mod hash;
mod layout;
pub mod newer;
