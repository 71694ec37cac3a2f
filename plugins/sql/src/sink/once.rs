//! Offsets in the database, beside the rows: each record is written once, whatever happens to the worker.
//!
//! A row per partition says where it goes on. It is changed in the transaction that writes the rows. A task that opens a
//! partition raises the row's epoch, and whoever had it before changes nothing any more: its transaction finds another
//! epoch and is undone.
//!
//! A record that was refused ends as a dead letter, which the worker writes after the transaction. Until the worker says
//! that it has, by asking for a commit behind it, its offset stands in the row as unsettled: it comes again after a crash.

use std::collections::{BTreeMap, BTreeSet};

use millstream_sdk::{Error, Result, TopicOffset, TopicPartition, Value, sql::Parameter};

use crate::{
    dialect::{Dialect, Spelling},
    session::{Session, whole_number},
    table_name::TableName,
};

/// Class of the error of a task that another one has replaced.
const FENCED: &str = "org.apache.kafka.common.errors.ProducerFencedException";
/// Most refused records of a partition that may wait for their dead letters to be written.
pub const MAX_UNSETTLED: usize = 1000;

/// What is kept for a partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    epoch: i64,
    /// The next record's offset; none as long as nothing was written.
    next: Option<u64>,
    /// Offsets before it whose dead letters may not be written yet.
    unsettled: BTreeSet<u64>,
}

impl Kept {
    /// Whether a record has been written, or has ended otherwise.
    pub fn has(&self, offset: u64) -> bool {
        self.next.is_some_and(|next| offset < next) && !self.unsettled.contains(&offset)
    }

    /// Whether the record is one of those up to which was written.
    pub fn is_before(&self, offset: u64) -> bool {
        self.next.is_some_and(|next| offset < next)
    }

    /// Where the partition goes on after a restart.
    pub fn resumes_at(&self) -> Option<u64> {
        self.unsettled.first().copied().or(self.next)
    }

    /// The same after records were written up to an offset, of which some were refused.
    fn after(&self, next: u64, refused: impl Iterator<Item = u64>, ended: impl Fn(u64) -> bool) -> Self {
        let mut unsettled: BTreeSet<u64> = self.unsettled.iter().copied().filter(|offset| !ended(*offset)).collect();
        unsettled.extend(refused);
        Self { epoch: self.epoch, next: Some(self.next.map_or(next, |old| old.max(next))), unsettled }
    }

    /// Forgets refused records before an offset, whose dead letters are written. True if there were any.
    fn settle(&mut self, before: u64) -> bool {
        let count = self.unsettled.len();
        self.unsettled.retain(|offset| before <= *offset);
        self.unsettled.len() != count
    }

    fn unsettled_text(&self) -> String {
        self.unsettled.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
    }
}

/// What a transaction does to partitions.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    parts: BTreeMap<TopicPartition, Part>,
}

#[derive(Clone, Debug, Default)]
struct Part {
    next: u64,
    taken: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

impl Progress {
    /// Whether there is nothing to be kept.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A record that the transaction writes.
    pub fn take(&mut self, topic: &str, partition: u32, offset: u64, is_old: bool) {
        let part = self.parts.entry(TopicPartition::new(topic, partition)).or_default();
        part.next = part.next.max(offset + 1);
        if is_old {
            part.taken.insert(offset);
        }
    }

    /// One of them that was refused after all.
    pub fn refuse(&mut self, topic: &str, partition: u32, offset: u64) {
        let part = self.parts.entry(TopicPartition::new(topic, partition)).or_default();
        part.next = part.next.max(offset + 1);
        part.refused.insert(offset);
    }
}

/// The offsets of a task's partitions.
#[derive(Debug)]
pub struct Once {
    connector: String,
    table: String,
    kept: BTreeMap<TopicPartition, Kept>,
}

impl Once {
    /// In a table that is made if it is missing.
    ///
    /// # Errors
    ///
    /// The table cannot be made, or its name cannot be spelled.
    pub fn open(connector: &str, table: &str, spelling: Spelling, session: &Session) -> Result<Self> {
        let name = TableName::parse(table, spelling.dialect)?;
        let spelled = name.spelled(spelling)?;
        if session.table(&name)?.is_none() {
            let binary =
                if spelling.dialect == Dialect::MySql { " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" } else { "" };
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {spelled} (connector VARCHAR(255){binary} NOT NULL, topic VARCHAR(249){binary} NOT NULL, \
                 kafka_partition INT NOT NULL, epoch BIGINT NOT NULL, next_offset BIGINT, unsettled TEXT, \
                 PRIMARY KEY (connector, topic, kafka_partition))"
            );
            // Another task may be making it just now.
            if let Err(error) = session.database.execute(&sql, &[])
                && session.table(&name)?.is_none()
            {
                return Err(Error {
                    kind: error.kind,
                    ..Error::fatal(format!("create table {name} for offsets")).because(&error)
                });
            }
        }
        Ok(Self { connector: connector.to_owned(), table: spelled, kept: BTreeMap::new() })
    }

