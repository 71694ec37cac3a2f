//! The transform chain of a connector, from its configuration.
//!
//! This module reads `transforms` and `predicates`; the links are run by the plugin host, neighbours of
//! one component in one call. Error classes are Connect's: a wrong declaration is a ConfigException, a
//! predicate that is not declared a ConnectException.

use std::time::Duration;

use millstream_config::{ConfigMap, ParsedConfig, Wanted, connector_key_names as key, originals_with_prefix};
use millstream_connector::{
    Condition, ErrorKind, Failure, Link, LinkedTransforms, PluginError, PluginKind, Plugins, TaskId,
};
use millstream_record::batch::Batch;

use crate::error_policy::{CONNECT_EXCEPTION, Executor};

/// Longest search for the record that a chain breaks over: the task has failed meanwhile, and only its trace waits.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);

/// The chain of a task, with class and alias of each link for error reports.
pub(crate) struct TransformChain {
    pub(crate) chain: Box<dyn LinkedTransforms>,
    executors: Vec<Executor>,
}

impl TransformChain {
    /// Builds the chain; `None` if the connector has no transforms. What is named without a version is taken from `beside`
    /// if it is there, where the connector comes from.
    ///
    /// # Errors
    ///
    /// The declaration is wrong, or a transform refuses its configuration.
    pub(crate) async fn build(
        plugins: &dyn Plugins,
        task: &TaskId,
        config: &ParsedConfig,
        beside: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        let links = links(config, beside)?;
        if links.is_empty() {
            return Ok(None);
        }
        let executors: Vec<Executor> = key::TRANSFORMS
            .get(config)
            .iter()
            .zip(&links)
            .map(|(alias, link)| {
                let found = plugins.find(PluginKind::Transform, &link.class);
                let class = found.map_or_else(|_| link.class.name.clone(), |plugin| plugin.class.clone());
                Executor { class, name: name_of(alias, config.originals()) }
            })
            .collect();
        match plugins.chain(task, &links).await {
            Ok(chain) => Ok(Some(Self { chain, executors })),
            Err((number, error)) => {
                let failure = error.failure();
                // What the declared options refuse is the user's mistake as it stands; what only the
                // transform itself refuses comes out as Connect wraps it.
                let mut failure = if links.get(number).is_none_or(|link| is_declared_wrong(plugins, link)) {
                    failure
                } else {
                    let message = failure.message.clone();
                    failure.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
                };
                let by = executors.get(number).map(|by| format!("configuring {} ({})", by.name, by.class));
                failure.at = failure.at.or(by);
                Err(failure)
            }
        }
    }

    /// Which of these rows the chain breaks over, found by giving it one after the other; `None` if it breaks over
    /// none of them alone, or that takes too long.
    pub(crate) async fn breaks_over(&mut self, rows: impl Iterator<Item = (u32, Batch)>) -> Option<u32> {
        let search = async {
            for (row, alone) in rows {
                if matches!(self.chain.apply(&alone).await, Err(PluginError::Broken { .. })) {
                    return Some(row);
                }
            }
            None
        };
        tokio::time::timeout(LONGEST_SEARCH, search).await.ok().flatten()
    }

    /// Who executes a link.
    pub(crate) fn executor(&self, link: u32) -> Executor {
        let unknown =
            || Executor { class: String::new(), name: format!("transform number {}", link.saturating_add(1)) };
        self.executors.get(link as usize).cloned().unwrap_or_else(unknown)
    }
}

/// What the configuration calls a transform. Its predicate is named with it: which of the two fails is not told.
fn name_of(alias: &str, originals: &ConfigMap) -> String {
    match originals.get(&format!("transforms.{alias}.predicate")) {
        Some(Some(predicate)) => format!("transform '{alias}' with predicate '{predicate}'"),
        _ => format!("transform '{alias}'"),
    }
}

/// Whether a class of the link is unknown, or the options it declares refuse the settings.
fn is_declared_wrong(plugins: &dyn Plugins, link: &Link) -> bool {
    let refused = |kind, class: &Wanted, config: &ConfigMap| match plugins.find(kind, class) {
        Ok(plugin) => plugin.config.parse(config).is_err(),
        Err(_) => true,
    };
    let condition = link.condition.as_ref();
    refused(PluginKind::Transform, &link.class, &link.config)
        || condition.is_some_and(|condition| refused(PluginKind::Predicate, &condition.class, &condition.config))
}

/// The chain that a connector's configuration declares, as its tasks build it; `None` if it has no transforms.
///
/// # Errors
///
/// The declaration is wrong, or a transform refuses its configuration.
pub async fn transform_chain(
    plugins: &dyn Plugins,
    task: &TaskId,
    config: &ParsedConfig,
) -> Result<Option<Box<dyn LinkedTransforms>>, Failure> {
    Ok(TransformChain::build(plugins, task, config, None).await?.map(|built| built.chain))
}

/// What is said of a transform whose predicate is not declared.
pub(crate) fn undeclared_predicate(alias: &str, predicate: &str) -> String {
    format!("Transformation '{alias}' refers to a predicate '{predicate}' that is not declared in 'predicates'")
}

