//! Seeded histories on a disk that fails, against a model of what was acknowledged.
//!
//! A history appends with several producers, rolls, syncs, deletes, checkpoints, closes, and is cut by kills, power
//! failures, deaths in the middle of an operation (recovery included), failed syncs, writes and renames, a full disk
//! and flipped bits. After every opening: nothing acknowledged is missing or altered, nothing is there that was not
//! sent, offsets have no holes, producers go on where they were; damage is reported, and nothing is changed then.
//!
//! `cargo test` runs some hundred histories. `MILLSTREAM_LOG_HISTORIES=100000` runs so many, and
//! `MILLSTREAM_LOG_SEED=17` the one that failed, with what it does.

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use millstream_disk::faulty::{Dice, FaultyDisk, Operation, Trigger};
use millstream_log::{
    DamageKind, LogConfig, OpenLogError, OpenMode, PartitionLog, RecoveryReport,
    checkpoint::{self, Offsets},
    plan_repair,
};
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchHeader, BatchStamp, Batches, RecordBatchBuilder, verify_crc};

const DIR: &str = "/data/t-0";
const RECOVERY_POINTS: &str = "/data/recovery-point-offset-checkpoint";
const LOG_STARTS: &str = "/data/log-start-offset-checkpoint";

/// Producers with sequences; another one has none.
const PRODUCERS: i64 = 3;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn no_history_of_crashes_and_failures_loses_or_alters_what_was_acknowledged() {
    let (first, histories) = match setting("MILLSTREAM_LOG_SEED") {
        Some(seed) => (seed, 1),
        None => (0, setting("MILLSTREAM_LOG_HISTORIES").unwrap_or(1500)),
    };
    let mut seen = Seen::default();
    for seed in first..first + histories {
        let mut world = World::new(seed, histories == 1);
        if catch_unwind(AssertUnwindSafe(|| world.live())).is_err() {
            panic!("history {seed} failed; again with what it does: MILLSTREAM_LOG_SEED={seed}");
        }
        seen.add(&world.seen);
    }
    println!("{histories} histories: {seen:?}");
    // A test that never meets what it is about would prove nothing.
    if 1000 <= histories {
        let Seen { openings, torn, damaged, repaired, flips, failed_syncs, duplicates, deaths_in_recovery } = seen;
        let all = [openings, torn, damaged, repaired, flips, failed_syncs, duplicates, deaths_in_recovery];
        assert!(all.iter().all(|times| 20 < *times), "{seen:?}");
    }
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    openings: u64,
    torn: u64,
    damaged: u64,
    repaired: u64,
    flips: u64,
    failed_syncs: u64,
    duplicates: u64,
    deaths_in_recovery: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.openings += other.openings;
        self.torn += other.torn;
        self.damaged += other.damaged;
        self.repaired += other.repaired;
        self.flips += other.flips;
        self.failed_syncs += other.failed_syncs;
        self.duplicates += other.duplicates;
        self.deaths_in_recovery += other.deaths_in_recovery;
    }
}

/// What a process left behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Crash {
    Kill,
    KillAndDropCaches,
    PowerLoss,
}

/// The disk, the log on it, and what the log owes.
struct World {
    disk: FaultyDisk,
    dice: Dice,
    config: LogConfig,
    log: Option<PartitionLog>,
    /// Everything that was ever handed to the log, with the offsets it got, by those offsets.
    sent: BTreeMap<i64, Vec<Vec<u8>>>,
    /// What the log has taken, deleted records included.
    taken: Vec<(BatchHeader, Vec<u8>)>,
    /// Everything below was acknowledged.
    acknowledged: i64,
    /// The start that a client was told, and the furthest that may have been reached.
    told_start: i64,
    furthest_start: i64,
    /// Whether the last process stopped in order.
    clean: bool,
    /// Whether a repair has made holes.
    holes: bool,
    /// Whether something may fail now.
    faults: bool,
    sends: u64,
    tell: bool,
    seen: Seen,
}

