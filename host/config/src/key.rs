//! Keys of our own as constants: one declaration parses, validates, answers and documents.

use std::{collections::BTreeMap, marker::PhantomData, time::Duration};

use crate::{
    ConfigDef, ConfigError, ConfigKey, ConfigMap, ConfigType, Default, Importance, ParsedConfig, Validator, Width,
};

/// Everything that is declared of a key, as a constant. A [`Key`] adds the type as which code reads it; tables of keys
/// that are looked up by name are made of declarations alone.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The key as users write it.
    pub name: &'static str,
    /// How its value is read.
    pub kind: ConfigType,
    /// Its default as text; `None` for null, or for a key that must be set.
    pub default: Option<&'static str>,
    /// For people, in Markdown.
    pub documentation: &'static str,
    /// Whether the key is for tests, and shown where it is set only.
    pub internal: bool,
    /// The key of the surroundings whose value is this one's default: for a topic's key the broker's.
    pub inherits: Option<&'static str>,
    required: bool,
    bounds: Bounds,
    allowed: &'static [&'static str],
    validator: Option<fn() -> Validator>,
    importance: Importance,
    place: Option<Place>,
}

/// Where a user interface shows a key.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    group: &'static str,
    order: i32,
    width: Width,
    label: &'static str,
}

impl Place {
    /// At this position below a heading, with this label before its field.
    pub const fn at(group: &'static str, order: i32, width: Width, label: &'static str) -> Self {
        Self { group, order, width, label }
    }
}

/// Numbers that a key takes.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    min: Option<i64>,
    max: Option<i64>,
    or: Option<i64>,
}

impl Declaration {
    /// A key of medium importance; the rest is added by the methods below.
    pub const fn new(
        name: &'static str,
        kind: ConfigType,
        default: Option<&'static str>,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            documentation,
            internal: false,
            inherits: None,
            required: false,
            bounds: Bounds { min: None, max: None, or: None },
            allowed: &[],
            validator: None,
            importance: Importance::Medium,
            place: None,
        }
    }

    /// Takes no number below this.
    #[must_use]
    pub const fn min(mut self, min: i64) -> Self {
        self.bounds.min = Some(min);
        self
    }

    /// Takes no number above this.
    #[must_use]
    pub const fn max(mut self, max: i64) -> Self {
        self.bounds.max = Some(max);
        self
    }

    /// Takes this number, too, beside those between a smallest and a largest one.
    #[must_use]
    pub const fn or(mut self, number: i64) -> Self {
        self.bounds.or = Some(number);
        self
    }

    /// Takes these words only; of a list, each of its items is one of them.
    #[must_use]
    pub const fn allowed(mut self, words: &'static [&'static str]) -> Self {
        self.allowed = words;
        self
    }

    /// Restricts the values by another rule.
    #[must_use]
    pub const fn validator(mut self, validator: fn() -> Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Shows it only where it is set.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Takes its default from a key of the surroundings.
    #[must_use]
    pub const fn inherits(mut self, key: &'static str) -> Self {
        self.inherits = Some(key);
        self
    }

    /// The rule of its values. Bounds and words are none for null, where that is the default.
    pub fn rule(&self) -> Option<Validator> {
        if let Some(validator) = self.validator {
            return Some(validator());
        }
        let double = |number: i64| number as f64;
        let rule = match self.bounds {
            Bounds { min: None, max: None, .. } => self.words()?,
            Bounds { min: Some(min), max: Some(max), or: Some(or) } => {
                Validator::RangeOr { min: double(min), max: double(max), or: double(or) }
            }
            Bounds { min, max, .. } => Validator::Range { min: min.map(double), max: max.map(double) },
        };
        let may_be_null = self.default.is_none() && !self.required && self.kind != ConfigType::List;
        Some(if may_be_null { Validator::NullOr(Box::new(rule)) } else { rule })
    }

    fn words(&self) -> Option<Validator> {
        let one_of = || self.allowed.iter().map(|&word| word.to_owned()).collect();
        match self.kind {
            _ if self.allowed.is_empty() => None,
            ConfigType::List => Some(Validator::List {
                allow_empty: true,
                allow_null: false,
                allow_duplicates: false,
                one_of: one_of(),
            }),
            _ => Some(Validator::OneOf(one_of())),
        }
    }

    /// The declaration as it is put into a [`ConfigDef`].
    pub fn config_key(&self) -> ConfigKey {
        let mut key = ConfigKey::new(self.name, self.kind).importance(self.importance).doc(self.documentation);
        key.default = match self.default {
            Some(text) => Default::Text(text.to_owned()),
            None if self.required => Default::Required,
            None => Default::Null,
        };
        key.validator = self.rule();
        match self.place {
            Some(place) => key.placed(place.group, place.order, place.width, place.label),
            None => key,
        }
    }

    /// Reads a value and writes it in one way: without blanks around it, numbers in their shortest form, entries of a
    /// list once each where its rule wants that.
    ///
    /// # Errors
    ///
    /// It is not of the key's type, or its rule refuses it.
    pub fn read(&self, value: &str) -> Result<String, ConfigError> {
        let config = ConfigMap::from([(self.name.to_owned(), Some(value.to_owned()))]);
        let parsed = ConfigDef::of([self.config_key()]).parse(&config)?;
        Ok(parsed.value(self.name).to_text().unwrap_or_default())
    }
}

