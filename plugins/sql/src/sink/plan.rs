//! What is to become of each row of a batch: which table it is for, whether it is written or deletes, or why it can not be.

use std::{collections::HashMap, sync::Arc};

use millstream_sdk::{
    Error, RowError, Schema, SchemaType,
    batch::{Column, Kind, Place, Side, Table},
};

use super::{
    fields::{Field, Fields, From},
    once::{Once, Progress},
    settings::{InsertMode, PkMode, Settings},
    tables::Schemas,
    waves::{Coordinates, Item, KeyHash, Run, Shape, filled, runs},
};
use crate::{dialect::Dialect, table_name::TableName};

/// The plan for a batch.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which they were seen first.
    pub tables: Vec<TableName>,
    pub runs: Vec<Run>,
    /// Rows that can not be written, whatever the database says.
    pub errors: Vec<RowError>,
    /// Offsets of all that is planned, where they are kept.
    pub progress: Progress,
}

impl Plan {
    /// Whether nothing is to be written, and nothing to be said.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.errors.is_empty() && self.progress.is_empty()
    }
}

/// Plans for the batches of a task.
#[derive(Debug)]
pub struct Planner<'s> {
    pub settings: &'s Settings,
    pub dialect: Dialect,
    pub once: Option<&'s Once>,
    pub hash: &'s KeyHash,
}

