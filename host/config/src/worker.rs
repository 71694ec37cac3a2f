//! A worker's whole configuration.

use std::sync::Arc;

use crate::{
    ClientRules, ConfigDef, ConfigError, ConfigMap, OverridePolicy, ParsedConfig, Providers,
    secrets::{Secrets, worker_passwords},
    worker_key as keys,
};

/// How a worker runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// One worker without a group; its connectors come from files and REST, and its source offsets are in a file.
    Standalone,
    /// In a cluster of workers.
    Distributed,
}

/// Prefixes that are ours: a key beneath one of them that nobody declares is an error.
///
/// Keys beneath `broker.` are the built-in broker's own, which checks them itself.
const OUR_PREFIXES: [&str; 7] =
    ["plugin.", "converter.", "restart.", "quota.", "rest.basic.", "metrics.series.", "metrics.otlp."];

const BROKER_PREFIX: &str = "broker.";

/// Connect's keys that have no meaning without a JVM.
const JVM_ONLY: [&str; 13] = [
    "plugin.discovery",
    "metric.reporters",
    "auto.include.jmx.reporter",
    "ssl.provider",
    "ssl.keymanager.algorithm",
    "ssl.trustmanager.algorithm",
    "ssl.secure.random.implementation",
    "ssl.engine.factory.class",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "internal.key.converter",
    "internal.value.converter",
];

/// A worker's configuration, parsed.
///
/// Read a key with its constant in [`crate::worker_key`], as in
/// `worker_key::OFFSET_FLUSH_INTERVAL.get(worker.config())`.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    mode: Mode,
    config: ParsedConfig,
    override_policy: OverridePolicy,
    providers: Arc<Providers>,
    warnings: Vec<String>,
}

impl Mode {
    /// The keys of a worker that runs this way.
    pub fn config_def(self) -> ConfigDef {
        let mut def = keys::common();
        def.define_all(&keys::rest());
        def.define_all(&keys::tls());
        def.define_all(&match self {
            Self::Standalone => keys::standalone(),
            Self::Distributed => keys::distributed(),
        });
        def.define_all(&keys::of_plugins());
        def.define_all(&keys::ours());
        def.define_all(&crate::restart_keys());
        def
    }
}

impl WorkerConfig {
    /// Reads the properties of a worker. Its config providers put values in place of variables; `plugin.path` alone is
    /// taken as it is. They may read files, so that this blocks.
    ///
    /// # Errors
    ///
    /// A config provider that fails; the first key that is missing, of the wrong type or out of range; a key beneath a prefix of ours that
    /// does not exist; keys that contradict each other.
    pub fn parse(mode: Mode, properties: &ConfigMap) -> Result<Self, ConfigError> {
        let def = mode.config_def();
        let providers = Arc::new(Providers::of_worker(properties)?);
        let mut properties = resolved(&providers, properties)?;
        follow_reconnect_backoff(&mut properties);
        let config = def.parse(&properties)?;
        refuse_unknown(&def, &properties)?;
        check_nested(&config, mode)?;
        let policy = keys::OVERRIDE_POLICY.get(&config);
        let override_policy =
            OverridePolicy::from_name(&policy, &keys::OVERRIDE_ALLOWLIST.get(&config)).ok_or_else(|| {
                ConfigError::invalid(
                    keys::OVERRIDE_POLICY.name(),
                    &policy,
                    "no such policy; there are All, None, Principal and Allowlist",
                )
            })?;
        let warnings = warnings(&config);
        Ok(Self { mode, config, override_policy, providers, warnings })
    }

    /// How the worker runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Every declared key of the worker with the value in effect.
    pub fn config(&self) -> &ParsedConfig {
        &self.config
    }

    /// Brokers of the cluster to use; `None` when the key is not set, which means the built-in broker.
    pub fn bootstrap_servers(&self) -> Option<Vec<String>> {
        let key = keys::BOOTSTRAP_SERVERS;
        self.config.is_set(key.name()).then(|| key.get(&self.config))
    }

