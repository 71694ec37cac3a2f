//! What is known of the plugins at a moment. It grows while new plugin files are compiled.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_config::{PluginDef, PluginDefs, PluginDirectory};
use millstream_connector::{FindPluginError, PluginKind};

use super::{PluginProblem, Registered, config_kind};

/// The plugins, by every name, and what is not a plugin or not one yet.
pub(super) struct Known {
    /// All of them, by kind, class name and version.
    pub(super) all: Vec<Arc<Registered>>,
    /// The one that counts for each kind and class name.
    by_class: HashMap<(PluginKind, String), Arc<Registered>>,
    directory: PluginDirectory,
    pub(super) problems: Vec<Arc<PluginProblem>>,
    /// Files that are being compiled, or are waiting for that.
    pub(super) compiling: Vec<PathBuf>,
}

impl Known {
    pub(super) fn new(
        mut all: Vec<Arc<Registered>>,
        problems: Vec<Arc<PluginProblem>>,
        compiling: Vec<PathBuf>,
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

    /// The same once a file has proved to be what it is.
    pub(super) fn with(&self, path: &PathBuf, outcome: Result<Vec<Arc<Registered>>, PluginProblem>) -> Self {
        let (mut all, mut problems) = (self.all.clone(), self.problems.clone());
        match outcome {
            Ok(plugins) => all.extend(plugins),
            Err(problem) => problems.push(Arc::new(problem)),
        }
        let compiling = self.compiling.iter().filter(|other| *other != path).cloned().collect();
        Self::new(all, problems, compiling)
    }

    /// Whether a name leads to a plugin of any kind.
    pub(super) fn has(&self, name: &str) -> bool {
        self.directory.connector(name).is_ok() || self.directory.any_class(name).is_some()
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
