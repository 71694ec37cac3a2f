//! The protocol's error codes, with the names and the Java exception classes that users know them by.

pub use millstream_wire::error_code::ErrorCode;
