//! The options that classes declare: of transforms and predicates as their component describes them, of converters as
//! the worker knows them.

use millstream_config::{ConfigDef, ConfigKey, Default as KeyDefault};
use millstream_connector::{PluginKind, Plugins};
use serde_json::{Map, Value as Json};

use crate::Runner;
use crate::cases::Case;

/// The options of a class.
pub fn configdef(runner: &Runner, case: &Case) -> Result<(), String> {
    let class = case.text("subject")?;
    let kinds = [PluginKind::Transform, PluginKind::Predicate, PluginKind::Source, PluginKind::Sink];
    let found = kinds.into_iter().find_map(|kind| runner.plugins.find(kind, &class.into()).ok());
    let def: ConfigDef = match found.filter(|plugin| plugin.class == class) {
        Some(plugin) => plugin.config.clone(),
        None => millstream_convert::config_def(class).ok_or_else(|| format!("there is no class {class}"))?,
    };
    let mut keys: Vec<&ConfigKey> = def.keys().iter().collect();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<Json> = keys.into_iter().map(key).collect();
    let expected = case.expect().get("keys").and_then(Json::as_array).ok_or("no keys are expected")?;
    let expected: Vec<Json> = expected.iter().map(normal).collect();
    if found == expected {
        return Ok(());
    }
    let missing = expected.iter().filter(|key| !found.contains(key)).map(|key| format!("\n expected {key}"));
    let surplus = found.iter().filter(|key| !expected.contains(key)).map(|key| format!("\n found    {key}"));
    Err(format!("keys differ:{}", missing.chain(surplus).collect::<String>()))
}

fn key(key: &ConfigKey) -> Json {
    let mut json = Map::new();
    json.insert("name".to_owned(), key.name.clone().into());
    json.insert("type".to_owned(), key.kind.as_str().into());
    json.insert("required".to_owned(), key.is_required().into());
    let default = match &key.default {
        KeyDefault::Text(text) => text.clone().into(),
        _ => Json::Null,
    };
    json.insert("default".to_owned(), default);
    json.insert("importance".to_owned(), key.importance.as_str().into());
    Json::Object(json)
}

/// With all members, in the order in which ours have them.
fn normal(json: &Json) -> Json {
    let members = ["name", "type", "required", "default", "importance"];
    let member = |name: &&str| ((*name).to_owned(), json.get(*name).cloned().unwrap_or(Json::Null));
    Json::Object(members.iter().map(member).collect())
}
