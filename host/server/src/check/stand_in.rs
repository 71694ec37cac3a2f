//! A connector whose class nobody has: the rest of its configuration is looked at as if there were one of that name that
//! declares no keys of its own.

use millstream_config::{
    ConfigDef, ConfigMap, PluginDef, PluginDefs, PluginKind, Wanted, connector_key_names as names,
};

/// The plugins that there are, and one connector more.
pub struct StandIn<'a> {
    plugins: &'a dyn PluginDefs,
    connector: PluginDef,
}

impl<'a> StandIn<'a> {
    /// For a configuration whose connector is unknown. Its kind is that of the `nearest` known class, else it is a sink if
    /// it names topics to read.
    pub fn new(plugins: &'a dyn PluginDefs, config: &ConfigMap, nearest: Option<&str>) -> Self {
        let nearest = nearest.and_then(|class| plugins.connector(class).ok());
        let reads = [names::TOPICS.name(), names::TOPICS_REGEX.name()].iter().any(|&key| config.contains_key(key));
        let kind = nearest.map_or(if reads { PluginKind::Sink } else { PluginKind::Source }, |plugin| plugin.kind);
        let named = config.get(names::CONNECTOR_CLASS.name()).and_then(Option::as_deref).map(str::trim);
        let connector = PluginDef {
            kind,
            // A class is not only spaces, so that this is nobody's.
            class: named.filter(|name| !name.is_empty()).unwrap_or("(none)").to_owned(),
            aliases: Vec::new(),
            version: None,
            documentation: String::new(),
            config: ConfigDef::default(),
            location: String::new(),
        };
        Self { plugins, connector }
    }

    /// Names it in a configuration, which may name none.
    pub fn configure(&self, config: &mut ConfigMap) {
        config.insert(names::CONNECTOR_CLASS.name().to_owned(), Some(self.connector.class.clone()));
    }
}

impl PluginDefs for StandIn<'_> {
    fn versions(&self, kind: PluginKind, name: &str) -> Vec<&PluginDef> {
        if (kind, name) == (self.connector.kind, self.connector.class.as_str()) {
            return vec![&self.connector];
        }
        self.plugins.versions(kind, name)
    }

    fn of_kind(&self, kind: PluginKind) -> Vec<&PluginDef> {
        self.plugins.of_kind(kind)
    }

    fn full_match(&self, pattern: &str, text: &str) -> Result<bool, String> {
        self.plugins.full_match(pattern, text)
    }

    fn worker_converter(&self, key: &str) -> Option<Wanted> {
        self.plugins.worker_converter(key)
    }

    fn worker_creates_topics(&self) -> bool {
        self.plugins.worker_creates_topics()
    }
}
