//! Producer ids: handed out once each, over restarts too.
//!
//! A block of ids is reserved on disk before its first id goes out; what is left of a block is lost in a crash.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use tokio::sync::Mutex;

use crate::storage::durable_file;

const FILE: &str = "producer-ids";
const BLOCK: i64 = 1000;

/// Hands out producer ids.
#[derive(Debug)]
pub struct ProducerIds {
    path: PathBuf,
    block: Mutex<Range<i64>>,
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
    /// All ids have been used.
    #[error("there are no producer ids left")]
    Exhausted,
}

impl ProducerIds {
    /// Nothing is read before the first id is asked for.
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), block: Mutex::new(0..0) }
    }

    /// The next id. Blocks only as long as a small file takes to write, once in a thousand times.
    ///
    /// # Errors
    ///
    /// The reservation cannot be made durable.
    pub async fn next(&self) -> Result<i64, ProducerIdError> {
        let mut block = self.block.lock().await;
        if block.is_empty() {
            let path = self.path.clone();
            *block = tokio::task::spawn_blocking(move || reserve(&path)).await.map_err(|error| {
                ProducerIdError::File { path: self.path.clone(), source: io::Error::other(error) }
            })??;
        }
        block.next().ok_or(ProducerIdError::Exhausted)
    }
}

fn reserve(path: &Path) -> Result<Range<i64>, ProducerIdError> {
    let failed = |source| ProducerIdError::File { path: path.to_owned(), source };
    let start = match durable_file::read_if_present(path).map_err(failed)? {
        None => 0,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|&next: &i64| 0 <= next)
            .ok_or_else(|| ProducerIdError::Damaged { path: path.to_owned() })?,
    };
    let end = start.checked_add(BLOCK).ok_or(ProducerIdError::Exhausted)?;
    durable_file::replace(path, format!("{end}\n").as_bytes()).map_err(failed)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_is_never_given_twice_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let ids = ProducerIds::new(dir.path());
        assert_eq!((ids.next().await.unwrap(), ids.next().await.unwrap()), (0, 1));
        let ids = ProducerIds::new(dir.path());
        assert_eq!(ids.next().await.unwrap(), 1000);
    }

    #[tokio::test]
    async fn a_damaged_reservation_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "x").unwrap();
        assert!(matches!(ProducerIds::new(dir.path()).next().await, Err(ProducerIdError::Damaged { .. })));
    }
}
