//! What Kafka Connect's transform Cast makes of a value, in its own words where it refuses one.

use std::sync::Arc;

use millstream_record::{Schema, SchemaType, Value, logical};

use crate::{base64, calendar::DAY_MS, date_pattern, decimal, java_text, value_text};

/// What can be cast to, as Connect lists it.
pub const CAST_TARGETS: &str = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";

/// A type that values are cast to.
#[expect(missing_docs, reason = "each is the type of its name")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CastTarget {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

/// Why a value cannot be cast.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CannotCast {
    /// In Connect's words.
    pub message: String,
    /// What stood there and what should have, where these words leave that open.
    pub found: Option<(String, &'static str)>,
}

impl CastTarget {
    /// Of a name in upper case; `None` for what values cannot be cast to.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "INT8" => Self::Int8,
            "INT16" => Self::Int16,
            "INT32" => Self::Int32,
            "INT64" => Self::Int64,
            "FLOAT32" => Self::Float32,
            "FLOAT64" => Self::Float64,
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::String,
            _ => return None,
        })
    }

    /// The type of its schemas.
    pub fn schema_type(self) -> SchemaType {
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

    /// A value under this type. Null stays null.
    ///
    /// # Errors
    ///
    /// A value that Cast refuses.
    pub fn cast(self, schema: Option<&Arc<Schema>>, value: &Value) -> Result<Value, CannotCast> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        check_input(schema, value)?;
        let encoded;
        let mut value = value;
        if let (Value::Instant(ms), Some(schema)) = (value, schema)
            && self != Self::String
        {
            encoded = encode_instant(schema, *ms)?;
            value = &encoded;
        }
        Ok(match self {
            Self::Int8 => Value::Int8(to_integer(value, 8)? as i8),
            Self::Int16 => Value::Int16(to_integer(value, 16)? as i16),
            Self::Int32 => Value::Int32(to_integer(value, 32)? as i32),
            Self::Int64 => Value::Int64(to_integer(value, 64)?),
            Self::Float32 => Value::Float32(match value {
                Value::Float64(value) => *value as f32,
                Value::Int64(value) => *value as f32,
                Value::String(text) => java_text::parse_java_float(text).ok_or_else(|| out_of_range(text))?,
                Value::Decimal(value) => decimal::decimal_to_f32(value),
                other => to_double(other)? as f32,
            }),
            Self::Float64 => Value::Float64(to_double(value)?),
            Self::Boolean => Value::Boolean(match value {
                Value::String(text) => text.eq_ignore_ascii_case("true"),
                Value::Boolean(value) => *value,
                other => to_integer(other, 64)? != 0,
            }),
            Self::String => Value::String(match value {
                Value::Bytes(bytes) => base64::encode(bytes),
                Value::Instant(ms) => date_pattern::instant_header_text(*ms),
                other => value_text::value_text(other),
            }),
        })
    }
}

fn refused(message: impl Into<String>) -> CannotCast {
    CannotCast { message: message.into(), found: None }
}

fn check_input(schema: Option<&Arc<Schema>>, value: &Value) -> Result<(), CannotCast> {
    let from = match (schema, value) {
        (Some(schema), _) => match &schema.kind {
            kind @ (SchemaType::Array(_) | SchemaType::Map(..) | SchemaType::Struct(_)) => kind.name(),
            _ => return Ok(()),
        },
        (None, Value::List(_)) => "ARRAY",
        (None, Value::Map(_)) => "MAP",
        (None, Value::Struct(..)) => "STRUCT",
        (None, Value::Instant(_) | Value::Decimal(_) | Value::BigInteger(_)) => {
            return Err(refused(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
                value.java_class()
            )));
        }
        _ => return Ok(()),
    };
    let supported = CAST_TARGETS.replace(']', ", BYTES]");
    Err(refused(format!("Cast transformation does not support casting from {from}; supported types are {supported}")))
}

fn encode_instant(schema: &Schema, ms: i64) -> Result<Value, CannotCast> {
    match schema.name.as_deref() {
        Some(logical::DATE) if ms.rem_euclid(DAY_MS) != 0 => {
            let message = "Kafka Connect Date type should not have any time fields set to non-zero values.";
            Err(CannotCast { found: Some((format!("{ms} ms"), "a whole day")), ..refused(message) })
        }
        Some(logical::DATE) => Ok(Value::Int32((ms / DAY_MS) as i32)),
        Some(logical::TIME) if !(0..=DAY_MS).contains(&ms) => {
            let message = "Kafka Connect Time type should not have any date fields set to non-zero values.";
            Err(CannotCast { found: Some((format!("{ms} ms"), "0 to 86400000 ms")), ..refused(message) })
        }
        Some(logical::TIME) => Ok(Value::Int32(ms as i32)),
        _ => Ok(Value::Int64(ms)),
    }
}

fn out_of_range(text: &str) -> CannotCast {
    refused(format!("Value ({text}) was out of range for requested data type"))
}

fn unexpected(value: &Value) -> CannotCast {
    refused(format!("Unexpected type in Cast transformation: class {}", value.java_class()))
}

fn to_integer(value: &Value, bits: u32) -> Result<i64, CannotCast> {
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

fn to_double(value: &Value) -> Result<f64, CannotCast> {
    Ok(match value {
        Value::Float32(value) => (*value).into(),
        Value::Float64(value) => *value,
        Value::Decimal(value) => decimal::decimal_to_f64(value),
        Value::String(text) => java_text::parse_java_double(text).ok_or_else(|| out_of_range(text))?,
        Value::Boolean(value) => f64::from(u8::from(*value)),
        other => to_integer(other, 64)? as f64,
    })
}
