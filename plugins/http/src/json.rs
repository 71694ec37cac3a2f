//! Values as JSON, as Connect's JsonConverter writes them without schemas.

use std::fmt::Write as _;

use millstream_sdk::{
    Decimal, Error, Result, Schema, SchemaType, Value, logical,
    values::{base64, decimal, write_f32, write_f64},
};

/// Deepest nesting that is written.
const MAX_DEPTH: usize = 400;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How decimals are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Decimals {
    /// The unscaled number's bytes: Connect's own way.
    #[default]
    Base64,
    /// As a number.
    Numeric,
}

/// Appends a value.
///
/// # Errors
///
/// A value that JSON cannot hold.
pub fn write(value: &Value, schema: Option<&Schema>, decimals: Decimals, out: &mut String) -> Result<()> {
    write_at(value, schema, decimals, out, 0)
}

fn write_at(value: &Value, schema: Option<&Schema>, decimals: Decimals, out: &mut String, depth: usize) -> Result<()> {
    if MAX_DEPTH < depth {
        return Err(Error::data(format!("the value is nested deeper than {MAX_DEPTH} levels")));
    }
    let inner =
        |value: &Value, schema: Option<&Schema>, out: &mut String| write_at(value, schema, decimals, out, depth + 1);
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int8(number) => integer(out, (*number).into()),
        Value::Int16(number) => integer(out, (*number).into()),
        Value::Int32(number) => integer(out, (*number).into()),
        Value::Int64(number) => integer(out, *number),
        // JSON has no such numbers; Jackson writes their names.
        Value::Float32(number) if !number.is_finite() => quoted_number(out, f64::from(*number)),
        Value::Float64(number) if !number.is_finite() => quoted_number(out, *number),
        Value::Float32(number) => write_f32(out, *number),
        Value::Float64(number) => write_f64(out, *number),
        Value::String(text) => string(out, text),
        Value::Bytes(bytes) => {
            out.push('"');
            base64::encode_onto(bytes, out);
            out.push('"');
        }
        Value::Decimal(number) => write_decimal(number, decimals, out),
        Value::BigInteger(bytes) => out.push_str(&decimal::integer_text(bytes)),
        Value::Instant(ms) => integer(out, instant(*ms, schema)),
        Value::List(items) => {
            let of_items = schema.and_then(|schema| match &schema.kind {
                SchemaType::Array(items) => items.as_deref(),
                _ => None,
            });
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at != 0 {
                    out.push(',');
                }
                inner(item, of_items, out)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            let (of_keys, of_values) = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Map(keys, values)) => (keys.as_deref(), values.as_deref()),
                _ => (None, None),
            };
            let is_object = entries.iter().all(|(key, _)| matches!(key, Value::String(_)));
            out.push(if is_object { '{' } else { '[' });
            for (at, (key, value)) in entries.iter().enumerate() {
                if at != 0 {
                    out.push(',');
                }
                if let (true, Value::String(key)) = (is_object, key) {
                    string(out, key);
                    out.push(':');
                    inner(value, of_values, out)?;
                } else {
                    out.push('[');
                    inner(key, of_keys, out)?;
                    out.push(',');
                    inner(value, of_values, out)?;
                    out.push(']');
                }
            }
            out.push(if is_object { '}' } else { ']' });
        }
        Value::Struct(schema, slots) => {
            out.push('{');
            for (at, (field, value)) in schema.fields().iter().zip(slots).enumerate() {
                if at != 0 {
                    out.push(',');
                }
                string(out, &field.name);
                out.push(':');
                inner(value, Some(&field.schema), out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn integer(out: &mut String, number: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

fn quoted_number(out: &mut String, number: f64) {
    out.push('"');
    write_f64(out, number);
    out.push('"');
}

fn write_decimal(number: &Decimal, decimals: Decimals, out: &mut String) {
    match decimals {
        Decimals::Numeric => decimal::write_decimal(out, number),
        Decimals::Base64 => {
            out.push('"');
            base64::encode_onto(&number.unscaled, out);
            out.push('"');
        }
    }
}

/// Days of a date, milliseconds of everything else.
fn instant(ms: i64, schema: Option<&Schema>) -> i64 {
    match schema.and_then(|schema| schema.name.as_deref()) {
        Some(logical::DATE) => ms.div_euclid(DAY_MS),
        _ => ms,
    }
}

/// Appends a text between quotes.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            other => {
                let _ = write!(out, "\\u{other:04X}");
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_sdk::{Field, map};

    use super::*;

    fn json(value: &Value, decimals: Decimals) -> String {
        let mut out = String::new();
        write(value, None, decimals, &mut out).unwrap();
        out
    }

    #[test]
    fn values_are_written_as_connects_converter_does() {
        let value = map([
            ("text", "a\"\\\n\u{1}ü".into()),
            ("n", Value::Int64(-5)),
            ("f", Value::Float64(1.5)),
            ("nan", Value::Float64(f64::NAN)),
            ("bytes", Value::Bytes(vec![1, 2])),
            ("list", Value::List(vec![Value::Null, Value::Boolean(true)])),
            ("odd", Value::Map(vec![(Value::Int32(1), "x".into())])),
        ]);
        let expected =
            r#"{"text":"a\"\\\n\u0001ü","n":-5,"f":1.5,"nan":"NaN","bytes":"AQI=","list":[null,true],"odd":[[1,"x"]]}"#;
        assert_eq!(json(&value, Decimals::Base64), expected);
        let number = Value::Decimal(Decimal { unscaled: vec![0x04, 0xd2], scale: 2 });
        assert_eq!(json(&number, Decimals::Numeric), "12.34");
        assert_eq!(json(&number, Decimals::Base64), "\"BNI=\"");
    }

    #[test]
    fn dates_are_days_and_timestamps_milliseconds() {
        let field = |name: &str, kind, logical: &str| Field {
            name: name.to_owned(),
            schema: Arc::new(Schema::new(kind).named(logical)),
        };
        let fields =
            vec![field("d", SchemaType::Int32, logical::DATE), field("t", SchemaType::Int64, logical::TIMESTAMP)];
        let schema = Arc::new(Schema::new(SchemaType::Struct(fields)));
        let value = Value::Struct(schema, vec![Value::Instant(-DAY_MS), Value::Instant(5)]);
        assert_eq!(json(&value, Decimals::Base64), r#"{"d":-1,"t":5}"#);
    }

    #[test]
    fn endless_nesting_is_refused() {
        let deep = (0..500).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        assert!(write(&deep, None, Decimals::Base64, &mut String::new()).is_err());
    }
}
