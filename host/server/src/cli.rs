//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use clap_complete::Shell;
use millstream_broker::Adoption;
use tracing::level_filters::LevelFilter;

use crate::{
    adopt_command, broker_command,
    check::{self, ConfigCommand, MigrateArgs},
    connector::{self, ConnectorArgs},
    distributed,
    exit::{self, Failure},
    group::{self, GroupCommand},
    log_files::{coordinator::Decoder, dump, verify},
    logging,
    output::{Output, print},
    plugin::{self, PluginCommand},
    repair_command, standalone,
    topic::{self, TopicCommand},
};

/// Stack of a thread, in bytes. The deepest JSON that is read (`converter.nesting.max`) takes three megabytes
/// where nothing is optimised; what is not used is not memory.
const THREAD_STACK: usize = 8 << 20;

/// Data integration that speaks Kafka Connect and runs its plugins as sandboxed WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a worker by itself, like Kafka's connect-standalone
    Standalone {
        /// Worker configuration (.properties)
        worker: PathBuf,
        /// Connectors to create at the start (.properties or JSON)
        connectors: Vec<PathBuf>,
    },
    /// Run a worker in a group, whose state lives in topics, like Kafka's connect-distributed
    Distributed {
        /// Worker configuration (.properties)
        worker: PathBuf,
    },
    /// Run the built-in broker alone
    #[command(args_conflicts_with_subcommands = true)]
    Broker {
        #[command(subcommand)]
        command: Option<BrokerCommand>,
        /// Broker configuration: Apache Kafka's server.properties keys
        properties: Option<PathBuf>,
        /// A setting that overrides the file
        #[arg(long = "override", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Look at plugins, and write your own
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Work with topics of a Kafka cluster or of the built-in broker
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Work with consumer groups of a Kafka cluster or of the built-in broker
    #[command(subcommand)]
    Group(GroupCommand),
    /// Work with connectors of a worker, Millstream's or Kafka Connect's
    Connector(ConnectorArgs),
    /// Look at configurations without a worker
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say which connectors of a running Kafka Connect cluster would work here, which would not, and why
    Migrate(MigrateArgs),
    /// Print what a shell needs to complete these commands
    #[command(after_help = "Examples:
  millstream completion bash > ~/.local/share/bash-completion/completions/millstream
  millstream completion zsh > ~/.zfunc/_millstream
  millstream completion fish > ~/.config/fish/completions/millstream.fish")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Show what of damaged partitions cannot be kept; with --apply set it aside, so that they can be opened again
    Repair {
        /// The broker's data folder (log.dirs), which no broker may be using
        #[arg(long, value_name = "FOLDER")]
        data_dir: PathBuf,
        /// Do what is shown
        #[arg(long)]
        apply: bool,
        /// Partitions, named as their folders; all if none is given
        partitions: Vec<String>,
    },
    /// Show what would be served of partitions copied from another broker, Apache Kafka's too; with --apply take them in
    #[command(after_help = "Examples:
  millstream broker adopt --data-dir millstream-data /backup/kafka/orders-0
  millstream broker adopt --data-dir millstream-data /backup/kafka --apply
  millstream broker adopt --data-dir millstream-data old/audit-0 --config cleanup.policy=compact --apply

Every byte is read first, and nothing is changed without --apply. What is taken is copied and verified once more; folders below
the data folder itself, such as those that a start has moved aside (…-stray), are renamed. Settings come from Kafka's metadata
log, if it lies beside the partitions (__cluster_metadata-0). Ends with 1 if something cannot be taken. A whole data folder of
Kafka's with nothing beside it needs no taking: start the broker with log.dirs at it.")]
    Adopt {
        /// The broker's data folder (log.dirs), which no broker may be using
        #[arg(long, value_name = "FOLDER")]
        data_dir: PathBuf,
        /// Do what is shown
        #[arg(long)]
        apply: bool,
        /// A setting for topics that are not there yet
        #[arg(long = "config", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// Folders of partitions, such as orders-0, or data folders: all partitions in them
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
    /// Print what is in files of a partition, as kafka-dump-log does
    #[command(after_help = "Examples:
  millstream broker dump millstream-data/orders-0/00000000000000000000.log --records
  millstream broker dump millstream-data/orders-0/*.index --output json
  millstream broker dump millstream-data/__consumer_offsets-12/*.log --offsets-decoder

With --output json each batch, record and entry is an object in a line of its own.")]
    Dump {
        /// Files that end in .log, .index, .timeindex, .txnindex or .snapshot, or leader-epoch-checkpoint, written by this
        /// broker or by Apache Kafka
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Records, not batches alone
        #[arg(long)]
        records: bool,
        /// Records of __consumer_offsets, read as groups and offsets
        #[arg(long, conflicts_with = "transaction_log_decoder")]
        offsets_decoder: bool,
        /// Records of __transaction_state, read as transactions
        #[arg(long)]
        transaction_log_decoder: bool,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Read every batch and record below a folder, and say what is wrong with them; nothing is changed
    #[command(after_help = "Example: millstream broker verify millstream-data

Ends with 1 if something is damaged. A broker that runs may use the folder: what it is writing then may look cut off.")]
    Verify {
        /// A broker's data folder (log.dirs), or the folder of one partition
        folder: PathBuf,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayVersion | ErrorKind::DisplayHelp);
            let code = if asked_for { 0 } else { exit::USAGE };
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let long_running = matches!(
        cli.command,
        Command::Standalone { .. }
            | Command::Distributed { .. }
            | Command::Broker { command: None, .. }
            | Command::Plugin(PluginCommand::Dev(_))
    );
    logging::start(if long_running { LevelFilter::INFO } else { LevelFilter::WARN });
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = match builder.enable_all().thread_stack_size(THREAD_STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::of(exit::SETUP, &error).report(),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Standalone { worker, connectors } => standalone::run(&worker, &connectors).await,
            Command::Distributed { worker } => distributed::run(&worker).await,
            Command::Broker { command: Some(command), .. } => match command {
                BrokerCommand::Repair { data_dir, apply, partitions } => {
                    repair_command::run(&data_dir, apply, &partitions)
                }
                BrokerCommand::Adopt { data_dir, apply, settings, folders } => pairs(&settings)
                    .and_then(|settings| adopt_command::run(&Adoption { data_dir, sources: folders, settings, apply })),
                BrokerCommand::Dump { files, records, offsets_decoder, transaction_log_decoder, output } => {
                    let decoder = match (offsets_decoder, transaction_log_decoder) {
                        (true, _) => Some(Decoder::Offsets),
                        (_, true) => Some(Decoder::Transactions),
                        _ => None,
                    };
                    let records = records || decoder.is_some();
                    dump::run(&files, dump::Shown { records, decoder, output })
                }
                BrokerCommand::Verify { folder, output } => verify::run(&folder, output),
            },
            Command::Broker { command: None, properties, overrides } => {
                broker_command::run(properties.as_deref(), &overrides).await
            }
            Command::Plugin(command) => plugin::run(command).await,
            Command::Topic(command) => topic::run(command).await,
            Command::Group(command) => group::run(command).await,
            Command::Connector(arguments) => connector::run(arguments).await,
            Command::Config(command) => check::run(command).await,
            Command::Migrate(arguments) => check::migrate(arguments).await,
            Command::Completion { shell } => completion(shell),
        }
    });
    logging::finish();
    // Blocking reads of standard input cannot be interrupted; the process does not wait for them.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// `KEY=VALUE`, each of them.
fn pairs(settings: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let read = |setting: &String| match setting.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(Failure::new(exit::USAGE, format!("--config {setting}: write it as KEY=VALUE"))),
    };
    settings.iter().map(read).collect()
}

fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millstream", &mut script);
    print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
