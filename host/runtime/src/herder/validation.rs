//! Validation of a connector's configuration with all that its tasks would use: the definitions, the connector's own check,
//! and a trial of its parts. No herder has to run for it.

use std::sync::Arc;

use millstream_config::{
    ClientRules, ConfigInfos, ConnectorConfigError, OwnErrors, PluginDefs, PluginKind, Resolved, validate_connector,
};
use millstream_connector::{Connector, ConnectorContext, Failure, PluginError, Plugins};

use super::{HerderError, preflight, trial::Trial};
use crate::{ExactlyOnceSource, Natives, kafka::Clients, provided, worker::wanted};

/// What configurations are validated with.
pub struct Validation<'a> {
    /// Connectors, transforms and so on.
    pub plugins: &'a dyn Plugins,
    /// Connect's own converters.
    pub natives: &'a Natives,
    /// What the plugins declare.
    pub definitions: &'a dyn PluginDefs,
    /// Says which client settings would be refused; nothing is connected.
    pub clients: &'a dyn Clients,
    /// What is said about the clients of connectors.
    pub rules: &'a ClientRules,
    /// Whether sources can deliver exactly once.
    pub exactly_once: &'a ExactlyOnceSource,
}

impl Validation<'_> {
    /// Validates a configuration whose variables are resolved. What is wrong with it is in the result.
    ///
    /// # Errors
    ///
    /// No connector can be told from the configuration, or the connector's check itself failed.
    pub async fn of_resolved(&self, resolved: &Resolved) -> Result<ConfigInfos, HerderError> {
        let config = &resolved.config;
        let (mut own, mut source) = (Vec::new(), None);
        if let Ok(wanted) = wanted(config)
            && let Ok(plugin) = self.definitions.select_connector(&wanted)
        {
            let name = config.get("name").and_then(Option::as_deref).unwrap_or("");
            let failed = |error: PluginError| {
                let failure = provided::hidden(resolved, error.failure());
                if let PluginError::NoRoom { .. } = error {
                    return HerderError::BadRequest(failure.message);
                }
                HerderError::caused(failure.message.clone(), failure)
            };
            let context: Arc<dyn ConnectorContext> = Arc::new(NoContext);
            let mut connector = self.plugins.connector(&wanted, name, context).await.map_err(failed)?;
            let found = connector.validate(config).await.map_err(failed)?;
            own.extend(found.into_iter().map(|(name, errors)| OwnErrors { name, errors }));
            source = Some(connector).filter(|_| plugin.kind == PluginKind::Source);
        }
        self.with_own(resolved, own, source).await
    }

    /// The same for a connector that is not here and cannot check anything itself. `definitions` tells what is known of it.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn of_absent(&self, resolved: &Resolved) -> Result<ConfigInfos, HerderError> {
        self.with_own(resolved, Vec::new(), None).await
    }

    /// `source` can be asked what it guarantees.
    async fn with_own(
        &self,
        resolved: &Resolved,
        mut own: Vec<OwnErrors>,
        source: Option<Box<dyn Connector>>,
    ) -> Result<ConfigInfos, HerderError> {
        let config = &resolved.config;
        let validate = |own: &[OwnErrors]| {
            validate_connector(config, self.definitions, own, self.rules).map_err(|error| match error {
                ConnectorConfigError::NoClass
                | ConnectorConfigError::Unknown(_)
                | ConnectorConfigError::Versions(_) => HerderError::BadRequest(error.to_string()),
                _ => HerderError::failed(resolved.hide(&error.to_string())),
            })
        };
        let infos = validate(&own)?;
        let Self { plugins, natives, definitions, clients, rules, .. } = *self;
        let mut refusals = Trial { plugins, natives, definitions, clients, rules }.refusals(config, &infos).await;
        if let Some(mut source) = source {
            refusals.extend(preflight::refusals(source.as_mut(), self.exactly_once, config, &infos).await);
        }
        if refusals.is_empty() {
            return Ok(infos);
        }
        own.extend(refusals);
        validate(&own)
    }
}

/// The context of a connector that is only asked something.
pub(super) struct NoContext;

impl ConnectorContext for NoContext {
    fn request_task_reconfiguration(&self) {}

    fn raise_error(&self, failure: Failure) {
        tracing::warn!(error = %failure, "a connector raised an error while it was only asked something");
    }

    fn is_stopping(&self) -> bool {
        false
    }
}
