//! Transactions of this crate's producer on Apache Kafka, in both generations of the protocol, and on our own broker.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Kafka, kafka, kafka_with_older_transactions, ours, ours_with_older_transactions, run};
use harness::peers;
use millstream_client::{
    Consumer, GroupMetadata, Producer, RecordRef, SendError, TransactionError,
    admin::OffsetSpec,
    config::IsolationLevel,
    consumer::{OffsetAndMetadata, RebalanceEvent},
};
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::batch::{Batches, RecordReader};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

/// Both generations of Kafka, and ours.
fn brokers() -> impl Iterator<Item = (&'static str, &'static Kafka)> {
    let others = [
        ("ours, older", ours_with_older_transactions()),
        ("newer", kafka()),
        ("older", kafka_with_older_transactions()),
    ];
    let others = others.into_iter().filter_map(|(name, kafka)| Some((name, kafka?)));
    [("ours", ours())].into_iter().chain(others)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_of_these_tests_speak_both_generations_of_the_protocol() {
    for (generation, kafka) in brokers().filter(|_| peers::have_kafka()) {
        let arguments = ["--bootstrap-server", &kafka.address(), "describe"];
        let described = kafka.run("org.apache.kafka.tools.FeatureCommand", &arguments, "").await;
        let text = String::from_utf8_lossy(&described.stdout).into_owned();
        let line = text.lines().find(|line| line.contains("transaction.version")).expect("the feature");
        let level = if generation.contains("older") { "FinalizedVersionLevel: 1" } else { "FinalizedVersionLevel: 2" };
        assert!(line.contains(level), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_seen_by_readers_of_committed_records_and_what_is_aborted_is_not() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("ends", 2, &[]).await;
        let mut producer = ready(kafka, "ends", &[]).await;
        for (transaction, commit) in [true, false, true, false, false, true].into_iter().enumerate() {
            producer.begin_transaction().expect("ready");
            for partition in [0, 1] {
                for n in 0..3 {
                    append(&mut producer, &topic, partition, &format!("{transaction}-{n}")).await;
                }
            }
            // Some go out before it ends, the others with its end.
            if transaction % 2 == 0 {
                producer.flush().await;
            }
            let ended = if commit { producer.commit_transaction().await } else { producer.abort_transaction().await };
            ended.unwrap_or_else(|error| panic!("{generation}: {}", ErrorChain(&error)));
            while let Some(ack) = producer.try_ack() {
                assert!(ack.result.is_ok() || !commit, "{generation}: {ack:?}");
            }
        }
        let expected: Vec<String> = [0, 2, 5].iter().flat_map(|at| (0..3).map(move |n| format!("{at}-{n}"))).collect();
        for partition in [0, 1] {
            let read = read_to_end(kafka, &topic, partition, "read_committed").await;
            assert_eq!(read, expected, "{generation}");
            let all = read_to_end(kafka, &topic, partition, "read_uncommitted").await;
            assert!(expected.len() < all.len() && expected.iter().all(|value| all.contains(value)), "{all:?}");
        }
        assert_eq!(producer.close(PATIENCE).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_transaction_holds_up_readers_of_committed_records_and_closing_its_producer_aborts_it() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("held", 1, &[]).await;
        let mut producer = ready(kafka, "held", &[]).await;
        producer.begin_transaction().expect("ready");
        append(&mut producer, &topic, 0, "of the transaction").await;
        producer.flush().await;
        let mut other = kafka.producer(&[]);
        append(&mut other, &topic, 0, "of nobody").await;
        other.flush().await;
        for (isolation, read, lag) in [("read_uncommitted", 2, 0), ("read_committed", 0, 0)] {
            let mut consumer = kafka.consumer(&[("isolation.level", isolation)]);
            consumer.assign([(topic.clone(), 0)]);
            consumer.seek(&topic, 0, 0).expect("assigned");
            let deadline = Instant::now() + PATIENCE;
            while consumer.current_lag(&topic, 0) != Some(lag) {
                assert!(Instant::now() < deadline, "{generation}, {isolation}: {:?}", consumer.current_lag(&topic, 0));
                poll(&mut consumer).await;
            }
            let position = consumer.position(&topic, 0).await.expect("known");
            assert_eq!(position, read, "{generation}, {isolation}: what an open transaction holds up is no lag");
        }
        assert_eq!(read_to_end(kafka, &topic, 0, "read_uncommitted").await.len(), 2, "{generation}");
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await.len(), 0, "{generation}");
        producer.close(PATIENCE).await;
        let mut consumer = kafka.consumer(&[("isolation.level", "read_committed")]);
        consumer.assign([(topic.clone(), 0)]);
        consumer.seek(&topic, 0, 0).expect("assigned");
        assert_eq!(read(&mut consumer, 1).await, ["of nobody"], "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_is_fenced_off_by_a_newer_one_of_its_name_which_ends_what_it_has_left_open() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("fenced", 1, &[]).await;
        let mut zombie = ready(kafka, "fenced", &[]).await;
        zombie.begin_transaction().expect("ready");
        append(&mut zombie, &topic, 0, "of the zombie").await;
        zombie.flush().await;
        let mut newer = ready(kafka, "fenced", &[]).await;
        newer.begin_transaction().expect("ready");
        append(&mut newer, &topic, 0, "of the newer").await;
        newer.commit_transaction().await.expect("committed");

        let fenced = zombie.commit_transaction().await.expect_err("fenced");
        assert!(matches!(fenced, TransactionError::Fenced { .. }), "{generation}: {}", ErrorChain(&fenced));
        assert_eq!(fenced.java_class(), "org.apache.kafka.common.errors.ProducerFencedException");
        let refused = zombie.begin_transaction().expect_err("of no use any more");
        assert!(matches!(refused, TransactionError::Fenced { .. }));
        let taken = zombie.append(&topic, Some(0), RecordRef::default()).await;
        assert!(matches!(taken, Err(SendError::Transaction { .. })), "{taken:?}");
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await, ["of the newer"], "{generation}");

        // One that finds out while it writes learns it from its records, and for certain when it aborts.
        let topic = kafka.topic("fenced-writing", 1, &[]).await;
        let mut zombie = ready(kafka, "fenced-writing", &[]).await;
        let _newer = ready(kafka, "fenced-writing", &[]).await;
        zombie.begin_transaction().expect("it has heard of nothing");
        append(&mut zombie, &topic, 0, "late").await;
        zombie.flush().await;
        let ack = zombie.next_ack().await;
        assert!(ack.result.is_err(), "{generation}: {ack:?}");
        let first = zombie.commit_transaction().await.expect_err("not committed");
        let fenced = if first.is_abortable() { zombie.abort_transaction().await.expect_err("fenced") } else { first };
        assert!(matches!(fenced, TransactionError::Fenced { .. }), "{generation}: {}", ErrorChain(&fenced));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_that_an_admin_fences_lose_what_they_have_left_open_and_are_refused_from_then_on() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("fenced-by-admin", 1, &[]).await;
        let mut zombie = ready(kafka, "fenced-by-admin-0", &[]).await;
        zombie.begin_transaction().expect("ready");
        append(&mut zombie, &topic, 0, "never committed").await;
        zombie.flush().await;
        let ids = ["fenced-by-admin-0", "fenced-by-admin-nobody"].map(str::to_owned);
        let fenced = timeout(PATIENCE, kafka.admin().fence_producers(&ids)).await.expect("in time").expect("asked");
        assert!(fenced.keys().eq(&ids) && fenced.values().all(Result::is_ok), "{generation}: {fenced:?}");
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await, [""; 0], "{generation}");
        let refused = zombie.commit_transaction().await.expect_err("fenced");
        assert!(matches!(refused, TransactionError::Fenced { .. }), "{generation}: {}", ErrorChain(&refused));
        // A later one of the same name goes on.
        let mut newer = ready(kafka, "fenced-by-admin-0", &[]).await;
        newer.begin_transaction().expect("ready");
        append(&mut newer, &topic, 0, "kept").await;
        newer.commit_transaction().await.expect("committed");
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await, ["kept"], "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_group_are_committed_with_the_transaction_or_not_at_all() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("offsets", 1, &[]).await;
        let mut producer = ready(kafka, "offsets", &[]).await;
        let offsets = |offset| [(topic.clone(), 0, OffsetAndMetadata::new(offset))];
        let admin = kafka.admin();
        for (offset, commit, expected) in [(5, true, Some(5)), (9, false, Some(5)), (7, true, Some(7))] {
            producer.begin_transaction().expect("ready");
            append(&mut producer, &topic, 0, "x").await;
            let group = GroupMetadata::of_nobody("in-transactions");
            producer.send_offsets_to_transaction(group, &offsets(offset)).await.expect("written");
            let ended = if commit { producer.commit_transaction().await } else { producer.abort_transaction().await };
            ended.unwrap_or_else(|error| panic!("{generation}: {}", ErrorChain(&error)));
            // Of a transaction that was committed a moment ago the markers may still be on their way.
            let deadline = Instant::now() + PATIENCE;
            loop {
                let committed = admin.list_group_offsets("in-transactions", None).await;
                let committed = committed.map(|offsets| offsets.values().next().map(|committed| committed.offset));
                match committed {
                    Ok(found) if found == expected => break,
                    other => assert!(Instant::now() < deadline, "{generation}: {other:?} for {expected:?}"),
                }
            }
        }
        // A transaction may have offsets and nothing else.
        producer.begin_transaction().expect("ready");
        let group = GroupMetadata::of_nobody("alone");
        producer.send_offsets_to_transaction(group, &offsets(1)).await.expect("written");
        producer.commit_transaction().await.expect("committed");
        // And nothing at all.
        producer.begin_transaction().expect("ready");
        producer.commit_transaction().await.expect("committed");
        producer.begin_transaction().expect("ready");
        producer.abort_transaction().await.expect("aborted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_its_group_has_left_behind_cannot_commit_offsets_in_a_transaction() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("left-behind", 1, &[]).await;
        let settings = [("group.id", "left-behind"), ("enable.auto.commit", "false")];
        let mut consumer = kafka.consumer(&settings);
        consumer.subscribe([topic.clone()]).expect("a group");
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "assigned in time");
            let polled = consumer.poll(Duration::from_millis(100)).await.expect("polls");
            if polled.events.iter().any(|event| matches!(event, RebalanceEvent::Assigned(_))) {
                break;
            }
        }
        let member = consumer.group_metadata().expect("a member");
        let offsets = [(topic.clone(), 0, OffsetAndMetadata::new(1))];
        let mut producer = ready(kafka, "left-behind", &[]).await;
        producer.begin_transaction().expect("ready");
        producer.send_offsets_to_transaction(member.clone(), &offsets).await.expect("it is a member");
        producer.commit_transaction().await.expect("committed");
        consumer.close(PATIENCE).await;
        producer.begin_transaction().expect("ready");
        let refused = producer.send_offsets_to_transaction(member, &offsets).await.expect_err("no member any more");
        assert!(refused.is_abortable(), "{}", ErrorChain(&refused));
        assert!(producer.commit_transaction().await.expect_err("cannot be committed").is_abortable());
        producer.abort_transaction().await.expect("aborted");
        producer.begin_transaction().unwrap_or_else(|error| panic!("{generation}: {}", ErrorChain(&error)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_loses_a_record_is_aborted_and_the_next_one_succeeds() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("loses", 1, &[("max.message.bytes", "1000")]).await;
        let mut producer = ready(kafka, "loses", &[("linger.ms", "0")]).await;
        for round in 0..2 {
            producer.begin_transaction().expect("ready");
            append(&mut producer, &topic, 0, &format!("lost {round}")).await;
            producer.flush().await;
            append(&mut producer, &topic, 0, &"x".repeat(2000)).await;
            producer.flush().await;
            let taken = producer.append(&topic, Some(0), RecordRef::default()).await;
            assert!(matches!(taken, Err(SendError::Transaction { .. })), "{generation}: {taken:?}");
            let refused = producer.commit_transaction().await.expect_err("a record is missing");
            assert!(refused.is_abortable(), "{generation}: {}", ErrorChain(&refused));
            assert!(ErrorChain(&refused).to_string().contains("MESSAGE_TOO_LARGE"), "{}", ErrorChain(&refused));
            producer.abort_transaction().await.expect("aborted");
            producer.begin_transaction().expect("ready");
            append(&mut producer, &topic, 0, &format!("kept {round}")).await;
            producer.commit_transaction().await.expect("committed");
        }
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await, ["kept 0", "kept 1"], "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_open_for_too_long_is_ended_by_the_coordinator_and_its_producer_told() {
    for (generation, kafka) in brokers() {
        let topic = kafka.topic("too-long", 1, &[]).await;
        let mut producer = ready(kafka, "too-long", &[("transaction.timeout.ms", "1000")]).await;
        producer.begin_transaction().expect("ready");
        append(&mut producer, &topic, 0, "late").await;
        producer.flush().await;
        // Its marker is what follows the record.
        let deadline = Instant::now() + PATIENCE;
        let admin = kafka.admin();
        loop {
            assert!(Instant::now() < deadline, "{generation}: ended in time");
            let wanted = [(topic.clone(), 0, OffsetSpec::Latest)];
            let end = admin.list_offsets(&wanted, IsolationLevel::ReadCommitted).await.expect("answered");
            if end.values().all(|end| end.offset == Some(2)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let refused = producer.commit_transaction().await.expect_err("it is over");
        assert!(!matches!(refused, TransactionError::Timeout { .. }), "{generation}: {}", ErrorChain(&refused));
        assert_eq!(read_to_end(kafka, &topic, 0, "read_committed").await.len(), 0, "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafka_sees_what_was_committed_and_nothing_else() {
    let Some(kafka) = kafka() else { return };
    if !harness::peers::have_kcat() {
        return;
    }
    let topic = kafka.topic("to-kcat", 1, &[]).await;
    let mut producer = ready(kafka, "to-kcat", &[("compression.type", "lz4")]).await;
    for (value, commit) in [("one", true), ("two", false), ("three", true)] {
        producer.begin_transaction().expect("ready");
        append(&mut producer, &topic, 0, value).await;
        producer.flush().await;
        let ended = if commit { producer.commit_transaction().await } else { producer.abort_transaction().await };
        ended.expect("ended");
    }
    let mut command = tokio::process::Command::new("kcat");
    command.args(["-C", "-b", &kafka.address(), "-t", topic.as_str(), "-o", "beginning", "-e", "-q"]);
    command.args(["-X", "isolation.level=read_committed", "-X", "check.crcs=true"]);
    let consumed = run(command, "").await;
    assert_eq!(String::from_utf8_lossy(&consumed.stdout), "one\nthree\n");
}

/// A producer that has initialized its transactions.
async fn ready(kafka: &Kafka, id: &str, more: &[(&str, &str)]) -> Producer {
    let settings: Vec<(&str, &str)> = [("transactional.id", id)].into_iter().chain(more.iter().copied()).collect();
    let mut producer = kafka.producer(&settings);
    timeout(PATIENCE, producer.init_transactions()).await.expect("in time").expect("initialized");
    producer
}

async fn append(producer: &mut Producer, topic: &TopicName, partition: i32, value: &str) {
    let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
    producer.append(topic, Some(partition), record).await.expect("taken");
}

/// Everything up to the end as it is now for this isolation level.
async fn read_to_end(kafka: &Kafka, topic: &TopicName, partition: i32, isolation: &str) -> Vec<String> {
    let mut consumer = kafka.consumer(&[("isolation.level", isolation)]);
    consumer.assign([(topic.clone(), partition)]);
    let end = {
        consumer.seek_to(topic, partition, OffsetSpec::Latest).expect("assigned");
        consumer.position(topic, partition).await.expect("looked up")
    };
    consumer.seek(topic, partition, 0).expect("assigned");
    let (deadline, mut values) = (Instant::now() + PATIENCE, Vec::new());
    while consumer.position(topic, partition).await.expect("known") < end {
        assert!(Instant::now() < deadline, "read in time");
        values.extend(poll(&mut consumer).await);
    }
    values
}

async fn read(consumer: &mut Consumer, wanted: usize) -> Vec<String> {
    let (deadline, mut values) = (Instant::now() + PATIENCE, Vec::new());
    while values.len() < wanted {
        assert!(Instant::now() < deadline, "read in time");
        values.extend(poll(consumer).await);
    }
    values
}

async fn poll(consumer: &mut Consumer) -> Vec<String> {
    let mut by_offset = BTreeMap::new();
    for fetched in consumer.poll(Duration::from_millis(200)).await.expect("polls").fetched {
        for batch in Batches::new(&fetched.records) {
            let (header, bytes) = batch.expect("a batch");
            assert!(!header.is_control());
            for record in RecordReader::new(&header, &bytes[millstream_wire::batch::HEADER_LEN..]) {
                let record = record.expect("a record");
                let offset = header.base_offset + i64::from(record.offset_delta);
                if fetched.first_offset <= offset {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                    by_offset.insert(offset, value);
                }
            }
        }
    }
    by_offset.into_values().collect()
}
