//! The broker with other people's clients: librdkafka's kcat, the Java client with Apache Kafka's own tools, and
//! three of Python's.

mod support;

use std::{path::Path, process::Stdio, time::Duration};

use harness::free_port;
use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, UpdateFeaturesRequest, UpdateFeaturesResponse, update_features_request::FeatureUpdateKey,
};
use support::{
    Client,
    peers::{Kafka, answers, have_java, have_kcat, have_python, java, kcat, python, run},
    text, with,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const TRANSACTIONAL_COPIER: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";

/// A broker that keeps its port over restarts.
struct Server<'a> {
    dir: &'a Path,
    port: u16,
    broker: Broker,
}

impl<'a> Server<'a> {
    async fn start(dir: &'a Path) -> Self {
        let port = free_port();
        Self { dir, port, broker: Self::broker(dir, port).await }
    }

    async fn broker(dir: &Path, port: u16) -> Broker {
        let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        Broker::start(with(dir, &[("listeners", &listeners), ("internal.segment.bytes", "1000000")])).await.unwrap()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn restart(self) -> Self {
        self.broker.shutdown().await.unwrap();
        Self { broker: Self::broker(self.dir, self.port).await, ..self }
    }

    async fn crash(self) -> Self {
        self.broker.abandon().await;
        Self { broker: Self::broker(self.dir, self.port).await, ..self }
    }
}

/// A program of Java's in tests/compat.
fn compat(file: &str) -> String {
    format!("{}/../../tests/compat/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|n| format!("line {n} {}\n", "z".repeat(n % 89))).collect()
}

async fn consume_with_kcat(address: &str, topic: &str) -> String {
    run(kcat(&["-C", "-b", address, "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true"]), "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_gets_back_what_it_sent_in_every_codec() {
    if !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let sent = lines(0..20_000);
    for codec in CODECS {
        run(kcat(&["-P", "-b", &server.address(), "-t", codec, "-z", codec]), &sent).await;
    }
    server = server.restart().await;
    for codec in CODECS {
        assert!(consume_with_kcat(&server.address(), codec).await == sent, "{codec} after a restart");
    }
    server = server.crash().await;
    assert!(consume_with_kcat(&server.address(), "zstd").await == sent, "after a crash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_kcat_goes_on_where_it_stopped_over_restarts_and_crashes() {
    if !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let address = server.address();
    let consume = || kcat(&["-G", "group", "-b", &address, "-e", "-q", "-X", "auto.offset.reset=earliest", "topic"]);
    for round in 0..3 {
        let sent = lines(round * 1000..(round + 1) * 1000);
        run(kcat(&["-P", "-b", &address, "-t", "topic"]), &sent).await;
        assert_eq!(run(consume(), "").await, sent, "round {round}: each record once");
        server = if round == 0 { server.restart().await } else { server.crash().await };
    }
    let metadata = run(kcat(&["-L", "-b", &address]), "").await;
    assert!(metadata.contains("topic \"topic\" with 1 partitions"), "{metadata}");
    let end = run(kcat(&["-Q", "-b", &address, "-t", "topic:0:-1"]), "").await;
    assert_eq!(end.trim(), "topic [0] offset 3000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_writes_every_line_once_and_in_order_while_the_broker_crashes() {
    if !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let address = server.address();
    // -E: a broker that is away is no reason to give up.
    let mut producer = kcat(&["-P", "-E", "-b", &address, "-t", "topic", "-X", "enable.idempotence=true"]);
    producer.args(["-X", "linger.ms=1", "-X", "reconnect.backoff.max.ms=200", "-X", "message.timeout.ms=60000"]);
    producer.stdin(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut producer = producer.spawn().unwrap();
    let mut stdin = producer.stdin.take().unwrap();
    let mut sent = 0;
    for round in 0..6 {
        // The broker goes away in the middle of what is written here.
        let text = lines(sent..sent + 8000);
        let (first, second) = text.split_at(text.len() / 2);
        stdin.write_all(first.as_bytes()).await.unwrap();
        let (written, next) = tokio::join!(stdin.write_all(second.as_bytes()), async {
            if round % 3 == 2 { server.restart().await } else { server.crash().await }
        });
        written.unwrap();
        server = next;
        sent += 8000;
    }
    drop(stdin);
    let ended = tokio::time::timeout(Duration::from_secs(90), producer.wait()).await.expect("kcat ends").unwrap();
    assert!(ended.success());
    assert!(consume_with_kcat(&address, "topic").await == lines(0..sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_tools_create_fill_read_and_describe() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let address = server.address();
    let to = ["--bootstrap-server", address.as_str()];
    let tool = |class, arguments: &[&str]| java(class, &[&to, arguments].concat());
    run(tool(TOPICS, &["--create", "--topic", "t", "--partitions", "2", "--config", "retention.ms=12345678"]), "")
        .await;
    let sent = lines(0..2000);
    let keyed: String = sent.lines().map(|line| format!("same key\t{line}\n")).collect();
    let properties = ["--reader-property", "parse.key=true", "--compression-codec", "lz4", "--topic", "t"];
    run(tool(CONSOLE_PRODUCER, &properties), &keyed).await;

    server = server.restart().await;
    let reading =
        ["--topic", "t", "--group", "g", "--from-beginning", "--max-messages", "2000", "--timeout-ms", "60000"];
    assert!(run(tool(CONSOLE_CONSUMER, &reading), "").await == sent, "one key, one partition, one order");

    server = server.crash().await;
    let described = run(tool(TOPICS, &["--describe", "--topic", "t"]), "").await;
    assert!(described.contains("PartitionCount: 2") && described.contains("retention.ms=12345678"), "{described}");
    let group = run(tool(GROUPS, &["--describe", "--group", "g"]), "").await;
    let row: Vec<&str> = group.lines().find(|line| line.contains("2000")).expect("a row").split_whitespace().collect();
    assert_eq!((row[0], row[1], row[3], row[4], row[5]), ("g", "t", "2000", "2000", "0"), "{group}");
    let offsets = run(tool(GET_OFFSETS, &["--topic", "t"]), "").await;
    assert_eq!(sum_of_offsets(&offsets), 2000, "{offsets}");
    drop(server);
}

/// Adds up lines like `topic:partition:offset`.
fn sum_of_offsets(text: &str) -> u64 {
    text.lines().map(|line| line.rsplit(':').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_performance_tools_find_every_record() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.address();
    let produce = ["--topic", "perf", "--num-records", "50000", "--record-size", "100", "--throughput", "-1"];
    let properties = ["--bootstrap-server", &address, "--command-property", "acks=all"];
    let produced = run(java(PRODUCER_PERFORMANCE, &[&produce[..], &properties].concat()), "").await;
    assert!(produced.contains("50000 records sent"), "{produced}");
    let consume = ["--bootstrap-server", &address, "--topic", "perf", "--num-records", "50000"];
    let consumed = run(java(CONSUMER_PERFORMANCE, &consume), "").await;
    let row = consumed.lines().nth(1).expect("a row of figures");
    assert_eq!(row.split(", ").nth(4), Some("50000"), "{consumed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_java_producer_writes_every_record_once_and_in_order_while_the_broker_crashes() {
    const RECORDS: usize = 15_000;
    if !have_java() || !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let address = server.address();
    let config = dir.path().join("producer.properties");
    std::fs::write(&config, "enable.idempotence=true\nretries=2147483647\nacks=all\nreconnect.backoff.max.ms=200\n")
        .unwrap();
    let records = RECORDS.to_string();
    let arguments = ["--bootstrap-server", &address, "--topic", "topic", "--max-messages", &records];
    let mut producer = java(VERIFIABLE_PRODUCER, &arguments);
    producer.args(["--throughput", "5000", "--command-config"]).arg(&config);
    producer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut producer = producer.spawn().unwrap();
    let mut output = BufReader::new(producer.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let read = async {
        while let Some(line) = output.next_line().await.unwrap() {
            assert!(!line.contains("producer_send_error"), "{line}");
            if line.contains("producer_send_success") {
                acknowledged.push((number(&line, "\"offset\":"), number(&line, "\"value\":\"")));
                if [2000, 5000, 8000, 11_000].contains(&acknowledged.len()) {
                    server = server.crash().await;
                }
            }
        }
        (server, acknowledged)
    };
    let (server, acknowledged) = tokio::time::timeout(Duration::from_secs(90), read).await.expect("the producer ends");
    assert!(producer.wait().await.unwrap().success());
    let expected: Vec<(usize, usize)> = (0..RECORDS).map(|n| (n, n)).collect();
    assert!(acknowledged == expected, "acknowledged in order, at offsets without a gap");
    let stored = consume_with_kcat(&server.address(), "topic").await;
    assert!(stored == (0..RECORDS).map(|n| format!("{n}\n")).collect::<String>());
}

/// The number behind a key in a line of JSON.
fn number(line: &str, key: &str) -> usize {
    let (_, rest) = line.split_once(key).unwrap_or_else(|| panic!("no {key} in {line}"));
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().unwrap()
}

async fn numbers_from_python(client: &str) {
    if !have_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let address = server.address();
    let produce = |from: &str, to: &str| python(&[&address, client, "produce", "topic", from, to]);
    let consume = |count: &str| python(&[&address, client, "consume", "topic", "group", count]);
    let numbers = |range: std::ops::Range<usize>| range.map(|n| format!("{n}\n")).collect::<String>();
    run(produce("0", "3000"), "").await;
    server = server.crash().await;
    assert_same(&run(consume("3000"), "").await, &numbers(0..3000), "everything, in order");
    server = server.restart().await;
    // While this is sent, the broker goes away and comes back.
    let (_, next) = tokio::join!(run(produce("3000", "8000"), ""), async {
        wait_for_end(&server, 3001).await;
        server.crash().await
    });
    server = next;
    let read = run(consume("5000"), "").await;
    assert_same(&read, &numbers(3000..8000), "it goes on where the group stopped, each once and in order");
    drop(server);
}

/// Producers without idempotence, which may number their batches all the same (aiokafka does).
async fn plain_producer_from_python(client: &str) {
    if !have_python() || !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.address();
    let expected: String = (0..500).map(|n| format!("{n}\n")).collect();
    for codec in CODECS {
        run(python(&[&address, client, "plain", codec, codec, "500"]), "").await;
        assert_same(&consume_with_kcat(&address, codec).await, &expected, codec);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluents_plain_producer_is_taken_in_every_codec() {
    plain_producer_from_python("confluent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_producer_of_kafka_python_is_taken_in_every_codec() {
    plain_producer_from_python("kafka-python").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_producer_of_aiokafka_is_taken_in_every_codec() {
    plain_producer_from_python("aiokafka").await;
}

/// Compares texts of many lines and shows the first that differs.
#[track_caller]
fn assert_same(found: &str, expected: &str, what: &str) {
    let differs = found.lines().zip(expected.lines()).enumerate().find(|(_, (found, expected))| found != expected);
    let (found, expected) = (found.lines().count(), expected.lines().count());
    assert!(
        differs.is_none() && found == expected,
        "{what}: {found} lines of {expected}, first difference {differs:?}"
    );
}

/// Waits until the topic has that many records.
async fn wait_for_end(server: &Server<'_>, records: i64) {
    let begin = std::time::Instant::now();
    let mut client = support::Client::new(&server.broker);
    // The fetch waits for what it asks for, so this asks a few times at most.
    while client.fetch("topic", records - 1, 1000).await.2.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(180), "{records} records in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluents_python_client_loses_and_repeats_nothing() {
    numbers_from_python("confluent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_python_loses_and_repeats_nothing() {
    numbers_from_python("kafka-python").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiokafka_loses_and_repeats_nothing() {
    numbers_from_python("aiokafka").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_that_were_recorded_are_those_of_apache_kafka() {
    if !have_java() || !have_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(dir.path());
    let address = kafka.address.clone();
    kafka.await_listening();
    let ask = |what| run(answers(&[what, &address]), "");
    let (produce, settings, epochs) = tokio::join!(ask("produce"), ask("settings"), ask("epochs"));
    let transactions = ask("transactions").await;
    for (found, recorded) in [
        (produce, include_str!("recorded/produce-4.3.txt")),
        (settings, include_str!("recorded/settings-4.3.txt")),
        (epochs, include_str!("recorded/epochs-4.3.txt")),
        (transactions, TRANSACTIONS[0].2),
    ] {
        assert_same(&without_remarks(&found), &without_remarks(recorded), "as recorded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_that_were_recorded_for_the_first_generation_of_transactions_are_those_of_apache_kafka() {
    if !have_java() || !have_python() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_with(dir.path(), &[("FORMAT", "--feature transaction.version=1")]);
    kafka.await_listening();
    let found = run(answers(&["transactions", &kafka.address]), "").await;
    assert_same(&without_remarks(&found), &without_remarks(TRANSACTIONS[1].2), "as recorded");
}

/// Level of `transaction.version`, the kind of update that leads there, and what Kafka answers and writes then.
const TRANSACTIONS: [(i16, i8, &str); 2] = [
    (2, 1, include_str!("recorded/transactions-4.3.txt")),
    (1, 2, include_str!("recorded/transactions-level-1-4.3.txt")),
];

/// What is answered otherwise: Kafka's line, ours, reason.
const TRANSACTION_DEVIATIONS: &[(&str, &str, &str)] = &[(
    "first generation | produce v11 under another id | 45 at -1",
    "first generation | produce v11 under another id | 49 at -1",
    "Kafka does not look at the id of a producer whose transaction is open already, and goes by an earlier request",
)];

fn without_remarks(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactional_producers_are_answered_as_by_kafka_and_the_same_is_written_meanwhile() {
    if !have_python() {
        return;
    }
    for (level, upgrade_type, recorded) in TRANSACTIONS {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        let settings = [
            ("listeners", listeners.as_str()),
            ("offsets.topic.num.partitions", "3"),
            ("transaction.state.log.num.partitions", "3"),
        ];
        let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
        set_transaction_version(&broker, level, upgrade_type).await;
        let found = run(answers(&["transactions", &format!("127.0.0.1:{port}")]), "").await;
        let mut expected = without_remarks(recorded);
        for (kafkas, ours, _) in TRANSACTION_DEVIATIONS {
            assert!(expected.contains(kafkas), "{kafkas}");
            expected = expected.replace(kafkas, ours);
        }
        assert_same(&without_remarks(&found), &expected, "as by Kafka");
        broker.shutdown().await.unwrap();
    }
}

async fn set_transaction_version(broker: &Broker, level: i16, upgrade_type: i8) {
    let update = FeatureUpdateKey::default()
        .with_feature(text("transaction.version"))
        .with_max_version_level(level)
        .with_upgrade_type(upgrade_type);
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    let response: UpdateFeaturesResponse = Client::new(broker).call(ApiKey::UpdateFeatures, 2, &request).await;
    assert_eq!(response.error_code, 0, "{:?}", response.error_message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_have_to_be_refused_are_answered_as_by_kafka_4_3() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let port = server.port.to_string();
    let answered = run(java(&compat("Refusals.java"), &["127.0.0.1", &port]), "").await;
    let recorded = include_str!("recorded/refusals-4.3.txt").lines().filter(|line| !line.starts_with('#'));
    let wrong: Vec<_> = recorded.zip(answered.lines()).filter(|(kafka, ours)| kafka != ours).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(answered.lines().count(), include_str!("recorded/refusals-4.3.txt").lines().count() - 1);
    server.broker.shutdown().await.unwrap();
}

/// Requests that are answered otherwise than by Kafka, and why.
const TABLE_DEVIATIONS: &[(&str, &str)] = &[
    (
        "show broker '1' [log.retention.ms, log.retention.bytes, broker.id]",
        "broker.id is not set by node.id, but the other way",
    ),
    ("quota of an ip and a user", "the entity is told as it came, and not in an order of its own"),
    ("move 'missing' to /nowhere", "as above"),
    ("move 'missing' to relative", "as above"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_administrators_ask_for_and_change_is_answered_as_by_kafka_4_3() {
    if !have_java() {
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let settings = [
        ("listeners", listeners.as_str()),
        ("offsets.topic.num.partitions", "3"),
        ("transaction.state.log.num.partitions", "3"),
    ];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let answered = run(java(&compat("Refusals.java"), &["127.0.0.1", &port.to_string(), "table"]), "").await;
    let recorded = include_str!("recorded/table-4.3.txt").lines().filter(|line| !line.starts_with('#'));
    let (mut wrong, mut deviations) = (Vec::new(), Vec::new());
    for (kafkas, ours) in recorded.clone().zip(answered.lines()) {
        let name = kafkas.split('|').next().unwrap_or_default();
        match TABLE_DEVIATIONS.iter().any(|(known, _)| *known == name) {
            true if kafkas != ours => deviations.push(name),
            _ if kafkas != ours => wrong.push((kafkas, ours)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(deviations, TABLE_DEVIATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(answered.lines().count(), recorded.count());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javas_consumers_of_both_protocols_share_a_group_that_changes_its_own_with_them() {
    if !have_java() {
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let settings = [
        ("listeners", listeners.as_str()),
        ("group.consumer.heartbeat.interval.ms", "200"),
        ("group.consumer.min.heartbeat.interval.ms", "200"),
        ("group.consumer.assignment.interval.ms", "0"),
    ];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let said = run(java(&compat("ConsumerGroups.java"), &[&format!("127.0.0.1:{port}")]), "").await;
    assert!(said.ends_with("done\n"), "{said}");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_streams_says_that_its_own_protocol_of_groups_is_not_supported() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data).await;
    for topic in ["words", "counts"] {
        Client::new(&server.broker).create(topic).await;
    }
    let state = dir.path().join("state").display().to_string();
    let arguments = ["run", &server.address(), &state, "group.protocol=streams"];
    let mut streams = java(&compat("StreamsWordCount.java"), &arguments);
    streams.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut streams = streams.spawn().unwrap();
    let mut said = BufReader::new(streams.stdout.take().unwrap()).lines();
    let failed = async {
        let mut failed = Vec::new();
        while let Some(line) = said.next_line().await.unwrap() {
            failed.extend(line.strip_prefix("failed ").map(str::to_owned));
            if failed.last().is_some_and(|line| line.contains("UnsupportedVersionException")) {
                return failed;
            }
        }
        failed
    };
    let failed = tokio::time::timeout(Duration::from_secs(120), failed).await.expect("it does not wait for ever");
    assert!(failed.last().is_some_and(|line| line.contains("UnsupportedVersionException")), "{failed:?}");
    streams.kill().await.unwrap();
    server.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafkas_consumers_of_the_consumer_protocol_share_a_group_and_one_that_is_killed_is_given_up() {
    if !have_python() {
        return;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let settings = [
        ("listeners", listeners.as_str()),
        ("group.consumer.heartbeat.interval.ms", "200"),
        ("group.consumer.min.heartbeat.interval.ms", "200"),
        ("group.consumer.assignment.interval.ms", "0"),
        ("group.disconnect.grace.ms", "500"),
    ];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut script = tokio::process::Command::new(compat("python.sh"));
    script.args(["groups", &format!("127.0.0.1:{port}")]);
    let said = run(script, "").await;
    assert!(said.ends_with("done\n"), "{said}");
    broker.shutdown().await.unwrap();
}

/// What a consumer of committed records sees of a topic, by Java.
async fn committed_lines(server: &Server<'_>, topic: &str, count: usize) -> String {
    let (address, count) = (server.address(), count.to_string());
    let settings = ["--isolation-level", "read_committed", "--from-beginning", "--timeout-ms", "20000"];
    let place = ["--bootstrap-server", &address, "--topic", topic, "--max-messages", &count];
    run(java(CONSOLE_CONSUMER, &[&place[..], &settings[..]].concat()), "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javas_transactional_copier_copies_each_record_once_in_both_generations() {
    if !have_java() || !have_kcat() {
        return;
    }
    let sent = lines(0..500);
    for (level, upgrade_type, _) in TRANSACTIONS {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path()).await;
        set_transaction_version(&server.broker, level, upgrade_type).await;
        let address = server.address();
        run(kcat(&["-b", &address, "-P", "-t", "in", "-p", "0"]), &sent).await;
        let copier = [
            "--broker-list",
            &address,
            "--input-topic",
            "in",
            "--input-partition",
            "0",
            "--output-topic",
            "out",
            "--max-messages",
            "500",
            "--consumer-group",
            "copiers",
            "--transaction-size",
            "50",
            "--transactional-id",
            "copier",
            "--enable-random-aborts",
            "--group-mode",
            "--use-group-metadata",
        ];
        run(java(TRANSACTIONAL_COPIER, &copier), "").await;
        assert_same(&committed_lines(&server, "out", 500).await, &sent, "copied");
        // What it committed survives a crash.
        let server = server.crash().await;
        assert_same(&committed_lines(&server, "out", 500).await, &sent, "copied, after a crash");
        server.broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafkas_transactional_producer_commits_what_it_wrote() {
    if !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let (address, sent) = (server.address(), lines(0..500));
    let producer = ["-b", &address, "-P", "-t", "topic", "-p", "0", "-X", "transactional.id=kcat"];
    run(kcat(&producer), &sent).await;
    let consumer = ["-b", &address, "-C", "-t", "topic", "-e", "-q", "-X", "isolation.level=read_committed"];
    assert_same(&run(kcat(&consumer), "").await, &sent, "committed");
    server.broker.shutdown().await.unwrap();
}
