//! `migrate`: what of a running Kafka Connect cluster would work here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use millstream_config::ConfigMap;
use serde_json::{Map, Value, json};

use super::{Bench, connector::Finding, files};
use crate::{
    exit::{CODES, Failure, NO, USAGE},
    output::{Output, print, print_json},
    worker_api::WorkerArgs,
};

#[derive(Args, Debug)]
#[command(after_help = format!("Examples:
  millstream migrate http://connect:8083
  millstream migrate http://connect:8083 --worker worker.properties
  millstream migrate http://connect:8083 --export connectors && millstream connector apply -f connectors/*.json

Nothing is changed in the cluster. Without --worker the connectors are judged for a worker with Connect's usual settings, and
values that come from the cluster's config providers are not checked.
{CODES}"))]
pub struct MigrateArgs {
    /// Address of the REST API of a Kafka Connect worker; --url says the same
    address: Option<String>,
    #[command(flatten)]
    worker: WorkerArgs,
    /// File of the worker that the connectors would go to: its plugin.path, converters, config providers and policy
    #[arg(long = "worker", value_name = "FILE")]
    worker_file: Option<PathBuf>,
    /// Folders with .wasm files, beside those of the worker's plugin.path
    #[arg(long, value_name = "FOLDERS", value_delimiter = ',')]
    plugin_path: Vec<PathBuf>,
    /// Write each configuration that would work as a file for `connector apply` into this folder
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is to be said of one connector.
struct Judged {
    name: String,
    class: String,
    config: ConfigMap,
    findings: Vec<Finding>,
}

impl Judged {
    fn works(&self) -> bool {
        !self.findings.iter().any(|finding| finding.refused)
    }
}

pub async fn run(arguments: MigrateArgs) -> Result<(), Failure> {
    let mut reach = arguments.worker.clone();
    if let Some(address) = arguments.address {
        reach.url = address;
    }
    let worker = reach.worker()?;
    let target = arguments.worker_file.as_deref().map(files::usable_worker).transpose()?;
    let all = worker.ask("read the connectors", "GET", &["connectors"], &[("expand", "info")], None).await?;
    let bench = Bench::of(target, &arguments.plugin_path).await?;
    let mut judged = Vec::new();
    for (name, both) in all.as_object().unwrap_or(&Map::new()) {
        let config = crate::connector::config_map(&both["info"]["config"]);
        let class = config.get("connector.class").cloned().flatten().unwrap_or_default();
        let findings = bench.look_at(&config).await;
        judged.push(Judged { name: name.clone(), class, config, findings });
    }
    judged.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(folder) = &arguments.export {
        export(folder, &judged)?;
    }
    match arguments.output {
        Output::Json => print_json(&json!(judged.iter().map(as_json).collect::<Vec<_>>()))?,
        Output::Text => print(&judged.iter().map(as_text).collect::<String>())?,
    }
    let not: Vec<&str> = judged.iter().filter(|judged| !judged.works()).map(|judged| judged.name.as_str()).collect();
    if not.is_empty() {
        return match arguments.output {
            Output::Json => Ok(()),
            Output::Text => print(&format!("All {} connectors would work.\n", judged.len())),
        };
    }
    let message = format!("{} of {} connectors would not work: {}", not.len(), judged.len(), not.join(", "));
    Err(Failure::new(NO, message))
}

fn as_json(judged: &Judged) -> Value {
    let findings: Vec<Value> = judged
        .findings
        .iter()
        .map(|finding| json!({"key": finding.key, "severity": if finding.refused { "error" } else { "warning" }, "message": finding.message}))
        .collect();
    json!({"name": judged.name, "class": judged.class, "works": judged.works(), "findings": findings})
}

fn as_text(judged: &Judged) -> String {
    let verdict = if judged.works() { "would work" } else { "would NOT work" };
    let mut text = format!("{} ({}): {verdict}\n", judged.name, judged.class);
    for finding in &judged.findings {
        let word = if finding.refused { "error" } else { "note" };
        let key = finding.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
        text.push_str(&format!("  {word}: {key}{}\n", finding.message));
    }
    text
}

/// A file for each connector that would work; what is in it may be secret, and is as the cluster has it.
fn export(folder: &Path, judged: &[Judged]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::new(USAGE, format!("write {}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (number, judged) in judged.iter().filter(|judged| judged.works()).enumerate() {
        // A name may hold anything, and two names the same letters that a file may have.
        let plain: String =
            judged.name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        let safe = plain == judged.name && !plain.starts_with('.') && plain.len() < 200;
        let file = if safe { plain } else { format!("connector-{number}") };
        let path = folder.join(format!("{file}.json"));
        let document = json!({"name": judged.name, "config": judged.config});
        fs::write(&path, format!("{document:#}\n")).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
