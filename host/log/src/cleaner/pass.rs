//! One pass of the cleaner over a log: a map of its keys, then its segments anew.

use std::{ops::ControlFlow, sync::Arc};

use millstream_wire::batch::{BatchHeader, HEADER_LEN, InvalidBatch, verify_crc};

use super::{
    CleanError, CleaningReport, candidate,
    filter::{Filter, Kept, Mapped, NewestBatches, Rules},
    key_map::KeyMap,
    nothing_yet,
    output::{self, CleanedFiles},
    plan,
    swap::CleanedSegment,
};
use crate::{
    config::LogConfig,
    reader::{LogReader, ReadError},
    segment::Segment,
    sync::{Shared, SyncError, SyncHandle, offset},
};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Called with the bytes that were read and written since the last call. It may wait, so that the disk is not used
/// faster than is wanted, and may end the pass.
pub type Pace<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// A pass that was begun by [`crate::PartitionLog::begin_cleaning`].
#[derive(Debug)]
pub struct Cleaning {
    pub(super) shared: Arc<Shared>,
    pub(super) config: LogConfig,
    /// Closed ones, up to `end`.
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) first_dirty: i64,
    pub(super) end: i64,
    pub(super) newest: NewestBatches,
    pub(super) now_ms: i64,
}

impl Cleaning {
    /// Carries the pass out. Blocks for as long as that takes, which is what `pace` is for; `swap` is to call
    /// [`crate::PartitionLog::swap_in`] on the log, which is not locked otherwise.
    ///
    /// The map of keys takes at most `map_bytes` (24 for a key). What does not fit is for another pass, which the
    /// report says.
    ///
    /// # Errors
    ///
    /// What was swapped in by then stays. The log is no cleaner than before by its checkpoint.
    pub fn run(
        self,
        map_bytes: usize,
        pace: &mut Pace<'_>,
        swap: &mut dyn FnMut(CleanedSegment) -> Result<(), CleanError>,
    ) -> Result<CleaningReport, CleanError> {
        // What is going to stand for older records must be as durable as those were.
        SyncHandle { shared: Arc::clone(&self.shared) }.sync().map_err(|error| match error {
            SyncError::Offline { reason } => CleanError::Offline { reason },
            source => CleanError::Sync { source },
        })?;
        let mut report = nothing_yet();
        let mut keys = KeyMap::new(map_bytes);
        let mapped_to = self.map(&mut keys, pace, &mut report)?;
        report.keys = keys.len();
        report.cleaned_to = offset(mapped_to);
        report.map_was_full = mapped_to < self.end;
        let rules = Rules {
            keys: &keys,
            mapped_to,
            newest: &self.newest,
            delete_retention_ms: self.config.delete_retention_ms,
            now_ms: self.now_ms,
        };
        let below = self.segments.partition_point(|segment| segment.base_offset() < mapped_to);
        let candidates: Vec<_> = self.segments[..below].iter().map(candidate).collect();
        let mut filter = Filter::default();
        let mut at = 0;
        let pass_end = self.end_of(below.saturating_sub(1));
        for len in plan::group(&candidates, &self.config, pass_end) {
            let group = &self.segments[at..at + len];
            let base_offset = group[0].base_offset();
            let written = self.clean(at, group, &rules, &mut filter, pace, &mut report);
            let changed = match written {
                Ok(changed) => changed,
                Err(error) => {
                    self.discard(base_offset)?;
                    return Err(error);
                }
            };
            if changed {
                swap(CleanedSegment { base_offset, old: group.to_vec(), pass_end })?;
            } else {
                self.discard(base_offset)?;
            }
            at += len;
        }
        report.records_before = filter.counts.records_read;
        report.records_after = filter.counts.records_kept;
        report.keyless = filter.counts.keyless;
        Ok(report)
    }

    fn discard(&self, base_offset: i64) -> Result<(), CleanError> {
        output::discard(&*self.shared.disk, &self.shared.dir, base_offset)
            .map_err(|source| CleanError::Write { base_offset, source })
    }

    /// The offset at which a segment's successor begins.
    fn end_of(&self, at: usize) -> i64 {
        self.segments.get(at + 1).map_or(self.end, |next| next.base_offset())
    }