    fn place(&self, at: &TopicPartition) -> [Parameter; 3] {
        [self.connector.as_str().into(), at.topic.as_str().into(), i64::from(at.partition).into()]
    }

    const WHERE: &str = "WHERE connector = ? AND topic = ? AND kafka_partition = ?";

    /// Takes partitions over, and says where they go on.
    ///
    /// # Errors
    ///
    /// The database does not let it.
    pub fn claim(&mut self, session: &Session, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>> {
        let database = &session.database;
        database.begin()?;
        let mut offsets = Vec::new();
        // In order, so that two tasks that take over the same ones do not wait for each other in a circle.
        let mut sorted = partitions.to_vec();
        sorted.sort();
        for at in &sorted {
            let insert = match session.dialect {
                Dialect::PostgreSql => ("INSERT", " ON CONFLICT DO NOTHING"),
                Dialect::MySql => ("INSERT IGNORE", ""),
                Dialect::Sqlite => ("INSERT OR IGNORE", ""),
            };
            let sql = format!(
                "{} INTO {} (connector, topic, kafka_partition, epoch) VALUES (?, ?, ?, 0){}",
                insert.0, self.table, insert.1
            );
            database.execute(&sql, &self.place(at))?;
            database
                .execute(&format!("UPDATE {} SET epoch = epoch + 1 {}", self.table, Self::WHERE), &self.place(at))?;
            let kept = self.read(session, at)?;
            offsets.extend(kept.resumes_at().map(|offset| at.clone().at(offset)));
            self.kept.insert(at.clone(), kept);
        }
        database.commit()?;
        Ok(offsets)
    }

    /// Reads again what is kept, after a session whose last commit may or may not have counted.
    ///
    /// # Errors
    ///
    /// Another task has taken a partition over.
    pub fn reread(&mut self, session: &Session) -> Result<()> {
        for at in self.kept.keys().cloned().collect::<Vec<_>>() {
            let found = self.read(session, &at)?;
            if self.kept.get(&at).is_some_and(|kept| kept.epoch != found.epoch) {
                return Err(fenced(&at));
            }
            self.kept.insert(at, found);
        }
        Ok(())
    }

    fn read(&self, session: &Session, at: &TopicPartition) -> Result<Kept> {
        let sql = format!("SELECT epoch, next_offset, unsettled FROM {} {}", self.table, Self::WHERE);
        let row = session.row(&sql, &self.place(at))?;
        let damaged =
            || Error::fatal(format!("the row for {}-{} in {} cannot be read", at.topic, at.partition, self.table));
        let row = row.ok_or_else(damaged)?;
        let [epoch, next, unsettled] = row.as_slice() else { return Err(damaged()) };
        let next = match next {
            Value::Null => None,
            next => Some(whole_number(next).and_then(|next| u64::try_from(next).ok()).ok_or_else(damaged)?),
        };
        let unsettled = match unsettled {
            Value::String(text) if !text.is_empty() => {
                text.split(',').map(|offset| offset.parse().map_err(|_| damaged())).collect::<Result<_>>()?
            }
            _ => BTreeSet::new(),
        };
        Ok(Kept { epoch: whole_number(epoch).ok_or_else(damaged)?, next, unsettled })
    }

    /// What is kept for a partition.
    pub fn kept(&self, topic: &str, partition: u32) -> Option<&Kept> {
        self.kept.get(&TopicPartition::new(topic, partition))
    }

    /// Writes, within a transaction, where partitions go on after it. What it returns is to be [taken over](Once::committed)
    /// once that is committed.
    ///
    /// # Errors
    ///
    /// Another task has taken a partition over: the transaction is to be undone. Or too many refused records wait for their
    /// dead letters.
    pub fn write(&self, session: &Session, progress: &Progress) -> Result<Vec<(TopicPartition, Kept)>> {
        let mut changed = Vec::new();
        for (at, part) in &progress.parts {
            let before = self.kept.get(at).ok_or_else(|| {
                Error::fatal(format!("a record of {}-{}, which was not opened", at.topic, at.partition))
            })?;
            let kept = before.after(part.next, part.refused.iter().copied(), |offset| part.taken.contains(&offset));
            if MAX_UNSETTLED < kept.unsettled.len() {
                return Err(Error::retriable(format!(
                    "more than {MAX_UNSETTLED} refused records of {}-{} wait for their dead letters to be written",
                    at.topic, at.partition
                )));
            }
            self.store(session, at, &kept)?;
            changed.push((at.clone(), kept));
        }
        Ok(changed)
    }

    fn store(&self, session: &Session, at: &TopicPartition, kept: &Kept) -> Result<()> {
        let sql = format!("UPDATE {} SET next_offset = ?, unsettled = ? {} AND epoch = ?", self.table, Self::WHERE);
        let next = kept.next.and_then(|next| i64::try_from(next).ok()).map(|next| next.to_string());
        let [connector, topic, partition] = self.place(at);
        let unsettled = kept.unsettled_text();
        let parameters =
            [Parameter::new("int64", next), unsettled.as_str().into(), connector, topic, partition, kept.epoch.into()];
        match session.database.execute(&sql, &parameters)? {
            1 => Ok(()),
            _ => Err(fenced(at)),
        }
    }

    /// The transaction is committed.
    pub fn committed(&mut self, changed: Vec<(TopicPartition, Kept)>) {
        self.kept.extend(changed);
    }

    /// The worker asks for a commit: dead letters before these offsets are written. Returns what it may say to the group.
    ///
    /// # Errors
    ///
    /// The database does not take it; it will be told again.
    pub fn settle(&mut self, session: Option<&Session>, offsets: &[TopicOffset]) -> Result<Vec<TopicOffset>> {
        for offset in offsets {
            let at = TopicPartition::new(offset.topic.as_str(), offset.partition);
            let Some(mut kept) = self.kept.get(&at).cloned() else { continue };
            if kept.settle(offset.offset)
                && let Some(session) = session
            {
                self.store(session, &at, &kept)?;
                self.kept.insert(at, kept);
            }
        }
        let said = |offset: &TopicOffset| {
            let kept = self.kept(&offset.topic, offset.partition)?;
            let resumes = kept.resumes_at()?.min(offset.offset);
            Some(TopicOffset { offset: resumes, ..offset.clone() })
        };
        Ok(offsets.iter().filter_map(said).collect())
    }

    /// Partitions are given up.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|at| drop(self.kept.remove(at)));
    }
}

