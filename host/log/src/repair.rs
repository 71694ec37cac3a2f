//! Giving up what is damaged, so that the rest of a log can be opened again: a plan, which is a plain value that an
//! operator looks at, and carrying it out.
//!
//! Whatever is sound is kept, also behind damage: the log has a hole then, as after compaction. No offset is given to
//! another record: the log goes on behind the last offset that it may have had. What is cut is set aside first.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::{Disk, Open, TEMPORARY};
use millstream_record::LogOffset;
use millstream_wire::batch::BatchHeader;

use crate::{
    files::{self, Kind},
    opening::{OpenLogError, OpenMode},
    scan::{Scan, ScanError, next_sound},
    segment::Segment,
    survey::Survey,
    sync::offset,
};

/// What has to be given up so that a log can be opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RepairPlan {
    /// The partition's folder.
    pub dir: PathBuf,
    /// The files to cut, in the order of their offsets.
    pub files: Vec<FileRepair>,
    /// Offsets that no record will have: from the first to before the second.
    pub holes: Vec<(LogOffset, LogOffset)>,
    /// Where the log goes on. All before it counts as durable after the repair: the caller notes it as the recovery
    /// point.
    pub end: LogOffset,
}

/// What is to be cut out of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileRepair {
    /// The segment's `.log` file.
    pub file: PathBuf,
    /// Its first offset, after which it is named.
    pub base_offset: LogOffset,
    /// Its bytes now.
    pub len: u64,
    /// What goes, in ascending order.
    pub cuts: Vec<Cut>,
    /// The first offset that it gets, where the one it has belongs to the segment before it.
    pub new_base_offset: Option<LogOffset>,
}

/// A range of bytes to cut out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cut {
    /// The first byte.
    pub from: u64,
    /// The byte after the last one.
    pub to: u64,
    /// Batches in it, as far as their headers can be read.
    pub batches: u64,
    /// Records of these batches.
    pub records: u64,
}

impl RepairPlan {
    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.files.iter().flat_map(|file| &file.cuts).map(|cut| cut.to - cut.from).sum()
    }
}

/// Why a log could not be repaired.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// It cannot be looked at, or what is wrong with it cannot be put right here.
    #[error("look at the log in {}", dir.display())]
    Look {
        /// The partition's folder.
        dir: PathBuf,
        /// Why not.
        source: OpenLogError,
    },
    /// A file could not be read.
    #[error("read {}", file.display())]
    Read { file: PathBuf, source: io::Error },
    /// A file could not be written. What was to be cut has been set aside, or is where it was.
    #[error("repair {}", file.display())]
    Write { file: PathBuf, source: io::Error },
    /// Somebody changed a file since the plan was made.
    #[error("{} has changed since it was looked at; look at it again", file.display())]
    Changed { file: PathBuf },
}

/// Looks at every byte of a log and says what has to be given up; `None` where it can be opened as it is and every
/// checksum is right. Changes nothing.
///
/// # Errors
///
/// A file cannot be read, or the fault is none that cutting mends.
pub fn plan_repair(disk: &Arc<dyn Disk>, dir: &Path, mode: OpenMode) -> Result<Option<RepairPlan>, RepairError> {
    let folder: Arc<Path> = Arc::from(dir);
    let looked = |source| RepairError::Look { dir: dir.to_owned(), source };
    let opens = match Survey::take(disk, &folder, mode, 0) {
        Ok(_) => true,
        Err(OpenLogError::Damaged { .. }) => false,
        Err(error) => return Err(looked(error)),
    };
    let segments = Survey::open_segments(disk, &folder).map_err(looked)?;
    let mut plan = RepairPlan { dir: dir.to_owned(), files: Vec::new(), holes: Vec::new(), end: LogOffset::ZERO };
    let mut end = segments.first().map_or(0, Segment::base_offset);
    for (at, segment) in segments.iter().enumerate() {
        let next_base = segments.get(at + 1).map(Segment::base_offset);
        let file = segment.path(Kind::Log);
        let previous_end = end;
        let (cuts, first_kept) = find_cuts(segment, next_base, &mut end, &mut plan.holes)
            .map_err(|source| RepairError::Read { file: file.clone(), source })?;
        let base_offset = segment.base_offset();
        let new_base_offset = first_kept.filter(|_| base_offset < previous_end).map(offset);
        if !cuts.is_empty() || new_base_offset.is_some() {
            let (base_offset, len) = (offset(base_offset), segment.size());
            plan.files.push(FileRepair { file, base_offset, len, cuts, new_base_offset });
        }
    }
    // The end that a crash tore off is for the next start.
    let torn_only = plan.files.last().is_none_or(|last| {
        plan.files.len() == 1
            && last.new_base_offset.is_none()
            && last.cuts.len() == 1
            && last.cuts[0].to == last.len
            && last.cuts[0].batches == 0
    });
    if opens && torn_only {
        return Ok(None);
    }
    let last_base = segments.last().map_or(0, Segment::base_offset);
    let goes_on = end.max(mode.recovery_point.get()).max(mode.log_start.get()).max(last_base);
    if end < goes_on {
        plan.holes.push((offset(end), offset(goes_on)));
    }
    plan.end = offset(goes_on);
    Ok(Some(plan))
}

