//! Offsets of a group of workers: a topic whose records are those of Connect's.
//!
//! What is read was read back, and a read waits until everything is there that was in the topic when it began.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use millstream_client::SendError;
use millstream_connector::{ErrorKind, Failure};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    OffsetStore, OffsetStoreError,
    table::{OffsetTable, is_key, is_offset},
};
use crate::topic_log::{EndId, LogRecord, NewRecord, Step, TopicLog, WriteId};

/// Requests that may wait for the store's task; further ones wait before it.
const MAX_REQUESTS: usize = 64;

/// See the module's documentation. Close it with [`TopicOffsetStore::close`]; dropping it forgets what is not written.
pub struct TopicOffsetStore {
    place: String,
    table: Arc<Mutex<OffsetTable>>,
    requests: mpsc::Sender<Request>,
    task: Mutex<Option<JoinHandle<()>>>,
}

enum Request {
    Write { records: Vec<NewRecord>, reply: oneshot::Sender<Result<(), SendError>> },
    ReadToEnd { reply: oneshot::Sender<Result<(), Failure>> },
    Close { timeout: Duration, reply: oneshot::Sender<()> },
}

#[derive(Debug, thiserror::Error)]
#[error("the store has been closed")]
struct Closed;

impl TopicOffsetStore {
    /// Reads the topic to its end and follows it from there on, in a task of its own.
    ///
    /// # Errors
    ///
    /// Where it ends could not be found out.
    pub async fn start(log: TopicLog) -> Result<Self, Failure> {
        let place = format!("topic {}", log.topic());
        let (requests, received) = mpsc::channel(MAX_REQUESTS);
        let table = Arc::default();
        let work = Work { log, table: Arc::clone(&table), writes: BTreeMap::new(), ends: BTreeMap::new() };
        let task = Mutex::new(Some(tokio::spawn(work.run(received))));
        let store = Self { place, table, requests, task };
        store.read_to_end().await.map_err(|error| match error {
            OffsetStoreError::Read { source, .. } => Failure::new(ErrorKind::Fatal, "", source.to_string()),
            error => Failure::new(ErrorKind::Fatal, "", error.to_string()),
        })?;
        Ok(store)
    }

    fn table(&self) -> MutexGuard<'_, OffsetTable> {
        lock(&self.table)
    }

    async fn read_to_end(&self) -> Result<(), OffsetStoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| OffsetStoreError::Read {
            place: self.place.clone(),
            source,
        };
        let (reply, answer) = oneshot::channel();
        // Whoever hears of no failure hears nothing.
        let _ = self.requests.send(Request::ReadToEnd { reply }).await;
        answer.await.map_err(|_| failed(Box::new(Closed)))?.map_err(|failure| failed(Box::new(failure)))
    }

    /// Writes what is under way, for at most `timeout`, and ends. Nothing is read or written afterwards.
    pub async fn close(&self, timeout: Duration) {
        let (reply, closed) = oneshot::channel();
        if self.requests.send(Request::Close { timeout, reply }).await.is_ok() {
            // Its end without an answer is an end, too.
            let _ = closed.await;
        }
    }
}

impl Drop for TopicOffsetStore {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().ok().and_then(|mut task| task.take()) {
            task.abort();
        }
    }
}

fn lock(table: &Mutex<OffsetTable>) -> MutexGuard<'_, OffsetTable> {
    table.lock().expect("nothing panics while offsets are noted")
}

#[async_trait]
impl OffsetStore for TopicOffsetStore {
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        self.read_to_end().await?;
        self.table().read(connector, partitions)
    }

    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        let records = {
            let table = self.table();
            let record = |(partition, offset): (Arc<str>, Option<String>)| {
                let key = table.stored_key(connector, &partition)?;
                Ok(NewRecord { key, value: offset.map(String::into_bytes) })
            };
            offsets.into_iter().map(record).collect::<Result<Vec<_>, OffsetStoreError>>()?
        };
        if records.is_empty() {
            return Ok(());
        }
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| OffsetStoreError::Write {
            place: self.place.clone(),
            source: std::io::Error::other(source),
        };
        let (reply, answer) = oneshot::channel();
        let _ = self.requests.send(Request::Write { records, reply }).await;
        answer.await.map_err(|_| failed(Box::new(Closed)))?.map_err(|error| failed(Box::new(error)))
    }

    fn record_key(&self, connector: &str, partition: &str) -> Result<Vec<u8>, OffsetStoreError> {
        self.table().stored_key(connector, partition)
    }

    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        self.read_to_end().await?;
        Ok(self.table().list(connector))
    }
}

struct Work {
    log: TopicLog,
    table: Arc<Mutex<OffsetTable>>,
    writes: BTreeMap<WriteId, oneshot::Sender<Result<(), SendError>>>,
    ends: BTreeMap<EndId, oneshot::Sender<Result<(), Failure>>>,
}

impl Work {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(Request::Write { records, reply }) => match self.log.write(&records).await {
                        Ok(id) => drop(self.writes.insert(id, reply)),
                        Err(error) => drop(reply.send(Err(error))),
                    },
                    Some(Request::ReadToEnd { reply }) => {
                        let id = self.log.ask_end();
                        self.ends.insert(id, reply);
                    }
                    Some(Request::Close { timeout, reply }) => {
                        self.log.close(timeout).await;
                        // Whoever asked may have gone away.
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                step = self.log.step() => match step {
                    Step::Record(record) => self.take(&record),
                    Step::Written(id, result) => {
                        if let Some(reply) = self.writes.remove(&id) {
                            drop(reply.send(result.map(drop)));
                        }
                    }
                    Step::Reached(id, result) => self.reached(id, result),
                },
            }
        }
    }

    /// What trying again may mend is tried again as long as somebody waits for it.
    fn reached(&mut self, id: EndId, result: Result<(), Failure>) {
        let Some(reply) = self.ends.remove(&id) else { return };
        match result {
            Err(failure) if failure.kind == ErrorKind::Retriable && !reply.is_closed() => {
                tracing::warn!(topic = %self.log.topic(), error = %failure, "the end of the offsets topic cannot be found out, and is asked for again");
                let again = self.log.ask_end();
                self.ends.insert(again, reply);
            }
            result => drop(reply.send(result)),
        }
    }

    /// A record that is no offset of anybody's changes nothing, not even the offset that stood under its key before.
    fn take(&self, record: &LogRecord) {
        let skipped = |reason: &str| {
            let (topic, partition, offset) = (self.log.topic(), record.partition, record.offset);
            tracing::warn!(%topic, partition, offset, reason, "a record of the offsets topic is skipped");
        };
        let Some(key) = &record.key else { return skipped("it has no key") };
        if !is_key(key) {
            return skipped("its key is not a connector's name with a partition");
        }
        if record.value.as_deref().is_some_and(|value| !is_offset(value)) {
            return skipped("its value is not a JSON object");
        }
        let mut table = lock(&self.table);
        match &record.value {
            Some(value) => table.set(key.to_vec(), Some(value.to_vec())),
            None => table.remove(key),
        }
    }
}
