//! What a worker's configuration gets wrong and only its plugins can tell: found before anything listens or connects,
//! rather than by the first task.

use std::path::Path;

use millstream_config::{
    PluginDefs, PluginDirectory, PluginKind, Wanted, WorkerConfig, config_text, nearest, unknown_keys_warning,
    unknown_worker_keys,
};
use millstream_connector::{ConverterRole, Plugins, TaskId};
use millstream_runtime::{Natives, check_converter};
use tracing::warn;

use crate::exit::{Failure, SETUP};

/// Checks what names plugins, and warns of keys that nobody knows.
pub async fn check(
    worker_file: &Path,
    config: &WorkerConfig,
    definitions: &PluginDirectory,
    plugins: &dyn Plugins,
    natives: &Natives,
) -> Result<(), Failure> {
    let originals = config.config().originals();
    if let Some(unknown) = unknown_keys_warning(&unknown_worker_keys(originals, definitions)) {
        warn!("{}: {unknown}", worker_file.display());
    }
    match converters(config, definitions, plugins, natives).await.into_iter().next() {
        None => Ok(()),
        Some((_, message)) => Err(Failure::new(SETUP, format!("{}: {message}", worker_file.display()))),
    }
}

/// What is wrong with the worker's own converters: the key, and the words.
pub async fn converters(
    config: &WorkerConfig,
    definitions: &PluginDirectory,
    plugins: &dyn Plugins,
    natives: &Natives,
) -> Vec<(String, String)> {
    let originals = config.config().originals();
    let mut wrong = Vec::new();
    for (role, kind) in [
        (ConverterRole::Key, PluginKind::Converter),
        (ConverterRole::Value, PluginKind::Converter),
        (ConverterRole::Header, PluginKind::HeaderConverter),
    ] {
        let key = format!("{}.converter", role.name());
        let class = config_text::text(config.config().string(&key));
        let version_key = format!("{key}.plugin.version");
        let wanted = match Wanted::of(originals, class, &version_key, None) {
            Ok(wanted) => wanted,
            Err(error) => {
                let message = format!("{version_key} is neither a version nor ranges of versions: {error}");
                wrong.push((version_key, message));
                continue;
            }
        };
        if definitions.find(kind, class).is_none() {
            let remedy = there_are(definitions, kind, class);
            let message =
                format!("Invalid value {class} for configuration {key}: Class {class} could not be found. {remedy}");
            wrong.push((key, message));
            continue;
        }
        if let Err(error) = definitions.select(kind, &wanted) {
            let message = format!("{version_key}: {error}");
            wrong.push((version_key, message));
            continue;
        }
        let task = TaskId { connector: "the worker".to_owned(), number: 0 };
        if let Err(failure) = check_converter(plugins, natives, &task, role, originals, None).await {
            let message = format!("configure the {key} {class}: {}", in_one_line(&failure.trace()));
            wrong.push((key, message));
        }
    }
    wrong
}

/// What could stand in the place of a class.
fn there_are(definitions: &PluginDirectory, kind: PluginKind, class: &str) -> String {
    let known = definitions.of_kind(kind);
    let simple = |class: &str| class.rsplit(['.', '$']).next().unwrap_or_default().to_owned();
    let names: Vec<String> = known.iter().map(|plugin| simple(&plugin.class)).collect();
    let meant = nearest(&simple(class), names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("Did you mean {meant}? ")).unwrap_or_default();
    format!("{meant}There are {}; put further ones into a folder of plugin.path", names.join(", "))
}

/// A trace without its breaks.
fn in_one_line(trace: &str) -> String {
    trace.trim().replace("\n\tat ", ", at ").replace("\nCaused by: ", ": ")
}
