//! What values a key accepts, in a form that the host can check on its own.

use serde_json::{Value as Json, json};

use super::ConfigValue;

/// A condition on the parsed value of a key. The list is closed, since the host knows each of them;
/// what it cannot say goes into [`Key::check`](super::Key::check).
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// A number within bounds, both inclusive. Null is refused.
    Range {
        /// Least value.
        min: Option<f64>,
        /// Greatest value.
        max: Option<f64>,
    },
    /// One of these texts exactly.
    OneOf(Vec<String>),
    /// One of these texts in any case.
    OneOfIgnoreCase(Vec<String>),
    /// Text that is not empty; null is accepted.
    NonEmpty,
    /// Anything but null.
    NonNull,
    /// Text that is not empty and has no control characters; null is accepted.
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
    /// A list that is not null and names nothing twice.
    UniqueAliases,
    /// A list with at least one item, whatever the items are.
    SomeItems,
    /// A regular expression in Java's syntax; null is accepted. Only the host checks it: whoever
    /// compiles it here reports what is wrong with it anyway, and others need not carry a parser.
    Regex,
    /// All of these, in order.
    All(Vec<Validator>),
    /// Null, or what the condition inside accepts.
    NullOr(Box<Validator>),
}

/// Why a value is refused: a problem to be put behind `Invalid value … for configuration …: `, or a
/// whole message.
pub(super) enum Refusal {
    Problem(String),
    Item { item: String, problem: String },
    Message(String),
}

impl Validator {
    /// A list without empty items, at least one, none of them twice.
    pub fn non_empty_list() -> Self {
        Self::List { allow_empty: false, allow_null: false, allow_duplicates: false, one_of: Vec::new() }
    }

    /// Its form in the description: an object with one member.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Range { min, max } => {
                let bounds = [("min", min), ("max", max)];
                let bounds =
                    bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), number(*bound.as_ref()?))));
                json!({ "range": bounds.collect::<serde_json::Map<_, _>>() })
            }
            Self::OneOf(values) => json!({ "one_of": values }),
            Self::OneOfIgnoreCase(values) => json!({ "one_of_ignore_case": values }),
            Self::NonEmpty => json!({ "non_empty": true }),
            Self::NonNull => json!({ "non_null": true }),
            Self::NonEmptyWithoutControlChars => json!({ "non_empty_without_control_chars": true }),
            Self::List { allow_empty, allow_null, allow_duplicates, one_of } => json!({ "list": {
                "allow_empty": allow_empty,
                "allow_null": allow_null,
                "allow_duplicates": allow_duplicates,
                "one_of": one_of,
            } }),
            Self::UniqueAliases => json!({ "unique_aliases": true }),
            Self::SomeItems => json!({ "some_items": true }),
            Self::Regex => json!({ "regex": true }),
            Self::All(rules) => json!({ "all": rules.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::NullOr(rule) => json!({ "null_or": rule.to_json() }),
        }
    }

    /// What is wrong with the value of a key, in Kafka's words.
    pub(super) fn check(&self, key: &str, value: &ConfigValue) -> Result<(), Refusal> {
        let refuse = |problem: String| Err(Refusal::Problem(problem));
        let text = match value {
            ConfigValue::String(text) => Some(text.as_str()),
            _ => None,
        };
        match self {
            Self::Range { min, max } => check_range(value, *min, *max).map_err(Refusal::Problem),
            Self::OneOf(values) => match text {
                Some(text) if values.iter().any(|one| one == text) => Ok(()),
                _ => refuse(format!("String must be one of: {}", values.join(", "))),
            },
            Self::OneOfIgnoreCase(values) => match text {
                Some(text) if values.iter().any(|one| one.eq_ignore_ascii_case(text)) => Ok(()),
                _ => refuse(format!(
                    "String must be one of (case insensitive): {}",
                    values.join(", ").to_ascii_uppercase()
                )),
            },
            Self::NonEmpty if text == Some("") => refuse("String must be non-empty".to_owned()),
            Self::NonNull if *value == ConfigValue::Null => refuse("entry must be non null".to_owned()),
            Self::NonEmptyWithoutControlChars if text == Some("") => refuse("String may not be empty".to_owned()),
            Self::NonEmptyWithoutControlChars => {
                check_control_chars(text.unwrap_or_default()).map_err(Refusal::Problem)
            }
            Self::List { allow_empty, allow_null, allow_duplicates, one_of } => match value {
                ConfigValue::List(items) => check_list(key, items, *allow_empty, *allow_duplicates, one_of),
                _ if *allow_null => Ok(()),
                _ => Err(Refusal::Message(format!("Configuration '{key}' values must not be null."))),
            },
            Self::UniqueAliases => match value {
                ConfigValue::List(items) if has_duplicates(items) => refuse("Duplicate alias provided.".to_owned()),
                ConfigValue::Null => refuse("entry must be non null".to_owned()),
                _ => Ok(()),
            },
            Self::SomeItems => match value {
                ConfigValue::List(items) if !items.is_empty() => Ok(()),
                _ => refuse("Empty list".to_owned()),
            },
            Self::All(rules) => rules.iter().try_for_each(|rule| rule.check(key, value)),
            Self::NullOr(_) if *value == ConfigValue::Null => Ok(()),
            Self::NullOr(rule) => rule.check(key, value),
            Self::NonEmpty | Self::NonNull | Self::Regex => Ok(()),
        }
    }
}

