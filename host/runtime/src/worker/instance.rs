//! The instance of a connector as it runs, and what it may ask of its worker.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use millstream_config::{ConfigMap, Resolved, connector_key_names as key, secrets::Kept};
use millstream_connector::{Connector, ConnectorContext, ErrorKind, Failure, PluginError, Plugins};
use tokio::{sync::watch, time::Instant};

use super::{
    TellFailure,
    classes::{not_found, wanted},
    panicked,
};
use crate::{
    config_log::TargetState,
    error_policy::CONNECT_EXCEPTION,
    long_wait::{CALL, call_text, told_of},
    provided,
    status::{State, StatusWriter},
};

/// Time that a connector has to stop.
pub(crate) const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct RunningConnector {
    /// `None` if the instance could not be made.
    pub(super) connector: Option<Box<dyn Connector>>,
    pub(super) status: StatusWriter,
    pub(super) told: TellFailure,
    pub(super) control: watch::Sender<bool>,
    pub(super) started: bool,
    /// The configuration it was started with.
    pub(super) resolved: Arc<Resolved>,
    /// Its secrets, as long as the instance is there.
    pub(super) secrets: Kept,
    /// When the values in it are looked up again.
    pub(super) expiry: Option<Instant>,
    /// Exists until the connector is stopped.
    pub(super) _metrics: Arc<millstream_metrics::Connector>,
}

impl RunningConnector {
    /// Makes the instance and turns it to what it is to be.
    pub(super) async fn make(
        &mut self,
        plugins: &dyn Plugins,
        context: InstanceContext,
        target: TargetState,
    ) -> Result<(), Failure> {
        let resolved = Arc::clone(&self.resolved);
        let name = context.name.clone();
        let wanted = wanted(&resolved.config).map_err(|error| self.fail(not_found(&error)))?;
        let call = unbroken(plugins.connector(&wanted, &name, Arc::new(context)));
        match told_of(&self.status, CALL, || call_text("the connector to be made"), call).await {
            Ok(connector) => {
                self.connector = Some(connector);
                self.turn(&resolved.config, target).await
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    pub(super) fn fail(&self, failure: Failure) -> Failure {
        let failure = provided::hidden(&self.resolved, failure);
        tracing::error!(error = %failure.trace(), "the connector has failed");
        self.status.failed(failure.trace());
        (self.told)(None);
        failure
    }

    /// Turns the instance to what it is to be; one that is started gets this configuration.
    pub(super) async fn turn(&mut self, config: &ConfigMap, target: TargetState) -> Result<(), Failure> {
        match target {
            TargetState::Started => {
                if let (false, Some(connector)) = (self.started, &mut self.connector) {
                    let call = unbroken(connector.start(config));
                    if let Err(failure) =
                        told_of(&self.status, CALL, || call_text("the connector to start"), call).await
                    {
                        return Err(self.fail(failure));
                    }
                    self.started = true;
                }
                self.status.set(State::Running);
            }
            TargetState::Paused => {
                if let Err(failure) = self.stop().await {
                    return Err(self.fail(failure));
                }
                self.status.set(State::Paused);
            }
            TargetState::Stopped => {
                if let Err(failure) = self.stop().await {
                    tracing::error!(error = %failure.trace(), "the connector did not stop cleanly");
                }
                self.status.set(State::Stopped);
            }
        }
        Ok(())
    }

    /// Stops it, in at most five seconds; after that there is no instance any more.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        let Some(connector) = self.connector.as_mut().filter(|_| std::mem::take(&mut self.started)) else {
            return Ok(());
        };
        if let Ok(stopped) = tokio::time::timeout(CONNECTOR_STOP_TIMEOUT, unbroken(connector.stop())).await {
            return stopped;
        }
        self.connector = None;
        let seconds = CONNECTOR_STOP_TIMEOUT.as_secs();
        let message = format!(
            "The connector did not return from stop within {seconds} seconds, and the call was given up; a restart begins with another instance"
        );
        Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
    }
}

/// When the values of a configuration are looked up again; never where a reload is not wished.
pub(super) fn expiry_of(resolved: &Resolved) -> Option<Instant> {
    let reload = resolved.config.get(key::CONFIG_RELOAD.name()).and_then(Option::as_deref).map(str::trim);
    let ttl = resolved.ttl.filter(|_| reload != Some("none"))?;
    Some(Instant::now() + ttl)
}

/// What a connector may ask of the worker.
pub(super) struct InstanceContext {
    pub(super) name: String,
    pub(super) status: StatusWriter,
    pub(super) reconfigure: Arc<dyn Fn(&str) + Send + Sync>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) resolved: Arc<Resolved>,
    pub(super) told: TellFailure,
}

impl ConnectorContext for InstanceContext {
    fn request_task_reconfiguration(&self) {
        if !self.is_stopping() {
            (self.reconfigure)(&self.name);
        }
    }

    fn raise_error(&self, failure: Failure) {
        if !self.is_stopping() {
            let failure = provided::hidden(&self.resolved, failure);
            tracing::error!(connector = self.name, error = %failure.trace(), "the connector raised an error");
            self.status.failed(failure.trace());
            (self.told)(None);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.has_changed().is_err() || *self.stopping.borrow()
    }
}

/// A call into a connector; a panic in it is the connector's failure and nobody else's.
pub(super) async fn unbroken<T>(call: impl Future<Output = Result<T, PluginError>>) -> Result<T, Failure> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(result) => result.map_err(|error| error.failure()),
        Err(panic) => Err(panicked("the connector", panic.as_ref())),
    }
}
