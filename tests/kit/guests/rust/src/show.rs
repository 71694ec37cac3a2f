//! Values as texts.

use millstream_sdk::{
    Value,
    values::{decimal, java_text},
};

/// A value as the specification shows it.
pub fn show(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int8(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float32(value) => java_text::f32_text(*value),
        Value::Float64(value) => java_text::f64_text(*value),
        Value::String(text) => show_text(text),
        Value::Bytes(bytes) => {
            format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        Value::Decimal(value) => {
            format!("dec({})", decimal::decimal_plain_text(value, 1000).unwrap_or_else(|| decimal::decimal_text(value)))
        }
        Value::BigInteger(bytes) => decimal::integer_text(bytes),
        Value::Instant(ms) => format!("at({ms})"),
        Value::List(items) => format!("[{}]", joined(items.iter().map(show).collect())),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{}: {}", show(key), show(value));
            format!("{{{}}}", joined(entries.iter().map(entry).collect()))
        }
        Value::Struct(schema, slots) => {
            let fields = schema.fields().iter().zip(slots);
            let fields = fields.map(|(field, slot)| format!("{}={}", field.name, show(slot))).collect();
            format!("{}{{{}}}", schema.name.as_deref().unwrap_or("struct"), joined(fields))
        }
    }
}

/// A text in quotes.
pub fn show_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
