//! MaskField: the null value of a field's type, or a replacement, in the place of what was there.

use std::sync::Arc;

use millstream_sdk::{
    Decimal, Error, Result, Schema, Value,
    batch::{self, Column, EntryEdit, Kind, MapEdit, Variant, VariantBytes, VariantRef},
    config::{
        ConfigDef, ConfigValues,
        Importance::{High, Low},
        Key, PluginConfig, Validator,
    },
    values::decimal,
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{found, get, put, require_map, require_struct, type_name},
};

key_and_value!(
    MaskFieldKey,
    MaskFieldValue,
    "org.apache.kafka.connect.transforms.MaskField",
    MaskFieldConfig,
    MaskField,
    "Masks fields with a valid null value for their type (0, \"\", false, …) or with a replacement."
);

const PURPOSE: &str = "mask fields";

/// Its configuration.
#[derive(Debug)]
pub struct MaskFieldConfig {
    fields: Vec<String>,
    replacement: Option<String>,
    replace_null: bool,
}

impl PluginConfig for MaskFieldConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::list("fields")
                    .required()
                    .validator(Validator::non_empty_list())
                    .importance(High)
                    .doc("Names of the fields to mask."),
            )
            .key(
                Key::string("replacement")
                    .non_empty()
                    .importance(Low)
                    .doc("What to put in the place of numbers and texts, instead of a null value."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self {
            fields: values.list("fields")?.to_vec(),
            replacement: values.opt_string("replacement").map(str::to_owned),
            replace_null: values.boolean("replace.null.with.default")?,
        })
    }
}

/// The transform.
pub struct MaskField {
    config: MaskFieldConfig,
}

impl MaskField {
    fn configure(config: MaskFieldConfig) -> Result<Self> {
        Ok(Self { config })
    }

    fn masks(&self, name: &str) -> bool {
        self.config.fields.iter().any(|field| field == name)
    }

    fn masked(&self, value: &Value) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        match &self.config.replacement {
            None => null_value(value),
            Some(text) => replacement(text, value),
        }
    }

    /// The masked column where one value stands for all rows.
    fn masked_column(&self, column: &Column<'_>) -> Option<Column<'static>> {
        let one = |kind: Kind, data: Vec<u8>| Column::new(kind, 1, data).repeated(column.rows);
        let sample = match column.kind {
            Kind::Bool => Value::Boolean(true),
            Kind::Int8 => Value::Int8(1),
            Kind::Int16 => Value::Int16(1),
            Kind::Int32 => Value::Int32(1),
            Kind::Int64 => Value::Int64(1),
            Kind::Float32 => Value::Float32(1.0),
            Kind::Float64 => Value::Float64(1.0),
            Kind::Instant => Value::Instant(1),
            Kind::String => Value::from("x"),
            _ => return None,
        };
        let masked = match self.masked(&sample).ok()? {
            Value::Boolean(value) => one(Kind::Bool, vec![u8::from(value)]),
            Value::Int8(value) => one(Kind::Int8, value.to_le_bytes().to_vec()),
            Value::Int16(value) => one(Kind::Int16, value.to_le_bytes().to_vec()),
            Value::Int32(value) => one(Kind::Int32, value.to_le_bytes().to_vec()),
            Value::Int64(value) => one(Kind::Int64, value.to_le_bytes().to_vec()),
            Value::Float32(value) => one(Kind::Float32, value.to_le_bytes().to_vec()),
            Value::Float64(value) => one(Kind::Float64, value.to_le_bytes().to_vec()),
            Value::Instant(value) => one(Kind::Instant, value.to_le_bytes().to_vec()),
            Value::String(text) => Column::constant_str(column.rows, &text),
            _ => return None,
        };
        Some(masked.named(column.name.clone().into_owned()))
    }
}

fn null_value(value: &Value) -> Result<Value> {
    let zero = || Value::Decimal(Decimal { unscaled: vec![0], scale: 0 });
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::BigInteger(_) => Value::BigInteger(vec![0]),
        Value::Decimal(_) => zero(),
        Value::Instant(_) => Value::Instant(0),
        Value::String(_) => Value::from(""),
        Value::List(_) => Value::List(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        other => {
            let error = Error::data(format!("Cannot mask value of type: class {}", other.java_class()));
            return Err(found(error, type_name(other), "BOOLEAN, a number, a time, STRING, ARRAY or MAP"));
        }
    })
}

