//! Deleting what is too old, too much, or below the log's start.
//!
//! Files are renamed first and unlinked after a delay, as in Kafka, and readers that hold a segment finish on it.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use millstream_record::{LogOffset, Timestamp};

use crate::{
    config::LogConfig,
    files::{DELETED, Kind, Leftover},
    partition::{AppendError, PartitionLog},
    segment::Segment,
    sync::{SyncError, offset},
};

/// Why old data could not be deleted. Nothing that is still needed is gone.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// A file could not be renamed or unlinked.
    #[error("delete {}", path.display())]
    Delete { path: PathBuf, source: io::Error },
    /// The active segment could not be closed.
    #[error("close the active segment before deleting it")]
    Roll { source: AppendError },
    /// The leader epochs could not be written.
    #[error("write the leader epochs")]
    Epochs { source: io::Error },
    /// What is to be deleted could not be written to stable storage before.
    #[error("make the log durable up to its new start")]
    Sync { source: SyncError },
    /// The new start lies beyond the end of the log.
    #[error("records up to offset {before} are to be deleted, and the log ends at {end}")]
    BeyondEnd {
        /// The start asked for.
        before: LogOffset,
        end: LogOffset,
    },
}

/// Why a segment was deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeletionReason {
    /// Its newest record is older than `retention.ms`.
    Age,
    /// The rest has `retention.bytes` without it.
    Size,
    /// It lies below the log's start.
    BelowStart,
}

/// A segment that was deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeletedSegment {
    /// Its first offset.
    pub base_offset: LogOffset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Why it went.
    pub reason: DeletionReason,
}

/// What retention goes by in one segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Candidate {
    /// The offset after its last record.
    end_offset: i64,
    bytes: u64,
    newest_ms: i64,
}

/// Which of the oldest segments are to go, and why.
fn choose(segments: &[Candidate], config: &LogConfig, start: i64, now_ms: i64) -> Vec<DeletionReason> {
    let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut chosen = Vec::new();
    for segment in segments {
        let rest = left.saturating_sub(segment.bytes);
        let by_age =
            config.delete && 0 <= config.retention_ms && config.retention_ms < now_ms.saturating_sub(segment.newest_ms);
        let by_size =
            config.delete && u64::try_from(config.retention_bytes).is_ok_and(|bytes| bytes <= rest && bytes < left);
        let reason = if segment.end_offset <= start {
            DeletionReason::BelowStart
        } else if by_age {
            DeletionReason::Age
        } else if by_size {
            DeletionReason::Size
        } else {
            break;
        };
        chosen.push(reason);
        left = rest;
    }
    chosen
}

