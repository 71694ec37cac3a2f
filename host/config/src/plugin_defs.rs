//! What validation needs to know about plugins, and how their names are resolved.

use std::collections::BTreeMap;

use crate::{
    ConfigDef, ConfigMap, Environment, NoSuchVersion, Versions, Wanted, WantedError, config_text,
    connector_keys::names, version_order, worker_key,
};

/// What a worker converts headers with unless told otherwise.
const SIMPLE_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// The roles a plugin can have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PluginKind {
    /// Source connector.
    Source,
    /// Sink connector.
    Sink,
    /// A step of `transforms`.
    Transform,
    /// A condition of `predicates`, on which a transform is applied.
    Predicate,
    /// Converter of keys and values.
    Converter,
    /// Converter of header values.
    HeaderConverter,
}

impl PluginKind {
    /// All kinds, in the order in which the REST API lists them.
    pub const ALL: [Self; 6] =
        [Self::Sink, Self::Source, Self::Transform, Self::Predicate, Self::Converter, Self::HeaderConverter];

    /// The name that the REST API uses.
    pub fn rest_name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Transform => "transformation",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
        }
    }

    /// The name that a component's description uses.
    pub fn from_description(name: &str) -> Option<Self> {
        match name {
            "transform" => Some(Self::Transform),
            "transformation" => None,
            other => Self::ALL.into_iter().find(|kind| kind.rest_name() == other),
        }
    }

    /// Connect's interface for it, without the package.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Source | Self::Sink => "Connector",
            Self::Transform => "Transformation",
            Self::Predicate => "Predicate",
            Self::Converter => "Converter",
            Self::HeaderConverter => "HeaderConverter",
        }
    }

    /// Whether it is a connector.
    pub fn is_connector(self) -> bool {
        matches!(self, Self::Source | Self::Sink)
    }
}

/// What is known about one plugin without entering it.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginDef {
    /// One of its roles: a class that has several stands once for each.
    pub kind: PluginKind,
    /// Its full class name.
    pub class: String,
    /// Names beside those derived from the class name.
    pub aliases: Vec<String>,
    /// Its version, if it states one.
    pub version: Option<String>,
    /// For people, in Markdown.
    pub documentation: String,
    /// What it declares to be configured by.
    pub config: ConfigDef,
    /// Where it came from. What a connector brings along comes from the same place.
    pub location: String,
}

impl PluginDef {
    /// Its version, or Connect's word for none.
    pub fn version_text(&self) -> &str {
        self.version.as_deref().unwrap_or("undefined")
    }
}

/// The plugins of a worker.
pub trait PluginDefs: Send + Sync {
    /// The versions of the plugin of that kind with that class name or alias, in ascending order.
    fn versions(&self, kind: PluginKind, name: &str) -> Vec<&PluginDef>;

    /// The newest versions of all plugins of a kind, sorted by class name.
    fn of_kind(&self, kind: PluginKind) -> Vec<&PluginDef>;

    /// The newest version of the plugin of that kind with that class name or alias.
    fn find(&self, kind: PluginKind, name: &str) -> Option<&PluginDef> {
        self.versions(kind, name).pop()
    }

    /// The plugin of that kind that is asked for.
    ///
    /// # Errors
    ///
    /// There is none of that name, or not in such a version.
    fn select(&self, kind: PluginKind, wanted: &Wanted) -> Result<&PluginDef, WantedError> {
        let versions = self.versions(kind, &wanted.name);
        let newest = versions.last().ok_or_else(|| WantedError::Unknown(wanted.name.clone()))?;
        let none = || NoSuchVersion {
            class: newest.class.clone(),
            asked: wanted.versions.clone(),
            available: self.available(&newest.class),
        };
        Ok(wanted.choose(&versions).ok_or_else(none)?)
    }

    /// The connector that is asked for.
    ///
    /// # Errors
    ///
    /// As for [`PluginDefs::connector`], or there are other versions of it only.
    fn select_connector(&self, wanted: &Wanted) -> Result<&PluginDef, UnknownConnector> {
        let newest = self.connector(&wanted.name)?;
        let exactly = Wanted { name: newest.class.clone(), ..wanted.clone() };
        match self.select(newest.kind, &exactly) {
            Ok(plugin) => Ok(plugin),
            Err(WantedError::Version(error)) => Err(UnknownConnector::Version(error)),
            Err(WantedError::Unknown(name)) => Err(UnknownConnector::NotFound { name, available: String::new() }),
        }
    }

