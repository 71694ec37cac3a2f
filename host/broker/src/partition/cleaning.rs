//! What the cleaner asks of a partition. The pass itself is [`millstream_log::Cleaning`]'s.

use millstream_log::{CleanError, Cleanable, CleanedSegment, Cleaning};

use super::*;

impl Partition {
    /// Whether the cleaner has to look at the partition at all. Never blocks.
    pub fn wants_cleaning(&self) -> bool {
        self.config().compact
            && !self.uncleanable.load(Ordering::Acquire)
            && self.clean_again().is_none_or(|at| at <= Instant::now())
            && self.opened().is_some()
    }

    fn clean_again(&self) -> MutexGuard<'_, Option<Instant>> {
        // A moment is never half written.
        self.clean_again.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.clean_again().take().is_some() {
            self.home.health.clear(&self.cleaning_name());
        }
    }

    /// A pass failed. What may pass, as a full disk does, is tried again after `pause`, and others are cleaned meanwhile.
    /// After anything else the partition is left out until the broker is started again: it would fail again.
    pub fn cleaning_failed(&self, error: &CleanError, pause: Duration) {
        if offline::may_pass(error) && !self.is_over() {
            *self.clean_again() = Some(Instant::now() + pause);
            self.home.health.report(self.cleaning_name(), format!("{}; it is tried again", ErrorChain(error)));
        } else {
            self.uncleanable.store(true, Ordering::Release);
            let reason = format!("{}; it is not compacted until the broker is started again", ErrorChain(error));
            self.home.health.report(self.cleaning_name(), reason);
        }
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
