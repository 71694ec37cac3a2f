//! Repairing the partitions of a data folder that no broker has open: what cannot be read is set aside.
//!
//! What has to go is [`millstream_log::plan_repair`]'s matter. Here are the folder's lock, its checkpoints, and which
//! partitions there are.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::Disk;
use millstream_log::{RepairPlan, checkpoint::CheckpointError, plan_repair};

use crate::{
    checkpoints::Checkpoints,
    recovery::parse_folder,
    storage::data_dir::{LOCK, OpenDataDirError},
};

/// Why a data folder could not be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The folder cannot be used, or a broker uses it.
    #[error("open the data folder to repair it")]
    Open {
        /// Why.
        source: OpenDataDirError,
    },
    /// The folder could not be listed.
    #[error("list the partitions in {}", dir.display())]
    List {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A partition was named that is not there.
    #[error("there is no partition {partition} in {}; name it as its folder is named, such as orders-0", dir.display())]
    NoSuchPartition {
        /// Its name.
        partition: String,
        /// The data folder.
        dir: PathBuf,
    },
    /// The checkpoints could not be read or written.
    #[error("use the checkpoints of the data folder")]
    Checkpoints {
        /// Why.
        source: CheckpointError,
    },
}

/// One partition, and what it needs.
#[derive(Debug)]
pub struct RepairedPartition {
    /// The name of its folder.
    pub partition: String,
    /// What has to go, or went; `None` where nothing has to. An error concerns this partition alone, and nothing was
    /// cut that was not set aside.
    pub plan: Result<Option<RepairPlan>, millstream_log::RepairError>,
    /// Files that have now what was cut, if the plan was carried out.
    pub set_aside: Vec<PathBuf>,
}

/// Looks at every byte of the named partitions (of all, if none is named), and carries out what they need if `apply`
/// says so. Blocks for as long as that takes.
///
/// # Errors
///
/// The folder is in use or cannot be read, or the checkpoints cannot be written: then the repair is to be run again.
pub fn repair(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    only: &[String],
    apply: bool,
) -> Result<Vec<RepairedPartition>, RepairError> {
    let in_use = |source| RepairError::Open { source };
    // Nothing is made where there is nothing.
    disk.read_dir(data_dir).map_err(|source| RepairError::List { dir: data_dir.to_owned(), source })?;
    let lock = data_dir.join(LOCK);
    let locked = disk
        .lock(&lock)
        .map_err(|source| in_use(OpenDataDirError::File { path: lock, source }))?
        .ok_or_else(|| in_use(OpenDataDirError::InUse { path: data_dir.to_owned() }))?;
    let checkpoints = Checkpoints::load(disk, data_dir).map_err(|source| RepairError::Checkpoints { source })?;
    let names = disk
        .read_dir(data_dir)
        .map_err(|source| RepairError::List { dir: data_dir.to_owned(), source })?
        .into_iter()
        .filter_map(|name| name.into_string().ok());
    // One whose folder is gone is damaged as well.
    let gone = checkpoints.with_records().into_iter().map(|(topic, index)| format!("{topic}-{index}"));
    let partitions: BTreeSet<String> = names.chain(gone).filter(|name| parse_folder(name).is_some()).collect();
    if let Some(absent) = only.iter().find(|name| !partitions.contains(*name)) {
        return Err(RepairError::NoSuchPartition { partition: absent.clone(), dir: data_dir.to_owned() });
    }
    let mut repaired = Vec::new();
    for name in partitions.into_iter().filter(|name| only.is_empty() || only.contains(name)) {
        let (topic, index) = parse_folder(&name).expect("only partitions' folders are left");
        let known = checkpoints.entry(&topic, index);
        let mode = known.mode(false, 0 < known.cleaned_to);
        let mut plan = plan_repair(disk, &data_dir.join(&name), mode);
        let mut set_aside = Vec::new();
        if apply && let Ok(Some(needed)) = &plan {
            match needed.apply(disk) {
                Ok(files) => {
                    let end = needed.end.get();
                    let noted = checkpoints.repaired(&topic, index, end);
                    noted.map_err(|source| RepairError::Checkpoints { source })?;
                    set_aside = files;
                }
                Err(error) => plan = Err(error),
            }
        }
        repaired.push(RepairedPartition { partition: name, plan, set_aside });
    }
    drop(locked);
    Ok(repaired)
}

