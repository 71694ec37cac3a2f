//! Plugin files that change while a worker runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::discover::{PluginProblem, Seen, seen, take_file};
use super::snapshot::Snapshot;
use super::start::report;
use crate::component::Host;

/// What it takes to look through `plugin.path` again.
pub(super) struct Reload {
    pub(super) host: Arc<Host>,
    pub(super) folders: Vec<PathBuf>,
    /// The files as they are known.
    pub(super) seen: Seen,
    pub(super) sender: Arc<watch::Sender<Arc<Snapshot>>>,
}

impl Reload {
    /// Looks again and again, for ever.
    pub(super) async fn run(mut self, every: Duration, mut snapshot: watch::Receiver<Arc<Snapshot>>) {
        // The sender is held here, so that this is no error.
        let _ = snapshot.wait_for(|snapshot| snapshot.compiling.is_empty()).await;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let folders = self.folders.clone();
            match spawn_blocking(move || seen(&folders)).await {
                Ok(now) => self.take(now).await,
                Err(error) => tracing::error!(%error, "look for changed plugin files"),
            }
        }
    }

    /// Takes what differs from what is known.
    async fn take(&mut self, now: Seen) {
        let paths: BTreeSet<PathBuf> = self.seen.keys().chain(now.keys()).cloned().collect();
        let differing = paths.into_iter().filter(|path| self.seen.get(path) != now.get(path));
        for path in differing.collect::<Vec<_>>() {
            let outcome = match now.get(&path) {
                None => {
                    tracing::info!(path = %path.display(), "a plugin file is gone: what runs of it goes on");
                    None
                }
                Some(_) => {
                    let taken = take_file(&self.host, &path).await;
                    Some(taken.map_err(|problem| PluginProblem { path: path.clone(), problem }))
                }
            };
            match &outcome {
                Some(Ok(plugins)) => {
                    let classes: Vec<&str> = plugins.iter().map(|plugin| plugin.info.class.as_str()).collect();
                    let classes = classes.join(", ");
                    tracing::info!(path = %path.display(), "a plugin file has changed: what is started from now on uses the new {classes}");
                }
                Some(Err(problem)) => report(problem),
                None => {}
            }
            self.sender.send_modify(|snapshot| *snapshot = Arc::new(snapshot.reloaded(&path, outcome)));
        }
        self.seen = now;
    }
}
