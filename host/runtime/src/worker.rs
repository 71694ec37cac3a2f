//! Runs the instance and the tasks of a connector: starts them, tells them to pause, stops them within Connect's
//! times, and says what became of them.
//!
//! Every task that is spawned is owned here. One that does not end in time is cancelled: its future is
//! dropped, so that nothing more is written or committed, and its status is silenced.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use millstream_config::{
    ConfigDef, ConfigMap, ParsedConfig, Providers, Resolved, TopicPattern, TopicRules, Wanted, WorkerConfig,
    connector_key_names as key, has_topic_rules, record_error_key, restore_references,
    secrets::{self, Kept},
    sink_error_keys, sink_keys, source_error_keys, source_keys, topic_list, worker_key,
};
use millstream_connector::{
    Connector, ConnectorContext, ErrorKind, Failure, FindPluginError, Lease, PluginError, PluginInfo, PluginKind,
    Plugins, SinkContext, SourceContext, TaskId,
};
use millstream_metrics::{Labels, Metrics};
use millstream_record::TopicName;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    config_log::TargetState,
    converters::{Converters, Natives},
    dead_letters::{self, Context, Provenance},
    error_policy::{CONNECT_EXCEPTION, ErrorPolicy, Random},
    exactly_once::{self, ExactlyOnceSource, Generations},
    kafka::{Clients, ProducerUse, SinkTopics},
    leases::{Claims, LeaseKeeper, TaskLease},
    loads::BusyTimes,
    log_context,
    long_wait::{CALL, call_text, told_of},
    membership::GroupSession,
    offsets::{OffsetStore, OffsetTopics, OffsetWriter, StoredOffsets, TransactionOffsets, open_own, store_of},
    provided,
    report::LogPolicy,
    sink_task::{self, CommitSettings, DeadLetters, PutPolicy, ReportRules, Reporting, SinkTask, Stages},
    source_task::{
        self, Flow, FlowSettings, NewTopics, Pipeline, RequestedEnds, SourceLetters, SourceTask, Transactions,
    },
    status::{State, StatusBoard, StatusStore, StatusWriter},
    task::TaskControl,
    task_metrics::TaskMetrics,
    task_plugins::TaskPlugins,
    transaction_boundary::{BoundaryRule, TransactionBoundary},
    transform_chain::TransformChain,
};

/// Time that a connector has to stop.
pub(crate) const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The worker's settings that concern connectors and tasks.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The worker's properties, for converters and their settings.
    pub properties: ConfigMap,
    /// Time between two commits.
    pub flush_interval: Duration,
    /// Longest time for one.
    pub flush_timeout: Duration,
    /// Time that tasks have to stop.
    pub shutdown_timeout: Duration,
    /// Whether the topics that connectors use are noted (`topic.tracking.enable`).
    pub track_topics: bool,
    /// Whether users may have them forgotten (`topic.tracking.allow.reset`).
    pub allow_topic_reset: bool,
    /// Whether topics are made by the rules of source connectors (`topic.creation.enable`).
    pub create_topics: bool,
    /// Where the values of variables in configurations come from.
    pub providers: Arc<Providers>,
    /// Whether source connectors deliver exactly once.
    pub exactly_once: ExactlyOnceSource,
}

impl WorkerSettings {
    /// Reads a worker's configuration.
    pub fn from_config(worker: &WorkerConfig) -> Self {
        let config = worker.config();
        Self {
            properties: config.originals().clone(),
            flush_interval: worker_key::OFFSET_FLUSH_INTERVAL.get(config),
            flush_timeout: worker_key::OFFSET_FLUSH_TIMEOUT.get(config),
            shutdown_timeout: worker_key::TASK_SHUTDOWN_TIMEOUT.get(config),
            track_topics: worker_key::TOPIC_TRACKING_ENABLE.get(config),
            allow_topic_reset: worker_key::TOPIC_TRACKING_ALLOW_RESET.get(config),
            create_topics: worker_key::TOPIC_CREATION_ENABLE.get(config),
            providers: Arc::clone(worker.providers()),
            exactly_once: ExactlyOnceSource::of(worker),
        }
    }
}

