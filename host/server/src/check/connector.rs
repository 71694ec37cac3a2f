//! What is wrong with a connector's configuration, for a worker that does not run.

use millstream_config::{
    ConfigMap, PluginDefs, PluginKind, Resolved, UnknownConnector, Wanted, config_text, connector_key_names as names,
    nearest, unknown_connector_keys,
};
use millstream_record::ErrorChain;
use millstream_runtime::{ExactlyOnceSource, herder::Validation};

use super::{Bench, stand_in::StandIn};

/// Something found in a configuration.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// The key it is about; none if about all of it.
    pub key: Option<String>,
    /// What it is.
    pub message: String,
    /// Whether the connector would be refused; otherwise it would run, and the user should know.
    pub refused: bool,
}

impl Finding {
    fn new(key: &str, message: impl Into<String>, refused: bool) -> Self {
        Self { key: Some(key.to_owned()), message: message.into(), refused }
    }
}

/// The parts of a chain that name a class: list of aliases, kind.
const STAGES: [(&str, PluginKind); 2] = [("transforms", PluginKind::Transform), ("predicates", PluginKind::Predicate)];

const CONVERTERS: [(&str, PluginKind); 3] = [
    ("key.converter", PluginKind::Converter),
    ("value.converter", PluginKind::Converter),
    ("header.converter", PluginKind::HeaderConverter),
];

impl Bench {
    /// All that is to be said of a connector's configuration.
    pub async fn look_at(&self, config: &ConfigMap) -> Vec<Finding> {
        let mut findings = self.classes(config);
        let mut submitted = millstream_config::without_providers(config);
        let mut stand_in = None;
        if let Some((finding, instead)) = self.absent(&submitted) {
            findings.push(finding);
            // A version of it cannot be looked for.
            submitted.remove(names::CONNECTOR_VERSION.name());
            stand_in = instead;
        }
        if let Some(stand_in) = &stand_in {
            stand_in.configure(&mut submitted);
        }
        let resolved = match self.worker.providers().resolve(&submitted) {
            Ok(resolved) => resolved,
            Err(error) => {
                findings.push(Finding { key: None, message: error.to_string(), refused: true });
                Resolved::plain(submitted.clone())
            }
        };
        let definitions: &dyn PluginDefs = match &stand_in {
            Some(stand_in) => stand_in,
            None => self.definitions.as_ref(),
        };
        let validation = Validation {
            plugins: self.catalogue.as_ref(),
            natives: &self.natives,
            definitions,
            clients: &self.clients,
            rules: &self.worker.client_rules(),
            exactly_once: &ExactlyOnceSource::of(&self.worker),
        };
        let validated = match stand_in {
            Some(_) => validation.of_absent(&resolved).await,
            None => validation.of_resolved(&resolved).await,
        };
        match validated {
            Ok(mut infos) => {
                resolved.redact(&submitted, &mut infos);
                for value in infos.configs.into_iter().map(|info| info.value) {
                    // Said in better words already.
                    let said = findings.iter().any(|finding| finding.key.as_deref() == Some(value.name.as_str()));
                    for error in value.errors.into_iter().filter(|_| !said) {
                        findings.push(
                            unresolved(&value.name, config).unwrap_or_else(|| Finding::new(&value.name, error, true)),
                        );
                    }
                }
            }
            Err(error) => findings.push(Finding { key: None, message: ErrorChain(&error).to_string(), refused: true }),
        }
        for unknown in unknown_connector_keys(&submitted, definitions) {
            let message = match (unknown.nearest, &stand_in) {
                (Some(nearest), None) => {
                    format!("nobody knows this key, so it has no effect; did you mean {nearest}?")
                }
                (None, None) => "nobody knows this key, so it has no effect".to_owned(),
                (Some(nearest), Some(_)) => {
                    format!("it has no effect unless the connector knows this key; did you mean {nearest}?")
                }
                // What a connector declares that is not here nobody can tell.
                (None, Some(_)) => continue,
            };
            findings.push(Finding::new(&unknown.key, message, false));
        }
        findings.sort();
        findings.dedup();
        findings
    }