/// The links that a connector's configuration declares, in order.
///
/// # Errors
///
/// A transform or predicate without a type, or a predicate that is not declared.
pub(crate) fn links(config: &ParsedConfig, beside: Option<&str>) -> Result<Vec<Link>, Failure> {
    let originals = config.originals();
    let predicates = key::PREDICATES.get(config);
    for alias in &predicates {
        class_of("predicates", alias, originals, beside)?;
    }
    key::TRANSFORMS.get(config).iter().map(|alias| link(alias, &predicates, originals, beside)).collect()
}

fn link(alias: &str, predicates: &[String], originals: &ConfigMap, beside: Option<&str>) -> Result<Link, Failure> {
    let class = class_of("transforms", alias, originals, beside)?;
    let mut config = originals_with_prefix(originals, &format!("transforms.{alias}."));
    config.remove("type");
    config.remove("plugin.version");
    let negate = config.remove("negate").flatten();
    let condition = match config.remove("predicate").flatten() {
        None => None,
        Some(predicate) => {
            if !predicates.contains(&predicate) {
                let message = undeclared_predicate(alias, &predicate);
                return Err(Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message));
            }
            let class = class_of("predicates", &predicate, originals, beside)?;
            let mut config = originals_with_prefix(originals, &format!("predicates.{predicate}."));
            config.remove("type");
            config.remove("plugin.version");
            // Validated with spaces around it, but read without trimming, as Connect does.
            let negate = negate.is_some_and(|negate| negate.eq_ignore_ascii_case("true"));
            Some(Condition { class, config, negate })
        }
    };
    Ok(Link { class, config, condition })
}

fn class_of(list: &str, alias: &str, originals: &ConfigMap, beside: Option<&str>) -> Result<Wanted, Failure> {
    let key = format!("{list}.{alias}.type");
    let class = originals.get(&key).cloned().flatten().map(|class| class.trim().to_owned());
    match class {
        Some(class) if !class.is_empty() => {
            let version_key = format!("{list}.{alias}.plugin.version");
            Wanted::of(originals, &class, &version_key, beside).map_err(|error| {
                let message = format!("{version_key} is neither a version nor ranges of versions: {error}");
                Failure::new(ErrorKind::Config, "", message)
            })
        }
        Some(_) => {
            let message = format!("Invalid value  for configuration {key}: Class  could not be found.");
            Err(Failure::new(ErrorKind::Config, "", message))
        }
        None => {
            let message = format!("Missing required configuration \"{key}\" which has no default value.");
            Err(Failure::new(ErrorKind::Config, "", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_config::connector_key_names;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Vec<Link>, Failure> {
        let mut config: ConfigMap =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        for required in ["name", "connector.class"] {
            config.entry(required.to_owned()).or_insert_with(|| Some("x".to_owned()));
        }
        links(&connector_key_names::common().parse(&config).expect("valid keys"), None)
    }

    #[test]
    fn links_come_in_list_order_with_their_own_keys_and_predicates() {
        let links = read(&[
            ("transforms", "b, a"),
            ("transforms.a.type", "A"),
            ("transforms.a.field", "f"),
            ("transforms.a.predicate", "p"),
            ("transforms.a.negate", "TRUE"),
            ("transforms.b.type", "B"),
            ("transforms.c.type", "ignored"),
            ("predicates", "p"),
            ("predicates.p.type", "P"),
            ("predicates.p.name", "n"),
        ]);
        let config = |key: &str, value: &str| ConfigMap::from([(key.to_owned(), Some(value.to_owned()))]);
        let condition = Condition { class: "P".into(), config: config("name", "n"), negate: true };
        assert_eq!(
            links,
            Ok(vec![
                Link { class: "B".into(), config: ConfigMap::new(), condition: None },
                Link { class: "A".into(), config: config("field", "f"), condition: Some(condition) },
            ])
        );
    }

    #[test]
    fn negate_is_read_without_trimming() {
        let links = read(&[
            ("transforms", "a"),
            ("transforms.a.type", "A"),
            ("transforms.a.predicate", "p"),
            ("transforms.a.negate", " true "),
            ("predicates", "p"),
            ("predicates.p.type", "P"),
        ]);
        assert_eq!(links.map(|links| links[0].condition.as_ref().map(|condition| condition.negate)), Ok(Some(false)));
    }

    #[test]
    fn wrong_declarations_have_connects_classes() {
        for (pairs, kind) in [
            (vec![("transforms", "a")], ErrorKind::Config),
            (vec![("transforms", "a"), ("transforms.a.type", " ")], ErrorKind::Config),
            (vec![("predicates", "unused")], ErrorKind::Config),
            (vec![("transforms", "a"), ("transforms.a.type", "A"), ("transforms.a.predicate", "p")], ErrorKind::Fatal),
        ] {
            assert_eq!(read(&pairs).expect_err("refused").kind, kind, "{pairs:?}");
        }
    }
}
