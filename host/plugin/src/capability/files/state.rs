//! What one instance may open, and what it has open. Every operation that may wait for the disk runs on tokio's blocking
//! threads.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_connector::Rest;
use tokio::task;

use super::check::is_below;
use super::declare::{FileAccess, NamesFile, StandIn};
use super::growth::{Disk, Growth};
use super::standard_input::StandardInput;

/// Most bytes that one `read` hands over.
const MAX_READ: u32 = 4 << 20;

/// What the keys of an instance's configuration open. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    keys: Arc<HashMap<String, Grant>>,
    allowed: Option<Arc<[PathBuf]>>,
    growth: Arc<Growth>,
}

#[derive(Clone, Debug)]
struct Grant {
    names: NamesFile,
    value: Option<String>,
}

/// Why a file operation failed. The messages are what plugins report to the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the key {key} opens no file: its definition does not say so")]
    NotGranted { key: String },
    #[error("the key {key} has no value")]
    NoValue { key: String },
    #[error("open {}: outside of what the worker allows (plugin.allow.files)", path.display())]
    NotAllowed { path: PathBuf },
    #[error("open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{operation} {name}")]
    Operation { operation: &'static str, name: String, source: io::Error },
    #[error("{operation} {name}: opened in another way")]
    WrongAccess { operation: &'static str, name: String },
}

impl Files {
    /// Nothing is opened yet, whatever the worker would allow.
    pub(crate) fn new(allowed: Option<Arc<[PathBuf]>>, growth: Arc<Growth>) -> Self {
        Self { keys: Arc::default(), allowed, growth }
    }

    /// No key opens anything any more. What is open stays open.
    pub(crate) fn revoke_all(&mut self) {
        self.keys = Arc::default();
    }

    /// Lets a key open what its value names.
    pub(super) fn grant(&mut self, key: &str, names: NamesFile, value: Option<&str>) {
        let grant = Grant { names, value: value.map(str::to_owned) };
        Arc::make_mut(&mut self.keys).insert(key.to_owned(), grant);
    }

    /// Opens what the key's value names; none if a file to be read does not exist.
    ///
    /// Blocks: call it on a thread that may wait for the disk.
    pub(crate) fn open(&self, key: &str) -> Result<Option<OpenFile>, FileError> {
        let grant = self.keys.get(key).ok_or_else(|| FileError::NotGranted { key: key.to_owned() })?;
        let Some(value) = &grant.value else {
            return match grant.names.or {
                Some(StandIn::Stdin) => {
                    let source = StandardInput::of_process().map_err(|source| FileError::Operation {
                        operation: "read",
                        name: "standard input".into(),
                        source,
                    })?;
                    Ok(Some(OpenFile { kind: Kind::Stdin(source), name: "standard input".into() }))
                }
                Some(StandIn::Stdout) => Ok(Some(OpenFile { kind: Kind::Stdout, name: "standard output".into() })),
                None => Err(FileError::NoValue { key: key.to_owned() }),
            };
        };
        let path = PathBuf::from(value);
        if let Some(allowed) = &self.allowed
            && !is_below(&path, allowed)
        {
            return Err(FileError::NotAllowed { path });
        }
        let kind = match grant.names.access {
            FileAccess::Read => open_to_read(&path, &self.growth),
            FileAccess::Append => open_to_append(&path).map(|file| Kind::Append(Arc::new(file), Arc::default())),
        };
        match kind {
            Ok(kind) => Ok(Some(OpenFile { kind, name: path.display().to_string() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound && grant.names.access == FileAccess::Read => Ok(None),
            Err(source) => Err(FileError::Open { path, source }),
        }
    }
}

fn read_up_to(file: &File, max: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(max as usize);
    file.take(max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_to_read(path: &Path, growth: &Arc<Growth>) -> io::Result<Kind> {
    let file = File::open(path)?;
    let watch = Disk::of(&file)?.map(|disk| (disk, Arc::clone(growth)));
    Ok(Kind::Read(Arc::new(file), watch))
}

/// Opens a file that writes go to the end of, and that can be read if the worker may do that too.
fn open_to_append(path: &Path) -> io::Result<File> {
    let options = || {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        options
    };
    match options().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options().open(path),
        opened => opened,
    }
}

/// A file or stream that a guest has open.
pub struct OpenFile {
    kind: Kind,
    name: String,
}

#[derive(Clone)]
enum Kind {
    /// With who watches it, if its size tells whether there is more.
    Read(Arc<File>, Option<(Disk, Arc<Growth>)>),
    /// With the position of the next read: writes go to the end and do not move it.
    Append(Arc<File>, Arc<AtomicU64>),
    Stdin(Arc<StandardInput>),
    Stdout,
}

impl OpenFile {
    /// Up to `max` bytes from the current position.
    pub(crate) async fn read(&self, max: u32) -> Result<Vec<u8>, FileError> {
        let max = max.min(MAX_READ);
        match &self.kind {
            Kind::Read(file, _) => {
                let file = Arc::clone(file);
                self.blocking("read", move || read_up_to(&file, max)).await
            }
            Kind::Append(file, position) => {
                let (file, position) = (Arc::clone(file), Arc::clone(position));
                self.blocking("read", move || {
                    let from = position.load(Ordering::Relaxed);
                    (&*file).seek(SeekFrom::Start(from))?;
                    let bytes = read_up_to(&file, max)?;
                    position.store(from + bytes.len() as u64, Ordering::Relaxed);
                    Ok(bytes)
                })
                .await
            }
            Kind::Stdin(input) => Ok(input.fetch(max as usize)),
            Kind::Stdout => Err(self.wrong_access("read")),
        }
    }

    /// Size in bytes; none for a stream.
    pub(crate) async fn size(&self) -> Result<Option<u64>, FileError> {
        match &self.kind {
            Kind::Read(file, _) | Kind::Append(file, _) => {
                let file = Arc::clone(file);
                self.blocking("look at", move || Ok(Some(file.metadata()?.len()))).await
            }
            Kind::Stdin(_) | Kind::Stdout => Ok(None),
        }
    }

    /// Sets the position of the next read.
    pub(crate) async fn seek(&self, position: u64) -> Result<(), FileError> {
        match &self.kind {
            Kind::Read(file, _) => {
                let file = Arc::clone(file);
                self.blocking("seek in", move || (&*file).seek(SeekFrom::Start(position)).map(drop)).await
            }
            Kind::Append(_, next) => {
                next.store(position, Ordering::Relaxed);
                Ok(())
            }
            Kind::Stdin(_) | Kind::Stdout => Err(self.wrong_access("seek in")),
        }
    }

    /// Appends all of the bytes.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> Result<(), FileError> {
        match &self.kind {
            Kind::Append(file, _) => {
                let file = Arc::clone(file);
                self.blocking("write to", move || (&*file).write_all(&bytes)).await
            }
            Kind::Stdout => self.blocking("write to", move || io::stdout().write_all(&bytes)).await,
            Kind::Read(..) | Kind::Stdin(_) => Err(self.wrong_access("write to")),
        }
    }

    /// Cuts the file down to a length.
    pub(crate) async fn truncate(&self, length: u64) -> Result<(), FileError> {
        let Kind::Append(file, _) = &self.kind else { return Err(self.wrong_access("truncate")) };
        let file = Arc::clone(file);
        self.blocking("truncate", move || {
            if file.metadata()?.len() < length {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "longer than the file"));
            }
            file.set_len(length)
        })
        .await
    }

    /// Returns when everything written is on disk.
    pub(crate) async fn sync(&self) -> Result<(), FileError> {
        match &self.kind {
            Kind::Append(file, _) => {
                let file = Arc::clone(file);
                self.blocking("sync", move || file.sync_data()).await
            }
            Kind::Stdout => self.blocking("flush", || io::stdout().flush()).await,
            Kind::Read(..) | Kind::Stdin(_) => Err(self.wrong_access("sync")),
        }
    }

    /// Ends when there are bytes behind the current position. None if the size does not tell, or writes go to the end.
    pub(crate) fn grown(&self) -> Option<Rest> {
        let Kind::Read(file, Some((disk, growth))) = &self.kind else { return None };
        Some(Box::pin(Arc::clone(growth).of(Arc::clone(file), *disk)))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, FileError> {
        let outcome = task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        outcome.map_err(|source| FileError::Operation { operation, name: self.name.clone(), source })
    }

    fn wrong_access(&self, operation: &'static str) -> FileError {
        FileError::WrongAccess { operation, name: self.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(access: FileAccess, path: &Path) -> Files {
        let mut files = Files::new(None, Arc::default());
        files.grant("file", NamesFile { access, or: None }, path.to_str());
        files
    }

    #[test]
    fn a_stream_stands_in_where_the_key_has_no_value_and_the_definition_says_so() {
        let opened = |or| {
            let mut files = Files::new(None, Arc::default());
            files.grant("file", NamesFile { access: FileAccess::Append, or }, None);
            files.open("file")
        };
        assert!(matches!(opened(Some(StandIn::Stdout)).unwrap().unwrap().kind, Kind::Stdout));
        assert!(matches!(opened(None), Err(FileError::NoValue { .. })));
    }

    #[tokio::test]
    async fn a_key_opens_what_its_value_names_and_no_other_key_opens_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.txt");
        let grants = files(FileAccess::Append, &path);
        let file = grants.open("file").unwrap().unwrap();
        file.write(b"one\ntwo\n".to_vec()).await.unwrap();
        file.sync().await.unwrap();
        assert_eq!(file.size().await.unwrap(), Some(8));
        file.truncate(4).await.unwrap();
        assert!(file.truncate(100).await.is_err(), "a file is never stretched");
        // What is written goes to the end, wherever it was read.
        assert_eq!(file.read(3).await.unwrap(), b"one");
        file.write(b"two\n".to_vec()).await.unwrap();
        file.seek(4).await.unwrap();
        assert_eq!(file.read(100).await.unwrap(), b"two\n");
        file.truncate(4).await.unwrap();

        let mut grants = files(FileAccess::Read, &path);
        let file = grants.open("file").unwrap().unwrap();
        file.seek(2).await.unwrap();
        assert_eq!(file.read(100).await.unwrap(), b"e\n");
        assert!(file.read(100).await.unwrap().is_empty());
        assert!(matches!(grants.open("other"), Err(FileError::NotGranted { .. })));
        grants.revoke_all();
        assert!(matches!(grants.open("file"), Err(FileError::NotGranted { .. })));
    }

    #[test]
    fn a_missing_file_is_none_for_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        let grants = files(FileAccess::Read, &folder.path().join("none"));
        assert!(grants.open("file").unwrap().is_none());
    }
}
