//! Request bodies: strict JSON, of limited size, read as Connect reads it. What it answers with 500 and the words of its JSON
//! library is the client's mistake, and 400 here.

use axum::{body::Body, http::StatusCode};
use millstream_config::{ConfigMap, InitialState, first_json_value};
use millstream_runtime::herder::{OffsetEntry, TargetState};
use serde_json::{Map, Value};

use crate::error::RestError;

/// The body of `POST /connectors`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CreateConnector {
    /// Trimmed; empty if it was not given.
    pub(crate) name: String,
    pub(crate) config: ConfigMap,
    pub(crate) initial: TargetState,
}

/// Reads a whole body of at most `max_bytes`.
pub(crate) async fn read(body: Body, max_bytes: usize) -> Result<Vec<u8>, RestError> {
    // One byte more than allowed tells a body that is too large from one that just fits.
    match axum::body::to_bytes(body, max_bytes).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_too_large(&error) => Err(RestError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "The request's body is larger than the {max_bytes} bytes that the worker's rest.request.max.bytes allows"
            ),
        )),
        Err(error) => Err(RestError::bad_request(format!("The request's body could not be read: {error}"))),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    use std::error::Error;
    error.source().is_some_and(|source| source.to_string() == "length limit exceeded")
}

/// Reads a configuration: texts, with numbers and booleans taken as their text.
pub(crate) fn config(bytes: &[u8]) -> Result<ConfigMap, RestError> {
    match first_value(bytes)? {
        Some(Value::Object(object)) => config_map(&object),
        Some(Value::Null) | None => {
            Err(RestError::bad_request("A configuration is needed, but the request has no body"))
        }
        Some(other) => Err(unexpected("a JSON object of texts", &other)),
    }
}

/// Reads configurations of tasks.
pub(crate) fn configs(bytes: &[u8]) -> Result<Vec<ConfigMap>, RestError> {
    let read = |value: &Value| match value {
        Value::Object(object) => config_map(object),
        other => Err(unexpected("a JSON object of texts", other)),
    };
    match first_value(bytes)? {
        Some(Value::Array(configs)) => configs.iter().map(read).collect(),
        Some(Value::Null) | None => {
            Err(RestError::bad_request("Configurations are needed, but the request has no body"))
        }
        Some(other) => Err(unexpected("a JSON array of configurations", &other)),
    }
}

/// Reads the body of `POST /connectors`.
pub(crate) fn create_connector(bytes: &[u8]) -> Result<CreateConnector, RestError> {
    let object = match first_value(bytes)? {
        Some(Value::Object(object)) => object,
        Some(Value::Null) | None => {
            return Err(RestError::bad_request("'name' and 'config' are needed, but the request has no body"));
        }
        Some(other) => return Err(unexpected("a JSON object", &other)),
    };
    known_members(&object, &["name", "config", "initial_state"])?;
    let name = match object.get("name") {
        Some(name) => scalar("name", name)?.unwrap_or_default(),
        None => String::new(),
    };
    let config = match object.get("config") {
        Some(Value::Object(config)) => config_map(config)?,
        Some(Value::Null) | None => {
            return Err(RestError::bad_request("'config' is needed, but it is null or missing"));
        }
        Some(other) => return Err(unexpected("a JSON object of texts", other)),
    };
    Ok(CreateConnector { name: name.trim().to_owned(), config, initial: initial_state(object.get("initial_state"))? })
}

/// Reads the body of `PATCH /connectors/{connector}/offsets`: partitions with their offsets, each an object or null.
/// Nothing of it is one that names none.
pub(crate) fn offsets(bytes: &[u8]) -> Result<Vec<OffsetEntry>, RestError> {
    let object = match first_value(bytes)? {
        Some(Value::Object(object)) => object,
        Some(Value::Null) | None => {
            return Err(RestError::bad_request("'offsets' are needed, but the request has no body"));
        }
        Some(other) => return Err(unexpected("a JSON object", &other)),
    };
    known_members(&object, &["offsets"])?;
    let list = match object.get("offsets") {
        Some(Value::Array(list)) => list,
        Some(Value::Null) | None => return Ok(Vec::new()),
        Some(other) => return Err(unexpected("an array of partitions and offsets", other)),
    };
    let entry = |entry: &Value| {
        let Value::Object(entry) = entry else {
            return Err(unexpected("an object with 'partition' and 'offset'", entry));
        };
        known_members(entry, &["partition", "offset"])?;
        let member = |name: &str| match entry.get(name) {
            Some(value @ (Value::Object(_) | Value::Null)) => Ok(value.clone()),
            None => Ok(Value::Null),
            Some(other) => Err(unexpected("an object or null", other)),
        };
        Ok(OffsetEntry { partition: member("partition")?, offset: member("offset")? })
    };
    list.iter().map(entry).collect()
}

/// Refuses members that Connect does not know.
fn known_members(object: &Map<String, Value>, known: &[&str]) -> Result<(), RestError> {
    let Some(unknown) = object.keys().find(|member| !known.contains(&member.as_str())) else { return Ok(()) };
    let count =
        if known.len() == 1 { "one known property".to_owned() } else { format!("{} known properties", known.len()) };
    let known: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    Err(RestError::bad_request(format!("Unrecognized field \"{unknown}\" ({count}: {})", known.join(", "))))
}