/// A declared key whose value reads as a `T`.
///
/// ```
/// use millstream_config::{Importance, Key};
/// use std::time::Duration;
///
/// const FLUSH_INTERVAL: Key<Duration> = Key::millis("offset.flush.interval.ms")
///     .default("60000")
///     .min(0)
///     .importance(Importance::Low)
///     .doc("Time between two commits of source offsets.");
/// assert_eq!(FLUSH_INTERVAL.name(), "offset.flush.interval.ms");
/// ```
pub struct Key<T> {
    declaration: Declaration,
    value: PhantomData<fn() -> T>,
}

/// Declares keys as constants, and the function that lists them in this order.
///
/// ```
/// use millstream_config::{Key, keys};
///
/// keys! {
///     /// All keys of the mill.
///     mill:
///     STONES: i32 = Key::int("mill.stones").default("2").min(1).doc("Stones that turn.");
/// }
/// assert_eq!(mill().keys()[0].name, STONES.name());
/// ```
#[macro_export]
macro_rules! keys {
    ($(#[$list_doc:meta])* $list:ident: $($(#[$doc:meta])* $name:ident: $type:ty = $key:expr;)*) => {
        $(
            $(#[$doc])*
            #[allow(missing_docs, reason = "a declaration documents its key itself")]
            pub const $name: $crate::Key<$type> = $key;
        )*
        $(#[$list_doc])*
        pub fn $list() -> $crate::ConfigDef {
            $crate::ConfigDef::of([$($name.config_key()),*])
        }
    };
}

/// Types that a declared key can read as.
pub trait FromConfig: Sized {
    /// The value of a key that the configuration's definition declares.
    fn from_config(config: &ParsedConfig, name: &str) -> Self;
}

impl<T> Key<T> {
    const fn declare(name: &'static str, kind: ConfigType, required: bool) -> Self {
        let mut declaration = Declaration::new(name, kind, None, "");
        declaration.required = required;
        Self { declaration, value: PhantomData }
    }

    /// Sets the default, as text. Whether it fits is checked by a test beside the key.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.declaration.default = Some(text);
        self
    }

    /// Takes no number below this.
    #[must_use]
    pub const fn min(mut self, min: i64) -> Self {
        self.declaration.bounds.min = Some(min);
        self
    }

    /// Takes no number above this.
    #[must_use]
    pub const fn max(mut self, max: i64) -> Self {
        self.declaration.bounds.max = Some(max);
        self
    }

    /// Takes this number, too, beside those between a smallest and a largest one.
    #[must_use]
    pub const fn or(mut self, number: i64) -> Self {
        self.declaration.bounds.or = Some(number);
        self
    }

    /// Restricts the values by another rule.
    #[must_use]
    pub const fn validator(mut self, validator: fn() -> Validator) -> Self {
        self.declaration.validator = Some(validator);
        self
    }

    /// Sets the importance.
    #[must_use]
    pub const fn importance(mut self, importance: Importance) -> Self {
        self.declaration.importance = importance;
        self
    }

    /// Sets the documentation, in Markdown.
    #[must_use]
    pub const fn doc(mut self, documentation: &'static str) -> Self {
        self.declaration.documentation = documentation;
        self
    }

    /// Places it in a user interface.
    #[must_use]
    pub const fn placed(mut self, place: Place) -> Self {
        self.declaration.place = Some(place);
        self
    }

    /// The key as users write it.
    pub const fn name(&self) -> &'static str {
        self.declaration.name
    }

    /// The same key without its type, for tables that are searched by name.
    pub const fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// The declaration, to be put into a [`crate::ConfigDef`].
    pub fn config_key(&self) -> ConfigKey {
        self.declaration.config_key()
    }
}

impl<T: FromConfig> Key<T> {
    /// Reads this key alone from properties.
    ///
    /// # Errors
    ///
    /// It must be set and is not, its value is not of its type, or its rule refuses it.
    pub fn read(&self, properties: &BTreeMap<String, String>) -> Result<T, ConfigError> {
        let given = properties.get(self.name()).map(|value| (self.name().to_owned(), Some(value.clone())));
        let parsed = ConfigDef::of([self.config_key()]).parse(&given.into_iter().collect())?;
        Ok(self.get(&parsed))
    }
}

impl<T: FromConfig> Key<T> {
    /// The value.
    ///
    /// # Panics
    ///
    /// If the configuration was parsed with a definition that does not declare this key.
    pub fn get(&self, config: &ParsedConfig) -> T {
        T::from_config(config, self.name())
    }
}

macro_rules! readable {
    ($($type:ty, $doc:literal, $constructor:ident, $kind:ident, $required:literal, |$config:ident, $name:ident| $read:expr;)*) => {$(
        impl Key<$type> {
            #[doc = $doc]
            pub const fn $constructor(name: &'static str) -> Self {
                Self::declare(name, ConfigType::$kind, $required)
            }
        }
        impl FromConfig for $type {
            fn from_config($config: &ParsedConfig, $name: &str) -> Self {
                $read
            }
        }
    )*};
}

readable! {
    String, "A text that must be set unless a default follows.", string, String, true,
        |config, name| config.string(name).to_owned();
    Option<String>, "A text without a default.", optional_string, String, false,
        |config, name| config.optional_string(name).map(str::to_owned);
    bool, "A flag; a default should follow.", boolean, Boolean, true, |config, name| config.bool(name);
    i16, "A SHORT; a default should follow.", short, Short, true,
        |config, name| i16::try_from(config.long(name)).unwrap_or_else(|_| unreachable!("{name} is no SHORT"));
    i32, "An INT; a default should follow.", int, Int, true, |config, name| config.int(name);
    i64, "A LONG; a default should follow.", long, Long, true, |config, name| config.long(name);
    Option<i64>, "A LONG without a default.", optional_long, Long, false,
        |config, name| config.optional_long(name);
    Option<i32>, "An INT without a default.", optional_int, Int, false,
        |config, name| config.optional_long(name).and_then(|number| i32::try_from(number).ok());
    Option<f64>, "A DOUBLE; null unless set or a default follows.", double, Double, false,
        |config, name| config.optional_double(name);
    Vec<String>, "A list; a default should follow.", list, List, true,
        |config, name| config.list(name).to_vec();
    Option<Vec<String>>, "A list without a default.", optional_list, List, false,
        |config, name| config.optional_list(name).map(<[String]>::to_vec);
    Duration, "A LONG of milliseconds; a default should follow.", millis, Long, true,
        |config, name| config.optional_millis(name).unwrap_or_default();
    Option<Duration>, "A LONG of milliseconds without a default.", optional_millis, Long, false,
        |config, name| config.optional_millis(name);
}

impl Key<String> {
    /// A class name or alias that must be set unless a default follows.
    pub const fn class(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Class, true)
    }
}

