//! For tests: a disk in memory that fails as real ones do, on demand or at random, and repeatably by its seed.
//!
//! ```
//! use std::{io, path::Path};
//! use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
//!
//! let disk = FaultyDisk::new(42);
//! let process = disk.process(); // An `Arc<dyn Disk>` for the code under test.
//! process.create_dirs(Path::new("/data")).unwrap();
//! disk.fail(Trigger::on(Operation::Sync).path("a").skip(1), io::ErrorKind::Other);
//! process.replace(Path::new("/data/a"), b"1").unwrap();
//! process.replace(Path::new("/data/a"), b"2").unwrap_err();
//! disk.lose_power(); // Whatever `process` opened is dead now.
//! assert_eq!(disk.process().read(Path::new("/data/a")).unwrap(), b"1");
//! ```
//!
//! What it is pessimistic about: after a power failure any part of what was not synced may be there, in pieces of 512
//! bytes and in any order; a new name is lost without a sync of its folder, even if the file was synced; a failed
//! sync leaves the data readable, not durable, and later syncs succeed without it, as on Linux. What was synced stays,
//! and a rename within a folder is atomic.

mod plan;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

pub use plan::{Operation, Stall, Trigger};

use self::{
    plan::{Effect, Plan},
    tree::Tree,
};
use crate::{Disk, DiskFile, DiskLock, Metadata, Open};

/// A seeded sequence of numbers (splitmix64): for this disk, and for tests that draw what they do from the same seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// True so many times of a thousand.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

/// The disk, as the test sees it: it outlives processes and power failures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    tree: Tree,
    plan: Plan,
    dice: Dice,
    /// Number of the process that lives. All others are dead.
    process: u64,
    /// Whether it has died, and the next has not begun.
    dead: bool,
    locks: BTreeSet<PathBuf>,
    /// Most bytes of all files.
    capacity: Option<u64>,
    /// Whether memory has what is read.
    cached: bool,
    /// Bytes that were read of each file.
    read: BTreeMap<PathBuf, u64>,
}

