//! Compaction under transactions on a disk that fails: segments of a few records, a cleaner that never rests,
//! coordinators whose own logs are compacted too, and producers that are remembered by snapshots alone.
//!
//! Each run is its seed: `COMPACTION_SEEDS=FIRST..LAST` repeats others than the short list that always runs.

use std::collections::{BTreeMap, BTreeSet};

use millstream_disk::faulty::{Dice, FaultyDisk, Operation};
use millstream_record::TopicName;
use millstream_wire::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{
    transactions::{FIRST, Producer, SECOND, committed_records, has_hole},
    *,
};
use crate::topics::NewTopic;

const TOPIC: &str = "t";
const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;

async fn busy(disk: Arc<dyn Disk>) -> Broker {
    let own = [
        ("log.cleaner.backoff.ms", "1"),
        ("offsets.topic.segment.bytes", "600"),
        ("transaction.state.log.segment.bytes", "600"),
    ];
    try_start_with(disk, &own).await.expect("the broker starts")
}

async fn prepare(disk: &FaultyDisk, markers_stay: bool) {
    let broker = busy(disk.process()).await;
    let overrides = [
        ("cleanup.policy", "compact"),
        ("internal.segment.bytes", "300"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("delete.retention.ms", if markers_stay { "86400000" } else { "0" }),
    ];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { name: TopicName::parse(TOPIC).unwrap(), partitions: 1, overrides };
    broker.node.topics.create(new).await.unwrap();
    broker.shutdown().await.unwrap();
    disk.kill();
}

/// A record that was acknowledged.
#[derive(Clone, Debug)]
struct Known {
    offset: i64,
    key: &'static str,
    value: String,
}

/// What is certain, and what may be.
#[derive(Debug, Default)]
struct Model {
    committed: Vec<Known>,
    /// Of a commit that was not answered: all of them, or none.
    uncertain: Vec<Known>,
    /// Values that nobody may ever see.
    never: BTreeSet<String>,
    /// Outside of transactions, not acknowledged: it may be there.
    perhaps: BTreeSet<String>,
}

/// An idempotent producer that lives as long as the history: only the log remembers it.
#[derive(Debug)]
struct Lasting {
    producer_id: i64,
    sequence: i32,
    /// The last batch that was acknowledged, and where it is.
    last: Option<(Bytes, i64)>,
}

impl Lasting {
    async fn new(node: &Arc<Node>) -> Self {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let given: InitProducerIdResponse = call(node, ApiKey::InitProducerId, 4, &request).await;
        assert_eq!(given.error_code, 0);
        Self { producer_id: given.producer_id.0, sequence: 0, last: None }
    }

    async fn send(node: &Arc<Node>, batch: Bytes) -> (i16, i64) {
        let mut request = produce(TOPIC, "");
        request.topic_data[0].partition_data[0].records = Some(batch);
        let done: ProduceResponse = call(node, ApiKey::Produce, 9, &request).await;
        let written = &done.responses[0].partition_responses[0];
        (written.error_code, written.base_offset)
    }

    async fn write(&mut self, node: &Arc<Node>, key: &str, value: &str) -> (i16, i64) {
        let mut builder = RecordBatchBuilder::with_capacity(100);
        builder.append(1_700_000_000_000, Some(key.as_bytes()), Some(value.as_bytes()), []).unwrap();
        let stamp = BatchStamp {
            producer_id: self.producer_id,
            producer_epoch: 0,
            base_sequence: self.sequence,
            ..BatchStamp::default()
        };
        let batch: BytesMut = builder.finish(&stamp).unwrap();
        let batch = batch.freeze();
        let (code, offset) = Self::send(node, batch.clone()).await;
        if code == 0 {
            self.sequence += 1;
            self.last = Some((batch, offset));
        }
        (code, offset)
    }

    /// A batch that is sent again is known for what it is, however much was compacted.
    async fn repeat(&self, node: &Arc<Node>, what: &str) {
        let Some((batch, offset)) = &self.last else { return };
        let (code, found) = Self::send(node, batch.clone()).await;
        let is_known = (code, found) == (0, *offset) || code == DUPLICATE_SEQUENCE_NUMBER;
        assert!(is_known, "{what}: sent again, the batch at {offset} is answered with {code} at {found}");
    }
}

/// After a restart: of each key the newest committed record is there, under its offset; nothing that was aborted is.
async fn check(node: &Arc<Node>, model: &mut Model, what: &str) {
    assert!(node.health.is_good(), "{what}: {:?}", node.health.faults());
    let seen = committed_records(node, TOPIC, what).await;
    for (offset, key, value) in &seen {
        assert!(!model.never.contains(value), "{what}: {value} was aborted, and is read at {offset}");
        let known = model.committed.iter().chain(&model.uncertain).find(|known| known.value == *value);
        match known {
            Some(known) => assert_eq!((known.offset, known.key), (*offset, key.as_str()), "{what}: {known:?}"),
            None => assert!(model.perhaps.contains(value), "{what}: nobody sent {value}, which is read at {offset}"),
        }
    }
    let newest = |records: &mut dyn Iterator<Item = (i64, &str, &str)>| {
        let mut newest: BTreeMap<String, (i64, String)> = BTreeMap::new();
        for (offset, key, value) in records {
            let known = newest.entry(key.to_owned()).or_insert((-1, String::new()));
            if known.0 < offset {
                *known = (offset, value.to_owned());
            }
        }
        newest
    };
    let found = newest(&mut seen.iter().map(|(offset, key, value)| (*offset, key.as_str(), value.as_str())));
    // A record whose acknowledgement is missing stands behind all others, if it stands.
    let perhaps = || seen.iter().filter(|(_, _, value)| model.perhaps.contains(value));
    let perhaps: Vec<_> = perhaps().map(|(offset, key, value)| (*offset, key.as_str(), value.as_str())).collect();
    let of = |known: &[Known]| known.iter().map(|it| (it.offset, it.key, it.value.clone())).collect::<Vec<_>>();
    let (certain, uncertain) = (of(&model.committed), of(&model.uncertain));
    let without = newest(&mut certain.iter().map(|(o, k, v)| (*o, *k, v.as_str())).chain(perhaps.iter().copied()));
    let with = newest(
        &mut certain.iter().chain(&uncertain).map(|(o, k, v)| (*o, *k, v.as_str())).chain(perhaps.iter().copied()),
    );
    assert!(
        found == without || found == with,
        "{what}: the newest are {found:?}, and not {without:?} or {with:?}: {seen:?}"
    );
    let is_there = found == with && found != without;
    let decided = std::mem::take(&mut model.uncertain);
    if is_there {
        model.committed.extend(decided);
    } else if without != with {
        model.never.extend(decided.into_iter().map(|known| known.value));
    } else {
        // Nothing of it is the newest of anything: it may stand there until it is compacted.
        model.perhaps.extend(decided.into_iter().map(|known| known.value));
    }
}

/// What a producer has under way.
#[derive(Debug, Default)]
struct Open(Vec<Known>);

async fn run(seed: u64) {
    let disk = FaultyDisk::new(seed);
    let mut dice = Dice::new(seed ^ 0xc0_4ac7);
    prepare(&disk, dice.below(2) == 0).await;
    let (mut model, mut number) = (Model::default(), 0_i64);
    let mut lasting: Option<Lasting> = None;
    for life in 0..5 {
        let broker = busy(disk.process()).await;
        let node = &broker.node;
        if has_hole(node) {
            broker.abandon().await;
            return;
        }
        let what = format!("seed {seed}, life {life}");
        let versions = |dice: &mut Dice| if dice.below(2) == 0 { FIRST } else { SECOND };
        let mut producers = [Producer::new("tx", versions(&mut dice)), Producer::new("ty", versions(&mut dice))];
        for producer in &mut producers {
            let code = producer.begin_life(node).await;
            assert_eq!(code, 0, "{what}: {:?}", node.health.faults());
        }
        check(node, &mut model, &what).await;
        match &lasting {
            Some(lasting) => lasting.repeat(node, &what).await,
            None => lasting = Some(Lasting::new(node).await),
        }
        match dice.below(4) {
            0 => disk.die_after(dice.below(600)),
            1 => {
                let operations = [Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir];
                disk.chance(operations[dice.below(4) as usize], 1 + dice.below(20));
            }
            _ => {}
        }
        let mut open = [Open::default(), Open::default()];
        let last_life = life == 4;
        for _ in 0..20 + dice.below(80) {
            number += 1;
            let (who, key, value) = (dice.below(2) as usize, KEYS[dice.below(4) as usize], format!("{number}"));
            let done = match dice.below(8) {
                0 | 1 if !open[who].0.is_empty() => {
                    let commit = dice.below(3) != 0;
                    let done = producers[who].end(node, commit).await == 0;
                    let records = std::mem::take(&mut open[who].0);
                    match (commit, done) {
                        (true, true) => model.committed.extend(records),
                        (true, false) => model.uncertain.extend(records),
                        (false, _) => model.never.extend(records.into_iter().map(|known| known.value)),
                    }
                    done
                }
                2 => producers[who].commit_offset(node, number).await == 0,
                3 | 4 => {
                    let lasting = lasting.as_mut().expect("since the first life");
                    let (code, offset) = lasting.write(node, key, &value).await;
                    if code == 0 {
                        model.committed.push(Known { offset, key, value });
                    } else {
                        model.perhaps.insert(value);
                    }
                    code == 0
                }
                _ => {
                    let (code, offset) = producers[who].write_keyed(node, TOPIC, Some(key), &value).await;
                    if code == 0 {
                        open[who].0.push(Known { offset, key, value });
                    } else {
                        model.never.insert(value);
                    }
                    code == 0
                }
            };
            if !done {
                // Whether it stands in the log is not known, so neither is what comes next.
                lasting = None;
                break;
            }
        }
        for open in open {
            model.never.extend(open.0.into_iter().map(|known| known.value));
        }
        disk.heal();
        leave(broker, dice.below(3) == 0).await;
        if last_life {
            disk.lose_power();
        } else {
            crash(&disk, &mut dice);
        }
    }
    let broker = busy(disk.process()).await;
    if !has_hole(&broker.node) {
        for id in ["tx", "ty"] {
            let code = Producer::new(id, SECOND).begin_life(&broker.node).await;
            assert_eq!(code, 0, "seed {seed}, at the end: {:?}", broker.node.health.faults());
        }
        let what = format!("seed {seed}, at the end");
        check(&broker.node, &mut model, &what).await;
        if let Some(lasting) = &lasting {
            lasting.repeat(&broker.node, &what).await;
        }
    }
    broker.abandon().await;
}

#[tokio::test]
async fn compaction_keeps_the_newest_committed_record_of_each_key_over_any_failure() {
    for seed in seeds("COMPACTION_SEEDS", 60) {
        run(seed).await;
    }
}
