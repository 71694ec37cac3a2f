//! InsertField: attributes of the record, or a fixed text, as a field.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, SchemaType, Value,
    batch::{Column, Kind, Role, Table},
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{SchemaCache, copied, copies_as_is, put, rebuilt, require_map, require_struct, shared},
};

key_and_value!(
    InsertFieldKey,
    InsertFieldValue,
    "org.apache.kafka.connect.transforms.InsertField",
    InsertFieldConfig,
    InsertField,
    "Inserts attributes of the record (topic, partition, offset, timestamp) or a fixed text as fields."
);

const PURPOSE: &str = "field insertion";

/// What is inserted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static,
}

#[derive(Clone, Debug)]
struct Insertion {
    source: Source,
    name: String,
    required: bool,
}

/// Its configuration.
#[derive(Debug)]
pub struct InsertFieldConfig {
    insertions: Vec<Insertion>,
    text: String,
    replace_null: bool,
}

impl PluginConfig for InsertFieldConfig {
    fn definition() -> ConfigDef {
        let suffix = "A `!` behind the name makes the field required, `?` (the default) optional.";
        let key =
            |name: &str, what: &str| Key::string(name).importance(Medium).doc(&format!("Field for {what}. {suffix}"));
        ConfigDef::new()
            .key(key("topic.field", "the topic"))
            .key(key("partition.field", "the Kafka partition"))
            .key(key("offset.field", "the Kafka offset; for sink connectors only"))
            .key(key("timestamp.field", "the record's timestamp"))
            .key(key("static.field", "a fixed text"))
            .key(Key::string("static.value").importance(Medium).doc("The fixed text."))
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let keys = [
            ("topic.field", Source::Topic),
            ("partition.field", Source::Partition),
            ("offset.field", Source::Offset),
            ("timestamp.field", Source::Timestamp),
            ("static.field", Source::Static),
        ];
        let insertion = |(key, source): (&str, Source)| {
            let spec = values.opt_string(key)?;
            let (name, required) = match spec.strip_suffix('!') {
                Some(name) => (name, true),
                None => (spec.strip_suffix('?').unwrap_or(spec), false),
            };
            Some(Insertion { source, name: name.to_owned(), required })
        };
        let insertions: Vec<Insertion> = keys.into_iter().filter_map(insertion).collect();
        if insertions.is_empty() {
            return Err(Error::config("No field insertion configured"));
        }
        let text = values.opt_string("static.value");
        if text.is_none() && insertions.iter().any(|insertion| insertion.source == Source::Static) {
            return Err(Error::config(
                "Invalid value null for configuration static.value: No value specified for static field",
            ));
        }
        let replace_null = values.boolean("replace.null.with.default")?;
        Ok(Self { insertions, text: text.unwrap_or_default().to_owned(), replace_null })
    }
}

/// The transform.
pub struct InsertField {
    config: InsertFieldConfig,
    schemas: SchemaCache,
}

impl InsertField {
    fn configure(config: InsertFieldConfig) -> Result<Self> {
        Ok(Self { config, schemas: SchemaCache::default() })
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let insertions = &self.config.insertions;
        self.schemas.get(schema, |schema| {
            let mut fields = schema.fields().to_vec();
            for Insertion { source, name, required } in insertions {
                let plain = match source {
                    Source::Topic | Source::Static => Schema::new(SchemaType::String),
                    Source::Partition => Schema::new(SchemaType::Int32),
                    Source::Offset => Schema::new(SchemaType::Int64),
                    Source::Timestamp => Schema::timestamp(),
                };
                let schema = shared(Schema { optional: !required, ..plain });
                fields.push(Field { name: name.clone(), schema });
            }
            rebuilt(schema, fields)
        })
    }

    /// The value for a row; `None` leaves the field out (or unset).
    fn value(&self, source: Source, table: &Table<'_>, row: usize, with_schema: bool) -> Result<Option<Value>> {
        Ok(match source {
            Source::Topic => Some(table.topic(row).map_or(Value::Null, Value::from)),
            Source::Partition => table.integer(Role::PARTITION, row).map(|partition| Value::Int32(partition as i32)),
            Source::Offset => match table.integer(Role::OFFSET, row) {
                Some(offset) => Some(Value::Int64(offset)),
                None => return Err(no_sink_record()),
            },
            Source::Timestamp => table
                .integer(Role::TIMESTAMP, row)
                .map(|ms| if with_schema { Value::Instant(ms) } else { Value::Int64(ms) }),
            Source::Static => Some(Value::String(self.config.text.clone())),
        })
    }

