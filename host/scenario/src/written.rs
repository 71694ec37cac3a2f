//! Schemas and values written in the notation that [`crate::notation`] reads.

use std::sync::Arc;

use millstream_record::{Field, Schema, SchemaType, Value, logical};
use millstream_values::{base64, decimal};
use serde_json::{Map, Number, Value as Json, json};

const DAY_MS: i64 = 86_400_000;

/// Schemas that a scenario gives names: `#NAME` stands for one.
pub type Named = [(String, Arc<Schema>)];

/// A schema in as few words as it takes; `named` ones by their names.
pub fn schema(schema: &Schema, named: &Named) -> Json {
    if let Some((name, _)) = named.iter().find(|(_, known)| **known == *schema) {
        return format!("#{name}").into();
    }
    if let Some(word) = in_a_word(schema) {
        return word.into();
    }
    let part = |part: &Option<Arc<Schema>>| part.as_ref().map_or(Json::Null, |part| self::schema(part, named));
    let mut json = Map::new();
    json.insert("type".to_owned(), schema.kind.json_name().into());
    if schema.optional {
        json.insert("optional".to_owned(), true.into());
    }
    let mut set = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            json.insert(name.to_owned(), value);
        }
    };
    set("name", schema.name.as_deref().map(Json::from));
    set("version", schema.version.map(Json::from));
    set("doc", schema.doc.as_deref().map(Json::from));
    set(
        "parameters",
        schema.parameters.as_ref().map(|parameters| {
            Json::Object(parameters.0.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect())
        }),
    );
    set("default", schema.default.as_ref().map(|default| payload(Some(schema), default, named)));
    match &schema.kind {
        SchemaType::Array(items) => set("items", Some(part(items))),
        SchemaType::Map(keys, values) => {
            set("keys", Some(part(keys)));
            set("values", Some(part(values)));
        }
        SchemaType::Struct(fields) => {
            let field = |field: &Field| (field.name.clone(), self::schema(&field.schema, named));
            set("fields", Some(Json::Object(fields.iter().map(field).collect())));
        }
        _ => {}
    }
    Json::Object(json)
}

/// The schema as one word, if it has nothing that a word cannot say.
fn in_a_word(schema: &Schema) -> Option<String> {
    let plain = Schema { optional: false, ..schema.clone() };
    let scale = plain.parameters.as_ref().and_then(|parameters| match parameters.0.as_slice() {
        [(key, scale)] if key == logical::SCALE => scale.parse().ok(),
        _ => None,
    });
    let word = match (&plain.kind, plain.name.as_deref()) {
        (SchemaType::Array(_) | SchemaType::Map(..) | SchemaType::Struct(_), _) => return None,
        (_, Some(logical::DATE)) if plain == Schema::date() => "date".to_owned(),
        (_, Some(logical::TIME)) if plain == Schema::time() => "time".to_owned(),
        (_, Some(logical::TIMESTAMP)) if plain == Schema::timestamp() => "timestamp".to_owned(),
        (_, Some(logical::DECIMAL)) if scale.is_some_and(|scale| plain == Schema::decimal(scale)) => {
            format!("decimal({})", scale?)
        }
        (kind, None) if plain == Schema::new(kind.clone()) => kind.json_name().to_owned(),
        _ => return None,
    };
    Some(if schema.optional { format!("{word}?") } else { word })
}

/// A value under a schema, or without one.
pub fn payload(schema: Option<&Schema>, value: &Value, named: &Named) -> Json {
    let Some(schema) = schema else { return schemaless(value, named) };
    let part = |schema: &Option<Arc<Schema>>, value: &Value| payload(schema.as_deref(), value, named);
    match (&schema.kind, value) {
        (_, Value::Null) => Json::Null,
        (SchemaType::Bytes, Value::Decimal(value)) if schema.is_decimal() => {
            // A tag in place of base64: the text shows the scale, too, which need not be the schema's.
            json!({ "$decimal": decimal::decimal_text(value) })
        }
        (SchemaType::Int32, Value::Instant(ms))
            if schema.name.as_deref() == Some(logical::DATE) && ms % DAY_MS == 0 =>
        {
            (ms / DAY_MS).into()
        }
        (SchemaType::Int32, Value::Instant(ms)) if schema.name.as_deref() == Some(logical::TIME) => (*ms).into(),
        (SchemaType::Int64, Value::Instant(ms)) if schema.name.as_deref() == Some(logical::TIMESTAMP) => (*ms).into(),
        _ if schema.is_instant() || schema.is_decimal() => tagged(value, named),
        (SchemaType::Int8, Value::Int8(value)) => (*value).into(),
        (SchemaType::Int16, Value::Int16(value)) => (*value).into(),
        (SchemaType::Int32, Value::Int32(value)) => (*value).into(),
        (SchemaType::Int64, Value::Int64(value)) => (*value).into(),
        (SchemaType::Float32, Value::Float32(value)) => float(f64::from(*value), value.to_string()),
        (SchemaType::Float64, Value::Float64(value)) => float(*value, value.to_string()),
        (SchemaType::Boolean, Value::Boolean(value)) => (*value).into(),
        (SchemaType::String, Value::String(text)) => text.as_str().into(),
        (SchemaType::Bytes, Value::Bytes(bytes)) => base64::encode(bytes).into(),
        (SchemaType::Array(item), Value::List(items)) => items.iter().map(|value| part(item, value)).collect(),
        (SchemaType::Map(key, item), Value::Map(entries)) => {
            let text = |(name, value): &(Value, Value)| match name {
                Value::String(name) => Some((name.clone(), part(item, value))),
                _ => None,
            };
            let has_text_keys = key.as_ref().is_some_and(|key| key.kind == SchemaType::String);
            match entries.iter().map(text).collect::<Option<Map<_, _>>>().filter(|_| has_text_keys) {
                Some(members) => Json::Object(members),
                None => entries.iter().map(|(name, value)| json!([part(key, name), part(item, value)])).collect(),
            }
        }
        (SchemaType::Struct(fields), Value::Struct(own, slots)) if own.kind == schema.kind => {
            let slot =
                |(field, value): (&Field, &Value)| (field.name.clone(), payload(Some(&field.schema), value, named));
            let slots = fields.iter().zip(slots).filter(|(_, value)| !value.is_null());
            Json::Object(slots.map(slot).collect())
        }
        _ => tagged(value, named),
    }
}

