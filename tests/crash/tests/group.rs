//! A group of three workers under load: workers are killed and frozen, connections cut, the broker is killed, all by
//! chance. What sources read is all there, once where that was asked for; offsets are never ahead of the records; sinks
//! write every line; and in the end everything runs.
//!
//! `MILLSTREAM_CRASH_KILLS=500` is the long form: so many processes are killed with `-9`. `MILLSTREAM_CRASH_SEED` repeats
//! what befalls them.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use crash::{
    Follower,
    histories::{Disturbance, Proxy, Target},
    random,
};
use harness::{Worker, get, peers::have_kafka, request, within};
use millstream_record::TopicName;
use rand::{Rng, rngs::StdRng};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Workers of the group.
const WORKERS: usize = 3;

/// Pairs of a source and a sink, each with one task.
const PAIRS: usize = 2;

/// How long a group may need until everything has come through, on a machine that is busy.
const LONG: Duration = Duration::from_secs(240);

fn kills(short: u64) -> u64 {
    std::env::var("MILLSTREAM_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(short)
}

/// What befell the group.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    workers_killed: u64,
    workers_frozen: u64,
    workers_stopped: u64,
    brokers_killed: u64,
    cuts: u64,
}

/// What was seen last: told if it was waited for in vain.
#[derive(Default)]
struct Seen(String);

impl Drop for Seen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// A file that grows, the topic that its lines are written to, and the file that they arrive in.
struct Pair {
    number: usize,
    input: PathBuf,
    file: File,
    /// Where each line ends.
    ends: Vec<u64>,
    output: PathBuf,
    topic: Follower,
}

fn line(number: usize) -> String {
    format!("line {number} {}", "y".repeat(number % 53))
}

/// The number of a line that is whole.
fn number_of(text: &str) -> Option<usize> {
    let number = text.split(' ').nth(1)?.parse().ok()?;
    (text == line(number)).then_some(number)
}

impl Pair {
    fn new(folder: &Path, number: usize, address: &str, exactly_once: bool) -> Self {
        let (input, output) = (folder.join(format!("in{number}")), folder.join(format!("out{number}")));
        let file = OpenOptions::new().create(true).append(true).open(&input).unwrap();
        let topic = TopicName::parse(&format!("lines{number}")).unwrap();
        let topic = match exactly_once {
            true => Follower::of_committed(address, &topic, 1),
            false => Follower::new(address, &topic, 1),
        };
        Self { number, input, file, ends: Vec::new(), output, topic }
    }

    fn source(&self) -> String {
        format!("source{}", self.number)
    }

    fn configs(&self, boundary: &str) -> [(String, serde_json::Value); 2] {
        let (number, topic) = (self.number, format!("lines{}", self.number));
        let source = json!({
            "connector.class": "FileStreamSource",
            "file": self.input,
            "topic": topic,
            "batch.size": "100",
            "transaction.boundary": boundary,
            "transaction.boundary.interval.ms": "50",
        });
        let sink = json!({"connector.class": "FileStreamSink", "file": self.output, "topics": topic});
        [(self.source(), source), (format!("sink{number}"), sink)]
    }

    fn grow(&mut self, lines: usize) {
        let mut text = String::new();
        for _ in 0..lines {
            text += &line(self.ends.len());
            text.push('\n');
            self.ends.push(self.ends.last().copied().unwrap_or(0) + line(self.ends.len()).len() as u64 + 1);
        }
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// The numbers of the lines in the topic, in order.
    #[track_caller]
    fn records(&self) -> Vec<usize> {
        let values = self.topic.values.get(&0).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|(_, value)| number_of(value).unwrap_or_else(|| panic!("a torn record: {value:?}"))).collect()
    }

    /// What a source says it has read is in the topic.
    #[track_caller]
    fn check_offset(&mut self, runtime: &Runtime, rests: &[String]) {
        let position = rests.iter().find_map(|rest| {
            let offsets = get(rest, &format!("/connectors/{}/offsets", self.source()))?;
            (offsets.status == 200).then(|| offsets.json()["offsets"][0]["offset"]["position"].as_u64())?
        });
        let Some(position) = position else { return };
        runtime.block_on(self.topic.read_to_end());
        let told = self.ends.iter().filter(|end| **end <= position).count();
        let there: HashSet<usize> = self.records().into_iter().collect();
        let missing: Vec<usize> = (0..told).filter(|number| !there.contains(number)).take(5).collect();
        assert!(missing.is_empty(), "{} says {position}, and of its lines are missing {missing:?}", self.source());
    }

