//! The log of a worker by itself: a file of lines, each the key and the value of a record. It is what a compacted topic
//! is at its best, and written anew as a whole with every change: into a temporary file, synced, and renamed over it.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_connector::{ErrorKind, Failure};
use millstream_disk::Disk;
use millstream_record::ErrorChain;
use serde_json::{Value, json};

use super::log::{LeaseLog, LeaseStep, OpenLeaseLog};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    topic_log::{EndId, LogRecord, NewRecord, WriteId},
};

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
enum LeaseFileError {
    #[error("read what connectors keep under their leases in {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("line {line} of {} is no record of a lease: the file was made by something else, or is damaged", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("write what connectors keep under their leases to {} (key kv.storage.file.filename)", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl From<LeaseFileError> for Failure {
    fn from(error: LeaseFileError) -> Self {
        Self::new(ErrorKind::Fatal, CONNECT_EXCEPTION, ErrorChain(&error).to_string())
    }
}

/// The log of a worker by itself, in a file that is made when something is written.
pub struct LeaseFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl LeaseFile {
    /// Of this name.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::on(millstream_disk::real(), path)
    }

    /// The same on any disk.
    pub fn on(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into() }
    }
}

#[async_trait]
impl OpenLeaseLog for LeaseFile {
    async fn open(&self) -> Result<Box<dyn LeaseLog>, Failure> {
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let read = tokio::task::spawn_blocking(move || read(disk.as_ref(), &path)).await;
        let records = read.unwrap_or_else(|panic| {
            Err(LeaseFileError::Read { path: self.path.clone(), source: io::Error::other(panic) })
        })?;
        let unread = (0..).zip(&records).map(|(offset, (key, value))| record(offset, key, Some(value.clone())));
        Ok(Box::new(OpenFile {
            disk: Arc::clone(&self.disk),
            path: self.path.clone(),
            unread: unread.map(LeaseStep::Record).collect(),
            end: records.len() as i64,
            records: (0..).zip(records).map(|(offset, (key, value))| (key, (offset, value))).collect(),
            ids: 0,
        }))
    }
}

fn record(offset: i64, key: &Bytes, value: Option<Bytes>) -> LogRecord {
    LogRecord { partition: 0, offset, key: Some(key.clone()), value }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<(Bytes, Bytes)>, LeaseFileError> {
    let bytes = disk.read_if_present(path).map_err(|source| LeaseFileError::Read { path: path.to_owned(), source })?;
    let bytes = bytes.unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let record = |(at, line): (usize, &[u8])| {
        let parsed: Option<Value> = serde_json::from_slice(line).ok();
        let part = |name| parsed.as_ref()?.get(name).map(|part| Bytes::from(part.to_string()));
        let both = part("key").zip(part("value"));
        both.ok_or_else(|| LeaseFileError::Line { path: path.to_owned(), line: at + 1 })
    };
    lines.map(record).collect()
}

/// By key: where it stands, and its value.
type Records = BTreeMap<Bytes, (i64, Bytes)>;

struct OpenFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// What is in the file.
    records: Records,
    end: i64,
    unread: VecDeque<LeaseStep>,
    ids: u64,
}

impl OpenFile {
    async fn save(&self, records: &Records) -> Result<(), LeaseFileError> {
        let mut ordered: Vec<(&i64, &Bytes, &Bytes)> =
            records.iter().map(|(key, (offset, value))| (offset, key, value)).collect();
        ordered.sort_unstable();
        let failed = |source| LeaseFileError::Write { path: self.path.clone(), source };
        let mut bytes = Vec::new();
        for (_, key, value) in ordered {
            let part = |part: &Bytes| serde_json::from_slice::<Value>(part).map_err(io::Error::other);
            let line = json!({ "key": part(key).map_err(failed)?, "value": part(value).map_err(failed)? });
            bytes.extend_from_slice(line.to_string().as_bytes());
            bytes.push(b'\n');
        }
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let saved = tokio::task::spawn_blocking(move || disk.replace(&path, &bytes)).await;
        saved.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(failed)
    }
}

