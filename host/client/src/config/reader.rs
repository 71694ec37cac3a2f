//! Takes declared keys out of a property map and remembers which were asked for.

use std::collections::{BTreeMap, BTreeSet};

use millstream_config::{ConfigDef, ConfigMap, ConfigType, FromConfig, Key};

/// Why properties are no usable client configuration.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid value {value:?} for configuration {key}: {reason}")]
pub struct ConfigError {
    pub key: String,
    /// Its value as given; empty when the key is missing.
    pub value: String,
    /// What is wrong with it, or would have been accepted.
    pub reason: String,
}

/// Reads one property map.
pub(super) struct Reader<'a> {
    properties: &'a BTreeMap<String, String>,
    known: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(properties: &'a BTreeMap<String, String>) -> Self {
        Self { properties, known: BTreeSet::new() }
    }

    /// The value of a key, or its default.
    pub(super) fn get<T: FromConfig>(&mut self, key: &Key<T>) -> Result<T, ConfigError> {
        self.known.insert(key.name().to_owned());
        key.read(self.properties).map_err(|refused| ConfigError {
            key: key.name().to_owned(),
            value: self.properties.get(key.name()).cloned().unwrap_or_default(),
            reason: refused.reason().to_owned(),
        })
    }

    /// The text of a key, with an empty one as absent.
    pub(super) fn filled(&mut self, key: &Key<Option<String>>) -> Result<Option<String>, ConfigError> {
        Ok(self.get(key)?.filter(|text| !text.is_empty()))
    }

    /// A number that its declaration keeps from being negative.
    pub(super) fn count(&mut self, key: &Key<i32>) -> Result<u32, ConfigError> {
        let number = self.get(key)?;
        u32::try_from(number).map_err(|_| error(key, &number.to_string(), "a number of at least 0"))
    }

    /// One of a few words, in any case; the key's rule accepts no other.
    pub(super) fn choice<T: Copy>(&mut self, key: &Key<String>, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let word = self.get(key)?;
        let chosen = choices.iter().find(|(known, _)| known.eq_ignore_ascii_case(&word));
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            error(key, &word, &format!("one of {}", words.join(", ")))
        })
    }

    /// Checks the types of all keys of a definition, which are known from then on.
    pub(super) fn get_all(&mut self, def: &ConfigDef) -> Result<(), ConfigError> {
        for key in def.keys() {
            let Some(value) = self.properties.get(&key.name) else { continue };
            self.known.insert(key.name.clone());
            let alone = ConfigDef::of([key.clone()]);
            let given = ConfigMap::from([(key.name.clone(), Some(value.clone()))]);
            alone.parse(&given).map_err(|refused| ConfigError {
                key: key.name.clone(),
                value: if key.kind == ConfigType::Password { "[hidden]".to_owned() } else { value.clone() },
                reason: refused.reason().to_owned(),
            })?;
        }
        Ok(())
    }

    /// The text of a key as it is given.
    pub(super) fn raw(&self, key: &str) -> Option<String> {
        self.properties.get(key).cloned()
    }

    /// Whether a key is given.
    pub(super) fn is_given<T>(&self, key: &Key<T>) -> bool {
        self.properties.contains_key(key.name())
    }

    /// Keys nobody asked for, in order.
    pub(super) fn ignored(self) -> Vec<String> {
        self.properties.keys().filter(|key| !self.known.contains(key.as_str())).cloned().collect()
    }
}

/// A value of a key that its declaration accepts and that cannot be used all the same.
pub(super) fn error<T>(key: &Key<T>, value: &str, expected: &str) -> ConfigError {
    ConfigError { key: key.name().to_owned(), value: value.to_owned(), reason: format!("expected {expected}") }
}