/// What a worker works with. Cheap to clone.
#[derive(Clone)]
pub struct WorkerParts {
    /// Connectors, tasks and transforms.
    pub plugins: Arc<dyn Plugins>,
    /// Connect's own converters.
    pub natives: Natives,
    /// Kafka.
    pub clients: Arc<dyn Clients>,
    /// Source offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// Topics of connectors that keep their offsets apart; `None` for a worker by itself, where they cannot.
    pub offset_topics: Option<Arc<dyn OffsetTopics>>,
    /// Leases of connectors; `None` for a worker that keeps none.
    pub leases: Option<Arc<LeaseKeeper>>,
    /// Statuses of connectors and tasks.
    pub statuses: Arc<dyn StatusStore>,
    /// Spreads what would happen to many at once.
    pub random: Arc<Random>,
    /// Settings.
    pub settings: WorkerSettings,
    /// Counts what happens.
    pub metrics: Metrics,
}

/// Hears that the connector (`None`) or a task has failed.
pub(crate) type TellFailure = Arc<dyn Fn(Option<u32>) + Send + Sync>;

/// See the module's documentation.
pub struct Worker {
    parts: WorkerParts,
    statuses: StatusBoard,
    reconfigure: Arc<dyn Fn(&str) + Send + Sync>,
    generations: Arc<dyn Generations>,
    claims: Arc<dyn Claims>,
    session: GroupSession,
    busy: BusyTimes,
    failed: TellFailure,
    connectors: BTreeMap<String, RunningConnector>,
    tasks: BTreeMap<TaskId, RunningTask>,
    metrics: Arc<millstream_metrics::Worker>,
    /// Connectors and tasks that it has told the metrics of.
    counted: (i64, i64),
}

/// A state as metrics have it.
fn counted(state: State) -> millstream_metrics::State {
    match state {
        State::Unassigned => millstream_metrics::State::Unassigned,
        State::Running => millstream_metrics::State::Running,
        State::Paused => millstream_metrics::State::Paused,
        State::Stopped => millstream_metrics::State::Stopped,
        State::Failed => millstream_metrics::State::Failed,
        State::Restarting => millstream_metrics::State::Restarting,
    }
}

struct RunningConnector {
    /// `None` if the instance could not be made.
    connector: Option<Box<dyn Connector>>,
    status: StatusWriter,
    told: TellFailure,
    control: watch::Sender<bool>,
    started: bool,
    /// The configuration it was started with.
    resolved: Arc<Resolved>,
    /// Its secrets, as long as the instance is there.
    secrets: Kept,
    /// When the values in it are looked up again.
    expiry: Option<Instant>,
    /// Exists until the connector is stopped.
    _metrics: Arc<millstream_metrics::Connector>,
}

struct RunningTask {
    target: watch::Sender<TargetState>,
    cancel: CancellationToken,
    status: StatusWriter,
    handle: JoinHandle<()>,
    /// Exist until the task is stopped, though it may have failed long before.
    _metrics: TaskMetrics,
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        (self.connectors, self.tasks) = Default::default();
        self.count();
    }
}

/// A task to be started.
#[derive(Clone, Debug)]
pub(crate) struct TaskStart {
    pub(crate) id: TaskId,
    pub(crate) connector_config: ConfigMap,
    pub(crate) task_config: ConfigMap,
    /// How many tasks the connector has.
    pub(crate) count: u32,
    /// Which set of tasks it belongs to.
    pub(crate) generation: Option<u64>,
    pub(crate) target: TargetState,
}

impl Worker {
    /// A worker that runs nothing yet. `reconfigure` is called with a connector's name when the
    /// connector asks for new task configurations; `generations` says which tasks may write transactions, `claims` gives
    /// leases their epochs, `session` says when any task may write at all; beside it is counted how busy they are.
    pub(crate) fn new(
        parts: WorkerParts,
        statuses: StatusBoard,
        reconfigure: Arc<dyn Fn(&str) + Send + Sync>,
        (generations, claims): (Arc<dyn Generations>, Arc<dyn Claims>),
        (session, busy): (GroupSession, BusyTimes),
    ) -> Self {
        let metrics = parts.metrics.group(Labels::none());
        Self {
            parts,
            statuses,
            reconfigure,
            generations,
            claims,
            session,
            busy,
            failed: Arc::new(|_| ()),
            connectors: BTreeMap::new(),
            tasks: BTreeMap::new(),
            metrics,
            counted: (0, 0),
        }
    }