fn offset(offset: i64) -> LogOffset {
    LogOffset::new(offset).expect("a model has no negative offsets")
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

impl World {
    fn new(seed: u64, tell: bool) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(1));
        let config = LogConfig {
            segment_bytes: [300, 1000, 5000, 100_000][dice.below(4) as usize],
            index_interval_bytes: [1, 300, 4096][dice.below(3) as usize],
            retention_ms: -1,
            ..LogConfig::default()
        };
        Self {
            disk: FaultyDisk::new(seed),
            dice,
            config,
            log: None,
            sent: BTreeMap::new(),
            taken: Vec::new(),
            acknowledged: 0,
            told_start: 0,
            furthest_start: 0,
            clean: false,
            holes: false,
            faults: false,
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

    fn live(&mut self) {
        // The data folder is somebody else's.
        self.disk.put(Path::new("/data/meta.properties"), b"");
        self.start(Crash::Kill);
        let steps = 5 + self.dice.below(70);
        for _ in 0..steps {
            match self.dice.below(100) {
                0..48 => self.append(),
                48..56 => self.repeat(),
                56..70 => self.sync(),
                70..76 => self.checkpoint(),
                76..79 => self.delete_records(),
                79..83 => self.retain(),
                83..86 => self.close(),
                86..90 => self.crash(),
                90..93 => {
                    let after = self.dice.below(12);
                    self.tell(|| format!("the process will die after {after} operations"));
                    self.faults = true;
                    self.disk.die_after(after);
                }
                93..97 => self.break_something(),
                97 => self.heal(),
                _ => {
                    if !self.flip_a_bit() {
                        return;
                    }
                }
            }
            if self.disk.has_died() || self.log.as_ref().is_none_or(PartitionLog::is_offline) {
                self.crash();
            }
        }
        self.heal();
        self.crash();
    }

    fn end(&self) -> i64 {
        self.log.as_ref().map_or(0, |log| log.end_offset().get())
    }

    fn append(&mut self) {
        let producer_id = self.dice.below(PRODUCERS as u64 + 1) as i64;
        let records = 1 + self.dice.below(4) as usize;
        let value_len = [5, 50, 700][self.dice.below(3) as usize];
        let batch = self.batch(producer_id, self.next_sequence(producer_id), records, value_len);
        self.send(batch, None);
    }

    /// A batch that no other is like. Producer 0 is none.
    fn batch(&mut self, producer_id: i64, base_sequence: i32, records: usize, value_len: usize) -> Vec<u8> {
        self.sends += 1;
        let mut builder = RecordBatchBuilder::with_capacity(1024);
        let mut value = vec![b'v'; value_len];
        for n in 0..records {
            let unlike = format!("{} {n}", self.sends);
            let len = unlike.len().min(value.len());
            value[..len].copy_from_slice(&unlike.as_bytes()[..len]);
            builder.append(now().as_millis() + self.sends as i64, Some(unlike.as_bytes()), Some(&value), []).unwrap();
        }
        let stamp = match producer_id {
            0 => BatchStamp::default(),
            _ => BatchStamp { producer_id, producer_epoch: 0, base_sequence, ..BatchStamp::default() },
        };
        builder.finish(&stamp).unwrap().to_vec()
    }

    fn next_sequence(&self, producer_id: i64) -> i32 {
        let last = self.taken.iter().rev().find(|(header, _)| header.producer_id == producer_id);
        last.map_or(0, |(header, _)| header.last_sequence() + 1)
    }

    /// Hands a batch to the log, which has to take it if nothing is broken; or to say that it has it.
    fn send(&mut self, mut batch: Vec<u8>, again: Option<i64>) {
        let expected = self.end();
        let Some(log) = &mut self.log else { return };
        let appended = log.append(&mut batch, 0, now());
        self.tell(|| format!("append of {} bytes: {appended:?}", batch.len()));
        match (appended, again) {
            (Ok(appended), Some(first)) => {
                assert!(appended.duplicate, "a batch was stored twice, at {first} and {}", appended.base_offset);
                assert_eq!(appended.base_offset.get(), first);
                self.seen.duplicates += 1;
            }
            (Ok(appended), None) => {
                assert!(!appended.duplicate);
                assert_eq!(appended.base_offset.get(), expected);
                self.note_sent(&batch);
                self.taken.push((BatchHeader::parse(&batch).unwrap(), batch));
            }
            (Err(error), _) => {
                assert!(self.faults, "{error:?}");
                // It may be there all the same, in whole.
                self.note_sent(&batch);
            }
        }
    }

    fn note_sent(&mut self, batch: &[u8]) {
        let header = BatchHeader::parse(batch).unwrap();
        self.sent.entry(header.base_offset).or_default().push(batch.to_vec());
    }

    /// Sends one of a producer's newest batches again.
    fn repeat(&mut self) {
        let producer_id = 1 + self.dice.below(PRODUCERS as u64) as i64;
        let start = self.log.as_ref().map_or(0, |log| log.start_offset().get());
        let newest = self.newest_of(producer_id, start);
        if !newest.is_empty() {
            let (header, batch) = newest[self.dice.below(newest.len() as u64) as usize].clone();
            self.send(batch, Some(header.base_offset));
        }
    }

    /// A producer's batches that the log must know, and which are not below an offset.
    fn newest_of(&self, producer_id: i64, start: i64) -> Vec<(BatchHeader, Vec<u8>)> {
        let own = self.taken.iter().rev().filter(|(header, _)| header.producer_id == producer_id);
        own.take(5).take_while(|(header, _)| start <= header.base_offset).cloned().collect()
    }

    fn sync(&mut self) {
        let Some(log) = &self.log else { return };
        let synced = log.sync_handle().sync();
        self.tell(|| format!("sync: {synced:?}"));
        match synced {
            Ok(end) => self.acknowledged = self.acknowledged.max(end.get()),
            Err(error) => {
                assert!(self.faults, "{error:?}");
                self.seen.failed_syncs += 1;
            }
        }
    }

    fn write_checkpoint(&self, path: &str, value: i64) -> bool {
        let offsets = Offsets::from([(("t".to_owned(), 0), value)]);
        let written = checkpoint::write_offsets(&*self.disk.process(), Path::new(path), &offsets);
        self.tell(|| format!("{path} becomes {value}: {}", written.is_ok()));
        assert!(written.is_ok() || self.faults);
        written.is_ok()
    }

    fn read_checkpoint(&self, path: &str) -> LogOffset {
        let offsets = checkpoint::read_offsets(&*self.disk.process(), Path::new(path)).expect("checkpoints are whole");
        offset(offsets.get(&("t".to_owned(), 0)).copied().unwrap_or(0))
    }

    fn checkpoint(&mut self) {
        let Some(log) = &self.log else { return };
        let (recovery_point, start) = (log.sync_handle().recovery_point().get(), log.start_offset().get());
        if !self.disk.has_died() && self.write_checkpoint(RECOVERY_POINTS, recovery_point) && 0 < start {
            self.write_checkpoint(LOG_STARTS, start);
        }
    }

    fn delete_records(&mut self) {
        let (start, end) = match &self.log {
            Some(log) => (log.start_offset().get(), log.end_offset().get()),
            None => return,
        };
        let before = start + self.dice.below((end - start) as u64 + 1) as i64;
        let Some(log) = &mut self.log else { return };
        let deleted = log.delete_records(offset(before), now());
        self.tell(|| format!("delete records before {before}: {deleted:?}"));
        self.furthest_start = self.furthest_start.max(before);
        match deleted {
            Ok(start) if !self.disk.has_died() && self.write_checkpoint(LOG_STARTS, start.get()) => {
                self.told_start = start.get();
            }
            Ok(_) => {}
            Err(error) => assert!(self.faults, "{error:?}"),
        }
    }

    fn retain(&mut self) {
        let bytes = self.dice.below(4000) as i64;
        let Some(log) = &mut self.log else { return };
        log.set_config(LogConfig { retention_bytes: bytes, ..self.config.clone() });
        let retained = log.apply_retention(now());
        let purged = log.purge_deleted(Timestamp::from_millis(now().as_millis() + 1_000_000));
        log.set_config(self.config.clone());
        let start = log.start_offset().get();
        self.tell(|| format!("retention of {bytes} bytes: {retained:?}, {purged:?}"));
        self.furthest_start = self.furthest_start.max(start);
        if let Err(error) = retained {
            assert!(self.faults, "{error:?}");
            self.furthest_start = self.end();
        }
        assert!(purged.is_ok() || self.faults);
    }

    fn close(&mut self) {
        let Some(log) = self.log.take() else { return };
        let closed = log.close_clean();
        self.tell(|| format!("close: {closed:?}"));
        match closed {
            Ok(end) => {
                self.acknowledged = end.get();
                self.clean = !self.disk.has_died() && self.write_checkpoint(RECOVERY_POINTS, end.get());
            }
            Err(error) => assert!(self.faults, "{error:?}"),
        }
        let crash = if self.dice.per_mille(500) { Crash::Kill } else { Crash::PowerLoss };
        self.die(crash);
        self.start(crash);
    }

    /// Orders something to fail.
    fn break_something(&mut self) {
        self.faults = true;
        let operation = [
            Operation::Sync,
            Operation::Sync,
            Operation::Write,
            Operation::Write,
            Operation::Rename,
            Operation::Open,
            Operation::SetLen,
            Operation::SyncDir,
            Operation::Remove,
        ][self.dice.below(9) as usize];
        let trigger = Trigger::on(operation).skip(self.dice.below(3)).times(1 + self.dice.below(2));
        self.tell(|| format!("breaks: {trigger:?}"));
        match self.dice.below(4) {
            0 => self.disk.set_capacity(self.disk.files().values().map(|file| file.len() as u64).sum::<u64>() + 300),
            1 if operation == Operation::Write => self.disk.write_short(trigger, io::ErrorKind::Other),
            _ => self.disk.fail(trigger, io::ErrorKind::Other),
        }
    }

    fn heal(&mut self) {
        self.tell(|| "everything works again".to_owned());
        self.disk.heal();
        self.faults = false;
    }

    fn crash(&mut self) {
        let crash = [Crash::Kill, Crash::KillAndDropCaches, Crash::PowerLoss][self.dice.below(3) as usize];
        self.die(crash);
        self.start(crash);
    }

    fn die(&mut self, crash: Crash) {
        self.tell(|| format!("{crash:?}"));
        match crash {
            Crash::Kill => self.disk.kill(),
            Crash::KillAndDropCaches => self.disk.kill_and_drop_caches(),
            Crash::PowerLoss => self.disk.lose_power(),
        }
        self.log = None;
    }

    fn mode(&self) -> OpenMode {
        OpenMode {
            clean: self.clean,
            recovery_point: self.read_checkpoint(RECOVERY_POINTS),
            log_start: self.read_checkpoint(LOG_STARTS),
            ..OpenMode::UNKNOWN
        }
    }

    fn open(&self, mode: OpenMode) -> Result<(PartitionLog, RecoveryReport), OpenLogError> {
        let opened = PartitionLog::open(&self.disk.process(), Path::new(DIR), self.config.clone(), mode, now());
        self.tell(|| match &opened {
            Ok((log, report)) => format!("open {mode:?}: ends at {}, {report:?}", log.end_offset()),
            Err(error) => format!("open {mode:?}: {error:?}"),
        });
        opened
    }

    /// Opens the log after a crash, which may be followed by others, and checks what it has.
    fn start(&mut self, mut crash: Crash) {
        loop {
            if self.dice.per_mille(150) {
                self.faults = true;
                self.disk.process();
                self.disk.die_after(3 + self.dice.below(40));
            } else if self.dice.per_mille(500) {
                self.heal();
            }
            if self.disk.has_died() && self.dice.per_mille(300) {
                self.heal();
            }
            let Ok(mode) = catch_checkpoints(self) else {
                crash = self.die_again(crash);
                continue;
            };
            let before = self.disk.files();
            match self.open(mode) {
                Ok((log, report)) => {
                    self.disk.die_after(u64::MAX);
                    self.seen.openings += 1;
                    self.seen.torn += u64::from(0 < report.truncated_bytes);
                    self.clean = false;
                    self.check(&log, crash);
                    self.log = Some(log);
                    self.check_producers();
                    return;
                }
                Err(OpenLogError::Damaged { source }) => {
                    self.seen.damaged += 1;
                    assert!(self.disk.files() == before, "damage is left as it is");
                    // Only what nobody was told of can have got to the disk in parts.
                    let torn = matches!(source.kind, DamageKind::RecordsFollow { .. } | DamageKind::Misplaced);
                    assert!(torn, "{source:?}");
                    assert!(crash != Crash::Kill && self.acknowledged <= source.offset, "{source:?}");
                    self.heal();
                    self.repair(mode);
                }
                Err(error) => {
                    assert!(self.faults && !error.is_lasting(), "{error:?}");
                    if self.disk.has_died() {
                        self.seen.deaths_in_recovery += 1;
                    }
                    self.heal();
                    crash = self.die_again(crash);
                }
            }
        }
    }

    fn die_again(&mut self, before: Crash) -> Crash {
        let crash = [Crash::Kill, Crash::KillAndDropCaches, Crash::PowerLoss][self.dice.below(3) as usize];
        self.die(crash);
        if before == Crash::Kill { crash } else { before }
    }

    fn repair(&mut self, mode: OpenMode) {
        let disk = self.disk.process();
        let plan = plan_repair(&disk, Path::new(DIR), mode).unwrap().expect("what cannot be opened needs a repair");
        self.tell(|| format!("repair: {plan:?}"));
        plan.apply(&disk).unwrap();
        assert!(self.write_checkpoint(RECOVERY_POINTS, plan.end.get()));
        self.holes = true;
        self.seen.repaired += 1;
    }

    /// What was opened is what the log owes.
    fn check(&mut self, log: &PartitionLog, crash: Crash) {
        let (start, end) = (log.start_offset().get(), log.end_offset().get());
        assert_eq!(log.durable_end().get(), end);
        assert!(self.told_start <= start && start <= self.furthest_start.max(self.told_start), "starts at {start}");
        assert!(self.acknowledged <= end, "ends at {end}, and {} was acknowledged", self.acknowledged);
        let found = read_all(log);
        let mut next = start;
        for (header, bytes) in &found {
            let sent = self.sent.get(&header.base_offset);
            assert!(sent.is_some_and(|sent| sent.contains(bytes)), "offset {} was not sent", header.base_offset);
            let fits = if next == start { header.base_offset <= start } else { header.base_offset == next };
            assert!(fits || (self.holes && next <= header.base_offset), "{} follows {next}", header.base_offset);
            next = header.last_offset() + 1;
        }
        assert!(next == end || self.holes, "the log ends at {end}, and its records at {next}");
        for batch in self.taken.iter().filter(|(header, _)| start <= header.last_offset()) {
            let owed = crash == Crash::Kill || batch.0.last_offset() < self.acknowledged;
            let what =
                || format!("offset {} is missing or altered; the log has {:?}", batch.0.base_offset, bases(&found));
            assert!(!owed || found.contains(batch), "{}", what());
        }
        self.taken.retain(|(header, _)| header.last_offset() < start);
        self.taken.extend(found);
        self.acknowledged = end;
        self.told_start = self.told_start.max(start);
        self.furthest_start = self.furthest_start.max(start);
    }

    /// Every producer's newest batches are known, and sending one again stores nothing.
    fn check_producers(&mut self) {
        let start = self.log.as_ref().map_or(0, |log| log.start_offset().get());
        for producer_id in 1..=PRODUCERS {
            for (header, batch) in self.newest_of(producer_id, start) {
                self.send(batch, Some(header.base_offset));
            }
        }
    }

    /// Flips a bit of a log that nobody has open. Returns whether the history can go on.
    fn flip_a_bit(&mut self) -> bool {
        self.heal();
        self.die(Crash::Kill);
        let mode = self.mode();
        let logs: Vec<(i64, PathBuf, Vec<u8>)> = self
            .disk
            .files()
            .into_iter()
            .filter_map(|(path, content)| {
                let base = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
                Some((base, path, content))
            })
            .filter(|(.., content)| !content.is_empty())
            .collect();
        if logs.is_empty() {
            self.start(Crash::Kill);
            return true;
        }
        let n = self.dice.below(logs.len() as u64) as usize;
        let (base, path, content) = &logs[n];
        let position = self.dice.below(content.len() as u64);
        let Some((begins, header)) = sound_batches(content).into_iter().rfind(|(begins, _)| *begins <= position) else {
            self.start(Crash::Kill);
            return true;
        };
        if begins + header.total_len() as u64 <= position {
            // What a failed write left behind.
            self.start(Crash::Kill);
            return true;
        }
        let later = |(_, _, content): &(i64, PathBuf, Vec<u8>)| !sound_batches(content).is_empty();
        let follows = begins + header.total_len() as u64 != end_of_sound(content) || logs[n + 1..].iter().any(later);
        let all_bases = self
            .disk
            .files()
            .into_keys()
            .filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".log")?.parse::<i64>().ok());
        let verified =
            all_bases.filter(|base| *base <= mode.recovery_point.get()).max().is_none_or(|from| from <= *base);
        let flip = 1 << self.dice.below(8);
        let before = self.disk.files();
        self.disk.damage(path, position, flip);
        self.seen.flips += 1;
        self.tell(|| format!("flips {flip} at byte {position} of {}", path.display()));
        let damaged = self.disk.files();
        match self.open(mode) {
            Err(error) => {
                assert!(error.is_lasting(), "{error:?}");
                assert!(self.disk.files() == damaged, "damage is left as it is");
                self.disk.damage(path, position, flip);
                assert!(self.disk.files() == before);
                self.start(Crash::Kill);
                true
            }
            Ok((log, _)) => {
                // Segments below the recovery point are trusted; and no checksum covers the leader epoch.
                let unseen = !verified || (12..16).contains(&(position - begins));
                if unseen {
                    return false;
                }
                // The newest batch, after the last checkpoint: the same could be left by a crash.
                let torn = !follows && mode.recovery_point.get() <= header.base_offset;
                assert!(torn, "nobody noticed the flip in the batch at {}", header.base_offset);
                assert_eq!(log.end_offset().get(), header.base_offset);
                self.acknowledged = self.acknowledged.min(header.base_offset);
                self.taken.retain(|(known, _)| known.base_offset < header.base_offset);
                self.check(&log, Crash::Kill);
                self.log = Some(log);
                true
            }
        }
    }
}

