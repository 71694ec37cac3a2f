//! Values after parsing, and a whole configuration of them.

use std::{collections::BTreeMap, fmt, time::Duration};

use millstream_values::{
    config_text::{self, TextType, TextValue},
    java_text::f64_text,
};

use crate::{ConfigDef, ConfigError, ConfigMap, ConfigType, Default, Environment, HIDDEN, PlainEnvironment};

/// A value of a declared type.
#[derive(Clone, PartialEq)]
pub enum ParsedValue {
    /// Not set, or set to null.
    Null,
    /// STRING, trimmed.
    Text(String),
    /// PASSWORD; hidden when printed.
    Password(String),
    /// BOOLEAN, whatever the case it was written in.
    Boolean(bool),
    /// SHORT, INT or LONG, within the range of the type.
    Integer(i64),
    /// DOUBLE; possibly NaN or an infinity.
    Double(f64),
    /// LIST; without blanks around its items.
    List(Vec<String>),
    /// CLASS: a plugin's class name, or the text as written where nobody looked it up.
    Class(String),
}

impl ParsedValue {
    /// Reads a text as a type. Class names are taken as they are; [`ConfigDef::validate`] looks them up.
    ///
    /// # Errors
    ///
    /// In Connect's words, when the text is not of that type.
    pub fn parse(name: &str, raw: Option<&str>, kind: ConfigType) -> Result<Self, ConfigError> {
        let Some(raw) = raw else { return Ok(Self::Null) };
        let text_type = match kind {
            ConfigType::String | ConfigType::Password | ConfigType::Class => TextType::Text,
            ConfigType::Boolean => TextType::Boolean,
            ConfigType::Short => TextType::Integer(16),
            ConfigType::Int => TextType::Integer(32),
            ConfigType::Long => TextType::Integer(64),
            ConfigType::Double => TextType::Double,
            ConfigType::List => TextType::List,
        };
        match config_text::read(raw, text_type) {
            Some(TextValue::Text(text)) => Ok(match kind {
                ConfigType::Password => Self::Password(text),
                ConfigType::Class => Self::Class(text),
                _ => Self::Text(text),
            }),
            Some(TextValue::Boolean(value)) => Ok(Self::Boolean(value)),
            Some(TextValue::Integer(number)) => Ok(Self::Integer(number)),
            Some(TextValue::Double(number)) => Ok(Self::Double(number)),
            Some(TextValue::List(items)) => Ok(Self::List(items)),
            None if kind == ConfigType::Boolean => {
                Err(ConfigError::invalid(name, raw, "Expected value to be either true or false"))
            }
            None => Err(ConfigError::invalid(name, raw, format_args!("Not a number of type {}", kind.as_str()))),
        }
    }

    /// The value as the REST API shows it: lists joined by commas, passwords hidden.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::List(items) => Some(items.join(",")),
            Self::Class(name) => Some(name.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// As Java prints it inside error messages.
impl fmt::Display for ParsedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => f.write_str(text),
            Self::Password(_) => f.write_str(HIDDEN),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => f.write_str(&f64_text(*value)),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
            Self::Class(name) => write!(f, "class {name}"),
        }
    }
}

impl fmt::Debug for ParsedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The entries beneath a prefix, which is removed.
pub fn originals_with_prefix(config: &ConfigMap, prefix: &str) -> ConfigMap {
    config
        .range(prefix.to_owned()..)
        .take_while(|(key, _)| key.starts_with(prefix))
        .map(|(key, value)| (key[prefix.len()..].to_owned(), value.clone()))
        .collect()
}

/// A configuration that fits its definition. Keys that nobody declared are kept as text.
///
/// The typed getters panic when asked for a key that the definition does not declare with that type:
/// that is a mistake in the program, never one of the user.
#[derive(Clone, PartialEq)]
pub struct ParsedConfig {
    values: BTreeMap<String, ParsedValue>,
    originals: ConfigMap,
    repeated: Vec<String>,
}

impl ConfigDef {
    /// Reads a configuration and stops at the first error, in declaration order.
    ///
    /// # Errors
    ///
    /// The first key that is missing, of the wrong type, or refused by its validator. Regular expressions
    /// and class names are not looked into; see [`ConfigDef::parse_in`].
    pub fn parse(&self, config: &ConfigMap) -> Result<ParsedConfig, ConfigError> {
        self.parse_in(config, &PlainEnvironment)
    }

    /// Like [`ConfigDef::parse`], where the environment knows classes and regular expressions.
    ///
    /// # Errors
    ///
    /// As for [`ConfigDef::parse`].
    pub fn parse_in(&self, config: &ConfigMap, environment: &dyn Environment) -> Result<ParsedConfig, ConfigError> {
        let (mut values, mut repeated) = (BTreeMap::new(), Vec::new());
        for key in self.keys() {
            let value = match (config.get(&key.name), &key.default) {
                (Some(raw), _) => environment.parse(&key.name, raw.as_deref(), key.kind)?,
                (None, Default::Required) => return Err(ConfigError::missing(&key.name)),
                (None, _) => key.default_value()?,
            };
            let value = match (value, &key.validator) {
                (ParsedValue::List(items), Some(rule)) if rule.drops_repeated_items() => {
                    let kept = config_text::distinct(&items);
                    if kept.len() < items.len() {
                        repeated.push(format!(
                            "{} names something twice, which counts once: [{}] is read as [{}]",
                            key.name,
                            items.join(", "),
                            kept.join(", ")
                        ));
                    }
                    ParsedValue::List(kept)
                }
                (value, _) => value,
            };
            if let Some(validator) = &key.validator {
                validator.check(&key.name, &value, environment)?;
            }
            values.insert(key.name.clone(), value);
        }
        Ok(ParsedConfig { values, originals: config.clone(), repeated })
    }
}

