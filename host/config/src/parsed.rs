//! Values after parsing, and a whole configuration of them.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    ConfigDef, ConfigError, ConfigMap, ConfigType, Default, Environment, HIDDEN, PlainEnvironment,
    number_text::{double_text, parse_double, parse_integer},
};

/// A value of a declared type.
#[derive(Clone, PartialEq)]
pub enum ParsedValue {
    /// Not set, or set to null.
    Null,
    /// STRING.
    Text(String),
    /// PASSWORD; hidden when printed.
    Password(String),
    /// BOOLEAN.
    Boolean(bool),
    /// SHORT, INT or LONG, within the range of the type.
    Integer(i64),
    /// DOUBLE.
    Double(f64),
    /// LIST.
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
        // Java's trim removes everything up to and including the space character.
        let text = raw.trim_matches(|c: char| c <= ' ');
        let integer = |min: i64, max: i64| {
            parse_integer(text, min, max)
                .map(Self::Integer)
                .ok_or_else(|| ConfigError::invalid(name, raw, format_args!("Not a number of type {}", kind.as_str())))
        };
        match kind {
            ConfigType::String => Ok(Self::Text(text.to_owned())),
            ConfigType::Password => Ok(Self::Password(text.to_owned())),
            ConfigType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            ConfigType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            ConfigType::Boolean => Err(ConfigError::invalid(name, raw, "Expected value to be either true or false")),
            ConfigType::Short => integer(i16::MIN.into(), i16::MAX.into()),
            ConfigType::Int => integer(i32::MIN.into(), i32::MAX.into()),
            ConfigType::Long => integer(i64::MIN, i64::MAX),
            ConfigType::Double => parse_double(text)
                .map(Self::Double)
                .ok_or_else(|| ConfigError::invalid(name, raw, "Not a number of type DOUBLE")),
            ConfigType::List => Ok(Self::List(split_list(text))),
            ConfigType::Class => Ok(Self::Class(text.to_owned())),
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
            Self::Double(value) => f.write_str(&double_text(*value)),
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

/// Splits at commas and drops the white space around them, as Connect does. Empty items stay.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return Vec::new();
    }
    let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    text.split(',').map(|item| item.trim_matches(white).to_owned()).collect()
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
        let mut values = BTreeMap::new();
        for key in self.keys() {
            let value = match (config.get(&key.name), &key.default) {
                (Some(raw), _) => environment.parse(&key.name, raw.as_deref(), key.kind)?,
                (None, Default::Required) => return Err(ConfigError::missing(&key.name)),
                (None, _) => key.default_value()?,
            };
            if let Some(validator) = &key.validator {
                validator.check(&key.name, &value, environment)?;
            }
            values.insert(key.name.clone(), value);
        }
        Ok(ParsedConfig { values, originals: config.clone() })
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

    fn list(text: &str) -> Vec<String> {
        split_list(text)
    }

    #[test]
    fn a_list_keeps_its_empty_items_and_loses_white_space() {
        assert_eq!(list(" a , b,c "), ["a", "b", "c"]);
        assert_eq!(list("a,,b,"), ["a", "", "b", ""]);
        assert!(list("   ").is_empty());
    }

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
