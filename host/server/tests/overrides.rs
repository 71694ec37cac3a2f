//! What connectors override of the settings of their clients, under each policy: with an effect that can be seen.

use std::{fs, io::Write, path::Path, process::Command, process::Stdio};

use harness::{
    Broker, Worker, eventually,
    files::{append, await_content},
    millstream,
};
use serde_json::{Map, Value, json};

const NO_AUTO: &str = "auto.create.topics.enable=false";

fn object(entries: &[(&str, &str)]) -> Map<String, Value> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
}

fn source(name: &str, file: &Path, topic: &str, more: &[(&str, &str)]) -> Value {
    let file = file.display().to_string();
    let own = [("name", name), ("connector.class", "FileStreamSource"), ("file", &file), ("topic", topic)];
    Value::from(object(&[&own[..], more].concat()))
}

fn sink(name: &str, file: &Path, topic: &str, more: &[(&str, &str)]) -> Value {
    let file = file.display().to_string();
    let own = [("name", name), ("connector.class", "FileStreamSink"), ("file", &file), ("topics", topic)];
    Value::from(object(&[&own[..], more].concat()))
}

/// How a configuration was answered.
fn put(worker: &Worker, config: &Value) -> (u16, String) {
    let path = format!("/connectors/{}/config", config["name"].as_str().unwrap());
    let answer = worker.request("PUT", &path, Some(&config.to_string()));
    (answer.status, answer.body)
}

fn put_well(worker: &Worker, config: &Value) {
    let (status, body) = put(worker, config);
    assert!(status < 300, "{body}");
}

fn tool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(millstream())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn produce(broker: &str, topic: &str, lines: &str) {
    tool(&["topic", "produce", "--bootstrap-server", broker, topic], lines);
}

/// Waits until a topic of a broker holds exactly these values.
fn await_values(broker: &str, topic: &str, expected: &str) {
    eventually(&format!("{topic} holds {expected:?}"), || {
        let arguments = ["topic", "consume", topic, "--bootstrap-server", broker, "--from-beginning", "--until-end"];
        (tool(&arguments, "") == expected).then_some(())
    });
}

fn create(broker: &str, topic: &str) {
    tool(&["topic", "create", "--bootstrap-server", broker, topic], "");
}

fn topics(broker: &str) -> Vec<String> {
    tool(&["topic", "list", "--bootstrap-server", broker], "").lines().map(str::to_owned).collect()
}

/// Two brokers, of which the worker's clients use the first unless told otherwise.
struct Two {
    folder: tempfile::TempDir,
    here: Broker,
    there: Broker,
    _there: tempfile::TempDir,
}

impl Two {
    fn start() -> Self {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let here = Broker::start(folder.path(), &[NO_AUTO]);
        let there = Broker::start(other.path(), &[NO_AUTO]);
        Self { folder, here, there, _there: other }
    }

