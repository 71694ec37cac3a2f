//! Kafka as tasks see it: traits, so that tests can stand in for a cluster.
//!
//! [`client`] implements them over `millstream-client`, method by method. Whoever runs a worker hands
//! in a [`Clients`], which knows addresses and settings; tasks only name what they need a client for.

mod append;
mod client;
mod group_offsets;
mod instance_id;
mod internal;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use millstream_client::{Ack, RecordRef, SendError, Sequence, TransactionError, TryAppendError};
use millstream_config::{ConfigMap, TopicPattern};
use millstream_connector::{ErrorKind, Failure, TaskId, TopicOffset, TopicPartition};
use millstream_record::{ErrorChain, TopicName};

pub(crate) use append::{append_all, take_acks};
pub use client::KafkaClients;
pub use internal::{CreateTopicError, InternalClients, LogClients, LogTopic};

/// Takes records while the producer's buffer is locked.
pub trait RecordAppender {
    /// Appends a record to a partition, or to one that the partitioner chooses.
    ///
    /// # Errors
    ///
    /// The record was not taken.
    fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, TryAppendError>;
}

/// A producer; see [`millstream_client::Producer`], whose guarantees these methods have.
#[async_trait]
pub trait RecordProducer: Send {
    /// Lets `work` append a group of records under one lock.
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender));
    /// Waits until the partitions of a topic are known, or fails when `max.block.ms` has passed. The producer can
    /// be used meanwhile.
    fn learn(&mut self, topic: &TopicName) -> BoxFuture<'static, Result<(), SendError>>;
    /// Waits until there is room, or an acknowledgement to take. Dropping the future loses nothing.
    async fn ready(&mut self);
    /// Takes an acknowledgement if one is there.
    fn try_ack(&mut self) -> Option<Ack>;
    /// Waits for the next acknowledgement; for ever while nothing is outstanding. Dropping the future
    /// loses nothing.
    async fn next_ack(&mut self) -> Ack;
    /// Records appended whose acknowledgement has not been taken.
    fn outstanding(&self) -> u64;
    /// Sends everything and waits until it has ended. Dropping the future only stops the waiting.
    async fn flush(&mut self);
    /// Flushes for at most `timeout` and gives up the rest; the acknowledgements that are left.
    async fn close(self: Box<Self>, timeout: Duration) -> Vec<Ack>;
    /// Its transactions, if it was made to write them; records are taken within one only then.
    fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
        None
    }
}

/// Transactions of a producer; see [`millstream_client::Producer`], whose guarantees these methods have.
#[async_trait]
pub trait RecordTransactions: Send {
    /// Fences off an earlier producer of the same name, and ends what it has left open.
    ///
    /// # Errors
    ///
    /// The coordinator refuses the producer, or does not answer in time.
    async fn initialize(&mut self) -> Result<(), TransactionError>;
    /// Begins a transaction, without asking anybody.
    ///
    /// # Errors
    ///
    /// There is one, or the producer has failed.
    fn begin(&mut self) -> Result<(), TransactionError>;
    /// Sends what is left and commits. Dropping the future leaves it going on; calling again waits for it again.
    ///
    /// # Errors
    ///
    /// The transaction has to be aborted, or the producer has failed.
    async fn commit(&mut self) -> Result<(), TransactionError>;
    /// Gives up what was not sent and aborts. Dropping the future leaves it going on.
    ///
    /// # Errors
    ///
    /// The producer has failed.
    async fn abort(&mut self) -> Result<(), TransactionError>;
}

/// Where one consumed record lies in its buffer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordSlot {
    /// Its offset in the log.
    pub offset: i64,
    /// Milliseconds since the epoch; -1 for none.
    pub timestamp: i64,
    /// 0 none, 1 create time, 2 log append time.
    pub timestamp_type: i8,
    /// Its key; `None` for null.
    pub key: Option<Range<u32>>,
    /// Its value; `None` for null.
    pub value: Option<Range<u32>>,
    /// How many headers it has.
    pub header_count: u32,
    /// Its headers as a record carries them, without their count.
    pub headers: Range<u32>,
}

