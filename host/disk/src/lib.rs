//! The file operations that must survive a crash, behind a trait: the real disk, and one for tests that fails.
//!
//! Whoever keeps something on disk takes an `Arc<dyn Disk>` and touches no file in any other way, so that
//! [`faulty::FaultyDisk`] can stand in its place. Everything here blocks. What a file holds is its owner's business.

#![forbid(unsafe_code)]

mod durable;
pub mod faulty;
mod handles;
mod real;

use std::{ffi::OsString, fmt::Debug, io, path::Path, time::SystemTime};

pub use durable::TEMPORARY;
pub use real::{real, real_with};

/// How a file is opened. None of these makes the file's name durable: that is [`Disk::sync_dir`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Open {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; made empty where there is none, else left as it is.
    Create,
    /// To read and write; empty afterwards.
    Truncate,
    /// As [`Open::Truncate`], and nobody but its owner may read it: for what holds secrets.
    Private,
    /// To read and write; an error where it exists.
    New,
}

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// Bytes of a file.
    pub len: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// When its content changed last.
    pub modified: SystemTime,
}

/// A file system. Paths mean what they mean to the operating system.
///
/// Derived operations (replacing a file durably, reading one that may be missing) are methods of `dyn Disk`.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Length, kind and age. Follows links.
    ///
    /// # Errors
    ///
    /// `NotFound` where nothing has this name, and whatever else the operating system says.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Gives a file or folder another name in the same folder, in place of a file that has it.
    ///
    /// Atomic: at every moment, a crash included, each of the two names has its old or its new meaning. Durable after
    /// [`Self::sync_dir`].
    ///
    /// # Errors
    ///
    /// The names are as before.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name; who has it open can still use it. Durable after [`Self::sync_dir`].
    ///
    /// # Errors
    ///
    /// `NotFound` where there is none, and whatever else the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes one folder. Durable after [`Self::sync_dir`] of its parent.
    ///
    /// # Errors
    ///
    /// It exists, or its parent does not.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder and everything in it.
    ///
    /// # Errors
    ///
    /// A part of it may be gone.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in ascending order.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Makes creations, renames and removals in a folder durable.
    ///
    /// # Errors
    ///
    /// Nothing is known of them.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock of a file, which is made if needed; `None` while another process has it. Dropping the value,
    /// or the end of the process, gives it back.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// An open file. Many threads may use it at once.
pub trait DiskFile: Debug + Send + Sync {
    /// Fills the buffer from a byte of the file on.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` where the file ends before, and whatever else the operating system says.
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;

    /// Fills the buffer as [`Self::read_exact_at`] does, if that is certain not to wait for a disk: for threads that
    /// others depend on. False where it is not certain, or anything is wrong; the buffer holds anything then.
    fn read_cached_at(&self, buffer: &mut [u8], at: u64) -> bool {
        let _ = (buffer, at);
        false
    }

    /// Writes all bytes from a byte of the file on; a hole before them is read as zeros.
    ///
    /// # Errors
    ///
    /// Any part of them may have been written.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Asks for room on the disk for so many bytes from one of the file on, which stays as long as it is: to write there
    /// takes less work then. Only a hint: false where none was given.
    fn reserve(&self, from: u64, bytes: u64) -> bool {
        let _ = (from, bytes);
        false
    }

    /// Gives room behind the end of the file back, whoever asked for it. True if there was much.
    ///
    /// # Errors
    ///
    /// What the operating system says. Nothing is lost.
    fn release(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    ///
    /// The length is as before.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// When its content changed last.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn modified(&self) -> io::Result<SystemTime>;

    /// Brings content and length to stable storage.
    ///
    /// # Errors
    ///
    /// The operating system may have given up what it held: reading may still show it, and a later success says
    /// nothing of it. Only writing the bytes again makes them durable.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`Self::sync_data`], with the rest of what is kept of a file.
    ///
    /// # Errors
    ///
    /// As there.
    fn sync_all(&self) -> io::Result<()>;
}

/// A lock that is held. Given back when dropped.
pub trait DiskLock: Debug + Send + Sync {}
