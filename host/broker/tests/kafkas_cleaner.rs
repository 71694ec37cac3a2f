//! Compaction beside that of Apache Kafka: both clean the same partition, and the same batches are left.

mod support;

use std::{fs, ops::ControlFlow, path::Path, time::Duration};

use harness::within;
use millstream_disk::faulty::Dice;
use millstream_log::{LogConfig, OpenMode, PartitionLog};
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::{
    batch::{
        BatchStamp, Batches, ControlMarker, Header, RecordBatchBuilder, RecordReader, TimestampType,
        decompress_records, verify_crc, write_control_batch,
    },
    compression::Codec,
};
use support::peers::{Kafka, have_java, java, run};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const DUMP: &str = "org.apache.kafka.tools.DumpLogSegments";
const DAY: i64 = 86_400_000;

/// What a batch says of itself but for its sizes, and its records.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Kept {
    offsets: (i64, i64),
    producer: (i64, i16, i32),
    transactional: bool,
    control: bool,
    codec: Codec,
    timestamps: (TimestampType, i64),
    /// Whether it has a delete horizon, and that before now.
    horizon: Option<bool>,
    records: Vec<Record>,
}

/// Offset, timestamp, key, value, headers.
type Record = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

/// The batches of the `.log` files of a folder.
fn batches(dir: &Path, now_ms: i64) -> Vec<Kept> {
    let mut logs: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let mut found = Vec::new();
    for content in logs.iter().map(|path| fs::read(path).unwrap()) {
        for batch in Batches::new(&content) {
            let (_, bytes) = batch.unwrap();
            let header = verify_crc(bytes).unwrap();
            let mut scratch = Vec::new();
            let data = decompress_records(&header, bytes, 1 << 24, &mut scratch).unwrap();
            let records = RecordReader::new(&header, data).map(|record| {
                let record = record.unwrap();
                let of = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                let offset = header.base_offset + i64::from(record.offset_delta);
                let timestamp = match header.timestamp_type() {
                    TimestampType::CreateTime => header.base_timestamp + record.timestamp_delta,
                    TimestampType::LogAppendTime => header.max_timestamp,
                };
                (offset, timestamp, of(record.key), of(record.value), record.headers.encoded().to_vec())
            });
            found.push(Kept {
                offsets: (header.base_offset, header.last_offset()),
                producer: (header.producer_id, header.producer_epoch, header.base_sequence),
                transactional: header.is_transactional(),
                control: header.is_control(),
                codec: header.codec(),
                timestamps: (header.timestamp_type(), header.max_timestamp),
                horizon: header.delete_horizon().map(|horizon| horizon < now_ms),
                records: records.collect(),
            });
        }
    }
    found
}

fn config() -> LogConfig {
    LogConfig { compact: true, delete: false, segment_bytes: 20_000, ..LogConfig::default() }
}

/// Writes some hundred batches: few keys, tombstones, every codec, producers with sequences, and with transactions that
/// overlap, are committed, aborted, and abandoned by a newer epoch.
struct Writer {
    dice: Dice,
    now_ms: i64,
    sequences: [i32; 5],
    epochs: [i16; 5],
    open: [bool; 5],
}

impl Writer {
    fn write(&mut self, log: &mut PartitionLog, batches: usize) {
        for n in 0..batches {
            let producer = self.dice.below(5) as usize;
            if 2 < producer && self.open[producer] && self.dice.per_mille(400) {
                self.end(log, producer);
                continue;
            }
            let mut builder = RecordBatchBuilder::with_capacity(1000);
            let records = 1 + self.dice.below(6);
            for record in 0..records {
                let key = format!("key {}", self.dice.below(60));
                let value = format!("value {n} {record}").repeat(1 + self.dice.below(5) as usize);
                let value = (!self.dice.per_mille(200)).then_some(value.as_bytes());
                let header = Header { key: b"h", value: Some(key.as_bytes()) };
                let at = self.now_ms + self.dice.below(1000) as i64;
                builder.append(at, Some(key.as_bytes()), value, [header]).unwrap();
            }
            let codec = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd][self.dice.below(5) as usize];
            let stamp = match producer {
                0 => BatchStamp { codec, ..BatchStamp::default() },
                _ => BatchStamp {
                    codec,
                    producer_id: producer as i64,
                    producer_epoch: self.epochs[producer],
                    base_sequence: self.sequences[producer],
                    transactional: 2 < producer,
                    ..BatchStamp::default()
                },
            };
            self.sequences[producer] += records as i32;
            self.open[producer] = 2 < producer;
            self.append(log, builder.finish(&stamp).unwrap().to_vec());
        }
        for producer in 3..5 {
            if self.open[producer] {
                self.end(log, producer);
            }
        }
    }

    fn end(&mut self, log: &mut PartitionLog, producer: usize) {
        // A coordinator that aborts for a producer that is gone bumps its epoch.
        if self.dice.per_mille(200) {
            self.epochs[producer] += 1;
            self.sequences[producer] = 0;
        }
        let marker = ControlMarker { committed: self.dice.per_mille(500), coordinator_epoch: 0 };
        let marker = write_control_batch(self.now_ms, producer as i64, self.epochs[producer], marker);
        self.append(log, marker.to_vec());
        self.open[producer] = false;
    }

    fn append(&mut self, log: &mut PartitionLog, mut batch: Vec<u8>) {
        log.append(&mut batch, 0, Timestamp::from_millis(self.now_ms)).unwrap();
    }
}

