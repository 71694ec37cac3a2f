//! Topics that a sink's plugin writes to: its own reports, beside the dead letters.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use millstream_client::{Ack, RecordRef, SendError};
use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, TaskId, TopicRecord};
use millstream_record::{ErrorChain, TopicName};

use crate::{
    kafka::{Clients, ProducerUse, RecordProducer, append_all, take_acks},
    record_headers::{push_header, push_varint},
};

/// Of one task. A plugin makes one call at a time.
pub(crate) struct Reporter {
    clients: Arc<dyn Clients>,
    task: TaskId,
    connector: ConfigMap,
    /// Made with the first call; away while one runs. A call that is given up loses it, and the next makes another.
    producer: Mutex<Option<Box<dyn RecordProducer>>>,
    /// Topics that exist.
    known: Mutex<BTreeSet<TopicName>>,
}

impl Reporter {
    pub(crate) fn new(clients: Arc<dyn Clients>, task: TaskId, connector: ConfigMap) -> Self {
        Self { clients, task, connector, producer: Mutex::default(), known: Mutex::default() }
    }

    /// Appends records to a topic, which is made with one partition if it is missing, and returns when all are durable.
    ///
    /// # Errors
    ///
    /// The topic cannot be made, or a record not be written: some may have been.
    pub(crate) async fn write(
        &self,
        topic: &TopicName,
        replication: i16,
        records: Vec<TopicRecord>,
    ) -> Result<(), Failure> {
        let is_known = self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(topic);
        if !is_known {
            self.clients.create_topic(&self.task, topic, replication, &self.connector).await?;
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.clone());
        }
        let kept = self.producer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut producer = match kept {
            Some(producer) => producer,
            None => self.clients.producer(&self.task, ProducerUse::DeadLetters, &self.connector).await?,
        };
        let records: Vec<Written> = records.into_iter().map(Written::new).collect();
        send(producer.as_mut(), topic, &records).await.map_err(|error| {
            let message = format!("write {} records to {topic}: {}", records.len(), ErrorChain(&error));
            Failure::new(ErrorKind::Retriable, "", message)
        })?;
        *self.producer.lock().unwrap_or_else(PoisonError::into_inner) = Some(producer);
        Ok(())
    }
}

/// A record with its headers as they are sent.
struct Written {
    record: TopicRecord,
    headers: Vec<u8>,
}

impl Written {
    fn new(record: TopicRecord) -> Self {
        let mut headers = Vec::new();
        if !record.headers.is_empty() {
            push_varint(&mut headers, i32::try_from(record.headers.len()).unwrap_or(i32::MAX));
            record.headers.iter().for_each(|(key, value)| push_header(&mut headers, key.as_bytes(), Some(value)));
        }
        Self { record, headers }
    }

    fn as_sent(&self) -> RecordRef<'_> {
        let TopicRecord { key, value, headers: _ } = &self.record;
        RecordRef { timestamp_ms: None, key: key.as_deref(), value: value.as_deref(), headers: &self.headers }
    }
}

async fn send(producer: &mut dyn RecordProducer, topic: &TopicName, records: &[Written]) -> Result<(), SendError> {
    let taken = |ack: Ack| ack.result.map(drop);
    append_all(producer, topic, records, Written::as_sent, taken).await?;
    producer.flush().await;
    take_acks(producer, taken)
}
