//! One segment: a `.log` file with its indexes. Written by one thread at a time, read by many.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use millstream_disk::{Disk, DiskFile, Open};
use millstream_wire::batch::BatchHeader;

use crate::{
    files::{self, Kind},
    index::{Index, OffsetEntry, TimeEntry},
    scan::{Scan, ScanError},
    transactions::{self, AbortedTransaction},
};

/// Read positions that a segment remembers: one for each consumer that follows its end, within reason.
const HINTS: usize = 8;

/// A segment with fewer bytes takes no room ahead: most partitions stay small.
const LEAST_RESERVING: u64 = 1 << 20;

/// One segment of a partition.
#[derive(Debug)]
pub(crate) struct Segment {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    base_offset: i64,
    log: Box<dyn DiskFile>,
    index: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    /// Bytes of whole batches. Published after they are written, so that readers never see part of a batch.
    size: AtomicU64,
    /// Bytes known to be on stable storage.
    synced: AtomicU64,
    /// Up to which byte room was asked for.
    reserved: AtomicU64,
    /// Whether something was taken back, which may not be on stable storage yet.
    cut: AtomicBool,
    indexes_synced: AtomicBool,
    /// Largest timestamp of its records, -1 without any.
    max_timestamp: AtomicI64,
    /// Entries of its transaction index.
    aborted: AtomicU64,
    /// What stands there, once the file is about to go or to become another segment's.
    kept_aborted: OnceLock<Vec<AbortedTransaction>>,
    /// Where reads ended, since the next read of the same consumer begins there: (offset, byte).
    hints: Mutex<Hints>,
}

#[derive(Debug, Default)]
struct Hints {
    next: usize,
    places: [Option<(i64, u64)>; HINTS],
}

/// Which of a segment's indexes can be used as they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IndexState {
    /// The two that find batches.
    pub sound: bool,
    /// The one of aborted transactions.
    pub transactions_sound: bool,
}

impl IndexState {
    pub(crate) const SOUND: Self = Self { sound: true, transactions_sound: true };
}

impl Segment {
    /// Makes the files of a new segment, or opens those that an earlier try left.
    pub(crate) fn create(disk: &Arc<dyn Disk>, dir: &Arc<Path>, base_offset: i64) -> io::Result<Self> {
        let (segment, _) = Self::open(disk, dir, base_offset)?;
        segment.index.made()?;
        segment.times.made()?;
        Ok(segment)
    }

