//! `millstream plugin`: looks at plugins without a worker.

use std::path::PathBuf;

use clap::Subcommand;
use millstream_config::{ConfigKey, ConfigMap};
use millstream_connector::{PluginInfo, PluginKind, Plugins};
use millstream_plugin::{PluginLimits, WasmPlugins, check_file};
use millstream_record::ErrorChain;
use serde_json::{Value, json};

use crate::{
    bundled::BUNDLED,
    catalogue::Catalogue,
    exit::{Failure, NOT_FOUND, SETUP, USAGE},
    output::{Output, print, print_json, table},
};

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins a worker would find
    List {
        /// Folders with .wasm files, as in the worker's plugin.path
        #[arg(long, value_name = "FOLDERS", value_delimiter = ',')]
        plugin_path: Vec<PathBuf>,
    },
    /// Show what a plugin is and every key that it takes
    #[command(after_help = "Examples:
  millstream plugin describe FileStreamSource
  millstream plugin describe 'org.apache.kafka.connect.transforms.MaskField$Value' --output json

A connector has Connect's own keys beside these: tasks.max, transforms and so on.")]
    Describe {
        /// Its class, or an alias
        class: String,
        /// Folders with .wasm files, as in the worker's plugin.path
        #[arg(long, value_name = "FOLDERS", value_delimiter = ',')]
        plugin_path: Vec<PathBuf>,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Check that a file is a plugin, and say what it carries
    Check {
        /// The .wasm file
        file: PathBuf,
        /// Folder of compiled plugins, as the worker's key plugin.cache.dir; the user's own if not given
        #[arg(long = "plugin-cache-dir", value_name = "DIR")]
        cache_dir: Option<PathBuf>,
    },
}

/// Runs one of the commands.
pub async fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::List { plugin_path } => {
            let plugins = WasmPlugins::start(limits(None), &plugin_path, BUNDLED);
            let plugins = plugins.await.map_err(|error| Failure::of(SETUP, &error))?;
            plugins.all_compiled().await;
            plugins.list().iter().for_each(|plugin| print_plugin(plugin));
            // What was skipped has been logged.
            Ok(())
        }
        PluginCommand::Describe { class, plugin_path, output } => {
            let plugins = WasmPlugins::start(limits(None), &plugin_path, BUNDLED);
            let plugins = plugins.await.map_err(|error| Failure::of(SETUP, &error))?;
            plugins.all_compiled().await;
            let catalogue = Catalogue::new(plugins, &ConfigMap::new());
            let found: Vec<_> = catalogue.list().into_iter().filter(|plugin| goes_by(plugin, &class)).collect();
            if found.is_empty() {
                let message = format!("there is no plugin {class}; see: millstream plugin list");
                return Err(Failure::new(NOT_FOUND, message));
            }
            match output {
                Output::Json => print_json(&json!(found.iter().map(|plugin| as_json(plugin)).collect::<Vec<_>>())),
                Output::Text => print(&found.iter().map(|plugin| as_text(plugin)).collect::<String>()),
            }
        }
        PluginCommand::Check { file, cache_dir } => {
            let checked = check_file(limits(cache_dir), &file).await.map_err(|error| Failure::of(SETUP, &error))?;
            let checked = checked.map_err(|error| {
                Failure::new(USAGE, format!("{} is no usable plugin: {}", file.display(), ErrorChain(&error)))
            })?;
            println!("{}: {} bytes, checked in {} ms", file.display(), checked.bytes, checked.took.as_millis());
            for plugin in &checked.plugins {
                print_plugin(plugin);
                for key in plugin.config.keys() {
                    let required = if key.is_required() { ", required" } else { "" };
                    println!("    {} ({}{required})", key.name, key.kind.as_str());
                }
            }
            Ok(())
        }
    }
}

/// Whether a name means a plugin.
fn goes_by(plugin: &PluginInfo, name: &str) -> bool {
    let simple = plugin.class.rsplit('.').next().unwrap_or_default();
    plugin.class == name
        || simple == name
        || (matches!(plugin.kind, PluginKind::Source | PluginKind::Sink)
            && simple.strip_suffix("Connector") == Some(name))
        || plugin.aliases.iter().any(|alias| alias == name)
}

fn as_json(plugin: &PluginInfo) -> Value {
    let keys: Vec<Value> = plugin.config.keys().iter().map(ConfigKey::to_definition_json).collect();
    json!({"class": plugin.class, "type": plugin.kind.name(), "version": plugin.version, "aliases": plugin.aliases,
        "location": plugin.location, "documentation": plugin.documentation, "config": keys})
}

fn as_text(plugin: &PluginInfo) -> String {
    let rows: Vec<Vec<String>> = plugin
        .config
        .keys()
        .iter()
        .map(|key| {
            let shown = key.to_definition_json();
            let default = match &shown["default_value"] {
                Value::String(text) if text.is_empty() => "\"\"".to_owned(),
                Value::String(text) => text.clone(),
                _ if key.is_required() => "(required)".to_owned(),
                _ => "null".to_owned(),
            };
            let documentation = shown["documentation"].as_str().unwrap_or("").lines().next().unwrap_or("").to_owned();
            let importance = shown["importance"].as_str().unwrap_or("").to_owned();
            vec![key.name.clone(), key.kind.as_str().to_owned(), default, importance, documentation]
        })
        .collect();
    let headings = ["KEY", "TYPE", "DEFAULT", "IMPORTANCE", "WHAT"];
    let keys = if rows.is_empty() { "It takes no keys.\n".to_owned() } else { table(&headings, &rows) };
    let version = if plugin.version.is_empty() { "no version" } else { &plugin.version };
    let documentation = plugin.documentation.trim();
    let documentation = if documentation.is_empty() { String::new() } else { format!("{documentation}\n") };
    format!("{} {}  {version}  {}\n{documentation}\n{keys}\n", plugin.kind.name(), plugin.class, plugin.location)
}

/// A worker's limits, and its cache: what is compiled here need not be compiled there.
fn limits(cache_dir: Option<PathBuf>) -> PluginLimits {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let limits = PluginLimits { compile_threads: processors, ..PluginLimits::default() };
    PluginLimits { cache_dir: cache_dir.or_else(PluginLimits::usual_cache_dir), ..limits }
}

fn print_plugin(plugin: &PluginInfo) {
    let version = if plugin.version.is_empty() { "no version" } else { &plugin.version };
    println!("{:<16} {}  {version}  {}", plugin.kind.name(), plugin.class, plugin.location);
}
