//! Offsets in a file of Connect's own format, so that one written by Connect is continued here and the
//! reverse. Rewritten as a whole: into a temporary file, synced, and renamed over the old one.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;

use super::{
    OffsetStore, OffsetStoreError,
    java_map::{self, Entries, InvalidJavaMap},
    json::{push_json, push_text},
};

/// Why an offset file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenOffsetFileError {
    /// It cannot be read.
    #[error("read the source offsets in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("read the source offsets in {}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: InvalidJavaMap,
    },
}

/// Offsets of all source connectors of a standalone worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FileOffsetStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    /// Version of the state that is in the file; held while the file is written.
    written: Mutex<u64>,
}

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    /// Keys by a form that does not depend on the order of the partition's members, since Java's maps
    /// have an order of their own.
    keys: HashMap<String, Vec<u8>>,
    version: u64,
}

impl FileOffsetStore {
    /// Reads a file; one that is missing or empty holds no offsets.
    ///
    /// # Errors
    ///
    /// It cannot be read, or holds anything but offsets.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenOffsetFileError> {
        let path = path.into();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(OpenOffsetFileError::Read { path, source }),
        };
        let entries = if bytes.is_empty() {
            Entries::new()
        } else {
            java_map::read(&bytes).map_err(|source| OpenOffsetFileError::Invalid { path: path.clone(), source })?
        };
        let keys = entries.keys().flatten().filter_map(|key| Some((sorted_form(key)?, key.clone()))).collect();
        let state = Mutex::new(State { entries, keys, version: 0 });
        Ok(Self { shared: Arc::new(Shared { path, state, written: Mutex::new(0) }) })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while offsets are noted")
    }

    /// Brings the file up to date. Blocks.
    fn save(&self) -> io::Result<()> {
        let mut written = self.written.lock().expect("nothing panics while the file is written");
        let (version, bytes) = {
            let state = self.state();
            if state.version <= *written {
                // Somebody else's save has carried these offsets along.
                return Ok(());
            }
            (state.version, java_map::write(&state.entries))
        };
        replace(&self.path, &bytes)?;
        *written = version;
        Ok(())
    }
}

/// Replaces a file so that, whatever happens, it holds the old bytes or the new ones.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The stored key of a source partition.
fn key_of(connector: &str, partition: &str, sorted: bool) -> Result<String, OffsetStoreError> {
    let parsed: serde_json::Value = serde_json::from_str(partition)
        .map_err(|_| OffsetStoreError::Invalid(format!("Offsets must be specified as a Map, but are {partition}")))?;
    if !parsed.is_object() && !parsed.is_null() {
        return Err(OffsetStoreError::Invalid(format!("Offsets must be specified as a Map, but are {partition}")));
    }
    let mut key = String::from("[");
    push_text(&mut key, connector);
    key.push(',');
    push_json(&mut key, &parsed, sorted);
    key.push(']');
    Ok(key)
}

/// A stored key with its members sorted; `None` for what is no key of ours.
fn sorted_form(key: &[u8]) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_slice(key).ok()?;
    let mut sorted = String::new();
    push_json(&mut sorted, &parsed, true);
    Some(sorted)
}

impl State {
    /// The key under which a partition is stored already, else the one to store it under.
    fn stored_key(&self, connector: &str, partition: &str) -> Result<Vec<u8>, OffsetStoreError> {
        let key = key_of(connector, partition, false)?.into_bytes();
        if self.entries.contains_key(&Some(key.clone())) {
            return Ok(key);
        }
        Ok(self.keys.get(&key_of(connector, partition, true)?).cloned().unwrap_or(key))
    }
}

#[async_trait]
impl OffsetStore for FileOffsetStore {
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        let state = self.shared.state();
        let offset = |partition: &String| {
            let key = state.stored_key(connector, partition)?;
            let stored = state.entries.get(&Some(key)).and_then(Option::as_ref);
            Ok(stored.and_then(|bytes| offset_text(connector, bytes)))
        };
        partitions.iter().map(offset).collect()
    }

    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        {
            let mut state = self.shared.state();
            for (partition, offset) in offsets {
                let key = state.stored_key(connector, &partition)?;
                state.keys.insert(key_of(connector, &partition, true)?, key.clone());
                state.entries.insert(Some(key), offset.map(String::into_bytes));
            }
            state.version += 1;
        }
        let shared = Arc::clone(&self.shared);
        let saved = tokio::task::spawn_blocking(move || shared.save()).await;
        let saved = saved.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        saved.map_err(|source| OffsetStoreError::Write { place: self.shared.path.display().to_string(), source })
    }

    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        let state = self.shared.state();
        let mut found = Vec::new();
        for (key, offset) in &state.entries {
            let (Some(key), Some(offset)) = (key, offset) else { continue };
            let Ok(serde_json::Value::Array(parts)) = serde_json::from_slice(key) else { continue };
            let [serde_json::Value::String(name), partition @ serde_json::Value::Object(_)] = parts.as_slice() else {
                continue;
            };
            if name == connector
                && let Some(offset) = offset_text(connector, offset)
            {
                let mut text = String::new();
                push_json(&mut text, partition, false);
                found.push((text, offset));
            }
        }
        Ok(found)
    }
}

/// A stored offset as text, if it is a JSON object.
fn offset_text(connector: &str, bytes: &[u8]) -> Option<String> {
    let is_object = serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|value| value.is_object());
    let text = String::from_utf8(bytes.to_vec()).ok().filter(|_| is_object);
    if text.is_none() {
        tracing::error!(connector, "a stored source offset is not a JSON object and is left out");
    }
    text
}

#[cfg(test)]
mod tests {
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
    async fn a_file_of_another_kind_is_refused_and_a_missing_folder_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        fs::write(&path, b"hello").unwrap();
        assert!(matches!(FileOffsetStore::open(&path), Err(OpenOffsetFileError::Invalid { .. })));
        let store = FileOffsetStore::open(folder.path().join("missing").join("offsets")).unwrap();
        assert!(matches!(store.write("c", vec![entry("{}", "{}")]).await, Err(OffsetStoreError::Write { .. })));
    }
}
