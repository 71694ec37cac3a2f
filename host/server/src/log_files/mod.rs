//! `millstream broker dump` and `verify`: the files of partitions, read as they are. Nothing is changed or locked.
//!
//! The format is Apache Kafka's, and so may the files be.

mod batches;
pub mod coordinator;
pub mod dump;
mod entries;
mod indexes;
pub mod verify;
