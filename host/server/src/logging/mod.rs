//! The log: lines on standard error, of the levels that `RUST_LOG` asks for at the start and the REST API later.

mod loggers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard},
    time::{SystemTime, UNIX_EPOCH},
};

use millstream_runtime::{InvalidLevel, LogLevels, LoggerLevel};
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::{
    filter::Targets,
    fmt,
    layer::{Context, Filter, Layer as _, SubscriberExt as _},
    registry,
    util::SubscriberInitExt as _,
};

use loggers::{Loggers, PLUGINS};

/// The levels of the process.
static LEVELS: OnceLock<Arc<Levels>> = OnceLock::new();

/// Sends the log to standard error; `default` and above unless `RUST_LOG` says otherwise.
pub fn start(default: LevelFilter) {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let read = (!asked.trim().is_empty()).then(|| asked.parse::<Targets>());
    let directives = match &read {
        Some(Ok(directives)) => directives.clone(),
        Some(Err(_)) | None => Targets::new().with_default(default),
    };
    let loggers = Loggers::new(&directives);
    let allowed = Arc::new(RwLock::new(Allowed::by(&loggers)));
    let gate = Gate(Arc::clone(&allowed));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_filter(gate);
    // A second start, in tests, leaves the first one in place.
    if registry().with(lines).try_init().is_ok() {
        let _ = LEVELS.set(Arc::new(Levels { loggers: Mutex::new(loggers), allowed }));
    }
    if let Some(Err(error)) = read {
        tracing::warn!(
            "RUST_LOG={asked} is not understood ({error}): write LEVEL or TARGET=LEVEL, with commas between"
        );
    }
}

/// The levels of the process, to be seen and changed. The log must have been started.
pub fn levels() -> Arc<dyn LogLevels> {
    let levels = LEVELS.get().expect("the log is started before anything else");
    Arc::clone(levels) as Arc<dyn LogLevels>
}

struct Levels {
    loggers: Mutex<Loggers>,
    allowed: Arc<RwLock<Allowed>>,
}

impl Levels {
    fn loggers(&self) -> MutexGuard<'_, Loggers> {
        self.loggers.lock().expect("nothing panics while levels are read or set")
    }
}

impl LogLevels for Levels {
    fn list(&self) -> BTreeMap<String, LoggerLevel> {
        self.loggers().list()
    }

    fn get(&self, logger: &str) -> Option<LoggerLevel> {
        self.loggers().get(logger)
    }

    fn check(&self, level: &str) -> Result<(), InvalidLevel> {
        loggers::check(level)
    }

    fn set(&self, logger: &str, level: &str) -> Result<Vec<String>, InvalidLevel> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut loggers = self.loggers();
        let changed = loggers.set(logger, level, i64::try_from(now.as_millis()).unwrap_or(i64::MAX))?;
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = Allowed::by(&loggers);
        // What was asked of each place in the code is remembered there.
        tracing::callsite::rebuild_interest_cache();
        Ok(changed)
    }
}

/// What the loggers' levels allow.
struct Allowed {
    targets: Targets,
    any_plugin: LevelFilter,
    loggers: Loggers,
}

impl Allowed {
    fn by(loggers: &Loggers) -> Self {
        Self { targets: loggers.targets(), any_plugin: loggers.of_any_plugin(), loggers: loggers.clone() }
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.target() == PLUGINS {
            *metadata.level() <= self.any_plugin
        } else {
            self.targets.would_enable(metadata.target(), metadata.level())
        }
    }
}

/// Lets lines through to where they are written. Unlike the library's own filter that can be exchanged, it looks at what
/// a line says.
struct Gate(Arc<RwLock<Allowed>>);

impl Gate {
    fn allowed(&self) -> RwLockReadGuard<'_, Allowed> {
        // It is replaced as a whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.allowed().allows(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (self.allowed().allows(metadata), metadata.target() == PLUGINS) {
            (false, _) => Interest::never(),
            // Depends on the plugin.
            (true, true) => Interest::sometimes(),
            (true, false) => Interest::always(),
        }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().target() != PLUGINS {
            return true;
        }
        let mut class = Class(String::new());
        event.record(&mut class);
        *event.metadata().level() <= self.allowed().loggers.of_plugin(&class.0)
    }
}

/// The class of the plugin that logs a line.
struct Class(String);

impl Visit for Class {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "plugin" {
            self.0 = format!("{value:?}").trim_matches('"').to_owned();
        }
    }
}