impl FaultyDisk {
    /// An empty disk that behaves in the same way for the same seed and the same calls.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            tree: Tree::new(),
            plan: Plan::default(),
            dice: Dice::new(seed),
            process: 0,
            dead: false,
            locks: BTreeSet::new(),
            capacity: None,
            cached: false,
            read: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the disk's state is whole")
    }

    /// The disk for the process that runs now; begins a new process if the last one has died.
    pub fn process(&self) -> Arc<dyn Disk> {
        let mut state = self.state();
        if state.dead {
            state.process += 1;
            state.dead = false;
        }
        Arc::new(Process { disk: self.clone(), number: state.process })
    }

    /// Lets the operations that the trigger names fail, and do nothing (a sync: make only some of it durable, and
    /// forget the rest).
    pub fn fail(&self, trigger: Trigger, error: io::ErrorKind) {
        self.state().plan.add(trigger, Effect::Fail(error));
    }

    /// Lets writes that the trigger names fail after a random part of their bytes.
    pub fn write_short(&self, trigger: Trigger, error: io::ErrorKind) {
        self.state().plan.add(trigger, Effect::Short(error));
    }

    /// Lets operations wait until the returned handle is released or dropped, or the process dies.
    pub fn stall(&self, trigger: Trigger) -> Stall {
        let stall = Stall::default();
        self.state().plan.add(trigger, Effect::Wait(stall.gate()));
        stall
    }

    /// Lets this kind of operation fail at random, so many times of a thousand: writes half of the time after a part.
    pub fn chance(&self, operation: Operation, per_mille: u64) {
        self.state().plan.set_chance(operation, per_mille);
    }

    /// Lets the process die within its next operation but so many: a write may be done in part, later ones fail.
    pub fn die_after(&self, operations: u64) {
        self.state().plan.die_after(operations);
    }

    /// Takes back every fault that was ordered, and releases what waits.
    pub fn heal(&self) {
        let mut state = self.state();
        state.plan.clear();
        state.capacity = None;
    }

    /// Bounds the bytes of all files: beyond it writes fail with `StorageFull`, after the part that had room.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = Some(bytes);
    }

    /// Says whether all files are in memory, so that [`DiskFile::read_cached_at`] reads them whatever becomes of the
    /// disk. At first they are not.
    pub fn set_cached(&self, cached: bool) {
        self.state().cached = cached;
    }

    /// Whether the last process has died, and no other has begun.
    pub fn has_died(&self) -> bool {
        self.state().dead
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().plan.operations
    }

    /// How many bytes were read of files whose paths end so, since the last time this was asked.
    pub fn take_bytes_read(&self, end: &str) -> u64 {
        let mut read = std::mem::take(&mut self.state().read);
        read.retain(|path, _| path.to_string_lossy().ends_with(end));
        read.values().sum()
    }

    /// Ends the process as `kill -9` does: what it wrote stays readable, what it has open is dead, its locks are
    /// free. Orders for faults stay.
    pub fn kill(&self) {
        self.state().kill();
    }

    /// Ends the process and lets the system forget what it holds in memory of data it takes for written: after a
    /// failed sync, reading shows what is on stable storage.
    pub fn kill_and_drop_caches(&self) {
        let mut state = self.state();
        state.kill();
        state.tree.drop_caches();
    }

    /// Ends the process and the machine: of what was not synced, a random part is left.
    pub fn lose_power(&self) {
        let mut state = self.state();
        state.kill();
        let State { tree, dice, .. } = &mut *state;
        tree.lose_power(dice);
    }

    /// What a file has for a process that reads it now; `None` where there is no such file.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let file = state.tree.file(path).ok()?;
        Some(state.tree.content(file).to_vec())
    }

    /// All files with their content, as a process sees them now.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.state().tree.files()
    }

    /// Puts a file there, durably and whatever faults were ordered, with the folders above it.
    pub fn put(&self, path: &Path, content: &[u8]) {
        self.state().tree.put(path, content);
    }

    /// Removes a file, durably and whatever faults were ordered. Nothing happens where there is none.
    pub fn take_away(&self, path: &Path) {
        self.state().tree.take_away(path);
    }

    /// Changes a byte of a file on stable storage and in memory, as a worn-out disk does.
    ///
    /// # Panics
    ///
    /// There is no such file, or it has no such byte.
    pub fn damage(&self, path: &Path, at: u64, flip: u8) {
        let mut state = self.state();
        let file = state.tree.file(path).expect("the file to damage is there");
        state.tree.damage(file, at, flip);
    }

    /// What files say about when they changed from now on. At first the beginning of 1970.
    pub fn set_clock(&self, now: SystemTime) {
        self.state().tree.now = now;
    }
}

impl State {
    fn kill(&mut self) {
        self.dead = true;
        self.locks.clear();
        self.plan.process_died();
    }
}

/// The disk for one process.
#[derive(Clone, Debug)]
struct Process {
    disk: FaultyDisk,
    number: u64,
}

fn dead() -> io::Error {
    io::Error::other("the process that does this has died")
}

impl Process {
    /// Begins an operation: waits, fails or dies as ordered. With the error it comes back for operations that may be
    /// done in part.
    fn begin(&self, operation: Operation, path: &Path) -> io::Result<(MutexGuard<'_, State>, Option<io::Error>)> {
        loop {
            let mut state = self.disk.state();
            if state.dead || state.process != self.number {
                return Err(dead());
            }
            let State { plan, dice, .. } = &mut *state;
            match plan.effect(operation, path, dice) {
                None => return Ok((state, None)),
                Some(Effect::Wait(gate)) => {
                    drop(state);
                    gate.pass();
                    // It may have died meanwhile, and the next order may concern it, too.
                }
                Some(Effect::Die) => {
                    state.kill();
                    return Ok((state, Some(dead())));
                }
                Some(Effect::Short(kind)) => return Ok((state, Some(kind.into()))),
                Some(Effect::Fail(kind)) if operation == Operation::Sync => return Ok((state, Some(kind.into()))),
                Some(Effect::Fail(kind)) => return Err(kind.into()),
            }
        }
    }

    /// Begins an operation that is done whole or not at all.
    fn begin_whole(&self, operation: Operation, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        match self.begin(operation, path)? {
            (_, Some(error)) => Err(error),
            (state, None) => Ok(state),
        }
    }
}

