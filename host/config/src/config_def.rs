//! What a configuration key is, and an ordered set of them.
//!
//! The JSON form that plugins describe themselves with is in `config_json`, reading values in `parsed`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::{ConfigError, Validator, parsed::ParsedValue};

/// How the text of a value is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfigType {
    /// Text, trimmed.
    String,
    /// Text, trimmed, never shown again.
    Password,
    /// `true` or `false` in any case.
    Boolean,
    /// 16-bit number.
    Short,
    /// 32-bit number.
    Int,
    /// 64-bit number.
    Long,
    /// Floating point number.
    Double,
    /// Texts separated by commas.
    List,
    /// Name or alias of a plugin.
    Class,
}

impl ConfigType {
    const ALL: [(Self, &str); 9] = [
        (Self::String, "STRING"),
        (Self::Password, "PASSWORD"),
        (Self::Boolean, "BOOLEAN"),
        (Self::Short, "SHORT"),
        (Self::Int, "INT"),
        (Self::Long, "LONG"),
        (Self::Double, "DOUBLE"),
        (Self::List, "LIST"),
        (Self::Class, "CLASS"),
    ];

    /// Connect's name for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("STRING", |(_, name)| name)
    }

    /// As definitions spell it, in capitals; `None` for a type that Kafka does not have.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// What holds when a key is not set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Default {
    /// The key must be set.
    Required,
    /// No value.
    Null,
    /// This text, as if it had been written.
    Text(String),
}

/// How much a key matters to users.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Importance {
    /// Most users set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

impl Importance {
    /// Connect's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }

    /// As definitions spell it, in capitals; `None` for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::High, Self::Medium, Self::Low].into_iter().find(|known| known.as_str() == name)
    }
}

/// How wide an input field should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Width {
    /// Not said.
    None,
    /// A number or a flag.
    Short,
    /// A host, a topic or another name.
    Medium,
    /// A class, a list or a path.
    Long,
}

impl Width {
    /// Connect's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }

    /// As definitions spell it, in capitals; `None` for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Short, Self::Medium, Self::Long].into_iter().find(|known| known.as_str() == name)
    }
}

/// What the value of a key opens for the plugin that declares it: an object of which one member is the word of a
/// capability. Which capabilities there are, and what their members mean, is the plugin host's business.
#[derive(Clone, Debug, PartialEq)]
pub struct Opens(Map<String, Value>);

impl Opens {
    /// Takes an object with at least one member; none is for everything else.
    pub fn from_json(json: &Value) -> Option<Self> {
        json.as_object().filter(|members| !members.is_empty()).cloned().map(Self)
    }

    /// As it was declared.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// One declared key.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigKey {
    /// The key as users write it.
    pub name: String,
    /// How its value is read.
    pub kind: ConfigType,
    /// What holds when it is not set.
    pub default: Default,
    /// Which values are acceptable beyond the type.
    pub validator: Option<Validator>,
    /// How much it matters.
    pub importance: Importance,
    /// For people, in Markdown.
    pub documentation: String,
    /// Heading it is shown under.
    pub group: Option<String>,
    /// Position beneath that heading; -1 without a group.
    pub order: i32,
    /// Size of its input field.
    pub width: Width,
    /// What stands beside its input field.
    pub display_name: String,
    /// Names of keys that only matter with this one.
    pub dependents: Vec<String>,
    /// Values to offer.
    pub recommended: Vec<String>,
    /// What its value opens for the plugin.
    pub opens: Option<Opens>,
}

