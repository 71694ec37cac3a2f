//! `Values.convertToX` to numbers, and of what is a number already to dates and times: all that reads no header text.

use millstream_record::{Decimal, Schema, Value, logical};

use crate::{
    JavaError,
    calendar::DAY_MS,
    decimal::{decimal_to_f32, decimal_to_f64, decimal_to_i64, integer_to_i64, parse_decimal},
    logical_type::{date_from_logical, time_from_logical, time_to_logical},
    value_text::value_text,
};

/// To INT8: the low bits of the 64-bit integer that the value stands for. Null stays null.
///
/// # Errors
///
/// A DataException if the value is no number, numeric text or dated value with its schema. So also below.
pub fn convert_to_byte(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int8(number as i8))
}

/// To INT16; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_short(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int16(number as i16))
}

/// To INT32; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_integer(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int32(number as i32))
}

/// To INT64; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_long(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, Value::Int64)
}

fn integer(schema: Option<&Schema>, value: &Value, narrow: impl Fn(i64) -> Value) -> Result<Value, JavaError> {
    if value.is_null() { Ok(Value::Null) } else { as_i64(schema, value).map(narrow) }
}

/// To FLOAT32. Null stays null.
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_float(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Float64(number) => Value::Float32(*number as f32),
        Value::Float32(number) => Value::Float32(*number),
        Value::Decimal(number) => Value::Float32(decimal_to_f32(number)),
        Value::BigInteger(bytes) => Value::Float32(decimal_to_f32(&whole(bytes))),
        Value::String(text) => Value::Float32(decimal_to_f32(&text_number(text)?)),
        _ => Value::Float32(as_i64(schema, value)? as f32),
    })
}

/// To FLOAT64. Null stays null.
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_double(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    if value.is_null() { Ok(Value::Null) } else { as_f64(schema, value).map(Value::Float64) }
}

/// An instant or a number as the dated logical type of that name.
///
/// # Errors
///
/// See [`to_instant`](crate::convert_value::to_instant).
pub(crate) fn number_to_instant(target: &str, schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    if let Value::Instant(ms) = value
        && let Some(instant) =
            convert_instant(target, schema.is_none(), schema.and_then(|schema| schema.name.as_deref()), *ms)
    {
        return Ok(Value::Instant(instant));
    }
    let number = as_i64(schema, value)?;
    Ok(Value::Instant(match target {
        logical::DATE => i64::from(number as i32) * DAY_MS,
        logical::TIME => time_to_logical(&Schema::time(), number as i32)?,
        _ => number,
    }))
}

/// An instant of one dated type as another; `None` where it counts as a number.
pub(crate) fn convert_instant(target: &str, no_schema: bool, source: Option<&str>, ms: i64) -> Option<i64> {
    if no_schema || source == Some(target) {
        return Some(ms);
    }
    match (source?, target) {
        (logical::TIMESTAMP, logical::DATE) => Some(ms / DAY_MS * DAY_MS),
        (logical::TIMESTAMP, logical::TIME) => Some(ms.rem_euclid(DAY_MS)),
        (logical::DATE, logical::TIMESTAMP) => Some(ms),
        _ => None,
    }
}

/// The 64-bit integer a value stands for: floats saturate, decimals keep the low bits.
pub(crate) fn as_i64(schema: Option<&Schema>, value: &Value) -> Result<i64, JavaError> {
    Ok(match value {
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        Value::Float32(number) => *number as i64,
        Value::Float64(number) => *number as i64,
        Value::Decimal(number) => decimal_to_i64(number),
        Value::BigInteger(bytes) => integer_to_i64(bytes),
        Value::String(text) => decimal_to_i64(&text_number(text)?),
        Value::Instant(ms) => match schema {
            Some(schema) if schema.name.as_deref() == Some(logical::DATE) => i64::from(date_from_logical(schema, *ms)?),
            Some(schema) if schema.name.as_deref() == Some(logical::TIME) => i64::from(time_from_logical(schema, *ms)?),
            Some(schema) if schema.name.as_deref() == Some(logical::TIMESTAMP) => *ms,
            _ => return Err(unable(value, "number")),
        },
        _ => return Err(unable(value, "number")),
    })
}

/// The double a value stands for.
pub(crate) fn as_f64(schema: Option<&Schema>, value: &Value) -> Result<f64, JavaError> {
    Ok(match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        Value::Decimal(number) => decimal_to_f64(number),
        Value::BigInteger(bytes) => decimal_to_f64(&whole(bytes)),
        Value::String(text) => decimal_to_f64(&text_number(text)?),
        _ => as_i64(schema, value)? as f64,
    })
}

fn whole(bytes: &[u8]) -> Decimal {
    Decimal { unscaled: bytes.to_vec(), scale: 0 }
}

fn text_number(text: &str) -> Result<Decimal, JavaError> {
    parse_decimal(text).ok_or_else(|| unable(&Value::String(text.to_owned()), "number"))
}

/// The refusal of a value that is none of `target`.
pub(crate) fn unable(value: &Value, target: &str) -> JavaError {
    JavaError::data(format!("Unable to convert {} (class {}) to a {target}", value_text(value), value.java_class()))
}
