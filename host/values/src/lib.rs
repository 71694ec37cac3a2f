//! Text as Java and Connect see it: numbers, decimals, dates, date patterns, regular expressions,
//! field paths, the header grammar (`Values`), and the rules of Connect's data model (validation,
//! structs, projection, logical types).
//!
//! Plain computation only: no I/O, no global state but tables that are made once and the
//! [time zone](local_zone) of the process, and no clock but in [`DatePattern::compile`]. Also builds for WebAssembly. Every parser is total on arbitrary input.

#![forbid(unsafe_code)]

pub mod base64;
mod calendar;
mod calendar_fields;
pub mod cast;
pub mod config_text;
mod convert_number;
pub mod convert_value;
pub mod date_pattern;
pub mod decimal;
mod error;
mod field_path;
pub mod headers;
mod java_class;
mod java_map;
pub mod java_text;
pub mod json_text;
pub mod local_zone;
pub mod logical_type;
pub mod model;
mod regex;
mod regex_class;
mod regex_match;
mod regex_parse;
mod regex_work;
mod temporal_text;
mod value_text;
pub mod values;
mod zone;

pub use calendar::{hybrid_to_proleptic, proleptic_to_hybrid};
pub use date_pattern::{DatePattern, InvalidDatePattern};
pub use error::JavaError;
pub use field_path::{FieldPath, PathSyntax};
pub use java_map::JavaMap;
pub use java_text::{parse_int, parse_java_double, parse_java_float, write_f32, write_f64};
pub use regex::JavaRegex;
pub use regex_match::Groups;
pub use regex_parse::InvalidRegex;
pub use value_text::{value_text, write_value_text};