/// Consumed records of one partition, in offset order.
#[derive(Clone, Debug)]
pub struct FetchedRecords {
    /// Their topic.
    pub topic: TopicName,
    /// Their partition.
    pub partition: i32,
    /// The bytes that the slots refer to.
    pub buffer: Bytes,
    /// The records.
    pub records: Vec<RecordSlot>,
}

/// What happened to the assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rebalance {
    /// These partitions are new.
    Assigned(Vec<TopicPartition>),
    /// These are to be given up; offsets may still be committed before the next poll.
    Revoked(Vec<TopicPartition>),
    /// These belong to somebody else already.
    Lost(Vec<TopicPartition>),
}

/// The result of a poll. Events come before the records.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// What happened to the assignment, in order.
    pub events: Vec<Rebalance>,
    /// Records of assigned partitions.
    pub fetched: Vec<FetchedRecords>,
}

/// What a sink reads.
#[derive(Clone, Debug)]
pub enum SinkTopics {
    /// These; one that does not exist is waited for.
    Named(Vec<TopicName>),
    /// Those that match, whenever they come.
    Matching(Arc<TopicPattern>),
}

/// A member of a consumer group, subscribed to the topics of a sink.
#[async_trait]
pub trait RecordConsumer: Send {
    /// Waits for records or a change of the assignment, at most `timeout`. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// The group or the log cannot be read, now and for good.
    async fn poll(&mut self, timeout: Duration) -> Result<Polled, Failure>;
    /// Offset of the next record that a poll returns from an assigned partition.
    ///
    /// # Errors
    ///
    /// The group's offsets cannot be read.
    async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Failure>;
    /// Commits offsets for the group.
    ///
    /// # Errors
    ///
    /// The coordinator refused, or did not answer.
    async fn commit(&mut self, offsets: &[TopicOffset]) -> Result<(), Failure>;
    /// Records between the position in an assigned partition and its end, as of the last fetch; `None` before one.
    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let _ = partition;
        None
    }
    /// Continues at this offset.
    fn seek(&mut self, to: &TopicOffset);
    /// Returns nothing from these partitions.
    fn pause(&mut self, partitions: &[TopicPartition]);
    /// Returns records from these partitions again.
    fn resume(&mut self, partitions: &[TopicPartition]);
    /// Whether a poll failed because another worker runs the task, and has taken its place in the group.
    fn is_superseded(&self) -> bool {
        false
    }
    /// Leaves the group.
    async fn close(self: Box<Self>);
}

/// Why the offsets of a group were not changed, or not all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AlterOffsetsError {
    /// The group has members, who alone may change them.
    HasMembers(Failure),
    /// Anything else.
    Failed(Failure),
}

/// The committed offsets of one consumer group, for somebody who is no member of it.
#[async_trait]
pub trait GroupOffsets: Send + Sync {
    /// All of them; none of a group that does not exist.
    ///
    /// # Errors
    ///
    /// The group's coordinator cannot be asked, or refuses.
    async fn list(&self) -> Result<Vec<TopicOffset>, Failure>;
    /// Sets some and forgets those without a value.
    ///
    /// # Errors
    ///
    /// Some may have been changed nevertheless.
    async fn alter(&self, offsets: &[(TopicPartition, Option<i64>)]) -> Result<(), AlterOffsetsError>;
    /// Deletes the group with all of them. One that does not exist is deleted.
    ///
    /// # Errors
    ///
    /// It is still there.
    async fn delete(&self) -> Result<(), AlterOffsetsError>;
    /// Takes the members out of the group that these tasks of the connector have left behind, which run nowhere: their
    /// partitions go to the others at once.
    ///
    /// # Errors
    ///
    /// They may still be there, for as long as their sessions last.
    async fn dismiss(&self, tasks: &BTreeSet<u32>) -> Result<(), Failure>;
}

/// A topic that a task is to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WantedTopic {
    /// Its name.
    pub name: TopicName,
    /// Number of partitions; -1 for the broker's default.
    pub partitions: i32,
    /// Copies of each partition; -1 for the broker's default.
    pub replication_factor: i16,
    /// Settings that differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
}

