//! The broker from within: requests whose futures are dropped at every step, and a disk that fails.

mod cleaning;
mod compacting;
mod deleting;
mod dropped;
mod faults;
mod full_disk;
mod power;
mod short_ways;
mod starting;
mod transactions;

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use millstream_disk::{
    Disk,
    faulty::{Dice, FaultyDisk},
};
use millstream_wire::{
    batch::{BatchStamp, Batches, RecordBatchBuilder, RecordReader},
    frame,
    protocol::{
        messages::{
            ApiKey, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
            DeleteTopicsRequest, DeleteTopicsResponse, FetchRequest, FetchResponse, GroupId, OffsetCommitRequest,
            OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, ProduceRequest, ProduceResponse,
            RequestHeader, ResponseHeader,
            create_topics_request::CreatableTopic,
            delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
            delete_topics_request::DeleteTopicState,
            fetch_request::{FetchPartition, FetchTopic},
            offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
            offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::{Decodable, Encodable, StrBytes},
    },
};

use crate::{
    Broker, BrokerConfig,
    api::{self, Answer, Expected, Incoming, Later, Peer, Rejected, Reply},
    config::listener::Endpoint,
    node::Node,
    partition::Partition,
    security::session::Session,
};

const DATA: &str = "/data";

/// A broker without listeners, its data on this disk, few partitions of the offsets topic.
async fn start(disk: Arc<dyn Disk>) -> Broker {
    try_start(disk).await.expect("the broker starts")
}

async fn try_start(disk: Arc<dyn Disk>) -> Result<Broker, crate::StartBrokerError> {
    try_start_with(disk, &[]).await
}

async fn try_start_with(disk: Arc<dyn Disk>, own: &[(&str, &str)]) -> Result<Broker, crate::StartBrokerError> {
    let pairs = [
        ("log.dirs", DATA),
        ("listeners", ""),
        ("offsets.topic.num.partitions", "2"),
        ("transaction.state.log.num.partitions", "2"),
        ("group.initial.rebalance.delay.ms", "0"),
    ];
    let properties = pairs.iter().chain(own).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Broker::start_on(disk, BrokerConfig::from_properties(&properties).unwrap()).await
}

/// Ends a broker whose disk may have failed: in order, or as a process does that is killed.
async fn leave(broker: Broker, in_order: bool) {
    if in_order {
        // The process may have died in some work of its own; the next start shows what came of it.
        let _ = broker.shutdown().await;
    } else {
        broker.abandon().await;
    }
}

/// Takes from the disk what a process leaves behind that is killed, in one of three ways.
fn crash(disk: &FaultyDisk, dice: &mut Dice) {
    match dice.below(3) {
        0 => disk.kill(),
        1 => disk.kill_and_drop_caches(),
        _ => disk.lose_power(),
    }
}

/// The seeds that a variable names as `FIRST..LAST`; without it so many.
fn seeds(variable: &str, usual: u64) -> Range<u64> {
    let Ok(range) = std::env::var(variable) else { return 0..usual };
    let (first, last) = range.split_once("..").expect("FIRST..LAST");
    first.parse().unwrap()..last.parse().unwrap()
}

fn peer() -> Peer {
    let advertised = Endpoint { name: "PLAINTEXT".to_owned(), host: "localhost".to_owned(), port: 9092 };
    let session = Arc::new(Session::anonymous());
    Peer { host: "/127.0.0.1".to_owned(), advertised, connection: 1, session }
}

fn incoming<B: Encodable>(api: ApiKey, version: i16, body: &B) -> Incoming {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let frame = frame::encode_request(&header, body).unwrap();
    Incoming::read(frame.slice(4..)).unwrap()
}

/// One request from beginning to end.
async fn call<B: Encodable, R: Decodable>(node: &Arc<Node>, api: ApiKey, version: i16, body: &B) -> R {
    let reply = api::handle(node, &peer(), incoming(api, version, body)).await.unwrap();
    let answer = match reply {
        Reply::Now(answer) => answer,
        Reply::Later(later) => answer_of(later).await.unwrap(),
        Reply::Silence => panic!("an answer was expected"),
    };
    let mut frame = whole(&answer).slice(4..);
    ResponseHeader::decode(&mut frame, api.response_header_version(version)).unwrap();
    R::decode(&mut frame, version).unwrap()
}

async fn answer_of(mut later: Later) -> Result<Answer, Rejected> {
    std::future::poll_fn(|context| later.poll_known(context)).await;
    match later.answer {
        Expected::There(answer) => Ok(answer),
        Expected::Failed(rejected) => Err(rejected),
        Expected::Coming(_) => unreachable!("it is known"),
    }
}

/// The frame as it is written.
fn whole(answer: &Answer) -> Bytes {
    let mut whole = BytesMut::from(&answer.frame[..]);
    answer.more.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(topic: &str) -> millstream_wire::protocol::messages::TopicName {
    millstream_wire::protocol::messages::TopicName(text(topic))
}

fn create_topics(topics: &[&str], partitions: i32) -> CreateTopicsRequest {
    let wanted = topics.iter().map(|topic| {
        CreatableTopic::default().with_name(name(topic)).with_num_partitions(partitions).with_replication_factor(1)
    });
    CreateTopicsRequest::default().with_topics(wanted.collect())
}

fn delete_topics(topics: &[&str]) -> DeleteTopicsRequest {
    let doomed = topics.iter().map(|topic| DeleteTopicState::default().with_name(Some(name(topic))));
    DeleteTopicsRequest::default().with_topics(doomed.collect())
}

fn commit(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn produce(topic: &str, value: &str) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch(value)));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

fn batch(value: &str) -> Bytes {
    let mut builder = RecordBatchBuilder::with_capacity(256);
    builder.append(1_700_000_000_000, None, Some(value.as_bytes()), std::iter::empty()).unwrap();
    let built: BytesMut = builder.finish(&BatchStamp::default()).unwrap();
    built.freeze()
}

/// Waits until every change that was begun has ended, the sync of what was appended included.
async fn settle(broker: &Broker) {
    while !broker.owned_tasks().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// What the broker knows, as far as it has to survive: topics with partitions, own settings, starts and ends, and
/// offsets of the group `g`.
fn knowledge(node: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    for topic in node.topics.all() {
        lines.push(format!("topic {} {} {:?}", topic.name, topic.id, topic.overrides));
        if !topic.is_internal() {
            for partition in &topic.partitions {
                lines.push(format!("{} {} {}", partition.name(), partition.log_start(), partition.high_watermark()));
            }
        }
    }
    for (topic, partition, committed) in node.groups.offsets("g", None).unwrap() {
        lines.push(format!("committed {topic} {partition} {}", committed.offset));
    }
    lines
}

async fn create(node: &Arc<Node>, topic: &str) -> i16 {
    let made: CreateTopicsResponse = call(node, ApiKey::CreateTopics, 5, &create_topics(&[topic], 1)).await;
    made.topics[0].error_code
}

async fn delete(node: &Arc<Node>, topic: &str) -> i16 {
    let deleted: DeleteTopicsResponse = call(node, ApiKey::DeleteTopics, 6, &delete_topics(&[topic])).await;
    deleted.responses[0].error_code
}

/// Appends one record to partition 0.
async fn append(node: &Arc<Node>, topic: &str, value: &str) -> i16 {
    let produced: ProduceResponse = call(node, ApiKey::Produce, 9, &produce(topic, value)).await;
    produced.responses[0].partition_responses[0].error_code
}

async fn commit_offset(node: &Arc<Node>, group: &str, topic: &str, offset: i64) -> i16 {
    let done: OffsetCommitResponse = call(node, ApiKey::OffsetCommit, 8, &commit(group, topic, offset)).await;
    done.topics[0].partitions[0].error_code
}

/// Leaves a topic `b` behind, and offsets in it of two groups whose records are in partitions of their own.
async fn leave_offsets(disk: &FaultyDisk) {
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "b").await, 0);
    for (group, offset) in [("g", 5), ("h", 6)] {
        assert_eq!(commit_offset(&broker.node, group, "b", offset).await, 0);
    }
    broker.shutdown().await.unwrap();
}

