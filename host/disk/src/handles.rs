//! How many files are open at once: those that have not been used for a while are closed, and opened again when they
//! are needed, so that a process with more files than the system lets it open goes on.
//!
//! Whoever has a file notices nothing. A file stays open that has been written to and not synced since, for the system
//! tells of a failed write only whoever had the file open; and one that is about to lose its name or to have its name
//! given away, for it would be found no more. If the name stands for another file nevertheless, that is an error.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rustix::io::Errno;

/// How many files are looked at, at most, for each that is opened: it costs no more where nothing can be closed.
const LOOKS: usize = 64;

/// A name stands for another file than the one that was opened by it.
const REPLACED: io::ErrorKind = io::ErrorKind::StaleNetworkFileHandle;

/// The files of one disk that are open.
#[derive(Debug)]
pub(crate) struct Handles {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many files are open.
    open: usize,
    next_number: u64,
    /// All that somebody has and that have a name, by name and number.
    names: BTreeMap<(Arc<Path>, u64), Weak<Handle>>,
    /// Those that may be closed, by their places: who was looked at last is looked at last again.
    places: BTreeMap<u64, Weak<Handle>>,
}

/// A file that somebody has, open or not.
#[derive(Debug)]
pub(crate) struct Handle {
    handles: Arc<Handles>,
    path: Arc<Path>,
    number: u64,
    place: AtomicU64,
    /// How it is opened again.
    again: OpenOptions,
    /// Device and number of the file.
    identity: (u64, u64),
    file: RwLock<Option<Arc<File>>>,
    /// Whether it was used since it was looked at.
    used: AtomicBool,
    /// Whether something was written that no sync has seen.
    written: AtomicBool,
    /// Whether it is found no more by its name, or soon.
    nameless: AtomicBool,
}

/// What is let go of once the state is not locked any more: the last owner of a handle takes that lock.
#[derive(Debug, Default)]
struct Aside {
    _files: Vec<Arc<File>>,
    _handles: Vec<Arc<Handle>>,
}

impl Handles {
    /// Tries to keep no more than so many files open.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each step leaves it as it should be.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file as `first` says, and later as `again` says.
    pub(crate) fn open(
        self: &Arc<Self>,
        path: &Path,
        first: &OpenOptions,
        again: OpenOptions,
    ) -> io::Result<Arc<Handle>> {
        let file = self.open_file(path, first)?;
        let identity = identity(&file).inspect_err(|_| self.lock().open -= 1)?;
        let (mut state, path) = (self.lock(), Arc::from(path));
        let number = state.number();
        let handle = Arc::new(Handle {
            handles: Arc::clone(self),
            path: Arc::clone(&path),
            number,
            place: AtomicU64::new(number),
            again,
            identity,
            file: RwLock::new(Some(Arc::new(file))),
            used: AtomicBool::new(true),
            written: AtomicBool::new(false),
            nameless: AtomicBool::new(false),
        });
        state.names.insert((path, number), Arc::downgrade(&handle));
        state.places.insert(number, Arc::downgrade(&handle));
        Ok(handle)
    }

    /// Opens a file, which counts from then on, and closes others for it if there are too many.
    fn open_file(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        self.make_room(|_| self.most, 1);
        let mut opened = options.open(path);
        if opened.as_ref().is_err_and(is_out_of_handles) {
            // Others have taken what the limit lets a process have: connections, usually.
            self.make_room(|open| open.saturating_sub(LOOKS / 2), 0);
            opened = options.open(path);
        }
        opened.map_err(|error| {
            let mut state = self.lock();
            state.open -= 1;
            if is_out_of_handles(&error) { OutOfHandles { files: state.open, source: error }.into() } else { error }
        })
    }

    /// Closes files until fewer are open than `most` says, if a few looks find them. Counts `more` files as open.
    fn make_room(&self, most: impl Fn(usize) -> usize, more: usize) {
        let mut aside = Aside::default();
        let mut state = self.lock();
        let most = most(state.open).max(1);
        for _ in 0..LOOKS {
            if state.open < most {
                break;
            }
            let Some((_, handle)) = state.places.pop_first() else { break };
            let Some(handle) = handle.upgrade() else { continue };
            match handle.close() {
                Some(file) => {
                    state.open -= 1;
                    aside._files.push(file);
                }
                None if handle.nameless.load(Ordering::SeqCst) => {}
                None => state.take_place(&handle),
            }
            aside._handles.push(handle);
        }
        state.open += more;
        drop(state);
        drop(aside);
    }