/// As Java prints it inside messages.
impl fmt::Display for WantedTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, partitions, replication_factor, configs } = self;
        let configs: Vec<String> = configs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let configs = configs.join(", ");
        write!(
            f,
            "(name={name}, numPartitions={partitions}, replicationFactor={replication_factor}, replicasAssignments=null, configs={{{configs}}})"
        )
    }
}

/// What came of an attempt to make a topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MadeTopic {
    /// It is there, with the wanted settings.
    Made,
    /// It was there already, with whatever settings.
    Existed,
    /// Whoever asks may not make it, or the cluster cannot.
    Refused(Failure),
}

/// Topics as a source task sees them, which makes those that are missing.
#[async_trait]
pub trait TopicAdmin: Send + Sync {
    /// Whether a topic exists. Makes none, whatever the cluster is set up to do.
    ///
    /// # Errors
    ///
    /// The cluster does not say: retriable if it did not answer in time.
    async fn exists(&self, topic: &TopicName) -> Result<bool, Failure>;
    /// Makes a topic. Dropping the future may leave it made.
    ///
    /// # Errors
    ///
    /// The cluster did not answer, or refused the topic as it is wanted.
    async fn create(&self, topic: &WantedTopic) -> Result<MadeTopic, Failure>;
}

/// Which producer a task asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProducerUse {
    /// Records of a source task.
    Records,
    /// Dead letters of a sink task.
    DeadLetters,
}

/// Makes clients for tasks, with the worker's settings and the connector's overrides.
#[async_trait]
pub trait Clients: Send + Sync {
    /// Settings among a connector's overrides that its clients of these kinds (`producer`, `consumer`, `admin`) would
    /// refuse, with the reason. A producer of records may be one that writes in transactions, whose name is the worker's
    /// business.
    fn refused_settings(&self, kinds: &[&str], in_transactions: bool, connector: &ConfigMap) -> Vec<(String, String)> {
        let _ = (kinds, in_transactions, connector);
        Vec::new()
    }

    /// A producer.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    async fn producer(
        &self,
        task: &TaskId,
        wanted: ProducerUse,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure>;

    /// A producer of a source task's records that writes them in transactions, under this name. Its transactions are
    /// not initialized yet.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    async fn transactional_producer(
        &self,
        task: &TaskId,
        transactional_id: &str,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure> {
        let _ = (task, transactional_id, connector);
        Err(without_transactions())
    }

    /// Shuts out whoever writes transactions under these names: what one of them has left open is aborted.
    ///
    /// # Errors
    ///
    /// It is not certain that all are shut out. Of kind retriable if it may go better later.
    async fn fence(&self, connector: &str, transactional_ids: &[String], config: &ConfigMap) -> Result<(), Failure> {
        let _ = (connector, transactional_ids, config);
        Err(without_transactions())
    }

    /// A consumer subscribed to these topics as a member of the connector's group. It joins with its
    /// first poll.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    async fn consumer(
        &self,
        task: &TaskId,
        topics: &SinkTopics,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordConsumer>, Failure>;

    /// The offsets of a sink's consumer group.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    fn group_offsets(&self, connector: &str, config: &ConfigMap) -> Result<Box<dyn GroupOffsets>, Failure>;

    /// Topics, for a source task that makes those that are missing.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    fn topics(&self, task: &TaskId, connector: &ConfigMap) -> Result<Box<dyn TopicAdmin>, Failure>;

    /// Creates a topic with one partition unless it exists.
    ///
    /// # Errors
    ///
    /// It does not exist and cannot be created.
    async fn create_topic(
        &self,
        task: &TaskId,
        topic: &TopicName,
        replication_factor: i16,
        connector: &ConfigMap,
    ) -> Result<(), Failure>;
}

fn without_transactions() -> Failure {
    Failure::new(ErrorKind::Fatal, "", "this cluster has no transactions")
}

/// A producer's failure in Connect's words.
pub(crate) fn send_failure(error: &SendError) -> Failure {
    let kind = if error.is_retriable() { ErrorKind::Retriable } else { ErrorKind::Fatal };
    Failure::new(kind, &error.java_class(), ErrorChain(error).to_string())
}
