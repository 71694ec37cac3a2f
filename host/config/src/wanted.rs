//! Which plugin a configuration asks for, and which of several versions of it that is.

use crate::{ConfigMap, InvalidVersions, PluginDef, Versions, config_text, connector_keys::names};

/// A plugin as a configuration names it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// Class name or alias.
    pub name: String,
    /// The versions that will do.
    pub versions: Versions,
    /// Where a plugin is taken from before all others if any version will do: where the connector came from.
    pub beside: Option<String>,
}

impl From<&str> for Wanted {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl From<String> for Wanted {
    fn from(name: String) -> Self {
        Self { name, ..Self::default() }
    }
}

impl Wanted {
    /// The connector that a configuration names.
    ///
    /// # Errors
    ///
    /// The version that it asks for is none.
    pub fn connector(config: &ConfigMap) -> Result<Self, InvalidVersions> {
        let name = text(config, names::CONNECTOR_CLASS.name()).unwrap_or_default();
        Self::of(config, name, names::CONNECTOR_VERSION.name(), None)
    }

    /// The plugin with a name whose version stands under a key.
    ///
    /// # Errors
    ///
    /// As for connectors.
    pub fn of(
        config: &ConfigMap,
        name: &str,
        version_key: &str,
        beside: Option<&str>,
    ) -> Result<Self, InvalidVersions> {
        let versions = Versions::parse(config.get(version_key).and_then(Option::as_deref))?;
        Ok(Self { name: name.to_owned(), versions, beside: beside.map(str::to_owned) })
    }

    /// The one that is meant among versions of one plugin, which are in ascending order.
    pub fn choose<'a>(&self, versions: &[&'a PluginDef]) -> Option<&'a PluginDef> {
        let newest_first = || versions.iter().rev().copied();
        let packaged = |plugin: &&PluginDef| self.beside.as_ref().is_some_and(|beside| *beside == plugin.location);
        if self.versions.is_any()
            && let Some(packaged) = newest_first().find(packaged)
        {
            return Some(packaged);
        }
        newest_first().find(|plugin| self.versions.contain(plugin.version_text()))
    }
}

fn text<'a>(config: &'a ConfigMap, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Option::as_deref).map(config_text::text)
}

/// Why a plugin that is there is not the one that is asked for. The text is Connect's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "Plugin {class} not found that matches the version range {asked}, available versions: [{}]",
    available.join(", ")
)]
pub struct NoSuchVersion {
    /// Full class name.
    pub class: String,
    /// The versions that would do.
    pub asked: Versions,
    /// Those that are there, in ascending order; one that serves for several purposes is named for each.
    pub available: Vec<String>,
}

/// Why a name does not lead to a plugin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WantedError {
    /// No plugin of the kind has that name.
    #[error("Class {0} could not be found.")]
    Unknown(String),
    /// There are other versions.
    #[error(transparent)]
    Version(#[from] NoSuchVersion),
}
