//! All plugins of a worker: components, and Connect's own converters beside them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use millstream_config::{ConfigMap, PluginDef, PluginDirectory, PluginKind as DefKind};
use millstream_connector::{
    Connector, ConnectorContext, Converter, ConverterRole, FindPluginError, HeaderBatchConverter, Link,
    LinkedTransforms, PluginError, PluginInfo, PluginKind, Plugins, SinkContext, SinkTask, SourceContext, SourceTask,
    TaskId,
};
use millstream_convert::ReadLimits;
use millstream_plugin::WasmPlugins;
use millstream_runtime::Natives;
use millstream_values::JavaRegex;

/// Version that Connect's own converters report.
pub const KAFKA_VERSION: &str = "4.3.0";

/// Components and native converters.
pub struct Catalogue {
    components: WasmPlugins,
    native: Vec<Arc<PluginInfo>>,
    /// The worker's properties, which validation needs.
    worker: ConfigMap,
    /// Definitions as of an edition of the components.
    definitions: Mutex<Option<(usize, Arc<PluginDirectory>)>>,
}

impl Catalogue {
    /// These components with the native converters, for a worker with these properties.
    pub fn new(components: WasmPlugins, worker: &ConfigMap) -> Self {
        Self { components, native: native_converters(), worker: worker.clone(), definitions: Mutex::new(None) }
    }

    /// What validation needs to know of the worker's properties and of the plugins that there are now: more of them come
    /// while new ones are compiled.
    pub fn definitions(&self) -> Arc<PluginDirectory> {
        let edition = self.components.edition();
        // After a panic the place is filled anew.
        let mut place = self.definitions.lock().unwrap_or_else(|poisoned| {
            let mut place = poisoned.into_inner();
            *place = None;
            place
        });
        match &*place {
            Some((found, directory)) if *found == edition => Arc::clone(directory),
            _ => {
                let directory = Arc::new(self.directory());
                *place = Some((edition, Arc::clone(&directory)));
                directory
            }
        }
    }

    /// Names of which none is that of a native converter.
    fn foreign<'n>(&self, names: &[&'n str]) -> Vec<&'n str> {
        let goes_by =
            |plugin: &PluginInfo, name: &str| plugin.class == name || plugin.aliases.iter().any(|alias| alias == name);
        names.iter().copied().filter(|name| !self.native.iter().any(|plugin| goes_by(plugin, name))).collect()
    }

    fn directory(&self) -> PluginDirectory {
        let def = |plugin: Arc<PluginInfo>| PluginDef {
            kind: match plugin.kind {
                PluginKind::Source => DefKind::Source,
                PluginKind::Sink => DefKind::Sink,
                PluginKind::Transform => DefKind::Transform,
                PluginKind::Predicate => DefKind::Predicate,
                PluginKind::Converter => DefKind::Converter,
                PluginKind::HeaderConverter => DefKind::HeaderConverter,
            },
            class: plugin.class.clone(),
            aliases: plugin.aliases.clone(),
            version: Some(plugin.version.clone()).filter(|version| !version.is_empty()),
            documentation: plugin.documentation.clone(),
            config: plugin.config.clone(),
        };
        PluginDirectory::new(self.list().into_iter().map(def), full_match).with_worker(self.worker.clone())
    }
}

/// Whether a Java regular expression matches a whole text.
fn full_match(pattern: &str, text: &str) -> Result<bool, String> {
    let regex = JavaRegex::compile(pattern).map_err(|error| error.to_string())?;
    regex.matches_whole(text).map_err(|error| error.to_string())
}

fn native_converters() -> Vec<Arc<PluginInfo>> {
    let mut plugins = Vec::new();
    for definition in millstream_convert::definitions() {
        let mut kinds = vec![PluginKind::HeaderConverter];
        if definition.converts_data {
            kinds.push(PluginKind::Converter);
        }
        for kind in kinds {
            let def_kind = match kind {
                PluginKind::Converter => DefKind::Converter,
                _ => DefKind::HeaderConverter,
            };
            plugins.push(Arc::new(PluginInfo {
                kind,
                class: definition.class.to_owned(),
                task_class: String::new(),
                aliases: millstream_config::aliases_of(def_kind, definition.class),
                version: KAFKA_VERSION.to_owned(),
                documentation: definition.documentation.to_owned(),
                config: millstream_convert::config_def(definition.class).unwrap_or_default(),
                commit_records: false,
                location: "built in".to_owned(),
            }));
        }
    }
    plugins
}

/// Makes Connect's own converters, which read under these limits.
pub fn natives(limits: ReadLimits) -> Natives {
    Natives {
        converter: Arc::new(move |class, role, config| limits.native(class, role, config)),
        header: Arc::new(move |class, config| limits.native_header(class, config)),
    }
}

#[async_trait]
impl Plugins for Catalogue {
    fn list(&self) -> Vec<Arc<PluginInfo>> {
        let mut all = self.components.list();
        all.extend(self.native.iter().cloned());
        all.sort_by(|a, b| (a.kind, &a.class, &a.version).cmp(&(b.kind, &b.class, &b.version)));
        all
    }

    async fn await_names(&self, names: &[&str]) {
        self.components.await_names(&self.foreign(names)).await;
    }

    fn awaited(&self, names: &[&str]) -> Vec<String> {
        self.components.awaited(&self.foreign(names))
    }

    fn find(&self, kind: PluginKind, name: &str) -> Result<Arc<PluginInfo>, FindPluginError> {
        let named = |plugin: &&Arc<PluginInfo>| {
            plugin.kind == kind && (plugin.class == name || plugin.aliases.iter().any(|alias| alias == name))
        };
        match self.native.iter().find(named) {
            Some(plugin) => Ok(Arc::clone(plugin)),
            None => self.components.find(kind, name),
        }
    }

    fn find_connector(&self, name: &str) -> Result<Arc<PluginInfo>, FindPluginError> {
        self.components.find_connector(name)
    }

    async fn connector(
        &self,
        class: &str,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        self.components.connector(class, name, context).await
    }

    async fn source_task(
        &self,
        class: &str,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        self.components.source_task(class, task, context).await
    }

    async fn sink_task(
        &self,
        class: &str,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError> {
        self.components.sink_task(class, task, context).await
    }

    async fn chain(&self, task: &TaskId, links: &[Link]) -> Result<Box<dyn LinkedTransforms>, (usize, PluginError)> {
        self.components.chain(task, links).await
    }

    async fn converter(
        &self,
        class: &str,
        task: &TaskId,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        self.components.converter(class, task, role, config).await
    }

    async fn header_converter(
        &self,
        class: &str,
        task: &TaskId,
        config: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        self.components.header_converter(class, task, config).await
    }
}