    /// To be called before what has this name, a file or a folder, is renamed, replaced or removed.
    pub(crate) fn leave(&self, path: &Path) -> io::Result<()> {
        let left: Vec<Arc<Handle>> = {
            let state = self.lock();
            let from = (Arc::from(path), 0);
            let below = state.names.range(from..).take_while(|((name, _), _)| name.starts_with(path));
            below.filter_map(|(_, handle)| handle.upgrade()).collect()
        };
        for handle in &left {
            handle.nameless.store(true, Ordering::SeqCst);
            match handle.get() {
                // It was lost to whoever has it before.
                Err(error) if [io::ErrorKind::NotFound, REPLACED].contains(&error.kind()) => {}
                opened => drop(opened?),
            }
            self.lock().names.remove(&(Arc::clone(&handle.path), handle.number));
        }
        Ok(())
    }

    /// How many files are open.
    #[cfg(test)]
    pub(crate) fn open_now(&self) -> usize {
        self.lock().open
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn take_place(&mut self, handle: &Arc<Handle>) {
        let place = self.number();
        handle.place.store(place, Ordering::Relaxed);
        self.places.insert(place, Arc::downgrade(handle));
    }
}

impl Handle {
    /// The open file, opened again if need be. Blocks.
    pub(crate) fn get(&self) -> io::Result<Arc<File>> {
        if let Some(file) = self.opened() {
            return Ok(file);
        }
        let file = self.handles.open_file(&self.path, &self.again)?;
        let found = identity(&file).and_then(|found| {
            let replaced =
                || io::Error::new(REPLACED, "another file has its name since it was closed to have few open");
            if found == self.identity { Ok(()) } else { Err(replaced()) }
        });
        if let Err(error) = found {
            self.handles.lock().open -= 1;
            return Err(error);
        }
        let file = Arc::new(file);
        let known = {
            let mut known = self.file.write().unwrap_or_else(PoisonError::into_inner);
            known.get_or_insert_with(|| Arc::clone(&file)).clone()
        };
        let mut state = self.handles.lock();
        if Arc::ptr_eq(&known, &file) {
            let place = state.number();
            self.place.store(place, Ordering::Relaxed);
            if let Some(handle) = state.names.get(&(Arc::clone(&self.path), self.number)).cloned() {
                state.places.insert(place, handle);
            }
        } else {
            // Another thread was faster.
            state.open -= 1;
        }
        Ok(known)
    }

    /// The open file, if it is open.
    pub(crate) fn opened(&self) -> Option<Arc<File>> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        file
    }

    /// Changes the file. It is kept open until it is synced.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        self.written.store(true, Ordering::SeqCst);
        let changed = self.get().and_then(|file| change(&file));
        // A sync that came in between may have been too early for it.
        self.written.store(true, Ordering::SeqCst);
        changed
    }

    /// Brings what was written to stable storage.
    pub(crate) fn sync(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let file = self.get()?;
        let written = self.written.swap(false, Ordering::SeqCst);
        sync(&file).inspect_err(|_| self.written.store(written, Ordering::SeqCst))
    }

    /// Closes the file, if it may be closed and was not used since the last look. It ends with its last user.
    fn close(&self) -> Option<Arc<File>> {
        let stays = || self.written.load(Ordering::SeqCst) || self.nameless.load(Ordering::SeqCst);
        if self.used.swap(false, Ordering::Relaxed) || stays() {
            return None;
        }
        let mut file = self.file.try_write().ok()?;
        // Whoever says so later opens it again.
        if stays() { None } else { file.take() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.handles.lock();
        state.names.remove(&(Arc::clone(&self.path), self.number));
        state.places.remove(&self.place.load(Ordering::Relaxed));
        if self.file.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            state.open -= 1;
        }
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|found| (found.dev(), found.ino()))
}

/// The process, or the system, may open no more files.
#[derive(Debug)]
struct OutOfHandles {
    files: usize,
    source: io::Error,
}

impl std::fmt::Display for OutOfHandles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (files, source) = (self.files, &self.source);
        write!(
            formatter,
            "no more files can be opened ({source}); {files} are open here, and connections count as well: raise the \
             limit (ulimit -n), or lower max.connections or open.files.max"
        )
    }
}

impl std::error::Error for OutOfHandles {}

impl From<OutOfHandles> for io::Error {
    fn from(error: OutOfHandles) -> Self {
        Self::other(error)
    }
}

