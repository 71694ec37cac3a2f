//! Flatten: nested structs and maps as one level of fields with joined names.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, SchemaType, Value,
    batch::{Column, Kind},
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig},
    values::model,
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{SchemaCache, and_bits, found, put, rebuilt, require_map, require_struct, shared, type_name},
};

key_and_value!(
    FlattenKey,
    FlattenValue,
    "org.apache.kafka.connect.transforms.Flatten",
    FlattenConfig,
    Flatten,
    "Flattens nested structs and maps; the names of fields are joined with a delimiter."
);

const PURPOSE: &str = "flattening";

/// Its configuration.
#[derive(Debug)]
pub struct FlattenConfig {
    delimiter: String,
}

impl PluginConfig for FlattenConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(
            Key::string("delimiter")
                .default(".")
                .importance(Medium)
                .doc("What stands between the names of a nested field and those of what it is nested in."),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        // Java joins with the word null where the key is set to nothing.
        Ok(Self { delimiter: values.opt_string("delimiter").unwrap_or("null").to_owned() })
    }
}

/// The transform.
pub struct Flatten {
    delimiter: String,
    schemas: SchemaCache<Result<Arc<Schema>>>,
}

impl Flatten {
    fn configure(config: FlattenConfig) -> Result<Self> {
        Ok(Self { delimiter: config.delimiter, schemas: SchemaCache::default() })
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        let delimiter = &self.delimiter;
        self.schemas.get(schema, |schema| {
            let mut fields = Vec::new();
            let made = flat_fields(schema, "", delimiter, schema.optional, schema.default.as_ref(), &mut fields);
            Ok(made.and_then(|()| rebuilt(schema, fields)))
        })?
    }
}

fn joined(prefix: &str, name: &str, delimiter: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{delimiter}{name}") }
}

fn flat_fields(
    schema: &Schema,
    prefix: &str,
    delimiter: &str,
    optional: bool,
    default: Option<&Value>,
    out: &mut Vec<Field>,
) -> Result<()> {
    for (at, field) in schema.fields().iter().enumerate() {
        let name = joined(prefix, &field.name, delimiter);
        let inherited = match default {
            Some(Value::Struct(own, slots)) => slots.get(at).map(|slot| match own.fields().get(at) {
                Some(field) => model::with_default(&field.schema, slot),
                None => slot,
            }),
            _ => None,
        };
        let default = field.schema.default.as_ref().or(inherited.filter(|value| !value.is_null()));
        let optional = optional || field.schema.optional;
        match &field.schema.kind {
            SchemaType::Struct(_) => flat_fields(&field.schema, &name, delimiter, optional, default, out)
                .map_err(|error| error.in_field(&field.name))?,
            kind @ SchemaType::Map(..) => {
                let message = format!(
                    "Flatten transformation does not support {} for record with schemas (for field {name}).",
                    kind.name()
                );
                return Err(Error::data(message).in_field(&field.name));
            }
            _ => {
                let schema = Schema { optional, default: default.cloned(), ..(*field.schema).clone() };
                out.push(Field { name, schema: shared(schema) });
            }
        }
    }
    Ok(())
}

/// Collects the leaves of a struct's columns; false if the rows have to be looked at.
fn flat_columns<'a>(schema: &Schema, column: Column<'a>, parent: Option<&[u8]>, out: &mut Vec<Column<'a>>) -> bool {
    for (field, mut child) in schema.fields().iter().zip(column.children) {
        match (&field.schema.kind, child.kind) {
            (SchemaType::Struct(_), Kind::Struct) if !child.constant => {
                let valid = child.valid.take().map(std::borrow::Cow::into_owned);
                let both = match (&valid, parent) {
                    (Some(valid), Some(parent)) => Some(and_bits(valid, parent)),
                    (Some(valid), None) => Some(valid.clone()),
                    (None, parent) => parent.map(<[u8]>::to_vec),
                };
                if !flat_columns(&field.schema, child, both.as_deref(), out) {
                    return false;
                }
            }
            (SchemaType::Struct(_), _) | (_, Kind::Variant) => return false,
            _ => {
                // A null leaf takes its default, or has no right to be null.
                if !child.is_full() && (field.schema.default.is_some() || !field.schema.optional) {
                    return false;
                }
                if let Some(parent) = parent.filter(|_| child.kind != Kind::Null) {
                    if child.constant {
                        return false;
                    }
                    let valid = child.valid.as_ref().map_or_else(|| parent.to_vec(), |own| and_bits(own, parent));
                    child.valid = Some(valid.into());
                }
                out.push(child);
            }
        }
    }
    true
}

