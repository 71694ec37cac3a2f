//! `millstream topic consume`: prints records, one per line.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::Duration,
};

use millstream_client::{Consumer, ConsumerConfig, admin::OffsetSpec};
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::batch::{BatchHeader, Batches, RecordReader, RecordView, TimestampType, decompress_records};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    args::{Consume, Isolation, Shown},
    name, partition_counts,
};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, cluster, failed},
    output::{Output, bytes_json},
};

/// Longest wait for records before the output is brought up to date.
const POLL: Duration = Duration::from_millis(250);

/// Most bytes that one compressed batch may become.
const MAX_BATCH_BYTES: usize = 256 << 20;

pub async fn run(arguments: Consume) -> Result<(), Failure> {
    let timeout = arguments.timeout_ms.map(Duration::from_millis);
    let started = Instant::now();
    let own = [
        ("auto.offset.reset", if arguments.from_beginning { "earliest" } else { "latest" }),
        ("client.id", "millstream-topic-consume"),
        ("default.api.timeout.ms", "15000"),
        (
            "isolation.level",
            match arguments.isolation_level {
                Isolation::ReadUncommitted => "read_uncommitted",
                Isolation::ReadCommitted => "read_committed",
            },
        ),
    ];
    let config = ConsumerConfig::from_properties(&arguments.connection.settings(&own)?).map_err(failed)?;
    // Reaching the cluster is part of the time that may pass without a record.
    let patience = timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
    let admin = arguments.connection.admin(patience).await?;
    let topic = name(&arguments.topic)?;
    let count = partition_counts(&admin, std::slice::from_ref(&topic)).await?.remove(&topic).unwrap_or(0);
    let partitions = match arguments.partition {
        Some(partition) if (0..count).contains(&partition) => partition..partition + 1,
        Some(partition) => {
            let message = format!("topic {topic} has no partition {partition}, only 0 to {}", count - 1);
            return Err(Failure::new(USAGE, message));
        }
        None => 0..count,
    };
    let isolation = config.isolation;
    let ends = match arguments.until_end {
        true => {
            let asked: Vec<_> =
                partitions.clone().map(|partition| (topic.clone(), partition, OffsetSpec::Latest)).collect();
            let listed = admin.list_offsets(&asked, isolation).await.map_err(failed)?;
            Some(listed.into_iter().filter_map(|(place, listed)| Some((place, listed.offset?))).collect())
        }
        false => None,
    };
    let mut consumer = Consumer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
    consumer.assign(partitions.clone().map(|partition| (topic.clone(), partition)));
    if let Some(offset) = arguments.offset {
        consumer.seek(&topic, partitions.start, offset).map_err(failed)?;
    }
    if let Some(place) = arguments.from {
        let asked: Vec<_> = partitions.map(|partition| (topic.clone(), partition, place.0)).collect();
        for ((topic, partition), listed) in admin.list_offsets(&asked, isolation).await.map_err(failed)? {
            match listed.offset {
                Some(offset) => consumer.seek(&topic, partition, offset),
                // Nothing so late yet: what comes is.
                None => consumer.seek_to(&topic, partition, OffsetSpec::Latest),
            }
            .map_err(failed)?;
        }
    }
    let format = Format {
        json: arguments.output == Output::Json,
        shown: arguments.print.iter().map(|shown| *shown as u8).collect(),
        key_separator: arguments.key_separator,
    };
    let bounds = Bounds { most: arguments.max_messages, timeout: timeout.map(|timeout| (started, timeout)), ends };
    consume(consumer, &format, bounds).await
}

/// Where to end; nowhere without any of them.
struct Bounds {
    /// So many records.
    most: Option<u64>,
    /// Since when, and for how long, no record may come.
    timeout: Option<(Instant, Duration)>,
    /// The offsets behind what is to be printed of each partition.
    ends: Option<Vec<((TopicName, i32), i64)>>,
}

