//! Runs the scenarios of files with a component, and says where something came otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_connector::Plugins;
use millstream_metrics::{Metrics, Value as Measured};
use millstream_plugin::{AllowedPlaces, Bundled, HttpAllowed, PluginLimits, StartError, WasmPlugins};
use millstream_record::ErrorChain;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tracing::instrument::WithSubscriber;

use crate::expect::{self, Found};
use crate::lines::Lines;
use crate::run::{Run, Stopped, failure};
use crate::scenario::{self, LimitsSpec, Scenario, Step};

/// Longest time for one step, whatever the plugin's own limits are.
const STEP_TIMEOUT: Duration = Duration::from_secs(600);

/// Lines that a plugin may log in a second, unless a scenario says otherwise: more than in a worker, since scenarios look at
/// them.
const LOG_RATE: u32 = 100_000;

/// What to run scenarios with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The component under test.
    pub component: PathBuf,
    /// Further components whose plugins scenarios may name.
    pub beside: Vec<PathBuf>,
    /// Plugins inside the binary. Among these, or beside, there must be Connect's `Filter` for the step `test`.
    pub bundled: &'static [Bundled],
    /// Where compiled components are kept; none compiles them anew.
    pub cache_dir: Option<PathBuf>,
    /// Most rounds of a step that is repeated; as many as it says without.
    pub max_repeat: Option<u32>,
}

/// Whether expectations are checked or written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// What comes is held against what is expected.
    Check,
    /// Where something else comes, or nothing is said, what comes is written into the file.
    Update,
}

/// A component with its plugins, ready to run scenarios.
pub struct Engine {
    setup: Setup,
    folder: tempfile::TempDir,
    /// The plugins under each set of limits that a scenario has asked for.
    loaded: Mutex<BTreeMap<LimitsSpec, Arc<Loaded>>>,
}

struct Loaded {
    plugins: Arc<WasmPlugins>,
    metrics: Metrics,
}

/// Why there is nothing to run scenarios with.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A component cannot be put where the plugin host looks.
    #[error("take {} as a component", file.display())]
    Component {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The plugin host cannot be set up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The file is no usable plugin.
    #[error("{} is no usable plugin: {problem}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// Why, with its causes.
        problem: String,
    },
}

/// Why a file's scenarios were not run.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("read {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON.
    #[error("{}:{line}: this is no JSON: {message}", file.display())]
    Json {
        /// Which file.
        file: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// It is JSON, and no scenarios.
    #[error("{}:{line}: {message}", file.display())]
    Fault {
        /// Which file.
        file: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong, and what is expected.
        message: String,
    },
    /// What came cannot be written into it.
    #[error("write {}", file.display())]
    Write {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The plugins cannot be loaded under the limits of a scenario.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What became of a file's scenarios.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file.
    pub file: PathBuf,
    /// Its scenarios, in their order.
    pub scenarios: Vec<ScenarioReport>,
    /// Whether the file was written anew.
    pub updated: bool,
}

/// What became of a scenario.
#[derive(Clone, Debug)]
pub struct ScenarioReport {
    /// Its name.
    pub name: String,
    /// Line of the file in which it begins.
    pub line: usize,
    /// Where something came otherwise; nothing if all came as expected.
    pub difference: Option<Difference>,
    /// How long it took.
    pub took: Duration,
}

/// A step of which came something else than expected.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Line of the file in which the step begins.
    pub line: usize,
    /// Its number, from 1, and its word.
    pub step: String,
    /// In how far; several lines.
    pub text: String,
}

impl Engine {
    /// Looks at a component.
    ///
    /// # Errors
    ///
    /// It is no usable plugin, or the plugin host cannot be set up.
    pub async fn open(setup: Setup) -> Result<Self, EngineError> {
        let folder =
            tempfile::tempdir().map_err(|source| EngineError::Component { file: setup.component.clone(), source })?;
        let files = std::iter::once(&setup.component).chain(&setup.beside).enumerate();
        for (number, file) in files {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let inside = folder.path().join(number.to_string());
            let taken = fs::create_dir(&inside).and_then(|()| fs::copy(file, inside.join(name)).map(drop));
            taken.map_err(|source| EngineError::Component { file: file.clone(), source })?;
        }
        let engine = Self { setup, folder, loaded: Mutex::default() };
        engine.load(&LimitsSpec::default()).await?;
        Ok(engine)
    }

