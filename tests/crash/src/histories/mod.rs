//! Clients of several kinds at work under faults, everything they see written down, and the checker's word on it.
//!
//! [`run`] is one history: `workload` says what clients do, `hands` how (our own client in `ours`, librdkafka in
//! `foreign`), `recorder` writes it down, `faults` kills and disturbs, `proxy` stands between clients and broker, and
//! `target` is the broker, Millstream or Apache Kafka. Everything random comes from the seed, though threads and
//! processes take turns as they like.

mod faults;
mod foreign;
mod hands;
mod ours;
mod proxy;
mod recorder;
mod run;
mod target;
mod workload;

pub use faults::Faults;
pub use proxy::Proxy;
pub use run::{Finding, Settings, run};
pub use target::Target;
