//! Typed configuration keys: parse, validate, describe, mask and print them.
//!
//! A key is declared once: by a plugin as a [`ConfigKey`] of its [`ConfigDef`], by us as a [`Key`] constant (worker,
//! connectors, converters, clients) or in a table of [`Declaration`]s (broker and topics), from which the same is made.
//! That declaration parses properties, answers the validation endpoint and prints the reference page. The rules and texts are Kafka Connect's. HTTP and tasks live elsewhere, and files
//! on disk are read by the config providers alone: otherwise callers hand in bytes and maps. How texts are read is `values`', which plugins share.

#![forbid(unsafe_code)]

mod client_keys;
mod config_def;
mod config_error;
mod config_json;
mod connector;
mod connector_file;
mod connector_keys;
mod docs;
mod json;
mod key;
mod overrides;
mod parsed;
mod plugin_defs;
mod properties;
mod providers;
mod record_error_keys;
mod restart_keys;
pub mod secrets;
mod topic_creation;
mod topic_pattern;
mod transaction_keys;
mod unknown_keys;
mod validate;
mod validator;
mod version;
mod version_range;
mod wanted;
mod worker;
pub mod worker_key;

pub use config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Opens, Width};
pub use config_error::ConfigError;
pub use config_json::InvalidDefinition;
pub use connector::{
    ConfigInfo, ConfigInfos, ConnectorConfigError, OwnErrors, connector_config_def, invalid_config_message,
    validate_connector,
};
pub use connector_file::{ConnectorFile, ConnectorFileError, InitialState};
pub use connector_keys::{names as connector_key_names, sink_keys, source_keys, topic_list};
pub use docs::reference_page;
pub use json::{InvalidJson, first_json_value};
pub use key::{Declaration, FromConfig, Key, Place};
pub use millstream_values::config_text;
pub use overrides::{ClientRules, OverridePolicy, may_be_secret};
pub use parsed::{ParsedConfig, ParsedValue, originals_with_prefix};
pub use plugin_defs::{PluginDef, PluginDefs, PluginDirectory, PluginKind, UnknownConnector, aliases_of};
pub use properties::{
    PropertiesError, lines_of_keys as lines_of_properties, parse as parse_properties, parse_str as parse_properties_str,
};
pub use providers::{Providers, Resolved, restore_references, without_providers};
pub use record_error_keys::{names as record_error_key, sink_error_keys, source_error_keys};
pub use restart_keys::{names as restart_key, restart_keys, sets_restarts};
pub use topic_creation::{TopicGroup, TopicRules, has_topic_rules};
pub use topic_pattern::TopicPattern;
pub use transaction_keys::{names as transaction_key, transaction_keys};
pub use unknown_keys::{UnknownKey, nearest, unknown_connector_keys, unknown_keys_warning, unknown_worker_keys};
pub use validate::{ConfigValue, Environment, PlainEnvironment};
pub use validator::Validator;
pub use version::{Version, version_order};
pub use version_range::{InvalidVersions, Versions};
pub use wanted::{NoSuchVersion, Wanted, WantedError};
pub use worker::{Mode, WorkerConfig};

/// A configuration as submitted: a key may be present without a value.
pub type ConfigMap = std::collections::BTreeMap<String, Option<String>>;

/// What is shown in place of a password.
pub const HIDDEN: &str = "[hidden]";
