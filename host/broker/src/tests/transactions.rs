//! Transactions on a disk that fails: at every step of a fixed course, and at random moments of random work.
//!
//! Each random run is its seed: `TRANSACTION_SEEDS=FIRST..LAST` repeats others than the short list that always runs.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    time::{Duration, Instant},
};

use millstream_disk::faulty::{Dice, FaultyDisk, Operation, Trigger};
use millstream_wire::protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TransactionalId,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    add_partitions_to_txn_request::AddPartitionsToTxnTopic,
    txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};

use super::*;

const TOPICS: [&str; 2] = ["t", "u"];
const GROUP: &str = "g";
const CONCURRENT_TRANSACTIONS: i16 = 51;

/// Versions of Produce, EndTxn and TxnOffsetCommit.
pub(super) const FIRST: [i16; 3] = [11, 4, 4];
pub(super) const SECOND: [i16; 3] = [12, 5, 5];

/// A transactional producer, as long as nothing fails.
pub(super) struct Producer {
    id: &'static str,
    versions: [i16; 3],
    producer_id: i64,
    epoch: i16,
    sequences: BTreeMap<&'static str, i32>,
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

impl Producer {
    pub(super) fn new(id: &'static str, versions: [i16; 3]) -> Self {
        Self { id, versions, producer_id: -1, epoch: -1, sequences: BTreeMap::new() }
    }

    fn renew(&mut self, producer_id: i64, epoch: i16) {
        (self.producer_id, self.epoch) = (producer_id, epoch);
        self.sequences.clear();
    }

    /// Asks until nothing of an earlier life is under way any more, on a disk that is in order.
    pub(super) async fn begin_life(&mut self, node: &Arc<Node>) -> i16 {
        let settled = async {
            loop {
                match self.init(node).await {
                    CONCURRENT_TRANSACTIONS => tokio::task::yield_now().await,
                    code => return code,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), settled).await.expect("what was decided is finished")
    }

    /// The code, or that an end is still under way after a few questions: for ever, where the disk has failed.
    async fn init(&mut self, node: &Arc<Node>) -> i16 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id(self.id)))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        for _ in 0..10 {
            let done: InitProducerIdResponse = call(node, ApiKey::InitProducerId, 4, &request).await;
            match done.error_code {
                CONCURRENT_TRANSACTIONS => tokio::task::yield_now().await,
                0 => {
                    self.renew(done.producer_id.0, done.producer_epoch);
                    return 0;
                }
                code => return code,
            }
        }
        CONCURRENT_TRANSACTIONS
    }

    async fn write(&mut self, node: &Arc<Node>, topic: &'static str, value: &str) -> i16 {
        self.write_keyed(node, topic, None, value).await.0
    }

    /// The code, and the offset of the record.
    pub(super) async fn write_keyed(
        &mut self,
        node: &Arc<Node>,
        topic: &'static str,
        key: Option<&str>,
        value: &str,
    ) -> (i16, i64) {
        let [produce_version, ..] = self.versions;
        if produce_version < 12 {
            let added = AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(vec![0]);
            let request = AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(transactional_id(self.id))
                .with_v3_and_below_producer_id(ProducerId(self.producer_id))
                .with_v3_and_below_producer_epoch(self.epoch)
                .with_v3_and_below_topics(vec![added]);
            let done: AddPartitionsToTxnResponse = call(node, ApiKey::AddPartitionsToTxn, 3, &request).await;
            let code = done.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
            if code != 0 {
                return (code, -1);
            }
        }
        let sequence = self.sequences.entry(topic).or_insert(0);
        let mut request = produce(topic, value).with_transactional_id(Some(transactional_id(self.id)));
        let batch = transactional_batch(key, value, self.producer_id, self.epoch, *sequence);
        request.topic_data[0].partition_data[0].records = Some(batch);
        let done: ProduceResponse = call(node, ApiKey::Produce, produce_version, &request).await;
        *sequence += 1;
        let written = &done.responses[0].partition_responses[0];
        (written.error_code, written.base_offset)
    }

    pub(super) async fn commit_offset(&mut self, node: &Arc<Node>, offset: i64) -> i16 {
        let [_, _, version] = self.versions;
        if version < 5 {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(transactional_id(self.id))
                .with_producer_id(ProducerId(self.producer_id))
                .with_producer_epoch(self.epoch)
                .with_group_id(GroupId(text(GROUP)));
            let done: AddOffsetsToTxnResponse = call(node, ApiKey::AddOffsetsToTxn, 3, &request).await;
            if done.error_code != 0 {
                return done.error_code;
            }
        }
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id(self.id))
            .with_group_id(GroupId(text(GROUP)))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        let done: TxnOffsetCommitResponse = call(node, ApiKey::TxnOffsetCommit, version, &request).await;
        done.topics[0].partitions[0].error_code
    }

    pub(super) async fn end(&mut self, node: &Arc<Node>, commit: bool) -> i16 {
        let [_, version, _] = self.versions;
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id(self.id))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let done: EndTxnResponse = call(node, ApiKey::EndTxn, version, &request).await;
        if done.error_code == 0 && 5 <= version {
            self.renew(done.producer_id.0, done.producer_epoch);
        }
        done.error_code
    }
}

