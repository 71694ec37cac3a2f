//! The log: lines on standard error, plain or as JSON, of the levels that `RUST_LOG` asks for at the start, a file and the
//! REST API later; and the last lines about each connector, for whoever asks.

mod context;
mod gate;
mod layer;
mod levels_file;
mod line;
mod loggers;
mod repeats;
mod rings;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use millstream_config::{WorkerConfig, worker_key as key};
use millstream_record::ErrorChain;
use millstream_rest::{LogLines, LogQuery};
use millstream_runtime::{InvalidLevel, LogLevels, LoggerLevel};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets,
    layer::{Layer as _, SubscriberExt as _},
    registry,
    util::SubscriberInitExt as _,
};

use crate::exit::{Failure, SETUP};
use gate::{Allowed, Gate};
use layer::{Lines, Written};
use levels_file::LevelsFile;
use line::now_ms;
use loggers::Loggers;
use repeats::RepeatLimit;
use rings::RingLimits;

/// The form of lines from the first one on: `plain` or `json`. It counts before the key `log.format`.
const FORMAT: &str = "MILLSTREAM_LOG_FORMAT";

/// Between two looks at a file of levels, and at lines that were left out.
const LOOK: Duration = Duration::from_secs(1);

/// The log of the process.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    levels: Arc<Levels>,
    lines: Arc<Lines>,
    /// What [`FORMAT`] says.
    json: Option<bool>,
}

/// Sends the log to standard error; `default` and above unless `RUST_LOG` says otherwise.
pub fn start(default: LevelFilter) {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let read = (!asked.trim().is_empty()).then(|| asked.parse::<Targets>());
    let directives = match &read {
        Some(Ok(directives)) => directives.clone(),
        Some(Err(_)) | None => Targets::new().with_default(default),
    };
    let format = std::env::var(FORMAT).unwrap_or_default();
    let json = match format.trim().to_ascii_lowercase().as_str() {
        "json" => Some(true),
        "plain" => Some(false),
        _ => None,
    };
    let loggers = Loggers::new(&directives);
    let allowed = Arc::new(RwLock::new(Allowed::by(&loggers)));
    let gate = Gate(Arc::clone(&allowed));
    let lines = Arc::new(Lines::on_standard_error());
    lines.set_json(json.unwrap_or(false));
    // A second start, in tests, leaves the first one in place.
    if registry().with(Written(Arc::clone(&lines)).with_filter(gate)).try_init().is_ok() {
        let levels = Arc::new(Levels { loggers: Mutex::new(loggers), allowed });
        let _ = LOG.set(Log { levels, lines, json });
    }
    if let Some(Err(error)) = read {
        tracing::warn!(
            "RUST_LOG={asked} is not understood ({error}): write LEVEL or TARGET=LEVEL, with commas between"
        );
    }
    if json.is_none() && !format.trim().is_empty() {
        tracing::warn!("{FORMAT}={format} is not understood: write plain or json");
    }
}

/// What was left out of lines that came again and again is told now: no further line will.
pub fn finish() {
    if let Some(log) = LOG.get() {
        log.lines.tell_repeats(true);
    }
}

/// The log must have been started.
fn log() -> &'static Log {
    LOG.get().expect("the log is started before anything else")
}

/// The levels of the process, to be seen and changed. The log must have been started.
pub fn levels() -> Arc<dyn LogLevels> {
    Arc::clone(&log().levels) as Arc<dyn LogLevels>
}

/// The lines about a connector that are kept. The log must have been started.
pub fn lines_about(connector: &str, query: &LogQuery) -> LogLines {
    log().lines.read(connector, query)
}

/// Forgets the lines about a connector that is there no more. The log must have been started.
pub fn forget(connector: &str) {
    log().lines.forget(connector);
}

/// Looks after the log of a worker for as long as it exists.
pub struct Attendance(JoinHandle<()>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Attendance {
    /// Has the log be as a worker's configuration says. The log must have been started, and a tokio runtime be there.
    ///
    /// # Errors
    ///
    /// The file of levels cannot be read or has errors.
    pub fn of(config: &WorkerConfig) -> Result<Self, Failure> {
        let (config, log) = (config.config(), log());
        log.lines.set_json(log.json.unwrap_or_else(|| key::LOG_FORMAT.get(config).eq_ignore_ascii_case("json")));
        let lines = u64::try_from(key::LOG_REPEAT_MAX.get(config)).unwrap_or(0);
        log.lines.set_repeats(RepeatLimit { lines, window: key::LOG_REPEAT_WINDOW.get(config) });
        let bytes = |bytes: i64| usize::try_from(bytes).unwrap_or(0);
        let (each, total) = (key::CONNECTOR_LOG_MAX_BYTES.get(config), key::CONNECTOR_LOG_TOTAL_MAX_BYTES.get(config));
        log.lines.set_rings(RingLimits { each: bytes(each), total: bytes(total) });
        let path = key::LOG_LEVELS_FILE.get(config).filter(|path| !path.trim().is_empty());
        let mut file = path.map(|path| LevelsFile::new(path.trim().into()));
        if let Some(file) = &mut file {
            let levels = file.read().map_err(|error| Failure::of(SETUP, &error))?;
            log.levels.set_of_file(&levels).map_err(|error| Failure::of(SETUP, &error))?;
        }
        let mut interval = tokio::time::interval(LOOK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self(tokio::spawn(async move {
            loop {
                interval.tick().await;
                log.lines.tell_repeats(false);
                if let Some(looking) = file.take() {
                    file = look(looking).await;
                }
            }
        })))
    }
}

/// Reads a file again if it has changed. `None` if reading it panicked, which says so itself.
async fn look(mut file: LevelsFile) -> Option<LevelsFile> {
    // Disks may not answer.
    let looked = tokio::task::spawn_blocking(move || (file.read_if_changed(), file)).await;
    let (changed, file) = looked.ok()?;
    let path = file.path().display();
    match changed {
        None => {}
        Some(Ok(levels)) => match log().levels.set_of_file(&levels) {
            Ok(()) => tracing::info!(file = %path, "the levels of loggers were read again"),
            Err(error) => tracing::error!(file = %path, %error, "the levels of loggers stay as they were"),
        },
        Some(Err(error)) => {
            tracing::error!(error = %ErrorChain(&error), "the levels of loggers stay as they were; the file is read again when it has changed");
        }
    }
    Some(file)
}

struct Levels {
    loggers: Mutex<Loggers>,
    allowed: Arc<RwLock<Allowed>>,
}

impl Levels {
    fn loggers(&self) -> MutexGuard<'_, Loggers> {
        self.loggers.lock().expect("nothing panics while levels are read or set")
    }

    fn set_of_file(&self, levels: &[(String, String)]) -> Result<(), InvalidLevel> {
        let mut loggers = self.loggers();
        loggers.set_of_file(levels, now_ms())?;
        self.allow(&loggers);
        Ok(())
    }

    fn allow(&self, loggers: &Loggers) {
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = Allowed::by(loggers);
        // What was asked of each place in the code is remembered there.
        tracing::callsite::rebuild_interest_cache();
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
        let mut loggers = self.loggers();
        let changed = loggers.set(logger, level, now_ms())?;
        self.allow(&loggers);
        Ok(changed)
    }
}
