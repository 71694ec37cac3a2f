//! Comparing what was found with what a case expects, and showing both.

use std::cmp::Ordering;
use std::fmt::Write;

use millstream_record::{Schema, SchemaType, Value};
use millstream_values::{base64, decimal};
use serde_json::Value as Json;

use crate::notation::Datum;

/// Exception classes whose names count; of all others only the stage does.
const KNOWN: [&str; 6] = [
    "ConfigException",
    "ConnectException",
    "DataException",
    "SchemaBuilderException",
    "SchemaProjectorException",
    "SerializationException",
];

/// A failure as cases know it.
#[derive(Clone, Debug)]
pub struct Thrown {
    /// `configure` or `apply`.
    pub when: &'static str,
    /// Full or simple class name.
    pub class: String,
    /// Its message.
    pub message: String,
}

impl Thrown {
    /// When an input was worked on.
    pub fn apply(class: &str, message: impl Into<String>) -> Self {
        Self { when: "apply", class: class.to_owned(), message: message.into() }
    }

    /// When an instance was configured.
    pub fn configure(class: &str, message: impl Into<String>) -> Self {
        Self { when: "configure", class: class.to_owned(), message: message.into() }
    }

    /// Whether this is the error that is expected.
    pub fn check(&self, expect: &Json) -> Result<(), String> {
        let found = || format!("found a {} in {}: {}", simple(&self.class), self.when, self.message);
        let Some(wanted) = expect.get("error").and_then(Json::as_str) else {
            return Err(format!("{}\nexpected {expect}", found()));
        };
        let stage = expect.get("when").and_then(Json::as_str);
        let same_class = !KNOWN.contains(&wanted) || simple(&self.class) == wanted;
        if same_class && stage.is_none_or(|stage| stage == self.when) {
            return Ok(());
        }
        Err(format!("{}\nexpected a {wanted} in {}", found(), stage.unwrap_or("any stage")))
    }
}

impl From<millstream_values::JavaError> for Thrown {
    fn from(error: millstream_values::JavaError) -> Self {
        Self::apply(error.class(), error.message())
    }
}

/// A class without its package.
pub fn simple(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// Whether a result is what is expected: `check` is called if there is one.
pub fn result<T>(
    found: Result<T, Thrown>,
    expect: &Json,
    check: impl FnOnce(T) -> Result<(), String>,
    show: impl FnOnce(&T) -> String,
) -> Result<(), String> {
    match found {
        Err(thrown) => thrown.check(expect),
        Ok(found) if expect.get("error").is_some() => Err(format!("found {}\nexpected {expect}", show(&found))),
        Ok(found) => check(found),
    }
}

/// Compares schemas and values.
pub fn datum(what: &str, found: &Datum, expected: &Datum) -> Result<(), String> {
    let schemas = match (&found.0, &expected.0) {
        (None, None) => true,
        (Some(found), Some(expected)) => same_schema(found, expected),
        _ => false,
    };
    if schemas && same(&found.1, &expected.1) {
        return Ok(());
    }
    Err(format!("{what}:\n found    {}\n expected {}", show_datum(found), show_datum(expected)))
}

/// Compares values.
pub fn value(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if same(found, expected) {
        return Ok(());
    }
    Err(format!("{what}:\n found    {}\n expected {}", show(found), show(expected)))
}

/// Equality as the cases have it: classes count, NaN equals NaN, the order of map entries does not count.
pub fn same(a: &Value, b: &Value) -> bool {
    let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Value::List(a), Value::List(b)) => all(a, b),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.iter().any(|(k, v)| same(k, key) && same(v, value)))
        }
        (Value::Struct(schema_a, a), Value::Struct(schema_b, b)) => same_schema(schema_a, schema_b) && all(a, b),
        _ => a.same(b),
    }
}

/// Equality of all attributes.
pub fn same_schema(a: &Schema, b: &Schema) -> bool {
    let part = |a: &Option<std::sync::Arc<Schema>>, b: &Option<std::sync::Arc<Schema>>| match (a, b) {
        (Some(a), Some(b)) => same_schema(a, b),
        (None, None) => true,
        _ => false,
    };
    let kinds = match (&a.kind, &b.kind) {
        (SchemaType::Array(a), SchemaType::Array(b)) => part(a, b),
        (SchemaType::Map(key_a, a), SchemaType::Map(key_b, b)) => part(key_a, key_b) && part(a, b),
        (SchemaType::Struct(a), SchemaType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name && same_schema(&a.schema, &b.schema))
        }
        (a, b) => a == b,
    };
    let defaults = match (&a.default, &b.default) {
        // A struct that is a default may be of an older schema, which the notation does not show.
        (Some(Value::Struct(_, a)), Some(Value::Struct(_, b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    };
    let rest = |schema: &Schema| (schema.optional, schema.name.clone(), schema.version, schema.doc.clone());
    kinds && defaults && rest(a) == rest(b) && a.parameters == b.parameters
}

/// Compares JSON documents: numbers by value, members without order.
pub fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            match (decimal::parse_decimal(&a.to_string()), decimal::parse_decimal(&b.to_string())) {
                (Some(a), Some(b)) => decimal::compare(&a, &b) == Ordering::Equal,
                _ => false,
            }
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        _ => a == b,
    }
}

/// A schema and value for people.
pub fn show_datum((schema, value): &Datum) -> String {
    format!("{} under {}", show(value), schema.as_ref().map_or("no schema".to_owned(), |schema| show_schema(schema)))
}

/// A schema for people.
pub fn show_schema(schema: &Schema) -> String {
    let part = |part: &Option<std::sync::Arc<Schema>>| part.as_ref().map_or("?".to_owned(), |part| show_schema(part));
    let mut out = match &schema.kind {
        SchemaType::Array(element) => format!("[{}]", part(element)),
        SchemaType::Map(key, value) => format!("{{{} -> {}}}", part(key), part(value)),
        SchemaType::Struct(fields) => {
            let field = |field: &millstream_record::Field| format!("{}: {}", field.name, show_schema(&field.schema));
            format!("struct{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        kind => kind.json_name().to_owned(),
    };
    if schema.optional {
        out.push('?');
    }
    let mut attribute = |name: &str, text: Option<String>| {
        if let Some(text) = text {
            write!(out, " {name}={text}").expect("writing to a text cannot fail");
        }
    };
    attribute("name", schema.name.clone());
    attribute("version", schema.version.map(|version| version.to_string()));
    attribute("doc", schema.doc.clone());
    attribute("parameters", schema.parameters.as_ref().map(|parameters| format!("{:?}", parameters.0)));
    attribute("default", schema.default.as_ref().map(show));
    out
}

/// A value for people: its class is visible.
pub fn show(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => format!("bytes({})", base64::encode(bytes)),
        Value::Decimal(value) => format!("decimal({})", decimal::decimal_text(value)),
        Value::BigInteger(bytes) => format!("bigint({})", decimal::integer_text(bytes)),
        Value::List(values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{}: {}", show(key), show(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(schema, slots) => {
            let slot = |(field, slot): (&millstream_record::Field, &Value)| format!("{}={}", field.name, show(slot));
            format!("Struct{{{}}}", schema.fields().iter().zip(slots).map(slot).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
