//! A worker that is killed under load delivers every line exactly once, in order, to readers of committed records; the
//! offsets that it stores are never ahead of them.
//!
//! `MILLSTREAM_CRASH_KILLS=500` is the long form.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crash::{Follower, random};
use harness::{
    SOON, Worker, eventually, get,
    peers::{Kafka, have_kafka},
};
use millstream_record::TopicName;
use rand::{Rng, rngs::StdRng};
use serde_json::json;

/// Times the worker is killed, of the short form.
const KILLS: usize = 10;

fn kills(short: usize) -> usize {
    std::env::var("MILLSTREAM_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(short)
}

/// A file that grows by numbered lines.
struct Lines {
    path: PathBuf,
    file: File,
    written: u64,
}

impl Lines {
    fn new(folder: &Path) -> Self {
        let path = folder.join("in.txt");
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        Self { path, file, written: 0 }
    }

    fn line(number: u64) -> String {
        format!("line {number} {}", "y".repeat((number % 53) as usize))
    }

    /// Grows for a while.
    fn grow(&mut self, random: &mut StdRng, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let mut lines = String::new();
            for _ in 0..random.random_range(1..200) {
                lines.push_str(&Self::line(self.written));
                lines.push('\n');
                self.written += 1;
            }
            self.file.write_all(lines.as_bytes()).unwrap();
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// Creates the source, or gives it another way to end its transactions.
fn configure(worker: &Worker, lines: &Lines, boundary: &str) {
    let config = json!({
        "connector.class": "FileStreamSource",
        "file": lines.path,
        "topic": "lines",
        "batch.size": "100",
        "exactly.once.support": "required",
        "transaction.boundary": boundary,
        "transaction.boundary.interval.ms": "50",
    });
    let config = config.to_string();
    eventually("the source is configured", || {
        let answer = harness::request(&worker.rest, "PUT", "/connectors/source/config", Some(&config))?;
        assert!([200, 201, 409].contains(&answer.status), "{}", answer.body);
        (answer.status != 409).then_some(())
    });
}

fn await_running(worker: &Worker) {
    eventually("the task runs", || {
        let status = get(&worker.rest, "/connectors/source/status").filter(|answer| answer.status == 200)?.json();
        let task = &status["tasks"][0];
        assert_ne!(task["state"], "FAILED", "{}", task["trace"]);
        (task["state"] == "RUNNING").then_some(())
    });
}

/// Kills workers that share a group, one after the other, and looks at what they have delivered.
fn killed_over_and_over(settings: &str, kills: usize) {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Lines::new(folder.path());
    let settings = format!("exactly.once.source.support=enabled\n{settings}");
    for _ in 0..kills {
        let mut worker = Worker::start_distributed(folder.path(), &settings);
        configure(&worker, &lines, if random.random() { "poll" } else { "interval" });
        if random.random() {
            await_running(&worker);
        }
        let time = Duration::from_micros(random.random_range(0..400_000));
        lines.grow(&mut random, time);
        worker.kill();
    }
    let worker = Worker::start_distributed(folder.path(), &settings);
    await_running(&worker);
    let found = committed(&worker.broker_address(&settings), lines.written);
    assert!(worker.terminate().success());
    for (number, value) in (0..).zip(&found) {
        assert_eq!(*value, Lines::line(number), "lost, doubled or torn");
    }
    println!("{} lines over {kills} kills", lines.written);
}

/// The committed records of the topic, as soon as the last line is there. There may be many by then: the wait is over when
/// none comes any more.
fn committed(address: &str, lines: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let topic = TopicName::parse("lines").unwrap();
        let mut follower = Follower::of_committed(address, &topic, 1);
        let last = Lines::line(lines - 1);
        let (mut there, mut since) = (0, Instant::now());
        while follower.values.get(&0).and_then(|values| values.last()).is_none_or(|(_, value)| *value != last) {
            if there != follower.len() {
                (there, since) = (follower.len(), Instant::now());
            }
            assert!(since.elapsed() < SOON, "the last line arrives: {there} of {lines} are there");
            follower.poll().await;
        }
        follower.values.remove(&0).unwrap().into_iter().map(|(_, value)| value).collect()
    })
}

/// Where the records are.
trait BrokerAddress {
    fn broker_address(&self, settings: &str) -> String;
}

impl BrokerAddress for Worker {
    fn broker_address(&self, settings: &str) -> String {
        let foreign = settings.lines().find_map(|line| line.strip_prefix("bootstrap.servers="));
        foreign.unwrap_or(&self.broker).to_owned()
    }
}

#[test]
fn a_killed_worker_delivers_every_line_exactly_once() {
    killed_over_and_over("", kills(KILLS));
}

#[test]
fn a_killed_worker_delivers_every_line_exactly_once_on_apache_kafka() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.await_listening();
    killed_over_and_over(
        &format!("bootstrap.servers={}\nsession.timeout.ms=6000\nheartbeat.interval.ms=2000", kafka.address),
        kills(3),
    );
}
