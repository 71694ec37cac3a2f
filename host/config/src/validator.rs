//! Which values a key accepts beyond its type: a closed list, so that a plugin's rules run in the host.

use crate::{ConfigError, Environment, parsed::ParsedValue};

/// A rule for a value. Texts are Connect's.
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// A number between the bounds, both included. Null is refused.
    Range {
        /// Smallest accepted value.
        min: Option<f64>,
        /// Largest accepted value.
        max: Option<f64>,
    },
    /// A number between the bounds, both included, or one beside them. Null is refused.
    RangeOr {
        /// Smallest accepted value of the range.
        min: f64,
        /// Largest accepted value of the range.
        max: f64,
        /// The value beside it.
        or: f64,
    },
    /// One of these texts, exactly.
    OneOf(Vec<String>),
    /// One of these texts, in any case. Messages name them in this order, in capitals.
    OneOfIgnoreCase(Vec<String>),
    /// Not the empty text. Null is accepted.
    NonEmpty,
    /// Not null.
    NonNull,
    /// Not the empty text, and no ISO control characters. Null is accepted.
    NonEmptyWithoutControlChars,
    /// A list without empty items.
    List {
        /// Whether it may have no items at all.
        allow_empty: bool,
        /// Whether it may be null.
        allow_null: bool,
        /// Whether an item may occur twice.
        allow_duplicates: bool,
        /// The only items accepted; any if there are none here.
        one_of: Vec<String>,
    },
    /// Names that stand for something: a list that is not null and names nothing twice.
    UniqueAliases,
    /// A list with at least one item, whatever the items are. Null is refused.
    SomeItems,
    /// A regular expression in Java's syntax. Null is accepted.
    Regex,
    /// All of these, checked in order.
    All(Vec<Validator>),
    /// Either null or what the rule inside accepts.
    NullOr(Box<Validator>),
    /// The rule of a key that stands beneath a prefix; messages name the key without it, as Connect's do.
    Embedded {
        /// What precedes the plugin's own key name.
        prefix: String,
        /// The plugin's rule.
        rule: Box<Validator>,
    },
    /// A rule in the plugin's own code, described for people. The host accepts everything here.
    Custom(String),
}

impl Validator {
    /// A list that names nothing empty and nothing twice.
    pub fn list(allow_empty: bool, allow_null: bool) -> Self {
        Self::List { allow_empty, allow_null, allow_duplicates: false, one_of: Vec::new() }
    }

    /// `min` or more, whatever the type of number.
    pub fn at_least(min: i32) -> Self {
        Self::Range { min: Some(min.into()), max: None }
    }

    /// Between these, both included.
    pub fn between(min: f64, max: f64) -> Self {
        Self::Range { min: Some(min), max: Some(max) }
    }

    /// One of these texts, exactly.
    pub fn one_of(values: &[&str]) -> Self {
        Self::OneOf(values.iter().map(|&value| value.to_owned()).collect())
    }

    /// One of these texts, in any case.
    pub fn one_of_ignore_case(values: &[&str]) -> Self {
        Self::OneOfIgnoreCase(values.iter().map(|&value| value.to_owned()).collect())
    }

