//! Real peers for the tests of this crate: an Apache Kafka broker and its programs.
//!
//! A peer that cannot be had skips the test aloud, or fails it where `MILLSTREAM_REQUIRE_PEERS=1` is set.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod coordinator;
pub mod log;
pub mod sasl;
pub mod scripted;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Output, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use harness::peers;
use millstream_broker::{Broker, BrokerConfig};
use millstream_client::{
    Admin, AdminConfig, Cluster, Consumer, ConsumerConfig, Dial, HostPort, Producer, ProducerConfig, TcpDial,
    admin::NewTopic,
};
use millstream_record::TopicName;

/// One broker, shared by the tests of a file: Apache Kafka, which ends with the test process, whose end closes its
/// standard input; or ours, on a thread of that process.
pub struct Kafka {
    address: String,
    _peer: Option<peers::Kafka>,
    dir: PathBuf,
}

/// The broker, started when first asked for. `None` when it cannot be had; the reason has been printed.
pub fn kafka() -> Option<&'static Kafka> {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    peers::have_kafka().then(|| KAFKA.get_or_init(|| Kafka::start(&[])))
}

/// A broker of its own with these settings besides, and these arguments for the formatting of its storage.
pub fn kafka_with(settings: &str, format: &str) -> Kafka {
    Kafka::start(&[("SETTINGS", settings), ("FORMAT", format)])
}

/// Our own broker, started when first asked for.
pub fn ours() -> &'static Kafka {
    static OURS: OnceLock<Kafka> = OnceLock::new();
    OURS.get_or_init(|| Kafka::ours(&[]))
}

/// Ours with transactions of the first generation of the protocol, to which a program of Kafka's brings it.
pub fn ours_with_older_transactions() -> Option<&'static Kafka> {
    static OURS: OnceLock<Kafka> = OnceLock::new();
    let start = || {
        let ours = Kafka::ours(&[]);
        let wanted = ["--bootstrap-server", &ours.address, "downgrade", "--feature", "transaction.version=1"];
        let downgraded = peers::java("org.apache.kafka.tools.FeatureCommand", &wanted).output().expect("it runs");
        assert!(downgraded.status.success(), "{}", String::from_utf8_lossy(&downgraded.stderr));
        ours
    };
    peers::have_kafka().then(|| OURS.get_or_init(start))
}

/// A second broker, on which transactions are those of the first generation of the protocol.
pub fn kafka_with_older_transactions() -> Option<&'static Kafka> {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    let older = [("FORMAT", "--feature transaction.version=1")];
    peers::have_kafka().then(|| KAFKA.get_or_init(|| Kafka::start(&older)))
}

impl Kafka {
    fn start(environment: &[(&str, &str)]) -> Self {
        // The script removes what the broker keeps there at the end, which this process may not live to see.
        let dir = tempfile::tempdir().expect("a temporary folder").keep();
        let peer = peers::Kafka::start_with(&dir, environment);
        let kafka = Self { address: peer.address.clone(), _peer: Some(peer), dir };
        kafka.await_start().expect("Kafka answers");
        kafka
    }

