//! Source partitions and offsets cross the contract as JSON; plugins see them as maps of values.

use serde_json::{Map, Number, Value as Json};

use crate::{Error, Result, Value};

/// A map with text keys, as source partitions and offsets are.
///
/// ```
/// use millstream_sdk::{Value, map};
///
/// let partition = map([("filename", "a.txt".into())]);
/// let offset = map([("position", Value::Int64(42))]);
/// ```
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// The value of a key of a map; `None` if it is no map or has no such key.
pub fn get<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Map(entries) = map else { return None };
    entries.iter().find(|(name, _)| matches!(name, Value::String(name) if name == key)).map(|(_, value)| value)
}

/// A value as JSON text.
///
/// # Errors
///
/// Bytes, decimals, structs and maps with other keys than text have no form in offsets, and neither
/// have numbers that are not finite.
pub(crate) fn to_json(value: &Value) -> Result<String> {
    Ok(convert(value)?.to_string())
}

fn convert(value: &Value) -> Result<Json> {
    let unsuitable = || Error::data(format!("a source partition or offset cannot hold a {}", value.java_class()));
    Ok(match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::Bool(*value),
        Value::Int8(number) => (*number).into(),
        Value::Int16(number) => (*number).into(),
        Value::Int32(number) => (*number).into(),
        Value::Int64(number) => (*number).into(),
        Value::Float32(number) => Json::Number(Number::from_f64((*number).into()).ok_or_else(unsuitable)?),
        Value::Float64(number) => Json::Number(Number::from_f64(*number).ok_or_else(unsuitable)?),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => Json::Array(items.iter().map(convert).collect::<Result<_>>()?),
        Value::Map(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, value) in entries {
                let Value::String(key) = key else { return Err(unsuitable()) };
                map.insert(key.clone(), convert(value)?);
            }
            Json::Object(map)
        }
        _ => return Err(unsuitable()),
    })
}

/// A value from JSON text: integers become INT64, other numbers FLOAT64.
///
/// # Errors
///
/// The text is not JSON.
pub(crate) fn from_json(text: &str) -> Result<Value> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| Error::data("read JSON from the host").because(&error))?;
    Ok(data_of_json(json))
}

/// JSON as schemaless data of Connect: integers become INT64, other numbers FLOAT64.
pub fn data_of_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int64(number),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(data_of_json).collect()),
        Json::Object(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (Value::String(key), data_of_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_survive_the_way_through_json() {
        let offset = map([
            ("position", Value::Int64(i64::MAX)),
            ("ratio", Value::Float64(1.5)),
            ("name", "a \"b\"".into()),
            ("parts", Value::List(vec![Value::Null, Value::Boolean(true)])),
        ]);
        let text = to_json(&offset).expect("suitable");
        assert_eq!(text, r#"{"position":9223372036854775807,"ratio":1.5,"name":"a \"b\"","parts":[null,true]}"#);
        assert_eq!(from_json(&text), Ok(offset.clone()));
        assert_eq!(get(&offset, "ratio"), Some(&Value::Float64(1.5)));
        assert_eq!(get(&offset, "other"), None);
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        assert!(to_json(&Value::Bytes(vec![1])).is_err());
        assert!(to_json(&Value::Float64(f64::NAN)).is_err());
        assert!(from_json("{").is_err());
    }
}
