//! Opening a partition's log: a survey that changes nothing, then putting right what a crash left behind.
//!
//! A torn end is cut off, what was not known to be durable is written again, and indexes and producer states are made
//! anew from the batches. Damage is no matter for a program: the log stays closed, and its files as they are.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::Disk;
use millstream_record::{LogOffset, Timestamp};

use crate::{
    cleaner::swap,
    config::LogConfig,
    damage::Damage,
    epochs::LeaderEpochs,
    files::Kind,
    partition::{Active, EPOCHS_FILE, PartitionLog, index_batch},
    scan::{Scan, ScanError},
    segment::{IndexState, Segment},
    snapshot,
    survey::{Survey, Surveyed},
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
    /// A leftover of an interrupted deletion could not be removed.
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
    /// Records that were stored are not what they were, or are missing. Nothing was changed.
    #[error("open a log whose files are damaged")]
    Damaged {
        /// Which file, where, and what can be done.
        source: Box<Damage>,
    },
    /// A crash interrupted the cleaner while it put a compacted segment in place of others. Opening the log finishes
    /// that; looking at it does not.
    #[error(
        "{} was to take the place of other segments when the broker was interrupted; start the broker once, which \
         finishes that", file.display()
    )]
    InterruptedCleaning {
        /// The file.
        file: PathBuf,
    },
    /// As above, and the compacted segment is not as it was written. Nothing was changed.
    #[error(
        "{} was to take the place of other segments when the broker was interrupted, and is damaged at byte {position}; \
         restore the partition's folder from a copy; if the segments from the offset in its name on are all still \
         there, it can be removed instead, with the others that end in .swap", file.display()
    )]
    DamagedSwap {
        /// The file.
        file: PathBuf,
        /// Where its first unsound batch begins.
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

impl OpenLogError {
    /// Whether another try would find the same: the files have to be put right first. Everything else may pass.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::InterruptedCleaning { .. } | Self::DamagedSwap { .. })
    }
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
    /// Everything below was compacted (`cleaner-offset-checkpoint`), so that offsets may be missing there. Zero where
    /// nothing was.
    pub cleaned_to: LogOffset,
    /// Whether the topic is compacted: within closed segments offsets may be missing then, wherever the last pass came
    /// to its end. A log that is opened so by its own configuration need not be told.
    pub compacted: bool,
}

impl OpenMode {
    /// Nothing is known: everything is checked.
    pub const UNKNOWN: Self = Self {
        clean: false,
        recovery_point: LogOffset::ZERO,
        log_start: LogOffset::ZERO,
        cleaned_to: LogOffset::ZERO,
        compacted: false,
    };
}

/// What opening found and did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RecoveryReport {
    /// Segments of the opened log.
    pub segments: usize,
    /// Bytes of batches whose checksums were verified.
    pub scanned_bytes: u64,
    /// Bytes of an end that a crash tore off, those of dropped segments included.
    pub truncated_bytes: u64,
    /// Segments without a sound batch that were dropped behind a torn one.
    pub dropped_segments: usize,
    /// Segments before the recovery point whose indexes had to be made anew.
    pub rebuilt_indexes: usize,
    /// Bytes written again because it was not certain that the disk has them.
    pub rewritten_bytes: u64,
    /// Offsets between segments that no record has, of those segments that were looked at. Compaction leaves some, and
    /// so does a file that somebody removed.
    pub missing_offsets: u64,
}

impl PartitionLog {
    /// Opens the log in a folder, which is made if needed. Blocks until recovery is done; what is found then is on
    /// stable storage.
    ///
    /// # Errors
    ///
    /// The operating system refuses something, or the files are damaged, which nothing is done about.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: LogConfig,
        mode: OpenMode,
        now: Timestamp,
    ) -> Result<(Self, RecoveryReport), OpenLogError> {
        let dir: Arc<Path> = Arc::from(dir);
        let mode = OpenMode { compacted: mode.compacted || config.compact, ..mode };
        let survey = match Survey::take(disk, &dir, mode, now.as_millis()) {
            Err(OpenLogError::InterruptedCleaning { .. }) => {
                swap::finish_interrupted(&**disk, &dir)?;
                Survey::take(disk, &dir, mode, now.as_millis())?
            }
            taken => taken?,
        };
        let recovery = Recovery { disk: Arc::clone(disk), dir, config, now_ms: now.as_millis() };
        recovery.settle(survey, mode)
    }
}

/// The second half: puts the files into the state that the survey says they should have. A crash on the way leaves
/// them so that the next survey says the same.
struct Recovery {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    config: LogConfig,
    now_ms: i64,
}

