//! The plugins of a worker: found, described, and made into instances on demand.

mod check;
mod discover;
mod java;
mod mentions;
mod reload;
mod snapshot;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millstream_config::{ConfigMap, Wanted, aliases_of};
use millstream_connector::{
    Connector, ConnectorContext, Converter, ConverterRole, ErrorKind, Failure, FindPluginError, HeaderBatchConverter,
    Link, LinkedTransforms, PluginError, PluginInfo, PluginKind, Plugins, SinkContext, SinkTask, SourceContext,
    SourceTask, TaskId,
};
use millstream_metrics::{Labels, Metrics};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use check::{CheckedPlugin, check_file};
pub use discover::{PluginFileError, PluginProblem};
pub use start::StartError;

use crate::capability::{InstanceName, Openings};
use crate::component::{ComponentFile, Host};
use crate::describe::{Description, PluginDescription};
use crate::roles::{
    InstanceFactory, PlannedLink, WasmChain, WasmConnector, WasmConverter, WasmSinkTask, WasmSourceTask,
};
use reload::Reload;
use snapshot::Snapshot;

/// A plugin and the component it is in.
struct Registered {
    info: Arc<PluginInfo>,
    openings: Arc<Openings>,
    by_columns: bool,
    component: Arc<ComponentFile>,
}

/// The plugins of a worker that come as WebAssembly components. Files that are new are compiled behind it; dropping it
/// gives that up.
pub struct WasmPlugins {
    host: Arc<Host>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    compiling: AbortHandle,
    /// What it takes to look again; none once somebody does.
    reload: Option<Reload>,
    reloading: Option<AbortHandle>,
    metrics: Metrics,
}

impl Drop for WasmPlugins {
    fn drop(&mut self) {
        self.compiling.abort();
        if let Some(reloading) = &self.reloading {
            reloading.abort();
        }
    }
}

impl Registered {
    /// The plugins that a component describes.
    fn all(description: Description, component: &Arc<ComponentFile>) -> Vec<Arc<Self>> {
        let new = |plugin| Arc::new(Self::new(plugin, Arc::clone(component)));
        description.plugins.into_iter().map(new).collect()
    }

    fn new(description: PluginDescription, component: Arc<ComponentFile>) -> Self {
        let PluginDescription {
            kind,
            class,
            task_class,
            aliases,
            version,
            documentation,
            commit_records,
            wants_lease,
            config,
            by_columns,
            openings,
        } = description;
        let mut all_aliases = aliases_of(config_kind(kind), &class);
        all_aliases.extend(aliases);
        let info = PluginInfo {
            kind,
            task_class: task_class.unwrap_or_default(),
            aliases: all_aliases,
            version,
            documentation,
            config,
            commit_records,
            wants_lease,
            location: component.location.clone(),
            digest: component.digest(),
            class,
        };
        Self { info: Arc::new(info), openings, by_columns, component }
    }
}

