//! The offsets of connectors, seen and changed from outside.

use std::{sync::Arc, time::Duration};

use millstream_config::{ConfigMap, Resolved, secrets};
use millstream_connector::{
    AlteredOffsets, ConnectorContext, ErrorKind, Failure, KeyChange, Lease as _, TaskId, TopicOffset, TopicPartition,
};
use millstream_record::ErrorChain;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{ConnectorType, HerderError, HerderHandle, State, event::Event, validation::NoContext};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    exactly_once::{begin, no_transactions, transaction_failure},
    kafka::{AlterOffsetsError, GroupOffsets, RecordProducer},
    leases::{Claims, TaskLease},
    log_context,
    offsets::{
        OffsetEntry, OffsetStore, OffsetStoreError, OffsetWriter as _, TransactionOffsets, named_sink_offsets,
        named_source_offsets, open_own, store_of,
    },
    provided,
    worker::{plugin_of, wanted},
};

/// Longest time for asking or changing offsets, as in Connect.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Longest time for letting go of a producer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for tasks that end at other workers, and how often it is looked whether they have.
const TASKS_END: Duration = Duration::from_secs(30);
const TASKS_LOOKED_AT: Duration = Duration::from_millis(20);

/// What a connector throws that offers no say in its offsets.
const UNSUPPORTED: &str = "java.lang.UnsupportedOperationException";

/// Which offsets are to be changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OffsetChange {
    /// These. Where one is given twice, the last counts.
    Alter(Vec<OffsetEntry>),
    /// All that are known are forgotten.
    Reset,
}

impl OffsetChange {
    /// Connect's word for what is being done.
    fn verb(&self) -> &'static str {
        match self {
            Self::Alter(_) => "alter",
            Self::Reset => "reset",
        }
    }
}

