//! Connector files given to `millstream standalone`: the format is told by the content, not by the name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{ConfigMap, PropertiesError, parse_properties};

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
    /// Its configuration.
    pub config: ConfigMap,
    /// The state to begin in, if the file says so.
    pub initial_state: Option<InitialState>,
}

/// Why a connector file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorFileError {
    /// Neither form of JSON nor a properties file with a name in it.
    #[error("Connector configuration at '{file}' is missing the mandatory 'name' configuration")]
    MissingName {
        /// The file.
        file: String,
        /// Why it is not JSON, when it begins like it.
        source: Option<NotJson>,
    },
    /// The two names in the JSON form with `config` differ.
    #[error("Connector name configuration in 'config' doesn't match the one specified in 'name' at '{file}'")]
    TwoNames {
        /// The file.
        file: String,
    },
    /// `initial_state` is none of the three.
    #[error("'initial_state' at '{file}' is {found:?}, expected one of RUNNING, PAUSED, STOPPED")]
    InitialState {
        /// The file.
        file: String,
        /// What stands there.
        found: String,
    },
    /// A broken escape.
    #[error("parse connector configuration at '{file}'")]
    Properties {
        /// The file.
        file: String,
        /// What is wrong.
        source: PropertiesError,
    },
}

/// Why a file that begins with `{` was not taken as JSON.
#[derive(Debug, thiserror::Error)]
pub enum NotJson {
    /// Not JSON at all.
    #[error("the file begins like JSON but is not")]
    Syntax(#[from] serde_json::Error),
    /// JSON of neither form.
    #[error("the file is JSON, but neither an object of texts nor one with 'name' and 'config'")]
    Form,
}

impl ConnectorFile {
    /// Reads the content of a file; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// See [`ConnectorFileError`].
    pub fn parse(file: &str, content: &[u8]) -> Result<Self, ConnectorFileError> {
        let not_json = match serde_json::from_slice::<Value>(content) {
            Ok(Value::Object(object)) => {
                let object: BTreeMap<String, Value> = object.into_iter().collect();
                if let Some(config) = scalars(&object) {
                    return Self::flat(file, config, None);
                }
                if let Some(request) = Self::request(file, &object)? {
                    return Ok(request);
                }
                Some(NotJson::Form)
            }
            Ok(_) => None,
            Err(error) => {
                let begins_like_json = content.trim_ascii_start().first() == Some(&b'{');
                begins_like_json.then_some(NotJson::Syntax(error))
            }
        };
        if let Some(not_json) = not_json {
            return Err(ConnectorFileError::MissingName { file: file.to_owned(), source: Some(not_json) });
        }
        let entries = parse_properties(content)
            .map_err(|source| ConnectorFileError::Properties { file: file.to_owned(), source })?;
        let config = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
        Self::flat(file, config, None)
    }

    fn flat(file: &str, config: ConfigMap, initial_state: Option<InitialState>) -> Result<Self, ConnectorFileError> {
        match config.get("name") {
            Some(Some(name)) => Ok(Self { name: name.clone(), config, initial_state }),
            _ => Err(ConnectorFileError::MissingName { file: file.to_owned(), source: None }),
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
        let error = ConnectorFile::parse("f", br#"{"name": "c","#).unwrap_err();
        assert_eq!(error.to_string(), missing);
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "the file begins like JSON but is not");
    }
}
