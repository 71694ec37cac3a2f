//! Connect's roles, played by components: the traits of `millstream-connector` over guests.

mod chain;
mod connector;
mod converter;
mod outcome;
mod recycling;
mod sink_task;
mod source_task;

use std::sync::Arc;

use millstream_columns::{Answer, Subject};
use millstream_connector::PluginError;
use millstream_metrics::{Custom, PluginInstance};
use millstream_record::ErrorChain as Causes;
use millstream_record::batch::{Batch, InvalidBatch, Limits};

pub(crate) use chain::{PlannedLink, WasmChain};
pub(crate) use connector::WasmConnector;
pub(crate) use converter::WasmConverter;
pub(crate) use sink_task::WasmSinkTask;
pub(crate) use source_task::WasmSourceTask;

use crate::capability::{InstanceName, Openings, Worker};
use crate::component::{ComponentFile, Host, Loaded};
use crate::contract::Changes;
use crate::instance::{FaultCause, Guest};
use recycling::Recycling;

/// A plugin and everything needed to make instances of it.
#[derive(Clone)]
pub(crate) struct InstanceFactory {
    pub(crate) host: Arc<Host>,
    pub(crate) component: Arc<ComponentFile>,
    /// What the plugin's keys open.
    pub(crate) openings: Arc<Openings>,
    /// Whose instances they are; the plugin's class is the name that its component gave.
    pub(crate) name: InstanceName,
    /// Counts what they use, all together.
    pub(crate) metrics: Arc<PluginInstance>,
    /// What they count themselves.
    pub(crate) custom: Arc<Custom>,
    /// Whether the plugin gets its batches by columns alone.
    pub(crate) by_columns: bool,
}

impl InstanceFactory {
    /// A new instance. It opens nothing until it knows its configuration.
    pub(crate) async fn instance(&self, worker: Worker) -> Result<(Arc<Loaded>, Guest), PluginError> {
        let loaded = self.component.load(&self.host).await.map_err(|error| PluginError::Broken {
            plugin: self.class().to_owned(),
            reason: format!("could not be loaded: {}", Causes(&*error)),
        })?;
        let Host { engine, limits, .. } = &*self.host;
        let guest = Guest::new(engine, &loaded.component, limits, self.name.clone(), worker, &self.metrics).await;
        let guest = guest.map(|mut guest| {
            guest.counts_for(&self.custom);
            guest
        });
        let guest = guest.map_err(|fault| match fault.cause {
            FaultCause::TotalMemory { .. } | FaultCause::NoSystemMemory => {
                PluginError::NoRoom { reason: fault.reason(), plugin: fault.plugin }
            }
            _ => fault.into(),
        })?;
        Ok((loaded, guest))
    }

    pub(crate) fn class(&self) -> &str {
        &self.name.plugin
    }

    /// Most that a batch from this host's plugins may have.
    pub(crate) fn batch_limits(&self) -> Limits {
        self.host.limits.batch
    }

    /// Looks after the memory of an instance, and of those that follow it.
    fn recycling(&self, guest: &Guest) -> Recycling {
        Recycling::new(&self.host.limits, guest)
    }
}

/// The batch of a call as its guest gets it: the bytes, or none of them if the plugin reads by columns.
fn passed(batch: &Batch, by_columns: bool) -> &[u8] {
    if by_columns { &[] } else { batch.as_bytes() }
}

/// A call over a batch that returns one begins.
fn open_columns(guest: &mut Guest, batch: &Batch, only: Option<&[u8]>) {
    guest.open_columns(Subject {
        batch: Some(batch.clone()),
        only: only.map(<[u8]>::to_vec),
        returns_batch: true,
        returns_verdict: false,
    });
}

/// What a call made of a batch, with what it answered by columns.
fn with_answer(guest: &mut Guest, changes: Changes, answer: Option<Answer>) -> Result<Changes, PluginError> {
    match answer {
        None | Some(Answer::Verdict { .. }) => Ok(changes),
        Some(Answer::Table { .. }) if changes.batch.is_some() => {
            Err(guest.violated("answered with a table, and returned a batch besides").into())
        }
        Some(Answer::Table { batch, mut errors }) => {
            errors.extend(changes.errors);
            Ok(Changes { batch, errors })
        }
    }
}

/// Bytes that a guest handed over, as a batch.
pub(crate) fn batch(guest: &mut Guest, bytes: Vec<u8>, limits: &Limits) -> Result<Batch, PluginError> {
    Batch::validate(bytes, limits).map_err(|error: InvalidBatch| guest.violated(refusal(&error)).into())
}

/// What a plugin did that handed over such bytes; the key of a limit that it exceeded.
fn refusal(error: &InvalidBatch) -> String {
    let key = match error {
        InvalidBatch::TooMuch { what: "rows", .. } => "plugin.batch.max.records",
        InvalidBatch::TooMuch { what: "bytes", .. } => "plugin.batch.max.bytes",
        InvalidBatch::TooMuch { what: "columns", .. } => "plugin.batch.max.columns",
        InvalidBatch::TooMuch { what: "bytes when written out", .. } => "plugin.batch.expanded.max.bytes",
        _ => return format!("handed over a damaged batch: {}", Causes(error)),
    };
    format!("handed over too large a batch: {error} ({key})")
}

#[cfg(test)]
mod tests {
    use millstream_record::batch::{Column, Role, Table};

    use super::*;

    #[test]
    fn a_batch_beyond_a_limit_is_refused_with_what_was_found_what_is_allowed_and_the_key() {
        let mut table = Table::new(3);
        table.set(Role::TOPIC, Column::constant_str(3, "topic"));
        let bytes = table.write();
        let len = bytes.len();
        let tight = |limits: Limits| {
            Batch::validate(bytes.clone(), &limits).map_err(|error| refusal(&error)).expect_err("beyond a limit")
        };
        let all = Limits::DEFAULT;
        for (limits, expected) in [
            (Limits { max_rows: 2, ..all }, "3 rows, 2 are allowed (plugin.batch.max.records)".to_owned()),
            (Limits { max_bytes: 9, ..all }, format!("{len} bytes, 9 are allowed (plugin.batch.max.bytes)")),
            (Limits { max_columns: 0, ..all }, "1 columns, 0 are allowed (plugin.batch.max.columns)".to_owned()),
            (
                Limits { max_expanded_bytes: 4, ..all },
                "bytes when written out, 4 are allowed (plugin.batch.expanded.max.bytes)".to_owned(),
            ),
        ] {
            let found = tight(limits);
            assert!(found.starts_with("handed over too large a batch: the batch has "), "{found}");
            assert!(found.ends_with(&expected), "{found}");
        }
        let damaged = Batch::validate(vec![1, 2, 3], &all).map_err(|error| refusal(&error)).expect_err("no batch");
        assert!(damaged.starts_with("handed over a damaged batch: "), "{damaged}");
    }
}
