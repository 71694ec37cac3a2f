//! A task is built, of its plugin, converters, transforms and clients, and runs to its end.

use std::{sync::Arc, time::Duration};

use millstream_config::{
    ParsedConfig, TopicPattern, TopicRules, Wanted, connector_key_names as key, has_topic_rules, record_error_key,
    secrets, sink_error_keys, sink_keys, source_error_keys, source_keys, topic_list, transaction_key, transaction_keys,
};
use millstream_connector::{ErrorKind, Failure, Lease, PluginInfo, PluginKind, SinkContext, SourceContext};
use millstream_metrics::Labels;
use millstream_record::TopicName;
use tokio::time::Instant;

use super::{
    TaskStart,
    classes::{TaskLimits, not_found, wanted},
    settings::WorkerParts,
};
use crate::{
    converters::Converters,
    dead_letters::{self, Context, Provenance},
    error_policy::{CONNECT_EXCEPTION, ErrorPolicy},
    exactly_once::{self, Generations},
    kafka::{ProducerUse, SinkTopics},
    offsets::{OffsetWriter, StoredOffsets, TransactionOffsets, open_own, store_of},
    provided,
    report::LogPolicy,
    sink_task::{self, CommitSettings, DeadLetters, PutPolicy, ReportRules, Reporting, SinkTask, Stages},
    source_task::{
        self, Flow, FlowSettings, NewTopics, Pipeline, RequestedEnds, SourceFailure, SourceLetters, SourceTask,
        Transactions,
    },
    task::TaskControl,
    task_plugins::TaskPlugins,
    transaction_boundary::{BoundaryRule, TransactionBoundary},
    transform_chain::TransformChain,
};

/// Builds a task and runs it to its end, with the variables of its configurations resolved.
pub(super) async fn run_task(
    parts: WorkerParts,
    generations: Arc<dyn Generations>,
    lease: Option<Arc<dyn Lease>>,
    start: TaskStart,
    control: TaskControl,
) -> Result<(), Failure> {
    let providers = &parts.settings.providers;
    let resolving = async {
        let connector = provided::resolve(providers, &start.connector_config).await?;
        Ok::<_, Failure>((connector, provided::resolve(providers, &start.task_config).await?))
    };
    let (connector, task) = tokio::select! {
        biased;
        () = control.stopped() => return Ok(()),
        resolved = resolving => resolved?,
    };
    let [connector, task] = [connector, task].map(|one| provided::with_passwords(parts.plugins.as_ref(), one));
    for resolved in [&connector, &task] {
        control.keep_secrets(secrets::keep(&start.id.connector, &resolved.secrets()));
    }
    let hash = dead_letters::hash(&start.connector_config);
    let start = TaskStart { connector_config: connector.config.clone(), task_config: task.config.clone(), ..start };
    let ended = run_resolved(parts, (generations.as_ref(), lease), start, hash, control).await;
    ended.map_err(|failure| provided::hidden(&task, provided::hidden(&connector, failure)))
}

