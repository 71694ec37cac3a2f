//! Kafka for tasks, over `millstream-client`.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{
    Ack, Admin, AdminConfig, Appender, Cluster, ConfigError, Consumer, ConsumerConfig, Dial, ErrorCode, GroupSession,
    Producer, ProducerConfig, RecordRef, SendError, Sequence, TransactionError, TryAppendError,
    admin::{NewTopic, OffsetAndMetadata},
    consumer::{FetchedRecordBatches, RebalanceEvent},
};
use millstream_config::{ConfigMap, OverridePolicy, originals_with_prefix};
use millstream_connector::{ErrorKind, Failure, TaskId, TopicOffset, TopicPartition};
use millstream_metrics::Metrics;
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::{
    batch::{Batches, RecordReader, TimestampType, decompress_records},
    compression::DecompressError,
};

use super::{
    Clients, FetchedRecords, GroupOffsets, Polled, ProducerUse, Rebalance, RecordAppender, RecordConsumer,
    RecordProducer, RecordSlot, RecordTransactions, SinkTopics, TopicAdmin, group_offsets::ClientGroupOffsets,
    instance_id::WorkerGroup, topics::ClientTopics,
};
use crate::error_policy::CONNECT_EXCEPTION;

/// Longest time for leaving a group.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes clients of one cluster, with the worker's settings and what connectors may override.
pub struct KafkaClients {
    dial: Arc<dyn Dial>,
    bootstrap: String,
    worker: ConfigMap,
    policy: OverridePolicy,
    metrics: Metrics,
    /// Set for a worker that is a member of one.
    workers: Option<WorkerGroup>,
    session: GroupSession,
}

impl KafkaClients {
    /// Clients that reach the cluster through `dial`, beginning at `bootstrap` (`host:port,…`), with the
    /// settings in the worker's properties.
    pub fn new(dial: Arc<dyn Dial>, bootstrap: impl Into<String>, worker: ConfigMap, policy: OverridePolicy) -> Self {
        let (metrics, session) = (Metrics::default(), GroupSession::unlimited());
        Self { dial, bootstrap: bootstrap.into(), worker, policy, metrics, workers: None, session }
    }

    /// Clients of a worker that is a member of the group `group_id` on this cluster: its tasks may run elsewhere one day.
    /// Consumers take the place of those that did the same before, and while the session is closed no producer sends.
    #[must_use]
    pub fn in_group(self, cluster_id: &str, group_id: &str, session: GroupSession) -> Self {
        let workers = WorkerGroup { cluster_id: cluster_id.to_owned(), group_id: group_id.to_owned() };
        Self { workers: Some(workers), session, ..self }
    }

