//! What is wrong with a connector's configuration, for a worker that does not run.

use millstream_config::{ConfigMap, PluginDefs, PluginKind, Resolved, config_text, nearest, unknown_connector_keys};
use millstream_record::ErrorChain;
use millstream_runtime::herder::Validation;

use super::Bench;

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
        let unknown_class = !findings.is_empty();
        let submitted = millstream_config::without_providers(config);
        let resolved = match self.worker.providers().resolve(&submitted) {
            Ok(resolved) => resolved,
            Err(error) => {
                findings.push(Finding { key: None, message: error.to_string(), refused: true });
                Resolved::plain(submitted.clone())
            }
        };
        let validation = Validation {
            plugins: self.catalogue.as_ref(),
            natives: &self.natives,
            definitions: self.definitions.as_ref(),
            clients: &self.clients,
            policy: self.worker.override_policy(),
        };
        match validation.of_resolved(&resolved).await {
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
            Err(error) if !unknown_class => {
                findings.push(Finding { key: None, message: ErrorChain(&error).to_string(), refused: true });
            }
            Err(_) => {}
        }
        for unknown in unknown_connector_keys(&submitted, self.definitions.as_ref()) {
            let meant = unknown.nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            findings.push(Finding::new(
                &unknown.key,
                format!("nobody knows this key, so it has no effect{meant}"),
                false,
            ));
        }
        findings.sort();
        findings.dedup();
        findings
    }

    /// Classes that nobody has, each with the nearest that there is.
    fn classes(&self, config: &ConfigMap) -> Vec<Finding> {
        let text = |key: &str| config.get(key).and_then(Option::as_deref).map(str::trim);
        let mut findings = Vec::new();
        match text("connector.class") {
            None | Some("") => {
                findings.push(Finding::new("connector.class", "it is missing, and says which connector this is", true))
            }
            Some(class) => {
                if self.definitions.connector(class).is_err() {
                    findings.push(self.no_such("connector.class", class, &[PluginKind::Source, PluginKind::Sink]));
                }
            }
        }
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
        let simple = |class: &str| class.rsplit('.').next().unwrap_or_default().to_owned();
        let known: Vec<String> =
            kinds.iter().flat_map(|&kind| self.definitions.of_kind(kind)).map(|plugin| plugin.class.clone()).collect();
        // People write a connector's class with and without its ending.
        let short = |class: &str| simple(class).trim_end_matches("Connector").to_owned();
        let wanted = short(class);
        let names: Vec<String> = known.iter().map(|class| short(class)).collect();
        let meant = nearest(&wanted, names.iter().map(String::as_str));
        let meant = meant.and_then(|meant| known.iter().find(|class| short(class) == meant));
        let word =
            kinds.first().map_or("plugin", |kind| if kind.is_connector() { "connector" } else { kind.rest_name() });
        let meant = match meant {
            Some(meant) => format!("the nearest is {meant}"),
            None => format!("there are {}", known.join(", ")),
        };
        Finding::new(key, format!("there is no {word} {class} here; {meant}"), true)
    }
}

/// A value that is not known here, because it is another worker's to look up, cannot be judged.
fn unresolved(key: &str, config: &ConfigMap) -> Option<Finding> {
    let value = config.get(key).and_then(Option::as_deref)?;
    let is_variable = value.find("${").is_some_and(|at| value[at..].contains(':') && value[at..].contains('}'));
    is_variable.then(|| Finding::new(key, "its value comes from a config provider, and is not checked", false))
}
