//! Bodies of the fuzz targets. They use stable Rust only, so that ordinary tests can include these files and run them
//! over a bounded number of inputs (`hostile_*.rs` in the tests of `host/record`, `host/convert`, `host/values`,
//! `host/wire`, `host/log`, `host/broker` and `transforms`).
//!
//! Each body takes bytes, true if they meant something to it. It panics where the product broke a promise.

#![forbid(unsafe_code)]

pub mod batch;
pub mod date_patterns;
pub mod field_paths;
pub mod group_records;
pub mod header_grammar;
pub mod hex;
pub mod java_regex;
pub mod json_decode;
pub mod messages;
pub mod parts;
pub mod record_batches;
pub mod request_frames;
pub mod segment_recovery;
pub mod support;
