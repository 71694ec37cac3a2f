//! Source and sink connectors.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{AlteredOffsets, PluginError, Support, TopicOffset};
use wasmtime::component::ResourceAny;

use super::exports::{sink_api, source_api};
use super::lift::{self, answer};
use crate::contract::GuestConnector;
use crate::instance::{Guest, call};

pub(super) struct SourceConnector {
    api: source_api::Guest,
    connector: ResourceAny,
}

pub(super) struct SinkConnector {
    api: sink_api::Guest,
    connector: ResourceAny,
}

impl SourceConnector {
    pub(super) async fn create(api: source_api::Guest, guest: &mut Guest, class: &str) -> Result<Self, PluginError> {
        let connector = answer(call!(guest, "create", |store| api.source_connector().call_create(store, class)))?;
        Ok(Self { api, connector })
    }
}

impl SinkConnector {
    pub(super) async fn create(api: sink_api::Guest, guest: &mut Guest, class: &str) -> Result<Self, PluginError> {
        let connector = answer(call!(guest, "create", |store| api.sink_connector().call_create(store, class)))?;
        Ok(Self { api, connector })
    }
}

#[async_trait]
impl GuestConnector for SourceConnector {
    async fn validate(&self, guest: &mut Guest, config: &ConfigMap) -> Result<String, PluginError> {
        let (api, config) = (self.api.source_connector(), lift::config(config));
        answer(call!(guest, "validate", |store| api.call_validate(store, self.connector, &config)))
    }

    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError> {
        let (api, config) = (self.api.source_connector(), lift::config(config));
        answer(call!(guest, "start", |store| api.call_start(store, self.connector, &config)))
    }

    async fn task_configs(&self, guest: &mut Guest, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError> {
        let api = self.api.source_connector();
        let configs =
            answer(call!(guest, "task-configs", |store| api.call_task_configs(store, self.connector, max_tasks)))?;
        Ok(configs.into_iter().map(lift::config_map).collect())
    }

    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError> {
        let api = self.api.source_connector();
        answer(call!(guest, "stop", |store| api.call_stop(store, self.connector)))
    }

    async fn exactly_once_support(&self, guest: &mut Guest, config: &ConfigMap) -> Result<Support, PluginError> {
        let (api, config) = (self.api.source_connector(), lift::config(config));
        let support = answer(call!(guest, "exactly-once-support", |store| api.call_exactly_once_support(
            store,
            self.connector,
            &config
        )))?;
        Ok(lifted(support))
    }

    async fn can_define_transaction_boundaries(
        &self,
        guest: &mut Guest,
        config: &ConfigMap,
    ) -> Result<Support, PluginError> {
        let (api, config) = (self.api.source_connector(), lift::config(config));
        let support = answer(call!(guest, "can-define-transaction-boundaries", |store| api
            .call_can_define_transaction_boundaries(store, self.connector, &config)))?;
        Ok(lifted(support))
    }

    async fn alter_offsets(
        &self,
        guest: &mut Guest,
        config: &ConfigMap,
        offsets: &AlteredOffsets,
    ) -> Result<bool, PluginError> {
        let AlteredOffsets::Source(offsets) = offsets else { return Ok(true) };
        let (api, config) = (self.api.source_connector(), lift::config(config));
        answer(call!(guest, "alter-offsets", |store| api.call_alter_offsets(store, self.connector, &config, offsets)))
    }
}

#[async_trait]
impl GuestConnector for SinkConnector {
    async fn validate(&self, guest: &mut Guest, config: &ConfigMap) -> Result<String, PluginError> {
        let (api, config) = (self.api.sink_connector(), lift::config(config));
        answer(call!(guest, "validate", |store| api.call_validate(store, self.connector, &config)))
    }

    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError> {
        let (api, config) = (self.api.sink_connector(), lift::config(config));
        answer(call!(guest, "start", |store| api.call_start(store, self.connector, &config)))
    }

    async fn task_configs(&self, guest: &mut Guest, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError> {
        let api = self.api.sink_connector();
        let configs =
            answer(call!(guest, "task-configs", |store| api.call_task_configs(store, self.connector, max_tasks)))?;
        Ok(configs.into_iter().map(lift::config_map).collect())
    }

    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError> {
        let api = self.api.sink_connector();
        answer(call!(guest, "stop", |store| api.call_stop(store, self.connector)))
    }

    async fn exactly_once_support(&self, _guest: &mut Guest, _config: &ConfigMap) -> Result<Support, PluginError> {
        Ok(Support::Unknown)
    }

    async fn can_define_transaction_boundaries(
        &self,
        _guest: &mut Guest,
        _config: &ConfigMap,
    ) -> Result<Support, PluginError> {
        Ok(Support::Unknown)
    }

    async fn alter_offsets(
        &self,
        guest: &mut Guest,
        config: &ConfigMap,
        offsets: &AlteredOffsets,
    ) -> Result<bool, PluginError> {
        let AlteredOffsets::Sink(offsets) = offsets else { return Ok(true) };
        let (api, config) = (self.api.sink_connector(), lift::config(config));
        let lowered = offsets.iter().map(|(of, offset)| {
            let to = offset.map(|offset| TopicOffset { topic: of.topic.clone(), partition: of.partition, offset });
            (lift::partition_lowered(of), to.as_ref().map(lift::offset_lowered))
        });
        let lowered: Vec<_> = lowered.collect();
        answer(call!(guest, "alter-offsets", |store| api.call_alter_offsets(store, self.connector, &config, &lowered)))
    }
}

fn lifted(support: source_api::Support) -> Support {
    match support {
        source_api::Support::Supported => Support::Supported,
        source_api::Support::Unsupported => Support::Unsupported,
        source_api::Support::Unknown => Support::Unknown,
    }
}
