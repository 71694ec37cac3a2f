//! The log as its callers see it, on real files.

mod appending;
mod concurrency;
mod crashes;
mod deleting;
mod finding;
mod repairing;

use std::{
    fs,
    path::{Path, PathBuf},
};

use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchHeader, BatchStamp, Batches, RecordBatchBuilder, verify_crc};
use tempfile::TempDir;

use crate::{Appended, LogConfig, LogReader, OpenMode, PartitionLog, RecoveryReport};

pub(super) const NOW: i64 = 1_700_000_000_000;

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

pub(super) fn at(offset: i64) -> LogOffset {
    LogOffset::new(offset).unwrap()
}

/// A batch of records with these timestamps and values of this length.
pub(super) fn batch_of(timestamps: &[i64], value_len: usize, stamp: &BatchStamp) -> Vec<u8> {
    let mut builder = RecordBatchBuilder::with_capacity(1024);
    let value = vec![b'v'; value_len];
    for &timestamp in timestamps {
        builder.append(timestamp, None, Some(&value), []).unwrap();
    }
    builder.finish(stamp).unwrap().to_vec()
}

/// A batch of some records of now.
pub(super) fn batch(records: usize) -> Vec<u8> {
    batch_of(&vec![NOW; records], 10, &BatchStamp::default())
}

/// A batch of an idempotent producer.
pub(super) fn sequenced(records: usize, base_sequence: i32) -> Vec<u8> {
    let stamp = BatchStamp { producer_id: 7, producer_epoch: 0, base_sequence, ..BatchStamp::default() };
    batch_of(&vec![NOW; records], 10, &stamp)
}

/// A log in a folder of its own.
pub(super) struct Bed {
    pub dir: TempDir,
    pub config: LogConfig,
}

impl Bed {
    pub fn new(config: LogConfig) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), config }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("t-0")
    }

    pub fn open(&self, mode: OpenMode) -> (PartitionLog, RecoveryReport) {
        open(&self.path(), &self.config, mode)
    }

    pub fn start(&self) -> PartitionLog {
        self.open(OpenMode::UNKNOWN).0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

pub(super) fn open(dir: &Path, config: &LogConfig, mode: OpenMode) -> (PartitionLog, RecoveryReport) {
    PartitionLog::open(&millstream_disk::real(), dir, config.clone(), mode, now()).unwrap()
}

pub(super) fn clean(recovery_point: LogOffset) -> OpenMode {
    OpenMode { clean: true, recovery_point, ..OpenMode::UNKNOWN }
}

pub(super) fn append(log: &mut PartitionLog, mut batch: Vec<u8>) -> Appended {
    log.append(&mut batch, 0, now()).unwrap()
}

/// Everything that can be read from an offset on, batch by batch, with checksums verified.
pub(super) fn read_all(reader: &LogReader, from: i64) -> Vec<BatchHeader> {
    let mut headers = Vec::new();
    let mut next = at(from);
    loop {
        let slice = reader.read(next, 1 << 20, true, reader.end_offset()).unwrap();
        if slice.bytes.is_empty() {
            return headers;
        }
        for batch in Batches::new(&slice.bytes) {
            headers.push(verify_crc(batch.unwrap().1).unwrap());
        }
        assert!(next < slice.next_offset);
        next = slice.next_offset;
    }
}

/// The base offsets of everything that can be read.
pub(super) fn bases(log: &PartitionLog) -> Vec<i64> {
    let reader = log.reader();
    read_all(&reader, reader.start_offset().get()).iter().map(|header| header.base_offset).collect()
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub(super) fn names(dir: &Path, suffix: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort();
    names
}

/// Every file of a folder with its content.
pub(super) fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    names(dir, "").into_iter().map(|name| (name.clone(), fs::read(dir.join(name)).unwrap())).collect()
}