impl ParsedConfig {
    /// The value of a declared key, null if it has none.
    pub fn value(&self, name: &str) -> &ParsedValue {
        self.values.get(name).unwrap_or(&ParsedValue::Null)
    }

    /// Whether the user wrote the key.
    pub fn is_set(&self, name: &str) -> bool {
        self.originals.contains_key(name)
    }

    /// The text of a STRING, PASSWORD or CLASS; `None` for null.
    pub fn optional_string(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            ParsedValue::Text(text) | ParsedValue::Password(text) | ParsedValue::Class(text) => Some(text),
            ParsedValue::Null => None,
            other => unreachable!("{name} is asked for as text and holds {other}"),
        }
    }

    /// The text of a STRING, PASSWORD or CLASS; empty for null.
    pub fn string(&self, name: &str) -> &str {
        self.optional_string(name).unwrap_or("")
    }

    /// The number of a SHORT, INT or LONG; `None` for null.
    pub fn optional_long(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            ParsedValue::Integer(number) => Some(*number),
            ParsedValue::Null => None,
            other => unreachable!("{name} is asked for as a number and holds {other}"),
        }
    }

    /// The number of a SHORT, INT or LONG whose value cannot be null.
    pub fn long(&self, name: &str) -> i64 {
        self.optional_long(name).unwrap_or_else(|| unreachable!("{name} has no value"))
    }

    /// The number of a SHORT or INT whose value cannot be null.
    pub fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or_else(|_| unreachable!("{name} is no INT"))
    }

    /// The number of a DOUBLE; `None` for null.
    pub fn optional_double(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            ParsedValue::Double(number) => Some(*number),
            ParsedValue::Null => None,
            other => unreachable!("{name} is asked for as a double and holds {other}"),
        }
    }

    /// A BOOLEAN; `false` for null.
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            ParsedValue::Boolean(value) => *value,
            ParsedValue::Null => false,
            other => unreachable!("{name} is asked for as a boolean and holds {other}"),
        }
    }

    /// The items of a LIST; `None` for null.
    pub fn optional_list(&self, name: &str) -> Option<&[String]> {
        match self.value(name) {
            ParsedValue::List(items) => Some(items),
            ParsedValue::Null => None,
            other => unreachable!("{name} is asked for as a list and holds {other}"),
        }
    }

    /// The items of a LIST; none for null.
    pub fn list(&self, name: &str) -> &[String] {
        self.optional_list(name).unwrap_or(&[])
    }

    /// A number of milliseconds; a negative one counts as zero, `None` for null.
    pub fn optional_millis(&self, name: &str) -> Option<Duration> {
        self.optional_long(name).map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// What to warn of: lists that name something twice though their key allows no repetition. As in Kafka, that is
    /// an error where a configuration is validated, and put right where it is read.
    pub fn repeated_items(&self) -> &[String] {
        &self.repeated
    }

    /// Everything the user wrote, unread.
    pub fn originals(&self) -> &ConfigMap {
        &self.originals
    }

    /// What the user wrote beneath a prefix, which is removed.
    pub fn originals_with_prefix(&self, prefix: &str) -> ConfigMap {
        originals_with_prefix(&self.originals, prefix)
    }

    /// Declared keys with their values as text, passwords hidden: what is logged at start.
    pub fn masked(&self) -> impl Iterator<Item = (&str, String)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.to_string()))
    }
}

/// Shows declared values only, so that secrets among undeclared keys stay out of logs.
impl fmt::Debug for ParsedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.masked()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigKey;

    #[test]
    fn the_first_error_in_declaration_order_is_reported() {
        let def = ConfigDef::of([ConfigKey::new("b", ConfigType::Int), ConfigKey::new("a", ConfigType::Boolean)]);
        let config = ConfigMap::from([("b".into(), Some("x".into())), ("a".into(), Some("y".into()))]);
        assert_eq!(
            def.parse(&config).unwrap_err().message(),
            "Invalid value x for configuration b: Not a number of type INT"
        );
        let config = ConfigMap::from([("b".into(), Some("1".into()))]);
        assert_eq!(
            def.parse(&config).unwrap_err().message(),
            "Missing required configuration \"a\" which has no default value."
        );
    }

    #[test]
    fn a_password_is_never_printed() {
        let def = ConfigDef::of([ConfigKey::new("p", ConfigType::Password)]);
        let parsed = def.parse(&ConfigMap::from([("p".into(), Some(" secret ".into()))])).unwrap();
        assert_eq!(parsed.string("p"), "secret");
        assert!(!format!("{parsed:?}").contains("secret"));
        assert_eq!(parsed.value("p").to_text().as_deref(), Some(HIDDEN));
    }

    #[test]
    fn originals_beneath_a_prefix_lose_it() {
        let config =
            ConfigMap::from([("a.x".into(), Some("1".into())), ("a.y".into(), None), ("ab".into(), Some("2".into()))]);
        let under = originals_with_prefix(&config, "a.");
        assert_eq!(under, ConfigMap::from([("x".into(), Some("1".into())), ("y".into(), None)]));
    }
}
