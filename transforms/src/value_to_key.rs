//! ValueToKey: a key made of fields of the value.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Info, Records, Result, RowError, Schema, SchemaType, Transform, Value,
    batch::{Block, Column, Kind, Table, Union, UnionBuilder},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig, Validator},
};

use crate::trees::{
    SchemaCache, copied, field_names, found, get, null_where_absent, require_map, require_struct, shared,
};

const PURPOSE: &str = "copying fields from value to key";

/// Its configuration.
#[derive(Debug)]
pub struct ValueToKeyConfig {
    fields: Vec<String>,
    replace_null: bool,
}

impl PluginConfig for ValueToKeyConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::list("fields")
                    .required()
                    .validator(Validator::non_empty_list())
                    .importance(High)
                    .doc("Names of the fields of the value that become the key."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { fields: values.list("fields")?.to_vec(), replace_null: values.boolean("replace.null.with.default")? })
    }
}

/// The transform.
pub struct ValueToKey {
    config: ValueToKeyConfig,
    schemas: SchemaCache<Result<Arc<Schema>>>,
}

impl ValueToKey {
    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let names = &self.config.fields;
        self.schemas.get(schema, |schema| {
            let field = |name: &String| match schema.field(name) {
                Some((_, field)) => Ok(field.clone()),
                None => {
                    let error = Error::data(format!("Field does not exist: {name}"));
                    Err(found(error, field_names(schema), format!("{name:?}")).in_field(name))
                }
            };
            let fields = names.iter().map(field).collect::<Result<Vec<Field>>>();
            Ok(fields.map(|fields| shared(Schema::new(SchemaType::Struct(fields)))))
        })?
    }

    /// The keys of a block as columns; `None` if its rows have to be looked at.
    fn key_column<'a>(
        &mut self,
        column: &Column<'a>,
        schema: Option<&Arc<Schema>>,
    ) -> Option<(Option<Arc<Schema>>, Column<'a>)> {
        if column.valid.is_some() || column.constant {
            return None;
        }
        if !matches!(column.kind, Kind::Struct | Kind::Object) {
            return None;
        }
        let mut keys = Column::new(column.kind, column.rows, Vec::new());
        let schema = match (schema, column.kind) {
            (Some(schema), Kind::Struct) => {
                let out = self.schema(schema).ok()?;
                for field in out.fields() {
                    let (at, _) = schema.field(&field.name)?;
                    let child = &column.children[at];
                    let plain = child.is_full() || field.schema.optional && field.schema.default.is_none();
                    keys.children.push(plain.then(|| child.clone())?);
                }
                Some(out)
            }
            (None, Kind::Object) => {
                for name in &self.config.fields {
                    keys.children.push(match column.child(name) {
                        Some(child) => null_where_absent(child.clone()),
                        None => Column::nulls(column.rows).named(name.clone()),
                    });
                }
                None
            }
            _ => return None,
        };
        Some((schema, keys))
    }

    fn key(&mut self, schema: Option<&Arc<Schema>>, value: Value) -> Result<(Option<Arc<Schema>>, Value)> {
        let Some(schema) = schema else {
            let entries = require_map(value, PURPOSE)?;
            let entry = |name: &String| (Value::from(name.as_str()), get(&entries, name).cloned().unwrap_or_default());
            return Ok((None, Value::Map(self.config.fields.iter().map(entry).collect())));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let out = self.schema(schema)?;
        let copy = |field: &Field| {
            let slot = own.field(&field.name).map(|(at, _)| slots[at].clone()).unwrap_or_default();
            copied(field, slot, self.config.replace_null)
        };
        let copies = out.fields().iter().map(copy).collect::<Result<_>>()?;
        Ok((Some(Arc::clone(&out)), Value::Struct(out, copies)))
    }

    /// Keys block by block, where all rows are meant and all blocks are plain.
    fn all<'a>(&mut self, table: &mut Table<'a>) -> Result<bool> {
        if table.values.blocks.is_empty() {
            return Ok(false);
        }
        let mut blocks = Vec::with_capacity(table.values.blocks.len());
        for block in &table.values.blocks {
            let schema = table.schema_of(block);
            let Some(keys) = self.key_column(&block.column, schema.as_ref()) else { return Ok(false) };
            blocks.push(keys);
        }
        let mut keys = Union { tags: table.values.tags.clone(), blocks: Vec::with_capacity(blocks.len()) };
        for (schema, column) in blocks {
            let schema = schema.map(|schema| table.schemas.place(&schema)).transpose()?;
            keys.blocks.push(Block { schema, column });
        }
        table.keys = keys;
        Ok(true)
    }
}

impl Transform for ValueToKey {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.ValueToKey")
        .version(crate::KAFKA_VERSION)
        .doc("Replaces the key by a struct (or map, without a schema) of fields of the value.");
    type Config = ValueToKeyConfig;

    fn configure(config: ValueToKeyConfig) -> Result<Self> {
        Ok(Self { config, schemas: SchemaCache::default() })
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let rows = records.rows as usize;
        if (0..rows).all(|row| !records.is_active(row)) || records.all_matter() && self.all(&mut *records)? {
            return Ok(());
        }
        let mut schemas = records.schemas.clone().into_owned();
        let mut keys = UnionBuilder::default();
        let mut failed = Vec::new();
        let [key_schemas, value_schemas] = [&records.keys, &records.values]
            .map(|union| union.blocks.iter().map(|block| records.schema_of(block)).collect::<Vec<_>>());
        let places = records.keys.places(rows).zip(records.values.places(rows));
        for (row, (key, value)) in places.enumerate() {
            let read = |place: Option<_>, union: &Union<'_>, schemas: &[Option<Arc<Schema>>]| match place {
                Some(millstream_sdk::batch::Place { block, row }) => {
                    let schema = schemas[block].clone();
                    let value = union.blocks[block].column.value(row, schema.as_ref(), &records.schemas);
                    (schema, value)
                }
                None => (None, Value::Null),
            };
            let made = if records.is_active(row) {
                let (schema, value) = read(value, &records.values, &value_schemas);
                self.key(schema.as_ref(), value)
            } else {
                Ok(read(key, &records.keys, &key_schemas))
            };
            let pushed = made.and_then(|(schema, key)| Ok(keys.push(schema.as_ref(), &key, &mut schemas)?));
            if let Err(error) = pushed {
                failed.push(RowError::new(row, error));
                keys.push(None, &Value::Null, &mut schemas)?;
            }
        }
        let keys = keys.finish(&mut schemas)?;
        records.schemas = schemas;
        records.keys = keys;
        failed.into_iter().for_each(|error| records.fail(error));
        Ok(())
    }
}
