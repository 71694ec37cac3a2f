//! Choosing the converters of a task: the connector's where it names one, else the worker's.

use std::sync::Arc;

use millstream_config::{ConfigMap, originals_with_prefix};
use millstream_connector::{
    Converter, ConverterRole, ErrorKind, Failure, HeaderBatchConverter, HeaderConverter, Plugins, TaskId,
};

/// Makes Connect's own converter of that class or alias, configured; `None` if it is none of Connect's.
pub type NativeConverter =
    dyn Fn(&str, ConverterRole, &ConfigMap) -> Option<Result<Box<dyn Converter>, Failure>> + Send + Sync;

/// The same for header converters.
pub type NativeHeaderConverter =
    dyn Fn(&str, &ConfigMap) -> Option<Result<Box<dyn HeaderConverter>, Failure>> + Send + Sync;

/// Where native converters come from; the binary hands in the `convert` crate's.
#[derive(Clone)]
pub struct Natives {
    /// For keys and values.
    pub converter: Arc<NativeConverter>,
    /// For headers.
    pub header: Arc<NativeHeaderConverter>,
}

/// A converter class with its settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConverterChoice {
    /// Class or alias.
    pub class: String,
    /// Its settings without their prefix, `converter.type` among them.
    pub config: ConfigMap,
}

/// The three converters of a task.
pub(crate) struct Converters {
    pub(crate) key: Box<dyn Converter>,
    pub(crate) value: Box<dyn Converter>,
    pub(crate) header: Headers,
}

/// A task's header converter.
pub(crate) enum Headers {
    /// One of Connect's own: takes a header at a time.
    One(Box<dyn HeaderConverter>),
    /// A plugin's: takes a batch at a time.
    Batch(Box<dyn HeaderBatchConverter>),
}

impl Headers {
    /// Class name, for error reports.
    pub(crate) fn class(&self) -> &str {
        match self {
            Self::One(converter) => converter.class(),
            Self::Batch(converter) => converter.class(),
        }
    }
}

impl Converters {
    /// Makes a task's converters.
    ///
    /// # Errors
    ///
    /// A class is unknown, or refuses its settings.
    pub(crate) async fn build(
        plugins: &dyn Plugins,
        natives: &Natives,
        task: &TaskId,
        worker: &ConfigMap,
        connector: &ConfigMap,
    ) -> Result<Self, Failure> {
        let header = choose(ConverterRole::Header, worker, connector)?;
        let header = headers(plugins, natives, task, header).await?;
        Ok(Self {
            key: converter(plugins, natives, task, ConverterRole::Key, worker, connector).await?,
            value: converter(plugins, natives, task, ConverterRole::Value, worker, connector).await?,
            header,
        })
    }
}

/// Makes the converter that a configuration names for a role, as its tasks would, and lets go of it.
///
/// # Errors
///
/// No class is named or it is unknown, or it refuses its settings.
pub async fn check_converter(
    plugins: &dyn Plugins,
    natives: &Natives,
    task: &TaskId,
    role: ConverterRole,
    config: &ConfigMap,
) -> Result<(), Failure> {
    let none = ConfigMap::new();
    if role == ConverterRole::Header {
        return headers(plugins, natives, task, choose(role, config, &none)?).await.map(drop);
    }
    converter(plugins, natives, task, role, config, &none).await.map(drop)
}

async fn headers(
    plugins: &dyn Plugins,
    natives: &Natives,
    task: &TaskId,
    ConverterChoice { class, config }: ConverterChoice,
) -> Result<Headers, Failure> {
    match (natives.header)(&class, &config) {
        Some(made) => made.map(Headers::One),
        None => {
            let made = plugins.header_converter(&class, task, &config).await;
            made.map(Headers::Batch).map_err(|error| error.failure())
        }
    }
}

async fn converter(
    plugins: &dyn Plugins,
    natives: &Natives,
    task: &TaskId,
    role: ConverterRole,
    worker: &ConfigMap,
    connector: &ConfigMap,
) -> Result<Box<dyn Converter>, Failure> {
    let choice = choose(role, worker, connector)?;
    match (natives.converter)(&choice.class, role, &choice.config) {
        Some(made) => made,
        None => plugins.converter(&choice.class, task, role, &choice.config).await.map_err(|error| error.failure()),
    }
}

/// Chooses class and settings. The connector's sub-keys count only with a class of its own.
///
/// # Errors
///
/// Neither names a class.
pub(crate) fn choose(
    role: ConverterRole,
    worker: &ConfigMap,
    connector: &ConfigMap,
) -> Result<ConverterChoice, Failure> {
    let key = format!("{}.converter", role.name());
    let prefix = format!("{key}.");
    let named = |config: &ConfigMap| config.get(&key).cloned().flatten().filter(|class| !class.trim().is_empty());
    let (class, from) = match (named(connector), named(worker)) {
        (Some(class), _) => (class, connector),
        (None, Some(class)) => {
            if !originals_with_prefix(connector, &prefix).is_empty() {
                tracing::warn!("settings beneath {prefix} are ignored, because the connector does not set {key}");
            }
            (class, worker)
        }
        (None, None) if role == ConverterRole::Header => {
            ("org.apache.kafka.connect.storage.SimpleHeaderConverter".to_owned(), worker)
        }
        (None, None) => return Err(unknown(role, "")),
    };
    let mut config = originals_with_prefix(from, &prefix);
    config.insert("converter.type".to_owned(), Some(role.name().to_owned()));
    Ok(ConverterChoice { class: class.trim().to_owned(), config })
}

fn unknown(role: ConverterRole, class: &str) -> Failure {
    let message =
        format!("Invalid value {class} for configuration {}.converter: Class {class} could not be found.", role.name());
    Failure::new(ErrorKind::Config, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn the_connectors_converter_wins_with_its_own_settings_only() {
        let worker = map(&[("value.converter", "Json"), ("value.converter.schemas.enable", "false")]);
        let own = map(&[("value.converter", "String"), ("value.converter.converter.encoding", "UTF-8")]);
        let stray = map(&[("value.converter.schemas.enable", "true")]);
        let chosen = |connector| choose(ConverterRole::Value, &worker, connector).expect("a class");
        assert_eq!(
            chosen(&own),
            ConverterChoice {
                class: "String".to_owned(),
                config: map(&[("converter.encoding", "UTF-8"), ("converter.type", "value")])
            }
        );
        assert_eq!(
            chosen(&stray),
            ConverterChoice {
                class: "Json".to_owned(),
                config: map(&[("schemas.enable", "false"), ("converter.type", "value")])
            }
        );
    }

    #[test]
    fn headers_are_simple_unless_somebody_says_otherwise() {
        let none = ConfigMap::new();
        let chosen = choose(ConverterRole::Header, &none, &none).expect("a default");
        assert_eq!(chosen.class, "org.apache.kafka.connect.storage.SimpleHeaderConverter");
    }
}
