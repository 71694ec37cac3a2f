//! The plugins of a worker: found, described, and made into instances on demand.

mod check;
mod discover;
mod file;
mod java;
mod start;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::{Capability, ConfigMap, PluginDef, PluginDefs, PluginDirectory, aliases_of};
use millstream_connector::{
    Chain, Connector, ConnectorContext, Converter, ConverterRole, ErrorKind, Failure, FindPluginError, Link,
    PluginError, PluginInfo, PluginKind, Plugins, SinkContext, SinkTask, SourceContext, SourceTask, TaskId,
};

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

/// The plugins of a worker that come as WebAssembly components.
pub struct WasmPlugins {
    host: Arc<Host>,
    /// All of them, by kind, class name and version.
    all: Vec<Arc<Registered>>,
    /// The one that counts for each kind and class name.
    by_class: HashMap<(PluginKind, String), Arc<Registered>>,
    directory: PluginDirectory,
    problems: Vec<PluginProblem>,
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
    fn new(host: Arc<Host>, mut all: Vec<Arc<Registered>>, problems: Vec<PluginProblem>) -> Self {
        all.sort_by(|a, b| {
            let order = |plugin: &Registered| (plugin.info.kind, plugin.info.class.clone());
            order(a).cmp(&order(b)).then_with(|| version_order(&a.info.version, &b.info.version))
        });
        // Of several versions the last counts, which is the highest.
        let by_class =
            all.iter().map(|plugin| ((plugin.info.kind, plugin.info.class.clone()), Arc::clone(plugin))).collect();
        let definition = |plugin: &Arc<Registered>| PluginDef {
            kind: config_kind(plugin.info.kind),
            class: plugin.info.class.clone(),
            aliases: plugin.info.aliases.clone(),
            version: Some(plugin.info.version.clone()),
            documentation: String::new(),
            config: plugin.info.config.clone(),
        };
        let directory = PluginDirectory::new(all.iter().map(definition), |_, _| Ok(true));
        Self { host, all, by_class, directory, problems }
    }

    /// Files that were skipped, and why.
    pub fn problems(&self) -> &[PluginProblem] {
        &self.problems
    }

    fn registered(&self, kind: PluginKind, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        let class = self.directory.find(config_kind(kind), name).map(|found| found.class.clone());
        class
            .and_then(|class| self.by_class.get(&(kind, class)).cloned())
            .ok_or_else(|| FindPluginError::Unknown(format!("Class {name} could not be found.")))
    }

    fn registered_connector(&self, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        use millstream_config::UnknownConnector;

        let found = self.directory.connector(name).map_err(|error| match error {
            UnknownConnector::NotFound { .. } => FindPluginError::Unknown(error.to_string()),
            UnknownConnector::Ambiguous { .. } => FindPluginError::Ambiguous(error.to_string()),
        })?;
        let kind =
            if found.kind == millstream_config::PluginKind::Sink { PluginKind::Sink } else { PluginKind::Source };
        let class = (kind, found.class.clone());
        Ok(Arc::clone(self.by_class.get(&class).expect("the directory has what is registered")))
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
    fn list(&self) -> Vec<Arc<PluginInfo>> {
        self.all.iter().map(|plugin| Arc::clone(&plugin.info)).collect()
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
        let kind = if role == ConverterRole::Header { PluginKind::HeaderConverter } else { PluginKind::Converter };
        let plugin = self.registered(kind, class).map_err(|error| not_found(&error))?;
        Ok(Box::new(WasmConverter::create(self.task_origin(plugin, task), role, config.clone()).await?))
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

/// Orders version texts: numbers by value, a number above a word, and a version above one that lacks it.
fn version_order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<(bool, u64, String)> {
        let part = |part: &str| match part.parse::<u64>() {
            Ok(number) => (true, number, String::new()),
            Err(_) => (false, 0, part.to_owned()),
        };
        text.split(['.', '-', '+', '_']).map(part).collect()
    };
    let stated = |text: &str| text != "undefined";
    stated(a).cmp(&stated(b)).then_with(|| parts(a).cmp(&parts(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let order = ["undefined", "0.9", "0.10", "1.0-beta", "1.0.1", "4.3.0"];
        for pair in order.windows(2) {
            assert_eq!(version_order(pair[0], pair[1]), std::cmp::Ordering::Less, "{pair:?}");
        }
    }
}
