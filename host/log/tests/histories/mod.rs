//! What the models of a log on a failing disk have in common: the histories that are run, and the checkpoints of their
//! one partition.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use millstream_disk::faulty::{Dice, FaultyDisk};
use millstream_log::checkpoint::{self, CheckpointError, Offsets};
use millstream_record::LogOffset;

pub const DIR: &str = "/data/t-0";
pub const RECOVERY_POINTS: &str = "/data/recovery-point-offset-checkpoint";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Runs so many histories, or those that the environment names, and returns how many. `live` is given a seed, and whether
/// the history is the only one and says what it does.
pub fn each(usual: u64, mut live: impl FnMut(u64, bool)) -> u64 {
    let (first, histories) = match setting("MILLSTREAM_LOG_SEED") {
        Some(seed) => (seed, 1),
        None => (0, setting("MILLSTREAM_LOG_HISTORIES").unwrap_or(usual)),
    };
    for seed in first..first + histories {
        if catch_unwind(AssertUnwindSafe(|| live(seed, histories == 1))).is_err() {
            panic!("history {seed} failed; again with what it does: MILLSTREAM_LOG_SEED={seed}");
        }
    }
    histories
}

/// The dice of a history: others than those that its disk throws by the same seed.
pub fn dice(seed: u64) -> Dice {
    Dice::new(seed.wrapping_mul(2).wrapping_add(1))
}

pub fn offset(offset: i64) -> LogOffset {
    LogOffset::new(offset).expect("a model has no negative offsets")
}

pub fn write_checkpoint(disk: &FaultyDisk, path: &str, value: i64) -> Result<(), CheckpointError> {
    checkpoint::write_offsets(&*disk.process(), Path::new(path), &Offsets::from([(("t".to_owned(), 0), value)]))
}

/// 0 where nothing was written yet.
pub fn read_checkpoint(disk: &FaultyDisk, path: &str) -> Result<LogOffset, CheckpointError> {
    let offsets = checkpoint::read_offsets(&*disk.process(), Path::new(path))?;
    Ok(offset(offsets.get(&("t".to_owned(), 0)).copied().unwrap_or(0)))
}
