//! `config check`: files of workers and connectors, with the line of everything that is wrong.

use std::path::{Path, PathBuf};

use millstream_config::{
    ConfigMap, Mode, PlainEnvironment, WorkerConfig, lines_of_properties, parse_properties, unknown_worker_keys,
};
use millstream_rest::RestConfig;
use serde_json::{Value, json};

use super::{Bench, connector::Finding, is_worker};
use crate::{
    cluster::broker_config,
    connector::documents,
    exit::{Failure, NO, SETUP},
    output::{Output, print, print_json},
    start_checks,
};

/// What was found in a file.
struct Found {
    origin: String,
    line: Option<usize>,
    connector: Option<String>,
    finding: Finding,
}

pub async fn run(paths: &[PathBuf], plugin_path: &[PathBuf], output: Output) -> Result<(), Failure> {
    let (mut found, mut worker, mut connectors) = (Vec::new(), None, Vec::new());
    let mut workers = Vec::new();
    for path in paths {
        let (bytes, origin) = documents::read_bytes(path)?;
        if is_worker(path, &bytes) {
            let (findings, config) = look_at_worker(&origin, &bytes);
            found.extend(findings);
            workers.push((path.clone(), bytes));
            worker = worker.or(config);
        } else {
            connectors.push((path, bytes, origin));
        }
    }
    let bench = Bench::of(worker, plugin_path).await?;
    for (path, bytes) in &workers {
        found.extend(plugins_of_worker(&bench, path, bytes).await);
    }
    for (path, bytes, origin) in connectors {
        match documents::parse(path, &origin, &bytes) {
            Err(message) => found.push(Found { line: None, connector: None, finding: of_all(message), origin }),
            Ok(documents) => {
                for document in documents {
                    for finding in bench.look_at(&document.config).await {
                        let line = finding.key.as_deref().and_then(|key| line_of(&bytes, &document.name, key));
                        let connector = Some(document.name.clone());
                        found.push(Found { origin: origin.clone(), line, connector, finding });
                    }
                }
            }
        }
    }
    report(&found, output)
}

fn of_all(message: String) -> Finding {
    Finding { key: None, message, refused: true }
}

/// What a worker's file gets wrong by itself, and its configuration if that can be used.
fn look_at_worker(origin: &str, bytes: &[u8]) -> (Vec<Found>, Option<WorkerConfig>) {
    let place = |finding: Finding, line| Found { origin: origin.to_owned(), line, connector: None, finding };
    let entries = match parse_properties(bytes) {
        Ok(entries) => entries,
        Err(error) => return (vec![place(of_all(error.to_string()), None)], None),
    };
    let properties: ConfigMap = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let lines = lines_of_properties(bytes);
    let mode = if properties.contains_key("group.id") { Mode::Distributed } else { Mode::Standalone };
    let mut found = Vec::new();
    for value in mode.config_def().validate(&properties, &PlainEnvironment) {
        // A variable is looked up when everything is read as a whole.
        let is_variable =
            properties.get(&value.name).is_some_and(|text| text.as_deref().is_some_and(|text| text.contains("${")));
        for message in value.errors.into_iter().filter(|_| !is_variable) {
            let line = lines.get(&value.name).copied();
            found.push(place(Finding { key: Some(value.name.clone()), message, refused: true }, line));
        }
    }
    let said = |found: &[Found], message: &str| found.iter().any(|known| known.finding.message == message);
    match WorkerConfig::parse(mode, &properties) {
        Ok(config) => {
            for error in
                [RestConfig::of(&config).err().map(|error| Failure::of(0, &error)), broker_config(&config).err()]
            {
                found.extend(error.map(|failure| place(of_all(failure.message), None)));
            }
            (found, Some(config))
        }
        Err(error) => {
            if !said(&found, error.message()) {
                // It names its key somewhere.
                let key = lines.keys().filter(|key| error.message().contains(key.as_str())).max_by_key(|key| key.len());
                let line = key.and_then(|key| lines.get(key)).copied();
                found.push(place(Finding { key: key.cloned(), message: error.to_string(), refused: true }, line));
            }
            (found, None)
        }
    }
}

/// The worker of a file that is to be worked with.
///
/// # Errors
///
/// It cannot be read, or something is wrong with it: the first thing, with its line.
pub fn usable_worker(path: &Path) -> Result<WorkerConfig, Failure> {
    let (bytes, origin) = documents::read_bytes(path)?;
    let (found, config) = look_at_worker(&origin, &bytes);
    match (found.into_iter().next(), config) {
        (None, Some(config)) => Ok(config),
        (Some(Found { line, finding, .. }), _) => {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let key = finding.key.map(|key| format!("{key}: ")).unwrap_or_default();
            let rest = "(config check tells all that is wrong with it)";
            Err(Failure::new(SETUP, format!("{origin}{line}: {key}{} {rest}", finding.message)))
        }
        (None, None) => Err(Failure::new(SETUP, format!("{origin}: it is no worker's file"))),
    }
}

