//! Source and sink connectors in guests.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{AlteredOffsets, Connector, ConnectorContext, PluginError, Support};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use super::InstanceFactory;
use crate::capability::Worker;
use crate::contract::GuestConnector;
use crate::instance::Guest;

/// Most keys that one validation may name, and texts for each.
const MAX_FINDINGS: usize = 2000;

/// A connector, source or sink.
pub(crate) struct WasmConnector {
    factory: InstanceFactory,
    guest: Guest,
    connector: Box<dyn GuestConnector>,
    /// What it was started with, secrets and all.
    config: ConfigMap,
    context: Arc<dyn ConnectorContext>,
    /// Asks for task configurations again, where the connector has said when.
    again: Option<Again>,
}

/// A task that waits; it ends with what owns it.
struct Again(JoinHandle<()>);

impl Drop for Again {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl WasmConnector {
    pub(crate) async fn create_source(
        factory: InstanceFactory,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Self, PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Connector(Arc::clone(&context))).await?;
        let connector = loaded.exports.source_connector(&mut guest, factory.class()).await?;
        Ok(Self { factory, guest, connector, config: ConfigMap::new(), context, again: None })
    }

    pub(crate) async fn create_sink(
        factory: InstanceFactory,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Self, PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Connector(Arc::clone(&context))).await?;
        let connector = loaded.exports.sink_connector(&mut guest, factory.class()).await?;
        Ok(Self { factory, guest, connector, config: ConfigMap::new(), context, again: None })
    }
}

/// Keys whose values this worker does not let plugins open.
async fn refused(factory: &InstanceFactory, config: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
    let (theirs, config) = (factory.clone(), config.clone());
    let refused = spawn_blocking(move || theirs.openings.refused(&config, &theirs.host.limits.allowed)).await;
    refused.map_err(|error| PluginError::Broken {
        plugin: factory.class().to_owned(),
        reason: format!("could not be told what it may open: {error}"),
    })
}

#[async_trait]
impl Connector for WasmConnector {
    async fn validate(&mut self, config: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
        let mut found = refused(&self.factory, config).await?;
        let seen = self.guest.grant(&self.factory.openings, config);
        let json = self.connector.validate(&mut self.guest, &seen).await?;
        found.extend(findings(&mut self.guest, &json)?);
        Ok(found)
    }

    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.config.clone_from(config);
        let seen = self.guest.grant(&self.factory.openings, config);
        self.connector.start(&mut self.guest, &seen).await
    }

    /// More configurations than were asked for are the runtime's to refuse, as in Connect, where old configurations may
    /// ask for it to be tolerated.
    async fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError> {
        self.again = None;
        let made = self.connector.task_configs(&mut self.guest, max_tasks).await?;
        self.again = self.guest.take_rest().map(|rest| {
            let context = Arc::clone(&self.context);
            Again(tokio::spawn(async move {
                rest.await;
                context.request_task_reconfiguration();
            }))
        });
        Ok(made.into_iter().map(|task| self.factory.openings.restored(task, &self.config)).collect())
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        self.again = None;
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        self.connector.stop(&mut self.guest).await
    }

    async fn exactly_once_support(&mut self, config: &ConfigMap) -> Result<Support, PluginError> {
        self.connector.exactly_once_support(&mut self.guest, &self.factory.openings.masked(config)).await
    }

    async fn can_define_transaction_boundaries(&mut self, config: &ConfigMap) -> Result<Support, PluginError> {
        self.connector.can_define_transaction_boundaries(&mut self.guest, &self.factory.openings.masked(config)).await
    }

    async fn alter_offsets(&mut self, config: &ConfigMap, offsets: &AlteredOffsets) -> Result<bool, PluginError> {
        // It may ask what it keeps elsewhere, which it reaches as its configuration lets it.
        let seen = self.guest.grant(&self.factory.openings, config);
        self.connector.alter_offsets(&mut self.guest, &seen, offsets).await
    }
}

/// Reads the JSON that `validate` returned.
fn findings(guest: &mut Guest, json: &str) -> Result<Vec<(String, Vec<String>)>, PluginError> {
    parse_findings(json).ok_or_else(|| {
        guest.violated("validate returned something else than a JSON list of keys and their errors").into()
    })
}

fn parse_findings(json: &str) -> Option<Vec<(String, Vec<String>)>> {
    let value: Value = serde_json::from_str(json).ok()?;
    let list = value.as_array().filter(|list| list.len() <= MAX_FINDINGS)?;
    let finding = |finding: &Value| {
        let name = finding.get("name")?.as_str()?.to_owned();
        let errors = finding.get("errors")?.as_array().filter(|errors| errors.len() <= MAX_FINDINGS)?;
        let errors = errors.iter().map(|error| error.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        Some((name, errors))
    };
    list.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_keys_with_texts() {
        let json = r#"[{"name":"topic","errors":["too long","has spaces"]},{"name":"file","errors":[]}]"#;
        let expected = vec![
            ("topic".to_owned(), vec!["too long".to_owned(), "has spaces".to_owned()]),
            ("file".to_owned(), vec![]),
        ];
        assert_eq!(parse_findings(json), Some(expected));
        assert_eq!(parse_findings("[]"), Some(Vec::new()));
        for odd in ["", "{}", "[7]", r#"[{"name":"x"}]"#, r#"[{"name":"x","errors":[1]}]"#] {
            assert_eq!(parse_findings(odd), None, "{odd}");
        }
    }
}
