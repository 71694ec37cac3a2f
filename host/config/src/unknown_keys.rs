//! Keys that nobody declares: mostly typos. Connect takes them in silence, so they are no error, but one warning names
//! each with the declared key that is nearest.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use crate::{
    ConfigMap, Mode, PluginDefs, PluginKind, Wanted,
    client_keys::{ClientKind, TOPIC},
    connector_config_def,
    plugin_defs::PluginDef,
    record_error_keys::record_error_keys,
    topic_creation::{OPTIONS as TOPIC_RULE_OPTIONS, prefixes as topic_rule_prefixes},
};

/// A key that nobody declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownKey {
    /// As the user wrote it.
    pub key: String,
    /// The declared key that was probably meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A byte order mark is not seen, and is the whole difference.
        write!(f, "{}", self.key.escape_debug())?;
        match &self.nearest {
            Some(nearest) => write!(f, " (did you mean {nearest}?)"),
            None => Ok(()),
        }
    }
}

/// All of them in one warning; `None` if there are none.
pub fn unknown_keys_warning(unknown: &[UnknownKey]) -> Option<String> {
    let (first, more) = unknown.split_first()?;
    let mut text = format!("no definition has these keys, so they have no effect unless a plugin reads them: {first}");
    for key in more {
        write!(text, ", {key}").expect("writing to a String never fails");
    }
    Some(text)
}

/// Prefixes of a worker's keys that stand for whatever follows, or that are checked elsewhere.
const WORKER_PREFIXES: [&str; 8] = [
    // The built-in broker checks its keys itself.
    "broker.",
    "config.providers.",
    "metrics.context.",
    "listeners.https.",
    "admin.listeners.https.",
    "metrics.listeners.https.",
    "internal.key.converter.",
    "internal.value.converter.",
];

/// Keys that Kafka's own sample files and scripts for workers have beside those that are declared.
const WORKER_EXTRAS: [&str; 2] = ["internal.key.converter", "internal.value.converter"];

/// Prefixes before settings of the topics that a cluster of workers keeps its state in.
const STORAGE_PREFIXES: [&str; 4] = ["config.storage.", "offset.storage.", "status.storage.", "kv.storage."];

/// The keys of a worker's properties that nobody declares.
pub fn unknown_worker_keys(properties: &ConfigMap, plugins: &dyn PluginDefs) -> Vec<UnknownKey> {
    let mut known = KnownKeys::default();
    // A file may be shared by both modes, and keys without a prefix are the admin client's, too.
    for mode in [Mode::Standalone, Mode::Distributed] {
        known.names.extend(mode.config_def().keys().iter().map(|key| key.name.clone()));
    }
    known.names.extend(ClientKind::Admin.settings().map(str::to_owned));
    known.names.extend(WORKER_EXTRAS.map(str::to_owned));
    known.prefixes.extend(WORKER_PREFIXES.map(str::to_owned));
    for prefix in STORAGE_PREFIXES {
        known.add_beneath(prefix, TOPIC);
    }
    for kind in ClientKind::ALL {
        known.add_beneath(&format!("{}.", kind.name()), kind.settings());
    }
    for (key, kind) in CONVERTERS {
        let class = properties.get(key).and_then(Option::as_deref).map(str::trim);
        let version_key = format!("{key}.plugin.version");
        let plugin = class.and_then(|class| plugins.part(kind, properties, class, &version_key, None));
        known.add_plugin(&format!("{key}."), plugin);
    }
    known.unknown_in(properties)
}

