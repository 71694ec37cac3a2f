//! What the REST API asks of the herder. A trait, so that the API is tested without a worker.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::{ConfigDef, ConfigInfos, ConfigMap};
use millstream_runtime::herder::{
    ConnectorInfo, ConnectorStatus, Health, HerderError, HerderHandle, InstanceStatus, OffsetChange, OffsetEntry,
    PutConnector, RestartRequest, TargetState, TaskInfo,
};
use millstream_runtime::{LogLevels, config_log::SessionKey};

/// A plugin as the API lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginListing {
    /// Its class name.
    pub class: String,
    /// Connect's word for its kind.
    pub kind: &'static str,
    /// Its version; empty or `undefined` if it states none.
    pub version: String,
    /// Where it came from.
    pub location: String,
    /// What its component is made of; empty for what is in none.
    pub digest: String,
}

/// The herder as the API sees it. Dropping the future of a request does not take the request back.
///
/// Errors carry Connect's own texts; see [`HerderError`] for their meaning.
#[async_trait]
pub trait Herder: Send + Sync + 'static {
    /// Id of the Kafka cluster.
    fn cluster_id(&self) -> String;
    /// Whether the worker answers, after at most ten seconds.
    async fn health(&self) -> Health;
    /// Whether the worker has broken for good.
    fn is_broken(&self) -> bool;
    /// Names of all connectors.
    fn connectors(&self) -> Result<Vec<String>, HerderError>;
    /// A connector as it was configured.
    fn connector_info(&self, name: &str) -> Result<ConnectorInfo, HerderError>;
    /// How a connector and its tasks are doing.
    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError>;
    /// How a task is doing.
    fn task_status(&self, name: &str, number: u32) -> Result<InstanceStatus, HerderError>;
    /// Tasks of a connector in order.
    fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>, HerderError>;
    /// Creates a connector, or replaces its configuration if `replace` allows it.
    async fn put_config(
        &self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
    ) -> Result<PutConnector, HerderError>;
    /// Sets some keys and removes those without a value.
    async fn patch_config(&self, name: &str, patch: ConfigMap) -> Result<ConnectorInfo, HerderError>;
    /// Whether the worker is in a group.
    fn is_in_group(&self) -> bool;
    /// Whether workers of the group sign what they ask of each other.
    fn is_sessioned(&self) -> bool;
    /// The key by which they do.
    fn session_key(&self) -> Option<SessionKey>;
    /// Makes these the tasks of a connector.
    async fn put_task_configs(&self, name: &str, tasks: Vec<ConfigMap>) -> Result<(), HerderError>;
    /// Fences the producers of a source connector's earlier tasks, as the leader.
    async fn fence(&self, name: &str) -> Result<(), HerderError>;
    /// Stops and forgets a connector.
    async fn delete(&self, name: &str) -> Result<(), HerderError>;
    /// Pauses a connector.
    async fn pause(&self, name: &str) -> Result<(), HerderError>;
    /// Resumes a connector.
    async fn resume(&self, name: &str) -> Result<(), HerderError>;
    /// Stops a connector.
    async fn stop(&self, name: &str) -> Result<(), HerderError>;
    /// Restarts the connector instance alone.
    async fn restart_connector(&self, name: &str) -> Result<(), HerderError>;
    /// Restarts the chosen parts.
    async fn restart(&self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError>;
    /// Restarts one task.
    async fn restart_task(&self, name: &str, number: u32) -> Result<(), HerderError>;
    /// Plugins in Connect's order.
    fn plugins(&self, connectors_only: bool) -> Vec<PluginListing>;
    /// Keys of a plugin, in the newest version or one that is asked for.
    fn plugin_config(&self, name: &str, version: Option<&str>) -> Result<ConfigDef, HerderError>;
    /// Validates a connector's configuration.
    async fn validate(&self, config: &ConfigMap) -> Result<ConfigInfos, HerderError>;
    /// Topics that a connector uses.
    fn topics(&self, name: &str) -> Result<Vec<String>, HerderError>;
    /// Forgets them.
    fn reset_topics(&self, name: &str) -> Result<(), HerderError>;
    /// The offsets of a connector.
    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError>;
    /// Changes offsets of a connector that is stopped; `false` if it may keep others elsewhere.
    async fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<bool, HerderError>;
    /// Levels of the worker's own loggers.
    fn log_levels(&self) -> Arc<dyn LogLevels>;
    /// Gives a logger of every worker a level, which has to be one.
    async fn set_cluster_log_level(&self, logger: &str, level: &str) -> Result<(), HerderError>;
}