/// `hash` names the configuration before its variables were resolved.
async fn run_resolved(
    parts: WorkerParts,
    (generations, lease): (&dyn Generations, Option<Arc<dyn Lease>>),
    start: TaskStart,
    hash: u64,
    control: TaskControl,
) -> Result<(), Failure> {
    let class = &wanted(&start.connector_config).map_err(|error| not_found(&error))?;
    let plugin = parts.plugins.find_connector(class).map_err(|error| not_found(&error))?;
    TaskLimits::read(&start.connector_config).check(&start.id.connector, start.count as usize)?;
    let (mut keys, ours) = match plugin.kind {
        PluginKind::Sink => (sink_keys(), sink_error_keys()),
        _ => (source_keys(), source_error_keys()),
    };
    keys.define_all(&ours);
    if plugin.kind != PluginKind::Sink {
        keys.define_all(&transaction_keys());
    }
    let config =
        keys.parse(&start.connector_config).map_err(|error| Failure::new(ErrorKind::Config, "", error.message()))?;
    control.metrics.made_of(|metrics, id| {
        TaskPlugins::of(metrics, id, parts.plugins.as_ref(), &plugin, &parts.settings.properties, &config)
    });
    let stopped = control.clone();
    let (plugin, config) = (plugin.as_ref(), &config);
    let build = Build { parts: &parts, generations, lease, start: &start, hash, control, plugin, config, class };
    // A task that is still being built has nothing to commit, so that a stop just ends it.
    if plugin.kind == PluginKind::Sink {
        let task = tokio::select! {
            biased;
            () = stopped.stopped() => return Ok(()),
            task = build.sink() => task?,
        };
        task.run(&start.task_config).await
    } else {
        let mut wait = exactly_once::RETRY;
        loop {
            let task = tokio::select! {
                biased;
                () = stopped.stopped() => return Ok(()),
                task = build.clone().source() => task?,
            };
            stopped.status.note(REFUSED, None);
            let began = Instant::now();
            let failure = match task.run(&start.task_config).await {
                Ok(()) => return Ok(()),
                Err(SourceFailure::Refused(failure)) if !stopped.is_stopping() => failure,
                Err(SourceFailure::Failed(failure) | SourceFailure::Refused(failure)) => return Err(failure),
            };
            if LONG < began.elapsed() {
                wait = exactly_once::RETRY;
            }
            let wait_ms = wait.as_millis();
            tracing::warn!(task = %start.id, error = %failure, "the end of a transaction was refused: the task begins anew in {wait_ms} ms behind what was committed");
            let note = format!(
                "The end of a transaction was refused, and the task begins anew behind what was committed: {}",
                failure.trace()
            );
            stopped.status.note(REFUSED, Some(note.trim_end().to_owned()));
            tokio::select! {
                biased;
                () = stopped.stopped() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(exactly_once::RETRY_MAX);
        }
    }
}

/// The kind of the note of a task that begins anew since the end of its transaction was refused.
const REFUSED: &str = "transaction";

/// A task that has run for so long before that waits as little as one that never has.
const LONG: Duration = Duration::from_secs(60);

/// Builds one task.
#[derive(Clone)]
struct Build<'a> {
    parts: &'a WorkerParts,
    generations: &'a dyn Generations,
    lease: Option<Arc<dyn Lease>>,
    start: &'a TaskStart,
    hash: u64,
    control: TaskControl,
    plugin: &'a PluginInfo,
    config: &'a ParsedConfig,
    class: &'a Wanted,
}