    /// The clients count here.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Client settings: the framework's, then the worker's beneath a prefix, then the connector's.
    fn properties(
        &self,
        own: &[(&str, &str)],
        kind: &str,
        connector: &ConfigMap,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), self.bootstrap.clone())]);
        properties.extend(own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let worker = originals_with_prefix(&self.worker, &format!("{kind}."));
        let overrides = originals_with_prefix(connector, &format!("{kind}.override."));
        if let Some(refusal) = overrides.keys().find_map(|key| self.policy.refusal(key)) {
            let message = format!("Client Config Overrides not allowed: {refusal}");
            return Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message));
        }
        properties.extend(worker.into_iter().chain(overrides).filter_map(|(key, value)| Some((key, value?))));
        Ok(properties)
    }

    fn cluster(
        &self,
        bootstrap: &[millstream_client::HostPort],
        connection: &millstream_client::ConnectionSettings,
    ) -> Cluster {
        Cluster::connect(Arc::clone(&self.dial), bootstrap, connection.clone())
    }

    /// Reads the worker's own settings for each kind of client.
    ///
    /// # Errors
    ///
    /// The first that a client would refuse, under the worker's key for it.
    pub fn check_worker_settings(&self) -> Result<(), Failure> {
        for kind in ["producer", "consumer", "admin"] {
            if let Some(error) = self.refused(kind, &ConfigMap::new()) {
                let own = self.worker.contains_key(&format!("{kind}.{}", error.key));
                let key = if own { format!("{kind}.{}", error.key) } else { error.key.clone() };
                return Err(wrong_setting(ConfigError { key, ..error }));
            }
        }
        Ok(())
    }

    /// What a client of that kind refuses of its settings. Overrides that the policy forbids are not looked at.
    fn refused(&self, kind: &str, connector: &ConfigMap) -> Option<ConfigError> {
        let group = [("group.id", "checked")];
        let own: &[(&str, &str)] = if kind == "consumer" { &group } else { &[] };
        let properties = if kind == "admin" {
            self.admin_properties("", connector).ok()?
        } else {
            self.properties(own, kind, connector).ok()?
        };
        match kind {
            "producer" => task_producer(&properties).err(),
            "consumer" => ConsumerConfig::from_properties(&properties).err(),
            _ => AdminConfig::from_properties(&properties).err(),
        }
    }

    fn admin_properties(&self, client_id: &str, connector: &ConfigMap) -> Result<BTreeMap<String, String>, Failure> {
        // Keys of the worker without a prefix concern its own clients, the admin among them: its name, too.
        let client_prefix =
            |key: &str| ["admin.", "producer.", "consumer."].iter().any(|prefix| key.starts_with(prefix));
        let unprefixed = self.worker.iter().filter(|(key, _)| !client_prefix(key));
        let unprefixed = unprefixed.filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)));
        // An empty name is none, as the worker's own default is.
        let unprefixed = unprefixed.filter(|(key, value)| *key != "client.id" || !value.trim().is_empty());
        let own: Vec<(&str, &str)> = std::iter::once(("client.id", client_id)).chain(unprefixed).collect();
        self.properties(&own, "admin", connector)
    }

    fn admin(&self, client_id: &str, connector: &ConfigMap) -> Result<Admin, Failure> {
        let properties = self.admin_properties(client_id, connector)?;
        let mut config = AdminConfig::from_properties(&properties).map_err(wrong_setting)?;
        config.connection.metrics = self.metrics.clone();
        let cluster = self.cluster(&config.bootstrap, &config.connection);
        Ok(Admin::new(&cluster, &config))
    }

    fn make_producer(&self, mut config: ProducerConfig) -> Box<dyn RecordProducer> {
        config.connection.metrics = self.metrics.clone();
        config.session = self.session.clone();
        let cluster = self.cluster(&config.bootstrap, &config.connection);
        Box::new(ClientProducer(Producer::new(&cluster, config)))
    }

    /// Asks the cluster for its id, as a worker does at its start.
    ///
    /// # Errors
    ///
    /// The cluster does not answer within `default.api.timeout.ms`.
    pub async fn cluster_id(&self) -> Result<String, Failure> {
        let admin = self.admin("connect-cluster-id", &ConfigMap::new())?;
        let failed = |cause: Failure| {
            cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties.")
        };
        let description = admin.describe_cluster().await.map_err(|error| failed(request_failure(&error)))?;
        Ok(description.cluster_id.unwrap_or_default())
    }
}

/// What a sink's consumer has unless the worker or the connector says otherwise.
fn of_sink<'s>(group: &'s str, client_id: &'s str) -> [(&'s str, &'s str); 5] {
    [
        ("group.id", group),
        ("client.id", client_id),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "earliest"),
        // Records are answered with at once whatever it says, and a fetch that holds up another one is given up; a
        // thousand sinks that wait for records should not ask for them two thousand times a second.
        ("fetch.max.wait.ms", "10000"),
    ]
}

/// Settings of a task's producer.
fn task_producer(properties: &BTreeMap<String, String>) -> Result<ProducerConfig, ConfigError> {
    let config = ProducerConfig::from_properties(properties)?;
    match config.transactional_id {
        // It would take no record outside of a transaction, and nobody would begin one.
        Some(id) => Err(ConfigError {
            key: "transactional.id".to_owned(),
            value: id.to_string(),
            reason: "expected no value: what a task writes transactions under is its worker's business".to_owned(),
        }),
        None => Ok(config),
    }
}