impl ConfigKey {
    /// A key of medium importance that must be set; the rest is added by the methods below.
    pub fn new(name: impl Into<String>, kind: ConfigType) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default: Default::Required,
            validator: None,
            importance: Importance::Medium,
            documentation: String::new(),
            group: None,
            order: -1,
            width: Width::None,
            dependents: Vec::new(),
            recommended: Vec::new(),
            opens: None,
        }
    }

    /// Sets the default, as text.
    #[must_use]
    pub fn default_text(mut self, text: impl Into<String>) -> Self {
        self.default = Default::Text(text.into());
        self
    }

    /// No value unless set.
    #[must_use]
    pub fn default_null(mut self) -> Self {
        self.default = Default::Null;
        self
    }

    /// Restricts the values.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Sets the importance.
    #[must_use]
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn doc(mut self, documentation: impl Into<String>) -> Self {
        self.documentation = documentation.into();
        self
    }

    /// Places the key in a user interface.
    #[must_use]
    pub fn placed(
        mut self,
        group: impl Into<String>,
        order: i32,
        width: Width,
        display_name: impl Into<String>,
    ) -> Self {
        self.group = Some(group.into());
        self.order = order;
        self.width = width;
        self.display_name = display_name.into();
        self
    }

    /// Offers these values.
    #[must_use]
    pub fn recommended(mut self, values: Vec<String>) -> Self {
        self.recommended = values;
        self
    }

    /// Says what the value opens.
    #[must_use]
    pub fn opens(mut self, opens: Opens) -> Self {
        self.opens = Some(opens);
        self
    }

    /// Whether the key must be set.
    pub fn is_required(&self) -> bool {
        self.default == Default::Required
    }

    /// The default as a value. Null for a required key.
    ///
    /// # Errors
    ///
    /// When the declared default does not fit the declared type.
    pub fn default_value(&self) -> Result<ParsedValue, ConfigError> {
        match &self.default {
            Default::Required | Default::Null => Ok(ParsedValue::Null),
            Default::Text(text) => ParsedValue::parse(&self.name, Some(text), self.kind),
        }
    }
}

/// Declared keys in the order of their declaration. Names are unique.
#[derive(Clone, Debug, PartialEq, std::default::Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
}

impl ConfigDef {
    /// No keys.
    pub fn new() -> Self {
        std::default::Default::default()
    }

    /// These keys. Of two with the same name the later one replaces the earlier in place.
    pub fn of(keys: impl IntoIterator<Item = ConfigKey>) -> Self {
        let mut def = Self::new();
        for key in keys {
            def.define(key);
        }
        def
    }

    /// Adds a key, or replaces the one of the same name in its place.
    pub fn define(&mut self, key: ConfigKey) {
        match self.keys.iter_mut().find(|known| known.name == key.name) {
            Some(known) => *known = key,
            None => self.keys.push(key),
        }
    }

    /// Adds all keys of another definition, as [`ConfigDef::define`] does.
    pub fn define_all(&mut self, other: &ConfigDef) {
        for key in &other.keys {
            self.define(key.clone());
        }
    }

    /// The keys in declaration order.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// `None` for a key that the definition does not declare.
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The groups in order of first mention.
    pub fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.keys.iter().filter_map(|key| key.group.as_ref()) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// The keys as Connect sorts them for people: by group, place, required first, importance, name.
    pub fn sorted(&self) -> Vec<&ConfigKey> {
        let groups = self.groups();
        let place =
            |key: &ConfigKey| key.group.as_ref().and_then(|group| groups.iter().position(|known| known == group));
        let mut sorted: Vec<&ConfigKey> = self.keys.iter().collect();
        sorted.sort_by(|a, b| -> Ordering {
            (place(a), a.order, !a.is_required(), a.importance, &a.name).cmp(&(
                place(b),
                b.order,
                !b.is_required(),
                b.importance,
                &b.name,
            ))
        });
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_defined_again_keeps_its_place() {
        let def = ConfigDef::of([
            ConfigKey::new("a", ConfigType::String),
            ConfigKey::new("b", ConfigType::String),
            ConfigKey::new("a", ConfigType::Int),
        ]);
        let names: Vec<_> = def.keys().iter().map(|key| (key.name.as_str(), key.kind)).collect();
        assert_eq!(names, [("a", ConfigType::Int), ("b", ConfigType::String)]);
    }

    #[test]
    fn keys_without_a_group_come_first_and_required_ones_before_the_rest() {
        let def = ConfigDef::of([
            ConfigKey::new("z", ConfigType::String).placed("G", 1, Width::None, "z"),
            ConfigKey::new("m", ConfigType::String).default_null(),
            ConfigKey::new("h", ConfigType::String).default_null().importance(Importance::High),
            ConfigKey::new("r", ConfigType::String).importance(Importance::Low),
        ]);
        let names: Vec<_> = def.sorted().iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["r", "h", "m", "z"]);
    }
}
