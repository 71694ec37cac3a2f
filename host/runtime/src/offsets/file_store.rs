//! Offsets in a file of Connect's own format, so that one written by Connect is continued here and the
//! reverse. Rewritten as a whole: into a temporary file, synced, and renamed over the old one.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use millstream_disk::Disk;

use super::{
    OffsetStore, OffsetStoreError,
    java_map::{self, Entries, InvalidJavaMap},
    table::OffsetTable,
};

/// Why an offset file could not be opened.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum OpenOffsetFileError {
    /// It cannot be read.
    #[error("read the source offsets in {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It cannot be written, or not durably.
    #[error("write source offsets to {} (key offset.storage.file.filename)", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// It holds something else.
    #[error("read the source offsets in {}", path.display())]
    Invalid { path: PathBuf, source: InvalidJavaMap },
}

/// Offsets of all source connectors of a standalone worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FileOffsetStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: Mutex<State>,
    /// Version of the state that is in the file; held while the file is written. Waited for without a thread, so that
    /// a disk that stalls takes one thread and not one for every commit.
    written: Arc<tokio::sync::Mutex<u64>>,
}

#[derive(Debug, Default)]
struct State {
    table: OffsetTable,
    version: u64,
}

impl FileOffsetStore {
    /// Reads a file; one that is missing or empty holds no offsets. Blocks.
    ///
    /// # Errors
    ///
    /// It cannot be read, holds anything but offsets, or cannot be written, which is better known now than at the
    /// first commit.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenOffsetFileError> {
        Self::open_on(millstream_disk::real(), path)
    }

    /// The same on any disk.
    ///
    /// # Errors
    ///
    /// As for [`FileOffsetStore::open`].
    pub fn open_on(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Result<Self, OpenOffsetFileError> {
        let path = path.into();
        let bytes = match disk.read_if_present(&path) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(source) => return Err(OpenOffsetFileError::Read { path, source }),
        };
        let entries = if bytes.is_empty() {
            Entries::new()
        } else {
            java_map::read(&bytes).map_err(|source| OpenOffsetFileError::Invalid { path: path.clone(), source })?
        };
        if let Err(source) = try_out(disk.as_ref(), &path) {
            return Err(OpenOffsetFileError::Write { path, source });
        }
        let state = Mutex::new(State { table: OffsetTable::of(entries), version: 0 });
        Ok(Self { shared: Arc::new(Shared { disk, path, state, written: Arc::default() }) })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while offsets are noted")
    }

    /// Brings the file, which has this version, up to date. Blocks.
    fn save(&self, written: &mut u64) -> io::Result<()> {
        let (version, bytes) = {
            let state = self.state();
            if state.version <= *written {
                // Somebody else's save has carried these offsets along.
                return Ok(());
            }
            (state.version, java_map::write(state.table.entries()))
        };
        self.disk.replace(&self.path, &bytes)?;
        *written = version;
        Ok(())
    }
}

/// Finds out whether files can be made beside this one, as replacing it does, and leaves it as it is.
fn try_out(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if disk.metadata_if_present(path)?.is_some_and(|found| found.is_dir) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(millstream_disk::TEMPORARY);
    let beside = Path::new(&beside);
    disk.write(beside, b"")?;
    disk.remove_file(beside)
}

