//! A connector's lease: one owner at a time among its tasks, and what that owner keeps for its successors.

use async_trait::async_trait;

use crate::Failure;

/// Java class of the failure that tells a task that it has no lease any more; Connect's users know it from zombies that
/// are shut out.
pub const LEASE_LOST: &str = "org.apache.kafka.common.errors.ProducerFencedException";

/// One key of a connector's space with its new value; none removes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyChange {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// What one task may ask about the lease of its connector, and about the keys and values that are kept under it.
///
/// An epoch names one tenure: whoever obtains the lease gets a higher one than anybody before. A failure of the class
/// [`LEASE_LOST`] means that the task has no lease any more. Every call has a deadline of its own; dropping a future gives
/// the call up, and leaves open whether what it wanted to write is written.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Makes the task the only owner, whoever was before, and returns its epoch. A task that is the owner already stays
    /// it, in the same epoch.
    ///
    /// What is read afterwards is all that earlier owners have written, and will ever have.
    ///
    /// # Errors
    ///
    /// The task is not the owner: of kind retriable if asking again may help.
    async fn obtain(&self) -> Result<u64, Failure>;

    /// Whether the task was the owner in this epoch at some moment after the call.
    ///
    /// # Errors
    ///
    /// It was not ([`LEASE_LOST`]), or that is not known.
    async fn confirm(&self, epoch: u64) -> Result<(), Failure>;

    /// All keys that have a value, in ascending order.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    async fn keys(&self) -> Result<Vec<String>, Failure>;

    /// The values of keys, in the same order; at least as new as all that was written before the call.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Changes values, all together or none. Returns when they are durable and certain to count.
    ///
    /// # Errors
    ///
    /// Nothing is changed, and nothing ever will be, if the lease is lost ([`LEASE_LOST`]) or a limit is exceeded. After
    /// a failure of kind retriable the change may come to count until somebody obtains the lease; the task has lost
    /// it, and may obtain it again to find out.
    async fn write(&self, epoch: u64, changes: Vec<KeyChange>) -> Result<(), Failure>;
}
