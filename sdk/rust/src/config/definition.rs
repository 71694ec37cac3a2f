//! The keys of a plugin, and parsing with them.

use millstream_values::config_text::{self, TextType, TextValue};

use super::{ConfigMap, ConfigValue, ConfigValues, Key, KeyType, Validator, validator::Refusal};
use crate::{Error, Result};

/// The keys that a plugin knows, in the order they are to be shown.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ConfigDef {
    keys: Vec<Key>,
}

impl ConfigDef {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a key.
    ///
    /// # Panics
    ///
    /// If there is a key of that name.
    pub fn key(mut self, key: Key) -> Self {
        assert!(self.keys.iter().all(|other| other.name != key.name), "key {} is defined twice", key.name);
        self.keys.push(key);
        self
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Parses a configuration. Keys that are not defined are kept among the originals.
    ///
    /// # Errors
    ///
    /// What is wrong with the first key at fault, as a ConfigException in Kafka's words.
    pub fn parse(&self, config: &ConfigMap) -> Result<ConfigValues> {
        let mut values = ConfigValues { originals: config.clone(), ..ConfigValues::default() };
        for key in &self.keys {
            values.parsed.insert(key.name.clone(), key.parse(config)?);
        }
        Ok(values)
    }

    /// What the plugin's own checks ([`Key::check`]) say about a configuration: keys at fault, each
    /// with a text. Keys that the host refuses anyway are left out.
    pub fn run_checks(&self, config: &ConfigMap) -> Vec<(String, String)> {
        let failed = |key: &Key| {
            let check = key.check?;
            let value = key.parse_unchecked(config).ok()?;
            let problem = check(&value).err()?;
            Some((key.name.clone(), key.invalid(&value.to_string(), &problem).message))
        };
        self.keys.iter().filter_map(failed).collect()
    }
}

impl Key {
    /// The value in a configuration, or the default.
    fn parse(&self, config: &ConfigMap) -> Result<ConfigValue> {
        let value = self.parse_unchecked(config)?;
        if let Some(check) = self.check {
            check(&value).map_err(|problem| self.invalid(&value.to_string(), &problem))?;
        }
        Ok(value)
    }

    /// Without the plugin's own check.
    fn parse_unchecked(&self, config: &ConfigMap) -> Result<ConfigValue> {
        if config.entry(&self.name).is_none() && self.required {
            return Err(Error::config(format!(
                "Missing required configuration \"{}\" which has no default value.",
                self.name
            )));
        }
        let value = match self.raw(config) {
            None => ConfigValue::Null,
            Some(raw) => parse_text(self.kind, raw).map_err(|problem| self.invalid(raw, &problem))?,
        };
        // Where Kafka reads a configuration, what such a list names twice counts once; the host refuses it before,
        // where the configuration is validated.
        let value = match (value, &self.validator) {
            (ConfigValue::List(items), Some(Validator::List { allow_duplicates: false, .. })) => {
                ConfigValue::List(config_text::distinct(&items))
            }
            (value, _) => value,
        };
        if let Some(validator) = &self.validator {
            validator.check(&self.name, &value).map_err(|refusal| match refusal {
                Refusal::Problem(problem) => self.invalid(&value.to_string(), &problem),
                Refusal::Item { item, problem } => self.invalid(&item, &problem),
                Refusal::Message(message) => Error::config(message),
            })?;
        }
        Ok(value)
    }

    /// A key that is present without a value is null, whatever its default.
    fn raw<'a>(&'a self, config: &'a ConfigMap) -> Option<&'a str> {
        config.entry(&self.name).unwrap_or(self.default.as_deref())
    }

