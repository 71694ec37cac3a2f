//! The kinds of cases, each against the component that does it in a worker.

pub mod chain;
pub mod configdef;
pub mod converter;
pub mod headers;
pub mod model;
pub mod together;
pub mod transform;
pub mod values;

use millstream_config::ConfigMap;
use millstream_connector::{Failure, PluginError};
use serde_json::Value as Json;

use crate::compare::Thrown;

/// A configuration; a null is a key without a value.
pub fn config(json: &Json) -> ConfigMap {
    let members = json.as_object().into_iter().flatten();
    members.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect()
}

/// A failure of a stage.
pub fn thrown(when: &'static str, failure: &Failure) -> Thrown {
    let mut message = failure.message.clone();
    failure.causes.iter().for_each(|cause| {
        message.push_str("; caused by ");
        message.push_str(cause);
    });
    Thrown { when, class: failure.class.clone(), message }
}

/// What a plugin reports is a failure of its stage; a plugin that broke is no outcome at all.
pub fn reported(when: &'static str, error: PluginError) -> Result<Thrown, String> {
    match error {
        PluginError::Reported(failure) => Ok(thrown(when, &failure)),
        other => Err(other.to_string()),
    }
}
