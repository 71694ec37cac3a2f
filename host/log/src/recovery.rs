//! Opening a partition's log, and putting right what a crash left behind.
//!
//! After a clean stop the files are trusted and only their lengths looked at. Otherwise everything from the
//! recovery point on is read: at the first batch that is cut off or has a wrong checksum the log ends, and what
//! follows is dropped. Indexes and producer states are made anew from the batches.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::{Disk, Open};
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchHeader, ControlMarker};

use crate::{
    config::LogConfig,
    epochs::LeaderEpochs,
    files::{self, CLEANED, DELETED, Kind, SWAP},
    partition::{Active, EPOCHS_FILE, PartitionLog, index_batch, note_producer},
    producers::ProducerStates,
    scan::{Scan, ScanError},
    segment::{IndexState, Segment},
    snapshot,
    sync::Shared,
};

/// Why a partition's log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The folder could not be made or listed.
    #[error("list segments in {}", dir.display())]
    ListSegments {
        /// The folder.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A leftover of an interrupted deletion or compaction could not be put right.
    #[error("clear up {}", path.display())]
    ClearUp {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A segment's files could not be opened, read, cut or written to stable storage.
    #[error("recover segment {base_offset}")]
    Segment {
        /// The segment's first offset.
        base_offset: i64,
        /// What the operating system says.
        source: io::Error,
    },
    /// A batch that was on stable storage is not what was written: the disk or something else changed the file.
    /// Cutting the log there would lose good records behind it, so this is left to the operator.
    #[error("segment {base_offset} is damaged before the recovery point, at byte {position}")]
    Damaged {
        /// The segment's first offset.
        base_offset: i64,
        /// Where the batch begins.
        position: u64,
    },
    /// The leader epochs or producer states could not be read or written.
    #[error("recover the state of {}", dir.display())]
    State {
        /// The folder.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What is known about how the log was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenMode {
    /// Whether the broker stopped cleanly.
    pub clean: bool,
    /// The log is known to be on stable storage up to here (`recovery-point-offset-checkpoint`).
    pub recovery_point: LogOffset,
    /// The first offset that may be read (`log-start-offset-checkpoint`).
    pub log_start: LogOffset,
}

impl OpenMode {
    /// Nothing is known: everything is checked.
    pub const UNKNOWN: Self = Self { clean: false, recovery_point: LogOffset::ZERO, log_start: LogOffset::ZERO };
}

/// What opening found and did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RecoveryReport {
    /// Segments of the opened log.
    pub segments: usize,
    /// Bytes of batches whose checksums were verified.
    pub scanned_bytes: u64,
    /// Bytes cut off the end, those of dropped segments included.
    pub truncated_bytes: u64,
    /// Segments dropped behind a damaged one.
    pub dropped_segments: usize,
    /// Segments before the recovery point whose indexes had to be made anew.
    pub rebuilt_indexes: usize,
}

impl PartitionLog {
    /// Opens the log in a folder, which is made if needed. Blocks until recovery is done; what is found then is on
    /// stable storage.
    ///
    /// # Errors
    ///
    /// The operating system refuses something. Damage is no error: it is cut off and reported.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: LogConfig,
        mode: OpenMode,
        now: Timestamp,
    ) -> Result<(Self, RecoveryReport), OpenLogError> {
        let mut recovery = Recovery {
            disk: Arc::clone(disk),
            dir: Arc::from(dir),
            config,
            now_ms: now.as_millis(),
            segments: Vec::new(),
            unsound: Vec::new(),
            producers: ProducerStates::default(),
            active: Active::new(now.as_millis()),
            end: 0,
            report: RecoveryReport::default(),
        };
        recovery.run(mode)
    }
}

struct Recovery {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    config: LogConfig,
    now_ms: i64,
    segments: Vec<Segment>,
    /// Of each segment, whether its indexes have to be made anew.
    unsound: Vec<bool>,
    producers: ProducerStates,
    active: Active,
    end: i64,
    report: RecoveryReport,
}

