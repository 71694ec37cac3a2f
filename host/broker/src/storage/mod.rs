//! What stands in the data folder beside the partitions.

pub mod catalogue;
pub mod data_dir;
pub mod kafkas_metadata;
pub mod topic_id;

use std::{io, path::Path};

use millstream_disk::Disk;

/// Reads a whole text file; `None` if there is none.
///
/// # Errors
///
/// Anything but absence; `InvalidData` where it is not text.
pub fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<Option<String>> {
    let content = disk.read_if_present(path)?;
    let text = content.map(|content| String::from_utf8(content).map_err(|_| io::ErrorKind::InvalidData.into()));
    text.transpose()
}