/// What of a segment is not sound, or not behind what is kept before it; and the first offset that is kept.
fn find_cuts(
    segment: &Segment,
    next_base: Option<i64>,
    end: &mut i64,
    holes: &mut Vec<(LogOffset, LogOffset)>,
) -> io::Result<(Vec<Cut>, Option<i64>)> {
    let (log, size) = (segment.log(), segment.size());
    let (mut cuts, mut first_kept) = (Vec::new(), None);
    let mut at = 0;
    let mut scan = Scan::verifying(log, at, size);
    loop {
        let least = (*end).max(segment.base_offset());
        let fits =
            |header: &BatchHeader| least <= header.base_offset && segment.relative(header.last_offset()).is_some();
        match scan.next() {
            Ok(None) => return Ok((cuts, first_kept)),
            Ok(Some((position, header)))
                if fits(&header) && is_credible(segment, &cuts, position, &header, least, next_base)? =>
            {
                if *end < header.base_offset {
                    holes.push((offset(*end), offset(header.base_offset)));
                }
                first_kept.get_or_insert(header.base_offset);
                *end = header.last_offset() + 1;
                at = position + header.total_len() as u64;
            }
            Ok(Some(_)) | Err(ScanError::Damaged { .. }) => {
                let next = next_sound(log, at + 1, size, u64::MAX, fits).map_err(io::Error::other)?;
                let to = next.map_or(size, |(position, _)| position);
                let from = cuts.pop_if(|before: &mut Cut| before.to == at).map_or(at, |before| before.from);
                cuts.push(count(segment, from, to));
                at = to;
                scan = Scan::verifying(log, at, size);
            }
            Err(ScanError::Io { source, .. }) => return Err(source),
        }
    }
}

/// Fewest bytes of a record that is not compressed.
const LEAST_RECORD: u64 = 7;

/// Whether a batch can have the offset that it says. Its checksum leaves the offset out, so that only what is around it
/// tells whether that is still what was written.
fn is_credible(
    segment: &Segment,
    cuts: &[Cut],
    position: u64,
    header: &BatchHeader,
    least: i64,
    next_base: Option<i64>,
) -> io::Result<bool> {
    let missing = header.base_offset - least;
    match cuts.last().filter(|cut| cut.to == position) {
        // Something is gone, so offsets must be, unless it was there twice.
        Some(cut) if missing == 0 => Ok(has_earlier_only(segment, cut, least)),
        Some(cut) if missing as u64 <= cut.records.max((cut.to - cut.from) / LEAST_RECORD) => Ok(true),
        None if missing == 0 => Ok(true),
        _ => follows(segment, position, header, next_base),
    }
}

fn has_earlier_only(segment: &Segment, cut: &Cut, offset: i64) -> bool {
    let mut scan = Scan::verifying(segment.log(), cut.from, cut.to);
    loop {
        match scan.next() {
            Ok(None) => return true,
            Ok(Some((_, header))) if header.last_offset() < offset => {}
            _ => return false,
        }
    }
}

/// Whether what follows a batch has greater offsets. The checksum leaves its offset out; where a hole lies before it,
/// it is the next batch that says whether it can be right.
fn follows(segment: &Segment, position: u64, header: &BatchHeader, next_base: Option<i64>) -> io::Result<bool> {
    let behind = position + header.total_len() as u64;
    match Scan::verifying(segment.log(), behind, segment.size()).next() {
        Ok(Some((_, next))) => Ok(header.last_offset() < next.base_offset),
        Ok(None) | Err(ScanError::Damaged { .. }) => Ok(next_base.is_some_and(|next| header.last_offset() < next)),
        Err(ScanError::Io { source, .. }) => Err(source),
    }
}

fn count(segment: &Segment, from: u64, to: u64) -> Cut {
    let mut cut = Cut { from, to, batches: 0, records: 0 };
    let mut scan = Scan::long(segment.log(), from, to);
    while let Ok(Some((_, header))) = scan.next() {
        cut.batches += 1;
        cut.records += u64::try_from(header.record_count).unwrap_or(0);
    }
    cut
}