/// Settings of a producer that writes in transactions under this name, whatever name or contradiction it was given:
/// the key, and the value with the one in its place, are `told`.
fn in_transactions(
    mut properties: BTreeMap<String, String>,
    transactional_id: &str,
    told: impl Fn(&str, [&str; 2]),
) -> BTreeMap<String, String> {
    for (key, ours) in [("enable.idempotence", "true"), ("transactional.id", transactional_id)] {
        let theirs = properties.insert(key.to_owned(), ours.to_owned());
        let is_same = |theirs: &str| theirs == ours || key != "transactional.id" && theirs.eq_ignore_ascii_case(ours);
        if let Some(theirs) = theirs.filter(|theirs| !is_same(theirs.trim())) {
            told(key, [&theirs, ours]);
        }
    }
    properties
}

pub(super) fn wrong_setting(error: ConfigError) -> Failure {
    Failure::new(ErrorKind::Config, "", error.to_string())
}

pub(super) fn request_failure(error: &millstream_client::RequestError) -> Failure {
    Failure::new(ErrorKind::Fatal, &error.java_class(), ErrorChain(error).to_string())
}

#[async_trait]
impl Clients for KafkaClients {
    fn refused_settings(&self, kinds: &[&str], in_transactions: bool, connector: &ConfigMap) -> Vec<(String, String)> {
        let refused = kinds.iter().filter_map(|kind| {
            let error = match *kind {
                "producer" if in_transactions => {
                    let properties = self.properties(&[], kind, connector).ok()?;
                    ProducerConfig::from_properties(&self::in_transactions(properties, "checked", |_, _| {})).err()
                }
                _ => self.refused(kind, connector),
            }?;
            let key = format!("{kind}.override.{}", error.key);
            // What the worker itself sets was checked when it started.
            connector.contains_key(&key).then(|| (key, error.to_string()))
        });
        refused.collect()
    }

