//! Connector files given to `millstream standalone`: the format is told by the content, not by the name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{ConfigMap, InvalidJson, PropertiesError, first_json_value, json::begins_with_object, parse_properties};

/// The state in which a connector is to begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InitialState {
    /// It starts its tasks.
    Running,
    /// It starts without working.
    Paused,
    /// It is only registered.
    Stopped,
}

impl InitialState {
    /// The state of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [(Self::Running, "RUNNING"), (Self::Paused, "PAUSED"), (Self::Stopped, "STOPPED")]
            .into_iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(state, _)| state)
    }
}

/// A connector to be created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectorFile {
    /// Its name, which `config` holds too.
    pub name: String,
    /// All that the file sets, `name` included.
    pub config: ConfigMap,
    /// The state to begin in, if the file says so.
    pub initial_state: Option<InitialState>,
}

/// Why a connector file could not be read.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum ConnectorFileError {
    /// JSON or properties without a name in them.
    #[error("Connector configuration at '{file}' is missing the mandatory 'name' configuration")]
    MissingName { file: String },
    /// The file begins with `{` and breaks JSON's grammar.
    #[error("connector configuration at '{file}' begins like JSON but is not")]
    NotJson {
        file: String,
        /// What is wrong, and where.
        source: InvalidJson,
    },
    /// JSON of neither form.
    #[error(
        "connector configuration at '{file}' is JSON, but neither an object of texts nor one with 'name' and such an object as 'config': {found}; write lists as texts with commas"
    )]
    Form {
        file: String,
        /// The member at fault.
        found: String,
    },
    /// The two names in the JSON form with `config` differ.
    #[error("Connector name configuration in 'config' doesn't match the one specified in 'name' at '{file}'")]
    TwoNames { file: String },
    /// `initial_state` is none of the three.
    #[error("'initial_state' at '{file}' is {found:?}, expected one of RUNNING, PAUSED, STOPPED")]
    InitialState { file: String, found: String },
    /// A broken escape.
    #[error("parse connector configuration at '{file}'")]
    Properties { file: String, source: PropertiesError },
}

impl ConnectorFile {
    /// Reads the content of a file; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// See [`ConnectorFileError`].
    pub fn parse(file: &str, content: &[u8]) -> Result<Self, ConnectorFileError> {
        if begins_with_object(content) {
            let json = first_json_value(content)
                .map_err(|source| ConnectorFileError::NotJson { file: file.to_owned(), source })?;
            let Some(Value::Object(object)) = json else { return Err(missing_name(file)) };
            let object: BTreeMap<String, Value> = object.into_iter().collect();
            if let Some(config) = scalars(&object) {
                return Self::flat(file, config, None);
            }
            return Self::request(file, &object)?
                .ok_or_else(|| ConnectorFileError::Form { file: file.to_owned(), found: nested_member(&object) });
        }
        let entries = parse_properties(content)
            .map_err(|source| ConnectorFileError::Properties { file: file.to_owned(), source })?;
        let config = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        Self::flat(file, config, None)
    }

    fn flat(file: &str, config: ConfigMap, initial_state: Option<InitialState>) -> Result<Self, ConnectorFileError> {
        match config.get("name") {
            Some(Some(name)) => Ok(Self { name: name.clone(), config, initial_state }),
            _ => Err(missing_name(file)),
        }
    }

    /// The form of `POST /connectors`. `None` if the object is not of that form.
    fn request(file: &str, object: &BTreeMap<String, Value>) -> Result<Option<Self>, ConnectorFileError> {
        let Some(Value::Object(config)) = object.get("config") else { return Ok(None) };
        let config: BTreeMap<String, Value> = config.clone().into_iter().collect();
        let Some(mut config) = scalars(&config) else { return Ok(None) };
        let name = match object.get("name") {
            None | Some(Value::Null) => None,
            Some(value) => match scalar(value) {
                Some(name) => name,
                None => return Ok(None),
            },
        };
        let initial_state =
            match object.get("initial_state") {
                None | Some(Value::Null) => None,
                Some(state) => Some(state.as_str().and_then(InitialState::from_name).ok_or_else(|| {
                    ConnectorFileError::InitialState { file: file.to_owned(), found: state.to_string() }
                })?),
            };
        if let Some(name) = name {
            match config.get("name") {
                Some(inner) if inner.as_deref() != Some(name.as_str()) => {
                    return Err(ConnectorFileError::TwoNames { file: file.to_owned() });
                }
                Some(_) => {}
                None => {
                    config.insert("name".to_owned(), Some(name));
                }
            }
        }
        Self::flat(file, config, initial_state).map(Some)
    }
}

