//! `millstream plugin`: what a worker would find below its `plugin.path`, and all that it takes to write more of it.

mod bench;
mod build;
mod check;
mod dev;
mod embedded;
mod language;
mod list;
mod new;
mod project;
mod run;
mod sources;
mod subject;
mod test;

use std::path::PathBuf;

use clap::Subcommand;
use millstream_plugin::PluginLimits;

use crate::{exit::Failure, output::Output};

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
    /// Make a project for a plugin of your own
    #[command(after_help = "Examples:
  millstream plugin new shout --lang python --kind transform
  millstream plugin new orders --lang rust --kind source --dir plugins/orders

Templates and SDKs are inside this program: nothing is fetched. Nothing is overwritten.")]
    New(new::New),
    /// Build the plugin of this project: build/NAME.wasm
    #[command(after_help = "Examples:
  millstream plugin build
  millstream plugin build --dir plugins/orders --output json

Uses the language's own tools, and says which is missing and how to get it. What they print goes to standard error.")]
    Build(build::Build),
    /// Run scenarios with the plugin: what is done with it, and what must come of it, as data
    #[command(after_help = test::HELP)]
    Test(test::Test),
    /// Feed a plugin with records, or poll it, and print what it makes of them; no worker is needed
    #[command(after_help = run::HELP)]
    Run(run::Run),
    /// Build whenever a source is saved, and swap the plugin in a worker that runs
    #[command(after_help = dev::HELP)]
    Dev(dev::Dev),
    /// Measure what a plugin costs for each record, and the memory that it holds
    #[command(after_help = bench::HELP)]
    Bench(bench::Bench),
    /// Check that a file is a plugin, and say what it carries and needs
    #[command(after_help = "Examples:
  millstream plugin check build/shout.wasm
  millstream plugin check build/shout.wasm --output json")]
    Check(check::Check),
}

/// Runs one of the commands.
pub async fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::List { plugin_path } => list::list(&plugin_path).await,
        PluginCommand::Describe { class, plugin_path, output } => list::describe(&class, &plugin_path, output).await,
        PluginCommand::New(arguments) => new::run(arguments),
        PluginCommand::Build(arguments) => build::run(arguments).await,
        PluginCommand::Test(arguments) => test::run(arguments).await,
        PluginCommand::Run(arguments) => run::run(arguments).await,
        PluginCommand::Dev(arguments) => dev::run(arguments).await,
        PluginCommand::Bench(arguments) => bench::run(arguments).await,
        PluginCommand::Check(arguments) => check::run(arguments).await,
    }
}

/// A worker's limits, and its cache: what is compiled here need not be compiled there.
fn compile_limits(cache_dir: Option<PathBuf>) -> PluginLimits {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let limits = PluginLimits { compile_threads: processors, ..PluginLimits::default() };
    PluginLimits { cache_dir: cache_dir.or_else(PluginLimits::usual_cache_dir), ..limits }
}
