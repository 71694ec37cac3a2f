//! Putting a compacted segment in place of old ones, so that a crash at any point leaves the old ones or the new one.
//!
//! The protocol and its names are Kafka's, so that either broker finishes what the other began:
//!
//! 1. `.cleaned`, durable in content, becomes `.swap`, the `.log` last: from then on the new segment counts.
//! 2. The old files become `.deleted`.
//! 3. `.swap` goes, of the `.log` first, so that no index of it is taken for an old one.
//!
//! Each step is durable before the next begins.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use millstream_disk::Disk;
use millstream_record::Timestamp;

use super::{CleanError, output};
use crate::{
    files::{self, CLEANED, Kind, SWAP},
    opening::OpenLogError,
    partition::PartitionLog,
    scan::{Scan, ScanError},
    segment::Segment,
    snapshot,
    sync::Shared,
};

/// A compacted segment whose files wait to be put in place.
#[derive(Debug)]
pub struct CleanedSegment {
    pub(super) base_offset: i64,
    /// What it replaces, neighbours in their order.
    pub(super) old: Vec<Arc<Segment>>,
    /// One past the last offset that the pass cleans, in this segment or a later one.
    pub(super) pass_end: i64,
}

impl PartitionLog {
    /// Puts a compacted segment in place of those it was made from. Readers that are at it finish on the old ones,
    /// whose files are unlinked later, by [`Self::purge_deleted`].
    ///
    /// # Errors
    ///
    /// The log is as before where segments were deleted in the meantime, or where nothing could be renamed. It goes
    /// offline if it would be neither as before nor changed; the next opening finishes the change.
    pub fn swap_in(&mut self, cleaned: CleanedSegment, now: Timestamp) -> Result<(), CleanError> {
        let CleanedSegment { base_offset, old, pass_end } = cleaned;
        if let Some(reason) = self.shared.offline() {
            return Err(CleanError::Offline { reason: reason.to_owned() });
        }
        let _change = self.shared.change();
        let segments = self.shared.segments();
        let at = segments.iter().position(|segment| Arc::ptr_eq(segment, &old[0])).filter(|at| {
            let here = segments[*at..].iter().zip(&old).filter(|(here, old)| Arc::ptr_eq(here, old)).count();
            // The active one is never among them.
            here == old.len() && at + old.len() < segments.len()
        });
        let Some(at) = at else {
            output::discard(&*self.shared.disk, &self.shared.dir, base_offset)
                .map_err(|source| CleanError::Write { base_offset, source })?;
            return Err(CleanError::Overtaken { base_offset });
        };
        for segment in &old {
            segment.keep_aborted().map_err(|source| CleanError::Swap { base_offset, source })?;
        }
        self.commit(base_offset, pass_end).map_err(|source| CleanError::Swap { base_offset, source })?;
        let replaced = self.replace(base_offset, &old, now);
        let segment = replaced.inspect_err(|error| {
            self.shared.go_offline(format!("the swap of segment {base_offset} is half done: {error}"));
        })?;
        let mut changed = segments.as_ref().clone();
        changed.splice(at..at + old.len(), [Arc::new(segment)]);
        self.shared.set_segments(changed);
        Ok(())
    }

    /// The first step. After an error there is nothing left of it, or the log is offline.
    fn commit(&self, base_offset: i64, pass_end: i64) -> io::Result<()> {
        let Shared { disk, dir, .. } = &*self.shared;
        let rename = |kind: &Kind| {
            let from = files::path_with(dir, base_offset, *kind, CLEANED);
            match disk.rename(&from, &files::path_with(dir, base_offset, *kind, SWAP)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && *kind == Kind::TxnIndex => Ok(()),
                renamed => renamed,
            }
        };
        // A snapshot from within may tell of a transaction whose marker is going to be gone, so that nothing would ever
        // end it after a recovery from there. What is left of the log tells the same as all of it did.
        let renamed = snapshot::remove(&**disk, dir, |at| at < pass_end)
            .and_then(|()| Kind::OF_SEGMENT.iter().rev().try_for_each(rename));
        if let Err(error) = renamed {
            let removed = Kind::OF_SEGMENT.iter().try_for_each(|kind| {
                disk.remove_if_present(&files::path_with(dir, base_offset, *kind, SWAP))?;
                disk.remove_if_present(&files::path_with(dir, base_offset, *kind, CLEANED)).map(drop)
            });
            if let Err(error) = removed {
                self.shared.go_offline(format!("the files of a swap that did not come about are left over: {error}"));
            }
            return Err(error);
        }
        disk.sync_dir(dir).inspect_err(|error| {
            self.shared.go_offline(format!("whether a swap has begun is not known after a power failure: {error}"));
        })
    }