    /// From here on somebody hears of failures.
    pub(crate) fn tell_failures(&mut self, failed: TellFailure) {
        self.failed = failed;
    }

    /// The worker's properties.
    pub(crate) fn properties(&self) -> &ConfigMap {
        &self.parts.settings.properties
    }

    /// A number from 0 to 1.
    pub(crate) fn random(&self) -> f64 {
        (self.parts.random)()
    }

    /// Counts that a connector, or a task of it, was started again by itself.
    pub(crate) fn count_restart(&self, name: &str) -> Arc<millstream_metrics::Restarts> {
        let counts: Arc<millstream_metrics::Restarts> = self.parts.metrics.group(Labels::connector(name));
        counts.restarts.add(1);
        counts
    }

    fn status_of(&self, name: &str, task: Option<u32>) -> Option<&StatusWriter> {
        match task {
            None => self.connectors.get(name).map(|running| &running.status),
            Some(number) => {
                let id = TaskId { connector: name.to_owned(), number };
                self.tasks.get(&id).map(|running| &running.status)
            }
        }
    }

    /// Whether the connector, or a task of it, runs here and has failed.
    pub(crate) fn has_failed(&self, name: &str, task: Option<u32>) -> bool {
        self.status_of(name, task).is_some_and(StatusWriter::has_failed)
    }

    /// Adds a line to what is said about a failure.
    pub(crate) fn add_to_failure(&self, name: &str, task: Option<u32>, line: &str) {
        if let Some(status) = self.status_of(name, task) {
            status.add_to_failure(line);
        }
    }

