//! What the host offers to guests: log, waiting, files, and the worker itself. Everything is denied that a
//! configuration does not grant.

mod files;
mod host_files;
mod log;
mod standard_input;
mod wait;
mod worker;

pub(crate) use files::FileGrants;
pub use files::OpenFile;
pub(crate) use worker::Worker;