fn transactional_batch(
    key: Option<&str>,
    value: &str,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> Bytes {
    let mut builder = RecordBatchBuilder::with_capacity(256);
    builder.append(1_700_000_000_000, key.map(str::as_bytes), Some(value.as_bytes()), std::iter::empty()).unwrap();
    let stamp = BatchStamp { producer_id, producer_epoch, base_sequence, transactional: true, ..BatchStamp::default() };
    builder.finish(&stamp).unwrap().freeze()
}

/// The values that a consumer of committed records sees in a topic. None may be held back.
async fn committed(node: &Arc<Node>, topic: &str, what: &str) -> Vec<String> {
    let records = committed_records(node, topic, what).await;
    records.into_iter().map(|(_, _, value)| value).collect()
}

/// The same with offsets and keys, which are empty where there are none.
pub(super) async fn committed_records(node: &Arc<Node>, topic: &str, what: &str) -> Vec<(i64, String, String)> {
    let (mut values, mut next) = (Vec::new(), 0);
    loop {
        let fetched: FetchResponse = call(node, ApiKey::Fetch, 12, &fetch(topic, next).with_isolation_level(1)).await;
        let partition = &fetched.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0, "{what}: {topic}");
        assert_eq!(partition.last_stable_offset, partition.high_watermark, "{what}: a transaction hangs in {topic}");
        let aborted = partition.aborted_transactions.clone().unwrap_or_default();
        let bytes = partition.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            return values;
        }
        let mut ended = Vec::new();
        for batch in Batches::new(&bytes) {
            let (header, batch) = batch.unwrap();
            next = header.last_offset() + 1;
            if header.is_control() {
                ended.push((header.producer_id, header.base_offset));
                continue;
            }
            // From its first offset on up to the producer's next marker.
            let hidden = aborted.iter().any(|aborted| {
                let first = aborted.first_offset;
                let over = |(id, at): &(i64, i64)| *id == header.producer_id && first <= *at;
                aborted.producer_id.0 == header.producer_id && first <= header.base_offset && !ended.iter().any(over)
            });
            if !hidden {
                for record in RecordReader::new(&header, &batch[61..]) {
                    let record = record.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    let key = record.key.map(text).unwrap_or_default();
                    values.push((offset, key, text(record.value.unwrap())));
                }
            }
        }
    }
}

/// How a transaction stands, as its producer sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Nobody asked to commit it.
    Dropped,
    /// Somebody did, and was not answered.
    Uncertain,
    Committed,
}

#[derive(Clone, Debug)]
struct Transaction {
    /// Topic and value of each record that was acknowledged.
    records: Vec<(&'static str, String)>,
    offset: Option<i64>,
    fate: Fate,
}

impl Transaction {
    fn new() -> Self {
        Self { records: Vec::new(), offset: None, fate: Fate::Dropped }
    }
}

/// What is certain, and what may be.
#[derive(Debug, Default)]
struct Model {
    ended: Vec<Transaction>,
    /// The offset of the group, and those that it may be.
    offset: Option<i64>,
}

/// After a restart: nothing is under way, what was acknowledged is there, and each transaction is there as a whole or
/// not at all. What was uncertain is certain then.
async fn check(node: &Arc<Node>, model: &mut Model, what: &str) {
    assert!(node.health.is_good(), "{what}: {:?}", node.health.faults());
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for topic in TOPICS {
        seen.insert(topic, committed(node, topic, what).await);
    }
    let position = [("t".to_owned(), 0)];
    assert_eq!(node.groups.unstable(GROUP, &position), Ok(vec![false]), "{what}: an offset is held back");
    let found = node.groups.offsets(GROUP, Some(&position)).unwrap();
    let found = found.first().map(|(_, _, committed)| committed.offset);
    for transaction in &mut model.ended {
        let of_it = |(topic, value): &(&str, String)| seen[topic].iter().filter(|seen| *seen == value).count();
        let counts: Vec<usize> = transaction.records.iter().map(of_it).collect();
        let all = counts.iter().all(|count| *count == 1);
        let none = counts.iter().all(|count| *count == 0);
        let offset_there = transaction.offset.is_some() && transaction.offset == found;
        match transaction.fate {
            Fate::Committed => assert!(all, "{what}: {transaction:?} is not there: {seen:?}"),
            Fate::Dropped => assert!(none && !offset_there, "{what}: {transaction:?} is there: {seen:?} {found:?}"),
            Fate::Uncertain => {
                assert!(all || none, "{what}: {transaction:?} is there in part: {seen:?}");
                let is_there = if counts.is_empty() { offset_there } else { all };
                if transaction.offset.is_some() {
                    assert_eq!(offset_there, is_there, "{what}: {transaction:?} without its offset, {found:?}");
                    if is_there {
                        model.offset = transaction.offset;
                    }
                }
                transaction.fate = if is_there { Fate::Committed } else { Fate::Dropped };
            }
        }
    }
    assert_eq!(found, model.offset, "{what}: {:?}", model.ended);
    let known: usize = model.ended.iter().filter(|it| it.fate == Fate::Committed).map(|it| it.records.len()).sum();
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), known, "{what}: {seen:?} of {:?}", model.ended);
}

