//! The two indexes of a segment, in Kafka's formats: sorted entries of one size that a binary search reads.
//!
//! One writer appends; any number of readers search at the same time, up to the entry count published.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use millstream_disk::{Disk, DiskFile, Open};

/// An entry of an index: so many bytes, and a key by which entries ascend.
pub(crate) trait Entry: Copy {
    const SIZE: usize;
    fn encode(self, out: &mut [u8]);
    fn decode(bytes: &[u8]) -> Self;
}

/// `.index`: the last offset of a batch (relative to the segment) and the byte at which that batch begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OffsetEntry {
    pub relative_offset: i32,
    pub position: i32,
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn encode(self, out: &mut [u8]) {
        out[..4].copy_from_slice(&self.relative_offset.to_be_bytes());
        out[4..].copy_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            relative_offset: i32::from_be_bytes(bytes[..4].try_into().expect("an entry has eight bytes")),
            position: i32::from_be_bytes(bytes[4..8].try_into().expect("an entry has eight bytes")),
        }
    }
}

/// `.timeindex`: no record up to the offset (relative to the segment) has a later timestamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TimeEntry {
    pub timestamp: i64,
    pub relative_offset: i32,
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn encode(self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..].copy_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            timestamp: i64::from_be_bytes(bytes[..8].try_into().expect("an entry has twelve bytes")),
            relative_offset: i32::from_be_bytes(bytes[8..12].try_into().expect("an entry has twelve bytes")),
        }
    }
}

/// A file of entries.
#[derive(Debug)]
pub(crate) struct Index<E> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Opened with the index, or made with its first entry.
    file: OnceLock<Box<dyn DiskFile>>,
    entries: AtomicU64,
    kind: std::marker::PhantomData<fn() -> E>,
}

impl<E: Entry> Index<E> {
    /// Opens the index, and makes no file where there is none. `sound` is false there, and where the length is no
    /// whole number of entries.
    pub(crate) fn open(disk: &Arc<dyn Disk>, path: &Path) -> io::Result<(Self, bool)> {
        let (opened, len) = match disk.open(path, Open::Write) {
            Ok(file) => {
                let len = file.len()?;
                (OnceLock::from(file), Some(len))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (OnceLock::new(), None),
            Err(error) => return Err(error),
        };
        let index = Self {
            disk: Arc::clone(disk),
            path: path.to_owned(),
            file: opened,
            entries: AtomicU64::new(len.unwrap_or(0) / E::SIZE as u64),
            kind: std::marker::PhantomData,
        };
        Ok((index, len.is_some_and(|len| len % E::SIZE as u64 == 0)))
    }

    /// The file, made where there is none. Only the one writer comes here.
    pub(crate) fn made(&self) -> io::Result<&dyn DiskFile> {
        if self.file.get().is_none() {
            let file = self.disk.open(&self.path, Open::Create)?;
            return Ok(&**self.file.get_or_init(|| file));
        }
        self.opened()
    }

    fn opened(&self) -> io::Result<&dyn DiskFile> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, "the index has no file");
        self.file.get().map(|file| &**file).ok_or_else(absent)
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.load(Ordering::Acquire)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len() * E::SIZE as u64
    }

    /// Empties the index. Only while no reader has it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.entries.store(0, Ordering::Release);
        self.made()?.set_len(0)
    }

    /// Appends an entry. After an error the index is as before: the next append overwrites what was written.
    pub(crate) fn append(&self, entry: E) -> io::Result<()> {
        let mut bytes = [0; 16];
        entry.encode(&mut bytes[..E::SIZE]);
        let at = self.entries.load(Ordering::Relaxed);
        self.made()?.write_all_at(&bytes[..E::SIZE], at * E::SIZE as u64)?;
        self.entries.store(at + 1, Ordering::Release);
        Ok(())
    }

    pub(crate) fn get(&self, at: u64) -> io::Result<E> {
        let mut bytes = [0; 16];
        self.opened()?.read_exact_at(&mut bytes[..E::SIZE], at * E::SIZE as u64)?;
        Ok(E::decode(&bytes[..E::SIZE]))
    }

    pub(crate) fn last(&self) -> io::Result<Option<E>> {
        match self.len() {
            0 => Ok(None),
            len => self.get(len - 1).map(Some),
        }
    }

    /// The last entry for which `before` holds; it must hold for a prefix of the entries.
    pub(crate) fn last_where(&self, before: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        let (mut low, mut high) = (0, self.len());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.get(middle)?;
            if before(&entry) {
                found = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.opened()?.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use millstream_disk::real;

    use super::*;

    #[test]
    fn entries_have_kafkas_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.index");
        let (index, sound) = Index::open(&real(), &path).unwrap();
        assert!(!sound && !path.exists(), "opening makes no file");
        index.append(OffsetEntry { relative_offset: 1, position: 0x0203 }).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0, 0, 0, 1, 0, 0, 2, 3]);
        let path = dir.path().join("x.timeindex");
        let (index, _) = Index::open(&real(), &path).unwrap();
        index.append(TimeEntry { timestamp: 0x0405, relative_offset: 7 }).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 7]);
    }

    #[test]
    fn the_greatest_entry_not_above_the_target_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(&real(), &dir.path().join("x.index")).unwrap();
        assert_eq!(index.last_where(|_: &OffsetEntry| true).unwrap(), None);
        for n in 0..10 {
            index.append(OffsetEntry { relative_offset: 10 * n + 5, position: n }).unwrap();
        }
        for target in 0..110 {
            let found = index.last_where(|entry| entry.relative_offset <= target).unwrap();
            let expected = (5 <= target).then(|| ((target - 5) / 10).min(9));
            assert_eq!(found.map(|entry| entry.position), expected, "{target}");
        }
    }

    #[test]
    fn a_file_with_part_of_an_entry_is_not_sound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.index");
        std::fs::write(&path, [0; 13]).unwrap();
        let (index, sound) = Index::<OffsetEntry>::open(&real(), &path).unwrap();
        assert!(!sound);
        assert_eq!(index.len(), 1);
        index.clear().unwrap();
        assert_eq!(index.bytes(), 0);
    }
}
