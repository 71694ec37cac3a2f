//! What a worker's configuration gets wrong and only its plugins can tell: found before anything listens or connects,
//! rather than by the first task.

use std::{fs, path::Path};

use millstream_config::{
    PluginDefs, PluginDirectory, PluginKind, WorkerConfig, config_text, nearest, unknown_keys_warning,
    unknown_worker_keys,
};
use millstream_connector::{ConverterRole, Plugins, TaskId};
use millstream_runtime::{Natives, check_converter};
use tracing::{info, warn};

use crate::exit::{Failure, SETUP};

/// Names of the zone in which all text is.
const UTC: [&str; 12] = [
    "",
    "UTC",
    "UTC0",
    "Etc/UTC",
    "Etc/UCT",
    "UCT",
    "Universal",
    "Etc/Universal",
    "Zulu",
    "Etc/Zulu",
    "GMT",
    "Etc/GMT",
];

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
    if let Some(zone) = other_zone(std::env::var("TZ").ok(), fs::read_link("/etc/localtime").ok().as_deref()) {
        info!(
            "the machine's time zone is {zone}: where Connect would write dates as text in it, UTC is written, and read"
        );
    }
    for (role, kind) in [
        (ConverterRole::Key, PluginKind::Converter),
        (ConverterRole::Value, PluginKind::Converter),
        (ConverterRole::Header, PluginKind::HeaderConverter),
    ] {
        let key = format!("{}.converter", role.name());
        let failed = |message: &str| Failure::new(SETUP, format!("{}: {message}", worker_file.display()));
        let class = config_text::text(config.config().string(&key));
        if definitions.find(kind, class).is_none() {
            let remedy = there_are(definitions, kind, class);
            return Err(failed(&format!(
                "Invalid value {class} for configuration {key}: Class {class} could not be found. {remedy}"
            )));
        }
        let task = TaskId { connector: "the worker".to_owned(), number: 0 };
        check_converter(plugins, natives, &task, role, originals)
            .await
            .map_err(|failure| failed(&format!("configure the {key} {class}: {}", in_one_line(&failure.trace()))))?;
    }
    Ok(())
}

/// The zone that a JVM would take for its own, unless that is UTC: what `TZ` says, else where the system's link leads.
fn other_zone(variable: Option<String>, link: Option<&Path>) -> Option<String> {
    let linked = || Some(link?.to_str()?.split_once("zoneinfo/")?.1.to_owned());
    let zone = variable.or_else(linked)?;
    let zone = zone.strip_prefix(':').unwrap_or(&zone);
    (!UTC.contains(&zone)).then(|| zone.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_spoken_of_unless_it_is_utc() {
        let link = Path::new("/usr/share/zoneinfo/Europe/Berlin");
        let zone = |variable: Option<&str>, link| other_zone(variable.map(str::to_owned), link);
        assert_eq!(zone(Some("Asia/Tokyo"), Some(link)).as_deref(), Some("Asia/Tokyo"));
        assert_eq!(zone(None, Some(link)).as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone(Some(":UTC"), Some(link)), None);
        assert_eq!(zone(None, Some(Path::new("../usr/share/zoneinfo/Etc/UTC"))), None);
        assert_eq!(zone(None, None), None);
    }
}