/// Whether a loss of power has left a hole in a log: of two batches that no sync had covered, the later one, or one that a
/// failed write had been taken back for. The log takes that for damage and is not served until an operator has looked at
/// it, so nothing can be said of transactions.
pub(super) fn has_hole(node: &Node) -> bool {
    let holes = ["there is no sound batch, and one with offset", "the batch there has another offset"];
    node.health.faults().iter().any(|fault| holes.iter().any(|hole| fault.contains(hole)))
}

/// Topics that the work needs, so that their making is not part of it.
async fn prepare(disk: &FaultyDisk) {
    let broker = start(disk.process()).await;
    for topic in TOPICS {
        assert_eq!(create(&broker.node, topic).await, 0);
    }
    broker.shutdown().await.unwrap();
    disk.kill();
}

/// What one producer does, one after another. False once something was refused.
async fn course(node: &Arc<Node>, producer: &mut Producer, model: &mut Model) -> bool {
    if producer.init(node).await != 0 {
        return false;
    }
    for (number, commit) in [(0_i64, true), (1, false), (2, true)] {
        model.ended.push(Transaction::new());
        let transaction = model.ended.last_mut().unwrap();
        for topic in TOPICS {
            let value = format!("{number} in {topic}");
            if producer.write(node, topic, &value).await != 0 {
                return false;
            }
            transaction.records.push((topic, value));
        }
        if producer.commit_offset(node, number).await != 0 {
            return false;
        }
        transaction.offset = Some(number);
        if commit {
            transaction.fate = Fate::Uncertain;
        }
        if producer.end(node, commit).await != 0 {
            return false;
        }
        if commit {
            transaction.fate = Fate::Committed;
            model.offset = Some(number);
        }
    }
    true
}

#[tokio::test]
async fn a_broker_that_dies_at_any_step_finishes_what_was_decided_and_drops_what_was_not() {
    for versions in [FIRST, SECOND] {
        for power in [false, true] {
            let (mut deaths, mut holes) = (0, 0);
            loop {
                let disk = FaultyDisk::new(deaths);
                prepare(&disk).await;
                let broker = start(disk.process()).await;
                disk.die_after(deaths);
                let mut model = Model::default();
                let through = course(&broker.node, &mut Producer::new("tx", versions), &mut model).await;
                broker.abandon().await;
                disk.heal();
                if power {
                    disk.lose_power();
                } else {
                    disk.kill();
                }
                let broker = start(disk.process()).await;
                let what = format!("{versions:?}, death after {deaths} operations, power lost: {power}");
                if power && has_hole(&broker.node) {
                    holes += 1;
                } else {
                    let mut next = Producer::new("tx", versions);
                    let code = next.begin_life(&broker.node).await;
                    assert_eq!(code, 0, "{what}: {:?}", broker.node.health.faults());
                    check(&broker.node, &mut model, &what).await;
                }
                broker.abandon().await;
                if through {
                    break;
                }
                deaths += 1;
            }
            assert!(30 < deaths && holes < deaths / 20, "{deaths} operations, {holes} holes");
        }
    }
}

