//! Opening a partition's log: a survey that changes nothing, then putting right what a crash left behind.
//!
//! A torn end is cut off, what was not known to be durable is written again, and indexes and producer states are made
//! anew from the batches. Damage is no matter for a program: the log stays closed, and its files as they are.

use std::{io, path::Path, sync::Arc};

use millstream_disk::Disk;
use millstream_record::Timestamp;

use crate::{
    cleaner::swap,
    config::LogConfig,
    epochs::LeaderEpochs,
    files::Kind,
    opening::{OpenLogError, OpenMode, RecoveryReport},
    partition::{Active, EPOCHS_FILE, PartitionLog, index_batch},
    scan::{Scan, ScanError},
    segment::{IndexState, Segment},
    snapshot,
    survey::{Survey, Surveyed},
    sync::Shared,
};

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
