//! Clients of several kinds at work under faults, everything they see written down, and the checker's word on it.
//!
//! [`run`] is one history: `workload` says what clients do, `hands` how (our own client in `ours`, another's in
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
pub use foreign::Peer;
pub use proxy::{Disturbance, Proxy};
pub use run::{Finding, foreign_readers, run};
pub use target::Target;

/// What makes a history.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Chooses everything random.
    pub seed: u64,
    /// Faults, one after the other.
    pub rounds: u32,
    /// Whether the broker is killed. If not, connections are cut instead.
    pub kills: bool,
    /// Whether ends of transactions are kept back.
    pub late_ends: bool,
    /// Whose client takes part beside ours.
    pub foreign: Option<Peer>,
}
