//! Seeded histories of a compacted log with transactions, on a disk that fails, against a model that keeps everything.
//!
//! Producers without and with sequences and with transactions write few keys again and again, and delete them; segments
//! are closed, compacted (with room for few keys, too) and swapped; time passes; processes are killed, power fails, in
//! the middle of a pass and of the recovery after it as well. After every opening and every pass: whoever reads all that
//! is committed ends with the same value of each key as the model, every record that is there is the one that was sent,
//! tombstones are there for their time, and the last stable offset is where the oldest open transaction begins.
//!
//! `cargo test` runs some hundred histories. `MILLSTREAM_LOG_HISTORIES=100000` runs so many, and
//! `MILLSTREAM_LOG_SEED=17` the one that failed, with what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use millstream_disk::faulty::{Dice, FaultyDisk, Operation, Trigger};
use millstream_log::{
    CleanError, LogConfig, OpenLogError, OpenMode, PartitionLog,
    checkpoint::{self, Offsets},
};
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::{
    batch::{
        BatchHeader, BatchStamp, Batches, ControlMarker, RecordBatchBuilder, RecordReader, decompress_records,
        verify_crc, write_control_batch,
    },
    compression::Codec,
};

const DIR: &str = "/data/t-0";
const RECOVERY_POINTS: &str = "/data/recovery-point-offset-checkpoint";
const CLEANED: &str = "/data/cleaner-offset-checkpoint";

/// The first two have sequences, the others transactions. Producer 0 is none.
const PRODUCERS: i64 = 4;
const RETENTION_MS: i64 = 10_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn no_history_loses_the_last_value_of_a_key_or_brings_a_deleted_one_back() {
    let (first, histories) = match setting("MILLSTREAM_LOG_SEED") {
        Some(seed) => (seed, 1),
        None => (0, setting("MILLSTREAM_LOG_HISTORIES").unwrap_or(600)),
    };
    let mut seen = Seen::default();
    for seed in first..first + histories {
        let mut world = World::new(seed, histories == 1);
        if catch_unwind(AssertUnwindSafe(|| world.live())).is_err() {
            panic!("history {seed} failed; again with what it does: MILLSTREAM_LOG_SEED={seed}");
        }
        for (all, own) in seen.0.iter_mut().zip(world.seen.0) {
            *all += own;
        }
    }
    println!("{histories} histories: {:?}", NAMES.iter().zip(seen.0).collect::<Vec<_>>());
    // A test that never meets what it is about would prove nothing.
    if 500 <= histories {
        assert!(seen.0.iter().all(|times| 20 < *times), "{:?}", NAMES.iter().zip(seen.0).collect::<Vec<_>>());
    }
}

#[test]
fn a_crash_at_any_step_of_a_pass_or_of_the_recovery_after_it_loses_nothing() {
    for crash in 0..3 {
        let mut steps = 0;
        loop {
            // The same every time, but for the step at which the process dies.
            let mut world = World::new(5, false);
            world.config.segment_bytes = 300;
            world.disk.put(Path::new("/data/meta.properties"), b"");
            world.start_without_faults();
            for n in 0..20 {
                world.append();
                if n % 5 == 4 {
                    world.end_transaction();
                }
            }
            while !world.open_transactions().is_empty() {
                world.end_transaction();
            }
            world.clean();
            world.now_ms += RETENTION_MS;
            world.append();
            world.sync();
            world.faults = true;
            world.disk.die_after(steps);
            let over = world.pass();
            let dying = world.disk.has_died();
            for recovery in [3, 10, 20, 30, u64::MAX] {
                match crash {
                    0 => world.disk.kill(),
                    1 => world.disk.kill_and_drop_caches(),
                    _ => world.disk.lose_power(),
                }
                world.log = None;
                world.disk.process();
                world.disk.die_after(recovery);
                if world.try_start() {
                    break;
                }
            }
            world.disk.die_after(u64::MAX);
            world.faults = false;
            world.adopt();
            world.check();
            world.clean();
            world.check_superseded();
            if over {
                assert!(!dying);
                break;
            }
            steps += 1;
        }
        assert!(50 < steps, "{steps}");
    }
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
struct Seen([u64; NAMES.len()]);

const NAMES: [&str; 8] = [
    "passes",
    "passes that ended in a crash",
    "passes with a full map",
    "records that went",
    "tombstones that went",
    "markers that went",
    "openings",
    "aborts",
];

const PASSES: usize = 0;
const CUT_PASSES: usize = 1;
const FULL_MAPS: usize = 2;
const WENT: usize = 3;
const TOMBSTONES: usize = 4;
const MARKERS: usize = 5;
const OPENINGS: usize = 6;
const ABORTS: usize = 7;

#[derive(Clone, Debug, Eq, PartialEq)]
struct Record {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: i64,
}

/// A batch as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    header: BatchHeader,
    marker: Option<bool>,
    records: Vec<(i64, Record)>,
    bytes: Vec<u8>,
}

