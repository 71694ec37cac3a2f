//! Names of a partition's files, and those of them that are on their way out.

use std::path::{Path, PathBuf};

/// Suffix of a file that is about to be unlinked.
pub(crate) const DELETED: &str = ".deleted";
/// Suffix of what the cleaner is writing. Worth nothing after a crash.
pub(crate) const CLEANED: &str = ".cleaned";
/// Suffix of what the cleaner is putting in place of other files, some of which may be gone.
pub(crate) const SWAP: &str = ".swap";

/// What a file named by an offset holds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Log,
    Index,
    TimeIndex,
    TxnIndex,
    Snapshot,
    /// Our own: the newest batches of each producer, which Kafka's snapshot leaves out.
    Window,
}

impl Kind {
    /// The files of a segment itself, the one with its records first.
    pub(crate) const OF_SEGMENT: [Self; 4] = [Self::Log, Self::Index, Self::TimeIndex, Self::TxnIndex];

    pub(crate) const ALL: [Self; 6] =
        [Self::Log, Self::Index, Self::TimeIndex, Self::TxnIndex, Self::Snapshot, Self::Window];

    fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Index => "index",
            Self::TimeIndex => "timeindex",
            Self::TxnIndex => "txnindex",
            Self::Snapshot => "snapshot",
            Self::Window => "window",
        }
    }
}

/// A renamed file that waits to be unlinked.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) path: PathBuf,
    /// When its delay is over, in milliseconds.
    pub(crate) due_ms: i64,
}

/// The file of this kind for this offset.
pub(crate) fn path(dir: &Path, offset: i64, kind: Kind) -> PathBuf {
    dir.join(format!("{offset:020}.{}", kind.extension()))
}

/// The file of this kind for this offset, on its way in or out.
pub(crate) fn path_with(dir: &Path, offset: i64, kind: Kind, suffix: &str) -> PathBuf {
    let mut path = path(dir, offset, kind).into_os_string();
    path.push(suffix);
    PathBuf::from(path)
}

/// Reads a name like `00000000000000000042.log`; `None` for any other.
pub(crate) fn parse_name(name: &str) -> Option<(i64, Kind)> {
    let (digits, extension) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
    Some((digits.parse().ok()?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let log = path(Path::new("/d"), 42, Kind::Log);
        assert_eq!(log, Path::new("/d/00000000000000000042.log"));
        assert_eq!(parse_name("00000000000000000042.log"), Some((42, Kind::Log)));
        assert_eq!(parse_name("00000000000000000042.timeindex"), Some((42, Kind::TimeIndex)));
        for other in
            ["42.log", "00000000000000000042.log.deleted", "leader-epoch-checkpoint", "9999999999999999999a.log"]
        {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
