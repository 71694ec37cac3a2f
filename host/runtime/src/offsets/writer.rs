//! Where the offsets of a source task go once its ledger lets them go.
//!
//! Under at-least-once that is the store, after their records. Under exactly-once it is the offsets topic, written by the
//! task's own producer in the transaction of the records, so that readers see both or neither.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_client::{Ack, RecordRef, SendError, TransactionError};
use millstream_record::{ErrorChain, TopicName};

use super::{OffsetStore, OffsetStoreError, own_topic::OwnOffsets};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{RecordProducer, append_all, take_acks},
};

/// Source partitions with their offsets as JSON, `None` for a reset.
pub type SourceOffsets = Vec<(Arc<str>, Option<String>)>;

/// Writes offsets of one source task.
#[async_trait]
pub trait OffsetWriter: Send {
    /// Writes offsets, which survive a crash of the machine when this returns. Every record that they stand for has
    /// been acknowledged by `producer`, the task's own, and its acknowledgement taken.
    ///
    /// Dropping the future may or may not write them.
    ///
    /// # Errors
    ///
    /// They are not written, or that is not known; the offsets are to be written again.
    async fn write(
        &mut self,
        producer: &mut dyn RecordProducer,
        offsets: SourceOffsets,
    ) -> Result<(), OffsetStoreError>;
}

/// Writes to the store.
pub struct StoredOffsets {
    connector: String,
    store: Arc<dyn OffsetStore>,
}

impl StoredOffsets {
    /// For a task of this connector.
    pub fn new(connector: impl Into<String>, store: Arc<dyn OffsetStore>) -> Self {
        Self { connector: connector.into(), store }
    }
}

#[async_trait]
impl OffsetWriter for StoredOffsets {
    async fn write(&mut self, _: &mut dyn RecordProducer, offsets: SourceOffsets) -> Result<(), OffsetStoreError> {
        self.store.write(&self.connector, offsets).await
    }
}

/// Writes to an offsets topic within the producer's transaction, commits it and begins the next.
pub struct TransactionOffsets {
    connector: String,
    topic: TopicName,
    /// What is in the topic.
    own: Arc<dyn OffsetStore>,
    /// The worker's store, if the topic is not its own.
    worker: Option<Arc<dyn OffsetStore>>,
}

impl TransactionOffsets {
    /// For a task of this connector, into the topic of its offsets. The producer's first transaction has to be begun before
    /// records are appended.
    pub fn new(connector: impl Into<String>, offsets: &OwnOffsets, worker: &Arc<dyn OffsetStore>) -> Self {
        Self {
            connector: connector.into(),
            topic: offsets.topic.clone(),
            own: Arc::clone(&offsets.store),
            worker: (!offsets.is_workers).then(|| Arc::clone(worker)),
        }
    }

    /// Resets have to reach the worker's store first: left there they would come back as soon as they are gone from the
    /// connector's own.
    async fn reset_in_worker(&self, offsets: &SourceOffsets) -> Result<(), OffsetStoreError> {
        let Some(worker) = &self.worker else { return Ok(()) };
        let resets: SourceOffsets = offsets.iter().filter(|(_, offset)| offset.is_none()).cloned().collect();
        if resets.is_empty() { Ok(()) } else { worker.write(&self.connector, resets).await }
    }

    /// Copies offsets to the worker's store, so that the connector can go back to it, if that can be.
    async fn copy_to_worker(&self, offsets: SourceOffsets) {
        let Some(worker) = &self.worker else { return };
        let set: SourceOffsets = offsets.into_iter().filter(|(_, offset)| offset.is_some()).collect();
        if !set.is_empty()
            && let Err(error) = worker.write(&self.connector, set).await
        {
            tracing::warn!(connector = self.connector, error = %ErrorChain(&error), "offsets are in the connector's own topic, and were not copied to the worker's");
        }
    }

    fn failed(&self, class: String, source: impl std::error::Error + Send + Sync + 'static) -> OffsetStoreError {
        let place = format!("topic {} in the transaction of their records", self.topic);
        OffsetStoreError::Transaction { place, class, source: Box::new(source) }
    }

    fn not_sent(&self, error: SendError) -> OffsetStoreError {
        self.failed(error.java_class(), error)
    }

    fn not_ended(&self, error: TransactionError) -> OffsetStoreError {
        self.failed(error.java_class(), error)
    }
}