#[async_trait]
impl OffsetStore for FileOffsetStore {
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        self.shared.state().table.read(connector, partitions)
    }

    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        {
            let mut state = self.shared.state();
            for (partition, offset) in offsets {
                let key = state.table.stored_key(connector, &partition)?;
                state.table.set(key, offset.map(String::into_bytes));
            }
            state.version += 1;
        }
        let shared = Arc::clone(&self.shared);
        let mut written = Arc::clone(&shared.written).lock_owned().await;
        let saved = tokio::task::spawn_blocking(move || shared.save(&mut written)).await;
        let saved = saved.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        saved.map_err(|source| OffsetStoreError::Write { place: self.shared.path.display().to_string(), source })
    }

    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        Ok(self.shared.state().table.list(connector))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use millstream_disk::faulty::{Dice, FaultyDisk, Operation, Trigger};

    use super::*;

    fn entry(partition: &str, offset: &str) -> (Arc<str>, Option<String>) {
        (partition.into(), Some(offset.to_owned()))
    }

    async fn read_one(store: &FileOffsetStore, partition: &str) -> Option<String> {
        store.read("c", &[partition.to_owned()]).await.expect("a partition").remove(0)
    }

    #[tokio::test]
    async fn offsets_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        let store = FileOffsetStore::open(&path).unwrap();
        assert_eq!(read_one(&store, r#"{"f":1}"#).await, None);
        store.write("c", vec![entry(r#"{"f":1}"#, r#"{"p":1}"#)]).await.unwrap();
        drop(store);
        let store = FileOffsetStore::open(&path).unwrap();
        assert_eq!(read_one(&store, r#"{ "f" : 1 }"#).await.as_deref(), Some(r#"{"p":1}"#));
        assert_eq!(store.list("c").await.unwrap(), [(r#"{"f":1}"#.to_owned(), r#"{"p":1}"#.to_owned())]);
        assert_eq!(store.list("other").await.unwrap(), []);
        let key = java_map::read(&fs::read(&path).unwrap()).unwrap().into_keys().next().flatten();
        assert_eq!(key.as_deref(), Some(&br#"["c",{"f":1}]"#[..]));
    }

    #[tokio::test]
    async fn a_partition_that_connect_wrote_in_another_order_is_continued_under_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        let stored = Entries::from([(Some(br#"["c",{"b":1,"a":2}]"#.to_vec()), Some(br#"{"p":1}"#.to_vec()))]);
        fs::write(&path, java_map::write(&stored)).unwrap();
        let store = FileOffsetStore::open(&path).unwrap();
        let partition = r#"{"a":2,"b":1}"#;
        assert_eq!(read_one(&store, partition).await.as_deref(), Some(r#"{"p":1}"#));
        store.write("c", vec![entry(partition, r#"{"p":2}"#)]).await.unwrap();
        let expected = Entries::from([(Some(br#"["c",{"b":1,"a":2}]"#.to_vec()), Some(br#"{"p":2}"#.to_vec()))]);
        assert_eq!(java_map::read(&fs::read(&path).unwrap()), Ok(expected));
    }

    #[tokio::test]
    async fn a_reset_offset_stays_as_null() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileOffsetStore::open(folder.path().join("offsets")).unwrap();
        store.write("c", vec![entry(r#"{"f":1}"#, r#"{"p":1}"#)]).await.unwrap();
        store.write("c", vec![(r#"{"f":1}"#.into(), None)]).await.unwrap();
        assert_eq!(read_one(&store, r#"{"f":1}"#).await, None);
        assert_eq!(store.list("c").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_file_of_another_kind_is_refused_and_one_that_cannot_be_written_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        fs::write(&path, b"hello").unwrap();
        assert!(matches!(FileOffsetStore::open(&path), Err(OpenOffsetFileError::Invalid { .. })));
        let missing = folder.path().join("missing").join("offsets");
        let refused = FileOffsetStore::open(&missing).map(drop).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("write source offsets to {} (key offset.storage.file.filename)", missing.display())
        );
        assert!(FileOffsetStore::open(folder.path()).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_flush_that_fails_is_an_error_and_leaves_what_was_stored_before() {
        let path = Path::new("/data/offsets");
        for operation in [Operation::Open, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir] {
            let disk = FaultyDisk::new(7);
            disk.process().create_dirs(Path::new("/data")).unwrap();
            let store = FileOffsetStore::open_on(disk.process(), path).unwrap();
            store.write("c", vec![entry(r#"{"f":1}"#, r#"{"p":1}"#)]).await.unwrap();
            disk.fail(Trigger::on(operation), io::ErrorKind::StorageFull);
            let failed = store.write("c", vec![entry(r#"{"f":1}"#, r#"{"p":2}"#)]).await;
            assert!(matches!(failed, Err(OffsetStoreError::Write { .. })), "{operation:?}");
            disk.lose_power();
            let stored = FileOffsetStore::open_on(disk.process(), path).unwrap();
            let stored = read_one(&stored, r#"{"f":1}"#).await;
            // Once the new file has its name, only whether that survives is unknown.
            let renamed = operation == Operation::SyncDir && stored.as_deref() == Some(r#"{"p":2}"#);
            assert!(renamed || stored.as_deref() == Some(r#"{"p":1}"#), "{operation:?}: {stored:?}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_stalls_holds_up_the_flush_and_no_reader() {
        let disk = FaultyDisk::new(1);
        disk.process().create_dirs(Path::new("/data")).unwrap();
        let store = FileOffsetStore::open_on(disk.process(), "/data/offsets").unwrap();
        let stall = Arc::new(disk.stall(Trigger::on(Operation::Sync)));
        let writing = store.clone();
        let slow = tokio::spawn(async move { writing.write("c", vec![entry("{}", r#"{"p":1}"#)]).await });
        let reached = Arc::clone(&stall);
        let within = std::time::Duration::from_secs(20);
        assert!(tokio::task::spawn_blocking(move || reached.is_reached_within(within)).await.unwrap());
        assert_eq!(read_one(&store, "{}").await.as_deref(), Some(r#"{"p":1}"#));
        assert!(!slow.is_finished());
        stall.release();
        slow.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_a_flush_has_stored_survives_whatever_fails_later() {
        let path = Path::new("/data/offsets");
        for seed in 0..300 {
            let disk = FaultyDisk::new(seed);
            disk.process().create_dirs(Path::new("/data")).unwrap();
            let mut dice = Dice::new(seed);
            let (mut acknowledged, mut written) = (0, 0);
            for _ in 0..4 {
                let opened = FileOffsetStore::open_on(disk.process(), path);
                let Ok(store) = opened else {
                    disk.lose_power();
                    continue;
                };
                let stored = read_one(&store, "{}").await.map_or(0, |offset| {
                    serde_json::from_str::<serde_json::Value>(&offset).unwrap()["p"].as_u64().unwrap()
                });
                assert!((acknowledged..=written).contains(&stored), "seed {seed}: {acknowledged} {stored} {written}");
                disk.die_after(dice.below(25));
                for _ in 0..5 {
                    written += 1;
                    if store.write("c", vec![entry("{}", &format!(r#"{{"p":{written}}}"#))]).await.is_ok() {
                        acknowledged = written;
                    }
                }
                disk.lose_power();
            }
        }
    }
}
