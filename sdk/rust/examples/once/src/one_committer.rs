//! A sink of which the owner of the lease alone commits, as sinks of tables do. What it writes is in the file at once and
//! means nothing; a commit is a change of what is kept under the lease: which parts of the file count, and where the
//! partitions go on. So a task that was frozen between the two, and goes on when another has long taken over, adds a part
//! that counts for nothing.
//!
//! A part of the file begins with the line `part EPOCH NUMBER LINES`, and so many lines that begin with a space follow.
//! Under the key `parts` stands how many parts of each epoch count, a line `EPOCH PARTS` for each.

use std::{collections::BTreeMap, time::Duration};

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Lease, Result, Sink, SinkContext, SinkTask, TopicOffset, TopicPartition,
    batch::Table, config::ConfigMap, wait,
};

use crate::{OnceConfig, lines, target};

const PARTS: &str = "parts";
const OFFSETS: &str = "offsets";

/// The connector. One task; that another one of it may still be alive somewhere is the reason for the lease.
pub struct CommitterSink {
    config: OnceConfig,
}

impl Sink for CommitterSink {
    const INFO: Info = Info::new("org.example.CommitterSinkConnector")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Writes values into a file in parts, of which those count that the owner of the lease has committed.")
        .wants_lease();
    type Config = OnceConfig;
    type Task = CommitterTask;

    fn start(config: OnceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, _: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone()])
    }

    fn alter_offsets(_: &ConfigMap, offsets: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        // A reset takes away what is kept under the lease, too: then no part counts, and all begins anew.
        if offsets.iter().all(|(_, offset)| offset.is_none()) {
            return Ok(true);
        }
        Err(Error::config("the offsets are kept under the lease, with what counts of the file: they can only be reset"))
    }
}

/// The task.
pub struct CommitterTask {
    context: SinkContext,
    file: File,
    waits: bool,
    lease: Option<Lease>,
    /// The offset of the next record of each partition, with all that is pending.
    next: BTreeMap<TopicPartition, u64>,
    /// How many parts of each epoch count.
    parts: BTreeMap<u64, u64>,
    pending: Vec<String>,
    /// Why the task cannot go on.
    lost: Option<Error>,
}

impl CommitterTask {
    /// Becomes the owner, and begins from what owners before have committed.
    fn take_over(&mut self) -> Result<()> {
        let lease = Lease::obtain()?;
        let kept = |key| -> Result<String> {
            let bytes = lease.get(key)?.unwrap_or_default();
            String::from_utf8(bytes).map_err(|_| Error::fatal(format!("what is kept under {key} is no text")))
        };
        let damaged = |line: &str| Error::fatal(format!("what is kept has the line {line:?}"));
        self.parts.clear();
        for line in kept(PARTS)?.lines() {
            let (epoch, parts) = line.split_once(' ').ok_or_else(|| damaged(line))?;
            let number = |text: &str| text.parse::<u64>().map_err(|_| damaged(line));
            self.parts.insert(number(epoch)?, number(parts)?);
        }
        self.next.clear();
        for line in kept(OFFSETS)?.lines() {
            let mut words = line.rsplitn(3, ' ');
            let mut word = || words.next().ok_or_else(|| damaged(line));
            let offset = word()?.parse().map_err(|_| damaged(line))?;
            let partition = word()?.parse().map_err(|_| damaged(line))?;
            self.next.insert(TopicPartition { topic: word()?.to_owned(), partition }, offset);
        }
        self.pending.clear();
        self.lease = Some(lease);
        Ok(())
    }

