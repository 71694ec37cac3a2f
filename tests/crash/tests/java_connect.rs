//! Apache Kafka's own Connect in distributed mode, with exactly-once sources, on the built-in broker: two workers that
//! are killed at random write each line of a file once, and sinks miss none. `MILLSTREAM_CRASH_KILLS` says how many are
//! killed (`tests/compat/suites/java-connect.sh`).

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use crash::random;
use harness::{
    Broker, Program, free_port, get, millstream,
    peers::{have_kafka, java},
    request, within,
};
use rand::{Rng, rngs::StdRng};

/// Workers that are killed if nothing else is said.
const KILLS: usize = 3;
/// Where there are kills enough, the broker is killed at each of so many.
const BROKER_EVERY: usize = 5;
const WORKERS: usize = 2;
const SOURCES: usize = 2;
/// A worker may take its time to start, and a group to notice that a member has died.
const LIMIT: Duration = Duration::from_secs(240);
const SETTINGS: [&str; 4] = [
    "internal.segment.bytes=30000",
    "log.cleaner.backoff.ms=500",
    "log.cleaner.min.cleanable.ratio=0.1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
];
const WORKER: &str = "group.id=connect
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
offset.storage.partitions=5
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
exactly.once.source.support=enabled
consumer.isolation.level=read_committed
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
rebalance.timeout.ms=10000
scheduled.rebalance.max.delay.ms=1000
plugin.discovery=hybrid_warn
";

struct Scene {
    folder: tempfile::TempDir,
    listeners: String,
    broker: Broker,
    random: StdRng,
    /// Lines written to each source's file.
    written: [usize; SOURCES],
    ports: [u16; WORKERS],
}

fn line(source: usize, number: usize) -> String {
    format!("line-{source}-{number:06}-end")
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("no-plugins")).unwrap();
        // The same port each time, so that clients find the broker again.
        let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
        let broker = Broker::start(folder.path(), &[&SETTINGS[..], &[&listeners]].concat());
        let ports = std::array::from_fn(|_| free_port());
        Self { folder, listeners, broker, random: random(), written: [0; SOURCES], ports }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, worker: usize) -> Program {
        let settings = format!(
            "{WORKER}bootstrap.servers={}\nlisteners=http://127.0.0.1:{}\nplugin.path={}\n",
            self.broker.address,
            self.ports[worker],
            self.file("no-plugins").display()
        );
        let properties = self.file(&format!("worker-{worker}.properties"));
        fs::write(&properties, settings).unwrap();
        let class = "org.apache.kafka.connect.cli.ConnectDistributed";
        Program::start(java(class, &[properties.to_str().unwrap()]), &self.file(&format!("worker-{worker}.log")))
    }

    fn rest(&self, worker: usize) -> String {
        format!("127.0.0.1:{}", self.ports[worker])
    }

    /// Waits until a worker answers that it has so many connectors.
    fn await_worker(&self, worker: usize, program: &mut Program, connectors: usize) {
        within(LIMIT, "the worker answers", || {
            assert!(program.is_running(), "{}", program.output());
            let answer = get(&self.rest(worker), "/connectors").filter(|answer| answer.status == 200)?;
            (answer.json().as_array()?.len() == connectors).then_some(())
        });
    }

    /// Sends until it is answered with one of these: while workers come and go a request may fail, and have been carried
    /// out.
    fn ask(&self, method: &str, path: &str, body: Option<&str>, statuses: &[u16]) {
        let mut last = None;
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            last = request(&self.rest(0), method, path, body);
            if last.as_ref().is_some_and(|answer| statuses.contains(&answer.status)) {
                return;
            }
        }
        panic!("{method} {path}: {last:?}, one of {statuses:?} is wanted");
    }

    fn await_running(&self, connector: &str) {
        within(LIMIT, "the connector and its task run", || {
            let status = get(&self.rest(0), &format!("/connectors/{connector}/status"))?;
            if status.status != 200 {
                return None;
            }
            let status = status.json();
            assert_ne!(status["tasks"][0]["state"], "FAILED", "{status:#}");
            (status["connector"]["state"] == "RUNNING" && status["tasks"][0]["state"] == "RUNNING").then_some(())
        });
    }

    /// Appends lines to the files that are read.
    fn write(&mut self) {
        for source in 0..SOURCES {
            let lines = self.random.random_range(1..30);
            let from = self.written[source];
            let text: String = (from..from + lines).map(|number| line(source, number) + "\n").collect();
            let mut file = fs::File::options().append(true).create(true).open(self.file(&format!("in-{source}")));
            file.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
            self.written[source] += lines;
        }
    }

    fn restart_broker(&mut self) {
        self.broker.kill();
        self.broker = Broker::start(self.folder.path(), &[&SETTINGS[..], &[&self.listeners]].concat());
    }

    /// A command of our own that must succeed.
    fn run(&self, arguments: &[&str]) -> String {
        let (name, rest) = arguments.split_at(2);
        let mut command = Command::new(millstream());
        let output = command.args(name).args(["--bootstrap-server", &self.broker.address]).args(rest).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn committed(&self, source: usize) -> Vec<String> {
        let topic = format!("lines-{source}");
        let how = ["--from-beginning", "--until-end", "--isolation-level", "read_committed"];
        self.run(&[&["topic", "consume", &topic], &how[..]].concat()).lines().map(str::to_owned).collect()
    }

    /// Each line of each file is in its topic once and in order, and in the file of its sink.
    fn check(&self) {
        for source in 0..SOURCES {
            let expected: Vec<String> = (0..self.written[source]).map(|number| line(source, number)).collect();
            within(LIMIT, "every line is in the topic", || {
                let found = self.committed(source);
                let wrong = found.iter().zip(&expected).position(|(found, expected)| found != expected);
                assert_eq!(wrong.map(|at| (at, &found[at])), None, "each line once and in order");
                assert!(found.len() <= expected.len(), "nothing is written twice: {:?}", &found[expected.len()..]);
                (found.len() == expected.len()).then_some(())
            });
            within(LIMIT, "every line is in the sink's file", || {
                let text = fs::read_to_string(self.file(&format!("out-{source}"))).unwrap_or_default();
                expected.iter().all(|line| text.contains(line)).then_some(())
            });
        }
    }
}