/// Collects the leaves of maps' columns; false if the rows have to be looked at.
fn flat_members<'a>(
    column: Column<'a>,
    prefix: &str,
    delimiter: &str,
    present: Option<&[u8]>,
    out: &mut Vec<Column<'a>>,
) -> bool {
    for mut child in column.children {
        let name = joined(prefix, &child.name, delimiter);
        let both = match (child.present.take(), present) {
            (Some(own), Some(parent)) => Some(and_bits(&own, parent)),
            (Some(own), None) => Some(own.into_owned()),
            (None, parent) => parent.map(<[u8]>::to_vec),
        };
        match child.kind {
            Kind::Object if child.valid.is_none() && !child.constant => {
                if !flat_members(child, &name, delimiter, both.as_deref(), out) {
                    return false;
                }
            }
            Kind::Object | Kind::Variant | Kind::Instant | Kind::Decimal | Kind::Map | Kind::Struct => return false,
            _ if child.constant && both.is_some() => return false,
            _ => {
                if out.iter().any(|other| other.name == name) {
                    return false;
                }
                child.present = both.map(Into::into);
                out.push(child.named(name));
            }
        }
    }
    true
}

/// Puts the slots of a struct in the order of the flattened schema; no slots for a null struct.
fn flat_slots(schema: &Schema, slots: Option<Vec<Value>>, out: &mut Vec<Option<Value>>) {
    let mut slots = slots.map(Vec::into_iter);
    for field in schema.fields() {
        let slot = slots.as_mut().map(|slots| slots.next().unwrap_or_default());
        match (&field.schema.kind, slot) {
            (SchemaType::Struct(_), Some(Value::Struct(_, slots))) => flat_slots(&field.schema, Some(slots), out),
            (SchemaType::Struct(_), _) => flat_slots(&field.schema, None, out),
            (_, Some(Value::Null)) => out.push(Some(field.schema.default.clone().unwrap_or_default())),
            (_, slot) => out.push(slot),
        }
    }
}

fn flat_entries(
    entries: Vec<(Value, Value)>,
    prefix: &str,
    delimiter: &str,
    out: &mut Vec<(Value, Value)>,
) -> Result<()> {
    for (key, value) in entries {
        let Value::String(key) = key else {
            let class = key.java_class();
            let message = format!("class {class} cannot be cast to class java.lang.String");
            let error = Error::data(message).class("java.lang.ClassCastException");
            return Err(found(error, format!("{} as a key", type_name(&key)), "STRING"));
        };
        let name = joined(prefix, &key, delimiter);
        match value {
            Value::Map(entries) => {
                flat_entries(entries, &name, delimiter, out).map_err(|error| error.in_field(&key))?
            }
            Value::Struct(..) => {
                let message = format!(
                    "Flatten transformation does not support STRUCT for record without schemas (for field {name})."
                );
                return Err(Error::data(message).in_field(&key));
            }
            Value::Instant(_) | Value::Decimal(_) | Value::BigInteger(_) => {
                let message = format!(
                    "Flatten transformation was passed a value of type class {} which is not supported by Connect's data API",
                    value.java_class()
                );
                let wanted = "a type that data without a schema may have";
                return Err(found(Error::data(message), type_name(&value), wanted).in_field(&key));
            }
            value => put(out, &name, value),
        }
    }
    Ok(())
}

impl Logic for Flatten {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        if block.column.kind == Kind::Null {
            return Ok(true);
        }
        if block.column.valid.is_some() || block.column.constant {
            return Ok(false);
        }
        let mut leaves = Vec::new();
        let kind = block.column.kind;
        match (block.schema.clone(), kind) {
            (Some(schema), Kind::Struct) => {
                let Ok(flat) = self.schema(&schema) else { return Ok(false) };
                if !flat_columns(&schema, block.column.clone(), None, &mut leaves) {
                    return Ok(false);
                }
                for (leaf, field) in leaves.iter_mut().zip(flat.fields()) {
                    leaf.name = field.name.clone().into();
                }
                *block.schema = Some(flat);
            }
            (None, Kind::Object) => {
                if !flat_members(block.column.clone(), "", &self.delimiter, None, &mut leaves) {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        block.column.children = leaves;
        Ok(true)
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        if value.is_null() {
            return Ok((schema, value));
        }
        let Some(schema) = schema else {
            let mut flat = Vec::new();
            flat_entries(require_map(value, PURPOSE)?, "", &self.delimiter, &mut flat)?;
            return Ok((None, Value::Map(flat)));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let flat = self.schema(&schema)?;
        let mut leaves = Vec::with_capacity(flat.fields().len());
        flat_slots(&own, Some(slots), &mut leaves);
        let mut values = Vec::with_capacity(leaves.len());
        for (leaf, field) in leaves.into_iter().zip(flat.fields()) {
            values.push(match leaf {
                Some(value) => {
                    model::validate_field(&field.name, &field.schema, &value)
                        .map_err(|error| Error::from(error).in_field(&field.name))?;
                    value
                }
                // A leaf of a null struct stays unset.
                None => Value::Null,
            });
        }
        Ok((Some(Arc::clone(&flat)), Value::Struct(flat, values)))
    }
}
