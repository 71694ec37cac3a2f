//! The three checkpoints of the data folder: how far each partition is on stable storage, where it starts, and how far
//! it was compacted.
//!
//! The files are Kafka's and know topics by name only. So that a topic never inherits the entries of an earlier
//! one of its name, a deletion takes them out before the name is free, and a start drops those of topics that do
//! not exist. Entries of partitions that cannot be opened are carried over: what they say is still true, and the
//! next recovery depends on it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_disk::Disk;
use millstream_log::{
    OpenMode,
    checkpoint::{self, CheckpointError, Offsets},
};
use millstream_record::{ErrorChain, LogOffset, TopicName};
use tracing::warn;

use crate::partition::{CheckpointEntry, Partition};

/// Name of the file of recovery points.
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Name of the file of log starts.
const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// Name of the file of offsets up to which partitions were compacted.
const CLEANED: &str = "cleaner-offset-checkpoint";

/// Reads and writes the files, one writer at a time.
#[derive(Debug)]
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Held while the files are written.
    state: Mutex<State>,
    /// Deleted topics whose entries may still be in the files. Held for a look only, never for the disk.
    lingering: Mutex<BTreeSet<TopicName>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// What is known to stand in the files, or last stood there.
    known: Entries,
    /// Whether the files hold exactly that, so that an idle broker writes nothing.
    written: bool,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Entries {
    recovery_points: Offsets,
    log_starts: Offsets,
    cleaned_to: Offsets,
}

/// What the files say of one partition.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checkpointed {
    /// All before it is on stable storage.
    pub recovery_point: i64,
    /// The first offset that may be read.
    pub log_start: i64,
    /// All before it was compacted.
    pub cleaned_to: i64,
}

impl Checkpointed {
    /// What that says about how a log was left.
    pub fn mode(self, clean: bool, compacted: bool) -> OpenMode {
        let offset = |number: i64| LogOffset::new(number).unwrap_or(LogOffset::ZERO);
        let Self { recovery_point, log_start, cleaned_to } = self;
        OpenMode {
            clean,
            recovery_point: offset(recovery_point),
            log_start: offset(log_start),
            cleaned_to: offset(cleaned_to),
            compacted,
        }
    }
}

