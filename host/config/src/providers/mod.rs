//! Config providers: where the values of variables such as `${file:/etc/db.properties:password}` come from.
//!
//! A configuration is kept as it was submitted, with its variables; [`Providers::resolve`] makes the one that is used. It
//! reads files, and so blocks: callers that may not block run it elsewhere. What it put in place of variables is secret,
//! see [`Resolved::hide`].

mod sources;
mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use self::{
    sources::{AllowedPaths, DirectorySource, EnvironmentSource, FileSource, Source},
    variables::variables,
};
use crate::{ConfigError, ConfigInfos, ConfigMap, originals_with_prefix, plugin_defs::simple_name, secrets::Secrets};
use millstream_values::config_text;

/// The keys of providers.
const PREFIX: &str = "config.providers";
/// A parameter: beneath which paths may be read.
const ALLOWED_PATHS: &str = "allowed.paths";
/// A parameter: which variables of the environment may be read.
const ALLOWLIST_PATTERN: &str = "allowlist.pattern";
/// A parameter of ours: for how many milliseconds a value holds.
const TTL: &str = "ttl.ms";

/// The providers that a worker's configuration declares.
#[derive(Default)]
pub struct Providers {
    by_name: BTreeMap<String, Provider>,
}

struct Provider {
    source: Box<dyn Source>,
    ttl: Option<Duration>,
}

/// By provider and path: values by key.
type Found<'a> = BTreeMap<(&'a str, &'a str), BTreeMap<String, String>>;

/// A configuration whose variables are resolved.
#[derive(Clone, Default)]
pub struct Resolved {
    /// The configuration with values in place of variables: never to be stored or shown.
    pub config: ConfigMap,
    /// When to look the values up again; `None` if they hold for good.
    pub ttl: Option<Duration>,
    /// What was put in place of variables.
    secrets: BTreeSet<String>,
    /// Values of passwords, wherever they came from.
    passwords: BTreeSet<String>,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.by_name.keys()).finish()
    }
}

impl Providers {
    /// The providers of a worker's properties: `config.providers` names them, `config.providers.NAME.class` says what
    /// they are, and `config.providers.NAME.param.…` are their parameters. Takes the environment as it is now.
    ///
    /// A name without a class provides nothing, as in Connect, and is warned about.
    ///
    /// # Errors
    ///
    /// A class that is none of the three, or a parameter that is wrong.
    pub fn of_worker(properties: &ConfigMap) -> Result<Self, ConfigError> {
        let names = properties.get(PREFIX).and_then(Option::as_deref).unwrap_or_default();
        let mut by_name = BTreeMap::new();
        for name in config_text::list(names) {
            let class_key = format!("{PREFIX}.{name}.class");
            let Some(class) = properties.get(&class_key).and_then(Option::as_deref).map(str::trim) else {
                tracing::warn!("config provider {name} provides nothing, since {class_key} is missing");
                continue;
            };
            by_name.insert(name.clone(), Provider::new(&name, &class_key, class, properties)?);
        }
        Ok(Self { by_name })
    }

    /// Puts values in place of the variables. A variable of a provider that nobody declared, or whose key is not there,
    /// stays as it is, as in Connect; the latter with a warning that names it. Reads files, and so blocks.
    ///
    /// # Errors
    ///
    /// A provider that fails. The message names the variable, and the key it stands at.
    pub fn resolve(&self, config: &ConfigMap) -> Result<Resolved, ConfigError> {
        let found = self.look_up(config)?;
        let mut resolved = Resolved { config: config.clone(), ..Resolved::default() };
        for (key, value) in &mut resolved.config {
            let Some(text) = value else { continue };
            let mut new = String::new();
            let mut from = 0;
            for variable in variables(text) {
                let Some(values) = found.get(&(variable.provider, variable.path)) else { continue };
                let Some(secret) = values.get(variable.key) else {
                    tracing::warn!(
                        "{} has no value: {key} keeps it as a text. Check its path and key",
                        &text[variable.place.clone()]
                    );
                    continue;
                };
                resolved.secrets.insert(secret.clone());
                new.push_str(&text[from..variable.place.start]);
                new.push_str(secret);
                from = variable.place.end;
            }
            if from > 0 {
                new.push_str(&text[from..]);
                *value = Some(new);
            }
        }
        resolved.ttl = found.keys().filter_map(|(provider, _)| self.by_name.get(*provider)?.ttl).min();
        Ok(resolved)
    }

    /// Whether a configuration has a variable that one of the providers would be asked for.
    pub fn concern(&self, config: &ConfigMap) -> bool {
        let mut texts = config.values().flatten();
        texts.any(|text| variables(text).any(|variable| self.by_name.contains_key(variable.provider)))
    }

