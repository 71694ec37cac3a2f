//! Runs the instance and the tasks of a connector: starts them, tells them to pause, stops them within Connect's
//! times, and says what became of them.
//!
//! Every task that is spawned is owned here. One that does not end in time is cancelled: its future is
//! dropped, so that nothing more is written or committed, and its status is silenced.

mod build;
mod classes;
mod instance;
mod settings;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use millstream_config::{ConfigMap, Resolved, connector_key_names as key, restore_references, secrets};
use millstream_connector::{ErrorKind, Failure, Lease, PluginKind, TaskId};
use millstream_metrics::Labels;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub(crate) use self::classes::{class_of, plugin_of, wanted};
pub(crate) use self::instance::CONNECTOR_STOP_TIMEOUT;
pub use self::settings::{WorkerParts, WorkerSettings};
use self::{
    build::run_task,
    classes::TaskLimits,
    instance::{InstanceContext, RunningConnector, expiry_of, unbroken},
};
use crate::{
    config_log::TargetState,
    error_policy::CONNECT_EXCEPTION,
    exactly_once::Generations,
    leases::{Claims, TaskLease},
    loads::BusyTimes,
    log_context,
    long_wait::{CALL, call_text, told_of},
    membership::GroupSession,
    provided,
    status::{State, StatusBoard, StatusWriter},
    task::TaskControl,
    task_metrics::TaskMetrics,
};

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

    /// Notes in the status of a connector what keeps it from getting on, or that it does.
    pub(crate) fn note_of_connector(&self, name: &str, kind: &'static str, note: Option<String>) {
        if let Some(status) = self.status_of(name, None) {
            status.note(kind, note);
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

/// What a panic was about.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

fn panicked(who: &str, panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, format!("{who} panicked: {}", panic_text(panic)))
}