impl HerderHandle {
    /// The offsets of a connector, in whatever state it is.
    ///
    /// # Errors
    ///
    /// There is none of that name, or they cannot be read.
    pub async fn offsets(&self, name: &str) -> Result<Vec<OffsetEntry>, HerderError> {
        let config = self.connector_config(name)?;
        let read = async {
            let (resolved, kind) = self.resolved(&config).await?;
            match kind {
                ConnectorType::Sink => self.sink_offsets(name, &resolved.config).await,
                _ => self.source_offsets(name, &resolved.config).await,
            }
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Changes offsets of a connector that is stopped. `false` if the connector may keep others elsewhere.
    ///
    /// # Errors
    ///
    /// It is not stopped, it refuses the offsets, or they cannot be written; some of them may be changed then.
    pub async fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<bool, HerderError> {
        let changed = async {
            let lend = || self.ask(|reply| Event::LendOffsets { name: name.to_owned(), reply });
            let mut config = lend().await?;
            if self.shared.exactly_once.fences(self.shared.kind(&config)) {
                let words = "Failed to perform zombie fencing for source connector prior to modifying offsets";
                self.fence(name).await.map_err(|error| not_fenced(words, error))?;
                // Somebody may have wanted something else meanwhile.
                config = lend().await?;
            }
            self.tasks_have_ended(name).await?;
            let (resolved, kind) = self.resolved(&config).await?;
            let forgets = change == OffsetChange::Reset;
            let alone = match kind {
                ConnectorType::Sink => self.change_sink(name, &resolved, change).await?,
                _ => self.change_source(name, &resolved, change).await?,
            };
            if forgets {
                self.forget_kept(name, &resolved.config).await?;
            }
            Ok(alone)
        };
        let changed = tokio::time::timeout(TIMEOUT, changed).await.unwrap_or_else(|_| Err(timed_out()));
        if let Err(error @ HerderError::Failed { source: Some(_), .. }) = &changed {
            tracing::error!(connector = name, error = %ErrorChain(error), "offsets were not changed");
        }
        changed
    }

    /// Waits until tasks on other workers have ended: the last offsets that they commit must not come behind those that
    /// are set.
    async fn tasks_have_ended(&self, name: &str) -> Result<(), HerderError> {
        let running = || {
            let tasks = self.shared.statuses.get(name).unwrap_or_default().tasks;
            tasks.into_iter().find(|(_, task)| task.state != State::Unassigned)
        };
        let deadline = Instant::now() + TASKS_END;
        while let Some((number, task)) = running() {
            if deadline <= Instant::now() {
                return Err(HerderError::failed(format!(
                    "Task {name}-{number} has not ended yet at worker {}: ask again later, or restart that worker",
                    task.worker_id
                )));
            }
            tokio::time::sleep(TASKS_LOOKED_AT).await;
        }
        Ok(())
    }

    /// Takes away what owners of the connector's lease have kept, which says how far they were: without offsets it begins
    /// anew. A tenure of its own shuts out whoever had the lease before.
    async fn forget_kept(&self, name: &str, config: &ConfigMap) -> Result<(), HerderError> {
        let plugin = plugin_of(self.shared.plugins.as_ref(), config);
        let wants_lease = plugin.is_ok_and(|plugin| plugin.wants_lease);
        let Some(keeper) = self.shared.leases.as_ref().filter(|_| wants_lease) else { return Ok(()) };
        let words = format!("Failed to remove what connector {name} keeps under its lease; its offsets are reset");
        let failed = |cause: Failure| HerderError::caused(&*words, cause);
        let id = TaskId { connector: name.to_owned(), number: 0 };
        let claims = Arc::clone(&self.asks) as Arc<dyn Claims>;
        let lease = TaskLease::new(Arc::clone(keeper), claims, id, Box::new(|| false));
        let epoch = lease.obtain().await.map_err(failed)?;
        let keys = lease.keys().await.map_err(failed)?;
        if !keys.is_empty() {
            let removed = keys.into_iter().map(|key| KeyChange { key, value: None }).collect();
            lease.write(epoch, removed).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn source_offsets(&self, name: &str, config: &ConfigMap) -> Result<Vec<OffsetEntry>, HerderError> {
        let words = format!("Failed to retrieve offsets for source connector {name}");
        let store = self.store_of(config).await.map_err(|failure| HerderError::caused(&*words, failure))?;
        let listed = store.list(name).await.map_err(|error| HerderError::caused(&*words, store_failure(&error)))?;
        let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let entry = |(partition, offset): (String, String)| OffsetEntry {
            partition: value(&partition),
            offset: value(&offset),
        };
        Ok(listed.into_iter().map(entry).collect())
    }

    async fn sink_offsets(&self, name: &str, config: &ConfigMap) -> Result<Vec<OffsetEntry>, HerderError> {
        let failed = |failure: Failure| {
            HerderError::caused(format!("Failed to retrieve consumer group offsets for sink connector {name}"), failure)
        };
        let group = self.shared.clients.group_offsets(name, config).map_err(failed)?;
        let entry = |TopicOffset { topic, partition, offset }| OffsetEntry {
            partition: json!({"kafka_partition": partition, "kafka_topic": topic}),
            offset: json!({"kafka_offset": offset}),
        };
        Ok(group.list().await.map_err(failed)?.into_iter().map(entry).collect())
    }

    async fn change_source(&self, name: &str, resolved: &Resolved, change: OffsetChange) -> Result<bool, HerderError> {
        let failed = |cause: Failure| {
            HerderError::caused(format!("Failed to modify offsets for source connector {name}"), cause)
        };
        let mut writer = self.transaction_of_task_0(name, &resolved.config).await.map_err(failed)?;
        let store = self.store_of(&resolved.config).await.map_err(failed)?;
        let offsets = match change {
            OffsetChange::Alter(entries) => named_source_offsets(&entries).map_err(HerderError::failed)?,
            OffsetChange::Reset => {
                let known = store.list(name).await.map_err(|error| failed(store_failure(&error)))?;
                known.into_iter().map(|(partition, _)| (partition, None)).collect()
            }
        };
        let altered = AlteredOffsets::Source(offsets);
        let alone = self.agrees(name, "source", resolved, &altered).await?;
        let AlteredOffsets::Source(offsets) = altered else { return Ok(alone) };
        if !offsets.is_empty() {
            let offsets = offsets.into_iter().map(|(partition, offset)| (Arc::from(partition), offset)).collect();
            let written = match &mut writer {
                Some((producer, writer)) => writer.write(producer.as_mut(), offsets).await,
                None => store.write(name, offsets).await,
            };
            written.map_err(|error| failed(store_failure(&error)))?;
        }
        if let Some((producer, _)) = writer {
            producer.close(CLOSE_TIMEOUT).await;
        }
        Ok(alone)
    }

    async fn change_sink(&self, name: &str, resolved: &Resolved, change: OffsetChange) -> Result<bool, HerderError> {
        let failed =
            |cause: Failure| HerderError::caused(format!("Failed to modify offsets for sink connector {name}"), cause);
        let verb = change.verb();
        let refused = |error: AlterOffsetsError| not_changed(name, verb, error);
        let group = self.shared.clients.group_offsets(name, &resolved.config).map_err(failed)?;
        let offsets = match &change {
            OffsetChange::Alter(entries) => {
                let offsets = named_sink_offsets(entries).map_err(HerderError::BadRequest)?;
                if let Some(negative) = offsets.iter().find_map(|(_, offset)| offset.filter(|offset| *offset < 0)) {
                    let text = format!("Invalid negative offset {negative}");
                    return Err(failed(Failure::new(ErrorKind::Fatal, "java.lang.IllegalArgumentException", text)));
                }
                if let Some((of, _)) = offsets.iter().find(|(of, _)| of.partition < 0) {
                    let text = format!("topic {} has no partition {}", of.topic, of.partition);
                    return Err(refused(AlterOffsetsError::Failed(Failure::new(ErrorKind::Fatal, "", text))));
                }
                offsets
            }
            OffsetChange::Reset => known_to(group.as_ref()).await.map_err(|cause| {
                let words = format!("Failed to list offsets prior to resetting offsets for sink connector {name}");
                HerderError::caused(words, cause)
            })?,
        };
        let altered = AlteredOffsets::Sink(offsets);
        let alone = self.agrees(name, "sink", resolved, &altered).await?;
        match (&change, &altered) {
            (OffsetChange::Alter(_), AlteredOffsets::Sink(offsets)) => group.alter(offsets).await.map_err(refused)?,
            _ => group.delete().await.map_err(refused)?,
        }
        Ok(alone)
    }

    /// Asks an instance of the connector, made for this, whether the offsets may be changed.
    async fn agrees(
        &self,
        name: &str,
        direction: &str,
        resolved: &Resolved,
        altered: &AlteredOffsets,
    ) -> Result<bool, HerderError> {
        let config = &resolved.config;
        let _kept = secrets::keep(name, &resolved.secrets());
        let refused = |failure: Failure| {
            let failure = provided::hidden(resolved, failure);
            if failure.class == UNSUPPORTED {
                let words = format!(
                    "Failed to modify offsets for connector {name} because it doesn't support external modification of offsets"
                );
                return HerderError::caused(words, failure);
            }
            // Connect shows the words of its own exceptions only. What others say is why it was not done, too.
            if failure.class.starts_with("org.apache.kafka.connect.") {
                return HerderError::caused(failure.message.clone(), failure);
            }
            let words = format!("Failed to modify offsets for {direction} connector {name}: {}", failure.message);
            HerderError::caused(words, failure)
        };
        let context: Arc<dyn ConnectorContext> = Arc::new(NoContext);
        let wanted = wanted(config).map_err(|error| HerderError::BadRequest(error.to_string()))?;
        let made = self.shared.plugins.connector(&wanted, name, context).await;
        let mut connector = made.map_err(|error| refused(error.failure()))?;
        let asked = connector.alter_offsets(config, altered).instrument(log_context::of_connector(name));
        asked.await.map_err(|error| refused(error.failure()))
    }

    /// A connector's configuration with its variables resolved, and its direction.
    async fn resolved(&self, config: &ConfigMap) -> Result<(Resolved, ConnectorType), HerderError> {
        let resolved = provided::resolve(&self.shared.providers, config).await;
        let resolved = resolved.map_err(|failure| HerderError::caused(failure.message.clone(), failure))?;
        let resolved = provided::with_passwords(self.shared.plugins.as_ref(), resolved);
        let plugin = plugin_of(self.shared.plugins.as_ref(), &resolved.config);
        let plugin = plugin.map_err(|error| HerderError::failed(error.to_string()))?;
        Ok((resolved, ConnectorType::of(plugin.kind)))
    }

    /// Under exactly-once offsets are written as the connector's first task would, who is shut out by that.
    async fn transaction_of_task_0(
        &self,
        name: &str,
        config: &ConfigMap,
    ) -> Result<Option<(Box<dyn RecordProducer>, TransactionOffsets)>, Failure> {
        let shared = &self.shared;
        let id = TaskId { connector: name.to_owned(), number: 0 };
        let transactional_id = shared.exactly_once.transactional_id(name, id.number);
        let (Some(transactional_id), Some(topics)) = (transactional_id, &shared.offset_topics) else { return Ok(None) };
        let mut producer = shared.clients.transactional_producer(&id, &transactional_id, config).await?;
        let transactions = producer.transactions().ok_or_else(no_transactions)?;
        transactions.initialize().await.map_err(|error| transaction_failure(&error))?;
        begin(producer.as_mut())?;
        let own = open_own(topics.as_ref(), config).await?;
        Ok(Some((producer, TransactionOffsets::new(name, &own, &shared.offsets))))
    }

    async fn store_of(&self, config: &ConfigMap) -> Result<Arc<dyn OffsetStore>, Failure> {
        let shared = &self.shared;
        store_of(shared.offset_topics.as_ref(), &shared.offsets, config, shared.exactly_once.is_enabled()).await
    }
}

async fn known_to(group: &dyn GroupOffsets) -> Result<Vec<(TopicPartition, Option<i64>)>, Failure> {
    let forgotten = |TopicOffset { topic, partition, .. }| (TopicPartition { topic, partition }, None);
    Ok(group.list().await?.into_iter().map(forgotten).collect())
}

fn not_changed(name: &str, verb: &str, error: AlterOffsetsError) -> HerderError {
    match error {
        AlterOffsetsError::HasMembers(cause) => {
            let words = format!(
                "Failed to {verb} consumer group offsets for connector {name} either because its tasks haven't stopped completely yet or the connector was resumed before the request to {verb} its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
            );
            HerderError::caused(words, cause)
        }
        AlterOffsetsError::Failed(cause) => {
            let of = if verb == "reset" { "sink connector" } else { "connector" };
            HerderError::caused(format!("Failed to {verb} consumer group offsets for {of} {name}"), cause)
        }
    }
}

fn store_failure(error: &OffsetStoreError) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, ErrorChain(error).to_string())
}

fn not_fenced(words: &str, error: HerderError) -> HerderError {
    HerderError::caused(words, Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, ErrorChain(&error).to_string()))
}

fn timed_out() -> HerderError {
    HerderError::failed("Request timed out")
}
