//! Workers of a group are killed, one after another: what a killed one ran goes on at the others, records flow again through
//! its sinks though their consumers' sessions never end here, every line arrives, and a new line never overtakes an older
//! one. How long that takes is printed as histograms.
//!
//! `MILLSTREAM_FAILOVERS` says how often, for the long form.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crash::random;
use harness::{Broker, Worker, eventually, get, peers, request};
use rand::Rng;
use serde_json::json;
use tempfile::TempDir;

/// Workers of the group.
const WORKERS: usize = 3;

/// Pairs of a source and a sink, each with one task.
const PAIRS: usize = 15;

/// How long Apache Kafka waits for a worker; the built-in broker sees that its connection has ended.
const WORKERS_SESSION: &str = "session.timeout.ms=6000";

/// Times a worker is killed, unless said.
const FAILOVERS: usize = 2;

/// Where connectors and tasks run, by name.
type Places = BTreeMap<String, String>;

/// One pair: a file that grows, and the file that its lines arrive in.
struct Pair {
    input: File,
    output: PathBuf,
    lines: u64,
}

impl Pair {
    fn grow(&mut self, lines: u64) {
        let text: String = (self.lines..self.lines + lines).map(|number| format!("line {number}\n")).collect();
        self.input.write_all(text.as_bytes()).unwrap();
        self.lines += lines;
    }

    /// How much has arrived, in bytes.
    fn arrived(&self) -> u64 {
        fs::metadata(&self.output).map_or(0, |file| file.len())
    }

    /// Whether the newest line is there.
    fn is_complete(&self) -> bool {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().any(|line| line == format!("line {}", self.lines - 1))
    }

    /// Every line is there, and a new one stands only behind the one before it; others are repetitions.
    #[track_caller]
    fn check(&self) {
        let text = fs::read_to_string(&self.output).unwrap();
        let (mut seen, mut next) = (HashSet::new(), 0);
        for line in text.lines() {
            let number = line.strip_prefix("line ").and_then(|number| number.parse::<u64>().ok());
            let number = number.unwrap_or_else(|| panic!("a torn line in {}: {line:?}", self.output.display()));
            if seen.insert(number) {
                assert_eq!(number, next, "a line was skipped in {}", self.output.display());
                next += 1;
            }
        }
        assert_eq!(next, self.lines, "lines of {}", self.output.display());
    }
}

fn start(folder: &Path, broker: &str) -> Worker {
    // Nobody waits for the end of these sessions.
    let sinks = "consumer.session.timeout.ms=1800000\nconsumer.heartbeat.interval.ms=1000";
    let settings = format!("bootstrap.servers={broker}\n{WORKERS_SESSION}\n{sinks}");
    Worker::start_distributed(folder, &settings)
}

fn put(rest: &str, name: &str, config: &serde_json::Value) {
    let path = format!("/connectors/{name}/config");
    // As long as the group is being rebalanced the answer is 409.
    eventually(&format!("{name} is created"), || {
        let answer = request(rest, "PUT", &path, Some(&config.to_string()))?;
        (answer.status / 100 == 2).then_some(())
    });
}

fn pairs(folder: &Path, rest: &str) -> Vec<Pair> {
    let pair = |number: usize| {
        let (input, output) = (folder.join(format!("in{number}")), folder.join(format!("out{number}")));
        let file = OpenOptions::new().create(true).append(true).open(&input).unwrap();
        let topic = format!("lines{number}");
        let source = json!({"connector.class": "FileStreamSource", "file": input, "topic": topic});
        put(rest, &format!("source{number}"), &source);
        let sink = json!({"connector.class": "FileStreamSink", "file": output, "topics": topic});
        put(rest, &format!("sink{number}"), &sink);
        Pair { input: file, output, lines: 0 }
    };
    (0..PAIRS).map(pair).collect()
}

/// What runs, and where. `None` if nobody answers.
fn places(rest: &str) -> Option<Places> {
    let answer = get(rest, "/connectors?expand=status").filter(|answer| answer.status == 200)?.json();
    let mut places = Places::new();
    for (name, connector) in answer.as_object()? {
        let status = &connector["status"];
        let tasks = status["tasks"].as_array()?.iter().map(|task| (format!("{name}-{}", task["id"]), task));
        for (part, status) in tasks.chain([(name.clone(), &status["connector"])]) {
            if status["state"] == "RUNNING" {
                places.insert(part, status["worker_id"].as_str()?.to_owned());
            }
        }
    }
    Some(places)
}

