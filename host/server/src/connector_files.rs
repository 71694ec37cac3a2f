//! The connectors of a standalone worker's command line: their files are read and checked several at a time, and they are
//! created in the order of the files. What goes wrong is told as if it had been one after another.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use millstream_config::{ConfigMap, ConnectorFile, InitialState};
use millstream_record::ErrorChain;
use millstream_runtime::herder::{CheckedConfig, HerderError, HerderHandle, TargetState};
use tokio::task::JoinSet;
use tracing::info;

use crate::{
    bootstrap::read_file,
    exit::{Failure, START},
};

/// Connectors that are checked at a time, and those that are started: an instance of the plugin each.
const AT_ONCE: usize = 16;

/// Creates the connectors: those whose plugins are still being compiled after all others.
pub async fn create_all(herder: &HerderHandle, paths: &[PathBuf]) -> Result<(), Failure> {
    let waiting = create_each(herder, paths, Plugins::MayBeMissing).await?;
    create_each(herder, &waiting, Plugins::AreAwaited).await.map(drop)
}

/// What is done about plugins that are still being compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plugins {
    /// Their connectors are left for later.
    MayBeMissing,
    /// They are waited for.
    AreAwaited,
}

/// Returns the files whose connectors wait for plugins.
async fn create_each(herder: &HerderHandle, paths: &[PathBuf], plugins: Plugins) -> Result<Vec<PathBuf>, Failure> {
    let (mut checking, mut creating) = (InOrder::default(), InOrder::default());
    let (mut paths, mut waiting) = (paths.iter(), Vec::new());
    // Behind a file that is wrong nothing is created.
    let mut is_over = false;
    loop {
        while checking.len() < AT_ONCE
            && let Some(path) = paths.next()
        {
            let (herder, path) = (herder.clone(), path.clone());
            checking.spawn(async move { check(&herder, path, plugins).await });
        }
        tokio::select! {
            biased;
            Some(created) = creating.next() => {
                let name: String = created?;
                info!("connector {name} created");
            }
            Some(checked) = checking.next(), if creating.len() < AT_ONCE && !is_over => match checked {
                Ok(Checked::Waits(path)) => waiting.push(path),
                Ok(Checked::Sound { path, name, config, initial }) => {
                    // In this order they reach the herder.
                    let put = herder.begin_put(config, initial, false).await;
                    creating.spawn(async move {
                        put.await.map_err(|error| failed(&path, &name, &error))?;
                        Ok(name)
                    });
                }
                // Told after what goes wrong with those before it.
                Err(failure) => {
                    is_over = true;
                    creating.spawn(async move { Err(failure) });
                }
            },
            else => return Ok(waiting),
        }
    }
}

/// A file that was looked at.
enum Checked {
    /// Its connector may be created.
    Sound { path: PathBuf, name: String, config: CheckedConfig, initial: TargetState },
    /// Its connector waits for plugins.
    Waits(PathBuf),
}

async fn check(herder: &HerderHandle, path: PathBuf, plugins: Plugins) -> Result<Checked, Failure> {
    let bytes = read_file(&path).map_err(|failure| Failure::new(START, failure.message))?;
    let file = ConnectorFile::parse(&path.display().to_string(), &bytes);
    let ConnectorFile { name, config, initial_state, .. } = file.map_err(|error| Failure::of(START, &error))?;
    if plugins == Plugins::AreAwaited {
        herder.await_plugins(&config).await;
    } else if let Some(files) = awaited(herder, &config) {
        info!("connector {name} waits for plugins that are being compiled: {files}");
        return Ok(Checked::Waits(path));
    }
    let initial = match initial_state {
        None | Some(InitialState::Running) => TargetState::Started,
        Some(InitialState::Paused) => TargetState::Paused,
        Some(InitialState::Stopped) => TargetState::Stopped,
    };
    let config = herder.check_config(&name, config).await.map_err(|error| failed(&path, &name, &error))?;
    Ok(Checked::Sound { path, name, config, initial })
}

fn awaited(herder: &HerderHandle, config: &ConfigMap) -> Option<String> {
    let files = herder.awaited_plugins(config);
    (!files.is_empty()).then(|| files.join(", "))
}

fn failed(path: &Path, name: &str, error: &HerderError) -> Failure {
    Failure::new(START, format!("create connector {name} of {}: {}", path.display(), ErrorChain(error)))
}

/// Tasks whose results are taken in the order in which they were begun. Dropping it ends them.
struct InOrder<T> {
    tasks: JoinSet<(usize, T)>,
    done: BTreeMap<usize, T>,
    /// Number of the next task, and of the result that is taken next.
    begun: usize,
    taken: usize,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), done: BTreeMap::new(), begun: 0, taken: 0 }
    }
}

impl<T: Send + 'static> InOrder<T> {
    /// How many results have not been taken.
    fn len(&self) -> usize {
        self.begun - self.taken
    }

    fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) {
        let number = self.begun;
        self.begun += 1;
        self.tasks.spawn(async move { (number, task.await) });
    }

    /// Waits for the next result; `None` if there is none to come. Dropping the future loses nothing.
    async fn next(&mut self) -> Option<T> {
        loop {
            if let Some(result) = self.done.remove(&self.taken) {
                self.taken += 1;
                return Some(result);
            }
            match self.tasks.join_next().await? {
                Ok((number, result)) => drop(self.done.insert(number, result)),
                // Nobody else ends these tasks.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn results_come_in_the_order_in_which_tasks_were_begun() {
        let mut tasks = InOrder::default();
        let mut ends = Vec::new();
        for number in 0..3 {
            let (end, ended) = oneshot::channel::<()>();
            ends.push(end);
            tasks.spawn(async move {
                drop(ended.await);
                number
            });
        }
        let first = ends.remove(0);
        drop(ends);
        // The others have ended, and wait for the first.
        while tasks.done.len() < 2 {
            assert!(if_ready(tasks.next()).await.is_none());
        }
        assert_eq!(tasks.len(), 3);
        drop(first);
        for number in 0..3 {
            assert_eq!(tasks.next().await, Some(number));
        }
        assert_eq!((tasks.len(), tasks.next().await), (0, None));
    }

    /// What a future gives if it is ready after others had a turn.
    async fn if_ready<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = tokio::task::yield_now() => None,
        }
    }
}