    /// Notes the newest offset of each key in the dirty part. Returns the offset up to which there was room.
    fn map(&self, keys: &mut KeyMap, pace: &mut Pace<'_>, report: &mut CleaningReport) -> Result<i64, CleanError> {
        let mut filter = Filter::default();
        let after = self.segments.partition_point(|segment| segment.base_offset() <= self.first_dirty);
        for (at, segment) in self.segments.iter().enumerate().skip(after.saturating_sub(1)) {
            if self.end_of(at) <= self.first_dirty {
                continue;
            }
            let from = self.first_dirty.max(segment.base_offset());
            // Those that ended before would never be ended by a marker here.
            self.learn_aborted(at, from, &mut filter)?;
            let from = segment.position_before(from);
            let from = from.map_err(|source| read_error(segment, 0, source))?;
            let mut walk = Walk::new(segment, from, self.end_of(at));
            while let Some((position, header)) = walk.next(pace, &mut report.bytes_read)? {
                match filter.map(keys, &header, walk.batch(), self.first_dirty) {
                    Ok(Mapped::All) => {}
                    Ok(Mapped::FullAt(offset)) => return Ok(offset),
                    Err(error) => return Err(batch_error(segment, position, error)),
                }
            }
        }
        Ok(self.end.max(self.first_dirty))
    }

    /// Tells the filter of the aborted transactions that reach into a segment, or into what it has from `from` on.
    fn learn_aborted(&self, at: usize, from: i64, filter: &mut Filter) -> Result<(), CleanError> {
        let segment = &self.segments[at];
        let reader = LogReader { shared: Arc::clone(&self.shared) };
        let aborted =
            reader.aborted_transactions(offset(from), offset(self.end_of(at))).map_err(|error| match error {
                ReadError::Io { base_offset, source } => CleanError::Read { base_offset, position: 0, source },
                error => batch_error(segment, 0, error),
            })?;
        filter.transactions.learn(aborted);
        Ok(())
    }

    /// Writes what stays of some neighbours into one new segment. False where all of a single one stays as it is.
    fn clean(
        &self,
        first: usize,
        group: &[Arc<Segment>],
        rules: &Rules<'_>,
        filter: &mut Filter,
        pace: &mut Pace<'_>,
        report: &mut CleaningReport,
    ) -> Result<bool, CleanError> {
        let base_offset = group[0].base_offset();
        let write = |source| CleanError::Write { base_offset, source };
        let Shared { disk, dir, .. } = &*self.shared;
        let interval = self.config.index_interval_bytes;
        let mut files = CleanedFiles::create(disk, dir, base_offset, interval).map_err(write)?;
        let mut changed = 1 < group.len();
        let last = group.iter().rposition(|segment| segment.size() != 0);
        for (n, segment) in group.iter().enumerate() {
            self.learn_aborted(first + n, segment.base_offset(), filter)?;
            report.bytes_before += segment.size();
            let mut walk = Walk::new(segment, 0, self.end_of(first + n));
            let mut written = files.len();
            while let Some((position, header)) = walk.next(pace, &mut report.bytes_read)? {
                let begin = files.pending.len();
                // Its place stays taken, so that a crash during the swap finds which segments this one replaces.
                let last = Some(n) == last && walk.is_over();
                let (kept, aborted) = filter
                    .batch(rules, &header, walk.batch(), last, &mut files.pending)
                    .map_err(|error| batch_error(segment, position, error))?;
                match kept {
                    Kept::Nothing => changed = true,
                    Kept::Whole => {
                        files.pending.extend_from_slice(walk.batch());
                        files.note(&header).map_err(write)?;
                    }
                    Kept::Part => {
                        changed = true;
                        let header = BatchHeader::parse(&files.pending[begin..])
                            .map_err(|error| batch_error(segment, position, error))?;
                        files.note(&header).map_err(write)?;
                    }
                }
                if let Some(aborted) = aborted {
                    files.note_aborted(&aborted);
                }
                if READ_BYTES as u64 <= files.len() - written {
                    spend(pace, files.len() - written)?;
                    written = files.len();
                }
            }
            spend(pace, files.len() - written)?;
        }
        report.bytes_after += files.len();
        if changed {
            files.finish().map_err(write)?;
        }
        Ok(changed)
    }
}

