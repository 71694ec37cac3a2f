//! What can be said of configurations without a worker that runs: `millstream config check` and `millstream migrate`.

mod connector;
mod files;
mod migrate;
mod stand_in;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use millstream_client::TcpDial;
use millstream_config::{ConfigMap, Mode, PluginDirectory, WorkerConfig, worker_key};
use millstream_convert::ReadLimits;
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_runtime::{Natives, kafka::KafkaClients};

pub use migrate::{MigrateArgs, run as migrate};

use crate::{
    bundled::BUNDLED,
    catalogue::{Catalogue, natives},
    exit::{Failure, SETUP},
    output::Output,
};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check files of workers and connectors without starting anything, and tell all that is wrong with them
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
}

const CHECK_HELP: &str = "Examples:
  millstream config check worker.properties orders.properties
  millstream config check connectors/*.yaml --plugin-path plugins --output json

A file with connector.class in it is a connector's, others are a worker's. Connectors are checked for the worker whose file is
given with them: its plugin.path, converters, config providers and policy. Ends with 8 if something is wrong.";

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Files of workers (.properties) and connectors (.properties, JSON, YAML)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folders with .wasm files, beside those of the worker's plugin.path
    #[arg(long, value_name = "FOLDERS", value_delimiter = ',')]
    plugin_path: Vec<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs one of the commands.
pub async fn run(command: ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Check(CheckArgs { files, plugin_path, output }) = command;
    files::run(&files, &plugin_path, output).await
}

/// The worker that connectors are checked for.
pub struct Bench {
    worker: WorkerConfig,
    catalogue: Arc<Catalogue>,
    definitions: Arc<PluginDirectory>,
    natives: Natives,
    clients: KafkaClients,
}

impl Bench {
    /// A bench with a worker's own configuration, or with Connect's usual one.
    async fn of(worker: Option<WorkerConfig>, more_folders: &[PathBuf]) -> Result<Self, Failure> {
        let worker = match worker {
            Some(worker) => worker,
            None => usual_worker()?,
        };
        let mut folders: Vec<PathBuf> = more_folders.to_vec();
        folders.extend(worker_key::PLUGIN_PATH.get(worker.config()).unwrap_or_default().into_iter().map(PathBuf::from));
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let limits = PluginLimits::of(worker.config()).map_err(|error| Failure::of(SETUP, &error))?;
        let limits = PluginLimits { compile_threads: processors, ..limits };
        let plugins = WasmPlugins::start(limits, &folders, BUNDLED).await;
        let plugins = plugins.map_err(|error| Failure::of(SETUP, &error))?;
        plugins.all_compiled().await;
        let originals = worker.config().originals();
        let catalogue = Arc::new(Catalogue::new(plugins, originals));
        let definitions = catalogue.definitions();
        // Nothing is connected: only settings are looked at.
        let clients =
            KafkaClients::new(Arc::new(TcpDial), "localhost:9092", originals.clone(), worker.override_policy().clone());
        let natives = natives(&catalogue, ReadLimits::of(worker.config()));
        Ok(Self { worker, catalogue, definitions, natives, clients })
    }
}

/// What a worker has that nobody has configured, as in Kafka's sample files.
fn usual_worker() -> Result<WorkerConfig, Failure> {
    let entries = [
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("offset.storage.file.filename", "offsets"),
    ];
    let properties: ConfigMap = entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect();
    WorkerConfig::parse(Mode::Standalone, &properties).map_err(|error| Failure::of(SETUP, &error))
}

/// Whether a file looks like a worker's.
fn is_worker(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let starts = bytes.trim_ascii_start();
    if ["yaml", "yml", "json"].contains(&extension) || starts.starts_with(b"{") || starts.starts_with(b"[") {
        return false;
    }
    let Ok(entries) = millstream_config::parse_properties(bytes) else { return false };
    let has = |key: &str| entries.iter().any(|(known, _)| known == key);
    // One that names no class is taken for a connector's all the same if it has what only these have.
    !has("connector.class") && !(has("name") && (has("tasks.max") || has("topics") || has("topics.regex")))
}
