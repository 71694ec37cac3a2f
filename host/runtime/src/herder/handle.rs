//! What callers hold: questions answered from what is known, requests passed to the herder's loop.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use millstream_config::{
    ClientRules, ConfigDef, ConfigInfos, ConfigMap, PluginDefs, Providers, Versions, Wanted, connector_config_def,
    connector_key_names, secrets, version_order, without_providers,
};
use millstream_connector::{PluginInfo, PluginKind, Plugins, TaskId};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};
use tracing::Instrument as _;

use super::{
    ConnectorInfo, ConnectorStatus, ConnectorType, HerderError, InstanceStatus, RestartRequest, State, TargetState,
    TaskInfo,
    event::Event,
    fencing::AskHerder,
    peers::Peers,
    place::Place,
    plan::{Desired, Owned},
    validation::Validation,
    view::View,
};
use crate::{
    ExactlyOnceSource, Natives,
    config_log::SessionKey,
    kafka::Clients,
    leases::LeaseKeeper,
    log_context,
    log_levels::LogLevels,
    offsets::{OffsetStore, OffsetTopics},
    provided,
    status::StatusBoard,
    worker::class_of,
};

/// Longest wait for the answer to a health probe.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait of a request for plugins that are being compiled.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(90);

/// Gives the definitions of the plugins that are known by now.
pub type DefinitionsNow = dyn Fn() -> Arc<dyn PluginDefs> + Send + Sync;

/// Hears the name of a connector that is there no more, once nothing of it runs on this worker. Must not block.
pub type TellGone = dyn Fn(&str) + Send + Sync;

/// What handle and loop share. The loop alone changes it.
pub(crate) struct Shared {
    pub(crate) view: Mutex<View>,
    pub(crate) statuses: StatusBoard,
    pub(crate) plugins: Arc<dyn Plugins>,
    pub(crate) natives: Natives,
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) definitions: Box<DefinitionsNow>,
    pub(crate) rules: ClientRules,
    pub(crate) levels: Arc<dyn LogLevels>,
    pub(crate) providers: Arc<Providers>,
    pub(crate) cluster_id: String,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) offset_topics: Option<Arc<dyn OffsetTopics>>,
    pub(crate) exactly_once: ExactlyOnceSource,
    pub(crate) track_topics: bool,
    pub(crate) allow_topic_reset: bool,
    pub(crate) ready: AtomicBool,
    /// Whether the config log has been read to its end once.
    pub(crate) informed: AtomicBool,
    /// What of all work is this worker's.
    pub(crate) place: Mutex<Place>,
    /// Tells that it has changed.
    pub(crate) moved: Notify,
    /// The way to other workers, of one in a group.
    pub(crate) peers: Option<Arc<dyn Peers>>,
    /// What the loop is doing, and since when.
    pub(crate) doing: Mutex<Option<(String, Instant)>>,
    /// Why the loop is gone, if it has panicked.
    pub(crate) broken: watch::Sender<Option<String>>,
    /// Hears of connectors that are gone.
    pub(crate) gone: Box<TellGone>,
    /// What is kept under leases; `None` where there are none.
    pub(crate) leases: Option<Arc<LeaseKeeper>>,
}

