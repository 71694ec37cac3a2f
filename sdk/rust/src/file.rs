//! Files that configuration keys name.

use crate::{Result, host};

/// A file, or a standard stream of the worker, named by the value of a configuration key.
///
/// The key's definition says what it [`opens`](crate::config::Key::opens); the worker says which
/// files may be opened at all. Dropping the file closes it.
#[derive(Debug)]
pub struct File(host::FileHandle);

impl File {
    /// Opens what the configuration value of `key` names. `None` if a file to be read does not exist.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or the worker does not allow it.
    pub fn open(key: &str) -> Result<Option<Self>> {
        Ok(host::FileHandle::open(key)?.map(Self))
    }

    /// Up to `max` bytes from the current position; empty at the end of what is there now. A
    /// standard stream gives what is there without waiting.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        self.0.read(max)
    }

    /// Size in bytes at this moment; `None` for a stream.
    ///
    /// # Errors
    ///
    /// The size cannot be found out.
    pub fn size(&self) -> Result<Option<u64>> {
        self.0.size()
    }

    /// Sets the position of the next read, in bytes from the start.
    ///
    /// # Errors
    ///
    /// The file is a stream.
    pub fn seek(&mut self, position: u64) -> Result<()> {
        self.0.seek(position)
    }

    /// Appends all of the bytes, or fails having appended a part of them. What was appended is safe
    /// after [`File::sync`] only.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)
    }

    /// Cuts the file down to a length in bytes.
    ///
    /// # Errors
    ///
    /// The file is a stream, or cannot be changed.
    pub fn truncate(&mut self, length: u64) -> Result<()> {
        self.0.truncate(length)
    }

    /// Returns when everything written is on disk.
    ///
    /// # Errors
    ///
    /// Something written may not have reached the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.0.sync()
    }

    /// Has the [`rest`](crate::rest) of the task end as soon as there are bytes behind the current position. False
    /// if the host cannot tell, as of a stream or a device: rest for a short time then.
    pub fn ends_rest(&self) -> bool {
        self.0.ends_rest()
    }
}
