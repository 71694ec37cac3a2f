//! Steps of connectors, source and sink alike, and validation of any plugin.

use std::collections::BTreeMap;

use millstream_config::{ConfigMap, PlainEnvironment};
use millstream_connector::{AlteredOffsets, Connector, PluginError, PluginKind, Plugins, Support, TopicPartition};
use serde_json::{Value as Json, json};

use super::{CONNECTOR, Done, Run, found};
use crate::expect::Found;

impl Run<'_> {
    /// What the definition says of a configuration, and then the connector itself.
    pub(super) async fn validate(&mut self, config: Option<&ConfigMap>) -> Done {
        let config = self.filled_in(config.unwrap_or(&self.scenario.config));
        let mut invalid: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for value in self.plugin.config.validate(&config, &PlainEnvironment) {
            if !value.errors.is_empty() {
                invalid.entry(value.name).or_default().extend(value.errors);
            }
        }
        if matches!(self.plugin.kind, PluginKind::Source | PluginKind::Sink) {
            let own = self.new_connector().await?.validate(&config).await?;
            for (name, errors) in own.into_iter().filter(|(_, errors)| !errors.is_empty()) {
                invalid.entry(name).or_default().extend(errors);
            }
        }
        Ok(found([("invalid", json!(invalid))]))
    }

    async fn new_connector(&self) -> Result<Box<dyn Connector>, PluginError> {
        let context = std::sync::Arc::clone(&self.world);
        self.plugins.connector(&self.class(), CONNECTOR, context).await
    }

    pub(super) async fn start_connector(&mut self) -> Done {
        self.world.ask_to_stop(false);
        let config = self.own_config();
        let mut connector = self.new_connector().await?;
        let started = connector.start(&config).await;
        self.connector = Some(connector);
        started?;
        Ok(Found::new())
    }

    fn connector(&mut self) -> Result<&mut Box<dyn Connector>, String> {
        self.connector.as_mut().ok_or_else(|| "there is no connector: begin with the step connector-start".to_owned())
    }

    pub(super) async fn task_configs(&mut self, max_tasks: u32) -> Done {
        let configs = self.connector()?.task_configs(max_tasks).await?;
        let configs: Vec<Json> = configs.iter().map(|config| json!(config)).collect();
        Ok(found([("configs", self.without_paths(configs.into()))]))
    }

    pub(super) async fn stop_connector(&mut self) -> Done {
        let stopped = self.connector()?.stop().await;
        self.connector = None;
        stopped?;
        Ok(Found::new())
    }

    pub(super) async fn exactly_once(&mut self) -> Done {
        let config = self.own_config();
        let support = self.new_connector().await?.exactly_once_support(&config).await?;
        Ok(found([("support", shown(support))]))
    }

    pub(super) async fn boundaries(&mut self) -> Done {
        let config = self.own_config();
        let support = self.new_connector().await?.can_define_transaction_boundaries(&config).await?;
        Ok(found([("support", shown(support))]))
    }

    pub(super) async fn alter_offsets(
        &mut self,
        source: &[(Json, Json)],
        sink: &[(TopicPartition, Option<i64>)],
    ) -> Done {
        let offsets = match self.is_sink() {
            true => AlteredOffsets::Sink(sink.to_vec()),
            false => {
                let text = |(partition, offset): &(Json, Json)| {
                    (partition.to_string(), (!offset.is_null()).then(|| offset.to_string()))
                };
                AlteredOffsets::Source(source.iter().map(text).collect())
            }
        };
        let config = self.own_config();
        let accepted = self.new_connector().await?.alter_offsets(&config, &offsets).await?;
        Ok(found([("accepted", accepted.into())]))
    }
}

fn shown(support: Support) -> Json {
    match support {
        Support::Supported => "supported",
        Support::Unsupported => "unsupported",
        Support::Unknown => "unknown",
    }
    .into()
}
