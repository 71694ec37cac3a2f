//! Names of a partition's files, and the few file operations that must survive a power failure.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Suffix of a file that is about to be unlinked.
pub(crate) const DELETED: &str = ".deleted";
/// Suffix of a compaction's output that is not complete.
pub(crate) const CLEANED: &str = ".cleaned";
/// Suffix of a compaction's output that replaces what it was made from.
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

/// The file of this kind for this offset.
pub(crate) fn path(dir: &Path, offset: i64, kind: Kind) -> PathBuf {
    dir.join(format!("{offset:020}.{}", kind.extension()))
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

/// Makes creations, renames and removals in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces a file so that after a crash it has either its old or its new content, and durably so.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

/// The whole content of a file, `None` where there is none.
pub(crate) fn read_if_present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file, and says whether there was one.
pub(crate) fn remove_if_present(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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
