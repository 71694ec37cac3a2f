//! A sink whose target holds the offsets. Each line of the file says where it comes from; so the file itself says what is
//! in it, and where its partitions go on.

use std::collections::BTreeMap;

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Result, Sink, SinkContext, SinkTask, TopicOffset, TopicPartition,
    batch::Table, config::ConfigMap,
};

use crate::{OnceConfig, content, lines, target};

/// The connector. One task, since two would write into the file at the same time.
pub struct LedgerSink {
    config: OnceConfig,
}

impl Sink for LedgerSink {
    const INFO: Info = Info::new("org.example.LedgerSinkConnector")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Writes `TOPIC PARTITION OFFSET VALUE` lines into a file, each once, whatever happens to the worker.");
    type Config = OnceConfig;
    type Task = LedgerTask;

    fn start(config: OnceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, _: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone()])
    }

    fn alter_offsets(_: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        // The group's offsets mean nothing to this sink, and nobody is to believe that they do.
        Err(Error::config("the offsets are in the file: change the file"))
    }
}

/// The task.
pub struct LedgerTask {
    context: SinkContext,
    file: File,
    /// The offset of the next record of each partition.
    next: BTreeMap<TopicPartition, u64>,
}

impl SinkTask for LedgerTask {
    type Config = OnceConfig;

    fn start(_: OnceConfig, context: SinkContext) -> Result<Self> {
        Ok(Self { context, file: target()?, next: BTreeMap::new() })
    }

    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let bytes = content(&mut self.file)?;
        // The end of a line tells that it was written whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            self.file.truncate(whole as u64)?;
        }
        self.next.clear();
        for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
            let (from, offset) = place(line).ok_or_else(|| Error::fatal(format!("no line of this sink: {line:?}")))?;
            self.next.insert(from, offset + 1);
        }
        let known = |partition: &TopicPartition| {
            let offset = *self.next.get(partition)?;
            Some(TopicOffset { topic: partition.topic.clone(), partition: partition.partition, offset })
        };
        // Of what the file knows nothing, the group's offset or auto.offset.reset decides.
        self.context.seek(&partitions.iter().filter_map(known).collect::<Vec<_>>());
        Ok(())
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        let mut text = String::new();
        for (from, offset, value) in lines(records)? {
            let next = self.next.entry(from.clone()).or_default();
            // After a commit that failed, records come again.
            if *next <= offset {
                *next = offset + 1;
                text.push_str(&format!("{} {} {offset} {value}\n", from.topic, from.partition));
            }
        }
        self.file.write(text.as_bytes())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.sync()
    }

    fn pre_commit(&mut self, _: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        self.flush()?;
        Ok(Some(Vec::new()))
    }
}

/// Where a line comes from.
fn place(line: &str) -> Option<(TopicPartition, u64)> {
    let mut words = line.splitn(4, ' ');
    let topic = words.next()?.to_owned();
    let partition = words.next()?.parse().ok()?;
    let offset = words.next()?.parse().ok()?;
    words.next()?;
    Some((TopicPartition { topic, partition }, offset))
}

#[cfg(test)]
mod tests {
    use millstream_sdk::harness::Harness;

    use super::*;

    #[test]
    fn a_task_begins_behind_what_is_in_the_file_and_takes_a_torn_line_away() {
        let harness = Harness::enter();
        let file = harness.file("file", b"t 0 7 a\nu 1 3 b c\nt 0 8 \nt 0 9 tor");
        let config = ConfigMap::from([("file", "lines.txt")]);
        let mut task = harness.sink_task::<LedgerTask>(&config).expect("started");
        let partition = |topic: &str, partition| TopicPartition { topic: topic.to_owned(), partition };
        task.open(&[partition("t", 0), partition("t", 1), partition("u", 1)]).expect("opened");
        let at = |topic: &str, partition, offset| TopicOffset { topic: topic.to_owned(), partition, offset };
        assert_eq!(harness.take_sink_requests().seeks, [[at("t", 0, 9), at("u", 1, 4)]]);
        assert_eq!(file.content(), b"t 0 7 a\nu 1 3 b c\nt 0 8 \n");
        assert_eq!(task.pre_commit(&[at("t", 0, 9)]), Ok(Some(Vec::new())), "the group keeps nothing for it");
    }
}
