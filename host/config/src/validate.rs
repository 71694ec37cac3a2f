//! Validation that collects every error, as Connect's validation endpoint does.

use std::collections::BTreeMap;

use crate::{ConfigDef, ConfigError, ConfigMap, ConfigType, Default, parsed::ParsedValue};

/// What checking a value needs from outside this crate.
pub trait Environment {
    /// Whether the text is a regular expression in Java's syntax.
    ///
    /// # Errors
    ///
    /// The text that Java's `PatternSyntaxException` would carry.
    fn check_regex(&self, pattern: &str) -> Result<(), String>;

    /// The class that a class name or alias stands for.
    fn resolve_class(&self, name: &str) -> Option<String>;

    /// Reads a value; a class that nobody knows is an error.
    ///
    /// # Errors
    ///
    /// In Connect's words, when the text is not of that type.
    fn parse(&self, name: &str, raw: Option<&str>, kind: ConfigType) -> Result<ParsedValue, ConfigError> {
        match ParsedValue::parse(name, raw, kind)? {
            ParsedValue::Class(class) => match self.resolve_class(&class) {
                Some(class) => Ok(ParsedValue::Class(class)),
                None => {
                    let raw = raw.unwrap_or("");
                    Err(ConfigError::invalid(name, raw, format_args!("Class {raw} could not be found.")))
                }
            },
            other => Ok(other),
        }
    }
}

/// Takes class names as they are and does not look into regular expressions: for configurations whose
/// owner checks them later.
#[derive(Clone, Copy, Debug)]
pub struct PlainEnvironment;

impl Environment for PlainEnvironment {
    fn check_regex(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn resolve_class(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }
}

/// What validation says about one key.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigValue {
    /// As written in the configuration, or as declared if it is not set there.
    pub name: String,
    /// The value in effect as text, hidden for a password; null if it could not be read.
    pub value: Option<String>,
    /// Values to offer.
    pub recommended_values: Vec<String>,
    /// Everything that is wrong with it.
    pub errors: Vec<String>,
    /// Whether a user interface should show it.
    pub visible: bool,
}

impl ConfigValue {
    /// A key without a value or an error.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None, recommended_values: Vec::new(), errors: Vec::new(), visible: true }
    }
}

impl ConfigDef {
    /// Checks every declared key and collects all errors, in declaration order.
    ///
    /// After a parse error, or when a required key is missing, the validator runs with null as Connect's
    /// does, so that one mistake can give two errors.
    pub fn validate(&self, config: &ConfigMap, environment: &dyn Environment) -> Vec<ConfigValue> {
        self.validate_parsed(config, environment).into_iter().map(|(value, _)| value).collect()
    }

    /// Like [`ConfigDef::validate`], together with the values read.
    pub(crate) fn validate_parsed(
        &self,
        config: &ConfigMap,
        environment: &dyn Environment,
    ) -> Vec<(ConfigValue, ParsedValue)> {
        let mut results = Vec::with_capacity(self.keys().len());
        for key in self.keys() {
            let mut result = ConfigValue::new(&key.name);
            let read = match (config.get(&key.name), &key.default) {
                (Some(raw), _) => environment.parse(&key.name, raw.as_deref(), key.kind),
                (None, Default::Required) => Err(ConfigError::missing(&key.name)),
                (None, _) => key.default_value(),
            };
            let value = read.unwrap_or_else(|error| {
                result.errors.push(error.message().to_owned());
                ParsedValue::Null
            });
            if let Some(Err(error)) = key.validator.as_ref().map(|rule| rule.check(&key.name, &value, environment)) {
                result.errors.push(error.message().to_owned());
            }
            result.value = value.to_text();
            result.recommended_values.clone_from(&key.recommended);
            results.push((result, value));
        }
        self.report_undefined_dependents(&mut results);
        results
    }

    fn report_undefined_dependents(&self, results: &mut Vec<(ConfigValue, ParsedValue)>) {
        let undefined: BTreeMap<&str, ()> = self
            .keys()
            .iter()
            .flat_map(|key| &key.dependents)
            .filter(|name| self.get(name).is_none())
            .map(|name| (name.as_str(), ()))
            .collect();
        for name in undefined.into_keys() {
            let mut value = ConfigValue::new(name);
            value.errors.push(format!("{name} is referred in the dependents, but not defined."));
            value.visible = false;
            results.push((value, ParsedValue::Null));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigKey, Validator};

    struct NothingKnown;

    impl Environment for NothingKnown {
        fn check_regex(&self, pattern: &str) -> Result<(), String> {
            if pattern == "(" { Err("Unclosed group near index 1\n(".to_owned()) } else { Ok(()) }
        }

        fn resolve_class(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn errors(key: ConfigKey, raw: Option<&str>) -> Vec<String> {
        let config = ConfigMap::from([(key.name.clone(), raw.map(str::to_owned))]);
        ConfigDef::of([key]).validate(&config, &NothingKnown).remove(0).errors
    }

    #[test]
    fn a_parse_error_is_followed_by_the_validators_own() {
        let key = ConfigKey::new("tasks.max", ConfigType::Int).validator(Validator::at_least(1));
        assert_eq!(
            errors(key, Some("x")),
            [
                "Invalid value x for configuration tasks.max: Not a number of type INT",
                "Invalid value null for configuration tasks.max: Value must be non-null",
            ]
        );
    }

    #[test]
    fn classes_and_regular_expressions_are_looked_into() {
        assert_eq!(
            errors(ConfigKey::new("key.converter", ConfigType::Class), Some("foo")),
            ["Invalid value foo for configuration key.converter: Class foo could not be found."]
        );
        assert_eq!(
            errors(ConfigKey::new("r", ConfigType::String).validator(Validator::Regex), Some("(")),
            ["Invalid value ( for configuration r: Invalid regex: Unclosed group near index 1\n("]
        );
    }

    #[test]
    fn a_missing_required_key_is_reported_and_has_no_value() {
        let def = ConfigDef::of([ConfigKey::new("topic", ConfigType::String)]);
        let values = def.validate(&ConfigMap::new(), &PlainEnvironment);
        assert_eq!(values[0].value, None);
        assert_eq!(values[0].errors, ["Missing required configuration \"topic\" which has no default value."]);
    }

    #[test]
    fn a_dependent_that_nobody_defines_is_an_error_of_its_own() {
        let mut key = ConfigKey::new("a", ConfigType::String).default_null();
        key.dependents.push("ghost".to_owned());
        let values = ConfigDef::of([key]).validate(&ConfigMap::new(), &PlainEnvironment);
        assert_eq!(values[1].errors, ["ghost is referred in the dependents, but not defined."]);
        assert!(!values[1].visible);
    }
}