    /// What each provider has beneath each path, asked once for all keys.
    fn look_up<'a>(&self, config: &'a ConfigMap) -> Result<Found<'a>, ConfigError> {
        let mut asked: BTreeMap<(&str, &str), (&str, BTreeSet<&str>)> = BTreeMap::new();
        for (key, text) in config.iter().filter_map(|(key, value)| Some((key, value.as_deref()?))) {
            for variable in variables(text).filter(|variable| self.by_name.contains_key(variable.provider)) {
                let (_, keys) =
                    asked.entry((variable.provider, variable.path)).or_insert_with(|| (key, BTreeSet::new()));
                keys.insert(variable.key);
            }
        }
        let mut found = BTreeMap::new();
        for ((name, path), (key, keys)) in asked {
            let provider = &self.by_name[name];
            let values = provider.source.get(path, &keys).map_err(|error| {
                ConfigError::new(format!(
                    "{} (config provider {name}, needed for configuration {key})",
                    error.message()
                ))
            })?;
            found.insert((name, path), values);
        }
        Ok(found)
    }
}

impl Provider {
    fn new(name: &str, class_key: &str, class: &str, properties: &ConfigMap) -> Result<Self, ConfigError> {
        let prefix = format!("{PREFIX}.{name}.param.");
        let parameters = originals_with_prefix(properties, &prefix);
        let simple = simple_name(class);
        let source: Box<dyn Source> = match simple.strip_suffix("ConfigProvider").unwrap_or(simple) {
            "File" => Box::new(FileSource(AllowedPaths::of(&prefix, &parameters)?)),
            "Directory" => Box::new(DirectorySource(AllowedPaths::of(&prefix, &parameters)?)),
            "EnvVar" => Box::new(EnvironmentSource::new(std::env::vars_os(), &prefix, &parameters)?),
            _ => {
                let there_are = format!(
                    "Class {class} could not be found. There are FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider"
                );
                return Err(ConfigError::invalid(class_key, class, there_are));
            }
        };
        let ttl = match parameters.get(TTL).and_then(Option::as_deref).map(str::trim).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => match text.parse() {
                Ok(ms) if ms > 0 => Some(Duration::from_millis(ms)),
                _ => {
                    return Err(ConfigError::invalid(
                        &format!("{prefix}{TTL}"),
                        text,
                        "it must be a number of milliseconds above 0",
                    ));
                }
            },
        };
        Ok(Self { source, ttl })
    }
}

impl Resolved {
    /// A configuration as it is, without variables that a provider knows.
    pub fn plain(config: ConfigMap) -> Self {
        Self { config, ..Self::default() }
    }

    /// The same with these values of passwords as further secrets.
    pub fn with_passwords<'a>(mut self, passwords: impl IntoIterator<Item = &'a str>) -> Self {
        self.passwords.extend(passwords.into_iter().map(str::to_owned));
        self
    }

    /// What came from providers, and passwords.
    pub fn secrets(&self) -> Secrets {
        Secrets::of(self.secrets.union(&self.passwords).map(String::as_str))
    }

    /// A text in which everything that came from a provider, and each password, is replaced by `[hidden]`; values of less
    /// than four bytes are not looked for.
    pub fn hide(&self, text: &str) -> String {
        self.secrets().hide(text).into_owned()
    }

    /// Takes what came from providers out of a validation's answer: a value is answered as the reference that was
    /// `submitted`, and what is wrong with it in one general sentence (as Connect 4.4 does). Other keys' errors may repeat
    /// a value and have it hidden.
    pub fn redact(&self, submitted: &ConfigMap, infos: &mut ConfigInfos) {
        if self.secrets.is_empty() {
            return;
        }
        let secrets = Secrets::of(self.secrets.iter().map(String::as_str));
        for value in infos.configs.iter_mut().map(|info| &mut info.value) {
            let reference = submitted.get(&value.name).filter(|text| self.config.get(&value.name) != Some(text));
            let Some(reference) = reference else {
                for text in value.errors.iter_mut().chain(&mut value.value) {
                    *text = secrets.hide(text).into_owned();
                }
                continue;
            };
            value.value.clone_from(reference);
            if !value.errors.is_empty() {
                value.errors = vec![format!(
                    "Invalid value for configuration '{}': the value resolved from the config provider reference failed validation",
                    value.name
                )];
            }
        }
    }
}

/// Puts the references back into a task's configuration: a key whose value in the connector's configuration has a
/// variable gets that value as it was submitted, so that no secret reaches what is stored.
pub fn restore_references(connector: &ConfigMap, task: &mut ConfigMap) {
    for (key, value) in task {
        if let Some(Some(submitted)) = connector.get(key)
            && variables(submitted).next().is_some()
        {
            *value = Some(submitted.clone());
        }
    }
}

/// Takes the declaration of providers out of a connector's configuration: only the worker's own are asked.
pub fn without_providers(config: &ConfigMap) -> ConfigMap {
    let declares = |key: &str| key == PREFIX || key.starts_with(&format!("{PREFIX}."));
    config.iter().filter(|(key, _)| !declares(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
