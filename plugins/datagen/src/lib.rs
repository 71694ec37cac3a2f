//! Made-up records for demonstrations, tests and load: orders, users, page views and stock trades.
//!
//! Every record is a function of the seed, the task and the record's number alone, so that a task
//! that resumes at a stored offset goes on exactly where it was.

mod column;
mod pace;
mod quickstart;
mod source;

pub use quickstart::Quickstart;
pub use source::{DatagenSource, DatagenTask};

millstream_sdk::plugin! {
    sources: [DatagenSource],
}
