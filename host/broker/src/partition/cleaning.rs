//! What the cleaner asks of a partition. The pass itself is [`millstream_log::Cleaning`]'s.

use millstream_log::{CleanError, Cleanable, CleanedSegment, Cleaning};

use super::*;

impl Partition {
    /// Whether the cleaner has to look at the partition at all. Never blocks.
    pub fn wants_cleaning(&self) -> bool {
        self.config().compact && !self.uncleanable.load(Ordering::Acquire) && self.opened().is_some()
    }

    /// Whether cleaning it has become in vain: it was deleted, is closed or went offline.
    pub fn is_over(&self) -> bool {
        self.opened().is_none_or(|open| open.reader.offline().is_some())
    }

    /// Whether its topic was deleted.
    pub fn is_deleted(&self) -> bool {
        matches!(&*self.slot(), Slot::Deleted)
    }

    /// Takes the partition for one cleaner, until [`Partition::end_cleaning`]. False if another has it.
    pub fn claim_cleaning(&self) -> bool {
        !self.cleaning.swap(true, Ordering::AcqRel)
    }

    /// Gives the partition back to whichever cleaner comes next.
    pub fn end_cleaning(&self) {
        self.cleaning.store(false, Ordering::Release);
    }

    /// What could be cleaned, if that is worth it; with the part that is dirty. Blocks; for work that is handed to
    /// [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn due_cleaning(&self, now: Timestamp) -> Result<Option<Cleanable>, CleanError> {
        let least = self.config().min_cleanable_dirty_ratio;
        let cleaned_to = LogOffset::new(self.cleaned_to.load(Ordering::Acquire));
        let cleanable = self.with_log(|log| log.cleanable(cleaned_to, now)).transpose()?;
        Ok(cleanable.filter(|cleanable| cleanable.is_due(least)))
    }

    /// Begins a pass; `None` where the partition is out of use. For work that is handed to [`Partition::submit`].
    pub fn begin_cleaning(&self, cleanable: &Cleanable, now: Timestamp) -> Option<Cleaning> {
        self.with_log(|log| log.begin_cleaning(cleanable, now))
    }

    /// Puts a compacted segment in place of others. Blocks; for work that is handed to [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// As [`PartitionLog::swap_in`]; or the partition was closed.
    pub fn swap_in(&self, cleaned: CleanedSegment, now: Timestamp) -> Result<(), CleanError> {
        let closed = || CleanError::Offline { reason: "the partition was closed".to_owned() };
        self.with_log(|log| log.swap_in(cleaned, now)).unwrap_or_else(|| Err(closed()))
    }

    /// Notes for the checkpoint how far a pass has come.
    pub fn cleaned(&self, to: LogOffset) {
        self.cleaned_to.store(to.get(), Ordering::Release);
    }

    /// Leaves the partition out from now on: what failed once would fail again, and others wait. Until the broker is
    /// started again.
    pub fn give_up_cleaning(&self, reason: impl Into<String>) {
        self.uncleanable.store(true, Ordering::Release);
        self.home.health.report(self.cleaning_name(), reason);
    }

    pub(super) fn cleaning_name(&self) -> String {
        format!("the compaction of partition {}", self.name())
    }

    /// `None` where the log is closed, or nothing is certain about it.
    fn with_log<T>(&self, work: impl FnOnce(&mut PartitionLog) -> T) -> Option<T> {
        let open = self.opened()?;
        let mut log = self.log_of(&open).ok()?;
        log.as_mut().map(work)
    }
}
