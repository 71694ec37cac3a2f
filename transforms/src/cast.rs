//! Cast: other types for fields, or for the whole key or value.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, SchemaType, Value,
    batch::{Column, ColumnBuilder, Kind, SchemaTable},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig},
    values::cast::{CAST_TARGETS, CannotCast, CastTarget},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{
        SchemaCache, copied, copies_as_is, found, get, is_in_every_map, put, require_map, require_struct, shared,
        type_name,
    },
};

key_and_value!(
    CastKey,
    CastValue,
    "org.apache.kafka.connect.transforms.Cast",
    CastConfig,
    Cast,
    "Casts fields, or the whole key or value, to another type."
);

const PURPOSE: &str = "cast types";

fn target_of(word: &str) -> Result<CastTarget> {
    let upper = word.to_uppercase();
    CastTarget::of(&upper).ok_or_else(|| match upper.as_str() {
        "BYTES" | "ARRAY" | "MAP" | "STRUCT" => Error::config(format!(
            "Cast transformation does not support casting to {upper}; supported types are {CAST_TARGETS}"
        )),
        _ => Error::config(format!(
            "Invalid value java.lang.IllegalArgumentException: No enum constant \
             org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting \
             spec: {word}"
        )),
    })
}

/// Its configuration.
#[derive(Debug)]
pub struct CastConfig {
    whole: Option<CastTarget>,
    fields: Vec<(String, CastTarget)>,
    replace_null: bool,
}

impl PluginConfig for CastConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::list("spec").required().importance(High).doc(
                "A type for the whole key or value, or `field:type` separated by commas. Types: int8, int16, int32, \
                 int64, float32, float64, boolean, string.",
            ))
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let spec = values.list("spec")?;
        let wrong = |error: Error| {
            found(error, format!("spec={}", spec.join(",")), "a type, or `field:type` separated by commas")
        };
        if spec.is_empty() {
            return Err(wrong(Error::config("Must specify at least one field to cast.")));
        }
        let (mut whole, mut fields) = (None, Vec::<(String, CastTarget)>::new());
        for item in spec {
            let mut parts: Vec<&str> = item.split(':').collect();
            while 1 < parts.len() && parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
            match parts.as_slice() {
                [word] => whole = Some(target_of(word.trim()).map_err(wrong)?),
                [field, word] => {
                    let (field, target) = (field.trim().to_owned(), target_of(word.trim()).map_err(wrong)?);
                    fields.retain(|(other, _)| *other != field);
                    fields.push((field, target));
                }
                _ => {
                    return Err(wrong(Error::config(format!(
                        "Invalid value [{}] for configuration renames: Invalid rename mapping: {item}",
                        spec.join(", ")
                    ))));
                }
            }
        }
        if whole.is_some() && 1 < spec.len() {
            return Err(wrong(Error::config(
                "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec",
            )));
        }
        Ok(Self { whole, fields, replace_null: values.boolean("replace.null.with.default")? })
    }
}

/// The transform.
pub struct Cast {
    config: CastConfig,
    schemas: SchemaCache<Result<Arc<Schema>>>,
}

impl Cast {
    fn configure(config: CastConfig) -> Result<Self> {
        Ok(Self { config, schemas: SchemaCache::default() })
    }

    fn target(&self, field: &str) -> Option<CastTarget> {
        self.config.fields.iter().find(|(name, _)| name == field).map(|(_, target)| *target)
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let config = &self.config;
        self.schemas.get(schema, |schema| Ok(cast_schema(config, schema)))?
    }
}

fn cast_schema(config: &CastConfig, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
    if let Some(target) = config.whole {
        let default = schema.default.as_ref().map(|default| cast(Some(schema), default, target)).transpose()?;
        return Ok(shared(Schema { kind: target.schema_type(), default, ..(**schema).clone() }));
    }
    let mut fields = Vec::new();
    for field in schema.fields() {
        let target = config.fields.iter().find(|(name, _)| *name == field.name);
        let schema = match target {
            None => Arc::clone(&field.schema),
            Some((_, target)) => {
                let old = &field.schema;
                let cast = |default| cast(Some(old), default, *target).map_err(|error| error.in_field(&field.name));
                let default = old.default.as_ref().map(cast).transpose()?;
                shared(Schema { optional: old.optional, default, ..Schema::new(target.schema_type()) })
            }
        };
        fields.push(Field { name: field.name.clone(), schema });
    }
    if schema.default.is_some() {
        return Err(Error::data(format!(
            "Cast transformation does not support casting from STRUCT; supported types are {}",
            CAST_TARGETS.replace(']', ", BYTES]")
        )));
    }
    Ok(shared(Schema { kind: SchemaType::Struct(fields), ..(**schema).clone() }))
}