    /// Whether the newest line is there.
    fn is_complete(&self) -> bool {
        let text = fs::read(&self.output).unwrap_or_default();
        let last = line(self.ends.len() - 1);
        String::from_utf8_lossy(&text).lines().rev().any(|found| found == last)
    }

    /// Every line is there, in the topic and in the sink's file: once where that was asked for, else in an order in which
    /// none was left out.
    #[track_caller]
    fn check(&mut self, runtime: &Runtime, exactly_once: bool, killed: u64) {
        runtime.block_on(self.topic.read_to_end());
        let records = self.records();
        if exactly_once {
            let wrong = (0..).zip(&records).find(|(expected, found)| expected != *found);
            assert_eq!(wrong, None, "lost or doubled, of {}", self.source());
            assert_eq!(records.len(), self.ends.len(), "records of {}", self.source());
        } else {
            self.check_order(&records, "the topic");
        }
        let text = fs::read(&self.output).unwrap();
        let text = String::from_utf8_lossy(&text);
        // A line that a killed worker has not written whole is written again.
        let torn = text.lines().filter(|line| number_of(line).is_none()).count() as u64;
        assert!(torn <= killed, "{torn} torn lines in {}", self.output.display());
        self.check_order(&text.lines().filter_map(number_of).collect::<Vec<_>>(), "the sink's file");
    }

    /// None is missing, and each came only behind the one before it.
    #[track_caller]
    fn check_order(&self, numbers: &[usize], place: &str) {
        let (mut seen, mut next) = (HashSet::new(), 0);
        for &number in numbers {
            if seen.insert(number) {
                assert_eq!(number, next, "a line was left out in {place} of {}", self.source());
                next += 1;
            }
        }
        assert_eq!(next, self.ends.len(), "lines in {place} of {}", self.source());
    }
}

/// A group at work.
struct Course {
    random: StdRng,
    runtime: Runtime,
    target: Target,
    proxy: Proxy,
    settings: String,
    folders: Vec<TempDir>,
    workers: Vec<Worker>,
    faults: Faults,
}

impl Course {
    fn new(mut target: Target, exactly_once: bool) -> Self {
        let random = random();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        target.start();
        let proxy = runtime.block_on(Proxy::start(target.proxy_port, format!("127.0.0.1:{}", target.port)));
        let support = if exactly_once { "enabled" } else { "disabled" };
        let isolation = if exactly_once { "read_committed" } else { "read_uncommitted" };
        let settings = format!(
            "bootstrap.servers=127.0.0.1:{}\nexactly.once.source.support={support}\n\
             session.timeout.ms=6000\nheartbeat.interval.ms=1000\nreconnect.backoff.max.ms=200\n\
             consumer.session.timeout.ms=6000\nconsumer.heartbeat.interval.ms=1000\n\
             consumer.isolation.level={isolation}\n",
            target.proxy_port
        );
        let folders: Vec<TempDir> = (0..WORKERS).map(|_| tempfile::tempdir().unwrap()).collect();
        let workers = folders.iter().map(|folder| Worker::start_distributed(folder.path(), &settings)).collect();
        let faults = Faults::default();
        Self { random, runtime, target, proxy, settings, folders, workers, faults }
    }

    fn rests(&self) -> Vec<String> {
        self.workers.iter().map(|worker| worker.rest.clone()).collect()
    }

    fn put(&self, name: &str, config: &serde_json::Value) {
        let (path, body) = (format!("/connectors/{name}/config"), config.to_string());
        within(LONG, &format!("{name} is configured"), || {
            let answer = request(&self.workers[0].rest, "PUT", &path, Some(&body))?;
            assert!(answer.status != 400, "{}", answer.body);
            (answer.status / 100 == 2).then_some(())
        });
    }

