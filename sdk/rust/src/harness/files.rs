//! Files in memory, with the faults that a test asks for.

use std::{cell::RefCell, rc::Rc};

use super::host;
use crate::{Error, Result};

/// A file that a test puts in place of the one that a configuration key names. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct TestFile(Rc<RefCell<Content>>);

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Bytes that are on disk.
    synced: Vec<u8>,
    is_stream: bool,
    /// Bytes that may still be written before writes fail.
    room: Option<usize>,
    fail_open: Option<Error>,
    fail_read: Option<Error>,
    fail_sync: Option<Error>,
}

impl TestFile {
    pub(super) fn new(content: &[u8]) -> Self {
        let file = Self::default();
        file.append(content);
        file.0.borrow_mut().synced = content.to_vec();
        file
    }

    /// Appends bytes, as another program would.
    pub fn append(&self, bytes: &[u8]) {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
    }

    /// What is in the file now.
    pub fn content(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    /// What would be left after a power failure.
    pub fn synced(&self) -> Vec<u8> {
        self.0.borrow().synced.clone()
    }

    /// Makes it behave like a standard stream: no size, no position.
    pub fn make_stream(&self) -> &Self {
        self.0.borrow_mut().is_stream = true;
        self
    }

    /// Takes that many bytes more; the write that goes beyond them is cut off and fails.
    pub fn fill_after(&self, bytes: usize) {
        self.0.borrow_mut().room = Some(bytes);
    }

    /// Has room again.
    pub fn make_room(&self) {
        self.0.borrow_mut().room = None;
    }

    /// Has every attempt to open it fail.
    pub fn fail_open(&self, error: Error) {
        self.0.borrow_mut().fail_open = Some(error);
    }

    /// Has the next read fail.
    pub fn fail_read(&self, error: Error) {
        self.0.borrow_mut().fail_read = Some(error);
    }

    /// Has every sync fail.
    pub fn fail_sync(&self, error: Error) {
        self.0.borrow_mut().fail_sync = Some(error);
    }

    pub(super) fn open(&self) -> Result<Open> {
        match &self.0.borrow().fail_open {
            Some(error) => Err(error.clone()),
            None => Ok(Open { file: self.clone(), position: 0 }),
        }
    }
}

/// An open file with its position.
#[derive(Debug)]
pub(crate) struct Open {
    file: TestFile,
    position: usize,
}

#[derive(Debug)]
pub(crate) struct FileHandle(Open);

impl FileHandle {
    pub(crate) fn open(key: &str) -> Result<Option<Self>> {
        Ok(host::open_file(key)?.map(Self))
    }

    pub(crate) fn read(&mut self, max: u32) -> Result<Vec<u8>> {
        let Open { file, position } = &mut self.0;
        let mut content = file.0.borrow_mut();
        if let Some(error) = content.fail_read.take() {
            return Err(error);
        }
        let rest = content.bytes.get(*position..).unwrap_or_default();
        let read = rest[..rest.len().min(max as usize)].to_vec();
        *position += read.len();
        Ok(read)
    }

    pub(crate) fn size(&self) -> Result<Option<u64>> {
        let content = self.0.file.0.borrow();
        Ok((!content.is_stream).then_some(content.bytes.len() as u64))
    }

    pub(crate) fn seek(&mut self, position: u64) -> Result<()> {
        self.0.check_file()?;
        self.0.position = usize::try_from(position).unwrap_or(usize::MAX);
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut content = self.0.file.0.borrow_mut();
        let taken = content.room.unwrap_or(usize::MAX).min(bytes.len());
        content.bytes.extend_from_slice(&bytes[..taken]);
        if let Some(room) = &mut content.room {
            *room -= taken;
        }
        if taken < bytes.len() { Err(Error::fatal("No space left on device")) } else { Ok(()) }
    }

    pub(crate) fn truncate(&mut self, length: u64) -> Result<()> {
        self.0.check_file()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.0.file.0.borrow_mut().bytes.truncate(length);
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        let mut content = self.0.file.0.borrow_mut();
        if let Some(error) = &content.fail_sync {
            return Err(error.clone());
        }
        content.synced = content.bytes.clone();
        Ok(())
    }

    pub(crate) fn ends_rest(&self) -> bool {
        !self.0.file.0.borrow().is_stream
    }
}

impl Open {
    fn check_file(&self) -> Result<()> {
        if self.file.0.borrow().is_stream { Err(Error::fatal("a standard stream has no position")) } else { Ok(()) }
    }
}
