//! Configuration: what keys a plugin knows, and what a user has set them to.
//!
//! A [`ConfigDef`] declares the keys once. The host checks and documents them from the description;
//! the plugin parses its configuration with the same definition into a struct of its own through
//! [`PluginConfig`].

mod definition;
mod key;
mod map;
mod validator;
mod values;

pub use definition::ConfigDef;
pub(crate) use key::Opened;
pub use key::{Importance, Key, KeyType, Opens, Width};
pub use map::ConfigMap;
pub use validator::Validator;
pub use values::{ConfigValue, ConfigValues};

use crate::Result;

/// The configuration of a plugin as a struct of its own.
///
/// ```
/// use millstream_sdk::{Result, config::{ConfigDef, ConfigMap, ConfigValues, Importance::High, Key, PluginConfig}};
///
/// struct TickConfig {
///     topic: String,
///     every_ms: u32,
/// }
///
/// impl PluginConfig for TickConfig {
///     fn definition() -> ConfigDef {
///         ConfigDef::new()
///             .key(Key::string("topic").required().non_empty().importance(High).doc("Where ticks go."))
///             .key(Key::int("every.ms").default(1000).range(1..=60_000).doc("Milliseconds between ticks."))
///     }
///
///     fn from_values(values: &ConfigValues) -> Result<Self> {
///         Ok(Self { topic: values.string("topic")?.to_owned(), every_ms: values.int("every.ms")? as u32 })
///     }
/// }
///
/// let config = TickConfig::parse(&ConfigMap::from([("topic", "ticks")])).unwrap();
/// assert_eq!((config.topic.as_str(), config.every_ms), ("ticks", 1000));
/// ```
pub trait PluginConfig: Sized {
    /// The keys, in the order they are to be shown.
    fn definition() -> ConfigDef;

    /// The struct from values that the definition has accepted.
    ///
    /// # Errors
    ///
    /// [`Error::config`](crate::Error::config) for what the definition cannot say, such as keys that
    /// exclude each other.
    fn from_values(values: &ConfigValues) -> Result<Self>;

    /// Checks a configuration against the definition and builds the struct.
    ///
    /// # Errors
    ///
    /// The first key that is at fault, in the words of Kafka Connect.
    fn parse(config: &ConfigMap) -> Result<Self> {
        Self::from_values(&Self::definition().parse(config)?)
    }
}

/// For plugins without configuration.
impl PluginConfig for () {
    fn definition() -> ConfigDef {
        ConfigDef::new()
    }

    fn from_values(_: &ConfigValues) -> Result<Self> {
        Ok(())
    }
}