fn is_out_of_handles(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|out| code == Some(out.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::atomic::AtomicUsize, thread};

    use super::*;
    use crate::{DiskFile, Open, real::limited};

    fn content(file: &dyn DiskFile) -> Vec<u8> {
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn of_many_files_few_are_open_and_nobody_notices() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, handles) = limited(4);
        let files: Vec<_> = (0..50_u8)
            .map(|n| {
                let file = disk.open(&dir.path().join(n.to_string()), Open::Create).unwrap();
                file.write_all_at(&[n], 0).unwrap();
                file.sync_data().unwrap();
                file
            })
            .collect();
        assert!(handles.open_now() <= 4, "{}", handles.open_now());
        for round in 0..3 {
            for (n, file) in files.iter().enumerate() {
                assert_eq!(content(&**file), vec![n as u8; round + 1]);
                file.write_all_at(&[n as u8], round as u64 + 1).unwrap();
                file.sync_all().unwrap();
                assert!(handles.open_now() <= 4, "{}", handles.open_now());
            }
        }
        drop(files);
        assert_eq!(handles.open_now(), 0);
    }

    #[test]
    fn what_was_written_and_not_synced_stays_open() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, handles) = limited(2);
        let open = |name: &str| disk.open(&dir.path().join(name), Open::Create).unwrap();
        let written: Vec<_> = ["a", "b", "c"].map(open).into();
        written.iter().for_each(|file| file.write_all_at(b"x", 0).unwrap());
        let _others: Vec<_> = ["d", "e", "f"].map(open).into();
        assert!(3 < handles.open_now(), "more than is allowed, rather than a failed write that nobody hears of");
        written.iter().for_each(|file| file.sync_data().unwrap());
        let _more: Vec<_> = ["g", "h", "i", "j"].map(open).into();
        assert!(handles.open_now() <= 2, "{}", handles.open_now());
    }

    #[test]
    fn who_has_a_file_keeps_it_whatever_becomes_of_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, handles) = limited(1);
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        for (name, text) in [("removed", "1"), ("renamed", "2"), ("replaced", "3"), ("new", "4"), ("folder/in", "5")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let open = |name: &str| disk.open(&dir.path().join(name), Open::Write).unwrap();
        let files = ["removed", "renamed", "replaced", "folder/in"].map(open);
        // All are closed but this one.
        let _other = open("new");
        assert_eq!(handles.open_now(), 1);
        disk.remove_file(&dir.path().join("removed")).unwrap();
        disk.rename(&dir.path().join("renamed"), &dir.path().join("elsewhere")).unwrap();
        disk.rename(&dir.path().join("new"), &dir.path().join("replaced")).unwrap();
        disk.rename(&folder, &dir.path().join("folder-delete")).unwrap();
        disk.remove_dir_all(&dir.path().join("folder-delete")).unwrap();
        for name in ["x", "y", "z"] {
            disk.open(&dir.path().join(name), Open::Create).unwrap();
        }
        assert_eq!(files.each_ref().map(|file| content(&**file)), [b"1", b"2", b"3", b"5"]);
    }

    #[test]
    fn another_file_is_not_taken_for_the_one_that_was_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, _) = limited(1);
        let path = dir.path().join("a");
        fs::write(&path, "mine").unwrap();
        let file = disk.open(&path, Open::Write).unwrap();
        let _other = disk.open(&dir.path().join("b"), Open::Create).unwrap();
        // Past the disk.
        fs::write(dir.path().join("c"), "another's").unwrap();
        fs::rename(dir.path().join("c"), &path).unwrap();
        let error = file.read_exact_at(&mut [0; 4], 0).unwrap_err();
        assert!(error.to_string().starts_with("another file has its name"), "{error}");
        disk.remove_file(&path).unwrap();
    }

    #[test]
    fn threads_that_use_more_files_than_may_be_open_get_each_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, handles) = limited(3);
        let files: Vec<_> = (0..12_u8)
            .map(|n| {
                fs::write(dir.path().join(n.to_string()), [n; 100]).unwrap();
                disk.open(&dir.path().join(n.to_string()), Open::Write).unwrap()
            })
            .collect();
        let reads = AtomicUsize::new(0);
        thread::scope(|scope| {
            for offset in 0..4 {
                let (files, reads) = (&files, &reads);
                scope.spawn(move || {
                    for round in 0..500 {
                        let n = (round * 5 + offset * 3) % files.len();
                        assert_eq!(content(&*files[n]), [n as u8; 100]);
                        if round % 7 == 0 {
                            files[n].write_all_at(&[n as u8], 99).unwrap();
                            files[n].sync_data().unwrap();
                        }
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(reads.into_inner(), 2000);
        drop(files);
        assert_eq!(handles.open_now(), 0, "every file that was opened was counted, and closed");
    }
}