impl Bounds {
    /// Whether what comes next in each partition is behind its end.
    async fn are_passed(&self, consumer: &mut Consumer) -> Result<bool, Failure> {
        let Some(ends) = &self.ends else { return Ok(false) };
        for ((topic, partition), end) in ends {
            if consumer.position(topic, *partition).await.map_err(failed)? < *end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn consume(mut consumer: Consumer, format: &Format, bounds: Bounds) -> Result<(), Failure> {
    let (most, timeout) = (bounds.most, bounds.timeout);
    let mut out = io::BufWriter::new(io::stdout());
    let mut seen = 0;
    let mut scratch = Vec::new();
    let mut idle_until = timeout.map(|(started, timeout)| started + timeout);
    'polling: while most.is_none_or(|most| seen < most) && !bounds.are_passed(&mut consumer).await? {
        let left = idle_until.map(|until| until.saturating_duration_since(Instant::now()));
        let polled = consumer.poll(left.unwrap_or(POLL).min(POLL)).await.map_err(failed)?;
        if !polled.fetched.is_empty() {
            idle_until = timeout.map(|(_, timeout)| Instant::now() + timeout);
        }
        for fetched in &polled.fetched {
            let (topic, partition) = (&fetched.topic, fetched.partition);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.map_err(failed)?;
                let damaged = |error: &(dyn std::error::Error + 'static)| {
                    let offset = header.base_offset;
                    let place = format!("read the batch of {topic}-{partition} at offset {offset}");
                    Failure::new(USAGE, format!("{place}: {}", ErrorChain(error)))
                };
                let records = decompress_records(&header, bytes, MAX_BATCH_BYTES, &mut scratch);
                let records = records.map_err(|error| damaged(&error))?;
                for record in RecordReader::new(&header, records) {
                    let record = record.map_err(|error| damaged(&error))?;
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    if offset < fetched.first_offset {
                        continue;
                    }
                    let place = Position { topic, partition, offset, header: &header };
                    if !written(format.write(&mut out, &place, &record))? {
                        break 'polling;
                    }
                    seen += 1;
                    if most.is_some_and(|most| most <= seen) {
                        break 'polling;
                    }
                }
            }
        }
        if !written(out.flush())? || idle_until.is_some_and(|until| until <= Instant::now()) {
            break;
        }
    }
    written(out.flush())?;
    eprintln!("Processed a total of {seen} messages");
    Ok(())
}

/// Whether somebody reads on.
fn written(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(USAGE, format!("write to standard output: {error}"))),
    }
}

/// Where a record is.
struct Position<'a> {
    topic: &'a TopicName,
    partition: i32,
    offset: i64,
    header: &'a BatchHeader,
}

impl Position<'_> {
    /// Its timestamp and who set it.
    fn timestamp(&self, record: &RecordView<'_>) -> (&'static str, i64) {
        match self.header.timestamp_type() {
            TimestampType::CreateTime => {
                ("CreateTime", self.header.base_timestamp.saturating_add(record.timestamp_delta))
            }
            TimestampType::LogAppendTime => ("LogAppendTime", self.header.max_timestamp),
        }
    }
}

/// How a record is printed.
struct Format {
    json: bool,
    /// By the number of [`Shown`].
    shown: BTreeSet<u8>,
    key_separator: Option<String>,
}

impl Format {
    fn write(&self, out: &mut impl Write, at: &Position<'_>, record: &RecordView<'_>) -> io::Result<()> {
        let (timestamp_type, timestamp) = at.timestamp(record);
        if self.json {
            let headers = record.headers.clone();
            let headers: Vec<Value> = headers
                .map(|header| json!({"key": String::from_utf8_lossy(header.key), "value": bytes_json(header.value)}))
                .collect();
            let line = json!({
                "topic": at.topic.as_str(),
                "partition": at.partition,
                "offset": at.offset,
                "timestamp": timestamp,
                "timestamp_type": timestamp_type,
                "key": bytes_json(record.key),
                "value": bytes_json(record.value),
                "headers": headers,
            });
            return writeln!(out, "{line}");
        }
        let shows = |what: Shown| self.shown.contains(&(what as u8));
        if shows(Shown::Timestamp) {
            write!(out, "{timestamp_type}:{timestamp}\t")?;
        }
        if shows(Shown::Partition) {
            write!(out, "Partition:{}\t", at.partition)?;
        }
        if shows(Shown::Offset) {
            write!(out, "Offset:{}\t", at.offset)?;
        }
        if shows(Shown::Headers) {
            self.write_headers(out, record)?;
            out.write_all(b"\t")?;
        }
        if shows(Shown::Key) || self.key_separator.is_some() {
            out.write_all(record.key.unwrap_or(b"null"))?;
            out.write_all(self.key_separator.as_deref().unwrap_or("\t").as_bytes())?;
        }
        out.write_all(record.value.unwrap_or(b"null"))?;
        out.write_all(b"\n")
    }

    fn write_headers(&self, out: &mut impl Write, record: &RecordView<'_>) -> io::Result<()> {
        let mut headers = record.headers.clone().peekable();
        if headers.peek().is_none() {
            return out.write_all(b"NO_HEADERS");
        }
        let mut separator: &[u8] = b"";
        for header in headers {
            out.write_all(separator)?;
            out.write_all(header.key)?;
            out.write_all(b":")?;
            out.write_all(header.value.unwrap_or(b"null"))?;
            separator = b",";
        }
        Ok(())
    }
}
