//! Connect's roles, played by components: the traits of `millstream-connector` over guests.

mod chain;
mod connector;
mod converter;
mod outcome;
mod sink_task;
mod source_task;

use std::sync::Arc;

use millstream_config::ConfigMap;
use millstream_connector::PluginError;
use millstream_record::Chain as Causes;
use millstream_record::batch::{Batch, InvalidBatch, Limits};

pub(crate) use chain::{PlannedLink, WasmChain};
pub(crate) use connector::{WasmSinkConnector, WasmSourceConnector};
pub(crate) use converter::WasmConverter;
pub(crate) use sink_task::WasmSinkTask;
pub(crate) use source_task::WasmSourceTask;

use crate::capability::{FileGrants, Worker};
use crate::catalogue::{Host, Registered};
use crate::component::Loaded;
use crate::contract::v0_1_0::{imports::types, lift};
use crate::instance::{FaultCause, Guest, GuestFault, Speaker, Surroundings};

/// A plugin and everything needed to make instances of it.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) host: Arc<Host>,
    pub(crate) plugin: Arc<Registered>,
    pub(crate) speaker: Speaker,
}

impl Origin {
    /// A new instance. It opens no files until it knows its configuration.
    pub(crate) async fn instance(&self, worker: Worker) -> Result<(Arc<Loaded>, Guest), PluginError> {
        let loaded = self.plugin.component.load(&self.host).await.map_err(|error| PluginError::Broken {
            plugin: self.plugin.info.class.clone(),
            reason: format!("could not be loaded: {}", Causes(&*error)),
        })?;
        let surroundings = Surroundings { speaker: self.speaker.clone(), files: FileGrants::default(), worker };
        let guest = Guest::new(&self.host.engine, &loaded.component, &self.host.limits, surroundings).await;
        let guest = guest.map_err(|fault| match fault.cause {
            FaultCause::TotalMemory { .. } | FaultCause::NoSystemMemory => {
                PluginError::NoRoom { reason: fault.reason(), plugin: fault.plugin }
            }
            _ => broken(fault),
        })?;
        Ok((loaded, guest))
    }

    /// What the configuration lets the plugin open.
    pub(crate) fn grant(&self, guest: &mut Guest, config: &ConfigMap) {
        if let Some(state) = guest.state() {
            state.files = FileGrants::new(self.plugin.opening_keys(), config, self.host.allow_files.clone());
        }
    }

    /// Most that a batch from this host's plugins may have.
    pub(crate) fn batch_limits(&self) -> Limits {
        self.host.limits.batch
    }
}

/// A fault as the rest of the host sees it.
pub(crate) fn broken(fault: GuestFault) -> PluginError {
    let reason = fault.reason();
    PluginError::Broken { plugin: fault.plugin, reason }
}

/// Takes what a guest's function returned apart: a fault, the plugin's own words, or a value.
pub(crate) fn answer<T>(outcome: Result<Result<T, types::Error>, GuestFault>) -> Result<T, PluginError> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reported)) => Err(PluginError::Reported(lift::failure(reported))),
        Err(fault) => Err(broken(fault)),
    }
}

/// A missing interface, which discovery has refused before.
pub(crate) fn missing(guest: &Guest, interface: &'static str) -> PluginError {
    broken(guest.fault(FaultCause::Missing(interface), None))
}

/// Bytes that a guest handed over, as a batch.
pub(crate) fn batch(guest: &mut Guest, bytes: Vec<u8>, limits: &Limits) -> Result<Batch, PluginError> {
    Batch::validate(bytes, limits).map_err(|error: InvalidBatch| broken(guest.violated(refusal(&error))))
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