    /// Makes a connector instance and, if the target says so, starts it.
    ///
    /// # Errors
    ///
    /// It cannot be made or started; its status is FAILED then, and it occupies its place until it is
    /// stopped.
    pub(crate) async fn start_connector(
        &mut self,
        name: &str,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure> {
        let metrics: Arc<millstream_metrics::Connector> = self.parts.metrics.group(Labels::connector(name));
        let counts = Arc::clone(&metrics);
        let status = self.statuses.writer(name, None);
        let status = status.observed_by(move |state| counts.state.enter(counted(state), Instant::now().into_std()));
        let (control, stopping) = watch::channel(false);
        let look_up = provided::resolve(&self.parts.settings.providers, config);
        let what = || {
            "config providers to look up values; a disk that does not answer makes the look-up fail after 30 seconds"
                .to_owned()
        };
        let looked_up = told_of(&status, "config providers", what, look_up).await;
        let looked_up = looked_up.map(|resolved| provided::with_passwords(self.parts.plugins.as_ref(), resolved));
        let resolved = Arc::new(looked_up.as_ref().map_or_else(|_| Resolved::default(), Clone::clone));
        self.describe(&metrics, &resolved.config);
        let context = InstanceContext {
            name: name.to_owned(),
            status: status.clone(),
            reconfigure: Arc::clone(&self.reconfigure),
            stopping,
            resolved: Arc::clone(&resolved),
            told: Arc::clone(&self.failed),
        };
        let expiry = expiry_of(&resolved);
        let mut running = RunningConnector {
            connector: None,
            status,
            told: Arc::clone(&self.failed),
            control,
            started: false,
            secrets: secrets::keep(name, &resolved.secrets()),
            resolved,
            expiry,
            _metrics: metrics,
        };
        let result = match looked_up {
            Ok(_) => running.make(self.parts.plugins.as_ref(), context, target).await,
            Err(failure) => Err(running.fail(failure)),
        };
        self.connectors.insert(name.to_owned(), running);
        // One that begins paused or stopped has not been started.
        if target == TargetState::Started || result.is_err() {
            let millstream_metrics::Worker {
                connector_starts,
                connector_start_successes,
                connector_start_failures,
                ..
            } = &*self.metrics;
            connector_starts.add(1);
            (if result.is_ok() { connector_start_successes } else { connector_start_failures }).add(1);
        }
        self.count();
        result
    }

    /// Says what a connector is.
    fn describe(&self, metrics: &millstream_metrics::Connector, config: &ConfigMap) {
        if let Ok(plugin) = plugin_of(self.parts.plugins.as_ref(), config) {
            metrics.class.set(&plugin.class);
            metrics.kind.set(if plugin.kind == PluginKind::Sink { "sink" } else { "source" });
            metrics.version.set(&plugin.version);
        }
    }

    /// Pauses, resumes or stops a connector instance; it stays the same instance.
    ///
    /// # Errors
    ///
    /// It does not start; its status is FAILED then.
    pub(crate) async fn turn_connector(
        &mut self,
        name: &str,
        config: &ConfigMap,
        target: TargetState,
    ) -> Result<(), Failure> {
        let Some(running) = self.connectors.get_mut(name) else { return Ok(()) };
        if target == TargetState::Started && !running.started {
            match provided::resolve(&self.parts.settings.providers, config).await {
                // Its tasks run with the values that were there before, and are looked after when these expire.
                Ok(resolved) if running.expiry.is_none() || resolved.config == running.resolved.config => {
                    let resolved = provided::with_passwords(self.parts.plugins.as_ref(), resolved);
                    running.secrets = secrets::keep(name, &resolved.secrets());
                    running.resolved = Arc::new(resolved);
                }
                Ok(resolved) => {
                    let resolved = provided::with_passwords(self.parts.plugins.as_ref(), resolved);
                    running.secrets = secrets::keep(name, &resolved.secrets());
                    running.expiry = Some(Instant::now());
                    return running.turn(&resolved.config, target).await;
                }
                Err(failure) => return Err(running.fail(failure)),
            }
        }
        let resolved = Arc::clone(&running.resolved);
        running.turn(&resolved.config, target).await
    }

    /// Returns the name of a connector whose values from config providers have expired, and forgets that they have.
    /// Dropping the future loses nothing.
    pub(crate) async fn expired(&mut self) -> String {
        let expiring = self.connectors.iter_mut().filter_map(|(name, running)| Some((running.expiry?, name, running)));
        match expiring.min_by_key(|(expiry, ..)| *expiry) {
            Some((expiry, name, running)) => {
                tokio::time::sleep_until(expiry).await;
                running.expiry = None;
                name.clone()
            }
            None => std::future::pending().await,
        }
    }

    /// Whether config providers give other values for a connector's configuration than it runs with. Looks again after
    /// the providers' time.
    ///
    /// # Errors
    ///
    /// A provider fails; it is asked again after as long as before.
    pub(crate) async fn values_have_changed(&mut self, name: &str, config: &ConfigMap) -> Result<bool, Failure> {
        let Some(running) = self.connectors.get_mut(name) else { return Ok(false) };
        running.expiry = expiry_of(&running.resolved);
        let resolved = provided::resolve(&self.parts.settings.providers, config).await?;
        Ok(resolved.config != running.resolved.config)
    }

    /// Task configurations of a started connector, with the framework's keys; `None` if it is not
    /// started.
    ///
    /// # Errors
    ///
    /// The connector fails to make them, or makes too many; its status is FAILED then.
    pub(crate) async fn task_configs(
        &mut self,
        name: &str,
        config: &ConfigMap,
        task_class: &str,
    ) -> Result<Option<Vec<ConfigMap>>, Failure> {
        let Some(running) = self.connectors.get_mut(name) else { return Ok(None) };
        let (true, Some(connector)) = (running.started, &mut running.connector) else { return Ok(None) };
        let limits = TaskLimits::read(&running.resolved.config);
        let call = unbroken(connector.task_configs(limits.max));
        let made =
            told_of(&running.status, CALL, || call_text("the connector to make task configurations"), call).await;
        let made = made.and_then(|configs| limits.check(name, configs.len()).map(|()| configs));
        let mut configs = made.map_err(|failure| running.fail(failure))?;
        for task in &mut configs {
            restore_references(config, task);
            task.insert("task.class".to_owned(), Some(task_class.to_owned()));
            for key in [key::TOPICS.name(), key::TOPICS_REGEX.name()] {
                if let Some(value) = config.get(key) {
                    task.insert(key.to_owned(), value.clone());
                }
            }
        }
        Ok(Some(configs))
    }

    /// Shows a connector as FAILED for what went wrong around it; it stays until it is stopped.
    pub(crate) fn fail_connector(&self, name: &str, failure: Failure) {
        if let Some(running) = self.connectors.get(name) {
            running.fail(failure);
        }
    }

    /// Stops a connector instance and discards it, in at most five seconds.
    pub(crate) async fn stop_connector(&mut self, name: &str) {
        let Some(mut running) = self.connectors.remove(name) else { return };
        self.count();
        running.control.send_replace(true);
        if let Err(failure) = running.stop().await {
            tracing::warn!(connector = name, error = %failure, "the connector did not stop cleanly");
        }
        running.status.set(State::Unassigned);
        running.status.silence();
    }

    fn count(&mut self) {
        let now = (self.connectors.len() as i64, self.tasks.len() as i64);
        let before = std::mem::replace(&mut self.counted, now);
        self.metrics.connectors.change(now.0 - before.0);
        self.metrics.tasks.change(now.1 - before.1);
    }

    /// Whether there is an instance of the connector that can be used.
    pub(crate) fn has_instance(&self, name: &str) -> bool {
        self.connectors.get(name).is_some_and(|running| running.connector.is_some())
    }

    /// Forgets an instance in which a call was given up.
    pub(crate) fn discard_connector(&mut self, name: &str) {
        if let Some(running) = self.connectors.remove(name) {
            running.control.send_replace(true);
            running.status.silence();
        }
        self.count();
    }

    /// Starts a task. What it fails over, from its first step on, is in its status.
    pub(crate) fn start_task(&mut self, start: TaskStart) {
        let (target, told) = watch::channel(start.target);
        let known = self.statuses.get(&start.id.connector);
        let known = known.and_then(|known| Some(known.tasks.get(&start.id.number)?.state));
        let state = counted(known.unwrap_or(State::Unassigned));
        let metrics = TaskMetrics::new(&self.parts.metrics, Arc::clone(&self.metrics), &start.id, state);
        let counts = metrics.clone();
        let status = self.statuses.writer(&start.id.connector, Some(start.id.number));
        let status = status.observed_by(move |state| counts.enters(counted(state)));
        let cancel = CancellationToken::new();
        let random = Arc::clone(&self.parts.random);
        let control = TaskControl::new(start.id.clone(), told, status.clone(), random, metrics.clone());
        let control = control.within(self.session.clone());
        let id = start.id.clone();
        let (parts, cancelled, told) = (self.parts.clone(), cancel.clone(), Arc::clone(&self.failed));
        let generations = Arc::clone(&self.generations);
        let lease = self.parts.leases.as_ref().map(|keeper| {
            let (claims, control) = (Arc::clone(&self.claims), control.clone());
            let stopping = Box::new(move || control.is_stopping());
            Arc::new(TaskLease::new(Arc::clone(keeper), claims, id.clone(), stopping)) as Arc<dyn Lease>
        });
        let span = log_context::of_task(&start.id.connector, start.id.number);
        let work = async move {
            let status = control.status.clone();
            let task = start.id.clone();
            let work = AssertUnwindSafe(run_task(parts, generations, lease, start, control.clone())).catch_unwind();
            let ended = tokio::select! {
                biased;
                () = cancelled.cancelled() => return,
                ended = work => ended,
            };
            let mut failure = match ended {
                Ok(Ok(())) => return status.set(State::Unassigned),
                Ok(Err(failure)) => failure,
                Err(panic) => panicked("the task", panic.as_ref()),
            };
            if failure.at.is_none() {
                // Describing a batch over which the task has panicked may panic, too.
                let work = std::panic::catch_unwind(AssertUnwindSafe(|| control.work())).ok().flatten();
                failure.at = work.map(|records| format!("the work on {records}"));
            }
            let trace = failure.trace();
            control.metrics.started(false);
            tracing::error!(%task, error = %trace, "the task has failed and will not recover until it is restarted");
            status.failed(trace);
            told(Some(task.number));
        };
        let handle = tokio::spawn(self.busy.measured(&id, work.instrument(span)));
        self.tasks.insert(id, RunningTask { target, cancel, status, handle, _metrics: metrics });
        self.count();
    }

    /// Pauses or resumes a task.
    pub(crate) fn turn_task(&mut self, id: &TaskId, target: TargetState) {
        if let Some(running) = self.tasks.get(id) {
            running.target.send_replace(target);
        }
    }

    /// Stops tasks; all share the graceful timeout, after which those left are cancelled.
    pub(crate) async fn stop_tasks(&mut self, ids: &[TaskId]) {
        let mut running: Vec<(TaskId, RunningTask)> = ids.iter().filter_map(|id| self.tasks.remove_entry(id)).collect();
        self.count();
        for (_, task) in &running {
            task.target.send_replace(TargetState::Stopped);
        }
        let deadline = Instant::now() + self.parts.settings.shutdown_timeout;
        for (id, task) in &mut running {
            if tokio::time::timeout_at(deadline, &mut task.handle).await.is_err() {
                tracing::error!(task = %id, "graceful stop of the task failed, it is cancelled");
                task.status.silence();
                task.cancel.cancel();
                // Cancelled at its next await. One that never awaits is not waited for without end.
                let _ = tokio::time::timeout(Duration::from_secs(1), &mut task.handle).await;
            }
            task.status.silence();
        }
    }

    /// Stops everything: connectors first, then tasks.
    pub(crate) async fn stop_all(&mut self) {
        let names: Vec<String> = self.connectors.keys().cloned().collect();
        for name in names {
            self.stop_connector(&name).await;
        }
        let ids: Vec<TaskId> = self.tasks.keys().cloned().collect();
        self.stop_tasks(&ids).await;
    }
}

impl RunningConnector {
    /// Makes the instance and turns it to what it is to be.
    async fn make(
        &mut self,
        plugins: &dyn Plugins,
        context: InstanceContext,
        target: TargetState,
    ) -> Result<(), Failure> {
        let resolved = Arc::clone(&self.resolved);
        let name = context.name.clone();
        let wanted = wanted(&resolved.config).map_err(|error| self.fail(not_found(&error)))?;
        let call = unbroken(plugins.connector(&wanted, &name, Arc::new(context)));
        match told_of(&self.status, CALL, || call_text("the connector to be made"), call).await {
            Ok(connector) => {
                self.connector = Some(connector);
                self.turn(&resolved.config, target).await
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    fn fail(&self, failure: Failure) -> Failure {
        let failure = provided::hidden(&self.resolved, failure);
        tracing::error!(error = %failure.trace(), "the connector has failed");
        self.status.failed(failure.trace());
        (self.told)(None);
        failure
    }

    /// Turns the instance to what it is to be; one that is started gets this configuration.
    async fn turn(&mut self, config: &ConfigMap, target: TargetState) -> Result<(), Failure> {
        match target {
            TargetState::Started => {
                if let (false, Some(connector)) = (self.started, &mut self.connector) {
                    let call = unbroken(connector.start(config));
                    if let Err(failure) =
                        told_of(&self.status, CALL, || call_text("the connector to start"), call).await
                    {
                        return Err(self.fail(failure));
                    }
                    self.started = true;
                }
                self.status.set(State::Running);
            }
            TargetState::Paused => {
                if let Err(failure) = self.stop().await {
                    return Err(self.fail(failure));
                }
                self.status.set(State::Paused);
            }
            TargetState::Stopped => {
                if let Err(failure) = self.stop().await {
                    tracing::error!(error = %failure.trace(), "the connector did not stop cleanly");
                }
                self.status.set(State::Stopped);
            }
        }
        Ok(())
    }

    /// Stops it, in at most five seconds; after that there is no instance any more.
    async fn stop(&mut self) -> Result<(), Failure> {
        let Some(connector) = self.connector.as_mut().filter(|_| std::mem::take(&mut self.started)) else {
            return Ok(());
        };
        if let Ok(stopped) = tokio::time::timeout(CONNECTOR_STOP_TIMEOUT, unbroken(connector.stop())).await {
            return stopped;
        }
        self.connector = None;
        let seconds = CONNECTOR_STOP_TIMEOUT.as_secs();
        let message = format!(
            "The connector did not return from stop within {seconds} seconds, and the call was given up; a restart begins with another instance"
        );
        Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
    }
}

/// When the values of a configuration are looked up again; never where a reload is not wished.
fn expiry_of(resolved: &Resolved) -> Option<Instant> {
    let reload = resolved.config.get(key::CONFIG_RELOAD.name()).and_then(Option::as_deref).map(str::trim);
    let ttl = resolved.ttl.filter(|_| reload != Some("none"))?;
    Some(Instant::now() + ttl)
}

/// The class that a connector's configuration names; empty if it names none.
pub(crate) fn class_of(config: &ConfigMap) -> &str {
    config.get(key::CONNECTOR_CLASS.name()).and_then(Option::as_deref).unwrap_or("").trim()
}

/// The connector that a configuration names.
///
/// # Errors
///
/// The version that it asks for is none.
pub(crate) fn wanted(config: &ConfigMap) -> Result<Wanted, FindPluginError> {
    Wanted::connector(config).map_err(|error| FindPluginError::Version(error.to_string()))
}

/// What is known of the connector that a configuration names, in the version that it asks for.
///
/// # Errors
///
/// There is none.
pub(crate) fn plugin_of(plugins: &dyn Plugins, config: &ConfigMap) -> Result<Arc<PluginInfo>, FindPluginError> {
    plugins.find_connector(&wanted(config)?)
}

fn not_found(error: &FindPluginError) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, error.to_string())
}

/// How many tasks a connector may have.
struct TaskLimits {
    max: u32,
    enforced: bool,
}

impl TaskLimits {
    fn read(config: &ConfigMap) -> Self {
        // A configuration that validation did not see cannot ask for more than one.
        match ConfigDef::of([key::TASKS_MAX.config_key(), key::TASKS_MAX_ENFORCE.config_key()]).parse(config) {
            Ok(read) => Self {
                max: u32::try_from(key::TASKS_MAX.get(&read)).unwrap_or(1),
                enforced: key::TASKS_MAX_ENFORCE.get(&read),
            },
            Err(_) => Self { max: 1, enforced: true },
        }
    }