    fn pause(&mut self, millis: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.random.random_range(millis)));
    }

    /// Starts a worker again. It may find no broker, and waits for that.
    fn restart(&mut self, at: usize) {
        let started = Worker::try_start_distributed(self.folders[at].path(), &self.settings);
        self.workers[at] = started.unwrap_or_else(|(status, log)| panic!("{status}: {log}"));
    }

    /// One thing goes wrong, and is mended.
    fn disturb(&mut self) {
        let at = self.random.random_range(0..WORKERS);
        match self.random.random_range(0..12) {
            0..=4 => {
                self.workers[at].kill();
                self.faults.workers_killed += 1;
                if self.random.random() {
                    self.pause(0..8_000);
                }
                self.restart(at);
            }
            5 | 6 => {
                self.workers[at].freeze();
                self.faults.workers_frozen += 1;
                self.pause(100..9_000);
                self.workers[at].thaw();
            }
            7 | 8 => {
                let percent = self.random.random_range(30..=100);
                let bytes = self.random.random_range(1..3_000);
                let after = Disturbance::CutAfter { bytes, from_broker: self.random.random() };
                let what = if self.random.random() { Disturbance::Cut } else { after };
                self.proxy.disturb(what, percent);
                self.faults.cuts += 1;
            }
            9 => {
                let time = Duration::from_millis(self.random.random_range(200..9_000));
                self.proxy.disturb(Disturbance::Stall(time), self.random.random_range(20..=100));
                self.faults.cuts += 1;
            }
            10 => {
                let worker = self.workers.remove(at);
                self.faults.workers_stopped += 1;
                assert!(worker.terminate().success());
                let started = Worker::try_start_distributed(self.folders[at].path(), &self.settings);
                self.workers.insert(at, started.unwrap_or_else(|(status, log)| panic!("{status}: {log}")));
            }
            _ => {
                self.target.kill();
                self.faults.brokers_killed += 1;
                self.pause(0..3_000);
                self.target.start();
            }
        }
    }

    /// How many processes were killed.
    fn killed(&self) -> u64 {
        self.faults.workers_killed + self.faults.brokers_killed
    }

    /// Waits until everything runs, on workers that are there, and all of them say so.
    #[track_caller]
    fn await_running(&self, names: &[String]) {
        let rests = self.rests();
        let runs = |status: &serde_json::Value| {
            let at = status["worker_id"].as_str().unwrap_or_default();
            status["state"] == "RUNNING" && rests.iter().any(|rest| rest == at)
        };
        let mut seen = Seen::default();
        within(LONG, "everything runs", || {
            for rest in &rests {
                let answer = get(rest, "/connectors?expand=status");
                seen.0 = format!("{rest} says {answer:?}");
                let all = answer.filter(|answer| answer.status == 200)?.json();
                for name in names {
                    let status = &all[name]["status"];
                    let tasks = status["tasks"].as_array()?;
                    if tasks.len() != 1 || !runs(&status["connector"]) || !runs(&tasks[0]) {
                        return None;
                    }
                }
            }
            Some(())
        });
    }
}

fn lives_through(target: Target, exactly_once: bool, kills: u64) {
    let data = tempfile::tempdir().unwrap();
    let mut course = Course::new(target, exactly_once);
    let address = format!("127.0.0.1:{}", course.target.port);
    let mut pairs: Vec<Pair> =
        (0..PAIRS).map(|number| Pair::new(data.path(), number, &address, exactly_once)).collect();
    let mut names = Vec::new();
    for (pair, boundary) in pairs.iter().zip(["poll", "interval"]) {
        for (name, config) in pair.configs(boundary) {
            course.put(&name, &config);
            names.push(name);
        }
    }
    pairs.iter_mut().for_each(|pair| pair.grow(10));
    course.await_running(&names);
    while course.killed() < kills {
        for pair in &mut pairs {
            pair.grow(course.random.random_range(1..400));
        }
        course.disturb();
        let rests = course.rests();
        match course.random.random_range(0..4) {
            0 => pairs.iter_mut().for_each(|pair| pair.check_offset(&course.runtime, &rests)),
            1 => course.await_running(&names),
            _ => course.pause(0..1_500),
        }
    }
    course.await_running(&names);
    pairs.iter_mut().for_each(|pair| pair.grow(1));
    within(LONG, "the newest lines arrive", || pairs.iter().all(Pair::is_complete).then_some(()));
    let killed = course.killed() + course.faults.workers_frozen;
    for pair in &mut pairs {
        pair.check_offset(&course.runtime, &course.rests());
        pair.check(&course.runtime, exactly_once, killed);
    }
    for worker in course.workers.drain(..) {
        let log = worker.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(worker.terminate().success());
    }
    let lines: usize = pairs.iter().map(|pair| pair.ends.len()).sum();
    println!("exactly once {exactly_once}: {lines} lines, {:?}", course.faults);
}

#[test]
fn a_group_delivers_every_line() {
    let folder = tempfile::tempdir().unwrap();
    lives_through(Target::millstream(folder.path().to_owned()), false, kills(4));
}

#[test]
fn a_group_delivers_every_line_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    lives_through(Target::millstream(folder.path().to_owned()), true, kills(4));
}

#[test]
fn a_group_delivers_every_line_on_apache_kafka() {
    if have_kafka() {
        let folder = tempfile::tempdir().unwrap();
        lives_through(Target::kafka(folder.path().to_owned()), false, kills(2));
    }
}

#[test]
fn a_group_delivers_every_line_exactly_once_on_apache_kafka() {
    if have_kafka() {
        let folder = tempfile::tempdir().unwrap();
        lives_through(Target::kafka(folder.path().to_owned()), true, kills(2));
    }
}
