//! A disk that stalls, fails for a while or holds what it should not: who notices, and who does not.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicUsize, Ordering},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use millstream_disk::faulty::{FaultyDisk, Operation, Stall, Trigger};
use millstream_wire::protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    InitProducerIdRequest, InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataRequest, MetadataResponse,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    join_group_request::JoinGroupRequestProtocol,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::error_code::ErrorCode;

/// Nothing in these tests takes longer unless it waits for what it must not wait for.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// Lets operations stall. Should a test hang on that, they go on after [`LIMIT`], and the test finds out.
pub(super) fn stall(disk: &FaultyDisk, trigger: Trigger) -> (Stall, Sender<()>) {
    let stall = disk.stall(trigger);
    let (done, wait) = channel();
    let disk = disk.clone();
    std::thread::spawn(move || {
        if wait.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            disk.heal();
        }
    });
    (stall, done)
}

pub(super) async fn reached(stall: &Stall) {
    let wait = async {
        while !stall.is_reached_within(Duration::ZERO) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, wait).await.expect("the disk is used");
}

/// Joins group `m` alone; the member's id.
pub(super) async fn join(node: &Arc<Node>) -> String {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text("m")))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined: JoinGroupResponse = call(node, ApiKey::JoinGroup, 3, &request).await;
    assert_eq!(joined.error_code, 0);
    joined.member_id.to_string()
}

async fn heartbeat(node: &Arc<Node>, member: &str) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text("m")))
        .with_generation_id(1)
        .with_member_id(text(member));
    let answered: HeartbeatResponse = call(node, ApiKey::Heartbeat, 3, &request).await;
    answered.error_code
}

/// Topics with a record each.
pub(super) async fn make(node: &Arc<Node>, topics: &[&str]) {
    for topic in topics {
        assert_eq!(create(node, topic).await, 0);
        assert_eq!(append(node, topic, "before").await, 0);
    }
}

/// Everything that a stall of partition `a-0` is no reason to wait for.
pub(super) async fn others_are_served(node: &Arc<Node>, member: &str) {
    let served = async {
        assert_eq!(heartbeat(node, member).await, 0);
        let metadata = MetadataRequest::default().with_topics(None);
        let known: MetadataResponse = call(node, ApiKey::Metadata, 9, &metadata).await;
        assert!(2 < known.topics.len());
        assert_eq!(append(node, "b", "unhindered").await, 0);
        let (code, _, values) = records(node, "b").await;
        assert_eq!((code, values.last().map(String::as_str)), (0, Some("unhindered")));
        assert_eq!(commit_offset(node, "g", "b", 1).await, 0);
        assert_eq!(create(node, "c").await, 0);
        assert_eq!(delete(node, "c").await, 0);
    };
    timeout(LIMIT, served).await.expect("nobody else waits for a partition that stalls");
}

#[tokio::test]
async fn a_partition_whose_disk_stalls_delays_nobody_else() {
    for operation in [Operation::Write, Operation::Sync, Operation::Read] {
        let disk = FaultyDisk::new(1);
        let broker = start(disk.process()).await;
        let node = &broker.node;
        make(node, &["a", "b"]).await;
        assert_eq!(commit_offset(node, "g", "b", 0).await, 0);
        let member = join(node).await;
        let (stall, done) = stall(&disk, Trigger::on(operation).path("/a-0/").always());
        let waiting: Vec<JoinHandle<i16>> = (0..40)
            .map(|_| {
                let node = Arc::clone(node);
                tokio::spawn(async move {
                    match operation {
                        Operation::Read => records(&node, "a").await.0,
                        _ => append(&node, "a", "late").await,
                    }
                })
            })
            .collect();
        reached(&stall).await;
        for _ in 0..3 {
            others_are_served(node, &member).await;
        }
        if operation != Operation::Read {
            assert!(waiting.iter().all(|request| !request.is_finished()), "{operation:?}");
        }
        let _ = done.send(());
        stall.release();
        for request in waiting {
            assert_eq!(timeout(LIMIT, request).await.unwrap().unwrap(), 0, "{operation:?}");
        }
        let written = if operation == Operation::Read { 1 } else { 41 };
        assert_eq!(records(node, "a").await.2.len(), written);
        broker.abandon().await;
    }
}