    async fn producer(
        &self,
        task: &TaskId,
        wanted: ProducerUse,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure> {
        // A dead letter that cannot be written fails its task, which is to happen while somebody still looks.
        let (client_id, max_block, delivery_timeout) = match wanted {
            ProducerUse::Records => (format!("connector-producer-{task}"), "9223372036854775807", "2147483647"),
            ProducerUse::DeadLetters => (format!("connector-dlq-producer-{task}"), "60000", "120000"),
        };
        // Unlike Connect's, these are idempotent and have five requests in flight, which keeps the
        // order without waiting for each.
        let own = [
            ("client.id", client_id.as_str()),
            ("max.block.ms", max_block),
            ("acks", "all"),
            ("delivery.timeout.ms", delivery_timeout),
        ];
        let properties = self.properties(&own, "producer", connector)?;
        Ok(self.make_producer(task_producer(&properties).map_err(wrong_setting)?))
    }

    async fn transactional_producer(
        &self,
        task: &TaskId,
        transactional_id: &str,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure> {
        let client_id = format!("connector-producer-{task}");
        let own = [
            ("client.id", client_id.as_str()),
            ("max.block.ms", "9223372036854775807"),
            ("acks", "all"),
            ("delivery.timeout.ms", "2147483647"),
        ];
        let properties = self.properties(&own, "producer", connector)?;
        let properties = in_transactions(properties, transactional_id, |key, [theirs, ours]| {
            tracing::warn!(%task, "The value '{theirs}' for the '{key}' property will be ignored as it cannot be overridden for connectors when exactly-once source support is enabled. The value '{ours}' will be used instead.");
        });
        Ok(self.make_producer(ProducerConfig::from_properties(&properties).map_err(wrong_setting)?))
    }

    async fn fence(&self, connector: &str, transactional_ids: &[String], config: &ConfigMap) -> Result<(), Failure> {
        let admin = self.admin(&format!("connector-worker-adminclient-{connector}"), config)?;
        let fenced = admin.fence_producers(transactional_ids).await.map_err(|error| {
            let kind = if error.is_retriable() { ErrorKind::Retriable } else { ErrorKind::Fatal };
            Failure { kind, ..request_failure(&error) }
        })?;
        match fenced.iter().find_map(|(id, answer)| Some((id, answer.as_ref().err()?))) {
            Some((id, refused)) => {
                let text = format!("fence the producer {id}: {}", ErrorChain(refused));
                Err(Failure::new(ErrorKind::Fatal, &refused.java_class(), text))
            }
            None => Ok(()),
        }
    }

    async fn consumer(
        &self,
        task: &TaskId,
        topics: &SinkTopics,
        connector: &ConfigMap,
    ) -> Result<Box<dyn RecordConsumer>, Failure> {
        let (group, client_id) = (format!("connect-{}", task.connector), format!("connector-consumer-{task}"));
        let own = of_sink(&group, &client_id);
        let properties = self.properties(&own, "consumer", connector)?;
        let mut config = ConsumerConfig::from_properties(&properties).map_err(wrong_setting)?;
        // Whoever names the member has reasons of his own.
        let named = config.group_instance_id.is_some();
        let instance_id = self.workers.as_ref().filter(|_| !named).map(|group| group.instance_id(task, connector));
        let standing = match instance_id {
            Some(_) => Standing::Successor,
            None => Standing::Own,
        };
        config.group_instance_id = config.group_instance_id.or(instance_id);
        config.connection.metrics = self.metrics.clone();
        let cluster = self.cluster(&config.bootstrap, &config.connection);
        let max_decompressed = config.fetch_decompressed_max_bytes as usize;
        let mut consumer = Consumer::new(&cluster, config);
        let subscribed = match topics {
            SinkTopics::Named(topics) => consumer.subscribe(topics.iter().cloned()),
            SinkTopics::Matching(pattern) => {
                let pattern = Arc::clone(pattern);
                consumer.subscribe_matching(Arc::new(move |topic| pattern.matches(topic.as_str())))
            }
        };
        subscribed.map_err(|error| consume_failure(&error))?;
        Ok(Box::new(ClientConsumer { standing, ..ClientConsumer::new(consumer, max_decompressed) }))
    }

    fn group_offsets(&self, connector: &str, config: &ConfigMap) -> Result<Box<dyn GroupOffsets>, Failure> {
        let admin = self.admin(&format!("connector-worker-adminclient-{connector}"), config)?;
        let own = format!("connect-{connector}");
        let mut consumer = self.properties(&[("group.id", &own)], "consumer", config)?;
        let group = consumer.remove("group.id").unwrap_or(own);
        let (workers, connector, config) = (self.workers.clone(), connector.to_owned(), config.clone());
        let own = move |id: &str| workers.as_ref()?.task_of(&connector, &config, id);
        Ok(Box::new(ClientGroupOffsets::new(admin, group, Box::new(own))))
    }

    fn topics(&self, task: &TaskId, connector: &ConfigMap) -> Result<Box<dyn TopicAdmin>, Failure> {
        let admin = self.admin(&format!("connector-adminclient-{task}"), connector)?;
        Ok(Box::new(ClientTopics::new(admin, self.bootstrap.clone())))
    }

    async fn create_topic(
        &self,
        _task: &TaskId,
        topic: &TopicName,
        replication_factor: i16,
        connector: &ConfigMap,
    ) -> Result<(), Failure> {
        let admin = self.admin("connector-dlq-adminclient-", connector)?;
        // Who may write to a topic that exists need not be allowed to create one.
        let mut described =
            admin.describe_topics(std::slice::from_ref(topic)).await.map_err(|error| request_failure(&error))?;
        if let Some(Ok(_)) = described.remove(topic) {
            return Ok(());
        }
        let wanted = NewTopic {
            partitions: Some(1),
            replication_factor: u16::try_from(replication_factor).ok(),
            ..NewTopic::new(topic.clone())
        };
        let mut answers = admin.create_topics(&[wanted], false).await.map_err(|error| request_failure(&error))?;
        match answers.remove(topic) {
            Some(Err(refused)) if refused.source != ErrorCode::TOPIC_ALREADY_EXISTS => {
                Err(Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(&refused).to_string()))
            }
            _ => Ok(()),
        }
    }
}

pub(super) struct ClientProducer(pub(super) Producer);

impl RecordAppender for Appender<'_> {
    fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, TryAppendError> {
        Appender::append(self, topic, partition, record)
    }
}