fn fenced(at: &TopicPartition) -> Error {
    Error::fatal(format!(
        "another task has taken over {}-{}; this one writes nothing of it any more",
        at.topic, at.partition
    ))
    .class(FENCED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(next: u64, unsettled: &[u64]) -> Kept {
        Kept { epoch: 1, next: Some(next), unsettled: unsettled.iter().copied().collect() }
    }

    #[test]
    fn what_was_written_is_not_written_again_and_what_was_refused_is() {
        let kept = kept(10, &[4, 7]);
        assert_eq!((0..12).filter(|offset| !kept.has(*offset)).collect::<Vec<_>>(), [4, 7, 10, 11]);
        assert_eq!(kept.resumes_at(), Some(4));
        assert!(!Kept::default().has(0));
        assert_eq!(Kept::default().resumes_at(), None);
    }

    #[test]
    fn a_refused_record_is_unsettled_until_its_dead_letter_is_written() {
        let mut kept = kept(5, &[]).after(9, [6, 7].into_iter(), |_| false);
        assert_eq!(kept, self::kept(9, &[6, 7]));
        assert!(!kept.settle(6));
        assert!(kept.settle(7));
        assert_eq!(kept, self::kept(9, &[7]));
        // After a crash it comes again, and is written after all, or refused once more.
        assert_eq!(kept.after(8, [].into_iter(), |offset| offset == 7), self::kept(9, &[]));
        assert_eq!(kept.after(8, [7].into_iter(), |offset| offset == 7), self::kept(9, &[7]));
    }
}