/// The checkpoints as the next process finds them; an error if that dies while it reads them.
fn catch_checkpoints(world: &World) -> Result<OpenMode, ()> {
    let process = world.disk.process();
    let read = |path: &str| match checkpoint::read_offsets(&*process, Path::new(path)) {
        Ok(offsets) => Ok(offset(offsets.get(&("t".to_owned(), 0)).copied().unwrap_or(0))),
        Err(error) => {
            assert!(world.faults, "{error:?}");
            Err(())
        }
    };
    let (recovery_point, log_start) = (read(RECOVERY_POINTS)?, read(LOG_STARTS)?);
    Ok(OpenMode { clean: world.clean, recovery_point, log_start, ..OpenMode::UNKNOWN })
}

fn read_all(log: &PartitionLog) -> Vec<(BatchHeader, Vec<u8>)> {
    let (reader, mut next, mut found) = (log.reader(), log.start_offset(), Vec::new());
    loop {
        let slice = match reader.read(next, 1000, true, log.end_offset()) {
            Ok(slice) => slice,
            Err(error) => panic!("{error:?}"),
        };
        if slice.bytes.is_empty() {
            return found;
        }
        for batch in Batches::new(&slice.bytes) {
            let (_, bytes) = batch.unwrap();
            found.push((verify_crc(bytes).expect("what is read is sound"), bytes.to_vec()));
        }
        next = slice.next_offset;
    }
}

fn bases(batches: &[(BatchHeader, Vec<u8>)]) -> Vec<i64> {
    batches.iter().map(|(header, _)| header.base_offset).collect()
}

/// The sound batches at the beginning of a file, with the bytes at which they begin.
fn sound_batches(content: &[u8]) -> Vec<(u64, BatchHeader)> {
    let (mut found, mut at) = (Vec::new(), 0);
    for batch in Batches::new(content) {
        let Ok((_, bytes)) = batch else { break };
        let Ok(header) = verify_crc(bytes) else { break };
        found.push((at, header));
        at += bytes.len() as u64;
    }
    found
}

fn end_of_sound(content: &[u8]) -> u64 {
    sound_batches(content).last().map_or(0, |(begins, header)| begins + header.total_len() as u64)
}
