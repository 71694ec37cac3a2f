//! Reading batches while others append.

use std::{io, sync::Arc};

use bytes::Bytes;
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchHeader, Batches, HEADER_LEN};

use crate::{
    buffers::Buffer,
    epochs::EpochEnd,
    scan::ScanError,
    segment::Segment,
    sync::{Shared, offset},
    transactions::AbortedTransaction,
};

/// Most bytes that are copied for a thread that others depend on.
const MOST_CACHED: usize = 1 << 20;

/// Why a partition's log could not be read.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset lies before the start or beyond the end.
    #[error("offset {asked} is not within {start} and {end}")]
    OutOfRange {
        asked: LogOffset,
        /// Where the log begins.
        start: LogOffset,
        /// Where it ends.
        end: LogOffset,
    },
    /// The operating system could not read.
    #[error("read segment {base_offset}")]
    Io {
        /// The segment's first offset.
        base_offset: i64,
        source: io::Error,
    },
    /// A batch is not what was once written.
    #[error("segment {base_offset} is damaged at byte {position}")]
    Damaged {
        /// The segment's first offset.
        base_offset: i64,
        /// Where the batch begins.
        position: u64,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReadError {
    pub(crate) fn of(segment: &Segment, error: ScanError) -> Self {
        let base_offset = segment.base_offset();
        match error {
            ScanError::Io { source, .. } => Self::Io { base_offset, source },
            ScanError::Damaged { position, source } => Self::Damaged { base_offset, position, source: source.into() },
        }
    }

    pub(crate) fn io(segment: &Segment, source: io::Error) -> Self {
        Self::Io { base_offset: segment.base_offset(), source }
    }
}

/// Batches as they are on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSlice {
    /// Whole batches, one after another, or the beginning of one ([`LogReader::read_beginning`]); empty where nothing was
    /// to be had.
    pub bytes: Bytes,
    /// The offset after the last of them, or the offset asked for.
    pub next_offset: LogOffset,
}

/// The rest of a batch whose beginning was read. It can be read for as long as this is kept, whatever becomes of its
/// segment.
#[derive(Clone, Debug)]
pub struct BatchRest {
    segment: Arc<Segment>,
    position: u64,
    len: usize,
}

impl BatchRest {
    /// Its bytes.
    #[expect(clippy::len_without_is_empty, reason = "where there is no rest there is no such value")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// At most so many bytes of it, from one of them on. Blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn read(&self, at: usize, max_bytes: usize) -> Result<Bytes, ReadError> {
        let mut buffer = Buffer::of(self.len.saturating_sub(at).min(max_bytes));
        let read = self.segment.log().read_exact_at(buffer.bytes(), self.position + at as u64);
        read.map_err(|error| ReadError::io(&self.segment, error))?;
        let len = buffer.bytes().len();
        Ok(buffer.cut(len))
    }
}

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FoundOffset {
    /// Where it is: the first record, in the order of offsets, that is as late as asked for.
    pub offset: LogOffset,
    /// When it is from: as late as asked for, or later.
    pub timestamp: Timestamp,
    /// The leader epoch of its batch; -1 if it has none.
    pub leader_epoch: i32,
}

/// Reads a partition's log. Cheap to clone, and needs no lock that appends hold.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

impl LogReader {
    /// The offset after the last record appended.
    pub fn end_offset(&self) -> LogOffset {
        offset(self.shared.end())
    }

    /// The first offset that can be read.
    pub fn start_offset(&self) -> LogOffset {
        offset(self.shared.start())
    }

    /// The offset up to which the log is known to be on stable storage.
    pub fn durable_end(&self) -> LogOffset {
        offset(self.shared.durable())
    }

    /// First offset of the oldest open transaction, or the end.
    pub fn last_stable_offset(&self) -> LogOffset {
        offset(self.shared.stable())
    }

    /// Bytes of all segments' batches.
    pub fn size_bytes(&self) -> u64 {
        self.shared.segments().iter().map(|segment| segment.size()).sum()
    }