    /// Why the connector that is asked for is not here, and who stands in for it if it is not here in any version.
    fn absent(&self, config: &ConfigMap) -> Option<(Finding, Option<StandIn<'_>>)> {
        let definitions = self.definitions.as_ref();
        let (class, version) = (names::CONNECTOR_CLASS.name(), names::CONNECTOR_VERSION.name());
        let stand_in = |nearest: Option<&str>| Some(StandIn::new(definitions, config, nearest));
        let named = config.get(class).and_then(Option::as_deref).map(str::trim).filter(|name| !name.is_empty());
        let Some(named) = named else {
            let message = "it is missing, and says which connector this is";
            return Some((Finding::new(class, message, true), stand_in(None)));
        };
        match definitions.connector(named) {
            Ok(_) => {}
            Err(UnknownConnector::NotFound { .. }) => {
                let kinds = [PluginKind::Source, PluginKind::Sink];
                let nearest = self.nearest_class(named, &kinds);
                return Some((self.no_such(class, named, &kinds), stand_in(nearest.as_deref())));
            }
            Err(error) => return Some((Finding::new(class, error.to_string(), true), stand_in(None))),
        }
        let selected = match Wanted::connector(config) {
            Ok(wanted) => definitions.select_connector(&wanted).map(|_| ()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        selected.err().map(|message| (Finding::new(version, message, true), None))
    }

    /// Transforms, predicates and converters that nobody has, each with the nearest that there is.
    fn classes(&self, config: &ConfigMap) -> Vec<Finding> {
        let text = |key: &str| config.get(key).and_then(Option::as_deref).map(str::trim);
        let mut findings = Vec::new();
        for (stage, kind) in STAGES {
            for alias in config_text::distinct(&config_text::list(text(stage).unwrap_or_default())) {
                let key = format!("{stage}.{alias}.type");
                if let Some(class) = text(&key).filter(|class| self.definitions.find(kind, class).is_none()) {
                    findings.push(self.no_such(&key, class, &[kind]));
                }
            }
        }
        for (key, kind) in CONVERTERS {
            if let Some(class) = text(key).filter(|class| self.definitions.find(kind, class).is_none()) {
                findings.push(self.no_such(key, class, &[kind]));
            }
        }
        findings
    }

    fn no_such(&self, key: &str, class: &str, kinds: &[PluginKind]) -> Finding {
        let word =
            kinds.first().map_or("plugin", |kind| if kind.is_connector() { "connector" } else { kind.rest_name() });
        let meant = match self.nearest_class(class, kinds) {
            Some(meant) => format!("the nearest is {meant}"),
            None => format!("there are {}", self.known_classes(kinds).join(", ")),
        };
        Finding::new(key, format!("there is no {word} {class} here; {meant}"), true)
    }

    fn known_classes(&self, kinds: &[PluginKind]) -> Vec<String> {
        kinds.iter().flat_map(|&kind| self.definitions.of_kind(kind)).map(|plugin| plugin.class.clone()).collect()
    }

    /// The class that was probably meant.
    fn nearest_class(&self, class: &str, kinds: &[PluginKind]) -> Option<String> {
        // People write a connector's class with and without its ending.
        let short = |class: &str| class.rsplit('.').next().unwrap_or_default().trim_end_matches("Connector").to_owned();
        let known = self.known_classes(kinds);
        let names: Vec<String> = known.iter().map(|class| short(class)).collect();
        let wanted = short(class);
        let meant = nearest(&wanted, names.iter().map(String::as_str))?;
        known.iter().find(|class| short(class) == meant).cloned()
    }
}

/// A value that is not known here, because it is another worker's to look up, cannot be judged.
fn unresolved(key: &str, config: &ConfigMap) -> Option<Finding> {
    let value = config.get(key).and_then(Option::as_deref)?;
    let is_variable = value.find("${").is_some_and(|at| value[at..].contains(':') && value[at..].contains('}'));
    is_variable.then(|| Finding::new(key, "its value comes from a config provider, and is not checked", false))
}
