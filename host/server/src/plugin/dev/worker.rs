//! Having a worker that runs use a new component: it is waited for until it has read it, then the connectors that use it are
//! restarted.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    exit::{Failure, NOT_YET, USAGE},
    plugin::{build::Built, list, project::Project},
    worker_api::{PAUSE, WorkerApi},
};

/// How long a worker may take to find a new component, and how long connectors may take to run.
const PATIENCE: Duration = Duration::from_secs(60);

/// A worker, and how it comes by the component.
pub struct Swap {
    /// The worker.
    pub worker: WorkerApi,
    /// The folder of its `plugin.path` that gets a copy; none if it looks at the project's own.
    pub put_into: Option<PathBuf>,
}

impl Swap {
    /// Puts a component in place of the one before.
    ///
    /// # Errors
    ///
    /// The worker does not find it or cannot be asked, or a connector does not run with it.
    pub async fn apply(&self, project: &Project, built: &Built) -> Result<(), Failure> {
        let begin = Instant::now();
        if let Some(folder) = &self.put_into {
            put(&built.component, folder, &project.name)?;
        }
        let digest = built.checked.plugins.first().map(|plugin| plugin.digest.clone()).unwrap_or_default();
        self.await_digest(&digest).await?;
        let restarted = self.restart(built).await?;
        if restarted.is_empty() {
            let classes: Vec<&str> = built.checked.plugins.iter().map(|plugin| plugin.class.as_str()).collect();
            eprintln!("millstream: no connector there uses {} yet", classes.join(", "));
        }
        for name in restarted {
            let said = self.await_running(&name).await?;
            eprintln!("millstream: {name} is {said} with it, {} ms after the build", begin.elapsed().as_millis());
        }
        Ok(())
    }

    /// Waits until the worker lists a plugin of this digest.
    async fn await_digest(&self, digest: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let query = [("connectorsOnly", "false"), ("details", "true")];
            let plugins = self.worker.ask("list plugins", "GET", &["connector-plugins"], &query, None).await?;
            let plugins = plugins.as_array().into_iter().flatten();
            let mut digests = plugins.map(|plugin| plugin["digest"].as_str());
            if digests.any(|found| found == Some(digest)) {
                return Ok(());
            }
            if deadline <= Instant::now() {
                let message = format!(
                    "the worker has not found the new component within {} s: its plugin.path has to have the folder, and its \
                     plugin.reload.interval.ms may not be 0",
                    PATIENCE.as_secs()
                );
                return Err(Failure::new(NOT_YET, message));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Restarts the connectors that name one of the classes, and says which.
    async fn restart(&self, built: &Built) -> Result<Vec<String>, Failure> {
        let query = [("expand", "info")];
        let connectors = self.worker.ask("list connectors", "GET", &["connectors"], &query, None).await?;
        let mut restarted = Vec::new();
        for (name, connector) in connectors.as_object().into_iter().flatten() {
            let values = connector["info"]["config"].as_object().into_iter().flatten();
            let mut values = values.filter_map(|(_, value)| value.as_str().map(str::trim));
            if !values.any(|value| built.checked.plugins.iter().any(|plugin| list::goes_by(plugin, value))) {
                continue;
            }
            let query = [("includeTasks", "true"), ("onlyFailed", "false")];
            let what = format!("restart connector {name}");
            self.worker.ask(&what, "POST", &["connectors", name, "restart"], &query, None).await?;
            restarted.push(name.clone());
        }
        Ok(restarted)
    }

    /// Waits until a connector and its tasks run, and says so.
    async fn await_running(&self, name: &str) -> Result<&'static str, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status =
                self.worker.get(&format!("read the status of {name}"), &["connectors", name, "status"]).await?;
            let tasks = || status["tasks"].as_array().into_iter().flatten();
            let all = || std::iter::once(&status["connector"]).chain(tasks());
            if let Some(failed) = all().find(|part| part["state"] == "FAILED") {
                let trace = failed["trace"].as_str().unwrap_or("without a word");
                return Err(Failure::new(USAGE, format!("{name} has failed:\n{}", trace.trim_end())));
            }
            if tasks().next().is_some() && all().all(|part| part["state"] == "RUNNING") {
                return Ok("RUNNING");
            }
            if is_at_rest(&status) {
                return Ok("not running, as it was told to be,");
            }
            if deadline <= Instant::now() {
                let message = format!("{name} does not run within {} s: {status}", PATIENCE.as_secs());
                return Err(Failure::new(NOT_YET, message));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether somebody has paused or stopped it.
fn is_at_rest(status: &Value) -> bool {
    ["PAUSED", "STOPPED"].iter().any(|state| status["connector"]["state"] == **state)
}

/// Puts a file into a folder at one stroke, so that nobody reads a part of it.
fn put(component: &Path, folder: &Path, name: &str) -> Result<(), Failure> {
    let (part, whole) = (folder.join(format!(".{name}.part")), folder.join(format!("{name}.wasm")));
    fs::copy(component, &part)
        .and_then(|_| fs::rename(&part, &whole))
        .map_err(|error| Failure::new(USAGE, format!("put the component into {}: {error}", folder.display())))
}
