//! The producer: records in, whole batches out, one acknowledgement for each run of records.
//!
//! Records are encoded into the open batch of their partition as they are appended, under one lock for a
//! whole group of them. A sender task owned by the producer sends what is complete or has lingered, repeats
//! what failed, and keeps order and uniqueness by Kafka's sequence numbers.

mod accumulator;
mod error;
mod partition;
#[cfg(test)]
mod partition_model;
mod partitioner;
mod record_batch;
mod sender;
mod transaction;
mod transactions;

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use millstream_metrics::ProducerRecords;
use millstream_record::{Timestamp, TopicName};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};
use tracing::Instrument as _;

use self::{
    accumulator::{Accumulator, Limits, Refusal},
    sender::Sender,
};
pub use self::{
    error::SendError,
    record_batch::Sequence,
    transaction::{TransactionCause, TransactionError},
};
use crate::{
    cluster::{Cluster, TopicsWanted},
    config::ProducerConfig,
};

/// One record, borrowed for the time of the append.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordRef<'a> {
    /// Milliseconds since the epoch; `None` for now.
    pub timestamp_ms: Option<i64>,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// Headers as a record carries them: their number as a zig-zag varint, then each one's key and value with
    /// zig-zag varint lengths (-1 for a null value). Empty for none. Not checked here: a block that is not
    /// well-formed makes the broker refuse the batch.
    pub headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// The number of headers and the bytes after it.
    fn split_headers(&self) -> (usize, &'a [u8]) {
        let mut value = 0_u64;
        for (at, byte) in self.headers.iter().take(5).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return ((value >> 1) as usize, &self.headers[at + 1..]);
            }
        }
        (0, &[])
    }
}

/// Where records were written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Number of the partition, chosen by the producer where the record names none.
    pub partition: i32,
    /// Offset of the first record of the acknowledgement; the others follow without a gap. -1 where the
    /// broker does not tell (`acks=0`, or a repetition it recognised).
    pub base_offset: i64,
}

/// What became of the records from one sequence to another.
///
/// A batch is acknowledged at once, in as many of these as it has runs of consecutive sequences: one, unless
/// records were spread over partitions.
#[derive(Clone, Debug)]
pub struct Ack {
    /// First of the sequences it acknowledges.
    pub first: Sequence,
    /// Last of them.
    pub last: Sequence,
    /// Their topic.
    pub topic: TopicName,
    /// Their partition.
    pub partition: i32,
    /// Where they are, or why they are nowhere (or, for some errors, why that is not known).
    pub result: Result<Delivery, SendError>,
}

/// Why a record was not taken at once.
#[derive(Debug)]
pub enum TryAppendError {
    /// There is no room: await [`Producer::ready`] and take acknowledgements, then try again.
    Full,
    /// The topic's partitions are not known: await [`Producer::partitions`], then try again.
    UnknownTopic,
    /// The record can never be sent.
    Failed(SendError),
}

/// What handle and sender share.
#[derive(Debug)]
struct Shared {
    accumulator: Mutex<Accumulator>,
    /// Tells the sender that there may be something to send.
    sender: Notify,
    /// Tells the handle that something has ended.
    handle: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(|broken| {
            let mut accumulator = broken.into_inner();
            // A batch that a panic left half-made must not go out: nothing is taken or sent any more.
            accumulator.closed = true;
            accumulator
        })
    }
}

