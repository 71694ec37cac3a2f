//! Connectors and their configurations.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use millstream_config::ConfigMap;
use millstream_runtime::herder::{HerderError, PutConnector, TargetState};
use serde_json::{Map, Value, json};

use super::Api;
use crate::{
    Herder, body, entity,
    error::{Answer, RestError, json_response, ok},
    path::{Name, base, encode},
    query::Parameters,
};

/// `GET /connectors`.
pub(crate) async fn list(State(herder): State<Arc<dyn Herder>>, parameters: Parameters) -> Answer {
    let expansions: Vec<&str> = parameters.all("expand").collect();
    let names = herder.connectors()?;
    if expansions.is_empty() {
        return Ok(ok(&json!(names)));
    }
    for unknown in expansions.iter().filter(|expansion| !["info", "status"].contains(expansion)) {
        tracing::info!(expansion = unknown, "ignored an unknown expansion of the connector list");
    }
    let mut all = Map::new();
    for name in names {
        match expand(herder.as_ref(), &name, &expansions) {
            Ok(expanded) => {
                all.insert(name, expanded);
            }
            // It was removed a moment ago, or has no status yet.
            Err(HerderError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ok(&all.into()))
}

fn expand(herder: &dyn Herder, name: &str, expansions: &[&str]) -> Result<Value, HerderError> {
    let mut expanded = Map::new();
    if expansions.contains(&"info") {
        expanded.insert("info".to_owned(), entity::info(&herder.connector_info(name)?));
    }
    if expansions.contains(&"status") {
        expanded.insert("status".to_owned(), entity::status(&herder.status(name)?));
    }
    Ok(expanded.into())
}

/// `POST /connectors`.
pub(crate) async fn create(State(api): State<Api>, uri: Uri, headers: HeaderMap, body: Body) -> Answer {
    let request = body::create_connector(&body::read(body, api.max_body_bytes).await?)?;
    let config = named(request.config, &request.name)?;
    let put = api.herder.put_config(&request.name, config, request.initial, false).await?;
    Ok(put_answer(&put, &uri, &headers))
}

/// `GET /connectors/{connector}`.
pub(crate) async fn info(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    Ok(ok(&entity::info(&herder.connector_info(&name)?)))
}

/// `GET /connectors/{connector}/config`.
pub(crate) async fn config(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    Ok(ok(&entity::config(&herder.connector_info(&name)?.config)))
}

/// `PUT /connectors/{connector}/config`.
pub(crate) async fn put_config(
    State(api): State<Api>,
    Name(name): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let config = named(body::config(&body::read(body, api.max_body_bytes).await?)?, &name)?;
    let put = api.herder.put_config(&name, config, TargetState::Started, true).await?;
    Ok(put_answer(&put, &uri, &headers))
}

/// `PATCH /connectors/{connector}/config`.
pub(crate) async fn patch_config(State(api): State<Api>, Name(name): Name, body: Body) -> Answer {
    let patch = body::config(&body::read(body, api.max_body_bytes).await?)?;
    Ok(ok(&entity::info(&api.herder.patch_config(&name, patch).await?)))
}

/// `DELETE /connectors/{connector}`.
pub(crate) async fn delete(State(herder): State<Arc<dyn Herder>>, Name(name): Name) -> Answer {
    herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Puts the connector's name into its configuration; another name there is an error.
fn named(mut config: ConfigMap, name: &str) -> Result<ConfigMap, RestError> {
    match config.get("name").and_then(Option::as_ref) {
        Some(other) if other != name => Err(RestError::bad_request(format!(
            "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
        ))),
        Some(_) => Ok(config),
        None => {
            config.insert("name".to_owned(), Some(name.to_owned()));
            Ok(config)
        }
    }
}

fn put_answer(put: &PutConnector, uri: &Uri, headers: &HeaderMap) -> Response {
    let body = entity::info(&put.info);
    if !put.created {
        return ok(&body);
    }
    let mut response = json_response(StatusCode::CREATED, &body);
    let location = format!("{}/connectors/{}", base(uri, headers), encode(&put.info.name));
    // A host that came in a header is fit for one, and a name is encoded.
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
