//! A sink task in a guest.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{PluginError, SinkContext, SinkTask, TopicOffset, TopicPartition};
use millstream_record::batch::Batch;
use wasmtime::component::ResourceAny;

use super::{Origin, answer, broken, missing};
use crate::capability::Worker;
use crate::contract::v0_1_0::{exports::sink_api, fast, lift};
use crate::instance::{Guest, call};

/// A sink task whose instance lives as long as it does: what it has taken is in there.
pub(crate) struct WasmSinkTask {
    origin: Origin,
    guest: Guest,
    api: sink_api::Guest,
    task: ResourceAny,
}

impl WasmSinkTask {
    pub(crate) async fn create(origin: Origin, context: Arc<dyn SinkContext>) -> Result<Self, PluginError> {
        let (loaded, mut guest) = origin.instance(Worker::Sink(context)).await?;
        let Some(indices) = &loaded.exports.sink else { return Err(missing(&guest, "sink-api")) };
        let api = guest.load(|store, instance| indices.load(store, instance)).map_err(broken)?;
        let class = &origin.plugin.info.class;
        let task = answer(call!(guest, "create", |store| api.sink_task().call_create(store, class)))?;
        Ok(Self { origin, guest, api, task })
    }

    /// Which rows `report` may name: those of the batch in the call.
    fn may_report(&mut self, rows: u32) {
        if let Some(state) = self.guest.state() {
            state.put_rows = rows;
            state.reported.clear();
            state.reported.resize(rows as usize, false);
        }
    }
}

#[async_trait]
impl SinkTask for WasmSinkTask {
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.origin.grant(&mut self.guest, config);
        let config = lift::config(config);
        answer(call!(self.guest, "start", |store| self.api.sink_task().call_start(store, self.task, &config)))
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let partitions: Vec<_> = partitions.iter().map(lift::partition_lowered).collect();
        answer(call!(self.guest, "open", |store| self.api.sink_task().call_open(store, self.task, &partitions)))
    }

    async fn put(&mut self, records: &Batch) -> Result<(), PluginError> {
        self.may_report(records.rows());
        let records = records.as_bytes();
        let outcome = call!(self.guest, "put", |store| fast::put(&self.api, store, self.task, records));
        self.may_report(0);
        answer(outcome)
    }

    async fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>, PluginError> {
        let given: Vec<_> = offsets.iter().map(lift::offset_lowered).collect();
        let safe = answer(call!(self.guest, "pre-commit", |store| self
            .api
            .sink_task()
            .call_pre_commit(store, self.task, &given)))?;
        let Some(safe) = safe else { return Ok(None) };
        let safe: wasmtime::Result<Vec<_>> = safe.into_iter().map(lift::topic_offset).collect();
        let safe = safe.map_err(|error| broken(self.guest.violated(error.to_string())))?;
        // An offset beyond what was delivered would skip records that nobody has seen.
        for TopicOffset { topic, partition, offset } in &safe {
            let delivered = offsets.iter().find(|given| given.topic == *topic && given.partition == *partition);
            if delivered.is_some_and(|delivered| delivered.offset < *offset) {
                let what =
                    format!("offered to commit offset {offset} of {topic}-{partition}, which was not delivered yet");
                return Err(broken(self.guest.violated(what)));
            }
        }
        Ok(Some(safe))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let partitions: Vec<_> = partitions.iter().map(lift::partition_lowered).collect();
        answer(call!(self.guest, "close", |store| self.api.sink_task().call_close(store, self.task, &partitions)))
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        answer(call!(self.guest, "stop", |store| self.api.sink_task().call_stop(store, self.task)))
    }
}