/// Looks partition 0 up by time.
async fn look_up(node: &Arc<Node>, topic: &str) -> i16 {
    let partition = ListOffsetsPartition::default().with_timestamp(1);
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let found: ListOffsetsResponse = call(node, ApiKey::ListOffsets, 5, &request).await;
    found.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn looking_up_times_in_a_partition_whose_disk_stalls_delays_nobody_else() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    let (stall, done) = stall(&disk, Trigger::on(Operation::Read).path("/a-0/").always());
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let node = Arc::clone(node);
            tokio::spawn(async move { look_up(&node, "a").await })
        })
        .collect();
    reached(&stall).await;
    let served = async {
        assert_eq!(look_up(node, "b").await, 0);
        assert_eq!(records(node, "b").await.2, ["before"]);
    };
    timeout(LIMIT, served).await.expect("nobody else waits for a partition that stalls");
    assert!(waiting.iter().all(|request| !request.is_finished()));
    let _ = done.send(());
    stall.release();
    for request in waiting {
        assert_eq!(timeout(LIMIT, request).await.unwrap().unwrap(), 0);
    }
    broker.abandon().await;
}

#[tokio::test]
async fn deleting_a_topic_whose_disk_stalls_holds_up_its_own_name_only() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b", "d"]).await;
    assert_eq!(commit_offset(node, "g", "b", 0).await, 0);
    let member = join(node).await;
    let (stall, done) = stall(&disk, Trigger::on(Operation::Write).path("/a-0/").always());
    let own = || Arc::clone(node);
    let appending = tokio::spawn({
        let node = own();
        async move { append(&node, "a", "late").await }
    });
    reached(&stall).await;
    let deleting = tokio::spawn({
        let node = own();
        async move { delete(&node, "a").await }
    });
    while node.topics.get("a").is_some() {
        tokio::task::yield_now().await;
    }
    let making = tokio::spawn({
        let node = own();
        async move { create(&node, "a").await }
    });
    for _ in 0..3 {
        others_are_served(node, &member).await;
    }
    assert!(!deleting.is_finished() && !making.is_finished());
    let _ = done.send(());
    stall.release();
    for change in [deleting, making] {
        assert_eq!(timeout(LIMIT, change).await.unwrap().unwrap(), 0);
    }
    assert_eq!(timeout(LIMIT, appending).await.unwrap().unwrap(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.get());
    assert_eq!(append(node, "a", "of the second").await, 0);
    settle(&broker).await;
    assert_eq!(records(node, "a").await.2, ["of the second"]);
    broker.abandon().await;
}

#[tokio::test]
async fn nobody_waits_for_checkpoints_whose_disk_stalls() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    let (stall, done) = stall(&disk, Trigger::on(Operation::Write).path("-offset-checkpoint").always());
    let topics = Arc::clone(&node.topics);
    let writing = tokio::task::spawn_blocking(move || topics.write_checkpoints());
    reached(&stall).await;
    let made = timeout(LIMIT, create(node, "c")).await;
    assert!(!writing.is_finished() && made == Ok(0), "{made:?}");
    let _ = done.send(());
    stall.release();
    writing.await.unwrap().unwrap();
    broker.abandon().await;
}

async fn set(node: &Arc<Node>, topic: &str, key: &str, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let altered: IncrementalAlterConfigsResponse = call(node, ApiKey::IncrementalAlterConfigs, 1, &request).await;
    altered.responses[0].error_code
}

#[tokio::test]
async fn settings_of_one_topic_that_are_altered_at_the_same_time_are_all_altered() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(create(node, "a").await, 0);
    let (stall, done) = stall(&disk, Trigger::on(Operation::SyncDir));
    let settings = [("retention.ms", "1000"), ("segment.ms", "2000"), ("max.message.bytes", "3000")];
    let altering: Vec<_> = settings
        .into_iter()
        .map(|(key, value)| {
            let node = Arc::clone(node);
            tokio::spawn(async move { set(&node, "a", key, value).await })
        })
        .collect();
    reached(&stall).await;
    let _ = done.send(());
    stall.release();
    for altered in altering {
        assert_eq!(timeout(LIMIT, altered).await.unwrap().unwrap(), 0);
    }
    let own = node.topics.get("a").unwrap().overrides.clone();
    let wanted = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(own, wanted);
    broker.abandon().await;
}