/// Waits until everything runs and nobody has more than its share, on these workers alone.
#[track_caller]
fn await_even(workers: &[Worker]) -> Places {
    let share = (2 * PAIRS).div_ceil(workers.len());
    eventually("everything runs, evenly", || {
        let places = places(&workers[0].rest)?;
        let even = workers.iter().all(|worker| {
            let of =
                |task: bool| places.iter().filter(move |(part, at)| **at == worker.rest && part.contains('-') == task);
            of(true).count() <= share && of(false).count() <= share
        });
        let all = places.values().filter(|at| workers.iter().any(|worker| worker.rest == **at)).count();
        (even && all == 4 * PAIRS).then_some(places)
    })
}

#[test]
fn what_a_killed_worker_ran_goes_on_at_the_others_and_no_line_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    fail_over(&broker.address);
}

#[test]
fn what_a_killed_worker_ran_goes_on_at_the_others_on_apache_kafka_alike() {
    if !peers::have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = peers::Kafka::start(folder.path());
    kafka.await_listening();
    fail_over(&kafka.address);
}

fn fail_over(broker: &str) {
    let failovers =
        std::env::var("MILLSTREAM_FAILOVERS").ok().and_then(|count| count.parse().ok()).unwrap_or(FAILOVERS);
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let folders: Vec<TempDir> = (0..WORKERS).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut workers: Vec<Worker> = folders.iter().map(|folder| start(folder.path(), broker)).collect();
    let mut pairs = pairs(folder.path(), &workers[0].rest);
    let (mut times, mut flowing) = (Vec::new(), Vec::new());
    for _ in 0..failovers {
        let before = await_even(&workers);
        pairs.iter_mut().for_each(|pair| pair.grow(random.random_range(1..200)));
        let at = random.random_range(0..WORKERS);
        let killed = workers[at].rest.clone();
        let mut missing: HashSet<&str> =
            before.iter().filter(|(part, at)| **at == killed && part.contains('-')).map(|(part, _)| &**part).collect();
        assert!(!missing.is_empty());
        let asked = workers[(at + 1) % WORKERS].rest.clone();
        // Of its sinks whose sources run elsewhere: what these have read meanwhile is there to be read.
        let is_there = |kind: &str, number: usize| before[&format!("{kind}{number}-0")] == killed;
        let alone = |number: &usize| is_there("sink", *number) && !is_there("source", *number);
        let mut dry: Vec<usize> = (0..PAIRS).filter(alone).collect();
        eventually("everything has arrived", || pairs.iter().all(Pair::is_complete).then_some(()));
        workers[at].kill();
        let since = Instant::now();
        let arrived: Vec<u64> = pairs.iter().map(Pair::arrived).collect();
        pairs.iter_mut().for_each(|pair| pair.grow(random.random_range(1..200)));
        eventually("its tasks run elsewhere, and records flow through its sinks", || {
            dry.retain(|number| {
                let flows = arrived[*number] < pairs[*number].arrived();
                if flows {
                    flowing.push(since.elapsed());
                }
                !flows
            });
            let now = places(&asked)?;
            missing.retain(|part| {
                let runs = now.get(*part).is_some_and(|at| *at != killed);
                if runs {
                    times.push(since.elapsed());
                }
                !runs
            });
            (missing.is_empty() && dry.is_empty()).then_some(())
        });
        pairs.iter_mut().for_each(|pair| pair.grow(1));
        eventually("the newest lines arrive", || pairs.iter().all(Pair::is_complete).then_some(()));
        // A new one, as its port says.
        workers[at] = start(folders[at].path(), broker);
    }
    await_even(&workers);
    pairs.iter().for_each(Pair::check);
    show("until tasks run elsewhere", &mut times, failovers);
    show("until records flow through sinks again", &mut flowing, failovers);
}

/// Prints how long something took after kills.
fn show(what: &str, times: &mut [Duration], failovers: usize) {
    if times.is_empty() {
        return println!("{what}: never seen in {failovers} kills");
    }
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() * per_mille / 1000).min(times.len() - 1)].as_millis();
    println!(
        "{what}, {failovers} kills, {} tasks: p50 {} ms, p90 {} ms, p99 {} ms, most {} ms",
        times.len(),
        at(500),
        at(900),
        at(990),
        at(1000)
    );
    let mut from = 0;
    for to in [100, 200, 500, 1_000, 1_500, 2_000, 5_000, 6_000, 7_000, 10_000, u128::MAX] {
        let count = times.iter().filter(|time| (from..to).contains(&time.as_millis())).count();
        if count != 0 {
            println!("from {from:>5} ms: {count:>5}");
        }
        from = to;
    }
}
