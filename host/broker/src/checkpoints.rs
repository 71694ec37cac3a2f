//! The two checkpoints of the data folder: how far each partition is on stable storage, and where it starts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use millstream_log::checkpoint::{self, CheckpointError, Offsets};

use crate::topics::Topic;

/// Name of the file of recovery points.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Name of the file of log starts.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// Writes both files, one writer at a time.
#[derive(Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    /// What stands in the files, so that an idle broker writes nothing; `None` until the first write.
    written: Mutex<Option<(Offsets, Offsets)>>,
}

impl Checkpoints {
    /// For the files in a data folder.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, written: Mutex::default() }
    }

    /// Writes what has changed; durable on return. Blocks.
    ///
    /// # Errors
    ///
    /// The old content stays, which is true still.
    pub fn write(&self, topics: &[Arc<Topic>]) -> Result<(), CheckpointError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut recovery_points, mut log_starts) = (Offsets::new(), Offsets::new());
        for topic in topics {
            for partition in &topic.partitions {
                let Some((durable, start)) = partition.checkpoint() else { continue };
                let key = (topic.name.to_string(), partition.index());
                recovery_points.insert(key.clone(), durable.get());
                if 0 < start.get() {
                    log_starts.insert(key, start.get());
                }
            }
        }
        // What a failed write leaves behind is not known.
        let before = written.take();
        if before.as_ref().is_none_or(|(known, _)| *known != recovery_points) {
            checkpoint::write_offsets(&*millstream_disk::real(), &self.dir.join(RECOVERY_POINTS), &recovery_points)?;
        }
        if before.as_ref().is_none_or(|(_, known)| *known != log_starts) {
            checkpoint::write_offsets(&*millstream_disk::real(), &self.dir.join(LOG_STARTS), &log_starts)?;
        }
        *written = Some((recovery_points, log_starts));
        Ok(())
    }
}