#[tokio::test]
async fn heartbeats_and_other_groups_do_not_wait_for_a_commit_whose_disk_stalls() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(create(node, "b").await, 0);
    let member = join(node).await;
    // Groups `m` and `g` are in one partition of the offsets topic, `h` in the other.
    let of = |group| crate::internal_topics::partition_of(group, 2);
    assert_eq!((of("m"), of("g"), of("h")), (1, 1, 0));
    assert_eq!(commit_offset(node, "g", "b", 1).await, 0);
    let (stall, done) = stall(&disk, Trigger::on(Operation::Write).path("__consumer_offsets-1").always());
    let waiting: Vec<_> = (0..40)
        .map(|offset| {
            let node = Arc::clone(node);
            tokio::spawn(async move { commit_offset(&node, "g", "b", 100 + offset).await })
        })
        .collect();
    reached(&stall).await;
    let served = async {
        assert_eq!(heartbeat(node, &member).await, 0);
        assert_eq!(commit_offset(node, "h", "b", 7).await, 0);
        assert_eq!(append(node, "b", "unhindered").await, 0);
    };
    timeout(LIMIT, served).await.expect("nobody else waits for the commit");
    assert!(waiting.iter().all(|commit| !commit.is_finished()));
    let _ = done.send(());
    stall.release();
    for commit in waiting {
        assert_eq!(timeout(LIMIT, commit).await.unwrap().unwrap(), 0);
    }
    assert_eq!(knowledge(node).last().map(String::as_str), Some("committed b 0 139"), "the last in order");
    broker.abandon().await;
}

#[tokio::test]
async fn a_partition_that_cannot_be_opened_keeps_its_checkpoints_and_comes_back() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    for topic in ["a", "b"] {
        assert_eq!(create(&broker.node, topic).await, 0);
        for value in ["one", "two", "three"] {
            assert_eq!(append(&broker.node, topic, value).await, 0);
        }
        assert_eq!(delete_records(&broker.node, topic, 2).await, 0);
    }
    broker.shutdown().await.unwrap();
    let checkpoints = || {
        ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"]
            .map(|file| String::from_utf8(disk.content(&in_data(file)).unwrap()).unwrap())
    };
    let before = checkpoints();
    assert_eq!(before, ["0\n2\na 0 3\nb 0 3\n", "0\n2\na 0 2\nb 0 2\n"]);

    // Too many open files, say.
    disk.fail(Trigger::on(Operation::Open).path("/a-0/").always(), ErrorKind::QuotaExceeded);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(records(node, "a").await.0, ErrorCode::KAFKA_STORAGE_ERROR.get());
    assert_eq!(records(node, "b").await, (0, 2, vec!["three".to_owned()]));
    let [fault] = &broker.health()[..] else { panic!("{:?}", broker.health()) };
    assert!(fault.starts_with("partition a-0: ") && fault.ends_with("it is tried again"), "{fault}");
    assert_eq!(delete_records(node, "b", 3).await, 0);
    assert_eq!(checkpoints(), ["0\n2\na 0 3\nb 0 3\n", "0\n2\na 0 2\nb 0 3\n"]);
    // While it is offline, a stop must not leave word that all was left in order.
    assert!(broker.shutdown().await.is_err());
    let broker = start(disk.process()).await;
    let node = &broker.node;

    disk.heal();
    let later = Instant::now() + Duration::from_secs(120);
    assert!(partition(node, "a").submit(move |partition| partition.open_again(later)).await.unwrap());
    assert_eq!(records(node, "a").await, (0, 2, vec!["three".to_owned()]));
    assert!(broker.health().is_empty());
    broker.shutdown().await.unwrap();
    assert_eq!(checkpoints(), ["0\n2\na 0 3\nb 0 3\n", "0\n2\na 0 2\nb 0 3\n"]);
}

