//! A sink task in a guest.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{PluginError, SinkContext, SinkTask, TopicOffset, TopicPartition};
use millstream_record::batch::Batch;

use super::InstanceFactory;
use crate::capability::Worker;
use crate::contract::GuestSinkTask;
use crate::instance::Guest;

/// A sink task whose instance lives as long as it does: what it has taken is in there.
pub(crate) struct WasmSinkTask {
    factory: InstanceFactory,
    guest: Guest,
    task: Box<dyn GuestSinkTask>,
}

impl WasmSinkTask {
    pub(crate) async fn create(factory: InstanceFactory, context: Arc<dyn SinkContext>) -> Result<Self, PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Sink(context)).await?;
        let task = loaded.exports.sink_task(&mut guest, factory.class()).await?;
        Ok(Self { factory, guest, task })
    }
}

#[async_trait]
impl SinkTask for WasmSinkTask {
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        let seen = self.guest.grant(&self.factory.openings, config);
        self.task.start(&mut self.guest, &seen).await
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        self.task.open(&mut self.guest, partitions).await
    }

    async fn put(&mut self, records: &Batch) -> Result<(), PluginError> {
        self.guest.begin_put(Some(records.clone()));
        let taken = self.task.put(&mut self.guest, records.as_bytes()).await;
        self.guest.begin_put(None);
        taken
    }

    async fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>, PluginError> {
        let Some(safe) = self.task.pre_commit(&mut self.guest, offsets).await? else { return Ok(None) };
        // An offset beyond what was delivered would skip records that nobody has seen.
        for TopicOffset { topic, partition, offset } in &safe {
            let delivered = offsets.iter().find(|given| given.topic == *topic && given.partition == *partition);
            if delivered.is_some_and(|delivered| delivered.offset < *offset) {
                let what =
                    format!("offered to commit offset {offset} of {topic}-{partition}, which was not delivered yet");
                return Err(self.guest.violated(what).into());
            }
        }
        Ok(Some(safe))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        self.task.close(&mut self.guest, partitions).await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        self.task.stop(&mut self.guest).await
    }
}
