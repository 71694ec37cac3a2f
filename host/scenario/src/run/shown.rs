//! What scenarios see of plugins, failures and records.

use millstream_config::{ConfigKey, Opens, Validator};
use millstream_connector::{ErrorKind, Failure, PluginInfo, PluginKind, RowError};
use millstream_record::Value;
use millstream_values::base64;
use serde_json::{Map, Number, Value as Json, json};

/// A plugin as its description says.
pub fn plugin(plugin: &PluginInfo) -> Json {
    let mut shown = json!({
        "kind": kind(plugin.kind),
        "class": plugin.class,
        "aliases": plugin.aliases,
        "version": plugin.version,
        "documentation": plugin.documentation,
        "config": plugin.config.keys().iter().map(key).collect::<Vec<_>>(),
    });
    if matches!(plugin.kind, PluginKind::Source | PluginKind::Sink) {
        shown["task_class"] = json!(plugin.task_class);
    }
    if plugin.kind == PluginKind::Source {
        shown["commit_records"] = json!(plugin.commit_records);
    }
    shown
}

fn kind(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Transform => "transform",
        other => other.name(),
    }
}

/// A key as its definition says, in the members of a description.
fn key(key: &ConfigKey) -> Json {
    let definition = key.to_definition_json();
    let of = |name: &str| definition.get(name).cloned().unwrap_or(Json::Null);
    json!({
        "name": key.name,
        "type": of("type"),
        "required": of("required"),
        "default": of("default_value"),
        "importance": of("importance"),
        "documentation": of("documentation"),
        "group": of("group"),
        "order": of("order_in_group"),
        "width": of("width"),
        "display_name": of("display_name"),
        "dependents": of("dependents"),
        "recommended": key.recommended,
        "validator": key.validator.as_ref().map(Validator::to_json),
        "opens": key.opens.as_ref().map(Opens::members),
    })
}

/// A failure in its parts.
pub fn failure(failure: &Failure) -> Json {
    let kind = match failure.kind {
        ErrorKind::Retriable => "retriable",
        ErrorKind::Data => "data",
        ErrorKind::Config => "config",
        ErrorKind::Fatal => "fatal",
    };
    let mut json = json!({ "kind": kind, "class": failure.class, "message": failure.message });
    if !failure.causes.is_empty() {
        json["causes"] = json!(failure.causes);
    }
    if let Some(at) = &failure.at {
        json["at"] = json!(at);
    }
    json
}

/// Failures of rows.
pub fn row_errors(errors: &[RowError]) -> Json {
    let error = |error: &RowError| {
        let mut json = json!({ "row": error.row });
        if error.link != 0 {
            json["link"] = json!(error.link);
        }
        if let (Json::Object(json), Json::Object(failure)) = (&mut json, failure(&error.failure)) {
            json.extend(failure);
        }
        if let Some(field) = &error.field {
            json["field"] = json!(field);
        }
        json
    };
    errors.iter().map(error).collect()
}

/// Bytes as text, if they are some.
pub fn bytes(bytes: Option<&[u8]>) -> Json {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Json::Null,
        Some((_, Ok(text))) => text.into(),
        Some((bytes, Err(_))) => json!({ "base64": base64::encode(bytes) }),
    }
}

/// A source partition or offset as the JSON that the worker stores.
///
/// # Errors
///
/// It has something that no offset can hold.
pub fn offset(value: &Value) -> Result<Json, String> {
    let number = |number: f64| Number::from_f64(number).map(Json::Number);
    let unsuitable = || format!("a source partition or offset cannot hold a {}", value.java_class());
    Ok(match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Int8(value) => (*value).into(),
        Value::Int16(value) => (*value).into(),
        Value::Int32(value) => (*value).into(),
        Value::Int64(value) => (*value).into(),
        Value::Float32(value) => number((*value).into()).ok_or_else(unsuitable)?,
        Value::Float64(value) => number(*value).ok_or_else(unsuitable)?,
        Value::String(text) => text.as_str().into(),
        Value::Bytes(bytes) => base64::encode(bytes).into(),
        Value::List(items) => Json::Array(items.iter().map(offset).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| match key {
                Value::String(key) => Ok((key.clone(), offset(value)?)),
                _ => Err("a source partition or offset has text keys only".to_owned()),
            };
            Json::Object(entries.iter().map(entry).collect::<Result<Map<_, _>, String>>()?)
        }
        _ => return Err(unsuitable()),
    })
}
