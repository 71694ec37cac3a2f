//! A source task in a guest.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_columns::{Answer, Subject};
use millstream_config::ConfigMap;
use millstream_connector::{AcknowledgedRow, PluginError, PollLimits, Rest, SourceContext, SourceTask};
use millstream_record::batch::{Batch, Column, Kind, Role, Table, bits};

use super::recycling::Recycling;
use super::{InstanceFactory, batch, passed};
use crate::capability::Worker;
use crate::contract::GuestSourceTask;
use crate::instance::Guest;

/// A source task whose instance lives as long as it does: what it has read is in there.
pub(crate) struct WasmSourceTask {
    factory: InstanceFactory,
    guest: Guest,
    task: Box<dyn GuestSourceTask>,
    rest: Option<Rest>,
    context: Arc<dyn SourceContext>,
    /// What it was started with.
    config: ConfigMap,
    recycling: Recycling,
}

impl WasmSourceTask {
    pub(crate) async fn create(factory: InstanceFactory, context: Arc<dyn SourceContext>) -> Result<Self, PluginError> {
        let (guest, task) = Self::instance(&factory, &context).await?;
        let recycling = factory.recycling(&guest);
        Ok(Self { factory, guest, task, rest: None, context, config: ConfigMap::new(), recycling })
    }

    async fn instance(
        factory: &InstanceFactory,
        context: &Arc<dyn SourceContext>,
    ) -> Result<(Guest, Box<dyn GuestSourceTask>), PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Source(Arc::clone(context))).await?;
        let task = loaded.exports.source_task(&mut guest, factory.class()).await?;
        Ok((guest, task))
    }

    /// Starts the instance at hand.
    async fn begin(&mut self) -> Result<(), PluginError> {
        let seen = self.guest.grant(&self.factory.openings, &self.config);
        self.task.start(&mut self.guest, &seen).await
    }
}

#[async_trait]
impl SourceTask for WasmSourceTask {
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.config.clone_from(config);
        self.begin().await
    }

    async fn poll(&mut self, limits: PollLimits) -> Result<Option<Batch>, PluginError> {
        self.rest = None;
        self.recycling.called();
        self.guest.open_columns(Subject { returns_batch: true, ..Subject::default() });
        let polled = self.task.poll(&mut self.guest, limits).await;
        let answer = self.guest.close_columns();
        let bytes = match (polled?, answer) {
            (Some(_), Some(Answer::Table { .. })) => {
                return Err(self.guest.violated("answered with a table, and returned a batch besides").into());
            }
            (Some(bytes), _) | (None, Some(Answer::Table { batch: Some(bytes), .. })) => bytes,
            (None, _) => {
                self.rest = self.guest.take_rest();
                return Ok(None);
            }
        };
        let batch = batch(&mut self.guest, bytes, &self.factory.batch_limits())?;
        if let Some(role) = forbidden(&batch.open()) {
            let what = format!("polled a batch with {role}, which only the host knows");
            return Err(self.guest.violated(what).into());
        }
        Ok(Some(batch))
    }

    fn rest(&mut self) -> Option<Rest> {
        self.rest.take()
    }

    async fn committed(&mut self, polled: &Batch, rows: &[AcknowledgedRow]) -> Result<(), PluginError> {
        let rows = acknowledged(&polled.open(), rows).into_batch();
        self.guest.open_columns(Subject { batch: Some(rows.clone()), ..Subject::default() });
        let noted = self.task.committed(&mut self.guest, passed(&rows, self.factory.by_columns)).await;
        self.guest.close_columns();
        noted
    }

    fn wants_renewal(&self) -> bool {
        self.recycling.is_due(&self.guest)
    }

    async fn renew(&mut self) -> Result<(), PluginError> {
        let bytes = self.guest.held_bytes();
        if let Err(error) = self.task.stop(&mut self.guest).await {
            // The instance is given up in any case.
            tracing::warn!(plugin = self.factory.class(), %error, "the source task did not stop cleanly before it was begun anew");
        }
        self.guest.discard();
        self.factory.custom.forget_progress();
        (self.guest, self.task) = Self::instance(&self.factory, &self.context).await?;
        self.rest = None;
        self.recycling.replaced(&self.guest, bytes, &self.factory.name, &self.factory.metrics);
        self.begin().await
    }

    async fn commit(&mut self) -> Result<(), PluginError> {
        self.task.commit(&mut self.guest).await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        self.task.stop(&mut self.guest).await
    }
}

