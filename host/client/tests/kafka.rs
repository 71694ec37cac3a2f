//! The clients of this crate against an Apache Kafka broker and its own programs.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{kafka, run, topic};
use millstream_client::{
    Admin, Consumer, GroupMember, Producer, RecordRef, SendError,
    admin::{ConfigResource, NewTopic, OffsetSpec},
    config::IsolationLevel,
    consumer::{FetchedRecordBatches, OffsetAndMetadata, RebalanceEvent},
    group::{GroupConfig, GroupEvent, GroupProtocol},
};
use millstream_record::TopicName;
use millstream_wire::batch::{BatchHeader, Batches, RecordReader, decompress_records};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(180);

/// Key, value and header names of a record.
type Read = (Option<String>, Option<String>, Vec<String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_every_codec_come_back_as_they_were_sent() {
    let Some(kafka) = kafka() else { return };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = kafka.topic(&format!("own-{codec}"), 1, &[]).await;
        let mut producer = kafka.producer(&[("compression.type", codec)]);
        // One header: key "h", value "x".
        let headers = [2, 2, b'h', 2, b'x'];
        for n in 0..1000 {
            let (key, value) = (format!("k{n}"), format!("value number {n}"));
            let record = RecordRef {
                timestamp_ms: Some(1_700_000_000_000 + n),
                key: Some(key.as_bytes()),
                value: if n % 10 == 0 { None } else { Some(value.as_bytes()) },
                headers: if n % 2 == 0 { &headers } else { &[] },
            };
            producer.append(&topic, None, record).await.expect("taken");
        }
        producer.flush().await;
        delivered(&mut producer, 1000).await;
        let mut consumer = kafka.consumer(&[]);
        consumer.assign([(topic.clone(), 0)]);
        consumer.seek(&topic, 0, 0).expect("assigned");
        let (read, codecs) = read_all(&mut consumer, 1000).await;
        assert_eq!(read.len(), 1000, "{codec}");
        assert_eq!(read[0], (Some("k0".to_owned()), None, vec!["h".to_owned()]));
        assert_eq!(read[999], (Some("k999".to_owned()), Some("value number 999".to_owned()), Vec::new()));
        assert_eq!(codecs, BTreeSet::from([codec.to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_java_console_tools_understand_every_codec_and_are_understood() {
    let Some(kafka) = kafka() else { return };
    let address = kafka.address();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let ours = kafka.topic(&format!("to-java-{codec}"), 1, &[]).await;
        let mut producer = kafka.producer(&[("compression.type", codec)]);
        for n in 0..500 {
            let value = format!("{codec} line {n}");
            producer
                .append(&ours, None, RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() })
                .await
                .expect("taken");
        }
        producer.flush().await;
        delivered(&mut producer, 500).await;
        let consumed = kafka
            .run(
                "org.apache.kafka.tools.consumer.ConsoleConsumer",
                &[
                    "--bootstrap-server",
                    &address,
                    "--topic",
                    ours.as_str(),
                    "--from-beginning",
                    "--max-messages",
                    "500",
                    "--timeout-ms",
                    "30000",
                ],
                "",
            )
            .await;
        let lines = String::from_utf8(consumed.stdout).expect("text");
        let expected: Vec<String> = (0..500).map(|n| format!("{codec} line {n}")).collect();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&consumed.stderr));

        let theirs = kafka.topic(&format!("from-java-{codec}"), 1, &[]).await;
        let produced = kafka
            .run(
                "org.apache.kafka.tools.ConsoleProducer",
                &["--bootstrap-server", &address, "--topic", theirs.as_str(), "--compression-codec", codec],
                &expected.join("\n"),
            )
            .await;
        assert!(produced.status.success(), "{}", String::from_utf8_lossy(&produced.stderr));
        let mut consumer = kafka.consumer(&[]);
        consumer.assign([(theirs.clone(), 0)]);
        consumer.seek(&theirs, 0, 0).expect("assigned");
        let (read, codecs) = read_all(&mut consumer, 500).await;
        let values: Vec<_> = read.into_iter().map(|(_, value, _)| value.expect("set")).collect();
        assert_eq!(values, expected);
        assert_eq!(codecs, BTreeSet::from([codec.to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafka_understands_every_codec_and_is_understood() {
    let Some(kafka) = kafka() else { return };
    if !harness::peers::have_kcat() {
        return;
    }
    let address = kafka.address();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let ours = kafka.topic(&format!("to-kcat-{codec}"), 1, &[]).await;
        let mut producer = kafka.producer(&[("compression.type", codec)]);
        let expected: Vec<String> = (0..500).map(|n| format!("{codec} line {n}")).collect();
        for value in &expected {
            producer
                .append(&ours, None, RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() })
                .await
                .expect("taken");
        }
        producer.flush().await;
        delivered(&mut producer, 500).await;
        let mut command = tokio::process::Command::new("kcat");
        command.args([
            "-C",
            "-b",
            &address,
            "-t",
            ours.as_str(),
            "-o",
            "beginning",
            "-e",
            "-q",
            "-X",
            "check.crcs=true",
        ]);
        let consumed = run(command, "").await;
        let lines = String::from_utf8(consumed.stdout).expect("text");
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&consumed.stderr));

        let theirs = kafka.topic(&format!("from-kcat-{codec}"), 1, &[]).await;
        let mut command = tokio::process::Command::new("kcat");
        command.args(["-P", "-b", &address, "-t", theirs.as_str(), "-z", codec]);
        let produced = run(command, &expected.join("\n")).await;
        assert!(produced.status.success(), "{}", String::from_utf8_lossy(&produced.stderr));
        let mut consumer = kafka.consumer(&[]);
        consumer.assign([(theirs.clone(), 0)]);
        consumer.seek(&theirs, 0, 0).expect("assigned");
        let (read, codecs) = read_all(&mut consumer, 500).await;
        assert_eq!(read.into_iter().map(|(_, value, _)| value.expect("set")).collect::<Vec<_>>(), expected);
        // Small batches that compression would not make smaller are left as they are.
        assert!(codecs.contains(codec), "{codec}: {codecs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_go_where_the_java_producer_puts_them_and_other_records_stay_in_batches() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("partitions", 12, &[]).await;
    let mut producer = kafka.producer(&[]);
    assert_eq!(producer.partitions(&topic).await.expect("known"), 12);
    for (key, partition) in [("", 9), ("a", 4), ("21", 0), ("foobar", 6), ("order-42", 0), ("äöü€", 7)] {
        producer
            .append(&topic, None, RecordRef { key: Some(key.as_bytes()), ..RecordRef::default() })
            .await
            .expect("taken");
        producer.flush().await;
        let ack = producer.next_ack().await;
        assert_eq!(ack.result.expect("delivered").partition, partition, "{key}");
    }
    {
        let mut appender = producer.appender();
        for _ in 0..100 {
            appender.append(&topic, None, RecordRef { value: Some(b"x"), ..RecordRef::default() }).expect("room");
        }
    }
    producer.flush().await;
    let ack = producer.next_ack().await;
    assert_eq!(ack.last - ack.first, 99, "one batch, one acknowledgement");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_too_large_for_its_topic_is_split_and_a_record_too_large_is_refused() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("narrow", 1, &[("max.message.bytes", "4000")]).await;
    let mut producer = kafka.producer(&[("linger.ms", "20")]);
    let value = vec![b'v'; 500];
    for _ in 0..200 {
        producer
            .append(&topic, Some(0), RecordRef { value: Some(&value), ..RecordRef::default() })
            .await
            .expect("taken");
    }
    let giant = vec![b'v'; 5000];
    let giant = producer
        .append(&topic, Some(0), RecordRef { value: Some(&giant), ..RecordRef::default() })
        .await
        .expect("taken");
    for _ in 0..20 {
        producer
            .append(&topic, Some(0), RecordRef { value: Some(&value), ..RecordRef::default() })
            .await
            .expect("taken");
    }
    producer.flush().await;
    let (mut delivered, mut refused) = (0, 0);
    while 0 < producer.outstanding() {
        let ack = producer.next_ack().await;
        match ack.result {
            Ok(_) => delivered += ack.last - ack.first + 1,
            Err(error) => {
                assert_eq!((ack.first, ack.last), (giant, giant));
                assert_eq!(error.java_class(), "org.apache.kafka.common.errors.RecordTooLargeException");
                refused += 1;
            }
        }
    }
    assert_eq!((delivered, refused), (220, 1));
    let mut consumer = kafka.consumer(&[]);
    consumer.assign([(topic.clone(), 0)]);
    consumer.seek(&topic, 0, 0).expect("assigned");
    assert_eq!(read_all(&mut consumer, 220).await.0.len(), 220);
    let too_large = vec![0; 2 << 20];
    let error = producer.append(&topic, None, RecordRef { value: Some(&too_large), ..RecordRef::default() }).await;
    assert!(matches!(error, Err(SendError::RecordTooLarge { limit: 1_048_576, setting: "max.request.size", .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_requests_in_flight_keep_the_order_of_records() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("order", 1, &[]).await;
    let mut producer = kafka.producer(&[("batch.size", "1000"), ("linger.ms", "0")]);
    producer.partitions(&topic).await.expect("known");
    for n in 0..20_000 {
        let value = n.to_string();
        producer
            .append(&topic, Some(0), RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() })
            .await
            .expect("taken");
    }
    producer.flush().await;
    delivered(&mut producer, 20_000).await;
    let mut consumer = kafka.consumer(&[("max.poll.records", "100000")]);
    consumer.assign([(topic.clone(), 0)]);
    consumer.seek(&topic, 0, 0).expect("assigned");
    let read = read_all(&mut consumer, 20_000).await.0;
    assert!((0..).zip(&read).all(|(n, (_, value, _))| value.as_deref() == Some(&n.to_string())), "in order, each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_described_configured_and_deleted() {
    let Some(kafka) = kafka() else { return };
    let admin: Admin = kafka.admin();
    let cluster = admin.describe_cluster().await.expect("answered");
    assert_eq!(cluster.cluster_id.as_deref(), Some("MkU3OEVBNTcwNTJENDM2Qg"));
    let name = kafka.topic("admin", 3, &[("cleanup.policy", "compact")]).await;
    let again = admin.create_topics(&[NewTopic::new(name.clone())], false).await.expect("answered");
    assert_eq!(again[&name].as_ref().expect_err("exists").source.name(), "TOPIC_ALREADY_EXISTS");
    let described = admin.describe_topics(&[name.clone(), topic("missing")]).await.expect("answered");
    assert_eq!(described[&name].as_ref().expect("there").topic.partitions.len(), 3);
    assert_eq!(described[&topic("missing")].as_ref().expect_err("not there").source.get(), 3);
    assert!(admin.list_topics(false).await.expect("answered").contains(&name));
    let configs = admin.describe_configs(&ConfigResource::Topic(name.clone())).await.expect("answered").expect("there");
    let policy = configs.iter().find(|config| config.name == "cleanup.policy").expect("listed");
    assert_eq!((policy.value.as_deref(), policy.is_default), (Some("compact"), false));
    let grown = admin.create_partitions(&[(name.clone(), 5)].into()).await.expect("answered");
    assert!(grown[&name].is_ok());
    let deleted = admin.delete_topics(std::slice::from_ref(&name)).await.expect("answered");
    assert!(deleted[&name].is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_looked_up_and_records_before_one_deleted() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("offsets", 1, &[]).await;
    let mut producer = kafka.producer(&[]);
    for n in 0..10 {
        let record =
            RecordRef { timestamp_ms: Some(1_700_000_000_000 + n * 1000), value: Some(b"x"), ..RecordRef::default() };
        producer.append(&topic, Some(0), record).await.expect("taken");
    }
    producer.flush().await;
    delivered(&mut producer, 10).await;
    let admin = kafka.admin();
    for (spec, offset) in [
        (OffsetSpec::Earliest, Some(0)),
        (OffsetSpec::Latest, Some(10)),
        (OffsetSpec::MaxTimestamp, Some(9)),
        (OffsetSpec::At(1_700_000_003_500), Some(4)),
        (OffsetSpec::At(1_800_000_000_000), None),
    ] {
        let found =
            admin.list_offsets(&[(topic.clone(), 0, spec)], IsolationLevel::ReadUncommitted).await.expect("answered");
        assert_eq!(found[&(topic.clone(), 0)].offset, offset, "{spec:?}");
    }
    let begins = admin.delete_records(&[((topic.clone(), 0), 6)].into()).await.expect("answered");
    assert_eq!(begins[&(topic.clone(), 0)], 6);
    let mut consumer = kafka.consumer(&[("auto.offset.reset", "earliest")]);
    consumer.assign([(topic.clone(), 0)]);
    consumer.seek(&topic, 0, 2).expect("assigned");
    assert_eq!(read_all(&mut consumer, 4).await.0.len(), 4, "a position that is gone is reset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_partition_is_silent_and_a_seek_goes_anywhere() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("pausing", 2, &[]).await;
    let mut producer = kafka.producer(&[]);
    for n in 0..200 {
        let value = n.to_string();
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        producer.append(&topic, Some(n % 2), record).await.expect("taken");
    }
    producer.flush().await;
    delivered(&mut producer, 200).await;
    let mut consumer = kafka.consumer(&[("max.poll.records", "10")]);
    consumer.assign([(topic.clone(), 0), (topic.clone(), 1)]);
    for partition in [0, 1] {
        consumer.seek(&topic, partition, 0).expect("assigned");
    }
    consumer.pause(&topic, 0).expect("assigned");
    assert_eq!(consumer.paused(), BTreeSet::from([(topic.clone(), 0)]));
    let numbers =
        |read: Vec<Read>| read.into_iter().map(|(_, value, _)| value.expect("set").parse().expect("a number"));
    let odd: Vec<i32> = numbers(read_all(&mut consumer, 100).await.0).collect();
    assert_eq!(odd, (0..100).map(|n| 2 * n + 1).collect::<Vec<_>>());
    assert_eq!(consumer.position(&topic, 0).await.expect("known"), 0);

    // Back by ten and to the end; what was fetched ahead for the old position is not handed out.
    consumer.resume(&topic, 0).expect("assigned");
    consumer.seek(&topic, 0, 90).expect("assigned");
    let even: Vec<i32> = numbers(read_all(&mut consumer, 10).await.0).collect();
    assert_eq!(even, (90..100).map(|n| 2 * n).collect::<Vec<_>>());
    consumer.seek_to(&topic, 1, OffsetSpec::At(i64::MAX - 1)).expect("assigned");
    assert_eq!(consumer.position(&topic, 1).await.expect("known"), 100, "a time that is not there means the end");
    consumer.seek_to(&topic, 0, OffsetSpec::Earliest).expect("assigned");
    let again: Vec<i32> = numbers(read_all(&mut consumer, 100).await.0).collect();
    assert_eq!(again, (0..100).map(|n| 2 * n).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_shares_partitions_commits_and_goes_on_where_it_stopped() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("shared", 4, &[]).await;
    let mut producer = kafka.producer(&[]);
    for n in 0..40 {
        let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
        producer.append(&topic, Some(n % 4), record).await.expect("taken");
    }
    producer.flush().await;
    delivered(&mut producer, 40).await;
    let settings = [
        ("group.id", "sharing"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "200"),
    ];
    let mut first = kafka.consumer(&settings);
    first.subscribe([topic.clone()]).expect("a group");
    assert_eq!(assigned(&mut first).await.len(), 4);
    let (read, _) = read_all(&mut first, 40).await;
    assert_eq!(read.len(), 40);

    // A second member makes the first give up what it has, and what it commits then counts.
    let mut second = kafka.consumer(&settings);
    second.subscribe([topic.clone()]).expect("a group");
    let deadline = Instant::now() + PATIENCE;
    let (mut of_first, mut of_second) = (4, 0);
    while (of_first, of_second) != (2, 2) {
        assert!(Instant::now() < deadline, "the partitions are shared in time: {of_first} and {of_second}");
        for (consumer, count) in [(&mut first, &mut of_first), (&mut second, &mut of_second)] {
            let polled = consumer.poll(Duration::from_millis(50)).await.expect("polls");
            for event in polled.events {
                match event {
                    RebalanceEvent::Revoked(partitions) => {
                        let offsets: Vec<_> =
                            partitions.into_iter().map(|(topic, at)| (topic, at, OffsetAndMetadata::new(10))).collect();
                        consumer.commit(&offsets).await.expect("still a member");
                        *count = 0;
                    }
                    RebalanceEvent::Assigned(partitions) => *count = partitions.len(),
                    RebalanceEvent::Lost(_, reason) => panic!("lost: {reason}"),
                }
            }
        }
    }
    let partition = second.assignment().into_iter().next().expect("assigned");
    assert_eq!(second.position(&partition.0, partition.1).await.expect("known"), 10, "as committed by the first");
    let admin = kafka.admin();
    let group = admin.describe_group("sharing").await.expect("answered");
    assert_eq!((group.state.as_str(), group.protocol.as_str(), group.members.len()), ("Stable", "range", 2));
    first.close(PATIENCE).await;
    second.close(PATIENCE).await;
    assert_eq!(admin.describe_group("sharing").await.expect("answered").state, "Empty");
    let offsets = admin.list_group_offsets("sharing", None).await.expect("answered");
    assert_eq!(offsets.values().map(|committed| committed.offset).collect::<Vec<_>>(), [10; 4]);
    assert!(admin.delete_group("sharing").await.expect("answered").is_ok());
    assert!(!admin.list_groups().await.expect("answered").iter().any(|group| group.group_id == "sharing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_shared_with_a_java_consumer() {
    let Some(kafka) = kafka() else { return };
    let topic = kafka.topic("mixed", 2, &[]).await;
    let mut ours = kafka.consumer(&[
        ("group.id", "mixed"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("heartbeat.interval.ms", "200"),
    ]);
    ours.subscribe([topic.clone()]).expect("a group");
    assert_eq!(assigned(&mut ours).await.len(), 2);
    let java = kafka.consume_one_in_java(&topic, "mixed", &[]);
    tokio::pin!(java);
    // Ours gives one of its two partitions to Java's, which ends when it has read a record from it.
    let deadline = Instant::now() + PATIENCE;
    while ours.assignment().len() != 1 {
        assert!(Instant::now() < deadline, "the partitions are shared in time");
        tokio::select! {
            polled = ours.poll(Duration::from_millis(100)) => { polled.expect("polls"); }
            ended = &mut java => panic!("ended too soon: {}", String::from_utf8_lossy(&ended.stderr)),
        }
    }
    let mut producer = kafka.producer(&[]);
    for partition in [0, 1] {
        producer
            .append(&topic, Some(partition), RecordRef { value: Some(b"x"), ..RecordRef::default() })
            .await
            .expect("taken");
    }
    producer.flush().await;
    loop {
        assert!(Instant::now() < deadline, "Java's consumer ends in time");
        tokio::select! {
            polled = ours.poll(Duration::from_millis(100)) => { polled.expect("polls"); }
            ended = &mut java => {
                assert_eq!(String::from_utf8_lossy(&ended.stdout), "x\n");
                break;
            }
        }
    }
    while ours.assignment().len() != 2 {
        assert!(Instant::now() < deadline, "the partition comes back in time");
        ours.poll(Duration::from_millis(100)).await.expect("polls");
    }
    ours.close(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_any_protocol_type_elects_assigns_and_rebalances() {
    let Some(kafka) = kafka() else { return };
    let cluster = kafka.admin().cluster().clone();
    let config = GroupConfig {
        group_id: "workers".to_owned(),
        group_instance_id: None,
        protocol_type: "connect".to_owned(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(20),
        heartbeat_interval: Duration::from_millis(200),
        max_poll_interval: None,
    };
    let protocols = |name: &str| vec![GroupProtocol { name: "sessioned".to_owned(), metadata: name.to_owned().into() }];
    let mut first = GroupMember::new(&cluster, config.clone());
    first.join(protocols("one"));
    let GroupEvent::Elected { members, generation, .. } = next(&mut first).await else {
        panic!("the only member leads")
    };
    assert_eq!(members.len(), 1);
    first.assign(vec![(members[0].member_id.clone(), "all of it".into())]);
    let GroupEvent::Assigned { assignment, .. } = next(&mut first).await else { panic!("assigned") };
    assert_eq!(&assignment[..], b"all of it");
    assert_eq!(first.generation().map(|(generation, _)| generation), Some(generation));

    let mut second = GroupMember::new(&cluster, config);
    second.join(protocols("two"));
    assert!(matches!(next(&mut first).await, GroupEvent::RebalanceNeeded));
    first.join(protocols("one again"));
    let GroupEvent::Elected { members, .. } = next(&mut first).await else { panic!("leads on") };
    let said: BTreeSet<&[u8]> = members.iter().map(|member| &member.metadata[..]).collect();
    assert_eq!(said, BTreeSet::from([&b"one again"[..], b"two"]));
    first.assign(members.into_iter().map(|member| (member.member_id, member.metadata)).collect());
    let GroupEvent::Assigned { assignment, leader: false, .. } = next(&mut second).await else { panic!("assigned") };
    assert_eq!(&assignment[..], b"two");
    first.leave("done", PATIENCE).await;
    assert!(matches!(next(&mut second).await, GroupEvent::RebalanceNeeded));
    second.leave("done", PATIENCE).await;
}

async fn next(member: &mut GroupMember) -> GroupEvent {
    loop {
        let event = timeout(PATIENCE, member.next_event()).await.expect("an event in time");
        // The first member's own assignment in the second generation is of no interest.
        if !matches!(&event, GroupEvent::Assigned { assignment, .. } if &assignment[..] == b"one again") {
            return event;
        }
    }
}

async fn assigned(consumer: &mut Consumer) -> BTreeSet<(TopicName, i32)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let polled = consumer.poll(Duration::from_millis(200)).await.expect("polls");
        for event in polled.events {
            if let RebalanceEvent::Assigned(partitions) = event {
                return partitions;
            }
        }
    }
    panic!("nothing was assigned in time");
}

async fn delivered(producer: &mut Producer, records: u64) {
    let mut acknowledged = 0;
    while acknowledged < records {
        let ack = timeout(PATIENCE, producer.next_ack()).await.expect("acknowledged in time");
        ack.result.expect("delivered");
        acknowledged += ack.last - ack.first + 1;
    }
}

/// Polls until as many records as wanted are there; the codecs of their batches besides.
async fn read_all(consumer: &mut Consumer, wanted: usize) -> (Vec<Read>, BTreeSet<String>) {
    let deadline = Instant::now() + PATIENCE;
    let (mut read, mut codecs) = (Vec::new(), BTreeSet::new());
    while read.len() < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} records in time", read.len());
        for batch in consumer.poll(Duration::from_millis(500)).await.expect("polls").fetched {
            read_batch(&batch, &mut read, &mut codecs);
        }
    }
    (read, codecs)
}

fn read_batch(fetched: &FetchedRecordBatches, read: &mut Vec<Read>, codecs: &mut BTreeSet<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for batch in Batches::new(&fetched.records) {
        let (header, bytes): (BatchHeader, &[u8]) = batch.expect("a batch");
        codecs.insert(header.codec().name().to_owned());
        let mut scratch = Vec::new();
        let records = decompress_records(&header, bytes, 64 << 20, &mut scratch).expect("decompresses");
        for record in RecordReader::new(&header, records) {
            let record = record.expect("a record");
            if header.base_offset + i64::from(record.offset_delta) < fetched.first_offset {
                continue;
            }
            let headers = record.headers.map(|header| text(header.key)).collect();
            read.push((record.key.map(text), record.value.map(text), headers));
        }
    }
}
