//! All plugins of a worker: components, and Connect's own converters beside them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use millstream_config::{
    ConfigMap, PluginDef, PluginDefs, PluginDirectory, PluginKind as DefKind, Wanted, WantedError, version_order,
};
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

/// Where native converters come from.
const NATIVE: &str = "built in";

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

    /// Whether a native converter is asked for, which says so itself if it is not for that kind.
    fn leads_to_native(&self, kind: PluginKind, wanted: &Wanted) -> bool {
        match self.definitions().select(def_kind(kind), wanted) {
            Ok(found) => found.location == NATIVE,
            Err(WantedError::Unknown(_)) => true,
            Err(WantedError::Version(_)) => false,
        }
    }

    fn directory(&self) -> PluginDirectory {
        let def = |plugin: Arc<PluginInfo>| PluginDef {
            kind: def_kind(plugin.kind),
            class: plugin.class.clone(),
            aliases: plugin.aliases.clone(),
            version: Some(plugin.version.clone()).filter(|version| !version.is_empty()),
            documentation: plugin.documentation.clone(),
            config: plugin.config.clone(),
            location: plugin.location.clone(),
        };
        PluginDirectory::new(self.list().into_iter().map(def), full_match).with_worker(self.worker.clone())
    }
}

fn def_kind(kind: PluginKind) -> DefKind {
    match kind {
        PluginKind::Source => DefKind::Source,
        PluginKind::Sink => DefKind::Sink,
        PluginKind::Transform => DefKind::Transform,
        PluginKind::Predicate => DefKind::Predicate,
        PluginKind::Converter => DefKind::Converter,
        PluginKind::HeaderConverter => DefKind::HeaderConverter,
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
                wants_lease: false,
                location: NATIVE.to_owned(),
                digest: String::new(),
            }));
        }
    }
    plugins
}

/// Makes Connect's own converters, which read under these limits, where they are what the catalogue leads to.
pub fn natives(catalogue: &Arc<Catalogue>, limits: ReadLimits) -> Natives {
    let (for_data, for_headers) = (Arc::clone(catalogue), Arc::clone(catalogue));
    Natives {
        converter: Arc::new(move |wanted, role, config| {
            for_data
                .leads_to_native(PluginKind::Converter, wanted)
                .then(|| limits.native(&wanted.name, role, config))?
        }),
        header: Arc::new(move |wanted, config| {
            for_headers
                .leads_to_native(PluginKind::HeaderConverter, wanted)
                .then(|| limits.native_header(&wanted.name, config))?
        }),
    }
}

#[async_trait]
impl Plugins for Catalogue {
    fn list(&self) -> Vec<Arc<PluginInfo>> {
        let mut all = self.components.list();
        all.extend(self.native.iter().cloned());
        all.sort_by(|a, b| {
            (a.kind, &a.class).cmp(&(b.kind, &b.class)).then_with(|| version_order(&a.version, &b.version))
        });
        all
    }

    async fn await_names(&self, names: &[&str]) {
        self.components.await_names(&self.foreign(names)).await;
    }

    fn awaited(&self, names: &[&str]) -> Vec<String> {
        self.components.awaited(&self.foreign(names))
    }

    fn find(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        let definitions = self.definitions();
        let found = definitions.select(def_kind(kind), wanted).map_err(|error| match error {
            WantedError::Unknown(_) => FindPluginError::Unknown(error.to_string()),
            WantedError::Version(_) => FindPluginError::Version(error.to_string()),
        })?;
        let native =
            |plugin: &&Arc<PluginInfo>| plugin.kind == kind && plugin.class == found.class && found.location == NATIVE;
        match self.native.iter().find(native) {
            Some(plugin) => Ok(Arc::clone(plugin)),
            None => self.components.find(kind, wanted),
        }
    }

    fn find_connector(&self, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        self.components.find_connector(wanted)
    }

    async fn connector(
        &self,
        class: &Wanted,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        self.components.connector(class, name, context).await
    }

    async fn source_task(
        &self,
        class: &Wanted,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        self.components.source_task(class, task, context).await
    }

    async fn sink_task(
        &self,
        class: &Wanted,
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
        class: &Wanted,
        task: &TaskId,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        self.components.converter(class, task, role, config).await
    }

    async fn header_converter(
        &self,
        class: &Wanted,
        task: &TaskId,
        config: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        self.components.header_converter(class, task, config).await
    }
}