    fn worker(&self, more: &str) -> Worker {
        let settings = format!("bootstrap.servers={}\n{more}", self.here.address);
        Worker::start(self.folder.path(), &settings, &[])
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn each_client_of_a_connector_takes_its_own_overrides_before_the_workers_settings() {
    let two = Two::start();
    let (here, there) = (two.here.address.as_str(), two.there.address.as_str());
    // The worker sends everybody there, and who overrides that stays here.
    let prefixed = ["producer", "consumer", "admin"].map(|client| format!("{client}.bootstrap.servers={there}"));
    let worker = two.worker(&prefixed.join("\n"));
    let input = two.file("in.txt");
    append(&input, "one\ntwo\n");
    create(here, "kept");
    create(there, "sent");
    put_well(&worker, &source("sent", &input, "sent", &[]));
    put_well(&worker, &source("kept", &input, "kept", &[("producer.override.bootstrap.servers", here)]));
    await_values(there, "sent", "one\ntwo\n");
    await_values(here, "kept", "one\ntwo\n");

    let (near, far) = (two.file("near.txt"), two.file("far.txt"));
    put_well(&worker, &sink("far", &far, "sent", &[]));
    put_well(&worker, &sink("near", &near, "kept", &[("consumer.override.bootstrap.servers", here)]));
    await_content(&far, "one\ntwo\n");
    await_content(&near, "one\ntwo\n");

    let rules = [("topic.creation.default.partitions", "3"), ("topic.creation.default.replication.factor", "1")];
    let admin = [("admin.override.bootstrap.servers", here), ("producer.override.bootstrap.servers", here)];
    put_well(&worker, &source("made-there", &input, "made-there", &rules));
    put_well(&worker, &source("made-here", &input, "made-here", &[&rules[..], &admin].concat()));
    await_values(there, "made-there", "one\ntwo\n");
    await_values(here, "made-here", "one\ntwo\n");
    assert_eq!(topics(here).iter().filter(|topic| topic.starts_with("made")).collect::<Vec<_>>(), ["made-here"]);
    assert_eq!(topics(there).iter().filter(|topic| topic.starts_with("made")).collect::<Vec<_>>(), ["made-there"]);
}

#[test]
fn dead_letters_have_a_producer_and_an_admin_with_overrides_of_their_own() {
    let two = Two::start();
    let (here, there) = (two.here.address.as_str(), two.there.address.as_str());
    let worker = two.worker("");
    create(here, "lines");
    produce(here, "lines", "broken\n\"fine\"\n");
    let queue = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "letters"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("admin.override.bootstrap.servers", there),
        ("producer.override.bootstrap.servers", there),
        ("consumer.override.group.id", "readers"),
    ];
    let output = two.file("out.txt");
    put_well(&worker, &sink("sink", &output, "lines", &queue));
    await_content(&output, "fine\n");
    await_values(there, "letters", "broken\n");
    assert!(!topics(here).contains(&"letters".to_owned()), "{:?}", topics(here));
    // The sink's own consumer goes on here, as the member of another group.
    let groups = tool(&["group", "list", "--bootstrap-server", here], "");
    assert!(groups.contains("readers") && !groups.contains("connect-sink"), "{groups}");
}

#[test]
fn the_policy_says_what_may_be_overridden_and_names_what_it_refuses() {
    let overrides = [("linger.ms", "7"), ("sasl.mechanism", "PLAIN"), ("max.request.size", "2000")];
    for (settings, policy, allowed) in [
        ("connector.client.config.override.policy=None", "None", &[][..]),
        ("connector.client.config.override.policy=Principal", "Principal", &["sasl.mechanism"][..]),
        (
            "connector.client.config.override.policy=Allowlist\nconnector.client.config.override.allowlist=max.request.size",
            "Allowlist",
            &["max.request.size"],
        ),
        ("", "All", &["linger.ms", "sasl.mechanism", "max.request.size"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::start(folder.path(), settings, &[]);
        let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
        fs::write(&input, "short\n").unwrap();
        for (key, value) in overrides {
            // A sink without dead letters has no producer, so that nobody looks at its settings.
            let key_there = format!("producer.override.{key}");
            let idle = sink("idle", &output, "lines", &[(&key_there, value)]);
            assert!(put(&worker, &idle).0 < 300, "{policy} {key}");
            let config = source("source", &input, "lines", &[(&key_there, value)]);
            let (status, body) = put(&worker, &config);
            if allowed.contains(&key) {
                assert!(status < 300, "{policy} {key}: {body}");
            } else {
                let refusal = format!(
                    "The '{policy}' policy does not allow '{key}' to be overridden in the connector configuration."
                );
                assert_eq!(status, 400, "{policy} {key}: {body}");
                assert!(body.contains(&refusal), "{body}");
            }
        }
        if allowed.contains(&"max.request.size") {
            append(&input, &format!("{}\n", "x".repeat(3000)));
            let trace = worker.failed_trace("source");
            assert!(trace.contains("max.request.size"), "{trace}");
        }
    }
}

#[test]
fn overrides_of_the_admin_that_makes_a_sources_dead_letter_topic_are_checked_before_it_is_created() {
    let letters = ("errors.deadletterqueue.topic.name", "letters");
    for (settings, overridden, refusal) in [
        (
            "connector.client.config.override.policy=None",
            ("admin.override.request.timeout.ms", "10000"),
            "The 'None' policy does not allow 'request.timeout.ms' to be overridden in the connector configuration.",
        ),
        ("", ("admin.override.request.timeout.ms", "soon"), "soon"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::start(folder.path(), settings, &[]);
        let input = folder.path().join("in.txt");
        append(&input, "one\n");
        let (status, body) = put(&worker, &source("with", &input, "lines", &[letters, overridden]));
        assert_eq!(status, 400, "{body}");
        assert!(body.contains(refusal), "{body}");
        // Without dead letters there is no admin.
        put_well(&worker, &source("without", &input, "lines", &[overridden]));
    }
}

#[test]
fn under_the_policy_for_principals_each_client_goes_by_the_connectors_login() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(
        folder.path(),
        &[
            NO_AUTO,
            "listeners=SASL_PLAINTEXT://127.0.0.1:0",
            "sasl.enabled.mechanisms=PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_worker=\"w\" user_guest=\"g\" user_owner=\"o\";",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:worker;User:owner",
        ],
    );
    let login = |user: &str, password: &str| {
        format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" password=\"{password}\";"
        )
    };
    let mut settings = format!(
        "bootstrap.servers={}\nconnector.client.config.override.policy=Principal\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={}\n",
        broker.address,
        login("worker", "w")
    );
    // Clients of connectors are guests, who may do nothing.
    for client in ["producer", "consumer", "admin"] {
        settings += &format!(
            "{client}.security.protocol=SASL_PLAINTEXT\n{client}.sasl.mechanism=PLAIN\n{client}.sasl.jaas.config={}\n",
            login("guest", "g")
        );
    }
    let worker = Worker::start(folder.path(), &settings, &[]);
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, "one\nbroken\n");
    let owner = login("owner", "o");
    let rules = [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")];
    let as_owner = |client: &'static str| (client, owner.as_str());
    let [producer, consumer, admin] = [
        as_owner("producer.override.sasl.jaas.config"),
        as_owner("consumer.override.sasl.jaas.config"),
        as_owner("admin.override.sasl.jaas.config"),
    ];

    put_well(&worker, &source("guest", &input, "lines", &rules));
    let trace = worker.failed_trace("guest");
    assert!(trace.contains("Not authorized to describe topic(s) 'lines' on the brokers "), "{trace}");
    put_well(&worker, &source("half", &input, "lines", &[&rules[..], &[admin]].concat()));
    let trace = worker.failed_trace("half");
    assert!(trace.contains("TopicAuthorizationException"), "{trace}");
    put_well(&worker, &source("whole", &input, "lines", &[&rules[..], &[admin, producer]].concat()));

    let tolerant = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "letters"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("transforms", "cast"),
        ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.cast.spec", "int32"),
    ];
    let letters = |name: &str, more: &[(&str, &str)]| sink(name, &output, "lines", &[&tolerant[..], more].concat());
    put_well(&worker, &letters("no-admin", &[consumer, producer]));
    let trace = worker.failed_trace("no-admin");
    assert!(trace.contains("Could not initialize dead letter queue with topic=letters"), "{trace}");
    put_well(&worker, &letters("no-producer", &[consumer, admin]));
    let trace = worker.failed_trace("no-producer");
    assert!(trace.contains("TopicAuthorizationException"), "{trace}");
    let read = folder.path().join("letters.txt");
    put_well(&worker, &letters("with-all", &[consumer, producer, admin]));
    put_well(&worker, &sink("reader", &read, "letters", &[consumer]));
    await_content(&read, "one\nbroken\n");
}
