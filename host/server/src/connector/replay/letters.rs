//! Reading the letters of a topic that have not been replayed, up to where it ends now.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use millstream_client::{
    Admin, Consumer, ConsumerConfig,
    admin::{OffsetAndMetadata, OffsetSpec},
    consumer::FetchedRecordBatches,
};
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::batch::{BatchHeader, Batches, RecordReader, RecordView, TimestampType, decompress_records};
use tokio::time::Instant;

use super::{done::Done, letter::Letter};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{Connection, cluster, failed},
    moment::Place,
    topic::partition_counts,
};

/// Longest wait for the next letters.
const POLL: Duration = Duration::from_millis(250);

/// Time after which a topic that returns nothing before its end is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Most bytes that one compressed batch may become.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// See the module's documentation.
pub(super) struct Letters {
    consumer: Consumer,
    topic: TopicName,
    parts: BTreeMap<i32, Part>,
}

/// One partition.
struct Part {
    done: Done,
    /// Whether that is news.
    changed: bool,
    /// Where reading has come to, and where it ends.
    position: i64,
    end: i64,
    /// Letters since the last commit that are not done.
    left: BTreeSet<i64>,
    /// Where the stretch begins that is done but for these.
    read_from: i64,
}

impl Letters {
    /// The letters between two places, if such are named, but for those that the group has done.
    ///
    /// # Errors
    ///
    /// The topic or the group cannot be read, or the group's offsets are not those of a replay.
    pub(super) async fn open(
        connection: &Connection,
        admin: &Admin,
        topic: &TopicName,
        group: &str,
        (from, to): (Option<Place>, Option<Place>),
    ) -> Result<Self, Failure> {
        let own = [
            ("client.id", "millstream-connector-replay"),
            ("default.api.timeout.ms", "15000"),
            ("auto.offset.reset", "none"),
            // Bounds a transaction, too.
            ("fetch.max.bytes", "8388608"),
            // Letters of transactions that were aborted are none.
            ("isolation.level", "read_committed"),
        ];
        let config = ConsumerConfig::from_properties(&connection.settings(&own)?).map_err(failed)?;
        let count = partition_counts(admin, std::slice::from_ref(topic)).await?.remove(topic).unwrap_or(0);
        let isolation = config.isolation;
        let listed = async |spec: OffsetSpec| -> Result<BTreeMap<i32, Option<i64>>, Failure> {
            let asked: Vec<_> = (0..count).map(|partition| (topic.clone(), partition, spec)).collect();
            let listed = admin.list_offsets(&asked, isolation).await.map_err(failed)?;
            Ok(listed.into_iter().map(|((_, partition), listed)| (partition, listed.offset)).collect())
        };
        let (first, last) = (listed(OffsetSpec::Earliest).await?, listed(OffsetSpec::Latest).await?);
        let from = match from {
            Some(place) => listed(place.0).await?,
            None => BTreeMap::new(),
        };
        let to = match to {
            Some(place) => listed(place.0).await?,
            None => BTreeMap::new(),
        };
        let committed = admin.list_group_offsets(group, None).await.map_err(failed)?;
        let mut parts = BTreeMap::new();
        for partition in 0..count {
            let of = |places: &BTreeMap<i32, Option<i64>>| places.get(&partition).copied();
            let last = of(&last).flatten().unwrap_or(0);
            let done = match committed.get(&(topic.clone(), partition)) {
                None => Done::default(),
                Some(committed) => Done::parse(committed.offset, &committed.metadata).map_err(|why| {
                    Failure::new(USAGE, format!("read what of {topic}-{partition} group {group} has replayed: {why}"))
                })?,
            };
            // No letter so late is behind the last.
            let from = of(&from).map_or(0, |from| from.unwrap_or(last));
            let position = of(&first).flatten().unwrap_or(0).max(done.next()).max(from);
            let end = of(&to).flatten().unwrap_or(last).min(last);
            if position < end {
                let part = Part { done, changed: false, position, end, left: BTreeSet::new(), read_from: position };
                parts.insert(partition, part);
            }
        }
        let mut consumer = Consumer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
        consumer.assign(parts.keys().map(|partition| (topic.clone(), *partition)));
        for (partition, part) in &parts {
            consumer.seek(topic, *partition, part.position).map_err(failed)?;
        }
        Ok(Self { consumer, topic: topic.clone(), parts })
    }

