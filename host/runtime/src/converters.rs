//! Choosing the converters of a task: the connector's where it names one, else the worker's.

use std::sync::Arc;

use millstream_config::{ConfigMap, Wanted, originals_with_prefix};
use millstream_connector::{
    Converter, ConverterRole, ErrorKind, Failure, HeaderBatchConverter, HeaderConverter, Plugins, TaskId,
};

/// Makes Connect's own converter, configured; `None` if none of Connect's is asked for.
pub type NativeConverter =
    dyn Fn(&Wanted, ConverterRole, &ConfigMap) -> Option<Result<Box<dyn Converter>, Failure>> + Send + Sync;

/// The same for header converters.
pub type NativeHeaderConverter =
    dyn Fn(&Wanted, &ConfigMap) -> Option<Result<Box<dyn HeaderConverter>, Failure>> + Send + Sync;

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
    /// Class or alias, and its version.
    pub class: Wanted,
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
    /// Makes a task's converters. Of those that the connector names without a version, one from `beside` is preferred, where
    /// the connector comes from.
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
        beside: Option<&str>,
    ) -> Result<Self, Failure> {
        let choice = |role| choose(role, worker, connector, beside);
        let header = choice(ConverterRole::Header)?;
        let header = headers(plugins, natives, task, header).await?;
        Ok(Self {
            key: converter(plugins, natives, task, ConverterRole::Key, choice(ConverterRole::Key)?).await?,
            value: converter(plugins, natives, task, ConverterRole::Value, choice(ConverterRole::Value)?).await?,
            header,
        })
    }
}

/// Makes the converter that a configuration names for a role, as its tasks would, and lets go of it. `beside` is where the
/// connector comes from whose configuration it is.
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
    beside: Option<&str>,
) -> Result<(), Failure> {
    let choice = choose(role, &ConfigMap::new(), config, beside)?;
    if role == ConverterRole::Header {
        return headers(plugins, natives, task, choice).await.map(drop);
    }
    converter(plugins, natives, task, role, choice).await.map(drop)
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
    choice: ConverterChoice,
) -> Result<Box<dyn Converter>, Failure> {
    match (natives.converter)(&choice.class, role, &choice.config) {
        Some(made) => made,
        None => plugins.converter(&choice.class, task, role, &choice.config).await.map_err(|error| error.failure()),
    }
}

/// Chooses class and settings. The connector's sub-keys, a version among them, count only with a class of its own.
///
/// # Errors
///
/// Neither names a class, or the version is none.
pub(crate) fn choose(
    role: ConverterRole,
    worker: &ConfigMap,
    connector: &ConfigMap,
    beside: Option<&str>,
) -> Result<ConverterChoice, Failure> {
    let key = format!("{}.converter", role.name());
    let prefix = format!("{key}.");
    let named = |config: &ConfigMap| config.get(&key).cloned().flatten().filter(|class| !class.trim().is_empty());
    let (class, from, beside) = match (named(connector), named(worker)) {
        (Some(class), _) => (class, connector, beside),
        (None, Some(class)) => {
            if !originals_with_prefix(connector, &prefix).is_empty() {
                tracing::warn!("settings beneath {prefix} are ignored, because the connector does not set {key}");
            }
            (class, worker, None)
        }
        (None, None) if role == ConverterRole::Header => {
            ("org.apache.kafka.connect.storage.SimpleHeaderConverter".to_owned(), worker, None)
        }
        (None, None) => return Err(unknown(role, "")),
    };
    let mut config = originals_with_prefix(from, &prefix);
    config.remove("plugin.version");
    config.insert("converter.type".to_owned(), Some(role.name().to_owned()));
    let version_key = format!("{prefix}plugin.version");
    let class = Wanted::of(from, class.trim(), &version_key, beside).map_err(|error| {
        Failure::new(
            ErrorKind::Config,
            "",
            format!("{version_key} is neither a version nor ranges of versions: {error}"),
        )
    })?;
    Ok(ConverterChoice { class, config })
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
        let chosen = |connector| choose(ConverterRole::Value, &worker, connector, None).expect("a class");
        assert_eq!(
            chosen(&own),
            ConverterChoice {
                class: "String".into(),
                config: map(&[("converter.encoding", "UTF-8"), ("converter.type", "value")])
            }
        );
        assert_eq!(
            chosen(&stray),
            ConverterChoice {
                class: "Json".into(),
                config: map(&[("schemas.enable", "false"), ("converter.type", "value")])
            }
        );
    }

    #[test]
    fn headers_are_simple_unless_somebody_says_otherwise() {
        let none = ConfigMap::new();
        let chosen = choose(ConverterRole::Header, &none, &none, None).expect("a default");
        assert_eq!(chosen.class.name, "org.apache.kafka.connect.storage.SimpleHeaderConverter");
    }
}
