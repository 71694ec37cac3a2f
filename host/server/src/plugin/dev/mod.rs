//! `millstream plugin dev`: builds whenever a source is saved, and has a worker that runs go on with the new component where
//! the old one was: between two batches, with its offsets.

mod standalone;
mod worker;

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    build::{self, Built, shown},
    check,
    project::Project,
    sources::{self, Sources},
};
use crate::{
    exit::{Failure, SETUP, USAGE},
    signals::Signals,
    worker_api::{WorkerApi, WorkerArgs},
};
use worker::Swap;

pub const HELP: &str = "Examples:
  millstream plugin dev
  millstream plugin dev --connector orders.properties
  millstream plugin dev --worker http://localhost:8083 --plugin-dir /opt/millstream/plugins

Without --worker a worker of its own runs, with the built-in broker, its state below .millstream/dev, and the project's
connector.properties. A worker that runs elsewhere has to look for changed plugins (its key plugin.reload.interval.ms), and
--plugin-dir has to be a folder of its plugin.path that can be written from here; the connectors there that use the plugin are
restarted. Ends with Ctrl-C.";

/// Between two looks at the sources.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub struct Dev {
    /// A folder of the project, or below it; this one by default
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Connectors for the worker of its own, instead of connector.properties
    #[arg(long = "connector", value_name = "FILE", conflicts_with = "worker")]
    connectors: Vec<PathBuf>,
    /// Address of a worker's REST API that runs
    #[arg(long, value_name = "URL", requires = "plugin_dir")]
    worker: Option<String>,
    /// Folder of that worker's plugin.path to put the component into
    #[arg(long, value_name = "DIR", requires = "worker")]
    plugin_dir: Option<PathBuf>,
}

/// Builds and swaps until a signal comes.
pub async fn run(arguments: Dev) -> Result<(), Failure> {
    let Dev { dir, connectors, worker, plugin_dir } = arguments;
    let mut signals = Signals::listen().map_err(|error| Failure::of(SETUP, &error))?;
    let project = Project::find(dir.as_deref())?;
    let seen = sources::of(&project)?;
    // Without a component there is nothing to run: the first build has to succeed.
    let built = tokio::select! {
        built = build::build(&project) => built?,
        _ = signals.wait() => return Ok(()),
    };
    say(&built);
    if let (Some(url), Some(folder)) = (worker, plugin_dir) {
        let worker = WorkerArgs::at(&url).worker()?;
        let swap = Swap { worker, put_into: Some(folder) };
        swap.apply(&project, &built).await?;
        let watching = watch(&project, seen, &swap);
        return tokio::select! {
            failure = watching => Err(failure),
            _ = signals.wait() => Ok(()),
        };
    }
    let own = standalone::Own::prepare(&project, connectors)?;
    let swap = Swap { worker: worker_at(&own.url)?, put_into: None };
    // The worker listens for signals itself, and its end is ours.
    tokio::select! {
        ended = own.run() => ended,
        failure = watch(&project, seen, &swap) => Err(failure),
    }
}

fn worker_at(url: &str) -> Result<WorkerApi, Failure> {
    WorkerArgs::at(url).worker()
}

/// Looks for changes for ever. Nothing that is wrong with the sources ends it.
async fn watch(project: &Project, mut built_from: Sources, swap: &Swap) -> Failure {
    let mut last = built_from.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let theirs = project.clone();
        let now = match tokio::task::spawn_blocking(move || sources::of(&theirs)).await {
            Ok(Ok(now)) => now,
            Ok(Err(failure)) => return failure,
            Err(error) => return Failure::of(USAGE, &error),
        };
        // Editors write several files, and some in pieces: the next look finds them as they stay.
        let is_settled = now == last;
        last = now.clone();
        if now == built_from || !is_settled {
            continue;
        }
        let changed = differing(&built_from, &now);
        built_from = now;
        eprintln!("\nmillstream: {changed}");
        let done = async {
            let built = build::build(project).await?;
            say(&built);
            // Tools write into the project, too.
            swap.apply(project, &built).await
        };
        if let Err(Failure { message, .. }) = done.await {
            eprintln!("millstream: {message}\nmillstream: what runs goes on as it was");
        }
    }
}

/// What has changed, in words.
fn differing(before: &Sources, now: &Sources) -> String {
    let changed = now.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp)).map(|(path, _)| path);
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let names: Vec<String> = changed.chain(gone).take(3).map(|path| shown(path)).collect();
    format!("{} changed", names.join(", "))
}

fn say(built: &Built) {
    let size = check::size(built.checked.bytes);
    eprintln!("millstream: {} is built, {size}", shown(&built.component));
}