    /// Settings of the built-in broker, without their prefix.
    pub fn broker_settings(&self) -> ConfigMap {
        self.config.originals_with_prefix(BROKER_PREFIX)
    }

    /// Which client settings connectors may override.
    pub fn override_policy(&self) -> &OverridePolicy {
        &self.override_policy
    }

    /// What is said about the clients of connectors.
    pub fn client_rules(&self) -> ClientRules {
        let is_in_group = self.mode == Mode::Distributed;
        ClientRules {
            policy: self.override_policy.clone(),
            group: is_in_group.then(|| keys::GROUP_ID.get(&self.config)),
            exactly_once: is_in_group && keys::EXACTLY_ONCE_SOURCE.get(&self.config).eq_ignore_ascii_case("enabled"),
        }
    }

    /// Where the values of variables in connectors' configurations come from.
    pub fn providers(&self) -> &Arc<Providers> {
        &self.providers
    }

    /// What nobody is to read in what is said of connectors: the worker's passwords.
    pub fn secrets(&self) -> Secrets {
        Secrets::of(worker_passwords(self.config.originals(), &self.mode.config_def()))
    }

    /// What the user should know, to be logged once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Plugins are looked for before there are providers, as in Connect.
fn resolved(providers: &Providers, properties: &ConfigMap) -> Result<ConfigMap, ConfigError> {
    let mut resolved = providers.resolve(properties)?.config;
    let plugin_path = keys::PLUGIN_PATH.name();
    if let Some(raw) = properties.get(plugin_path) {
        resolved.insert(plugin_path.to_owned(), raw.clone());
    }
    Ok(resolved)
}

/// As in Kafka's clients: a longer first wait raises the longest one.
fn follow_reconnect_backoff(properties: &mut ConfigMap) {
    let (first, longest) = (keys::RECONNECT_BACKOFF.name(), keys::RECONNECT_BACKOFF_MAX.name());
    if !properties.contains_key(longest)
        && let Some(value) = properties.get(first).cloned()
    {
        properties.insert(longest.to_owned(), value);
    }
}

fn refuse_unknown(def: &ConfigDef, properties: &ConfigMap) -> Result<(), ConfigError> {
    for key in properties.keys() {
        let Some(prefix) = OUR_PREFIXES.into_iter().find(|prefix| key.starts_with(prefix)) else { continue };
        if def.get(key).is_some() {
            continue;
        }
        let known: Vec<&str> =
            def.keys().iter().map(|key| key.name.as_str()).filter(|key| key.starts_with(prefix)).collect();
        let hint =
            if known.is_empty() { "there are none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
        return Err(ConfigError::new(format!(
            "Unknown configuration \"{key}\": keys beginning with \"{prefix}\" are checked strictly, and {hint}"
        )));
    }
    Ok(())
}

/// Rules that the list of validators has no words for.
fn check_nested(config: &ParsedConfig, mode: Mode) -> Result<(), ConfigError> {
    let listeners = keys::LISTENERS;
    if listeners.get(config).iter().all(|listener| listener.is_empty()) {
        let value = config.value(listeners.name());
        return Err(ConfigError::invalid(
            listeners.name(),
            value,
            "at least one listener is needed, such as http://:8083",
        ));
    }
    if mode == Mode::Standalone {
        return Ok(());
    }
    for (name, value) in [
        (keys::CONFIG_TOPIC_REPLICATION.name(), keys::CONFIG_TOPIC_REPLICATION.get(config).into()),
        (keys::OFFSET_TOPIC_REPLICATION.name(), keys::OFFSET_TOPIC_REPLICATION.get(config).into()),
        (keys::STATUS_TOPIC_REPLICATION.name(), keys::STATUS_TOPIC_REPLICATION.get(config).into()),
        (keys::KV_TOPIC_REPLICATION.name(), keys::KV_TOPIC_REPLICATION.get(config).into()),
        (keys::OFFSET_TOPIC_PARTITIONS.name(), keys::OFFSET_TOPIC_PARTITIONS.get(config)),
        (keys::STATUS_TOPIC_PARTITIONS.name(), keys::STATUS_TOPIC_PARTITIONS.get(config)),
    ] {
        if value != -1 && value < 1 {
            let what = if name.ends_with("partitions") {
                "Number of partitions must be positive, or -1 to use the broker's default"
            } else {
                "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default"
            };
            return Err(ConfigError::invalid(name, value, what));
        }
    }
    let accepted = keys::INTER_WORKER_VERIFICATION.get(config);
    if accepted.is_empty() {
        return Err(ConfigError::invalid(
            keys::INTER_WORKER_VERIFICATION.name(),
            "[]",
            "At least one signature verification algorithm must be provided",
        ));
    }
    let signature = keys::INTER_WORKER_SIGNATURE.get(config);
    if !accepted.contains(&signature) {
        return Err(ConfigError::invalid(
            keys::INTER_WORKER_SIGNATURE.name(),
            &signature,
            "Signature algorithm must be present in inter.worker.verification.algorithms list",
        ));
    }
    Ok(())
}

fn warnings(config: &ParsedConfig) -> Vec<String> {
    let mut warnings = config.repeated_items().to_vec();
    let jvm_only: Vec<&str> = config
        .originals()
        .keys()
        .map(String::as_str)
        .filter(|&key| {
            JVM_ONLY.contains(&key)
                || key.starts_with("internal.key.converter.")
                || key.starts_with("internal.value.converter.")
        })
        .collect();
    if !jvm_only.is_empty() {
        warnings.push(format!("these keys have no effect without a JVM: {}", jvm_only.join(", ")));
    }
    warnings
}

impl Mode {
    /// The reference page of this mode's keys.
    pub fn reference_page(self) -> String {
        let (title, introduction) = match self {
            Self::Standalone => (
                "Keys of a standalone worker",
                "Keys beginning with `broker.` are those of the built-in broker, with Kafka's own names behind the prefix.",
            ),
            Self::Distributed => (
                "Keys of a distributed worker",
                "Keys beginning with `broker.` are those of the built-in broker, with Kafka's own names behind the prefix.",
            ),
        };
        crate::reference_page(title, introduction, &self.config_def())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn map(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
    }

    fn standalone(more: &[(&str, &str)]) -> Result<WorkerConfig, String> {
        let mut properties =
            map(&[("key.converter", "Json"), ("value.converter", "Json"), ("offset.storage.file.filename", "o")]);
        properties.extend(map(more));
        WorkerConfig::parse(Mode::Standalone, &properties).map_err(|error| error.to_string())
    }

    #[test]
    fn without_bootstrap_servers_the_built_in_broker_is_meant() {
        let worker = standalone(&[("broker.log.dirs", "d")]).unwrap();
        assert_eq!(worker.bootstrap_servers(), None);
        assert_eq!(worker.broker_settings(), map(&[("log.dirs", "d")]));
        assert_eq!(keys::OFFSET_FLUSH_INTERVAL.get(worker.config()), Duration::from_secs(60));
        let worker = standalone(&[("bootstrap.servers", "a:1, b:2")]).unwrap();
        assert_eq!(worker.bootstrap_servers().unwrap(), ["a:1", "b:2"]);
    }

    #[test]
    fn keys_of_ours_are_checked_strictly_and_connects_are_kept() {
        let error = standalone(&[("plugin.memory.max", "1")]).unwrap_err();
        assert!(error.starts_with("Unknown configuration \"plugin.memory.max\""), "{error}");
        assert!(error.contains("plugin.memory.max.bytes"), "{error}");
        assert!(standalone(&[("quota.x", "1")]).is_err());
        let worker = standalone(&[("whatever", "1"), ("producer.linger.ms", "7")]).unwrap();
        assert_eq!(worker.config().originals_with_prefix("producer."), map(&[("linger.ms", "7")]));
    }

    #[test]
    fn variables_of_a_worker_are_resolved_but_in_the_plugin_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "group=g\nms=7\n").unwrap();
        let variable = |key: &str| format!("${{file:{}:{key}}}", file.display());
        let worker = standalone(&[
            ("config.providers", "file"),
            ("config.providers.file.class", "FileConfigProvider"),
            ("offset.flush.interval.ms", &variable("ms")),
            ("producer.x", &variable("group")),
            ("plugin.path", &variable("group")),
        ])
        .unwrap();
        assert_eq!(keys::OFFSET_FLUSH_INTERVAL.get(worker.config()), Duration::from_millis(7));
        assert_eq!(worker.config().originals_with_prefix("producer."), map(&[("x", "g")]));
        assert_eq!(keys::PLUGIN_PATH.get(worker.config()).unwrap(), [variable("group")]);
        assert!(worker.providers().concern(&map(&[("k", &variable("group"))])));
        let missing = "${file:/no/such:k}";
        let error = standalone(&[
            ("config.providers", "file"),
            ("config.providers.file.class", "File"),
            ("producer.y", missing),
        ]);
        assert!(error.unwrap_err().contains("needed for configuration producer.y"));
    }

    #[test]
    fn what_a_list_names_twice_counts_once_and_is_warned_of() {
        let worker = standalone(&[("plugin.path", "a,b,a")]).unwrap();
        assert_eq!(keys::PLUGIN_PATH.get(worker.config()).unwrap(), ["a", "b"]);
        assert_eq!(
            worker.warnings(),
            ["plugin.path names something twice, which counts once: [a, b, a] is read as [a, b]"]
        );
        assert_eq!(
            standalone(&[("bootstrap.servers", "a:1,")]).unwrap_err(),
            "Configuration 'bootstrap.servers' values must not be empty."
        );
    }

    #[test]
    fn a_missing_converter_is_named() {
        let error = WorkerConfig::parse(Mode::Standalone, &ConfigMap::new()).unwrap_err();
        assert_eq!(error.message(), "Missing required configuration \"key.converter\" which has no default value.");
    }

    #[test]
    fn keys_of_a_jvm_give_one_warning() {
        let worker =
            standalone(&[("metric.reporters", "x"), ("internal.key.converter.schemas.enable", "true")]).unwrap();
        assert_eq!(
            worker.warnings(),
            ["these keys have no effect without a JVM: internal.key.converter.schemas.enable, metric.reporters"]
        );
    }

    #[test]
    fn a_distributed_worker_checks_what_belongs_together() {
        let base = [
            ("key.converter", "Json"),
            ("value.converter", "Json"),
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
        ];
        let parse = |more: &[(&str, &str)]| {
            let mut properties = map(&base);
            properties.extend(map(more));
            WorkerConfig::parse(Mode::Distributed, &properties).map_err(|error| error.to_string())
        };
        let worker = parse(&[("reconnect.backoff.ms", "2000")]).unwrap();
        assert_eq!(keys::RECONNECT_BACKOFF_MAX.get(worker.config()), Duration::from_secs(2));
        assert!(parse(&[("offset.storage.partitions", "0")]).is_err());
        assert!(parse(&[("kv.storage.replication.factor", "0")]).is_err());
        assert!(parse(&[("inter.worker.verification.algorithms", "")]).is_err());
        assert!(parse(&[("inter.worker.signature.algorithm", "HmacSHA1")]).is_err());
    }

    #[test]
    fn the_reference_page_lists_every_key() {
        let page = Mode::Standalone.reference_page();
        for key in Mode::Standalone.config_def().keys() {
            assert!(page.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
}
