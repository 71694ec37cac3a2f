//! Why a log is not opened as it is: records that were stored are not what they were, or are missing.

use std::{fmt, path::PathBuf};

/// Damage to a partition's files. Nothing was changed: what is left may be worth more than what a program would make
/// of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// The file that is damaged; the folder where a file is missing.
    pub file: PathBuf,
    /// The byte at which it begins.
    pub position: u64,
    /// The offset that the record there should have.
    pub offset: i64,
    /// What the bytes there are, and so what repair can do.
    pub kind: DamageKind,
}

/// What is wrong with a partition's files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DamageKind {
    /// There is no sound batch where one was on stable storage.
    Unreadable {
        /// The log was on stable storage up to this offset.
        recovery_point: i64,
    },
    /// There is no sound batch with the right offset, and a sound one follows: this is no end that a crash tore off.
    RecordsFollow {
        /// The file that has the sound batch.
        file: PathBuf,
        /// Where it begins.
        position: u64,
        /// Its first offset.
        offset: i64,
    },
    /// There is a sound batch, and it says that it belongs elsewhere: its checksum leaves its offset out.
    Misplaced,
    /// The log ends before the offset up to which it was on stable storage.
    Missing {
        /// One past the last offset that was known to be on stable storage.
        recovery_point: i64,
    },
    /// The log ends before its own start.
    EndsBeforeStart {
        /// The start, below which records were deleted on purpose.
        log_start: i64,
    },
    /// The segment begins before the one ahead of it ends.
    Overlap {
        /// Where that one ends.
        previous_end: i64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, position, offset, kind } = self;
        write!(f, "{} is damaged at byte {position}, where offset {offset} belongs: {kind}", file.display())?;
        f.write_str(
            "; nothing was changed; restore the partition's folder from a copy, or stop the broker and run `millstream \
             broker repair`, which shows what would be lost, and sets it aside with --apply",
        )
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { recovery_point } => {
                write!(f, "there is no sound batch, and everything below offset {recovery_point} was stored durably")
            }
            Self::RecordsFollow { file, position, offset } => write!(
                f,
                "there is no sound batch, and one with offset {offset} follows at byte {position} of {}",
                file.display()
            ),
            Self::Misplaced => f.write_str("the batch there has another offset"),
            Self::Missing { recovery_point } => {
                write!(f, "the log ends there, and was stored durably up to offset {recovery_point}")
            }
            Self::EndsBeforeStart { log_start } => {
                write!(f, "the log ends there, before its start at offset {log_start}")
            }
            Self::Overlap { previous_end } => {
                write!(f, "the segment before it ends at offset {previous_end}")
            }
        }
    }
}

impl std::error::Error for Damage {}