fn spend(pace: &mut Pace<'_>, bytes: u64) -> Result<(), CleanError> {
    if pace(bytes).is_break() { Err(CleanError::Stopped) } else { Ok(()) }
}

fn read_error(segment: &Segment, position: u64, source: std::io::Error) -> CleanError {
    CleanError::Read { base_offset: segment.base_offset(), position, source }
}

fn batch_error(segment: &Segment, position: u64, error: impl std::error::Error + Send + Sync + 'static) -> CleanError {
    CleanError::Batch { base_offset: segment.base_offset(), position, source: error.into() }
}

/// A batch has an offset that it cannot have. No checksum covers that, and by a wrong one the newest record of a key
/// would be taken for an old one.
#[derive(Debug, thiserror::Error)]
#[error("the batch has the offsets {base_offset} to {last_offset}, where those from {least} to before {end} belong")]
struct Misplaced {
    base_offset: i64,
    last_offset: i64,
    least: i64,
    end: i64,
}

/// Walks over the batches of a segment, each of which is in memory as a whole, has the right checksum and an offset
/// that fits.
struct Walk<'a> {
    segment: &'a Segment,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    buffer_at: u64,
    /// The batch that is looked at.
    begin: usize,
    len: usize,
    end: u64,
    /// The offset after the last batch.
    next_offset: i64,
    /// Where the next segment begins.
    end_offset: i64,
}

impl<'a> Walk<'a> {
    fn new(segment: &'a Segment, from: u64, end_offset: i64) -> Self {
        Self {
            segment,
            buffer: Vec::new(),
            buffer_at: from,
            begin: 0,
            len: 0,
            end: segment.size(),
            next_offset: segment.base_offset(),
            end_offset,
        }
    }

    /// The next batch and where it begins; its bytes are [`Self::batch`] then.
    fn next(&mut self, pace: &mut Pace<'_>, bytes_read: &mut u64) -> Result<Option<(u64, BatchHeader)>, CleanError> {
        self.begin += self.len;
        self.len = 0;
        let position = self.buffer_at + self.begin as u64;
        if position == self.end {
            return Ok(None);
        }
        self.fill(HEADER_LEN, pace, bytes_read)?;
        let damaged = |error: InvalidBatch| batch_error(self.segment, position, error);
        let len = BatchHeader::parse(&self.buffer[self.begin..]).map_err(damaged)?.total_len();
        self.fill(len, pace, bytes_read)?;
        let damaged = |error: InvalidBatch| batch_error(self.segment, position, error);
        let present = &self.buffer[self.begin..];
        let header = verify_crc(&present[..len.min(present.len())]).map_err(damaged)?;
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        if base_offset < self.next_offset || self.end_offset <= last_offset {
            let (least, end) = (self.next_offset, self.end_offset);
            return Err(batch_error(self.segment, position, Misplaced { base_offset, last_offset, least, end }));
        }
        self.next_offset = last_offset + 1;
        self.len = len;
        Ok(Some((position, header)))
    }

    fn batch(&self) -> &[u8] {
        &self.buffer[self.begin..self.begin + self.len]
    }

    /// Whether the batch that is looked at is the last.
    fn is_over(&self) -> bool {
        self.buffer_at + (self.begin + self.len) as u64 == self.end
    }

    /// Brings so many bytes from the next batch on into the buffer, or as many as the segment has.
    fn fill(&mut self, len: usize, pace: &mut Pace<'_>, bytes_read: &mut u64) -> Result<(), CleanError> {
        let present = self.buffer.len() - self.begin;
        if len <= present {
            return Ok(());
        }
        self.buffer.drain(..self.begin);
        self.buffer_at += self.begin as u64;
        self.begin = 0;
        let from = self.buffer_at + present as u64;
        let missing = (len - present).max(READ_BYTES);
        let read = usize::try_from(self.end - from).unwrap_or(usize::MAX).min(missing);
        self.buffer.resize(present + read, 0);
        self.segment
            .log()
            .read_exact_at(&mut self.buffer[present..], from)
            .map_err(|source| read_error(self.segment, from, source))?;
        *bytes_read += read as u64;
        spend(pace, read as u64)
    }
}