#[tokio::test]
async fn groups_whose_records_cannot_be_read_are_refused_until_they_can_and_the_others_are_served() {
    let disk = FaultyDisk::new(1);
    leave_offsets(&disk).await;
    disk.fail(Trigger::on(Operation::Open).path("__consumer_offsets-1/").always(), ErrorKind::Other);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(committed(node, "h").await, (0, Some(6)));
    assert_eq!(commit_offset(node, "h", "b", 7).await, 0);
    // Not "nothing is committed", upon which a consumer would begin elsewhere.
    let refused = ErrorCode::NOT_COORDINATOR.get();
    assert_eq!(committed(node, "g").await, (refused, None));
    assert_eq!(commit_offset(node, "g", "b", 1).await, refused);
    assert_eq!(heartbeat(node, "x").await, refused);

    disk.heal();
    let later = Instant::now() + Duration::from_secs(120);
    let topic = node.topics.get(crate::internal_topics::OFFSETS_TOPIC).unwrap();
    let offsets = topic.partition(1).unwrap();
    assert!(offsets.submit(move |partition| partition.open_again(later)).await.unwrap());
    let groups = Arc::clone(&node.groups);
    tokio::task::spawn_blocking(move || groups.load(crate::groups::Load::Missing)).await.unwrap();
    assert_eq!(committed(node, "g").await, (0, Some(5)));
    assert_eq!(commit_offset(node, "g", "b", 8).await, 0);
    assert_eq!(committed(node, "g").await, (0, Some(8)));
    broker.abandon().await;
}

#[tokio::test]
async fn offsets_are_not_read_from_a_batch_that_lost_its_checksum() {
    let disk = FaultyDisk::new(1);
    leave_offsets(&disk).await;
    let log = in_data("__consumer_offsets-1/00000000000000000000.log");
    let content = disk.content(&log).unwrap();
    let at = content.windows(8).position(|bytes| bytes == 5_i64.to_be_bytes()).expect("the offset stands there");
    disk.damage(&log, at as u64 + 7, 2);
    let broker = start(disk.process()).await;
    assert_eq!(committed(&broker.node, "g").await, (ErrorCode::NOT_COORDINATOR.get(), None));
    assert_eq!(committed(&broker.node, "h").await, (0, Some(6)));
    let [fault] = &broker.health()[..] else { panic!("{:?}", broker.health()) };
    assert!(fault.contains("__consumer_offsets-1") && fault.contains("millstream broker repair"), "{fault}");
    broker.abandon().await;
}

#[tokio::test]
async fn a_producer_id_that_the_logs_know_is_given_to_nobody_else() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "a").await, 0);
    // As in a data folder of Apache Kafka's, which has no file of ours that says which are taken.
    let mut builder = RecordBatchBuilder::with_capacity(256);
    builder.append(1_700_000_000_000, None, Some(b"of another producer"), []).unwrap();
    let stamp = BatchStamp { producer_id: 4711, producer_epoch: 0, base_sequence: 0, ..BatchStamp::default() };
    let data = PartitionProduceData::default().with_records(Some(builder.finish(&stamp).unwrap().freeze()));
    let topic = TopicProduceData::default().with_name(name("a")).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let produced: ProduceResponse = call(&broker.node, ApiKey::Produce, 9, &request).await;
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    broker.shutdown().await.unwrap();
    let broker = start(disk.process()).await;
    let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    let given: InitProducerIdResponse = call(&broker.node, ApiKey::InitProducerId, 4, &request).await;
    assert_eq!((given.error_code, given.producer_id.0), (0, 4712));
    broker.abandon().await;
}

