//! Records, values and schemas as the reference pages show them: JSON that people read, and schemas in a line.

use std::sync::LazyLock;

use millstream_record::{Schema, SchemaType, Value, logical};
use millstream_values::{DatePattern, base64, decimal, java_text};

use crate::notation::Datum;
use crate::record::Record;

/// Longest line of a block before it is broken.
const WIDTH: usize = 100;

/// JSON to be printed: leaves are ready, and members keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Doc {
    /// Anything without parts.
    Leaf(String),
    /// An array.
    List(Vec<Doc>),
    /// An object.
    Object(Vec<(String, Doc)>),
}

impl Doc {
    /// A text in quotes.
    pub fn text(text: &str) -> Self {
        Self::Leaf(serde_json::Value::from(text).to_string())
    }

    /// On one line.
    pub fn line(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::line).collect::<Vec<_>>().join(", ")),
            Self::Object(members) => {
                let member = |(name, doc): &(String, Doc)| format!("{}: {}", Self::text(name).line(), doc.line());
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// On as many lines as it takes, each member of the outermost object on its own.
    pub fn block(&self) -> String {
        self.lines(0, true)
    }

    fn lines(&self, indent: usize, broken: bool) -> String {
        let line = self.line();
        if !broken && indent + line.len() <= WIDTH {
            return line;
        }
        let pad = " ".repeat(indent + 2);
        let join = |parts: Vec<String>| parts.join(&format!(",\n{pad}"));
        match self {
            Self::List(items) if !items.is_empty() => {
                let items = items.iter().map(|item| item.lines(indent + 2, false)).collect();
                format!("[\n{pad}{}\n{}]", join(items), " ".repeat(indent))
            }
            Self::Object(members) if !members.is_empty() => {
                let member = |(name, doc): &(String, Doc)| {
                    format!("{}: {}", Self::text(name).line(), doc.lines(indent + 2, false))
                };
                format!("{{\n{pad}{}\n{}}}", join(members.iter().map(member).collect()), " ".repeat(indent))
            }
            _ => line,
        }
    }
}

/// The parts of a record that `shown` wants, by their names.
pub fn record(record: &Record, shown: impl Fn(&str) -> bool) -> Doc {
    let mut members = Vec::new();
    let number = |number: Option<i64>| Doc::Leaf(number.map_or("null".to_owned(), |number| number.to_string()));
    let instant = |ms: Option<i64>| match ms {
        None => Doc::Leaf("null".to_owned()),
        Some(ms) => Doc::text(&instant(None, ms)),
    };
    let scalars = [
        ("topic", record.topic.as_deref().map_or(Doc::Leaf("null".to_owned()), Doc::text)),
        ("partition", number(record.partition.map(i64::from))),
        ("offset", number(record.offset)),
        ("timestamp", instant(record.timestamp)),
    ];
    members.extend(scalars.into_iter().filter(|(name, _)| shown(name)).map(|(name, doc)| (name.to_owned(), doc)));
    for (name, (schema, data)) in [("key", &record.key), ("value", &record.value)] {
        if shown(name) {
            members.push((name.to_owned(), value(schema.as_deref(), data)));
            if let Some(types) = types(&(schema.clone(), data.clone())) {
                members.push((format!("{name} schema"), Doc::text(&types)));
            }
        }
    }
    if shown("headers") {
        let header = |(key, datum): &(String, Datum)| {
            let mut members =
                vec![("key".to_owned(), Doc::text(key)), ("value".to_owned(), value(datum.0.as_deref(), &datum.1))];
            members.extend(types(datum).map(|types| ("schema".to_owned(), Doc::text(&types))));
            Doc::Object(members)
        };
        members.push(("headers".to_owned(), Doc::List(record.headers.iter().map(header).collect())));
    }
    Doc::Object(members)
}

