//! A broker that is away for longer than a worker's session, and back: nothing is lost, and the states are right. In front
//! of our own broker and of Apache Kafka, frozen and killed, for a worker by itself and for one of a group.

use std::{fs, path::Path};

use harness::{
    Broker, Worker, eventually,
    files::{append, await_content, lines},
    free_port, get,
    peers::{Kafka, have_kafka},
};
use serde_json::json;

/// Short, so that a broker is soon away for longer than any of them.
const SHORT: &str = "session.timeout.ms=1500\nheartbeat.interval.ms=300\nrequest.timeout.ms=2000\n\
    producer.request.timeout.ms=2000\nproducer.delivery.timeout.ms=600000\nproducer.linger.ms=0\nconsumer.request.timeout.ms=2000\n\
    consumer.session.timeout.ms=1500\nconsumer.heartbeat.interval.ms=300\ntask.shutdown.graceful.timeout.ms=1000\n";

/// A worker with a source and a sink over a broker.
struct Running {
    folder: tempfile::TempDir,
    worker: Worker,
    in_group: bool,
    topic: &'static str,
}

impl Running {
    fn start(broker: &str, in_group: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("bootstrap.servers={broker}\n{SHORT}");
        let worker = if in_group {
            Worker::start_distributed(folder.path(), &settings)
        } else {
            Worker::start(folder.path(), &settings, &[])
        };
        let running = Self { folder, worker, in_group, topic: if in_group { "of-group" } else { "of-one" } };
        running.append(0..100);
        running.create("source", "FileStreamSource", "topic", "in.txt");
        running.create("sink", "FileStreamSink", "topics", "out.txt");
        running.create("paused", "FileStreamSink", "topics", "paused.txt");
        running.await_states("paused", "RUNNING");
        running.ask("/connectors/paused/pause", None, 202);
        running.await_states("paused", "PAUSED");
        await_content(&running.path("out.txt"), &lines(0..100));
        running
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn append(&self, numbers: std::ops::Range<u32>) {
        append(&self.path("in.txt"), &lines(numbers));
    }

    fn create(&self, name: &str, class: &str, topics: &str, file: &str) {
        let config = json!({"connector.class": class, "file": self.path(file), topics: self.topic}).to_string();
        self.ask(&format!("/connectors/{name}/config"), Some(&config), 201);
    }

    /// A session as short as these may be over on a busy machine, too: changes are refused until it has another one.
    #[track_caller]
    fn ask(&self, path: &str, body: Option<&str>, expected: u16) {
        let status = eventually(&format!("PUT {path} is done"), || {
            let status = self.worker.request("PUT", path, body).status;
            (!self.in_group || status != 409).then_some(status)
        });
        assert_eq!(status, expected, "{path}");
    }

    fn await_states(&self, name: &str, state: &str) {
        eventually(&format!("{name} is {state}"), || {
            let status = get(&self.worker.rest, &format!("/connectors/{name}/status"));
            let status = status.filter(|answer| answer.status == 200)?.json();
            let tasks = status["tasks"].as_array()?;
            let all = tasks.len() == 1 && tasks[0]["state"] == state;
            (all && status["connector"]["state"] == state).then_some(())
        });
    }

    /// What is written while nobody takes it; returns when the worker has said that the broker is away, and of one in a
    /// group when its session is over.
    fn while_away(&self, begun: usize) {
        self.append(100..200);
        eventually("the worker has noticed", || {
            let log = self.worker.log();
            let news: Vec<&str> = log[begun.min(log.len())..].lines().filter(|line| line.contains("WARN")).collect();
            let told = if self.in_group { "stopped until" } else { "likely cause" };
            news.iter().any(|line| line.contains(told)).then_some(())
        });
        assert_eq!(self.worker.get("/connectors").json(), json!(["paused", "sink", "source"]));
    }

    /// Everything is there, in the states that were asked for, and changes are taken.
    fn afterwards(&self) {
        self.await_states("source", "RUNNING");
        self.await_states("sink", "RUNNING");
        self.await_states("paused", "PAUSED");
        eventually("every line is there", || {
            let written = fs::read_to_string(self.path("out.txt")).unwrap();
            lines(0..200).lines().all(|line| written.lines().any(|other| other == line)).then_some(())
        });
        self.append(200..210);
        eventually("later lines are there", || {
            fs::read_to_string(self.path("out.txt")).unwrap().ends_with(&lines(200..210)).then_some(())
        });
        self.ask("/connectors/paused/resume", None, 202);
        self.await_states("paused", "RUNNING");
        assert!(!self.worker.log().contains("panicked"), "{}", self.worker.log());
    }
}

const OURS: &str = "group.min.session.timeout.ms=500";

#[test]
fn our_broker_is_killed_and_comes_back_and_nothing_is_lost_by_itself_or_in_a_group() {
    for in_group in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
        let mut broker = Broker::start(folder.path(), &[&listener, OURS]);
        let running = Running::start(&broker.address, in_group);
        let begun = running.worker.log().len();
        broker.kill();
        running.while_away(begun);
        let _broker = Broker::start(folder.path(), &[&listener, OURS]);
        running.afterwards();
    }
}

#[test]
fn our_broker_freezes_and_goes_on_and_nothing_is_lost_by_itself_or_in_a_group() {
    for in_group in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[OURS]);
        let running = Running::start(&broker.address, in_group);
        let begun = running.worker.log().len();
        broker.freeze();
        running.while_away(begun);
        broker.thaw();
        running.afterwards();
    }
}

#[test]
fn apache_kafka_freezes_and_is_killed_and_comes_back_and_nothing_is_lost() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ports = (free_port(), free_port());
    let kafka = Kafka::start_at(folder.path(), ports, &[("KEEP", "1")]);
    kafka.await_listening();
    let first = Running::start(&kafka.address, true);
    let begun = first.worker.log().len();
    kafka.freeze(true);
    first.while_away(begun);
    kafka.freeze(false);
    first.afterwards();
    drop(first);

    let running = Running::start(&kafka.address, false);
    let begun = running.worker.log().len();
    // Ends with SIGKILL.
    drop(kafka);
    running.while_away(begun);
    let kafka = Kafka::start_at(folder.path(), ports, &[("KEEP", "1")]);
    kafka.await_listening();
    running.afterwards();
}