impl Disk for Process {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.begin_whole(Operation::Open, path)?;
        let node = match (state.tree.file(path), how) {
            (Ok(_), Open::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(node), _) => node,
            (Err(error), Open::Create | Open::Truncate | Open::Private | Open::New)
                if error.kind() == io::ErrorKind::NotFound =>
            {
                state.tree.create(path)?
            }
            (Err(error), _) => return Err(error),
        };
        if matches!(how, Open::Truncate | Open::Private) {
            state.tree.set_len(node, 0);
        }
        let file = OpenFile { process: self.clone(), path: path.to_owned(), node, writable: how != Open::Read };
        Ok(Box::new(file))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.begin_whole(Operation::Read, path)?.tree.metadata(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin_whole(Operation::Rename, from)?.tree.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.begin_whole(Operation::Remove, path)?.tree.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.begin_whole(Operation::CreateDir, path)?.tree.create_dir(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.begin_whole(Operation::Remove, path)?.tree.remove_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.begin_whole(Operation::Read, path)?.tree.read_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.begin_whole(Operation::SyncDir, path)?.tree.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut state = self.begin_whole(Operation::Open, path)?;
        if state.tree.file(path).is_err() {
            state.tree.create(path)?;
        }
        if !state.locks.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Lock { process: self.clone(), path: path.to_owned() })))
    }
}

#[derive(Debug)]
struct OpenFile {
    process: Process,
    path: PathBuf,
    node: u64,
    writable: bool,
}

impl OpenFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for OpenFile {
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.process.begin_whole(Operation::Read, &self.path)?;
        *state.read.entry(self.path.clone()).or_default() += buffer.len() as u64;
        let content = state.tree.content(self.node);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match content.get(at..).and_then(|rest| rest.get(..buffer.len())) {
            Some(found) => buffer.copy_from_slice(found),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn read_cached_at(&self, buffer: &mut [u8], at: u64) -> bool {
        // No operation of the disk, so nothing that was ordered happens to it.
        let state = self.process.disk.state();
        if !state.cached || state.dead || state.process != self.process.number {
            return false;
        }
        let content = state.tree.content(self.node);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let found = content.get(at..).and_then(|rest| rest.get(..buffer.len()));
        found.is_some_and(|found| {
            buffer.copy_from_slice(found);
            true
        })
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.check_writable()?;
        let (mut state, mut error) = self.process.begin(Operation::Write, &self.path)?;
        let mut bytes = bytes;
        if error.is_some() {
            let part = state.dice.below(bytes.len() as u64 + 1);
            bytes = &bytes[..part as usize];
        }
        if let Some(room) = state.room(self.node, at, bytes.len()) {
            bytes = &bytes[..room];
            error = error.or(Some(io::ErrorKind::StorageFull.into()));
        }
        state.tree.write(self.node, at, bytes);
        error.map_or(Ok(()), Err)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.process.begin_whole(Operation::SetLen, &self.path)?.tree.set_len(self.node, len);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.process.begin_whole(Operation::Read, &self.path)?;
        Ok(state.tree.content(self.node).len() as u64)
    }

    fn modified(&self) -> io::Result<SystemTime> {
        let state = self.process.begin_whole(Operation::Read, &self.path)?;
        Ok(state.tree.modified(self.node))
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut state, error) = self.process.begin(Operation::Sync, &self.path)?;
        let State { tree, dice, dead, .. } = &mut *state;
        match &error {
            None => tree.sync(self.node),
            // The process dies before the system is done: it goes on, and nothing is forgotten.
            Some(_) if *dead => {}
            Some(_) => tree.fail_sync(self.node, dice),
        }
        error.map_or(Ok(()), Err)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl State {
    /// How many bytes of a write have room, if not all have.
    fn room(&self, node: u64, at: u64, len: usize) -> Option<usize> {
        let capacity = self.capacity?;
        let before = self.tree.content(node).len() as u64;
        let free = capacity.saturating_sub(self.tree.bytes());
        let fits = (before + free).saturating_sub(at);
        (fits < len as u64).then_some(fits as usize)
    }
}

#[derive(Debug)]
struct Lock {
    process: Process,
    path: PathBuf,
}

impl DiskLock for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.process.disk.state();
        // A dead process has lost its locks; they may be another's now.
        if !state.dead && state.process == self.process.number {
            state.locks.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
