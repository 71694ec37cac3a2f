//! Arguments of `millstream group`.

use clap::{ArgGroup, Args, Subcommand};

use crate::{
    kafka_tools::Connection,
    moment::{Moment, Span},
    output::Output,
};

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List groups
    List {
        #[command(flatten)]
        connection: Connection,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Describe groups: committed offsets and how far they lie behind, or their members
    #[command(after_help = "Examples:
  millstream group describe billing
  millstream group describe billing --members --output json")]
    Describe {
        #[command(flatten)]
        connection: Connection,
        /// Their ids
        #[arg(required = true)]
        groups: Vec<String>,
        /// Members with what they are assigned, instead of offsets
        #[arg(long)]
        members: bool,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Set committed offsets of a group that has no members; without --execute show what would be set
    #[command(after_help = "Examples:
  millstream group reset-offsets billing --topic orders --to-earliest
  millstream group reset-offsets billing --topic orders:0,2 --to-offset 1000 --execute
  millstream group reset-offsets billing --all-topics --shift-by -100 --execute
  millstream group reset-offsets billing --all-topics --by-duration 12h")]
    ResetOffsets(ResetOffsets),
    /// Delete groups that have no members, with their offsets
    Delete {
        #[command(flatten)]
        connection: Connection,
        /// Their ids
        #[arg(required = true)]
        groups: Vec<String>,
    },
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("place").required(true).args(
    ["to_earliest", "to_latest", "to_current", "to_offset", "shift_by", "to_datetime", "by_duration"]
)))]
pub struct ResetOffsets {
    #[command(flatten)]
    pub connection: Connection,
    /// The group's id
    pub group: String,
    /// A topic, or some partitions of it as topic:0,1
    #[arg(long = "topic", value_name = "TOPIC", required_unless_present = "all_topics")]
    pub topics: Vec<String>,
    /// All partitions that the group has committed offsets of
    #[arg(long, conflicts_with = "topics")]
    pub all_topics: bool,
    /// To the first record there is
    #[arg(long)]
    pub to_earliest: bool,
    /// Behind the last record
    #[arg(long)]
    pub to_latest: bool,
    /// To where they are; where there is none behind the last record
    #[arg(long)]
    pub to_current: bool,
    /// To an offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub to_offset: Option<i64>,
    /// By so many records, back where negative
    #[arg(long, value_name = "RECORDS", allow_negative_numbers = true)]
    pub shift_by: Option<i64>,
    /// To the first record of a time or later: milliseconds since 1970, or a date and time
    #[arg(long, value_name = "TIME")]
    pub to_datetime: Option<Moment>,
    /// To the first record of so long ago or later, like 90s, 15m, 12h, 7d
    #[arg(long, value_name = "DURATION")]
    pub by_duration: Option<Span>,
    /// Set the offsets
    #[arg(long, conflicts_with = "dry_run")]
    pub execute: bool,
    /// Only show what would be set, as is done anyway without --execute
    #[arg(long)]
    pub dry_run: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}
