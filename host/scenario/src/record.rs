//! Records of scenarios: read from JSON, written as JSON, and to and from batches.

use std::sync::Arc;

use millstream_connector::{Outcome, TopicPartition};
use millstream_record::batch::{
    Batch, CannotEncode, ColumnBuilder, HeadersBuilder, Limits, Role, Side, Table, UnionBuilder,
};
use millstream_record::{Schema, SchemaType, Value};
use serde_json::{Map, Value as Json, json};

use crate::notation::{self, Datum};
use crate::written::{self, Named};

/// Members of a record, in the order in which they are written.
pub const MEMBERS: [&str; 11] = [
    "topic",
    "partition",
    "offset",
    "timestamp",
    "key_schema",
    "key",
    "value_schema",
    "value",
    "headers",
    "source_partition",
    "source_offset",
];

/// A record of a scenario. What it does not say is null, or not there.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are Connect's")]
pub struct Record {
    pub topic: Option<String>,
    pub partition: Option<i32>,
    /// Of a record that comes from a topic.
    pub offset: Option<i64>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    pub key: Datum,
    pub value: Datum,
    /// In their order.
    pub headers: Vec<(String, Datum)>,
    pub source_partition: Value,
    pub source_offset: Value,
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// What about it cannot be read, and what is expected instead.
    pub fn read(json: &Json) -> Result<Self, String> {
        let members = json.as_object().ok_or_else(|| format!("{json} is no record: it has to be an object"))?;
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(format!("a record has no member {unknown:?}; there are {}", MEMBERS.join(", ")));
        }
        let topic = match members.get("topic") {
            None | Some(Json::Null) => None,
            Some(topic) => Some(topic.as_str().ok_or_else(|| format!("{topic} is no topic"))?.to_owned()),
        };
        let whole = |name: &str| match members.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => notation::integer(json).map(Some).ok_or_else(|| format!("{json} is no {name}")),
        };
        let partition = whole("partition")?.map(i32::try_from).transpose();
        let map = |name: &str| notation::payload(None, members.get(name).unwrap_or(&Json::Null));
        let headers = match members.get("headers") {
            None | Some(Json::Null) => &[][..],
            Some(headers) => headers.as_array().ok_or("headers have to be a list")?,
        };
        Ok(Self {
            topic,
            partition: partition.map_err(|_| "the partition is too large")?,
            offset: whole("offset")?,
            timestamp: whole("timestamp")?,
            key: datum(members, "key")?,
            value: datum(members, "value")?,
            headers: headers.iter().map(header).collect::<Result<_, _>>()?,
            source_partition: map("source_partition")?,
            source_offset: map("source_offset")?,
        })
    }

    /// The record as [`Record::read`] reads it, with the members that say something.
    pub fn write(&self, named: &Named) -> Json {
        let Self { topic, partition, offset, timestamp, key, value, headers, source_partition, source_offset } = self;
        let mut json = Map::new();
        let mut set = |name: &str, value: Json| {
            if !value.is_null() {
                json.insert(name.to_owned(), value);
            }
        };
        set("topic", json!(topic));
        set("partition", json!(partition));
        set("offset", json!(offset));
        set("timestamp", json!(timestamp));
        for (name, (schema, data)) in [("key", key), ("value", value)] {
            set(&format!("{name}_schema"), schema_json(schema, named));
            set(name, written::payload(schema.as_deref(), data, named));
        }
        if !headers.is_empty() {
            set("headers", headers.iter().map(|(key, datum)| header_json(key, datum, named)).collect());
        }
        set("source_partition", written::payload(None, source_partition, named));
        set("source_offset", written::payload(None, source_offset, named));
        Json::Object(json)
    }

    /// Where it stands, if it comes from a topic.
    pub fn place(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone().unwrap_or_default(), partition: self.partition.unwrap_or_default() }
    }
}

fn schema_json(schema: &Option<Arc<Schema>>, named: &Named) -> Json {
    schema.as_deref().map_or(Json::Null, |schema| written::schema(schema, named))
}

/// `NAME` under `NAME_schema`, of an object.
fn datum(members: &Map<String, Json>, name: &str) -> Result<Datum, String> {
    let of = |name: &str| members.get(name).unwrap_or(&Json::Null);
    let schema = notation::schema(of(&format!("{name}_schema"))).map_err(|error| format!("{name}_schema: {error}"))?;
    let value = notation::payload(schema.as_ref(), of(name)).map_err(|error| format!("{name}: {error}"))?;
    Ok((schema, value))
}