#[async_trait]
impl LeaseLog for OpenFile {
    async fn write(&mut self, records: Vec<NewRecord>) -> Result<WriteId, Failure> {
        self.ids += 1;
        let id = WriteId(self.ids);
        let (mut after, mut end, mut steps) = (self.records.clone(), self.end, VecDeque::new());
        for NewRecord { key, value } in records {
            let (key, value) = (Bytes::from(key), value.map(Bytes::from));
            match &value {
                Some(value) => drop(after.insert(key.clone(), (end, value.clone()))),
                None => drop(after.remove(&key)),
            }
            steps.push_back(LeaseStep::Record(record(end, &key, value)));
            end += 1;
        }
        let saved = self.save(&after).await;
        if saved.is_ok() {
            (self.records, self.end) = (after, end);
            self.unread.append(&mut steps);
        }
        self.unread.push_back(LeaseStep::Written(id, saved.map_err(Failure::from)));
        Ok(id)
    }

    fn ask_end(&mut self) -> EndId {
        self.ids += 1;
        let id = EndId(self.ids);
        self.unread.push_back(LeaseStep::Reached(id, Ok(())));
        id
    }

    async fn step(&mut self) -> LeaseStep {
        match self.unread.pop_front() {
            Some(step) => step,
            // Whoever could write is waiting here.
            None => std::future::pending().await,
        }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    async fn close(self: Box<Self>, _timeout: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(key: &str, value: Option<&str>) -> NewRecord {
        NewRecord { key: key.into(), value: value.map(Into::into) }
    }

    /// What is in the log, up to its end.
    async fn all(log: &mut dyn LeaseLog) -> Vec<(i64, String, Option<String>)> {
        let end = log.ask_end();
        let mut all = Vec::new();
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        loop {
            match log.step().await {
                LeaseStep::Record(record) => {
                    all.push((record.offset, text(record.key.expect("a key")), record.value.map(text)));
                }
                LeaseStep::Written(_, written) => written.expect("written"),
                LeaseStep::Reached(id, reached) => {
                    assert_eq!(id, end);
                    reached.expect("reached");
                    return all;
                }
            }
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_and_the_latest_of_each_key_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = LeaseFile::new(folder.path().join("kv"));
        let mut log = file.open().await.unwrap();
        assert_eq!(all(log.as_mut()).await, []);
        log.write(vec![new(r#"["c",1,0]"#, Some(r#"{"owner":"w"}"#))]).await.unwrap();
        log.write(vec![new("[1]", Some("1")), new("[2]", Some("2")), new("[1]", Some("3"))]).await.unwrap();
        log.write(vec![new("[2]", None)]).await.unwrap();
        let read = all(log.as_mut()).await;
        assert_eq!(read.len(), 5);
        assert_eq!(read[4], (4, "[2]".to_owned(), None));
        log.close(Duration::ZERO).await;
        let mut log = file.open().await.unwrap();
        let left = [(0, r#"["c",1,0]"#, r#"{"owner":"w"}"#), (1, "[1]", "3")];
        assert_eq!(all(log.as_mut()).await, left.map(|(at, key, value)| (at, key.to_owned(), Some(value.to_owned()))));
    }

    #[tokio::test]
    async fn a_file_of_something_else_is_refused_with_the_line_and_one_that_cannot_be_written_with_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv");
        std::fs::write(&path, "{\"key\":[],\"value\":{}}\nhello\n").unwrap();
        let refused = LeaseFile::new(&path).open().await.map(drop).unwrap_err();
        assert!(refused.message.starts_with(&format!("line 2 of {} is no record", path.display())), "{refused}");
        let nowhere = LeaseFile::new(folder.path().join("nowhere/kv"));
        let mut log = nowhere.open().await.unwrap();
        log.write(vec![new("[1]", Some("1"))]).await.unwrap();
        match log.step().await {
            LeaseStep::Written(_, Err(failure)) => {
                assert!(failure.message.contains("(key kv.storage.file.filename)"), "{failure}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(all(log.as_mut()).await, [], "what was not written does not count");
    }
}
