//! Lines of text files as records, and records as lines: Kafka Connect's FileStreamSource and
//! FileStreamSink.

mod lines;
mod sink;
mod source;
mod utf8;

pub use sink::{FileSink, FileSinkTask};
pub use source::{FileSource, FileSourceTask};

millstream_sdk::plugin! {
    sources: [FileSource],
    sinks: [FileSink],
}

/// The version of Kafka whose connectors these stand in for, which they report as theirs.
const KAFKA_VERSION: &str = "4.3.0";
