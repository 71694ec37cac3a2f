//! What a JSON answer is as records.

use millstream_sdk::Value;
use serde_json::Value as Json;

/// The value at a pointer; the document itself for an empty one.
pub fn at<'j>(json: &'j Json, pointer: &str) -> Option<&'j Json> {
    json.pointer(pointer)
}

/// The records of an answer: the items of an array, or the one thing that is there.
pub fn items(found: Option<Json>) -> Vec<Json> {
    match found {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(one) => vec![one],
    }
}

/// Takes what stands at a pointer out of a document.
pub fn take(mut json: Json, pointer: &str) -> Option<Json> {
    json.pointer_mut(pointer).map(Json::take)
}

/// A text or number as text; none for everything else.
pub fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The same as schemaless data of Connect: integers are INT64, other numbers FLOAT64.
pub fn data(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int64(number),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(data).collect()),
        Json::Object(members) => {
            Value::Map(members.into_iter().map(|(name, value)| (Value::String(name), data(value))).collect())
        }
    }
}
