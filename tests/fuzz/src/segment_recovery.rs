//! A partition's folder as a worn-out disk, a crash or somebody's hands may leave it.
//!
//! An input is: a byte of flags, recovery point, log start, then files: kind, base offset, length (two bytes), content.
//! Compacting what opens is part of it.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::{Disk, faulty::FaultyDisk};
use millstream_log::{CleanError, LogConfig, OpenMode, PartitionLog, plan_repair};
use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchStamp, Batches, RecordBatchBuilder, verify_crc};

const DIR: &str = "/data/t-0";

const EXTENSIONS: [&str; 7] = ["log", "index", "timeindex", "txnindex", "snapshot", "window", "log.deleted"];

const EPOCHS: &str = "leader-epoch-checkpoint";

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn offset(number: i64) -> LogOffset {
    LogOffset::new(number).expect("a byte is no negative number")
}

/// Opens the folder that an input describes, reads all of it, and repairs what does not open. True if it opened as it
/// was.
pub fn segment_recovery(bytes: &[u8]) -> bool {
    let [flags, recovery_point, log_start, rest @ ..] = bytes else { return false };
    let disk = FaultyDisk::new(0);
    for (path, content) in files(rest) {
        disk.put(&path, content);
    }
    let mode = OpenMode {
        clean: flags & 1 != 0,
        recovery_point: offset(i64::from(*recovery_point)),
        log_start: offset(i64::from(*log_start)),
        cleaned_to: offset(if flags & 2 != 0 { i64::from(*recovery_point) } else { 0 }),
        compacted: flags & 4 != 0,
    };
    let before = disk.files();
    let process = disk.process();
    // A swap is finished before anything is looked at, and what it replaces goes.
    let swaps = before.keys().any(|path| path.extension().is_some_and(|extension| extension == "swap"));
    match open(&process, mode) {
        Ok(log) if swaps => {
            read(&log);
            true
        }
        Err(_) if swaps => false,
        Ok(log) => {
            for (path, content) in logs(&before) {
                let now = disk.content(path).unwrap_or_default();
                assert!(content.starts_with(&now), "{} holds what it held, or less of it", path.display());
                assert!(
                    sound_prefix(content)
                        .is_none_or(|sound| sound <= now.len() || !mode.clean && !first(path, &before))
                );
            }
            read(&log);
            // After a clean stop the end was not looked at, and may be damaged.
            if !mode.clean {
                clean(&process, log, mode);
            }
            true
        }
        Err(_) => {
            assert!(disk.files() == before, "what is not opened is not changed");
            // Every log that can be read from the disk can be opened after a repair.
            let plan = plan_repair(&process, Path::new(DIR), mode).expect("the disk works");
            let plan = plan.expect("what does not open needs a repair");
            plan.apply(&process).expect("the disk works");
            let mode = OpenMode { clean: false, recovery_point: plan.end, ..mode };
            let log = open(&process, mode).unwrap_or_else(|error| panic!("after a repair: {error:?}"));
            assert_eq!(log.end_offset(), plan.end);
            read(&log);
            false
        }
    }
}

