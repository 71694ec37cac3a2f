//! Arguments of `millstream topic`.

use clap::{Args, Subcommand, ValueEnum};

use crate::{kafka_tools::Connection, moment::Place, output::Output};

#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// List topics
    List {
        #[command(flatten)]
        connection: Connection,
        /// Kafka's own topics too
        #[arg(long)]
        internal: bool,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Create a topic
    #[command(after_help = "Example: millstream topic create orders --partitions 6 --config retention.ms=86400000")]
    Create {
        #[command(flatten)]
        connection: Connection,
        /// Its name
        topic: String,
        /// Number of partitions; the broker's default if not given
        #[arg(long)]
        partitions: Option<u32>,
        /// Copies of each partition; the broker's default if not given
        #[arg(long)]
        replication_factor: Option<u16>,
        /// A topic setting
        #[arg(long = "config", value_name = "KEY=VALUE")]
        configs: Vec<String>,
    },
    /// Change settings of a topic, or give it more partitions
    #[command(after_help = "Examples:
  millstream topic alter orders --set retention.ms=3600000 --unset cleanup.policy
  millstream topic alter orders --partitions 12")]
    Alter {
        #[command(flatten)]
        connection: Connection,
        /// Its name
        topic: String,
        /// Number of partitions from now on, which cannot become less
        #[arg(long, required_unless_present_any = ["set", "unset"])]
        partitions: Option<u32>,
        /// A setting
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// A setting that is to have the broker's value again
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Delete topics with all their records
    Delete {
        #[command(flatten)]
        connection: Connection,
        /// Their names
        #[arg(required = true)]
        topics: Vec<String>,
    },
    /// Describe topics: partitions, offsets, settings that differ from the defaults
    Describe {
        #[command(flatten)]
        connection: Connection,
        /// Their names
        #[arg(required = true)]
        topics: Vec<String>,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print the offset at a place of each partition, as topic:partition:offset
    #[command(after_help = "Examples:
  millstream topic offsets orders
  millstream topic offsets orders --at earliest
  millstream topic offsets orders --at 2026-01-31T12:00:00Z --partition 0 --output json

No record so late gives an empty offset.")]
    Offsets {
        #[command(flatten)]
        connection: Connection,
        /// Names of the topics
        #[arg(required = true)]
        topics: Vec<String>,
        /// earliest, latest, max-timestamp, milliseconds since 1970, or a date and time (UTC unless it says otherwise)
        #[arg(long, default_value = "latest", value_name = "PLACE")]
        at: Place,
        /// Only this partition
        #[arg(long = "partition", value_name = "NUMBER")]
        partitions: Vec<i32>,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Delete the records before an offset
    #[command(after_help = "Examples:
  millstream topic delete-records orders --before 1000 --partition 0
  millstream topic delete-records orders --before end")]
    DeleteRecords {
        #[command(flatten)]
        connection: Connection,
        /// The topic
        topic: String,
        /// The first offset that is kept; `end` keeps none
        #[arg(long, value_name = "OFFSET")]
        before: Before,
        /// Only this partition
        #[arg(long = "partition", value_name = "NUMBER")]
        partitions: Vec<i32>,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Produce each line of standard input as a record
    #[command(after_help = "Examples:
  echo 'k:v' | millstream topic produce orders --key-separator :
  echo v | millstream topic produce orders --header source=shell --header empty=
  millstream topic consume orders --from-beginning --output json --until-end | \\
    millstream topic produce copy --input json

With --input json a line is an object with any of the members key, value, headers ([{\"key\": …, \"value\": …}]), partition
and timestamp, as `consume --output json` prints them; others are ignored. Bytes that are no text are
{\"base64\": \"…\"}; a value that is no text is produced as the JSON it is.")]
    Produce(Produce),
    /// Print the records of a topic, one per line
    #[command(after_help = "Examples:
  millstream topic consume orders --from-beginning --until-end
  millstream topic consume orders --partition 0 --offset 1000 --max-messages 1 --print timestamp,headers,key
  millstream topic consume orders --from 2026-01-31T12:00:00Z --output json --isolation-level read_committed

What is printed in front of the value stands in the order and form of Kafka's console consumer, with tabs between.")]
    Consume(Consume),
}

/// Which records are deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Before(pub i64);

impl std::str::FromStr for Before {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            // In the protocol, too.
            "end" => Ok(Self(-1)),
            text => match text.parse() {
                Ok(offset) if 0 <= offset => Ok(Self(offset)),
                _ => Err("expected an offset, or end".to_owned()),
            },
        }
    }
}

/// What a line of input is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Input {
    /// A value, or key and value
    #[default]
    Text,
    /// A JSON object
    Json,
}

#[derive(Args, Debug)]
pub struct Produce {
    #[command(flatten)]
    pub connection: Connection,
    /// The topic
    pub topic: String,
    /// Text between key and value; without it lines are values
    #[arg(long, value_name = "TEXT", conflicts_with = "input")]
    pub key_separator: Option<String>,
    /// A header of every record
    #[arg(long = "header", value_name = "KEY=VALUE")]
    pub headers: Vec<String>,
    /// Partition; chosen by the key if not given
    #[arg(long)]
    pub partition: Option<i32>,
    /// What a line is
    #[arg(long, value_enum, default_value_t)]
    pub input: Input,
}

/// What is printed in front of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Shown {
    /// When it was made, or appended
    Timestamp,
    /// Its partition
    Partition,
    /// Its offset
    Offset,
    /// Its headers
    Headers,
    /// Its key
    Key,
}

/// Which records of transactions are seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Isolation {
    /// All of them
    #[default]
    ReadUncommitted,
    /// Those of committed transactions only
    ReadCommitted,
}

#[derive(Args, Debug)]
pub struct Consume {
    #[command(flatten)]
    pub connection: Connection,
    /// The topic
    pub topic: String,
    /// Begin with the oldest record instead of the next one
    #[arg(long, conflicts_with_all = ["offset", "from"])]
    pub from_beginning: bool,
    /// Begin at this offset of the partition
    #[arg(long, requires = "partition", conflicts_with = "from", value_parser = clap::value_parser!(i64).range(0..))]
    pub offset: Option<i64>,
    /// Begin with the first record of this time: milliseconds since 1970, or a date and time
    #[arg(long, value_name = "PLACE")]
    pub from: Option<Place>,
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    pub partition: Option<i32>,
    /// End after so many records
    #[arg(long, value_name = "COUNT")]
    pub max_messages: Option<u64>,
    /// End when no record came for so long, in milliseconds
    #[arg(long, value_name = "MS")]
    pub timeout_ms: Option<u64>,
    /// End behind the records that are there when the command begins
    #[arg(long)]
    pub until_end: bool,
    /// Which records of transactions to print
    #[arg(long, value_enum, default_value_t)]
    pub isolation_level: Isolation,
    /// Print the key in front of the value, with this text between them
    #[arg(long, value_name = "TEXT")]
    pub key_separator: Option<String>,
    /// What to print in front of the value
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "output")]
    pub print: Vec<Shown>,
    /// Form of the records; with json each line is an object
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}