    /// A refusal of text that could not be parsed, or of a parsed value.
    fn invalid(&self, shown: &str, problem: &str) -> Error {
        let shown = if self.kind == KeyType::Password && shown != "null" { "[hidden]" } else { shown };
        Error::config(format!("Invalid value {shown} for configuration {}: {problem}", self.name))
    }
}

fn parse_text(kind: KeyType, raw: &str) -> Result<ConfigValue, String> {
    let text_type = match kind {
        KeyType::String | KeyType::Password | KeyType::Class => TextType::Text,
        KeyType::Boolean => TextType::Boolean,
        KeyType::Short => TextType::Integer(16),
        KeyType::Int => TextType::Integer(32),
        KeyType::Long => TextType::Integer(64),
        KeyType::Double => TextType::Double,
        KeyType::List => TextType::List,
    };
    match config_text::read(raw, text_type) {
        Some(TextValue::Text(text)) => Ok(ConfigValue::String(text)),
        Some(TextValue::Boolean(value)) => Ok(ConfigValue::Boolean(value)),
        // The number fits: it was read for this type.
        Some(TextValue::Integer(number)) => Ok(match kind {
            KeyType::Short => ConfigValue::Short(number as i16),
            KeyType::Int => ConfigValue::Int(number as i32),
            _ => ConfigValue::Long(number),
        }),
        Some(TextValue::Double(number)) => Ok(ConfigValue::Double(number)),
        Some(TextValue::List(items)) => Ok(ConfigValue::List(items)),
        None if kind == KeyType::Boolean => Err("Expected value to be either true or false".to_owned()),
        None => Err(format!("Not a number of type {}", kind.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("topic").required().non_empty())
            .key(Key::int("batch.size").default(2000).range(1..))
            .key(Key::string("mode").default("slow").one_of(&["slow", "fast"]))
            .key(Key::list("tags"))
            .key(Key::boolean("loud").default(false))
            .key(Key::double("ratio"))
            .key(Key::password("secret").check(|value| match value {
                ConfigValue::String(text) if text.len() < 3 => Err("too short".to_owned()),
                _ => Ok(()),
            }))
    }

    #[track_caller]
    fn check_refused(config: ConfigMap, message: &str) {
        let error = definition().parse(&config).expect_err("refused");
        assert_eq!(error.message, message);
        assert_eq!(error.class, crate::error::class::CONFIG_EXCEPTION);
    }

    #[test]
    fn values_are_trimmed_and_defaults_filled_in() {
        let config = ConfigMap::from([("topic", " a "), ("tags", " x , y,"), ("loud", " TRUE"), ("ratio", "1.5e3d")]);
        let values = definition().parse(&config).expect("accepted");
        assert_eq!(values.string("topic"), Ok("a"));
        assert_eq!(values.int("batch.size"), Ok(2000));
        assert_eq!(values.list("tags"), Ok(&["x".to_owned(), "y".to_owned(), String::new()][..]));
        assert_eq!(values.boolean("loud"), Ok(true));
        assert_eq!(values.double("ratio"), Ok(1500.0));
        assert_eq!(values.opt_string("secret"), None);
    }

    #[test]
    fn what_a_list_names_twice_counts_once_where_its_key_forbids_that() {
        let key = |validator: Option<Validator>| match validator {
            Some(validator) => Key::list("names").validator(validator),
            None => Key::list("names"),
        };
        let read = |validator, text: &str| {
            let definition = ConfigDef::new().key(key(validator));
            let values = definition.parse(&ConfigMap::from([("names", text)]))?;
            Ok::<_, Error>(values.list("names")?.join("|"))
        };
        assert_eq!(read(Some(Validator::non_empty_list()), "a, b,a"), Ok("a|b".to_owned()));
        assert_eq!(read(None, "a,b,a"), Ok("a|b|a".to_owned()));
        let refusal = read(Some(Validator::non_empty_list()), "a,").expect_err("refused").message;
        assert_eq!(refusal, "Configuration 'names' values must not be empty.");
        let refusal = read(Some(Validator::SomeItems), "").expect_err("refused").message;
        assert_eq!(refusal, "Invalid value [] for configuration names: Empty list");
    }

    #[test]
    fn a_refusal_has_kafkas_words() {
        check_refused(ConfigMap::new(), "Missing required configuration \"topic\" which has no default value.");
        check_refused(
            ConfigMap::from([("topic", " ")]),
            "Invalid value  for configuration topic: String must be non-empty",
        );
        let topic = ConfigMap::from([("topic", "t")]);
        check_refused(
            topic.clone().with("batch.size", "x"),
            "Invalid value x for configuration batch.size: Not a number of type INT",
        );
        check_refused(
            topic.clone().with("batch.size", "0"),
            "Invalid value 0 for configuration batch.size: Value must be at least 1",
        );
        check_refused(
            topic.clone().with("mode", "Fast"),
            "Invalid value Fast for configuration mode: String must be one of: slow, fast",
        );
        check_refused(
            topic.clone().with("loud", "yes"),
            "Invalid value yes for configuration loud: Expected value to be either true or false",
        );
        check_refused(
            topic.clone().with("ratio", "inf"),
            "Invalid value inf for configuration ratio: Not a number of type DOUBLE",
        );
        check_refused(topic.with("secret", "12"), "Invalid value [hidden] for configuration secret: too short");
    }

    #[test]
    fn a_key_set_to_nothing_is_null_despite_its_default() {
        let mut config = ConfigMap::from([("topic", "t")]);
        config.set("loud", None);
        assert_eq!(definition().parse(&config).expect("accepted").opt_boolean("loud"), None);
        config.set("batch.size", None);
        check_refused(config, "Invalid value null for configuration batch.size: Value must be non-null");
    }

    #[test]
    fn the_plugins_own_checks_run_alone_for_the_host() {
        let config = ConfigMap::from([("secret", "1"), ("loud", "no such thing")]);
        let problem = "Invalid value [hidden] for configuration secret: too short".to_owned();
        assert_eq!(definition().run_checks(&config), [("secret".to_owned(), problem)]);
    }
}