    /// The plugin of that kind that a part of a configuration asks for, if there is one.
    fn part(
        &self,
        kind: PluginKind,
        config: &ConfigMap,
        class: &str,
        version_key: &str,
        beside: Option<&str>,
    ) -> Option<&PluginDef> {
        self.select(kind, &Wanted::of(config, class, version_key, beside).ok()?).ok()
    }

    /// Versions of a class, of every kind that it is of.
    fn available(&self, class: &str) -> Vec<String> {
        let kinds = PluginKind::ALL.into_iter();
        let mut all: Vec<&str> =
            kinds.flat_map(|kind| self.versions(kind, class)).map(PluginDef::version_text).collect();
        all.sort_by(|a, b| version_order(a, b));
        all.into_iter().map(str::to_owned).collect()
    }

    /// Whether a regular expression in Java's syntax matches the whole text.
    ///
    /// # Errors
    ///
    /// The text that Java's `PatternSyntaxException` would carry.
    fn full_match(&self, pattern: &str, text: &str) -> Result<bool, String>;

    /// The worker's own converter for `key.converter`, `value.converter` or `header.converter`, which connectors use
    /// that name none.
    fn worker_converter(&self, key: &str) -> Option<Wanted>;

    /// Whether the worker makes topics by the rules of source connectors (`topic.creation.enable`).
    fn worker_creates_topics(&self) -> bool;

    /// The source or sink connector meant by `connector.class`: class name or alias, else the only one
    /// whose simple name is that text, with or without `Connector` at its end.
    ///
    /// # Errors
    ///
    /// When there is none or more than one.
    fn connector(&self, name: &str) -> Result<&PluginDef, UnknownConnector> {
        let kinds = [PluginKind::Source, PluginKind::Sink];
        if let Some(found) = kinds.into_iter().find_map(|kind| self.find(kind, name)) {
            return Ok(found);
        }
        let all: Vec<&PluginDef> = kinds.into_iter().flat_map(|kind| self.of_kind(kind)).collect();
        let matches: Vec<&PluginDef> = all
            .iter()
            .copied()
            .filter(|plugin| {
                let simple = simple_name(&plugin.class);
                simple == name || simple.strip_suffix("Connector") == Some(name)
            })
            .collect();
        let names = |plugins: Vec<&PluginDef>| -> String {
            plugins.iter().map(|plugin| plugin.class.as_str()).collect::<Vec<_>>().join(", ")
        };
        match matches.as_slice() {
            [found] => Ok(found),
            [] => Err(UnknownConnector::NotFound { name: name.to_owned(), available: names(all) }),
            _ => Err(UnknownConnector::Ambiguous { name: name.to_owned(), found: names(matches) }),
        }
    }

    /// The class meant by a name, whatever its kind. A name that only stands before `$` in classes is that
    /// of an abstract class.
    fn any_class(&self, name: &str) -> Option<String> {
        let mut kinds = PluginKind::ALL.into_iter();
        kinds
            .find_map(|kind| self.find(kind, name).map(|plugin| plugin.class.clone()))
            .or_else(|| (!self.nested_classes(name).is_empty()).then(|| name.to_owned()))
    }

    /// The concrete classes nested in an abstract one.
    fn nested_classes(&self, name: &str) -> Vec<String> {
        let mut nested: Vec<String> = PluginKind::ALL
            .into_iter()
            .flat_map(|kind| self.of_kind(kind))
            .filter(|plugin| plugin.class.strip_prefix(name).is_some_and(|rest| rest.starts_with('$')))
            .map(|plugin| plugin.class.clone())
            .collect();
        nested.sort();
        nested.dedup();
        nested
    }
}

/// Why no connector could be chosen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownConnector {
    /// No connector has that name.
    #[error(
        "Failed to find any class that implements Connector and which name matches {name}, available connectors are: {available}"
    )]
    NotFound {
        /// The name as written.
        name: String,
        /// Class names of all that there are, with commas between them.
        available: String,
    },
    /// Several have.
    #[error(
        "More than one connector matches alias {name}. Please use full package and class name instead. Classes found: {found}"
    )]
    Ambiguous {
        /// The name as written.
        name: String,
        /// The connectors it may mean.
        found: String,
    },
    /// It is there in other versions.
    #[error(transparent)]
    Version(#[from] NoSuchVersion),
}

