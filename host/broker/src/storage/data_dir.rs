//! The broker's data folder: one process at a time, its identity, and whether it was left in order.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::{Disk, DiskLock};
use tracing::warn;

use super::{read_text, topic_id};

/// The file that the process which has the folder holds locked.
pub const LOCK: &str = ".lock";
const META: &str = "meta.properties";
const CLEAN_MARKER: &str = ".kafka_cleanshutdown";

/// A locked data folder.
#[derive(Debug)]
pub struct DataDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// From `meta.properties`.
    pub cluster_id: String,
    /// Whether the last process to use the folder stopped in order.
    pub was_clean: bool,
    _lock: Box<dyn DiskLock>,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenDataDirError {
    /// Could not be made.
    #[error("create the data folder {}", path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the data folder {} is in use by another process; stop that process or choose another folder (log.dirs)", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file in it cannot be read or written.
    #[error("use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `meta.properties` does not say who the broker is.
    #[error("{} is damaged: it has no valid {key}; restore the file, or remove the folder to start anew", path.display())]
    DamagedMeta {
        /// The file.
        path: PathBuf,
        /// What is missing.
        key: &'static str,
    },
    /// The folder belongs to somebody else.
    #[error("{} belongs to {key} {found}, and this broker is configured as {configured}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `node.id` or `cluster.id`.
        key: &'static str,
        /// In the file.
        found: String,
        /// In the configuration.
        configured: String,
    },
}

impl DataDir {
    /// Makes the folder if needed, locks it and reads or writes who it belongs to. Blocks.
    ///
    /// # Errors
    ///
    /// The folder is in use, cannot be written, or belongs to another broker.
    pub fn open(
        disk: &Arc<dyn Disk>,
        path: &Path,
        node_id: i32,
        cluster_id: Option<&str>,
    ) -> Result<Self, OpenDataDirError> {
        let path_buf = path.to_owned();
        disk.create_dirs(path).map_err(|source| OpenDataDirError::Create { path: path_buf.clone(), source })?;
        let lock_path = path.join(LOCK);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenDataDirError::File { path, source }
        };
        let Some(lock) = disk.lock(&lock_path).map_err(at(&lock_path))? else {
            return Err(OpenDataDirError::InUse { path: path_buf });
        };
        let cluster_id = identity(&**disk, path, node_id, cluster_id)?;
        let marker = path.join(CLEAN_MARKER);
        let was_clean = disk.remove_if_present(&marker).map_err(at(&marker))?;
        // The removal must be durable before anything is appended, or a crash would look like a clean stop. Also where
        // nothing was removed: an earlier start may have removed it and failed here.
        disk.sync_dir(path).map_err(at(&marker))?;
        Ok(Self { disk: Arc::clone(disk), path: path_buf, cluster_id, was_clean, _lock: lock })
    }

    /// The disk that the folder is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves word that everything was flushed. Call last.
    ///
    /// # Errors
    ///
    /// The next start will check everything.
    pub fn mark_clean(&self) -> io::Result<()> {
        self.disk.replace(&self.path.join(CLEAN_MARKER), b"{\"version\":0}\n")
    }
}

/// Reads `meta.properties`, or writes a new one; returns the cluster id.
fn identity(disk: &dyn Disk, dir: &Path, node_id: i32, configured: Option<&str>) -> Result<String, OpenDataDirError> {
    let path = dir.join(META);
    let failed = |source| OpenDataDirError::File { path: path.clone(), source };
    let Some(text) = read_text(disk, &path).map_err(failed)? else {
        let cluster_id = configured.map_or_else(|| topic_id::to_text(topic_id::draw()), str::to_owned);
        let directory_id = topic_id::to_text(topic_id::draw());
        let content = format!("version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={directory_id}\n");
        disk.replace(&path, content.as_bytes()).map_err(failed)?;
        return Ok(cluster_id);
    };
    let value = |key: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
    };
    let damaged = |key| OpenDataDirError::DamagedMeta { path: path.clone(), key };
    let cluster_id = value("cluster.id").filter(|id| !id.is_empty()).ok_or_else(|| damaged("cluster.id"))?;
    let found_node = value("node.id").or_else(|| value("broker.id")).ok_or_else(|| damaged("node.id"))?;
    let found_node: i32 = found_node.parse().map_err(|_| damaged("node.id"))?;
    let foreign = |key, found: String, configured: String| OpenDataDirError::Foreign {
        path: path.clone(),
        key,
        found,
        configured,
    };
    if found_node != node_id {
        return Err(foreign("node.id", found_node.to_string(), node_id.to_string()));
    }
    if let Some(configured) = configured.filter(|configured| *configured != cluster_id) {
        return Err(foreign("cluster.id", cluster_id, configured.to_owned()));
    }
    if value("directory.id").is_none() {
        warn!(file = %path.display(), "has no directory.id");
    }
    Ok(cluster_id)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use millstream_disk::real;

    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(&real(), dir.path(), 1, None).unwrap();
        let refused = DataDir::open(&real(), dir.path(), 1, None).unwrap_err();
        assert!(matches!(refused, OpenDataDirError::InUse { .. }));
        assert!(refused.to_string().contains(&dir.path().display().to_string()));
        drop(held);
        assert!(DataDir::open(&real(), dir.path(), 1, None).is_ok());
    }

    #[test]
    fn the_identity_stays_and_a_foreign_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(&real(), dir.path(), 1, None).unwrap().cluster_id;
        assert_eq!(DataDir::open(&real(), dir.path(), 1, Some(&first)).unwrap().cluster_id, first);
        assert!(matches!(
            DataDir::open(&real(), dir.path(), 2, None),
            Err(OpenDataDirError::Foreign { key: "node.id", .. })
        ));
        assert!(matches!(DataDir::open(&real(), dir.path(), 1, Some("x")), Err(OpenDataDirError::Foreign { .. })));
        fs::write(dir.path().join(META), "version=1\n").unwrap();
        assert!(matches!(DataDir::open(&real(), dir.path(), 1, None), Err(OpenDataDirError::DamagedMeta { .. })));
    }

    #[test]
    fn the_clean_marker_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!DataDir::open(&real(), dir.path(), 1, None).unwrap().was_clean);
        DataDir::open(&real(), dir.path(), 1, None).unwrap().mark_clean().unwrap();
        assert!(DataDir::open(&real(), dir.path(), 1, None).unwrap().was_clean);
        assert!(!DataDir::open(&real(), dir.path(), 1, None).unwrap().was_clean);
    }
}