impl Recovery {
    fn run(&mut self, mode: OpenMode) -> Result<(PartitionLog, RecoveryReport), OpenLogError> {
        let dir = Arc::clone(&self.dir);
        let state = |source| OpenLogError::State { dir: dir.to_path_buf(), source };
        let bases = prepare_folder(&*self.disk, &dir)?;
        self.open_segments(&bases)?;

        let sound = self.unsound.iter().all(|unsound| !unsound);
        let clean = mode.clean && sound && self.take_clean(mode.recovery_point.get()).map_err(state)?;
        // From the segment that has the recovery point on, nothing is certain.
        let scan_from = bases.partition_point(|&base| base <= mode.recovery_point.get()).saturating_sub(1);
        if !clean {
            self.rebuild(scan_from)?;
        }
        self.segments_reach(mode.log_start.get())?;

        let start = mode.log_start.get().max(self.segments[0].base_offset());
        let mut epochs = read_epochs(&*self.disk, &dir).map_err(state)?;
        let cut = epochs.truncate_to_end(self.end) | epochs.truncate_to_start(start);
        if cut {
            self.disk.replace(&dir.join(EPOCHS_FILE), epochs.to_text().as_bytes()).map_err(state)?;
        }
        let trusted = if clean { self.segments.len() } else { scan_from };
        for (at, segment) in self.segments.iter().enumerate() {
            if at < trusted && !self.unsound[at] {
                segment.set_synced();
                continue;
            }
            segment
                .sync(at + 1 == self.segments.len())
                .map_err(|source| OpenLogError::Segment { base_offset: segment.base_offset(), source })?;
        }
        if !clean {
            self.disk.sync_dir(&dir).map_err(state)?;
        }
        self.report.segments = self.segments.len();
        let segments = std::mem::take(&mut self.segments).into_iter().map(Arc::new).collect();
        let shared = Shared::new(Arc::clone(&self.disk), Arc::clone(&dir), segments, start, self.end, epochs);
        shared.set_end(self.end, self.producers.first_unstable_offset().unwrap_or(self.end));
        let log = PartitionLog {
            shared: Arc::new(shared),
            config: self.config.clone(),
            producers: std::mem::take(&mut self.producers),
            active: self.active,
            leftovers: Vec::new(),
        };
        log.remove_old_snapshots().map_err(state)?;
        Ok((log, self.report))
    }

    /// Opens all segments, and notes those whose indexes cannot be used.
    fn open_segments(&mut self, bases: &[i64]) -> Result<(), OpenLogError> {
        for &base_offset in bases {
            let failed = |source| OpenLogError::Segment { base_offset, source };
            let (segment, state) = Segment::open(&self.disk, &self.dir, base_offset).map_err(failed)?;
            // A segment that was closed ends its time index with its newest timestamp, and lost the index if there
            // is none (or no record has a timestamp, and making it anew is in vain).
            let last = segment.times().last().map_err(failed)?;
            segment.set_max_timestamp(last.map_or(-1, |last| last.timestamp));
            let lost = segment.size() != 0 && last.is_none();
            self.unsound.push(state == IndexState::Damaged || lost);
            self.segments.push(segment);
        }
        Ok(())
    }

    /// Takes over the state of a clean stop. False where the files are not those of one.
    fn take_clean(&mut self, expected_end: i64) -> io::Result<bool> {
        let Some(segment) = self.segments.last() else { return Ok(false) };
        let Some(producers) = snapshot::read(&*self.disk, &self.dir, expected_end, self.now_ms)? else {
            return Ok(false);
        };
        let from = segment.index().last()?.map_or(0, |entry| entry.position as u64);
        let mut active = Active::new(self.now_ms);
        let mut end = segment.base_offset();
        if let Some((_, first)) = walk(&mut Scan::short(segment.log(), 0, segment.size()))? {
            active.first_timestamp = (0 <= first.max_timestamp).then_some(first.max_timestamp);
        } else if segment.size() != 0 {
            return Ok(false);
        }
        active.latest = segment.times().last()?;
        let mut scan = Scan::short(segment.log(), from, segment.size());
        loop {
            match scan.next() {
                Ok(None) => break,
                Ok(Some((_, header))) => {
                    end = header.last_offset() + 1;
                    active.since_index += header.total_len() as u64;
                    segment.set_max_timestamp(segment.max_timestamp().max(header.max_timestamp));
                }
                Err(ScanError::Damaged { .. }) => return Ok(false),
                Err(ScanError::Io { source, .. }) => return Err(source),
            }
        }
        if end != expected_end {
            return Ok(false);
        }
        self.producers = producers;
        self.active = active;
        self.end = end;
        Ok(true)
    }

    /// Reads the segments from `scan_from` on, cuts the log at the first damage, and makes indexes and producer
    /// states anew.
    fn rebuild(&mut self, scan_from: usize) -> Result<(), OpenLogError> {
        let dir = Arc::clone(&self.dir);
        let state = |source| OpenLogError::State { dir: dir.to_path_buf(), source };
        let scan_base = self.segments.get(scan_from).map_or(0, Segment::base_offset);
        let replay_from = self.load_snapshot(scan_base).map_err(state)?;
        self.end = self.segments.first().map_or(0, Segment::base_offset);
        for at in 0..self.segments.len() {
            let base_offset = self.segments[at].base_offset();
            let failed = |source| OpenLogError::Segment { base_offset, source };
            // Compaction leaves gaps between segments, but nothing goes backwards.
            if base_offset < self.end {
                self.drop_from(at).map_err(failed)?;
                break;
            }
            if at < scan_from {
                if let Some(position) = self.review(at, replay_from).map_err(failed)? {
                    return Err(OpenLogError::Damaged { base_offset, position });
                }
            } else if let Some(position) = self.scan(at).map_err(failed)? {
                self.cut(at, position).map_err(failed)?;
                break;
            }
        }
        Ok(())
    }

