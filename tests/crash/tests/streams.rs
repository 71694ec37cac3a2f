//! Kafka Streams with `exactly_once_v2` on the built-in broker: instances that are killed at random lose no word and
//! count none twice. `MILLSTREAM_CRASH_KILLS` says how many are killed (`tests/compat/suites/streams.sh`).

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crash::random;
use harness::{
    Broker, Program, free_port, millstream,
    peers::{have_kafka, java_program},
};
use rand::{Rng, rngs::StdRng};

/// Instances that are killed if nothing else is said.
const KILLS: usize = 4;
/// Where there are kills enough, the broker is killed at each of so many.
const BROKER_EVERY: usize = 5;
const INSTANCES: usize = 2;
const WORDS: usize = 40;
const LINES: usize = 60;
/// What an instance prints when it is at work.
const RUNNING: &str = "state RUNNING\n";
/// A JVM may take its time to start, and a group to notice that a member has died.
const LIMIT: Duration = Duration::from_secs(240);
const SETTINGS: [&str; 6] = [
    "num.partitions=3",
    "internal.segment.bytes=30000",
    "log.cleaner.backoff.ms=500",
    "log.cleaner.min.cleanable.ratio=0.1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
    "group.min.session.timeout.ms=1000",
];

struct Scene {
    folder: tempfile::TempDir,
    listeners: String,
    broker: Broker,
}

/// Puts in words. Who holds it may restart the broker.
struct Writer {
    address: String,
    file: PathBuf,
    random: StdRng,
    /// How often each word was put in.
    expected: BTreeMap<String, u64>,
}