impl Shared {
    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("a panic over connectors ends the herder, and with it the worker")
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().expect("a place is changed by whole values, which does not panic")
    }

    /// What a connector should be, and what of it is this worker's.
    pub(crate) fn wanted(&self, name: &str) -> (Option<Desired>, Owned) {
        let desired = self.view().desired(name);
        (desired, self.place().owned(name, desired.map_or(0, |desired| desired.tasks_generation)))
    }

    /// The key by which requests to other workers are signed; `None` if they are not, or it is not known.
    pub(crate) fn session_key(&self) -> Option<SessionKey> {
        let sessioned = self.place().is_sessioned();
        sessioned.then(|| self.view().cluster().session_key().cloned()).flatten()
    }

    /// The direction of a configured connector.
    pub(crate) fn kind(&self, config: &ConfigMap) -> ConnectorType {
        // All versions are of one direction.
        let found = self.plugins.find_connector(&class_of(config).into());
        found.map_or(ConnectorType::Unknown, |plugin| ConnectorType::of(plugin.kind))
    }

    /// Takes note of what the loop is doing.
    pub(crate) fn does(&self, what: Option<String>) {
        let doing = what.map(|what| (what, Instant::now()));
        *self.doing.lock().expect("what is done is replaced whole, which does not panic") = doing;
    }

    fn doing(&self) -> Option<String> {
        let doing = self.doing.lock().expect("what is done is replaced whole, which does not panic");
        doing.as_ref().map(|(what, since)| {
            format!("The worker is currently {what}, which began {} seconds ago.", since.elapsed().as_secs())
        })
    }

    pub(crate) fn info(&self, name: &str) -> Option<ConnectorInfo> {
        let view = self.view();
        let config = view.cluster().config(name)?;
        Some(ConnectorInfo {
            name: name.to_owned(),
            config: config.clone(),
            tasks: task_ids(name, view.cluster().task_count(name)),
            kind: self.kind(config),
        })
    }

    pub(crate) fn status(&self, name: &str) -> Option<ConnectorStatus> {
        let mut statuses = self.statuses.get(name)?;
        let view = self.view();
        let kind = view.cluster().config(name).map_or(ConnectorType::Unknown, |config| self.kind(config));
        if view.knows(name) {
            // What was said too late of a task that is no more counts for nothing.
            let count = view.cluster().task_count(name);
            statuses.tasks.retain(|number, _| *number < count);
        }
        drop(view);
        Some(ConnectorStatus {
            name: name.to_owned(),
            connector: statuses.connector?,
            tasks: statuses.tasks.into_iter().collect(),
            kind,
        })
    }
}

/// Values that name classes of plugins: connector, converters, transforms, predicates.
fn class_names(config: &ConfigMap) -> Vec<&str> {
    let names_class = |key: &str| key == "connector.class" || key.ends_with(".converter") || key.ends_with(".type");
    let values = config.iter().filter(|(key, _)| names_class(key)).filter_map(|(_, value)| value.as_deref());
    values.map(str::trim).filter(|value| !value.is_empty()).collect()
}

fn task_ids(name: &str, count: u32) -> Vec<TaskId> {
    (0..count).map(|number| TaskId { connector: name.to_owned(), number }).collect()
}

/// How the worker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It has not started all connectors of the command line yet. Inside: what it is doing, if that is known.
    Starting(Option<String>),
    /// It does not answer within ten seconds, or part of it has broken. Inside: what is known of that.
    Unhealthy(Option<String>),
}

/// The herder, from outside. Cheap to clone.
///
/// A request that changes something is carried out by the herder's loop, which finishes it whatever becomes of
/// the future: dropping that gives up the answer, and before the request has reached the loop the request.
#[derive(Clone)]
pub struct HerderHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(super) asks: Arc<AskHerder>,
}

impl HerderHandle {
    /// Id of the Kafka cluster, as asked at start.
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// What is not known yet must not be taken for what is not there.
    pub(super) fn informed(&self) -> Result<(), HerderError> {
        if self.shared.informed.load(Ordering::Acquire) { Ok(()) } else { Err(HerderError::NoLeader) }
    }

    /// Names of all connectors, in order.
    ///
    /// # Errors
    ///
    /// The worker is still reading what there is.
    pub fn connectors(&self) -> Result<Vec<String>, HerderError> {
        self.informed()?;
        Ok(self.shared.view().cluster().connectors().map(str::to_owned).collect())
    }