fn initial_state(value: Option<&Value>) -> Result<TargetState, RestError> {
    let state = match value {
        None | Some(Value::Null) => return Ok(TargetState::Started),
        Some(value) => value,
    };
    match state.as_str().and_then(InitialState::from_name) {
        Some(InitialState::Running) => Ok(TargetState::Started),
        Some(InitialState::Paused) => Ok(TargetState::Paused),
        Some(InitialState::Stopped) => Ok(TargetState::Stopped),
        None => Err(RestError::bad_request(format!(
            "Cannot read 'initial_state' from {state}: expected one of RUNNING, PAUSED, STOPPED"
        ))),
    }
}

/// The first JSON value; what follows it is ignored. `None` if there is nothing but white space.
fn first_value(bytes: &[u8]) -> Result<Option<Value>, RestError> {
    first_json_value(bytes)
        .map_err(|error| RestError::bad_request(format!("The request's body is not valid JSON: {error}")))
}

fn config_map(object: &Map<String, Value>) -> Result<ConfigMap, RestError> {
    object.iter().map(|(key, value)| Ok((key.clone(), scalar(key, value)?))).collect()
}

fn scalar(member: &str, value: &Value) -> Result<Option<String>, RestError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) => Err(RestError::bad_request(format!(
            "Cannot deserialize value of `{member}`: expected a text, found an array"
        ))),
        Value::Object(_) => Err(RestError::bad_request(format!(
            "Cannot deserialize value of `{member}`: expected a text, found an object"
        ))),
    }
}

fn unexpected(expected: &str, found: &Value) -> RestError {
    let found = match found {
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    RestError::bad_request(format!("Cannot deserialize the request's body: expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_booleans_become_their_text_and_null_stays() {
        let config = config(br#"{"a": 1, "b": 1.50, "c": true, "d": null, "e": "x"} trailing"#).unwrap();
        let expected = [("a", Some("1")), ("b", Some("1.50")), ("c", Some("true")), ("d", None), ("e", Some("x"))];
        let expected: ConfigMap =
            expected.into_iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
        assert_eq!(config, expected);
    }

    #[test]
    fn a_body_may_be_in_any_encoding_of_unicode() {
        let expected = ConfigMap::from([("a".to_owned(), Some("é".to_owned()))]);
        assert_eq!(config("\u{feff}{\"a\": \"é\"}".as_bytes()).unwrap(), expected);
        let utf16: Vec<u8> = "{\"a\": \"é\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(config(&utf16).unwrap(), expected);
    }

    #[test]
    fn whatever_is_no_map_of_texts_is_refused() {
        for body in ["", " ", "null", "[]", "{", "{\"a\": []}", "{\"a\": {}}", "7", "\u{1}"] {
            assert!(config(body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(config(b"{\"a\": \"\xff\"}").is_err());
        assert!(config("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn configurations_of_tasks_that_are_none_are_the_callers_mistake() {
        for body in ["", "null", "{}", "7", "[7]", "[{\"a\": []}]", "["] {
            let refused = configs(body.as_bytes()).unwrap_err();
            let answer = axum::response::IntoResponse::into_response(refused);
            assert_eq!(answer.status(), axum::http::StatusCode::BAD_REQUEST, "{body:?}");
        }
    }

    #[test]
    fn offsets_are_a_list_of_partitions_and_offsets_that_are_objects_or_null() {
        let read = offsets(br#"{"offsets": [{"partition": {"a": 1}, "offset": null}, {}]}"#).unwrap();
        let expected = [
            OffsetEntry { partition: serde_json::json!({"a": 1}), offset: Value::Null },
            OffsetEntry { partition: Value::Null, offset: Value::Null },
        ];
        assert_eq!(read, expected);
        for body in ["{}", r#"{"offsets": null}"#, r#"{"offsets": []}"#] {
            assert_eq!(offsets(body.as_bytes()).unwrap(), [], "{body}");
        }
        for body in ["", "null", "[]", r#"{"offsets": {}}"#, r#"{"offsets": [null]}"#, r#"{"offsets": [{"x": 1}]}"#] {
            assert!(offsets(body.as_bytes()).is_err(), "{body}");
        }
        for body in [r#"{"offsets": [], "x": 1}"#, r#"{"offsets": [{"partition": 3}]}"#] {
            assert!(offsets(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_connector_is_created_from_three_members_only() {
        let create = create_connector(br#"{"name": " c ", "config": {}, "initial_state": "paused"}"#).unwrap();
        assert_eq!((create.name.as_str(), create.initial), ("c", TargetState::Paused));
        assert_eq!(create_connector(br#"{"config": {}}"#).unwrap().name, "");
        assert!(create_connector(br#"{"config": {}, "tasks": []}"#).is_err());
        assert!(create_connector(br#"{"name": "c"}"#).is_err());
        assert!(create_connector(br#"{"name": "c", "config": {}, "initial_state": "ASLEEP"}"#).is_err());
    }
}