#[async_trait]
impl OffsetWriter for TransactionOffsets {
    async fn write(
        &mut self,
        producer: &mut dyn RecordProducer,
        offsets: SourceOffsets,
    ) -> Result<(), OffsetStoreError> {
        self.reset_in_worker(&offsets).await?;
        let mut records = Vec::with_capacity(offsets.len());
        for (partition, offset) in &offsets {
            records.push((self.own.record_key(&self.connector, partition)?, offset.as_deref()));
        }
        // Acknowledgements of all records were taken before: these are of offsets.
        let taken = |ack: Ack| ack.result.map(drop);
        let appended = append_all(producer, &self.topic, &records, as_record, taken).await;
        appended.map_err(|error| self.not_sent(error))?;
        let Some(transactions) = producer.transactions() else {
            return Err(self.failed(CONNECT_EXCEPTION.to_owned(), NotTransactional));
        };
        transactions.commit().await.map_err(|error| self.not_ended(error))?;
        transactions.begin().map_err(|error| self.not_ended(error))?;
        take_acks(producer, taken).map_err(|error| self.not_sent(error))?;
        self.copy_to_worker(offsets).await;
        Ok(())
    }
}

fn as_record<'r>((key, offset): &'r (Vec<u8>, Option<&str>)) -> RecordRef<'r> {
    RecordRef { key: Some(key), value: offset.map(str::as_bytes), ..RecordRef::default() }
}