#[cfg(test)]
mod tests {
    use millstream_disk::faulty::FaultyDisk;
    use millstream_log::{LogConfig, OpenMode, PartitionLog};
    use millstream_record::{LogOffset, Timestamp};
    use millstream_wire::batch::{BatchStamp, RecordBatchBuilder};

    use super::*;

    const DIR: &str = "/data";

    /// A data folder with two partitions of three batches, the second of which is damaged in one of them.
    fn damaged() -> FaultyDisk {
        let disk = FaultyDisk::new(1);
        for partition in ["t-0", "t-1"] {
            let mut log = open(&disk, partition, 0).unwrap();
            for _ in 0..3 {
                let mut builder = RecordBatchBuilder::with_capacity(100);
                builder.append(1, None, Some(b"value"), []).unwrap();
                let mut batch = builder.finish(&BatchStamp::default()).unwrap().to_vec();
                log.append(&mut batch, 0, Timestamp::from_millis(1)).unwrap();
            }
            log.sync_handle().sync().unwrap();
        }
        let log = Path::new("/data/t-1/00000000000000000000.log");
        let len = disk.content(log).unwrap().len() as u64 / 3;
        disk.damage(log, 2 * len - 1, 1);
        disk
    }

    fn open(
        disk: &FaultyDisk,
        partition: &str,
        recovery_point: i64,
    ) -> Result<PartitionLog, Box<dyn std::error::Error>> {
        let recovery_point = LogOffset::new(recovery_point).unwrap();
        let mode = OpenMode { recovery_point, ..OpenMode::UNKNOWN };
        let dir = Path::new(DIR).join(partition);
        Ok(PartitionLog::open(&disk.process(), &dir, LogConfig::default(), mode, Timestamp::from_millis(1))?.0)
    }

    #[test]
    fn a_dry_run_changes_nothing_and_an_applied_one_lets_the_partition_open() {
        let disk = damaged();
        let before = disk.files();
        let looked = repair(&disk.process(), Path::new(DIR), &[], false).unwrap();
        let mut after = disk.files();
        after.remove(&Path::new(DIR).join(LOCK));
        assert!(after == before);
        assert_eq!(looked[0].partition, "t-0");
        assert_eq!(looked[0].plan.as_ref().unwrap(), &None);
        let plan = looked[1].plan.as_ref().unwrap().as_ref().unwrap();
        assert_eq!((plan.files[0].cuts[0].records, looked[1].set_aside.len()), (1, 0));

        assert!(open(&disk, "t-1", 0).is_err());
        let done = repair(&disk.process(), Path::new(DIR), &["t-1".to_owned()], true).unwrap();
        assert_eq!(done.len(), 1);
        assert!(disk.content(&done[0].set_aside[0]).is_some());
        let text = disk.content(Path::new("/data/recovery-point-offset-checkpoint")).unwrap();
        assert_eq!(text, b"0\n1\nt 1 3\n");
        assert_eq!(open(&disk, "t-1", 3).unwrap().end_offset().get(), 3);
    }

    #[test]
    fn a_folder_that_a_broker_uses_and_a_partition_that_is_not_there_are_refused() {
        let disk = damaged();
        let process = disk.process();
        let error = repair(&process, Path::new(DIR), &["t-7".to_owned()], true).unwrap_err();
        assert!(matches!(error, RepairError::NoSuchPartition { .. }));
        let held = process.lock(&Path::new(DIR).join(LOCK)).unwrap().unwrap();
        let before = disk.files();
        let error = repair(&process, Path::new(DIR), &[], true).unwrap_err();
        assert!(matches!(error, RepairError::Open { source: OpenDataDirError::InUse { .. } }));
        assert!(disk.files() == before);
        drop(held);
    }
}