/// One value under the target type. Failures say what the type is, where Connect's words do not.
fn cast(schema: Option<&Arc<Schema>>, value: &Value, target: CastTarget) -> Result<Value> {
    target.cast(schema, value).map_err(|CannotCast { message, found: place }| match place {
        Some((there, wanted)) => found(Error::data(message), there, wanted),
        None => found(Error::data(message), type_name(value), target.schema_type().name()),
    })
}

/// The column cast value by value; `None` if some row fails, so that each row has to be looked at.
fn cast_column<'a>(
    column: &Column<'a>,
    schema: Option<&Arc<Schema>>,
    target: CastTarget,
    schemas: &SchemaTable<'a>,
) -> Option<Column<'static>> {
    let mut builder = ColumnBuilder::for_schema(&Arc::new(Schema::new(target.schema_type())));
    let mut none = SchemaTable::default();
    for row in 0..column.physical_rows() {
        let value = cast(schema, &column.value(row, schema, schemas), target).ok()?;
        builder.push(&value, &mut none).ok()?;
    }
    let mut cast = builder.finish().named(column.name.clone().into_owned());
    if column.constant {
        cast = cast.repeated(column.rows);
    }
    cast.present = column.present.clone().map(|bits| bits.into_owned().into());
    Some(cast)
}

impl Logic for Cast {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        if block.column.constant || self.config.whole.is_some() {
            return Ok(false);
        }
        match (block.schema.clone(), block.column.kind) {
            // Nulls pass.
            (None, Kind::Null) => Ok(true),
            (Some(schema), Kind::Struct) if block.column.valid.is_none() => {
                if !copies_as_is(&schema, block.column, |_| false) {
                    return Ok(false);
                }
                let Ok(out) = self.schema(&schema) else { return Ok(false) };
                let mut children = Vec::with_capacity(block.column.children.len());
                for (child, field) in block.column.children.iter().zip(schema.fields()) {
                    children.push(match self.target(&field.name) {
                        None => None,
                        Some(target) => match cast_column(child, Some(&field.schema), target, &block.table.schemas) {
                            Some(column) => Some(column),
                            None => return Ok(false),
                        },
                    });
                }
                for (child, cast) in block.column.children.iter_mut().zip(children) {
                    if let Some(cast) = cast {
                        *child = cast;
                    }
                }
                *block.schema = Some(out);
                Ok(true)
            }
            (None, Kind::Object) => {
                let mut cast = Vec::new();
                for (name, target) in &self.config.fields {
                    let at = block.column.children.iter().position(|child| child.name == *name);
                    let Some(at) = at.filter(|&at| is_in_every_map(block.column, &block.column.children[at])) else {
                        return Ok(false);
                    };
                    match cast_column(&block.column.children[at], None, *target, &block.table.schemas) {
                        Some(column) => cast.push((at, column)),
                        None => return Ok(false),
                    }
                }
                cast.into_iter().for_each(|(at, column)| block.column.children[at] = column);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        if value.is_null() {
            return Ok((schema, value));
        }
        if let Some(target) = self.config.whole {
            let cast = cast(schema.as_ref(), &value, target)?;
            return Ok((schema.map(|schema| self.schema(&schema)).transpose()?, cast));
        }
        let Some(schema) = schema else {
            let mut entries = require_map(value, PURPOSE)?;
            for (name, target) in &self.config.fields {
                let value = get(&entries, name).unwrap_or(&Value::Null);
                let value = cast(None, value, *target).map_err(|error| error.in_field(name))?;
                put(&mut entries, name, value);
            }
            return Ok((None, Value::Map(entries)));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let out = self.schema(&schema)?;
        let mut copies = Vec::with_capacity(slots.len());
        for (field, slot) in own.fields().iter().zip(slots) {
            let value = match field.schema.default_value() {
                Some(default) if slot.is_null() && self.config.replace_null => default,
                _ => slot,
            };
            copies.push(match self.target(&field.name) {
                Some(target) => {
                    let cast =
                        cast(Some(&field.schema), &value, target).map_err(|error| error.in_field(&field.name))?;
                    copied(field, cast, false)?
                }
                None => copied(field, value, false)?,
            });
        }
        Ok((Some(Arc::clone(&out)), Value::Struct(out, copies)))
    }
}
