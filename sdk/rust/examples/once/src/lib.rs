//! Two sinks that write every record exactly once, in the two ways there are.
//!
//! [`own_offsets`]: the target holds the offsets beside the data, and says where to begin. That is enough where no two tasks
//! write at the same time. [`one_committer`]: of tasks that may all be alive, one that was frozen among them, the owner
//! of the lease alone commits.

mod one_committer;
mod own_offsets;

pub use one_committer::CommitterSink;
pub use own_offsets::LedgerSink;

use millstream_sdk::{
    Error, File, Record, Result, TopicPartition, Value,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    values::value_text,
};

millstream_sdk::plugin! {
    sinks: [LedgerSink, CommitterSink],
}

/// The configuration of both.
pub struct OnceConfig {
    originals: ConfigMap,
}

impl PluginConfig for OnceConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string("file")
                    .required()
                    .importance(Importance::High)
                    .doc("File that is appended to. It belongs to the connector alone.")
                    .opens(Opens::append_file()),
            )
            .key(
                Key::string("release.file")
                    .doc("File without which nothing is committed: as long as it is missing, a commit waits. Commits do not wait unless it is set. Only the sink with a lease has it.")
                    .opens(Opens::read_file()),
            )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { originals: values.originals().clone() })
    }
}

fn target() -> Result<File> {
    File::open("file")?.ok_or_else(|| Error::fatal("the file was not created"))
}

/// All that is in a file.
fn content(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(0)?;
    loop {
        let more = file.read(1 << 20)?;
        if more.is_empty() {
            return Ok(bytes);
        }
        bytes.extend(more);
    }
}

/// The records of a batch: where each comes from, whatever transforms have made of its topic, and its value in one line.
fn lines(records: &Table<'_>) -> Result<Vec<(TopicPartition, u64, String)>> {
    let line = |(_, record): (usize, Record)| {
        let position = record.kafka.ok_or_else(|| Error::fatal("a record without its place in Kafka"))?;
        let number = |number: i64| u64::try_from(number).map_err(|_| Error::fatal("a negative offset"));
        let partition = u32::try_from(position.original_partition).map_err(|_| Error::fatal("a negative partition"))?;
        let from = TopicPartition { topic: position.original_topic, partition };
        let text = if record.value == Value::Null { String::new() } else { value_text(&record.value) };
        Ok((from, number(position.original_offset)?, text.replace(['\n', '\r'], " ")))
    };
    Record::selected(records).into_iter().map(line).collect()
}