#[async_trait]
impl Herder for HerderHandle {
    fn cluster_id(&self) -> String {
        HerderHandle::cluster_id(self).to_owned()
    }

    async fn health(&self) -> Health {
        HerderHandle::health(self).await
    }

    fn is_broken(&self) -> bool {
        HerderHandle::is_broken(self)
    }

    fn connectors(&self) -> Result<Vec<String>, HerderError> {
        HerderHandle::connectors(self)
    }

    fn connector_info(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        HerderHandle::connector_info(self, name)
    }

    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        HerderHandle::status(self, name)
    }

    fn task_status(&self, name: &str, number: u32) -> Result<InstanceStatus, HerderError> {
        HerderHandle::task_status(self, name, number)
    }

    fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>, HerderError> {
        HerderHandle::tasks(self, name)
    }

    async fn put_config(
        &self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
    ) -> Result<PutConnector, HerderError> {
        HerderHandle::put_config(self, name, config, initial, replace).await
    }

    async fn patch_config(&self, name: &str, patch: ConfigMap) -> Result<ConnectorInfo, HerderError> {
        HerderHandle::patch_config(self, name, patch).await
    }

    fn is_in_group(&self) -> bool {
        HerderHandle::is_in_group(self)
    }

    fn is_sessioned(&self) -> bool {
        HerderHandle::is_sessioned(self)
    }

    fn session_key(&self) -> Option<SessionKey> {
        HerderHandle::session_key(self)
    }

    async fn put_task_configs(&self, name: &str, tasks: Vec<ConfigMap>) -> Result<(), HerderError> {
        HerderHandle::put_task_configs(self, name, tasks).await
    }

    async fn fence(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::fence(self, name).await
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::delete(self, name).await
    }

    async fn pause(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::pause(self, name).await
    }

    async fn resume(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::resume(self, name).await
    }

    async fn stop(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::stop(self, name).await
    }

    async fn restart_connector(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::restart_connector(self, name).await
    }

    async fn restart(&self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError> {
        HerderHandle::restart(self, name, request).await
    }

    async fn restart_task(&self, name: &str, number: u32) -> Result<(), HerderError> {
        HerderHandle::restart_task(self, name, number).await
    }

    fn plugins(&self, connectors_only: bool) -> Vec<PluginListing> {
        HerderHandle::plugins(self, connectors_only)
            .into_iter()
            .map(|plugin| PluginListing {
                class: plugin.class.clone(),
                kind: plugin.kind.name(),
                version: plugin.version.clone(),
                location: plugin.location.clone(),
                digest: plugin.digest.clone(),
            })
            .collect()
    }

    fn plugin_config(&self, name: &str, version: Option<&str>) -> Result<ConfigDef, HerderError> {
        HerderHandle::plugin_config(self, name, version)
    }

    async fn validate(&self, config: &ConfigMap) -> Result<ConfigInfos, HerderError> {
        HerderHandle::validate(self, config).await
    }

    fn topics(&self, name: &str) -> Result<Vec<String>, HerderError> {
        HerderHandle::topics(self, name)
    }

    fn reset_topics(&self, name: &str) -> Result<(), HerderError> {
        HerderHandle::reset_topics(self, name)
    }

    async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError> {
        HerderHandle::offsets(self, name).await
    }

    async fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<bool, HerderError> {
        HerderHandle::change_offsets(self, name, change).await
    }

    fn log_levels(&self) -> Arc<dyn LogLevels> {
        HerderHandle::log_levels(self)
    }

    async fn set_cluster_log_level(&self, logger: &str, level: &str) -> Result<(), HerderError> {
        HerderHandle::set_cluster_log_level(self, logger, level).await
    }
}
