//! Plugins, their keys, and validation.

use std::sync::Arc;

use axum::{body::Body, extract::State};
use millstream_config::ConfigKey;
use serde_json::{Value, json};

use super::Api;
use crate::{
    Herder, PluginListing, body,
    error::{Answer, RestError, ok},
    path::Name,
    query::Parameters,
};

/// `GET /connector-plugins`.
pub(crate) async fn list(State(herder): State<Arc<dyn Herder>>, parameters: Parameters) -> Answer {
    let plugins = herder.plugins(parameters.flag("connectorsOnly", true));
    let details = parameters.flag("details", false);
    Ok(ok(&plugins.iter().map(|plugin| listing(plugin, details)).collect()))
}

/// A plugin as Connect lists it; with details, which are ours, also where it came from and what it is made of.
fn listing(plugin: &PluginListing, details: bool) -> Value {
    let mut listing = json!({"class": plugin.class, "type": plugin.kind});
    if !["", "undefined"].contains(&plugin.version.as_str()) {
        listing["version"] = json!(plugin.version);
    }
    if details {
        listing["location"] = json!(plugin.location);
        listing["digest"] = json!(plugin.digest);
    }
    listing
}

/// `GET /connector-plugins/{plugin}/config?version=`.
pub(crate) async fn config(State(herder): State<Arc<dyn Herder>>, Name(name): Name, parameters: Parameters) -> Answer {
    let def = herder.plugin_config(&name, parameters.all("version").next())?;
    Ok(ok(&def.keys().iter().map(ConfigKey::to_definition_json).collect()))
}

/// `PUT /connector-plugins/{plugin}/config/validate`.
pub(crate) async fn validate(State(api): State<Api>, Name(name): Name, body: Body) -> Answer {
    let config = body::config(&body::read(body, api.max_body_bytes).await?)?;
    if let Some(Some(class)) = config.get("connector.class")
        && !without_suffix(class).ends_with(without_suffix(&name))
    {
        return Err(RestError::bad_request(format!(
            "Included connector type {class} does not match request type {name}"
        )));
    }
    // Connect validates on another thread, whose exception comes out wrapped, as a failure of the worker: 500.
    let infos = api.herder.validate(&config).await?;
    Ok(ok(&infos.to_json()))
}

/// `FileStreamSink` and `FileStreamSinkConnector` mean the same.
fn without_suffix(class: &str) -> &str {
    class.strip_suffix("Connector").filter(|rest| !rest.is_empty()).unwrap_or(class)
}
