//! The plugins of a worker: found, described, and made into instances on demand.

mod check;
mod discover;
mod file;
mod java;
mod known;
mod start;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::{Capability, ConfigMap, aliases_of};
use millstream_connector::{
    Chain, Connector, ConnectorContext, Converter, ConverterRole, ErrorKind, Failure, FindPluginError,
    HeaderBatchConverter, Link, PluginError, PluginInfo, PluginKind, Plugins, SinkContext, SinkTask, SourceContext,
    SourceTask, TaskId,
};
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use check::{CheckedPlugin, check_file};
pub use discover::{PluginFileError, PluginProblem};
pub(crate) use file::ComponentFile;
pub use start::{Bundled, StartError};

use crate::cache::CompiledCache;
use crate::describe::PluginDescription;
use crate::engine::PluginEngine;
use crate::instance::Speaker;
use crate::limits::PluginLimits;
use crate::roles::{
    Origin, PlannedLink, WasmChain, WasmConverter, WasmSinkConnector, WasmSinkTask, WasmSourceConnector, WasmSourceTask,
};
use known::Known;

/// What all plugins share.
pub(crate) struct Host {
    pub(crate) engine: PluginEngine,
    pub(crate) limits: PluginLimits,
    pub(crate) cache: Option<CompiledCache>,
    pub(crate) allow_files: Option<Arc<[PathBuf]>>,
}

/// A plugin and the component it is in.
pub(crate) struct Registered {
    pub(crate) info: Arc<PluginInfo>,
    pub(crate) component: Arc<ComponentFile>,
}

/// The plugins of a worker that come as WebAssembly components. Files that are new are compiled behind it; dropping it
/// gives that up.
pub struct WasmPlugins {
    host: Arc<Host>,
    known: watch::Receiver<Arc<Known>>,
    compiling: AbortHandle,
}

impl Drop for WasmPlugins {
    fn drop(&mut self) {
        self.compiling.abort();
    }
}

impl Registered {
    fn new(description: PluginDescription, component: Arc<ComponentFile>) -> Self {
        let PluginDescription { kind, class, task_class, aliases, version, documentation, commit_records, config } =
            description;
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
            location: component.location.clone(),
            class,
        };
        Self { info: Arc::new(info), component }
    }

    /// Keys whose values open something.
    pub(crate) fn opening_keys(&self) -> impl Iterator<Item = (&str, Capability)> {
        self.info.config.keys().iter().filter_map(|key| Some((key.name.as_str(), key.opens?)))
    }
}

impl WasmPlugins {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// Files that were skipped, and why.
    pub fn problems(&self) -> Vec<Arc<PluginProblem>> {
        self.known().problems.clone()
    }

    /// Files that are being compiled, or are waiting for that. The plugins in them are not listed yet.
    pub fn compiling(&self) -> Vec<PathBuf> {
        self.known().compiling.clone()
    }

    /// Returns when nothing is being compiled any more.
    pub async fn settled(&self) {
        self.await_until(|known| known.compiling.is_empty()).await;
    }

    /// Returns when each of the names leads to a plugin, or nothing is being compiled that could change that.
    pub async fn await_names(&self, names: &[&str]) {
        self.await_until(|known| known.compiling.is_empty() || names.iter().all(|name| known.has(name))).await;
    }

    /// A number that changes whenever what is listed does.
    pub fn edition(&self) -> usize {
        let known = self.known();
        known.all.len() + known.problems.len()
    }

    async fn await_until(&self, enough: impl Fn(&Known) -> bool) {
        // An error means that nothing is being compiled any more.
        let _ = self.known.clone().wait_for(|known| enough(known)).await;
    }

    fn registered(&self, kind: PluginKind, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        self.known().registered(kind, name)
    }

    fn registered_connector(&self, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        self.known().registered_connector(name)
    }

    fn origin(&self, plugin: Arc<Registered>, connector: &str, task: Option<u32>) -> Origin {
        let speaker = Speaker { connector: connector.to_owned(), task, plugin: plugin.info.class.clone() };
        Origin { host: Arc::clone(&self.host), plugin, speaker }
    }

    fn task_origin(&self, plugin: Arc<Registered>, task: &TaskId) -> Origin {
        self.origin(plugin, &task.connector, Some(task.number))
    }

    /// The plugins of one link.
    fn planned(&self, task: &TaskId, link: &Link) -> Result<PlannedLink, PluginError> {
        let found = |kind, name: &str| self.registered(kind, name).map_err(|error| not_found(&error));
        let origin = self.task_origin(found(PluginKind::Transform, &link.class)?, task);
        let predicate = match &link.condition {
            None => None,
            Some(condition) => Some(self.task_origin(found(PluginKind::Predicate, &condition.class)?, task)),
        };
        Ok(PlannedLink { origin, link: link.clone(), predicate })
    }
}

#[async_trait]
impl Plugins for WasmPlugins {
    async fn await_names(&self, names: &[&str]) {
        Self::await_names(self, names).await;
    }

    fn awaited(&self, names: &[&str]) -> Vec<String> {
        let known = self.known();
        if known.compiling.is_empty() || names.iter().all(|name| known.has(name)) {
            return Vec::new();
        }
        known.compiling.iter().map(|path| path.display().to_string()).collect()
    }

    fn list(&self) -> Vec<Arc<PluginInfo>> {
        self.known().all.iter().map(|plugin| Arc::clone(&plugin.info)).collect()
    }

    fn find(&self, kind: PluginKind, name: &str) -> Result<Arc<PluginInfo>, FindPluginError> {
        Ok(Arc::clone(&self.registered(kind, name)?.info))
    }

    fn find_connector(&self, name: &str) -> Result<Arc<PluginInfo>, FindPluginError> {
        Ok(Arc::clone(&self.registered_connector(name)?.info))
    }

    async fn connector(
        &self,
        class: &str,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        let kind = plugin.info.kind;
        let origin = self.origin(plugin, name, None);
        Ok(match kind {
            PluginKind::Sink => Box::new(WasmSinkConnector::create(origin, context).await?),
            _ => Box::new(WasmSourceConnector::create(origin, context).await?),
        })
    }

    async fn source_task(
        &self,
        class: &str,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmSourceTask::create(self.task_origin(plugin, task), context).await?))
    }

    async fn sink_task(
        &self,
        class: &str,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError> {
        let plugin = self.registered_connector(class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmSinkTask::create(self.task_origin(plugin, task), context).await?))
    }

    async fn chain(&self, task: &TaskId, links: &[Link]) -> Result<Box<dyn Chain>, (usize, PluginError)> {
        let planned = links.iter().enumerate().map(|(at, link)| self.planned(task, link).map_err(|error| (at, error)));
        Ok(Box::new(WasmChain::create(planned.collect::<Result<_, _>>()?).await?))
    }

    async fn converter(
        &self,
        class: &str,
        task: &TaskId,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        let plugin = self.registered(PluginKind::Converter, class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmConverter::create(self.task_origin(plugin, task), role, config.clone()).await?))
    }

    async fn header_converter(
        &self,
        class: &str,
        task: &TaskId,
        config: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        let plugin = self.registered(PluginKind::HeaderConverter, class).map_err(|error| not_found(&error))?;
        let origin = self.task_origin(plugin, task);
        Ok(Box::new(WasmConverter::create(origin, ConverterRole::Header, config.clone()).await?))
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