struct World {
    disk: FaultyDisk,
    dice: Dice,
    config: LogConfig,
    log: Option<PartitionLog>,
    /// All that the log has taken.
    taken: Vec<Sent>,
    /// What it may have taken when it said that it had not.
    perhaps: Vec<Sent>,
    acknowledged: i64,
    now_ms: i64,
    cleaned_to: i64,
    /// When a pass first began after a tombstone was written.
    first_pass: BTreeMap<i64, i64>,
    clean: bool,
    faults: bool,
    over: bool,
    sends: u64,
    tell: bool,
    seen: Seen,
}

fn offset(offset: i64) -> LogOffset {
    LogOffset::new(offset).expect("a model has no negative offsets")
}

fn decode(bytes: &[u8]) -> Sent {
    let header = verify_crc(bytes).expect("what is read is sound");
    if header.is_control() {
        let marker = if header.record_count == 0 { None } else { ControlMarker::parse(&header, bytes).unwrap() };
        let marker = marker.map(|marker| marker.committed);
        return Sent { header, marker, records: Vec::new(), bytes: bytes.to_vec() };
    }
    let mut scratch = Vec::new();
    let data = decompress_records(&header, bytes, 1 << 20, &mut scratch).unwrap();
    let records = RecordReader::new(&header, data)
        .map(|record| {
            let record = record.unwrap();
            let value = record.value.map(<[u8]>::to_vec);
            let timestamp = header.base_timestamp + record.timestamp_delta;
            let kept = Record { key: record.key.unwrap().to_vec(), value, timestamp };
            (header.base_offset + i64::from(record.offset_delta), kept)
        })
        .collect();
    Sent { header, marker: None, records, bytes: bytes.to_vec() }
}

