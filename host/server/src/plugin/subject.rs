//! The plugin that `plugin run` and `plugin bench` are about: its component, its class, its configuration, and the host
//! that runs it, which is a worker's own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use millstream_config::{ConfigMap, ConnectorFile, parse_properties};
use millstream_connector::{Converter, ConverterRole, PluginInfo, PluginKind, Plugins, TaskId};
use millstream_convert::ReadLimits;
use millstream_metrics::Metrics;
use millstream_plugin::WasmPlugins;
use millstream_record::ErrorChain;

use super::{
    build::{self, shown},
    compile_limits, list,
    new::CONNECTOR,
    project::Project,
    sources,
};
use crate::{
    bundled::BUNDLED,
    catalogue::{Catalogue, natives},
    exit::{Failure, NOT_FOUND, SETUP, USAGE},
    kafka_tools::key_value,
    time_zone,
};

/// Which plugin.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// A .wasm file, or a folder of a project; the project of this folder by default
    #[arg(value_name = "FILE-OR-PROJECT")]
    target: Option<PathBuf>,
    /// Its class or an alias, where the component carries several plugins
    #[arg(long)]
    class: Option<String>,
    /// A key of its configuration
    #[arg(long = "config", value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// A connector's file (.properties or JSON) in which it is configured; a project's connector.properties by default
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
}

/// A plugin that is ready to be used.
pub struct Subject {
    /// What it says of itself.
    pub info: Arc<PluginInfo>,
    /// Its configuration.
    pub config: ConfigMap,
    /// Keys of converters beside it, with their prefixes: `key.converter` and so on.
    pub converters: ConfigMap,
    /// All plugins of the host, this one among them.
    pub catalogue: Arc<Catalogue>,
    /// Counts what instances use.
    pub metrics: Metrics,
}

/// Whose instances they are.
pub fn task() -> TaskId {
    TaskId { connector: "run".to_owned(), number: 0 }
}

impl Subject {
    /// Finds the plugin and its configuration. A project whose sources are newer than its component is built first.
    ///
    /// # Errors
    ///
    /// There is no such plugin, or several; or a file is wrong.
    pub async fn of(which: &Which) -> Result<Self, Failure> {
        let (component, project) = component(which.target.as_deref()).await?;
        let metrics = Metrics::default();
        let limits = millstream_plugin::PluginLimits { time_zone: time_zone::adopt(), ..compile_limits(None) };
        let plugins = WasmPlugins::start(limits, std::slice::from_ref(&component), BUNDLED).await;
        let plugins = plugins.map_err(|error| Failure::of(SETUP, &error))?.counted_by(metrics.clone());
        plugins.all_compiled().await;
        if let Some(problem) = plugins.problems().first() {
            let reason = ErrorChain(&problem.problem);
            return Err(Failure::new(USAGE, format!("{} is no usable plugin: {reason}", shown(&problem.path))));
        }
        let catalogue = Arc::new(Catalogue::new(plugins, &ConfigMap::new()));
        let location = component.display().to_string();
        let own: Vec<_> = catalogue.list().into_iter().filter(|plugin| plugin.location == location).collect();
        let info = chosen(own, which.class.as_deref(), &component)?;
        let mut config = ConfigMap::new();
        match (&which.config_file, &project) {
            (Some(file), _) => {
                let found = of_file(file, &info)?;
                config = found
                    .ok_or_else(|| Failure::new(USAGE, format!("{} has nothing of {}", file.display(), info.class)))?;
            }
            (None, Some(project)) if project.folder.join(CONNECTOR).is_file() => {
                config = of_file(&project.folder.join(CONNECTOR), &info)?.unwrap_or_default();
            }
            _ => {}
        }
        for pair in &which.config {
            let (key, value) = key_value("--config", pair)?;
            config.insert(key.trim().to_owned(), Some(value));
        }
        let is_converters = |key: &str| {
            ["key.converter", "value.converter"]
                .iter()
                .any(|prefix| key == *prefix || key.starts_with(&format!("{prefix}.")))
        };
        let (converters, config) = match info.kind {
            PluginKind::Source | PluginKind::Sink => (config.clone(), config),
            _ => config.into_iter().partition(|(key, _)| is_converters(key)),
        };
        let converters = converters.into_iter().filter(|(key, _)| is_converters(key)).collect();
        Ok(Self { info, config, converters, catalogue, metrics })
    }

