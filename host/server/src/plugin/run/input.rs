//! The records that a run is fed with: those of a file, or of a topic.

use std::time::Duration;

use millstream_client::{Consumer, ConsumerConfig, admin::OffsetSpec};
use millstream_connector::ConverterRole;
use millstream_record::TopicName;
use millstream_wire::batch::{Batches, RecordReader, decompress_records};
use serde_json::Value;

use super::{
    Run,
    records::{self, Datum, Meant, Notation, Record},
};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, cluster, failed},
    output::bytes_json,
    plugin::subject::Subject,
};

/// Most bytes that one compressed batch may become.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Most records that are taken from a topic without `--max-records`.
const MOST: usize = 10_000;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// The records, and how they become batches.
pub struct Input {
    /// All of them.
    pub records: Vec<Record>,
    /// The topic of those that name none.
    pub topic: String,
    /// Makes batches of them, and lines of what comes back.
    pub notation: Notation,
}

impl Input {
    /// Reads what the arguments name.
    ///
    /// # Errors
    ///
    /// They name nothing, or it cannot be read.
    pub async fn of(subject: &Subject, arguments: &Run, meant: Meant) -> Result<Self, Failure> {
        let most = arguments.max_records.unwrap_or(usize::MAX);
        let (mut records, given) = match (&arguments.input, &arguments.topic) {
            (Some(file), _) => (records::read(file, meant)?, None),
            (None, Some(topic)) => {
                let converters = [
                    subject.converter_for(ConverterRole::Key, STRING).await?,
                    subject.converter_for(ConverterRole::Value, JSON).await?,
                ];
                (consumed(arguments, topic, most.min(MOST)).await?, Some(converters))
            }
            (None, None) => {
                let kind = subject.info.kind.name();
                return Err(Failure::new(USAGE, format!("a {kind} needs records: give --input FILE or --topic TOPIC")));
            }
        };
        records.truncate(most);
        let topic = arguments.topic.clone().unwrap_or_else(|| "run".to_owned());
        Ok(Self { records, topic, notation: Notation::new(given, arguments.schemas)? })
    }
}

/// Bytes of a record as `topic consume` prints them.
pub fn shown(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Json(json) => json.clone(),
        Datum::Bytes(bytes) => bytes_json(Some(bytes)),
    }
}

/// The first records of each partition of a topic, as many as there are now.
async fn consumed(arguments: &Run, topic: &str, most: usize) -> Result<Vec<Record>, Failure> {
    let own = [
        ("auto.offset.reset", "earliest"),
        ("client.id", "millstream-plugin-run"),
        ("isolation.level", "read_committed"),
    ];
    let config = ConsumerConfig::from_properties(&arguments.connection.settings(&own)?).map_err(failed)?;
    let name = TopicName::parse(topic).map_err(|error| Failure::of(USAGE, &error))?;
    let admin = arguments.connection.admin(PATIENCE).await?;
    let counts = crate::topic::partition_counts(&admin, std::slice::from_ref(&name)).await?;
    let partitions = 0..counts.get(&name).copied().unwrap_or(0);
    let asked: Vec<_> = partitions.clone().map(|partition| (name.clone(), partition, OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&asked, config.isolation).await.map_err(failed)?;
    let mut left: Vec<_> = ends.into_iter().filter_map(|(place, listed)| Some((place, listed.offset?))).collect();
    let mut consumer = Consumer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
    consumer.assign(partitions.map(|partition| (name.clone(), partition)));
    let (mut records, mut scratch) = (Vec::new(), Vec::new());
    while records.len() < most {
        let mut open = Vec::new();
        for ((topic, partition), end) in left {
            if consumer.position(&topic, partition).await.map_err(failed)? < end {
                open.push(((topic, partition), end));
            }
        }
        left = open;
        if left.is_empty() {
            break;
        }
        for fetched in &consumer.poll(Duration::from_millis(250)).await.map_err(failed)?.fetched {
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.map_err(failed)?;
                let bytes = decompress_records(&header, bytes, MAX_BATCH_BYTES, &mut scratch).map_err(failed)?;
                for record in RecordReader::new(&header, bytes) {
                    let record = record.map_err(failed)?;
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    if offset < fetched.first_offset || most <= records.len() {
                        continue;
                    }
                    let datum = |bytes: Option<&[u8]>| bytes.map_or(Datum::Null, |bytes| Datum::Bytes(bytes.to_vec()));
                    let headers = record.headers.clone();
                    records.push(Record {
                        topic: Some(fetched.topic.as_str().to_owned()),
                        partition: Some(fetched.partition),
                        offset: Some(offset),
                        timestamp: Some(header.base_timestamp.saturating_add(record.timestamp_delta)),
                        key: datum(record.key),
                        value: datum(record.value),
                        headers: headers
                            .map(|header| (String::from_utf8_lossy(header.key).into_owned(), bytes_json(header.value)))
                            .collect(),
                    });
                }
            }
        }
    }
    Ok(records)
}
