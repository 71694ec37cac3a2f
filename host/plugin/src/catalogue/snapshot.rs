//! What is known of the plugins at a moment. It grows while new plugin files are compiled.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_config::{PluginDef, PluginDefs, PluginDirectory};
use millstream_connector::{FindPluginError, PluginKind};

use super::{PluginProblem, Registered, config_kind};

/// The plugins, by every name, and what is not a plugin or not one yet.
pub(super) struct Snapshot {
    /// All of them, by kind, class name and version.
    pub(super) all: Vec<Arc<Registered>>,
    /// The one that counts for each kind and class name.
    by_class: HashMap<(PluginKind, String), Arc<Registered>>,
    directory: PluginDirectory,
    pub(super) problems: Vec<Arc<PluginProblem>>,
    /// Files that are being compiled, or are waiting for that.
    pub(super) compiling: Vec<Compiling>,
}

/// A file that is being compiled, or is waiting for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Compiling {
    pub(super) path: PathBuf,
    /// Classes that are there already and that the file seems to carry, too: perhaps in a higher version.
    pub(super) mentions: BTreeSet<String>,
}

/// A plugin that takes the place of one with a lower version.
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
        // Of several versions the last counts, which is the highest.
        let by_class =
            all.iter().map(|plugin| ((plugin.info.kind, plugin.info.class.clone()), Arc::clone(plugin))).collect();
        let definition = |plugin: &Arc<Registered>| PluginDef {
            kind: config_kind(plugin.info.kind),
            class: plugin.info.class.clone(),
            aliases: plugin.info.aliases.clone(),
            version: Some(plugin.info.version.clone()),
            documentation: String::new(),
            config: plugin.info.config.clone(),
        };
        let directory = PluginDirectory::new(all.iter().map(definition), |_, _| Ok(true));
        Self { all, by_class, directory, problems, compiling }
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
        Self::new(all, problems, compiling)
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

    /// Which plugins that are there already would no longer count beside these.
    pub(super) fn superseded_by(&self, plugins: &[Arc<Registered>]) -> Vec<Superseded> {
        let superseded = plugins.iter().filter_map(|new| {
            let old = self.by_class.get(&(new.info.kind, new.info.class.clone()))?;
            let lower = version_order(&old.info.version, &new.info.version) == std::cmp::Ordering::Less;
            lower.then(|| Superseded {
                class: new.info.class.clone(),
                old_version: old.info.version.clone(),
                new_version: new.info.version.clone(),
            })
        });
        superseded.collect()
    }

    pub(super) fn registered(&self, kind: PluginKind, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        let class = self.directory.find(config_kind(kind), name).map(|found| found.class.clone());
        class
            .and_then(|class| self.by_class.get(&(kind, class)).cloned())
            .ok_or_else(|| FindPluginError::Unknown(format!("Class {name} could not be found.")))
    }

    pub(super) fn registered_connector(&self, name: &str) -> Result<Arc<Registered>, FindPluginError> {
        use millstream_config::UnknownConnector;

        let found = self.directory.connector(name).map_err(|error| match error {
            UnknownConnector::NotFound { .. } => FindPluginError::Unknown(error.to_string()),
            UnknownConnector::Ambiguous { .. } => FindPluginError::Ambiguous(error.to_string()),
        })?;
        let kind =
            if found.kind == millstream_config::PluginKind::Sink { PluginKind::Sink } else { PluginKind::Source };
        let class = (kind, found.class.clone());
        Ok(Arc::clone(self.by_class.get(&class).expect("the directory has what is registered")))
    }
}

/// Orders version texts: numbers by value, a number above a word, and a version above one that lacks it.
fn version_order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |text: &str| -> Vec<(bool, u64, String)> {
        let part = |part: &str| match part.parse::<u64>() {
            Ok(number) => (true, number, String::new()),
            Err(_) => (false, 0, part.to_owned()),
        };
        text.split(['.', '-', '+', '_']).map(part).collect()
    };
    let stated = |text: &str| text != "undefined";
    stated(a).cmp(&stated(b)).then_with(|| parts(a).cmp(&parts(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let order = ["undefined", "0.9", "0.10", "1.0-beta", "1.0.1", "4.3.0"];
        for pair in order.windows(2) {
            assert_eq!(version_order(pair[0], pair[1]), std::cmp::Ordering::Less, "{pair:?}");
        }
    }
}
