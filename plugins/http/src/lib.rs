//! HTTP as a sink and as a source, under the keys and class names of the connectors that people run on Kafka Connect.
//!
//! Requests go through the host, which adds who asks: nothing here sees a password, token or certificate.

mod json;
mod keys;
mod retry;
mod sink;
mod source;
mod template;

pub use sink::{AivenSink, AivenSinkConfig, HttpSink, HttpSinkConfig, HttpSinkTask};
pub use source::{CastormSource, CastormSourceConfig, CastormSourceTask, HttpSource, HttpSourceConfig, HttpSourceTask};

millstream_sdk::plugin! {
    sources: [HttpSource, CastormSource],
    sinks: [HttpSink, AivenSink],
}
