//! The JSON that plugins describe their keys with, and the JSON in which the REST API shows them.
//!
//! This is part of the plugin contract (`description.md` in the WIT package). A definition is an array of
//! keys in the order they are to be shown:
//!
//! ```json
//! [{"name": "file", "type": "STRING", "required": false, "default": null, "importance": "HIGH",
//!   "documentation": "…", "group": null, "order": -1, "width": "NONE", "display_name": "file",
//!   "dependents": [], "recommended": [], "validator": {"non_empty": true},
//!   "opens": {"file": "read", "or": "stdin"}}]
//! ```
//!
//! Only `name` and `type` are needed. A `default` is text; a number or a boolean is taken as its text.
//! Unknown members are ignored. A validator is an object with one member:
//!
//! | member | value | accepts |
//! |---|---|---|
//! | `range` | `{"min": n, "max": n}`, each may be left out | numbers, both bounds included; not null |
//! | `one_of` | array of texts | one of them, exactly |
//! | `one_of_ignore_case` | array of texts | one of them in any case |
//! | `non_empty` | `true` | texts but the empty one; null |
//! | `non_null` | `true` | everything but null |
//! | `non_empty_without_control_chars` | `true` | texts as for a connector's name; null |
//! | `list` | `{"allow_empty": true, "allow_null": false, "allow_duplicates": false, "one_of": []}`, these are the defaults | lists without empty items |
//! | `unique_aliases` | `true` | lists that name nothing twice |
//! | `some_items` | `true` | lists with at least one item; not null |
//! | `regex` | `true` | regular expressions in Java's syntax; null |
//! | `all` | array of validators | what each of them accepts |
//! | `null_or` | a validator | null, and what it accepts |
//! | `custom` | text | everything: the plugin checks it in `validate` or `start`; the text is for people |
//!
//! A validator that this host does not know counts as `custom`: the plugin's own check still runs.

use serde_json::{Map, Value, json};

use crate::{ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, HIDDEN, Importance, Opens, Validator, Width};

/// Nested validators deeper than this are refused, since the JSON comes from a stranger.
const MAX_VALIDATOR_DEPTH: usize = 8;

/// Why a described definition is refused.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidDefinition {
    /// The definition is no JSON array.
    #[error("a definition is an array of keys")]
    NotAnArray,
    /// A key without its name.
    #[error("key {index} of the definition has no name")]
    NoName {
        /// Its place in the array.
        index: usize,
    },
    /// A member of a key is of the wrong type or has an unknown value.
    #[error("key {key:?} has an invalid member {member:?}: {found}")]
    Member {
        key: String,
        /// As the definition spells it: `type`, `default` and so on.
        member: &'static str,
        found: String,
    },
    /// The same key twice.
    #[error("key {key:?} is defined twice")]
    Twice { key: String },
    /// A default that does not fit the type.
    #[error("the default of key {key:?} does not fit its type")]
    BadDefault {
        key: String,
        /// In Connect's words.
        source: crate::ConfigError,
    },
}

impl ConfigDef {
    /// Reads the JSON form that this module's page describes.
    ///
    /// # Errors
    ///
    /// When the JSON is not such a form, names a key twice, or declares a default that does not fit.
    pub fn from_json(json: &Value) -> Result<Self, InvalidDefinition> {
        let keys = json.as_array().ok_or(InvalidDefinition::NotAnArray)?;
        let mut def = Self::new();
        for (index, json) in keys.iter().enumerate() {
            let key = Reader::new(index, json)?.key()?;
            if def.get(&key.name).is_some() {
                return Err(InvalidDefinition::Twice { key: key.name });
            }
            def.define(key);
        }
        Ok(def)
    }

    /// The JSON form that [`ConfigDef::from_json`] reads.
    pub fn to_json(&self) -> Value {
        self.keys().iter().map(ConfigKey::to_json).collect()
    }
}

