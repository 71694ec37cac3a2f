//! What is known of the plugins at a moment. It grows while new plugin files are compiled.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_config::{PluginDef, PluginDefs, PluginDirectory, UnknownConnector, Wanted, WantedError, version_order};
use millstream_connector::{FindPluginError, PluginKind};

use super::{PluginProblem, Registered, config_kind};

/// The plugins, by every name, and what is not a plugin or not one yet.
pub(super) struct Snapshot {
    /// All of them, by kind, class name and version.
    pub(super) all: Vec<Arc<Registered>>,
    directory: PluginDirectory,
    pub(super) problems: Vec<Arc<PluginProblem>>,
    /// Files that are being compiled, or are waiting for that.
    pub(super) compiling: Vec<Compiling>,
    /// Grows whenever what is listed changes.
    pub(super) edition: usize,
}

/// A file that is being compiled, or is waiting for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Compiling {
    pub(super) path: PathBuf,
    /// Classes that are there already and that the file seems to carry, too: perhaps in a higher version.
    pub(super) mentions: BTreeSet<String>,
}

/// A plugin that is used from now on where no version is asked for, instead of one with a lower version.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Superseded {
    pub(super) class: String,
    pub(super) old_version: String,
    pub(super) new_version: String,
}

impl Snapshot {
    pub(super) fn new(
        mut all: Vec<Arc<Registered>>,
        problems: Vec<Arc<PluginProblem>>,
        compiling: Vec<Compiling>,
    ) -> Self {
        all.sort_by(|a, b| {
            let order = |plugin: &Registered| (plugin.info.kind, plugin.info.class.clone());
            order(a).cmp(&order(b)).then_with(|| version_order(&a.info.version, &b.info.version))
        });
        let definition = |plugin: &Arc<Registered>| PluginDef {
            kind: config_kind(plugin.info.kind),
            class: plugin.info.class.clone(),
            aliases: plugin.info.aliases.clone(),
            version: Some(plugin.info.version.clone()),
            documentation: String::new(),
            config: plugin.info.config.clone(),
            location: plugin.info.location.clone(),
        };
        let directory = PluginDirectory::new(all.iter().map(definition), |_, _| Ok(true));
        Self { all, directory, problems, compiling, edition: 0 }
    }

    /// The same once a file has proved to be what it is. `mentions` says which of its classes files seem to carry that
    /// are still being compiled.
    pub(super) fn with(
        &self,
        path: &Path,
        outcome: Result<Vec<Arc<Registered>>, PluginProblem>,
        mentions: &HashMap<PathBuf, BTreeSet<String>>,
    ) -> Self {
        let (mut all, mut problems) = (self.all.clone(), self.problems.clone());
        match outcome {
            Ok(plugins) => all.extend(plugins),
            Err(problem) => problems.push(Arc::new(problem)),
        }
        let mut compiling: Vec<Compiling> = self.compiling.iter().filter(|other| other.path != path).cloned().collect();
        for file in &mut compiling {
            file.mentions.extend(mentions.get(&file.path).into_iter().flatten().cloned());
        }
        Self { edition: self.edition + 1, ..Self::new(all, problems, compiling) }
    }

    /// The same once a file has changed, is new, or is gone: what it carried before is replaced by what it carries now. A
    /// file that is no plugin any more keeps what it carried: whoever runs it goes on.
    pub(super) fn reloaded(&self, path: &Path, outcome: Option<Result<Vec<Arc<Registered>>, PluginProblem>>) -> Self {
        let location = path.display().to_string();
        let (mut all, mut problems) = (self.all.clone(), self.problems.clone());
        problems.retain(|problem| problem.path != path);
        match outcome {
            Some(Err(problem)) => problems.push(Arc::new(problem)),
            outcome => {
                all.retain(|plugin| plugin.info.location != location);
                all.extend(outcome.and_then(Result::ok).into_iter().flatten());
            }
        }
        Self { edition: self.edition + 1, ..Self::new(all, problems, self.compiling.clone()) }
    }

    /// Files to wait for before the names are used: those that may carry a name that leads nowhere yet, or a higher
    /// version of what a name leads to.
    pub(super) fn awaited<'s>(&'s self, names: &[&str]) -> impl Iterator<Item = &'s Path> + use<'s> {
        let classes: Vec<Option<String>> = names.iter().map(|name| self.class(name)).collect();
        let may_change = move |file: &&Compiling| {
            classes.iter().any(|class| class.as_ref().is_none_or(|class| file.mentions.contains(class)))
        };
        self.compiling.iter().filter(may_change).map(|file| file.path.as_path())
    }

    /// The class of the plugin, of any kind, that a name leads to.
    fn class(&self, name: &str) -> Option<String> {
        let connector = self.directory.connector(name).ok().map(|plugin| plugin.class.clone());
        connector.or_else(|| self.directory.any_class(name))
    }

    /// Which plugins would no longer be the newest beside these.
    pub(super) fn superseded_by(&self, plugins: &[Arc<Registered>]) -> Vec<Superseded> {
        let superseded = plugins.iter().filter_map(|new| {
            let old = self.directory.find(config_kind(new.info.kind), &new.info.class)?;
            let lower = version_order(old.version_text(), &new.info.version) == std::cmp::Ordering::Less;
            lower.then(|| Superseded {
                class: new.info.class.clone(),
                old_version: old.version_text().to_owned(),
                new_version: new.info.version.clone(),
            })
        });
        superseded.collect()
    }

    pub(super) fn registered(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<Registered>, FindPluginError> {
        let found = self.directory.select(config_kind(kind), wanted).map_err(|error| match error {
            WantedError::Unknown(_) => FindPluginError::Unknown(error.to_string()),
            WantedError::Version(_) => FindPluginError::Version(error.to_string()),
        })?;
        Ok(self.of(found))
    }

    pub(super) fn registered_connector(&self, wanted: &Wanted) -> Result<Arc<Registered>, FindPluginError> {
        let found = self.directory.select_connector(wanted).map_err(|error| match error {
            UnknownConnector::NotFound { .. } => FindPluginError::Unknown(error.to_string()),
            UnknownConnector::Ambiguous { .. } => FindPluginError::Ambiguous(error.to_string()),
            UnknownConnector::Version(_) => FindPluginError::Version(error.to_string()),
        })?;
        Ok(self.of(found))
    }

    fn of(&self, found: &PluginDef) -> Arc<Registered> {
        let is_it = |plugin: &&Arc<Registered>| {
            let info = &plugin.info;
            config_kind(info.kind) == found.kind
                && info.class == found.class
                && info.version == found.version_text()
                && info.location == found.location
        };
        // Of two that are alike in all this the later one counts, as in the directory.
        Arc::clone(self.all.iter().rev().find(is_it).expect("the directory is made from what is registered"))
    }
}
