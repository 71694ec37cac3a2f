//! Threads that wait for the disk, so that no other has to: a fixed number that append, one that read, one that
//! sync. Tasks hand them work and wait for its outcome without holding a thread.
//!
//! A disk that stalls holds those threads that wait for it and nothing else. Who could hold them all with one stalled
//! partition is kept from it at that partition's door (`partition::door`).

use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

use crate::{
    changes::Interrupted,
    health::{Health, panic_text},
};

/// Work for a disk thread. It may block.
pub type Job = Box<dyn FnOnce() + Send>;

/// The threads of one broker, by what they do.
#[derive(Debug)]
pub struct IoThreads {
    /// Appends, and everything else that changes a partition's files.
    pub writing: Arc<Threads>,
    /// Reads and look-ups.
    pub reading: Arc<Threads>,
    /// Makes appends durable.
    pub syncing: Arc<Threads>,
    /// Threads that write and may sync what they wrote, so that enough are left to write.
    sync_while_writing: Semaphore,
    /// Places for connections with a thread of their own.
    own_threads: Arc<Semaphore>,
    #[cfg(test)]
    most_own_threads: usize,
}

impl IoThreads {
    /// So many threads that write, as many that read, and so many that sync. Must be called within a tokio runtime.
    pub fn new(io_threads: usize, sync_threads: usize, tracker: &TaskTracker, health: &Arc<Health>) -> Self {
        let threads = |does, most| Arc::new(Threads::new(does, most, tracker.clone(), Arc::clone(health)));
        Self {
            writing: threads("writing", io_threads),
            reading: threads("reading", io_threads),
            syncing: threads("syncing", sync_threads),
            sync_while_writing: Semaphore::new(io_threads / 2),
            own_threads: Arc::new(Semaphore::new(io_threads)),
            #[cfg(test)]
            most_own_threads: io_threads,
        }
    }

    /// The runtime of the broker's tasks, for threads that have one of their own: what a request begins is to outlive that.
    pub fn runtime(&self) -> &Handle {
        &self.writing.runtime
    }

    /// A place for a thread that is not one of these, and writes; there are as many as threads that write. `None` if all
    /// are taken.
    pub fn own_thread(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.own_threads).try_acquire_owned().ok()
    }

    /// How many of these places are taken.
    #[cfg(test)]
    pub fn own_threads_taken(&self) -> usize {
        self.most_own_threads - self.own_threads.available_permits()
    }

    /// Does work that may block on such a thread. A stop waits for it.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let Threads { tracker, runtime, .. } = &*self.writing;
        tracker.spawn_blocking_on(work, runtime)
    }

    /// Leave for a thread that writes to sync; at most half of them have it.
    pub fn sync_while_writing(&self) -> Option<SemaphorePermit<'_>> {
        self.sync_while_writing.try_acquire().ok()
    }
}

/// A bounded number of threads with one queue. There are only as many as there is work for, so an idle broker has
/// none. The queue is as long as the requests that wait for it, whose number connections bound.
#[derive(Debug)]
pub struct Threads {
    does: &'static str,
    most: usize,
    queue: Mutex<Queue>,
    runtime: Handle,
    tracker: TaskTracker,
    health: Arc<Health>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that are at a job, and may be so for long.
    busy: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("jobs", &self.jobs.len())
            .field("threads", &self.threads)
            .field("busy", &self.busy)
            .finish()
    }
}

impl Threads {
    /// Threads are counted on `tracker`, so that a stop can wait for them and for their queue.
    fn new(does: &'static str, most: usize, tracker: TaskTracker, health: Arc<Health>) -> Self {
        Self { does, most: most.max(1), queue: Mutex::default(), runtime: Handle::current(), tracker, health }
    }

    /// Hands over work, which is begun in the order of arrival. Never blocks.
    pub fn submit(self: &Arc<Self>, job: Job) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        // A thread that is at a job is no help: it may wait for a disk that stalls.
        if queue.threads < self.most && queue.threads - queue.busy < queue.jobs.len() {
            queue.threads += 1;
            let threads = Arc::clone(self);
            self.tracker.spawn_blocking_on(move || threads.work(), &self.runtime);
        }
    }

    /// Runs work here and waits for its outcome. The work is begun at once and goes on to its end even if the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// It ended in a panic, which is reported.
    pub fn run<T, W>(self: &Arc<Self>, work: W) -> impl Future<Output = Result<T, Interrupted>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (done, outcome) = oneshot::channel();
        let (does, health) = (self.does, Arc::clone(&self.health));
        self.submit(Box::new(move || {
            let worked = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
                let reason = panic_text(&*panic);
                // Reported before anybody hears of it.
                health.report(does, reason.as_str());
                Interrupted::new(does, reason)
            });
            // Nobody may be left to hear it.
            drop(done.send(worked));
        }));
        async move { outcome.await.unwrap_or_else(|_| Err(Interrupted::new(does, "the broker was stopped"))) }
    }

    fn work(&self) {
        let mut queue = self.lock();
        while let Some(job) = queue.jobs.pop_front() {
            queue.busy += 1;
            drop(queue);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
                self.health.report(self.does, panic_text(&*panic));
            }
            queue = self.lock();
            queue.busy -= 1;
        }
        queue.threads -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Jobs run outside of the lock, and what runs inside changes one thing.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn threads(most: usize) -> (Arc<Threads>, TaskTracker, Arc<Health>) {
        let (tracker, health) = (TaskTracker::new(), Arc::new(Health::default()));
        (Arc::new(Threads::new("testing", most, tracker.clone(), Arc::clone(&health))), tracker, health)
    }

    #[tokio::test]
    async fn no_more_threads_than_allowed_wait_for_the_disk_and_all_work_is_done_in_the_end() {
        let (threads, tracker, _) = threads(2);
        let (finish, stalled) = mpsc::channel::<()>();
        let stalled = Arc::new(Mutex::new(stalled));
        let outcomes: Vec<_> = (0..5)
            .map(|number| {
                let stalled = Arc::clone(&stalled);
                threads.run(move || {
                    stalled.lock().unwrap().recv().unwrap();
                    number
                })
            })
            .collect();
        assert_eq!(threads.lock().threads, 2);
        (0..5).for_each(|_| finish.send(()).unwrap());
        for (number, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome.await.unwrap(), number);
        }
        tracker.close();
        tracker.wait().await;
        assert_eq!(threads.lock().threads, 0, "an idle broker has none");
    }

    #[tokio::test]
    async fn work_behind_a_thread_that_stalls_is_done_by_another() {
        let (threads, _, _) = threads(2);
        let (finish, stalled) = mpsc::channel::<()>();
        let waiting = threads.run(move || stalled.recv().unwrap());
        while threads.lock().busy == 0 {
            tokio::task::yield_now().await;
        }
        for number in 0..3 {
            assert_eq!(threads.run(move || number).await.unwrap(), number);
        }
        finish.send(()).unwrap();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_a_fault_and_the_thread_goes_on() {
        let (threads, _, health) = threads(1);
        assert!(threads.run(|| panic!("a splinter")).await.map(|(): ()| ()).is_err());
        assert_eq!(health.faults(), ["testing: a fault in the program: a splinter"]);
        assert_eq!(threads.run(|| 7).await.unwrap(), 7);
    }
}
