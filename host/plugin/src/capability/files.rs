//! Files that configuration keys name. A plugin never sees a path of its own choosing: it names a key, and
//! the host opens what the user configured there, in the way that the key's definition says, inside what
//! the worker allows. Every operation that may wait for the disk runs on tokio's blocking threads.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_config::{Capability, ConfigMap, FileAccess, StandardStream, config_text};
use tokio::task;

use super::standard_input::StandardInput;

/// Most bytes that one `read` hands over.
const MAX_READ: u32 = 4 << 20;

/// What the keys of one plugin's configuration open.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileGrants {
    keys: HashMap<String, Grant>,
    allowed: Option<Arc<[PathBuf]>>,
}

#[derive(Clone, Debug)]
struct Grant {
    access: FileAccess,
    or: Option<StandardStream>,
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

impl FileGrants {
    /// Grants what the definitions of a plugin say about the values of its configuration.
    pub(crate) fn new<'a>(
        definitions: impl IntoIterator<Item = (&'a str, Capability)>,
        config: &ConfigMap,
        allowed: Option<Arc<[PathBuf]>>,
    ) -> Self {
        // The plugin sees the value as its definition reads it; the same text is opened.
        let value_of = |name: &str| {
            let value = config.get(name).and_then(Option::as_deref).map(config_text::text);
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let grant = |(name, Capability::File { access, or }): (&str, Capability)| {
            (name.to_owned(), Grant { access, or, value: value_of(name) })
        };
        Self { keys: definitions.into_iter().map(grant).collect(), allowed }
    }

    /// Opens what the key's value names; none if a file to be read does not exist.
    ///
    /// Blocks: call it on a thread that may wait for the disk.
    pub(crate) fn open(&self, key: &str) -> Result<Option<OpenFile>, FileError> {
        let grant = self.keys.get(key).ok_or_else(|| FileError::NotGranted { key: key.to_owned() })?;
        let Some(value) = &grant.value else {
            return match grant.or {
                Some(StandardStream::Stdin) => {
                    let source = StandardInput::of_process().map_err(|source| FileError::Operation {
                        operation: "read",
                        name: "standard input".into(),
                        source,
                    })?;
                    Ok(Some(OpenFile { kind: Kind::Stdin(source), name: "standard input".into() }))
                }
                Some(StandardStream::Stdout) => {
                    Ok(Some(OpenFile { kind: Kind::Stdout, name: "standard output".into() }))
                }
                None => Err(FileError::NoValue { key: key.to_owned() }),
            };
        };
        let path = PathBuf::from(value);
        if let Some(allowed) = &self.allowed
            && !is_below(&path, allowed)
        {
            return Err(FileError::NotAllowed { path });
        }
        let (file, kind): (_, fn(Arc<File>) -> Kind) = match grant.access {
            FileAccess::Read => (File::open(&path), Kind::Read),
            FileAccess::Append => (open_to_append(&path), |file| Kind::Append(file, Arc::default())),
        };
        match file {
            Ok(file) => Ok(Some(OpenFile { kind: kind(Arc::new(file)), name: path.display().to_string() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound && grant.access == FileAccess::Read => Ok(None),
            Err(source) => Err(FileError::Open { path, source }),
        }
    }
}

fn read_up_to(file: &File, max: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(max as usize);
    file.take(max.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
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

/// Whether the file lies below one of the folders, links followed. A file that does not exist yet lies
/// where its folder does.
fn is_below(path: &Path, folders: &[PathBuf]) -> bool {
    let resolved = fs::canonicalize(path).or_else(|error| {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { return Err(error) };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // A dangling link is not followed by `canonicalize`, but would be by `open`.
        match fs::symlink_metadata(path) {
            Ok(_) => Err(error),
            Err(_) => fs::canonicalize(parent).map(|parent| parent.join(name)),
        }
    });
    let Ok(resolved) = resolved else { return false };
    folders.iter().any(|folder| fs::canonicalize(folder).is_ok_and(|folder| resolved.starts_with(folder)))
}

/// A file or stream that a guest has open.
pub struct OpenFile {
    kind: Kind,
    name: String,
}

#[derive(Clone)]
enum Kind {
    Read(Arc<File>),
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
            Kind::Read(file) => {
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
            Kind::Read(file) | Kind::Append(file, _) => {
                let file = Arc::clone(file);
                self.blocking("look at", move || Ok(Some(file.metadata()?.len()))).await
            }
            Kind::Stdin(_) | Kind::Stdout => Ok(None),
        }
    }

    /// Sets the position of the next read.
    pub(crate) async fn seek(&self, position: u64) -> Result<(), FileError> {
        match &self.kind {
            Kind::Read(file) => {
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
            Kind::Read(_) | Kind::Stdin(_) => Err(self.wrong_access("write to")),
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
            Kind::Read(_) | Kind::Stdin(_) => Err(self.wrong_access("sync")),
        }
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

    fn opens(access: FileAccess) -> Capability {
        Capability::File { access, or: None }
    }

    fn config(path: &Path) -> ConfigMap {
        ConfigMap::from([
            ("file".into(), Some(path.display().to_string())),
            ("other".into(), Some("/etc/hostname".into())),
        ])
    }

    #[test]
    fn a_file_is_opened_by_its_name_without_the_blanks_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.txt");
        let grants = |value: &str, or| {
            let config = ConfigMap::from([("file".into(), Some(value.to_owned()))]);
            FileGrants::new([("file", Capability::File { access: FileAccess::Append, or })], &config, None)
        };
        grants(&format!(" {}\t\r", path.display()), None).open("file").unwrap().unwrap();
        assert!(path.exists());
        let stdout = grants("  ", Some(StandardStream::Stdout)).open("file").unwrap().unwrap();
        assert!(matches!(stdout.kind, Kind::Stdout));
    }

    #[tokio::test]
    async fn a_key_opens_what_its_value_names_and_no_other_key_opens_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines.txt");
        let append = opens(FileAccess::Append);
        let grants = FileGrants::new([("file", append)], &config(&path), None);
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

        let read = opens(FileAccess::Read);
        let grants = FileGrants::new([("file", read)], &config(&path), None);
        let file = grants.open("file").unwrap().unwrap();
        file.seek(2).await.unwrap();
        assert_eq!(file.read(100).await.unwrap(), b"e\n");
        assert!(file.read(100).await.unwrap().is_empty());
        assert!(matches!(grants.open("other"), Err(FileError::NotGranted { .. })));
    }

    #[test]
    fn a_missing_file_is_none_for_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        let read = opens(FileAccess::Read);
        let grants = FileGrants::new([("file", read)], &config(&folder.path().join("none")), None);
        assert!(grants.open("file").unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_allowed_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = folder.path().join("allowed");
        fs::create_dir(&allowed).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), allowed.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), allowed.join("dangling")).unwrap();
        fs::write(allowed.join("good"), "x").unwrap();
        let folders = [allowed.clone()];
        assert!(is_below(&allowed.join("good"), &folders));
        assert!(is_below(&allowed.join("new"), &folders));
        for outside in ["link", "dangling", "../secret", "none/../../secret"] {
            assert!(!is_below(&allowed.join(outside), &folders), "{outside}");
        }
    }
}