/// What only plugins can tell of a worker's file.
async fn plugins_of_worker(bench: &Bench, path: &Path, bytes: &[u8]) -> Vec<Found> {
    let Ok(entries) = parse_properties(bytes) else { return Vec::new() };
    let properties: ConfigMap = entries.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let lines = lines_of_properties(bytes);
    let place = |finding: Finding, line| Found { origin: path.display().to_string(), line, connector: None, finding };
    let mut found: Vec<Found> = unknown_worker_keys(&properties, bench.definitions.as_ref())
        .into_iter()
        .map(|unknown| {
            let meant = unknown.nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            let line = lines.get(&unknown.key).copied();
            let message = format!("nobody knows this key, so it has no effect{meant}");
            place(Finding { key: Some(unknown.key), message, refused: false }, line)
        })
        .collect();
    let mode = if properties.contains_key("group.id") { Mode::Distributed } else { Mode::Standalone };
    if let Ok(config) = WorkerConfig::parse(mode, &properties) {
        for (key, message) in
            start_checks::converters(&config, &bench.definitions, bench.catalogue.as_ref(), &bench.natives).await
        {
            let line = lines.get(&key).copied();
            found.push(place(Finding { key: Some(key), message, refused: true }, line));
        }
    }
    found
}

/// The line of a key: behind the connector's name if there are several with that key, else the first.
fn line_of(bytes: &[u8], name: &str, key: &str) -> Option<usize> {
    if let Some(line) = lines_of_properties(bytes).get(key).copied()
        && !bytes.trim_ascii_start().starts_with(b"{")
        && !bytes.windows(4).any(|window| window == b"\n---")
    {
        return Some(line);
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let has = |line: &str, key: &str| {
        let begins = line.trim_start_matches([' ', '\t', '-', '{', ',', '"', '\'']).strip_prefix(key);
        let begins = begins.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'));
        begins || line.contains(&format!("\"{key}\""))
    };
    let from = lines.iter().position(|line| has(line, "name") && line.contains(name)).unwrap_or(0);
    let after = lines[from..].iter().position(|line| has(line, key)).map(|at| from + at + 1);
    after.or_else(|| lines.iter().position(|line| has(line, key)).map(|at| at + 1))
}

fn report(found: &[Found], output: Output) -> Result<(), Failure> {
    let refused = found.iter().filter(|found| found.finding.refused).count();
    match output {
        Output::Json => {
            let findings: Vec<Value> = found
                .iter()
                .map(|Found { origin, line, connector, finding }| {
                    json!({"file": origin, "line": line, "connector": connector, "key": finding.key,
                        "severity": if finding.refused { "error" } else { "warning" }, "message": finding.message})
                })
                .collect();
            print_json(&json!(findings))?;
        }
        Output::Text => {
            for Found { origin, line, connector, finding } in found {
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                let word = if finding.refused { "error" } else { "warning" };
                let connector = connector.as_ref().map(|name| format!("connector {name}: ")).unwrap_or_default();
                let key = finding.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
                print(&format!("{origin}{line}: {word}: {connector}{key}{}\n", finding.message))?;
            }
            if found.is_empty() {
                print("Nothing is wrong.\n")?;
            }
        }
    }
    if refused == 0 { Ok(()) } else { Err(Failure::new(NO, format!("{refused} error(s)"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_line_is_found_in_every_form() {
        assert_eq!(line_of(b"name=c\n\na=1\n", "c", "a"), Some(3));
        assert_eq!(line_of(b"{\n \"name\": \"c\",\n \"a\": 1}\n", "c", "a"), Some(3));
        let two = b"name: c\na: 1\n---\nname: d\nb: 2\na: 3\n";
        assert_eq!((line_of(two, "c", "a"), line_of(two, "d", "a"), line_of(two, "d", "z")), (Some(2), Some(6), None));
    }

    #[test]
    fn all_that_is_wrong_with_a_worker_is_told_with_its_line() {
        let text = b"key.converter=J\nvalue.converter=J\noffset.storage.file.filename=o\noffset.flush.interval.ms=x\n\
            task.shutdown.graceful.timeout.ms=y\nlisteners=ftp://h:1\n";
        let (found, config) = look_at_worker("w", text);
        let places: Vec<_> = found.iter().map(|found| (found.line, found.finding.key.as_deref())).collect();
        assert!(config.is_none());
        assert!(places.contains(&(Some(4), Some("offset.flush.interval.ms"))), "{places:?}");
        assert!(places.contains(&(Some(5), Some("task.shutdown.graceful.timeout.ms"))), "{places:?}");
    }
}