fn missing_name(file: &str) -> ConnectorFileError {
    ConnectorFileError::MissingName { file: file.to_owned() }
}

/// Where an array or an object stands that should be a text.
fn nested_member(object: &BTreeMap<String, Value>) -> String {
    let within = |path: &str, value: &Value| match value {
        Value::Array(_) => Some(format!("{path:?} is an array")),
        Value::Object(_) => Some(format!("{path:?} is an object")),
        _ => None,
    };
    if let Some(Value::Object(config)) = object.get("config")
        && let Some(found) = config.iter().find_map(|(key, value)| within(key, value))
    {
        return found;
    }
    let found = object.iter().find_map(|(key, value)| within(key, value));
    found.unwrap_or_else(|| "it holds no texts".to_owned())
}

/// All values as text, or `None` if one is an array or an object.
fn scalars(object: &BTreeMap<String, Value>) -> Option<ConfigMap> {
    object.iter().map(|(key, value)| Some((key.clone(), scalar(value)?))).collect()
}

/// A scalar as text: numbers keep their spelling, null stays null.
fn scalar(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Some(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<ConnectorFile, String> {
        ConnectorFile::parse("f", content.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flat_object_is_a_configuration() {
        let file = parse(r#"{"name": "c", "tasks.max": 1, "x": 1.50, "flag": true, "none": null}"#).unwrap();
        assert_eq!(file.name, "c");
        assert_eq!(file.config["tasks.max"].as_deref(), Some("1"));
        assert_eq!(file.config["x"].as_deref(), Some("1.50"));
        assert_eq!(file.config["flag"].as_deref(), Some("true"));
        assert_eq!(file.config["none"], None);
    }

    #[test]
    fn a_request_object_fills_the_name_in() {
        let file = parse(
            r#"{"name": "c", "config": {"topic": "t"}, "initial_state": "paused", "tasks": [], "type": "source"}"#,
        )
        .unwrap();
        assert_eq!(file.config["name"].as_deref(), Some("c"));
        assert_eq!(file.initial_state, Some(InitialState::Paused));
        assert_eq!(
            parse(r#"{"name": "c", "config": {"name": "d"}}"#).unwrap_err(),
            "Connector name configuration in 'config' doesn't match the one specified in 'name' at 'f'"
        );
        assert!(parse(r#"{"name": "c", "config": {}, "initial_state": "ASLEEP"}"#).is_err());
    }

    #[test]
    fn anything_else_is_a_properties_file() {
        let file = parse("name=c\nfile=/tmp/x\n").unwrap();
        assert_eq!((file.name.as_str(), file.config["file"].as_deref()), ("c", Some("/tmp/x")));
    }

    #[test]
    fn a_file_without_a_name_is_refused_and_broken_json_is_called_that() {
        let missing = "Connector configuration at 'f' is missing the mandatory 'name' configuration";
        assert_eq!(parse("file=x").unwrap_err(), missing);
        assert_eq!(parse(r#"{"file": "x"}"#).unwrap_err(), missing);
        let error = ConnectorFile::parse("f", b"{\n  \"name\": \"c\",\n  topic: 1\n}").unwrap_err();
        assert_eq!(error.to_string(), "connector configuration at 'f' begins like JSON but is not");
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "line 3, column 3: key must be a string");
    }

    #[test]
    fn json_that_a_windows_tool_wrote_is_read() {
        assert_eq!(parse("\u{feff}{\"name\": \"c\"}").unwrap().name, "c");
        let utf16: Vec<u8> = "\u{feff}{\"name\": \"é\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(ConnectorFile::parse("f", &utf16).unwrap().name, "é");
        assert_eq!(parse("{\"name\": \"c\"} what follows is ignored").unwrap().name, "c");
    }

    #[test]
    fn json_of_another_form_names_the_member_at_fault() {
        let error = parse(r#"{"name": "c", "topics": ["a", "b"]}"#).unwrap_err();
        assert!(error.contains(r#""topics" is an array"#), "{error}");
        let error = parse(r#"{"name": "c", "config": {"x": {}}}"#).unwrap_err();
        assert!(error.contains(r#""x" is an object"#), "{error}");
    }
}