async fn run(seed: u64) {
    let disk = FaultyDisk::new(seed);
    let mut dice = Dice::new(seed ^ 0x7a17);
    prepare(&disk).await;
    let (mut model, mut number) = (Model::default(), 0);
    for life in 0..4 {
        let broker = start(disk.process()).await;
        let node = &broker.node;
        if has_hole(node) {
            broker.abandon().await;
            return;
        }
        let versions = |dice: &mut Dice| if dice.below(2) == 0 { FIRST } else { SECOND };
        let mut producers = [Producer::new("tx", versions(&mut dice)), Producer::new("ty", versions(&mut dice))];
        for producer in &mut producers {
            let code = producer.begin_life(node).await;
            assert_eq!(code, 0, "seed {seed}, life {life}: {:?}", node.health.faults());
        }
        check(node, &mut model, &format!("seed {seed}, life {life}")).await;
        match dice.below(3) {
            0 => disk.die_after(dice.below(300)),
            1 => {
                let operations = [Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir];
                disk.chance(operations[dice.below(4) as usize], 1 + dice.below(40));
            }
            _ => {}
        }
        let mut open = [None, None];
        for _ in 0..dice.below(60) {
            let who = dice.below(2) as usize;
            let producer = &mut producers[who];
            number += 1;
            let done = match dice.below(6) {
                0 if open[who].is_some() => {
                    let transaction: &mut Transaction = open[who].as_mut().unwrap();
                    let commit = dice.below(3) != 0;
                    if commit {
                        transaction.fate = Fate::Uncertain;
                    }
                    let done = producer.end(node, commit).await == 0;
                    if done && commit {
                        transaction.fate = Fate::Committed;
                        model.offset = transaction.offset.or(model.offset);
                    }
                    model.ended.extend(open[who].take());
                    done
                }
                // Another instance drops what this one had begun.
                1 => {
                    model.ended.extend(open[who].take());
                    producer.init(node).await == 0
                }
                // One at a time: whose offset is later in the log is told by the log alone.
                2 if open[1 - who].as_ref().is_none_or(|it| it.offset.is_none()) => {
                    let transaction = open[who].get_or_insert_with(Transaction::new);
                    let done = producer.commit_offset(node, number).await == 0;
                    if done {
                        transaction.offset = Some(number);
                    }
                    done
                }
                _ => {
                    let transaction = open[who].get_or_insert_with(Transaction::new);
                    let topic = TOPICS[dice.below(2) as usize];
                    let value = format!("{number}");
                    let done = producer.write(node, topic, &value).await == 0;
                    if done {
                        transaction.records.push((topic, value));
                    }
                    done
                }
            };
            if !done {
                break;
            }
        }
        model.ended.extend(open.into_iter().flatten());
        disk.heal();
        leave(broker, dice.below(3) == 0).await;
        crash(&disk, &mut dice);
    }
    let broker = start(disk.process()).await;
    if has_hole(&broker.node) {
        broker.abandon().await;
        return;
    }
    for id in ["tx", "ty"] {
        let code = Producer::new(id, SECOND).begin_life(&broker.node).await;
        assert_eq!(code, 0, "seed {seed}, at the end: {:?}", broker.node.health.faults());
    }
    check(&broker.node, &mut model, &format!("seed {seed}, at the end")).await;
    broker.abandon().await;
}

#[tokio::test]
async fn an_end_that_comes_while_the_offsets_of_its_group_are_read_late_is_not_missed() {
    let disk = FaultyDisk::new(1);
    prepare(&disk).await;
    let broker = start(disk.process()).await;
    let mut producer = Producer::new("tx", SECOND);
    assert_eq!(producer.begin_life(&broker.node).await, 0);
    assert_eq!(producer.commit_offset(&broker.node, 7).await, 0);
    broker.abandon().await;
    disk.kill();
    disk.fail(Trigger::on(Operation::Open).path("__consumer_offsets-").always(), ErrorKind::Other);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    disk.heal();
    let later = Instant::now() + Duration::from_secs(120);
    let topic = node.topics.get(crate::internal_topics::OFFSETS_TOPIC).unwrap();
    for index in 0..topic.partition_count() {
        topic.partition(index).unwrap().submit(move |partition| partition.open_again(later)).await.unwrap();
        // Its marker would be behind all that there is to read.
        node.groups.end_transaction(index, producer.producer_id, i64::MAX, true);
    }
    let groups = Arc::clone(&node.groups);
    tokio::task::spawn_blocking(move || groups.load(crate::groups::Load::Missing)).await.unwrap();
    let offsets = node.groups.offsets(GROUP, None).unwrap();
    assert_eq!(offsets.iter().map(|(_, _, committed)| committed.offset).collect::<Vec<_>>(), [7]);
    broker.abandon().await;
}

#[tokio::test]
async fn transactions_of_two_producers_are_whole_or_not_there_after_any_failure() {
    for seed in seeds("TRANSACTION_SEEDS", 100) {
        run(seed).await;
    }
}
