//! Letters of sources: their records are made again by the connector's transforms and converters, as it has them now.

use std::{path::Path, path::PathBuf, sync::Arc};

use millstream_config::{ConfigMap, Mode, WorkerConfig, parse_properties, worker_key};
use millstream_convert::ReadLimits;
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_runtime::{LetterContent, ReplayedRecord, SourceReplay};

use super::letter::Letter;
use crate::{
    bundled::BUNDLED,
    catalogue::{Catalogue, natives},
    connector::{args::ReplayArgs, change::config_map},
    exit::{Failure, REFUSED, SETUP, USAGE},
    worker_api::WorkerApi,
};

/// Keys of a connector's that matter here begin with these.
const PARTS: [&str; 5] = ["transforms", "predicates", "key.converter", "value.converter", "header.converter"];

/// The connector's transforms and converters. Exists once a letter needs them.
pub(super) struct Pipeline {
    replay: SourceReplay,
    /// What the plugins among them come from.
    _catalogue: Arc<Catalogue>,
}

impl Pipeline {
    /// Makes them from the connector's configuration, on this machine: with the plugins and default converters of the
    /// worker's file, or the bundled ones and Connect's usual converter.
    ///
    /// # Errors
    ///
    /// The worker does not tell, a file is wrong, or a plugin is missing or refuses its settings.
    pub(super) async fn of(api: &WorkerApi, arguments: &ReplayArgs) -> Result<Self, Failure> {
        let name = &arguments.name;
        let what = format!("read the configuration of connector {name}");
        let connector = config_map(&api.get(&what, &["connectors", name, "config"]).await?);
        for (key, value) in &connector {
            let is_variable = value.as_deref().is_some_and(|value| value.contains("${"));
            if is_variable && PARTS.iter().any(|part| key.starts_with(part)) {
                let message = format!(
                    "replay letters of {name}: {key} has a variable in it, and this command does not ask config providers"
                );
                return Err(Failure::new(REFUSED, message));
            }
        }
        let worker = worker(arguments.worker_config.as_deref())?;
        let folders = worker_key::PLUGIN_PATH.get(worker.config()).unwrap_or_default();
        let folders: Vec<PathBuf> = folders.into_iter().map(PathBuf::from).collect();
        let limits = PluginLimits::of(worker.config()).map_err(|error| Failure::of(SETUP, &error))?;
        let plugins = WasmPlugins::start(limits, &folders, BUNDLED).await;
        let plugins = plugins.map_err(|error| Failure::of(SETUP, &error))?;
        plugins.all_compiled().await;
        let originals = worker.config().originals();
        let catalogue = Arc::new(Catalogue::new(plugins, originals));
        let natives = natives(&catalogue, ReadLimits::of(worker.config()));
        let replay = SourceReplay::build(catalogue.as_ref(), &natives, originals, name, &connector).await;
        let replay = replay.map_err(|failure| {
            Failure::new(
                REFUSED,
                format!("make the transforms and converters of {name}: {}", failure.trace().trim_end()),
            )
        })?;
        Ok(Self { replay, _catalogue: catalogue })
    }

    /// The records of a letter.
    ///
    /// # Errors
    ///
    /// They cannot be made, in words.
    pub(super) async fn records(&mut self, letter: &Letter) -> Result<Vec<ReplayedRecord>, String> {
        let target = letter.target()?;
        let content = LetterContent {
            topic: &target.topic,
            partition: target.partition,
            timestamp_ms: letter.timestamp_ms,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &letter.headers,
            polled: letter.form() == Some("polled"),
        };
        self.replay.records(&content).await.map_err(|failure| format!("it fails again: {failure}"))
    }
}

/// A worker's configuration: that of a file, or what Kafka's sample files have.
fn worker(file: Option<&Path>) -> Result<WorkerConfig, Failure> {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let usual = [("key.converter", json), ("value.converter", json), ("offset.storage.file.filename", "offsets")];
    let properties: ConfigMap = match file {
        None => usual.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect(),
        Some(path) => {
            let failed =
                |error: &dyn std::fmt::Display| Failure::new(USAGE, format!("read {}: {error}", path.display()));
            let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
            let entries = parse_properties(&bytes).map_err(|error| failed(&error))?;
            entries.into_iter().map(|(key, value)| (key, Some(value))).collect()
        }
    };
    let mode = if properties.contains_key("group.id") { Mode::Distributed } else { Mode::Standalone };
    WorkerConfig::parse(mode, &properties).map_err(|error| Failure::of(SETUP, &error))
}
