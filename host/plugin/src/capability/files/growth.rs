//! Notices that files grow, for guests that rest until then.
//!
//! Every file that is waited for is looked at ten times a second, by one thread for each disk: thousands of files cost
//! next to nothing, and a disk that does not answer holds up the files on it and no others. A look costs less than being
//! told by the system, which no network file system does.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// How often each file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The disk that a file is on, by the system's number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Disk(u64);

impl Disk {
    /// Of a file whose size tells whether there is more to read; none of a device or a pipe. Blocks.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub(super) fn of(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then(|| Self(metadata.dev())))
    }
}

/// The threads that look, one for each disk that a file was waited for on. They end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Of each disk: there is at most one message for every guest that rests.
    disks: Mutex<HashMap<Disk, Sender<Watched>>>,
}

/// A file that somebody waits for.
struct Watched {
    file: Arc<File>,
    grown: oneshot::Sender<()>,
}

impl Growth {
    /// Returns when there are bytes behind the file's position, or it cannot be looked at: a read tells which. Also when
    /// it cannot be watched, for want of a thread, after the time of one look. Dropping the future ends the watch.
    pub(super) async fn of(self: Arc<Self>, file: Arc<File>, disk: Disk) {
        let (grown, seen) = oneshot::channel();
        match self.watch(Watched { file, grown }, disk) {
            // A thread that is gone sees nothing any more, as if it had seen something.
            Ok(()) => drop(seen.await),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }

    fn watch(&self, mut watched: Watched, disk: Disk) -> io::Result<()> {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = disks.get(&disk) {
            match thread.send(watched) {
                Ok(()) => return Ok(()),
                Err(returned) => watched = returned.0,
            }
        }
        let (sender, arriving) = channel();
        thread::Builder::new().name("file-growth".into()).spawn(move || look(watched, &arriving))?;
        disks.insert(disk, sender);
        Ok(())
    }
}

fn look(first: Watched, arriving: &Receiver<Watched>) {
    let mut watched = vec![first];
    loop {
        thread::sleep(LOOK_EVERY);
        loop {
            match arriving.try_recv() {
                Ok(new) => watched.push(new),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        for seen in watched.extract_if(.., |watched| watched.grown.is_closed() || has_grown(&watched.file)) {
            // Whoever waited may have gone.
            let _ = seen.grown.send(());
        }
        if watched.is_empty() {
            match arriving.recv() {
                Ok(new) => watched.push(new),
                Err(_) => return,
            }
        }
    }
}

fn has_grown(mut file: &File) -> bool {
    let position = file.stream_position();
    let size = file.metadata().map(|metadata| metadata.len());
    !matches!((position, size), (Ok(position), Ok(size)) if size <= position)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    fn watch(growth: &Arc<Growth>, file: &Arc<File>) -> impl Future<Output = ()> + use<> {
        let disk = Disk::of(file).unwrap().expect("a file on a disk");
        Arc::clone(growth).of(Arc::clone(file), disk)
    }

    #[tokio::test]
    async fn bytes_behind_the_position_are_noticed_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name| {
            let path = folder.path().join(name);
            let writer = File::create(&path).unwrap();
            (writer, Arc::new(File::open(&path).unwrap()))
        };
        let growth = Arc::new(Growth::default());
        let ((mut writer, file), (mut other_writer, other)) = (open("a"), open("b"));
        other_writer.write_all(b"read").unwrap();
        (&*other).read_to_end(&mut Vec::new()).unwrap();
        let quiet = tokio::spawn(watch(&growth, &other));
        let waiting = tokio::spawn(watch(&growth, &file));
        writer.write_all(b"one").unwrap();
        tokio::time::timeout(SOON, waiting).await.expect("noticed").unwrap();
        // There since before it was asked for.
        tokio::time::timeout(SOON, watch(&growth, &file)).await.expect("noticed");
        assert!(!quiet.is_finished(), "nothing was added there, in two looks at least");
        // A file that became shorter than the position has to outgrow it.
        other_writer.set_len(0).unwrap();
        writer.write_all(b"two").unwrap();
        tokio::time::timeout(SOON, watch(&growth, &file)).await.expect("noticed");
        assert!(!quiet.is_finished());
        assert_eq!(growth.disks.lock().unwrap().len(), 1, "one thread for one disk");
        quiet.abort();
    }

    #[tokio::test]
    async fn a_watch_that_was_given_up_is_forgotten_and_the_thread_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        File::create(&path).unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let growth = Arc::new(Growth::default());
        let waiting = tokio::time::timeout(Duration::from_millis(1), watch(&growth, &file)).await;
        assert!(waiting.is_err());
        let held = tokio::task::spawn_blocking(move || {
            let begun = std::time::Instant::now();
            while 1 < Arc::strong_count(&file) && begun.elapsed() < SOON {
                thread::yield_now();
            }
            Arc::strong_count(&file)
        });
        assert_eq!(held.await.unwrap(), 1, "nobody holds the file open");
        File::create(&path).unwrap().write_all(b"one").unwrap();
        let again = Arc::new(File::open(&path).unwrap());
        tokio::time::timeout(SOON, watch(&growth, &again)).await.expect("noticed");
    }

    #[test]
    fn what_has_no_size_to_tell_is_on_no_disk() {
        assert_eq!(Disk::of(&File::open("/dev/null").unwrap()).unwrap(), None);
    }
}
