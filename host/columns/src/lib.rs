//! Work on whole columns of a batch, as the host does it for plugins in interpreted languages (`host-columns`).
//!
//! A [`Session`] belongs to one instance and lasts as long; what a plugin opens and makes in it ends with the call that is
//! under way. Tables and columns go by numbers. The semantics are those of the contract's own comments; how values are
//! read, written and converted follows `record`, `convert` and `values`.
//!
//! Nothing here knows WebAssembly, and nothing waits. Whoever runs a session bounds it by time and memory ([`Bounds`]).

#![forbid(unsafe_code)]

mod answer;
mod build;
mod cells;
mod choice;
mod conditions;
mod edit;
mod error;
mod headers;
mod held;
mod json;
mod make;
mod merge;
mod numbers;
mod outcome;
mod path;
mod place;
mod reach;
mod rows;
mod session;
mod table;
mod text;
mod trees;
mod types;

pub use error::{Refusal, Result};
pub use outcome::Answer;
pub use session::{Bounds, Made, Session, Subject};