impl ConfigKey {
    /// One element of the array of [`ConfigDef::to_json`].
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "required": self.is_required(),
            "default": match &self.default { Default::Text(text) => Some(text), _ => None },
            "importance": self.importance.as_str(),
            "documentation": self.documentation,
            "group": self.group,
            "order": self.order,
            "width": self.width.as_str(),
            "display_name": self.display_name,
            "dependents": self.dependents,
            "recommended": self.recommended,
        });
        if let Some(validator) = &self.validator {
            json["validator"] = validator.to_json();
        }
        if let Some(opens) = &self.opens {
            json["opens"] = Value::Object(opens.members().clone());
        }
        json
    }

    /// The `definition` object of the REST API, with its member order; passwords hidden.
    pub fn to_definition_json(&self) -> Value {
        let default = match (&self.default, self.kind) {
            (Default::Text(_), ConfigType::Password) => Some(HIDDEN.to_owned()),
            // A default was read when the key was declared; if it could not be, it is shown as it stands.
            (Default::Text(text), _) => {
                self.default_value().ok().and_then(|value| value.to_text()).or_else(|| Some(text.clone()))
            }
            _ => None,
        };
        json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "required": self.is_required(),
            "default_value": default,
            "importance": self.importance.as_str(),
            "documentation": self.documentation,
            "group": self.group,
            "width": self.width.as_str(),
            "display_name": self.display_name,
            "dependents": self.dependents,
            "order_in_group": self.order,
        })
    }
}

impl ConfigValue {
    /// The `value` object of the REST API, with its member order.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "recommended_values": self.recommended_values,
            "errors": self.errors,
            "visible": self.visible,
        })
    }
}

impl Validator {
    /// The JSON form that this module's page describes.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Range { min, max } => {
                let mut range = Map::new();
                for (name, bound) in [("min", min), ("max", max)] {
                    if let Some(bound) = bound {
                        range.insert(name.to_owned(), number_json(*bound));
                    }
                }
                json!({"range": range})
            }
            Self::RangeOr { min, max, or } => json!({"range_or": {
                "min": number_json(*min),
                "max": number_json(*max),
                "or": number_json(*or),
            }}),
            Self::OneOf(values) => json!({"one_of": values}),
            Self::OneOfIgnoreCase(values) => json!({"one_of_ignore_case": values}),
            Self::NonEmpty => json!({"non_empty": true}),
            Self::NonNull => json!({"non_null": true}),
            Self::NonEmptyWithoutControlChars => json!({"non_empty_without_control_chars": true}),
            Self::List { allow_empty, allow_null, allow_duplicates, one_of } => json!({"list": {
                "allow_empty": allow_empty,
                "allow_null": allow_null,
                "allow_duplicates": allow_duplicates,
                "one_of": one_of,
            }}),
            Self::UniqueAliases => json!({"unique_aliases": true}),
            Self::SomeItems => json!({"some_items": true}),
            Self::Regex => json!({"regex": true}),
            Self::All(rules) => json!({"all": rules.iter().map(Self::to_json).collect::<Vec<_>>()}),
            Self::NullOr(rule) => json!({"null_or": rule.to_json()}),
            // The prefix is the host's doing and no part of a description.
            Self::Embedded { rule, .. } => rule.to_json(),
            Self::Custom(text) => json!({"custom": text}),
        }
    }

    fn from_json(json: &Value, depth: usize) -> Option<Self> {
        if MAX_VALIDATOR_DEPTH < depth {
            return None;
        }
        let object = json.as_object().filter(|object| object.len() == 1)?;
        let (name, value) = object.iter().next()?;
        Some(match name.as_str() {
            "range" => {
                let range = value.as_object()?;
                Self::Range { min: optional_number(range, "min")?, max: optional_number(range, "max")? }
            }
            "range_or" => {
                let number = |name| value.get(name)?.as_f64();
                Self::RangeOr { min: number("min")?, max: number("max")?, or: number("or")? }
            }
            "one_of" => Self::OneOf(texts(value)?),
            "one_of_ignore_case" => Self::OneOfIgnoreCase(texts(value)?),
            "non_empty" => Self::NonEmpty,
            "non_null" => Self::NonNull,
            "non_empty_without_control_chars" => Self::NonEmptyWithoutControlChars,
            "list" => {
                let flag = |name, default| value.get(name).map_or(Some(default), Value::as_bool);
                Self::List {
                    allow_empty: flag("allow_empty", true)?,
                    allow_null: flag("allow_null", false)?,
                    allow_duplicates: flag("allow_duplicates", false)?,
                    one_of: value.get("one_of").map_or(Some(Vec::new()), texts)?,
                }
            }
            "unique_aliases" => Self::UniqueAliases,
            "some_items" => Self::SomeItems,
            "regex" => Self::Regex,
            "all" => {
                Self::All(value.as_array()?.iter().map(|rule| Self::from_json(rule, depth + 1)).collect::<Option<_>>()?)
            }
            "null_or" => Self::NullOr(Box::new(Self::from_json(value, depth + 1)?)),
            "custom" => Self::Custom(value.as_str()?.to_owned()),
            unknown => Self::Custom(unknown.to_owned()),
        })
    }
}

