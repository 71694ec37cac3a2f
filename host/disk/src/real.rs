//! The disk of the machine.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use crate::{
    Disk, DiskFile, DiskLock, Metadata, Open,
    handles::{Handle, Handles},
};

/// The disk of the machine, with as many files open at once as somebody has.
pub fn real() -> Arc<dyn Disk> {
    real_with(usize::MAX)
}

/// The disk of the machine, which tries to keep no more than so many files open at once: see [`crate::handles`]. One
/// that was written to and not synced since stays open all the same.
pub fn real_with(most_open: usize) -> Arc<dyn Disk> {
    Arc::new(Real { handles: Handles::new(most_open) })
}

/// The same, and how many files it has open.
#[cfg(test)]
pub(crate) fn limited(most_open: usize) -> (Arc<dyn Disk>, Arc<Handles>) {
    let handles = Handles::new(most_open);
    (Arc::new(Real { handles: Arc::clone(&handles) }), handles)
}

/// The unit in which the system tells how much room a file takes, in bytes.
const BLOCK: u64 = 512;

/// A file may take so many bytes more than it has without anybody's having asked for them.
const ORDINARY: u64 = 256 << 10;

/// The owner may read and write, and nobody else anything.
const PRIVATE: u32 = 0o600;

#[derive(Debug)]
struct Real {
    handles: Arc<Handles>,
}

