//! A sink task in a guest.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_columns::Subject;
use millstream_config::ConfigMap;
use millstream_connector::{PluginError, SinkContext, SinkTask, TopicOffset, TopicPartition};
use millstream_record::batch::Batch;

use super::recycling::Recycling;
use super::{InstanceFactory, passed};
use crate::capability::Worker;
use crate::contract::GuestSinkTask;
use crate::instance::Guest;

/// A sink task whose instance lives as long as it does: what it has taken is in there.
pub(crate) struct WasmSinkTask {
    factory: InstanceFactory,
    guest: Guest,
    task: Box<dyn GuestSinkTask>,
    context: Arc<dyn SinkContext>,
    /// What it was started with.
    config: ConfigMap,
    recycling: Recycling,
}

impl WasmSinkTask {
    pub(crate) async fn create(factory: InstanceFactory, context: Arc<dyn SinkContext>) -> Result<Self, PluginError> {
        let (guest, task) = Self::instance(&factory, &context).await?;
        let recycling = factory.recycling(&guest);
        Ok(Self { factory, guest, task, context, config: ConfigMap::new(), recycling })
    }

    async fn instance(
        factory: &InstanceFactory,
        context: &Arc<dyn SinkContext>,
    ) -> Result<(Guest, Box<dyn GuestSinkTask>), PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Sink(Arc::clone(context))).await?;
        let task = loaded.exports.sink_task(&mut guest, factory.class()).await?;
        Ok((guest, task))
    }

    /// Starts the instance at hand.
    async fn begin(&mut self) -> Result<(), PluginError> {
        let seen = self.guest.grant(&self.factory.openings, &self.config);
        self.task.start(&mut self.guest, &seen).await
    }
}

#[async_trait]
impl SinkTask for WasmSinkTask {
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.config.clone_from(config);
        self.begin().await
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        self.task.open(&mut self.guest, partitions).await
    }

    async fn put(&mut self, records: &Batch) -> Result<(), PluginError> {
        self.recycling.called();
        self.guest.begin_put(Some(records.clone()));
        self.guest.open_columns(Subject { batch: Some(records.clone()), ..Subject::default() });
        let taken = self.task.put(&mut self.guest, passed(records, self.factory.by_columns)).await;
        self.guest.close_columns();
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

    fn wants_renewal(&self) -> bool {
        self.recycling.is_due(&self.guest)
    }

    async fn renew(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        let bytes = self.guest.held_bytes();
        // What is safe was said before, and the instance is given up in any case.
        let closed = match partitions.is_empty() {
            true => Ok(()),
            false => self.task.close(&mut self.guest, partitions).await,
        };
        for error in [closed, self.stop().await].into_iter().filter_map(Result::err) {
            tracing::warn!(plugin = self.factory.class(), %error, "the sink task did not end cleanly before it was begun anew");
        }
        self.guest.discard();
        self.factory.custom.forget_progress();
        (self.guest, self.task) = Self::instance(&self.factory, &self.context).await?;
        self.recycling.replaced(&self.guest, bytes, &self.factory.name, &self.factory.metrics);
        self.begin().await?;
        if partitions.is_empty() { Ok(()) } else { self.task.open(&mut self.guest, partitions).await }
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