#[async_trait]
impl RecordProducer for ClientProducer {
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
        work(&mut self.0.appender());
    }

    fn learn(&mut self, topic: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
        let learned = self.0.partitions(topic);
        async move { learned.await.map(drop) }.boxed()
    }

    async fn ready(&mut self) {
        self.0.ready().await;
    }

    fn try_ack(&mut self) -> Option<Ack> {
        self.0.try_ack()
    }

    async fn next_ack(&mut self) -> Ack {
        self.0.next_ack().await
    }

    fn outstanding(&self) -> u64 {
        self.0.outstanding()
    }

    async fn flush(&mut self) {
        self.0.flush().await;
    }

    async fn close(self: Box<Self>, timeout: Duration) -> Vec<Ack> {
        self.0.close(timeout).await
    }

    fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
        if self.0.is_transactional() { Some(self) } else { None }
    }
}

#[async_trait]
impl RecordTransactions for ClientProducer {
    async fn initialize(&mut self) -> Result<(), TransactionError> {
        self.0.init_transactions().await
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        self.0.begin_transaction()
    }

    async fn commit(&mut self) -> Result<(), TransactionError> {
        self.0.commit_transaction().await
    }

    async fn abort(&mut self) -> Result<(), TransactionError> {
        self.0.abort_transaction().await
    }
}

pub(super) struct ClientConsumer {
    consumer: Consumer,
    max_decompressed: usize,
    scratch: Vec<u8>,
    standing: Standing,
}

/// What a consumer is in its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// A member like any other, or under a name that somebody else has given it.
    Own,
    /// One that took the place of whoever ran the task before, and is to leave it to who runs it next.
    Successor,
    /// One whose place was taken.
    Superseded,
}

impl ClientConsumer {
    /// A consumer whose compressed batches may expand to `max_decompressed` bytes.
    pub(super) fn new(consumer: Consumer, max_decompressed: usize) -> Self {
        Self { consumer, max_decompressed, scratch: Vec::new(), standing: Standing::Own }
    }
}

impl ClientConsumer {
    /// Takes note of what a failure means.
    fn failed(&mut self, error: &millstream_client::consumer::ConsumeError) -> Failure {
        if self.standing == Standing::Successor && error.is_fenced() {
            self.standing = Standing::Superseded;
        }
        consume_failure(error)
    }
}

fn consume_failure(error: &millstream_client::consumer::ConsumeError) -> Failure {
    Failure::new(ErrorKind::Fatal, &error.java_class(), ErrorChain(error).to_string())
}

fn topic(name: &str) -> Option<TopicName> {
    TopicName::parse(name).ok()
}

fn partitions(set: impl IntoIterator<Item = (TopicName, i32)>) -> Vec<TopicPartition> {
    set.into_iter().map(|(topic, partition)| TopicPartition { topic: topic.as_str().to_owned(), partition }).collect()
}

#[async_trait]
impl RecordConsumer for ClientConsumer {
    async fn poll(&mut self, timeout: Duration) -> Result<Polled, Failure> {
        let polled = self.consumer.poll(timeout).await.map_err(|error| self.failed(&error))?;
        let events = polled
            .events
            .into_iter()
            .map(|event| match event {
                RebalanceEvent::Assigned(set) => Rebalance::Assigned(partitions(set)),
                RebalanceEvent::Revoked(set) => Rebalance::Revoked(partitions(set)),
                RebalanceEvent::Lost(set, _) => Rebalance::Lost(partitions(set)),
            })
            .collect();
        let (scratch, most) = (&mut self.scratch, self.max_decompressed);
        let fetched = polled.fetched.iter().map(|batch| read(batch, most, scratch)).collect::<Result<_, _>>()?;
        Ok(Polled { events, fetched })
    }

