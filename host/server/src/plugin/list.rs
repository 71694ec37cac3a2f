//! `millstream plugin list` and `describe`: the plugins that a worker would find.

use std::path::PathBuf;

use millstream_config::{ConfigKey, ConfigMap};
use millstream_connector::{PluginInfo, PluginKind, Plugins};
use millstream_plugin::WasmPlugins;
use serde_json::{Value, json};

use super::compile_limits;
use crate::{
    bundled::BUNDLED,
    catalogue::Catalogue,
    exit::{Failure, NOT_FOUND, SETUP},
    output::{Output, print, print_json, table},
};

/// Lists the plugins of a worker with these folders.
pub async fn list(plugin_path: &[PathBuf]) -> Result<(), Failure> {
    let plugins = plugins(plugin_path).await?;
    // What was skipped has been logged.
    print(&plugins.list().iter().map(|plugin| line(plugin)).collect::<String>())
}

/// Shows the plugins that go by a name.
pub async fn describe(class: &str, plugin_path: &[PathBuf], output: Output) -> Result<(), Failure> {
    let catalogue = Catalogue::new(plugins(plugin_path).await?, &ConfigMap::new());
    let found: Vec<_> = catalogue.list().into_iter().filter(|plugin| goes_by(plugin, class)).collect();
    if found.is_empty() {
        let message = format!("there is no plugin {class}; see: millstream plugin list");
        return Err(Failure::new(NOT_FOUND, message));
    }
    match output {
        Output::Json => print_json(&json!(found.iter().map(|plugin| as_json(plugin)).collect::<Vec<_>>())),
        Output::Text => print(&found.iter().map(|plugin| as_text(plugin)).collect::<String>()),
    }
}

async fn plugins(plugin_path: &[PathBuf]) -> Result<WasmPlugins, Failure> {
    let plugins = WasmPlugins::start(compile_limits(None), plugin_path, BUNDLED).await;
    let plugins = plugins.map_err(|error| Failure::of(SETUP, &error))?;
    plugins.all_compiled().await;
    Ok(plugins)
}

/// Whether a name means a plugin.
pub fn goes_by(plugin: &PluginInfo, name: &str) -> bool {
    let simple = plugin.class.rsplit('.').next().unwrap_or_default();
    plugin.class == name
        || simple == name
        || (matches!(plugin.kind, PluginKind::Source | PluginKind::Sink)
            && simple.strip_suffix("Connector") == Some(name))
        || plugin.aliases.iter().any(|alias| alias == name)
}

fn as_json(plugin: &PluginInfo) -> Value {
    let keys: Vec<Value> = plugin.config.keys().iter().map(ConfigKey::to_definition_json).collect();
    json!({"class": plugin.class, "type": plugin.kind.name(), "version": plugin.version, "aliases": plugin.aliases,
        "location": plugin.location, "documentation": plugin.documentation, "config": keys})
}

fn as_text(plugin: &PluginInfo) -> String {
    let rows: Vec<Vec<String>> = plugin
        .config
        .keys()
        .iter()
        .map(|key| {
            let shown = key.to_definition_json();
            let default = match &shown["default_value"] {
                Value::String(text) if text.is_empty() => "\"\"".to_owned(),
                Value::String(text) => text.clone(),
                _ if key.is_required() => "(required)".to_owned(),
                _ => "null".to_owned(),
            };
            let documentation = shown["documentation"].as_str().unwrap_or("").lines().next().unwrap_or("").to_owned();
            let importance = shown["importance"].as_str().unwrap_or("").to_owned();
            vec![key.name.clone(), key.kind.as_str().to_owned(), default, importance, documentation]
        })
        .collect();
    let headings = ["KEY", "TYPE", "DEFAULT", "IMPORTANCE", "WHAT"];
    let keys = if rows.is_empty() { "It takes no keys.\n".to_owned() } else { table(&headings, &rows) };
    let version = if plugin.version.is_empty() { "no version" } else { &plugin.version };
    let documentation = plugin.documentation.trim();
    let documentation = if documentation.is_empty() { String::new() } else { format!("{documentation}\n") };
    format!("{} {}  {version}  {}\n{documentation}\n{keys}\n", plugin.kind.name(), plugin.class, plugin.location)
}

/// A plugin in a line.
pub fn line(plugin: &PluginInfo) -> String {
    let version = if plugin.version.is_empty() { "no version" } else { &plugin.version };
    format!("{:<16} {}  {version}  {}\n", plugin.kind.name(), plugin.class, plugin.location)
}
