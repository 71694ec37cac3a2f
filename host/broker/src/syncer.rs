//! Group commit: one sync of a partition covers every append since the last one.
//!
//! A partition with unsynced data stands in the queue once. A few blocking workers take partitions from it and
//! end when it is empty, so an idle broker has none.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::task::TaskTracker;

use crate::partition::Partition;

/// Most syncs at once: beyond a few the disk gains nothing.
const MAX_WORKERS: usize = 4;

/// Syncs partitions that ask for it.
#[derive(Debug)]
pub struct Syncer {
    queue: Mutex<Queue>,
    tracker: TaskTracker,
}

#[derive(Debug, Default)]
struct Queue {
    /// At most one entry for each partition.
    waiting: VecDeque<Arc<Partition>>,
    workers: usize,
}

impl Syncer {
    /// Workers are spawned on `tracker`, so that a stop can wait for them.
    pub fn new(tracker: TaskTracker) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), tracker })
    }

    /// Queues a partition that is not queued. Must be called within a tokio runtime.
    pub fn submit(self: &Arc<Self>, partition: Arc<Partition>) {
        let mut queue = self.lock();
        queue.waiting.push_back(partition);
        if queue.workers < MAX_WORKERS && queue.workers < queue.waiting.len() {
            queue.workers += 1;
            let syncer = Arc::clone(self);
            self.tracker.spawn_blocking(move || syncer.work());
        }
    }

    fn work(self: &Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.lock();
                let next = queue.waiting.pop_front();
                if next.is_none() {
                    queue.workers -= 1;
                }
                next
            };
            let Some(partition) = next else { return };
            partition.sync_and_publish();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