    async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Failure> {
        let Some(name) = topic(&partition.topic) else { return Ok(-1) };
        let position = self.consumer.position(&name, partition.partition).await;
        position.map_err(|error| self.failed(&error))
    }

    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        self.consumer.current_lag(&topic(&partition.topic)?, partition.partition)
    }

    async fn commit(&mut self, offsets: &[TopicOffset]) -> Result<(), Failure> {
        let offsets: Vec<(TopicName, i32, OffsetAndMetadata)> = offsets
            .iter()
            .filter_map(|to| Some((topic(&to.topic)?, to.partition, OffsetAndMetadata::new(to.offset))))
            .collect();
        let failed = |error: millstream_client::consumer::CommitError| {
            let kind = if error.is_retriable() { ErrorKind::Retriable } else { ErrorKind::Fatal };
            Failure::new(kind, &error.java_class(), ErrorChain(&error).to_string())
        };
        self.consumer.commit(&offsets).await.map_err(failed)
    }

    fn seek(&mut self, to: &TopicOffset) {
        if let Some(name) = topic(&to.topic)
            && let Err(error) = self.consumer.seek(&name, to.partition, to.offset)
        {
            tracing::warn!(error = %ErrorChain(&error), "a seek was ignored");
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            // A partition that is not assigned any more needs no pause.
            let _ = topic(&partition.topic).map(|name| self.consumer.pause(&name, partition.partition));
        }
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            // Likewise.
            let _ = topic(&partition.topic).map(|name| self.consumer.resume(&name, partition.partition));
        }
    }

    fn is_superseded(&self) -> bool {
        self.standing == Standing::Superseded
    }

    async fn close(self: Box<Self>) {
        match self.standing {
            // Others are to have its partitions at once, and a group without members can be changed.
            Standing::Successor => self.consumer.leave(CLOSE_TIMEOUT).await,
            Standing::Own | Standing::Superseded => self.consumer.close(CLOSE_TIMEOUT).await,
        }
    }
}

/// Walks fetched record batches. Uncompressed ones stay where they are, compressed ones expand to `max_decompressed`
/// bytes at most.
fn read(
    batch: &FetchedRecordBatches,
    max_decompressed: usize,
    scratch: &mut Vec<u8>,
) -> Result<FetchedRecords, Failure> {
    let damaged = |error: &(dyn std::error::Error + 'static)| {
        let class = "org.apache.kafka.common.errors.CorruptRecordException";
        let place = format!("read {}-{} from offset {}", batch.topic, batch.partition, batch.first_offset);
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        let beyond = causes.any(|error| matches!(error.downcast_ref(), Some(DecompressError::TooLarge { .. })));
        let key = match beyond {
            true => format!(" (fetch.decompressed.max.bytes of the consumer is {max_decompressed})"),
            false => String::new(),
        };
        Failure::new(ErrorKind::Fatal, class, format!("{place}: {}{key}", ErrorChain(error)))
    };
    let mut records = Vec::with_capacity(batch.record_count as usize);
    // Decompressed batches are collected; where none is compressed the fetched bytes are kept.
    let mut expanded: Option<Vec<u8>> = None;
    let mut walk = Batches::new(&batch.records);
    let mut compressed = false;
    for item in &mut walk {
        let (header, _) = item.map_err(|error| damaged(&error))?;
        compressed |= header.codec() != millstream_wire::compression::Codec::None;
    }
    if compressed {
        expanded = Some(Vec::with_capacity(batch.records.len() * 4));
    }
    for item in Batches::new(&batch.records) {
        let (header, bytes) = item.map_err(|error| damaged(&error))?;
        let room = max_decompressed.saturating_sub(expanded.as_ref().map_or(0, Vec::len));
        let plain = decompress_records(&header, bytes, room, scratch).map_err(|error| damaged(&error))?;
        let base = match &mut expanded {
            Some(expanded) => {
                expanded.extend_from_slice(plain);
                expanded.len() - plain.len()
            }
            None => offset_in(&batch.records, plain),
        };
        let append_time = header.timestamp_type() == TimestampType::LogAppendTime;
        for record in RecordReader::new(&header, plain) {
            let record = record.map_err(|error| damaged(&error))?;
            let offset = header.base_offset.saturating_add(record.offset_delta.into());
            if offset < batch.first_offset {
                continue;
            }
            let place = |part: &[u8]| -> Range<u32> {
                let begin = (base + offset_in(plain, part)) as u32;
                begin..begin + part.len() as u32
            };
            let created = header.base_timestamp.wrapping_add(record.timestamp_delta);
            let timestamp = if append_time { header.max_timestamp } else { created };
            let headers = record.headers.encoded();
            records.push(RecordSlot {
                offset,
                timestamp,
                timestamp_type: match (timestamp, append_time) {
                    (-1, _) => 0,
                    (_, false) => 1,
                    (_, true) => 2,
                },
                key: record.key.map(place),
                value: record.value.map(place),
                header_count: record.headers.len() as u32,
                headers: if headers.is_empty() { 0..0 } else { place(headers) },
            });
        }
    }
    let buffer = expanded.map_or_else(|| batch.records.clone(), Bytes::from);
    Ok(FetchedRecords { topic: batch.topic.clone(), partition: batch.partition, buffer, records })
}