#[tokio::test]
async fn files_of_another_topic_in_a_partitions_place_are_never_taken_for_its_own() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "a").await, 0);
    assert_eq!(append(&broker.node, "a", "of the first").await, 0);
    // The folder cannot be moved out of the way, and the name is free nevertheless.
    disk.fail(Trigger::on(Operation::Rename).path("/a-0"), ErrorKind::Other);
    assert_eq!(delete(&broker.node, "a").await, 0);
    assert!(disk.content(&in_data("a-0/partition.metadata")).is_some());
    assert_eq!(create(&broker.node, "a").await, 0);
    assert_eq!(append(&broker.node, "a", "of the second").await, 0);
    assert_eq!(records(&broker.node, "a").await, (0, 0, vec!["of the second".to_owned()]));
    let stray = |path: &std::path::PathBuf| path.to_string_lossy().contains("-stray/00000000000000000000.log");
    assert!(disk.files().keys().any(stray), "nothing is thrown away that was not deleted in words");
    broker.shutdown().await.unwrap();

    // Nobody's files: not changed, and not served.
    let id = disk.content(&in_data("a-0/partition.metadata")).unwrap();
    disk.take_away(&in_data("a-0/partition.metadata"));
    let broker = start(disk.process()).await;
    assert_eq!(append(&broker.node, "a", "third").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    assert!(broker.health()[0].contains("restore partition.metadata"), "{:?}", broker.health());
    broker.abandon().await;
    disk.put(&in_data("a-0/partition.metadata"), &id);
    let broker = start(disk.process()).await;
    assert_eq!(records(&broker.node, "a").await, (0, 0, vec!["of the second".to_owned()]));
    broker.abandon().await;
}

#[tokio::test]
async fn a_catalogue_that_was_replaced_and_not_synced_is_put_back() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(create(node, "kept").await, 0);
    disk.fail(Trigger::on(Operation::SyncDir), ErrorKind::Other);
    assert_eq!(create(node, "refused").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    disk.fail(Trigger::on(Operation::SyncDir), ErrorKind::Other);
    assert_eq!(delete(node, "kept").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    // Not even that works: the broker's health says so until the next checkpoint mends it.
    disk.fail(Trigger::on(Operation::SyncDir).times(2), ErrorKind::Other);
    assert_eq!(delete(node, "kept").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    assert!(broker.health()[0].starts_with("the catalogue of topics: "), "{:?}", broker.health());
    assert_eq!(append(node, "kept", "acknowledged").await, 0);
    let topics = Arc::clone(&node.topics);
    tokio::task::spawn_blocking(move || topics.write_checkpoints()).await.unwrap().unwrap();
    assert!(broker.health().is_empty());
    broker.abandon().await;
    disk.kill();
    let broker = start(disk.process()).await;
    assert_eq!(records(&broker.node, "kept").await, (0, 0, vec!["acknowledged".to_owned()]));
    assert!(broker.node.topics.get("refused").is_none());
    broker.abandon().await;
}

#[tokio::test]
async fn a_stop_with_another_catalogue_on_disk_than_in_effect_is_no_stop_in_order() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    make(&broker.node, &["kept"]).await;
    // Neither the new catalogue nor the old one, put back, is certain to be there after a power failure.
    disk.fail(Trigger::on(Operation::SyncDir).times(2), ErrorKind::Other);
    assert_eq!(delete(&broker.node, "kept").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    disk.fail(Trigger::on(Operation::Open).path("topics.catalogue").always(), ErrorKind::StorageFull);
    assert!(matches!(broker.shutdown().await, Err(crate::StopBrokerError::Catalogue)));
}

#[tokio::test]
async fn a_fault_in_the_program_takes_its_partition_offline_and_is_told() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    assert!(partition(node, "a").submit(|_| panic!("a screw is loose")).await.map(|(): ()| ()).is_err());
    assert_eq!(append(node, "a", "after").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    assert_eq!(append(node, "b", "after").await, 0);
    let [fault] = &broker.health()[..] else { panic!("{:?}", broker.health()) };
    assert!(fault.starts_with("partition a-0: a fault in the program: a screw is loose; "), "{fault}");
    assert!(fault.ends_with("restart the broker"), "{fault}");
    assert!(broker.shutdown().await.is_err(), "not left in order");
    let broker = start(disk.process()).await;
    assert_eq!(records(&broker.node, "a").await, (0, 0, vec!["before".to_owned()]));
    broker.abandon().await;
}

#[tokio::test]
async fn a_sync_that_fails_takes_its_partition_offline_and_is_told() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "a").await, 0);
    assert_eq!(append(&broker.node, "a", "before").await, 0);
    disk.fail(Trigger::on(Operation::Sync).path("/a-0/"), ErrorKind::Other);
    assert_eq!(append(&broker.node, "a", "never").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    assert_eq!(append(&broker.node, "a", "after").await, ErrorCode::KAFKA_STORAGE_ERROR.get());
    let [fault] = &broker.health()[..] else { panic!("{:?}", broker.health()) };
    assert!(fault.starts_with("partition a-0: ") && fault.ends_with("restart the broker"), "{fault}");
    assert_eq!(records(&broker.node, "a").await, (0, 0, vec!["before".to_owned()]), "what is durable can be read");
    broker.abandon().await;
}

