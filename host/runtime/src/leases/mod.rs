//! Leases: one owner at a time among a connector's tasks, wherever they run, and the keys and values that it keeps for
//! its successors.
//!
//! An owner is told from all before it by its **epoch**, which comes from the config log: a claim is an entry there, and
//! its position makes the epoch ([`Claims`]). What owners keep stands in a log of its own ([`LeaseLog`]): a compacted topic
//! of a group, a file of a worker by itself. A tenure begins with a record there, and no record with a lower epoch counts
//! behind it ([`space`]). A change is acknowledged when its own record has been read back and counts ([`keeper`]);
//! so an owner that was frozen, and does not know that it has a successor, is refused by the order of the records, without
//! any clock.

mod file;
mod keeper;
mod log;
mod record;
mod space;
mod task;

use async_trait::async_trait;
use millstream_config::{ParsedConfig, worker_key as key};
use millstream_connector::{Failure, TaskId};

pub use file::LeaseFile;
pub use keeper::{LeaseKeeper, LeaseSettings};
pub use log::{LeaseLog, LeaseStep, LeaseTopic, OpenLeaseLog};
pub use space::SpaceLimits;
pub use task::{IsStopping, TaskLease};

/// Where epochs come from.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Claims a connector's lease for a task. Returns an epoch that nobody else has or had, higher than `above` and than
    /// that of every claim before; and whose it is, for people.
    ///
    /// # Errors
    ///
    /// Of kind retriable if asking again may help. A claim may have been made all the same, which harms nobody.
    async fn claim(&self, task: &TaskId, above: u64) -> Result<(u64, String), Failure>;
}

impl LeaseSettings {
    /// Reads a worker's configuration, whose definition has checked the ranges.
    pub fn of(config: &ParsedConfig) -> Self {
        let size = |number: i32| usize::try_from(number).unwrap_or(0);
        Self {
            limits: SpaceLimits {
                entries: size(key::KV_MAX_ENTRIES.get(config)),
                key_bytes: size(key::KV_MAX_KEY_BYTES.get(config)),
                value_bytes: size(key::KV_MAX_VALUE_BYTES.get(config)),
                bytes: size(key::KV_MAX_BYTES.get(config)),
            },
            timeout: key::KV_TIMEOUT.get(config),
        }
    }
}