fn check_range(value: &ConfigValue, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    let (found, is_integer) = match value {
        ConfigValue::Short(number) => (f64::from(*number), true),
        ConfigValue::Int(number) => (f64::from(*number), true),
        // Bounds are far below 2^53, up to where the comparison is exact.
        ConfigValue::Long(number) => (*number as f64, true),
        ConfigValue::Double(number) => (*number, false),
        _ => return Err("Value must be non-null".to_owned()),
    };
    let shown = |bound: f64| if is_integer { bound.to_string() } else { format!("{bound:?}") };
    match (min, max) {
        (Some(min), _) if found < min => Err(format!("Value must be at least {}", shown(min))),
        (_, Some(max)) if max < found => Err(format!("Value must be no more than {}", shown(max))),
        _ => Ok(()),
    }
}

fn check_control_chars(text: &str) -> Result<(), String> {
    let found: Vec<String> = text.chars().filter(|c| c.is_control()).map(|c| u32::from(c).to_string()).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("String may not contain control sequences but had the following ASCII chars: {}", found.join(", ")))
}

fn check_list(
    key: &str,
    items: &[String],
    allow_empty: bool,
    allow_duplicates: bool,
    one_of: &[String],
) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::Message(format!("Configuration '{key}' {message}")));
    if items.is_empty() && !allow_empty {
        let accepted = match one_of {
            [] => "any non-empty value".to_owned(),
            _ => format!("[{}]", one_of.join(", ")),
        };
        return refuse(format!("must not be empty. Valid values include: {accepted}"));
    }
    if !allow_duplicates && has_duplicates(items) {
        return refuse("values must not be duplicated.".to_owned());
    }
    for item in items {
        if item.is_empty() {
            return refuse("values must not be empty.".to_owned());
        }
        if !one_of.is_empty() && !one_of.contains(item) {
            let problem = format!("String must be one of: {}", one_of.join(", "));
            return Err(Refusal::Item { item: item.clone(), problem });
        }
    }
    Ok(())
}

fn has_duplicates(items: &[String]) -> bool {
    items.iter().enumerate().any(|(place, item)| items[..place].contains(item))
}

/// Whole numbers as such.
fn number(bound: f64) -> Json {
    if bound.fract() == 0.0 && bound.abs() < 9e15 { json!(bound as i64) } else { json!(bound) }
}
