//! Finds what must not happen in a recorded history of Kafka clients.
//!
//! Clients of any kind write down what they ask for and what they are answered ([`History`]); [`check`] reads that and
//! names every [`Anomaly`]: acknowledged records that nobody finds again, records of aborted transactions that a reader
//! saw, polls that skip or step back, and so on. It knows nothing of brokers or sockets. The kinds are those that
//! Jepsen's reports on Kafka and its relatives look for.
//!
//! A value is sent once in a history, so a value says which send it comes from. Nothing is deleted from the partitions,
//! and all producers are idempotent.

#![forbid(unsafe_code)]

mod history;
mod model;
mod notation;

mod anomaly;
mod checks;

pub use anomaly::{Allowed, Anomaly, Kind, Report};
pub use checks::{Rules, check};
pub use history::{
    Action, Client, Event, Fate, History, Isolation, Message, Offset, Outcome, Partition, Polled, Value, What,
};
pub use model::MalformedHistory;
pub use notation::UnreadableHistory;