impl Build<'_> {
    async fn converters(&self) -> Result<Converters, Failure> {
        let WorkerParts { plugins, natives, settings, .. } = self.parts;
        let (id, connector) = (&self.start.id, &self.start.connector_config);
        let beside = Some(self.plugin.location.as_str());
        Converters::build(plugins.as_ref(), natives, id, &settings.properties, connector, beside).await
    }

    async fn chain(&self) -> Result<Option<TransformChain>, Failure> {
        let beside = Some(self.plugin.location.as_str());
        TransformChain::build(self.parts.plugins.as_ref(), &self.start.id, self.config, beside).await
    }

    async fn source(self) -> Result<SourceTask, Failure> {
        let (converters, chain) = (self.converters().await?, self.chain().await?);
        let (policy, log) = (ErrorPolicy::read(self.config), LogPolicy::read(self.config));
        let letters = self.source_letters().await?;
        let new_topics = self.new_topics()?;
        let rule = self.boundary_rule();
        let Self { parts, generations, lease, start, control, plugin, class, .. } = self;
        let id = &start.id;
        let config = &start.connector_config;
        let name = parts.settings.exactly_once.transactional_id(&id.connector, id.number);
        let (producer, offsets, writer): (_, _, (Box<dyn OffsetWriter>, _)) = match (name, &parts.offset_topics) {
            (Some(name), Some(topics)) => {
                let clients = parts.clients.as_ref();
                let of = (name.as_str(), start.generation);
                let producer = exactly_once::producer(clients, generations, &control, of, config).await?;
                // What an earlier task has stored is certain from here on.
                let own = open_own(topics.as_ref(), config).await?;
                let counts = parts.metrics.group(Labels::task(&id.connector, id.number));
                let boundary = TransactionBoundary::new(rule, Instant::now());
                let transactions = Transactions::new(boundary, own.topic.clone(), counts);
                let writer = TransactionOffsets::new(id.connector.clone(), &own, &parts.offsets);
                (producer, own.over(&parts.offsets), (Box::new(writer), Some(transactions)))
            }
            (Some(_), None) => {
                let text = "this worker has no offsets topic, without which nothing is delivered exactly once";
                return Err(Failure::new(ErrorKind::Config, "", text));
            }
            (None, _) => {
                let producer = parts.clients.producer(id, ProducerUse::Records, config).await?;
                let offsets = store_of(parts.offset_topics.as_ref(), &parts.offsets, config, false).await?;
                let writer = StoredOffsets::new(id.connector.clone(), Arc::clone(&offsets));
                (producer, offsets, (Box::new(writer), None))
            }
        };
        let by_plugin = rule == BoundaryRule::Connector && writer.1.is_some();
        let ends = by_plugin.then(Arc::<RequestedEnds>::default);
        let context: Arc<dyn SourceContext> =
            Arc::new(source_task::TaskContext { control: control.clone(), offsets, ends: ends.clone(), lease });
        let task = parts.plugins.source_task(class, id, context).await.map_err(|error| error.failure())?;
        let settings = FlowSettings {
            flush_interval: parts.settings.flush_interval,
            flush_timeout: parts.settings.flush_timeout,
            policy,
            log,
            commit_records: plugin.commit_records,
        };
        let counts = control.metrics.source(&parts.metrics, id);
        let flow = Flow::new(control.clone(), producer, letters, writer, new_topics, settings, counts);
        let pipeline =
            Pipeline { chain, converters, policy, log, control: control.clone(), scratch: Default::default() };
        Ok(SourceTask { task, pipeline, flow, control, ends, renewal_after: tokio::time::Instant::now() })
    }

    /// What makes topics by the connector's rules; `None` if it has none, or the worker does not want it.
    fn new_topics(&self) -> Result<Option<NewTopics>, Failure> {
        let Self { parts, start, .. } = self;
        let (id, connector) = (&start.id, &start.connector_config);
        if !parts.settings.create_topics {
            if has_topic_rules(connector) {
                tracing::warn!(task = %id, "topic.creation.enable of the worker is false, so the connector's rules beneath topic.creation. have no effect");
            }
            return Ok(None);
        }
        let rules = TopicRules::read(connector).map_err(|errors| {
            let message = errors.first().map(|(_, error)| error.message()).unwrap_or_default();
            Failure::new(ErrorKind::Config, "", message)
        })?;
        let Some(rules) = rules else { return Ok(None) };
        if rules.lists_default {
            tracing::warn!(task = %id, "'default' topic creation group always exists and does not need to be listed explicitly");
        }
        let admin = parts.clients.topics(id, connector)?;
        Ok(Some(NewTopics::new(id.clone(), rules, admin)))
    }

    /// What ends the task's transactions.
    fn boundary_rule(&self) -> BoundaryRule {
        let interval = || key::TRANSACTION_BOUNDARY_INTERVAL.get(self.config);
        match key::TRANSACTION_BOUNDARY.get(self.config).to_ascii_lowercase().as_str() {
            "interval" => BoundaryRule::Interval(interval().unwrap_or(self.parts.settings.flush_interval)),
            "connector" => BoundaryRule::Connector,
            _ => BoundaryRule::Poll { linger: transaction_key::POLL_LINGER.get(self.config) },
        }
    }

    async fn sink(self) -> Result<SinkTask, Failure> {
        let (converters, chain) = (self.converters().await?, self.chain().await?);
        let (policy, log) = (ErrorPolicy::read(self.config), LogPolicy::read(self.config));
        let dead_letters = self.dead_letters().await?;
        let topics = self.topics()?;
        let Self { parts, lease, start, control, config, class, .. } = self;
        let id = &start.id;
        let rules = ReportRules { available: log.enabled || dead_letters.is_some(), tolerance: policy.tolerance };
        let clients = Arc::clone(&parts.clients);
        let reporter = sink_task::Reporter::new(clients, id.clone(), start.connector_config.clone());
        let context = Arc::new(sink_task::TaskContext::new(control.clone(), rules, lease, reporter));
        let asked: Arc<dyn SinkContext> = Arc::clone(&context) as Arc<dyn SinkContext>;
        let task = parts.plugins.sink_task(class, id, asked).await.map_err(|error| error.failure())?;
        let consumer = parts.clients.consumer(id, &topics, &start.connector_config).await?;
        let reporting = Reporting { log, dead_letters };
        let put_policy = PutPolicy::read(config, policy.tolerance);
        let stages = Stages { chain, converters, policy, reporting, put_policy, control: control.clone() };
        let settings =
            CommitSettings { interval: parts.settings.flush_interval, timeout: parts.settings.flush_timeout };
        let counts = control.metrics.sink(&parts.metrics, id);
        Ok(SinkTask::new(task, consumer, stages, context, control, settings, counts))
    }

    fn topics(&self) -> Result<SinkTopics, Failure> {
        let invalid = |message: String| Failure::new(ErrorKind::Config, "", message);
        let config = &self.start.connector_config;
        let key = key::TOPICS_REGEX.name();
        let wrong = |error| invalid(format!("Invalid value for configuration {key}: Invalid regex: {error}"));
        if let Some(pattern) = TopicPattern::read(config).map_err(wrong)? {
            return Ok(SinkTopics::Matching(Arc::new(pattern)));
        }
        let topics = topic_list(config);
        if topics.is_empty() {
            return Err(invalid(format!("Must configure one of topics or {key}")));
        }
        let named = topics.iter().map(|topic| TopicName::parse(topic).map_err(|error| invalid(error.to_string())));
        Ok(SinkTopics::Named(named.collect::<Result<_, _>>()?))
    }

    /// The dead-letter queue of a sink, if it has one.
    async fn dead_letters(&self) -> Result<Option<DeadLetters>, Failure> {
        let Some(topic) = self.dead_letter_topic().await? else { return Ok(None) };
        let (id, connector) = (&self.start.id, &self.start.connector_config);
        let producer = self.parts.clients.producer(id, ProducerUse::DeadLetters, connector).await?;
        let context = self
            .context(key::DLQ_CONTEXT_HEADERS.get(self.config), record_error_key::DLQ_REPLAY_HEADERS.get(self.config));
        Ok(Some(DeadLetters::new(producer, topic, context, self.control.metrics.clone())))
    }

    /// The dead letters of a source, if it writes any.
    async fn source_letters(&self) -> Result<Option<SourceLetters>, Failure> {
        let Some(topic) = self.dead_letter_topic().await? else { return Ok(None) };
        let headers = record_error_key::SOURCE_DLQ_HEADERS.get(self.config);
        let context = self.context(headers, headers);
        SourceLetters::new(&self.parts.natives, topic, context, self.control.metrics.clone()).map(Some)
    }

    fn context(&self, connect: bool, own: bool) -> Context {
        let own = own.then(|| Provenance::of(self.plugin, self.hash));
        Context { task: self.start.id.clone(), connect, own }
    }

    /// The topic of dead letters, which exists then; `None` if none is named.
    async fn dead_letter_topic(&self) -> Result<Option<TopicName>, Failure> {
        let topic = key::DLQ_TOPIC.get(self.config);
        if topic.is_empty() {
            return Ok(None);
        }
        let failed = |cause: Failure| {
            let message = format!("Could not initialize dead letter queue with topic={topic}");
            cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
        };
        let (id, connector) = (&self.start.id, &self.start.connector_config);
        let name =
            TopicName::parse(&topic).map_err(|error| failed(Failure::new(ErrorKind::Config, "", error.to_string())))?;
        let replication = key::DLQ_REPLICATION_FACTOR.get(self.config);
        self.parts.clients.create_topic(id, &name, replication, connector).await.map_err(failed)?;
        Ok(Some(name))
    }
}