impl World {
    fn new(seed: u64, tell: bool) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(1));
        let config = LogConfig {
            segment_bytes: [300, 1000, 3000][dice.below(3) as usize],
            index_interval_bytes: [1, 300][dice.below(2) as usize],
            compact: true,
            delete: false,
            retention_ms: -1,
            delete_retention_ms: RETENTION_MS,
            sync_closed: dice.per_mille(500),
            ..LogConfig::default()
        };
        Self {
            disk: FaultyDisk::new(seed),
            dice,
            config,
            log: None,
            taken: Vec::new(),
            perhaps: Vec::new(),
            acknowledged: 0,
            now_ms: 1_700_000_000_000,
            cleaned_to: 0,
            first_pass: BTreeMap::new(),
            clean: false,
            faults: false,
            over: false,
            sends: 0,
            tell,
            seen: Seen::default(),
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.tell {
            println!("{}", what());
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms)
    }

    fn live(&mut self) {
        self.disk.put(Path::new("/data/meta.properties"), b"");
        self.start();
        let steps = 20 + self.dice.below(120);
        for _ in 0..steps {
            self.now_ms += self.dice.below(500) as i64;
            match self.dice.below(100) {
                0..55 => self.append(),
                55..68 => self.end_transaction(),
                68..74 => self.sync(),
                74..77 => self.checkpoint(),
                77..90 => self.clean(),
                90..93 => {
                    // Whatever is on its way or comes next is cut short.
                    let after = self.dice.below(60);
                    self.tell(|| format!("the process will die after {after} operations"));
                    self.faults = true;
                    self.disk.die_after(after);
                    self.clean();
                }
                93..95 => self.break_something(),
                95 => self.now_ms += RETENTION_MS,
                96..98 => self.close(),
                _ => self.crash(),
            }
            if self.disk.has_died() || self.log.as_ref().is_none_or(PartitionLog::is_offline) {
                self.crash();
            }
            if self.over {
                return;
            }
        }
        self.disk.heal();
        self.faults = false;
        self.crash();
        if !self.over {
            self.clean();
            self.crash();
        }
    }

    fn append(&mut self) {
        let producer_id = self.dice.below(PRODUCERS as u64 + 1) as i64;
        self.sends += 1;
        let mut builder = RecordBatchBuilder::with_capacity(1024);
        for n in 0..1 + self.dice.below(3) {
            let key = format!("k{}", self.dice.below(12));
            let value = format!("{} {n}", self.sends);
            let value = (!self.dice.per_mille(250)).then_some(value.as_bytes());
            builder.append(self.now_ms + n as i64, Some(key.as_bytes()), value, []).unwrap();
        }
        let codec = if self.dice.per_mille(700) { Codec::None } else { Codec::Lz4 };
        let last = self.taken.iter().rev().find(|sent| sent.header.producer_id == producer_id && sent.marker.is_none());
        let stamp = BatchStamp {
            codec,
            producer_id,
            producer_epoch: 0,
            base_sequence: last.map_or(0, |sent| sent.header.last_sequence() + 1),
            transactional: 2 < producer_id,
            ..BatchStamp::default()
        };
        let plain = BatchStamp { codec, ..BatchStamp::default() };
        let bytes = builder.finish(if producer_id == 0 { &plain } else { &stamp }).unwrap().to_vec();
        self.send(bytes);
    }

    fn end_transaction(&mut self) {
        let open: Vec<i64> = self.open_transactions().into_keys().collect();
        let committed = self.dice.per_mille(500);
        // Now and then one that is not open.
        let n = self.dice.below(open.len() as u64 + 1) as usize;
        let producer_id = open.get(n).copied().unwrap_or(3);
        self.seen.0[ABORTS] += u64::from(n < open.len() && !committed);
        let marker = ControlMarker { committed, coordinator_epoch: 0 };
        self.send(write_control_batch(self.now_ms, producer_id, 0, marker).to_vec());
    }

    fn send(&mut self, mut bytes: Vec<u8>) {
        let now = self.now();
        let Some(log) = &mut self.log else { return };
        let appended = log.append(&mut bytes, 0, now);
        let sent = decode(&bytes);
        self.tell(|| format!("append {:?} of {}: {appended:?}", sent.records, sent.header.producer_id));
        match appended {
            Ok(_) => self.taken.push(sent),
            Err(error) => {
                assert!(self.faults, "{error:?}");
                self.perhaps.push(sent);
            }
        }
    }

    /// Where the transactions began that are open.
    fn open_transactions(&self) -> BTreeMap<i64, i64> {
        let mut open = BTreeMap::new();
        for Sent { header, marker, .. } in &self.taken {
            if marker.is_some() {
                open.remove(&header.producer_id);
            } else if header.is_transactional() {
                open.entry(header.producer_id).or_insert(header.base_offset);
            }
        }
        open
    }

    fn sync(&mut self) {
        let Some(log) = &self.log else { return };
        match log.sync_handle().sync() {
            Ok(end) => self.acknowledged = self.acknowledged.max(end.get()),
            Err(error) => assert!(self.faults, "{error:?}"),
        }
    }

    fn checkpoint(&mut self) {
        let Some(log) = &self.log else { return };
        let recovery_point = log.sync_handle().recovery_point().get();
        self.write_checkpoint(RECOVERY_POINTS, recovery_point);
    }

    fn write_checkpoint(&self, path: &str, value: i64) -> bool {
        let offsets = Offsets::from([(("t".to_owned(), 0), value)]);
        let written = checkpoint::write_offsets(&*self.disk.process(), Path::new(path), &offsets);
        assert!(written.is_ok() || self.faults);
        written.is_ok()
    }

    fn read_checkpoint(&self, path: &str) -> Option<LogOffset> {
        match checkpoint::read_offsets(&*self.disk.process(), Path::new(path)) {
            Ok(offsets) => Some(offset(offsets.get(&("t".to_owned(), 0)).copied().unwrap_or(0))),
            Err(error) => {
                assert!(self.faults, "{error:?}");
                None
            }
        }
    }

    fn clean(&mut self) {
        let now = self.now();
        let map_bytes = 24 * [3, 9, 1000][self.dice.below(3) as usize];
        let Some(log) = &mut self.log else { return };
        let cleanable = match log.cleanable(Some(offset(self.cleaned_to)), now) {
            Ok(cleanable) => cleanable,
            Err(error) => {
                assert!(self.faults, "{error:?}");
                return;
            }
        };
        for (offset, record) in self.taken.iter().flat_map(|sent| &sent.records) {
            if record.value.is_none() && *offset < cleanable.first_uncleanable.get() {
                self.first_pass.entry(*offset).or_insert(self.now_ms);
            }
        }
        let cleaning = log.begin_cleaning(&cleanable, now);
        let end = log.end_offset().get();
        let done = cleaning.run(map_bytes, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now));
        if self.tell {
            println!("{cleanable:?}\nclean with {map_bytes} bytes: {done:?}");
        }
        match done {
            Ok(report) => {
                self.seen.0[PASSES] += 1;
                // What may stand for older records is durable before they go.
                self.acknowledged = self.acknowledged.max(end);
                self.seen.0[FULL_MAPS] += u64::from(report.map_was_full);
                self.seen.0[WENT] += report.records_before - report.records_after;
                assert!(cleanable.first_dirty <= report.cleaned_to);
                assert!(!report.map_was_full || cleanable.first_dirty < report.cleaned_to, "a pass comes further");
                self.cleaned_to = report.cleaned_to.get();
                if !self.disk.has_died() {
                    self.disk.heal();
                    self.faults = false;
                    self.check_superseded();
                    self.check();
                }
                if self.dice.per_mille(700) && !self.disk.has_died() {
                    self.write_checkpoint(CLEANED, self.cleaned_to);
                }
                if self.dice.per_mille(300)
                    && let Some(log) = &mut self.log
                {
                    let purged = log.purge_deleted(Timestamp::from_millis(self.now_ms + 1_000_000));
                    assert!(purged.is_ok() || self.faults);
                }
            }
            Err(error) => {
                assert!(self.faults, "{error:?}");
                assert!(!matches!(error, CleanError::Batch { .. } | CleanError::Overtaken { .. }), "{error:?}");
                self.seen.0[CUT_PASSES] += u64::from(self.disk.has_died());
                // The partition counts as uncleanable then, until it is opened again.
                self.disk.heal();
                self.crash();
            }
        }
    }

    fn close(&mut self) {
        let Some(log) = self.log.take() else { return };
        match log.close_clean() {
            Ok(end) => {
                self.acknowledged = end.get();
                self.clean = !self.disk.has_died() && self.write_checkpoint(RECOVERY_POINTS, end.get());
            }
            Err(error) => assert!(self.faults, "{error:?}"),
        }
        self.crash();
    }

    fn break_something(&mut self) {
        self.faults = true;
        let operations = [
            Operation::Sync,
            Operation::Write,
            Operation::Rename,
            Operation::Open,
            Operation::SyncDir,
            Operation::Remove,
            Operation::Read,
        ];
        let operation = operations[self.dice.below(operations.len() as u64) as usize];
        let trigger = Trigger::on(operation).skip(self.dice.below(6)).times(1 + self.dice.below(3));
        self.tell(|| format!("breaks: {trigger:?}"));
        self.disk.fail(trigger, io::ErrorKind::Other);
        self.clean();
    }

    fn crash(&mut self) {
        match self.dice.below(3) {
            0 => self.disk.kill(),
            1 => self.disk.kill_and_drop_caches(),
            _ => self.disk.lose_power(),
        }
        self.tell(|| "crash".to_owned());
        self.log = None;
        self.start();
    }

    /// One pass with room for all keys; whether it came to its end.
    fn pass(&mut self) -> bool {
        let now = self.now();
        let Some(log) = &mut self.log else { return false };
        let Ok(cleanable) = log.cleanable(Some(offset(self.cleaned_to)), now) else { return false };
        for (offset, _) in self.taken.iter().flat_map(|sent| &sent.records) {
            self.first_pass.entry(*offset).or_insert(self.now_ms);
        }
        let cleaning = log.begin_cleaning(&cleanable, now);
        cleaning.run(1 << 16, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now)).is_ok()
    }

    fn start_without_faults(&mut self) {
        assert!(self.try_start());
    }

    /// Opens the log as a process does that has only its checkpoints; false if it died.
    fn try_start(&mut self) -> bool {
        let points = (self.read_checkpoint(RECOVERY_POINTS), self.read_checkpoint(CLEANED));
        let (Some(recovery_point), Some(cleaned_to)) = points else { return false };
        let mode = OpenMode { recovery_point, cleaned_to, ..OpenMode::UNKNOWN };
        let now = self.now();
        match PartitionLog::open(&self.disk.process(), Path::new(DIR), self.config.clone(), mode, now) {
            Ok((log, _)) => {
                self.cleaned_to = cleaned_to.get();
                self.log = Some(log);
                true
            }
            Err(error) => {
                assert!(self.disk.has_died(), "{error:?}");
                false
            }
        }
    }

    /// Opens the log after a crash, which may be followed by others.
    fn start(&mut self) {
        loop {
            self.disk.heal();
            self.faults = self.dice.per_mille(200);
            if self.faults {
                self.disk.process();
                self.disk.die_after(3 + self.dice.below(60));
            }
            let points = (self.read_checkpoint(RECOVERY_POINTS), self.read_checkpoint(CLEANED));
            let (Some(recovery_point), Some(cleaned_to)) = points else {
                self.disk.lose_power();
                continue;
            };
            let mode = OpenMode { clean: self.clean, recovery_point, cleaned_to, ..OpenMode::UNKNOWN };
            let now = self.now();
            match PartitionLog::open(&self.disk.process(), Path::new(DIR), self.config.clone(), mode, now) {
                Ok((log, report)) => {
                    self.disk.die_after(u64::MAX);
                    self.faults = false;
                    self.tell(|| format!("open {mode:?}: ends at {}, {report:?}", log.end_offset()));
                    self.clean = false;
                    self.seen.0[OPENINGS] += 1;
                    self.cleaned_to = cleaned_to.get();
                    self.log = Some(log);
                    self.adopt();
                    self.check();
                    return;
                }
                Err(error) => {
                    self.tell(|| format!("open {mode:?}: {error:?}"));
                    // A power failure may leave whole batches behind torn ones. A repair would make holes, and where
                    // a marker is lost nobody knows what was committed: `tests/model.rs` repairs.
                    if let OpenLogError::Damaged { source } = &error {
                        assert!(self.acknowledged <= source.offset, "{error:?}");
                        self.over = true;
                        return;
                    }
                    assert!(self.faults && !error.is_lasting(), "{error:?}");
                    self.disk.lose_power();
                }
            }
        }
    }

    /// The model learns how far the log reaches after a crash.
    fn adopt(&mut self) {
        let end = self.log.as_ref().expect("open").end_offset().get();
        assert!(self.acknowledged <= end, "ends at {end}, and {} was acknowledged", self.acknowledged);
        let found = self.read_all();
        // Of what was not acknowledged a power failure may have taken the end.
        self.taken.retain(|sent| sent.header.base_offset < end);
        for sent in found.iter() {
            if let Some(perhaps) = self.perhaps.iter().find(|perhaps| perhaps.bytes == sent.bytes)
                && self.taken.iter().all(|taken| taken.header.base_offset != sent.header.base_offset)
            {
                self.taken.push(perhaps.clone());
            }
        }
        self.taken.sort_by_key(|sent| sent.header.base_offset);
        self.perhaps.clear();
        self.acknowledged = end;
    }

    fn read_all(&self) -> Vec<Sent> {
        let log = self.log.as_ref().expect("open");
        let (reader, mut next, mut found) = (log.reader(), log.start_offset(), Vec::new());
        loop {
            let slice = match reader.read(next, 500, true, log.end_offset()) {
                Ok(slice) => slice,
                Err(error) => panic!("{error:?}"),
            };
            if slice.bytes.is_empty() {
                return found;
            }
            found.extend(Batches::new(&slice.bytes).map(|batch| decode(batch.unwrap().1)));
            next = slice.next_offset;
        }
    }

    /// What of the model is committed, in the order of the offsets, and what an open transaction holds back.
    fn committed(&self) -> (Vec<(i64, Record)>, i64) {
        let end = self.log.as_ref().expect("open").end_offset().get();
        let stable = self.open_transactions().into_values().min().unwrap_or(end);
        let mut committed = Vec::new();
        for (at, sent) in self.taken.iter().enumerate() {
            let id = sent.header.producer_id;
            let mut after = self.taken[at..].iter().filter(|later| later.header.producer_id == id);
            let ended = after.find_map(|later| later.marker);
            if (!sent.header.is_transactional() || ended == Some(true)) && sent.header.base_offset < stable {
                committed.extend(sent.records.iter().cloned());
            }
        }
        (committed, stable)
    }

    /// What the log holds is what it owes.
    fn check(&mut self) {
        let found = self.read_all();
        let sent: BTreeMap<i64, &Record> =
            self.taken.iter().flat_map(|sent| &sent.records).map(|(offset, record)| (*offset, record)).collect();
        let mut next = 0;
        for Sent { header, records, .. } in &found {
            assert!(next <= header.base_offset, "offsets ascend");
            next = header.last_offset() + 1;
            for (offset, record) in records {
                assert_eq!(sent.get(offset), Some(&record), "the record at {offset} is the one that was sent");
            }
        }
        let (committed, stable) = self.committed();
        let log = self.log.as_ref().expect("open");
        assert_eq!(log.last_stable_offset().get(), stable, "{:?}", self.open_transactions());

        // A reader of committed data, as clients do it.
        let mut aborted = log.reader().aborted_transactions(offset(0), offset(stable)).unwrap();
        aborted.sort_by_key(|aborted| aborted.first_offset);
        let (mut ahead, mut skipping) = (aborted.into_iter().peekable(), BTreeSet::new());
        let mut read = BTreeMap::new();
        for Sent { header, marker, records, .. } in found.iter().filter(|sent| sent.header.base_offset < stable) {
            while let Some(begun) = ahead.next_if(|aborted| aborted.first_offset <= header.last_offset()) {
                skipping.insert(begun.producer_id);
            }
            if *marker == Some(false) {
                skipping.remove(&header.producer_id);
            }
            if !(header.is_transactional() && skipping.contains(&header.producer_id)) {
                read.extend(
                    records.iter().map(|(offset, record)| (record.key.clone(), (*offset, record.value.clone()))),
                );
            }
        }
        let newest: BTreeMap<_, _> =
            committed.iter().map(|(offset, record)| (record.key.clone(), (*offset, record.value.clone()))).collect();
        for (key, (offset, value)) in &newest {
            let key_text = String::from_utf8_lossy(key);
            match (value, read.get(key)) {
                (Some(_), got) => assert_eq!(got, Some(&(*offset, value.clone())), "{key_text}"),
                (None, Some(got)) => assert_eq!(got, &(*offset, None), "{key_text} was deleted"),
                (None, None) => {
                    let first = self.first_pass.get(offset).copied();
                    let over = first.is_some_and(|first| first + RETENTION_MS <= self.now_ms);
                    assert!(over, "the tombstone of {key_text} at {offset} went too early: {first:?}");
                    self.seen.0[TOMBSTONES] += 1;
                }
            }
        }
        assert!(read.keys().all(|key| newest.contains_key(key)));
        let markers = |all: &[Sent]| all.iter().filter(|sent| sent.marker.is_some()).count();
        self.seen.0[MARKERS] += u64::from(markers(&found) < markers(&self.taken));
    }

    /// Below the offset up to which the log is clean, no key occurs twice.
    fn check_superseded(&self) {
        let mut seen = BTreeSet::new();
        let aborted: BTreeSet<i64> = {
            let committed: BTreeSet<i64> = self.committed().0.iter().map(|(offset, _)| *offset).collect();
            let all = self.taken.iter().flat_map(|sent| &sent.records).map(|(offset, _)| *offset);
            all.filter(|offset| !committed.contains(offset)).collect()
        };
        for (offset, record) in self.read_all().into_iter().flat_map(|sent| sent.records).rev() {
            if offset < self.cleaned_to {
                assert!(!aborted.contains(&offset), "what was aborted at {offset} is still there");
                assert!(seen.insert(record.key), "the record at {offset} is superseded");
            }
        }
    }
}