    /// Why the log accepts no appends any more, if it doesn't.
    pub fn offline(&self) -> Option<&str> {
        self.shared.offline()
    }

    /// Reads whole batches from the one that has `from` (or the first after it) on, while they end before
    /// `up_to` and fit into `max_bytes`. The first may lack room and comes all the same if `at_least_one`.
    ///
    /// The first batch may begin before `from`; readers skip its earlier records. Never ends empty while a batch
    /// below `up_to` fits. Blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// `from` is below the start or beyond the end, or the disk fails.
    pub fn read(
        &self,
        from: LogOffset,
        max_bytes: usize,
        at_least_one: bool,
        up_to: LogOffset,
    ) -> Result<LogSlice, ReadError> {
        let at_once = if at_least_one { usize::MAX } else { max_bytes };
        self.read_some(from, max_bytes, at_least_one, at_once, up_to).map(|(slice, _)| slice)
    }

    /// As [`Self::read`] with at least one batch. Of a first batch that fits neither into `max_bytes` nor into `at_once`
    /// only so many bytes are read, its header at least; the rest is left to the caller.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_beginning(
        &self,
        from: LogOffset,
        max_bytes: usize,
        at_once: usize,
        up_to: LogOffset,
    ) -> Result<(LogSlice, Option<BatchRest>), ReadError> {
        self.read_some(from, max_bytes, true, at_once.max(max_bytes).max(HEADER_LEN), up_to)
    }

    fn read_some(
        &self,
        from: LogOffset,
        max_bytes: usize,
        at_least_one: bool,
        at_once: usize,
        up_to: LogOffset,
    ) -> Result<(LogSlice, Option<BatchRest>), ReadError> {
        let (start, end) = (self.shared.start(), self.shared.end());
        if from.get() < start || end < from.get() {
            return Err(ReadError::OutOfRange { asked: from, start: offset(start), end: offset(end) });
        }
        let up_to = up_to.get().min(end);
        if from.get() < up_to {
            let segments = self.shared.segments();
            // Retention may have taken the first segments since the check above.
            let first = segments.partition_point(|segment| segment.base_offset() <= from.get()).saturating_sub(1);
            for segment in &segments[first..] {
                let found = segment.find(from.get()).map_err(|error| ReadError::of(segment, error))?;
                if let Some((position, header)) = found {
                    if up_to <= header.last_offset() || (max_bytes < header.total_len() && !at_least_one) {
                        break;
                    }
                    if at_once < header.total_len() {
                        return begin_batch(segment, position, &header, at_once)
                            .map(|(slice, rest)| (slice, Some(rest)));
                    }
                    let most = header.total_len().max(max_bytes);
                    return read_batches(segment, position, most, up_to).map(|slice| (slice, None));
                }
                // Compaction took the rest of this segment.
            }
        }
        Ok((LogSlice { bytes: Bytes::new(), next_offset: from }, None))
    }

    /// As [`Self::read`] where that is certain to take no time worth mentioning: what follows an earlier read or begins a
    /// segment, is in memory and is not much. `None` where it is not certain or nothing would come, or anything is
    /// wrong.
    pub fn read_cached(&self, from: LogOffset, max_bytes: usize, up_to: LogOffset) -> Option<LogSlice> {
        let up_to = up_to.get().min(self.shared.end());
        if from.get() < self.shared.start() || up_to <= from.get() {
            return None;
        }
        let segments = self.shared.segments();
        let at = segments.partition_point(|segment| segment.base_offset() <= from.get()).checked_sub(1)?;
        let segment = &segments[at];
        let position = segment.known_position(from.get())?;
        let present = usize::try_from(segment.size().checked_sub(position)?).unwrap_or(usize::MAX);
        let len = present.min(max_bytes);
        if MOST_CACHED < len {
            return None;
        }
        let mut buffer = Buffer::of(len);
        if !segment.log().read_cached_at(buffer.bytes(), position) {
            return None;
        }
        let slice = whole_batches(segment, buffer, position, up_to).ok()?;
        (!slice.bytes.is_empty()).then_some(slice)
    }

    /// Whether memory knows that no transaction with records from an offset on was aborted.
    pub fn none_aborted(&self, from: LogOffset) -> bool {
        let segments = self.shared.segments();
        let first = segments.partition_point(|segment| segment.base_offset() <= from.get()).saturating_sub(1);
        segments[first..].iter().all(|segment| segment.has_no_aborted())
    }

    /// Where an epoch ends: OffsetForLeaderEpoch. `None` for an epoch newer than all known.
    pub fn epoch_end_offset(&self, epoch: i32) -> Option<EpochEnd> {
        self.shared.epochs().end_of(epoch, self.shared.end())
    }

    /// Transactions aborted between two offsets that a reader of committed data must leave out.
    ///
    /// # Errors
    ///
    /// The disk fails, or an index is damaged.
    pub fn aborted_transactions(&self, from: LogOffset, to: LogOffset) -> Result<Vec<AbortedTransaction>, ReadError> {
        let segments = self.shared.segments();
        let first = segments.partition_point(|segment| segment.base_offset() <= from.get()).saturating_sub(1);
        let mut found = Vec::new();
        for segment in &segments[first..] {
            for aborted in segment.aborted().map_err(|error| ReadError::io(segment, error))? {
                if from.get() <= aborted.last_offset && aborted.first_offset < to.get() {
                    found.push(aborted);
                }
                // Every transaction that began before this offset has ended by then.
                if to.get() <= aborted.last_stable_offset {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// Reads at most `max_bytes` from a byte on and cuts them after the last whole batch that ends before `up_to`.
fn read_batches(segment: &Segment, position: u64, max_bytes: usize, up_to: i64) -> Result<LogSlice, ReadError> {
    let present = usize::try_from(segment.size() - position).unwrap_or(usize::MAX);
    let mut buffer = Buffer::of(present.min(max_bytes));
    segment.log().read_exact_at(buffer.bytes(), position).map_err(|error| ReadError::io(segment, error))?;
    whole_batches(segment, buffer, position, up_to)
}

/// Reads the beginning of a batch.
fn begin_batch(
    segment: &Arc<Segment>,
    position: u64,
    header: &BatchHeader,
    len: usize,
) -> Result<(LogSlice, BatchRest), ReadError> {
    let mut buffer = Buffer::of(len);
    segment.log().read_exact_at(buffer.bytes(), position).map_err(|error| ReadError::io(segment, error))?;
    let (end, next_offset) = (position + header.total_len() as u64, header.last_offset() + 1);
    segment.remember(next_offset, end);
    let rest =
        BatchRest { segment: Arc::clone(segment), position: position + len as u64, len: header.total_len() - len };
    Ok((LogSlice { bytes: buffer.cut(len), next_offset: offset(next_offset) }, rest))
}

/// Cuts what was read from a byte on after the last whole batch that ends before `up_to`.
fn whole_batches(segment: &Segment, mut buffer: Buffer, position: u64, up_to: i64) -> Result<LogSlice, ReadError> {
    let (mut len, mut next_offset) = (0, 0);
    for batch in Batches::new(buffer.bytes()) {
        let (header, batch) = match batch {
            Ok(batch) => batch,
            // What is sound before it is still delivered; the next read begins at the damage and says so.
            Err(_) if len != 0 => break,
            Err(error) => {
                let base_offset = segment.base_offset();
                return Err(ReadError::Damaged { base_offset, position, source: error.into() });
            }
        };
        if up_to <= header.last_offset() {
            break;
        }
        len += batch.len();
        next_offset = header.last_offset() + 1;
    }
    if len != 0 {
        segment.remember(next_offset, position + len as u64);
    }
    Ok(LogSlice { bytes: buffer.cut(len), next_offset: offset(next_offset) })
}
