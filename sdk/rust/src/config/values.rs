//! Parsed values.

use std::{collections::HashMap, fmt};

use super::ConfigMap;
use crate::{Error, Result};

/// The parsed value of a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ConfigValue {
    /// Not set and without default, or set to nothing.
    #[default]
    Null,
    /// STRING, PASSWORD and CLASS, trimmed.
    String(String),
    /// BOOLEAN.
    Boolean(bool),
    /// SHORT.
    Short(i16),
    /// INT.
    Int(i32),
    /// LONG.
    Long(i64),
    /// DOUBLE.
    Double(f64),
    /// LIST.
    List(Vec<String>),
}

/// As Java prints it in messages.
impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::String(text) => f.write_str(text),
            Self::Boolean(value) => value.fmt(f),
            Self::Short(number) => number.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Long(number) => number.fmt(f),
            Self::Double(number) => write!(f, "{number:?}"),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
        }
    }
}

/// The values of all keys of a definition.
///
/// Each reading function panics when the definition has no such key or declares it with another
/// type: that is a mistake in the plugin, which its first test shows.
#[derive(Clone, Debug, Default)]
pub struct ConfigValues {
    pub(super) parsed: HashMap<String, ConfigValue>,
    pub(super) originals: ConfigMap,
}

macro_rules! getters {
    ($($get:ident, $opt:ident, $variant:ident, $as:ty, $read:expr, $doc:literal;)*) => {$(
        #[doc = concat!("The value of a ", $doc, " key.")]
        ///
        /// # Errors
        ///
        /// The value is null.
        pub fn $get(&self, key: &str) -> Result<$as> {
            self.$opt(key).ok_or_else(|| null(key))
        }

        #[doc = concat!("The value of a ", $doc, " key, if it is not null.")]
        pub fn $opt(&self, key: &str) -> Option<$as> {
            match self.value(key) {
                ConfigValue::Null => None,
                ConfigValue::$variant(value) => Some($read(value)),
                other => panic!("key {key} is defined with another type than it is read with: {other:?}"),
            }
        }
    )*};
}

impl ConfigValues {
    getters! {
        string, opt_string, String, &str, String::as_str, "STRING, PASSWORD or CLASS";
        boolean, opt_boolean, Boolean, bool, |value: &bool| *value, "BOOLEAN";
        short, opt_short, Short, i16, |value: &i16| *value, "SHORT";
        int, opt_int, Int, i32, |value: &i32| *value, "INT";
        long, opt_long, Long, i64, |value: &i64| *value, "LONG";
        double, opt_double, Double, f64, |value: &f64| *value, "DOUBLE";
        list, opt_list, List, &[String], Vec::as_slice, "LIST";
    }

    /// The parsed value of a key.
    pub fn value(&self, key: &str) -> &ConfigValue {
        self.parsed.get(key).unwrap_or_else(|| panic!("key {key} is not in the definition"))
    }

    /// Everything the user set, also keys that the definition does not have.
    pub fn originals(&self) -> &ConfigMap {
        &self.originals
    }
}

fn null(key: &str) -> Error {
    Error::config(format!("Invalid value null for configuration {key}: Value must be non-null"))
}
