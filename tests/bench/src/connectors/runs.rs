//! The runs: each in a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use harness::{files::append, request};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pipeline::{Counter, process::Worker};

/// How often the worker is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How often it is asked for the statuses of all connectors: an answer costs it more than a look at a file.
const ASK: Duration = Duration::from_millis(100);

/// The worker file of every run.
const SETTINGS: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n";

/// The one topic.
const TOPIC: &str = "lines";

/// Which way the records go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// A file each, into one topic.
    Sources,
    /// One topic, into a file each.
    Sinks,
}

/// Where the worker keeps its connectors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// In files.
    Standalone,
    /// In a topic of the built-in broker.
    Distributed,
}

impl Direction {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        if self == Self::Sources { "sources" } else { "sinks" }
    }
}

impl Mode {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        if self == Self::Standalone { "standalone" } else { "distributed" }
    }
}

/// What one run took.
pub struct Run {
    /// From the first request to the last connector that runs.
    pub created: Duration,
    /// The longest that a connector's creation took.
    pub slowest_post: Duration,
    /// Memory that the worker has more than without them, by their number; pages that are mapped several times count once.
    pub kilobytes_each: f64,
    /// The same of its resident size, in which they count as often as they are mapped.
    pub resident_each: f64,
    /// Processor seconds per second.
    pub idle_cpu: f64,
    /// The same while its metrics are read each second.
    pub scraped_cpu: f64,
    /// From the start of a process after SIGKILL until all run again.
    pub restarted: Duration,
    /// Processor time of the process until then.
    pub restart_cpu: Duration,
    /// The longest that a request took meanwhile, once the API was there.
    pub slowest_answer: Duration,
    /// From one more record for each until it has come through.
    pub delivered: Duration,
}

/// A worker's folder and what runs there.
struct Many {
    binary: PathBuf,
    folder: TempDir,
    direction: Direction,
    mode: Mode,
    count: usize,
    counter: Counter,
}

impl Run {
    /// Measures one.
    pub fn of(binary: &Path, direction: Direction, mode: Mode, count: usize, watched: Duration) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let many = Many { binary: binary.to_owned(), folder, direction, mode, count, counter: Counter::default() };
        many.write_records("first");
        let mut worker = many.start(&[]);
        worker.until("it is healthy", LOOK, |worker| worker.is_healthy().then_some(()));
        let (empty, empty_mb) = (worker.usage(), worker.held_mb());
        let begun = Instant::now();
        let slowest_post = many.connectors().iter().map(|(name, config)| create(&worker, name, config)).max();
        many.until_all_run(&mut worker);
        let created = begun.elapsed();
        many.until_delivered(&mut worker, "first", 1);
        // What they did last has come to rest, and what the broker holds back is on disk.
        std::thread::sleep(Duration::from_secs(3));
        let before = worker.usage();
        std::thread::sleep(watched);
        let after = worker.usage();
        let held_mb = worker.held_mb();
        let scraped_cpu = scraped(&worker, watched);
        // SIGKILL.
        drop(worker);

        let mut worker = many.start(&many.connectors());
        let slowest_answer = many.until_all_run(&mut worker);
        let (restarted, restart_cpu) = (worker.begun.elapsed(), worker.usage().cpu);
        many.write_records("second");
        let begun = Instant::now();
        many.until_delivered(&mut worker, "second", 2);
        let delivered = begun.elapsed();
        worker.terminate();
        Self {
            created,
            slowest_post: slowest_post.unwrap_or_default(),
            kilobytes_each: (held_mb - empty_mb) * 1000.0 / count as f64,
            resident_each: (after.rss_mb - empty.rss_mb) * 1000.0 / count as f64,
            idle_cpu: (after.cpu - before.cpu).as_secs_f64() / watched.as_secs_f64(),
            scraped_cpu,
            restarted,
            restart_cpu,
            slowest_answer,
            delivered,
        }
    }
}