impl Planner<'_> {
    /// The plan for the selected rows of a batch.
    pub fn plan(&self, records: &Table<'_>) -> Plan {
        let mut plan = Plan::default();
        let count = records.rows as usize;
        let coordinates = Coordinates(records);
        let schemas = |side| {
            let blocks = records.side(side).blocks.iter();
            blocks.map(|block| records.schema_of(block)).collect::<Vec<_>>()
        };
        let (key_schemas, value_schemas) = (schemas(Side::Key), schemas(Side::Value));
        let mut topics: HashMap<&str, Result<usize, Error>> = HashMap::new();
        let mut items = Vec::with_capacity(count);
        let mut places = Vec::with_capacity(count);
        let sides = records.side(Side::Key).places(count).zip(records.side(Side::Value).places(count));
        for (row, (key, value)) in sides.enumerate() {
            if !records.is_selected(row) {
                continue;
            }
            if let Some(once) = self.once {
                let (topic, partition, offset) = coordinates.of(row);
                let (Ok(partition), Ok(offset)) = (u32::try_from(partition), u64::try_from(offset)) else {
                    plan.errors.push(RowError::new(row, Error::data("a record without its place in Kafka")));
                    continue;
                };
                let kept = once.kept(topic, partition);
                if kept.is_some_and(|kept| kept.has(offset)) {
                    continue;
                }
                plan.progress.take(topic, partition, offset, kept.is_some_and(|kept| kept.is_before(offset)));
            }
            let (key, value) = (filled(records, Side::Key, key), filled(records, Side::Value, value));
            let topic = records.topic(row).unwrap_or_default();
            let table = topics.entry(topic).or_insert_with(|| {
                let name = self.settings.table_of(topic, self.dialect)?;
                let known = plan.tables.iter().position(|table| *table == name);
                Ok(known.unwrap_or_else(|| {
                    plan.tables.push(name);
                    plan.tables.len() - 1
                }))
            });
            let found = table.clone().and_then(|table| {
                let shape = self.shape(records, key, value, &key_schemas, &value_schemas, || coordinates.shown(row))?;
                Ok(shape.map(|shape| Item { row: row as u32, table, shape, key_hash: 0 }))
            });
            match found {
                Ok(Some(item)) => {
                    items.push(item);
                    places.push((key, value));
                }
                // Left out on purpose.
                Ok(None) => {}
                Err(error) => plan.errors.push(RowError::new(row, error)),
            }
        }
        let keys_matter = self.keys_matter() && has_several_shapes(&items);
        if keys_matter {
            self.hash_keys(records, &plan.tables, &mut items, &places);
        }
        plan.runs = runs(&items, keys_matter);
        plan
    }

    /// Schemas of the records of a run.
    pub fn schemas(&self, records: &Table<'_>, shape: Shape) -> Schemas {
        let schema =
            |side, block: Option<usize>| block.and_then(|block| records.schema_of(&records.side(side).blocks[block]));
        let value = schema(Side::Value, shape.value);
        // A text without a schema is one all the same.
        let text = || Arc::new(Schema::new(SchemaType::String).optional());
        Schemas {
            key: schema(Side::Key, shape.key),
            value: shape.value.map(|_| value.unwrap_or_else(text)),
            deletes: shape.value.is_none(),
        }
    }

    /// Whether rows with one key must keep their order.
    fn keys_matter(&self) -> bool {
        let changes = self.settings.delete || !matches!(self.settings.insert_mode, InsertMode::Insert);
        changes && matches!(self.settings.pk_mode, PkMode::RecordKey | PkMode::RecordValue)
    }

    /// The shape of a record; none if it is to be left out.
    fn shape(
        &self,
        records: &Table<'_>,
        key: Option<Place>,
        value: Option<Place>,
        key_schemas: &[Option<Arc<Schema>>],
        value_schemas: &[Option<Arc<Schema>>],
        shown: impl Fn() -> String,
    ) -> Result<Option<Shape>, Error> {
        let settings = self.settings;
        if value.is_none() && !settings.delete && settings.ignore_null_values {
            return Ok(None);
        }
        let mut shape = Shape { key: None, value: None };
        if settings.pk_mode == PkMode::RecordKey {
            let schema = key.and_then(|place| key_schemas[place.block].as_ref());
            let fits =
                schema.is_some_and(|schema| matches!(schema.kind, SchemaType::Struct(_)) || schema.kind.is_primitive());
            if !fits {
                let found = described(records, Side::Key, key, schema);
                return Err(self.refused(
                    "a non-null key and non-null Struct or primitive key schema",
                    &shown(),
                    "key",
                    &found,
                ));
            }
            shape.key = key.map(|place| place.block);
        }
        let Some(place) = value else {
            if settings.delete {
                return Ok(Some(shape));
            }
            let found = described(records, Side::Value, None, None);
            return Err(self.refused("a non-null Struct or String value", &shown(), "value", &found));
        };
        let schema = value_schemas[place.block].as_ref();
        let column = &records.side(Side::Value).blocks[place.block].column;
        let is_text = match schema {
            Some(schema) => matches!(schema.kind, SchemaType::String),
            None => column.kind == Kind::String,
        };
        let is_struct = schema.is_some_and(|schema| matches!(schema.kind, SchemaType::Struct(_)));
        if !is_struct && !is_text {
            let found = described(records, Side::Value, value, schema);
            return Err(self.refused("a non-null Struct or String value", &shown(), "value", &found));
        }
        if is_text {
            let unsuitable = [
                (!settings.whitelist.is_empty(), "fields.whitelist"),
                (!settings.timestamp_fields.is_empty(), "timestamp.fields.list"),
                (settings.pk_mode == PkMode::RecordValue, "pk.mode=record_value"),
            ];
            if let Some((_, key)) = unsuitable.iter().find(|(is_set, _)| *is_set) {
                return Err(Error::data(format!(
                    "the record at {} has a text as its value, which has no fields for {key}",
                    shown()
                )));
            }
        }
        shape.value = Some(place.block);
        Ok(Some(shape))
    }

    fn refused(&self, wanted: &str, at: &str, side: &str, found: &(String, String)) -> Error {
        let settings = self.settings;
        let mut text = format!(
            "Sink connector '{}' is configured with 'delete.enabled={}' and 'pk.mode={}' and therefore requires records with {wanted}, \
             but found record at {at} with a {} {side} and {} {side} schema.",
            settings.name,
            settings.delete,
            settings.pk_mode.name().to_lowercase(),
            found.0,
            found.1
        );
        if side == "value" && found.0 != "null" && found.1 == "null" {
            text.push_str(" Fields of a table need a schema: let the converter give one (schemas.enable, Avro, Protobuf), or a transform.");
        }
        Error::data(text)
    }

    fn hash_keys(
        &self,
        records: &Table<'_>,
        tables: &[TableName],
        items: &mut [Item],
        places: &[(Option<Place>, Option<Place>)],
    ) {
        let mut known: HashMap<(usize, Shape), Vec<Field>> = HashMap::new();
        for (item, (key, value)) in items.iter_mut().zip(places) {
            let fields = known.entry((item.table, item.shape)).or_insert_with(|| {
                let schemas = self.schemas(records, item.shape);
                // What is wrong with the fields is said when the statement is made.
                Fields::of(self.settings, &tables[item.table], schemas.key.as_ref(), schemas.value.as_ref())
                    .map(|fields| fields.keys)
                    .unwrap_or_default()
            });
            let cells = fields.iter().filter_map(|field| cell(records, field, *key, *value));
            item.key_hash = self.hash.of(cells);
        }
    }
}