    /// Checks a value of a key.
    ///
    /// # Errors
    ///
    /// The first broken rule, in Connect's words.
    pub fn check(&self, name: &str, value: &ParsedValue, environment: &dyn Environment) -> Result<(), ConfigError> {
        let refuse = |message: String| Err(ConfigError::invalid(name, value, message));
        match self {
            Self::Range { min, max } => {
                let number = match value {
                    // Every bound in use is far below 2^53, where the comparison in doubles is exact.
                    ParsedValue::Integer(number) => *number as f64,
                    ParsedValue::Double(number) => *number,
                    _ => return refuse("Value must be non-null".to_owned()),
                };
                if let Some(min) = min.filter(|&min| number < min) {
                    return refuse(format!("Value must be at least {}", bound(min, value)));
                }
                if let Some(max) = max.filter(|&max| max < number) {
                    return refuse(format!("Value must be no more than {}", bound(max, value)));
                }
                Ok(())
            }
            Self::RangeOr { min, max, or } => {
                let number = match value {
                    ParsedValue::Integer(number) => *number as f64,
                    ParsedValue::Double(number) => *number,
                    _ => return refuse("Value must be non-null".to_owned()),
                };
                if number == *or || (*min..=*max).contains(&number) {
                    return Ok(());
                }
                let [min, max, or] = [min, max, or].map(|number| bound(*number, value));
                refuse(format!("Value must be between {min} and {max} or equal to {or}"))
            }
            Self::OneOf(accepted) => match text(value) {
                Some(text) if accepted.iter().any(|known| known == text) => Ok(()),
                _ => refuse(format!("String must be one of: {}", accepted.join(", "))),
            },
            Self::OneOfIgnoreCase(accepted) => match text(value) {
                Some(text) if accepted.iter().any(|known| known.eq_ignore_ascii_case(text)) => Ok(()),
                _ => refuse(format!(
                    "String must be one of (case insensitive): {}",
                    accepted.join(", ").to_ascii_uppercase()
                )),
            },
            Self::NonEmpty => match text(value) {
                Some("") => refuse("String must be non-empty".to_owned()),
                _ => Ok(()),
            },
            Self::NonNull => match value {
                ParsedValue::Null => refuse("entry must be non null".to_owned()),
                _ => Ok(()),
            },
            Self::NonEmptyWithoutControlChars => check_name(name, value),
            Self::List { allow_empty, allow_null, allow_duplicates, one_of } => {
                let rules = ListRules {
                    allow_empty: *allow_empty,
                    allow_null: *allow_null,
                    allow_duplicates: *allow_duplicates,
                    one_of,
                };
                rules.check(name, value)
            }
            Self::UniqueAliases => match value {
                ParsedValue::List(items) if has_duplicates(items) => refuse("Duplicate alias provided.".to_owned()),
                ParsedValue::Null => refuse("entry must be non null".to_owned()),
                _ => Ok(()),
            },
            Self::SomeItems => match value {
                ParsedValue::List(items) if !items.is_empty() => Ok(()),
                _ => refuse("Empty list".to_owned()),
            },
            Self::Regex => match text(value).map(|text| environment.check_regex(text)) {
                Some(Err(message)) => refuse(format!("Invalid regex: {message}")),
                _ => Ok(()),
            },
            Self::All(rules) => rules.iter().try_for_each(|rule| rule.check(name, value, environment)),
            Self::NullOr(rule) => match value {
                ParsedValue::Null => Ok(()),
                _ => rule.check(name, value, environment),
            },
            Self::Embedded { prefix, rule } => {
                rule.check(name.strip_prefix(prefix.as_str()).unwrap_or(name), value, environment)
            }
            Self::Custom(_) => Ok(()),
        }
    }

    /// Whether a list under this rule is read without its repeated items.
    pub(crate) fn drops_repeated_items(&self) -> bool {
        match self {
            Self::List { allow_duplicates, .. } => !allow_duplicates,
            Self::Embedded { rule, .. } => rule.drops_repeated_items(),
            _ => false,
        }
    }

    /// The rule in a few words, for the reference page.
    pub fn describe(&self) -> String {
        match self {
            Self::Range { min, max } => match (min, max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => "not null".to_owned(),
            },
            Self::RangeOr { min, max, or } => format!("{min} to {max}, or {or}"),
            Self::OneOf(accepted) => accepted.join(", "),
            Self::OneOfIgnoreCase(accepted) => format!("{} (any case)", accepted.join(", ")),
            Self::NonEmpty => "not empty".to_owned(),
            Self::NonNull => "not null".to_owned(),
            Self::NonEmptyWithoutControlChars => "not empty, no control characters".to_owned(),
            Self::List { allow_empty, one_of, .. } => {
                let size = if *allow_empty { "a list" } else { "a list with at least one item" };
                if one_of.is_empty() { size.to_owned() } else { format!("{size} of {}", one_of.join(", ")) }
            }
            Self::UniqueAliases => "names, none of them twice".to_owned(),
            Self::SomeItems => "at least one item".to_owned(),
            Self::Regex => "a regular expression".to_owned(),
            Self::All(rules) => {
                rules.iter().map(Self::describe).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
            }
            Self::NullOr(rule) | Self::Embedded { rule, .. } => rule.describe(),
            Self::Custom(text) => text.clone(),
        }
    }
}

fn text(value: &ParsedValue) -> Option<&str> {
    match value {
        ParsedValue::Text(text) | ParsedValue::Password(text) | ParsedValue::Class(text) => Some(text),
        _ => None,
    }
}

/// Bounds of whole numbers are printed as such.
fn bound(bound: f64, value: &ParsedValue) -> String {
    match value {
        ParsedValue::Double(_) => millstream_values::java_text::f64_text(bound),
        _ => bound.to_string(),
    }
}

fn has_duplicates(items: &[String]) -> bool {
    items.iter().enumerate().any(|(place, item)| items[..place].contains(item))
}

fn check_name(name: &str, value: &ParsedValue) -> Result<(), ConfigError> {
    let Some(text) = text(value) else { return Ok(()) };
    if text.is_empty() {
        return Err(ConfigError::invalid(name, value, "String may not be empty"));
    }
    let found: Vec<String> = text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(ConfigError::invalid(
        name,
        value,
        format_args!(
            "String may not contain control sequences but had the following ASCII chars: {}",
            found.join(", ")
        ),
    ))
}

