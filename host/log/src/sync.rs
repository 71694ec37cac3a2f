//! Making appended data durable, and the state that appends, reads and syncs share.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicI64, Ordering},
    },
};

use millstream_disk::Disk;
use millstream_record::LogOffset;

use crate::{epochs::LeaderEpochs, segment::Segment};

/// Why a partition's data could not be made durable.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The operating system failed to write: what it held may be gone, so the log accepts nothing more until it
    /// is opened again.
    #[error("write segment {base_offset} to stable storage")]
    Failed {
        /// The segment's first offset.
        base_offset: i64,
        source: io::Error,
    },
    /// The log went offline before.
    #[error("the log is offline: {reason}")]
    Offline {
        /// Why it did.
        reason: String,
    },
    /// The files that a clean stop leaves behind could not be written.
    #[error("write the state of a clean stop")]
    Close { source: io::Error },
}

/// What the one writer and any number of readers and syncs share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub dir: Arc<Path>,
    /// Ascending, never empty; the last is the active one. Replaced as a whole.
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    start: AtomicI64,
    end: AtomicI64,
    durable: AtomicI64,
    /// First offset of the oldest open transaction, or the end.
    stable: AtomicI64,
    epochs: RwLock<LeaderEpochs>,
    /// Why nothing more is accepted. Set once.
    offline: OnceLock<String>,
    /// One sync at a time: whoever waited for another finds little left to do.
    syncing: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: Arc<Path>,
        segments: Vec<Arc<Segment>>,
        start: i64,
        end: i64,
        epochs: LeaderEpochs,
    ) -> Self {
        Self {
            disk,
            dir,
            segments: RwLock::new(Arc::new(segments)),
            start: AtomicI64::new(start),
            end: AtomicI64::new(end),
            // What was found at opening has been made durable there.
            durable: AtomicI64::new(end),
            stable: AtomicI64::new(end),
            epochs: RwLock::new(epochs),
            offline: OnceLock::new(),
            syncing: Mutex::new(()),
        }
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        // Replaced as a whole: a panic leaves the old list or the new one.
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_segments(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    /// Replaced as a whole, as the segments are.
    pub(crate) fn epochs(&self) -> RwLockReadGuard<'_, LeaderEpochs> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_epochs(&self, epochs: LeaderEpochs) {
        *self.epochs.write().unwrap_or_else(PoisonError::into_inner) = epochs;
    }

    pub(crate) fn start(&self) -> i64 {
        self.start.load(Ordering::Acquire)
    }

    /// Moves the start forward, never back.
    pub(crate) fn advance_start(&self, start: i64) {
        self.start.fetch_max(start, Ordering::AcqRel);
    }

    pub(crate) fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: i64, stable: i64) {
        self.end.store(end, Ordering::Release);
        self.stable.store(stable, Ordering::Release);
    }

    pub(crate) fn durable(&self) -> i64 {
        self.durable.load(Ordering::Acquire)
    }

    /// First offset of the oldest open transaction, as far as that can be read, or the end.
    pub(crate) fn stable(&self) -> i64 {
        self.stable.load(Ordering::Acquire).max(self.start())
    }

    pub(crate) fn offline(&self) -> Option<&str> {
        self.offline.get().map(String::as_str)
    }

    pub(crate) fn go_offline(&self, reason: String) {
        // The first reason stays.
        let _ = self.offline.set(reason);
    }

    /// Begins a change of files and state that must not stay half done: a panic before the returned value is dropped
    /// takes the log offline.
    pub(crate) fn change(self: &Arc<Self>) -> Change {
        Change { shared: Arc::clone(self) }
    }

    /// Up to where a recovery may trust the files, indexes included.
    fn recovery_point(&self) -> i64 {
        let durable = self.durable();
        let segments = self.segments();
        let (_, closed) = segments.split_last().expect("a log always has an active segment");
        let dirty = closed.iter().find(|segment| segment.is_dirty(false));
        dirty.map_or(durable, |segment| durable.min(segment.base_offset()))
    }

    fn sync(self: &Arc<Self>) -> Result<i64, SyncError> {
        // Whoever panicked here has taken the log offline, and that is looked at next.
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let _change = self.change();
        if let Some(reason) = self.offline() {
            return Err(SyncError::Offline { reason: reason.to_owned() });
        }
        // Read before the segments: whatever is appended meanwhile is not claimed to be durable.
        let end = self.end();
        if end == self.durable() {
            return Ok(end);
        }
        let segments = self.segments();
        let active = segments.len() - 1;
        // Dirty ones are at the end of the list; an empty active segment hides none.
        let clean = |at: &usize| segments[*at].size() != 0 && !segments[*at].is_dirty(*at == active);
        let first = (0..segments.len()).rev().find(clean).map_or(0, |at| at + 1);
        for (at, segment) in segments.iter().enumerate().skip(first) {
            self.sync_one(segment, at == active)?;
        }
        self.durable.fetch_max(end, Ordering::AcqRel);
        Ok(end)
    }

    /// Brings a segment that will not grow any more to stable storage, indexes included.
    ///
    /// Not beside another sync: the operating system tells of a failed write once, and each must hear of it.
    pub(crate) fn sync_closed(&self, segment: &Segment) -> Result<(), SyncError> {
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = self.offline() {
            return Err(SyncError::Offline { reason: reason.to_owned() });
        }
        self.sync_one(segment, false)
    }

    fn sync_one(&self, segment: &Segment, active: bool) -> Result<(), SyncError> {
        segment.sync(active).map_err(|source| {
            let base_offset = segment.base_offset();
            self.go_offline(format!("segment {base_offset} could not be written to stable storage: {source}"));
            SyncError::Failed { base_offset, source }
        })
    }
}

/// A change that is under way.
#[derive(Debug)]
pub(crate) struct Change {
    shared: Arc<Shared>,
}

impl Drop for Change {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.go_offline("a panic interrupted a change, which may be half done".to_owned());
        }
    }
}

/// Makes what was appended durable, without the lock that appends need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SyncHandle {
    pub(crate) shared: Arc<Shared>,
}

impl SyncHandle {
    /// Brings everything appended before the call to stable storage and returns the offset up to which the log is
    /// durable now. Blocks for as long as the disk takes; concurrent calls share their work.
    ///
    /// # Errors
    ///
    /// A failed write takes the log offline for good: the operating system may have dropped the data, and a later
    /// success would prove nothing. Readers may go on below [`Self::durable_end`].
    pub fn sync(&self) -> Result<LogOffset, SyncError> {
        self.shared.sync().map(offset)
    }

    /// The offset after the last record appended.
    pub fn end_offset(&self) -> LogOffset {
        offset(self.shared.end())
    }

    /// The offset up to which the log is known to be on stable storage.
    pub fn durable_end(&self) -> LogOffset {
        offset(self.shared.durable())
    }

    /// The offset for `recovery-point-offset-checkpoint`: what lies before it needs no recovery. Not after
    /// [`Self::durable_end`].
    pub fn recovery_point(&self) -> LogOffset {
        offset(self.shared.recovery_point())
    }

    /// Whether anything appended is not durable yet.
    pub fn is_dirty(&self) -> bool {
        self.shared.durable() < self.shared.end()
    }
}

/// Offsets of a log are never negative.
pub(crate) fn offset(offset: i64) -> LogOffset {
    LogOffset::new(offset).expect("a log has no negative offsets")
}