    /// Our own broker with these settings. The first of its listeners is a plain one.
    pub fn ours(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder").keep();
        let logs = dir.join("logs").display().to_string();
        let own = [
            ("log.dirs", logs.as_str()),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let all = own.iter().chain(settings).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = BrokerConfig::from_properties(&all.collect()).expect("valid");
        let (sender, address) = std::sync::mpsc::channel();
        // It lasts as long as the process, whichever test began it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let broker = Broker::start(config).await.expect("it starts");
                sender.send(broker.listen_addresses()[0].to_string()).expect("somebody waits");
                std::future::pending::<()>().await;
            });
        });
        let address = address.recv().expect("it starts");
        Self { address, _peer: None, dir }
    }

    fn await_start(&self) -> Result<(), String> {
        let started = Instant::now();
        // The broker answers once it has registered; our own client asks until then. On a thread of its own,
        // since the test that asks for the broker runs within a runtime already.
        let asked = std::thread::scope(|scope| {
            let ask = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| error.to_string())?;
                runtime.block_on(async { self.admin().describe_cluster().await }).map_err(|error| {
                    let log = std::fs::read_to_string(self.dir.join("kafka/broker.log")).unwrap_or_default();
                    format!("{} after {:?}; {log}", millstream_record::ErrorChain(&error), started.elapsed())
                })
            };
            scope.spawn(ask).join()
        });
        asked.map_err(|_| "the client panicked".to_owned())??;
        Ok(())
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Client properties for this broker.
    pub fn properties(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        properties(&self.address(), more)
    }

    pub fn admin(&self) -> Admin {
        let config = AdminConfig::from_properties(&self.properties(&[("default.api.timeout.ms", "90000")]));
        let config = config.expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        Admin::new(&cluster, &config)
    }

    pub fn producer(&self, more: &[(&str, &str)]) -> Producer {
        producer(Arc::new(TcpDial), &self.address(), more)
    }

    pub fn consumer(&self, more: &[(&str, &str)]) -> Consumer {
        consumer(Arc::new(TcpDial), &self.address(), more)
    }

    /// Creates a topic of its own for one test.
    pub async fn topic(&self, name: &str, partitions: u32, configs: &[(&str, &str)]) -> TopicName {
        let topic = topic(name);
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let new = NewTopic { partitions: Some(partitions), configs, ..NewTopic::new(topic.clone()) };
        let results = self.admin().create_topics(&[new], false).await.expect("the broker answers");
        results[&topic].as_ref().expect("created");
        // The broker that is asked hears of it from the controller.
        let began = Instant::now();
        while self.admin().describe_topics(std::slice::from_ref(&topic)).await.expect("answered")[&topic].is_err() {
            assert!(began.elapsed() < Duration::from_secs(120), "{topic} is known in time");
        }
        topic
    }

    /// Java's consumer as a member of a group, until it has read one record.
    pub async fn consume_one_in_java(&self, topic: &TopicName, group: &str, properties: &[&str]) -> Output {
        let address = self.address();
        let mut arguments = vec!["--bootstrap-server", &address, "--topic", topic.as_str(), "--group", group];
        arguments.extend(["--from-beginning", "--max-messages", "1", "--timeout-ms", "180000"]);
        properties.iter().for_each(|property| arguments.extend(["--command-property", property]));
        self.run("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments, "").await
    }

    /// Runs one of Kafka's programs to its end, with `input` on its standard input.
    pub async fn run(&self, class: &str, arguments: &[&str], input: &str) -> Output {
        run(peers::java(class, arguments).into(), input).await
    }
}

pub fn properties(address: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), address.to_owned())]);
    properties.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    properties
}

pub fn producer(dial: Arc<dyn Dial>, address: &str, more: &[(&str, &str)]) -> Producer {
    let config = ProducerConfig::from_properties(&properties(address, more)).expect("valid");
    let cluster = Cluster::connect(dial, &config.bootstrap, config.connection.clone());
    Producer::new(&cluster, config)
}

pub fn consumer(dial: Arc<dyn Dial>, address: &str, more: &[(&str, &str)]) -> Consumer {
    let config = ConsumerConfig::from_properties(&properties(address, more)).expect("valid");
    let cluster = Cluster::connect(dial, &config.bootstrap, config.connection.clone());
    Consumer::new(&cluster, config)
}

pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a valid name")
}

pub fn host_port(address: &str) -> HostPort {
    HostPort::parse(address).expect("an address")
}

/// Runs a command to its end, with `input` on its standard input, for at most a minute and a half.
pub async fn run(mut command: tokio::process::Command, input: &str) -> Output {
    use tokio::io::AsyncWriteExt;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("the program reads");
    drop(stdin);
    tokio::time::timeout(Duration::from_secs(90), child.wait_with_output())
        .await
        .expect("the program ends in time")
        .expect("its output can be read")
}