/// A class name without its package and without the classes it is nested in.
pub(crate) fn simple_name(class: &str) -> &str {
    class.rfind(['.', '$']).map_or(class, |dot| &class[dot + 1..])
}

/// The aliases that Connect derives from a class name: the simple name, and that without the suffix of its
/// kind.
pub fn aliases_of(kind: PluginKind, class: &str) -> Vec<String> {
    let simple = simple_name(class);
    let mut aliases = vec![simple.to_owned()];
    if let Some(cut) = simple.rfind(kind.interface()).filter(|&cut| 0 < cut) {
        aliases.push(simple[..cut].to_owned());
    }
    aliases
}

/// A fixed set of plugins, found by class name and by every alias that means one class only.
pub struct PluginDirectory {
    plugins: Vec<PluginDef>,
    /// Class name or alias to class name.
    classes: BTreeMap<String, String>,
    full_match: fn(&str, &str) -> Result<bool, String>,
    worker: ConfigMap,
}

impl PluginDirectory {
    /// Takes the plugins, and what matches whole texts against Java's regular expressions. Of two with the same class and
    /// version the later one counts.
    pub fn new(
        plugins: impl IntoIterator<Item = PluginDef>,
        full_match: fn(&str, &str) -> Result<bool, String>,
    ) -> Self {
        let mut plugins: Vec<PluginDef> = plugins.into_iter().collect();
        plugins.sort_by(|a, b| {
            let place = |plugin: &PluginDef| (plugin.kind, plugin.class.clone());
            place(a).cmp(&place(b)).then_with(|| version_order(a.version_text(), b.version_text()))
        });
        let mut meanings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for plugin in &plugins {
            for alias in aliases_of(plugin.kind, &plugin.class).into_iter().chain(plugin.aliases.iter().cloned()) {
                let meaning = meanings.entry(alias).or_default();
                if !meaning.contains(&plugin.class.as_str()) {
                    meaning.push(&plugin.class);
                }
            }
        }
        let mut classes: BTreeMap<String, String> = meanings
            .into_iter()
            .filter(|(_, meaning)| meaning.len() == 1)
            .map(|(alias, meaning)| (alias, meaning[0].to_owned()))
            .collect();
        classes.extend(plugins.iter().map(|plugin| (plugin.class.clone(), plugin.class.clone())));
        Self { plugins, classes, full_match, worker: ConfigMap::new() }
    }

    /// With the properties of the worker, whose converters are the defaults.
    pub fn with_worker(self, worker: ConfigMap) -> Self {
        Self { worker, ..self }
    }
}

impl PluginDefs for PluginDirectory {
    fn versions(&self, kind: PluginKind, name: &str) -> Vec<&PluginDef> {
        let Some(class) = self.classes.get(name) else { return Vec::new() };
        self.plugins.iter().filter(|plugin| plugin.kind == kind && plugin.class == *class).collect()
    }

    fn of_kind(&self, kind: PluginKind) -> Vec<&PluginDef> {
        let of_kind: Vec<&PluginDef> = self.plugins.iter().filter(|plugin| plugin.kind == kind).collect();
        of_kind.chunk_by(|a, b| a.class == b.class).filter_map(|versions| versions.last().copied()).collect()
    }

    fn full_match(&self, pattern: &str, text: &str) -> Result<bool, String> {
        (self.full_match)(pattern, text)
    }

    fn worker_creates_topics(&self) -> bool {
        let set = self.worker.get(worker_key::TOPIC_CREATION_ENABLE.name()).and_then(Option::as_deref);
        set.and_then(config_text::boolean).unwrap_or(true)
    }

    fn worker_converter(&self, key: &str) -> Option<Wanted> {
        let own = |key: &str| self.worker.get(key).and_then(Option::as_deref);
        match own(key) {
            Some(class) => {
                // A worker whose version is none has not started.
                let versions = Versions::parse(own(&format!("{key}.plugin.version"))).unwrap_or_default();
                Some(Wanted { name: class.trim().to_owned(), versions, beside: None })
            }
            None => (key == names::HEADER_CONVERTER.name()).then(|| SIMPLE_HEADER_CONVERTER.into()),
        }
    }
}

/// Lets definitions be checked against the plugins of a worker.
pub(crate) struct AmongPlugins<'a>(pub &'a dyn PluginDefs);