/// Moves the start of partition 0 up.
/// What a group has committed for partition 0 of topic `b`; −1 for nothing.
async fn committed(node: &Arc<Node>, group: &str) -> (i16, Option<i64>) {
    let topic = OffsetFetchRequestTopics::default().with_name(name("b")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let found: OffsetFetchResponse = call(node, ApiKey::OffsetFetch, 8, &request).await;
    let topic = found.groups[0].topics.first();
    (found.groups[0].error_code, topic.map(|topic| topic.partitions[0].committed_offset))
}

async fn delete_records(node: &Arc<Node>, topic: &str, offset: i64) -> i16 {
    let partition = DeleteRecordsPartition::default().with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    let done: DeleteRecordsResponse = call(node, ApiKey::DeleteRecords, 2, &request).await;
    done.topics[0].partitions[0].error_code
}

fn fetch(topic: &str, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_min_bytes(0).with_max_bytes(1 << 20).with_topics(vec![topic])
}

/// Code, start, and the values of all records of partition 0 from the start on.
async fn records(node: &Arc<Node>, topic: &str) -> (i16, i64, Vec<String>) {
    let found = node.topics.get(topic);
    let start = found.and_then(|topic| topic.partition(0).map(|partition| partition.log_start())).unwrap_or(0);
    let mut values = Vec::new();
    let mut next = start;
    loop {
        let fetched: FetchResponse = call(node, ApiKey::Fetch, 12, &fetch(topic, next)).await;
        let partition = &fetched.responses[0].partitions[0];
        let bytes = partition.records.clone().unwrap_or_default();
        if partition.error_code != 0 || bytes.is_empty() {
            return (partition.error_code, start, values);
        }
        for batch in Batches::new(&bytes) {
            let (header, batch) = batch.unwrap();
            for record in RecordReader::new(&header, &batch[61..]) {
                let record = record.unwrap();
                if next <= header.base_offset + i64::from(record.offset_delta) {
                    values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                }
            }
            next = header.last_offset() + 1;
        }
    }
}

fn partition(node: &Node, topic: &str) -> Arc<Partition> {
    Arc::clone(node.topics.get(topic).unwrap().partition(0).unwrap())
}

fn in_data(name: &str) -> std::path::PathBuf {
    std::path::Path::new(DATA).join(name)
}