/// Writes records to topics. Has one owner.
///
/// Dropping it forgets what has not been sent; see [`Producer::flush`] and [`Producer::close`].
#[derive(Debug)]
pub struct Producer {
    cluster: Cluster,
    shared: Arc<Shared>,
    max_block: Duration,
    /// Empty for a producer without transactions.
    transactional_id: Arc<str>,
    task: JoinHandle<()>,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Producer {
    /// Starts a producer over the cluster's connections. Must be called within a tokio runtime.
    pub fn new(cluster: &Cluster, config: ProducerConfig) -> Self {
        if !config.ignored.is_empty() {
            tracing::warn!(client = %config.connection.client_id, keys = %config.ignored.join(", "), "producer settings without a meaning here are ignored");
        }
        let seed = RandomState::new().hash_one(&config.connection.client_id);
        let counts: Arc<ProducerRecords> = config.connection.metrics.group(config.connection.labels());
        let accumulator =
            Accumulator::new(Limits::new(&config), config.transactional_id.clone(), seed, Arc::clone(&counts));
        let accumulator = Mutex::new(accumulator);
        let shared = Arc::new(Shared { accumulator, sender: Notify::new(), handle: Notify::new() });
        let max_block = config.max_block;
        let transactional_id = config.transactional_id.clone().unwrap_or_default();
        let sender = Sender::new(Arc::clone(&shared), cluster.link(), config, counts);
        let task = tokio::spawn(sender.run().in_current_span());
        Self { cluster: cluster.clone(), shared, max_block, transactional_id, task }
    }

    /// Number of partitions of a topic. Waits, at most `max.block.ms`, until it is known; a broker that is
    /// set up to create topics does so now. Records can be appended and acknowledged meanwhile.
    ///
    /// # Errors
    ///
    /// The topic does not appear in time, or the broker refuses it for good.
    pub fn partitions(&self, topic: &TopicName) -> impl Future<Output = Result<u32, SendError>> + Send + use<> {
        let (cluster, shared, topic) = (self.cluster.clone(), Arc::clone(&self.shared), topic.clone());
        learn_partitions(cluster, shared, self.max_block, topic)
    }

    /// Locks the buffer for a group of records. Never waits longer than the sender needs to look into it.
    ///
    /// The appender must be dropped before anything is awaited; dropping it wakes the sender.
    pub fn appender(&mut self) -> Appender<'_> {
        Appender {
            accumulator: Some(self.shared.lock()),
            sender: &self.shared.sender,
            now: Instant::now(),
            now_ms: Timestamp::now().as_millis(),
            look: false,
        }
    }

    /// Appends one record without waiting. For many records, [`Producer::appender`] locks once.
    ///
    /// # Errors
    ///
    /// See [`TryAppendError`].
    pub fn try_append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, TryAppendError> {
        self.appender().append(topic, partition, record)
    }

    /// Appends one record. Waits, at most `max.block.ms`, for the topic to be known and for room.
    ///
    /// Dropping the future before it is ready appends nothing.
    ///
    /// # Errors
    ///
    /// The record can never be sent, or the time ran out. Acknowledgements that nobody takes use up room too.
    pub async fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, SendError> {
        let started = Instant::now();
        loop {
            match self.try_append(topic, partition, record) {
                Ok(sequence) => return Ok(sequence),
                Err(TryAppendError::Failed(error)) => return Err(error),
                Err(TryAppendError::UnknownTopic) => {
                    self.partitions(topic).await?;
                }
                Err(TryAppendError::Full) => {
                    let left = self.max_block.saturating_sub(started.elapsed());
                    let changed = tokio::time::timeout(left, self.shared.handle.notified()).await;
                    if changed.is_err() {
                        return Err(SendError::BufferFull { waited: started.elapsed() });
                    }
                }
            }
        }
    }

    /// Waits until half of the buffer is free, or an acknowledgement can be taken.
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&mut self) {
        loop {
            {
                let accumulator = self.shared.lock();
                if accumulator.has_ack() || accumulator.has_room() || accumulator.closed {
                    return;
                }
            }
            self.shared.handle.notified().await;
        }
    }

    /// Takes an acknowledgement if one is there.
    pub fn try_ack(&mut self) -> Option<Ack> {
        self.shared.lock().take_ack()
    }

    /// Waits for the next acknowledgement; for ever while nothing is outstanding.
    ///
    /// Every appended record gets one, in the order batches end. Dropping the future loses nothing.
    pub async fn next_ack(&mut self) -> Ack {
        loop {
            if let Some(ack) = self.try_ack() {
                return ack;
            }
            self.shared.handle.notified().await;
        }
    }

    /// Records that were appended and whose acknowledgement has not been taken.
    pub fn outstanding(&self) -> u64 {
        self.shared.lock().outstanding()
    }

    /// Sends everything without lingering and waits until it has ended, well or not: at most
    /// `delivery.timeout.ms`. Acknowledgements are then there to be taken.
    ///
    /// Dropping the future only stops the waiting.
    pub async fn flush(&mut self) {
        self.shared.lock().close_all();
        self.shared.sender.notify_one();
        loop {
            {
                let accumulator = self.shared.lock();
                if accumulator.is_idle() || accumulator.closed {
                    return;
                }
            }
            self.shared.handle.notified().await;
        }
    }

    /// Flushes for at most `timeout`, gives up the rest, and returns every acknowledgement not taken yet. An open
    /// transaction is aborted instead, so that it holds up no reader until `transaction.timeout.ms` has passed.
    pub async fn close(mut self, timeout: Duration) -> Vec<Ack> {
        // What has not ended by then fails below.
        let _ = tokio::time::timeout(timeout, async {
            if !self.is_in_transaction() {
                self.flush().await;
            } else if let Err(error) = self.abort_transaction().await {
                let client = &self.transactional_id;
                tracing::warn!(%client, error = %millstream_record::ErrorChain(&error), "an open transaction was not aborted when its producer was closed");
            }
        })
        .await;
        self.task.abort();
        let mut accumulator = self.shared.lock();
        accumulator.closed = true;
        accumulator.fail_all(&SendError::Closed);
        std::iter::from_fn(|| accumulator.take_ack()).collect()
    }
}

