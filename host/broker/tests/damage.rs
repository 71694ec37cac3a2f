//! A partition whose files are damaged: it alone is offline, nothing of it is changed, and a repair brings it back.

mod support;

use std::fs;

use millstream_broker::{Broker, repair};
use support::{Client, batch, config};

const KAFKA_STORAGE_ERROR: i16 = 56;

#[tokio::test]
async fn a_flipped_bit_takes_one_partition_offline_loses_nothing_and_can_be_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    for topic in ["damaged", "sound"] {
        client.create(topic).await;
        for value in ["first", "second", "third"] {
            client.produce(topic, -1, batch(&[value], None)).await;
        }
    }
    broker.abandon().await;
    let log = dir.path().join("damaged-0/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();

    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(client.produce("damaged", -1, batch(&["x"], None)).await.0, KAFKA_STORAGE_ERROR);
    assert_eq!(client.fetch("damaged", 0, 0).await.0, KAFKA_STORAGE_ERROR);
    assert_eq!(client.produce("sound", -1, batch(&["fourth"], None)).await, (0, 3));
    broker.shutdown().await.expect_err("a stop with a partition offline is not in order");
    assert!(fs::read(&log).unwrap() == bytes, "the file is as it was");

    let repaired = repair(&millstream_disk::real(), dir.path(), &[], true).unwrap();
    let set_aside: Vec<_> = repaired.iter().map(|partition| partition.set_aside.len()).collect();
    assert_eq!(set_aside, [1, 0]);
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let (code, high_watermark, records) = client.fetch("damaged", 0, 0).await;
    assert_eq!((code, high_watermark), (0, 3));
    let has = |value: &str| records.windows(value.len()).any(|bytes| bytes == value.as_bytes());
    assert!(has("first") && !has("second") && has("third"));
    assert_eq!(client.produce("damaged", -1, batch(&["next"], None)).await, (0, 3));
    broker.shutdown().await.unwrap();
}
