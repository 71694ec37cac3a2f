//! Clients of the topics in which a group of workers keeps its state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use millstream_client::{
    Admin, AdminConfig, Cluster, ConnectionSettings, Consumer, ConsumerConfig, Dial, ErrorCode, HostPort, Producer,
    ProducerConfig, RequestError,
    admin::{ConfigResource, NewTopic, OffsetSpec},
    config::IsolationLevel,
};
use millstream_config::{ConfigMap, OverridePolicy, originals_with_prefix};
use millstream_connector::{ErrorKind, Failure};
use millstream_metrics::Metrics;
use millstream_record::{ErrorChain, TopicName};

use super::{
    RecordConsumer, RecordProducer,
    client::{ClientConsumer, ClientProducer, request_failure, wrong_setting},
};
use crate::error_policy::CONNECT_EXCEPTION;

/// The topic that a log is kept in, as the worker's configuration wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogTopic {
    /// Its name.
    pub name: TopicName,
    /// The key of the worker's configuration that names it.
    pub key: &'static str,
    /// What is kept in it, in Connect's words.
    pub purpose: &'static str,
    /// Partitions of a new topic; `None` for the broker's default.
    pub partitions: Option<u32>,
    /// Replication factor of a new topic; `None` for the broker's default.
    pub replication_factor: Option<u16>,
    /// Further settings of a new topic.
    pub configs: BTreeMap<String, String>,
    /// Whether it has to have exactly one partition, since the order of all records matters.
    pub single_partition: bool,
    /// Whether it may be made (`internal.topics.automatic.creation.enable`).
    pub may_create: bool,
}

/// Why a topic was not made.
#[derive(Clone, Debug)]
pub enum CreateTopicError {
    /// It is there.
    Exists,
    /// The worker may not make topics, or the cluster does not know how.
    NotAllowed(Failure),
    /// It may go better in a moment.
    Later(Failure),
    /// It cannot be made like this.
    Refused(Failure),
}

/// What a log that is kept in a topic asks of Kafka.
#[async_trait]
pub trait LogClients: Send + Sync {
    /// The number of partitions of a topic; `None` where there is no such topic.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked, or does not tell.
    async fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, Failure>;

    /// Makes a compacted topic.
    ///
    /// # Errors
    ///
    /// It was not made.
    async fn create(&self, topic: &LogTopic) -> Result<(), CreateTopicError>;

    /// The setting `cleanup.policy` of a topic; `None` where the cluster does not tell.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked, or does not tell this worker.
    async fn cleanup_policy(&self, topic: &TopicName) -> Result<Option<String>, Failure>;

    /// Where each of a topic's partitions ends now.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked in time.
    async fn end_offsets(&self, topic: &TopicName, partitions: u32) -> Result<Vec<i64>, Failure>;

    /// A producer whose records keep their order.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    fn producer(&self) -> Result<Box<dyn RecordProducer>, Failure>;

    /// A producer that writes in transactions under the name that a leader has to itself; `None` where a leader writes as
    /// everybody does.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    fn leader(&self) -> Result<Option<Box<dyn RecordProducer>>, Failure> {
        Ok(None)
    }

    /// Reads all partitions of a topic from their beginning, without a group.
    ///
    /// # Errors
    ///
    /// The settings cannot be used.
    fn reader(&self, topic: &TopicName, partitions: u32) -> Result<Box<dyn RecordConsumer>, Failure>;
}

/// Clients with the worker's own settings, those without a prefix, and for a connector's own topic with its overrides.
pub struct InternalClients {
    /// For the producer.
    cluster: Cluster,
    /// For the consumer.
    reads: Cluster,
    admin: Admin,
    producer: ProducerConfig,
    /// For a leader that writes in transactions.
    leader: Option<ProducerConfig>,
    consumer: ConsumerConfig,
    /// What counts as the end of a topic.
    ends: IsolationLevel,
}

