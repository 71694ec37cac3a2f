//! Producer ids: handed out once each, over restarts too.
//!
//! A block of ids is reserved on disk before its first id goes out; what is left of a block is lost in a crash.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use millstream_disk::Disk;
use tokio::sync::Mutex;

use crate::{
    changes::{Changes, Interrupted},
    storage::read_text,
};

const FILE: &str = "producer-ids";
const BLOCK: i64 = 1000;

/// Hands out producer ids.
#[derive(Debug)]
pub struct ProducerIds {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    changes: Changes,
    /// Where to begin if no file says so.
    first: AtomicI64,
    /// Locked while a block is reserved, by the change that reserves it.
    block: Arc<Mutex<Range<i64>>>,
}

/// Why no producer id can be had.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    /// The reservation could not be read or written.
    #[error("reserve producer ids in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold a number.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The reservation ended in a panic.
    #[error("reserve producer ids")]
    Interrupted {
        /// How.
        #[from]
        source: Interrupted,
    },
    /// All ids have been used.
    #[error("there are no producer ids left")]
    Exhausted,
}

impl ProducerIds {
    /// Nothing is read before the first id is asked for. All ids before `first` count as taken, which matters where
    /// records came with the data folder and the file did not: a batch of a new producer under the id of an old one
    /// would be taken for a repetition, and acknowledged without being stored.
    pub fn new(disk: &Arc<dyn Disk>, data_dir: &Path, changes: Changes, first: i64) -> Self {
        Self {
            disk: Arc::clone(disk),
            path: data_dir.join(FILE),
            changes,
            first: first.into(),
            block: Arc::new(Mutex::new(0..0)),
        }
    }

    /// Counts all ids up to this one as taken, too. To be called before the first id is asked for.
    pub fn begin_after(&self, last: i64) {
        self.first.fetch_max(last.saturating_add(1), Ordering::AcqRel);
    }

    /// The next id. Waits only as long as a small file takes to write, once in a thousand times; dropping the
    /// future then costs one id.
    ///
    /// # Errors
    ///
    /// The reservation cannot be made durable.
    pub async fn next(&self) -> Result<i64, ProducerIdError> {
        let mut block = Arc::clone(&self.block).lock_owned().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        let (disk, path, first) = (Arc::clone(&self.disk), self.path.clone(), self.first.load(Ordering::Acquire));
        // The lock goes along: nobody else reserves while this reservation is under way.
        let reserved = self.changes.run("reserving producer ids", async move {
            let reserved = tokio::task::spawn_blocking(move || reserve(&*disk, &path, first)).await;
            *block = reserved.map_err(|error| Interrupted::new("reserving producer ids", error.to_string()))??;
            block.next().ok_or(ProducerIdError::Exhausted)
        });
        reserved.await?
    }
}

fn reserve(disk: &dyn Disk, path: &Path, first: i64) -> Result<Range<i64>, ProducerIdError> {
    let failed = |source| ProducerIdError::File { path: path.to_owned(), source };
    let start = match read_text(disk, path).map_err(failed)? {
        None => first,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|&next: &i64| 0 <= next)
            .ok_or_else(|| ProducerIdError::Damaged { path: path.to_owned() })?,
    };
    let end = start.checked_add(BLOCK).ok_or(ProducerIdError::Exhausted)?;
    disk.replace(path, format!("{end}\n").as_bytes()).map_err(failed)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;

    fn ids_of(dir: &Path) -> ProducerIds {
        ProducerIds::new(&millstream_disk::real(), dir, Changes::new(TaskTracker::new(), Arc::default()), 0)
    }

    #[tokio::test]
    async fn an_id_is_never_given_twice_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ids_of(dir.path());
        assert_eq!((ids.next().await.unwrap(), ids.next().await.unwrap()), (0, 1));
        let ids = ids_of(dir.path());
        assert_eq!(ids.next().await.unwrap(), 1000);
    }

    #[tokio::test]
    async fn a_damaged_reservation_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "x").unwrap();
        assert!(matches!(ids_of(dir.path()).next().await, Err(ProducerIdError::Damaged { .. })));
    }
}