impl RepairPlan {
    /// Sets aside what is to be cut, in files beside those that had it, then cuts. Returns the files made. A crash on
    /// the way leaves a log that needs a repair still, and nothing is lost.
    ///
    /// # Errors
    ///
    /// A file changed since the plan was made, or the operating system refuses something.
    pub fn apply(&self, disk: &Arc<dyn Disk>) -> Result<Vec<PathBuf>, RepairError> {
        let mut set_aside = Vec::new();
        for file in &self.files {
            file.set_aside(&**disk, &mut set_aside)?;
        }
        let in_dir = |source| RepairError::Write { file: self.dir.clone(), source };
        disk.create_dirs(&self.dir).map_err(in_dir)?;
        disk.sync_dir(&self.dir).map_err(in_dir)?;
        // From the last on: a file may get a name that the next one had.
        for file in self.files.iter().rev() {
            file.cut(&**disk).map_err(|source| RepairError::Write { file: file.file.clone(), source })?;
        }
        // All before the end counts as durable from now on, which none of the indexes need be: they are made anew.
        for name in disk.read_dir(&self.dir).map_err(in_dir)? {
            if let Some((_, Kind::Index)) = name.to_str().and_then(files::parse_name) {
                disk.remove_if_present(&self.dir.join(name)).map_err(in_dir)?;
            }
        }
        let dir: Arc<Path> = Arc::from(self.dir.as_path());
        let created = Segment::create(disk, &dir, self.end.get()).and_then(|segment| segment.sync(false));
        created.and_then(|()| disk.sync_dir(&self.dir)).map_err(in_dir)?;
        Ok(set_aside)
    }
}

impl FileRepair {
    fn set_aside(&self, disk: &dyn Disk, made: &mut Vec<PathBuf>) -> Result<(), RepairError> {
        let read = |source| RepairError::Read { file: self.file.clone(), source };
        let source = disk.open(&self.file, Open::Read).map_err(read)?;
        if source.len().map_err(read)? != self.len {
            return Err(RepairError::Changed { file: self.file.clone() });
        }
        for cut in &self.cuts {
            let copied = (0..).find_map(|n| {
                let mut path = self.file.clone().into_os_string();
                path.push(format!(".cut-{}-{}", cut.from, cut.to));
                // An earlier repair may have been interrupted, or have cut other bytes from there.
                if 0 < n {
                    path.push(format!(".{n}"));
                }
                let path = PathBuf::from(path);
                match disk.open(&path, Open::New) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                    opened => Some((path, opened)),
                }
            });
            let (path, opened) = copied.expect("some number is free");
            let written = opened.and_then(|side| {
                copy(&*source, cut.from, cut.to, &*side, 0)?;
                side.sync_all()
            });
            written.map_err(|source| RepairError::Write { file: path.clone(), source })?;
            made.push(path);
        }
        Ok(())
    }

    /// Replaces the file by one without what is to be cut. Its indexes are made anew at the next start.
    fn cut(&self, disk: &dyn Disk) -> io::Result<()> {
        let dir = self.file.parent().unwrap_or(Path::new(""));
        let new = self.new_base_offset.map_or(self.file.clone(), |base| files::path(dir, base.get(), Kind::Log));
        let mut temporary = new.clone().into_os_string();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let source = disk.open(&self.file, Open::Read)?;
        let target = disk.open(&temporary, Open::Truncate)?;
        let (mut from, mut written) = (0, 0);
        for cut in &self.cuts {
            copy(&*source, from, cut.from, &*target, written)?;
            written += cut.from - from;
            from = cut.to;
        }
        copy(&*source, from, self.len, &*target, written)?;
        target.sync_all()?;
        for extension in ["index", "timeindex"] {
            disk.remove_if_present(&self.file.with_extension(extension))?;
            disk.remove_if_present(&new.with_extension(extension))?;
        }
        disk.sync_parent(&new)?;
        disk.rename(&temporary, &new)?;
        disk.sync_parent(&new)?;
        if new != self.file {
            let transactions = self.file.with_extension("txnindex");
            if disk.metadata_if_present(&transactions)?.is_some() {
                disk.rename(&transactions, &new.with_extension("txnindex"))?;
            }
            disk.remove_file(&self.file)?;
            disk.sync_parent(&new)?;
        }
        Ok(())
    }
}

fn copy(
    source: &dyn millstream_disk::DiskFile,
    from: u64,
    to: u64,
    target: &dyn millstream_disk::DiskFile,
    mut at: u64,
) -> io::Result<()> {
    let mut next = from;
    let mut buffer = Vec::new();
    while next < to {
        buffer.resize((to - next).min(1 << 20) as usize, 0);
        source.read_exact_at(&mut buffer, next)?;
        target.write_all_at(&buffer, at)?;
        next += buffer.len() as u64;
        at += buffer.len() as u64;
    }
    Ok(())
}
