//! A producer of numbered records that remembers what was acknowledged, and the check of what is found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use harness::SOON;
use millstream_client::{Ack, Cluster, Producer, ProducerConfig, RecordRef, TcpDial, TryAppendError};
use millstream_record::TopicName;

/// Most records under way: enough to keep five requests busy.
const OUTSTANDING: u64 = 2000;

/// The records of one topic: each partition has its own numbers, which rise by one.
pub struct Numbers {
    topic: TopicName,
    partitions: i32,
    next: BTreeMap<i32, u64>,
    /// What was acknowledged, by partition.
    safe: BTreeMap<i32, BTreeSet<u64>>,
    /// Partition and number of what is under way, by the producer's sequence.
    sent: BTreeMap<u64, (i32, u64)>,
    appended: u64,
}

/// The value of a record: its number, and a tail by whose length a torn one is found out.
pub fn value_of(partition: i32, number: u64) -> String {
    format!("{partition}:{number}:{}", "x".repeat((number % 97) as usize))
}

impl Numbers {
    /// For a topic of so many partitions.
    pub fn new(topic: TopicName, partitions: i32) -> Self {
        Self { topic, partitions, next: BTreeMap::new(), safe: BTreeMap::new(), sent: BTreeMap::new(), appended: 0 }
    }

    /// A producer of small batches, so that many requests are under way at any moment. What an older one had
    /// under way counts as lost.
    pub fn producer(&mut self, address: &str) -> Producer {
        let settings = [
            ("bootstrap.servers", address),
            ("linger.ms", "1"),
            ("batch.size", "4000"),
            ("delivery.timeout.ms", "120000"),
            ("reconnect.backoff.max.ms", "100"),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let config = ProducerConfig::from_properties(&settings).expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        self.sent.clear();
        Producer::new(&cluster, config)
    }

    /// How many records were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.safe.values().map(BTreeSet::len).sum()
    }

    /// How many records were handed to a producer.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Produces for as long as `until` takes.
    ///
    /// # Panics
    ///
    /// If a record is refused for another reason than a lack of room.
    pub async fn produce(&mut self, producer: &mut Producer, until: impl Future<Output = ()>) {
        let topic = self.topic.clone();
        tokio::pin!(until);
        loop {
            tokio::select! {
                biased;
                () = &mut until => break,
                // A broker that is down leaves nothing to do but wait for it, or for `until`.
                known = producer.partitions(&topic) => drop(known.expect("the topic is known")),
            }
            for _ in 0..20 {
                if OUTSTANDING < producer.outstanding() || !self.append(producer) {
                    break;
                }
            }
            self.take_acks(producer);
            if OUTSTANDING < producer.outstanding() {
                tokio::select! {
                    biased;
                    () = &mut until => break,
                    ack = producer.next_ack() => self.note(ack),
                }
            }
            tokio::task::yield_now().await;
        }
        self.take_acks(producer);
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Panics
    ///
    /// If it is not within [`SOON`], or a record failed.
    pub async fn finish(&mut self, producer: &mut Producer) {
        let begin = Instant::now();
        while 0 < producer.outstanding() {
            let ack = tokio::time::timeout(SOON, producer.next_ack()).await.expect("acknowledged in time");
            assert!(ack.result.is_ok(), "{:?}", ack.result);
            self.note(ack);
            assert!(begin.elapsed() < 2 * SOON, "everything is acknowledged in time");
        }
    }

    fn append(&mut self, producer: &mut Producer) -> bool {
        let partition = (self.appended % self.partitions as u64) as i32;
        let number = self.next.entry(partition).or_default();
        let value = value_of(partition, *number);
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        match producer.try_append(&self.topic, Some(partition), record) {
            Ok(sequence) => {
                self.sent.insert(sequence, (partition, *number));
                *number += 1;
                self.appended += 1;
                true
            }
            Err(TryAppendError::Full | TryAppendError::UnknownTopic) => false,
            Err(TryAppendError::Failed(error)) => panic!("{error}"),
        }
    }

    fn take_acks(&mut self, producer: &mut Producer) {
        while let Some(ack) = producer.try_ack() {
            self.note(ack);
        }
    }

    fn note(&mut self, ack: Ack) {
        for sequence in ack.first..=ack.last {
            let (partition, number) = self.sent.remove(&sequence).expect("acknowledged once, and sent before");
            if ack.result.is_ok() {
                self.safe.entry(partition).or_default().insert(number);
            }
        }
    }

    /// Every acknowledged record is there, whole; offsets have no gap; numbers rise, so none comes twice.
    ///
    /// # Panics
    ///
    /// If not; `when` says after what.
    pub fn check(&self, found: &BTreeMap<i32, Vec<(i64, String)>>, when: &str) {
        for (partition, safe) in &self.safe {
            let values = found.get(partition).map(Vec::as_slice).unwrap_or_default();
            let mut numbers = BTreeSet::new();
            for (expected_offset, (offset, value)) in (0..).zip(values) {
                assert_eq!(*offset, expected_offset, "partition {partition}: a gap in the offsets {when}");
                let number = value.split(':').nth(1).and_then(|number| number.parse().ok());
                let number: u64 = number.unwrap_or_else(|| panic!("a torn record: {value} {when}"));
                assert_eq!(*value, value_of(*partition, number), "a torn record {when}");
                // Numbers that were never acknowledged may be missing.
                let newest = numbers.last().copied();
                assert!(newest.is_none_or(|it| it < number), "{number} after {newest:?} in {partition} {when}");
                numbers.insert(number);
            }
            let missing: Vec<_> = safe.difference(&numbers).take(5).collect();
            assert!(missing.is_empty(), "partition {partition} {when}: acknowledged and missing: {missing:?}");
        }
    }

    /// Every record is there once, acknowledged or not.
    ///
    /// # Panics
    ///
    /// If not.
    pub fn check_complete(&self, found: &BTreeMap<i32, Vec<(i64, String)>>) {
        self.check(found, "at the end");
        for (partition, next) in &self.next {
            assert_eq!(found[partition].len() as u64, *next, "partition {partition} has every record once");
        }
    }
}