    /// Takes the newest usable snapshot that is not after `before`, and returns its offset. Later ones are removed:
    /// they may describe what is about to be cut off.
    fn load_snapshot(&mut self, before: i64) -> io::Result<i64> {
        let mut snapshots = Vec::new();
        for name in self.disk.read_dir(&self.dir)? {
            match name.to_str().and_then(files::parse_name) {
                Some((at, Kind::Snapshot | Kind::Window)) if before < at => {
                    self.disk.remove_if_present(&self.dir.join(name))?;
                }
                Some((at, Kind::Snapshot)) => snapshots.push(at),
                _ => {}
            }
        }
        snapshots.sort_unstable();
        while let Some(at) = snapshots.pop() {
            if let Some(producers) = snapshot::read(&*self.disk, &self.dir, at, self.now_ms)? {
                self.producers = producers;
                return Ok(at);
            }
        }
        Ok(0)
    }

    /// Looks over a segment before the recovery point: its batches are trusted, its indexes may have to be made
    /// anew, and producers may need it. Returns where it is damaged all the same.
    fn review(&mut self, at: usize, replay_from: i64) -> io::Result<Option<u64>> {
        let next_base = self.segments.get(at + 1).map(Segment::base_offset);
        if self.unsound[at] {
            self.report.rebuilt_indexes += 1;
            return self.read_segment(at, replay_from, true, false);
        }
        match next_base {
            // Nobody needs its batches.
            Some(next_base) if next_base <= replay_from => {
                self.end = next_base;
                Ok(None)
            }
            _ => self.read_segment(at, replay_from, false, false),
        }
    }

    /// Verifies a segment batch by batch and makes its indexes anew. Returns where the first unsound batch begins.
    fn scan(&mut self, at: usize) -> io::Result<Option<u64>> {
        self.report.scanned_bytes += self.segments[at].size();
        self.read_segment(at, i64::MIN, true, true)
    }

    /// Ends the log in this segment at this byte.
    fn cut(&mut self, at: usize, position: u64) -> io::Result<()> {
        let segment = &self.segments[at];
        self.report.truncated_bytes += segment.size() - position;
        segment.truncate(position)?;
        self.drop_from(at + 1)
    }

    fn read_segment(&mut self, at: usize, replay_from: i64, index: bool, verify: bool) -> io::Result<Option<u64>> {
        let segment = &self.segments[at];
        let mut active = Active::new(self.now_ms);
        if index {
            segment.clear_indexes()?;
            segment.set_max_timestamp(-1);
        }
        let (log, size) = (segment.log(), segment.size());
        let mut scan = if verify { Scan::verifying(log, 0, size) } else { Scan::long(log, 0, size) };
        let mut end = segment.base_offset().max(self.end);
        let damaged_at = loop {
            let (position, header) = match scan.next() {
                Ok(None) => break None,
                Ok(Some(found)) => found,
                Err(ScanError::Damaged { position, .. }) => break Some(position),
                Err(ScanError::Io { source, .. }) => return Err(source),
            };
            if header.base_offset < end || segment.relative(header.last_offset()).is_none() {
                break Some(position);
            }
            let marker = match read_marker(&scan, position, &header) {
                Ok(marker) => marker,
                Err(ScanError::Damaged { position, .. }) => break Some(position),
                Err(ScanError::Io { source, .. }) => return Err(source),
            };
            end = header.last_offset() + 1;
            let aborted = if replay_from <= header.base_offset {
                note_producer(&mut self.producers, &header, marker, self.now_ms)
            } else {
                None
            };
            segment.set_max_timestamp(segment.max_timestamp().max(header.max_timestamp));
            if index {
                index_batch(segment, &mut active, &header, position, self.config.index_interval_bytes)?;
                if let Some(aborted) = aborted {
                    segment.append_aborted(&aborted)?;
                }
            }
        };
        // Of a segment that is closed the time index ends with the newest timestamp.
        let closed = at + 1 < self.segments.len() && damaged_at.is_none();
        if index
            && closed
            && let Some(latest) = active.latest
            && segment.times().last()?.is_none_or(|last| last.timestamp < latest.timestamp)
        {
            segment.times().append(latest)?;
        }
        self.end = end;
        self.active = active;
        Ok(damaged_at)
    }

    /// Drops all segments from this one on: they follow damage.
    fn drop_from(&mut self, at: usize) -> io::Result<()> {
        self.unsound.truncate(at);
        for segment in self.segments.drain(at..) {
            self.report.dropped_segments += 1;
            self.report.truncated_bytes += segment.size();
            for kind in Kind::ALL {
                self.disk.remove_if_present(&segment.path(kind))?;
            }
        }
        Ok(())
    }