    /// Classes of all plugins that scenarios may name.
    ///
    /// # Errors
    ///
    /// As for [`Engine::open`].
    pub async fn classes(&self) -> Result<Vec<String>, EngineError> {
        let loaded = self.load(&LimitsSpec::default()).await?;
        Ok(loaded.plugins.list().iter().map(|plugin| plugin.class.clone()).collect())
    }

    async fn load(&self, spec: &LimitsSpec) -> Result<Arc<Loaded>, EngineError> {
        let mut all = self.loaded.lock().await;
        if let Some(loaded) = all.get(spec) {
            return Ok(Arc::clone(loaded));
        }
        let metrics = Metrics::default();
        let folders = (0..=self.setup.beside.len()).map(|number| self.folder.path().join(number.to_string()));
        let folders: Vec<PathBuf> = folders.collect();
        let plugins = WasmPlugins::start(self.limits(spec), &folders, self.setup.bundled).await?;
        let plugins = plugins.counted_by(metrics.clone());
        plugins.all_compiled().await;
        if let Some(problem) = plugins.problems().first() {
            let file = std::iter::once(&self.setup.component).chain(&self.setup.beside);
            let file = file.clone().find(|file| file.file_name() == problem.path.file_name());
            return Err(EngineError::Unusable {
                file: file.unwrap_or(&self.setup.component).clone(),
                problem: ErrorChain(&problem.problem).to_string(),
            });
        }
        let loaded = Arc::new(Loaded { plugins: Arc::new(plugins), metrics });
        all.insert(spec.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }

    fn limits(&self, spec: &LimitsSpec) -> PluginLimits {
        let usual = PluginLimits::default();
        let mut batch = usual.batch;
        batch.max_bytes = spec.batch_max_bytes.unwrap_or(batch.max_bytes);
        batch.max_rows = spec.batch_max_records.unwrap_or(batch.max_rows);
        let mut allowed = usual.allowed.clone();
        // The scenario's own server listens there.
        let places = AllowedPlaces::parse(["loopback"]).unwrap_or_else(|_| allowed.http.places.clone());
        allowed.http = HttpAllowed { places, ..allowed.http };
        PluginLimits {
            call_timeout: spec.call_timeout.unwrap_or(usual.call_timeout),
            host_wait_timeout: spec.host_call_timeout.unwrap_or(usual.host_wait_timeout),
            memory_max: spec.memory_max_bytes.unwrap_or(usual.memory_max),
            log_rate: spec.log_rate.unwrap_or(LOG_RATE),
            cache_dir: self.setup.cache_dir.clone(),
            batch,
            allowed,
            ..usual
        }
    }

    /// Runs the scenarios of a file, or those of which `chosen` likes the name. They begin one after the other, each with
    /// instances of its own; one ends with the first step of which comes something else than expected, unless the file
    /// is updated.
    ///
    /// # Errors
    ///
    /// The file is none with scenarios, or cannot be written.
    pub async fn run_file(
        &self,
        file: &Path,
        mode: Mode,
        chosen: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<FileReport, FileError> {
        let text = fs::read_to_string(file).map_err(|source| FileError::Read { file: file.to_owned(), source })?;
        let mut json: Json = serde_json::from_str(&text).map_err(|error| FileError::Json {
            file: file.to_owned(),
            line: error.line(),
            message: error.to_string(),
        })?;
        let all = scenario::read(&json).map_err(|fault| FileError::Fault {
            file: file.to_owned(),
            line: fault.at.line_in(&text),
            message: fault.message,
        })?;
        let mut report = FileReport { file: file.to_owned(), scenarios: Vec::new(), updated: false };
        for scenario in all.iter().filter(|scenario| chosen(&scenario.name)) {
            let begin = Instant::now();
            let (differences, news) = self.run(scenario, mode).await?;
            for (step, expect) in news {
                if let Some(Json::Object(step)) = step.at.find_mut(&mut json) {
                    report.updated = true;
                    match expect.is_empty() {
                        true => step.remove("expect"),
                        false => step.insert("expect".to_owned(), Json::Object(expect)),
                    };
                }
            }
            let difference = differences.map(|(number, lines)| {
                let step = scenario.steps.get(number);
                Difference {
                    line: step.map_or(&scenario.at, |step| &step.at).line_in(&text),
                    step: format!("step {} ({})", number + 1, step.map_or("", |step| &step.word)),
                    text: lines.join("\n"),
                }
            });
            report.scenarios.push(ScenarioReport {
                name: scenario.name.clone(),
                line: scenario.at.line_in(&text),
                difference,
                took: begin.elapsed(),
            });
        }
        if report.updated {
            let written = fs::write(file, crate::page::document(&json));
            written.map_err(|source| FileError::Write { file: file.to_owned(), source })?;
        }
        Ok(report)
    }

    fn rounds(&self, step: &Step) -> u32 {
        self.setup.max_repeat.map_or(step.repeat, |most| most.min(step.repeat)).max(1)
    }

    /// Runs one scenario: the first step that differs, and what steps are to expect from now on.
    async fn run<'s>(
        &self,
        scenario: &'s Scenario,
        mode: Mode,
    ) -> Result<(Option<(usize, Vec<String>)>, Vec<(&'s Step, Found)>), FileError> {
        let loaded = self.load(&scenario.limits).await?;
        let lines = Lines::default();
        let log = lines.dispatch();
        let mut news = Vec::new();
        let mut run = match Run::new(scenario, Arc::clone(&loaded.plugins)).with_subscriber(log.clone()).await {
            Ok(run) => run,
            Err(message) => return Ok((Some((0, vec![message])), news)),
        };
        let mut differs = None;
        for (number, step) in scenario.steps.iter().enumerate() {
            let came = step_done(&mut run, step, self.rounds(step), &loaded.metrics, &lines)
                .with_subscriber(log.clone())
                .await;
            let complaints = match &came {
                Ok(found) => expect::differences(step.expect.as_ref(), found, &scenario.schemas),
                Err(message) => vec![message.clone()],
            };
            match (mode, came) {
                (Mode::Update, Ok(found)) => {
                    if !complaints.is_empty() || step.expect.is_none() {
                        let new = expect::updated(&step.word, step.expect.as_ref(), &found);
                        if step.expect.as_ref() != Some(&new) && !(step.expect.is_none() && new.is_empty()) {
                            news.push((step, new));
                        }
                    }
                }
                _ if complaints.is_empty() => {}
                _ => {
                    differs = Some((number, complaints));
                    break;
                }
            }
        }
        run.end().with_subscriber(log).await;
        Ok((differs, news))
    }
}

/// Does a step as often as it says, and gathers what came of it. An error is the scenario's own fault.
async fn step_done(
    run: &mut Run<'_>,
    step: &Step,
    rounds: u32,
    metrics: &Metrics,
    lines: &Lines,
) -> Result<Found, String> {
    let mut found = Found::new();
    let mut memory_before = None;
    for round in 0..rounds {
        let done = tokio::time::timeout(STEP_TIMEOUT, run.act(&step.act)).await;
        let done = done.map_err(|_| format!("it was not done within {} s", STEP_TIMEOUT.as_secs()))?;
        let failed = match done {
            Ok(came) => {
                found = came;
                false
            }
            Err(Stopped::Scenario(message)) => return Err(message),
            Err(Stopped::Plugin(link, error)) => {
                found.insert("fails".to_owned(), run.without_paths(failure(link, &error)));
                true
            }
        };
        // What is taken once stays: allocators keep some room, and tables are made at the first use.
        if round == rounds / 10 {
            memory_before = Some(memory(metrics));
        }
        if failed {
            break;
        }
    }
    if let Some(before) = memory_before {
        found.insert("memory_growth".to_owned(), json!(memory(metrics) - before));
    }
    found.insert("log".to_owned(), run.without_paths(json!(lines.take())));
    found.insert("asked".to_owned(), json!(run.world.take_asked()));
    if let Some(Json::Object(files)) = step.expect.as_ref().and_then(|expect| expect.get("files")) {
        let content = files.keys().map(|name| (name.clone(), run.file(name))).collect();
        found.insert("files".to_owned(), Json::Object(content));
    }
    if !found.contains_key("reported") {
        found.insert("reported".to_owned(), run.reported());
    }
    let topics = run.topics();
    found.insert("topics".to_owned(), topics);
    Ok(found)
}

/// Bytes that all instances hold.
fn memory(metrics: &Metrics) -> i64 {
    let values = metrics.read().into_iter().flat_map(|reading| reading.values);
    let held = values.filter_map(|(name, value)| match value {
        Measured::Current(bytes) if name == "memory" => Some(bytes),
        _ => None,
    });
    held.sum()
}
