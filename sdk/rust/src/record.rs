//! A record by itself: comfort for plugins that look at one record at a time.

use std::sync::Arc;

use crate::{
    Result, Schema, Value,
    batch::{Place, Role, Side, Table},
};

/// A header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its key; several headers may share one.
    pub key: String,
    /// Schema of its value.
    pub schema: Option<Arc<Schema>>,
    /// Its value.
    pub value: Value,
}

/// Where a record stands in a Kafka topic; sinks and what runs before them only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KafkaPosition {
    /// Its offset.
    pub offset: i64,
    /// Topic before any transform changed it.
    pub original_topic: String,
    /// Partition before any transform changed it.
    pub original_partition: i32,
    /// Offset before any transform changed it.
    pub original_offset: i64,
}

/// A record with all that belongs to it.
///
/// ```
/// use millstream_sdk::{Record, Value, map};
///
/// let record = Record::new("ticks", "tock")
///     .key("clock 1")
///     .timestamp_ms(1_700_000_000_000)
///     .from(map([("clock", Value::Int32(1))]), map([("tick", Value::Int64(77))]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition; `None` lets the producer choose one by the key.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` lets the producer set it.
    pub timestamp_ms: Option<i64>,
    /// Schema of the key; `None` for schemaless data.
    pub key_schema: Option<Arc<Schema>>,
    /// The key.
    pub key: Value,
    /// Schema of the value; `None` for schemaless data.
    pub value_schema: Option<Arc<Schema>>,
    /// The value; null for a tombstone.
    pub value: Value,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Sources: what the record came from, as a map: `{"filename": "a.txt"}`. Null for none.
    pub source_partition: Value,
    /// Sources: where to resume after this record, as a map: `{"position": 42}`. Null for none.
    pub source_offset: Value,
    /// Sinks: where the record stands in its topic.
    pub kafka: Option<KafkaPosition>,
}

impl Record {
    /// A record with a schemaless value.
    pub fn new(topic: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { topic: topic.into(), value: value.into(), ..Self::default() }
    }

    /// A record whose value has a schema. A struct's value is [`Value::Struct`] with the same schema.
    pub fn with_schema(topic: impl Into<String>, schema: &Arc<Schema>, value: impl Into<Value>) -> Self {
        Self { value_schema: Some(Arc::clone(schema)), ..Self::new(topic, value) }
    }

    /// The same record with a schemaless key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Value>) -> Self {
        self.key = key.into();
        self
    }

    /// The same record with a key that has a schema.
    #[must_use]
    pub fn key_with_schema(mut self, schema: &Arc<Schema>, key: impl Into<Value>) -> Self {
        self.key_schema = Some(Arc::clone(schema));
        self.key = key.into();
        self
    }

    /// The same record at a time.
    #[must_use]
    pub fn timestamp_ms(mut self, ms: i64) -> Self {
        self.timestamp_ms = Some(ms);
        self
    }

    /// The same record for a partition of its topic.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same record with one header more.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.headers.push(Header { key: key.into(), schema: None, value: value.into() });
        self
    }

    /// The same record with its source partition and offset; see [`map`](crate::map).
    #[must_use]
    pub fn from(mut self, partition: Value, offset: Value) -> Self {
        self.source_partition = partition;
        self.source_offset = offset;
        self
    }

    /// The selected rows of a batch as records, each with its row.
    pub fn selected(table: &Table<'_>) -> Vec<(usize, Record)> {
        let reader = Reader::new(table);
        reader
            .places()
            .filter(|(row, ..)| table.is_selected(*row))
            .map(|(row, key, value)| (row, reader.record(row, key, value)))
            .collect()
    }
}

/// Reads rows of a batch as records.
pub(crate) struct Reader<'t, 'a> {
    table: &'t Table<'a>,
    key_schemas: Vec<Option<Arc<Schema>>>,
    value_schemas: Vec<Option<Arc<Schema>>>,
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(crate) fn new(table: &'t Table<'a>) -> Self {
        let schemas = |side| table.side(side).blocks.iter().map(|block| table.schema_of(block)).collect();
        Self { table, key_schemas: schemas(Side::Key), value_schemas: schemas(Side::Value) }
    }

    /// Every row with the places of its key and value.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, Option<Place>, Option<Place>)> + use<'_, 't, 'a> {
        let rows = self.table.rows as usize;
        let sides = self.table.keys.places(rows).zip(self.table.values.places(rows));
        sides.enumerate().map(|(row, (key, value))| (row, key, value))
    }

    pub(crate) fn record(&self, row: usize, key: Option<Place>, value: Option<Place>) -> Record {
        let table = self.table;
        let (key_schema, key) = self.datum(Side::Key, &self.key_schemas, key);
        let (value_schema, value) = self.datum(Side::Value, &self.value_schemas, value);
        let map = |role| table.get(role).map_or(Value::Null, |column| column.value(row, None, &table.schemas));
        Record {
            topic: table.topic(row).unwrap_or_default().to_owned(),
            partition: self.int32(Role::PARTITION, row),
            timestamp_ms: table.integer(Role::TIMESTAMP, row),
            key_schema,
            key,
            value_schema,
            value,
            headers: self.headers(row),
            source_partition: map(Role::SOURCE_PARTITION),
            source_offset: map(Role::SOURCE_OFFSET),
            kafka: self.position(row),
        }
    }

    fn datum(&self, side: Side, schemas: &[Option<Arc<Schema>>], place: Option<Place>) -> (Option<Arc<Schema>>, Value) {
        let Some(place) = place else { return (None, Value::Null) };
        let schema = schemas[place.block].clone();
        let column = &self.table.side(side).blocks[place.block].column;
        let value = column.value(place.row, schema.as_ref(), &self.table.schemas);
        (schema, value)
    }

    fn headers(&self, row: usize) -> Vec<Header> {
        let Some(column) = self.table.get(Role::HEADERS) else { return Vec::new() };
        let header = |header: crate::batch::HeaderRef<'_>| {
            let (schema, value) = header.datum(&self.table.schemas);
            Header { key: header.key.to_owned(), schema, value }
        };
        column.headers(row).map(header).collect()
    }

    fn position(&self, row: usize) -> Option<KafkaPosition> {
        let offset = self.table.integer(Role::OFFSET, row)?;
        let original_topic = self.table.get(Role::ORIGINAL_TOPIC).filter(|topics| !topics.is_null(row));
        let original_topic = original_topic.map(|topics| topics.str(row)).or_else(|| self.table.topic(row));
        let partition = self.int32(Role::ORIGINAL_PARTITION, row).or_else(|| self.int32(Role::PARTITION, row));
        Some(KafkaPosition {
            offset,
            original_topic: original_topic.unwrap_or_default().to_owned(),
            original_partition: partition.unwrap_or_default(),
            original_offset: self.table.integer(Role::ORIGINAL_OFFSET, row).unwrap_or(offset),
        })
    }

    fn int32(&self, role: Role, row: usize) -> Option<i32> {
        // The format has partitions as 32-bit integers.
        self.table.integer(role, row).and_then(|number| i32::try_from(number).ok())
    }
}

/// The records of a batch that a plugin made or got, its deselected rows left out: for tests.
///
/// # Errors
///
/// The bytes are no batch, as the host would find out.
pub fn records_of(batch: Vec<u8>) -> Result<Vec<Record>> {
    let batch = crate::batch::Batch::validate(batch, &crate::batch::Limits::DEFAULT)
        .map_err(|error| crate::Error::fatal("read a batch").because(&error))?;
    Ok(Record::selected(&batch.open()).into_iter().map(|(_, record)| record).collect())
}