/// Reads `{"value": …, "schema": …}`, of which both may be missing.
///
/// # Errors
///
/// What about it cannot be read.
pub fn read_datum(json: &Json) -> Result<Datum, String> {
    let members = json.as_object().ok_or_else(|| format!("{json} has to be an object with value and schema"))?;
    if let Some(unknown) = members.keys().find(|name| !["value", "schema"].contains(&name.as_str())) {
        return Err(format!("there is no member {unknown:?} beside value and schema"));
    }
    plain_datum(members)
}

fn plain_datum(members: &Map<String, Json>) -> Result<Datum, String> {
    let of = |name: &str| members.get(name).unwrap_or(&Json::Null);
    let schema = notation::schema(of("schema"))?;
    let value = notation::payload(schema.as_ref(), of("value"))?;
    Ok((schema, value))
}

/// Writes what [`read_datum`] reads.
pub fn write_datum((schema, value): &Datum, named: &Named) -> Json {
    let mut json = Map::new();
    if schema.is_some() {
        json.insert("schema".to_owned(), schema_json(schema, named));
    }
    json.insert("value".to_owned(), written::payload(schema.as_deref(), value, named));
    Json::Object(json)
}

fn header(json: &Json) -> Result<(String, Datum), String> {
    let members = json.as_object().ok_or("a header has to be an object with key, value and schema")?;
    if let Some(unknown) = members.keys().find(|name| !["key", "value", "schema"].contains(&name.as_str())) {
        return Err(format!("a header has no member {unknown:?}; there are key, value and schema"));
    }
    let key = members.get("key").and_then(Json::as_str).ok_or("a header has no key")?;
    Ok((key.to_owned(), plain_datum(members).map_err(|error| format!("header {key}: {error}"))?))
}

fn header_json(key: &str, datum: &Datum, named: &Named) -> Json {
    let mut json = Map::new();
    json.insert("key".to_owned(), key.into());
    if let Json::Object(datum) = write_datum(datum, named) {
        json.extend(datum);
    }
    Json::Object(json)
}

/// Bytes: `null`, a text, `{"utf8": …}` or `{"base64": …}`.
///
/// # Errors
///
/// It is something else.
pub fn bytes(json: &Json) -> Result<Option<Vec<u8>>, String> {
    match json {
        Json::String(text) => Ok(Some(text.clone().into_bytes())),
        json => notation::raw_bytes(json),
    }
}

/// A batch of these records, checked as one that comes from a stranger.
///
/// # Errors
///
/// A record that no batch can carry.
pub fn batch(records: &[Record]) -> Result<Batch, String> {
    let refused = |error: CannotEncode| format!("no batch can carry the record: {error}");
    let mut table = Table::new(u32::try_from(records.len()).map_err(|_| "there are too many records")?);
    let mut topics = ColumnBuilder::for_schema(&Arc::new(Schema::new(SchemaType::String)));
    let [mut partitions, mut timestamps, mut offsets, mut sources, mut positions] =
        [(); 5].map(|()| ColumnBuilder::new());
    let (mut keys, mut values, mut headers) =
        (UnionBuilder::default(), UnionBuilder::default(), HeadersBuilder::default());
    for record in records {
        match record.topic.as_deref() {
            Some(topic) => topics.push_str(topic),
            None => topics.push_null(),
        }
        match record.partition {
            Some(partition) => partitions.push_int32(partition),
            None => partitions.push_null(),
        }
        for (column, number) in [(&mut timestamps, record.timestamp), (&mut offsets, record.offset)] {
            match number {
                Some(number) => column.push_int64(number),
                None => column.push_null(),
            }
        }
        sources.push(&record.source_partition, &mut table.schemas).map_err(refused)?;
        positions.push(&record.source_offset, &mut table.schemas).map_err(refused)?;
        keys.push(record.key.0.as_ref(), &record.key.1, &mut table.schemas).map_err(refused)?;
        values.push(record.value.0.as_ref(), &record.value.1, &mut table.schemas).map_err(refused)?;
        for (key, (schema, value)) in &record.headers {
            headers.push(key, schema.as_ref(), value, &mut table.schemas).map_err(refused)?;
        }
        headers.end_row();
    }
    table.keys = keys.finish(&mut table.schemas).map_err(refused)?;
    table.values = values.finish(&mut table.schemas).map_err(refused)?;
    let (topics, partitions, offsets) = (topics.finish(), partitions.finish(), offsets.finish());
    if records.iter().any(|record| record.offset.is_some()) {
        table.set(Role::ORIGINAL_TOPIC, topics.clone());
        table.set(Role::ORIGINAL_PARTITION, partitions.clone());
        table.set(Role::ORIGINAL_OFFSET, offsets.clone());
        table.set(Role::OFFSET, offsets);
    }
    if records.iter().any(|record| !record.source_partition.is_null() || !record.source_offset.is_null()) {
        table.set(Role::SOURCE_PARTITION, sources.finish());
        table.set(Role::SOURCE_OFFSET, positions.finish());
    }
    table.set(Role::TOPIC, topics);
    table.set(Role::PARTITION, partitions);
    table.set(Role::TIMESTAMP, timestamps.finish());
    if let Some(headers) = headers.finish() {
        table.set(Role::HEADERS, headers);
    }
    Batch::validate(table.write(), &Limits::DEFAULT).map_err(|error| format!("the records are no batch: {error}"))
}

