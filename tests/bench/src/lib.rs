//! What Millstream costs. Figures are printed, never asserted: a shared machine is no judge. Run it on a quiet one.

pub mod batch;
pub mod broker;
pub mod connectors;
mod counting;
pub mod exactly_once;
mod forms;
mod guests;
pub mod http;
mod json;
pub mod kafka;
mod measure;
pub mod metrics;
mod peer;
pub mod pipeline;
mod side;
pub mod sql;
mod table;
mod thread_clock;
pub mod transforms;
mod usage;

/// The allocator of the product, counted.
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
