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

    let config = ConsumerConfig::from_properties(&properties).expect("valid");
    let mut consumer = Consumer::new(&cluster, config);
    consumer.assign((0..partitions).map(|partition| (topic.clone(), partition)));
    for partition in 0..partitions {
        consumer.seek(topic, partition, 0).expect("assigned");
    }
    let mut values: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    let begin = Instant::now();
    while (0..partitions).any(|partition| next.get(&partition).copied().unwrap_or(0) < end(partition)) {
        let ends: Vec<i64> = (0..partitions).map(end).collect();
        assert!(begin.elapsed() < SOON, "the topic can be read in time: at {next:?} of {ends:?}");
        for fetched in consumer.poll(Duration::from_millis(300)).await.expect("polls").fetched {
            next.insert(fetched.partition, fetched.next_offset);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.expect("a whole batch");
                let mut scratch = Vec::new();
                let records = decompress_records(&header, bytes, 1 << 26, &mut scratch).expect("decompresses");
                for record in RecordReader::new(&header, records) {
                    let record = record.expect("a whole record");
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    if fetched.first_offset <= offset {
                        let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
                        values.entry(fetched.partition).or_default().push((offset, value));
                    }
                }
            }
        }
    }
    values
}
