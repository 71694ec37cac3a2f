//! Taking a partition's files: copied under a name that the next start would remove, opened once, and only then named as
//! what they are.

use std::{io, path::Path, sync::Arc};

use millstream_disk::{Disk, Open};
use millstream_log::{LogConfig, PartitionLog, checkpoint};
use millstream_record::Timestamp;

use super::{
    Served, passing_name,
    plan::{AdoptablePartition, Unadoptable},
};

/// How much is copied at once.
const CHUNK: u64 = 1 << 20;

/// Copies the partition into the data folder, or renames it there, and opens it once: all of it is verified, and durable
/// on return.
///
/// # Errors
///
/// A copy is removed again. What was renamed keeps its new name, and can be taken again.
pub(super) fn take(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    source: &Path,
    partition: &AdoptablePartition,
) -> Result<Served, Unadoptable> {
    let folder = partition.folder();
    let target = data_dir.join(&folder);
    let written = |path: &Path| {
        let path = path.to_owned();
        move |source| Unadoptable::Write { path, source }
    };
    if source.parent() == Some(data_dir) {
        if source != target {
            disk.rename(source, &target).map_err(written(&target))?;
            disk.sync_dir(data_dir).map_err(written(&target))?;
        }
        return open(disk, &target, partition);
    }
    let passing = data_dir.join(passing_name(&folder));
    let taken = copy(disk, source, &passing, &partition.files)
        .map_err(written(&passing))
        .and_then(|()| open(disk, &passing, partition));
    let named = taken.and_then(|served| {
        disk.rename(&passing, &target).map_err(written(&target))?;
        disk.sync_dir(data_dir).map_err(written(&target))?;
        Ok(served)
    });
    if named.is_err() {
        // What stays is removed by the next start.
        let _ = disk.remove_dir_all(&passing);
    }
    named
}

fn copy(disk: &Arc<dyn Disk>, from: &Path, to: &Path, files: &[String]) -> io::Result<()> {
    disk.create_dir(to)?;
    let mut buffer = Vec::new();
    for name in files {
        let (source, target) = (disk.open(&from.join(name), Open::Read)?, disk.open(&to.join(name), Open::New)?);
        let len = source.len()?;
        let mut at = 0;
        while at < len {
            let part = CHUNK.min(len - at);
            buffer.resize(usize::try_from(part).unwrap_or(0), 0);
            source.read_exact_at(&mut buffer, at)?;
            target.write_all_at(&buffer, at)?;
            at += part;
        }
        target.sync_all()?;
    }
    disk.sync_dir(to)
}

fn open(disk: &Arc<dyn Disk>, dir: &Path, partition: &AdoptablePartition) -> Result<Served, Unadoptable> {
    checkpoint::write_topic_id(&**disk, dir, partition.topic_id.into_bytes())?;
    let opened = PartitionLog::open(disk, dir, LogConfig::default(), partition.mode(), Timestamp::now());
    let (log, _) = opened.map_err(|source| Unadoptable::Open { source })?;
    let (start, stable) = (log.start_offset().get(), log.last_stable_offset().get());
    let end = log.close_clean().map_err(|source| Unadoptable::Sync { source })?.get();
    Ok(Served { start, end, open_transaction_at: (stable < end).then_some(stable) })
}