    fn commit(&mut self, lease: &Lease) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let part = self.parts.get(&lease.epoch()).map_or(1, |parts| parts + 1);
        let mut text = format!("\npart {} {part} {}\n", lease.epoch(), self.pending.len());
        self.pending.iter().for_each(|line| text.push_str(&format!(" {line}\n")));
        self.file.write(text.as_bytes())?;
        self.file.sync()?;
        while self.waits && File::open("release.file")?.is_none() {
            // What is written is not committed yet, and may as well be done by a successor.
            if wait(Duration::from_millis(50)) && File::open("release.file")?.is_none() {
                return Err(Error::retriable("stopped before it was released"));
            }
        }
        self.parts.insert(lease.epoch(), part);
        let parts: String = self.parts.iter().map(|(epoch, parts)| format!("{epoch} {parts}\n")).collect();
        let offset = |(from, offset): (&TopicPartition, &u64)| format!("{} {} {offset}\n", from.topic, from.partition);
        let offsets: String = self.next.iter().map(offset).collect();
        lease.write([(PARTS, Some(parts.as_bytes())), (OFFSETS, Some(offsets.as_bytes()))])?;
        self.pending.clear();
        Ok(())
    }

    fn offsets(&self, of: &[TopicPartition]) -> Vec<TopicOffset> {
        let one = |from: &TopicPartition| {
            let offset = *self.next.get(from)?;
            Some(TopicOffset { topic: from.topic.clone(), partition: from.partition, offset })
        };
        of.iter().filter_map(one).collect()
    }
}

impl SinkTask for CommitterTask {
    type Config = OnceConfig;

    fn start(config: OnceConfig, context: SinkContext) -> Result<Self> {
        let waits = config.originals.get("release.file").is_some();
        let (next, parts) = Default::default();
        Ok(Self { context, file: target()?, waits, lease: None, next, parts, pending: Vec::new(), lost: None })
    }

    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if self.lease.is_none() {
            self.take_over()?;
        }
        self.context.seek(&self.offsets(partitions));
        Ok(())
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        for (from, offset, value) in lines(records)? {
            let next = self.next.entry(from).or_default();
            if *next <= offset {
                *next = offset + 1;
                self.pending.push(value);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Some(lease) = self.lease.take() else { return Err(Error::fatal("nothing was opened")) };
        match self.commit(&lease) {
            Ok(()) => {
                self.lease = Some(lease);
                Ok(())
            }
            // Whether it counts is not known, or it does not: this task does not go on.
            Err(error) => {
                self.lost = Some(error.clone());
                Err(error)
            }
        }
    }

    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        if self.lost.is_some() {
            return Ok(Some(Vec::new()));
        }
        self.flush()?;
        let asked = offsets.iter().map(|at| TopicPartition { topic: at.topic.clone(), partition: at.partition });
        // For those who look at the group; the sink itself begins from what it keeps.
        Ok(Some(self.offsets(&asked.collect::<Vec<_>>())))
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::harness::Harness;

    use super::*;

    #[test]
    fn what_a_task_writes_that_has_lost_the_lease_counts_for_nothing_and_it_says_so() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        harness.keep(PARTS, b"1 4\n");
        harness.keep(OFFSETS, b"t 0 9\n");
        let config = ConfigMap::from([("file", "parts.txt")]);
        let mut task = harness.sink_task::<CommitterTask>(&config).expect("started");
        let t = TopicPartition { topic: "t".to_owned(), partition: 0 };
        let at = |offset| TopicOffset { topic: "t".to_owned(), partition: 0, offset };
        task.open(std::slice::from_ref(&t)).expect("opened");
        assert_eq!(harness.take_sink_requests().seeks, [[at(9)]]);

        (task.pending, task.next) = (vec!["a".to_owned()], BTreeMap::from([(t.clone(), 10)]));
        assert_eq!(task.pre_commit(&[at(10)]), Ok(Some(vec![at(10)])));
        assert_eq!(file.content(), b"\npart 1 5 1\n a\n");
        assert_eq!(harness.kept(PARTS).as_deref(), Some(&b"1 5\n"[..]));
        assert_eq!(harness.kept(OFFSETS).as_deref(), Some(&b"t 0 10\n"[..]));

        (task.pending, task.next) = (vec!["b".to_owned()], BTreeMap::from([(t, 11)]));
        harness.take_lease();
        let refused = task.pre_commit(&[at(11)]).expect_err("it is not the owner any more");
        assert!(refused.is_lease_lost(), "{refused:?}");
        assert_eq!(harness.kept(PARTS).as_deref(), Some(&b"1 5\n"[..]));
        let failed = task.put(&Table::new(0)).expect_err("it does not go on");
        assert!(failed.is_lease_lost());
        assert_eq!(task.pre_commit(&[at(11)]), Ok(Some(Vec::new())), "the last one commits nothing");
    }
}
