//! `millstream plugin test`: runs a project's scenarios with its component.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use millstream_plugin::PluginLimits;
use millstream_record::ErrorChain;
use millstream_scenario::{Engine, EngineError, FileReport, Mode, ScenarioReport, Setup};
use serde_json::{Value, json};

use super::{project::Project, subject};
use crate::{
    bundled::BUNDLED,
    exit::{Failure, NO, SETUP, USAGE},
    output::{Output, print, print_json},
};

/// Shown below the help.
pub const HELP: &str = "Examples:
  millstream plugin test
  millstream plugin test --update scenarios/words.json
  millstream plugin test --component build/words.wasm --only 'one record' scenarios

A scenario is JSON: what is done with the plugin, step by step, and what must come of it. The plugin host of a worker runs
it; no worker and no Kafka are needed.
Exit codes: 0 all came as expected; 1 a file cannot be read or used; 8 something came otherwise.";

/// Arguments of the command.
#[derive(Debug, Args)]
pub struct Test {
    /// Files with scenarios, or folders of them; those below scenarios/ of the project if not given
    paths: Vec<PathBuf>,
    /// Write what comes into the files, where that is not what they expect, or they expect nothing
    #[arg(long)]
    update: bool,
    /// A folder of the project, if not this one; it is built first if its sources are newer than its component
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The component, if not build/NAME.wasm of the project
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Run only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Folder of compiled plugins, as the worker's key plugin.cache.dir; the user's own if not given
    #[arg(long = "plugin-cache-dir", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

/// Runs scenarios.
///
/// # Errors
///
/// There is nothing to run, or a scenario came out otherwise than it expects.
pub async fn run(arguments: Test) -> Result<(), Failure> {
    let Test { paths, update, dir, component, only, output, cache_dir } = arguments;
    let target = component.as_deref().or(dir.as_deref());
    let (component, project) = subject::component(target).await?;
    let paths = match (paths.is_empty(), project) {
        (false, _) => paths,
        (true, Some(project)) => vec![project.folder.join("scenarios")],
        // A component by itself, in a folder of the project.
        (true, None) => vec![Project::find(dir.as_deref())?.folder.join("scenarios")],
    };
    let files = files(&paths)?;
    let cache_dir = cache_dir.or_else(PluginLimits::usual_cache_dir);
    let engine = Engine::open(Setup { component, bundled: BUNDLED, cache_dir, ..Setup::default() });
    let engine = engine.await.map_err(|error| match &error {
        EngineError::Start(_) => Failure::of(SETUP, &error),
        _ => Failure::of(USAGE, &error),
    })?;
    let mode = if update { Mode::Update } else { Mode::Check };
    let chosen = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let mut reports = Vec::new();
    for file in &files {
        let report = engine.run_file(file, mode, &chosen).await;
        let report = report.map_err(|error| Failure::new(USAGE, ErrorChain(&error).to_string()))?;
        if output == Output::Text {
            print(&as_text(&report))?;
        }
        reports.push(report);
    }
    if output == Output::Json {
        print_json(&reports.iter().map(as_json).collect::<Value>())?;
    }
    verdict(&reports, output)
}

/// The files that paths stand for, in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let failed = |error: std::io::Error| Failure::new(USAGE, format!("list {}: {error}", path.display()));
            let mut inside = Vec::new();
            for entry in fs::read_dir(path).map_err(failed)? {
                inside.push(entry.map_err(failed)?.path());
            }
            inside.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let message = format!("there are no scenarios in {}: write one as NAME.json there", folders.join(", "));
        return Err(Failure::new(USAGE, message));
    }
    Ok(files)
}

fn as_text(report: &FileReport) -> String {
    let mut text = format!("{}\n", report.file.display());
    for scenario in &report.scenarios {
        let ScenarioReport { name, difference, took, .. } = scenario;
        // Writing to a text cannot fail.
        let _ = match difference {
            None => writeln!(text, "  ok     {name} ({} ms)", took.as_millis()),
            Some(difference) => {
                let place = place(&report.file, difference.line);
                let indented = difference.text.replace('\n', "\n         ");
                writeln!(text, "  FAILS  {name}\n         {place}: {}\n         {indented}", difference.step)
            }
        };
    }
    if report.updated {
        text.push_str("  written anew: look at what has changed before you keep it\n");
    }
    text
}

fn place(file: &Path, line: usize) -> String {
    format!("{}:{line}", file.display())
}

fn as_json(report: &FileReport) -> Value {
    let scenario = |scenario: &ScenarioReport| {
        let difference = scenario.difference.as_ref();
        json!({
            "name": scenario.name,
            "line": scenario.line,
            "passed": difference.is_none(),
            "took_ms": scenario.took.as_millis() as u64,
            "difference": difference.map(|it| json!({ "line": it.line, "step": it.step, "text": it.text })),
        })
    };
    json!({
        "file": report.file.display().to_string(),
        "updated": report.updated,
        "scenarios": report.scenarios.iter().map(scenario).collect::<Vec<_>>(),
    })
}

fn verdict(reports: &[FileReport], output: Output) -> Result<(), Failure> {
    let all = || reports.iter().flat_map(|report| &report.scenarios);
    let (total, failed) = (all().count(), all().filter(|scenario| scenario.difference.is_some()).count());
    if total == 0 {
        return Err(Failure::new(USAGE, "no scenario goes by such a name"));
    }
    if failed == 0 {
        if output == Output::Text {
            print(&format!("{total} scenarios came as expected\n"))?;
        }
        return Ok(());
    }
    Err(Failure::new(NO, format!("{failed} of {total} scenarios came otherwise than expected")))
}