/// Where a part of a slice begins.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use millstream_wire::{
        batch::{BatchStamp, RecordBatchBuilder},
        compression::Codec,
    };

    use super::*;

    fn batch(codec: Codec, len: usize) -> Vec<u8> {
        let mut builder = RecordBatchBuilder::with_capacity(len);
        builder.append(0, None, Some(&vec![0; len]), std::iter::empty()).unwrap();
        builder.finish(&BatchStamp { codec, ..BatchStamp::default() }).unwrap().to_vec()
    }

    fn read_all(batches: &[Vec<u8>], max_decompressed: usize) -> Result<usize, String> {
        let fetched = FetchedRecordBatches {
            topic: TopicName::parse("t").unwrap(),
            partition: 3,
            first_offset: 0,
            next_offset: 1,
            record_count: batches.len() as u32,
            records: Bytes::from(batches.concat()),
            end_offset: None,
        };
        let read = read(&fetched, max_decompressed, &mut Vec::new());
        read.map(|read| read.records.len()).map_err(|failure| failure.message)
    }

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    fn clients(worker: &[(&str, &str)], policy: OverridePolicy) -> KafkaClients {
        KafkaClients::new(Arc::new(millstream_client::TcpDial), "b:1", config(worker), policy)
    }

    #[test]
    fn the_connectors_overrides_count_before_the_workers_keys_and_these_before_the_defaults() {
        let worker = [
            ("linger.ms", "1"),
            ("request.timeout.ms", "1"),
            ("producer.linger.ms", "2"),
            ("producer.acks", "1"),
            ("consumer.fetch.max.bytes", "2"),
            ("admin.request.timeout.ms", "2"),
            ("admin.retry.backoff.ms", "2"),
            ("reconnect.backoff.ms", "1"),
        ];
        let connector = config(&[
            ("producer.override.linger.ms", "3"),
            ("consumer.override.group.id", "mine"),
            ("admin.override.retry.backoff.ms", "3"),
            ("linger.ms", "4"),
        ]);
        let clients = clients(&worker, OverridePolicy::All);
        let check = |properties: BTreeMap<String, String>, expected: &[(&str, Option<&str>)]| {
            for (key, value) in expected {
                assert_eq!(properties.get(*key).map(String::as_str), *value, "{key}");
            }
        };
        let own = [("client.id", "own"), ("linger.ms", "0"), ("acks", "all"), ("group.id", "connect-c")];
        // What has no prefix is not for clients of tasks.
        check(
            clients.properties(&own, "producer", &connector).unwrap(),
            &[
                ("linger.ms", Some("3")),
                ("acks", Some("1")),
                ("client.id", Some("own")),
                ("request.timeout.ms", None),
                ("bootstrap.servers", Some("b:1")),
            ],
        );
        check(
            clients.properties(&own, "consumer", &connector).unwrap(),
            &[
                ("group.id", Some("mine")),
                ("fetch.max.bytes", Some("2")),
                ("linger.ms", Some("0")),
                ("request.timeout.ms", None),
            ],
        );
        check(
            clients.admin_properties("own", &connector).unwrap(),
            &[
                ("request.timeout.ms", Some("2")),
                ("retry.backoff.ms", Some("3")),
                ("reconnect.backoff.ms", Some("1")),
                ("client.id", Some("own")),
                ("producer.acks", None),
                ("bootstrap.servers", Some("b:1")),
            ],
        );
    }

    #[test]
    fn a_name_of_transactions_is_refused_but_where_the_worker_has_one_of_its_own() {
        let clients = clients(&[], OverridePolicy::All);
        let named = config(&[
            ("producer.override.transactional.id", "mine"),
            ("producer.override.enable.idempotence", "false"),
            ("errors.deadletterqueue.topic.name", "letters"),
        ]);
        let refused = |in_transactions| {
            let refused = clients.refused_settings(&["producer", "admin"], in_transactions, &named);
            refused.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(refused(true), [""; 0]);
        // Connect takes it, and fails every task.
        assert_eq!(refused(false), ["producer.override.transactional.id"]);
    }

    #[test]
    fn what_transactions_need_replaces_what_somebody_has_set_and_says_so() {
        let replaced = |entries: &[(&str, &str)]| {
            let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let told = std::cell::RefCell::new(Vec::new());
            let properties = in_transactions(entries, "g-c-0", |key, [theirs, ours]| {
                told.borrow_mut().push(format!("{key}: {theirs}, {ours}"));
            });
            assert_eq!(properties["transactional.id"], "g-c-0");
            assert_eq!(properties["enable.idempotence"], "true");
            told.into_inner()
        };
        assert_eq!(replaced(&[("acks", "all")]), [""; 0]);
        assert_eq!(replaced(&[("transactional.id", "g-c-0"), ("enable.idempotence", "TRUE")]), [""; 0]);
        assert_eq!(
            replaced(&[("transactional.id", "G-c-0"), ("enable.idempotence", "false")]),
            ["enable.idempotence: false, true", "transactional.id: G-c-0, g-c-0"]
        );
    }

    #[test]
    fn a_sink_asks_for_records_every_ten_seconds_unless_the_worker_or_the_connector_says_otherwise() {
        let wait = |worker: &[(&str, &str)], connector: &[(&str, &str)]| {
            let clients = clients(worker, OverridePolicy::All);
            let properties = clients.properties(&of_sink("g", "c"), "consumer", &config(connector)).unwrap();
            ConsumerConfig::from_properties(&properties).unwrap().fetch_max_wait.as_millis()
        };
        let worker = [("consumer.fetch.max.wait.ms", "500")];
        assert_eq!(wait(&[], &[]), 10_000);
        assert_eq!(wait(&worker, &[]), 500);
        assert_eq!(wait(&worker, &[("consumer.override.fetch.max.wait.ms", "100")]), 100);
    }

    #[test]
    fn an_admin_goes_by_the_workers_name_unless_it_is_given_one() {
        let id = |worker: &[(&str, &str)]| {
            let clients = clients(worker, OverridePolicy::All);
            clients.admin_properties("own", &ConfigMap::new()).unwrap().remove("client.id").unwrap()
        };
        assert_eq!(id(&[("client.id", "")]), "own");
        assert_eq!(id(&[("client.id", "worker"), ("producer.client.id", "p")]), "worker");
        assert_eq!(id(&[("client.id", "worker"), ("admin.client.id", "admin")]), "admin");
    }

    #[test]
    fn an_override_that_the_policy_forbids_makes_no_client() {
        let clients = clients(&[], OverridePolicy::None);
        let refused = clients.properties(&[], "producer", &config(&[("producer.override.acks", "1")])).unwrap_err();
        assert!(refused.message.starts_with("Client Config Overrides not allowed: "), "{refused}");
        assert!(clients.properties(&[], "producer", &config(&[("consumer.override.group.id", "g")])).is_ok());
    }

    #[test]
    fn what_expands_beyond_the_limit_is_refused_and_the_key_named() {
        let small = batch(Codec::Gzip, 1000);
        assert_eq!(read_all(&[small.clone(), small.clone()], 4096), Ok(2));
        let refused = read_all(&[batch(Codec::Gzip, 1 << 20)], 4096).unwrap_err();
        assert!(refused.starts_with("read t-3 from offset 0: "), "{refused}");
        assert!(refused.ends_with("(fetch.decompressed.max.bytes of the consumer is 4096)"), "{refused}");
        // Together they are too large; what travels uncompressed counts and has no limit of its own.
        assert!(read_all(&[small.clone(), small.clone(), small.clone(), small.clone(), small.clone()], 4096).is_err());
        assert!(read_all(&[small, batch(Codec::None, 1 << 20)], 4096).is_ok());
        assert!(read_all(&[batch(Codec::None, 1 << 20), batch(Codec::Gzip, 10)], 4096).is_err());
    }
}