    /// A connector as it was configured.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn connector_info(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        self.informed()?;
        self.shared.info(name).ok_or_else(|| HerderError::no_connector(name))
    }

    /// Configuration of a connector as submitted.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn connector_config(&self, name: &str) -> Result<ConfigMap, HerderError> {
        self.connector_info(name).map(|info| info.config)
    }

    /// How a connector and its tasks are doing.
    ///
    /// # Errors
    ///
    /// Nothing is known about it.
    pub fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        self.informed()?;
        let missing = || HerderError::NotFound(format!("No status found for connector {name}"));
        self.shared.status(name).ok_or_else(missing)
    }

    /// How a task is doing.
    ///
    /// # Errors
    ///
    /// Nothing is known about it.
    pub fn task_status(&self, name: &str, number: u32) -> Result<InstanceStatus, HerderError> {
        self.informed()?;
        let statuses = self.shared.statuses.get(name).unwrap_or_default();
        let missing = || HerderError::NotFound(format!("No status found for task {name}-{number}"));
        statuses.tasks.get(&number).cloned().ok_or_else(missing)
    }

    /// Tasks of a connector with their configurations, in order.
    ///
    /// # Errors
    ///
    /// There is no connector of that name.
    pub fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>, HerderError> {
        self.informed()?;
        let view = self.shared.view();
        if !view.knows(name) {
            return Err(HerderError::no_connector(name));
        }
        let ids = task_ids(name, view.cluster().task_count(name));
        let configs = view.cluster().tasks(name);
        Ok(ids.into_iter().zip(configs).map(|(id, config)| TaskInfo { id, config: config.clone() }).collect())
    }

    /// All plugins, in Connect's order, connectors alone or all kinds.
    pub fn plugins(&self, connectors_only: bool) -> Vec<Arc<PluginInfo>> {
        let wanted =
            |plugin: &Arc<PluginInfo>| !connectors_only || matches!(plugin.kind, PluginKind::Sink | PluginKind::Source);
        let mut plugins: Vec<_> = self.shared.plugins.list().into_iter().filter(wanted).collect();
        let place = |kind| {
            use PluginKind::*;
            [Sink, Source, Transform, Predicate, Converter, HeaderConverter].iter().position(|known| *known == kind)
        };
        plugins.sort_by(|a, b| {
            let classes = (place(a.kind), &a.class).cmp(&(place(b.kind), &b.class));
            classes.then_with(|| version_order(&a.version, &b.version))
        });
        plugins
    }

    /// Keys of a plugin found by class name or alias, in the newest version or one that is asked for: its own, then for
    /// connectors the framework's that it does not declare itself.
    ///
    /// # Errors
    ///
    /// No plugin goes by the name, or none in such a version.
    pub fn plugin_config(&self, name: &str, version: Option<&str>) -> Result<ConfigDef, HerderError> {
        use millstream_config::PluginKind as Kind;
        let definitions = (self.shared.definitions)();
        let kinds =
            [Kind::Sink, Kind::Source, Kind::Converter, Kind::HeaderConverter, Kind::Transform, Kind::Predicate];
        let found = kinds.into_iter().find_map(|kind| definitions.find(kind, name));
        let newest = found.ok_or_else(|| HerderError::NotFound(format!("Unknown plugin {name}.")))?;
        let refused = |error: String| HerderError::BadRequest(error);
        let versions = Versions::parse(version)
            .map_err(|_| refused(format!("Invalid version specification: {}", version.unwrap_or_default())))?;
        let wanted = Wanted { versions, ..newest.class.as_str().into() };
        let plugin = definitions.select(newest.kind, &wanted).map_err(|error| refused(error.to_string()))?;
        let mut def = plugin.config.clone();
        if plugin.kind.is_connector() {
            let mut framework = connector_config_def(plugin.kind, None, &ConfigMap::new(), definitions.as_ref());
            let key = connector_key_names::CONNECTOR_VERSION.config_key();
            framework.define(match &newest.version {
                Some(version) => key.default_text(version.clone()),
                None => key,
            });
            framework.keys().iter().filter(|key| plugin.config.get(&key.name).is_none()).for_each(|key| {
                def.define(key.clone());
            });
        }
        Ok(def)
    }

    /// Topics that a connector uses; none of one that is not known.
    ///
    /// # Errors
    ///
    /// They are not noted.
    pub fn topics(&self, name: &str) -> Result<Vec<String>, HerderError> {
        if !self.shared.track_topics {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        self.informed()?;
        Ok(self.shared.statuses.topics(name))
    }

    /// Forgets the topics that a connector uses; they come again when it goes on using them.
    ///
    /// # Errors
    ///
    /// They are not noted, or may not be forgotten, or another worker leads the group.
    pub fn reset_topics(&self, name: &str) -> Result<(), HerderError> {
        if !self.shared.track_topics {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        if !self.shared.allow_topic_reset {
            return Err(HerderError::Forbidden("Topic tracking reset is disabled.".to_owned()));
        }
        self.informed()?;
        self.shared.place().leader()?;
        self.shared.statuses.forget_topics(name);
        Ok(())
    }

    /// Plugin files that are being compiled, if the configuration names a class that is in none of the others.
    pub fn awaited_plugins(&self, config: &ConfigMap) -> Vec<String> {
        self.shared.plugins.awaited(&class_names(config))
    }

    /// Returns when all classes that the configuration names are known, or no plugin is being compiled any more.
    pub async fn await_plugins(&self, config: &ConfigMap) {
        self.shared.plugins.await_names(&class_names(config)).await;
    }

    /// Validates a connector's configuration, the connector's own check included, and tries its transforms, predicates
    /// and converters, with the variables in it resolved. Waits for plugins that are being compiled and may be meant, up to
    /// 90 seconds. What is wrong with it is in the result, which shows no value that came from a config provider.
    ///
    /// # Errors
    ///
    /// No connector can be told from the configuration, a config provider fails, or the connector's check itself failed.
    pub async fn validate(&self, config: &ConfigMap) -> Result<ConfigInfos, HerderError> {
        if tokio::time::timeout(PLUGIN_TIMEOUT, self.await_plugins(config)).await.is_err() {
            let files = self.awaited_plugins(config).join(", ");
            return Err(HerderError::failed(format!("Plugins are still being compiled, ask again later: {files}")));
        }
        let submitted = without_providers(config);
        let resolved = provided::resolve(&self.shared.providers, &submitted);
        let resolved = resolved.await.map_err(|failure| HerderError::failed(failure.message))?;
        let shared = &self.shared;
        let resolved = provided::with_passwords(shared.plugins.as_ref(), resolved);
        let name = config.get("name").and_then(Option::as_deref).unwrap_or("");
        let _kept = secrets::keep(name, &resolved.secrets());
        let definitions = (shared.definitions)();
        let validation = Validation {
            plugins: shared.plugins.as_ref(),
            natives: &shared.natives,
            definitions: definitions.as_ref(),
            clients: shared.clients.as_ref(),
            rules: &shared.rules,
            exactly_once: &shared.exactly_once,
        };
        let mut infos = validation.of_resolved(&resolved).instrument(log_context::of_validation(name)).await?;
        resolved.redact(&submitted, &mut infos);
        Ok(infos)
    }

    /// Makes these the tasks of a connector, as the worker that runs it has found out.
    ///
    /// # Errors
    ///
    /// There is no such connector, it is stopped, or this worker does not lead.
    pub async fn put_task_configs(&self, name: &str, tasks: Vec<ConfigMap>) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::PutTaskConfigs { name, tasks, reply }).await
    }

    /// Whether the worker is in a group.
    pub fn is_in_group(&self) -> bool {
        self.shared.peers.is_some()
    }

    /// Whether workers of the group sign what they ask of each other.
    pub fn is_sessioned(&self) -> bool {
        self.shared.place().is_sessioned()
    }

    /// The key by which they do; `None` while it is not known.
    pub fn session_key(&self) -> Option<SessionKey> {
        self.shared.view().cluster().session_key().cloned()
    }

    /// Makes sure that no task of an earlier set of a source connector can write in transactions any more.
    ///
    /// # Errors
    ///
    /// There is none of that name, it is no source, another set came meanwhile, or the cluster does not answer.
    pub async fn fence(&self, name: &str) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::Fence { name, reply }).await
    }

    /// Stops and forgets a connector.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::Delete { name, reply }).await
    }

    /// Pauses a connector and its tasks. Answers before they have paused.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub async fn pause(&self, name: &str) -> Result<(), HerderError> {
        self.set_target(name, TargetState::Paused).await
    }

    /// Resumes a connector that was paused or stopped.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub async fn resume(&self, name: &str) -> Result<(), HerderError> {
        self.set_target(name, TargetState::Started).await
    }

    /// Stops a connector: it keeps its configuration and loses its tasks.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub async fn stop(&self, name: &str) -> Result<(), HerderError> {
        self.set_target(name, TargetState::Stopped).await
    }

    async fn set_target(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::SetTarget { name, target, reply }).await
    }

    /// Levels of the worker's own loggers.
    pub fn log_levels(&self) -> Arc<dyn LogLevels> {
        Arc::clone(&self.shared.levels)
    }

    /// Gives a logger of every worker a level, which has to be one.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub async fn set_cluster_log_level(&self, logger: &str, level: &str) -> Result<(), HerderError> {
        let (logger, level) = (logger.to_owned(), level.to_owned());
        self.ask(|reply| Event::SetLogLevel { logger, level, reply }).await
    }

    /// Restarts the connector instance alone.
    ///
    /// # Errors
    ///
    /// There is none of that name, or it does not start.
    pub async fn restart_connector(&self, name: &str) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::RestartConnector { name, reply }).await
    }

    /// Restarts the chosen parts and answers with the status in which they are RESTARTING.
    ///
    /// # Errors
    ///
    /// There is no connector of that name, or it has no status.
    pub async fn restart(&self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::Restart { name, request, reply }).await
    }

    /// Restarts one task: stops it, for at most the graceful timeout, and starts it.
    ///
    /// # Errors
    ///
    /// There is no such connector or task.
    pub async fn restart_task(&self, name: &str, number: u32) -> Result<(), HerderError> {
        let name = name.to_owned();
        self.ask(|reply| Event::RestartTask { name, number, reply }).await
    }

    /// Whether the herder's loop answers.
    pub async fn health(&self) -> Health {
        let answer = tokio::time::timeout(HEALTH_TIMEOUT, self.ask(|reply| Event::Ping { reply })).await;
        let ready = self.shared.ready.load(Ordering::Acquire);
        match answer {
            Ok(Ok(())) if ready => Health::Healthy,
            Ok(Err(error @ HerderError::Broken(_))) => Health::Unhealthy(Some(error.to_string())),
            _ if !ready => Health::Starting(self.shared.doing()),
            _ => Health::Unhealthy(self.shared.doing()),
        }
    }

    /// Whether its loop has ended without being told to.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.borrow().is_some()
    }

    /// Returns when the herder has broken, with the reason; never if it is shut down in good order.
    pub async fn broken(&self) -> String {
        let mut broken = self.shared.broken.subscribe();
        match broken.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender lives as long as this handle.
            _ => std::future::pending().await,
        }
    }

    /// Says that the connectors of the command line have been created; [`Health::Starting`] before.
    pub fn mark_ready(&self) {
        self.shared.ready.store(true, Ordering::Release);
    }

    /// Stops every connector and task, in Connect's order, and ends the herder. Bounded by the
    /// graceful timeouts. Later requests are answered with [`HerderError::ShuttingDown`].
    ///
    /// # Errors
    ///
    /// It has been shut down already.
    pub async fn shutdown(&self) -> Result<(), HerderError> {
        self.ask(|reply| Event::Shutdown { reply }).await
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        event: impl FnOnce(super::event::Reply<T>) -> Event,
    ) -> Result<T, HerderError> {
        self.hand_over(event).await.await
    }

    /// Hands an event to the loop, which carries it out behind all that were handed over before. The future that comes
    /// back waits for the answer.
    pub(super) async fn hand_over<T: Send + 'static>(
        &self,
        event: impl FnOnce(super::event::Reply<T>) -> Event,
    ) -> BoxFuture<'static, Result<T, HerderError>> {
        let (reply, answer) = oneshot::channel();
        let is_sent = self.events.send(event(reply)).await.is_ok();
        let (events, shared) = (self.events.clone(), Arc::clone(&self.shared));
        let answered = async move {
            if is_sent && let Ok(answer) = answer.await {
                return answer;
            }
            // Why the loop is gone is known before its queue is.
            events.closed().await;
            Err(shared.broken.borrow().clone().map_or(HerderError::ShuttingDown, HerderError::Broken))
        };
        answered.boxed()
    }
}

/// The status in which the chosen parts of a connector are RESTARTING; the parts are marked so.
pub(crate) fn mark_restarting(mut status: ConnectorStatus, request: RestartRequest) -> (ConnectorStatus, RestartPlan) {
    let chosen = |state: State| !request.only_failed || state == State::Failed;
    let restarting = |status: &mut InstanceStatus| {
        status.state = State::Restarting;
        status.trace = None;
    };
    let mut plan = RestartPlan { connector: chosen(status.connector.state), tasks: Vec::new() };
    if plan.connector {
        restarting(&mut status.connector);
    }
    for (number, task) in status.tasks.iter_mut().filter(|_| request.include_tasks) {
        if chosen(task.state) {
            restarting(task);
            plan.tasks.push(*number);
        }
    }
    (status, plan)
}

/// Which parts to restart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RestartPlan {
    pub(crate) connector: bool,
    pub(crate) tasks: Vec<u32>,
}
