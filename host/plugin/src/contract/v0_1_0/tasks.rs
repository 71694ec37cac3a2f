//! Source and sink tasks.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{PluginError, PollLimits, TopicOffset, TopicPartition};
use wasmtime::component::ResourceAny;

use super::exports::{sink_api, source_api};
use super::fast;
use super::lift::{self, answer};
use crate::contract::{GuestSinkTask, GuestSourceTask};
use crate::instance::{Guest, call};

pub(super) struct SourceTask {
    api: source_api::Guest,
    task: ResourceAny,
}

pub(super) struct SinkTask {
    api: sink_api::Guest,
    task: ResourceAny,
}

impl SourceTask {
    pub(super) async fn create(api: source_api::Guest, guest: &mut Guest, class: &str) -> Result<Self, PluginError> {
        let task = answer(call!(guest, "create", |store| api.source_task().call_create(store, class)))?;
        Ok(Self { api, task })
    }
}

impl SinkTask {
    pub(super) async fn create(api: sink_api::Guest, guest: &mut Guest, class: &str) -> Result<Self, PluginError> {
        let task = answer(call!(guest, "create", |store| api.sink_task().call_create(store, class)))?;
        Ok(Self { api, task })
    }
}

#[async_trait]
impl GuestSourceTask for SourceTask {
    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError> {
        let (api, config) = (self.api.source_task(), lift::config(config));
        answer(call!(guest, "start", |store| api.call_start(store, self.task, &config)))
    }

    async fn poll(&self, guest: &mut Guest, limits: PollLimits) -> Result<Option<Vec<u8>>, PluginError> {
        let PollLimits { max_records, max_bytes, max_wait_ms } = limits;
        let limits = source_api::PollLimits { max_records, max_bytes, max_wait_ms };
        let api = self.api.source_task();
        answer(call!(guest, "poll", |store| api.call_poll(store, self.task, limits)))
    }

    async fn committed(&self, guest: &mut Guest, rows: &[u8]) -> Result<(), PluginError> {
        answer(call!(guest, "committed", |store| fast::committed(&self.api, store, self.task, rows)))
    }

    async fn commit(&self, guest: &mut Guest) -> Result<(), PluginError> {
        let api = self.api.source_task();
        answer(call!(guest, "commit", |store| api.call_commit(store, self.task)))
    }

    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError> {
        let api = self.api.source_task();
        answer(call!(guest, "stop", |store| api.call_stop(store, self.task)))
    }
}

#[async_trait]
impl GuestSinkTask for SinkTask {
    async fn start(&self, guest: &mut Guest, config: &ConfigMap) -> Result<(), PluginError> {
        let (api, config) = (self.api.sink_task(), lift::config(config));
        answer(call!(guest, "start", |store| api.call_start(store, self.task, &config)))
    }

    async fn open(&self, guest: &mut Guest, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let api = self.api.sink_task();
        let partitions: Vec<_> = partitions.iter().map(lift::partition_lowered).collect();
        answer(call!(guest, "open", |store| api.call_open(store, self.task, &partitions)))
    }

    async fn put(&self, guest: &mut Guest, batch: &[u8]) -> Result<(), PluginError> {
        answer(call!(guest, "put", |store| fast::put(&self.api, store, self.task, batch)))
    }

    async fn pre_commit(
        &self,
        guest: &mut Guest,
        offsets: &[TopicOffset],
    ) -> Result<Option<Vec<TopicOffset>>, PluginError> {
        let api = self.api.sink_task();
        let given: Vec<_> = offsets.iter().map(lift::offset_lowered).collect();
        let safe = answer(call!(guest, "pre-commit", |store| api.call_pre_commit(store, self.task, &given)))?;
        let Some(safe) = safe else { return Ok(None) };
        let safe: wasmtime::Result<Vec<_>> = safe.into_iter().map(lift::topic_offset).collect();
        safe.map(Some).map_err(|error| guest.violated(error.to_string()).into())
    }

    async fn close(&self, guest: &mut Guest, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let api = self.api.sink_task();
        let partitions: Vec<_> = partitions.iter().map(lift::partition_lowered).collect();
        answer(call!(guest, "close", |store| api.call_close(store, self.task, &partitions)))
    }

    async fn stop(&self, guest: &mut Guest) -> Result<(), PluginError> {
        let api = self.api.sink_task();
        answer(call!(guest, "stop", |store| api.call_stop(store, self.task)))
    }
}