impl Checkpoints {
    /// Reads the files of a data folder. A damaged file counts as empty: recovery then trusts less and reads more.
    ///
    /// # Errors
    ///
    /// A file cannot be read at this moment. Going on without it could bring deleted records back.
    pub fn load(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, CheckpointError> {
        let known = Entries {
            recovery_points: read(&**disk, &dir.join(RECOVERY_POINTS))?,
            log_starts: read(&**disk, &dir.join(LOG_STARTS))?,
            cleaned_to: read(&**disk, &dir.join(CLEANED))?,
        };
        let state = State { known, ..State::default() };
        Ok(Self { disk: Arc::clone(disk), dir: dir.to_owned(), state: Mutex::new(state), lingering: Mutex::default() })
    }

    /// What the files say of a partition.
    pub fn entry(&self, topic: &TopicName, index: i32) -> Checkpointed {
        let key = (topic.to_string(), index);
        let known = &self.lock().known;
        let of = |offsets: &Offsets| offsets.get(&key).copied().unwrap_or(0);
        Checkpointed {
            recovery_point: of(&known.recovery_points),
            log_start: of(&known.log_starts),
            cleaned_to: of(&known.cleaned_to),
        }
    }

    /// Partitions that are known to have had records on stable storage.
    pub fn with_records(&self) -> Vec<(String, i32)> {
        let known = &self.lock().known.recovery_points;
        known.iter().filter(|(_, offset)| 0 < **offset).map(|(partition, _)| partition.clone()).collect()
    }

    /// Drops the entries of partitions that do not exist, as a deletion that a crash cut short leaves them. Blocks.
    ///
    /// # Errors
    ///
    /// The files could not be replaced. The names stay closed to new topics until they are.
    pub fn drop_strangers(&self, exists: impl Fn(&str, i32) -> bool) -> Result<(), CheckpointError> {
        let mut state = self.lock();
        let mut strangers = BTreeSet::new();
        let mut keep = |offsets: &mut Offsets| {
            offsets.retain(|(topic, index), _| {
                let known = exists(topic, *index);
                if !known {
                    strangers.insert(topic.clone());
                }
                known
            });
        };
        let mut next = state.known.clone();
        keep(&mut next.recovery_points);
        keep(&mut next.log_starts);
        keep(&mut next.cleaned_to);
        if strangers.is_empty() {
            return Ok(());
        }
        self.lingering().extend(strangers.iter().filter_map(|name| TopicName::parse(name).ok()));
        self.replace(&mut state, next)
    }

    /// Writes what has changed of these partitions, without a word of the topic that is `gone`; durable on return.
    /// Blocks. The partitions are listed when it is this writer's turn, so that no older list replaces a newer one.
    ///
    /// # Errors
    ///
    /// The old content stays, which is true still, except that the names of topics that are gone stay closed to
    /// new ones.
    pub fn write(
        &self,
        partitions: impl FnOnce() -> Vec<Arc<Partition>>,
        gone: Option<&TopicName>,
    ) -> Result<(), CheckpointError> {
        let mut state = self.lock();
        self.lingering().extend(gone.cloned());
        let mut next = Entries::default();
        for partition in partitions().iter().filter(|partition| Some(partition.topic()) != gone) {
            let key = (partition.topic().to_string(), partition.index());
            let known = &state.known;
            let (recovery_point, log_start, cleaned_to) = match partition.checkpoint() {
                CheckpointEntry::Known { recovery_point, log_start, cleaned_to } => {
                    let some = |offset: i64| Some(offset).filter(|offset| 0 < *offset);
                    (Some(recovery_point), some(log_start), some(cleaned_to))
                }
                CheckpointEntry::AsBefore => {
                    let of = |offsets: &Offsets| offsets.get(&key).copied();
                    (of(&known.recovery_points), of(&known.log_starts), of(&known.cleaned_to))
                }
                CheckpointEntry::Nothing => (None, None, None),
            };
            next.recovery_points.extend(recovery_point.map(|offset| (key.clone(), offset)));
            next.log_starts.extend(log_start.map(|offset| (key.clone(), offset)));
            next.cleaned_to.extend(cleaned_to.map(|offset| (key, offset)));
        }
        self.replace(&mut state, next)
    }

    /// Notes how far a partition is durable after a repair; durable on return. Blocks.
    ///
    /// # Errors
    ///
    /// The old content stays.
    pub fn repaired(&self, topic: &TopicName, index: i32, recovery_point: i64) -> Result<(), CheckpointError> {
        let mut state = self.lock();
        let mut next = state.known.clone();
        next.recovery_points.insert((topic.to_string(), index), recovery_point);
        self.replace(&mut state, next)
    }

    /// Notes what is known of a partition that was taken over, in place of what stood there; durable on return. Blocks.
    ///
    /// # Errors
    ///
    /// The old content stays.
    pub fn adopted(&self, topic: &TopicName, index: i32, entry: Checkpointed) -> Result<(), CheckpointError> {
        let mut state = self.lock();
        let mut next = state.known.clone();
        let key = (topic.to_string(), index);
        let note = |offsets: &mut Offsets, offset: i64| {
            offsets.remove(&key);
            offsets.extend((0 < offset).then(|| (key.clone(), offset)));
        };
        note(&mut next.recovery_points, entry.recovery_point);
        note(&mut next.log_starts, entry.log_start);
        note(&mut next.cleaned_to, entry.cleaned_to);
        self.replace(&mut state, next)
    }

    /// Whether a deleted topic of this name may still have entries, because they could not be taken out. Never waits
    /// for the disk.
    pub fn linger(&self, topic: &TopicName) -> bool {
        self.lingering().contains(topic)
    }

    fn replace(&self, state: &mut State, next: Entries) -> Result<(), CheckpointError> {
        if state.written && state.known == next {
            self.lingering().clear();
            return Ok(());
        }
        // What a failed write leaves behind is not known, so the next one writes all.
        let (certain, known) = (std::mem::take(&mut state.written), &state.known);
        if !certain || known.recovery_points != next.recovery_points {
            checkpoint::write_offsets(&*self.disk, &self.dir.join(RECOVERY_POINTS), &next.recovery_points)?;
        }
        if !certain || known.log_starts != next.log_starts {
            checkpoint::write_offsets(&*self.disk, &self.dir.join(LOG_STARTS), &next.log_starts)?;
        }
        // As good as not there while it is empty.
        if known.cleaned_to != next.cleaned_to || (!certain && !next.cleaned_to.is_empty()) {
            checkpoint::write_offsets(&*self.disk, &self.dir.join(CLEANED), &next.cleaned_to)?;
        }
        *state = State { known: next, written: true };
        self.lingering().clear();
        Ok(())
    }

    fn lingering(&self) -> MutexGuard<'_, BTreeSet<TopicName>> {
        // Each change of it is one call.
        self.lingering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever a panic leaves half-done is not marked as written, and the next write replaces all of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Offsets, CheckpointError> {
    match checkpoint::read_offsets(disk, path) {
        Err(error @ CheckpointError::Damaged { .. }) => {
            warn!(error = %ErrorChain(&error), "a checkpoint is not usable, so more is checked");
            Ok(Offsets::new())
        }
        read => read,
    }
}