/// The keys of a connector's configuration that nobody declares. None if its class is unknown.
pub fn unknown_connector_keys(config: &ConfigMap, plugins: &dyn PluginDefs) -> Vec<UnknownKey> {
    let text = |key: &str| config.get(key).and_then(Option::as_deref).map(str::trim);
    let connector = Wanted::connector(config).ok().and_then(|wanted| plugins.select_connector(&wanted).ok());
    let Some(connector) = connector else { return Vec::new() };
    let part = |kind, key: &str, version_key: &str| {
        text(key).and_then(|class| plugins.part(kind, config, class, version_key, Some(&connector.location)))
    };
    let mut known = KnownKeys::default();
    let framework = connector_config_def(connector.kind, Some(&connector.location), config, plugins);
    known.names.extend(framework.keys().iter().chain(connector.config.keys()).map(|key| key.name.clone()));
    let ours = record_error_keys(connector.kind);
    known.names.extend(ours.keys().iter().chain(crate::restart_keys().keys()).map(|key| key.name.clone()));
    if connector.kind != PluginKind::Sink {
        known.names.extend(crate::transaction_keys().keys().iter().map(|key| key.name.clone()));
    }
    // Without a plugin behind a `type`, what it would declare is unknown, and the `type` itself is refused.
    for (stage, kind) in [("transforms", PluginKind::Transform), ("predicates", PluginKind::Predicate)] {
        for alias in millstream_values::config_text::list(text(stage).unwrap_or_default()) {
            let prefix = format!("{stage}.{alias}.");
            if part(kind, &format!("{prefix}type"), &format!("{prefix}plugin.version")).is_none() {
                known.prefixes.push(prefix);
            }
        }
    }
    for (key, kind) in CONVERTERS {
        // Settings of a converter that the connector does not name are spoken of where the task is built.
        known.add_plugin(&format!("{key}."), part(kind, key, &format!("{key}.plugin.version")));
    }
    for kind in ClientKind::ALL {
        known.add_beneath(&format!("{}.override.", kind.name()), kind.settings());
    }
    if connector.kind == PluginKind::Source {
        for prefix in topic_rule_prefixes(config) {
            known.add_beneath(&prefix, TOPIC_RULE_OPTIONS);
            known.add_beneath(&prefix, TOPIC);
        }
    }
    known.unknown_in(config)
}

const CONVERTERS: [(&str, PluginKind); 3] = [
    ("key.converter", PluginKind::Converter),
    ("value.converter", PluginKind::Converter),
    ("header.converter", PluginKind::HeaderConverter),
];

#[derive(Default)]
struct KnownKeys {
    names: BTreeSet<String>,
    prefixes: Vec<String>,
}

impl KnownKeys {
    fn add_beneath<'a>(&mut self, prefix: &str, names: impl IntoIterator<Item = &'a str>) {
        self.names.extend(names.into_iter().map(|name| format!("{prefix}{name}")));
    }

    /// The keys of a plugin; whatever stands beneath the prefix if it is not known.
    fn add_plugin(&mut self, prefix: &str, plugin: Option<&PluginDef>) {
        match plugin {
            Some(plugin) => {
                self.add_beneath(prefix, plugin.config.keys().iter().map(|key| key.name.as_str()));
                self.add_beneath(prefix, ["converter.type", "plugin.version"]);
            }
            None => self.prefixes.push(prefix.to_owned()),
        }
    }

    fn unknown_in(&self, config: &ConfigMap) -> Vec<UnknownKey> {
        let is_known =
            |key: &str| self.names.contains(key) || self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        let unknown = config.keys().filter(|key| !is_known(key));
        let nearest = |key: &str| nearest(key, self.names.iter().map(String::as_str)).map(str::to_owned);
        unknown.map(|key| UnknownKey { key: key.clone(), nearest: nearest(key) }).collect()
    }
}

/// The candidate that a word was probably meant to be: the one with the fewest letters to change, if they are few; else
/// the shortest that the word is the beginning of.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let most = (word.chars().count() / 5).max(2);
    let by_letters = candidates
        .clone()
        .filter_map(|candidate| Some((distance(word, candidate, most)?, candidate)))
        .min_by_key(|(distance, _)| *distance);
    by_letters.map(|(_, candidate)| candidate).or_else(|| {
        candidates
            .filter(|candidate| 3 < word.len() && candidate.starts_with(word))
            .min_by_key(|candidate| candidate.len())
    })
}