fn schemaless(value: &Value, named: &Named) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Int64(value) => (*value).into(),
        Value::Float64(value) if value.is_finite() => float(*value, value.to_string()),
        Value::List(items) => items.iter().map(|item| schemaless(item, named)).collect(),
        Value::Map(entries) => {
            let text = |(name, value): &(Value, Value)| match name {
                Value::String(name) => Some((name.clone(), schemaless(value, named))),
                _ => None,
            };
            match entries.iter().map(text).collect::<Option<Map<_, _>>>() {
                Some(members) if !is_tag(&members) => Json::Object(members),
                _ => tagged(value, named),
            }
        }
        _ => tagged(value, named),
    }
}

fn is_tag(members: &Map<String, Json>) -> bool {
    members.len() == 1 && members.keys().all(|name| name.starts_with('$'))
}

/// A value with its type beside it.
fn tagged(value: &Value, named: &Named) -> Json {
    match value {
        Value::Int8(value) => json!({ "$int8": value }),
        Value::Int16(value) => json!({ "$int16": value }),
        Value::Int32(value) => json!({ "$int32": value }),
        Value::Int64(value) => json!({ "$int64": value }),
        Value::Float32(value) => json!({ "$float32": float(f64::from(*value), value.to_string()) }),
        Value::Float64(value) => json!({ "$float64": float(*value, value.to_string()) }),
        Value::Bytes(bytes) => json!({ "$bytes": base64::encode(bytes) }),
        Value::Decimal(value) => json!({ "$decimal": decimal::decimal_text(value) }),
        Value::BigInteger(bytes) => json!({ "$bigint": decimal::integer_text(bytes) }),
        Value::Instant(ms) => json!({ "$timestamp": ms }),
        Value::Map(entries) => {
            let pair = |(name, value): &(Value, Value)| json!([schemaless(name, named), schemaless(value, named)]);
            json!({ "$entries": entries.iter().map(pair).collect::<Vec<_>>() })
        }
        Value::Struct(own, _) => {
            json!({ "$struct": { "schema": schema(own, named), "payload": payload(Some(own), value, named) } })
        }
        Value::Null | Value::Boolean(_) | Value::String(_) | Value::List(_) => {
            json!({ "$plain": schemaless(value, named) })
        }
    }
}

/// A number as its shortest text, with a point; what JSON has no number for as a text.
fn float(value: f64, shortest: String) -> Json {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if 0.0 < value { "Infinity".into() } else { "-Infinity".into() };
    }
    let text = if shortest.contains(['.', 'e']) { shortest } else { format!("{shortest}.0") };
    text.parse::<Number>().map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation;

    #[track_caller]
    fn survives(schema_json: Json, value: Json) {
        let read = notation::schema(&schema_json).unwrap();
        let data = notation::payload(read.as_ref(), &value).unwrap();
        let shown = read.as_deref().map_or(Json::Null, |read| schema(read, &[]));
        assert_eq!((shown, payload(read.as_deref(), &data, &[])), (schema_json, value));
    }

    #[test]
    fn what_was_read_is_written_as_it_stood() {
        for (word, value) in [
            ("int8", json!(-128)),
            ("int64", json!(i64::MAX)),
            ("float", json!(1.5)),
            ("double", json!("NaN")),
            ("double?", Json::Null),
            ("string?", json!("x")),
            ("bytes", json!("AP8Q")),
            ("date", json!(19000)),
            ("time?", json!(3_600_000)),
            ("timestamp", json!(1_700_000_000_123_i64)),
            ("decimal(2)", json!({ "$decimal": "12.30" })),
            ("int32", json!({ "$plain": "seven" })),
        ] {
            survives(word.into(), value);
        }
        survives(
            json!({"type": "struct", "optional": true, "name": "n", "version": 3, "doc": "d", "parameters": {"p": "q"},
                "fields": {"a": {"type": "array", "items": "int32?"},
                    "m": {"type": "map", "keys": "int32", "values": "string"},
                    "t": {"type": "string", "optional": true, "default": "x"}}}),
            json!({"a": [1, null], "m": [[1, "one"]], "t": "y"}),
        );
        survives(
            Json::Null,
            json!({"n": 1, "x": 2.0, "l": [true, null], "i": {"$int32": 3}, "b": {"$bytes": "AQ=="},
                "d": {"$decimal": "1.20"}, "g": {"$bigint": "12345678901234567890123"}, "f": {"$float64": "Infinity"},
                "e": {"$entries": [[1, "one"]]}, "t": {"$timestamp": 5}}),
        );
    }

    #[test]
    fn a_named_schema_goes_by_its_name() {
        let inner = notation::schema(&json!({"type": "struct", "fields": {"n": "int32"}})).unwrap().unwrap();
        let named = [("inner".to_owned(), Arc::clone(&inner))];
        let outer = Schema::new(SchemaType::Array(Some(inner)));
        assert_eq!(schema(&outer, &named), json!({"type": "array", "items": "#inner"}));
    }
}
