//! A broker that is killed under load keeps every record it acknowledged, in order and untorn.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use harness::Broker;
use millstream_client::{
    Cluster, Consumer, ConsumerConfig, Producer, ProducerConfig, RecordRef, TcpDial, TryAppendError,
};
use millstream_record::TopicName;
use millstream_wire::batch::{Batches, RecordReader, decompress_records};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Times the broker is killed; each time a producer is at work.
const KILLS: usize = 80;
const PARTITIONS: i32 = 3;

fn seed() -> u64 {
    let given = std::env::var("MILLSTREAM_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    println!("MILLSTREAM_CRASH_SEED={seed}");
    seed
}

fn settings(address: &str) -> BTreeMap<String, String> {
    [("bootstrap.servers", address), ("linger.ms", "1"), ("batch.size", "4000"), ("delivery.timeout.ms", "120000")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// What one round of producing was told: per partition the last record known to be safe.
type Acknowledged = BTreeMap<i32, u64>;

/// Produces numbered records until the broker dies; returns what was acknowledged.
async fn produce(
    address: &str,
    topic: &TopicName,
    next: &mut BTreeMap<i32, u64>,
    kill: impl Future<Output = ()>,
) -> Acknowledged {
    let config = ProducerConfig::from_properties(&settings(address)).unwrap();
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let mut producer = Producer::new(&cluster, config);
    let mut sent: BTreeMap<u64, (i32, u64)> = BTreeMap::new();
    let mut acknowledged = Acknowledged::new();
    tokio::pin!(kill);
    let mut partition = 0;
    let mut dead = false;
    producer.partitions(topic).await.unwrap();
    while !dead {
        tokio::select! {
            biased;
            () = &mut kill => dead = true,
            () = std::future::ready(()) => {}
        }
        let number = next.entry(partition).or_default();
        let value = format!("{partition}:{number}:{}", "x".repeat((*number % 97) as usize));
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        match producer.try_append(topic, Some(partition), record) {
            Ok(sequence) => {
                sent.insert(sequence.into(), (partition, *number));
                *number += 1;
                partition = (partition + 1) % PARTITIONS;
            }
            Err(TryAppendError::Full | TryAppendError::UnknownTopic) => {}
            Err(TryAppendError::Failed(error)) => panic!("{error}"),
        }
        while let Some(ack) = producer.try_ack() {
            if ack.result.is_ok() {
                for sequence in u64::from(ack.first)..=u64::from(ack.last) {
                    let (partition, number) = sent[&sequence];
                    acknowledged.insert(partition, number);
                }
            }
        }
        if 20_000 < producer.outstanding() {
            tokio::select! {
                () = producer.ready() => {}
                () = &mut kill, if !dead => dead = true,
            }
        }
        tokio::task::yield_now().await;
    }
    // What is not acknowledged by now may or may not be there; the next round starts behind it.
    while let Some(ack) = producer.try_ack() {
        if ack.result.is_ok() {
            let (partition, number) = sent[&u64::from(ack.last)];
            acknowledged.insert(partition, number);
        }
    }
    acknowledged
}

/// All values of the topic, per partition in order.
async fn read_all(address: &str, topic: &TopicName) -> BTreeMap<i32, Vec<(i64, String)>> {
    let mut properties = settings(address);
    properties.remove("linger.ms");
    properties.insert("auto.offset.reset".to_owned(), "earliest".to_owned());
    let config = ConsumerConfig::from_properties(&properties).unwrap();
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let mut consumer = Consumer::new(&cluster, config);
    consumer.assign((0..PARTITIONS).map(|partition| (topic.clone(), partition)));
    let mut values: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    let mut idle = 0;
    while idle < 4 {
        let polled = consumer.poll(Duration::from_millis(300)).await.unwrap();
        idle = if polled.fetched.is_empty() { idle + 1 } else { 0 };
        for fetched in polled.fetched {
            ends.insert(fetched.partition, fetched.next_offset);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.unwrap();
                let mut scratch = Vec::new();
                let records = decompress_records(&header, bytes, 1 << 26, &mut scratch).unwrap();
                for record in RecordReader::new(&header, records) {
                    let record = record.unwrap();
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    if fetched.first_offset <= offset {
                        let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                        values.entry(fetched.partition).or_default().push((offset, value));
                    }
                }
            }
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_keeps_what_it_acknowledged() {
    let mut random = StdRng::seed_from_u64(seed());
    let folder = tempfile::tempdir().unwrap();
    let topic = TopicName::parse("numbers").unwrap();
    let mut next = BTreeMap::new();
    let mut safe = Acknowledged::new();
    for round in 0..KILLS {
        let partitions = format!("num.partitions={PARTITIONS}");
        let mut broker = Broker::start(folder.path(), &[&partitions, "log.segment.bytes=1000000"]);
        let address = broker.address.clone();
        let delay = Duration::from_micros(random.random_range(0..120_000));
        let killed = async {
            tokio::time::sleep(delay).await;
            broker.kill();
        };
        let acknowledged = produce(&address, &topic, &mut next, killed).await;
        safe.extend(acknowledged);
        if round % 8 == 7 || round + 1 == KILLS {
            let broker = Broker::start(folder.path(), &[&partitions]);
            check(&read_all(&broker.address, &topic).await, &safe, round);
        }
    }
}

/// Every record up to the last acknowledged one is there, once a round, in order, whole.
fn check(found: &BTreeMap<i32, Vec<(i64, String)>>, safe: &Acknowledged, round: usize) {
    for (partition, last) in safe {
        let values = found.get(partition).map(Vec::as_slice).unwrap_or_default();
        let mut expected_offset = 0;
        let mut newest = None;
        for (offset, value) in values {
            assert_eq!(*offset, expected_offset, "partition {partition}: a gap in the offsets after round {round}");
            expected_offset += 1;
            let mut parts = value.split(':');
            assert_eq!(parts.next(), Some(partition.to_string().as_str()));
            let number: u64 = parts.next().unwrap().parse().unwrap();
            assert_eq!(parts.next().unwrap().len(), (number % 97) as usize, "a torn record: {value}");
            // Numbers rise; those that were never acknowledged may be missing, none comes twice.
            assert!(newest.is_none_or(|newest| newest < number), "{number} after {newest:?} in partition {partition}");
            newest = Some(number);
        }
        assert!(
            newest.is_some_and(|newest| *last <= newest),
            "partition {partition} ends at {newest:?}, acknowledged up to {last}, round {round}"
        );
    }
}
