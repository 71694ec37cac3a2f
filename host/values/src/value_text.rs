//! Java's `toString` of values, as StringConverter and FileStreamSink write them.

use std::fmt::Write;

use millstream_record::Value;

use crate::{
    date_pattern::write_java_date,
    decimal::{integer_text, write_decimal},
    java_text::{write_f32, write_f64},
};

/// `String.valueOf(value)`: numbers as Java writes them, `Struct{a=1}` with set fields only, `{a=1}`,
/// `[1, 2]`, an instant as `Thu Jan 01 00:00:00 UTC 1970`. Bytes are an opaque object, `[B@0`.
pub fn value_text(value: &Value) -> String {
    let mut out = String::new();
    write_value_text(&mut out, value);
    out
}

/// Appends [`value_text`].
pub fn write_value_text(out: &mut String, value: &Value) {
    let number = |out: &mut String, value: i64| write!(out, "{value}").expect("writing to a string succeeds");
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int8(value) => number(out, i64::from(*value)),
        Value::Int16(value) => number(out, i64::from(*value)),
        Value::Int32(value) => number(out, i64::from(*value)),
        Value::Int64(value) => number(out, *value),
        Value::Float32(value) => write_f32(out, *value),
        Value::Float64(value) => write_f64(out, *value),
        Value::String(text) => out.push_str(text),
        // Java shows an address here, which says nothing about the bytes.
        Value::Bytes(_) => out.push_str("[B@0"),
        Value::Decimal(value) => write_decimal(out, value),
        Value::BigInteger(bytes) => out.push_str(&integer_text(bytes)),
        Value::Instant(ms) => write_java_date(out, *ms),
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if 0 < place {
                    out.push_str(", ");
                }
                write_value_text(out, item);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                if 0 < place {
                    out.push_str(", ");
                }
                write_value_text(out, key);
                out.push('=');
                write_value_text(out, value);
            }
            out.push('}');
        }
        Value::Struct(schema, slots) => {
            out.push_str("Struct{");
            let mut first = true;
            for (field, slot) in schema.fields().iter().zip(slots).filter(|(_, slot)| !slot.is_null()) {
                if !first {
                    out.push(',');
                }
                first = false;
                out.push_str(&field.name);
                out.push('=');
                write_value_text(out, slot);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_record::{Field, Schema, SchemaType};

    use super::*;

    #[test]
    fn values_are_shown_as_java_shows_them() {
        let field =
            |name: &str| Field { name: name.to_owned(), schema: Arc::new(Schema::new(SchemaType::Int8).optional()) };
        let schema = Arc::new(Schema::structure(vec![field("a"), field("b"), field("c")]).expect("names differ"));
        let value = Value::Struct(schema, vec![Value::Int8(1), Value::Null, Value::Int8(3)]);
        assert_eq!(value_text(&value), "Struct{a=1,c=3}");
        let map = Value::Map(vec![
            ("a".into(), Value::Float64(1.0)),
            (Value::Null, Value::List(vec![1, 2].into_iter().map(Value::Int32).collect())),
        ]);
        assert_eq!(value_text(&map), "{a=1.0, null=[1, 2]}");
        assert_eq!(value_text(&Value::Instant(0)), "Thu Jan 01 00:00:00 UTC 1970");
    }
}