/// A command of our own that must succeed.
fn run(address: &str, arguments: &[&str], input: Stdio) -> String {
    let (name, rest) = arguments.split_at(2);
    let mut command = Command::new(millstream());
    command.args(name).args(["--bootstrap-server", address]).args(rest);
    let output = command.stdin(input).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Writer {
    /// Puts in some lines of random words.
    fn write(&mut self) {
        let mut lines = String::new();
        for line in 0..LINES {
            lines += &format!("{line}:");
            for place in 0..self.random.random_range(1..8) {
                let word = format!("w{}", self.random.random_range(0..WORDS));
                lines += if place == 0 { "" } else { " " };
                lines += &word;
                *self.expected.entry(word).or_default() += 1;
            }
            lines += "\n";
        }
        fs::write(&self.file, &lines).unwrap();
        let input = fs::File::open(&self.file).unwrap();
        run(&self.address, &["topic", "produce", "words", "--key-separator", ":"], input.into());
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The same port each time, so that clients find the broker again.
        let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
        let broker = Broker::start(folder.path(), &[&SETTINGS[..], &[&listeners]].concat());
        let scene = Self { folder, listeners, broker };
        for topic in ["words", "counts"] {
            scene.run(&["topic", "create", topic, "--partitions", "3"]);
        }
        scene
    }

    fn writer(&self) -> Writer {
        let file = self.folder.path().join("input");
        Writer { address: self.broker.address.clone(), file, random: random(), expected: BTreeMap::new() }
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(&self.broker.address, arguments, Stdio::null())
    }

    fn log(&self, instance: usize) -> PathBuf {
        self.folder.path().join(format!("streams-{instance}.log"))
    }

    fn start(&self, instance: usize) -> Program {
        // What the one before has printed.
        let _ = fs::remove_file(self.log(instance));
        let state = self.folder.path().join(format!("state-{instance}"));
        let arguments = ["run", &self.broker.address, state.to_str().unwrap()];
        Program::start(java_program("StreamsWordCount.java", &arguments), &self.log(instance))
    }

    fn restart_broker(&mut self) {
        self.broker.kill();
        self.broker = Broker::start(self.folder.path(), &[&SETTINGS[..], &[&self.listeners]].concat());
    }

    fn look(&self, topics: &[&str]) -> Program {
        let arguments = [&["look", &self.broker.address], topics].concat();
        Program::start(java_program("StreamsWordCount.java", &arguments), &self.folder.path().join("look.log"))
    }
}

/// The newest count of each word of a topic.
///
/// # Panics
///
/// A count does not follow the one before.
fn counts(look: &mut Program, topic: &str) -> BTreeMap<String, u64> {
    let from = look.output().len();
    look.say("");
    let seen = look.await_output(from, LIMIT, |text| text.contains("ended\n").then(|| text.to_owned()));
    let broken: Vec<&str> = seen.lines().filter(|line| line.starts_with("BROKEN")).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let line = |line: &str| {
        let (word, count) = line.strip_prefix(topic)?.strip_prefix(' ')?.split_once(' ')?;
        Some((word.to_owned(), count.parse().ok()?))
    };
    seen.lines().filter_map(line).collect()
}

#[test]
fn a_word_count_that_is_killed_at_random_counts_each_word_once() {
    if !have_kafka() {
        return;
    }
    let given = std::env::var("MILLSTREAM_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills: usize = given.unwrap_or(KILLS);
    let mut scene = Scene::new();
    let writer = Mutex::new(scene.writer());
    let mut random = random();
    let mut instances: Vec<Program> = (0..INSTANCES).map(|instance| scene.start(instance)).collect();
    let (mut died, mut brokers, begin) = (0, 0, Instant::now());
    thread::scope(|scope| {
        // Words come all the time, so that an instance dies with a transaction under way.
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(|| {
            let stopped = stopped;
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                writer.lock().unwrap().write();
            }
        });
        for kill in 0..kills {
            let instance = random.random_range(0..INSTANCES);
            // Half of them in the middle of work, the others anywhere from a start on.
            if kill % 2 == 0 {
                instances[instance].await_output(0, LIMIT, |text| text.contains(RUNNING).then_some(()));
            }
            thread::park_timeout(Duration::from_millis(random.random_range(0..5000)));
            if kill % BROKER_EVERY == BROKER_EVERY - 1 {
                let _held = writer.lock().unwrap();
                scene.restart_broker();
                brokers += 1;
            }
            if kill % 10 == 9 {
                println!("{} of {kills} rounds, {:?}", kill + 1, begin.elapsed());
            }
            // Now and then nobody is left.
            let both = random.random_range(0..4) == 0;
            for instance in (0..INSTANCES).filter(|other| *other == instance || both) {
                instances[instance].kill();
                instances[instance] = scene.start(instance);
                died += 1;
            }
        }
        drop(stop);
    });
    let writer = writer.into_inner().unwrap();
    let mut look = scene.look(&["counts"]);
    harness::within(LIMIT, "every word is counted", || {
        let found = counts(&mut look, "counts");
        let over = found.iter().find(|(word, count)| writer.expected[*word] < **count);
        assert_eq!(over, None, "no word is counted twice");
        (found == writer.expected).then_some(())
    });
    for instance in instances {
        assert!(instance.end(LIMIT).success());
    }
    drop(look);
    check_topics(&scene, &writer);
    let put_in: u64 = writer.expected.values().sum();
    println!(
        "{died} kills of instances, {brokers} of the broker, {put_in} words in {:?}: none lost, none twice",
        begin.elapsed()
    );
}

/// What Streams keeps in topics of its own: the changelog is compacted and tells the same, and what was read of the
/// topic between its halves is deleted.
fn check_topics(scene: &Scene, writer: &Writer) {
    let changelog = "wordcount-store-changelog";
    let mut look = scene.look(&[&format!("+{changelog}")]);
    assert_eq!(counts(&mut look, changelog), writer.expected, "the changelog tells the same");
    let put_in = writer.expected.values().sum::<u64>() as usize;
    harness::within(LIMIT, "the changelog is compacted", || {
        let left = scene.run(&["topic", "consume", changelog, "--from-beginning", "--until-end", "--output", "json"]);
        (left.lines().count() < put_in / 2).then_some(())
    });
    assert_eq!(counts(&mut look, changelog), writer.expected, "the compacted changelog tells the same");
    let repartition = "wordcount-by-word-repartition";
    let earliest = scene.run(&["topic", "offsets", repartition, "--at", "earliest"]);
    let deleted: u64 = earliest.lines().map(|line| line.rsplit(':').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(0 < deleted, "what was read of {repartition} is deleted: {earliest}");
}

#[test]
fn groups_of_type_streams_are_refused_with_the_reason() {
    if !have_kafka() {
        return;
    }
    let scene = Scene::new();
    let state = scene.folder.path().join("state");
    let arguments = ["run", &scene.broker.address, state.to_str().unwrap(), "group.protocol=streams"];
    let mut refused = Program::start(java_program("StreamsWordCount.java", &arguments), &scene.log(0));
    refused.await_output(0, LIMIT, |text| {
        text.contains("UnsupportedVersionException: The cluster does not support the STREAMS group protocol")
            .then_some(())
    });
}
