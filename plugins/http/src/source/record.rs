//! What a JSON answer is as records.

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
