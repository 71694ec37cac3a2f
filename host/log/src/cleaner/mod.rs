//! Compaction: of each key the newest record stays. Follows Kafka's `LogCleaner`, record for record.
//!
//! A pass goes over the log twice. First it notes the newest offset of each key in the dirty part ([`key_map`]); then it
//! writes all closed segments below anew without what is superseded ([`filter`], [`output`]), neighbours merged, and
//! each of them is put in place of the old ones ([`swap`]). Offsets, timestamps and order never change, and the active
//! segment, open transactions and what lies beyond them are left alone ([`plan`]).
//!
//! Everything but the swaps goes on beside appends and reads, in files that mean nothing yet. When to clean, how fast
//! and on which thread is the caller's business, and so is keeping the offset up to which the log is clean.

mod filter;
mod key_map;
mod output;
mod pass;
mod plan;
pub(crate) mod swap;
mod transactions;

#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use millstream_record::{LogOffset, Timestamp};

use self::{
    filter::NewestBatches,
    plan::{Candidate, Edges},
};
pub use self::{pass::Cleaning, plan::Cleanable, swap::CleanedSegment};
use crate::{
    partition::PartitionLog,
    retention::{RetentionError, newest_ms},
    scan::{Scan, ScanError},
    segment::Segment,
    sync::{SyncError, offset},
};

/// Why a log was not compacted to the end. What was swapped in stays, all else is as it was.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The caller wanted it to end.
    #[error("the cleaning was stopped")]
    Stopped,
    /// Segments were deleted while they were cleaned. The next pass finds the others.
    #[error("segments from offset {base_offset} on were deleted while they were cleaned")]
    Overtaken {
        /// First offset of the first of them.
        base_offset: i64,
    },
    /// The log went offline.
    #[error("the log is offline: {reason}")]
    Offline {
        /// Why it did.
        reason: String,
    },
    /// What is kept instead of older records could not be made durable before those go.
    #[error("make the log durable before older records go")]
    Sync { source: SyncError },
    /// A segment could not be read.
    #[error("read segment {base_offset} at byte {position}")]
    Read {
        /// The segment's first offset.
        base_offset: i64,
        position: u64,
        source: io::Error,
    },
    /// A batch is not what was once written, or cannot be written again.
    #[error("compact segment {base_offset}, the batch at byte {position}")]
    Batch {
        /// The segment's first offset.
        base_offset: i64,
        /// Where the batch begins.
        position: u64,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The compacted segment could not be written.
    #[error("write the compacted segment {base_offset}")]
    Write {
        /// The segment's first offset.
        base_offset: i64,
        source: io::Error,
    },
    /// The compacted segment could not be put in place of the old ones. If some of them were gone, the log is offline,
    /// and its next opening puts that right.
    #[error("put the compacted segment {base_offset} in place")]
    Swap {
        /// The segment's first offset.
        base_offset: i64,
        source: io::Error,
    },
    /// An old segment could not be set aside. The log is offline, and its next opening puts that right.
    #[error("set the segments aside that the compacted segment {base_offset} replaces")]
    SetAside {
        /// The segment's first offset.
        base_offset: i64,
        source: RetentionError,
    },
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CleaningReport {
    /// Everything below is clean now: the offset for `cleaner-offset-checkpoint`.
    pub cleaned_to: LogOffset,
    /// Bytes of the segments that were looked at, before and after.
    pub bytes_before: u64,
    /// See [`Self::bytes_before`].
    pub bytes_after: u64,
    /// Bytes that were read, those for the map of keys included.
    pub bytes_read: u64,
    /// Records in those segments, before and after.
    pub records_before: u64,
    /// See [`Self::records_before`].
    pub records_after: u64,
    /// Records that went because they had no key.
    pub keyless: u64,
    /// Keys in the map.
    pub keys: usize,
    /// Whether the map was full before the end of what could be cleaned, so that another pass has to follow.
    pub map_was_full: bool,
}

impl PartitionLog {
    /// What can be cleaned, if everything below `cleaned_to` was. Looks into files only where `max.compaction.lag.ms`
    /// is set.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn cleanable(&self, cleaned_to: Option<LogOffset>, now: Timestamp) -> Result<Cleanable, CleanError> {
        let segments = self.shared.segments();
        let (active, closed) = segments.split_last().expect("a log always has an active segment");
        let candidates = closed.iter().map(|segment| self.candidate(segment)).collect::<Result<Vec<_>, _>>()?;
        let edges = Edges {
            start: self.shared.start(),
            end: self.shared.end(),
            stable: self.shared.stable(),
            active_base: active.base_offset(),
        };
        Ok(plan::plan(&candidates, edges, cleaned_to.map(LogOffset::get), &self.config, now.as_millis()))
    }

    fn candidate(&self, segment: &Arc<Segment>) -> Result<Candidate, CleanError> {
        let mut candidate = candidate(segment);
        if self.config.max_compaction_lag_ms < i64::MAX {
            let first = Scan::short(segment.log(), 0, segment.size()).next();
            let base_offset = segment.base_offset();
            candidate.first_ms = first
                .map_err(|error| match error {
                    ScanError::Io { position, source } => CleanError::Read { base_offset, position, source },
                    ScanError::Damaged { position, source } => {
                        CleanError::Batch { base_offset, position, source: source.into() }
                    }
                })?
                .map(|(_, header)| header.max_timestamp);
        }
        Ok(candidate)
    }

    /// Begins a pass over what [`Self::cleanable`] found. The pass itself needs the log no more, but for
    /// [`Self::swap_in`].
    pub fn begin_cleaning(&self, cleanable: &Cleanable, now: Timestamp) -> Cleaning {
        let segments = self.shared.segments();
        let below = segments.partition_point(|found| found.base_offset() < cleanable.first_uncleanable.get());
        Cleaning {
            shared: Arc::clone(&self.shared),
            config: self.config.clone(),
            // The active one is never below.
            segments: segments[..below.min(segments.len() - 1)].to_vec(),
            first_dirty: cleanable.first_dirty.get(),
            end: cleanable.first_uncleanable.get(),
            newest: NewestBatches::of(&self.producers),
            now_ms: now.as_millis(),
        }
    }
}

/// Without the timestamp of its first batch.
fn candidate(segment: &Arc<Segment>) -> Candidate {
    Candidate {
        base_offset: segment.base_offset(),
        bytes: segment.size(),
        index_bytes: segment.index().bytes().max(segment.times().bytes()),
        newest_ms: newest_ms(segment),
        first_ms: None,
    }
}

/// A report in which nothing has been done yet.
fn nothing_yet() -> CleaningReport {
    CleaningReport {
        cleaned_to: offset(0),
        bytes_before: 0,
        bytes_after: 0,
        bytes_read: 0,
        records_before: 0,
        records_after: 0,
        keyless: 0,
        keys: 0,
        map_was_full: false,
    }
}
