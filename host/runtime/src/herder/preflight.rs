//! What a source connector is asked before it may promise exactly-once delivery, or say where its transactions end.

use millstream_config::{ConfigInfos, ConfigMap, OwnErrors, connector_key_names as key};
use millstream_connector::{Connector, PluginError, Support};

use crate::exactly_once::ExactlyOnceSource;

const REQUIRED: &str = "required";
const BY_CONNECTOR: &str = "connector";

/// What speaks against the guarantees that a source's configuration asks for, in Connect's words. Keys that have errors
/// already are left alone.
pub(super) async fn refusals(
    connector: &mut dyn Connector,
    worker: &ExactlyOnceSource,
    config: &ConfigMap,
    infos: &ConfigInfos,
) -> Vec<OwnErrors> {
    let asks = |name: &str, word: &str| {
        let value = config.get(name).and_then(Option::as_deref).unwrap_or_default();
        let faultless = |info: &millstream_config::ConfigInfo| info.value.name != name || info.value.errors.is_empty();
        value.trim().eq_ignore_ascii_case(word) && infos.configs.iter().all(faultless)
    };
    let mut refusals = Vec::new();
    let mut refuse = |name: &str, errors: Vec<String>| {
        if !errors.is_empty() {
            refusals.push(OwnErrors { name: name.to_owned(), errors });
        }
    };
    let name = key::EXACTLY_ONCE_SUPPORT.name();
    if asks(name, REQUIRED) {
        let mut errors = Vec::new();
        match worker {
            // Connect says nothing, and delivers at least once.
            ExactlyOnceSource::Unavailable => {
                let text = "Kafka Connect in standalone mode does not support exactly-once source connectors.";
                return vec![OwnErrors { name: name.to_owned(), errors: vec![text.to_owned()] }];
            }
            ExactlyOnceSource::Enabled(_) => {}
            _ => errors.push("This worker does not have exactly-once source support enabled.".to_owned()),
        }
        errors.extend(match connector.exactly_once_support(config).await {
            Ok(Support::Supported) => None,
            Ok(Support::Unsupported) => {
                Some("The connector does not support exactly-once semantics with the provided configuration.".to_owned())
            }
            Ok(Support::Unknown) => Some(
                "The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this preflight check and allow the connector to be created).".to_owned(),
            ),
            Err(error) => Some(unexpected(&error)),
        });
        refuse(name, errors);
    }
    let name = key::TRANSACTION_BOUNDARY.name();
    if *worker != ExactlyOnceSource::Unavailable && asks(name, BY_CONNECTOR) {
        let error = match connector.can_define_transaction_boundaries(config).await {
            Ok(Support::Supported) => None,
            Ok(_) => Some(
                "The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.".to_owned(),
            ),
            Err(error) => Some(unexpected(&error)),
        };
        refuse(name, error.into_iter().collect());
    }
    refusals
}

fn unexpected(error: &PluginError) -> String {
    let message = error.failure().message;
    let details = if message.trim().is_empty() {
        "; please see the worker logs for more details.".to_owned()
    } else {
        format!(": {message}")
    };
    format!("An unexpected error occurred during validation{details}")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use millstream_connector::{AlteredOffsets, ErrorKind, Failure};

    use super::*;

    /// Answers both questions alike; `None` fails.
    struct Answers(Option<Support>);

    impl Answers {
        fn answer(&self) -> Result<Support, PluginError> {
            self.0.ok_or_else(|| PluginError::Reported(Failure::new(ErrorKind::Fatal, "", "no idea")))
        }
    }

    #[async_trait]
    impl Connector for Answers {
        async fn validate(&mut self, _: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
            Ok(Vec::new())
        }

        async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
            Ok(())
        }

        async fn task_configs(&mut self, _: u32) -> Result<Vec<ConfigMap>, PluginError> {
            Ok(Vec::new())
        }

        async fn stop(&mut self) -> Result<(), PluginError> {
            Ok(())
        }

        async fn exactly_once_support(&mut self, _: &ConfigMap) -> Result<Support, PluginError> {
            self.answer()
        }

        async fn can_define_transaction_boundaries(&mut self, _: &ConfigMap) -> Result<Support, PluginError> {
            self.answer()
        }

        async fn alter_offsets(&mut self, _: &ConfigMap, _: &AlteredOffsets) -> Result<bool, PluginError> {
            Ok(true)
        }
    }

    /// The beginnings of what is refused, with the keys.
    async fn refused(
        worker: &ExactlyOnceSource,
        answer: Option<Support>,
        entries: &[(&str, &str)],
    ) -> Vec<(String, Vec<String>)> {
        let config = entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let infos = ConfigInfos { name: String::new(), error_count: 0, groups: Vec::new(), configs: Vec::new() };
        let refused = refusals(&mut Answers(answer), worker, &config, &infos).await;
        let short = |error: String| error.chars().take(70).collect();
        refused.into_iter().map(|own| (own.name, own.errors.into_iter().map(short).collect())).collect()
    }

    fn at(key: &str, errors: &[&str]) -> Vec<(String, Vec<String>)> {
        vec![(key.to_owned(), errors.iter().map(|error| (*error).to_owned()).collect())]
    }

    #[tokio::test]
    async fn exactly_once_is_promised_only_where_worker_and_connector_can_keep_it() {
        let (enabled, disabled) =
            (ExactlyOnceSource::Enabled("g".to_owned()), ExactlyOnceSource::Disabled("g".to_owned()));
        let key = "exactly.once.support";
        let required = [(key, " Required ")];
        assert_eq!(refused(&enabled, Some(Support::Supported), &required).await, []);
        assert_eq!(refused(&enabled, Some(Support::Unsupported), &[(key, "requested")]).await, []);
        assert_eq!(
            refused(&enabled, Some(Support::Unknown), &required).await,
            at(key, &["The connector does not implement the API required for preflight valida"])
        );
        let own = "The connector does not support exactly-once semantics with the provide";
        assert_eq!(refused(&enabled, Some(Support::Unsupported), &required).await, at(key, &[own]));
        assert_eq!(
            refused(&disabled, Some(Support::Unsupported), &required).await,
            at(key, &["This worker does not have exactly-once source support enabled.", own])
        );
        assert_eq!(
            refused(&enabled, None, &required).await,
            at(key, &["An unexpected error occurred during validation: no idea"])
        );
        assert_eq!(
            refused(&ExactlyOnceSource::Unavailable, Some(Support::Supported), &required).await,
            at(key, &["Kafka Connect in standalone mode does not support exactly-once source "])
        );
    }

    #[tokio::test]
    async fn a_connector_ends_transactions_only_if_it_says_that_it_can() {
        let key = "transaction.boundary";
        let by_connector = [(key, "CONNECTOR")];
        // Connect asks although the worker has not enabled it yet.
        let worker = ExactlyOnceSource::Disabled("g".to_owned());
        assert_eq!(refused(&worker, Some(Support::Supported), &by_connector).await, []);
        assert_eq!(refused(&worker, Some(Support::Unsupported), &[(key, "poll")]).await, []);
        assert_eq!(
            refused(&worker, Some(Support::Unsupported), &by_connector).await,
            at(key, &["The connector does not support connector-defined transaction boundarie"])
        );
        assert_eq!(
            refused(&worker, None, &by_connector).await,
            at(key, &["An unexpected error occurred during validation: no idea"])
        );
    }
}