/// Compacts what can be compacted: what is left opens again, and ends where it ended.
fn clean(disk: &Arc<dyn Disk>, mut log: PartitionLog, mode: OpenMode) {
    let end = log.end_offset();
    // As it does before the broker notes a recovery point.
    log.sync_handle().sync().expect("the disk works");
    let Ok(cleanable) = log.cleanable(None, now()) else { return };
    let cleaning = log.begin_cleaning(&cleanable, now());
    match cleaning.run(1 << 16, &mut |_| ControlFlow::Continue(()), &mut |done| log.swap_in(done, now())) {
        Ok(_) => read(&log),
        // What was not verified may be damaged, its offsets too.
        Err(CleanError::Batch { .. }) => {}
        Err(CleanError::Write { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {}
        Err(error) => panic!("{error:?}"),
    }
    drop(log);
    let mode = OpenMode { clean: false, compacted: true, ..mode };
    let log = open(disk, mode).unwrap_or_else(|error| panic!("after a compaction: {error:?}"));
    assert_eq!(log.end_offset(), end);
}

fn open(disk: &Arc<dyn Disk>, mode: OpenMode) -> Result<PartitionLog, millstream_log::OpenLogError> {
    PartitionLog::open(disk, Path::new(DIR), LogConfig::default(), mode, now()).map(|(log, _)| log)
}

fn files(mut rest: &[u8]) -> Vec<(PathBuf, &[u8])> {
    let mut files = Vec::new();
    while let [kind, base, high, low, content @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(content.len());
        let name = match EXTENSIONS.get(usize::from(kind % 8)) {
            Some(extension) => {
                let suffix = ["", "", ".swap", ".cleaned"][usize::from(kind >> 6)];
                format!("{base:020}.{extension}{suffix}")
            }
            None => EPOCHS.to_owned(),
        };
        files.push((Path::new(DIR).join(name), &content[..len]));
        rest = &content[len..];
    }
    files
}

fn logs(files: &std::collections::BTreeMap<PathBuf, Vec<u8>>) -> impl Iterator<Item = (&PathBuf, &Vec<u8>)> {
    files.iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
}

fn first(path: &Path, files: &std::collections::BTreeMap<PathBuf, Vec<u8>>) -> bool {
    logs(files).next().is_some_and(|(first, _)| first == path)
}

/// Bytes of the sound batches at the beginning of the first segment; nothing is owed where others come before.
fn sound_prefix(content: &[u8]) -> Option<usize> {
    let (mut len, mut next) = (0, None);
    for batch in Batches::new(content) {
        let Some(header) = batch.ok().and_then(|(_, bytes)| verify_crc(bytes).ok()) else { break };
        if next.is_some_and(|next| next != header.base_offset) {
            break;
        }
        next = Some(header.last_offset() + 1);
        len += header.total_len();
    }
    (0 < len).then_some(len)
}

/// Reads all that can be read. Whatever the files hold, reading comes to an end.
fn read(log: &PartitionLog) {
    let reader = log.reader();
    let mut next = reader.start_offset();
    while let Ok(slice) = reader.read(next, 10_000, true, reader.end_offset()) {
        if slice.bytes.is_empty() {
            break;
        }
        assert!(next < slice.next_offset, "a read goes on");
        next = slice.next_offset;
    }
    for timestamp in [0, now().as_millis()] {
        let _ = reader.offset_for_timestamp(Timestamp::from_millis(timestamp), reader.end_offset());
    }
    let _ = reader.offset_of_max_timestamp(reader.end_offset());
    let _ = reader.aborted_transactions(reader.start_offset(), reader.end_offset());
}

/// Folders of sound logs: of one segment and of several, closed and killed.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (segment_bytes, clean, recovery_point) in
        [(1 << 20, false, 0), (1 << 20, true, 24), (400, false, 0), (400, false, 12), (400, true, 24)]
    {
        let disk = FaultyDisk::new(0);
        let config = LogConfig { segment_bytes, index_interval_bytes: 100, ..LogConfig::default() };
        let mode = OpenMode::UNKNOWN;
        let (mut log, _) =
            PartitionLog::open(&disk.process(), Path::new(DIR), config, mode, now()).expect("the disk works");
        for n in 0..12 {
            let mut builder = RecordBatchBuilder::with_capacity(200);
            for _ in 0..2 {
                builder
                    .append(now().as_millis() + n, Some(&[n as u8 % 5]), Some(b"a value"), [])
                    .expect("a small record");
            }
            let sequence = BatchStamp {
                producer_id: n % 2,
                producer_epoch: 0,
                base_sequence: (n / 2 * 2) as i32,
                ..BatchStamp::default()
            };
            let mut batch = builder.finish(&sequence).expect("a small batch").to_vec();
            log.append(&mut batch, 0, now()).expect("the disk works");
        }
        if clean {
            log.close_clean().expect("the disk works");
        }
        let mut seed = vec![u8::from(clean), recovery_point, 0];
        for (path, content) in disk.files() {
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are ASCII");
            let (base, kind) = match name.split_once('.') {
                Some((base, extension)) => (
                    base.parse::<u8>().expect("offsets are small"),
                    EXTENSIONS.iter().position(|known| *known == extension).expect("a known file") as u8,
                ),
                None => (0, 7),
            };
            seed.extend([kind, base]);
            seed.extend((content.len() as u16).to_be_bytes());
            seed.extend(content);
        }
        seeds.push(seed);
    }
    seeds
}
