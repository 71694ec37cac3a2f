//! A sync that the thread which appended does itself, once it has appended all that has arrived: nobody else is woken for
//! it, and one sync is for all of that.

use std::sync::Arc;

use super::Partition;

/// A sync that a partition needs and nobody is at. Everybody who appends to the partition relies on it, so it is kept no
/// longer than it takes to find out whether there is more to append. Dropped, it is left to a thread for that.
#[must_use]
pub struct OwedSync {
    partition: Option<Arc<Partition>>,
}

impl OwedSync {
    pub(super) fn of(partition: &Arc<Partition>) -> Self {
        Self { partition: Some(Arc::clone(partition)) }
    }

    /// Does it on this thread, and tells who waits. Blocks for as long as the disk takes.
    pub fn pay(mut self) {
        if let Some(partition) = self.partition.take() {
            partition.guarded_sync();
        }
    }
}

impl Drop for OwedSync {
    fn drop(&mut self) {
        if let Some(partition) = self.partition.take() {
            partition.send_sync();
        }
    }
}