#[tokio::test]
async fn answers_that_are_read_at_the_same_time_share_the_memory() {
    let memory = 1 << 20;
    let setting = ("request.memory.max.bytes", memory.to_string());
    let started = try_start_with(FaultyDisk::new(1).process(), &[(setting.0, &setting.1)]).await;
    let broker = started.expect("the broker starts");
    let node = &broker.node;
    assert_eq!(create(node, "a").await, 0);
    for _ in 0..150 {
        assert_eq!(append(node, "a", &"v".repeat(1000)).await, 0);
    }
    let reading: Vec<_> = (0..40)
        .map(|_| {
            let node = Arc::clone(node);
            // All places of readers may be taken for a moment, for which a consumer waits.
            let patient = fetch("a", 0).with_min_bytes(1).with_max_wait_ms(10_000);
            let request = incoming(ApiKey::Fetch, 12, &patient);
            tokio::spawn(async move { api::handle(&node, &peer(), request).await.unwrap() })
        })
        .collect();
    // None is written, which would give back what it takes.
    let mut unwritten = Vec::new();
    for answer in reading {
        let Reply::Now(answer) = timeout(LIMIT, answer).await.expect("each has its share").unwrap() else {
            panic!("an answer is there at once");
        };
        unwritten.push(answer);
    }
    let bytes: usize = unwritten.iter().map(|answer| whole(answer).len()).sum();
    assert!(bytes < memory + unwritten.len() * crate::budget::OWN, "{bytes}");
    assert!(unwritten.iter().all(|answer| 1000 < whole(answer).len()), "at least one batch each");
    broker.abandon().await;
}

#[tokio::test]
async fn requests_of_one_connection_that_wait_for_a_disk_take_a_bounded_memory() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(create(node, "a").await, 0);
    assert_eq!(append(node, "a", "before").await, 0);
    let (stall, done) = stall(&disk, Trigger::on(Operation::Write).path("/a-0/").always());
    let header = RequestHeader::default().with_request_api_key(ApiKey::Produce as i16).with_request_api_version(9);
    let request = frame::encode_request(&header, &produce("a", &"v".repeat(50_000))).unwrap();
    let (mut reader, mut writer) = tokio::io::split(broker.connect());
    let count = 200;
    let (sending, taken) = (request.clone(), Arc::new(AtomicUsize::new(0)));
    let sent = Arc::clone(&taken);
    let writing = tokio::spawn(async move {
        for _ in 0..count {
            writer.write_all(&sending).await.unwrap();
            sent.fetch_add(sending.len(), Ordering::Relaxed);
        }
        writer
    });
    reached(&stall).await;
    // All that happens now happens in this thread, until nothing does.
    let (mut before, mut idle) = (0, 0);
    while idle < 1000 {
        tokio::task::yield_now().await;
        let now = taken.load(Ordering::Relaxed);
        (before, idle) = (now, if now == before { idle + 1 } else { 0 });
    }
    assert!(before < 3 << 20, "{before} bytes: what the stream holds, and as much again");
    let _ = done.send(());
    stall.release();
    let answers = async {
        for _ in 0..count {
            let mut answer = vec![0; reader.read_u32().await.unwrap() as usize];
            reader.read_exact(&mut answer).await.unwrap();
        }
    };
    timeout(LIMIT, answers).await.expect("all are answered");
    writing.await.unwrap();
    assert_eq!(partition(node, "a").high_watermark(), 201);
    broker.abandon().await;
}