/// The records of a batch that are still under way, with their rows.
pub fn records(batch: &Batch) -> Vec<(usize, Record)> {
    let table = batch.open();
    let (keys, values) = (table.data(Side::Key), table.data(Side::Value));
    let map = |role: Role, row: usize| {
        table.get(role).map_or(Value::Null, |column| column.value(row, None::<&Arc<Schema>>, &table.schemas))
    };
    let rows = keys.into_iter().zip(values).enumerate().filter(|(row, _)| table.is_selected(*row));
    rows.map(|(row, (key, value))| {
        let headers = table.get(Role::HEADERS).map_or(Vec::new(), |column| {
            column.headers(row).map(|header| (header.key.to_owned(), header.datum(&table.schemas))).collect()
        });
        let record = Record {
            topic: table.topic(row).map(str::to_owned),
            partition: table.integer(Role::PARTITION, row).and_then(|partition| i32::try_from(partition).ok()),
            offset: table.integer(Role::OFFSET, row),
            timestamp: table.integer(Role::TIMESTAMP, row),
            key,
            value,
            headers,
            source_partition: map(Role::SOURCE_PARTITION, row),
            source_offset: map(Role::SOURCE_OFFSET, row),
        };
        (row, record)
    })
    .collect()
}

/// Rows of the input that a chain has left out on purpose.
pub fn filtered(input: &Batch, outcome: &Outcome) -> Vec<usize> {
    let (before, after) = (input.open(), outcome.batch.open());
    let origin =
        |row: usize| after.integer(Role::ORIGIN, row).and_then(|origin| usize::try_from(origin).ok()).unwrap_or(row);
    let mut ended: Vec<bool> = (0..before.rows as usize).map(|row| !before.is_selected(row)).collect();
    let under_way = (0..after.rows as usize).filter(|&row| after.is_selected(row)).map(origin);
    let failed = outcome.errors.iter().map(|error| error.row as usize);
    for row in under_way.chain(failed) {
        if let Some(ended) = ended.get_mut(row) {
            *ended = true;
        }
    }
    (0..ended.len()).filter(|&row| !ended[row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_way_through_a_batch() {
        let records_json = [
            json!({"topic": "t", "partition": 1, "offset": 7, "timestamp": 5, "key_schema": "string", "key": "k",
                "value_schema": {"type": "struct", "fields": {"n": "int32?"}}, "value": {},
                "headers": [{"key": "h", "schema": "int64", "value": 1}, {"key": "h", "value": null}]}),
            json!({"topic": "t", "value": {"a": [1, 2.5]}, "source_partition": {"f": "x"}, "source_offset": {"p": 3}}),
            json!({"topic": "u", "value_schema": "int32?"}),
        ];
        let read: Vec<Record> = records_json.iter().map(|json| Record::read(json).unwrap()).collect();
        let back: Vec<Json> =
            records(&batch(&read).unwrap()).into_iter().map(|(_, record)| record.write(&[])).collect();
        assert_eq!(back, records_json);
    }

    #[test]
    fn what_a_record_does_not_have_is_refused_with_what_it_has() {
        let error = Record::read(&json!({"topic": "t", "vallue": 1})).unwrap_err();
        assert!(error.starts_with("a record has no member \"vallue\"; there are topic, "), "{error}");
        let error = Record::read(&json!({"value_schema": "int33"})).unwrap_err();
        assert!(error.starts_with("value_schema: there is no schema \"int33\""), "{error}");
    }
}