impl WasmPlugins {
    /// Counts what instances use in these metrics, from here on.
    #[must_use]
    pub fn counted_by(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Looks every so often whether files of `plugin.path` are new, have changed or are gone, once those are compiled that
    /// were there at the start. What runs goes on with what it has; whatever is made from then on is made of the new ones.
    #[must_use]
    pub fn reloading_every(mut self, interval: Duration) -> Self {
        if let Some(reload) = self.reload.take() {
            self.reloading = Some(tokio::spawn(reload.run(interval, self.snapshot.clone())).abort_handle());
        }
        self
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Files that were skipped, and why.
    pub fn problems(&self) -> Vec<Arc<PluginProblem>> {
        self.snapshot().problems.clone()
    }

    /// Files that are being compiled, or are waiting for that. The plugins in them are not listed yet.
    pub fn compiling(&self) -> Vec<PathBuf> {
        self.snapshot().compiling.iter().map(|file| file.path.clone()).collect()
    }

    /// Returns when nothing is being compiled any more.
    pub async fn all_compiled(&self) {
        self.await_until(|plugins| plugins.compiling.is_empty()).await;
    }

    /// Returns when nothing is being compiled any more that could change what the names lead to: a plugin that is not
    /// there yet, or a higher version of one.
    pub async fn await_names(&self, names: &[&str]) {
        self.await_until(|plugins| plugins.awaited(names).next().is_none()).await;
    }

    /// A number that changes whenever what is listed does.
    pub fn edition(&self) -> usize {
        self.snapshot().edition
    }

    async fn await_until(&self, enough: impl Fn(&Snapshot) -> bool) {
        // An error means that nothing is being compiled any more.
        let _ = self.snapshot.clone().wait_for(|snapshot| enough(snapshot)).await;
    }

    fn registered(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<Registered>, FindPluginError> {
        self.snapshot().registered(kind, wanted)
    }

    fn registered_connector(&self, wanted: &Wanted) -> Result<Arc<Registered>, FindPluginError> {
        self.snapshot().registered_connector(wanted)
    }

    /// What makes instances of a plugin for a connector, or a task of it.
    fn factory(&self, plugin: &Registered, connector: &str, task: Option<u32>) -> InstanceFactory {
        let name = InstanceName { connector: connector.to_owned(), task, plugin: plugin.info.class.clone() };
        let labels = Labels::connector(connector).and("plugin", &name.plugin);
        let labels = task.map_or(labels.clone(), |task| labels.and("task", task.to_string()));
        InstanceFactory {
            host: Arc::clone(&self.host),
            component: Arc::clone(&plugin.component),
            openings: Arc::clone(&plugin.openings),
            metrics: self.metrics.group(labels.clone()),
            custom: self.metrics.custom(labels),
            by_columns: plugin.by_columns,
            name,
        }
    }

    fn task_factory(&self, plugin: &Registered, task: &TaskId) -> InstanceFactory {
        self.factory(plugin, &task.connector, Some(task.number))
    }

    /// The plugins of one link.
    fn planned(&self, task: &TaskId, link: &Link) -> Result<PlannedLink, PluginError> {
        let found = |kind, wanted: &Wanted| self.registered(kind, wanted).map_err(|error| not_found(&error));
        let transform = self.task_factory(&*found(PluginKind::Transform, &link.class)?, task);
        let predicate = match &link.condition {
            None => None,
            Some(condition) => Some(self.task_factory(&*found(PluginKind::Predicate, &condition.class)?, task)),
        };
        Ok(PlannedLink { transform, link: link.clone(), predicate })
    }
}

#[async_trait]
impl Plugins for WasmPlugins {
    async fn await_names(&self, names: &[&str]) {
        Self::await_names(self, names).await;
    }

    fn awaited(&self, names: &[&str]) -> Vec<String> {
        self.snapshot().awaited(names).map(|path| path.display().to_string()).collect()
    }

    fn list(&self) -> Vec<Arc<PluginInfo>> {
        self.snapshot().all.iter().map(|plugin| Arc::clone(&plugin.info)).collect()
    }

    fn find(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        Ok(Arc::clone(&self.registered(kind, wanted)?.info))
    }

    fn find_connector(&self, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        Ok(Arc::clone(&self.registered_connector(wanted)?.info))
    }

    async fn connector(
        &self,
        class: &Wanted,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        let factory = self.factory(&plugin, name, None);
        Ok(Box::new(match plugin.info.kind {
            PluginKind::Sink => WasmConnector::create_sink(factory, context).await?,
            _ => WasmConnector::create_source(factory, context).await?,
        }))
    }

    async fn source_task(
        &self,
        class: &Wanted,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmSourceTask::create(self.task_factory(&plugin, task), context).await?))
    }

    async fn sink_task(
        &self,
        class: &Wanted,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmSinkTask::create(self.task_factory(&plugin, task), context).await?))
    }

    async fn chain(&self, task: &TaskId, links: &[Link]) -> Result<Box<dyn LinkedTransforms>, (usize, PluginError)> {
        let planned = links.iter().enumerate().map(|(at, link)| self.planned(task, link).map_err(|error| (at, error)));
        Ok(Box::new(WasmChain::create(planned.collect::<Result<_, _>>()?).await?))
    }

    async fn converter(
        &self,
        class: &Wanted,
        task: &TaskId,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        let plugin = self.registered(PluginKind::Converter, class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmConverter::create(self.task_factory(&plugin, task), role, config.clone()).await?))
    }

    async fn header_converter(
        &self,
        class: &Wanted,
        task: &TaskId,
        config: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        let plugin = self.registered(PluginKind::HeaderConverter, class).map_err(|error| not_found(&error))?;
        let factory = self.task_factory(&plugin, task);
        Ok(Box::new(WasmConverter::create(factory, ConverterRole::Header, config.clone()).await?))
    }
}

fn not_found(error: &FindPluginError) -> PluginError {
    PluginError::Reported(Failure::new(ErrorKind::Fatal, "", error.to_string()))
}

fn config_kind(kind: PluginKind) -> millstream_config::PluginKind {
    match kind {
        PluginKind::Sink => millstream_config::PluginKind::Sink,
        PluginKind::Source => millstream_config::PluginKind::Source,
        PluginKind::Transform => millstream_config::PluginKind::Transform,
        PluginKind::Predicate => millstream_config::PluginKind::Predicate,
        PluginKind::Converter => millstream_config::PluginKind::Converter,
        PluginKind::HeaderConverter => millstream_config::PluginKind::HeaderConverter,
    }
}