impl Environment for AmongPlugins<'_> {
    fn check_regex(&self, pattern: &str) -> Result<(), String> {
        self.0.full_match(pattern, "").map(drop)
    }

    fn resolve_class(&self, name: &str) -> Option<String> {
        self.0.any_class(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(kind: PluginKind, class: &str, version: &str) -> PluginDef {
        PluginDef {
            kind,
            class: class.to_owned(),
            aliases: Vec::new(),
            version: Some(version.to_owned()),
            documentation: String::new(),
            config: ConfigDef::new(),
            location: format!("place-{version}"),
        }
    }

    fn directory(plugins: Vec<PluginDef>) -> PluginDirectory {
        PluginDirectory::new(plugins, |_, _| Ok(true))
    }

    #[test]
    fn aliases_are_the_simple_name_and_the_one_without_its_suffix() {
        assert_eq!(
            aliases_of(PluginKind::Source, "org.apache.kafka.connect.file.FileStreamSourceConnector"),
            ["FileStreamSourceConnector", "FileStreamSource"]
        );
        assert_eq!(aliases_of(PluginKind::Transform, "a.Cast$Key"), ["Key"]);
        assert_eq!(aliases_of(PluginKind::Source, "a.Connector"), ["Connector"]);
    }

    #[test]
    fn an_alias_with_two_meanings_means_nothing() {
        let plugins = directory(vec![
            plugin(PluginKind::Transform, "t.Cast$Key", "1"),
            plugin(PluginKind::Transform, "t.Mask$Key", "1"),
            plugin(PluginKind::Transform, "t.Filter", "1"),
        ]);
        assert!(plugins.find(PluginKind::Transform, "Key").is_none());
        assert!(plugins.find(PluginKind::Transform, "t.Cast$Key").is_some());
        assert!(plugins.find(PluginKind::Transform, "Filter").is_some());
        assert_eq!(plugins.any_class("t.Cast").as_deref(), Some("t.Cast"));
        assert_eq!(plugins.any_class("t.Ca"), None);
    }

    #[test]
    fn the_newest_of_the_versions_that_will_do_is_used() {
        let versions = ["1.10", "1.9", "2.0-SNAPSHOT"];
        let plugins = directory(versions.map(|version| plugin(PluginKind::Sink, "a.SConnector", version)).to_vec());
        let chosen = |versions: &str, beside: Option<&str>| {
            let wanted = Wanted {
                name: "S".to_owned(),
                versions: Versions::parse(Some(versions)).unwrap(),
                beside: beside.map(str::to_owned),
            };
            plugins.select_connector(&wanted).map(|plugin| plugin.version_text().to_owned())
        };
        assert_eq!(plugins.connector("S").unwrap().version.as_deref(), Some("2.0-SNAPSHOT"));
        assert_eq!(plugins.of_kind(PluginKind::Sink).len(), 1, "one class");
        for (asked, beside, expected) in [
            ("latest", None, "2.0-SNAPSHOT"),
            ("1.9", None, "1.9"),
            ("[1.0,2.0-SNAPSHOT)", None, "1.10"),
            ("latest", Some("place-1.9"), "1.9"),
            ("latest", Some("elsewhere"), "2.0-SNAPSHOT"),
            ("[1.0,2.0-SNAPSHOT)", Some("place-1.9"), "1.10"),
        ] {
            assert_eq!(chosen(asked, beside).as_deref(), Ok(expected), "{asked} beside {beside:?}");
        }
        assert_eq!(
            chosen("3", None).unwrap_err().to_string(),
            "Plugin a.SConnector not found that matches the version range [3,3], available versions: [1.9, 1.10, 2.0-SNAPSHOT]"
        );
    }

    #[test]
    fn an_unknown_and_an_ambiguous_connector_are_told_apart() {
        let plugins = directory(vec![
            plugin(PluginKind::Sink, "a.SConnector", "1"),
            plugin(PluginKind::Sink, "b.SConnector", "1"),
        ]);
        assert_eq!(
            plugins.connector("X").unwrap_err().to_string(),
            "Failed to find any class that implements Connector and which name matches X, available connectors are: a.SConnector, b.SConnector"
        );
        assert!(matches!(plugins.connector("S"), Err(UnknownConnector::Ambiguous { .. })));
    }
}
