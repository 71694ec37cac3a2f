//! Cast: other types for fields, or for the whole key or value.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, SchemaType, Value,
    batch::{Column, ColumnBuilder, Kind, SchemaTable},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig},
    logical,
    values::{base64, date_pattern, decimal, java_text},
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
const SUPPORTED_OUT: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";
const DAY_MS: i64 = 86_400_000;

/// What to cast to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

impl Target {
    fn parse(word: &str) -> Result<Self> {
        Ok(match word.to_uppercase().as_str() {
            "INT8" => Self::Int8,
            "INT16" => Self::Int16,
            "INT32" => Self::Int32,
            "INT64" => Self::Int64,
            "FLOAT32" => Self::Float32,
            "FLOAT64" => Self::Float64,
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::String,
            upper @ ("BYTES" | "ARRAY" | "MAP" | "STRUCT") => {
                return Err(Error::config(format!(
                    "Cast transformation does not support casting to {upper}; supported types are {SUPPORTED_OUT}"
                )));
            }
            upper => {
                return Err(Error::config(format!(
                    "Invalid value java.lang.IllegalArgumentException: No enum constant \
                     org.apache.kafka.connect.data.Schema.Type.{upper} for configuration Invalid type found in casting \
                     spec: {word}"
                )));
            }
        })
    }

    /// Its name in Connect's messages.
    fn name(self) -> &'static str {
        self.schema_type().name()
    }

    fn schema_type(self) -> SchemaType {
        match self {
            Self::Int8 => SchemaType::Int8,
            Self::Int16 => SchemaType::Int16,
            Self::Int32 => SchemaType::Int32,
            Self::Int64 => SchemaType::Int64,
            Self::Float32 => SchemaType::Float32,
            Self::Float64 => SchemaType::Float64,
            Self::Boolean => SchemaType::Boolean,
            Self::String => SchemaType::String,
        }
    }
}

/// Its configuration.
#[derive(Debug)]
pub struct CastConfig {
    whole: Option<Target>,
    fields: Vec<(String, Target)>,
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
        let (mut whole, mut fields) = (None, Vec::<(String, Target)>::new());
        for item in spec {
            let mut parts: Vec<&str> = item.split(':').collect();
            while 1 < parts.len() && parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
            match parts.as_slice() {
                [word] => whole = Some(Target::parse(word.trim()).map_err(wrong)?),
                [field, word] => {
                    let (field, target) = (field.trim().to_owned(), Target::parse(word.trim()).map_err(wrong)?);
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

    fn target(&self, field: &str) -> Option<Target> {
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
            SUPPORTED_OUT.replace(']', ", BYTES]")
        )));
    }
    Ok(shared(Schema { kind: SchemaType::Struct(fields), ..(**schema).clone() }))
}

/// One value under the target type. Failures say what the type is, where Connect's words do not.
fn cast(schema: Option<&Arc<Schema>>, value: &Value, target: Target) -> Result<Value> {
    cast_value(schema, value, target).map_err(|error| match error.causes.is_empty() {
        true => found(error, type_name(value), target.name()),
        false => error,
    })
}

fn cast_value(schema: Option<&Arc<Schema>>, value: &Value, target: Target) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    check_input(schema, value)?;
    let encoded;
    let mut value = value;
    if let (Value::Instant(ms), Some(schema)) = (value, schema)
        && target != Target::String
    {
        encoded = encode_instant(schema, *ms)?;
        value = &encoded;
    }
    Ok(match target {
        Target::Int8 => Value::Int8(to_integer(value, 8)? as i8),
        Target::Int16 => Value::Int16(to_integer(value, 16)? as i16),
        Target::Int32 => Value::Int32(to_integer(value, 32)? as i32),
        Target::Int64 => Value::Int64(to_integer(value, 64)?),
        Target::Float32 => Value::Float32(match value {
            Value::Float64(value) => *value as f32,
            Value::Int64(value) => *value as f32,
            Value::String(text) => java_text::parse_java_float(text).ok_or_else(|| out_of_range(text))?,
            Value::Decimal(value) => decimal::decimal_to_f32(value),
            other => to_double(other)? as f32,
        }),
        Target::Float64 => Value::Float64(to_double(value)?),
        Target::Boolean => Value::Boolean(match value {
            Value::String(text) => text.eq_ignore_ascii_case("true"),
            Value::Boolean(value) => *value,
            other => to_integer(other, 64)? != 0,
        }),
        Target::String => Value::String(match value {
            Value::Bytes(bytes) => base64::encode(bytes),
            Value::Instant(ms) => date_pattern::instant_header_text(*ms),
            other => millstream_sdk::values::value_text(other),
        }),
    })
}

