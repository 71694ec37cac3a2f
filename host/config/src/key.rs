//! Keys of our own as constants: one declaration parses, validates, answers and documents.

use std::{marker::PhantomData, time::Duration};

use crate::{ConfigKey, ConfigType, Default, Importance, ParsedConfig, Validator, connector_keys::Place};

/// A declared key whose value reads as a `T`.
///
/// ```
/// use millstream_config::{Importance, Key, Validator};
/// use std::time::Duration;
///
/// const FLUSH_INTERVAL: Key<Duration> = Key::millis("offset.flush.interval.ms")
///     .default("60000")
///     .validator(|| Validator::at_least(0))
///     .importance(Importance::Low)
///     .doc("Time between two commits of source offsets.");
/// assert_eq!(FLUSH_INTERVAL.name(), "offset.flush.interval.ms");
/// ```
pub struct Key<T> {
    name: &'static str,
    kind: ConfigType,
    default: Fallback,
    validator: Option<fn() -> Validator>,
    importance: Importance,
    documentation: &'static str,
    place: Option<Place>,
    value: PhantomData<fn() -> T>,
}

#[derive(Clone, Copy)]
enum Fallback {
    Required,
    Null,
    Text(&'static str),
}

/// Types that a declared key can read as.
pub trait FromConfig: Sized {
    /// The value of a key that the configuration's definition declares.
    fn from_config(config: &ParsedConfig, name: &str) -> Self;
}

impl<T> Key<T> {
    const fn declare(name: &'static str, kind: ConfigType, default: Fallback) -> Self {
        Self {
            name,
            kind,
            default,
            validator: None,
            importance: Importance::Medium,
            documentation: "",
            place: None,
            value: PhantomData,
        }
    }

    /// Sets the default, as text. Whether it fits is checked by the tests of this crate.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Fallback::Text(text);
        self
    }

    /// Restricts the values.
    #[must_use]
    pub const fn validator(mut self, validator: fn() -> Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Sets the importance.
    #[must_use]
    pub const fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// Sets the documentation, in Markdown.
    #[must_use]
    pub const fn doc(mut self, documentation: &'static str) -> Self {
        self.documentation = documentation;
        self
    }

    /// Places it in a user interface.
    #[must_use]
    pub(crate) const fn placed(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The key as users write it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The declaration, to be put into a [`crate::ConfigDef`].
    pub fn config_key(&self) -> ConfigKey {
        let mut key = ConfigKey::new(self.name, self.kind).importance(self.importance).doc(self.documentation);
        key.default = match self.default {
            Fallback::Required => Default::Required,
            Fallback::Null => Default::Null,
            Fallback::Text(text) => Default::Text(text.to_owned()),
        };
        key.validator = self.validator.map(|validator| validator());
        match self.place {
            Some(place) => key.placed(place.group, place.order, place.width, place.display_name),
            None => key,
        }
    }
}

impl<T: FromConfig> Key<T> {
    /// The value.
    ///
    /// # Panics
    ///
    /// If the configuration was parsed with a definition that does not declare this key.
    pub fn get(&self, config: &ParsedConfig) -> T {
        T::from_config(config, self.name)
    }
}

macro_rules! readable {
    ($($type:ty, $doc:literal, $constructor:ident, $kind:ident, $fallback:ident, |$config:ident, $name:ident| $read:expr;)*) => {$(
        impl Key<$type> {
            #[doc = $doc]
            pub const fn $constructor(name: &'static str) -> Self {
                Self::declare(name, ConfigType::$kind, Fallback::$fallback)
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
    String, "A text that must be set unless a default follows.", string, String, Required,
        |config, name| config.string(name).to_owned();
    Option<String>, "A text without a default.", optional_string, String, Null,
        |config, name| config.optional_string(name).map(str::to_owned);
    bool, "A flag; a default should follow.", boolean, Boolean, Required, |config, name| config.bool(name);
    i16, "A SHORT; a default should follow.", short, Short, Required,
        |config, name| i16::try_from(config.long(name)).unwrap_or_else(|_| unreachable!("{name} is no SHORT"));
    i32, "An INT; a default should follow.", int, Int, Required, |config, name| config.int(name);
    i64, "A LONG; a default should follow.", long, Long, Required, |config, name| config.long(name);
    Option<i64>, "A LONG without a default.", optional_long, Long, Null,
        |config, name| config.optional_long(name);
    Option<i32>, "An INT without a default.", optional_int, Int, Null,
        |config, name| config.optional_long(name).and_then(|number| i32::try_from(number).ok());
    Option<f64>, "A DOUBLE; null unless set or a default follows.", double, Double, Null,
        |config, name| config.optional_double(name);
    Vec<String>, "A list; a default should follow.", list, List, Required,
        |config, name| config.list(name).to_vec();
    Option<Vec<String>>, "A list without a default.", optional_list, List, Null,
        |config, name| config.optional_list(name).map(<[String]>::to_vec);
    Duration, "A LONG of milliseconds; a default should follow.", millis, Long, Required,
        |config, name| config.optional_millis(name).unwrap_or_default();
    Option<Duration>, "A LONG of milliseconds without a default.", optional_millis, Long, Null,
        |config, name| config.optional_millis(name);
}

impl Key<String> {
    /// A class name or alias that must be set unless a default follows.
    pub const fn class(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Class, Fallback::Required)
    }
}

impl Key<Option<String>> {
    /// A class name or alias without a default.
    pub const fn optional_class(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Class, Fallback::Null)
    }

    /// A password without a default.
    pub const fn password(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Password, Fallback::Null)
    }
}

impl Key<Duration> {
    /// An INT of milliseconds; a default should follow.
    pub const fn int_millis(name: &'static str) -> Self {
        Self::declare(name, ConfigType::Int, Fallback::Required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigDef, ConfigMap};

    const LINGER: Key<Duration> = Key::millis("linger.ms").default("5").validator(|| Validator::between(0.0, 60_000.0));
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
