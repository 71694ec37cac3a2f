//! Putting records together into a batch, one at a time.

use millstream_record::batch::{Column, ColumnBuilder, HeadersBuilder, Kind, Role, SchemaTable, Table, UnionBuilder};

use crate::{Record, Result, Value};

/// Collects records for [`SourceTask::poll`](crate::SourceTask::poll).
///
/// ```
/// use millstream_sdk::{Collector, Record};
///
/// let mut collector = Collector::new();
/// collector.push(&Record::new("greetings", "hello"))?;
/// let table = collector.into_table()?;
/// assert_eq!(table.expect("one record").rows, 1);
/// # Ok::<(), millstream_sdk::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Collector {
    rows: usize,
    schemas: SchemaTable<'static>,
    topics: Topics,
    partitions: ColumnBuilder,
    timestamps: ColumnBuilder,
    headers: HeadersBuilder,
    source_partitions: ColumnBuilder,
    source_offsets: ColumnBuilder,
    keys: UnionBuilder,
    values: UnionBuilder,
}

impl Collector {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends a record. [`Record::kafka`] is left aside: only the host knows it.
    ///
    /// # Errors
    ///
    /// A key, value or header that no batch can carry; nothing is appended.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        // Spelled out, so that a new field cannot be overlooked.
        let Record {
            topic,
            partition,
            timestamp_ms,
            key_schema,
            key,
            value_schema,
            value,
            headers,
            source_partition,
            source_offset,
            kafka: _,
        } = record;
        // What can fail comes first and is taken back; what cannot follows.
        let rows = self.rows;
        self.keys.push(key_schema.as_ref(), key, &mut self.schemas)?;
        if let Err(error) = self.values.push(value_schema.as_ref(), value, &mut self.schemas) {
            self.keys.take_back();
            return Err(error.into());
        }
        let rest = [(&mut self.source_partitions, source_partition), (&mut self.source_offsets, source_offset)];
        let mut pushed = rest.into_iter().try_for_each(|(column, value)| column.push(value, &mut self.schemas));
        let mut row = HeadersBuilder::default();
        for header in headers {
            pushed =
                pushed.and_then(|()| row.push(&header.key, header.schema.as_ref(), &header.value, &mut self.schemas));
        }
        if let Err(error) = pushed {
            self.keys.take_back();
            self.values.take_back();
            self.source_partitions.truncate(rows);
            self.source_offsets.truncate(rows);
            return Err(error.into());
        }
        row.end_row();
        if let Some(column) = row.finish() {
            column.headers(0).for_each(|header| self.headers.push_raw(&header));
        }
        self.headers.end_row();
        self.topics.push(topic);
        match partition {
            Some(partition) => self.partitions.push_int32(*partition),
            None => self.partitions.push_null(),
        }
        match timestamp_ms {
            Some(ms) => self.timestamps.push_int64(*ms),
            None => self.timestamps.push_null(),
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch; `None` if there are no records.
    ///
    /// # Errors
    ///
    /// A schema that no batch can carry.
    pub fn into_table(self) -> Result<Option<Table<'static>>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let Self {
            rows,
            mut schemas,
            topics,
            partitions,
            timestamps,
            headers,
            source_partitions,
            source_offsets,
            keys,
            values,
        } = self;
        let mut table = Table::new(rows as u32);
        table.keys = keys.finish(&mut schemas)?;
        table.values = values.finish(&mut schemas)?;
        table.schemas = schemas;
        table.set(Role::TOPIC, topics.finish(rows as u32));
        let nullable = [
            (Role::PARTITION, partitions),
            (Role::TIMESTAMP, timestamps),
            (Role::SOURCE_PARTITION, source_partitions),
            (Role::SOURCE_OFFSET, source_offsets),
        ];
        for (role, column) in nullable {
            let column = column.finish();
            if column.kind != Kind::Null {
                table.set(role, column);
            }
        }
        if let Some(headers) = headers.finish() {
            table.set(Role::HEADERS, headers);
        }
        Ok(Some(table))
    }
}

/// Topics of rows: a dictionary, since there are few.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    names: Vec<String>,
    codes: Vec<u8>,
}

impl Topics {
    pub(crate) fn push(&mut self, topic: &str) {
        // Rows mostly name the topic of the row before; the last one stands at the end.
        let code = match self.names.iter().rposition(|name| name == topic) {
            Some(code) => code,
            None => {
                self.names.push(topic.to_owned());
                self.names.len() - 1
            }
        };
        self.codes.extend_from_slice(&(code as u32).to_le_bytes());
    }

    pub(crate) fn finish(self, rows: u32) -> Column<'static> {
        if let [topic] = self.names.as_slice() {
            return Column::constant_str(rows, topic);
        }
        let mut column = Column::new(Kind::Dictionary, rows, self.codes);
        column.children = vec![Column::strings(self.names.iter().map(String::as_str))];
        column
    }
}

/// A constant map with text keys: the source partition of rows that share one.
///
/// # Errors
///
/// A value that no batch can carry.
pub fn constant_map(rows: u32, map: &Value) -> Result<Column<'static>> {
    let mut builder = ColumnBuilder::new();
    builder.push(map, &mut SchemaTable::default())?;
    let column = builder.finish();
    if column.kind == Kind::Null {
        return Ok(Column::nulls(rows));
    }
    Ok(column.repeated(rows))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Field, Header, Schema, SchemaType, map, records_of};

    #[test]
    fn records_come_out_as_they_went_in() {
        let field = |name: &str, kind| Field { name: name.to_owned(), schema: Arc::new(Schema::new(kind).optional()) };
        let fields = vec![field("n", SchemaType::Int32), field("s", SchemaType::String)];
        let schema = Arc::new(Schema::structure(fields).expect("names differ"));
        let int8 = Arc::new(Schema::new(SchemaType::Int8));
        let partition = map([("file", "a".into())]);
        let slots = vec![Value::Int32(1), Value::Null];
        let mut full = Record::with_schema("t", &schema, Value::Struct(Arc::clone(&schema), slots))
            .key_with_schema(&int8, Value::Int8(4))
            .timestamp_ms(5)
            .partition(3)
            .header("h", "x")
            .from(partition.clone(), map([("at", Value::Int64(1))]));
        full.headers.push(Header { key: "h".to_owned(), schema: Some(int8), value: Value::Int8(1) });
        let records = [
            full,
            Record::new("u", Value::Null),
            Record::new("t", map([("a", Value::List(vec![Value::Float64(1.5)]))]))
                .key("k")
                .from(partition, Value::Null),
        ];
        let mut collector = Collector::new();
        records.iter().for_each(|record| collector.push(record).expect("fits into a batch"));
        let table = collector.into_table().expect("a batch").expect("rows");
        assert_eq!(records_of(table.write()), Ok(records.to_vec()));
    }

    #[test]
    fn a_record_that_no_batch_can_carry_leaves_nothing_behind() {
        let mut deep = Value::Null;
        for _ in 0..1100 {
            deep = Value::List(vec![deep]);
        }
        let mut collector = Collector::new();
        let good = Record::new("t", "good").key("k");
        collector.push(&good).expect("fits");
        for bad in [
            Record::new("t", deep.clone()),
            Record::new("t", "x").key(deep.clone()),
            Record::new("t", "x").header("h", deep.clone()),
            Record::new("t", "x").from(Value::Null, map([("deep", deep)])),
        ] {
            assert!(collector.push(&bad).is_err());
        }
        collector.push(&good).expect("fits");
        let table = collector.into_table().expect("a batch").expect("rows");
        assert_eq!(records_of(table.write()), Ok(vec![good.clone(), good]));
    }
}
