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
        Ok((loaded, guest.map_err(broken)?))
    }

    /// What the configuration lets the plugin open.
    pub(crate) fn grant(&self, guest: &mut Guest, config: &ConfigMap) {
        if let Some(state) = guest.state() {
            state.files = FileGrants::new(self.plugin.opening_keys(), config, self.host.allow_files.clone());
        }
    }

    /// Most that a batch from this host's plugins may have.
    pub(crate) fn batch_limits(&self) -> Limits {
        let max_bytes = u32::try_from(self.host.limits.batch_bytes_max).unwrap_or(u32::MAX);
        Limits { max_bytes: max_bytes.min(Limits::DEFAULT.max_bytes), ..Limits::DEFAULT }
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
    Batch::validate(bytes, limits).map_err(|error: InvalidBatch| {
        broken(guest.violated(format!("handed over a damaged batch: {}", Causes(&error))))
    })
}