#[derive(Debug, thiserror::Error)]
#[error("the task's producer writes no transactions")]
struct NotTransactional;

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex, time::Duration};

    use futures::future::BoxFuture;
    use millstream_client::{Delivery, Sequence, TryAppendError};

    use super::*;
    use crate::kafka::{RecordAppender, RecordTransactions};

    /// Room of the fake producer, in records.
    const ROOM: usize = 3;

    /// Says what happened, in order.
    #[derive(Default)]
    struct Producer {
        log: Vec<String>,
        pending: VecDeque<Ack>,
        next: Sequence,
        transactional: bool,
        refuse_commit: bool,
        lose: bool,
    }

    impl RecordAppender for Producer {
        fn append(
            &mut self,
            topic: &TopicName,
            _: Option<i32>,
            record: RecordRef<'_>,
        ) -> Result<Sequence, TryAppendError> {
            if self.pending.len() == ROOM {
                return Err(TryAppendError::Full);
            }
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"null")).into_owned();
            self.log.push(format!("{topic}: {} = {}", text(record.key), text(record.value)));
            let result =
                if self.lose { Err(SendError::Aborted) } else { Ok(Delivery { partition: 0, base_offset: 0 }) };
            let (first, topic) = (self.next, topic.clone());
            self.pending.push_back(Ack { first, last: first, topic, partition: 0, result });
            self.next += 1;
            Ok(first)
        }
    }

    #[async_trait]
    impl RecordTransactions for Producer {
        async fn initialize(&mut self) -> Result<(), TransactionError> {
            Ok(())
        }

        fn begin(&mut self) -> Result<(), TransactionError> {
            self.log.push("begin".to_owned());
            Ok(())
        }

        async fn commit(&mut self) -> Result<(), TransactionError> {
            if self.refuse_commit {
                return Err(TransactionError::Closed { attempted: "commit" });
            }
            self.log.push("commit".to_owned());
            Ok(())
        }

        async fn abort(&mut self) -> Result<(), TransactionError> {
            self.log.push("abort".to_owned());
            Ok(())
        }
    }

    #[async_trait]
    impl RecordProducer for Producer {
        fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
            work(self);
        }

        fn learn(&mut self, _: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
            Box::pin(std::future::ready(Ok(())))
        }

        async fn ready(&mut self) {}

        fn try_ack(&mut self) -> Option<Ack> {
            self.pending.pop_front()
        }

        async fn next_ack(&mut self) -> Ack {
            self.pending.pop_front().expect("something was appended")
        }

        fn outstanding(&self) -> u64 {
            self.pending.len() as u64
        }

        async fn flush(&mut self) {
            self.log.push("flush".to_owned());
        }

        async fn close(self: Box<Self>, _: Duration) -> Vec<Ack> {
            Vec::new()
        }

        fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
            if self.transactional { Some(self) } else { None }
        }
    }

    fn offsets(count: usize) -> SourceOffsets {
        (0..count).map(|n| (Arc::from(format!("{{\"file\":{n}}}")), Some(format!("{{\"line\":{n}}}")))).collect()
    }

    /// Says what is written to it, behind everything else.
    #[derive(Default)]
    struct Store(Mutex<Vec<String>>);

    #[async_trait]
    impl OffsetStore for Store {
        async fn read(&self, _: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
            Ok(partitions.iter().map(|_| None).collect())
        }

        async fn write(&self, connector: &str, offsets: SourceOffsets) -> Result<(), OffsetStoreError> {
            let line =
                |(partition, offset): (Arc<str>, Option<String>)| format!("{connector}: {partition} = {offset:?}");
            self.0.lock().expect("nothing panics over a list").extend(offsets.into_iter().map(line));
            Ok(())
        }

        async fn list(&self, _: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
            Ok(Vec::new())
        }
    }

    fn writer_over(worker: &Arc<Store>, is_workers: bool) -> TransactionOffsets {
        let topic = TopicName::parse("offsets").expect("a name");
        let own = OwnOffsets { store: Arc::<Store>::default(), topic, is_workers };
        let worker: Arc<dyn OffsetStore> = Arc::clone(worker) as _;
        TransactionOffsets::new("c", &own, &worker)
    }

    fn writer() -> TransactionOffsets {
        writer_over(&Arc::default(), true)
    }

    #[tokio::test]
    async fn offsets_in_a_topic_of_the_connectors_own_are_copied_once_they_are_committed_and_resets_before() {
        let worker = Arc::<Store>::default();
        let mut producer = Producer { transactional: true, ..Producer::default() };
        let mut offsets = offsets(1);
        offsets.push((Arc::from("{\"file\":9}"), None));
        writer_over(&worker, false).write(&mut producer, offsets.clone()).await.expect("written");
        let copied = worker.0.lock().expect("unpoisoned").drain(..).collect::<Vec<_>>();
        assert_eq!(copied, ["c: {\"file\":9} = None", "c: {\"file\":0} = Some(\"{\\\"line\\\":0}\")"]);
        producer.refuse_commit = true;
        writer_over(&worker, false).write(&mut producer, offsets).await.expect_err("not committed");
        assert_eq!(*worker.0.lock().expect("unpoisoned"), ["c: {\"file\":9} = None"], "what was not committed");
    }

    #[tokio::test]
    async fn offsets_are_records_of_the_transaction_in_connects_form_and_it_is_committed_behind_them() {
        let mut producer = Producer { transactional: true, ..Producer::default() };
        let mut offsets = offsets(1);
        offsets.push((Arc::from("{\"file\":9}"), None));
        writer().write(&mut producer, offsets).await.expect("written");
        let expected =
            ["offsets: [\"c\",{\"file\":0}] = {\"line\":0}", "offsets: [\"c\",{\"file\":9}] = null", "commit", "begin"];
        assert_eq!(producer.log, expected);
        // Without offsets the records are committed all the same.
        producer.log.clear();
        writer().write(&mut producer, Vec::new()).await.expect("committed");
        assert_eq!(producer.log, ["commit", "begin"]);
    }

    #[tokio::test]
    async fn a_full_buffer_is_flushed_and_nothing_is_written_twice() {
        let mut producer = Producer { transactional: true, ..Producer::default() };
        writer().write(&mut producer, offsets(2 * ROOM + 1)).await.expect("written");
        let keys = producer.log.iter().filter(|line| line.starts_with("offsets")).count();
        assert_eq!(keys, 2 * ROOM + 1);
        assert_eq!(producer.log.iter().filter(|line| *line == "flush").count(), 2);
        assert_eq!(producer.log[producer.log.len() - 2..], ["commit", "begin"]);
    }

    #[tokio::test]
    async fn what_is_not_committed_is_reported_and_no_new_transaction_is_begun() {
        for (what, mut producer) in [
            ("commit", Producer { transactional: true, refuse_commit: true, ..Producer::default() }),
            ("lost", Producer { transactional: true, lose: true, ..Producer::default() }),
            ("no transactions", Producer::default()),
        ] {
            let refused = writer().write(&mut producer, offsets(ROOM + 1)).await.expect_err(what);
            let text = millstream_record::ErrorChain(&refused).to_string();
            assert!(text.starts_with("write source offsets to topic offsets in the transaction"), "{text}");
            assert!(!producer.log.iter().any(|line| line == "begin" || line == "commit"), "{what}: {:?}", producer.log);
        }
    }
}
