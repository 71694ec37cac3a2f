//! Reading and changing the configurations of topics and brokers.

use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        DescribeConfigsRequest, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};

use super::{Admin, Refused};
use crate::cluster::RequestError;

/// What settings belong to.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConfigResource {
    /// The topic's own settings, with the broker's for what it leaves out.
    Topic(TopicName),
    /// A broker, by its node id.
    Broker(i32),
}

impl ConfigResource {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) => 4,
        }
    }

    fn name(&self) -> StrBytes {
        StrBytes::from_string(match self {
            Self::Topic(name) => name.to_string(),
            Self::Broker(node) => node.to_string(),
        })
    }
}

/// One setting, as the broker describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigEntry {
    /// As in `server.properties` or a topic's configuration.
    pub name: String,
    /// Its value; `None` when it is unset or secret.
    pub value: Option<String>,
    /// Whether nobody set it for this resource or any wider one.
    pub is_default: bool,
    /// Whether it can be changed at all.
    pub read_only: bool,
    /// Whether its value is secret.
    pub sensitive: bool,
}

/// A change of one setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigChange {
    /// Gives it a value.
    Set(String, String),
    /// Takes the resource's own value away.
    Delete(String),
}

impl Admin {
    /// Reads all settings of a resource.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
    ) -> Result<Result<Vec<ConfigEntry>, Refused>, RequestError> {
        let asked = DescribeConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(resource.name())
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
        self.repeat("describe configs", || async {
            let connection = match resource {
                ConfigResource::Broker(node) => self.link.to(*node).await?,
                ConfigResource::Topic(_) => self.link.any().await?,
            };
            let response = connection.call(&request).await?;
            let Some(answered) = response.results.into_iter().next() else { return Ok(Ok(Vec::new())) };
            let message = answered.error_message.map(|text| text.to_string());
            if let Err(refused) = Refused::check(answered.error_code, message) {
                return Ok(Err(refused));
            }
            let entries = answered.configs.into_iter().map(|config| ConfigEntry {
                name: config.name.to_string(),
                value: config.value.map(|text| text.to_string()),
                is_default: config.config_source == DEFAULT_CONFIG,
                read_only: config.read_only,
                sensitive: config.is_sensitive,
            });
            Ok(Ok(entries.collect()))
        })
        .await
    }

    /// Changes settings of a resource and leaves its others alone.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
    ) -> Result<Result<(), Refused>, RequestError> {
        let text = |text: &String| StrBytes::from_string(text.clone());
        let change = |change: &ConfigChange| match change {
            ConfigChange::Set(name, value) => {
                AlterableConfig::default().with_name(text(name)).with_config_operation(0).with_value(Some(text(value)))
            }
            ConfigChange::Delete(name) => {
                AlterableConfig::default().with_name(text(name)).with_config_operation(1).with_value(None)
            }
        };
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(resource.name())
            .with_configs(changes.iter().map(change).collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![altered]);
        self.repeat("alter configs", || async {
            let connection = match resource {
                ConfigResource::Broker(node) => self.link.to(*node).await?,
                ConfigResource::Topic(_) => self.link.controller().await?,
            };
            let response = connection.call(&request).await?;
            let answered = response.responses.into_iter().next();
            Ok(answered.map_or(Ok(()), |answered| {
                Refused::check(answered.error_code, answered.error_message.map(|text| text.to_string()))
            }))
        })
        .await
    }
}

/// The protocol's number for "nobody set it".
const DEFAULT_CONFIG: i8 = 5;