/// A column that a source cannot fill in, if there is one.
fn forbidden(table: &Table<'_>) -> Option<&'static str> {
    let names = [
        (Role::OFFSET, "Kafka offsets"),
        (Role::ORIGINAL_TOPIC, "original topics"),
        (Role::ORIGINAL_PARTITION, "original partitions"),
        (Role::ORIGINAL_OFFSET, "original offsets"),
        (Role::ORIGIN, "origins"),
        (Role::CHILD, "child numbers"),
    ];
    names.into_iter().find(|(role, _)| table.get(*role).is_some()).map(|(_, name)| name)
}

/// Envelope of the rows that ended, with the places they have in Kafka.
fn acknowledged(polled: &Table<'_>, rows: &[AcknowledgedRow]) -> Table<'static> {
    let count = rows.len() as u32;
    let numbers: Vec<u32> = rows.iter().map(|row| row.row).collect();
    let mut table = Table::new(count);
    // Headers and source positions may hold values with schemas, which refer to this table.
    table.schemas = polled.schemas.clone().into_owned();
    for (role, column) in &polled.envelope {
        if *role != Role::SELECTION {
            table.set(*role, column.take(&numbers));
        }
    }
    let present = bits_of(rows);
    let partitions = rows.iter().flat_map(|row| row.position.map_or(0, |at| at.0).to_le_bytes()).collect::<Vec<_>>();
    let offsets = rows.iter().flat_map(|row| row.position.map_or(0, |at| at.1).to_le_bytes()).collect::<Vec<_>>();
    let nullable = |kind, data: Vec<u8>| {
        let mut column = Column::new(kind, count, data);
        column.valid = present.clone().map(Into::into);
        column
    };
    table.set(Role::PARTITION, nullable(Kind::Int32, partitions));
    table.set(Role::OFFSET, nullable(Kind::Int64, offsets));
    table
}

/// Which rows have a place; none if all have.
fn bits_of(rows: &[AcknowledgedRow]) -> Option<Vec<u8>> {
    if rows.iter().all(|row| row.position.is_some()) {
        return None;
    }
    let mut present = bits::filled(rows.len(), false);
    for at in (0..rows.len()).filter(|&at| rows[at].position.is_some()) {
        bits::set(&mut present, at, true);
    }
    Some(present)
}

#[cfg(test)]
mod tests {
    use millstream_record::batch::Limits;

    use super::*;

    #[test]
    fn rows_that_ended_carry_their_places_and_no_data() {
        let mut polled = Table::new(3);
        polled.set(Role::TOPIC, Column::strings(["a", "b", "c"]));
        let rows = [AcknowledgedRow { row: 0, position: Some((7, 100)) }, AcknowledgedRow { row: 2, position: None }];
        let bytes = acknowledged(&polled, &rows).write();
        let batch = Batch::validate(bytes, &Limits::DEFAULT).expect("a valid batch");
        let table = batch.open();
        assert_eq!((table.topic(0), table.topic(1)), (Some("a"), Some("c")));
        assert_eq!((table.integer(Role::PARTITION, 0), table.integer(Role::OFFSET, 0)), (Some(7), Some(100)));
        assert_eq!((table.integer(Role::PARTITION, 1), table.integer(Role::OFFSET, 1)), (None, None));
    }
}
