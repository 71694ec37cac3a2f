//! Which logger has which level: a plain value.
//!
//! Users know loggers by the names of Connect's classes; what writes here are our modules and the plugins. [`KNOWN`] says
//! which module writes under which of Connect's names. A name of ours is taken, too, with dots for its colons.

use std::{borrow::Cow, collections::BTreeMap};

use millstream_runtime::{InvalidLevel, LoggerLevel};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

const ROOT: &str = "root";
/// Where plugins log; their class is a field of the line.
pub(super) const PLUGINS: &str = "plugin";

/// Connect's loggers, and the modules that write what these would.
const KNOWN: [(&str, &str); 24] = [
    ("kafka", "millstream_broker"),
    ("kafka.log", "millstream_log"),
    ("kafka.server", "millstream_broker::api"),
    ("org.apache.kafka.clients", "millstream_client"),
    ("org.apache.kafka.clients.admin", "millstream_client::admin"),
    ("org.apache.kafka.clients.consumer", "millstream_client::consumer"),
    ("org.apache.kafka.clients.producer", "millstream_client::producer"),
    ("org.apache.kafka.common.config", "millstream_config"),
    ("org.apache.kafka.common.security", "millstream_security"),
    ("org.apache.kafka.connect", "millstream"),
    ("org.apache.kafka.connect.runtime", "millstream_runtime"),
    ("org.apache.kafka.connect.runtime.AbstractHerder", "millstream_runtime::herder"),
    ("org.apache.kafka.connect.runtime.ConnectMetrics", "millstream_metrics"),
    ("org.apache.kafka.connect.runtime.TransformationChain", "millstream_runtime::transform_chain"),
    ("org.apache.kafka.connect.runtime.Worker", "millstream_runtime::worker"),
    ("org.apache.kafka.connect.runtime.WorkerConfigTransformer", "millstream_config::providers"),
    ("org.apache.kafka.connect.runtime.WorkerSinkTask", "millstream_runtime::sink_task"),
    ("org.apache.kafka.connect.runtime.WorkerSourceTask", "millstream_runtime::source_task"),
    ("org.apache.kafka.connect.runtime.isolation", "millstream_plugin"),
    ("org.apache.kafka.connect.runtime.rest", "millstream_rest"),
    ("org.apache.kafka.connect.storage", "millstream_convert"),
    ("org.apache.kafka.connect.storage.KafkaConfigBackingStore", "millstream_runtime::config_log"),
    ("org.apache.kafka.connect.storage.OffsetStorageWriter", "millstream_runtime::offsets"),
    ("org.apache.kafka.connect.storage.StatusBackingStore", "millstream_runtime::status"),
];

/// Most loggers beyond the known ones that users may name, so that requests cannot fill memory.
const MAX_NAMED: usize = 1_000;

/// Connect's levels. Nothing here is worse than an error, so that `FATAL` shows nothing.
const LEVELS: [(&str, LevelFilter); 8] = [
    ("ALL", LevelFilter::TRACE),
    ("TRACE", LevelFilter::TRACE),
    ("DEBUG", LevelFilter::DEBUG),
    ("INFO", LevelFilter::INFO),
    ("WARN", LevelFilter::WARN),
    ("ERROR", LevelFilter::ERROR),
    ("FATAL", LevelFilter::OFF),
    ("OFF", LevelFilter::OFF),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Level {
    name: &'static str,
    filter: LevelFilter,
    modified_ms: Option<i64>,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        let (name, filter) = LEVELS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()))?;
        Some(Self { name, filter, modified_ms: None })
    }

    fn of(filter: LevelFilter) -> Self {
        // `ALL` and `FATAL` are other words for what `TRACE` and `OFF` show.
        let named = LEVELS.into_iter().filter(|(name, _)| !["ALL", "FATAL"].contains(name));
        let name = named.clone().find(|(_, known)| *known == filter).map_or("OFF", |(name, _)| name);
        Self { name, filter, modified_ms: None }
    }

    fn shown(self) -> LoggerLevel {
        LoggerLevel { level: self.name, modified_ms: self.modified_ms }
    }
}

/// The names of levels, for people.
pub(super) fn names() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

