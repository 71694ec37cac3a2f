//! `millstream plugin`: looks at plugins without a worker.

use millstream_connector::{PluginInfo, Plugins};
use millstream_plugin::{PluginLimits, WasmPlugins, check_file};
use millstream_record::Chain;

use crate::{
    bundled::BUNDLED,
    cli::PluginCommand,
    exit::{Failure, SETUP, USAGE},
};

/// Runs one of the commands.
pub async fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::List { plugin_path } => {
            let plugins = WasmPlugins::start(PluginLimits::default(), &plugin_path, &BUNDLED);
            let plugins = plugins.await.map_err(|error| Failure::of(SETUP, &error))?;
            plugins.list().iter().for_each(|plugin| print_plugin(plugin));
            for problem in plugins.problems() {
                eprintln!("skipped {}: {}", problem.path.display(), Chain(&problem.problem));
            }
            Ok(())
        }
        PluginCommand::Check { file } => {
            let checked =
                check_file(PluginLimits::default(), &file).await.map_err(|error| Failure::of(SETUP, &error))?;
            let checked = checked.map_err(|error| {
                Failure::new(USAGE, format!("{} is no usable plugin: {}", file.display(), Chain(&error)))
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

fn print_plugin(plugin: &PluginInfo) {
    let version = if plugin.version.is_empty() { "no version" } else { &plugin.version };
    println!("{:<16} {}  {version}  {}", plugin.kind.name(), plugin.class, plugin.location);
}