fn check_input(schema: Option<&Arc<Schema>>, value: &Value) -> Result<()> {
    let from = match (schema, value) {
        (Some(schema), _) => match &schema.kind {
            kind @ (SchemaType::Array(_) | SchemaType::Map(..) | SchemaType::Struct(_)) => kind.name(),
            _ => return Ok(()),
        },
        (None, Value::List(_)) => "ARRAY",
        (None, Value::Map(_)) => "MAP",
        (None, Value::Struct(..)) => "STRUCT",
        (None, Value::Instant(_) | Value::Decimal(_) | Value::BigInteger(_)) => {
            return Err(Error::data(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
                value.java_class()
            )));
        }
        _ => return Ok(()),
    };
    let supported = SUPPORTED_OUT.replace(']', ", BYTES]");
    Err(Error::data(format!(
        "Cast transformation does not support casting from {from}; supported types are {supported}"
    )))
}

fn encode_instant(schema: &Schema, ms: i64) -> Result<Value> {
    match schema.name.as_deref() {
        Some(logical::DATE) if ms.rem_euclid(DAY_MS) != 0 => {
            let error = "Kafka Connect Date type should not have any time fields set to non-zero values.";
            Err(found(Error::data(error), format!("{ms} ms"), "a whole day"))
        }
        Some(logical::DATE) => Ok(Value::Int32((ms / DAY_MS) as i32)),
        Some(logical::TIME) if !(0..=DAY_MS).contains(&ms) => {
            let error = "Kafka Connect Time type should not have any date fields set to non-zero values.";
            Err(found(Error::data(error), format!("{ms} ms"), "0 to 86400000 ms"))
        }
        Some(logical::TIME) => Ok(Value::Int32(ms as i32)),
        _ => Ok(Value::Int64(ms)),
    }
}

fn out_of_range(text: &str) -> Error {
    Error::data(format!("Value ({text}) was out of range for requested data type"))
}

fn unexpected(value: &Value) -> Error {
    Error::data(format!("Unexpected type in Cast transformation: class {}", value.java_class()))
}

fn to_integer(value: &Value, bits: u32) -> Result<i64> {
    // Java narrows a float to int first where the target is smaller than that.
    let narrow = |value: f64| if bits == 64 { value as i64 } else { i64::from(value as i32) };
    Ok(match value {
        Value::Int8(value) => (*value).into(),
        Value::Int16(value) => (*value).into(),
        Value::Int32(value) => (*value).into(),
        Value::Int64(value) => *value,
        Value::Float32(value) => narrow((*value).into()),
        Value::Float64(value) => narrow(*value),
        Value::Boolean(value) => (*value).into(),
        Value::Decimal(value) => decimal::decimal_to_i64(value),
        Value::BigInteger(value) => decimal::integer_to_i64(value),
        Value::String(text) => java_text::parse_int(text, bits).ok_or_else(|| out_of_range(text))?,
        other => return Err(unexpected(other)),
    })
}

fn to_double(value: &Value) -> Result<f64> {
    Ok(match value {
        Value::Float32(value) => (*value).into(),
        Value::Float64(value) => *value,
        Value::Decimal(value) => decimal::decimal_to_f64(value),
        Value::String(text) => java_text::parse_java_double(text).ok_or_else(|| out_of_range(text))?,
        Value::Boolean(value) => f64::from(u8::from(*value)),
        other => to_integer(other, 64)? as f64,
    })
}

/// The column cast value by value; `None` if some row fails, so that each row has to be looked at.
fn cast_column<'a>(
    column: &Column<'a>,
    schema: Option<&Arc<Schema>>,
    target: Target,
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
