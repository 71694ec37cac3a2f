//! HoistField: wraps the whole key or value into a field.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, Value,
    batch::{Column, Kind},
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{SchemaCache, cannot_build, shared},
};

key_and_value!(
    HoistFieldKey,
    HoistFieldValue,
    "org.apache.kafka.connect.transforms.HoistField",
    HoistFieldConfig,
    HoistField,
    "Wraps data into a field of a new struct (or map, without a schema)."
);

/// Its configuration.
#[derive(Debug)]
pub struct HoistFieldConfig {
    field: String,
}

impl PluginConfig for HoistFieldConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("field").required().importance(Medium).doc("Name of the field that is created."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { field: values.opt_string("field").unwrap_or_default().to_owned() })
    }
}

/// The transform.
pub struct HoistField {
    config: HoistFieldConfig,
    schemas: SchemaCache,
}

impl HoistField {
    fn configure(config: HoistFieldConfig) -> Result<Self> {
        Ok(Self { config, schemas: SchemaCache::default() })
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let name = &self.config.field;
        self.schemas.get(schema, |schema| {
            let field = Field { name: name.clone(), schema: Arc::clone(schema) };
            let hoisted = Schema::structure(vec![field]);
            Ok(shared(hoisted.map_err(cannot_build)?))
        })
    }
}

/// Whether every value certainly fits its schema, so that looking at the columns is enough.
fn fits(schema: &Schema, column: &Column<'_>) -> bool {
    if column.kind == Kind::Variant || column.kind == Kind::Null && !schema.optional {
        return false;
    }
    if column.kind == Kind::Null {
        return true;
    }
    if !schema.optional && column.valid.is_some() {
        return false;
    }
    match column.kind {
        Kind::Struct => schema.fields().iter().zip(&column.children).all(|(field, child)| {
            // Inside a struct a default makes up for a null.
            child.kind != Kind::Variant
                && (fits(&field.schema, child)
                    || field.schema.default.is_some() && !matches!(child.kind, Kind::Struct | Kind::List | Kind::Map))
        }),
        Kind::List | Kind::Map => false,
        _ => true,
    }
}

impl Logic for HoistField {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        let kind = match &*block.schema {
            Some(schema) => {
                if !fits(schema, block.column) {
                    return Ok(false);
                }
                Kind::Struct
            }
            None => Kind::Object,
        };
        if let Some(schema) = block.schema.clone() {
            *block.schema = Some(self.schema(&schema)?);
        }
        let rows = block.column.rows;
        let inner = std::mem::replace(block.column, Column::new(kind, rows, Vec::new()));
        block.column.children.push(inner.named(self.config.field.clone()));
        Ok(true)
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        let Some(schema) = schema else {
            return Ok((None, Value::Map(vec![(Value::from(self.config.field.as_str()), value)])));
        };
        let hoisted = self.schema(&schema)?;
        let name = &self.config.field;
        millstream_sdk::values::model::validate_field(name, &schema, &value)
            .map_err(|error| Error::from(error).in_field(name))?;
        Ok((Some(Arc::clone(&hoisted)), Value::Struct(hoisted, vec![value])))
    }
}