/// Letters to insert, to drop, to replace or to exchange with their neighbours between two words; `None` above `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    if most < a.len().abs_diff(b.len()) {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if 0 < i && 0 < j && *from == b[j - 1] && a[i - 1] == *to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&distance| distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigDef, ConfigKey, ConfigType, PluginDirectory};

    fn plugins() -> PluginDirectory {
        let plugin = |kind, class: &str, keys: &[&str]| PluginDef {
            kind,
            class: class.to_owned(),
            aliases: Vec::new(),
            version: None,
            documentation: String::new(),
            location: String::new(),
            config: ConfigDef::of(keys.iter().map(|key| ConfigKey::new(*key, ConfigType::String))),
        };
        PluginDirectory::new(
            [
                plugin(PluginKind::Source, "a.FileSourceConnector", &["file", "batch.size"]),
                plugin(PluginKind::Transform, "a.Mask", &["fields"]),
                plugin(PluginKind::Converter, "a.JsonConverter", &["schemas.enable"]),
            ],
            |_, _| Ok(true),
        )
    }

    fn map(keys: &[(&str, &str)]) -> ConfigMap {
        keys.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[track_caller]
    fn check_connector(more: &[(&str, &str)], expected: &[&str]) {
        let mut config = map(&[("name", "c"), ("connector.class", "FileSource"), ("file", "x")]);
        config.extend(map(more));
        let unknown: Vec<String> =
            unknown_connector_keys(&config, &plugins()).iter().map(ToString::to_string).collect();
        assert_eq!(unknown, expected);
    }

    #[test]
    fn a_connectors_typos_are_named_with_the_key_that_was_meant() {
        check_connector(&[("taks.max", "1")], &["taks.max (did you mean tasks.max?)"]);
        check_connector(&[("batchsize", "1")], &["batchsize (did you mean batch.size?)"]);
        check_connector(&[("errors.tolerence", "all")], &["errors.tolerence (did you mean errors.tolerance?)"]);
        check_connector(&[("nonsense", "1")], &["nonsense"]);
        check_connector(
            &[("producer.override.liger.ms", "1")],
            &["producer.override.liger.ms (did you mean producer.override.linger.ms?)"],
        );
        check_connector(
            &[("value.converter", "a.JsonConverter"), ("value.converter.schema.enable", "false")],
            &["value.converter.schema.enable (did you mean value.converter.schemas.enable?)"],
        );
        check_connector(
            &[
                ("transforms", "m"),
                ("transforms.m.type", "a.Mask"),
                ("transforms.m.field", "f"),
                ("transforms.n.x", ""),
            ],
            &["transforms.m.field (did you mean transforms.m.fields?)", "transforms.n.x"],
        );
        check_connector(
            &[
                ("topic.creation.groups", "a"),
                ("topic.creation.a.partitons", "1"),
                ("topic.creation.default.cleanup.polic", "compact"),
                ("topic.creation.not-listed.include", "x"),
            ],
            &[
                "topic.creation.a.partitons (did you mean topic.creation.a.partitions?)",
                "topic.creation.default.cleanup.polic (did you mean topic.creation.default.cleanup.policy?)",
                "topic.creation.not-listed.include",
            ],
        );
    }

    #[test]
    fn what_somebody_declares_is_no_typo() {
        check_connector(
            &[
                ("tasks.max", "1"),
                ("producer.override.interceptor.classes", "x"),
                ("consumer.override.fetch.decompressed.max.bytes", "1"),
                ("topic.creation.groups", "a"),
                ("topic.creation.default.partitions", "1"),
                ("topic.creation.a.include", "x"),
                ("topic.creation.a.cleanup.policy", "compact"),
                ("key.converter.whatever", "the worker's converter is not looked into"),
                ("transforms", "u"),
                ("transforms.u.type", "no.such.Class"),
                ("transforms.u.anything", "1"),
            ],
            &[],
        );
    }

    #[test]
    fn a_workers_typos_are_named_with_the_key_that_was_meant() {
        let unknown = |keys: &[(&str, &str)]| -> Vec<String> {
            unknown_worker_keys(&map(keys), &plugins()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(unknown(&[("bootstrap.server", "a:1")]), ["bootstrap.server (did you mean bootstrap.servers?)"]);
        assert_eq!(
            unknown(&[("\u{feff}bootstrap.servers", "a:1")]),
            ["\\u{feff}bootstrap.servers (did you mean bootstrap.servers?)"]
        );
        assert_eq!(
            unknown(&[("offset.storage.file", "x")]),
            ["offset.storage.file (did you mean offset.storage.file.filename?)"]
        );
        assert_eq!(
            unknown(&[("value.converter", "a.JsonConverter"), ("value.converter.schemas.enabled", "false")]),
            ["value.converter.schemas.enabled (did you mean value.converter.schemas.enable?)"]
        );
        let kafkas_samples = [
            ("group.id", "connect-cluster"),
            ("offset.storage.topic", "o"),
            ("offset.storage.cleanup.policy", "compact"),
            ("producer.acks", "all"),
            ("consumer.interceptor.classes", "x"),
            ("security.protocol", "PLAINTEXT"),
            ("metric.reporters", "x"),
            ("internal.key.converter", "x"),
            ("broker.log.dirs", "d"),
        ];
        assert_eq!(unknown(&kafkas_samples), Vec::<String>::new());
    }

    #[test]
    fn one_warning_has_all_of_them() {
        let key =
            |key: &str, nearest: Option<&str>| UnknownKey { key: key.to_owned(), nearest: nearest.map(str::to_owned) };
        assert_eq!(unknown_keys_warning(&[]), None);
        assert_eq!(
            unknown_keys_warning(&[key("taks.max", Some("tasks.max")), key("x", None)]).unwrap(),
            "no definition has these keys, so they have no effect unless a plugin reads them: \
             taks.max (did you mean tasks.max?), x"
        );
    }
}