/// The column of a field of the key, and the row in it.
fn cell<'t, 'a>(
    records: &'t Table<'a>,
    field: &Field,
    key: Option<Place>,
    value: Option<Place>,
) -> Option<(&'t Column<'a>, usize)> {
    let (side, place, name) = match &field.from {
        From::Key => (Side::Key, key?, None),
        From::KeyField(name) => (Side::Key, key?, Some(name)),
        From::ValueField(name) => (Side::Value, value?, Some(name)),
        From::Value | From::Topic | From::Partition | From::Offset => return None,
    };
    let block = &records.side(side).blocks[place.block];
    let row = block.column.physical(place.row);
    match name {
        None => Some((&block.column, place.row)),
        Some(name) => {
            let schema = records.schema_of(block)?;
            let (at, _) = schema.field(name)?;
            Some((block.column.children.get(at)?, row))
        }
    }
}

fn has_several_shapes(items: &[Item]) -> bool {
    let mut first: HashMap<usize, Shape> = HashMap::new();
    items.iter().any(|item| *first.entry(item.table).or_insert(item.shape) != item.shape)
}

/// What a record has for its key or value, and the schema of that, as Java's connector says it.
fn described(records: &Table<'_>, side: Side, place: Option<Place>, schema: Option<&Arc<Schema>>) -> (String, String) {
    let class = match place.map(|place| records.side(side).blocks[place.block].column.kind) {
        None | Some(Kind::Null) => "null",
        Some(Kind::Struct) => "Struct",
        Some(Kind::Object | Kind::Map) => "HashMap",
        Some(Kind::List) => "ArrayList",
        Some(Kind::String | Kind::Dictionary) => "String",
        Some(Kind::Bytes) => "byte[]",
        Some(Kind::Bool) => "Boolean",
        Some(Kind::Int8) => "Byte",
        Some(Kind::Int16) => "Short",
        Some(Kind::Int32) => "Integer",
        Some(Kind::Int64) => "Long",
        Some(Kind::Float32) => "Float",
        Some(Kind::Float64) => "Double",
        Some(Kind::Decimal) => "BigDecimal",
        Some(Kind::Instant) => "Date",
        Some(Kind::Variant | Kind::Headers) => "schemaless",
    };
    (class.to_owned(), schema.map_or("null", |schema| schema.kind.name()).to_lowercase())
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, Record, Value, map};

    use super::*;
    use crate::sink::testing::settings;

    fn key(id: i64) -> (Arc<Schema>, Value) {
        (Arc::new(Schema::new(SchemaType::Int64)), Value::Int64(id))
    }

    fn value(fields: &[&str]) -> (Arc<Schema>, Value) {
        let field = |name: &&str| millstream_sdk::Field {
            name: (*name).to_owned(),
            schema: Arc::new(Schema::new(SchemaType::Int64).optional()),
        };
        let schema = Arc::new(Schema::structure(fields.iter().map(field).collect()).expect("a struct"));
        let slots = fields.iter().map(|_| Value::Int64(1)).collect();
        (Arc::clone(&schema), Value::Struct(schema, slots))
    }

    fn record(topic: &str, id: Option<i64>, fields: Option<&[&str]>) -> Record {
        let mut record = match fields.map(value) {
            Some((schema, value)) => Record::with_schema(topic, &schema, value),
            None => Record::new(topic, Value::Null),
        };
        if let Some((schema, key)) = id.map(key) {
            record = record.key_with_schema(&schema, key);
        }
        record
    }

    fn planned(entries: &[(&str, &str)], records: &[Record]) -> Plan {
        let mut collector = Collector::new();
        records.iter().for_each(|record| collector.push(record).expect("fits into a batch"));
        let table = collector.into_table().expect("a batch").expect("rows");
        let settings = settings(entries);
        let hash = KeyHash::default();
        Planner { settings: &settings, dialect: Dialect::PostgreSql, once: None, hash: &hash }.plan(&table)
    }

    fn rows(plan: &Plan) -> Vec<(String, bool, Vec<u32>)> {
        let run = |run: &Run| (plan.tables[run.table].to_string(), run.shape.value.is_none(), run.rows.clone());
        plan.runs.iter().map(run).collect()
    }

    const DELETES: [(&str, &str); 4] =
        [("delete.enabled", "true"), ("pk.mode", "record_key"), ("pk.fields", "id"), ("insert.mode", "upsert")];

    #[test]
    fn writes_and_deletions_of_different_keys_are_gathered() {
        let records = [
            record("t", Some(1), Some(&["a"])),
            record("t", Some(2), None),
            record("u", Some(1), Some(&["a"])),
            record("t", Some(3), Some(&["a"])),
            record("t", Some(2), Some(&["a"])),
        ];
        let plan = planned(&DELETES, &records);
        assert_eq!(plan.errors, []);
        assert_eq!(
            rows(&plan),
            [
                ("t".to_owned(), false, vec![0, 3]),
                ("t".to_owned(), true, vec![1]),
                ("t".to_owned(), false, vec![4]),
                ("u".to_owned(), false, vec![2]),
            ]
        );
    }

    #[test]
    fn records_that_cannot_be_written_are_named_and_the_others_stand() {
        let records = [
            record("t", None, Some(&["a"])),
            record("t", Some(2), Some(&["a"])),
            Record::new("t", map([("a", Value::Int64(1))])).key_with_schema(&key(3).0, key(3).1),
            record("a.b.c.d", Some(2), Some(&["a"])),
        ];
        let plan = planned(&DELETES, &records);
        assert_eq!(rows(&plan), [("t".to_owned(), false, vec![1])]);
        let errors: Vec<(u32, &str)> =
            plan.errors.iter().map(|error| (error.row, error.error.message.as_str())).collect();
        assert_eq!(errors.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(
            errors[0].1,
            "Sink connector 'c' is configured with 'delete.enabled=true' and 'pk.mode=record_key' and therefore requires records with \
             a non-null key and non-null Struct or primitive key schema, but found record at (topic='t',partition=0,offset=0,timestamp=null) \
             with a null key and null key schema."
        );
        assert!(
            errors[1].1.contains("with a HashMap value and null value schema. Fields of a table need a schema"),
            "{}",
            errors[1].1
        );
        assert!(errors[2].1.contains("has more parts than catalog, schema and table"), "{}", errors[2].1);
    }

    #[test]
    fn a_record_without_a_value_is_an_error_or_left_out_where_nothing_is_deleted() {
        let records = [record("t", Some(1), None), record("t", Some(1), Some(&["a"]))];
        let plan = planned(&[], &records);
        assert_eq!((rows(&plan).len(), plan.errors.len()), (1, 1));
        assert!(plan.errors[0].error.message.contains("requires records with a non-null Struct or String value"));
        let plan = planned(&[("behavior.on.null.values", "ignore")], &records);
        assert_eq!((rows(&plan), plan.errors.len()), (vec![("t".to_owned(), false, vec![1])], 0));
    }

    #[test]
    fn texts_are_rows_of_one_column_unless_fields_are_asked_of_them() {
        let records = [Record::new("t", "x"), record("t", None, Some(&["a"]))];
        assert_eq!(rows(&planned(&[], &records)), [("t".to_owned(), false, vec![0]), ("t".to_owned(), false, vec![1])]);
        let plan = planned(&[("fields.whitelist", "a")], &records);
        assert!(plan.errors[0].error.message.contains("no fields for fields.whitelist"), "{:?}", plan.errors);
    }
}