/// A value as JSON; instants as texts, bytes as base64.
pub fn value(schema: Option<&Schema>, data: &Value) -> Doc {
    match data {
        Value::Null => Doc::Leaf("null".to_owned()),
        Value::Boolean(value) => Doc::Leaf(value.to_string()),
        Value::Int8(value) => Doc::Leaf(value.to_string()),
        Value::Int16(value) => Doc::Leaf(value.to_string()),
        Value::Int32(value) => Doc::Leaf(value.to_string()),
        Value::Int64(value) => Doc::Leaf(value.to_string()),
        Value::Float32(value) => Doc::Leaf(java_text::f32_text(*value)),
        Value::Float64(value) => Doc::Leaf(java_text::f64_text(*value)),
        Value::String(text) => Doc::text(text),
        Value::Bytes(bytes) => Doc::text(&base64::encode(bytes)),
        Value::Decimal(value) => Doc::Leaf(decimal::decimal_text(value)),
        Value::BigInteger(bytes) => Doc::Leaf(decimal::integer_text(bytes)),
        Value::Instant(ms) => Doc::text(&instant(schema.and_then(|schema| schema.name.as_deref()), *ms)),
        Value::List(items) => {
            let schema = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Array(item)) => item.as_deref(),
                _ => None,
            };
            Doc::List(items.iter().map(|item| value(schema, item)).collect())
        }
        Value::Map(entries) => {
            let (key, item) = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Map(key, item)) => (key.as_deref(), item.as_deref()),
                _ => (None, None),
            };
            let named = |(name, data): &(Value, Value)| match name {
                Value::String(name) => Some((name.clone(), value(item, data))),
                _ => None,
            };
            match entries.iter().map(named).collect() {
                Some(members) => Doc::Object(members),
                None => {
                    let pair = |(name, data): &(Value, Value)| Doc::List(vec![value(key, name), value(item, data)]);
                    Doc::List(entries.iter().map(pair).collect())
                }
            }
        }
        Value::Struct(own, slots) => {
            let slot = |(field, slot): (&millstream_record::Field, &Value)| {
                (field.name.clone(), value(Some(&field.schema), slot))
            };
            Doc::Object(own.fields().iter().zip(slots).map(slot).collect())
        }
    }
}

fn instant(logical_type: Option<&str>, ms: i64) -> String {
    static PATTERNS: LazyLock<[DatePattern; 3]> = LazyLock::new(|| {
        ["yyyy-MM-dd", "HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"]
            .map(|pattern| DatePattern::compile(pattern).expect("these are patterns"))
    });
    let pattern = match logical_type {
        Some(logical::DATE) => 0,
        Some(logical::TIME) => 1,
        _ => 2,
    };
    PATTERNS[pattern].format(ms)
}

/// The schema of data in a line. Without a schema: the types of the values where JSON does not show them.
pub fn types((schema, data): &Datum) -> Option<String> {
    match schema {
        Some(schema) => Some(schema_text(schema)),
        None if is_plain(data) => None,
        None => Some(format!("none; types: {}", types_of(data))),
    }
}

/// Whether the type of a value without schema is what its JSON looks like.
fn is_plain(data: &Value) -> bool {
    match data {
        Value::Null | Value::Boolean(_) | Value::Int64(_) | Value::Float64(_) | Value::String(_) => true,
        Value::List(items) => items.iter().all(is_plain),
        Value::Map(entries) => entries.iter().all(|(key, data)| matches!(key, Value::String(_)) && is_plain(data)),
        _ => false,
    }
}

