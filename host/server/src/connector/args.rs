//! Arguments of `millstream connector`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    exit::CODES,
    moment::{Place, Span},
    output::Output,
    worker_api::WorkerArgs,
};

/// What to print.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Form {
    /// Tables and text for people; what may be secret is hidden
    #[default]
    Text,
    /// JSON for programs, as the worker has it
    Json,
    /// The same as YAML
    Yaml,
}

/// Whether to wait until what was asked for is so.
#[derive(Args, Clone, Copy, Debug)]
pub struct Wait {
    /// Wait until it is so, or a task has failed; at most so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "60")]
    wait: Option<u32>,
}

impl Wait {
    /// The longest wait, if there is one.
    pub fn bound(self) -> Option<Duration> {
        self.wait.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// Files with connectors.
#[derive(Args, Clone, Debug)]
pub struct Files {
    /// Files with connectors: .properties, JSON (a configuration, or name and config) or YAML, also several in one file;
    /// - for standard input
    #[arg(short = 'f', long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// A connector by name.
#[derive(Args, Clone, Debug)]
pub struct Names {
    /// Names of connectors
    #[arg(required = true)]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct ConnectorArgs {
    #[command(flatten)]
    pub worker: WorkerArgs,
    #[command(subcommand)]
    pub command: ConnectorCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConnectorCommand {
    /// List connectors with their states
    #[command(after_help = "Example: millstream connector list --url http://connect:8083 --output json")]
    List {
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Show the state of a connector and its tasks
    #[command(after_help = "Example: millstream connector status orders")]
    Status {
        /// Its name
        name: String,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Show all there is to know of a connector, and why tasks have failed: record, stage, cause, what to do
    #[command(after_help = "Example: millstream connector describe orders")]
    Describe {
        /// Its name
        name: String,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Create connectors that must not exist yet
    #[command(after_help = "Example: millstream connector create -f orders.properties --wait")]
    Create {
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        wait: Wait,
    },
    /// Make connectors be as files say: creates, changes, or leaves alone
    #[command(after_help = "Examples:
  millstream connector apply -f connectors/*.yaml --dry-run
  millstream connector apply -f orders.json --wait=120

A key that the file leaves out is removed. What may be secret is not shown in differences.")]
    Apply {
        #[command(flatten)]
        files: Files,
        /// Show the differences and what the worker thinks of the configuration; change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show how files differ from what runs; ends with 8 if they do
    #[command(after_help = "Example: millstream connector diff -f orders.yaml")]
    Diff {
        #[command(flatten)]
        files: Files,
    },
    /// Open a connector's configuration in $VISUAL or $EDITOR, and apply it once the worker finds it valid
    #[command(after_help = "Example: EDITOR=nano millstream connector edit orders

A configuration that is not valid is opened again with the errors on top; left unchanged, it is given up.")]
    Edit {
        /// Its name
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Pause connectors: tasks stay, and do nothing
    #[command(after_help = "Example: millstream connector pause orders --wait")]
    Pause {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        wait: Wait,
    },
    /// Resume connectors that are paused or stopped
    #[command(after_help = "Example: millstream connector resume orders --wait")]
    Resume {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        wait: Wait,
    },
    /// Stop connectors: tasks end, the configuration stays, and offsets may be changed
    #[command(after_help = "Example: millstream connector stop orders --wait")]
    Stop {
        #[command(flatten)]
        names: Names,
        #[command(flatten)]
        wait: Wait,
    },
    /// Restart a connector and its tasks
    #[command(after_help = "Examples:
  millstream connector restart orders --only-failed --wait
  millstream connector restart orders --task 2")]
    Restart {
        /// Its name
        name: String,
        /// Only this task
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["only_failed", "without_tasks"])]
        task: Option<u32>,
        /// Only what has failed
        #[arg(long)]
        only_failed: bool,
        /// Not the tasks
        #[arg(long)]
        without_tasks: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show or change where a connector goes on
    #[command(subcommand)]
    Offsets(OffsetsCommand),
    /// Show the topics that a connector has used, or forget them
    #[command(after_help = "Examples:
  millstream connector topics orders
  millstream connector topics orders --reset")]
    Topics {
        /// Its name
        name: String,
        /// Forget them; those in use come back
        #[arg(long)]
        reset: bool,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Show the last lines of the worker's log about a connector; in a group those of the asked worker alone
    #[command(after_help = "Examples:
  millstream connector logs orders --level warn --since 15m
  millstream connector logs orders --task 0 --follow
  millstream connector logs orders --output json | jq .message

A worker keeps as much of each connector as connector.log.max.bytes says. With --output json each line is an object.
Kafka Connect does not show its log.")]
    Logs(LogsArgs),
    /// Make records again of a connector's dead letters, each exactly once
    #[command(after_help = "Examples:
  millstream connector replay orders --dry-run
  millstream connector replay orders
  millstream connector replay orders --filter stage=TASK_PUT --filter exception=java.sql.SQLException --to 2026-01-31T12:00:00Z
  millstream connector replay orders --topic orders-dead --into orders-again --bootstrap-server kafka:9092

A letter of a sink becomes the record that it was, with key, value, headers and timestamp, at the end of the partition that it
came from: whoever else reads that topic sees it, too, unless --into names another one, which the connector then has to read.
It needs errors.deadletterqueue.context.headers.enable=true when the letter was written. A letter of a source goes through the
transforms and converters that the connector has now, on this machine, into the topic that they say. Records and the note that their
letters are done are one transaction, under the group and transactional id millstream-replay-NAME: a replay that is killed
neither loses nor doubles a record, and the next one goes on. What --filter, --from and --to leave out stays to be replayed.
A record that fails again is a new letter.")]
    Replay(ReplayArgs),
    /// Delete connectors; their offsets stay
    #[command(after_help = "Example: millstream connector delete orders --wait")]
    Delete {
        #[command(flatten)]
        names: Names,
        /// None of that name is no error
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        wait: Wait,
    },
}

/// Which lines to show.
#[derive(Args, Clone, Debug)]
pub struct LogsArgs {
    /// Name of the connector
    pub name: String,
    /// Lines of this task alone
    #[arg(long, value_name = "NUMBER")]
    pub task: Option<u32>,
    /// Go on with the lines to come, until the command is ended
    #[arg(long, short = 'F')]
    pub follow: bool,
    /// Lines of this level and worse ones: trace, debug, info, warn or error
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,
    /// Lines of the last so many seconds, minutes, hours or days, such as 90s, 15m, 12h or 7d
    #[arg(long, value_name = "DURATION")]
    pub since: Option<Span>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The connector's name
    pub name: String,
    /// The topic with the letters; the connector's unless given
    #[arg(long)]
    pub topic: Option<String>,
    /// Only letters from there on: earliest, milliseconds since 1970, or a date and time (UTC unless it says otherwise)
    #[arg(long, value_name = "PLACE")]
    pub from: Option<Place>,
    /// Only letters before that
    #[arg(long, value_name = "PLACE")]
    pub to: Option<Place>,
    /// Only letters of which this is so: stage, class, exception, topic, task, config or digest
    #[arg(long = "filter", value_name = "WHAT=VALUE")]
    pub filters: Vec<String>,
    /// Another topic than the one that the records came from
    #[arg(long, value_name = "TOPIC")]
    pub into: Option<String>,
    /// A worker's file, for letters of a source: its plugin.path and default converters
    #[arg(long, value_name = "FILE")]
    pub worker_config: Option<PathBuf>,
    /// Show what would be replayed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Addresses of brokers, separated by commas
    #[arg(long, default_value = "localhost:9092", value_name = "HOST:PORT,...")]
    pub bootstrap_server: String,
    /// Further settings of the clients of these brokers
    #[arg(long = "client-property", value_name = "KEY=VALUE")]
    pub client_properties: Vec<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub output: Form,
}

#[derive(Debug, Subcommand)]
pub enum OffsetsCommand {
    /// Show where a connector goes on
    #[command(after_help = "Example: millstream connector offsets show orders --output json > orders-offsets.json")]
    Show {
        /// Its name
        name: String,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Change where a stopped connector goes on
    #[command(after_help = "Examples:
  millstream connector offsets set orders --at orders:0=1500 --at orders:1=0
  millstream connector offsets set file --partition '{\"filename\":\"in.txt\"}' --offset '{\"position\":0}'
  millstream connector offsets set orders -f orders-offsets.json")]
    Set {
        /// Its name
        name: String,
        /// For a sink: the next record that it reads of a partition
        #[arg(long, value_name = "TOPIC:PARTITION=OFFSET")]
        at: Vec<String>,
        /// For a source: a partition as JSON, followed by its --offset
        #[arg(long, value_name = "JSON", requires = "offset")]
        partition: Vec<String>,
        /// The offset of the partition in the same place; null removes it
        #[arg(long, value_name = "JSON", requires = "partition")]
        offset: Vec<String>,
        /// A file as `offsets show --output json` prints it; - for standard input
        #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = ["at", "partition"], required_unless_present_any = ["at", "partition"])]
        file: Option<PathBuf>,
    },
    /// Let a stopped connector begin anew
    #[command(after_help = "Examples:
  millstream connector offsets reset orders
  millstream connector offsets reset file --partition '{\"filename\":\"in.txt\"}'")]
    Reset {
        /// Its name
        name: String,
        /// Only this partition, as JSON
        #[arg(long, value_name = "JSON")]
        partition: Vec<String>,
    },
}
