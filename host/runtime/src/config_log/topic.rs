//! The log of a group of workers: the config topic.

use std::collections::VecDeque;

use async_trait::async_trait;
use millstream_client::{SendError, TransactionError};
use millstream_connector::Failure;

use super::{AppendEntriesError, ConfigLog, Entry, InvalidEntry, Logged, ReadEntriesError};
use crate::topic_log::{LeadError, LogRecord, NewRecord, Step, TopicLog};

/// See the module's documentation. What is not an entry is left out, with a line in the log of the worker.
///
/// An entry's position is the offset behind it, as in Connect's own count.
#[derive(Debug)]
pub struct TopicConfigLog {
    log: TopicLog,
    /// Read while something else was waited for; no more than others wrote meanwhile.
    unread: VecDeque<Logged>,
    /// Of the entry that was handed out last.
    handed: i64,
    /// Behind the last record that counts as read.
    read: i64,
}

/// Before anything was read, as Connect has it.
const NOTHING: i64 = -1;

impl TopicConfigLog {
    /// Reads and writes this topic, from its beginning.
    pub fn new(log: TopicLog) -> Self {
        Self { log, unread: VecDeque::new(), handed: NOTHING, read: NOTHING }
    }

    fn take(&mut self, record: &LogRecord) {
        let behind = record.offset + 1;
        let skipped = |reason: &dyn std::fmt::Display| {
            let (topic, partition, offset) = (self.log.topic(), record.partition, record.offset);
            tracing::warn!(%topic, partition, offset, %reason, "a record of the config topic is skipped");
        };
        let entry = match record.key.as_deref().map(std::str::from_utf8) {
            Some(Ok(key)) => Entry::read(key, record.value.as_deref()),
            None | Some(Err(_)) => {
                skipped(&"its key is no text");
                self.read = behind;
                return;
            }
        };
        match entry {
            Ok(entry) => {
                self.read = behind;
                self.unread.push_back(Logged { position: behind.unsigned_abs(), entry });
            }
            Err(invalid) => {
                skipped(&invalid);
                // By Connect's count, on which the workers of a group have to agree.
                if !matches!(invalid, InvalidEntry::NotJson { .. }) {
                    self.read = behind;
                }
            }
        }
    }

    /// The place of the last entry that is there now.
    async fn end(&mut self) -> Result<u64, AppendEntriesError> {
        let end = self.log.ask_end();
        loop {
            match self.log.step().await {
                Step::Record(record) => self.take(&record),
                Step::Reached(id, result) if id == end => {
                    result.map_err(unknown_end)?;
                    return Ok(self.read.unsigned_abs());
                }
                Step::Written(..) | Step::Reached(..) => {}
            }
        }
    }

    fn hand_out(&mut self) -> Option<Logged> {
        let logged = self.unread.pop_front()?;
        self.handed = i64::try_from(logged.position).unwrap_or(i64::MAX);
        Some(logged)
    }
}

fn unknown_end(failure: Failure) -> AppendEntriesError {
    AppendEntriesError { lasting: false, source: Box::new(failure) }
}

fn not_led(error: LeadError) -> AppendEntriesError {
    let lasting = match &error {
        LeadError::Client { .. } => true,
        LeadError::Transaction { source } => is_forbidden(source),
        LeadError::Send { source } => is_lasting(source),
    };
    AppendEntriesError { lasting, source: Box::new(error) }
}

/// A leader takes its place anew after every other failure.
fn is_forbidden(error: &TransactionError) -> bool {
    error.java_class().ends_with("AuthorizationException")
}

fn is_lasting(error: &SendError) -> bool {
    match error {
        SendError::Transaction { source } => is_forbidden(source),
        SendError::Aborted | SendError::Closed => false,
        error => !error.is_retriable(),
    }
}

#[async_trait]
impl ConfigLog for TopicConfigLog {
    async fn append(&mut self, entries: Vec<Entry>) -> Result<u64, AppendEntriesError> {
        let records: Vec<NewRecord> = entries
            .iter()
            .map(|entry| NewRecord { key: entry.key().into_bytes(), value: entry.value().map(String::into_bytes) })
            .collect();
        if entries.iter().any(Entry::is_privileged)
            && let Some(place) = self.log.write_as_leader(&records).await.map_err(not_led)?
        {
            return match place.offset {
                Some(offset) => Ok(offset.unsigned_abs() + 1),
                None => self.end().await,
            };
        }
        let failed = |error: SendError| AppendEntriesError { lasting: is_lasting(&error), source: Box::new(error) };
        let id = self.log.write(&records).await.map_err(failed)?;
        let (mut place, mut end) = (None, None);
        loop {
            match self.log.step().await {
                Step::Record(record) => self.take(&record),
                Step::Written(written, result) if written == id => match result.map_err(failed)?.offset {
                    Some(offset) => return Ok(offset.unsigned_abs() + 1),
                    // The broker had them already and does not say where: they are before the end.
                    None => {
                        place = Some(self.read);
                        end = Some(self.log.ask_end());
                    }
                },
                Step::Reached(id, result) if end == Some(id) => {
                    result.map_err(unknown_end)?;
                    return Ok(self.read.max(place.unwrap_or_default()).unsigned_abs());
                }
                Step::Written(..) | Step::Reached(..) => {}
            }
        }
    }

    async fn next(&mut self) -> Logged {
        loop {
            if let Some(logged) = self.hand_out() {
                return logged;
            }
            if let Step::Record(record) = self.log.step().await {
                self.take(&record);
            }
        }
    }

    async fn catch_up(&mut self) -> Result<Vec<Logged>, ReadEntriesError> {
        let end = self.log.ask_end();
        loop {
            match self.log.step().await {
                Step::Record(record) => self.take(&record),
                Step::Reached(id, result) if id == end => {
                    result.map_err(|failure| ReadEntriesError { source: Box::new(failure) })?;
                    return Ok(std::iter::from_fn(|| self.hand_out()).collect());
                }
                Step::Written(..) | Step::Reached(..) => {}
            }
        }
    }

    async fn lead(&mut self) -> Result<bool, AppendEntriesError> {
        self.log.lead().await.map_err(not_led)
    }

    fn follow(&mut self) {
        self.log.follow();
    }

    fn offset(&self) -> i64 {
        if self.unread.is_empty() { self.read } else { self.handed }
    }

    async fn close(self: Box<Self>, timeout: std::time::Duration) {
        self.log.close(timeout).await;
    }
}
