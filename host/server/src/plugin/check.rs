//! `millstream plugin check`: whether a file is a plugin, what it carries, and what it needs that it is or is not given.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use millstream_config::ConfigKey;
use millstream_connector::PluginInfo;
use millstream_plugin::{CheckedPlugin, check_file};
use millstream_record::ErrorChain;
use serde_json::{Value, json};

use super::{compile_limits, list};
use crate::{
    exit::{Failure, SETUP, USAGE},
    output::{Output, print, print_json, table},
};

#[derive(Args, Debug)]
pub struct Check {
    /// The .wasm file
    file: PathBuf,
    /// Folder of compiled plugins, as the worker's key plugin.cache.dir; the user's own if not given
    #[arg(long = "plugin-cache-dir", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Checks the file.
pub async fn run(arguments: Check) -> Result<(), Failure> {
    let Check { file, cache_dir, output } = arguments;
    let checked = check_file(compile_limits(cache_dir), &file).await.map_err(|error| Failure::of(SETUP, &error))?;
    let checked = checked.map_err(|error| {
        Failure::new(USAGE, format!("{} is no usable plugin: {}", file.display(), ErrorChain(&error)))
    })?;
    match output {
        Output::Json => print_json(&as_json(&checked)),
        Output::Text => print(&format!("{}: {}", file.display(), as_text(&checked))),
    }
}

/// What an import is for, and what has to be there for it to be granted.
struct Need {
    import: String,
    /// Keys that open it; none for what every plugin is given.
    keys: Option<Vec<String>>,
    /// What is said where there is no such key.
    without: &'static str,
}

impl Need {
    fn is_granted(&self) -> bool {
        self.keys.as_ref().is_none_or(|keys| !keys.is_empty())
    }

    fn note(&self) -> String {
        match &self.keys {
            None => "given to every plugin".to_owned(),
            Some(keys) if keys.is_empty() => format!("not granted: {}", self.without),
            Some(keys) => format!("what the values of these keys name, and the worker allows: {}", keys.join(", ")),
        }
    }
}

/// The interfaces that a component imports, without versions, those of WASI by package.
fn needs(checked: &CheckedPlugin) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for import in &checked.imports {
        let name = import.split('@').next().unwrap_or_default();
        let name = match name.strip_prefix("millstream:connect/") {
            Some("types") => continue,
            Some(ours) => ours,
            None => name.split('/').next().unwrap_or_default(),
        };
        if needs.iter().any(|need| need.import == name) {
            continue;
        }
        let (words, without): (&[&str], _) = match name {
            "host-files" => (&["file"], "no key has an `opens` with `file`, so that every file is refused"),
            "host-sql" => (&["sql"], "no key has an `opens` with `sql`, so that every database is refused"),
            "wasi:http" => (&["http"], "no key has an `opens` with `http`, so that every request is refused"),
            "wasi:sockets" => (&["socket"], "no key has an `opens` with `socket`, so that every connection is refused"),
            "wasi:filesystem" => (&[], "no folder is open to plugins; files are opened through keys with `opens`"),
            _ => {
                needs.push(Need { import: name.to_owned(), keys: None, without: "" });
                continue;
            }
        };
        let opens = |key: &&ConfigKey| {
            key.opens.as_ref().is_some_and(|opens| words.iter().any(|word| opens.members().contains_key(*word)))
        };
        let keys = checked.plugins.iter().flat_map(|plugin| plugin.config.keys()).filter(opens);
        let mut keys: Vec<String> = keys.map(|key| key.name.clone()).collect();
        keys.sort();
        keys.dedup();
        needs.push(Need { import: name.to_owned(), keys: Some(keys), without });
    }
    needs
}

fn as_text(checked: &CheckedPlugin) -> String {
    let mut text = format!(
        "{}, checked in {}\ncontract {}; an instance is made in {} and holds {} of at most {}\n\n",
        size(checked.bytes),
        time(checked.took),
        checked.contract,
        time(checked.instantiated_in),
        size(checked.memory),
        size(checked.memory_max),
    );
    for plugin in &checked.plugins {
        text.push_str(&list::line(plugin));
        for key in plugin.config.keys() {
            let required = if key.is_required() { ", required" } else { "" };
            text.push_str(&format!("    {} ({}{required})\n", key.name, key.kind.as_str()));
        }
    }
    let rows: Vec<Vec<String>> = needs(checked).iter().map(|need| vec![need.import.clone(), need.note()]).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", table(&["IMPORT", "WHAT IT IS GRANTED"], &rows)));
    }
    text
}

fn as_json(checked: &CheckedPlugin) -> Value {
    let plugin = |plugin: &Arc<PluginInfo>| {
        let keys: Vec<Value> = plugin.config.keys().iter().map(ConfigKey::to_definition_json).collect();
        json!({"class": plugin.class, "type": plugin.kind.name(), "version": plugin.version,
            "aliases": plugin.aliases, "documentation": plugin.documentation, "config": keys})
    };
    let needs: Vec<Value> = needs(checked)
        .iter()
        .map(|need| json!({"import": need.import, "granted": need.is_granted(), "keys": need.keys}))
        .collect();
    json!({
        "bytes": checked.bytes,
        "took_ms": checked.took.as_secs_f64() * 1e3,
        "contract": checked.contract,
        "instance_ms": checked.instantiated_in.as_secs_f64() * 1e3,
        "memory_bytes": checked.memory,
        "memory_max_bytes": checked.memory_max,
        "imports": checked.imports,
        "needs": needs,
        "plugins": checked.plugins.iter().map(plugin).collect::<Vec<_>>(),
    })
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=1_048_575 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

/// A time for people.
pub fn time(time: Duration) -> String {
    match time.as_micros() {
        0..=9_999 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        10_000..=9_999_999 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_for_people() {
        assert_eq!([size(9_999), size(10_241), size(18 << 20)], ["9999 bytes", "11 KiB", "18.0 MiB"]);
        let times = [340, 12_345, 12_345_678].map(|us| time(Duration::from_micros(us)));
        assert_eq!(times, ["0.34 ms", "12 ms", "12.3 s"]);
    }
}
