//! Kafka's error codes, which go into the `error_code` fields of answers.

pub use millstream_wire::error_code::ErrorCode;