/// The logger by whose name a module writes.
pub(super) fn logger_of(target: &'static str) -> Cow<'static, str> {
    let writes =
        |module: &str| target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let nearest = KNOWN.into_iter().filter(|(_, module)| writes(module)).max_by_key(|(_, module)| module.len());
    nearest.map_or_else(|| Cow::Owned(shown_name(target)), |(name, _)| Cow::Borrowed(name))
}

/// Whether a text is a level.
pub(super) fn check(level: &str) -> Result<(), InvalidLevel> {
    Level::parse(level).map(drop).ok_or_else(|| InvalidLevel(level.to_owned()))
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Loggers {
    root: Level,
    /// Levels of their own.
    set: BTreeMap<String, Level>,
    /// What the last file of levels has set.
    of_file: BTreeMap<String, Level>,
    /// The level of `root` without a file.
    root_before: Option<Level>,
}

impl Loggers {
    /// As the process begins: `RUST_LOG`'s directives, or everything of one level.
    pub(super) fn new(directives: &Targets) -> Self {
        let set = directives.iter().map(|(target, filter)| (shown_name(target), Level::of(filter)));
        Self {
            root: Level::of(directives.default_level().unwrap_or(LevelFilter::ERROR)),
            set: set.collect(),
            of_file: BTreeMap::new(),
            root_before: None,
        }
    }

    /// Sets the levels of a file in place of those of the one before. What was set otherwise since then stays, unless the
    /// file names it.
    ///
    /// # Errors
    ///
    /// One of them is no level; nothing is changed then.
    pub(super) fn set_of_file(&mut self, levels: &[(String, String)], now_ms: i64) -> Result<(), InvalidLevel> {
        let read = |(name, text): &(String, String)| {
            let level = Level::parse(text).ok_or_else(|| InvalidLevel(text.clone()))?;
            let name = if name.eq_ignore_ascii_case(ROOT) { ROOT.to_owned() } else { name.clone() };
            Ok((name, Level { modified_ms: Some(now_ms), ..level }))
        };
        let mut new = levels.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>()?;
        for (name, before) in std::mem::take(&mut self.of_file) {
            // What has the level still that the file gave it.
            if name == ROOT {
                self.root = self.root_before.take().filter(|_| self.root == before).unwrap_or(self.root);
            } else if self.set.get(&name) == Some(&before) {
                self.set.remove(&name);
            }
            // A level that is the same keeps the time of its change.
            if let Some(level) = new.get_mut(&name).filter(|level| level.name == before.name) {
                *level = before;
            }
        }
        for (name, level) in &new {
            if name == ROOT {
                self.root_before = Some(std::mem::replace(&mut self.root, *level));
            } else {
                self.set.insert(name.clone(), *level);
            }
        }
        self.of_file = new;
        Ok(())
    }

    pub(super) fn list(&self) -> BTreeMap<String, LoggerLevel> {
        let own = self.set.iter().map(|(name, level)| (name.clone(), level.shown()));
        own.chain([(ROOT.to_owned(), self.root.shown())]).collect()
    }

    pub(super) fn get(&self, logger: &str) -> Option<LoggerLevel> {
        if logger.eq_ignore_ascii_case(ROOT) {
            return Some(self.root.shown());
        }
        let known = self.set.contains_key(logger) || KNOWN.iter().any(|(name, _)| *name == logger);
        let level = self.effective(logger);
        known
            .then(|| LoggerLevel { modified_ms: self.set.get(logger).and_then(|own| own.modified_ms), ..level.shown() })
    }

    /// See [`millstream_runtime::LogLevels::set`]. A logger that has the level already keeps the time of its change.
    pub(super) fn set(&mut self, logger: &str, level: &str, now_ms: i64) -> Result<Vec<String>, InvalidLevel> {
        let invalid = || InvalidLevel(level.to_owned());
        let level = Level { modified_ms: Some(now_ms), ..Level::parse(level).ok_or_else(invalid)? };
        let is_root = logger.eq_ignore_ascii_case(ROOT);
        let mut names: Vec<String> = KNOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(self.set.keys().cloned());
        names.retain(|name| is_root || name.starts_with(logger));
        if !is_root && self.set.len() < MAX_NAMED {
            names.push(logger.to_owned());
        }
        names.sort();
        names.dedup();
        for name in &names {
            let before = self.set.insert(name.clone(), level);
            if let Some(before) = before.filter(|before| before.name == level.name) {
                self.set.insert(name.clone(), before);
            }
        }
        if is_root {
            if self.root.name != level.name {
                self.root = level;
            }
            let place = names.partition_point(|name| name.as_str() < ROOT);
            names.insert(place, ROOT.to_owned());
        }
        Ok(names)
    }

    /// Its own level, or that of the nearest name above.
    fn effective(&self, logger: &str) -> Level {
        let mut name = logger;
        loop {
            if let Some(level) = self.set.get(name) {
                return *level;
            }
            match name.rsplit_once('.') {
                Some((above, _)) => name = above,
                None => return self.root,
            }
        }
    }

    /// The level of a plugin by its class.
    pub(super) fn of_plugin(&self, class: &str) -> LevelFilter {
        self.effective(class).filter
    }

    /// The most that any plugin may log.
    pub(super) fn of_any_plugin(&self) -> LevelFilter {
        self.set.values().map(|level| level.filter).max().map_or(self.root.filter, |most| most.max(self.root.filter))
    }

    /// What our modules may log.
    pub(super) fn targets(&self) -> Targets {
        let mut targets = Targets::new().with_default(self.root.filter);
        for (name, target) in KNOWN {
            targets = targets.with_target(target, self.effective(name).filter);
        }
        // What was named as a module means that, whatever Connect's name for it has.
        let ours = self.set.iter().filter(|(name, _)| name.starts_with("millstream"));
        targets.with_targets(ours.map(|(name, level)| (name.replace('.', "::"), level.filter)))
    }
}

/// How a module's path is shown.
fn shown_name(target: &str) -> String {
    target.replace("::", ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as Severity;

    fn loggers(directives: &str) -> Loggers {
        Loggers::new(&directives.parse().unwrap())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn at_first_only_root_has_a_level() {
        let loggers = loggers("info");
        let root = LoggerLevel { level: "INFO", modified_ms: None };
        assert_eq!(loggers.list(), BTreeMap::from([("root".to_owned(), root)]));
        assert_eq!(loggers.get("ROOT"), Some(root));
        assert_eq!(loggers.get("org.apache.kafka.connect"), Some(root));
        assert_eq!(loggers.get("org.example"), None);
        assert!(loggers.targets().would_enable("millstream_runtime", &Severity::INFO));
        assert!(!loggers.targets().would_enable("millstream_runtime", &Severity::DEBUG));
    }

    #[test]
    fn a_files_levels_take_the_place_of_the_last_ones_and_leave_what_was_set_otherwise() {
        let mut loggers = loggers("info");
        let file = |levels: &[(&str, &str)]| -> Vec<(String, String)> {
            levels.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
        };
        let shown = |loggers: &Loggers| -> Vec<(String, &str)> {
            loggers.list().into_iter().map(|(name, level)| (name, level.level)).collect()
        };
        let pairs = |levels: &[(&str, &'static str)]| -> Vec<(String, &str)> {
            levels.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
        };
        loggers.set_of_file(&file(&[("root", "warn"), ("a", "DEBUG"), ("b", "DEBUG"), ("c", "DEBUG")]), 1).unwrap();
        assert_eq!(shown(&loggers), pairs(&[("a", "DEBUG"), ("b", "DEBUG"), ("c", "DEBUG"), ("root", "WARN")]));
        loggers.set("b", "TRACE", 2).unwrap();
        loggers.set_of_file(&file(&[("c", "DEBUG"), ("d", "ERROR")]), 3).unwrap();
        assert_eq!(shown(&loggers), pairs(&[("b", "TRACE"), ("c", "DEBUG"), ("d", "ERROR"), ("root", "INFO")]));
        assert_eq!(loggers.get("c").and_then(|level| level.modified_ms), Some(1));
        assert!(loggers.set_of_file(&file(&[("e", "WARN"), ("f", "loud")]), 4).is_err());
        assert_eq!(shown(&loggers).len(), 4);
        assert!(loggers.targets().would_enable("millstream_runtime", &Severity::INFO));
    }

    #[test]
    fn modules_write_by_the_names_of_connects_classes() {
        for (target, expected) in [
            ("millstream_runtime::sink_task::raw", "org.apache.kafka.connect.runtime.WorkerSinkTask"),
            ("millstream_runtime::long_wait", "org.apache.kafka.connect.runtime"),
            ("millstream", "org.apache.kafka.connect"),
            ("millstream_clientele", "millstream_clientele"),
            (
                "org.apache.kafka.connect.runtime.errors.LogReporter",
                "org.apache.kafka.connect.runtime.errors.LogReporter",
            ),
            ("other::module", "other.module"),
        ] {
            assert_eq!(logger_of(target), expected);
        }
    }

    #[test]
    fn a_level_reaches_every_name_that_begins_with_the_text() {
        let mut loggers = loggers("info");
        assert_eq!(loggers.set("org.foobar", "warn", 1).unwrap(), names(&["org.foobar"]));
        assert_eq!(loggers.set("org.foo", "debug", 2).unwrap(), names(&["org.foo", "org.foobar"]));
        let changed = loggers.set("org.apache.kafka.clients", "Trace", 3).unwrap();
        let of = |name: &str| format!("org.apache.kafka.clients{name}");
        assert_eq!(changed, [of(""), of(".admin"), of(".consumer"), of(".producer")]);
        assert!(loggers.targets().would_enable("millstream_client::consumer::fetch", &Severity::TRACE));
        assert!(!loggers.targets().would_enable("millstream_runtime", &Severity::DEBUG));
        assert_eq!(loggers.get(&of(".admin")), Some(LoggerLevel { level: "TRACE", modified_ms: Some(3) }));
        // The same level again is no change.
        loggers.set(&of(""), "TRACE", 4).unwrap();
        assert_eq!(loggers.get(&of("")).unwrap().modified_ms, Some(3));
    }

    #[test]
    fn root_reaches_all() {
        let mut loggers = loggers("info");
        loggers.set("org.example", "DEBUG", 1).unwrap();
        let changed = loggers.set("Root", "ERROR", 2).unwrap();
        assert!(changed.is_sorted() && changed.contains(&"root".to_owned()));
        assert!(changed.contains(&"org.example".to_owned()) && changed.contains(&"kafka".to_owned()));
        assert!(loggers.list().values().all(|level| level.level == "ERROR"));
        assert!(!loggers.targets().would_enable("hyper", &Severity::WARN));
    }

    #[test]
    fn a_plugin_has_the_level_of_its_class_or_of_a_name_above_it() {
        let mut loggers = loggers("warn");
        let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
        assert_eq!(loggers.of_plugin(class), LevelFilter::WARN);
        loggers.set("org.apache.kafka.connect.file", "debug", 1).unwrap();
        assert_eq!((loggers.of_plugin(class), loggers.of_any_plugin()), (LevelFilter::DEBUG, LevelFilter::DEBUG));
        assert_eq!(loggers.of_plugin("org.apache.kafka.connect.filesystem.X"), LevelFilter::WARN);
        loggers.set(class, "off", 2).unwrap();
        assert_eq!(loggers.of_plugin(class), LevelFilter::OFF);
    }

    #[test]
    fn modules_may_be_named_and_mean_more_than_connects_names() {
        let mut loggers = loggers("warn,millstream_broker::api=debug");
        assert_eq!(loggers.get("millstream_broker.api").unwrap().level, "DEBUG");
        assert!(loggers.targets().would_enable("millstream_broker::api::fetch", &Severity::DEBUG));
        loggers.set("kafka", "INFO", 1).unwrap();
        assert!(loggers.targets().would_enable("millstream_broker", &Severity::INFO));
        assert!(loggers.targets().would_enable("millstream_broker::api", &Severity::DEBUG));
    }

    #[test]
    fn what_is_no_level_is_refused_and_names_have_an_end() {
        let mut loggers = loggers("info");
        assert_eq!(loggers.set("a", "LOUD", 1).unwrap_err().to_string(), "invalid log level 'LOUD'.");
        assert_eq!(loggers.get("a"), None);
        for n in 0..2 * MAX_NAMED {
            loggers.set(&format!("x{n}x"), "INFO", 1).unwrap();
        }
        assert!(loggers.set.len() <= MAX_NAMED + KNOWN.len());
    }

    #[test]
    fn every_level_has_its_filter() {
        for (name, filter) in LEVELS {
            assert_eq!(Level::parse(&name.to_lowercase()).unwrap().filter, filter);
        }
        assert_eq!(Level::of(LevelFilter::OFF).name, "OFF");
        assert_eq!(Level::of(LevelFilter::TRACE).name, "TRACE");
    }
}