    fn check(&self, name: &str, tasks: usize) -> Result<(), Failure> {
        if tasks <= self.max as usize {
            return Ok(());
        }
        let message = format!(
            "The connector {name} has generated {tasks} tasks, which is greater than {}, the maximum number of tasks it is configured to create. ",
            self.max
        );
        if !self.enforced {
            tracing::warn!(connector = name, "{message}It is permitted because 'tasks.max.enforce' is false.");
            return Ok(());
        }
        let message = format!(
            "{message}This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect."
        );
        Err(Failure::new(ErrorKind::Fatal, "org.apache.kafka.connect.errors.TooManyTasksException", message))
    }
}

/// What a connector may ask of the worker.
struct InstanceContext {
    name: String,
    status: StatusWriter,
    reconfigure: Arc<dyn Fn(&str) + Send + Sync>,
    stopping: watch::Receiver<bool>,
    resolved: Arc<Resolved>,
    told: TellFailure,
}

impl ConnectorContext for InstanceContext {
    fn request_task_reconfiguration(&self) {
        if !self.is_stopping() {
            (self.reconfigure)(&self.name);
        }
    }

    fn raise_error(&self, failure: Failure) {
        if !self.is_stopping() {
            let failure = provided::hidden(&self.resolved, failure);
            tracing::error!(connector = self.name, error = %failure.trace(), "the connector raised an error");
            self.status.failed(failure.trace());
            (self.told)(None);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.has_changed().is_err() || *self.stopping.borrow()
    }
}

/// What a panic was about.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

/// A call into a connector; a panic in it is the connector's failure and nobody else's.
async fn unbroken<T>(call: impl Future<Output = Result<T, PluginError>>) -> Result<T, Failure> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(|error| error.failure()),
        Err(panic) => Err(panicked("the connector", panic.as_ref())),
    }
}

fn panicked(who: &str, panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, format!("{who} panicked: {}", panic_text(panic)))
}

/// Builds a task and runs it to its end, with the variables of its configurations resolved.
async fn run_task(
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
        let task = tokio::select! {
            biased;
            () = stopped.stopped() => return Ok(()),
            task = build.source() => task?,
        };
        task.run(&start.task_config).await
    }
}

/// Builds one task.
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
        Ok(SourceTask { task, pipeline, flow, control, ends })
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
            _ => BoundaryRule::Poll,
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
        let context = Arc::new(sink_task::TaskContext::new(control.clone(), rules, lease));
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