fn open(dir: &Path, config: LogConfig) -> PartitionLog {
    PartitionLog::open(&millstream_disk::real(), dir, config, OpenMode::UNKNOWN, Timestamp::now()).unwrap().0
}

/// One pass over all of it, at a time.
fn clean(log: &mut PartitionLog, now: Timestamp) -> LogOffset {
    let cleanable = log.cleanable(None, now).unwrap();
    let cleaning = log.begin_cleaning(&cleanable, now);
    let pace = &mut |_| ControlFlow::Continue(());
    let report = cleaning.run(1 << 20, pace, &mut |done| log.swap_in(done, now)).unwrap();
    assert!(report.records_after <= report.records_before && !report.map_was_full);
    report.cleaned_to
}

/// Copies what belongs to segments.
fn copy_segments(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let wanted = ["log", "index", "timeindex", "txnindex", "snapshot"].iter().any(|kind| name.ends_with(kind));
        if wanted && name.starts_with("0000") || name == "leader-epoch-checkpoint" {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batches_are_left_as_by_kafka_and_its_tools_read_them() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = "log.cleaner.backoff.ms=100";
    let environment = [("SETTINGS", settings), ("KEEP", "yes")];
    let kafka = Kafka::start_with(dir.path(), &environment);
    kafka.await_listening();
    let create = ["--bootstrap-server", &kafka.address, "--create", "--topic", "t"];
    let configs = ["cleanup.policy=compact", "min.cleanable.dirty.ratio=0.01"].map(|config| ["--config", config]);
    run(java(TOPICS, &[&create[..], configs.as_flattened()].concat()), "").await;
    drop(kafka);

    // Some of it was compacted two days ago, so that tombstones and markers of then may go now.
    let ours = dir.path().join("t-0");
    let now_ms = Timestamp::now().as_millis();
    let mut writer = Writer { dice: Dice::new(7), now_ms, sequences: [0; 5], epochs: [0; 5], open: [false; 5] };
    let mut log = open(&ours, config());
    writer.write(&mut log, 400);
    let before = Timestamp::from_millis(now_ms - 2 * DAY);
    clean(&mut log, before);
    clean(&mut log, before);
    // All records of this producer are superseded soon, and its sequence must not go with them.
    let mut builder = RecordBatchBuilder::with_capacity(100);
    builder.append(now_ms, Some(b"key 1"), Some(b"alone"), []).unwrap();
    let stamp = BatchStamp { producer_id: 9, producer_epoch: 0, base_sequence: 0, ..BatchStamp::default() };
    writer.append(&mut log, builder.finish(&stamp).unwrap().to_vec());
    writer.write(&mut log, 500);
    log.close_clean().unwrap();
    let theirs = dir.path().join("kafka/data/t-0");
    for entry in fs::read_dir(&theirs).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("0000") {
            fs::remove_file(path).unwrap();
        }
    }
    copy_segments(&ours, &theirs);
    let expired = batches(&ours, now_ms).iter().filter(|batch| batch.horizon == Some(true)).count();
    assert!(10 < expired, "{expired}");

    // A topic's segments are of 1 GiB there, so that all of it fits into one.
    let mut log = open(&ours, LogConfig { segment_bytes: 1 << 30, ..config() });
    let cleaned_to = clean(&mut log, Timestamp::now());
    log.close_clean().unwrap();

    let kafka = Kafka::start_with(dir.path(), &environment);
    kafka.await_listening();
    let checkpoint = dir.path().join("kafka/data/cleaner-offset-checkpoint");
    within(Duration::from_secs(240), "Kafka has compacted the partition", || {
        let text = fs::read_to_string(&checkpoint).ok()?;
        text.lines().any(|line| line == format!("t 0 {cleaned_to}")).then_some(())
    });
    drop(kafka);
    let (own, kafkas) = (batches(&ours, now_ms), batches(&theirs, now_ms));
    for (own, kafkas) in own.iter().zip(&kafkas) {
        assert_eq!(own, kafkas);
    }
    assert_eq!(own.len(), kafkas.len());
    assert!(own.iter().any(|batch| batch.records.is_empty()) && own.iter().any(|batch| batch.control));

    // What Kafka has compacted opens here, and what we have compacted is in order for its tool.
    let log = open(&theirs, config());
    assert_eq!(log.last_stable_offset(), log.end_offset());
    drop(log);
    let segment = ours.join("00000000000000000000.log");
    let dumped = run(java(DUMP, &["--deep-iteration", "--files", segment.to_str().unwrap()]), "").await;
    assert!(dumped.contains("deleteHorizonMs: OptionalLong[") && !dumped.contains("isvalid: false"), "{dumped}");
    assert_eq!(dumped.matches("isvalid: true").count(), batches_in(&segment));
    for kind in ["index", "timeindex"] {
        let index = segment.with_extension(kind);
        assert!(0 < fs::metadata(&index).unwrap().len());
        let checked = run(java(DUMP, &["--verify-index-only", "--files", index.to_str().unwrap()]), "").await;
        assert!(!checked.contains("Mismatch") && !checked.contains("mismatch"), "{checked}");
    }
    let transactions = segment.with_extension("txnindex");
    if transactions.exists() {
        let dumped = run(java(DUMP, &["--files", transactions.to_str().unwrap()]), "").await;
        assert!(dumped.contains("producerId"), "{dumped}");
    }
}

fn batches_in(segment: &Path) -> usize {
    Batches::new(&fs::read(segment).unwrap()).count()
}
