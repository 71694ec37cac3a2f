//! The sink: records become requests.

mod aiven;
mod confluent;
mod reports;
mod requests;
mod settings;
mod task;

pub use aiven::{AivenSink, AivenSinkConfig};
pub use confluent::{HttpSink, HttpSinkConfig};
pub use task::HttpSinkTask;