#[test]
fn kafkas_own_connect_that_is_killed_at_random_writes_each_line_once() {
    if !have_kafka() {
        return;
    }
    let given = std::env::var("MILLSTREAM_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills: usize = given.unwrap_or(KILLS);
    let mut scene = Scene::new();
    scene.write();
    let mut workers = vec![scene.start(0)];
    scene.await_worker(0, &mut workers[0], 0);
    for source in 0..SOURCES {
        let file = |name: &str| scene.file(&format!("{name}-{source}")).display().to_string();
        // One ends its transactions with each poll, the other has them open most of the time.
        let boundary = ["poll", "interval"][source % 2];
        let body = format!(
            r#"{{"connector.class": "FileStreamSource", "file": {:?}, "topic": "lines-{source}",
                "exactly.once.support": "required", "transaction.boundary": "{boundary}",
                "transaction.boundary.interval.ms": "700"}}"#,
            file("in")
        );
        scene.ask("PUT", &format!("/connectors/source-{source}/config"), Some(&body), &[201, 200]);
        let body = format!(
            r#"{{"connector.class": "FileStreamSink", "file": {:?}, "topics": "lines-{source}"}}"#,
            file("out")
        );
        scene.ask("PUT", &format!("/connectors/sink-{source}/config"), Some(&body), &[201, 200]);
        scene.await_running(&format!("source-{source}"));
        scene.await_running(&format!("sink-{source}"));
    }
    check_internal_topics(&scene);
    workers.push(scene.start(1));
    scene.await_worker(1, &mut workers[1], 2 * SOURCES);
    scene.write();
    scene.check();

    let begin = Instant::now();
    let (mut died, mut brokers) = (0, 0);
    for kill in 0..kills {
        // From the middle of a start to the middle of work.
        let until = Instant::now() + Duration::from_millis(scene.random.random_range(0..8000));
        while Instant::now() < until {
            scene.write();
            std::thread::park_timeout(Duration::from_millis(100));
        }
        if kill % BROKER_EVERY == BROKER_EVERY - 1 {
            scene.restart_broker();
            brokers += 1;
        }
        let worker = scene.random.random_range(0..WORKERS);
        if kill % 10 == 9 {
            println!("{} of {kills} rounds, {:?}", kill + 1, begin.elapsed());
        }
        // Now and then nobody is left.
        let both = scene.random.random_range(0..4) == 0;
        for worker in (0..WORKERS).filter(|other| *other == worker || both) {
            workers[worker].kill();
            workers[worker] = scene.start(worker);
            died += 1;
        }
    }
    scene.write();
    scene.check();

    // Restarted by request, stopped and resumed.
    scene.ask("POST", "/connectors/source-0/restart?includeTasks=true", None, &[202]);
    scene.write();
    scene.check();
    scene.ask("PUT", "/connectors/source-0/stop", None, &[204]);
    scene.write();
    scene.ask("PUT", "/connectors/source-0/resume", None, &[202]);
    scene.check();
    scene.ask("DELETE", "/connectors/source-1", None, &[204, 404]);
    println!(
        "{died} kills of workers, {brokers} of the broker, {} lines in {:?}: none lost, none twice",
        scene.written.iter().sum::<usize>(),
        begin.elapsed()
    );
}

/// They are made by the worker, and as it wants them.
fn check_internal_topics(scene: &Scene) {
    for (topic, partitions) in [("connect-configs", 1), ("connect-offsets", 5), ("connect-status", 5)] {
        let described: serde_json::Value =
            serde_json::from_str(&scene.run(&["topic", "describe", topic, "--output", "json"])).unwrap();
        let topic = &described[0];
        assert_eq!(topic["configs"]["cleanup.policy"], "compact", "{described:#}");
        assert_eq!(topic["partitions"].as_array().map(Vec::len), Some(partitions), "{described:#}");
    }
}
