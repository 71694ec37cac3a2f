//! Topics of connectors that keep their offsets apart from the worker's.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_client::Dial;
use millstream_config::{ConfigMap, OverridePolicy};
use millstream_connector::{ErrorKind, Failure};
use millstream_record::{ErrorChain, TopicName};
use millstream_runtime::{
    kafka::{InternalClients, LogTopic},
    offsets::{OffsetTopics, OwnOffsets, TopicOffsetStore},
    topic_log::TopicLog,
};

/// Opens them, made like the worker's own.
pub struct ConnectorOffsetTopics {
    pub dial: Arc<dyn Dial>,
    pub bootstrap: String,
    /// The worker's properties.
    pub worker: ConfigMap,
    pub policy: OverridePolicy,
    /// The worker's own offsets topic.
    pub own: LogTopic,
    /// Where that is, as its clients name it.
    pub own_bootstrap: Vec<String>,
}

#[async_trait]
impl OffsetTopics for ConnectorOffsetTopics {
    async fn open(
        &self,
        topic: Option<&str>,
        connector: &ConfigMap,
        committed_only: bool,
    ) -> Result<OwnOffsets, Failure> {
        let refused = |text: String| Failure::new(ErrorKind::Config, "", text);
        let topic = topic.unwrap_or(self.own.name.as_str());
        let name = TopicName::parse(topic).map_err(|error| {
            refused(format!("Invalid value {topic} for configuration offsets.storage.topic: {error}"))
        })?;
        let dial = Arc::clone(&self.dial);
        let mut clients = InternalClients::of_connector(dial, &self.bootstrap, &self.worker, connector, &self.policy)?;
        if committed_only {
            clients = clients.reading_committed();
        }
        let is_workers = name == self.own.name && clients.bootstrap() == self.own_bootstrap;
        let wanted = LogTopic { name: name.clone(), key: "offsets.storage.topic", ..self.own.clone() };
        let failed = |error: &(dyn std::error::Error + 'static)| {
            let cause = Failure::new(ErrorKind::Fatal, "", ErrorChain(error).to_string());
            cause.caused(ErrorKind::Fatal, "", format!("Failed to open the connector's offsets topic {topic}"))
        };
        let log = TopicLog::open(Arc::new(clients), &wanted).await.map_err(|error| failed(&error))?;
        let store = TopicOffsetStore::start(log).await.map_err(|failure| failed(&failure))?;
        Ok(OwnOffsets { store: Arc::new(store), topic: name, is_workers })
    }
}
