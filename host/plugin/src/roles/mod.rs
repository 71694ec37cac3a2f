//! Connect's roles, played by components: the traits of `millstream-connector` over guests.

mod chain;
mod connector;
mod converter;
mod outcome;
mod sink_task;
mod source_task;

use std::sync::Arc;

use millstream_connector::PluginError;
use millstream_metrics::PluginInstance;
use millstream_record::ErrorChain as Causes;
use millstream_record::batch::{Batch, InvalidBatch, Limits};

pub(crate) use chain::{PlannedLink, WasmChain};
pub(crate) use connector::WasmConnector;
pub(crate) use converter::WasmConverter;
pub(crate) use sink_task::WasmSinkTask;
pub(crate) use source_task::WasmSourceTask;

use crate::capability::{InstanceName, Openings, Worker};
use crate::component::{ComponentFile, Host, Loaded};
use crate::instance::{FaultCause, Guest};

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

    /// Whether a guest that keeps no state is to be replaced before its next call: some languages leak.
    pub(crate) fn is_spent(&self, guest: &Guest) -> bool {
        !guest.is_usable() || self.host.limits.memory_max / 4 * 3 < guest.held_bytes()
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