impl Key<Option<String>> {
    /// A class name or alias without a default.
    pub const fn optional_class(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Class, false)
    }

    /// A password without a default.
    pub const fn password(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Password, false)
    }
}

impl Key<Duration> {
    /// An INT of milliseconds; a default should follow.
    pub const fn int_millis(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Int, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigDef, ConfigMap};

    const LINGER: Key<Duration> = Key::millis("linger.ms").default("5").min(0).max(60_000);
    const NAMES: Key<Vec<String>> = Key::list("names").default("");
    const SIZE: Key<Option<i64>> = Key::optional_long("size");

    #[test]
    fn one_declaration_reads_and_refuses() {
        let def = ConfigDef::of([LINGER.config_key(), NAMES.config_key(), SIZE.config_key()]);
        let parsed = def.parse(&ConfigMap::from([("names".into(), Some("a, b".into()))])).unwrap();
        assert_eq!(LINGER.get(&parsed), Duration::from_millis(5));
        assert_eq!(NAMES.get(&parsed), ["a", "b"]);
        assert_eq!(SIZE.get(&parsed), None);
        let error = def.parse(&ConfigMap::from([("linger.ms".into(), Some("70000".into()))])).unwrap_err();
        assert_eq!(
            error.message(),
            "Invalid value 70000 for configuration linger.ms: Value must be no more than 60000"
        );
    }
}