    /// The other steps.
    fn replace(&mut self, base_offset: i64, old: &[Arc<Segment>], now: Timestamp) -> Result<Segment, CleanError> {
        for segment in old {
            for kind in Kind::OF_SEGMENT {
                self.set_aside(segment, kind, now).map_err(|source| CleanError::SetAside { base_offset, source })?;
            }
        }
        let Shared { disk, dir, .. } = &*self.shared;
        let opened = disk.sync_dir(dir).and_then(|()| put_in_place(&**disk, dir, base_offset)).and_then(|()| {
            let (segment, _) = Segment::open(disk, dir, base_offset)?;
            segment.set_max_timestamp(segment.times().last()?.map_or(-1, |last| last.timestamp));
            segment.set_synced(false);
            Ok(segment)
        });
        opened.map_err(|source| CleanError::Swap { base_offset, source })
    }
}

/// The third step, which may have been begun before.
fn put_in_place(disk: &dyn Disk, dir: &Path, base_offset: i64) -> io::Result<()> {
    for kind in Kind::OF_SEGMENT {
        let from = files::path_with(dir, base_offset, kind, SWAP);
        match disk.rename(&from, &files::path(dir, base_offset, kind)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        if kind == Kind::Log {
            disk.sync_dir(dir)?;
        }
    }
    disk.sync_dir(dir)
}

/// Finishes, or takes back, a swap that a crash interrupted. A crash on the way leaves something that this finishes.
pub(crate) fn finish_interrupted(disk: &dyn Disk, dir: &Path) -> Result<(), OpenLogError> {
    let failed = |source| OpenLogError::ListSegments { dir: dir.to_owned(), source };
    let names = disk.read_dir(dir).map_err(failed)?;
    let with = |suffix: &str| -> Vec<(i64, Kind)> {
        let names = names.iter().filter_map(|name| name.to_str()?.strip_suffix(suffix));
        names.filter_map(files::parse_name).collect()
    };
    let (cleaned, plain) = (with(CLEANED), with(""));
    let mut swaps = BTreeMap::<i64, Vec<Kind>>::new();
    for (base_offset, kind) in with(SWAP) {
        swaps.entry(base_offset).or_default().push(kind);
    }
    let first_cleaned = cleaned.iter().map(|(base_offset, _)| *base_offset).min();
    let mut replaced = Vec::new();
    for (base_offset, kinds) in &swaps {
        let failed = |source| OpenLogError::Segment { base_offset: *base_offset, source };
        // The first step was not finished, or a split of a segment by Kafka was not, and the old files are all there.
        let begun_only =
            first_cleaned.is_some_and(|first| first <= *base_offset) && plain.contains(&(*base_offset, Kind::Log));
        if begun_only {
            for kind in kinds {
                let path = files::path_with(dir, *base_offset, *kind, SWAP);
                disk.remove_if_present(&path).map_err(failed)?;
            }
            continue;
        }
        if kinds.contains(&Kind::Log) {
            let end = end_of_swap(disk, dir, *base_offset)?;
            replaced.extend(
                plain
                    .iter()
                    .filter(|(base, kind)| (*base_offset..end).contains(base) && Kind::OF_SEGMENT.contains(kind)),
            );
        }
    }
    for (base_offset, kind) in cleaned {
        let path = files::path_with(dir, base_offset, kind, CLEANED);
        disk.remove_if_present(&path).map_err(|source| OpenLogError::ClearUp { path, source })?;
    }
    for (base_offset, kind) in replaced {
        let path = files::path(dir, base_offset, kind);
        disk.remove_if_present(&path).map_err(|source| OpenLogError::ClearUp { path, source })?;
    }
    disk.sync_dir(dir).map_err(failed)?;
    for base_offset in swaps.into_keys() {
        put_in_place(disk, dir, base_offset).map_err(|source| OpenLogError::Segment { base_offset, source })?;
    }
    Ok(())
}

/// The offset after the last batch of a segment that is about to be put in place. All of it is read: the old files are
/// there, perhaps, and go because of it.
fn end_of_swap(disk: &dyn Disk, dir: &Path, base_offset: i64) -> Result<i64, OpenLogError> {
    let path = files::path_with(dir, base_offset, Kind::Log, SWAP);
    let failed = |source| OpenLogError::Segment { base_offset, source };
    let log = disk.open(&path, millstream_disk::Open::Read).map_err(failed)?;
    let mut scan = Scan::verifying(&*log, 0, log.len().map_err(failed)?);
    let mut end = base_offset;
    loop {
        let (position, header) = match scan.next() {
            Ok(None) => return Ok(end),
            Ok(Some(found)) => found,
            Err(ScanError::Damaged { position, .. }) => return Err(OpenLogError::DamagedSwap { file: path, position }),
            Err(ScanError::Io { source, .. }) => return Err(failed(source)),
        };
        if header.base_offset < end {
            return Err(OpenLogError::DamagedSwap { file: path, position });
        }
        end = header.last_offset() + 1;
    }
}