fn types_of(data: &Value) -> String {
    match data {
        Value::Null => "null".to_owned(),
        Value::Boolean(_) => "boolean".to_owned(),
        Value::Int8(_) => "int8".to_owned(),
        Value::Int16(_) => "int16".to_owned(),
        Value::Int32(_) => "int32".to_owned(),
        Value::Int64(_) => "int64".to_owned(),
        Value::Float32(_) => "float32".to_owned(),
        Value::Float64(_) => "float64".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Bytes(_) => "bytes".to_owned(),
        Value::Decimal(_) => "BigDecimal".to_owned(),
        Value::BigInteger(_) => "BigInteger".to_owned(),
        Value::Instant(_) => "java.util.Date".to_owned(),
        Value::List(items) => format!("[{}]", items.iter().map(types_of).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, data): &(Value, Value)| match key {
                Value::String(name) => format!("{name}: {}", types_of(data)),
                key => format!("{} → {}", types_of(key), types_of(data)),
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(schema, _) => schema_text(schema),
    }
}

/// A schema in a line: `orders.Order v2 {id: int64, note: string? = "none", at: Timestamp}`.
pub fn schema_text(schema: &Schema) -> String {
    let part = |part: &Option<std::sync::Arc<Schema>>| part.as_deref().map_or("?".to_owned(), schema_text);
    let parameter = |name: &str| {
        let parameters = schema.parameters.as_ref()?;
        parameters.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let mut text = match (schema.name.as_deref(), &schema.kind) {
        (Some(logical::DECIMAL), SchemaType::Bytes) => format!("Decimal({})", parameter(logical::SCALE).unwrap_or("?")),
        (Some(logical::DATE), SchemaType::Int32) => "Date".to_owned(),
        (Some(logical::TIME), SchemaType::Int32) => "Time".to_owned(),
        (Some(logical::TIMESTAMP), SchemaType::Int64) => "Timestamp".to_owned(),
        (name, kind) => {
            let name = name.map(|name| format!("{name} ")).unwrap_or_default();
            let version = schema.version.map(|version| format!("v{version} ")).unwrap_or_default();
            let kind = match kind {
                SchemaType::Array(item) => format!("[{}]", part(item)),
                SchemaType::Map(key, item) => format!("{{{} → {}}}", part(key), part(item)),
                SchemaType::Struct(fields) => {
                    let field =
                        |field: &millstream_record::Field| format!("{}: {}", field.name, schema_text(&field.schema));
                    format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
                }
                SchemaType::Float32 => "float32".to_owned(),
                SchemaType::Float64 => "float64".to_owned(),
                kind => kind.json_name().to_owned(),
            };
            format!("{name}{version}{kind}")
        }
    };
    if schema.optional {
        text.push('?');
    }
    if let Some(default) = &schema.default {
        text.push_str(" = ");
        text.push_str(&value(Some(schema), default).line());
    }
    text
}

/// Bytes: as text where they are one, else as hexadecimal digits.
pub fn bytes(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && !text.chars().any(char::is_control) => text.to_owned(),
        _ if bytes.is_empty() => "(no bytes)".to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// A text as code inside a cell of a table.
pub fn code_cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace(['\n', '\r'], " ");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::schema;

    #[test]
    fn schemas_are_a_line() {
        let json = serde_json::json!({"type": "struct", "name": "o.Order", "version": 2, "optional": true, "fields": [
            {"field": "id", "type": "int64"},
            {"field": "note", "type": "string", "optional": true, "default": "none"},
            {"field": "tags", "type": "map", "keys": {"type": "string"}, "values": {"type": "array", "items": {"type": "float"}}},
            {"field": "at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"},
        ]});
        let schema = schema(&json).expect("a schema").expect("not null");
        assert_eq!(
            schema_text(&schema),
            "o.Order v2 {id: int64, note: string? = \"none\", tags: {string → [float32]}, at: Timestamp}?"
        );
    }

    #[test]
    fn blocks_break_where_lines_are_too_long() {
        let long = Doc::text(&"x".repeat(WIDTH));
        let doc = Doc::Object(vec![("a".to_owned(), Doc::List(vec![long.clone()])), ("b".to_owned(), Doc::text("y"))]);
        assert_eq!(doc.block(), format!("{{\n  \"a\": [\n    {}\n  ],\n  \"b\": \"y\"\n}}", long.line()));
    }
}