fn replacement(text: &str, value: &Value) -> Result<Value> {
    let wrong = || {
        let error = Error::data(format!("Unable to convert {text} (class java.lang.String) to a number"));
        found(error, format!("the replacement {text:?}"), type_name(value))
    };
    let number = || decimal::parse_decimal(text).ok_or_else(wrong);
    let low_bits = || number().map(|number| decimal::decimal_to_i64(&number));
    Ok(match value {
        Value::Int8(_) => Value::Int8(low_bits()? as i8),
        Value::Int16(_) => Value::Int16(low_bits()? as i16),
        Value::Int32(_) => Value::Int32(low_bits()? as i32),
        Value::Int64(_) => Value::Int64(low_bits()?),
        Value::Float32(_) => Value::Float32(decimal::decimal_to_f32(&number()?)),
        Value::Float64(_) => Value::Float64(decimal::decimal_to_f64(&number()?)),
        Value::String(_) => Value::from(text),
        Value::Decimal(_) => Value::Decimal(number()?),
        Value::BigInteger(_) => Value::BigInteger(decimal::parse_integer(text).ok_or_else(wrong)?),
        other => {
            let class = other.java_class();
            let error = Error::data(format!("Cannot mask value of type class {class} with custom replacement."));
            return Err(found(error, type_name(other), "a number or STRING"));
        }
    })
}

/// Masks entries where maps stand as variants. A map that lacks a field gets it, so each must have all.
struct Mask<'m> {
    mask: &'m MaskField,
    fields: u32,
    /// What replaces values of each type that was met, as a variant: it depends on nothing else.
    made: Vec<(u8, VariantBytes)>,
}

impl Mask<'_> {
    /// The variant in the place of a value of one type. `None` if this takes a look at the row.
    fn made(&self, value: Variant<'_>) -> Option<VariantBytes> {
        let sample = match value.read() {
            VariantRef::Null => Value::Null,
            VariantRef::Boolean(value) => Value::Boolean(value),
            VariantRef::Int8(value) => Value::Int8(value),
            VariantRef::Int16(value) => Value::Int16(value),
            VariantRef::Int32(value) => Value::Int32(value),
            VariantRef::Int64(value) => Value::Int64(value),
            VariantRef::Float32(value) => Value::Float32(value),
            VariantRef::Float64(value) => Value::Float64(value),
            VariantRef::String(_) => Value::String(String::new()),
            VariantRef::Instant(value) => Value::Instant(value),
            _ => return None,
        };
        VariantBytes::of(&self.mask.masked(&sample).ok()?).ok()
    }
}

impl MapEdit for Mask<'_> {
    fn entry(&self, name: &str) -> EntryEdit {
        if self.mask.masks(name) { EntryEdit::Replace } else { EntryEdit::Keep }
    }

    fn replace(&mut self, value: Variant<'_>) -> Option<&VariantBytes> {
        let tag = value.tag();
        let at = match self.made.iter().position(|(other, _)| *other == tag) {
            Some(at) => at,
            None => {
                self.made.push((tag, self.made(value)?));
                self.made.len() - 1
            }
        };
        Some(&self.made[at].1)
    }

    fn replacements(&self) -> Option<u32> {
        Some(self.fields)
    }
}

impl Logic for MaskField {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        if block.column.valid.is_some() || block.column.constant {
            return Ok(false);
        }
        let plain = match (&*block.schema, block.column.kind) {
            (Some(schema), Kind::Struct) => schema.fields().iter().zip(&block.column.children).all(|(field, child)| {
                (child.is_full() || field.schema.default.is_none()) && (!self.masks(&field.name) || child.is_full())
            }),
            // A field that a map lacks is added, so every map must have each.
            (None, Kind::Variant) => {
                let mut edit = Mask { mask: self, fields: self.config.fields.len() as u32, made: Vec::new() };
                let Some(column) = batch::edit_maps(block.column, &mut edit) else { return Ok(false) };
                *block.column = column;
                return Ok(true);
            }
            (None, Kind::Object) => {
                self.config.fields.iter().all(|name| block.column.child(name).is_some_and(Column::is_full))
            }
            _ => false,
        };
        if !plain {
            return Ok(false);
        }
        let masked = block
            .column
            .children
            .iter()
            .map(|child| if self.masks(&child.name) { self.masked_column(child).map(Some) } else { Some(None) });
        let Some(masked) = masked.collect::<Option<Vec<_>>>() else { return Ok(false) };
        for (child, masked) in block.column.children.iter_mut().zip(masked) {
            if let Some(masked) = masked {
                *child = masked;
            }
        }
        Ok(true)
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        let Some(schema) = schema else {
            let mut entries = require_map(value, PURPOSE)?;
            for name in &self.config.fields {
                let value = get(&entries, name).unwrap_or(&Value::Null);
                let masked = self.masked(value).map_err(|error| error.in_field(name))?;
                put(&mut entries, name, masked);
            }
            return Ok((None, Value::Map(entries)));
        };
        let (own, slots) = require_struct(value, PURPOSE)?;
        let mut copies = Vec::with_capacity(slots.len());
        for (field, slot) in own.fields().iter().zip(slots) {
            let value = match field.schema.default_value() {
                Some(default) if slot.is_null() && self.config.replace_null => default,
                _ => slot,
            };
            let name = &field.name;
            let value =
                if self.masks(name) { self.masked(&value).map_err(|error| error.in_field(name))? } else { value };
            copies.push(crate::trees::copied(field, value, false)?);
        }
        Ok((Some(schema), Value::Struct(own, copies)))
    }
}