/// Whole bounds are written without a fraction.
fn number_json(bound: f64) -> Value {
    if bound.fract() == 0.0 && bound.abs() < 9e15 { json!(bound as i64) } else { json!(bound) }
}

/// Outer `None` if the member is there and no number.
fn optional_number(object: &Map<String, Value>, name: &str) -> Option<Option<f64>> {
    match object.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_f64().map(Some),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Reads one key and says which member is at fault.
struct Reader<'a> {
    name: &'a str,
    json: &'a Value,
}

impl<'a> Reader<'a> {
    fn new(index: usize, json: &'a Value) -> Result<Self, InvalidDefinition> {
        let name = json.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        Ok(Self { name: name.ok_or(InvalidDefinition::NoName { index })?, json })
    }

    fn key(&self) -> Result<ConfigKey, InvalidDefinition> {
        let kind = self.member("type", |value| value.as_str().and_then(ConfigType::from_name))?;
        let kind = kind.ok_or_else(|| self.fault("type"))?;
        let mut key = ConfigKey::new(self.name, kind);
        let required = self.member("required", Value::as_bool)?.unwrap_or(false);
        key.default = match self.member("default", scalar_text)? {
            _ if required => Default::Required,
            Some(text) => Default::Text(text),
            None => Default::Null,
        };
        key.default_value().map_err(|source| InvalidDefinition::BadDefault { key: self.name.to_owned(), source })?;
        if let Some(importance) = self.member("importance", |value| value.as_str().and_then(Importance::from_name))? {
            key.importance = importance;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        key.documentation = self.member("documentation", text)?.unwrap_or_default();
        key.group = self.member("group", text)?;
        let order = |value: &Value| value.as_i64().and_then(|order| i32::try_from(order).ok());
        key.order = self.member("order", order)?.unwrap_or(-1);
        if let Some(width) = self.member("width", |value| value.as_str().and_then(Width::from_name))? {
            key.width = width;
        }
        if let Some(display_name) = self.member("display_name", text)? {
            key.display_name = display_name;
        }
        key.dependents = self.member("dependents", texts)?.unwrap_or_default();
        key.recommended = self.member("recommended", texts)?.unwrap_or_default();
        key.validator = self.member("validator", |value| Validator::from_json(value, 0))?;
        key.opens = self.member("opens", Opens::from_json)?;
        Ok(key)
    }

    /// A member that may be absent or null.
    fn member<T>(
        &self,
        member: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, InvalidDefinition> {
        match self.json.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.fault(member)),
        }
    }

