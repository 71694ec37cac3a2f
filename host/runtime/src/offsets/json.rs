//! Offsets as JSON, byte for byte as Connect's JsonConverter writes them.

use std::{fmt::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use millstream_record::{
    Schema, Value,
    batch::{Column, SchemaTable},
};

use super::OffsetStoreError;

/// The JSON of a row of a source partition or source offset column; `None` for null.
///
/// # Errors
///
/// The row is no map of primitive values; the text is Connect's.
pub(crate) fn row_json(column: &Column<'_>, row: usize, schemas: &SchemaTable<'_>) -> Result<Option<String>, String> {
    match column.value(row, None::<&Arc<Schema>>, schemas) {
        Value::Null => Ok(None),
        Value::Map(entries) => {
            let mut out = String::from("{");
            for (at, (key, value)) in entries.iter().enumerate() {
                let Value::String(key) = key else { return Err("Offsets may only use String keys".to_owned()) };
                if at != 0 {
                    out.push(',');
                }
                push_text(&mut out, key);
                out.push(':');
                push_value(&mut out, key, value)?;
            }
            out.push('}');
            Ok(Some(out))
        }
        other => Err(format!("Offsets must be specified as a Map, but are {}", other.java_class())),
    }
}

fn push_value(out: &mut String, field: &str, value: &Value) -> Result<(), String> {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Boolean(value) => write!(out, "{value}"),
        Value::Int8(value) => write!(out, "{value}"),
        Value::Int16(value) => write!(out, "{value}"),
        Value::Int32(value) => write!(out, "{value}"),
        Value::Int64(value) => write!(out, "{value}"),
        Value::Float32(value) => {
            push_float(out, format!("{value:e}"), f64::from(*value));
            Ok(())
        }
        Value::Float64(value) => {
            push_float(out, format!("{value:e}"), *value);
            Ok(())
        }
        Value::String(value) => {
            push_text(out, value);
            Ok(())
        }
        Value::Bytes(value) => write!(out, "\"{}\"", STANDARD.encode(value)),
        other => {
            let kind = match other {
                Value::List(_) => "ARRAY",
                Value::Map(_) => "MAP",
                Value::Struct(..) => "STRUCT",
                other => other.java_class(),
            };
            return Err(format!(
                "Offsets may only contain primitive types as values, but field {field} contains {kind}"
            ));
        }
    };
    Ok(())
}

/// A number as Java prints it, and as text what JSON has no number for.
pub(super) fn java_double(value: f64) -> String {
    let mut out = String::new();
    push_float(&mut out, format!("{value:e}"), value);
    out
}

/// A number as Java prints it; `shortest` holds its digits in Rust's exponent form.
fn push_float(out: &mut String, shortest: String, value: f64) {
    if value.is_nan() {
        return out.push_str("\"NaN\"");
    }
    if value.is_infinite() {
        return out.push_str(if value < 0.0 { "\"-Infinity\"" } else { "\"Infinity\"" });
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    out.push_str(sign);
    if !(-3..7).contains(&exponent) && value != 0.0 {
        let (head, tail) = digits.split_at(1);
        let _ = write!(out, "{head}.{}E{exponent}", if tail.is_empty() { "0" } else { tail });
    } else if exponent < 0 {
        let _ = write!(out, "0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    } else {
        let whole = exponent as usize + 1;
        let padded = format!("{digits:0<whole$}");
        let (head, tail) = padded.split_at(whole);
        let _ = write!(out, "{head}.{}", if tail.is_empty() { "0" } else { tail });
    }
}

/// A string with Jackson's escapes.
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Parsed JSON in compact form, members in their order, or sorted where a form is needed that does not
/// depend on it.
pub(super) fn push_json(out: &mut String, value: &serde_json::Value, sorted: bool) {
    match value {
        serde_json::Value::String(text) => push_text(out, text),
        serde_json::Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at != 0 {
                    out.push(',');
                }
                push_json(out, item, sorted);
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if sorted {
                members.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                if at != 0 {
                    out.push(',');
                }
                push_text(out, key);
                out.push(':');
                push_json(out, member, sorted);
            }
            out.push('}');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// The stored key of a source partition, with the members of its object sorted or as they are.
///
/// # Errors
///
/// The partition is no JSON object, nor null.
pub(super) fn stored_key(connector: &str, partition: &str, sorted: bool) -> Result<String, OffsetStoreError> {
    let parsed: serde_json::Value = serde_json::from_str(partition)
        .map_err(|_| OffsetStoreError::Invalid(format!("Offsets must be specified as a Map, but are {partition}")))?;
    if !parsed.is_object() && !parsed.is_null() {
        return Err(OffsetStoreError::Invalid(format!("Offsets must be specified as a Map, but are {partition}")));
    }
    let mut key = String::from("[");
    push_text(&mut key, connector);
    key.push(',');
    push_json(&mut key, &parsed, sorted);
    key.push(']');
    Ok(key)
}

#[cfg(test)]
mod tests {
    use millstream_record::batch::ColumnBuilder;

    use super::*;

    fn json(entries: &[(&str, Value)]) -> Result<Option<String>, String> {
        let mut schemas = SchemaTable::default();
        let mut builder = ColumnBuilder::new();
        let map = entries.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect();
        builder.push(&Value::Map(map), &mut schemas).expect("a map");
        row_json(&builder.finish(), 0, &schemas)
    }

    #[test]
    fn offsets_are_written_as_connect_writes_them() {
        let written = json(&[
            ("s", Value::from("a\"b\\\u{1f}ü/\n")),
            ("i", Value::Int64(-5)),
            ("d", Value::Float64(1.0)),
            ("b", Value::Bytes(vec![1, 2, 255])),
            ("n", Value::Null),
            ("t", Value::Boolean(true)),
        ]);
        assert_eq!(
            written,
            Ok(Some(r#"{"s":"a\"b\\\u001Fü/\n","i":-5,"d":1.0,"b":"AQL/","n":null,"t":true}"#.to_owned()))
        );
    }

    #[test]
    fn floats_have_javas_form() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (123_456.0, "123456.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (-9_999_999.5, "-9999999.5"),
        ] {
            let mut out = String::new();
            push_float(&mut out, format!("{value:e}"), value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_connect_refuses_is_refused_in_its_words() {
        assert_eq!(
            json(&[("f", Value::List(vec![]))]),
            Err("Offsets may only contain primitive types as values, but field f contains ARRAY".to_owned())
        );
    }
}