    /// A converter of the catalogue, the plugin's own or one of Connect's.
    ///
    /// # Errors
    ///
    /// There is no such class, or it refuses its configuration.
    pub async fn converter(
        &self,
        class: &str,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, Failure> {
        let wanted = class.into();
        let made = match (natives(&self.catalogue, ReadLimits::DEFAULT).converter)(&wanted, role, config) {
            Some(made) => made,
            None => self.catalogue.converter(&wanted, &task(), role, config).await.map_err(|error| error.failure()),
        };
        made.map_err(|failure| Failure::new(USAGE, format!("{class}: {}", failure.message)))
    }

    /// The converter for keys or values that are bytes: the one that the configuration names, else this one.
    ///
    /// # Errors
    ///
    /// As [`Self::converter`].
    pub async fn converter_for(&self, role: ConverterRole, usual: &str) -> Result<Box<dyn Converter>, Failure> {
        let key = format!("{}.converter", role.name());
        let class = self.converters.get(&key).cloned().flatten().unwrap_or_else(|| usual.to_owned());
        let prefix = format!("{key}.");
        let mut config: ConfigMap = self
            .converters
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .collect();
        if !self.converters.contains_key(&key) {
            config.entry("schemas.enable".to_owned()).or_insert_with(|| Some("false".to_owned()));
        }
        config.entry("converter.type".to_owned()).or_insert_with(|| Some(role.name().to_owned()));
        self.converter(&class, role, &config).await
    }
}

/// The component, and the project that it is of. A project whose sources are newer than its component is built first.
///
/// # Errors
///
/// There is neither, or the project does not build.
pub async fn component(target: Option<&Path>) -> Result<(PathBuf, Option<Project>), Failure> {
    if let Some(file) = target.filter(|target| !target.is_dir()) {
        let file = file.canonicalize();
        let name = target.map(|target| target.display().to_string()).unwrap_or_default();
        let file = file.map_err(|error| Failure::new(NOT_FOUND, format!("look at {name}: {error}")))?;
        return Ok((file, None));
    }
    let project = Project::find(target)?;
    let component = project.component();
    if sources::is_older(&component, &project)? {
        eprintln!("millstream: {} is built first: its sources are newer than its component", project.name);
        build::build(&project).await?;
    }
    Ok((component, Some(project)))
}

fn chosen(own: Vec<Arc<PluginInfo>>, class: Option<&str>, component: &Path) -> Result<Arc<PluginInfo>, Failure> {
    let named = |plugin: &Arc<PluginInfo>| class.is_none_or(|class| list::goes_by(plugin, class));
    let mut found: Vec<_> = own.iter().filter(|plugin| named(plugin)).cloned().collect();
    // A converter of headers, too, is meant as the other.
    if 1 < found.len() && found.iter().all(|plugin| plugin.class == found[0].class) {
        found.retain(|plugin| plugin.kind != PluginKind::HeaderConverter);
    }
    let all = || own.iter().map(|plugin| plugin.class.as_str()).collect::<Vec<_>>().join(", ");
    match (found.len(), class) {
        (1, _) => Ok(found.remove(0)),
        (0, Some(class)) => {
            Err(Failure::new(NOT_FOUND, format!("{} has no plugin {class}, but {}", shown(component), all())))
        }
        (0, None) => Err(Failure::new(USAGE, format!("{} carries no plugin", shown(component)))),
        _ => Err(Failure::new(
            USAGE,
            format!("{} carries several plugins: choose one with --class: {}", shown(component), all()),
        )),
    }
}

/// What a connector's file says of a plugin, wherever it is used there; `None` if it is not.
fn of_file(path: &Path, info: &PluginInfo) -> Result<Option<ConfigMap>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(USAGE, format!("{}: {error}", path.display()));
    let content = fs::read(path).map_err(|error| failed(&error))?;
    let config = match content.trim_ascii_start().starts_with(b"{") {
        true => {
            ConnectorFile::parse(&path.display().to_string(), &content)
                .map_err(|error| Failure::of(USAGE, &error))?
                .config
        }
        false => {
            let entries = parse_properties(&content).map_err(|error| failed(&error))?;
            entries.into_iter().map(|(key, value)| (key, Some(value))).collect()
        }
    };
    let means =
        |key: &str| config.get(key).and_then(Option::as_deref).is_some_and(|class| list::goes_by(info, class.trim()));
    let below = |prefix: &str| -> ConfigMap {
        let own =
            |(key, value): (&String, &Option<String>)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()));
        config.iter().filter_map(own).filter(|(key, _)| key != "type").collect()
    };
    if means("connector.class") {
        return Ok(Some(config));
    }
    for role in ["value.converter", "key.converter"] {
        if means(role) {
            return Ok(Some(below(&format!("{role}."))));
        }
    }
    for list in ["transforms", "predicates"] {
        let alias = config.keys().find_map(|key| {
            let alias = key.strip_prefix(list)?.strip_prefix('.')?.strip_suffix(".type")?;
            means(key).then(|| alias.to_owned())
        });
        if let Some(alias) = alias {
            let mut own = below(&format!("{list}.{alias}."));
            // These say when a transform applies; it does not see them.
            own.retain(|key, _| list != "transforms" || !["predicate", "negate"].contains(&key.as_str()));
            return Ok(Some(own));
        }
    }
    // One without a word on any plugin is the plugin's own.
    let is_connectors = config.keys().any(|key| key == "connector.class" || key.ends_with(".type"));
    Ok((!is_connectors).then_some(config))
}