impl Recovery {
    fn settle(self, mut survey: Survey, mode: OpenMode) -> Result<(PartitionLog, RecoveryReport), OpenLogError> {
        let state = |source| OpenLogError::State { dir: self.dir.to_path_buf(), source };
        let unclean = survey.clean.is_none();
        if unclean {
            let listed = |source| OpenLogError::ListSegments { dir: self.dir.to_path_buf(), source };
            self.disk.create_dirs(&self.dir).map_err(listed)?;
        }
        for path in survey.leftovers.drain(..) {
            self.disk.remove_if_present(&path).map_err(|source| OpenLogError::ClearUp { path, source })?;
        }
        if unclean {
            self.forget_snapshots(&survey).map_err(state)?;
            self.cut(&mut survey)?;
            for (at, producers) in survey.snapshots.iter().filter(|(at, _)| *at <= survey.end) {
                snapshot::write(&*self.disk, &self.dir, *at, producers, self.config.sync_closed).map_err(state)?;
            }
        }
        let mut active = survey.clean.unwrap_or(Active::new(self.now_ms));
        let last = survey.segments.len().saturating_sub(1);
        for (at, found) in survey.segments.iter().enumerate() {
            let base_offset = found.segment.base_offset();
            let failed = |source| OpenLogError::Segment { base_offset, source };
            let certain = at < survey.verified_from;
            if let Some(latest) = self.put_indexes_right(found, certain, at == last).map_err(failed)? {
                active = latest;
            }
            if certain && found.indexes == IndexState::SOUND {
                found.segment.set_synced(at == last);
                continue;
            }
            if !certain {
                let from = if at == survey.verified_from { survey.unverified_at } else { 0 };
                survey.report.rewritten_bytes += found.segment.write_again(from).map_err(failed)?;
            }
            found.segment.sync(at == last).map_err(failed)?;
        }
        let mut segments: Vec<Arc<Segment>> =
            survey.segments.into_iter().map(|found| Arc::new(found.segment)).collect();
        if segments.is_empty() {
            let base_offset = mode.log_start.get();
            let failed = |source| OpenLogError::Segment { base_offset, source };
            segments.push(Arc::new(Segment::create(&self.disk, &self.dir, base_offset).map_err(failed)?));
            survey.end = base_offset;
        }
        let start = mode.log_start.get().max(segments[0].base_offset());
        let mut epochs = read_epochs(&*self.disk, &self.dir).map_err(state)?;
        if epochs.truncate_to_end(survey.end) | epochs.truncate_to_start(start) {
            self.disk.replace(&self.dir.join(EPOCHS_FILE), epochs.to_text().as_bytes()).map_err(state)?;
        }
        if unclean {
            self.disk.sync_dir(&self.dir).map_err(state)?;
        }
        survey.report.segments = segments.len();
        let shared = Shared::new(self.disk, Arc::clone(&self.dir), segments, start, survey.end, epochs);
        shared.set_end(survey.end, survey.producers.first_unstable_offset().unwrap_or(survey.end));
        let log = PartitionLog {
            shared: Arc::new(shared),
            config: self.config,
            producers: survey.producers,
            active,
            leftovers: Vec::new(),
        };
        let dir = self.dir;
        log.remove_old_snapshots().map_err(|source| OpenLogError::State { dir: dir.to_path_buf(), source })?;
        Ok((log, survey.report))
    }

    /// Removes snapshots that may describe what is about to be cut off.
    fn forget_snapshots(&self, survey: &Survey) -> io::Result<()> {
        let certain = survey.segments.get(survey.verified_from).map_or(0, |found| found.segment.base_offset());
        snapshot::remove(&*self.disk, &self.dir, |at| certain < at)
    }

    /// Cuts a torn end off, with the segments behind it, in which nothing is sound.
    fn cut(&self, survey: &mut Survey) -> Result<(), OpenLogError> {
        let Some((at, position)) = survey.torn else { return Ok(()) };
        for Surveyed { segment, .. } in survey.segments.drain(at + 1..).rev() {
            let failed = |source| OpenLogError::Segment { base_offset: segment.base_offset(), source };
            survey.report.dropped_segments += 1;
            survey.report.truncated_bytes += segment.size();
            for kind in Kind::ALL {
                self.disk.remove_if_present(&segment.path(kind)).map_err(failed)?;
            }
        }
        let segment = &survey.segments[at].segment;
        let failed = |source| OpenLogError::Segment { base_offset: segment.base_offset(), source };
        survey.report.truncated_bytes += segment.size() - position;
        segment.truncate(position).map_err(failed)
    }

    /// Makes anew what is not sound. Returns what the writer needs, if that was found on the way.
    fn put_indexes_right(&self, found: &Surveyed, certain: bool, last: bool) -> io::Result<Option<Active>> {
        let Surveyed { segment, indexes, aborted } = found;
        if let Some(aborted) = aborted
            && segment.aborted().ok().as_ref() != Some(aborted)
        {
            segment.set_aborted(aborted)?;
        }
        if certain && indexes.sound {
            return Ok(None);
        }
        let active = self.rebuild_indexes(segment)?;
        // Of a segment that is closed the time index ends with the newest timestamp.
        if !last
            && let Some(latest) = active.latest
            && segment.times().last()?.is_none_or(|last| last.timestamp < latest.timestamp)
        {
            segment.times().append(latest)?;
        }
        Ok(last.then_some(active))
    }

    fn rebuild_indexes(&self, segment: &Segment) -> io::Result<Active> {
        segment.index().clear()?;
        segment.times().clear()?;
        segment.set_max_timestamp(-1);
        let mut active = Active::new(self.now_ms);
        let mut scan = Scan::long(segment.log(), 0, segment.size());
        let broken = |error: ScanError| io::Error::other(error);
        while let Some((position, header)) = scan.next().map_err(broken)? {
            segment.set_max_timestamp(segment.max_timestamp().max(header.max_timestamp));
            index_batch(segment, &mut active, &header, position, self.config.index_interval_bytes)?;
        }
        Ok(active)
    }
}

fn read_epochs(disk: &dyn Disk, dir: &Path) -> io::Result<LeaderEpochs> {
    let content = disk.read_if_present(&dir.join(EPOCHS_FILE))?;
    // A damaged file is as good as none: consumers then check no epochs.
    let text = content.and_then(|content| String::from_utf8(content).ok());
    Ok(text.and_then(|text| LeaderEpochs::from_text(&text)).unwrap_or_default())
}
