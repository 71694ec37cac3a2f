//! Reads a whole topic.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use harness::SOON;
use millstream_client::{
    Admin, AdminConfig, Cluster, Consumer, ConsumerConfig, TcpDial, admin::OffsetSpec, config::IsolationLevel,
};
use millstream_record::TopicName;
use millstream_wire::batch::{Batches, RecordReader, decompress_records};

/// All values of a topic, per partition with their offsets, in the order they come.
///
/// # Panics
///
/// If they cannot be read to the end within [`SOON`].
pub async fn read_topic(address: &str, topic: &TopicName, partitions: i32) -> BTreeMap<i32, Vec<(i64, String)>> {
    let properties = BTreeMap::from([("bootstrap.servers".to_owned(), address.to_owned())]);
    let config = AdminConfig::from_properties(&properties).expect("valid");
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let admin = Admin::new(&cluster, &config);
    let asked: Vec<_> = (0..partitions).map(|partition| (topic.clone(), partition, OffsetSpec::Latest)).collect();
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await.expect("the broker answers");
    let end = |partition: i32| found[&(topic.clone(), partition)].offset.unwrap_or(0);

    let mut follower = Follower::new(address, topic, partitions);
    let begin = Instant::now();
    while (0..partitions).any(|partition| follower.next(partition) < end(partition)) {
        let ends: Vec<i64> = (0..partitions).map(end).collect();
        assert!(begin.elapsed() < SOON, "the topic can be read in time: at {:?} of {ends:?}", follower.next);
        follower.poll().await;
    }
    follower.values
}

/// Reads a topic from its start on, and goes on reading.
pub struct Follower {
    address: String,
    topic: TopicName,
    partitions: i32,
    isolation: IsolationLevel,
    consumer: Consumer,
    next: BTreeMap<i32, i64>,
    /// What was read so far, per partition with offsets.
    pub values: BTreeMap<i32, Vec<(i64, String)>>,
}

impl Follower {
    /// At the start of every partition.
    pub fn new(address: &str, topic: &TopicName, partitions: i32) -> Self {
        Self::with(address, topic, partitions, IsolationLevel::ReadUncommitted)
    }

    /// The same, of committed transactions only.
    pub fn of_committed(address: &str, topic: &TopicName, partitions: i32) -> Self {
        Self::with(address, topic, partitions, IsolationLevel::ReadCommitted)
    }

    fn with(address: &str, topic: &TopicName, partitions: i32, isolation: IsolationLevel) -> Self {
        let level = match isolation {
            IsolationLevel::ReadUncommitted => "read_uncommitted",
            IsolationLevel::ReadCommitted => "read_committed",
        };
        let properties =
            [("bootstrap.servers", address), ("reconnect.backoff.max.ms", "100"), ("isolation.level", level)];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let config = ConsumerConfig::from_properties(&properties).expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        let mut consumer = Consumer::new(&cluster, config);
        consumer.assign((0..partitions).map(|partition| (topic.clone(), partition)));
        for partition in 0..partitions {
            consumer.seek(topic, partition, 0).expect("assigned");
        }
        let (address, topic) = (address.to_owned(), topic.clone());
        Self { address, topic, partitions, isolation, consumer, next: BTreeMap::new(), values: BTreeMap::new() }
    }

    /// Reads everything that can be seen there now.
    ///
    /// # Panics
    ///
    /// If that cannot be read within [`SOON`].
    pub async fn read_to_end(&mut self) {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), self.address.clone())]);
        let config = AdminConfig::from_properties(&properties).expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        let admin = Admin::new(&cluster, &config);
        let asked: Vec<_> = (0..self.partitions).map(|at| (self.topic.clone(), at, OffsetSpec::Latest)).collect();
        let begin = Instant::now();
        let ends = loop {
            if let Ok(ends) = admin.list_offsets(&asked, self.isolation).await {
                break ends;
            }
            assert!(begin.elapsed() < SOON, "the end of {} can be asked for", self.topic);
        };
        for partition in 0..self.partitions {
            let end = ends[&(self.topic.clone(), partition)].offset.unwrap_or(0);
            while self.consumer.position(&self.topic, partition).await.expect("it is assigned") < end {
                assert!(begin.elapsed() < SOON, "{} can be read to {end}: at {:?}", self.topic, self.next);
                self.poll().await;
            }
        }
    }

    /// How many records were read.
    pub fn len(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn next(&self, partition: i32) -> i64 {
        self.next.get(&partition).copied().unwrap_or(0)
    }

    /// Reads what there is, or waits for it for a while.
    ///
    /// # Panics
    ///
    /// If a record is not whole, or the consumer gives up.
    pub async fn poll(&mut self) {
        for fetched in self.consumer.poll(Duration::from_millis(300)).await.expect("polls").fetched {
            self.next.insert(fetched.partition, fetched.next_offset);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.expect("a whole batch");
                let mut scratch = Vec::new();
                let records = decompress_records(&header, bytes, 1 << 26, &mut scratch).expect("decompresses");
                for record in RecordReader::new(&header, records) {
                    let record = record.expect("a whole record");
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    if fetched.first_offset <= offset {
                        let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
                        self.values.entry(fetched.partition).or_default().push((offset, value));
                    }
                }
            }
        }
    }
}
