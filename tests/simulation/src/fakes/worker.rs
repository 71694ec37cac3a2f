//! A worker over fakes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_config::{
    ConfigDef, ConfigMap, OverridePolicy, PluginDef, PluginDefs, PluginDirectory, PluginKind as DefKind,
};
use millstream_connector::{PluginInfo, PluginKind, Plugins};
use millstream_metrics::Metrics;
use millstream_runtime::{
    ExactlyOnceSource, InvalidLevel, LogLevels, LoggerLevel, Natives, WorkerParts, WorkerSettings,
    config_log::ConfigLog,
    error_policy::Random,
    herder::{GroupRules, Herder, HerderSettings},
    kafka::Clients,
    membership::Membership,
    offsets::{OffsetStore, OffsetTopics},
    status::StatusStore,
};

/// Class of the header converter that a worker has unless it names another.
pub const HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// What one worker of a world is made of. Several workers of one world share everything but their id.
pub struct Fakes {
    /// Connectors, tasks, transforms.
    pub plugins: Arc<dyn Plugins>,
    /// Converters that are no plugins.
    pub natives: Natives,
    /// Kafka.
    pub clients: Arc<dyn Clients>,
    /// Source offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// Those of connectors by themselves.
    pub offset_topics: Option<Arc<dyn OffsetTopics>>,
    /// Whether sources deliver exactly once.
    pub exactly_once: ExactlyOnceSource,
    /// Statuses.
    pub statuses: Arc<dyn StatusStore>,
    /// The config log, as this worker reads it.
    pub log: Box<dyn ConfigLog>,
    /// The group, if the worker is in one.
    pub group: Option<GroupRules>,
    /// Its place in it.
    pub membership: Box<dyn Membership>,
    /// Random numbers.
    pub random: Arc<Random>,
    /// The worker's converter of keys and values.
    pub converter: &'static str,
    /// All classes.
    pub classes: Vec<PluginDef>,
    /// Where the worker counts.
    pub metrics: Metrics,
}

impl Fakes {
    /// Starts a worker. Its times are short, as far as a paused clock knows the word.
    pub fn start(self, worker_id: &str) -> Herder {
        let converter = |key: &str| (key.to_owned(), Some(self.converter.to_owned()));
        let properties = ConfigMap::from(["key.converter", "value.converter"].map(converter));
        let parts = WorkerParts {
            plugins: self.plugins,
            natives: self.natives,
            clients: self.clients,
            offsets: self.offsets,
            offset_topics: self.offset_topics,
            leases: None,
            statuses: self.statuses,
            random: self.random,
            settings: WorkerSettings {
                track_topics: true,
                create_topics: true,
                allow_topic_reset: true,
                properties: properties.clone(),
                flush_interval: Duration::from_secs(2),
                flush_timeout: Duration::from_secs(5),
                shutdown_timeout: Duration::from_secs(5),
                providers: Arc::default(),
                exactly_once: self.exactly_once,
            },
            metrics: self.metrics,
        };
        let definitions: Arc<dyn PluginDefs> =
            Arc::new(PluginDirectory::new(self.classes, |_, _| Ok(true)).with_worker(properties));
        let settings = HerderSettings {
            worker_id: worker_id.to_owned(),
            cluster_id: "simulated".to_owned(),
            policy: OverridePolicy::All,
            levels: Arc::new(Unchanged),
            definitions: Box::new(move || Arc::clone(&definitions)),
            gone: Box::new(|_| ()),
            group: self.group,
        };
        Herder::start(parts, settings, self.log, self.membership).expect("a runtime")
    }
}

/// The definition of a class with these keys.
pub fn class(kind: DefKind, class: &str, config: ConfigDef) -> PluginDef {
    PluginDef {
        kind,
        class: class.to_owned(),
        aliases: Vec::new(),
        version: None,
        documentation: String::new(),
        location: String::new(),
        config,
    }
}

/// What a class says of itself.
pub fn info(kind: PluginKind, class: &str, commit_records: bool) -> Arc<PluginInfo> {
    Arc::new(PluginInfo {
        kind,
        class: class.to_owned(),
        task_class: format!("{class}Task"),
        aliases: Vec::new(),
        version: String::new(),
        documentation: String::new(),
        config: ConfigDef::default(),
        commit_records,
        wants_lease: false,
        location: String::new(),
        digest: String::new(),
    })
}

/// Loggers whose levels nobody changes.
struct Unchanged;

impl LogLevels for Unchanged {
    fn list(&self) -> BTreeMap<String, LoggerLevel> {
        BTreeMap::new()
    }

    fn get(&self, _: &str) -> Option<LoggerLevel> {
        None
    }

    fn check(&self, level: &str) -> Result<(), InvalidLevel> {
        Err(InvalidLevel(level.to_owned()))
    }

    fn set(&self, _: &str, level: &str) -> Result<Vec<String>, InvalidLevel> {
        Err(InvalidLevel(level.to_owned()))
    }
}
