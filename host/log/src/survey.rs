//! The first half of opening a log: looks at everything and changes nothing, so that damage is left as it was found.
//!
//! After a clean stop the files are trusted and only their lengths looked at. Otherwise every batch from the segment
//! of the recovery point on is verified. A log ends where a crash tore it off, which is where no sound batch follows;
//! anything else that is not as it was written is damage.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::{Disk, TEMPORARY};
use millstream_wire::batch::{BatchHeader, ControlMarker};

use crate::{
    damage::{Damage, DamageKind},
    files::{self, CLEANED, DELETED, Kind, SWAP},
    opening::{OpenLogError, OpenMode, RecoveryReport},
    partition::{Active, note_producer},
    producers::ProducerStates,
    scan::{Scan, ScanError, next_sound},
    segment::{IndexState, Segment},
    snapshot,
    transactions::AbortedTransaction,
};

/// Bytes of checksums that the search for sound batches behind a torn one may take: a second or so.
const SEARCH_BUDGET: u64 = 4 << 30;

/// How many snapshots of producers are made for segments that were verified: as many as Apache Kafka makes.
const SNAPSHOTS: usize = 2;

/// What there is in a partition's folder.
#[derive(Debug)]
pub(crate) struct Survey {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    now_ms: i64,
    /// Below this offset all was compacted.
    cleaned_to: i64,
    compacted: bool,
    pub segments: Vec<Surveyed>,
    /// Files that mean nothing any more.
    pub leftovers: Vec<PathBuf>,
    pub producers: ProducerStates,
    /// The producers at the beginning of the newest segments that were verified, by offset. The segments before them
    /// will be deleted one day, and what producers did there must not be forgotten in part.
    pub snapshots: VecDeque<(i64, ProducerStates)>,
    pub end: i64,
    /// What the writer needs of the active segment, if the log was left in order.
    pub clean: Option<Active>,
    /// From this segment on nothing was certain, and everything is verified now.
    pub verified_from: usize,
    /// In that segment only what begins here was not known to be durable.
    pub unverified_at: u64,
    /// Segment and byte at which the log was torn off.
    pub torn: Option<(usize, u64)>,
    pub report: RecoveryReport,
}

/// One segment, and what has to be done to it.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub segment: Segment,
    pub indexes: IndexState,
    /// What its transaction index should have, where that has to be made anew.
    pub aborted: Option<Vec<AbortedTransaction>>,
}

/// What a segment before the recovery point turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reviewed {
    /// It ends where it should.
    Ends,
    /// It was written to behind the offset at which an empty one begins.
    GoesOn,
}

impl Survey {
    /// Looks at the log in a folder, which need not exist.
    pub(crate) fn take(
        disk: &Arc<dyn Disk>,
        dir: &Arc<Path>,
        mode: OpenMode,
        now_ms: i64,
    ) -> Result<Self, OpenLogError> {
        let mut survey = Self::listed(disk, dir, now_ms)?;
        survey.cleaned_to = mode.cleaned_to.get();
        survey.compacted = mode.compacted;
        let state = |source| OpenLogError::State { dir: dir.to_path_buf(), source };
        let sound = survey.segments.iter().all(|found| found.indexes.sound && found.indexes.transactions_sound);
        if mode.clean && sound && survey.take_clean(mode.recovery_point.get()).map_err(state)? {
            survey.verified_from = survey.segments.len();
        } else {
            survey.verify(mode.recovery_point.get())?;
        }
        survey.check_end(mode)?;
        Ok(survey)
    }

    /// The segments of a folder, whatever is wrong with them.
    pub(crate) fn open_segments(disk: &Arc<dyn Disk>, dir: &Arc<Path>) -> Result<Vec<Segment>, OpenLogError> {
        let segments = Self::listed(disk, dir, 0)?.segments;
        Ok(segments.into_iter().map(|found| found.segment).collect())
    }

