//! The source: answers become records.

mod castorm;
mod confluent;
mod freemarker;
mod md5;
mod position;
mod record;
mod task;
mod timestamp;

pub use castorm::{CastormSource, CastormSourceConfig, CastormSourceTask};
pub use confluent::{HttpSource, HttpSourceConfig};
pub use task::HttpSourceTask;