impl Many {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connectors(&self) -> Vec<(String, Value)> {
        let source = |file: PathBuf| json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": TOPIC});
        let numbers = 0..self.count;
        match self.direction {
            Direction::Sources => {
                numbers.map(|n| (format!("c{n}"), source(self.path(&format!("in-{n}.txt"))))).collect()
            }
            Direction::Sinks => {
                let sink = |n: usize| {
                    let file = self.path(&format!("out-{n}.txt"));
                    json!({"connector.class": "FileStreamSink", "tasks.max": "1", "file": file, "topics": TOPIC})
                };
                // The feed comes first, so that there is a topic.
                let feed = ("feed".to_owned(), source(self.path("feed.txt")));
                std::iter::once(feed).chain(numbers.map(|n| (format!("c{n}"), sink(n)))).collect()
            }
        }
    }

    /// One more record for each.
    fn write_records(&self, text: &str) {
        match self.direction {
            Direction::Sources => {
                (0..self.count).for_each(|n| append(&self.path(&format!("in-{n}.txt")), &format!("{text} {n}\n")));
            }
            Direction::Sinks => append(&self.path("feed.txt"), &format!("{text}\n")),
        }
    }

    /// Starts a worker: in a group it knows its connectors.
    fn start(&self, connectors: &[(String, Value)]) -> Worker {
        match self.mode {
            Mode::Distributed => Worker::start_distributed(&self.binary, self.folder.path(), SETTINGS),
            Mode::Standalone => {
                let file = |(name, config): &(String, Value)| {
                    let entries = config.as_object().into_iter().flatten();
                    let lines: String =
                        entries.map(|(key, value)| format!("{key}={}\n", value.as_str().unwrap_or_default())).collect();
                    format!("name={name}\n{lines}")
                };
                let files: Vec<String> = connectors.iter().map(file).collect();
                Worker::start(&self.binary, self.folder.path(), SETTINGS, &files)
            }
        }
    }

    /// Waits until every connector and its task run on this worker; the longest that an answer took.
    fn until_all_run(&self, worker: &mut Worker) -> Duration {
        let (wanted, mut slowest) = (self.connectors().len(), Duration::ZERO);
        worker.until("all connectors run", ASK, |worker| {
            let asked = Instant::now();
            let answer = harness::get(&worker.rest, "/connectors?expand=status")?;
            slowest = slowest.max(asked.elapsed());
            let statuses = (answer.status == 200).then(|| answer.json())?;
            let runs = |of: &Value| of["state"] == "RUNNING" && of["worker_id"] == worker.rest.as_str();
            let running = statuses.as_object()?.values().map(|connector| &connector["status"]).filter(|status| {
                let tasks = status["tasks"].as_array();
                runs(&status["connector"]) && tasks.is_some_and(|tasks| !tasks.is_empty() && tasks.iter().all(runs))
            });
            (running.count() == wanted).then_some(())
        });
        slowest
    }

    /// Waits until a text has come through everywhere, which is record number `number` of each.
    fn until_delivered(&self, worker: &mut Worker, text: &str, number: u64) {
        let broker = worker.broker.clone();
        worker.until("every connector has delivered", LOOK, |_| match self.direction {
            Direction::Sources => {
                let records = self.counter.count(&broker, TOPIC)?;
                (number * self.count as u64 <= records).then_some(())
            }
            Direction::Sinks => (0..self.count)
                .all(|n| fs::read_to_string(self.path(&format!("out-{n}.txt"))).is_ok_and(|lines| lines.contains(text)))
                .then_some(()),
        });
    }
}

/// Processor seconds per second while the metrics are read each second.
fn scraped(worker: &Worker, watched: Duration) -> f64 {
    let (begun, before) = (Instant::now(), worker.usage().cpu);
    let mut scrapes = 0;
    while begun.elapsed() < watched {
        let page = worker.get("/metrics").expect("the metrics are there");
        assert!(page.starts_with("HTTP/1.1 200"), "{}", page.lines().next().unwrap_or_default());
        scrapes += 1;
        std::thread::sleep(Duration::from_secs(scrapes).saturating_sub(begun.elapsed()));
    }
    (worker.usage().cpu - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}

/// Creates a connector over REST; how long that took.
fn create(worker: &Worker, name: &str, config: &Value) -> Duration {
    let asked = Instant::now();
    let body = json!({"name": name, "config": config}).to_string();
    let answer = request(&worker.rest, "POST", "/connectors", Some(&body)).expect("the worker answers");
    assert_eq!(answer.status, 201, "{}", answer.body);
    asked.elapsed()
}