    fn listed(disk: &Arc<dyn Disk>, dir: &Arc<Path>, now_ms: i64) -> Result<Self, OpenLogError> {
        let mut survey = Self {
            disk: Arc::clone(disk),
            dir: Arc::clone(dir),
            now_ms,
            cleaned_to: 0,
            compacted: false,
            segments: Vec::new(),
            leftovers: Vec::new(),
            producers: ProducerStates::default(),
            snapshots: VecDeque::new(),
            end: 0,
            clean: None,
            verified_from: 0,
            unverified_at: 0,
            torn: None,
            report: RecoveryReport::default(),
        };
        survey.list()?;
        Ok(survey)
    }

    /// Opens what the folder has.
    fn list(&mut self) -> Result<(), OpenLogError> {
        let dir = Arc::clone(&self.dir);
        let names = match self.disk.read_dir(&dir) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(OpenLogError::ListSegments { dir: dir.to_path_buf(), source }),
        };
        let names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let parsed: Vec<(i64, Kind)> = names.iter().filter_map(|name| files::parse_name(name)).collect();
        let bases: Vec<i64> = parsed.iter().filter(|(_, kind)| *kind == Kind::Log).map(|(base, _)| *base).collect();
        for name in &names {
            // The cleaner had begun to put this in place of other segments, some of which may be gone.
            if name.ends_with(SWAP) {
                return Err(OpenLogError::InterruptedCleaning { file: dir.join(name) });
            }
            if [DELETED, CLEANED, TEMPORARY].iter().any(|suffix| name.ends_with(suffix)) {
                self.leftovers.push(dir.join(name));
            }
        }
        for (base, kind) in parsed {
            let index = matches!(kind, Kind::Index | Kind::TimeIndex | Kind::TxnIndex);
            if index && !bases.contains(&base) {
                self.leftovers.push(files::path(&dir, base, kind));
            }
        }
        for base_offset in bases {
            let failed = |source| OpenLogError::Segment { base_offset, source };
            let (segment, indexes) = Segment::open(&self.disk, &dir, base_offset).map_err(failed)?;
            let last = segment.times().last().map_err(failed)?;
            segment.set_max_timestamp(last.map_or(-1, |last| last.timestamp));
            self.segments.push(Surveyed { segment, indexes, aborted: None });
        }
        Ok(())
    }

    /// Takes over the state of a clean stop. False where the files are not those of one.
    fn take_clean(&mut self, expected_end: i64) -> io::Result<bool> {
        let Some((Surveyed { segment, .. }, closed)) = self.segments.split_last() else { return Ok(false) };
        // A failed roll may have left one, which would hide records of the segment before it.
        if closed.iter().any(|found| found.segment.size() == 0) {
            return Ok(false);
        }
        let Some(producers) = snapshot::read(&*self.disk, &self.dir, expected_end, self.now_ms)? else {
            return Ok(false);
        };
        let from = segment.index().last()?.map_or(0, |entry| entry.position as u64);
        let mut active = Active::new(self.now_ms);
        let mut end = segment.base_offset();
        match Scan::short(segment.log(), 0, segment.size()).next() {
            Ok(Some((_, first))) => {
                active.first_timestamp = (0 <= first.max_timestamp).then_some(first.max_timestamp);
            }
            Ok(None) => {}
            Err(ScanError::Damaged { .. }) => return Ok(false),
            Err(ScanError::Io { source, .. }) => return Err(source),
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
        self.clean = Some(active);
        self.end = end;
        Ok(true)
    }

    /// Looks over the segments before the recovery point, and verifies every batch of the others.
    fn verify(&mut self, recovery_point: i64) -> Result<(), OpenLogError> {
        let after = self.segments.partition_point(|found| found.segment.base_offset() <= recovery_point);
        self.verified_from = after.saturating_sub(1);
        let verified_base = self.segments.get(self.verified_from).map_or(0, |found| found.segment.base_offset());
        let state = |dir: &Path, source| OpenLogError::State { dir: dir.to_owned(), source };
        let (producers, replay_from) = self.newest_snapshot(verified_base).map_err(|e| state(&self.dir, e))?;
        self.producers = producers;
        self.end = self.segments.first().map_or(0, |found| found.segment.base_offset());
        for at in 0..self.segments.len() {
            let segment = &self.segments[at].segment;
            let (base_offset, empty) = (segment.base_offset(), segment.size() == 0);
            if base_offset < self.end && empty {
                return self.verify_without(at, recovery_point);
            }
            if base_offset < self.end {
                return Err(self.damage(at, 0, base_offset, DamageKind::Overlap { previous_end: self.end }));
            }
            let missing = (base_offset - self.end) as u64;
            // Our cleaner keeps the place of the last batch of each segment; Kafka's does not.
            let lost = missing != 0
                && self.verified_from < at
                && self.cleaned_to <= self.segments[at - 1].segment.base_offset();
            if lost && empty && at + 1 == self.segments.len() {
                // A power failure took the end of the segment before it. Records behind the gap would be damage.
                return self.verify_without(at, recovery_point);
            }
            if lost && !empty {
                let (before, end) = (&self.segments[at - 1].segment, self.end);
                let file = files::path(&self.dir, base_offset, Kind::Log);
                let kind = DamageKind::RecordsFollow { file, position: 0, offset: base_offset };
                return Err(self.damage(at - 1, before.size(), end, kind));
            }
            self.report.missing_offsets += missing;
            if self.verified_from <= at && replay_from < base_offset {
                if self.snapshots.len() == SNAPSHOTS {
                    self.snapshots.pop_front();
                }
                self.snapshots.push_back((base_offset, self.producers.clone()));
            }
            if at < self.verified_from {
                if self.review(at, replay_from)? == Reviewed::GoesOn {
                    return self.verify_without(at + 1, recovery_point);
                }
            } else if let Some(position) = self.verify_segment(at, recovery_point)? {
                self.check_torn(at, position, recovery_point)?;
                self.torn = Some((at, position));
                break;
            }
        }
        Ok(())
    }

    /// Whether records may have been taken out of a segment. The cleaner leaves the active one alone.
    fn may_miss_offsets(&self, at: usize) -> bool {
        let closed = at + 1 < self.segments.len();
        closed && (self.compacted || self.segments[at].segment.base_offset() < self.cleaned_to)
    }

    /// Begins again without an empty segment that a failed roll left, after which the one before it went on: it must
    /// decide about nothing.
    fn verify_without(&mut self, at: usize, recovery_point: i64) -> Result<(), OpenLogError> {
        let Surveyed { segment, .. } = self.segments.remove(at);
        for kind in [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex] {
            self.leftovers.push(segment.path(kind));
        }
        self.report = RecoveryReport::default();
        self.unverified_at = 0;
        self.snapshots.clear();
        self.verify(recovery_point)
    }

    /// The newest usable snapshot that is not after an offset, and its own offset.
    fn newest_snapshot(&self, not_after: i64) -> io::Result<(ProducerStates, i64)> {
        if self.segments.is_empty() {
            return Ok(Default::default());
        }
        // One from before the first segment says nothing of what was deleted between them.
        let not_before = self.segments[0].segment.base_offset();
        let mut snapshots: Vec<i64> = self
            .disk
            .read_dir(&self.dir)?
            .iter()
            .filter_map(|name| files::parse_name(name.to_str()?))
            .filter(|(at, kind)| *kind == Kind::Snapshot && (not_before..=not_after).contains(at))
            .map(|(at, _)| at)
            .collect();
        snapshots.sort_unstable();
        while let Some(at) = snapshots.pop() {
            if let Some(producers) = snapshot::read(&*self.disk, &self.dir, at, self.now_ms)? {
                return Ok((producers, at));
            }
        }
        Ok(Default::default())
    }

    /// Looks over a segment before the recovery point: its batches are trusted, but producers may need them, and so
    /// may indexes.
    fn review(&mut self, at: usize, replay_from: i64) -> Result<Reviewed, OpenLogError> {
        let base_offset = self.segments[at].segment.base_offset();
        let failed = |source| OpenLogError::Segment { base_offset, source };
        let IndexState { sound, transactions_sound } = self.segments[at].indexes;
        // Where the others are lost, it may be lost, too: a segment without an aborted transaction has none.
        if !(sound && transactions_sound) {
            self.segments[at].aborted = Some(self.aborted_in(at).map_err(failed)?);
        }
        if !(sound && transactions_sound) {
            self.report.rebuilt_indexes += 1;
        }
        let next = &self.segments[at + 1].segment;
        let next_base = next.base_offset();
        // An empty one may be what a failed roll left: then this one goes on behind its offset.
        if sound && next_base <= replay_from && next.size() != 0 {
            // Nobody needs its batches.
            self.end = next_base;
            return Ok(Reviewed::Ends);
        }
        let segment = &self.segments[at].segment;
        let mut scan = Scan::long(segment.log(), 0, segment.size());
        let mut end = self.end;
        let unsound_at = loop {
            let (position, header) = match scan.next() {
                Ok(None) => break None,
                Ok(Some(found)) => found,
                Err(ScanError::Damaged { position, .. }) => break Some(position),
                Err(ScanError::Io { source, .. }) => return Err(failed(source)),
            };
            // Compaction leaves gaps, but nothing goes backwards.
            if header.base_offset < end || segment.relative(header.last_offset()).is_none() {
                break Some(position);
            }
            end = header.last_offset() + 1;
            if replay_from <= header.base_offset {
                let marker = read_marker(&scan, position, &header).map_err(failed)?;
                note_producer(&mut self.producers, &header, marker, self.now_ms);
            }
        };
        if unsound_at.is_some() && next_base <= end && next.size() == 0 {
            return Ok(Reviewed::GoesOn);
        }
        if let Some(position) = unsound_at {
            let recovery_point = self.segments[self.verified_from].segment.base_offset();
            return Err(self.damage(at, position, end, DamageKind::Unreadable { recovery_point }));
        }
        self.end = end;
        Ok(Reviewed::Ends)
    }

    /// What the transaction index of a segment should have.
    fn aborted_in(&self, at: usize) -> io::Result<Vec<AbortedTransaction>> {
        let base_offset = self.segments[at].segment.base_offset();
        let (mut producers, replay_from) = self.newest_snapshot(base_offset)?;
        let mut aborted = Vec::new();
        for (n, Surveyed { segment, .. }) in self.segments[..=at].iter().enumerate() {
            if n < at && self.segments[n + 1].segment.base_offset() <= replay_from {
                continue;
            }
            let mut scan = Scan::long(segment.log(), 0, segment.size());
            loop {
                let (position, header) = match scan.next() {
                    // Whoever reviews the segment reports damage.
                    Ok(None) | Err(ScanError::Damaged { .. }) => break,
                    Ok(Some(found)) => found,
                    Err(ScanError::Io { source, .. }) => return Err(source),
                };
                if header.base_offset < replay_from {
                    continue;
                }
                let marker = read_marker(&scan, position, &header)?;
                let ended = note_producer(&mut producers, &header, marker, self.now_ms);
                aborted.extend(ended.filter(|_| n == at));
            }
        }
        Ok(aborted)
    }

    /// Verifies a segment batch by batch. Returns where the first batch begins that is unsound, or is not the next.
    fn verify_segment(&mut self, at: usize, recovery_point: i64) -> Result<Option<u64>, OpenLogError> {
        let segment = &self.segments[at].segment;
        let (base_offset, size) = (segment.base_offset(), segment.size());
        let failed = |source| OpenLogError::Segment { base_offset, source };
        self.report.scanned_bytes += size;
        let mut aborted = Vec::new();
        let mut scan = Scan::verifying(segment.log(), 0, size);
        let mut end = base_offset;
        let unsound_at = loop {
            let (position, header) = match scan.next() {
                Ok(None) => break None,
                Ok(Some(found)) => found,
                Err(ScanError::Damaged { position, .. }) => break Some(position),
                Err(ScanError::Io { source, .. }) => return Err(failed(source)),
            };
            // The checksum leaves the offset out; but where nothing was taken out, it can be only one.
            let fits = header.base_offset == end || (end < header.base_offset && self.may_miss_offsets(at));
            if !fits || segment.relative(header.last_offset()).is_none() {
                break Some(position);
            }
            let marker = read_marker(&scan, position, &header).map_err(failed)?;
            end = header.last_offset() + 1;
            if at == self.verified_from && end <= recovery_point {
                self.unverified_at = position + header.total_len() as u64;
            }
            aborted.extend(note_producer(&mut self.producers, &header, marker, self.now_ms));
        };
        self.segments[at].aborted = Some(aborted);
        self.end = end;
        Ok(unsound_at)
    }

    /// Makes sure that a crash can have torn the log off at this byte of this segment.
    fn check_torn(&self, at: usize, position: u64, recovery_point: i64) -> Result<(), OpenLogError> {
        if self.end < recovery_point {
            return Err(self.damage(at, position, self.end, DamageKind::Unreadable { recovery_point }));
        }
        for (n, Surveyed { segment, .. }) in self.segments.iter().enumerate().skip(at) {
            let from = if n == at { position } else { 0 };
            // A whole batch right there has the wrong offset, whichever it is; later, bytes may look like one by chance.
            let fits = |header: &BatchHeader| {
                segment.base_offset() <= header.base_offset && segment.relative(header.last_offset()).is_some()
            };
            if n == at
                && Scan::verifying(segment.log(), position, segment.size()).next().is_ok_and(|here| here.is_some())
            {
                let kind = DamageKind::Misplaced;
                return Err(self.damage(at, position, self.end, kind));
            }
            let found = next_sound(segment.log(), from, segment.size(), SEARCH_BUDGET, fits).map_err(|error| {
                let source = io::Error::other(error);
                OpenLogError::Segment { base_offset: segment.base_offset(), source }
            })?;
            if let Some((follows_at, header)) = found {
                let file = segment.path(Kind::Log);
                let kind = DamageKind::RecordsFollow { file, position: follows_at, offset: header.base_offset };
                return Err(self.damage(at, position, self.end, kind));
            }
        }
        Ok(())
    }

    /// Makes sure that the log reaches as far as it is known to have reached.
    fn check_end(&self, mode: OpenMode) -> Result<(), OpenLogError> {
        let (recovery_point, log_start) = (mode.recovery_point.get(), mode.log_start.get());
        let kind = if self.end < recovery_point {
            DamageKind::Missing { recovery_point }
        } else if self.end < log_start {
            DamageKind::EndsBeforeStart { log_start }
        } else {
            return Ok(());
        };
        Err(match (self.torn, self.segments.len().checked_sub(1)) {
            (Some((at, position)), _) => self.damage(at, position, self.end, kind),
            (None, Some(last)) => self.damage(last, self.segments[last].segment.size(), self.end, kind),
            (None, None) => {
                let file = self.dir.to_path_buf();
                OpenLogError::Damaged { source: Box::new(Damage { file, position: 0, offset: self.end, kind }) }
            }
        })
    }

    fn damage(&self, at: usize, position: u64, offset: i64, kind: DamageKind) -> OpenLogError {
        let file = self.segments[at].segment.path(Kind::Log);
        OpenLogError::Damaged { source: Box::new(Damage { file, position, offset, kind }) }
    }
}

fn read_marker(scan: &Scan<'_>, position: u64, header: &BatchHeader) -> io::Result<Option<ControlMarker>> {
    if !header.is_control() {
        return Ok(None);
    }
    let batch = scan.batch(position, header).map_err(io::Error::other)?;
    // A control record of another kind, or one that cannot be read, ends no transaction; its checksum is right.
    Ok(ControlMarker::parse(header, &batch).ok().flatten())
}