    /// Opens the segment with this base offset. Its size is that of its file, and nothing counts as durable yet.
    /// Changes nothing where its `.log` exists.
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Arc<Path>, base_offset: i64) -> io::Result<(Self, IndexState)> {
        let path = files::path(dir, base_offset, Kind::Log);
        let log = disk.open(&path, Open::Create)?;
        let size = log.len()?;
        let (index, index_sound) = Index::open(disk, &files::path(dir, base_offset, Kind::Index))?;
        let (times, times_sound) = Index::open(disk, &files::path(dir, base_offset, Kind::TimeIndex))?;
        let aborted = transactions::read(&**disk, &files::path(dir, base_offset, Kind::TxnIndex))?;
        let segment = Self {
            disk: Arc::clone(disk),
            dir: Arc::clone(dir),
            base_offset,
            log,
            index,
            times,
            size: AtomicU64::new(size),
            synced: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            indexes_synced: AtomicBool::new(false),
            max_timestamp: AtomicI64::new(-1),
            aborted: AtomicU64::new(aborted.as_ref().map_or(0, |entries| entries.len() as u64)),
            kept_aborted: OnceLock::new(),
            hints: Mutex::default(),
        };
        // A segment that was closed ends its time index with its newest timestamp, and lost the index if there is none
        // (or no record has a timestamp, and making it anew is in vain).
        let lost = segment.size() != 0 && segment.times.len() == 0;
        let sound = index_sound && times_sound && !lost && segment.last_entries_fit()?;
        Ok((segment, IndexState { sound, transactions_sound: aborted.is_some() }))
    }

    /// Whether the last index entries are ones that this segment can have.
    fn last_entries_fit(&self) -> io::Result<bool> {
        let index_fits = match self.index.last()? {
            None => true,
            Some(entry) => 0 <= entry.relative_offset && u64::try_from(entry.position).is_ok_and(|at| at < self.size()),
        };
        let times_fit = match self.times.last()? {
            // A closed segment always ends in one.
            None => true,
            Some(entry) => 0 <= entry.relative_offset && self.size() != 0,
        };
        Ok(index_fits && times_fit)
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn log(&self) -> &dyn DiskFile {
        &*self.log
    }

    pub(crate) fn max_timestamp(&self) -> i64 {
        self.max_timestamp.load(Ordering::Acquire)
    }

    pub(crate) fn set_max_timestamp(&self, timestamp: i64) {
        self.max_timestamp.store(timestamp, Ordering::Release);
    }

    pub(crate) fn index(&self) -> &Index<OffsetEntry> {
        &self.index
    }

    pub(crate) fn times(&self) -> &Index<TimeEntry> {
        &self.times
    }

    /// An offset relative to this segment, as indexes have it; `None` where it is too far away.
    pub(crate) fn relative(&self, offset: i64) -> Option<i32> {
        i32::try_from(offset.checked_sub(self.base_offset)?).ok()
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        files::path(&self.dir, self.base_offset, kind)
    }

    /// Asks for room for what is appended from here on, before so many more bytes are: as much again as the segment has,
    /// within the limits. The file does not get longer, so that a recovery finds nothing of it.
    pub(crate) fn reserve(&self, more: u64, max_bytes: u64, segment_bytes: u64) {
        let size = self.size();
        if size < LEAST_RESERVING || size + more <= self.reserved.load(Ordering::Relaxed) {
            return;
        }
        let up_to = (size + size.min(max_bytes)).min(segment_bytes).max(size);
        // Where there is no room, or the file system gives none ahead, it is asked as seldom.
        let _given = max_bytes != 0 && self.log.reserve(size, up_to - size);
        self.reserved.store(up_to.max(size + more), Ordering::Relaxed);
    }

    /// Gives back what room is left, of an earlier process as well.
    pub(crate) fn release(&self) -> io::Result<()> {
        if self.log.release()? {
            // As after a cut.
            self.cut.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Writes a batch behind the others without publishing it. After an error the file is as before, or cannot
    /// be made so, which the second error says.
    pub(crate) fn write(&self, batch: &[u8]) -> Result<(), (io::Error, Option<io::Error>)> {
        let size = self.size();
        self.log.write_all_at(batch, size).map_err(|error| (error, self.unwrite().err()))
    }

    /// Publishes what was written.
    pub(crate) fn publish(&self, bytes: u64, max_timestamp: i64) {
        self.max_timestamp.fetch_max(max_timestamp, Ordering::AcqRel);
        self.size.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Cuts the segment, while no reader has it. Everything behind is gone.
    pub(crate) fn truncate(&self, size: u64) -> io::Result<()> {
        self.log.set_len(size)?;
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// Writes what is there from a byte on once more in place, so that the next sync brings it to stable storage even
    /// if an earlier one failed, after which the system may take it for written. Returns how many bytes.
    pub(crate) fn write_again(&self, from: u64) -> io::Result<u64> {
        let size = self.size();
        let mut at = from;
        let mut buffer = Vec::new();
        while at < size {
            buffer.resize((size - at).min(1 << 20) as usize, 0);
            self.log.read_exact_at(&mut buffer, at)?;
            self.log.write_all_at(&buffer, at)?;
            at += buffer.len() as u64;
        }
        Ok(size.saturating_sub(from))
    }

    /// Takes back what was written and not published. The next sync has to make that durable, or a power failure
    /// could bring it back behind the last batch of a segment that is closed.
    pub(crate) fn unwrite(&self) -> io::Result<()> {
        let cut = self.log.set_len(self.size());
        // Noted after it is done: a sync that is under way may have come too early for it.
        self.cut.store(true, Ordering::Release);
        cut
    }

    /// Replaces the transaction index by these entries, while no reader has it. Whoever is interrupted leaves the old
    /// one: nothing tells a part of it from the whole.
    pub(crate) fn set_aborted(&self, aborted: &[AbortedTransaction]) -> io::Result<()> {
        let path = self.path(Kind::TxnIndex);
        if aborted.is_empty() {
            self.disk.remove_if_present(&path)?;
        } else {
            let content: Vec<u8> = aborted.iter().flat_map(AbortedTransaction::encode).collect();
            self.disk.replace(&path, &content)?;
        }
        self.aborted.store(aborted.len() as u64, Ordering::Release);
        Ok(())
    }

    pub(crate) fn append_aborted(&self, aborted: &AbortedTransaction) -> io::Result<()> {
        let entries = self.aborted.load(Ordering::Acquire);
        transactions::append(&*self.disk, &self.path(Kind::TxnIndex), entries, aborted)?;
        self.aborted.store(entries + 1, Ordering::Release);
        Ok(())
    }

    pub(crate) fn has_no_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire) == 0
    }

    pub(crate) fn aborted(&self) -> io::Result<Vec<AbortedTransaction>> {
        let entries = self.aborted.load(Ordering::Acquire);
        if entries == 0 {
            return Ok(Vec::new());
        }
        let read = transactions::read(&*self.disk, &self.path(Kind::TxnIndex));
        // Asked after the file was read: what that name stood for since is not this segment's.
        if let Some(kept) = self.kept_aborted.get() {
            return Ok(kept.clone());
        }
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the transaction index is damaged");
        let mut read = read?.ok_or_else(damaged)?;
        read.truncate(entries as usize);
        Ok(read)
    }

    /// Keeps the transaction index in memory, for readers that have the segment still when its file is gone. To be
    /// called before the file of a closed segment is renamed or replaced.
    pub(crate) fn keep_aborted(&self) -> io::Result<()> {
        let all = self.aborted()?;
        self.kept_aborted.get_or_init(|| all);
        Ok(())
    }

    /// Whether something is not on stable storage yet. The indexes of the active segment don't count: they are
    /// made anew after a crash.
    pub(crate) fn is_dirty(&self, active: bool) -> bool {
        self.synced.load(Ordering::Acquire) < self.size()
            || self.cut.load(Ordering::Acquire)
            || !(active || self.indexes_synced.load(Ordering::Acquire))
    }

    /// Brings what is published now to stable storage; of a closed segment the indexes as well.
    pub(crate) fn sync(&self, active: bool) -> io::Result<()> {
        let size = self.size();
        let cut = self.cut.swap(false, Ordering::AcqRel);
        if cut || self.synced.load(Ordering::Acquire) < size {
            // An error takes the log offline, so nobody asks whether it was cut any more.
            self.log.sync_data()?;
            self.synced.fetch_max(size, Ordering::AcqRel);
        }
        if !active && !self.indexes_synced.load(Ordering::Acquire) {
            self.index.sync()?;
            self.times.sync()?;
            if self.aborted.load(Ordering::Acquire) != 0 {
                self.disk.open(&self.path(Kind::TxnIndex), Open::Read)?.sync_data()?;
            }
            self.indexes_synced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Says that everything in the segment is on stable storage, as after a clean stop. The indexes of the active one
    /// go on growing, so that they are to be synced once more when it is closed.
    pub(crate) fn set_synced(&self, active: bool) {
        self.synced.store(self.size(), Ordering::Release);
        self.indexes_synced.store(!active, Ordering::Release);
    }

    /// A byte at which a batch begins, not after the batch that has the offset.
    pub(crate) fn position_before(&self, offset: i64) -> io::Result<u64> {
        if let Some(position) = self.known_position(offset) {
            return Ok(position);
        }
        let relative = self.relative(offset).unwrap_or(i32::MAX);
        let entry = self.index.last_where(|entry| entry.relative_offset <= relative)?;
        Ok(entry.map_or(0, |entry| entry.position as u64))
    }

    /// The first batch that ends at or after the offset; `None` where all end before it.
    pub(crate) fn find(&self, offset: i64) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let position = self.position_before(offset).map_err(|source| ScanError::Io { position: 0, source })?;
        let mut scan = Scan::short(&*self.log, position, self.size());
        while let Some((position, header)) = scan.next()? {
            if offset <= header.last_offset() {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// As [`Self::position_before`], where no file has to be read for it. What begins there ends at or after the offset.
    pub(crate) fn known_position(&self, offset: i64) -> Option<u64> {
        if offset == self.base_offset {
            return Some(0);
        }
        // Each place stands for itself, so no panic leaves a wrong one.
        let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        hints.places.iter().flatten().find(|place| place.0 == offset).map(|place| place.1)
    }

    /// Remembers that the batch with this offset begins at this byte.
    pub(crate) fn remember(&self, offset: i64, position: u64) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        let next = hints.next;
        hints.places[next] = Some((offset, position));
        hints.next = (next + 1) % HINTS;
    }
}
