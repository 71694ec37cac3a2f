//! What a configuration names: the plugin of its connector, and how many tasks that may have.

use std::sync::Arc;

use millstream_config::{ConfigDef, ConfigMap, Wanted, connector_key_names as key};
use millstream_connector::{ErrorKind, Failure, FindPluginError, PluginInfo, Plugins};

use crate::error_policy::CONNECT_EXCEPTION;

/// The class that a connector's configuration names; empty if it names none.
pub(crate) fn class_of(config: &ConfigMap) -> &str {
    config.get(key::CONNECTOR_CLASS.name()).and_then(Option::as_deref).unwrap_or("").trim()
}

/// The connector that a configuration names.
///
/// # Errors
///
/// The version that it asks for is none.
pub(crate) fn wanted(config: &ConfigMap) -> Result<Wanted, FindPluginError> {
    Wanted::connector(config).map_err(|error| FindPluginError::Version(error.to_string()))
}

/// What is known of the connector that a configuration names, in the version that it asks for.
///
/// # Errors
///
/// There is none.
pub(crate) fn plugin_of(plugins: &dyn Plugins, config: &ConfigMap) -> Result<Arc<PluginInfo>, FindPluginError> {
    plugins.find_connector(&wanted(config)?)
}

pub(super) fn not_found(error: &FindPluginError) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, error.to_string())
}

/// How many tasks a connector may have.
pub(super) struct TaskLimits {
    pub(super) max: u32,
    pub(super) enforced: bool,
}

impl TaskLimits {
    pub(super) fn read(config: &ConfigMap) -> Self {
        // A configuration that validation did not see cannot ask for more than one.
        match ConfigDef::of([key::TASKS_MAX.config_key(), key::TASKS_MAX_ENFORCE.config_key()]).parse(config) {
            Ok(read) => Self {
                max: u32::try_from(key::TASKS_MAX.get(&read)).unwrap_or(1),
                enforced: key::TASKS_MAX_ENFORCE.get(&read),
            },
            Err(_) => Self { max: 1, enforced: true },
        }
    }

    pub(super) fn check(&self, name: &str, tasks: usize) -> Result<(), Failure> {
        if tasks <= self.max as usize {
            return Ok(());
        }
        let message = format!(
            "The connector {name} has generated {tasks} tasks, which is greater than {}, the maximum number of tasks it is configured to create. ",
            self.max
        );
        if !self.enforced {
            tracing::warn!(connector = name, "{message}It is permitted because 'tasks.max.enforce' is false.");
            return Ok(());
        }
        let message = format!(
            "{message}This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect."
        );
        Err(Failure::new(ErrorKind::Fatal, "org.apache.kafka.connect.errors.TooManyTasksException", message))
    }
}
