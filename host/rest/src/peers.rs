//! What this worker itself asks of the leader of its group.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_record::ErrorChain;
use millstream_runtime::{
    config_log::SessionKey,
    herder::{PeerError, Peers},
};
use serde_json::Value;

use crate::{
    client::{HttpClient, HttpRequest, HttpUrl},
    entity,
    path::encode,
    signature::{ALGORITHM, SIGNATURE, Signing},
};

/// Other workers, over their API.
#[derive(Clone, Debug)]
pub(crate) struct HttpPeers {
    pub(crate) client: HttpClient,
    pub(crate) signing: Signing,
}

#[async_trait]
impl Peers for HttpPeers {
    async fn put_task_configs(
        &self,
        url: &str,
        connector: &str,
        tasks: &[ConfigMap],
        key: Option<&SessionKey>,
    ) -> Result<(), PeerError> {
        let target = format!("{}/connectors/{}/tasks", url.trim_end_matches('/'), encode(connector));
        let target = HttpUrl::parse(&target).map_err(|error| PeerError::Failed(error.to_string()))?;
        let body = tasks.iter().map(entity::config).collect::<Value>().to_string().into_bytes();
        let mut request = HttpRequest::new("POST", target).with_header("accept", "application/json");
        if let Some(signature) = key.and_then(|key| self.signing.sign(key, &body)) {
            request = request.with_header(SIGNATURE, &signature).with_header(ALGORITHM, &self.signing.algorithm);
        }
        self.send(request.with_body("application/json", body)).await
    }

    async fn fence(&self, url: &str, connector: &str, key: Option<&SessionKey>) -> Result<(), PeerError> {
        let target = format!("{}/connectors/{}/fence", url.trim_end_matches('/'), encode(connector));
        let target = HttpUrl::parse(&target).map_err(|error| PeerError::Failed(error.to_string()))?;
        let mut request = HttpRequest::new("PUT", target).with_header("accept", "application/json");
        if let Some(signature) = key.and_then(|key| self.signing.sign(key, &[])) {
            request = request.with_header(SIGNATURE, &signature).with_header(ALGORITHM, &self.signing.algorithm);
        }
        self.send(request).await
    }
}

impl HttpPeers {
    async fn send(&self, request: HttpRequest) -> Result<(), PeerError> {
        let sent = self.client.send(&request).await;
        let answer = sent.map_err(|error| PeerError::Failed(ErrorChain(&error).to_string()))?;
        match answer.status() {
            200..300 => Ok(()),
            403 => Err(PeerError::Signature),
            status => Err(PeerError::Failed(format!("{status}: {}", String::from_utf8_lossy(answer.body())))),
        }
    }
}
