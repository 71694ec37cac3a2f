//! `millstream plugin`: looks at plugins without a worker.

use std::path::PathBuf;

use clap::Subcommand;
use millstream_connector::{PluginInfo, Plugins};
use millstream_plugin::{PluginLimits, WasmPlugins, check_file};
use millstream_record::ErrorChain;

use crate::{
    bundled::BUNDLED,
    exit::{Failure, SETUP, USAGE},
};

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// List the plugins a worker would find
    List {
        /// Folders with .wasm files, as in the worker's plugin.path
        #[arg(long, value_name = "FOLDERS", value_delimiter = ',')]
        plugin_path: Vec<PathBuf>,
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
            let plugins = WasmPlugins::start(limits(None), &plugin_path, &BUNDLED);
            let plugins = plugins.await.map_err(|error| Failure::of(SETUP, &error))?;
            plugins.all_compiled().await;
            plugins.list().iter().for_each(|plugin| print_plugin(plugin));
            // What was skipped has been logged.
            Ok(())
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
