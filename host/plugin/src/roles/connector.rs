//! Source and sink connectors in guests.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{Connector, ConnectorContext, PluginError, Support};
use serde_json::Value;
use wasmtime::component::ResourceAny;

use super::{Origin, answer, broken, missing};
use crate::capability::Worker;
use crate::contract::v0_1_0::{
    exports::{sink_api, source_api},
    imports::types,
    lift,
};
use crate::instance::{Guest, call};

/// Most keys that one validation may name, and texts for each.
const MAX_FINDINGS: usize = 2000;

/// A source connector.
pub(crate) struct WasmSourceConnector {
    origin: Origin,
    guest: Guest,
    api: source_api::Guest,
    connector: ResourceAny,
}

/// A sink connector.
pub(crate) struct WasmSinkConnector {
    origin: Origin,
    guest: Guest,
    api: sink_api::Guest,
    connector: ResourceAny,
}

impl WasmSourceConnector {
    pub(crate) async fn create(origin: Origin, context: Arc<dyn ConnectorContext>) -> Result<Self, PluginError> {
        let (loaded, mut guest) = origin.instance(Worker::Connector(context)).await?;
        let Some(indices) = &loaded.exports.source else { return Err(missing(&guest, "source-api")) };
        let api = guest.load(|store, instance| indices.load(store, instance)).map_err(broken)?;
        let class = &origin.plugin.info.class;
        let connector = answer(call!(guest, "create", |store| api.source_connector().call_create(store, class)))?;
        Ok(Self { origin, guest, api, connector })
    }
}

impl WasmSinkConnector {
    pub(crate) async fn create(origin: Origin, context: Arc<dyn ConnectorContext>) -> Result<Self, PluginError> {
        let (loaded, mut guest) = origin.instance(Worker::Connector(context)).await?;
        let Some(indices) = &loaded.exports.sink else { return Err(missing(&guest, "sink-api")) };
        let api = guest.load(|store, instance| indices.load(store, instance)).map_err(broken)?;
        let class = &origin.plugin.info.class;
        let connector = answer(call!(guest, "create", |store| api.sink_connector().call_create(store, class)))?;
        Ok(Self { origin, guest, api, connector })
    }
}

#[async_trait]
impl Connector for WasmSourceConnector {
    async fn validate(&mut self, config: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
        self.origin.grant(&mut self.guest, config);
        let config = lift::config(config);
        let json = answer(call!(self.guest, "validate", |store| self.api.source_connector().call_validate(
            store,
            self.connector,
            &config
        )))?;
        findings(&mut self.guest, &json)
    }

    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.origin.grant(&mut self.guest, config);
        let config = lift::config(config);
        answer(call!(self.guest, "start", |store| self.api.source_connector().call_start(
            store,
            self.connector,
            &config
        )))
    }

    async fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError> {
        let configs = answer(call!(self.guest, "task-configs", |store| self
            .api
            .source_connector()
            .call_task_configs(store, self.connector, max_tasks)))?;
        task_configs(configs)
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        answer(call!(self.guest, "stop", |store| self.api.source_connector().call_stop(store, self.connector)))
    }

    async fn exactly_once_support(&mut self, config: &ConfigMap) -> Result<Support, PluginError> {
        let config = lift::config(config);
        let support = answer(call!(self.guest, "exactly-once-support", |store| self
            .api
            .source_connector()
            .call_exactly_once_support(store, self.connector, &config)))?;
        Ok(match support {
            source_api::Support::Supported => Support::Supported,
            source_api::Support::Unsupported => Support::Unsupported,
            source_api::Support::Unknown => Support::Unknown,
        })
    }
}

#[async_trait]
impl Connector for WasmSinkConnector {
    async fn validate(&mut self, config: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
        self.origin.grant(&mut self.guest, config);
        let config = lift::config(config);
        let json = answer(call!(self.guest, "validate", |store| self.api.sink_connector().call_validate(
            store,
            self.connector,
            &config
        )))?;
        findings(&mut self.guest, &json)
    }

    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.origin.grant(&mut self.guest, config);
        let config = lift::config(config);
        answer(call!(self.guest, "start", |store| self.api.sink_connector().call_start(store, self.connector, &config)))
    }

    async fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>, PluginError> {
        let configs = answer(call!(self.guest, "task-configs", |store| self.api.sink_connector().call_task_configs(
            store,
            self.connector,
            max_tasks
        )))?;
        task_configs(configs)
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if !self.guest.is_usable() {
            // Nothing is left to be ended: the fault that discarded the instance was reported then.
            return Ok(());
        }
        answer(call!(self.guest, "stop", |store| self.api.sink_connector().call_stop(store, self.connector)))
    }

    /// Exactly-once support is a matter of sources.
    async fn exactly_once_support(&mut self, _config: &ConfigMap) -> Result<Support, PluginError> {
        Ok(Support::Unknown)
    }
}

/// The connector's configurations. More than were asked for are the runtime's to refuse, as in Connect,
/// where old configurations may ask for it to be tolerated.
fn task_configs(configs: Vec<types::Config>) -> Result<Vec<ConfigMap>, PluginError> {
    Ok(configs.into_iter().map(lift::config_map).collect())
}

/// Reads the JSON that `validate` returned.
fn findings(guest: &mut Guest, json: &str) -> Result<Vec<(String, Vec<String>)>, PluginError> {
    parse_findings(json).ok_or_else(|| {
        broken(guest.violated("validate returned something else than a JSON list of keys and their errors"))
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
