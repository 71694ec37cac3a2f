//! Configurations of connectors on their way in: each is checked first, beside all others, and put by the herder's loop
//! then, one after another.

use futures::future::BoxFuture;
use millstream_config::{ConfigMap, invalid_config_message, unknown_connector_keys, unknown_keys_warning};

use super::{ConnectorInfo, HerderError, HerderHandle, PutConnector, TargetState, event::Event};

/// How often a patch is applied again because the configuration has changed under it.
const PATCH_ATTEMPTS: u32 = 10;

/// A configuration in which nothing wrong was found.
#[derive(Debug)]
pub struct CheckedConfig {
    name: String,
    config: ConfigMap,
    /// What is to be said of keys that nobody declares.
    unknown: Option<String>,
}

impl HerderHandle {
    /// Creates a connector, or replaces its configuration if `replace` allows it, and waits until it
    /// and its tasks have been started. `initial` is the state of a new connector.
    ///
    /// # Errors
    ///
    /// The configuration has errors, the connector exists and may not be replaced, or it cannot be
    /// started; in the last case it is configured nevertheless.
    pub async fn put_config(
        &self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
    ) -> Result<PutConnector, HerderError> {
        let checked = self.check_config(name, config).await?;
        self.begin_put(checked, initial, replace).await.await
    }

    /// The first half of [`Self::put_config`]: checks a configuration and changes nothing. Dropping the future is no loss.
    ///
    /// # Errors
    ///
    /// The configuration has errors.
    pub async fn check_config(&self, name: &str, mut config: ConfigMap) -> Result<CheckedConfig, HerderError> {
        config.entry("name".to_owned()).or_insert_with(|| Some(name.to_owned()));
        let infos = self.validate(&config).await?;
        if let Some(message) = invalid_config_message(&infos) {
            return Err(HerderError::BadRequest(message));
        }
        let unknown = unknown_keys_warning(&unknown_connector_keys(&config, (self.shared.definitions)().as_ref()));
        Ok(CheckedConfig { name: name.to_owned(), config, unknown })
    }

    /// The second half: connectors are put in the order in which these calls return, each with a future that waits until
    /// the connector and its tasks have been started. Dropping that only stops the waiting.
    pub async fn begin_put(
        &self,
        checked: CheckedConfig,
        initial: TargetState,
        replace: bool,
    ) -> BoxFuture<'static, Result<PutConnector, HerderError>> {
        self.begin_put_of(checked, initial, replace, None).await
    }

    async fn begin_put_of(
        &self,
        checked: CheckedConfig,
        initial: TargetState,
        replace: bool,
        based_on: Option<ConfigMap>,
    ) -> BoxFuture<'static, Result<PutConnector, HerderError>> {
        let CheckedConfig { name, config, unknown } = checked;
        let of = name.clone();
        let put = self.hand_over(|reply| Event::Put { name, config, initial, replace, based_on, reply }).await;
        Box::pin(async move {
            let put = put.await?;
            if let Some(unknown) = unknown {
                tracing::warn!(connector = of, "{unknown}");
            }
            Ok(put)
        })
    }

    /// Sets some keys of a connector's configuration, and removes those given without a value.
    ///
    /// # Errors
    ///
    /// As for [`HerderHandle::put_config`], and if there is no connector of that name.
    pub async fn patch_config(&self, name: &str, patch: ConfigMap) -> Result<ConnectorInfo, HerderError> {
        self.informed()?;
        // What another worker has written need not be known here yet.
        self.shared.place().leader()?;
        for _ in 0..PATCH_ATTEMPTS {
            let before = self.connector_config(name)?;
            let mut config = before.clone();
            for (key, value) in patch.clone() {
                match value {
                    Some(value) => config.insert(key, Some(value)),
                    None => config.remove(&key),
                };
            }
            let checked = self.check_config(name, config).await?;
            match self.begin_put_of(checked, TargetState::Started, true, Some(before)).await.await {
                Err(HerderError::Stale) => {}
                put => return put.map(|put| put.info),
            }
        }
        Err(HerderError::Stale)
    }
}