    /// The next letters, in the order of their partitions; `None` behind the last.
    ///
    /// # Errors
    ///
    /// The topic cannot be read, or returns nothing for long.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Letter>>, Failure> {
        let deadline = Instant::now() + SILENCE;
        while self.parts.values().any(|part| part.position < part.end) {
            let polled = self.consumer.poll(POLL).await.map_err(failed)?;
            let mut letters = Vec::new();
            for fetched in &polled.fetched {
                self.take(fetched, &mut letters)?;
            }
            for (partition, part) in &mut self.parts {
                if part.position < part.end {
                    // What is not seen, as markers of transactions, comes as no record.
                    let position = self.consumer.position(&self.topic, *partition).await.map_err(failed)?;
                    part.position = part.position.max(position);
                } else {
                    self.consumer.pause(&self.topic, *partition).map_err(failed)?;
                }
            }
            if !letters.is_empty() {
                return Ok(Some(letters));
            }
            if deadline <= Instant::now() {
                let seconds = SILENCE.as_secs();
                let message = format!("read {}: nothing has come for {seconds} seconds, and it goes on", self.topic);
                return Err(Failure::new(USAGE, message));
            }
        }
        Ok(None)
    }

    fn take(&mut self, fetched: &FetchedRecordBatches, letters: &mut Vec<Letter>) -> Result<(), Failure> {
        let Some(part) = self.parts.get_mut(&fetched.partition) else { return Ok(()) };
        let mut scratch = Vec::new();
        for batch in Batches::new(&fetched.records) {
            let (header, bytes) = batch.map_err(failed)?;
            let damaged = |error: &(dyn std::error::Error + 'static)| {
                let place = format!("{}-{} at offset {}", self.topic, fetched.partition, header.base_offset);
                Failure::new(USAGE, format!("read the batch of {place}: {}", ErrorChain(error)))
            };
            let records = decompress_records(&header, bytes, MAX_BATCH_BYTES, &mut scratch);
            for record in RecordReader::new(&header, records.map_err(|error| damaged(&error))?) {
                let record = record.map_err(|error| damaged(&error))?;
                let offset = header.base_offset + i64::from(record.offset_delta);
                let is_next = fetched.first_offset <= offset && offset < part.end;
                if is_next && !part.done.contains(offset) {
                    letters.push(letter(fetched.partition, offset, &header, &record));
                }
            }
        }
        part.position = part.position.max(fetched.next_offset);
        Ok(())
    }

    /// A letter that was read stays to be replayed another time.
    pub(super) fn leave(&mut self, letter: &Letter) {
        if let Some(part) = self.parts.get_mut(&letter.partition) {
            part.left.insert(letter.offset);
        }
    }

    /// What the group is to know once everything that was read is done, but for what is left: of each partition where
    /// that is news.
    ///
    /// # Errors
    ///
    /// So many letters are left, in so many places, that it cannot be written down.
    pub(super) fn offsets(&mut self) -> Result<Vec<(TopicName, i32, OffsetAndMetadata)>, Failure> {
        let mut offsets = Vec::new();
        for (partition, part) in &mut self.parts {
            let before = part.done.clone();
            let mut from = part.read_from;
            for left in &part.left {
                part.done.add(from, *left);
                from = left + 1;
            }
            part.done.add(from, part.position.min(part.end));
            part.left.clear();
            part.read_from = part.position.min(part.end);
            part.changed |= part.done != before;
            if !part.changed {
                continue;
            }
            let metadata = part.done.metadata().ok_or_else(|| {
                let message = format!(
                    "the letters that --filter leaves out of {}-{partition} lie in too many places to be remembered; replay a shorter range (--to), or more of them",
                    self.topic
                );
                Failure::new(USAGE, message)
            })?;
            let offset = OffsetAndMetadata { metadata, ..OffsetAndMetadata::new(part.done.next()) };
            offsets.push((self.topic.clone(), *partition, offset));
        }
        Ok(offsets)
    }

    /// That has been committed.
    pub(super) fn committed(&mut self) {
        self.parts.values_mut().for_each(|part| part.changed = false);
    }
}

fn letter(partition: i32, offset: i64, batch: &BatchHeader, record: &RecordView<'_>) -> Letter {
    let timestamp = match batch.timestamp_type() {
        TimestampType::CreateTime => batch.base_timestamp.saturating_add(record.timestamp_delta),
        // When the letter was written is nothing about the record.
        TimestampType::LogAppendTime => -1,
    };
    let headers = record.headers.clone().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
    let mut letter = Letter::new(partition, offset, headers.collect(), (0 <= timestamp).then_some(timestamp));
    letter.key = record.key.map(<[u8]>::to_vec);
    letter.value = record.value.map(<[u8]>::to_vec);
    letter
}