    fn fault(&self, member: &'static str) -> InvalidDefinition {
        let found = self.json.get(member).map_or("nothing".to_owned(), Value::to_string);
        InvalidDefinition::Member { key: self.name.to_owned(), member, found }
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rules = [
            Validator::at_least(1),
            Validator::between(0.5, 1.0),
            Validator::RangeOr { min: 1.0, max: 9.0, or: -1.0 },
            Validator::one_of(&["a", "b"]),
            Validator::one_of_ignore_case(&["a"]),
            Validator::NonEmpty,
            Validator::NonNull,
            Validator::NonEmptyWithoutControlChars,
            Validator::List {
                allow_empty: false,
                allow_null: true,
                allow_duplicates: true,
                one_of: vec!["x".to_owned()],
            },
            Validator::UniqueAliases,
            Validator::SomeItems,
            Validator::Regex,
            Validator::All(vec![Validator::NonNull, Validator::NullOr(Box::new(Validator::Regex))]),
            Validator::Custom("even numbers".to_owned()),
        ];
        let mut def = ConfigDef::new();
        for (index, rule) in rules.into_iter().enumerate() {
            def.define(ConfigKey::new(format!("k{index}"), ConfigType::String).default_null().validator(rule));
        }
        def.define(
            ConfigKey::new("file", ConfigType::String)
                .importance(Importance::High)
                .doc("A file.")
                .placed("Files", 3, Width::Long, "File")
                .recommended(vec!["/tmp/x".to_owned()])
                .opens(Opens::from_json(&json!({"file": "read", "or": "stdin"})).unwrap()),
        );
        assert_eq!(ConfigDef::from_json(&def.to_json()).unwrap(), def);
    }

    #[test]
    fn only_a_name_and_a_type_are_needed_and_unknown_members_are_ignored() {
        let def = ConfigDef::from_json(&json!([{"name": "n", "type": "INT", "later": {}, "default": 5}])).unwrap();
        let key = def.get("n").unwrap();
        assert_eq!(key.default, Default::Text("5".to_owned()));
        assert_eq!((key.importance, key.order, key.width), (Importance::Medium, -1, Width::None));
    }

    #[test]
    fn a_validator_of_a_later_version_is_left_to_the_plugin() {
        let json = json!([{"name": "n", "type": "STRING", "validator": {"prime": true}}]);
        let def = ConfigDef::from_json(&json).unwrap();
        assert_eq!(def.get("n").unwrap().validator, Some(Validator::Custom("prime".to_owned())));
    }

    #[test]
    fn faults_name_the_key_and_the_member() {
        for (json, expected) in [
            (json!({}), "a definition is an array of keys"),
            (json!([{"type": "INT"}]), "key 0 of the definition has no name"),
            (json!([{"name": "a"}]), "key \"a\" has an invalid member \"type\": nothing"),
            (json!([{"name": "a", "type": "FLOAT"}]), "key \"a\" has an invalid member \"type\": \"FLOAT\""),
            (
                json!([{"name": "a", "type": "STRING", "opens": "file"}]),
                "key \"a\" has an invalid member \"opens\": \"file\"",
            ),
            (json!([{"name": "a", "type": "INT", "default": "x"}]), "the default of key \"a\" does not fit its type"),
            (json!([{"name": "a", "type": "INT"}, {"name": "a", "type": "INT"}]), "key \"a\" is defined twice"),
        ] {
            assert_eq!(ConfigDef::from_json(&json).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_definition_is_shown_with_connects_member_order() {
        let key = ConfigKey::new("tasks.max", ConfigType::Int)
            .default_text("1")
            .importance(Importance::High)
            .doc("d")
            .placed("Common", 3, Width::Short, "Tasks max");
        assert_eq!(
            key.to_definition_json().to_string(),
            r#"{"name":"tasks.max","type":"INT","required":false,"default_value":"1","importance":"HIGH","documentation":"d","group":"Common","width":"SHORT","display_name":"Tasks max","dependents":[],"order_in_group":3}"#
        );
        let key = ConfigKey::new("p", ConfigType::Password).default_text("secret");
        assert_eq!(key.to_definition_json()["default_value"], HIDDEN);
    }
}
