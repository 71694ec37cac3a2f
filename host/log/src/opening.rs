//! What opening a partition's log is told, what it answers, and why it fails.

use std::{io, path::PathBuf};

use millstream_record::LogOffset;

use crate::damage::Damage;

/// Why a partition's log could not be opened.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The folder could not be made or listed.
    #[error("list segments in {}", dir.display())]
    ListSegments { dir: PathBuf, source: io::Error },
    /// A leftover of an interrupted deletion could not be removed.
    #[error("clear up {}", path.display())]
    ClearUp { path: PathBuf, source: io::Error },
    /// A segment's files could not be opened, read, cut or written to stable storage.
    #[error("recover segment {base_offset}")]
    Segment {
        /// The segment's first offset.
        base_offset: i64,
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
    InterruptedCleaning { file: PathBuf },
    /// As above, and the compacted segment is not as it was written. Nothing was changed.
    #[error(
        "{} was to take the place of other segments when the broker was interrupted, and is damaged at byte {position}; \
         restore the partition's folder from a copy; if the segments from the offset in its name on are all still \
         there, it can be removed instead, with the others that end in .swap", file.display()
    )]
    DamagedSwap {
        file: PathBuf,
        /// Where its first unsound batch begins.
        position: u64,
    },
    /// The leader epochs or producer states could not be read or written.
    #[error("recover the state of {}", dir.display())]
    State { dir: PathBuf, source: io::Error },
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