struct ListRules<'a> {
    allow_empty: bool,
    allow_null: bool,
    allow_duplicates: bool,
    one_of: &'a [String],
}

impl ListRules<'_> {
    fn check(&self, name: &str, value: &ParsedValue) -> Result<(), ConfigError> {
        let items = match value {
            ParsedValue::List(items) => items,
            _ if self.allow_null => return Ok(()),
            _ => {
                return Err(ConfigError::new(format!("Configuration '{name}' values must not be null.")));
            }
        };
        if items.is_empty() && !self.allow_empty {
            let accepted = if self.one_of.is_empty() {
                "any non-empty value".to_owned()
            } else {
                format!("[{}]", self.one_of.join(", "))
            };
            return Err(ConfigError::new(format!(
                "Configuration '{name}' must not be empty. Valid values include: {accepted}"
            )));
        }
        if !self.allow_duplicates && has_duplicates(items) {
            return Err(ConfigError::new(format!("Configuration '{name}' values must not be duplicated.")));
        }
        for item in items {
            if item.is_empty() {
                return Err(ConfigError::new(format!("Configuration '{name}' values must not be empty.")));
            }
            if !self.one_of.is_empty() && !self.one_of.contains(item) {
                return Err(ConfigError::invalid(
                    name,
                    item,
                    format_args!("String must be one of: {}", self.one_of.join(", ")),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigType, PlainEnvironment};

    fn check(validator: &Validator, kind: ConfigType, raw: Option<&str>) -> String {
        let value = ParsedValue::parse("k", raw, kind).unwrap();
        match validator.check("k", &value, &PlainEnvironment) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn ranges_refuse_what_lies_outside_and_null() {
        let rule = Validator::between(1.0, 5.0);
        assert_eq!(check(&rule, ConfigType::Int, Some("5")), "ok");
        assert_eq!(
            check(&rule, ConfigType::Int, Some("0")),
            "Invalid value 0 for configuration k: Value must be at least 1"
        );
        assert_eq!(
            check(&rule, ConfigType::Int, Some("6")),
            "Invalid value 6 for configuration k: Value must be no more than 5"
        );
        assert_eq!(
            check(&rule, ConfigType::Int, None),
            "Invalid value null for configuration k: Value must be non-null"
        );
        let rule = Validator::between(0.5, 1.0);
        assert_eq!(
            check(&rule, ConfigType::Double, Some("2")),
            "Invalid value 2.0 for configuration k: Value must be no more than 1.0"
        );
    }

    #[test]
    fn enumerations_name_what_they_accept() {
        let rule = Validator::one_of(&["none", "all"]);
        assert_eq!(check(&rule, ConfigType::String, Some("all")), "ok");
        assert_eq!(
            check(&rule, ConfigType::String, Some("ALL")),
            "Invalid value ALL for configuration k: String must be one of: none, all"
        );
        let rule = Validator::one_of_ignore_case(&["required", "requested"]);
        assert_eq!(check(&rule, ConfigType::String, Some("Required")), "ok");
        assert_eq!(
            check(&rule, ConfigType::String, Some("foo")),
            "Invalid value foo for configuration k: String must be one of (case insensitive): REQUIRED, REQUESTED"
        );
    }

    #[test]
    fn a_name_with_control_characters_is_refused_with_their_codes() {
        let rule = Validator::NonEmptyWithoutControlChars;
        assert_eq!(
            check(&rule, ConfigType::String, Some("a\u{1}b")),
            "Invalid value a\u{1}b for configuration k: String may not contain control sequences but had the following ASCII chars: 1"
        );
        assert_eq!(
            check(&rule, ConfigType::String, Some("")),
            "Invalid value  for configuration k: String may not be empty"
        );
        assert_eq!(check(&rule, ConfigType::String, None), "ok");
    }

    #[test]
    fn lists_refuse_empty_items_duplicates_and_nothing_as_told() {
        let rule =
            Validator::List { allow_empty: false, allow_null: false, allow_duplicates: false, one_of: Vec::new() };
        assert_eq!(check(&rule, ConfigType::List, Some("a,b")), "ok");
        assert_eq!(check(&rule, ConfigType::List, Some("a,")), "Configuration 'k' values must not be empty.");
        assert_eq!(check(&rule, ConfigType::List, Some("a,a")), "Configuration 'k' values must not be duplicated.");
        assert_eq!(
            check(&rule, ConfigType::List, Some("")),
            "Configuration 'k' must not be empty. Valid values include: any non-empty value"
        );
        assert_eq!(check(&rule, ConfigType::List, None), "Configuration 'k' values must not be null.");
        assert_eq!(
            check(&Validator::UniqueAliases, ConfigType::List, Some("a,b,a")),
            "Invalid value [a, b, a] for configuration k: Duplicate alias provided."
        );
    }
}