impl PartitionLog {
    /// Deletes the oldest segments that are beyond the limits, and moves the start of the log with them.
    ///
    /// The active segment is closed first if it has to go too, so that a quiet partition empties. Files are only
    /// renamed; [`Self::purge_deleted`] unlinks them.
    ///
    /// # Errors
    ///
    /// A file could not be renamed: older segments are gone, this one stays.
    pub fn apply_retention(&mut self, now: Timestamp) -> Result<Vec<DeletedSegment>, RetentionError> {
        let segments = self.shared.segments();
        let end = self.shared.end();
        let candidates: Vec<Candidate> = segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| segment.size() != 0)
            .map(|(at, segment)| Candidate {
                end_offset: segments.get(at + 1).map_or(end, |next| next.base_offset()),
                bytes: segment.size(),
                newest_ms: newest_ms(segment),
            })
            .collect();
        let chosen = choose(&candidates, &self.config, self.shared.start(), now.as_millis());
        self.delete_oldest(&chosen, now)
    }

    /// Moves the start of the log to `before` (never back) and deletes the segments that lie wholly below it.
    /// Returns the start. The caller writes it to its checkpoint before it answers.
    ///
    /// # Errors
    ///
    /// `before` lies beyond the end, or a file could not be renamed.
    pub fn delete_records(&mut self, before: LogOffset, now: Timestamp) -> Result<LogOffset, RetentionError> {
        let end = self.shared.end();
        if end < before.get() {
            return Err(RetentionError::BeyondEnd { before, end: offset(end) });
        }
        let _change = self.shared.change();
        // A log must not end before its start after a power failure.
        if self.shared.durable() < before.get() {
            self.sync_handle().sync().map_err(|source| RetentionError::Sync { source })?;
        }
        self.shared.advance_start(before.get());
        let segments = self.shared.segments();
        let start = self.shared.start();
        // The active segment stays: retention closes it when it finds it wholly below the start.
        let below = segments[1..].iter().take_while(|next| next.base_offset() <= start).count();
        self.delete_oldest(&vec![DeletionReason::BelowStart; below], now)?;
        self.cut_epochs()?;
        Ok(offset(self.shared.start()))
    }

    fn delete_oldest(
        &mut self,
        reasons: &[DeletionReason],
        now: Timestamp,
    ) -> Result<Vec<DeletedSegment>, RetentionError> {
        if reasons.is_empty() {
            return Ok(Vec::new());
        }
        let _change = self.shared.change();
        if self.shared.segments().len() <= reasons.len() {
            self.roll(now).map_err(|source| RetentionError::Roll { source })?;
        }
        let mut deleted = Vec::new();
        for &reason in reasons {
            // Those before it must be gone for good first: after a power failure a hole would be taken for damage.
            let dir = &self.shared.dir;
            self.shared
                .disk
                .sync_dir(dir)
                .map_err(|source| RetentionError::Delete { path: dir.to_path_buf(), source })?;
            let mut segments = self.shared.segments().as_ref().clone();
            let segment = segments.remove(0);
            segment
                .keep_aborted()
                .map_err(|source| RetentionError::Delete { path: segment.path(Kind::TxnIndex), source })?;
            self.set_aside(&segment, Kind::Log, now)?;
            // Readers are told before the files are gone from their names.
            self.shared.advance_start(segments[0].base_offset());
            self.shared.set_segments(segments);
            for kind in &Kind::ALL[1..] {
                self.set_aside(&segment, *kind, now)?;
            }
            deleted.push(DeletedSegment { base_offset: offset(segment.base_offset()), bytes: segment.size(), reason });
        }
        self.cut_epochs()?;
        Ok(deleted)
    }

    /// Renames one of a segment's files, to be unlinked later.
    pub(crate) fn set_aside(&mut self, segment: &Segment, kind: Kind, now: Timestamp) -> Result<(), RetentionError> {
        let from = segment.path(kind);
        let mut to = from.clone().into_os_string();
        to.push(DELETED);
        let to = PathBuf::from(to);
        match self.shared.disk.rename(&from, &to) {
            Ok(()) => {
                let due_ms = now.as_millis().saturating_add(self.config.file_delete_delay_ms);
                self.leftovers.push(Leftover { path: to, due_ms });
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && kind != Kind::Log => Ok(()),
            Err(source) => Err(RetentionError::Delete { path: from, source }),
        }
    }

    fn cut_epochs(&self) -> Result<(), RetentionError> {
        let start = self.shared.start();
        self.change_epochs(|epochs| epochs.truncate_to_start(start)).map_err(|source| RetentionError::Epochs { source })
    }

    /// Unlinks deleted files whose delay is over, and returns how many.
    ///
    /// # Errors
    ///
    /// A file could not be unlinked; it is tried again next time, and the others wait with it.
    pub fn purge_deleted(&mut self, now: Timestamp) -> Result<usize, RetentionError> {
        let mut purged = 0;
        while let Some(at) = self.leftovers.iter().position(|leftover| leftover.due_ms <= now.as_millis()) {
            let path = &self.leftovers[at].path;
            self.shared
                .disk
                .remove_if_present(path)
                .map_err(|source| RetentionError::Delete { path: path.clone(), source })?;
            self.leftovers.swap_remove(at);
            purged += 1;
        }
        Ok(purged)
    }
}

/// When the newest record of a segment was made; records without timestamps have the file's own.
pub(crate) fn newest_ms(segment: &Arc<Segment>) -> i64 {
    if 0 <= segment.max_timestamp() {
        return segment.max_timestamp();
    }
    let modified = segment.log().modified();
    // A file without a known age is kept.
    let since = modified.unwrap_or_else(|_| SystemTime::now()).duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeletionReason::{Age, BelowStart, Size};

    #[track_caller]
    fn check(config: &LogConfig, start: i64, expected: &[DeletionReason]) {
        // Three segments of ten offsets and 100 bytes whose newest records are from 1000, 2000 and 3000.
        let segments: Vec<Candidate> =
            (1..=3).map(|n| Candidate { end_offset: 10 * n, bytes: 100, newest_ms: 1000 * n }).collect();
        assert_eq!(choose(&segments, config, start, 10_000), expected);
    }

    #[test]
    fn the_oldest_segments_go_while_a_limit_says_so() {
        let keep = LogConfig { retention_ms: -1, retention_bytes: -1, ..LogConfig::default() };
        check(&keep, 0, &[]);
        check(&keep, 9, &[]);
        check(&keep, 10, &[BelowStart]);
        check(&keep, 30, &[BelowStart; 3]);
        check(&LogConfig { retention_ms: 9000, ..keep.clone() }, 0, &[]);
        check(&LogConfig { retention_ms: 8999, ..keep.clone() }, 0, &[Age]);
        check(&LogConfig { retention_ms: 0, ..keep.clone() }, 0, &[Age; 3]);
        check(&LogConfig { retention_bytes: 201, ..keep.clone() }, 0, &[]);
        check(&LogConfig { retention_bytes: 200, ..keep.clone() }, 0, &[Size]);
        check(&LogConfig { retention_bytes: 99, ..keep.clone() }, 0, &[Size; 2]);
        check(&LogConfig { retention_bytes: 0, ..keep.clone() }, 0, &[Size; 3]);
        check(&LogConfig { retention_bytes: 100, retention_ms: 8500, ..keep.clone() }, 0, &[Age, Size]);
        check(&LogConfig { delete: false, retention_bytes: 0, retention_ms: 0, ..keep }, 10, &[BelowStart]);
    }
}