/// Prefixes of keys that concern clients of tasks.
const CLIENT_PREFIXES: [&str; 3] = ["admin.", "producer.", "consumer."];

/// The worker's own client settings: everything without a prefix.
fn worker_settings(worker: &ConfigMap, bootstrap: &str) -> BTreeMap<String, String> {
    let own = worker.iter().filter(|(key, _)| !CLIENT_PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
    let mut properties: BTreeMap<String, String> =
        own.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    properties.insert("bootstrap.servers".to_owned(), bootstrap.to_owned());
    properties
}

fn with(properties: &BTreeMap<String, String>, own: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut properties = properties.clone();
    // The worker's group is none of consumers, and its session is none of theirs.
    for key in ["group.id", "session.timeout.ms", "heartbeat.interval.ms", "rebalance.timeout.ms"] {
        properties.remove(key);
    }
    properties.extend(own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    properties
}

impl InternalClients {
    /// Clients for one store (`configs`, `statuses`, `offsets`), which shows in their client ids, and by which they count.
    ///
    /// # Errors
    ///
    /// The first setting of the worker that a client refuses.
    pub fn new(
        dial: Arc<dyn Dial>,
        bootstrap: &str,
        worker: &ConfigMap,
        store: &str,
        metrics: &Metrics,
    ) -> Result<Self, Failure> {
        let settings = worker_settings(worker, bootstrap);
        let filled = |key: &str| settings.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let group = filled("group.id").unwrap_or_default();
        let client = filled("client.id").map_or_else(String::new, |id| format!("{id}-"));
        let id = format!("{group}-{client}{store}");
        // Numbered batches, unlike Connect's: what is sent again because its answer got lost is not written twice, and
        // a commit that stood there twice would take the tasks away.
        let mut own = vec![
            ("client.id", id.as_str()),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("retries", "2147483647"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
        ];
        // Whoever writes waits for it.
        if !settings.contains_key("linger.ms") {
            own.push(("linger.ms", "0"));
        }
        let producer = ProducerConfig::from_properties(&with(&settings, &own)).map_err(wrong_setting)?;
        // Most of a worker's keys concern other parts of it; those that concern none are named at its start.
        let mut producer = ProducerConfig { ignored: Vec::new(), ..producer };
        producer.connection.metrics = metrics.clone();
        let own = [("client.id", id.as_str()), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")];
        let consumer = ConsumerConfig::from_properties(&with(&settings, &own)).map_err(wrong_setting)?;
        let mut consumer = ConsumerConfig { ignored: Vec::new(), ..consumer };
        consumer.connection.metrics = metrics.clone();
        let id = format!("{group}-{client}shared-admin");
        let admin = AdminConfig::from_properties(&with(&settings, &[("client.id", &id)]));
        let mut admin = admin.map_err(wrong_setting)?;
        admin.connection.metrics = metrics.clone();
        let cluster = Cluster::connect(dial, &admin.bootstrap, admin.connection.clone());
        let (admin, reads) = (Admin::new(&cluster, &admin), cluster.clone());
        // Also what an open transaction holds back is to be waited for.
        let ends = IsolationLevel::ReadUncommitted;
        Ok(Self { admin, reads, cluster, producer, leader: None, consumer, ends })
    }

    /// A leader writes in transactions under this name, and shuts out whoever has had it before.
    #[must_use]
    pub fn led_in_transactions(mut self, transactional_id: String) -> Self {
        let mut leader = self.producer.clone();
        leader.connection.client_id = format!("{}-leader", leader.connection.client_id);
        leader.transactional_id = Some(transactional_id.into());
        self.leader = Some(leader);
        self
    }

    /// Of what is written in transactions only that is read which was committed, whatever the settings say.
    #[must_use]
    pub fn reading_committed(mut self) -> Self {
        self.consumer.isolation = IsolationLevel::ReadCommitted;
        self
    }

    /// The topic ends before the first transaction that is open. For a topic in which a leader alone writes
    /// transactions: one that it has left open when it died is ended by the next leader, who cannot come to lead while it
    /// waits for that.
    #[must_use]
    pub fn ending_with_committed(mut self) -> Self {
        self.ends = IsolationLevel::ReadCommitted;
        self.reading_committed()
    }
}

/// Overrides of a connector for one kind of client, if the policy allows them.
fn overrides(connector: &ConfigMap, kind: &str, policy: &OverridePolicy) -> Result<ConfigMap, Failure> {
    let overrides = originals_with_prefix(connector, &format!("{kind}.override."));
    match overrides.keys().find_map(|key| policy.refusal(key)) {
        Some(refusal) => {
            let message = format!("Client Config Overrides not allowed: {refusal}");
            Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
        }
        None => Ok(overrides),
    }
}

impl InternalClients {
    /// Clients for the offsets topic of one connector: with the settings that its tasks' clients have.
    ///
    /// # Errors
    ///
    /// A setting that a client refuses, or that the policy does not let a connector override.
    pub fn of_connector(
        dial: Arc<dyn Dial>,
        bootstrap: &str,
        worker: &ConfigMap,
        connector: &ConfigMap,
        policy: &OverridePolicy,
    ) -> Result<Self, Failure> {
        let name = connector.get("name").and_then(Option::as_deref).unwrap_or_default();
        let settings = |kind: &str, base: BTreeMap<String, String>, own: &[(&str, &str)]| {
            let mut properties = with(&base, own);
            let more = originals_with_prefix(worker, &format!("{kind}."));
            let more = more.into_iter().chain(overrides(connector, kind, policy)?);
            properties.extend(more.filter_map(|(key, value)| Some((key, value?))));
            Ok::<_, Failure>(properties)
        };
        let bare = || BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap.to_owned())]);
        let id = format!("connector-offset-producer-{name}");
        let own = [
            ("client.id", id.as_str()),
            ("acks", "all"),
            ("linger.ms", "0"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
        ];
        let mut producer = settings("producer", bare(), &own)?;
        // It writes in no transaction; what a connector may call those of its tasks is the worker's business.
        producer.remove("transactional.id");
        let producer = ProducerConfig::from_properties(&producer).map_err(wrong_setting)?;
        let id = format!("connector-consumer-{name}");
        let own = [
            ("client.id", id.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_committed"),
        ];
        let mut consumer = settings("consumer", bare(), &own)?;
        // It reads alone, whatever group the connector's consumers are to be in.
        consumer.remove("group.id");
        let consumer = ConsumerConfig::from_properties(&consumer).map_err(wrong_setting)?;
        let id = format!("connector-adminclient-{name}");
        let base = worker_settings(worker, bootstrap);
        let admin = AdminConfig::from_properties(&settings("admin", base, &[("client.id", &id)])?);
        let admin = admin.map_err(wrong_setting)?;
        let connect = |bootstrap: &[HostPort], connection: &ConnectionSettings| {
            Cluster::connect(Arc::clone(&dial), bootstrap, connection.clone())
        };
        Ok(Self {
            admin: Admin::new(&connect(&admin.bootstrap, &admin.connection), &admin),
            cluster: connect(&producer.bootstrap, &producer.connection),
            reads: connect(&consumer.bootstrap, &consumer.connection),
            producer,
            leader: None,
            consumer,
            ends: IsolationLevel::ReadUncommitted,
        })
    }

    /// Where records are written, as the settings name it.
    pub fn bootstrap(&self) -> Vec<String> {
        let mut servers: Vec<String> = self.producer.bootstrap.iter().map(ToString::to_string).collect();
        servers.sort();
        servers.dedup();
        servers
    }
}

/// What an answer to the making of a topic means.
fn create_error(code: ErrorCode, failure: Failure) -> CreateTopicError {
    match code {
        ErrorCode::TOPIC_ALREADY_EXISTS => CreateTopicError::Exists,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::UNSUPPORTED_VERSION => CreateTopicError::NotAllowed(failure),
        // Brokers that are starting are not there to be counted.
        ErrorCode::INVALID_REPLICATION_FACTOR | ErrorCode::REQUEST_TIMED_OUT => CreateTopicError::Later(failure),
        _ => CreateTopicError::Refused(failure),
    }
}

#[async_trait]
impl LogClients for InternalClients {
    async fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, Failure> {
        let mut described =
            self.admin.describe_topics(std::slice::from_ref(topic)).await.map_err(|error| request_failure(&error))?;
        match described.remove(topic) {
            None => Ok(None),
            Some(Ok(description)) => Ok(Some(description.topic.partitions.len() as u32)),
            Some(Err(refused)) if refused.source == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(None),
            Some(Err(refused)) => {
                Err(Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(&refused).to_string()))
            }
        }
    }

    async fn create(&self, topic: &LogTopic) -> Result<(), CreateTopicError> {
        let mut configs = topic.configs.clone();
        configs.insert("cleanup.policy".to_owned(), "compact".to_owned());
        let wanted = NewTopic {
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs,
            ..NewTopic::new(topic.name.clone())
        };
        let mut answers = self.admin.create_topics(&[wanted], false).await.map_err(|error| {
            let failure = request_failure(&error);
            match error {
                RequestError::Refused { source, .. } => create_error(source, failure),
                RequestError::Timeout { .. } => CreateTopicError::Later(failure),
                error if error.is_retriable() => CreateTopicError::Later(failure),
                _ => CreateTopicError::Refused(failure),
            }
        })?;
        match answers.remove(&topic.name) {
            Some(Err(refused)) => {
                let failure = Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(&refused).to_string());
                Err(create_error(refused.source, failure))
            }
            _ => Ok(()),
        }
    }

    async fn cleanup_policy(&self, topic: &TopicName) -> Result<Option<String>, Failure> {
        let resource = ConfigResource::Topic(topic.clone());
        let entries = self.admin.describe_configs(&resource).await.map_err(|error| request_failure(&error))?;
        let entries = entries.map_err(|refused| {
            Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(&refused).to_string())
        })?;
        Ok(entries.into_iter().find(|entry| entry.name == "cleanup.policy").and_then(|entry| entry.value))
    }

    async fn end_offsets(&self, topic: &TopicName, partitions: u32) -> Result<Vec<i64>, Failure> {
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        let wanted: Vec<_> = numbers.clone().map(|partition| (topic.clone(), partition, OffsetSpec::Latest)).collect();
        let found = self.admin.list_offsets(&wanted, self.ends).await;
        let found = found.map_err(|error| {
            let kind = if error.is_retriable() { ErrorKind::Retriable } else { ErrorKind::Fatal };
            Failure { kind, ..request_failure(&error) }
        })?;
        let end = |partition| found.get(&(topic.clone(), partition)).and_then(|listed| listed.offset).unwrap_or(0);
        Ok(numbers.map(end).collect())
    }

    fn producer(&self) -> Result<Box<dyn RecordProducer>, Failure> {
        Ok(Box::new(ClientProducer(Producer::new(&self.cluster, self.producer.clone()))))
    }

    fn leader(&self) -> Result<Option<Box<dyn RecordProducer>>, Failure> {
        let Some(leader) = &self.leader else { return Ok(None) };
        Ok(Some(Box::new(ClientProducer(Producer::new(&self.cluster, leader.clone())))))
    }

    fn reader(&self, topic: &TopicName, partitions: u32) -> Result<Box<dyn RecordConsumer>, Failure> {
        let mut consumer = Consumer::new(&self.reads, self.consumer.clone());
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        consumer.assign(numbers.map(|partition| (topic.clone(), partition)).collect::<BTreeSet<_>>());
        Ok(Box::new(ClientConsumer::new(consumer, self.consumer.fetch_decompressed_max_bytes as usize)))
    }
}