    /// The column for all rows of a block; `None` if some row has no value.
    fn column<'a>(&self, source: Source, block: &OpenBlock<'_, 'a>, rows: u32) -> Option<Column<'a>> {
        let of = |role: Role, kind: Kind| {
            let column = block.table.get(role).filter(|column| column.is_full())?;
            let column = match block.rows {
                None => column.clone(),
                Some(rows) => column.take(rows),
            };
            Some(column.retyped(kind))
        };
        let with_schema = block.schema.is_some();
        match source {
            Source::Topic => {
                let topics = block.table.get(Role::TOPIC).filter(|topics| topics.is_full())?;
                match topics.kind {
                    Kind::String => of(Role::TOPIC, Kind::String),
                    _ => {
                        let row = |at: u32| topics.str(block.rows.map_or(at, |rows| rows[at as usize]) as usize);
                        Some(Column::strings((0..rows).map(row)))
                    }
                }
            }
            Source::Partition => of(Role::PARTITION, Kind::Int32),
            Source::Offset => of(Role::OFFSET, Kind::Int64),
            Source::Timestamp => of(Role::TIMESTAMP, if with_schema { Kind::Instant } else { Kind::Int64 }),
            Source::Static => Some(Column::constant_str(rows, &self.config.text)),
        }
    }
}

fn no_sink_record() -> Error {
    Error::data(format!(
        "Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"
    ))
}

impl Logic for InsertField {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        let plain = match &*block.schema {
            Some(schema) => {
                block.column.kind == Kind::Struct
                    && block.column.valid.is_none()
                    && copies_as_is(schema, block.column, |_| false)
            }
            // Nulls pass.
            None if block.column.kind == Kind::Null => return Ok(true),
            None => block.column.kind == Kind::Object,
        };
        if !plain || block.column.constant {
            return Ok(false);
        }
        let rows = block.column.rows;
        let columns: Option<Vec<Column<'_>>> =
            self.config.insertions.iter().map(|insertion| self.column(insertion.source, block, rows)).collect();
        let Some(columns) = columns else { return Ok(false) };
        if let Some(schema) = block.schema.clone() {
            *block.schema = Some(self.schema(&schema)?);
        }
        let with_schema = block.schema.is_some();
        for (column, insertion) in columns.into_iter().zip(&self.config.insertions) {
            let column = column.named(insertion.name.clone());
            let old = block.column.children.iter().position(|child| child.name == insertion.name);
            match old.filter(|_| !with_schema) {
                Some(at) => block.column.children[at] = column,
                None => block.column.children.push(column),
            }
        }
        Ok(true)
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, row: &RowContext<'_, '_>) -> Result<Datum> {
        if value.is_null() {
            return Ok((schema, value));
        }
        let Some(schema) = schema else {
            let mut entries = require_map(value, PURPOSE)?;
            for insertion in &self.config.insertions {
                let value = self.value(insertion.source, row.table, row.row, false);
                if let Some(value) = value.map_err(|error| error.in_field(&insertion.name))? {
                    put(&mut entries, &insertion.name, value);
                }
            }
            return Ok((None, Value::Map(entries)));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let out = self.schema(&schema)?;
        let mut copies = Vec::with_capacity(out.fields().len());
        for (field, slot) in own.fields().iter().zip(slots) {
            copies.push(copied(field, slot, self.config.replace_null)?);
        }
        for insertion in &self.config.insertions {
            let value = self.value(insertion.source, row.table, row.row, true);
            let value = value.map_err(|error| error.in_field(&insertion.name))?;
            if insertion.required && value == Some(Value::Null) {
                let name = &insertion.name;
                let message = format!("Invalid value: null used for required field: \"{name}\", schema type: STRING");
                return Err(Error::data(message).in_field(name));
            }
            copies.push(value.unwrap_or_default());
        }
        Ok((Some(Arc::clone(&out)), Value::Struct(out, copies)))
    }
}
