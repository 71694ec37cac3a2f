//! HTTP as a sink and as a source, under the keys and class names of the connectors that people run on Kafka Connect.
//!
//! Requests go through the host, which adds who asks: nothing here sees a password, token or certificate.

mod json;
mod keys;
mod retry;
mod sink;
mod template;

pub use sink::{AivenSink, AivenSinkConfig, HttpSink, HttpSinkConfig, HttpSinkTask};

millstream_sdk::plugin! {
    sinks: [HttpSink, AivenSink],
}