impl Disk for Real {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = File::options();
        options.read(true).write(how != Open::Read);
        // What is opened again is there.
        let mut again = options.clone();
        match how {
            Open::Read | Open::Write => &mut options,
            Open::Create => options.create(true).truncate(false),
            Open::Truncate => options.create(true).truncate(true),
            Open::Private => options.create(true).truncate(true).mode(PRIVATE),
            Open::New => options.create_new(true),
        };
        // Without noting when it was read: the first read after a write would change the file's inode, and that may wait
        // for a disk although all bytes are in memory. Only the owner of a file may leave it out.
        // A file that has to be new would be there, made by a first try that may not.
        let flags = if how == Open::New { 0 } else { NO_ACCESS_TIME };
        again.custom_flags(flags);
        let (handle, flags) = match self.handles.open(path, options.custom_flags(flags), again.clone()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                again.custom_flags(0);
                (self.handles.open(path, options.custom_flags(0), again)?, 0)
            }
            opened => (opened?, flags),
        };
        if how == Open::Private {
            // One that a crash has left may have any.
            fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
        }
        Ok(Box::new(RealFile { handle, reads_change_it: flags == 0 }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::metadata(path)?;
        Ok(Metadata { len: found.len(), is_dir: found.is_dir(), modified: found.modified()? })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.handles.leave(from)?;
        self.handles.leave(to)?;
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.handles.leave(path)?;
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.handles.leave(path)?;
        fs::remove_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(Lock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(target_os = "linux")]
const NO_ACCESS_TIME: i32 = rustix::fs::OFlags::NOATIME.bits() as i32;

#[cfg(not(target_os = "linux"))]
const NO_ACCESS_TIME: i32 = 0;

#[derive(Debug)]
struct RealFile {
    handle: Arc<Handle>,
    /// Whether the system notes when the file was read.
    reads_change_it: bool,
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.handle.get()?.read_exact_at(buffer, at)
    }

    fn read_cached_at(&self, buffer: &mut [u8], at: u64) -> bool {
        // Opening it again may wait.
        !self.reads_change_it && self.handle.opened().is_some_and(|file| read_cached(&file, buffer, at))
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.handle.change(|file| file.write_all_at(bytes, at))
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, from: u64, bytes: u64) -> bool {
        use rustix::fs::{FallocateFlags, fallocate};
        self.handle.get().is_ok_and(|file| fallocate(&*file, FallocateFlags::KEEP_SIZE, from, bytes).is_ok())
    }

    fn release(&self) -> io::Result<bool> {
        let found = self.handle.get()?.metadata()?;
        let behind = (found.blocks() * BLOCK).saturating_sub(found.len());
        if behind <= ORDINARY {
            return Ok(false);
        }
        // To the length that it has: what lies behind goes all the same.
        self.handle.change(|file| file.set_len(found.len())).map(|()| true)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.handle.change(|file| file.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.handle.get()?.metadata()?.len())
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.handle.get()?.metadata()?.modified()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.handle.sync(File::sync_data)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.handle.sync(File::sync_all)
    }
}

/// Reads what the page cache has. The system refuses (`EAGAIN`) what it would have to read or wait for, and the whole
/// (`EOPNOTSUPP`) on file systems that cannot tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, mut buffer: &mut [u8], mut at: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    while !buffer.is_empty() {
        match preadv2(file, &mut [io::IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT) {
            Ok(read) if read != 0 => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
            // What is wrong is found out by whoever may wait.
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> bool {
    false
}

/// Held for as long as its file is open.
#[derive(Debug)]
struct Lock {
    _file: File,
}

impl DiskLock for Lock {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_opened_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), dir.path().join("file"));
        for how in [Open::Read, Open::Write] {
            assert_eq!(disk.open(&path, how).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        let file = disk.open(&path, Open::Create).unwrap();
        file.write_all_at(b"abc", 2).unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"\0\0abc");
        assert_eq!(disk.open(&path, Open::New).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.open(&path, Open::Create).unwrap().len().unwrap(), 5);
        assert!(disk.open(&path, Open::Read).unwrap().write_all_at(b"x", 0).is_err());
        assert_eq!(disk.open(&path, Open::Truncate).unwrap().len().unwrap(), 0);
        let mut buffer = [0; 1];
        assert_eq!(file.read_exact_at(&mut buffer, 0).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_in_memory_is_read_without_waiting_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), dir.path().join("file"));
        let file = disk.open(&path, Open::Create).unwrap();
        file.write_all_at(b"abcdef", 0).unwrap();
        let mut buffer = [0; 3];
        if file.read_cached_at(&mut buffer, 2) {
            assert_eq!(&buffer, b"cde");
        } else {
            println!("the file system of temporary files cannot tell what is in memory");
        }
        assert!(!file.read_cached_at(&mut buffer, 4), "a part is not enough");
        assert!(file.read_cached_at(&mut [], 99));
    }

    #[test]
    fn room_that_is_asked_for_changes_neither_length_nor_content_and_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), dir.path().join("file"));
        let file = disk.open(&path, Open::Create).unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        let room = || fs::metadata(&path).unwrap().blocks() * BLOCK;
        if !file.reserve(3, 4 << 20) {
            println!("the file system of temporary files gives no room ahead");
            return;
        }
        assert!(4 << 20 <= room(), "{}", room());
        file.write_all_at(b"def", 3).unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"abcdef");
        assert!(file.release().unwrap());
        assert!(room() <= ORDINARY, "{}", room());
        assert_eq!(disk.read(&path).unwrap(), b"abcdef");
        assert!(!file.release().unwrap());
    }

    #[test]
    fn what_holds_secrets_is_its_owners_only_whatever_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), folder.path().join("secret"));
        for name in ["secret", "secret.tmp"] {
            std::fs::write(folder.path().join(name), "before").unwrap();
            std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o644)).unwrap();
        }
        disk.replace_private(&path, b"after").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), dir.path().join("file"));
        for content in [&b"one"[..], b"", b"three"] {
            disk.replace(&path, content).unwrap();
            assert_eq!(disk.read(&path).unwrap(), content);
        }
        assert_eq!(disk.read_dir(dir.path()).unwrap(), ["file"]);
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, path) = (real(), dir.path().join(".lock"));
        let held = disk.lock(&path).unwrap();
        assert!(held.is_some());
        assert!(disk.lock(&path).unwrap().is_none());
        drop(held);
        assert!(disk.lock(&path).unwrap().is_some());
    }
}