async fn learn_partitions(
    cluster: Cluster,
    shared: Arc<Shared>,
    max_block: Duration,
    topic: TopicName,
) -> Result<u32, SendError> {
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        let known = cluster.metadata();
        let (metadata, failure) = if known.partition_count(&topic).is_some() {
            (known, None)
        } else {
            let left = max_block.saturating_sub(started.elapsed());
            let refreshed = cluster.refresh(TopicsWanted::Named(std::slice::from_ref(&topic)), true);
            match tokio::time::timeout(left, refreshed).await {
                Ok(Ok(metadata)) => (metadata, None),
                Ok(Err(error)) => (known, Some(error)),
                Err(_) => (known, cluster.link().silence()),
            }
        };
        if let Some(count) = metadata.partition_count(&topic) {
            // What is known by now: the sender may have heard more, before there was anybody to tell it.
            let mut accumulator = shared.lock();
            accumulator.learn(&topic, &cluster.metadata());
            return Ok(count);
        }
        let refused = metadata.topic(&topic).and_then(|topic| topic.error);
        let waited = started.elapsed();
        let source = failure.or_else(|| {
            let attempted = format!("ask for the partitions of topic {topic}");
            refused.map(|source| crate::RequestError::Refused { attempted, source })
        });
        let delay = cluster.settings().retry_delay(attempt);
        let hopeless = source.as_ref().is_some_and(|source| !source.is_retriable());
        if hopeless || max_block <= waited.saturating_add(delay) {
            return Err(SendError::NoMetadata { topic, waited, source: source.map(Box::new) });
        }
        tokio::time::sleep(delay).await;
        attempt += 1;
    }
}

/// Appends a group of records under one lock. See [`Producer::appender`].
#[derive(Debug)]
pub struct Appender<'a> {
    /// There until the drop, which lets go of it before it wakes the sender.
    accumulator: Option<MutexGuard<'a, Accumulator>>,
    sender: &'a Notify,
    now: Instant,
    now_ms: i64,
    look: bool,
}

impl Appender<'_> {
    /// Appends a record to a partition, or to one that the partitioner chooses.
    ///
    /// # Errors
    ///
    /// See [`TryAppendError`]; the record was not taken then.
    pub fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, TryAppendError> {
        let accumulator = self.accumulator.as_mut().expect("the lock is held until the appender is dropped");
        match accumulator.append(self.now, self.now_ms, topic, partition, &record) {
            Ok((sequence, look)) => {
                self.look |= look;
                Ok(sequence)
            }
            Err(Refusal::Full) => Err(TryAppendError::Full),
            Err(Refusal::UnknownTopic) => Err(TryAppendError::UnknownTopic),
            Err(Refusal::Failed(error)) => Err(TryAppendError::Failed(error)),
        }
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        drop(self.accumulator.take());
        if self.look {
            self.sender.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io};

    use super::*;
    use crate::dial::{Dial, Stream};

    struct Nowhere;

    #[async_trait::async_trait]
    impl Dial for Nowhere {
        async fn dial(&self, _: &str, _: u16) -> io::Result<Box<dyn Stream>> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_more_is_sent_or_taken_once_a_panic_has_left_the_buffer_half_changed() {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), "h:1".to_owned())]);
        let config = ProducerConfig::from_properties(&properties).expect("defaults");
        let cluster = Cluster::connect(Arc::new(Nowhere), &config.bootstrap, config.connection.clone());
        let mut producer = Producer::new(&cluster, config);
        let shared = Arc::clone(&producer.shared);
        let panicked = std::thread::spawn(move || {
            let _accumulator = shared.lock();
            panic!("in the middle of a change");
        });
        assert!(panicked.join().is_err());
        let topic = TopicName::parse("t").expect("a name");
        let refused = producer.try_append(&topic, None, RecordRef::default());
        assert!(matches!(refused, Err(TryAppendError::Failed(SendError::Closed))), "{refused:?}");
        producer.shared.sender.notify_one();
        tokio::time::timeout(Duration::from_secs(1), &mut producer.task).await.expect("ended").expect("in good order");
    }
}
