//! Where the records of leases are kept, as the keeper sees it: written, and read back in one order.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use millstream_connector::{ErrorKind, Failure};
use millstream_record::ErrorChain;

use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{LogClients, LogTopic, send_failure},
    topic_log::{EndId, LogRecord, NewRecord, Step, TopicLog, WriteId},
};

/// What happened.
#[derive(Debug)]
pub enum LeaseStep {
    /// The next record, in the order that everybody sees.
    Record(LogRecord),
    /// The records of a write are durable, or that is not known.
    Written(WriteId, Result<(), Failure>),
    /// Every record that was there when the end was asked for has been handed out, or the end could not be found out.
    Reached(EndId, Result<(), Failure>),
}

/// A log that all owners share.
#[async_trait]
pub trait LeaseLog: Send {
    /// Begins to write records, in order; [`LeaseStep::Written`] tells when they are durable.
    ///
    /// # Errors
    ///
    /// They can never be written.
    async fn write(&mut self, records: Vec<NewRecord>) -> Result<WriteId, Failure>;

    /// Asks where the log ends now; [`LeaseStep::Reached`] tells when everything before that has been handed out.
    fn ask_end(&mut self) -> EndId;

    /// Waits for something to happen. Dropping the future loses nothing.
    async fn step(&mut self) -> LeaseStep;

    /// Its place, for people.
    fn place(&self) -> String;

    /// Lets go of it after what is under way, for at most `timeout`.
    async fn close(self: Box<Self>, timeout: Duration);
}

/// Opens the log when the first task asks for a lease: a worker none of whose connectors wants one needs no place for it.
#[async_trait]
pub trait OpenLeaseLog: Send + Sync {
    /// Opens it, to be read from its beginning.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    async fn open(&self) -> Result<Box<dyn LeaseLog>, Failure>;
}

/// The log of a group of workers: a compacted topic of one partition.
pub struct LeaseTopic {
    /// Clients of the worker's own.
    pub clients: Arc<dyn LogClients>,
    /// The topic, as the configuration wants it.
    pub topic: LogTopic,
}

#[async_trait]
impl OpenLeaseLog for LeaseTopic {
    async fn open(&self) -> Result<Box<dyn LeaseLog>, Failure> {
        let opened = TopicLog::open(Arc::clone(&self.clients), &self.topic).await;
        let opened =
            opened.map_err(|error| Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, ErrorChain(&error).to_string()));
        Ok(Box::new(opened?))
    }
}

#[async_trait]
impl LeaseLog for TopicLog {
    async fn write(&mut self, records: Vec<NewRecord>) -> Result<WriteId, Failure> {
        TopicLog::write(self, &records).await.map_err(|error| send_failure(&error))
    }

    fn ask_end(&mut self) -> EndId {
        TopicLog::ask_end(self)
    }

    async fn step(&mut self) -> LeaseStep {
        match TopicLog::step(self).await {
            Step::Record(record) => LeaseStep::Record(record),
            Step::Written(id, written) => {
                LeaseStep::Written(id, written.map(drop).map_err(|error| send_failure(&error)))
            }
            Step::Reached(id, reached) => LeaseStep::Reached(id, reached),
        }
    }

    fn place(&self) -> String {
        format!("topic {}", self.topic())
    }

    async fn close(self: Box<Self>, timeout: Duration) {
        TopicLog::close(*self, timeout).await;
    }
}