    /// Makes sure that there is an active segment, and that the log does not end before its start.
    fn segments_reach(&mut self, log_start: i64) -> Result<(), OpenLogError> {
        let failed = |source| OpenLogError::Segment { base_offset: log_start, source };
        if self.end < log_start {
            // What is left lies wholly below the start.
            self.drop_from(0).map_err(failed)?;
        }
        if self.segments.is_empty() {
            let (segment, _) = Segment::open(&self.disk, &self.dir, log_start).map_err(failed)?;
            self.disk.sync_dir(&self.dir).map_err(failed)?;
            self.segments.push(segment);
            self.unsound.push(false);
            self.active = Active::new(self.now_ms);
            self.end = log_start;
        }
        Ok(())
    }
}

fn walk(scan: &mut Scan<'_>) -> io::Result<Option<(u64, BatchHeader)>> {
    match scan.next() {
        Ok(found) => Ok(found),
        Err(ScanError::Damaged { .. }) => Ok(None),
        Err(ScanError::Io { source, .. }) => Err(source),
    }
}

fn read_marker(scan: &Scan<'_>, position: u64, header: &BatchHeader) -> Result<Option<ControlMarker>, ScanError> {
    if !header.is_control() {
        return Ok(None);
    }
    let batch = scan.batch(position, header)?;
    // A control record of another kind, or one that cannot be read, ends no transaction; its checksum is right.
    Ok(ControlMarker::parse(header, &batch).ok().flatten())
}

fn read_epochs(disk: &dyn Disk, dir: &Path) -> io::Result<LeaderEpochs> {
    let content = disk.read_if_present(&dir.join(EPOCHS_FILE))?;
    // A damaged file is as good as none: consumers then check no epochs.
    let text = content.and_then(|content| String::from_utf8(content).ok());
    Ok(text.and_then(|text| LeaderEpochs::from_text(&text)).unwrap_or_default())
}

/// Makes the folder, puts right what an interrupted deletion or compaction left, and returns the base offsets of
/// its segments in ascending order.
fn prepare_folder(disk: &dyn Disk, dir: &Path) -> Result<Vec<i64>, OpenLogError> {
    let listed = |source| OpenLogError::ListSegments { dir: dir.to_owned(), source };
    disk.create_dirs(dir).map_err(listed)?;
    let names = || -> io::Result<Vec<String>> {
        Ok(disk.read_dir(dir)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    };
    let cleared = |path: PathBuf| move |source| OpenLogError::ClearUp { path, source };
    for name in names().map_err(listed)? {
        let path = dir.join(&name);
        if [DELETED, CLEANED, ".tmp"].iter().any(|suffix| name.ends_with(suffix)) {
            disk.remove_if_present(&path).map_err(cleared(path.clone()))?;
        } else if let Some(original) = name.strip_suffix(SWAP) {
            finish_swap(disk, dir, &path, original).map_err(cleared(path.clone()))?;
        }
    }
    let names = names().map_err(listed)?;
    let parsed: Vec<(i64, Kind)> = names.iter().filter_map(|name| files::parse_name(name)).collect();
    let bases: Vec<i64> = parsed.iter().filter(|(_, kind)| *kind == Kind::Log).map(|(base, _)| *base).collect();
    for (base, kind) in parsed {
        let orphan = matches!(kind, Kind::Index | Kind::TimeIndex | Kind::TxnIndex) && !bases.contains(&base);
        if orphan {
            let path = files::path(dir, base, kind);
            disk.remove_if_present(&path).map_err(cleared(path.clone()))?;
        }
    }
    Ok(bases)
}

/// Completes a compaction that had decided: its output takes the place of the segments that it was made from.
///
/// Segments that begin within the output's range are part of what it replaces. Indexes are made anew.
fn finish_swap(disk: &dyn Disk, dir: &Path, swap: &Path, original: &str) -> io::Result<()> {
    let Some((base, Kind::Log)) = files::parse_name(original) else {
        return disk.remove_if_present(swap).map(drop);
    };
    let file = disk.open(swap, Open::Read)?;
    let size = file.len()?;
    let mut scan = Scan::long(&*file, 0, size);
    let mut end = base + 1;
    while let Some((_, header)) = walk(&mut scan)? {
        end = end.max(header.last_offset() + 1);
    }
    for name in disk.read_dir(dir)? {
        let Some((at, kind)) = name.to_str().and_then(files::parse_name) else { continue };
        let replaced = base <= at && at < end && !matches!(kind, Kind::Snapshot | Kind::Window);
        if replaced {
            disk.remove_if_present(&dir.join(name))?;
        }
    }
    disk.rename(swap, &dir.join(original))?;
    disk.sync_dir(dir)
}
